// HopyardUserland

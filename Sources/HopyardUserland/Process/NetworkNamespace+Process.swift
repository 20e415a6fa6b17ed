import HopyardSimulator

extension NetworkNamespace: ProcessNamespace {}

// Protocols that programs speak over the modelled kernel: DNS and HTTP, clients and servers.

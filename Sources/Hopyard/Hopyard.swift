// One import for users: everything that the floors make public.
@_exported public import HopyardCapture
@_exported public import HopyardSimulator
@_exported public import HopyardUserland
@_exported public import HopyardWire

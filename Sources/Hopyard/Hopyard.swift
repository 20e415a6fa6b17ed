// One import for users: everything that the floors make public.
@_exported public import HopyardCapture
@_exported public import HopyardContainers
@_exported public import HopyardDocker
@_exported public import HopyardKubernetes
@_exported public import HopyardRules
@_exported public import HopyardScenarios
@_exported public import HopyardServices
@_exported public import HopyardSimulator
@_exported public import HopyardUserland
@_exported public import HopyardWire

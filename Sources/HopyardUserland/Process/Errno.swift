/// Why a system call failed, with the C library's text.
public enum Errno: Int32, Error, Sendable, CustomStringConvertible {
  case notPermitted = 1
  case noSuchFile = 2
  case noSuchProcess = 3
  case interrupted = 4
  case inputOutput = 5
  case noSuchDeviceOrAddress = 6
  case argumentListTooLong = 7
  case badDescriptor = 9
  case noChild = 10
  case again = 11
  case noMemory = 12
  case accessDenied = 13
  case busy = 16
  case exists = 17
  case crossDevice = 18
  case noSuchDevice = 19
  case notDirectory = 20
  case isDirectory = 21
  case invalidArgument = 22
  case tooManyFiles = 24
  case fileTooLarge = 27
  case noSpace = 28
  case illegalSeek = 29
  case readOnly = 30
  case brokenPipe = 32
  case outOfRange = 34
  case nameTooLong = 36
  case notEmpty = 39
  case notSocket = 88
  case destinationRequired = 89
  case messageTooLong = 90
  case protocolNotAvailable = 92
  case protocolNotSupported = 93
  case operationNotSupported = 95
  case familyNotSupported = 97
  case addressInUse = 98
  case addressNotAvailable = 99
  case networkDown = 100
  case networkUnreachable = 101
  case connectionAborted = 103
  case connectionReset = 104
  case noBufferSpace = 105
  case alreadyConnected = 106
  case notConnected = 107
  case timedOut = 110
  case connectionRefused = 111
  case hostDown = 112
  case hostUnreachable = 113
  case alreadyInProgress = 114
  case inProgress = 115

  /// What `strerror` says.
  public var description: String {
    switch self {
    case .notPermitted: "Operation not permitted"
    case .noSuchFile: "No such file or directory"
    case .noSuchProcess: "No such process"
    case .interrupted: "Interrupted system call"
    case .inputOutput: "Input/output error"
    case .noSuchDeviceOrAddress: "No such device or address"
    case .argumentListTooLong: "Argument list too long"
    case .badDescriptor: "Bad file descriptor"
    case .noChild: "No child processes"
    case .again: "Resource temporarily unavailable"
    case .noMemory: "Cannot allocate memory"
    case .accessDenied: "Permission denied"
    case .busy: "Device or resource busy"
    case .exists: "File exists"
    case .crossDevice: "Invalid cross-device link"
    case .noSuchDevice: "No such device"
    case .notDirectory: "Not a directory"
    case .isDirectory: "Is a directory"
    case .invalidArgument: "Invalid argument"
    case .tooManyFiles: "Too many open files"
    case .fileTooLarge: "File too large"
    case .noSpace: "No space left on device"
    case .illegalSeek: "Illegal seek"
    case .readOnly: "Read-only file system"
    case .brokenPipe: "Broken pipe"
    case .outOfRange: "Numerical result out of range"
    case .nameTooLong: "File name too long"
    case .notEmpty: "Directory not empty"
    case .notSocket: "Socket operation on non-socket"
    case .destinationRequired: "Destination address required"
    case .messageTooLong: "Message too long"
    case .protocolNotAvailable: "Protocol not available"
    case .protocolNotSupported: "Protocol not supported"
    case .operationNotSupported: "Operation not supported"
    case .familyNotSupported: "Address family not supported by protocol"
    case .addressInUse: "Address already in use"
    case .addressNotAvailable: "Cannot assign requested address"
    case .networkDown: "Network is down"
    case .networkUnreachable: "Network is unreachable"
    case .connectionAborted: "Software caused connection abort"
    case .connectionReset: "Connection reset by peer"
    case .noBufferSpace: "No buffer space available"
    case .alreadyConnected: "Transport endpoint is already connected"
    case .notConnected: "Transport endpoint is not connected"
    case .timedOut: "Connection timed out"
    case .connectionRefused: "Connection refused"
    case .hostDown: "Host is down"
    case .hostUnreachable: "No route to host"
    case .alreadyInProgress: "Operation already in progress"
    case .inProgress: "Operation now in progress"
    }
  }
}

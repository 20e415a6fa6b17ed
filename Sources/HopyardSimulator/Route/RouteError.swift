/// The error numbers that routing gives, with Linux's values.
public enum RouteErrno: Int32, Hashable, Sendable {
  /// `ENOENT`.
  case noSuchFile = 2
  /// `ESRCH`.
  case noSuchProcess = 3
  /// `ENOMEM`.
  case outOfMemory = 12
  /// `EACCES`.
  case permissionDenied = 13
  /// `EEXIST`.
  case fileExists = 17
  /// `ENODEV`.
  case noSuchDevice = 19
  /// `EINVAL`.
  case invalidArgument = 22
  /// `ERANGE`.
  case outOfRange = 34
  /// `ENOBUFS`.
  case noBufferSpace = 105
  /// `EOPNOTSUPP`.
  case notSupported = 95
  /// `EADDRNOTAVAIL`.
  case addressNotAvailable = 99
  /// `ENETDOWN`.
  case networkDown = 100
  /// `ENETUNREACH`.
  case networkUnreachable = 101
  /// `EHOSTUNREACH`.
  case hostUnreachable = 113

  /// The sentence of strerror(3).
  public var description: String {
    switch self {
    case .noSuchFile: "No such file or directory"
    case .noSuchProcess: "No such process"
    case .outOfMemory: "Cannot allocate memory"
    case .permissionDenied: "Permission denied"
    case .fileExists: "File exists"
    case .noSuchDevice: "No such device"
    case .invalidArgument: "Invalid argument"
    case .outOfRange: "Numerical result out of range"
    case .noBufferSpace: "No buffer space available"
    case .notSupported: "Operation not supported"
    case .addressNotAvailable: "Cannot assign requested address"
    case .networkDown: "Network is down"
    case .networkUnreachable: "Network is unreachable"
    case .hostUnreachable: "No route to host"
    }
  }
}

/// Why the kernel refuses a change to routes, rules or next hops.
public struct RouteError: Error, Hashable, Sendable {
  /// The error number.
  public var errno: RouteErrno
  /// The sentence that the kernel adds (netlink's extended acknowledgement), without a full stop.
  public var message: String?

  /// Makes an error.
  public init(_ errno: RouteErrno, _ message: String? = nil) {
    self.errno = errno
    self.message = message
  }
}

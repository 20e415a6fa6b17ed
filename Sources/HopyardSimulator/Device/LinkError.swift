/// The error numbers that changes to devices, addresses and neighbours give, with Linux's values.
public enum LinkErrno: Int32, Hashable, Sendable {
  /// `EPERM`.
  case notPermitted = 1
  /// `ENOENT`.
  case noSuchFile = 2
  /// `EBUSY`.
  case busy = 16
  /// `EEXIST`.
  case fileExists = 17
  /// `EXDEV`.
  case crossDevice = 18
  /// `ENODEV`.
  case noSuchDevice = 19
  /// `EINVAL`.
  case invalidArgument = 22
  /// `ERANGE`.
  case outOfRange = 34
  /// `ELOOP`.
  case loop = 40
  /// `EOPNOTSUPP`.
  case notSupported = 95
  /// `EADDRINUSE`.
  case addressInUse = 98
  /// `EADDRNOTAVAIL`.
  case addressNotAvailable = 99
  /// `ENETDOWN`.
  case networkDown = 100
  /// `ENOTCONN`.
  case notConnected = 107

  /// The sentence of strerror(3).
  public var description: String {
    switch self {
    case .notPermitted: "Operation not permitted"
    case .noSuchFile: "No such file or directory"
    case .busy: "Device or resource busy"
    case .fileExists: "File exists"
    case .crossDevice: "Invalid cross-device link"
    case .noSuchDevice: "No such device"
    case .invalidArgument: "Invalid argument"
    case .outOfRange: "Numerical result out of range"
    case .loop: "Too many levels of symbolic links"
    case .notSupported: "Operation not supported"
    case .addressInUse: "Address already in use"
    case .addressNotAvailable: "Cannot assign requested address"
    case .networkDown: "Network is down"
    case .notConnected: "Transport endpoint is not connected"
    }
  }
}

/// Why the kernel refuses a change to a device, an address or a neighbour.
public struct LinkError: Error, Hashable, Sendable {
  /// The error number.
  public var errno: LinkErrno
  /// The sentence that the kernel adds (netlink's extended acknowledgement), without a full stop.
  public var message: String?

  /// Makes an error.
  public init(_ errno: LinkErrno, _ message: String? = nil) {
    self.errno = errno
    self.message = message
  }
}

/// Why a socket operation failed, as the errno of Linux's system call.
public enum SocketError: Int32, Error, Hashable, Sendable {
  /// EPERM: a rule forbade it.
  case operationNotPermitted = 1
  /// EINTR: a signal came.
  case interrupted = 4
  /// EAGAIN: nothing there, or no room, at the moment.
  case wouldBlock = 11
  /// EACCES.
  case accessDenied = 13
  /// EBUSY.
  case busy = 16
  /// ENODEV.
  case noSuchDevice = 19
  /// EINVAL.
  case invalidArgument = 22
  /// EPIPE.
  case brokenPipe = 32
  /// EDESTADDRREQ.
  case destinationRequired = 89
  /// EMSGSIZE.
  case messageTooLong = 90
  /// ENOPROTOOPT.
  case protocolNotAvailable = 92
  /// EPROTONOSUPPORT.
  case protocolNotSupported = 93
  /// EOPNOTSUPP.
  case operationNotSupported = 95
  /// EAFNOSUPPORT.
  case addressFamilyNotSupported = 97
  /// EADDRINUSE.
  case addressInUse = 98
  /// EADDRNOTAVAIL.
  case addressNotAvailable = 99
  /// ENETDOWN.
  case networkDown = 100
  /// ENETUNREACH.
  case networkUnreachable = 101
  /// ECONNABORTED.
  case connectionAborted = 103
  /// ECONNRESET.
  case connectionReset = 104
  /// ENOBUFS.
  case noBufferSpace = 105
  /// EISCONN.
  case alreadyConnected = 106
  /// ENOTCONN.
  case notConnected = 107
  /// ETIMEDOUT.
  case timedOut = 110
  /// ECONNREFUSED.
  case connectionRefused = 111
  /// EHOSTDOWN.
  case hostDown = 112
  /// EHOSTUNREACH.
  case hostUnreachable = 113
  /// EALREADY.
  case alreadyInProgress = 114
  /// EINPROGRESS.
  case inProgress = 115

  /// The text of `strerror`.
  public var text: String {
    switch self {
    case .operationNotPermitted: "Operation not permitted"
    case .interrupted: "Interrupted system call"
    case .wouldBlock: "Resource temporarily unavailable"
    case .accessDenied: "Permission denied"
    case .busy: "Device or resource busy"
    case .noSuchDevice: "No such device"
    case .invalidArgument: "Invalid argument"
    case .brokenPipe: "Broken pipe"
    case .destinationRequired: "Destination address required"
    case .messageTooLong: "Message too long"
    case .protocolNotAvailable: "Protocol not available"
    case .protocolNotSupported: "Protocol not supported"
    case .operationNotSupported: "Operation not supported"
    case .addressFamilyNotSupported: "Address family not supported by protocol"
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

extension SocketError {
  /// The error of a system call for a routing error.
  init(_ error: RouteErrno) {
    switch error {
    case .networkUnreachable: self = .networkUnreachable
    case .hostUnreachable: self = .hostUnreachable
    case .permissionDenied: self = .accessDenied
    case .noSuchDevice: self = .noSuchDevice
    default: self = .invalidArgument
    }
  }

  /// What an ICMP error means to a socket, and whether it is final (RFC 1122 §4.2.3.9, and Linux's
  /// `icmp_err_convert`).
  static func converted(type: UInt8, code: UInt8) -> (error: SocketError, isFatal: Bool)? {
    switch type {
    case 3:
      switch code {
      case 0: (.networkUnreachable, false)
      case 1: (.hostUnreachable, false)
      case 2: (.protocolNotAvailable, true)
      case 3: (.connectionRefused, true)
      case 4: (.messageTooLong, false)
      case 5: (.operationNotSupported, false)
      case 6: (.networkUnreachable, true)
      case 7: (.hostDown, true)
      case 8: (.hostUnreachable, true)
      case 9: (.networkUnreachable, true)
      case 10: (.hostUnreachable, true)
      case 11: (.networkUnreachable, false)
      case 12: (.hostUnreachable, false)
      case 13, 14, 15: (.hostUnreachable, true)
      default: nil
      }
    case 11: (.hostUnreachable, false)
    case 12: (.protocolNotSupported, true)
    default: nil
    }
  }
}

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A capture file that could not be opened, read or written.
public struct CaptureError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The file's path.
  public let file: String
  /// The system's `errno`, or 0 where the reason is not the system's.
  public let code: Int32
  /// The reason, in the system's or libpcap's words.
  public let reason: String

  /// Makes an error with a reason of its own.
  public init(file: String, reason: String) {
    self.file = file
    self.code = 0
    self.reason = reason
  }

  /// Makes an error from the system's `errno`.
  public init(file: String, code: Int32) {
    self.file = file
    self.code = code
    self.reason = strerror(code).map { String(cString: $0) } ?? "error \(code)"
  }

  /// `file: reason`.
  public var description: String { "\(file): \(reason)" }
}

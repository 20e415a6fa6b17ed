/// A header that can be read from bytes and written to bytes.
///
/// Reading checks only what must hold for the header to make sense; checksums are kept as found and
/// written as they stand. Bytes behind the header are ignored.
public protocol WireHeader: Hashable, Sendable, CustomStringConvertible {
  /// Reads the header at the start of a buffer.
  init(parsing bytes: UnsafeRawBufferPointer) throws(WireError)

  /// The number of bytes that ``write(to:)`` fills.
  var encodedLength: Int { get }

  /// Writes the header to the start of a buffer that has room for it.
  func write(to buffer: UnsafeMutableRawBufferPointer)
}

extension WireHeader {
  /// Reads the header at the start of an array.
  public init(parsing bytes: [UInt8]) throws(WireError) {
    let result = bytes.withUnsafeBytes { buffer in
      Result { () throws(WireError) -> Self in try Self(parsing: buffer) }
    }
    self = try result.get()
  }

  /// The header as bytes.
  public func encoded() -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: encodedLength) { buffer, count in
      write(to: UnsafeMutableRawBufferPointer(buffer))
      count = encodedLength
    }
  }
}

extension UnsafeRawBufferPointer {
  /// Throws unless there are as many bytes as a header needs.
  @inlinable @inline(__always)
  func require(_ needed: Int) throws(WireError) {
    guard count >= needed else { throw .truncated(needed: needed, available: count) }
  }
}

extension UnsafeMutableRawBufferPointer {
  /// Traps unless there is room for a header.
  @inlinable @inline(__always)
  func requireRoom(_ needed: Int) {
    precondition(count >= needed, "A header is written to a buffer that has room for it")
  }
}

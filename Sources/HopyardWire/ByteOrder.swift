/// Loads of integers in network byte order.
///
/// The offset is checked in debug builds only: callers compare `count` with what they need once,
/// before the first load.
extension UnsafeRawBufferPointer {
  /// The 16-bit integer that stands at an offset in network order.
  @inlinable @inline(__always)
  public func bigEndianUInt16(at offset: Int) -> UInt16 {
    UInt16(bigEndian: loadUnaligned(fromByteOffset: offset, as: UInt16.self))
  }

  /// The 32-bit integer that stands at an offset in network order.
  @inlinable @inline(__always)
  public func bigEndianUInt32(at offset: Int) -> UInt32 {
    UInt32(bigEndian: loadUnaligned(fromByteOffset: offset, as: UInt32.self))
  }

  /// The 48 bits at an offset in network order, in the low bits of the result.
  @inlinable @inline(__always)
  public func bigEndianUInt48(at offset: Int) -> UInt64 {
    UInt64(bigEndianUInt16(at: offset)) &<< 32 | UInt64(bigEndianUInt32(at: offset &+ 2))
  }

  /// The bytes in a range, clipped to what is there.
  @inlinable
  public func clipped(to range: Range<Int>) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: self[range.clamped(to: 0..<count)])
  }
}

/// Loads and stores of integers in network byte order.
///
/// The offset is checked in debug builds only, as for loads from an immutable buffer.
extension UnsafeMutableRawBufferPointer {
  /// The 16-bit integer that stands at an offset in network order.
  @inlinable @inline(__always)
  public func bigEndianUInt16(at offset: Int) -> UInt16 {
    UInt16(bigEndian: loadUnaligned(fromByteOffset: offset, as: UInt16.self))
  }

  /// The 32-bit integer that stands at an offset in network order.
  @inlinable @inline(__always)
  public func bigEndianUInt32(at offset: Int) -> UInt32 {
    UInt32(bigEndian: loadUnaligned(fromByteOffset: offset, as: UInt32.self))
  }

  /// The 48 bits at an offset in network order, in the low bits of the result.
  @inlinable @inline(__always)
  public func bigEndianUInt48(at offset: Int) -> UInt64 {
    UInt64(bigEndianUInt16(at: offset)) &<< 32 | UInt64(bigEndianUInt32(at: offset &+ 2))
  }

  /// Stores a 16-bit integer in network order.
  @inlinable @inline(__always)
  public func storeBigEndian(_ value: UInt16, at offset: Int) {
    storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt16.self)
  }

  /// Stores a 32-bit integer in network order.
  @inlinable @inline(__always)
  public func storeBigEndian(_ value: UInt32, at offset: Int) {
    storeBytes(of: value.bigEndian, toByteOffset: offset, as: UInt32.self)
  }

  /// Stores the low 48 bits of an integer in network order.
  @inlinable @inline(__always)
  public func storeBigEndian48(_ value: UInt64, at offset: Int) {
    storeBigEndian(UInt16(truncatingIfNeeded: value &>> 32), at: offset)
    storeBigEndian(UInt32(truncatingIfNeeded: value), at: offset &+ 2)
  }
}

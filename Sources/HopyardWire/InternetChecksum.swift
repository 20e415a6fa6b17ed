/// The Internet checksum: the one's complement of the one's complement sum of 16-bit words.
///
/// A partial sum is a `UInt64` that is congruent, modulo 0xffff, to the sum of the words read in
/// network order, so partial sums add up with `&+` and do not depend on the machine's byte order.
///
///     let sum = InternetChecksum.pseudoHeader(
///       source: source, destination: destination, protocol: .udp, length: segment.count)
///     let checksum = InternetChecksum.checksum(of: segment, initial: sum)
public enum InternetChecksum {
  /// Adds bytes to a partial sum; an odd byte at the end counts as the high half of a word.
  ///
  /// Parts of one message are summed one after the other, each but the last of even length.
  @inlinable
  public static func sum(_ bytes: UnsafeRawBufferPointer, initial: UInt64 = 0) -> UInt64 {
    guard let base = bytes.baseAddress else { return initial }
    let count = bytes.count
    // RFC 1071 §2: words may be summed in any byte order and of any width, and swapped at the end.
    var low: UInt64 = 0
    var high: UInt64 = 0
    var offset = 0
    while offset &+ 16 <= count {
      low &+= UInt64(base.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
      high &+= UInt64(base.loadUnaligned(fromByteOffset: offset &+ 4, as: UInt32.self))
      low &+= UInt64(base.loadUnaligned(fromByteOffset: offset &+ 8, as: UInt32.self))
      high &+= UInt64(base.loadUnaligned(fromByteOffset: offset &+ 12, as: UInt32.self))
      offset &+= 16
    }
    while offset &+ 4 <= count {
      low &+= UInt64(base.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
      offset &+= 4
    }
    if offset &+ 2 <= count {
      high &+= UInt64(base.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
      offset &+= 2
    }
    if offset < count {
      let last = UInt16(base.load(fromByteOffset: offset, as: UInt8.self))
      high &+= UInt64((last &<< 8).bigEndian)
    }
    return initial &+ UInt64(UInt16(bigEndian: fold(low &+ high)))
  }

  /// Adds bytes to a partial sum.
  @inlinable
  public static func sum(_ bytes: RawSpan, initial: UInt64 = 0) -> UInt64 {
    bytes.withUnsafeBytes { sum($0, initial: initial) }
  }

  /// Brings a partial sum down to 16 bits with end-around carry.
  ///
  /// The result is 0 only if the sum is 0.
  @inlinable
  public static func fold(_ sum: UInt64) -> UInt16 {
    var value = (sum & 0xffff_ffff) &+ (sum &>> 32)
    value = (value & 0xffff) &+ (value &>> 16 & 0xffff) &+ (value &>> 32)
    value = (value & 0xffff) &+ (value &>> 16)
    value = (value & 0xffff) &+ (value &>> 16)
    return UInt16(truncatingIfNeeded: value)
  }

  /// The checksum of bytes whose checksum field holds zero.
  @inlinable
  public static func checksum(of bytes: UnsafeRawBufferPointer, initial: UInt64 = 0) -> UInt16 {
    ~fold(sum(bytes, initial: initial))
  }

  /// The checksum of bytes whose checksum field holds zero.
  @inlinable
  public static func checksum(of bytes: RawSpan, initial: UInt64 = 0) -> UInt16 {
    ~fold(sum(bytes, initial: initial))
  }

  /// Whether bytes with their checksum in place sum up as they must.
  @inlinable
  public static func isValid(_ bytes: UnsafeRawBufferPointer, initial: UInt64 = 0) -> Bool {
    fold(sum(bytes, initial: initial)) == 0xffff
  }

  /// The partial sum of the pseudo-header of UDP and TCP over IPv4.
  @inlinable
  public static func pseudoHeader(
    source: IPv4Address,
    destination: IPv4Address,
    protocol: IPProtocol,
    length: Int
  ) -> UInt64 {
    UInt64(source.rawValue) &+ UInt64(destination.rawValue) &+ UInt64(`protocol`.rawValue)
      &+ UInt64(UInt32(truncatingIfNeeded: length))
  }

  /// The partial sum of the pseudo-header of UDP, TCP and ICMPv6 over IPv6 (RFC 8200 §8.1).
  @inlinable
  public static func pseudoHeader(
    source: IPv6Address,
    destination: IPv6Address,
    protocol: IPProtocol,
    length: Int
  ) -> UInt64 {
    words(source.rawValue) &+ words(destination.rawValue) &+ UInt64(`protocol`.rawValue)
      &+ UInt64(UInt32(truncatingIfNeeded: length))
  }

  /// What to send in the UDP checksum field: zero there would mean that there is no checksum.
  @inlinable
  public static func udp(_ checksum: UInt16) -> UInt16 {
    checksum == 0 ? 0xffff : checksum
  }

  /// The checksum after one 16-bit word of the data has changed.
  ///
  /// RFC 1624 equation 3, which unlike RFC 1141 gives what a full computation gives also where
  /// the sum is zero. For UDP, leave a checksum of zero alone and pass the result to ``udp(_:)``.
  @inlinable
  public static func adjust(_ old: UInt16, from: UInt16, to: UInt16) -> UInt16 {
    ~fold(UInt64(~old) &+ UInt64(~from) &+ UInt64(to))
  }

  /// The checksum after an aligned 32-bit word of the data has changed.
  @inlinable
  public static func adjust(_ old: UInt16, from: UInt32, to: UInt32) -> UInt16 {
    ~fold(UInt64(~old) &+ UInt64(~from) &+ UInt64(to))
  }

  /// The checksum after an aligned address has changed.
  @inlinable
  public static func adjust(_ old: UInt16, from: IPv4Address, to: IPv4Address) -> UInt16 {
    adjust(old, from: from.rawValue, to: to.rawValue)
  }

  /// The checksum after an aligned address has changed.
  @inlinable
  public static func adjust(_ old: UInt16, from: IPv6Address, to: IPv6Address) -> UInt16 {
    ~fold(UInt64(~old) &+ words(~from.rawValue) &+ words(to.rawValue))
  }

  /// The sum of the 32-bit words of a 128-bit integer.
  @inlinable
  static func words(_ value: UInt128) -> UInt64 {
    let high = UInt64(truncatingIfNeeded: value &>> 64)
    let low = UInt64(truncatingIfNeeded: value)
    return high &>> 32 &+ high & 0xffff_ffff &+ low &>> 32 &+ low & 0xffff_ffff
  }
}

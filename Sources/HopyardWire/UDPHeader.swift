/// The header of a UDP datagram.
@frozen
public struct UDPHeader: WireHeader {
  /// Where the fields are, in bytes from the start of the datagram.
  public enum Offset {
    /// The source port.
    @inlinable public static var sourcePort: Int { 0 }
    /// The destination port.
    @inlinable public static var destinationPort: Int { 2 }
    /// The length of header and payload.
    @inlinable public static var length: Int { 4 }
    /// The checksum, zero if there is none.
    @inlinable public static var checksum: Int { 6 }
  }

  /// The number of bytes of the header.
  @inlinable public static var length: Int { 8 }

  /// The source port.
  public var sourcePort: UInt16
  /// The destination port.
  public var destinationPort: UInt16
  /// The length of header and payload in bytes.
  public var length: UInt16
  /// The checksum as found; zero means that there is none.
  public var checksum: UInt16

  /// Makes a header for a payload; its length is cut to what fits into 65,535 bytes.
  @inlinable
  public init(
    sourcePort: UInt16,
    destinationPort: UInt16,
    payloadLength: Int,
    checksum: UInt16 = 0
  ) {
    self.sourcePort = sourcePort
    self.destinationPort = destinationPort
    length = UInt16(truncatingIfNeeded: min(max(0, payloadLength), 65_527) &+ 8)
    self.checksum = checksum
  }

  /// Reads the header at the start of a datagram; the payload need not be there.
  @inlinable
  public init(parsing bytes: UnsafeRawBufferPointer) throws(WireError) {
    try bytes.require(Self.length)
    sourcePort = bytes.bigEndianUInt16(at: Offset.sourcePort)
    destinationPort = bytes.bigEndianUInt16(at: Offset.destinationPort)
    length = bytes.bigEndianUInt16(at: Offset.length)
    checksum = bytes.bigEndianUInt16(at: Offset.checksum)
    guard length >= 8 else { throw .length(Int(length)) }
  }

  /// The number of bytes of the payload, as the length field has it.
  @inlinable public var payloadLength: Int { max(0, Int(length) &- 8) }

  /// The number of bytes of the header.
  @inlinable public var encodedLength: Int { Self.length }

  /// Writes the header.
  @inlinable
  public func write(to buffer: UnsafeMutableRawBufferPointer) {
    buffer.requireRoom(Self.length)
    buffer.storeBigEndian(sourcePort, at: Offset.sourcePort)
    buffer.storeBigEndian(destinationPort, at: Offset.destinationPort)
    buffer.storeBigEndian(length, at: Offset.length)
    buffer.storeBigEndian(checksum, at: Offset.checksum)
  }

  /// The header as tcpdump prints it, without the addresses.
  public var description: String {
    "\(sourcePort) > \(destinationPort): UDP, length \(payloadLength)"
  }
}

extension UDPHeader {
  /// Computes and stores the checksum of a whole datagram over IPv4; never zero.
  @inlinable
  public static func setChecksum(
    in datagram: UnsafeMutableRawBufferPointer,
    source: IPv4Address,
    destination: IPv4Address
  ) {
    guard datagram.count >= length else { return }
    let initial = InternetChecksum.pseudoHeader(
      source: source,
      destination: destination,
      protocol: .udp,
      length: datagram.count
    )
    datagram.storeBigEndian(0 as UInt16, at: Offset.checksum)
    let checksum = InternetChecksum.checksum(of: UnsafeRawBufferPointer(datagram), initial: initial)
    datagram.storeBigEndian(InternetChecksum.udp(checksum), at: Offset.checksum)
  }

  /// Whether a whole datagram over IPv4 has the right checksum, or none.
  @inlinable
  public static func hasValidChecksum(
    _ datagram: UnsafeRawBufferPointer,
    source: IPv4Address,
    destination: IPv4Address
  ) -> Bool {
    guard datagram.count >= length else { return false }
    if datagram.bigEndianUInt16(at: Offset.checksum) == 0 { return true }
    let initial = InternetChecksum.pseudoHeader(
      source: source,
      destination: destination,
      protocol: .udp,
      length: datagram.count
    )
    return InternetChecksum.isValid(datagram, initial: initial)
  }
}

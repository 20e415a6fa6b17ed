/// The header of an Ethernet II frame.
@frozen
public struct EthernetHeader: WireHeader {
  /// Where the fields are, in bytes from the start of the frame.
  public enum Offset {
    /// The destination address.
    @inlinable public static var destination: Int { 0 }
    /// The source address.
    @inlinable public static var source: Int { 6 }
    /// The EtherType, or the EtherType of the first tag.
    @inlinable public static var etherType: Int { 12 }
    /// What the frame carries, if it has no tag.
    @inlinable public static var payload: Int { 14 }
  }

  /// The number of bytes of the header.
  @inlinable public static var length: Int { 14 }

  /// To whom the frame goes.
  public var destination: MACAddress
  /// Who sent the frame.
  public var source: MACAddress
  /// What follows the header.
  public var etherType: EtherType

  /// Makes a header.
  @inlinable
  public init(destination: MACAddress, source: MACAddress, etherType: EtherType) {
    self.destination = destination
    self.source = source
    self.etherType = etherType
  }

  /// Reads the header at the start of a frame.
  @inlinable
  public init(parsing bytes: UnsafeRawBufferPointer) throws(WireError) {
    try bytes.require(Self.length)
    destination = MACAddress(rawValue: bytes.bigEndianUInt48(at: Offset.destination))
    source = MACAddress(rawValue: bytes.bigEndianUInt48(at: Offset.source))
    etherType = EtherType(rawValue: bytes.bigEndianUInt16(at: Offset.etherType))
  }

  /// The number of bytes of the header.
  @inlinable public var encodedLength: Int { Self.length }

  /// Writes the header.
  @inlinable
  public func write(to buffer: UnsafeMutableRawBufferPointer) {
    buffer.requireRoom(Self.length)
    buffer.storeBigEndian48(destination.rawValue, at: Offset.destination)
    buffer.storeBigEndian48(source.rawValue, at: Offset.source)
    buffer.storeBigEndian(etherType.rawValue, at: Offset.etherType)
  }

  /// The header as `tcpdump -e` prints it.
  public var description: String {
    let number = etherType.rawValue.hexadecimal(width: 4)
    let target = destination.isBroadcast ? "Broadcast" : destination.description
    if etherType.isLength { return "\(source) > \(target), 802.3, length \(etherType.rawValue)" }
    let name = etherType.description.hasPrefix("0x") ? "Unknown" : etherType.description
    return "\(source) > \(target), ethertype \(name) (0x\(number))"
  }
}

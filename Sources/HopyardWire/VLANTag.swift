/// A VLAN tag of 802.1Q or 802.1ad: the four bytes behind an EtherType of 0x8100 or 0x88a8.
@frozen
public struct VLANTag: WireHeader {
  /// Where the fields are, in bytes from the end of the EtherType that announces the tag.
  public enum Offset {
    /// Priority, drop eligibility and VLAN number.
    @inlinable public static var control: Int { 0 }
    /// The EtherType of what the tag stands before.
    @inlinable public static var etherType: Int { 2 }
  }

  /// The number of bytes of a tag.
  @inlinable public static var length: Int { 4 }

  /// Priority (3 bits), drop eligibility (1 bit) and VLAN number (12 bits).
  public var control: UInt16
  /// What follows the tag.
  public var etherType: EtherType

  /// Makes a tag from its control information as it is on the wire.
  @inlinable
  public init(control: UInt16, etherType: EtherType) {
    self.control = control
    self.etherType = etherType
  }

  /// Makes a tag; of the numbers only the bits that have room are kept.
  @inlinable
  public init(
    vlan: UInt16,
    priority: UInt8 = 0,
    dropEligible: Bool = false,
    etherType: EtherType
  ) {
    control = UInt16(priority & 7) &<< 13 | (dropEligible ? 0x1000 : 0) | vlan & 0xfff
    self.etherType = etherType
  }

  /// Reads a tag.
  @inlinable
  public init(parsing bytes: UnsafeRawBufferPointer) throws(WireError) {
    try bytes.require(Self.length)
    control = bytes.bigEndianUInt16(at: Offset.control)
    etherType = EtherType(rawValue: bytes.bigEndianUInt16(at: Offset.etherType))
  }

  /// The VLAN number, 0 through 4095.
  @inlinable public var vlan: UInt16 { control & 0xfff }
  /// The priority, 0 through 7.
  @inlinable public var priority: UInt8 { UInt8(truncatingIfNeeded: control &>> 13) }
  /// Whether the frame may be dropped first.
  @inlinable public var isDropEligible: Bool { control & 0x1000 != 0 }

  /// The number of bytes of a tag.
  @inlinable public var encodedLength: Int { Self.length }

  /// Writes the tag.
  @inlinable
  public func write(to buffer: UnsafeMutableRawBufferPointer) {
    buffer.requireRoom(Self.length)
    buffer.storeBigEndian(control, at: Offset.control)
    buffer.storeBigEndian(etherType.rawValue, at: Offset.etherType)
  }

  /// The tag as tcpdump prints it.
  public var description: String {
    let eligible = isDropEligible ? ", DEI" : ""
    return "vlan \(vlan), p \(priority)\(eligible), ethertype \(etherType)"
  }
}

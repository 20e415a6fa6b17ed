/// An ARP message for IPv4 over Ethernet.
@frozen
public struct ARPMessage: WireHeader {
  /// What an ARP message says.
  @frozen
  public struct Operation: RawRepresentable, Hashable, Sendable {
    /// The number in the message.
    public let rawValue: UInt16

    /// Makes an operation from its number.
    @inlinable
    public init(rawValue: UInt16) {
      self.rawValue = rawValue
    }

    /// Asks who has an address, 1.
    @inlinable public static var request: Operation { Operation(rawValue: 1) }
    /// Tells where an address is, 2.
    @inlinable public static var reply: Operation { Operation(rawValue: 2) }
  }

  /// Where the fields are, in bytes from the start of the message.
  public enum Offset {
    /// The kind of hardware, 1 for Ethernet.
    @inlinable public static var hardwareType: Int { 0 }
    /// The kind of protocol address, an EtherType.
    @inlinable public static var protocolType: Int { 2 }
    /// The length of a hardware address.
    @inlinable public static var hardwareLength: Int { 4 }
    /// The length of a protocol address.
    @inlinable public static var protocolLength: Int { 5 }
    /// The operation.
    @inlinable public static var operation: Int { 6 }
    /// The sender's hardware address.
    @inlinable public static var senderHardware: Int { 8 }
    /// The sender's IPv4 address.
    @inlinable public static var senderProtocol: Int { 14 }
    /// The target's hardware address.
    @inlinable public static var targetHardware: Int { 18 }
    /// The target's IPv4 address.
    @inlinable public static var targetProtocol: Int { 24 }
  }

  /// The number of bytes of a message.
  @inlinable public static var length: Int { 28 }

  /// Whether the message asks or answers.
  public var operation: Operation
  /// The sender's hardware address.
  public var senderHardware: MACAddress
  /// The sender's IPv4 address.
  public var sender: IPv4Address
  /// The target's hardware address; zero in a request.
  public var targetHardware: MACAddress
  /// The target's IPv4 address.
  public var target: IPv4Address

  /// Makes a message.
  @inlinable
  public init(
    operation: Operation,
    senderHardware: MACAddress,
    sender: IPv4Address,
    targetHardware: MACAddress,
    target: IPv4Address
  ) {
    self.operation = operation
    self.senderHardware = senderHardware
    self.sender = sender
    self.targetHardware = targetHardware
    self.target = target
  }

  /// Reads a message; one for other kinds of addresses is refused.
  @inlinable
  public init(parsing bytes: UnsafeRawBufferPointer) throws(WireError) {
    try bytes.require(Self.length)
    guard bytes.bigEndianUInt16(at: Offset.hardwareType) == 1,
      bytes.bigEndianUInt16(at: Offset.protocolType) == EtherType.ipv4.rawValue,
      bytes.bigEndianUInt16(at: Offset.hardwareLength) == 0x0604
    else { throw .addressFormat }
    operation = Operation(rawValue: bytes.bigEndianUInt16(at: Offset.operation))
    senderHardware = MACAddress(rawValue: bytes.bigEndianUInt48(at: Offset.senderHardware))
    sender = IPv4Address(rawValue: bytes.bigEndianUInt32(at: Offset.senderProtocol))
    targetHardware = MACAddress(rawValue: bytes.bigEndianUInt48(at: Offset.targetHardware))
    target = IPv4Address(rawValue: bytes.bigEndianUInt32(at: Offset.targetProtocol))
  }

  /// Whether the sender asks for or announces its own address.
  @inlinable public var isGratuitous: Bool { sender == target }

  /// The number of bytes of a message.
  @inlinable public var encodedLength: Int { Self.length }

  /// Writes the message.
  @inlinable
  public func write(to buffer: UnsafeMutableRawBufferPointer) {
    buffer.requireRoom(Self.length)
    buffer.storeBigEndian(1 as UInt16, at: Offset.hardwareType)
    buffer.storeBigEndian(EtherType.ipv4.rawValue, at: Offset.protocolType)
    buffer.storeBigEndian(0x0604 as UInt16, at: Offset.hardwareLength)
    buffer.storeBigEndian(operation.rawValue, at: Offset.operation)
    buffer.storeBigEndian48(senderHardware.rawValue, at: Offset.senderHardware)
    buffer.storeBigEndian(sender.rawValue, at: Offset.senderProtocol)
    buffer.storeBigEndian48(targetHardware.rawValue, at: Offset.targetHardware)
    buffer.storeBigEndian(target.rawValue, at: Offset.targetProtocol)
  }

  /// The message as tcpdump prints it.
  public var description: String {
    switch operation {
    case .request:
      let known = targetHardware.isZero ? "" : " (\(targetHardware))"
      return "ARP, Request who-has \(target)\(known) tell \(sender)"
    case .reply: return "ARP, Reply \(sender) is-at \(senderHardware)"
    default: return "ARP, operation \(operation.rawValue)"
    }
  }
}

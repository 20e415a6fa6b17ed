/// The eight bytes at the start of an ICMP message for IPv4.
@frozen
public struct ICMPv4Header: WireHeader {
  /// Where the fields are, in bytes from the start of the message.
  public enum Offset {
    /// The type.
    @inlinable public static var type: Int { 0 }
    /// The code.
    @inlinable public static var code: Int { 1 }
    /// The checksum of the whole message.
    @inlinable public static var checksum: Int { 2 }
    /// The identifier of a query.
    @inlinable public static var identifier: Int { 4 }
    /// The pointer of a parameter problem.
    @inlinable public static var pointer: Int { 4 }
    /// The gateway of a redirect.
    @inlinable public static var gateway: Int { 4 }
    /// The sequence number of a query.
    @inlinable public static var sequence: Int { 6 }
    /// The MTU of a "fragmentation needed".
    @inlinable public static var mtu: Int { 6 }
    /// The data of a query, or the packet that an error quotes.
    @inlinable public static var payload: Int { 8 }
  }

  /// The codes of destination unreachable.
  public enum Unreachable {
    /// No route to the network, 0.
    @inlinable public static var network: UInt8 { 0 }
    /// The host does not answer ARP, 1.
    @inlinable public static var host: UInt8 { 1 }
    /// The host does not know the protocol, 2.
    @inlinable public static var `protocol`: UInt8 { 2 }
    /// No socket has the port, 3.
    @inlinable public static var port: UInt8 { 3 }
    /// The packet is too big and must not be fragmented, 4.
    @inlinable public static var fragmentationNeeded: UInt8 { 4 }
    /// A source route failed, 5.
    @inlinable public static var sourceRouteFailed: UInt8 { 5 }
    /// The network is not known, 6.
    @inlinable public static var networkUnknown: UInt8 { 6 }
    /// The host is not known, 7.
    @inlinable public static var hostUnknown: UInt8 { 7 }
    /// The source is isolated, 8.
    @inlinable public static var hostIsolated: UInt8 { 8 }
    /// The network is prohibited, 9.
    @inlinable public static var networkProhibited: UInt8 { 9 }
    /// The host is prohibited, 10.
    @inlinable public static var hostProhibited: UInt8 { 10 }
    /// The network is not reachable with this type of service, 11.
    @inlinable public static var networkTypeOfService: UInt8 { 11 }
    /// The host is not reachable with this type of service, 12.
    @inlinable public static var hostTypeOfService: UInt8 { 12 }
    /// A filter forbids it, 13.
    @inlinable public static var administrativelyProhibited: UInt8 { 13 }
    /// Precedence violation, 14.
    @inlinable public static var precedenceViolation: UInt8 { 14 }
    /// Precedence cut off, 15.
    @inlinable public static var precedenceCutoff: UInt8 { 15 }
  }

  /// The codes of redirect.
  public enum Redirect {
    /// For the network, 0.
    @inlinable public static var network: UInt8 { 0 }
    /// For the host, 1.
    @inlinable public static var host: UInt8 { 1 }
    /// For the network and type of service, 2.
    @inlinable public static var networkTypeOfService: UInt8 { 2 }
    /// For the host and type of service, 3.
    @inlinable public static var hostTypeOfService: UInt8 { 3 }
  }

  /// The codes of time exceeded.
  public enum TimeExceeded {
    /// The time to live ran out on the way, 0.
    @inlinable public static var ttl: UInt8 { 0 }
    /// Not all fragments came in time, 1.
    @inlinable public static var reassembly: UInt8 { 1 }
  }

  /// The number of bytes of the header.
  @inlinable public static var length: Int { 8 }

  /// What the message says.
  public var type: ICMPv4Type
  /// What it says in particular.
  public var code: UInt8
  /// The checksum of the whole message as found.
  public var checksum: UInt16
  /// The second half of the header, whose meaning depends on the type.
  public var rest: UInt32

  /// Makes a header.
  @inlinable
  public init(type: ICMPv4Type, code: UInt8 = 0, checksum: UInt16 = 0, rest: UInt32 = 0) {
    self.type = type
    self.code = code
    self.checksum = checksum
    self.rest = rest
  }

  /// Reads the header at the start of a message.
  @inlinable
  public init(parsing bytes: UnsafeRawBufferPointer) throws(WireError) {
    try bytes.require(Self.length)
    type = ICMPv4Type(rawValue: bytes[Offset.type])
    code = bytes[Offset.code]
    checksum = bytes.bigEndianUInt16(at: Offset.checksum)
    rest = bytes.bigEndianUInt32(at: Offset.identifier)
  }

  /// The identifier of a query.
  @inlinable public var identifier: UInt16 {
    get { UInt16(truncatingIfNeeded: rest &>> 16) }
    set { rest = rest & 0xffff | UInt32(newValue) &<< 16 }
  }

  /// The sequence number of a query.
  @inlinable public var sequence: UInt16 {
    get { UInt16(truncatingIfNeeded: rest) }
    set { rest = rest & 0xffff_0000 | UInt32(newValue) }
  }

  /// The MTU of the next hop in a "fragmentation needed".
  @inlinable public var mtu: UInt16 { sequence }

  /// The better router that a redirect names.
  @inlinable public var gateway: IPv4Address { IPv4Address(rawValue: rest) }

  /// The offset of the bad byte in the packet that a parameter problem quotes.
  @inlinable public var pointer: UInt8 { UInt8(truncatingIfNeeded: rest &>> 24) }

  /// The number of bytes of the header.
  @inlinable public var encodedLength: Int { Self.length }

  /// Writes the header.
  @inlinable
  public func write(to buffer: UnsafeMutableRawBufferPointer) {
    buffer.requireRoom(Self.length)
    buffer[Offset.type] = type.rawValue
    buffer[Offset.code] = code
    buffer.storeBigEndian(checksum, at: Offset.checksum)
    buffer.storeBigEndian(rest, at: Offset.identifier)
  }
}

extension ICMPv4Header {
  /// An echo request.
  @inlinable
  public static func echoRequest(identifier: UInt16, sequence: UInt16) -> ICMPv4Header {
    ICMPv4Header(type: .echoRequest, rest: UInt32(identifier) &<< 16 | UInt32(sequence))
  }

  /// An echo reply.
  @inlinable
  public static func echoReply(identifier: UInt16, sequence: UInt16) -> ICMPv4Header {
    ICMPv4Header(type: .echoReply, rest: UInt32(identifier) &<< 16 | UInt32(sequence))
  }

  /// A destination unreachable with one of the codes in ``Unreachable``.
  @inlinable
  public static func destinationUnreachable(_ code: UInt8) -> ICMPv4Header {
    ICMPv4Header(type: .destinationUnreachable, code: code)
  }

  /// A "fragmentation needed" with the MTU of the next hop.
  @inlinable
  public static func fragmentationNeeded(mtu: UInt16) -> ICMPv4Header {
    ICMPv4Header(
      type: .destinationUnreachable,
      code: Unreachable.fragmentationNeeded,
      rest: UInt32(mtu)
    )
  }

  /// A time exceeded with one of the codes in ``TimeExceeded``.
  @inlinable
  public static func timeExceeded(_ code: UInt8 = TimeExceeded.ttl) -> ICMPv4Header {
    ICMPv4Header(type: .timeExceeded, code: code)
  }

  /// A redirect to a better router.
  @inlinable
  public static func redirect(
    _ code: UInt8 = Redirect.host,
    to gateway: IPv4Address
  ) -> ICMPv4Header {
    ICMPv4Header(type: .redirect, code: code, rest: gateway.rawValue)
  }

  /// A parameter problem that points at a byte of the quoted packet.
  @inlinable
  public static func parameterProblem(pointer: UInt8) -> ICMPv4Header {
    ICMPv4Header(type: .parameterProblem, rest: UInt32(pointer) &<< 24)
  }

  /// Computes and stores the checksum of a whole message.
  @inlinable
  public static func setChecksum(in message: UnsafeMutableRawBufferPointer) {
    guard message.count >= length else { return }
    message.storeBigEndian(0 as UInt16, at: Offset.checksum)
    let checksum = InternetChecksum.checksum(of: UnsafeRawBufferPointer(message))
    message.storeBigEndian(checksum, at: Offset.checksum)
  }

  /// Whether a whole message has the right checksum.
  @inlinable
  public static func hasValidChecksum(_ message: UnsafeRawBufferPointer) -> Bool {
    message.count >= length && InternetChecksum.isValid(message)
  }
}

extension ICMPv4Header: CustomStringConvertible {
  /// The header as tcpdump prints it, without what the quoted packet would tell.
  public var description: String {
    switch type {
    case .echoRequest, .echoReply: return "ICMP \(type), id \(identifier), seq \(sequence)"
    case .destinationUnreachable where code == Unreachable.fragmentationNeeded:
      return "ICMP unreachable - need to frag" + (mtu == 0 ? "" : " (mtu \(mtu))")
    case .destinationUnreachable:
      let names = [
        "net unreachable", "host unreachable", "protocol unreachable", "port unreachable", "",
        "source route failed", "net unreachable - unknown", "host unreachable - unknown",
        "host unreachable - source host isolated", "net unreachable - admin prohibited",
        "host unreachable - admin prohibited", "net unreachable - tos prohibited",
        "host unreachable - tos prohibited", "host unreachable - admin prohibited filter",
        "host precedence violation", "precedence cutoff",
      ]
      return "ICMP " + (Int(code) < names.count ? names[Int(code)] : "unreachable - #\(code)")
    case .redirect:
      let names = ["net", "host", "tos-net", "tos-host"]
      let kind = Int(code) < names.count ? names[Int(code)] : "#\(code)"
      return "ICMP redirect \(kind) to \(gateway)"
    case .timeExceeded:
      switch code {
      case TimeExceeded.ttl: return "ICMP time exceeded in-transit"
      case TimeExceeded.reassembly: return "ICMP ip reassembly time exceeded"
      default: return "ICMP time exceeded-#\(code)"
      }
    case .parameterProblem: return "ICMP parameter problem - octet \(pointer)"
    case .timestampRequest, .timestampReply:
      return "ICMP \(type) id \(identifier) seq \(sequence)"
    default: return "ICMP \(type)"
    }
  }
}

public import HopyardSimulator
public import HopyardUserland
public import HopyardWire

/// A packet that is sent through rules.
///
///     let packet = try RulePacket.tcp("10.0.0.1:1234", to: "10.96.0.1:443", in: "eth0")
///     let same = try RulePacket("tcp 10.0.0.1:1234 > 10.96.0.1:443 in eth0")
public struct RulePacket: Hashable, Sendable {
  /// The sender.
  public var source: IPAddress
  /// The receiver.
  public var destination: IPAddress
  /// The protocol.
  public var `protocol`: IPProtocol
  /// The source port, of protocols that have ports.
  public var sourcePort: UInt16 = 40_000
  /// The destination port, of protocols that have ports.
  public var destinationPort: UInt16 = 0
  /// The flags of a TCP segment.
  public var flags: TCPFlags = .syn
  /// The type of an ICMP message.
  public var icmpType: UInt8 = 8
  /// The code of an ICMP message.
  public var icmpCode: UInt8 = 0
  /// The interface of arrival; nil for a packet of this host.
  public var input: String?
  /// The interface of departure; nil to let the host's routes decide.
  public var output: String?
  /// The mark that it has before any rule.
  public var mark: UInt32 = 0
  /// The mark of its connection, if that is not new.
  public var connectionMark: UInt32 = 0
  /// How it relates to a connection.
  public var state = HookProbe.Tracking.natural
  /// How many bytes follow the transport header.
  public var payloadLength = 0
  /// The time to live.
  public var timeToLive: UInt8 = 64
  /// The TOS field.
  public var typeOfService: UInt8 = 0
  /// Whether it is a later fragment, which has no transport header.
  public var isLaterFragment = false
  /// The sender of the frame in which it arrived.
  public var sourceMAC = MACAddress(rawValue: 0x0200_0000_0001)
  /// To whom that frame was addressed.
  public var type = PacketType.host
  /// The user whose socket sent it, for a packet of this host.
  public var user: UInt32?
  /// The group of that user.
  public var group: UInt32 = 0

  /// Makes a packet from its addresses and protocol.
  public init(_ `protocol`: IPProtocol, from source: IPAddress, to destination: IPAddress) {
    self.protocol = `protocol`
    self.source = source
    self.destination = destination
  }

  /// A TCP segment between `address:port` and `address:port`.
  public static func tcp(
    _ source: String,
    to destination: String,
    in input: String? = nil,
    out output: String? = nil,
    flags: TCPFlags = .syn,
    state: HookProbe.Tracking = .natural
  ) throws(Problem) -> RulePacket {
    var packet = try make(.tcp, source, destination, input, output)
    packet.flags = flags
    packet.state = state
    return packet
  }

  /// A UDP datagram between `address:port` and `address:port`.
  public static func udp(
    _ source: String,
    to destination: String,
    in input: String? = nil,
    out output: String? = nil,
    payload: Int = 0,
    state: HookProbe.Tracking = .natural
  ) throws(Problem) -> RulePacket {
    var packet = try make(.udp, source, destination, input, output)
    packet.payloadLength = payload
    packet.state = state
    return packet
  }

  /// An ICMP message; echo requests unless said otherwise.
  public static func icmp(
    _ source: String,
    to destination: String,
    in input: String? = nil,
    out output: String? = nil,
    type: UInt8 = 8,
    code: UInt8 = 0,
    state: HookProbe.Tracking = .natural
  ) throws(Problem) -> RulePacket {
    var packet = try make(.icmp, source, destination, input, output)
    packet.icmpType = type
    packet.icmpCode = code
    packet.state = state
    return packet
  }

  private static func make(
    _ number: IPProtocol,
    _ source: String,
    _ destination: String,
    _ input: String?,
    _ output: String?
  ) throws(Problem) -> RulePacket {
    let from = try PacketText.endpoint(source[...], in: source, hasPort: number.hasPorts)
    let to = try PacketText.endpoint(destination[...], in: destination, hasPort: number.hasPorts)
    var packet = RulePacket(number, from: from.address, to: to.address)
    if let port = from.port { packet.sourcePort = port }
    if let port = to.port { packet.destinationPort = port }
    packet.input = input
    packet.output = output
    return packet
  }

  /// Whether it is an IPv6 packet.
  public var family: RuleFamily { source.v4 != nil && destination.v4 != nil ? .ipv4 : .ipv6 }

  // MARK: Bytes

  /// The IPv4 packet with right checksums; nil if it is no IPv4 packet or too long for one.
  public var bytes: [UInt8]? {
    guard let source = source.v4, let destination = destination.v4 else { return nil }
    let segment = isLaterFragment ? payload : transport + payload
    let total = 20 + segment.count
    guard total <= 65_535 else { return nil }
    var header: [UInt8] = [
      0x45, typeOfService, UInt8(total >> 8), UInt8(total & 255), 0, 1,
      0, isLaterFragment ? 185 : 0, timeToLive, `protocol`.rawValue, 0, 0,
    ]
    header += Self.big(source.rawValue) + Self.big(destination.rawValue)
    let sum = header.withUnsafeBytes { InternetChecksum.checksum(of: $0) }
    header[10] = UInt8(sum >> 8)
    header[11] = UInt8(sum & 255)
    return header + withChecksum(segment, source, destination)
  }

  private var payload: [UInt8] { [UInt8](repeating: 0x61, count: max(0, payloadLength)) }

  private static func big(_ number: UInt32) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: number >> (24 - 8 * UInt32($0))) }
  }

  private static func big(_ number: UInt16) -> [UInt8] {
    [UInt8(number >> 8), UInt8(number & 255)]
  }

  /// The transport header, with a checksum of zero.
  private var transport: [UInt8] {
    let ports = Self.big(sourcePort) + Self.big(destinationPort)
    switch `protocol` {
    case .tcp:
      let acknowledgment: UInt32 = flags.contains(.ack) ? 1 : 0
      return ports + Self.big(UInt32(1)) + Self.big(acknowledgment)
        + [0x50, flags.rawValue, 0xfa, 0xf0, 0, 0, 0, 0]
    case .udp:
      return ports + Self.big(UInt16(clamping: 8 + max(0, payloadLength))) + [0, 0]
    case .icmp:
      // An error quotes the packet that it is about.
      let quotes: Set<UInt8> = [3, 4, 5, 11, 12]
      return [icmpType, icmpCode, 0, 0, 0, 1, 0, 1] + (quotes.contains(icmpType) ? quoted : [])
    default:
      return `protocol`.hasPorts ? ports + [UInt8](repeating: 0, count: 8) : []
    }
  }

  /// The packet that an ICMP error is about: one to port 9 in the other direction.
  private var quoted: [UInt8] {
    guard let source = source.v4, let destination = destination.v4 else { return [] }
    var header: [UInt8] = [0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17, 0, 0]
    header += Self.big(destination.rawValue) + Self.big(source.rawValue)
    let sum = header.withUnsafeBytes { InternetChecksum.checksum(of: $0) }
    header[10] = UInt8(sum >> 8)
    header[11] = UInt8(sum & 255)
    return header + Self.big(sourcePort) + [0, 9, 0, 8, 0, 0]
  }

  private func withChecksum(
    _ segment: [UInt8],
    _ source: IPv4Address,
    _ destination: IPv4Address
  ) -> [UInt8] {
    guard !isLaterFragment else { return segment }
    var segment = segment
    let place: Int
    switch `protocol` {
    case .tcp: place = 16
    case .udp: place = 6
    case .icmp: place = 2
    default: return segment
    }
    let initial =
      `protocol` == .icmp
      ? 0
      : InternetChecksum.pseudoHeader(
        source: source,
        destination: destination,
        protocol: `protocol`,
        length: segment.count
      )
    let sum = segment.withUnsafeBytes { InternetChecksum.checksum(of: $0, initial: initial) }
    segment[place] = UInt8(sum >> 8)
    segment[place + 1] = UInt8(sum & 255)
    return segment
  }

  /// Takes over what rules changed in the packet's bytes.
  mutating func update(from bytes: [UInt8]) {
    guard bytes.count >= 20, family == .ipv4 else { return }
    func word(_ at: Int) -> UInt32 { bytes[at..<(at + 4)].reduce(0) { $0 << 8 | UInt32($1) } }
    source = .v4(IPv4Address(rawValue: word(12)))
    destination = .v4(IPv4Address(rawValue: word(16)))
    typeOfService = bytes[1]
    timeToLive = bytes[8]
    let start = Int(bytes[0] & 15) * 4
    guard `protocol`.hasPorts, !isLaterFragment, bytes.count >= start + 4 else { return }
    sourcePort = UInt16(bytes[start]) << 8 | UInt16(bytes[start + 1])
    destinationPort = UInt16(bytes[start + 2]) << 8 | UInt16(bytes[start + 3])
  }
}

import HopyardSimulator
import HopyardUserland
import HopyardWire

/// Two rulesets' journeys of all packets along one path, side by side.
struct JourneyComparison {
  private let one: RuleJourney
  private let other: RuleJourney
  private let path: RuleJourney.Path
  private let space: PacketSpace
  private var d: BinaryDecisions { space.decisions }

  init(_ one: RuleJourney, _ other: RuleJourney, _ path: RuleJourney.Path) {
    self.one = one
    self.other = other
    self.path = path
    space = one.space
  }

  /// What may differ, each with the packets that do.
  private var aspects: [(text: String, packets: PacketSet)] {
    var list: [(String, PacketSet)] = [("passed or not", d.differ(one.passed, other.passed))]
    let ends = Set(one.ends.keys).union(other.ends.keys).sorted { $0.text < $1.text }
    for end in ends {
      list.append(
        (end.text + " or not", d.differ(one.ends[end] ?? .none, other.ends[end] ?? .none))
      )
    }
    let both = d.and(one.passed, other.passed)
    func note(_ text: String, _ set: PacketSet) { list.append((text, d.and(both, set))) }
    let ports = [6, 17, 33, 132, 136].reduce(PacketSet.none) {
      d.or($0, d.equals(space[.protocol], $1))
    }
    for (field, text) in Self.compared {
      var set = d.differ(one.conditions[field], other.conditions[field])
      if field == .destinationPort || field == .sourcePort { set = d.and(ports, set) }
      note(text, set)
    }
    for effect in Set(one.effects.keys).union(other.effects.keys).sorted() {
      note(effect, d.differ(one.effects[effect] ?? .none, other.effects[effect] ?? .none))
    }
    return list.filter { !$0.1.isEmpty }
  }

  private static let compared: [(PacketSpace.Field, String)] = [
    (.destination, "the destination afterwards"), (.destinationPort, "the port afterwards"),
    (.source, "the source afterwards"), (.sourcePort, "the source port afterwards"),
    (.mark, "the mark afterwards"), (.connectionMark, "the connection's mark afterwards"),
    (.typeOfService, "the TOS field afterwards"), (.timeToLive, "the TTL afterwards"),
    (.state, "tracked or not"),
  ]

  /// A packet that is treated differently; nil if there is none.
  func difference(
    _ first: Firewall,
    _ second: Firewall,
    _ tried: inout Int
  ) -> RulesetDiff.Difference? {
    let aspects = aspects
    guard !aspects.isEmpty else { return nil }
    var found: RulesetDiff.Difference?
    for (_, packets) in aspects {
      guard let values = d.example(of: packets, near: wish) else { continue }
      let difference = play(values, packets, aspects, first, second)
      tried += 1
      if difference.isConfirmed { return difference }
      if found == nil { found = difference }
    }
    return found
  }

  private func play(
    _ values: [Bool],
    _ packets: PacketSet,
    _ aspects: [(text: String, packets: PacketSet)],
    _ first: Firewall,
    _ second: Firewall
  ) -> RulesetDiff.Difference {
    let packet = packet(values)
    let asked = d.variables(of: packets)
    let assumptions = space.answers.filter { asked.contains($0.variable) }.map {
      values[$0.variable] ? $0.text : "not: \($0.text)"
    }
    let one = try? first.send(packet)
    let other = try? second.send(packet)
    var isConfirmed = false
    if let one, let other { isConfirmed = Self.differ(one, other) }
    return RulesetDiff.Difference(
      path: path.rawValue,
      packet: packet,
      aspects: aspects.filter { isMember(values, of: $0.packets) }.map(\.text),
      assumptions: assumptions,
      first: one,
      second: other,
      isConfirmed: isConfirmed
    )
  }

  private func isMember(_ values: [Bool], of set: PacketSet) -> Bool {
    // The nearest packet of the set to one of its own packets is that packet.
    d.example(of: set, near: values).map { $0.starts(with: values) } ?? false
  }

  /// Whether two verdicts are different treatments.
  static func differ(_ one: RuleVerdict, _ other: RuleVerdict) -> Bool {
    if one.outcome != other.outcome { return true }
    guard one.outcome == .accepted, let a = one.packet, let b = other.packet else { return false }
    return a != b
  }

  // MARK: Packets from bits

  /// The usual packet, to which examples are near.
  private var wish: [Bool] {
    var wish = [Bool](repeating: false, count: d.variableCount)
    func put(_ field: PacketSpace.Field, _ value: UInt128) {
      let width = space.width(of: field)
      let start = space.starts[field.rawValue]
      for offset in 0..<width {
        wish[start + offset] = value >> UInt128(width - 1 - offset) & 1 != 0
      }
    }
    let isIPv4 = space.family == .ipv4
    put(.state, PacketSpace.State.new)
    put(.protocol, 6)
    put(.output, space.interfaces.count > 1 ? 1 : 0)
    put(.source, isIPv4 ? 0xc633_6407 : 0x2001_0db8_0000_0001 << 64 | 7)
    put(.destination, isIPv4 ? 0xc000_020a : 0x2001_0db8_0000_0002 << 64 | 10)
    put(.sourcePort, 40_000)
    put(.destinationPort, 80)
    put(.flags, 2)
    put(.icmpType, isIPv4 ? 8 : 128)
    put(.timeToLive, 64)
    put(.length, isIPv4 ? 40 : 60)
    put(.sourceMAC, 0x0200_0000_0001)
    put(path == .output ? .sourceType : .destinationType, path == .forward ? 1 : 2)
    return wish
  }

  private func number(_ values: [Bool], _ field: PacketSpace.Field) -> UInt128 {
    let start = space.starts[field.rawValue]
    return (0..<space.width(of: field)).reduce(0) { $0 << 1 | (values[start + $1] ? 1 : 0) }
  }

  private func packet(_ values: [Bool]) -> RulePacket {
    func small<N: FixedWidthInteger>(_ field: PacketSpace.Field) -> N {
      N(truncatingIfNeeded: number(values, field))
    }
    func address(_ field: PacketSpace.Field) -> IPAddress {
      space.family == .ipv4
        ? .v4(IPv4Address(rawValue: small(field)))
        : .v6(IPv6Address(rawValue: number(values, field)))
    }
    var packet = RulePacket(
      IPProtocol(rawValue: small(.protocol)),
      from: address(.source),
      to: address(.destination)
    )
    packet.sourcePort = small(.sourcePort)
    packet.destinationPort = small(.destinationPort)
    packet.flags = TCPFlags(rawValue: small(.flags))
    packet.icmpType = small(.icmpType)
    packet.icmpCode = small(.icmpCode)
    packet.timeToLive = small(.timeToLive)
    packet.typeOfService = small(.typeOfService)
    packet.isLaterFragment = number(values, .isLaterFragment) == 1
    packet.sourceMAC = MACAddress(rawValue: small(.sourceMAC))
    packet.type = PacketType(rawValue: small(.packetType)) ?? .host
    packet.connectionMark = small(.connectionMark)
    let isReply = number(values, .isReply) == 1
    switch number(values, .state) {
    case PacketSpace.State.new: packet.state = .new
    case PacketSpace.State.established: packet.state = .established(isReply: isReply)
    case PacketSpace.State.related: packet.state = .related(isReply: isReply)
    case PacketSpace.State.untracked: packet.state = .untracked
    default: packet.state = .invalid
    }
    func interface(_ field: PacketSpace.Field) -> String? {
      let index = Int(number(values, field))
      return index < space.interfaces.count ? space.interfaces[index] : nil
    }
    if path != .output { packet.input = interface(.input) }
    if path != .input { packet.output = interface(.output) }
    if path == .output {
      packet.mark = small(.mark)
      if number(values, .hasSocket) == 1 {
        packet.user = small(.user)
        packet.group = small(.group)
      }
    }
    let length = Int(number(values, .length))
    packet.payloadLength = max(0, length - packet.headerLength)
    return packet
  }
}

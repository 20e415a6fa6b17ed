import HopyardSimulator
import HopyardUserland
import HopyardWire

/// Tries packets from the boundary values of two rulesets' rules, one by one.
struct PacketSampler {
  private let first: Firewall
  private let second: Firewall
  private var random: UInt64
  private var sources: [UInt128] = [0xc633_6407]
  private var destinations: [UInt128] = [0xc000_020a]
  private var sourcePorts: [UInt16] = [40_000]
  private var destinationPorts: [UInt16] = [80]
  private var protocols: [UInt8] = [6, 17, 1, 132]
  private var marks: [UInt32] = [0]
  private var interfaces: [String]
  private let states: [HookProbe.Tracking] = [
    .new, .established(isReply: false), .established(isReply: true), .invalid, .untracked,
  ]

  init(_ first: Firewall, _ second: Firewall, seed: UInt64) {
    self.first = first
    self.second = second
    random = seed
    interfaces = RulesetDiff.space(of: [first, second], nodes: 100_000).interfaces
    for firewall in [first, second] { note(firewall.ruleset) }
  }

  private mutating func note(_ ruleset: Ruleset) {
    for name in RuleTable.allCases {
      for chain in ruleset.existing(name)?.table.chains ?? [] {
        for rule in chain.rules { note(rule) }
      }
    }
  }

  private mutating func note(_ rule: Rule) {
    func cuts(_ match: AddressMatch) -> [UInt128] {
      let last = match.address | (~match.mask & first.family.fullMask)
      return [match.address, match.address &- 1, last, last &+ 1].map { $0 & first.family.fullMask }
    }
    if let match = rule.source { sources += cuts(match) }
    if let match = rule.destination { destinations += cuts(match) }
    if let match = rule.protocol { protocols.append(match.value.rawValue) }
    for match in rule.matches {
      switch match {
      case .tcp(let wanted):
        note(wanted.source, &sourcePorts)
        note(wanted.destination, &destinationPorts)
      case .udp(let wanted):
        note(wanted.source, &sourcePorts)
        note(wanted.destination, &destinationPorts)
      case .sctp(let wanted):
        note(wanted.source, &sourcePorts)
        note(wanted.destination, &destinationPorts)
      case .multiport(let wanted):
        for range in wanted.ports {
          if wanted.side != .destination {
            note(PortMatch(range.lowerBound, range.upperBound), &sourcePorts)
          }
          if wanted.side != .source {
            note(PortMatch(range.lowerBound, range.upperBound), &destinationPorts)
          }
        }
      case .addressRange(let wanted):
        if let bounds = wanted.source { sources += [bounds.first, bounds.last, bounds.last &+ 1] }
        if let bounds = wanted.destination {
          destinations += [bounds.first, bounds.last, bounds.last &+ 1]
        }
      case .mark(let wanted): marks += [wanted.mark, ~wanted.mark]
      default: break
      }
    }
  }

  private func note(_ match: PortMatch?, _ ports: inout [UInt16]) {
    guard let match else { return }
    ports += [match.first, match.last, match.first &- 1, match.last &+ 1]
  }

  private mutating func pick<T>(_ list: [T], _ other: T) -> T {
    // SplitMix64.
    random &+= 0x9e37_79b9_7f4a_7c15
    var z = random
    z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
    z ^= z >> 31
    return list.isEmpty ? other : list[Int(z % UInt64(list.count))]
  }

  /// Tries one packet; gives the difference if it is treated differently.
  mutating func next() throws(Problem) -> RulesetDiff.Difference? {
    guard first.family == .ipv4 else { return nil }
    let source = IPv4Address(rawValue: UInt32(truncatingIfNeeded: pick(sources, 0)))
    let destination = IPv4Address(rawValue: UInt32(truncatingIfNeeded: pick(destinations, 0)))
    var packet = RulePacket(
      IPProtocol(rawValue: pick(protocols, 6)),
      from: .v4(source),
      to: .v4(destination)
    )
    packet.sourcePort = pick(sourcePorts, 40_000)
    packet.destinationPort = pick(destinationPorts, 80)
    packet.state = pick(states, .new)
    let path = pick(RuleJourney.Path.allCases, .forward)
    if path != .output { packet.input = pick(interfaces, "eth0") }
    if path != .input { packet.output = pick(interfaces, "eth0") }
    if path == .output { packet.mark = pick(marks, 0) }
    let one = try first.send(packet)
    let other = try second.send(packet)
    guard JourneyComparison.differ(one, other) else { return nil }
    return RulesetDiff.Difference(
      path: path.rawValue,
      packet: packet,
      aspects: ["the verdict or the packet afterwards"],
      assumptions: [],
      first: one,
      second: other,
      isConfirmed: true
    )
  }
}

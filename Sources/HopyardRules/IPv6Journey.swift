import HopyardSimulator
import HopyardUserland
import HopyardWire

/// An IPv6 packet's way through the hooks.
///
/// The host's IPv6 routes are not modelled: a packet with an interface of departure is forwarded,
/// one with only an interface of arrival is for this host.
struct IPv6Journey {
  private let firewall: Firewall
  private let packet: RulePacket
  private var probe: IPv6Probe
  private let recorder = RuleRecorder()
  private let path: String
  private var last = IPv6Verdict.accepted

  init(_ firewall: Firewall, _ packet: RulePacket) throws(Problem) {
    self.firewall = firewall
    self.packet = packet
    guard let bytes = packet.bytes6 else { throw PacketText.problem(0, "the packet is too long") }
    probe = IPv6Probe(bytes: bytes)
    probe.input = packet.input
    probe.output = packet.output
    probe.mark = packet.mark
    probe.connectionMark = packet.connectionMark
    probe.type = packet.type
    if packet.input != nil { probe.sourceMAC = packet.sourceMAC }
    probe.owner = packet.user.map { ($0, packet.group) }
    switch packet.state {
    case .natural, .new: probe.states = .new
    case .invalid: probe.states = .invalid
    case .untracked: probe.states = .untracked
    case .established(let isReply):
      probe.states = .established
      probe.isReply = isReply
    case .related(let isReply):
      probe.states = .related
      probe.isReply = isReply
    }
    path = packet.input == nil ? "output" : packet.output == nil ? "input" : "forward"
    if case .v6(let own) = path == "input" ? packet.destination : packet.source,
      path != "forward"
    {
      probe.localAddresses = [own]
    }
  }

  mutating func run() throws(Problem) {
    let hooks: [Hook] =
      switch path {
      case "input": [.prerouting, .input]
      case "forward": [.prerouting, .forward, .postrouting]
      default: [.output, .postrouting]
      }
    let simulation = firewall.namespace.simulation
    let before = simulation.tracer
    simulation.tracer = recorder
    defer { simulation.tracer = before }
    let (input, output) = (probe.input, probe.output)
    for hook in hooks {
      // A rule sees the interfaces that are known at its hook.
      probe.input = hook == .postrouting || hook == .output ? nil : input
      probe.output = hook == .prerouting || hook == .input ? nil : output
      do throws(IPv6RuleError) {
        last = try firewall.namespace.netfilter.evaluate(
          &probe,
          at: hook,
          variant: firewall.variant
        )
      } catch {
        throw PacketText.problem(0, error.description)
      }
      if last != .accepted { return }
    }
  }

  var verdict: RuleVerdict {
    let steps = matched
    var verdict: RuleVerdict
    switch last {
    case .accepted:
      verdict = .accepted
      let accepting = steps.filter { $0.verdict == "accept" }
      if let rule = accepting.last(where: { $0.table == "filter" }) ?? accepting.last {
        verdict.by = rule.place
      }
    case .dropped(let reference): verdict = .dropped(by: place(reference))
    case .rejected(let reason, let reference):
      verdict = .rejected(with: reason, by: place(reference))
    case .queued(let reference): verdict = RuleVerdict(.queued, by: place(reference))
    }
    verdict.matched = steps
    var after = packet
    after.update6(from: probe.bytes)
    after.mark = probe.mark
    verdict.packet = after
    verdict.path = path
    verdict.output = path == "input" ? nil : packet.output
    return verdict
  }

  private func place(_ reference: RuleReference) -> RulePlace {
    RulePlace(
      table: reference.table,
      chain: reference.chain,
      number: reference.rule,
      text: firewall.rule(reference).map { RuleDump.text(of: $0, family: .ipv6) } ?? "policy"
    )
  }

  private var matched: [RuleStep] {
    recorder.steps.compactMap { step in
      guard let table = RuleTable(name: step.table) else { return nil }
      let number = step.rule ?? 0
      let reference = RuleReference(table: step.table, chain: step.chain, rule: number)
      return RuleStep(
        hook: step.stage,
        table: step.table,
        chain: step.chain,
        number: number,
        text: firewall.rule(reference).map { RuleDump.text(of: $0, family: .ipv6) } ?? "policy",
        verdict: step.verdict,
        change: "",
        counters: firewall.counters(table, step.chain, number) ?? RuleCounters()
      )
    }
  }
}

extension RulePacket {
  private static func number(_ address: IPAddress) -> UInt128 {
    switch address {
    case .v4(let address): UInt128(0xffff) << 32 | UInt128(address.rawValue)
    case .v6(let address): address.rawValue
    }
  }

  /// The IPv6 packet with right checksums; nil if it is too long for one.
  var bytes6: [UInt8]? {
    var segment = segment6
    if isLaterFragment {
      // A fragment header stands before the data.
      segment = [`protocol`.rawValue, 0, 0x05, 0xc8, 0, 0, 0, 1] + segment
    }
    guard segment.count <= 65_535 else { return nil }
    let next = isLaterFragment ? 44 : `protocol`.rawValue
    var header: [UInt8] = [
      0x60 | typeOfService >> 4, typeOfService << 4, 0, 0, UInt8(segment.count >> 8),
      UInt8(segment.count & 255), next, timeToLive,
    ]
    for address in [source, destination] {
      let number = Self.number(address)
      header += (0..<16).map { UInt8(truncatingIfNeeded: number >> UInt128(120 - 8 * $0)) }
    }
    return header + segment
  }

  private var segment6: [UInt8] {
    let data = [UInt8](repeating: 0x61, count: max(0, payloadLength))
    guard !isLaterFragment else { return data }
    func pair(_ number: UInt16) -> [UInt8] { [UInt8(number >> 8), UInt8(number & 255)] }
    let ports = pair(sourcePort) + pair(destinationPort)
    var segment: [UInt8]
    var place: Int?
    switch `protocol` {
    case .tcp:
      segment =
        ports + [0, 0, 0, 1, 0, 0, 0, flags.contains(.ack) ? 1 : 0, 0x50, flags.rawValue]
        + [0xfa, 0xf0, 0, 0, 0, 0]
      place = 16
    case .udp:
      segment = ports + pair(UInt16(clamping: 8 + data.count)) + [0, 0]
      place = 6
    case .icmpv6:
      segment = [icmpType, icmpCode, 0, 0, 0, 1, 0, 1]
      place = 2
    default: segment = `protocol`.hasPorts ? ports + [UInt8](repeating: 0, count: 8) : []
    }
    segment += data
    if let place {
      let initial = InternetChecksum.pseudoHeader(
        source: IPv6Address(rawValue: Self.number(source)),
        destination: IPv6Address(rawValue: Self.number(destination)),
        protocol: `protocol`,
        length: segment.count
      )
      let sum = segment.withUnsafeBytes { InternetChecksum.checksum(of: $0, initial: initial) }
      segment[place] = UInt8(sum >> 8)
      segment[place + 1] = UInt8(sum & 255)
    }
    return segment
  }

  /// Takes over what rules changed in the packet's bytes.
  mutating func update6(from bytes: [UInt8]) {
    guard bytes.count >= 40 else { return }
    func address(_ at: Int) -> IPAddress {
      .v6(IPv6Address(rawValue: bytes[at..<at + 16].reduce(0) { $0 << 8 | UInt128($1) }))
    }
    source = address(8)
    destination = address(24)
    typeOfService = bytes[0] << 4 | bytes[1] >> 4
    timeToLive = bytes[7]
    guard `protocol`.hasPorts, !isLaterFragment, bytes.count >= 44 else { return }
    sourcePort = UInt16(bytes[40]) << 8 | UInt16(bytes[41])
    destinationPort = UInt16(bytes[42]) << 8 | UInt16(bytes[43])
  }
}

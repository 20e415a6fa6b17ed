public import HopyardSimulator
public import HopyardUserland
import HopyardWire

extension Firewall {
  /// Sends a packet, written as text.
  public func send(_ text: String) throws(Problem) -> RuleVerdict {
    try send(RulePacket(text))
  }

  /// Sends a packet through all hooks on its way.
  ///
  /// A packet with an interface of arrival enters at PREROUTING; then it is for this host or
  /// forwarded, as its `output` or the host's routes say. One without is sent by this host.
  public func send(_ packet: RulePacket) throws(Problem) -> RuleVerdict {
    if packet.family == .ipv6, family == .ipv6 {
      var journey = try IPv6Journey(self, packet)
      try journey.run()
      return journey.verdict
    }
    var walk = try PacketWalk(self, packet)
    try walk.run()
    return walk.verdict
  }

  /// Sends a packet through one chain only, as if it were jumped to from a hook.
  public func send(
    _ packet: RulePacket,
    through chain: String,
    of table: RuleTable = .filter,
    at hook: Hook = .forward
  ) throws(Problem) -> RuleVerdict {
    guard let live = ruleset.existing(table), live.hasChain(chain) else {
      throw PacketText.problem(0, "there is no chain \"\(chain)\" in the table \(table.name)")
    }
    var walk = try PacketWalk(self, packet)
    walk.run(chain: chain, of: live, at: hook)
    return walk.verdict
  }
}

/// Collects the rules that a packet meets.
final class RuleRecorder: Tracer {
  private(set) var steps: [TraceStep] = []

  func record(_ step: TraceStep) { steps.append(step) }
}

/// One packet's way through the hooks.
struct PacketWalk {
  private let firewall: Firewall
  private let packet: RulePacket
  private let shown: ProbedPacket
  private let recorder = RuleRecorder()
  private var path: String?
  private var lost: Fate?
  private var assumptions: [String] = []

  init(_ firewall: Firewall, _ packet: RulePacket) throws(Problem) {
    self.firewall = firewall
    self.packet = packet
    guard packet.family == firewall.family else {
      throw PacketText.problem(0, "the packet and the rules are of different families")
    }
    guard packet.family == .ipv4 else {
      throw PacketText.problem(0, "an IPv6 packet is sent through all hooks, not through one chain")
    }
    guard let bytes = packet.bytes else { throw PacketText.problem(0, "the packet is too long") }
    if let input = packet.input { try firewall.require(input) }
    if let output = packet.output { try firewall.require(output) }
    var probe = HookProbe(bytes: bytes)
    probe.input = packet.input
    probe.output = packet.output
    probe.mark = packet.mark
    probe.connectionMark = packet.connectionMark
    probe.tracking = packet.state
    probe.type = packet.type
    probe.sourceMAC = packet.sourceMAC
    probe.owner = packet.user.map { ($0, packet.group) }
    guard let shown = ProbedPacket(probe, in: firewall.namespace) else {
      throw PacketText.problem(0, "the packet is malformed")
    }
    self.shown = shown
  }

  private var namespace: NetworkNamespace { firewall.namespace }

  private func address(_ address: IPAddress) -> UInt32 { address.v4?.rawValue ?? 0 }

  private func pass(_ hook: Hook) {
    let before = namespace.simulation.tracer
    namespace.simulation.tracer = recorder
    shown.pass(hook)
    namespace.simulation.tracer = before
  }

  mutating func run(chain: String, of table: LiveTable, at hook: Hook) {
    let before = namespace.simulation.tracer
    namespace.simulation.tracer = recorder
    shown.pass(chain: chain, of: table, firewall.variant, at: hook)
    namespace.simulation.tracer = before
  }

  mutating func run() throws(Problem) {
    // Of a host that is not known, the packet's own end is an address of the host.
    let isForHost = packet.input != nil && packet.output == nil
    let isFromHost = packet.input == nil
    let own = isForHost ? address(packet.destination) : address(packet.source)
    var restore: NetworkDevice?
    if !firewall.host.isKnown, isForHost || isFromHost, own >> 28 < 0xe, own != 0,
      !namespace.hasInterfaceAddress(own), let name = packet.input ?? packet.output,
      let device = namespace.devices[name]
    {
      try? namespace.addAddress(InterfaceAddress(local: own, prefixLength: 32), to: device)
      restore = device
      assumptions.append("\(IPv4Address(rawValue: own)) is an address of this host")
    }
    defer {
      if let restore,
        let index = restore.inet.addresses.firstIndex(where: { $0.local == own })
      {
        namespace.removeAddress(at: index, from: restore)
      }
    }
    if isFromHost { return try runOutput() }
    pass(.prerouting)
    guard shown.verdict == .accept else { return }
    guard let output = decide() else {
      guard lost == nil else { return }
      path = "input"
      pass(.input)
      return
    }
    path = "forward"
    try firewall.require(output)
    shown.setOutput(output)
    pass(.forward)
    pass(.postrouting)
  }

  private mutating func runOutput() throws(Problem) {
    path = "output"
    if packet.output == nil {
      guard let output = route(to: address(packet.destination), input: 0) else {
        if lost == nil { lost = .noRoute }
        return
      }
      shown.setOutput(output)
    }
    pass(.output)
    pass(.postrouting)
  }

  /// The interface by which the packet is forwarded; nil if it is for this host, or lost.
  private mutating func decide() -> String? {
    if let output = packet.output { return output }
    var now = packet
    now.update(from: shown.result.bytes)
    let destination = address(now.destination)
    if firewall.host.isKnown {
      let input = packet.input.flatMap { namespace.devices[$0]?.ifindex } ?? 0
      return route(to: destination, input: input)
    }
    switch namespace.routes.addressType(destination) {
    case .local, .broadcast, .multicast: return nil
    default: break
    }
    let name = InterfaceNames.other(than: InterfaceNames.patterns(in: firewall.ruleset))
    assumptions.append("\(now.destination) is reached by \(name)")
    return name
  }

  /// The interface of the route; nil if it is for this host, or lost.
  private mutating func route(to destination: UInt32, input: Int32) -> String? {
    var key = FlowKey<UInt32>(destination: destination, inputIfindex: input)
    key.mark = shown.result.mark
    key.tos = packet.typeOfService & 0xfc
    do {
      let result = try namespace.routes.lookup(key)
      switch result.type {
      case .local, .broadcast, .multicast: return nil
      default: return namespace.devices[result.ifindex]?.name
      }
    } catch {
      switch error {
      case .blackholeRoute, .blackholeRule: lost = .blackhole
      case .unreachableRoute, .unreachableRule: lost = .unreachableRoute
      case .prohibitRoute, .prohibitRule: lost = .prohibitRoute
      case .noRoute: lost = .noRoute
      }
      return nil
    }
  }

  // MARK: The verdict

  var verdict: RuleVerdict {
    let result = shown.result
    var verdict: RuleVerdict
    let steps = matched
    if let lost {
      verdict = .lost(lost)
    } else {
      switch shown.verdict {
      case nil: verdict = .returned
      case .stolen: verdict = .lost(.fragmentTimeout)
      case .accept:
        verdict = .accepted
        // The table that decides what passes has the last word, where it said something.
        let accepting = steps.filter { $0.verdict == "accept" }
        if let last = accepting.last(where: { $0.table == "filter" }) ?? accepting.last {
          verdict.by = last.place
        }
      case .drop(.netfilter(let reference)): verdict = dropped(reference)
      case .drop(let fate):
        verdict = .lost(fate)
        // REJECT and others leave their rule as the last one met.
        if case .discarded = fate, let last = steps.last { verdict.by = last.place }
      }
    }
    verdict.matched = steps
    var after = packet
    after.update(from: result.bytes)
    after.mark = result.mark
    verdict.packet = after
    verdict.path = path
    verdict.output = path == "input" ? nil : result.output
    verdict.assumptions = assumptions
    return verdict
  }

  private func dropped(_ reference: RuleReference) -> RuleVerdict {
    let rule = firewall.rule(reference)
    let place = RulePlace(
      table: reference.table,
      chain: reference.chain,
      number: reference.rule,
      text: rule.map { RuleDump.text(of: $0, family: firewall.family) } ?? "policy"
    )
    switch rule?.target {
    case .reject(let reason): return RuleVerdict(.rejected(reason.rawValue), by: place)
    case .queue, .nfqueue: return RuleVerdict(.queued, by: place)
    default: return RuleVerdict(.dropped, by: place)
    }
  }

  private var matched: [RuleStep] {
    recorder.steps.compactMap { step in
      guard step.packet == shown.journey, !step.table.isEmpty, !step.chain.isEmpty,
        let table = RuleTable(name: step.table)
      else { return nil }
      let number = step.rule ?? 0
      return RuleStep(
        hook: step.stage,
        table: step.table,
        chain: step.chain,
        number: number,
        text: step.text,
        verdict: step.verdict,
        change: step.before.isEmpty ? "" : "\(step.before) -> \(step.after)",
        counters: firewall.counters(table, step.chain, number) ?? RuleCounters()
      )
    }
  }
}

import HopyardWire

extension Netfilter {
  /// Sends an IPv6 packet through the `ip6tables` chains of a hook, in the order of priorities.
  ///
  /// Counters count, and the probe is changed as targets change it. What the rules ask and the
  /// probe cannot tell ends in an error; no rule is passed over.
  public func evaluate(
    _ probe: inout IPv6Probe,
    at hook: Hook,
    variant: RulesetVariant = .nft,
    journey: UInt64 = 0
  ) throws(IPv6RuleError) -> IPv6Verdict {
    let ruleset = ruleset(.ipv6, variant)
    guard let ruleHook = RuleHook(rawValue: hook.rawValue) else { return .accepted }
    let tables = ruleset.tablesByAge.enumerated().sorted {
      ($0.element.priority(at: ruleHook), $0.offset)
        < ($1.element.priority(at: ruleHook), $1.offset)
    }
    for (_, name) in tables where name.hooks.contains(ruleHook) {
      // Only the first packet of a connection is shown to the nat table.
      if name == .nat, !probe.states.contains(.new) { continue }
      guard let live = ruleset.existing(name) else { continue }
      var walk = IPv6Walk(self, live, hook, variant, journey)
      let verdict = try walk.run(ruleHook.chainName, &probe)
      if verdict != .accepted { return verdict }
    }
    return .accepted
  }
}

/// A packet's way through the chains of one table at one hook.
struct IPv6Walk {
  let netfilter: Netfilter
  let live: LiveTable
  let hook: Hook
  private let variant: RulesetVariant
  private let journey: UInt64
  private let table: ChainTable

  init(
    _ netfilter: Netfilter,
    _ live: LiveTable,
    _ hook: Hook,
    _ variant: RulesetVariant,
    _ journey: UInt64
  ) {
    self.netfilter = netfilter
    self.live = live
    self.hook = hook
    self.variant = variant
    self.journey = journey
    table = live.table
  }

  mutating func run(_ base: String, _ probe: inout IPv6Probe) throws(IPv6RuleError)
    -> IPv6Verdict
  {
    guard let first = table.index(of: base) else { return .accepted }
    // An explicit stack: rules may nest deeper than the program's own stack allows.
    var stack: [(chain: Int, rule: Int)] = []
    var chain = first
    var index = 0
    guard var view = IPv6View(probe.bytes) else {
      return .dropped(RuleReference(table: live.name.name, chain: base, rule: 0))
    }
    while true {
      let rules = table.chains[chain].rules
      if index >= rules.count {
        guard let frame = stack.popLast() else { break }
        (chain, index) = frame
        continue
      }
      let rule = rules[index]
      let place = RuleReference(
        table: live.name.name,
        chain: table.chains[chain].name,
        rule: index + 1
      )
      guard try meets(rule, place, chain, index, view, &probe) else {
        index += 1
        continue
      }
      live.activity(ofChain: chain).count(rule: index, bytes: view.totalLength)
      switch rule.target {
      case .jump(let name), .goto(let name):
        note(rule, place, probe, rule.target.map { if case .goto = $0 { "goto" } else { "jump" } })
        guard let next = table.index(of: name) else {
          index += 1
          continue
        }
        if case .jump = rule.target { stack.append((chain, index + 1)) }
        chain = next
        index = 0
      case .return:
        note(rule, place, probe, "return")
        index = rules.count
      default:
        switch try carryOut(rule.target, place, view, &probe) {
        case nil:
          note(rule, place, probe, "continue")
          view = IPv6View(probe.bytes) ?? view
          index += 1
        case .accepted?:
          note(rule, place, probe, "accept")
          return .accepted
        case .some(let verdict):
          note(rule, place, probe, "drop")
          return verdict
        }
      }
    }
    let chainOfPolicy = table.chains[first]
    live.activity(ofChain: first).policy.count(bytes: view.totalLength)
    let place = RuleReference(table: live.name.name, chain: base, rule: 0)
    note(nil, place, probe, chainOfPolicy.policy == .drop ? "drop" : "accept")
    return chainOfPolicy.policy == .drop ? .dropped(place) : .accepted
  }

  private func note(
    _ rule: Rule?,
    _ place: RuleReference,
    _ probe: IPv6Probe,
    _ verdict: String?
  ) {
    guard let tracer = netfilter.simulation.tracer else { return }
    let text = rule.map { netfilter.shared.describe?($0) ?? $0.target?.name ?? "" } ?? "policy"
    tracer.record(
      TraceStep(
        time: netfilter.simulation.now,
        packet: journey,
        namespace: netfilter.environment.namespaceName,
        device: probe.input ?? probe.output ?? "",
        stage: hook.stage,
        table: place.table,
        chain: place.chain,
        rule: place.rule,
        text: text,
        verdict: verdict ?? ""
      )
    )
  }

  private func meets(
    _ rule: Rule,
    _ place: RuleReference,
    _ chain: Int,
    _ index: Int,
    _ view: IPv6View,
    _ probe: inout IPv6Probe
  ) throws(IPv6RuleError) -> Bool {
    if let source = rule.source, !source.matches(view.source) { return false }
    if let destination = rule.destination, !destination.matches(view.destination) { return false }
    if let wanted = rule.inInterface, !wanted.matches(probe.input ?? "") { return false }
    if let wanted = rule.outInterface, !wanted.matches(probe.output ?? "") { return false }
    if let wanted = rule.protocol, !wanted.matches(view.protocol) { return false }
    guard !rule.matches.isEmpty else { return true }
    let states = states(chain, index, count: rule.matches.count)
    for (number, match) in rule.matches.enumerated() {
      let isMet = try IPv6Conditions(netfilter, hook, view, place).meets(
        match,
        &probe,
        states + number
      )
      if !isMet { return false }
    }
    return true
  }

  /// What the rule's matches remember, made on the first use.
  private func states(_ chain: Int, _ index: Int, count: Int)
    -> UnsafeMutablePointer<MatchState>
  {
    guard table.chains[chain].isStateful else { return netfilter.noState }
    let activity = live.activity(ofChain: chain)
    if let known = activity.state(of: index) as? MatchStates { return known.states }
    let states = MatchStates(count: count)
    activity.setState(of: index, to: states)
    return states.states
  }
}

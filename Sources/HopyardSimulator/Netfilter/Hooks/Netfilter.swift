import HopyardWire

/// The netfilter of a namespace: what stands at each hook, in the order of priorities.
///
/// Conntrack, defragmentation and NAT register when a rule needs them, as on Linux.
public final class Netfilter {
  /// What stands at a hook.
  enum Function {
    case defragmentation
    case conntrack
    case translation
    case helper
    case confirmation
    /// A base chain; those of the mangle table may change a local packet's route.
    case chain(ChainInstance)
    case reroutingChain(ChainInstance)
  }

  private struct Registration {
    let priority: Int
    let function: Function
  }

  unowned let environment: any NetfilterEnvironment
  let shared: NetfilterShared
  /// The rules of both families and variants, made when they are asked for.
  private var rulesets: [Ruleset?] = [nil, nil, nil, nil]
  /// The connections, from the moment when a rule or a command first asks for them.
  @exclusivity(unchecked) private(set) var conntrack: Conntrack?
  @exclusivity(unchecked) private var functions: ContiguousArray<ContiguousArray<Function>> = []
  @exclusivity(unchecked) var natChains: ContiguousArray<ContiguousArray<ChainInstance>> = []
  @exclusivity(unchecked) private var isEmpty = true
  @exclusivity(unchecked) private var seenEdits: UInt64 = 0
  private var seenGeneration: UInt64 = 0
  @exclusivity(unchecked) var stack: ContiguousArray<ChainFrame> = []
  let noState: UnsafeMutablePointer<MatchState>
  /// The lists of `-m recent` by name.
  @exclusivity(unchecked) public internal(set) var recentTables: [String: RecentTable] = [:]
  @exclusivity(unchecked) var hashLimits: [String: HashLimitTable] = [:]

  /// Makes the netfilter of a namespace, without rules.
  init(environment: any NetfilterEnvironment) {
    self.environment = environment
    shared = environment.simulation.netfilter
    noState = .allocate(capacity: 1)
    noState.initialize(to: MatchState())
  }

  deinit {
    noState.deinitialize(count: 1)
    noState.deallocate()
  }

  /// Whether nothing stands at any hook, so that packets need not be shown to it.
  @inline(__always)
  public var isIdle: Bool {
    if shared.pool.edits != seenEdits { refresh() }
    return isEmpty
  }

  /// The rules of a family and variant.
  public func ruleset(_ family: RuleFamily, _ variant: RulesetVariant) -> Ruleset {
    let index = Int(family.rawValue) * 2 + Int(variant.rawValue)
    if let known = rulesets[index] { return known }
    let new = Ruleset(family: family, variant: variant, pool: shared.pool)
    rulesets[index] = new
    return new
  }

  /// The connections and their sysctls.
  public var connections: Conntrack {
    if let conntrack { return conntrack }
    let new = Conntrack(simulation: environment.simulation)
    conntrack = new
    return new
  }

  /// Whether packets are being tracked.
  public var isTracking: Bool {
    _ = isIdle
    return tracks
  }

  private var tracks = false

  // MARK: Packets

  /// Shows a packet to what stands at a hook; its first byte is the IP header's.
  func run(
    _ hook: Hook,
    _ packet: inout Packet,
    input: InterfaceReference?,
    output: inout InterfaceReference?
  ) -> NetfilterVerdict {
    if isIdle { return .accept }
    for function in functions[Int(hook.rawValue)] {
      let verdict: NetfilterVerdict
      switch function {
      case .chain(let chain):
        verdict = evaluate(chain, &packet, at: hook, input: input, output: output)
      case .conntrack:
        verdict = connections.track(&packet, at: hook)
      case .translation:
        verdict = translate(&packet, at: hook, input: input, output: &output)
      case .confirmation:
        verdict = connections.confirm(&packet)
      case .reroutingChain(let chain):
        verdict = evaluateRerouting(chain, &packet, at: hook, input: input, output: &output)
      case .helper:
        connections.help(packet)
        verdict = .accept
      case .defragmentation:
        verdict = environment.defragment(&packet, at: hook) ? .accept : .stolen
      }
      guard verdict == .accept else {
        if verdict != .stolen { conntrack?.forget(packet) }
        return verdict
      }
    }
    return .accept
  }

  /// The mangle table at OUTPUT: a changed address, mark or TOS means another route.
  private func evaluateRerouting(
    _ chain: ChainInstance,
    _ packet: inout Packet,
    at hook: Hook,
    input: InterfaceReference?,
    output: inout InterfaceReference?
  ) -> NetfilterVerdict {
    guard let before = PacketView(packet) else { return .drop(.malformed) }
    let mark = packet.metadata.mark
    let verdict = evaluate(chain, &packet, at: hook, input: input, output: output)
    guard verdict == .accept, let after = PacketView(packet) else { return verdict }
    if before.source != after.source || before.destination != after.destination
      || before.typeOfService != after.typeOfService || mark != packet.metadata.mark
    {
      return rerouted(&packet, &output)
    }
    return .accept
  }

  /// Makes a packet that answers another one part of the same connection, as the resets of REJECT.
  func attach(_ answer: borrowing Packet, to packet: borrowing Packet) {
    guard let conntrack, let index = conntrack.table.index(of: packet.metadata.conntrack) else {
      return
    }
    let direction = ConntrackInfo.direction(packet.metadata.conntrackInfo)
    answer.metadata.conntrack = conntrack.table.reference(index)
    answer.metadata.conntrackInfo =
      direction == .original ? ConntrackInfo.relatedReply : ConntrackInfo.related
  }

  // MARK: Events

  /// Removes the masqueraded connections of a device that went down.
  func deviceDown(_ device: UInt32) {
    conntrack?.removeMasqueraded(by: device)
  }

  /// Removes the masqueraded connections of an address that went away.
  func addressRemoved(_ address: IPv4Address, from device: UInt32) {
    conntrack?.removeMasqueraded(by: device, address: address)
  }

  // MARK: Registration

  /// Looks at the rules again if they may have changed.
  private func refresh() {
    seenEdits = shared.pool.edits
    var generation: UInt64 = 0
    for variant in RulesetVariant.allCases {
      generation &+= rulesets[Int(variant.rawValue)]?.generation ?? 0
    }
    guard generation != seenGeneration || functions.isEmpty else { return }
    seenGeneration = generation
    register()
    // Reading a table may have sealed a draft, which is no edit.
    seenEdits = shared.pool.edits
  }

  private func register() {
    var registrations = [[Registration]](repeating: [], count: Hook.allCases.count)
    var nat = ContiguousArray<ContiguousArray<ChainInstance>>(
      repeating: [],
      count: Hook.allCases.count
    )
    var needsConntrack = false
    var needsAccounting = false
    var hasNAT = false
    for variant in RulesetVariant.allCases {
      guard let ruleset = rulesets[Int(variant.rawValue)] else { continue }
      for name in ruleset.tablesByAge {
        guard let live = ruleset.existing(name) else { continue }
        let instances = instances(of: live)
        if live.table.needsConntrack { needsConntrack = true }
        if instances.contains(where: { $0.compiled.needsAccounting }) { needsAccounting = true }
        for instance in instances {
          guard let ruleHook = instance.compiled.chain.hook,
            let hook = Hook(rawValue: ruleHook.rawValue)
          else { continue }
          let place = Int(hook.rawValue)
          if name == .nat {
            hasNAT = true
            nat[place].append(instance)
          } else {
            registrations[place].append(
              Registration(
                priority: Int(name.priority(at: ruleHook)),
                function: name == .mangle && hook == .output
                  ? .reroutingChain(instance) : .chain(instance)
              )
            )
          }
        }
      }
    }
    if hasNAT && needsConntrack {
      for hook in [Hook.prerouting, .output] {
        registrations[Int(hook.rawValue)].append(
          Registration(priority: HookPriority.destinationNAT, function: .translation)
        )
      }
      for hook in [Hook.input, .postrouting] {
        registrations[Int(hook.rawValue)].append(
          Registration(priority: HookPriority.sourceNAT, function: .translation)
        )
      }
    }
    if needsConntrack {
      if needsAccounting { connections.settings.acct = 1 }
      _ = connections
      for hook in [Hook.prerouting, .output] {
        registrations[Int(hook.rawValue)].append(
          Registration(priority: HookPriority.defragmentation, function: .defragmentation)
        )
        registrations[Int(hook.rawValue)].append(
          Registration(priority: HookPriority.conntrack, function: .conntrack)
        )
      }
      for hook in [Hook.input, .postrouting] {
        registrations[Int(hook.rawValue)].append(
          Registration(priority: HookPriority.helper, function: .helper)
        )
        registrations[Int(hook.rawValue)].append(
          Registration(priority: HookPriority.confirm, function: .confirmation)
        )
      }
    }
    // Equal priorities: in the order of registration, which a stable sort keeps.
    functions = ContiguousArray(
      registrations.map { list in
        ContiguousArray(
          list.enumerated().sorted {
            ($0.element.priority, $0.offset) < ($1.element.priority, $1.offset)
          }.map(\.element.function)
        )
      }
    )
    natChains = nat
    tracks = needsConntrack
    isEmpty = functions.allSatisfy(\.isEmpty)
  }

  private func instances(of live: LiveTable) -> [ChainInstance] {
    let table = live.table
    let instances = table.chains.enumerated().map { index, chain in
      ChainInstance(
        table: live.name,
        compiled: shared.compile(chain, in: environment.simulation),
        activity: live.activity(ofChain: index)
      )
    }
    for instance in instances {
      instance.destinations = ContiguousArray(
        instance.compiled.chain.destinations.map { name in
          table.index(of: name).map { instances[$0] } ?? instance
        }
      )
    }
    return instances
  }
}

import HopyardWire

/// The netfilter of a namespace: what stands at each hook, in the order of priorities.
///
/// Conntrack, defragmentation and NAT register when a rule needs them, as on Linux.
public final class Netfilter {
  /// What stands at a hook.
  enum Function: UInt8 {
    case defragmentation
    case conntrack
    case translation
    case helper
    case confirmation
    case chain
    /// A chain of the mangle table at OUTPUT, which may change a local packet's route.
    case reroutingChain
  }

  private struct Registration {
    let priority: Int
    let function: Function
    var chain: ChainStart?
  }

  /// A registration as packets meet it.
  private struct Station {
    let function: Function
    let chain: ChainStart?
  }

  @exclusivity(unchecked) unowned(unsafe) let environment: any NetfilterEnvironment
  @exclusivity(unchecked) unowned(unsafe) let simulation: Simulation
  /// What each packet reads of it.
  let core: UnsafeMutablePointer<SimulationCore>
  let shared: NetfilterShared
  /// The rules of both families and variants, made when they are asked for.
  private var rulesets: [Ruleset?] = []
  /// The connections, from the moment when a rule or a command first asks for them.
  @exclusivity(unchecked) private(set) var conntrack: Conntrack? {
    didSet { conntrackReference = conntrack.map { .passUnretained($0) } }
  }
  /// The same, without a reference count.
  @exclusivity(unchecked) private(set) var conntrackReference: Unmanaged<Conntrack>?
  /// All hooks' stations, one hook after the other, and where each hook's begin.
  @exclusivity(unchecked) private var stations: UnsafeMutablePointer<Station>?
  @exclusivity(unchecked) private var bounds: InlineArray<6, Int> = [0, 0, 0, 0, 0, 0]
  /// Keeps alive what stations point to.
  private var instances: [TableInstance] = []
  /// The base chains of the nat tables, one hook's after the other, and where each hook's begin.
  @exclusivity(unchecked) var natChains: UnsafeMutablePointer<ChainStart>?
  @exclusivity(unchecked) var natBounds: InlineArray<6, Int> = [0, 0, 0, 0, 0, 0]
  private var isRegistered = false
  @exclusivity(unchecked) private var isEmpty = true
  @exclusivity(unchecked) private var seenEdits: UInt64 = 0
  private var seenGeneration: UInt64 = 0
  /// Where evaluation goes on after the chains that are being read; made for the first jump.
  @exclusivity(unchecked) var stack: UnsafeMutablePointer<ChainFrame>?
  @exclusivity(unchecked) var stackCapacity = 0
  /// The frames in use; an answer of REJECT is evaluated above those of the rejected packet.
  @exclusivity(unchecked) var depth = 0
  /// How far a packet is in the lists of rules of each chain that it is in.
  @exclusivity(unchecked) var cursors: UnsafeMutablePointer<UnsafeMutablePointer<Int32>>?
  @exclusivity(unchecked) var cursorCapacity = 0
  /// The cursors in use.
  @exclusivity(unchecked) var cursorCount = 0
  /// Why the last packet was dropped.
  @exclusivity(unchecked) var fate = Fate.discarded
  let noState: UnsafeMutablePointer<MatchState>
  /// The lists of `-m recent` by name.
  @exclusivity(unchecked) var recentTables: [String: RecentTable] = [:]
  @exclusivity(unchecked) var hashLimits: [String: HashLimitTable] = [:]
  /// Whether a copy of TEE is leaving.
  @exclusivity(unchecked) var isCopying = false
  /// Those of IPv6 rules.
  @exclusivity(unchecked) var recentTables6: [String: RecentTable] = [:]
  @exclusivity(unchecked) var hashLimits6: [String: HashLimitTable] = [:]
  /// The sets that rules ask.
  public private(set) lazy var sets = IPSets(simulation: simulation)
  /// The estimators of RATEEST by name.
  var rateEstimators: [String: RateEstimator] = [:]
  /// What `-m nfacct` has counted, by name.
  var accounts: [String: RuleCounters] = [:]
  /// The labels of connections, by the connection's reference.
  var connectionLabels: [UInt64: UInt128] = [:]
  var labelSweepSize = 1024

  /// Makes the netfilter of a namespace, without rules.
  init(environment: any NetfilterEnvironment) {
    self.environment = environment
    simulation = environment.simulation
    core = environment.simulation.core
    shared = simulation.netfilter
    noState = shared.noState
  }

  deinit {
    stack?.deallocate()
    cursors?.deallocate()
    stations?.deallocate()
    natChains?.deallocate()
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
    if rulesets.isEmpty { rulesets = [nil, nil, nil, nil] }
    if let known = rulesets[index] { return known }
    let new = Ruleset(family: family, variant: variant, pool: shared.pool)
    rulesets[index] = new
    return new
  }

  /// The rules of a family and variant, if anybody has asked for them before.
  func existingRuleset(_ family: RuleFamily, _ variant: RulesetVariant) -> Ruleset? {
    rulesets.isEmpty ? nil : rulesets[Int(family.rawValue) * 2 + Int(variant.rawValue)]
  }

  /// The connections and their sysctls.
  public var connections: Conntrack {
    if let conntrack { return conntrack }
    let new = Conntrack(simulation: simulation)
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
    // A local packet that gets another route at OUTPUT still leaves, for the rules of this hook,
    // by the device of the first one.
    let firstOutput = output
    var place = bounds[Int(hook.rawValue)]
    let end = bounds[Int(hook.rawValue) &+ 1]
    while place < end {
      let station = stations.unsafelyUnwrapped[place]
      let outcome: HookOutcome
      switch station.function {
      case .chain:
        outcome = evaluate(
          station.chain.unsafelyUnwrapped,
          &packet,
          at: hook,
          input: input,
          output: firstOutput
        )
      case .conntrack:
        outcome = conntrackReference.unsafelyUnwrapped._withUnsafeGuaranteedRef {
          $0.track(&packet, at: hook)
        }
        if outcome == .drop {
          fate = conntrack.unsafelyUnwrapped.lostRace ? .natExhausted : .conntrackFull
        }
      case .translation:
        outcome = translate(
          &packet,
          at: hook,
          input: input,
          firstOutput: firstOutput,
          output: &output
        )
      case .confirmation:
        outcome = conntrackReference.unsafelyUnwrapped._withUnsafeGuaranteedRef {
          $0.confirm(&packet)
        }
        if outcome == .drop { fate = .natExhausted }
      case .reroutingChain:
        outcome = evaluateRerouting(
          station.chain.unsafelyUnwrapped,
          &packet,
          at: hook,
          input: input,
          firstOutput: firstOutput,
          output: &output
        )
      case .helper:
        conntrackReference.unsafelyUnwrapped._withUnsafeGuaranteedRef { $0.help(&packet) }
        outcome = .accept
      case .defragmentation:
        // Most packets are whole.
        outcome =
          packet.count < 8 || packet.u16(at: 6) & 0x3fff == 0
            || environment.defragment(&packet, at: hook) ? .accept : .stolen
      }
      if outcome != .accept { return ended(outcome, packet) }
      place &+= 1
    }
    return .accept
  }

  private func ended(_ outcome: HookOutcome, _ packet: borrowing Packet) -> NetfilterVerdict {
    if outcome == .stolen { return .stolen }
    let fate = fate
    conntrack?.forget(packet)
    return .drop(fate)
  }

  /// The mangle table at OUTPUT: a changed address, mark or TOS means another route.
  private func evaluateRerouting(
    _ chain: ChainStart,
    _ packet: inout Packet,
    at hook: Hook,
    input: InterfaceReference?,
    firstOutput: InterfaceReference?,
    output: inout InterfaceReference?
  ) -> HookOutcome {
    guard let before = PacketView(packet) else { return drop(.malformed) }
    let mark = packet.metadata.mark
    let outcome = evaluate(chain, &packet, at: hook, input: input, output: firstOutput)
    guard outcome == .accept, let after = PacketView(packet) else { return outcome }
    if before.source != after.source || before.destination != after.destination
      || before.typeOfService != after.typeOfService || mark != packet.metadata.mark
    {
      return rerouted(&packet, &output)
    }
    return .accept
  }

  /// Notes why a packet is dropped.
  func drop(_ fate: Fate) -> HookOutcome {
    self.fate = fate
    return .drop
  }

  /// Makes a packet that answers another one part of the same connection, as the resets of REJECT.
  func attach(_ answer: borrowing Packet, to packet: borrowing Packet) {
    guard let conntrack, let index = conntrack.table.index(of: packet.metadata.conntrack) else {
      return
    }
    let direction = ConntrackInfo.direction(packet.metadata.conntrackInfo)
    conntrack.table.entry(index).pointee.status.insert(.attached)
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
      generation &+= existingRuleset(.ipv4, variant)?.generation ?? 0
    }
    guard generation != seenGeneration || !isRegistered else { return }
    seenGeneration = generation
    isRegistered = true
    register()
    // Reading a table may have sealed a draft, which is no edit.
    seenEdits = shared.pool.edits
  }

  private func register() {
    var registrations = [[Registration]](repeating: [], count: Hook.allCases.count)
    var nat = ContiguousArray<ContiguousArray<ChainStart>>(
      repeating: [],
      count: Hook.allCases.count
    )
    var needsConntrack = false
    var needsAccounting = false
    var hasNAT = false
    var all: [TableInstance] = []
    for variant in RulesetVariant.allCases {
      guard let ruleset = existingRuleset(.ipv4, variant) else { continue }
      for name in ruleset.tablesByAge {
        guard let live = ruleset.existing(name) else { continue }
        let instance = instance(of: live, variant)
        all.append(instance)
        if live.table.needsConntrack { needsConntrack = true }
        if instance.compiled.needsAccounting { needsAccounting = true }
        for number in 0..<live.table.baseCount {
          guard let ruleHook = live.table.chains[number].hook,
            let hook = Hook(rawValue: ruleHook.rawValue)
          else { continue }
          let place = Int(hook.rawValue)
          let start = ChainStart(
            code: instance.compiled.codes + number,
            table: .passUnretained(instance)
          )
          if name == .nat {
            hasNAT = true
            nat[place].append(start)
          } else {
            registrations[place].append(
              Registration(
                priority: Int(name.priority(at: ruleHook)),
                function: name == .mangle && hook == .output ? .reroutingChain : .chain,
                chain: start
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
    stations?.deallocate()
    stations = .allocate(capacity: max(1, registrations.reduce(0) { $0 + $1.count }))
    var count = 0
    for (hook, list) in registrations.enumerated() {
      bounds[hook] = count
      // Equal priorities: in the order of registration.
      let ordered = list.enumerated().sorted {
        ($0.element.priority, $0.offset) < ($1.element.priority, $1.offset)
      }
      for (_, registration) in ordered {
        let station = Station(
          function: registration.function,
          chain: registration.chain
        )
        stations?.advanced(by: count).initialize(to: station)
        count += 1
      }
    }
    bounds[5] = count
    instances = all
    keepNamedTables(of: all.flatMap(\.compiled.keepers))
    natChains?.deallocate()
    natChains = .allocate(capacity: max(1, nat.reduce(0) { $0 + $1.count }))
    var natCount = 0
    for (hook, list) in nat.enumerated() {
      natBounds[hook] = natCount
      for start in list {
        natChains?.advanced(by: natCount).initialize(to: start)
        natCount += 1
      }
    }
    natBounds[5] = natCount
    tracks = needsConntrack
    isEmpty = count == 0
  }

  /// A table, ready to be evaluated; one that has not changed stays what it is.
  func instance(of live: LiveTable, _ variant: RulesetVariant) -> TableInstance {
    let known = instances.first { $0.live === live }
    if let known, known.isCurrent { return known }
    let compiled = shared.compile(live.table, previous: known?.compiled, in: simulation)
    return TableInstance(live, compiled, isNative: variant == .nft)
  }
}

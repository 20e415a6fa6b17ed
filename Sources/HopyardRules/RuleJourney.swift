import HopyardSimulator
import HopyardUserland
import HopyardWire

/// Plays all packets at once through a ruleset.
final class RuleJourney {
  /// How packets go on.
  enum Path: String, CaseIterable, Sendable {
    case input, forward, output

    /// The hooks in order.
    var hooks: [RuleHook] {
      switch self {
      case .input: [.prerouting, .input]
      case .forward: [.prerouting, .forward, .postrouting]
      case .output: [.output, .postrouting]
      }
    }
  }

  /// How packets end that do not pass.
  enum End: Hashable {
    case dropped
    case rejected(String)
    case queued(String)

    var text: String {
      switch self {
      case .dropped: "dropped"
      case .rejected(let reason): "rejected with \(reason)"
      case .queued(let queue): "queued (\(queue))"
      }
    }
  }

  /// The work that was allowed is done.
  struct Exhausted: Error {}

  let space: PacketSpace
  private let ruleset: Ruleset
  private let path: Path
  /// What the fields are by now.
  private(set) var conditions: RuleConditions
  /// Packets that rules ended.
  private(set) var ends: [End: PacketSet] = [:]
  /// What else rules did, in words, and to which packets.
  private(set) var effects: [String: PacketSet] = [:]
  /// Packets that passed all chains.
  private(set) var passed = PacketSet.none
  /// Packets that some rule met, by table, chain and number from 0; kept for ``RuleLint``.
  private(set) var met: [RuleReference: PacketSet] = [:]
  /// Whether ``met`` is kept, and marks may come from anywhere.
  var keepsMet = false
  private var untracked = PacketSet.none
  private var accepted = PacketSet.none
  private var steps = 0
  private let stepLimit: Int

  init(_ ruleset: Ruleset, in space: PacketSpace, path: Path, stepLimit: Int) {
    self.ruleset = ruleset
    self.space = space
    self.path = path
    self.stepLimit = stepLimit
    conditions = RuleConditions(space)
  }

  private var d: BinaryDecisions { space.decisions }

  /// Sends all packets of the path on their way.
  func run() throws(Exhausted) {
    var here = start()
    for hook in path.hooks {
      for table in Self.order(at: hook) {
        // Other programs may set marks between the tables.
        if keepsMet { conditions[.mark] = space[.mark] }
        if table == .raw {
          conditions[.state] = d.constant(PacketSpace.State.invalid, width: 3)
        }
        var asked = here
        if table == .nat { asked = d.and(here, firstOfConnection) }
        if let live = ruleset.existing(table), let base = live.table.baseIndex(at: hook) {
          let rest = d.without(here, asked)
          here = d.or(rest, try play(live, base, at: hook, asked))
        }
        if table == .raw { beginTracking() }
      }
      if hook == .prerouting { here = d.and(here, routed) }
    }
    passed = here
  }

  /// The tables with a chain at a hook, in the order of their priorities.
  static func order(at hook: RuleHook) -> [RuleTable] {
    RuleTable.allCases.filter { $0 == .raw || $0.hooks.contains(hook) }
      .filter { $0 != .raw || hook == .prerouting || hook == .output }
      .sorted { ($0.priority(at: hook), $0.rawValue) < ($1.priority(at: hook), $1.rawValue) }
  }

  private func start() -> PacketSet {
    var set = space.possible
    if path != .output {
      // What comes from outside has no mark and no socket.
      conditions[.mark] = d.constant(0, width: 32)
      set = d.without(set, conditions[.hasSocket][0])
    } else {
      set = d.and(set, d.equals(conditions[.packetType], 0))
    }
    return set
  }

  private func beginTracking() {
    conditions[.state] = d.choose(
      untracked,
      d.constant(PacketSpace.State.untracked, width: 3),
      space[.state]
    )
  }

  /// Packets whose translation rules decide.
  private var firstOfConnection: PacketSet {
    let isNew = d.equals(conditions[.state], PacketSpace.State.new)
    let isRelated = d.equals(conditions[.state], PacketSpace.State.related)
    let isICMP = d.equals(conditions[.protocol], space.family == .ipv4 ? 1 : 58)
    return d.or(isNew, d.without(isRelated, isICMP))
  }

  /// Packets that routing sends along the path.
  private var routed: PacketSet {
    func isType(_ type: RouteType) -> PacketSet {
      d.equals(conditions[.destinationType], UInt128(type.rawValue))
    }
    let forHost = d.or(isType(.local), d.or(isType(.broadcast), isType(.multicast)))
    return path == .input ? forHost : d.not(forHost)
  }

  // MARK: Chains

  /// Sends packets through a base chain; gives those that it lets pass.
  private func play(
    _ live: LiveTable,
    _ base: Int,
    at hook: RuleHook,
    _ packets: PacketSet
  ) throws(Exhausted) -> PacketSet {
    accepted = .none
    let table = live.table
    let rest = try play(table, base, at: hook, packets, depth: 0)
    note(RuleReference(table: table.name.name, chain: table.chains[base].name, rule: 0), rest)
    if table.chains[base].policy == .drop {
      end(.dropped, rest)
      return accepted
    }
    return d.or(accepted, rest)
  }

  /// Sends packets through a chain; gives those that come to its end.
  private func play(
    _ table: ChainTable,
    _ index: Int,
    at hook: RuleHook,
    _ packets: PacketSet,
    depth: Int
  ) throws(Exhausted) -> PacketSet {
    guard depth < 200 else { throw Exhausted() }
    let chain = table.chains[index]
    var position = RulePosition(
      hook: hook,
      hasInput: path != .output,
      hasOutput: hook == .forward || hook == .output || hook == .postrouting,
      table: table.name,
      chain: chain.name
    )
    var here = packets
    var returned = PacketSet.none
    for (number, rule) in chain.rules.enumerated() {
      steps += 1
      if d.isExhausted || steps > stepLimit { throw Exhausted() }
      if here.isEmpty && !keepsMet { break }
      let match = conditions.packets(rule, at: &position)
      let met = d.and(here, match)
      note(RuleReference(table: table.name.name, chain: chain.name, rule: number + 1), met)
      if met.isEmpty { continue }
      switch rule.target {
      case .return:
        returned = d.or(returned, met)
        here = d.without(here, met)
      case .jump(let name):
        guard let next = table.index(of: name) else { continue }
        let back = try play(table, next, at: hook, met, depth: depth + 1)
        here = d.or(d.without(here, met), back)
      case .goto(let name):
        guard let next = table.index(of: name) else { continue }
        let back = try play(table, next, at: hook, met, depth: depth + 1)
        returned = d.or(returned, back)
        here = d.without(here, met)
      case .some(let target):
        if !carryOut(target, met, at: hook) { here = d.without(here, met) }
      case nil: break
      }
    }
    if d.isExhausted { throw Exhausted() }
    return d.or(here, returned)
  }

  private func note(_ rule: RuleReference, _ packets: PacketSet) {
    guard keepsMet else { return }
    met[rule] = d.or(met[rule] ?? .none, packets)
  }

  private func end(_ end: End, _ packets: PacketSet) {
    guard !packets.isEmpty else { return }
    ends[end] = d.or(ends[end] ?? .none, packets)
  }

  private func effect(_ target: Target, _ packets: PacketSet) {
    let text = RuleDump.text(of: Rule(target: target), family: space.family)
    effects[text] = d.or(effects[text] ?? .none, packets)
  }

  // MARK: Targets

  /// Does to packets what a target does; false if they leave the chain.
  private func carryOut(_ target: Target, _ packets: PacketSet, at hook: RuleHook) -> Bool {
    switch target {
    case .accept:
      accepted = d.or(accepted, packets)
      return false
    case .drop:
      end(.dropped, packets)
      return false
    case .reject(let reason):
      end(.rejected(reason.rawValue), packets)
      return false
    case .queue, .nfqueue:
      end(.queued(RuleDump.text(of: Rule(target: target), family: space.family)), packets)
      return false
    case .mark(let change):
      set(.mark, changed(conditions[.mark], change.value, change.mask), packets)
    case .connectionMark(let change): changeConnectionMark(change, packets)
    case .tos(let change):
      let bits = changed(conditions[.typeOfService], UInt32(change.value), UInt32(change.mask))
      set(.typeOfService, bits, packets)
    case .dscp(let value):
      let bits = changed(conditions[.typeOfService], UInt32(value) << 2 & 0xff, 0xfc)
      set(.typeOfService, bits, packets)
    case .ttl(let change), .hopLimit(let change): changeTTL(change, packets)
    case .notrack: leaveUntracked(packets)
    case .conntrack(let wanted):
      if wanted.isUntracked { leaveUntracked(packets) } else { effect(target, packets) }
    case .dnat, .redirect, .snat, .masquerade, .netmap:
      translate(target, packets, at: hook)
      accepted = d.or(accepted, packets)
      return false
    case .tproxy(let proxy):
      set(.mark, changed(conditions[.mark], proxy.mark, proxy.mask), packets)
      effect(target, packets)
      accepted = d.or(accepted, packets)
      return false
    case .log, .nflog, .trace: break
    case .return, .jump, .goto: break
    default: effect(target, packets)
    }
    return true
  }

  private func set(_ field: PacketSpace.Field, _ bits: [PacketSet], _ packets: PacketSet) {
    conditions[field] = d.choose(packets, bits, conditions[field])
  }

  /// `(old & ~mask) ^ value`.
  private func changed(_ old: [PacketSet], _ value: UInt32, _ mask: UInt32) -> [PacketSet] {
    old.enumerated().map { offset, bit in
      let place = UInt32(old.count - 1 - offset)
      let kept = mask >> place & 1 != 0 ? PacketSet.none : bit
      return value >> place & 1 != 0 ? d.not(kept) : kept
    }
  }

  /// `(old & ~mask) ^ (other & otherMask)`.
  private func mixed(
    _ old: [PacketSet],
    _ mask: UInt32,
    _ other: [PacketSet],
    _ otherMask: UInt32
  ) -> [PacketSet] {
    old.indices.map { offset in
      let place = UInt32(old.count - 1 - offset)
      let kept = mask >> place & 1 != 0 ? PacketSet.none : old[offset]
      return otherMask >> place & 1 != 0 ? d.differ(kept, other[offset]) : kept
    }
  }

  private func changeConnectionMark(_ change: ConnectionMarkTarget, _ packets: PacketSet) {
    let isTracked = d.without(
      d.not(d.equals(conditions[.state], PacketSpace.State.invalid)),
      d.equals(conditions[.state], PacketSpace.State.untracked)
    )
    let packets = d.and(packets, isTracked)
    let connection = conditions[.connectionMark]
    switch change {
    case .set(let change):
      set(.connectionMark, changed(connection, change.value, change.mask), packets)
    case .save(let packetMask, let mask):
      set(.connectionMark, mixed(connection, mask, conditions[.mark], packetMask), packets)
    case .restore(let packetMask, let mask):
      set(.mark, mixed(conditions[.mark], packetMask, connection, mask), packets)
    case .shifted(let change, let left, let count):
      let mark = conditions[.mark]
      let nothing = [PacketSet](repeating: .none, count: mark.count)
      func shifted(_ bits: [PacketSet]) -> [PacketSet] {
        // The highest bit stands first.
        bits.indices.map { offset in
          let from = left ? offset + Int(count) : offset - Int(count)
          return bits.indices.contains(from) ? bits[from] : .none
        }
      }
      switch change {
      case .set(let change):
        set(.connectionMark, shifted(changed(connection, change.value, change.mask)), packets)
      case .save(let packetMask, let mask):
        let other = shifted(mixed(nothing, .max, mark, packetMask))
        set(.connectionMark, mixed(connection, mask, other, .max), packets)
      case .restore(let packetMask, let mask):
        let other = shifted(mixed(nothing, .max, connection, mask))
        set(.mark, mixed(mark, packetMask, other, .max), packets)
      // A shift is of one of the others.
      case .shifted: break
      }
    }
  }

  private func leaveUntracked(_ packets: PacketSet) { untracked = d.or(untracked, packets) }

  private func changeTTL(_ change: HopTarget, _ packets: PacketSet) {
    let old = conditions[.timeToLive]
    var bits = d.constant(UInt128(change.value), width: 8)
    if change.operation != .set {
      // Bit by bit with a carry; what runs over stays at the end of the range.
      let isIncrease = change.operation == .increase
      var carry = PacketSet.none
      var sum = old
      for offset in old.indices.reversed() {
        let operand = bits[offset]
        let half = d.differ(old[offset], operand)
        sum[offset] = d.differ(half, carry)
        let left = isIncrease ? old[offset] : d.not(old[offset])
        carry = d.or(d.and(left, operand), d.and(carry, isIncrease ? half : d.not(half)))
      }
      bits = d.choose(carry, d.constant(isIncrease ? 255 : 0, width: 8), sum)
    }
    set(.timeToLive, bits, packets)
  }

  // MARK: Translation

  private func translate(_ target: Target, _ packets: PacketSet, at hook: RuleHook) {
    let isDestination = hook == .prerouting || hook == .output
    let address = isDestination ? PacketSpace.Field.destination : .source
    let port = isDestination ? PacketSpace.Field.destinationPort : .sourcePort
    let text = RuleDump.text(of: Rule(target: target), family: space.family)
    switch target {
    case .dnat(let nat), .snat(let nat):
      if let range = nat.addresses {
        setChosen(address, range.first, range.last, text, packets)
      }
      if let ports = nat.ports { setPorts(port, ports, text, packets) }
    case .netmap(let network):
      let old = conditions[address]
      let fixed = d.constant(network.address, width: old.count)
      let bits = old.indices.map { offset in
        network.mask >> UInt128(old.count - 1 - offset) & 1 != 0 ? fixed[offset] : old[offset]
      }
      set(address, bits, packets)
    case .redirect(let ports):
      if hook == .output, space.family == .ipv4 {
        set(address, d.constant(0x7f00_0001, width: 32), packets)
      } else {
        let bits = space.choice(
          "the address of the interface of arrival",
          width: conditions[address].count
        )
        set(address, bits, packets)
      }
      if let ports = ports.ports { setPorts(port, ports, text, packets) }
      set(.destinationType, d.constant(UInt128(RouteType.local.rawValue), width: 4), packets)
    case .masquerade(let ports):
      let bits = space.choice(
        "the address of the interface of departure",
        width: conditions[address].count
      )
      set(address, bits, packets)
      if let ports = ports.ports { setPorts(port, ports, text, packets) }
    default: break
    }
    let isRedirect: Bool = if case .redirect = target { true } else { false }
    if isDestination, !isRedirect {
      let unknown = space.choice("type of \(text)", width: 4)
      set(.destinationType, space.typeBits(of: conditions[.destination], unknown), packets)
    }
    let translated: PacketSpace.Field =
      isDestination ? .wasDestinationTranslated : .wasSourceTranslated
    set(translated, [.all], packets)
  }

  /// Sets a field to a number of a range; where there is more than one, the kernel chooses.
  private func setChosen(
    _ field: PacketSpace.Field,
    _ first: UInt128,
    _ last: UInt128,
    _ text: String,
    _ packets: PacketSet
  ) {
    let width = conditions[field].count
    if first == last {
      set(field, d.constant(first, width: width), packets)
    } else {
      set(field, space.choice("\(field) of \(text)", width: width), packets)
    }
  }

  private func setPorts(
    _ field: PacketSpace.Field,
    _ ports: NATPorts,
    _ text: String,
    _ packets: PacketSet
  ) {
    if ports.base == nil {
      setChosen(field, UInt128(ports.first), UInt128(ports.last), text, packets)
    } else {
      set(field, space.choice("\(field) of \(text)", width: 16), packets)
    }
  }
}

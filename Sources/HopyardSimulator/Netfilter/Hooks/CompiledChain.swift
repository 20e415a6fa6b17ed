import HopyardWire

/// A rule in the form in which packets meet it: the usual conditions in one flat value.
///
/// What does not fit is left among the chain's matches, which are looked at in their order.
struct CompiledRule {
  /// Which conditions there are, and which are inverted.
  struct Flags: OptionSet {
    let rawValue: UInt32
    static let invertSource = Flags(rawValue: 1)
    static let invertDestination = Flags(rawValue: 2)
    static let invertInput = Flags(rawValue: 4)
    static let invertOutput = Flags(rawValue: 8)
    static let invertProtocol = Flags(rawValue: 16)
    static let fragment = Flags(rawValue: 32)
    static let notFragment = Flags(rawValue: 64)
    static let ports = Flags(rawValue: 128)
    static let invertSourcePort = Flags(rawValue: 256)
    static let invertDestinationPort = Flags(rawValue: 512)
    static let inputPrefix = Flags(rawValue: 1024)
    static let outputPrefix = Flags(rawValue: 2048)
    static let states = Flags(rawValue: 4096)
    static let invertStates = Flags(rawValue: 8192)
    static let mark = Flags(rawValue: 16384)
    static let invertMark = Flags(rawValue: 32768)
    static let input = Flags(rawValue: 65536)
    static let output = Flags(rawValue: 131_072)
    /// Whether the protocol counts.
    static let `protocol` = Flags(rawValue: 262_144)
    /// Whether chance decides, after everything else.
    static let chance = Flags(rawValue: 524_288)
    static let invertChance = Flags(rawValue: 1_048_576)
    /// Whether the packet must have a whole header with ports, whichever they are.
    static let anyPorts = Flags(rawValue: 2_097_152)
    /// Whether there are matches beside the flat conditions.
    static let matches = Flags(rawValue: 4_194_304)
    /// Whatever the rule's head does not hold.
    static let others: Flags = [
      .fragment, .notFragment, .ports, .states, .mark, .input, .output,
    ]
  }

  /// What a rule does.
  enum Action: UInt8 {
    /// It only counts.
    case next
    case accept
    case drop
    case `return`
    case jump
    case goto
    /// It marks the packet.
    case mark
    /// It translates the destination or the source.
    case translateDestination
    case translateSource
    /// Something that the rule's target describes.
    case target
  }

  var source: UInt32 = 0
  var sourceMask: UInt32 = 0
  var destination: UInt32 = 0
  var destinationMask: UInt32 = 0
  var flags: Flags = []
  /// Interned names, or numbers of prefixes among the chain's names.
  var input: UInt32 = 0
  var output: UInt32 = 0
  var sourcePorts: (first: UInt16, last: UInt16) = (0, .max)
  var destinationPorts: (first: UInt16, last: UInt16) = (0, .max)
  var mark: UInt32 = 0
  var markMask: UInt32 = 0
  var states: UInt16 = 0
  var `protocol`: UInt8 = 0
  var action = Action.next
  /// Of a jump: the place of its chain among the chain's destinations.
  ///
  /// Of a translation: that of its range. Of a mark: its value.
  var operand: UInt32 = 0
  /// Of a mark: its mask; of others: the chance times 2^31.
  var secondOperand: UInt32 = 0
  /// The matches that are left.
  var firstMatch: UInt32 = 0
  var matchCount: UInt16 = 0
}

/// The half of a compiled rule that decides about most packets: half a cache line.
struct RuleHead {
  let source: UInt32
  let sourceMask: UInt32
  let destination: UInt32
  let destinationMask: UInt32
  let flags: CompiledRule.Flags
  let operand: UInt32
  let secondOperand: UInt32
  let `protocol`: UInt8
  let action: CompiledRule.Action

  init(_ rule: CompiledRule) {
    source = rule.source
    sourceMask = rule.sourceMask
    destination = rule.destination
    destinationMask = rule.destinationMask
    operand = rule.operand
    secondOperand = rule.secondOperand
    self.protocol = rule.protocol
    action = rule.action
    var flags = rule.flags
    if rule.matchCount != 0 { flags.insert(.matches) }
    self.flags = flags
  }
}

/// What all tables share of a chain; the heads of its rules follow it, then the ranges of those that
/// translate.
struct ChainHead {
  let rules: UnsafeMutablePointer<CompiledRule>
  let index: UnsafeMutablePointer<RuleIndex>?
  let compiled: Unmanaged<CompiledChain>
  let ruleCount: Int32
  let dropsByPolicy: Bool

  @inline(__always)
  var count: Int { Int(ruleCount) }

  static var size: Int { MemoryLayout<ChainHead>.stride }
}

extension UnsafeMutablePointer<ChainHead> {
  /// The heads of the rules.
  @inline(__always)
  var heads: UnsafeMutablePointer<RuleHead> {
    (UnsafeMutableRawPointer(self) + ChainHead.size).assumingMemoryBound(to: RuleHead.self)
  }

  /// What a translating rule translates to.
  @inline(__always)
  func range(_ place: UInt32) -> NATRange {
    UnsafeMutableRawPointer(heads + pointee.count).assumingMemoryBound(to: NATRange.self)[
      Int(place)
    ]
  }
}

/// A chain's rules, compiled once and shared by all namespaces that have the chain.
final class CompiledChain {
  let chain: Chain
  let count: Int
  /// The number of the chain's name, and those of the names of the chains that rules jump to.
  let nameNumber: Int32
  let destinations: ContiguousArray<Int32>
  /// The matches that are not in the flat rules.
  let matches: ContiguousArray<Match>
  /// Interface names that end in `+`, without it.
  let prefixes: [String]
  /// How a packet's own rules are found; nil for a short chain.
  let index: UnsafeMutablePointer<RuleIndex>?
  /// Whether a rule asks for the bytes of connections, which makes the kernel count them.
  let needsAccounting: Bool
  let flat: UnsafeMutablePointer<CompiledRule>
  let head: UnsafeMutablePointer<ChainHead>

  private let memory: ChainMemory

  init(
    _ chain: Chain,
    _ shared: NetfilterShared,
    in simulation: Simulation,
    memory: inout ChainMemory?
  ) {
    self.chain = chain
    nameNumber = shared.number(ofName: chain.name)
    destinations = ContiguousArray(chain.destinations.map { shared.number(ofName: $0) })
    let rules = chain.rules
    count = rules.count
    // The heads and ranges, which packets meet, and then the rules in full, a cache line each.
    let translating = rules.count { $0.target?.isTranslation ?? false }
    let headSize = ChainHead.size + rules.count * MemoryLayout<RuleHead>.stride
    let hotSize = (headSize + translating * MemoryLayout<NATRange>.stride + 63) & ~63
    let (part, owner) = ChainMemory.take(
      hotSize + rules.count * MemoryLayout<CompiledRule>.stride,
      from: &memory
    )
    self.memory = owner
    head = part.bindMemory(to: ChainHead.self, capacity: 1)
    flat = (part + hotSize).bindMemory(to: CompiledRule.self, capacity: rules.count)
    let heads = (part + ChainHead.size).bindMemory(to: RuleHead.self, capacity: rules.count)
    let ranges = (part + headSize).bindMemory(to: NATRange.self, capacity: translating)
    var compiler = ChainCompiler(simulation: simulation, destinations: chain.destinations)
    for (index, rule) in rules.enumerated() {
      (flat + index).initialize(to: compiler.compile(rule))
      (heads + index).initialize(to: RuleHead(flat[index]))
    }
    matches = compiler.matches
    prefixes = compiler.prefixes
    for (place, range) in compiler.ranges.enumerated() { (ranges + place).initialize(to: range) }
    needsAccounting = rules.contains { rule in
      rule.matches.contains { if case .connectionBytes = $0 { true } else { false } }
    }
    if let found = RuleIndex(flat, count: rules.count, matches: matches) {
      index = .allocate(capacity: 1)
      index?.initialize(to: found)
    } else {
      index = nil
    }
    head.initialize(
      to: ChainHead(
        rules: flat,
        index: index,
        compiled: .passUnretained(self),
        ruleCount: Int32(truncatingIfNeeded: rules.count),
        dropsByPolicy: chain.policy == .drop
      )
    )
  }

  deinit {
    index?.pointee.deallocate()
    index?.deallocate()
  }
}

/// Turns rules into flat ones and gathers what they refer to.
struct ChainCompiler {
  let simulation: Simulation
  private let destinations: [String: UInt32]
  private(set) var matches: ContiguousArray<Match> = []
  private(set) var prefixes: [String] = []
  private(set) var ranges: ContiguousArray<NATRange> = []

  init(simulation: Simulation, destinations: [String]) {
    self.simulation = simulation
    self.destinations = Dictionary(
      uniqueKeysWithValues: destinations.enumerated().map { ($1, UInt32($0)) }
    )
  }

  mutating func compile(_ rule: Rule) -> CompiledRule {
    var flat = CompiledRule()
    if let source = rule.source {
      flat.source = UInt32(truncatingIfNeeded: source.address)
      flat.sourceMask = UInt32(truncatingIfNeeded: source.mask)
      if source.inverted { flat.flags.insert(.invertSource) }
    }
    if let destination = rule.destination {
      flat.destination = UInt32(truncatingIfNeeded: destination.address)
      flat.destinationMask = UInt32(truncatingIfNeeded: destination.mask)
      if destination.inverted { flat.flags.insert(.invertDestination) }
    }
    if let wanted = rule.protocol, wanted.value.rawValue != 0 || wanted.inverted {
      flat.protocol = wanted.value.rawValue
      flat.flags.insert(.protocol)
      if wanted.inverted { flat.flags.insert(.invertProtocol) }
    }
    if let name = rule.inInterface {
      flat.flags.insert(.input)
      if name.inverted { flat.flags.insert(.invertInput) }
      if name.isPrefix { flat.flags.insert(.inputPrefix) }
      flat.input = intern(name)
    }
    if let name = rule.outInterface {
      flat.flags.insert(.output)
      if name.inverted { flat.flags.insert(.invertOutput) }
      if name.isPrefix { flat.flags.insert(.outputPrefix) }
      flat.output = intern(name)
    }
    switch rule.fragment {
    case true?: flat.flags.insert(.fragment)
    case false?: flat.flags.insert(.notFragment)
    case nil: break
    }
    compileTarget(rule.target, &flat)
    compileMatches(rule, &flat)
    return flat
  }

  private mutating func compileTarget(_ target: Target?, _ flat: inout CompiledRule) {
    switch target {
    case nil: flat.action = .next
    case .accept: flat.action = .accept
    case .drop, .queue: flat.action = .drop
    case .return: flat.action = .return
    case .jump(let name):
      flat.action = .jump
      flat.operand = destinations[name] ?? 0
    case .goto(let name):
      flat.action = .goto
      flat.operand = destinations[name] ?? 0
    case .mark(let change):
      flat.action = .mark
      flat.operand = change.value
      flat.secondOperand = change.mask
    case .dnat(let nat):
      flat.action = .translateDestination
      flat.operand = UInt32(ranges.count)
      ranges.append(NATRange(nat))
    case .snat(let nat):
      flat.action = .translateSource
      flat.operand = UInt32(ranges.count)
      ranges.append(NATRange(nat))
    default: flat.action = .target
    }
  }

  /// A match may become part of the flat rule unless one before it keeps state: that one must not
  /// be asked about packets that the later match would refuse, nor the other way round.
  private mutating func compileMatches(_ rule: Rule, _ flat: inout CompiledRule) {
    flat.firstMatch = UInt32(matches.count)
    var mayInline = true
    for (place, match) in rule.matches.enumerated() {
      if mayInline, inline(match, &flat) { continue }
      // Lots are drawn last, and only for packets that meet all else.
      if case .statistic(let wanted) = match, case .random(let threshold) = wanted.mode,
        flat.matchCount == 0, flat.action != .mark,
        rule.matches[(place + 1)...].allSatisfy(\.isComment)
      {
        flat.flags.insert(wanted.inverted ? [.chance, .invertChance] : .chance)
        flat.secondOperand = threshold
        continue
      }
      if case .comment = match { continue }
      if match.isOrdered { mayInline = false }
      matches.append(match)
      flat.matchCount += 1
    }
  }

  private func inline(_ match: Match, _ flat: inout CompiledRule) -> Bool {
    switch match {
    case .comment: return true
    case .tcp(let wanted):
      guard wanted.flags == nil, wanted.option == nil, !flat.flags.contains(.ports),
        wanted.source != nil || wanted.destination != nil
      else { return false }
      inline(wanted.source, wanted.destination, &flat)
      return true
    case .udp(let wanted):
      // Without ports it wants the header itself.
      if wanted == UDPMatch() {
        flat.flags.insert(.anyPorts)
        return true
      }
      guard !flat.flags.contains(.ports) else { return false }
      inline(wanted.source, wanted.destination, &flat)
      return true
    case .sctp(let wanted):
      guard wanted.chunks == nil, !flat.flags.contains(.ports) else { return false }
      inline(wanted.source, wanted.destination, &flat)
      return true
    case .state(let wanted):
      return inline(wanted, &flat)
    case .conntrack(let wanted):
      guard let states = wanted.states, wanted == ConntrackMatch(states: states) else {
        return false
      }
      return inline(states, &flat)
    case .mark(let wanted):
      guard !flat.flags.contains(.mark) else { return false }
      flat.flags.insert(.mark)
      if wanted.inverted { flat.flags.insert(.invertMark) }
      flat.mark = wanted.mark
      flat.markMask = wanted.mask
      return true
    default: return false
    }
  }

  private func inline(_ states: StateMatch, _ flat: inout CompiledRule) -> Bool {
    guard !flat.flags.contains(.states) else { return false }
    flat.flags.insert(.states)
    if states.inverted { flat.flags.insert(.invertStates) }
    flat.states = states.states.rawValue
    return true
  }

  private func inline(
    _ source: PortMatch?,
    _ destination: PortMatch?,
    _ flat: inout CompiledRule
  ) {
    flat.flags.insert(.ports)
    if let source {
      flat.sourcePorts = (source.first, source.last)
      if source.inverted { flat.flags.insert(.invertSourcePort) }
    }
    if let destination {
      flat.destinationPorts = (destination.first, destination.last)
      if destination.inverted { flat.flags.insert(.invertDestinationPort) }
    }
  }

  private mutating func intern(_ match: InterfaceMatch) -> UInt32 {
    guard match.isPrefix else { return simulation.interfaceNameID(match.name) }
    if let known = prefixes.firstIndex(of: match.name) { return UInt32(known) }
    prefixes.append(match.name)
    return UInt32(prefixes.count - 1)
  }
}

extension Target {
  /// Whether it is SNAT or DNAT, which have a range.
  fileprivate var isTranslation: Bool {
    switch self {
    case .dnat, .snat: true
    default: false
    }
  }
}

extension Match {
  var isComment: Bool {
    if case .comment = self { true } else { false }
  }

  /// Whether it matters which packets are compared with it, because it remembers or draws lots.
  var isOrdered: Bool {
    switch self {
    // An entry of a set counts who asks for it.
    case .statistic, .accounting, .set: true
    case .connectionLabel(let wanted): wanted.sets
    default: isStateful
    }
  }
}

/// What the evaluation of a chain in one namespace reads for each packet; plain memory, so that
/// nothing is counted on the way.
///
/// One cache line; the chains that rules jump to follow it.
struct ChainCode {
  let rules: UnsafeMutablePointer<CompiledRule>
  let ranges: UnsafeMutablePointer<NATRange>
  let index: UnsafeMutablePointer<RuleIndex>?
  let ruleCount: Int32
  let dropsByPolicy: Bool
  /// Whether nf_tables evaluates it rather than the older ip_tables.
  let isNative: Bool
  let counters: UnsafeMutablePointer<CounterPages>
  /// The counters of a short chain, as soon as there are some.
  var firstPage: UnsafeMutablePointer<RuleCounters>?
  /// The chains that rules jump to.
  let destinations: UnsafeMutablePointer<UnsafeMutablePointer<ChainCode>>
  let instance: Unmanaged<ChainInstance>

  var count: Int {
    @inline(__always) get { Int(ruleCount) }
  }

  /// Counts a packet of a rule.
  @inline(__always)
  mutating func count(_ rule: Int, bytes: Int) {
    if let firstPage {
      firstPage[rule].count(bytes: bytes)
    } else {
      counters.pointee.count(rule, bytes: bytes)
      if count <= CounterPages.pageLength { firstPage = counters.pointee.firstPage }
    }
  }
}

/// A chain in one namespace, ready to be evaluated: its compiled rules, the namespace's counters,
/// and the instances that its rules jump to.
final class ChainInstance {
  let table: RuleTable
  let compiled: CompiledChain
  let activity: ChainActivity
  let code: UnsafeMutablePointer<ChainCode>
  private let memory: ChainMemory

  /// How much memory the instance of a chain takes.
  static func size(_ compiled: CompiledChain) -> Int {
    let count = compiled.chain.destinations.count
    return
      (MemoryLayout<ChainCode>.stride + count * MemoryLayout<UnsafeMutableRawPointer>.stride + 63)
      & ~63
  }

  init(
    table: RuleTable,
    compiled: CompiledChain,
    activity: ChainActivity,
    isNative: Bool,
    memory: inout ChainMemory?
  ) {
    self.table = table
    self.compiled = compiled
    self.activity = activity
    let count = compiled.chain.destinations.count
    let size = MemoryLayout<ChainCode>.stride
    let (part, owner) = ChainMemory.take(Self.size(compiled), from: &memory)
    self.memory = owner
    code = part.bindMemory(to: ChainCode.self, capacity: 1)
    let destinations = (part + size).bindMemory(
      to: UnsafeMutablePointer<ChainCode>.self,
      capacity: count
    )
    destinations.initialize(repeating: code, count: count)
    code.initialize(
      to: ChainCode(
        rules: compiled.flat,
        ranges: compiled.ranges,
        index: compiled.index,
        ruleCount: Int32(truncatingIfNeeded: compiled.count),
        dropsByPolicy: compiled.chain.policy == .drop,
        isNative: isNative,
        counters: activity.pages,
        destinations: destinations,
        instance: Unmanaged.passUnretained(self)
      )
    )
  }

  var name: String { compiled.chain.name }

  /// Tells which chain a destination of the rules is.
  func connect(_ destination: Int, to other: ChainInstance) {
    code.pointee.destinations[destination] = other.code
  }

  /// The state of a rule's matches, made on the first use.
  func states(of rule: Int, count: Int) -> UnsafeMutablePointer<MatchState> {
    if let known = activity.state(of: rule) as? MatchStates { return known.states }
    let states = MatchStates(count: count)
    activity.setState(of: rule, to: states)
    return states.states
  }
}

/// What the namespaces of a simulation share: chains by content, and their compiled forms.
public final class NetfilterShared {
  private struct Compiled {
    weak var chain: CompiledChain?
  }

  private struct Links {
    weak var table: ChainTable?
    /// For each chain the places of the chains to which its rules go, -1 for one that is not there.
    let places: [[Int32]]
  }

  /// The chains and tables of all namespaces.
  public let pool = ChainPool()
  /// Prints a rule for traces; set by the floor that knows the commands' language.
  @exclusivity(unchecked) public var describe: ((Rule) -> String)?
  private var compiled: [ObjectIdentifier: Compiled] = [:]
  private var sweepLimit = 256
  private var links: [ObjectIdentifier: Links] = [:]
  private var linkSweepLimit = 64
  private var ruleMemory: ChainMemory?

  /// What a match without a state is given.
  let noState: UnsafeMutablePointer<MatchState>

  init() {
    noState = .allocate(capacity: 1)
    noState.initialize(to: MatchState())
  }

  deinit {
    noState.deinitialize(count: 1)
    noState.deallocate()
  }

  /// The compiled form of a chain.
  func compile(_ chain: Chain, in simulation: Simulation) -> CompiledChain {
    let id = ObjectIdentifier(chain)
    // A living compiled chain keeps its chain alive, so its identity is its own.
    if let known = compiled[id]?.chain { return known }
    let new = CompiledChain(chain, in: simulation, memory: &ruleMemory)
    compiled[id] = Compiled(chain: new)
    if compiled.count > sweepLimit {
      compiled = compiled.filter { $0.value.chain != nil }
      sweepLimit = max(256, compiled.count * 2)
    }
    return new
  }

  /// For each chain of a table the places of the chains to which its rules go, found once for all
  /// namespaces that have the table; -1 for a chain that is not there.
  func links(of table: ChainTable) -> [[Int32]] {
    let id = ObjectIdentifier(table)
    if let known = links[id], known.table === table { return known.places }
    let places = table.chains.map { chain in
      chain.destinations.map { Int32(table.index(of: $0) ?? -1) }
    }
    links[id] = Links(table: table, places: places)
    if links.count > linkSweepLimit {
      links = links.filter { $0.value.table != nil }
      linkSweepLimit = max(64, links.count * 2)
    }
    return places
  }
}

extension Simulation {
  /// What the namespaces' netfilters share.
  public var netfilter: NetfilterShared {
    let id = ObjectIdentifier(NetfilterShared.self)
    if let known = shared[id] as? NetfilterShared { return known }
    let new = NetfilterShared()
    shared[id] = new
    return new
  }
}

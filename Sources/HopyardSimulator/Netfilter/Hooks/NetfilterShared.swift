/// What the namespaces of a simulation share: chains by content, and their compiled forms.
public final class NetfilterShared {
  private struct Compiled {
    weak var chain: CompiledChain?
  }

  private struct Table {
    weak var table: CompiledTable?
  }

  /// The chains and tables of all namespaces.
  public let pool = ChainPool()
  /// Prints a rule for traces; set by the floor that knows the commands' language.
  @exclusivity(unchecked) public var describe: ((Rule) -> String)?
  private var compiled: [ObjectIdentifier: Compiled] = [:]
  private var sweepLimit = 256
  private var tables: [ObjectIdentifier: Table] = [:]
  private var tableSweepLimit = 64
  /// The table of each name that was compiled last, which other namespaces' are like.
  private var latest: [RuleTable: Table] = [:]
  private var ruleMemory: ChainMemory?
  /// A number for each name of a chain, so that jumps are resolved without comparing names.
  private var names: [String: Int32] = [:]
  /// For each such number its chain's place in the table that is being compiled.
  private var places: ContiguousArray<Int32> = []

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
    let new = CompiledChain(chain, self, in: simulation, memory: &ruleMemory)
    compiled[id] = Compiled(chain: new)
    if compiled.count > sweepLimit {
      compiled = compiled.filter { $0.value.chain != nil }
      sweepLimit = max(256, compiled.count * 2)
    }
    return new
  }

  /// The compiled form of a table; `previous` is one that may have much in common with it.
  func compile(_ table: ChainTable, previous: CompiledTable?, in simulation: Simulation)
    -> CompiledTable
  {
    let id = ObjectIdentifier(table)
    if let known = tables[id]?.table { return known }
    let like = previous ?? latest[table.name]?.table
    let new = CompiledTable(table, self, in: simulation, previous: like)
    latest[table.name] = Table(table: new)
    tables[id] = Table(table: new)
    if tables.count > tableSweepLimit {
      tables = tables.filter { $0.value.table != nil }
      tableSweepLimit = max(64, tables.count * 2)
    }
    return new
  }

  /// The number of a chain's name.
  func number(ofName name: String) -> Int32 {
    if let known = names[name] { return known }
    let new = Int32(truncatingIfNeeded: names.count)
    names[name] = new
    places.append(-1)
    return new
  }

  /// Finds the place of a chain among `chains` by the number of its name.
  func places(of chains: ContiguousArray<CompiledChain>) -> (Int32) -> Int32? {
    for (place, chain) in chains.enumerated() {
      places[Int(chain.nameNumber)] = Int32(truncatingIfNeeded: place)
    }
    let count = chains.count
    return { [self] name in
      // What another table left behind is told by the name that stands there.
      let place = Int(places[Int(name)])
      guard place >= 0, place < count, chains[place].nameNumber == name else { return nil }
      return Int32(truncatingIfNeeded: place)
    }
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

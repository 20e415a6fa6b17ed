/// A chain of a table as packets meet it; plain memory, so that nothing is counted on the way.
///
/// Four share a cache line; the namespaces that have the same table share them.
struct ChainCode {
  /// What all tables that have the chain share of it.
  let head: UnsafeMutablePointer<ChainHead>
  /// Where the numbers of the chains to which its rules jump begin among the table's.
  let firstDestination: UInt32
  private let numberAndTable: UInt32

  init(
    _ chain: CompiledChain,
    number: Int,
    table: RuleTable,
    firstDestination: Int
  ) {
    head = chain.head
    self.firstDestination = UInt32(truncatingIfNeeded: firstDestination)
    numberAndTable = UInt32(truncatingIfNeeded: number) << 8 | UInt32(table.rawValue)
  }

  private init(
    head: UnsafeMutablePointer<ChainHead>,
    firstDestination: UInt32,
    numberAndTable: UInt32
  ) {
    self.head = head
    self.firstDestination = firstDestination
    self.numberAndTable = numberAndTable
  }

  /// The same place in a table with another chain of the name.
  func with(_ chain: CompiledChain) -> ChainCode {
    ChainCode(
      head: chain.head,
      firstDestination: firstDestination,
      numberAndTable: numberAndTable
    )
  }

  /// Its number in the table.
  @inline(__always)
  var number: Int { Int(numberAndTable &>> 8) }

  /// The table's name.
  var tableName: String {
    RuleTable(rawValue: UInt8(truncatingIfNeeded: numberAndTable))?.name ?? ""
  }

  var compiled: Unmanaged<CompiledChain> { head.pointee.compiled }

  /// The chain's name.
  var name: String { compiled._withUnsafeGuaranteedRef { $0.chain.name } }
}

extension CompiledChain {
  /// Whether its rules name lists or estimators that a namespace keeps.
  fileprivate var isKeeper: Bool { chain.isStateful || !chain.rateEstimators.isEmpty }
}

/// A table's chains as packets meet them: compiled, and with their jumps resolved.
///
/// Immutable, and shared by all namespaces that have the table; the compiled chains are shared by
/// different tables too.
final class CompiledTable {
  let table: ChainTable
  let chains: ContiguousArray<CompiledChain>
  /// Which chains those are.
  private let identities: ContiguousArray<ObjectIdentifier>
  let codes: UnsafeMutablePointer<ChainCode>
  /// Whether a rule makes the kernel count the bytes of connections.
  let needsAccounting: Bool
  /// The chains whose rules name lists or estimators that a namespace keeps.
  let keepers: [CompiledChain]
  /// The numbers of the chains to which the rules of each chain jump, one chain's after another's.
  let destinations: UnsafeMutablePointer<Int32>
  private let destinationCount: Int

  /// Compiles a table; what `previous` has in common with it need not be looked for again.
  init(
    _ table: ChainTable,
    _ shared: NetfilterShared,
    in simulation: Simulation,
    previous: CompiledTable?
  ) {
    self.table = table
    let ids = ContiguousArray(table.chains.map { ObjectIdentifier($0) })
    identities = ids
    let like = previous.flatMap { Self.chains(of: table, ids, like: $0, shared, simulation) }
    let chains = like?.chains ?? Self.chains(of: table, shared, simulation, near: previous)
    self.chains = chains
    if let previous, let changed = like?.changed, !previous.needsAccounting,
      previous.keepers.isEmpty
    {
      needsAccounting = changed.contains { chains[$0].needsAccounting }
      keepers = changed.map { chains[$0] }.filter(\.isKeeper)
    } else {
      needsAccounting = chains.contains(where: \.needsAccounting)
      keepers = chains.filter(\.isKeeper)
    }
    let size = chains.count * MemoryLayout<ChainCode>.stride
    codes = LargeMemory.allocate(size).bindMemory(to: ChainCode.self, capacity: chains.count)
    if let previous, let changed = like?.changed {
      // All jumps go where they went.
      destinationCount = previous.destinationCount
      destinations = .allocate(capacity: max(1, destinationCount))
      destinations.initialize(from: previous.destinations, count: destinationCount)
      codes.initialize(from: previous.codes, count: chains.count)
      for number in changed { codes[number] = codes[number].with(chains[number]) }
      return
    }
    destinationCount = chains.reduce(0) { $0 + $1.destinations.count }
    destinations = .allocate(capacity: max(1, destinationCount))
    var next = 0
    let places = shared.places(of: chains)
    for (number, chain) in chains.enumerated() {
      (codes + number).initialize(
        to: ChainCode(chain, number: number, table: table.name, firstDestination: next)
      )
      for name in chain.destinations {
        // A jump to a chain that is not there is refused before; here it would go nowhere else.
        (destinations + next).initialize(to: places(name) ?? Int32(truncatingIfNeeded: number))
        next += 1
      }
    }
  }

  /// The chains of a table whose chains have the names and the jumps of `previous`'s, and the numbers
  /// of those that are others; nil if it is not like that table.
  private static func chains(
    of table: ChainTable,
    _ identities: ContiguousArray<ObjectIdentifier>,
    like previous: CompiledTable,
    _ shared: NetfilterShared,
    _ simulation: Simulation
  ) -> (chains: ContiguousArray<CompiledChain>, changed: [Int])? {
    guard previous.identities.count == identities.count, previous.table.name == table.name else {
      return nil
    }
    var changed: [Int] = []
    for number in identities.indices where identities[number] != previous.identities[number] {
      changed.append(number)
    }
    var chains = previous.chains
    for number in changed {
      let new = shared.compile(table.chains[number], in: simulation)
      guard new.nameNumber == chains[number].nameNumber,
        new.destinations == chains[number].destinations
      else { return nil }
      chains[number] = new
    }
    return (chains, changed)
  }

  /// The chains of a table, of which those near the same place of `previous` need not be looked for.
  private static func chains(
    of table: ChainTable,
    _ shared: NetfilterShared,
    _ simulation: Simulation,
    near previous: CompiledTable?
  ) -> ContiguousArray<CompiledChain> {
    var chains: ContiguousArray<CompiledChain> = []
    chains.reserveCapacity(table.chains.count)
    var old = 0
    for chain in table.chains {
      if let previous {
        // Both are in the same order; what was removed is passed over.
        let id = ObjectIdentifier(chain)
        var place = old
        while place < previous.identities.count, place < old + 8, previous.identities[place] != id {
          place += 1
        }
        if place < previous.identities.count, previous.identities[place] == id {
          chains.append(previous.chains[place])
          old = place + 1
          continue
        }
      }
      chains.append(shared.compile(chain, in: simulation))
    }
    return chains
  }

  deinit {
    codes.deallocate()
    destinations.deallocate()
  }
}

/// A table in one namespace as packets meet it: the shared code, and the namespace's own counters
/// and state, of which nothing is made before a rule of a chain meets its first packet.
final class TableInstance {
  let live: LiveTable
  let compiled: CompiledTable
  /// Whether nf_tables evaluates it rather than the older ip_tables.
  let isNative: Bool
  /// The table's edits when this was made.
  let generation: UInt64
  /// For each chain where it counts: for a short one its counters, for a longer one the directory
  /// of their pages; nil before the first packet.
  let counters: UnsafeMutablePointer<UnsafeMutableRawPointer?>
  /// The table's chains, and where they jump.
  let codes: UnsafeMutablePointer<ChainCode>
  let destinations: UnsafeMutablePointer<Int32>
  /// What is known of the base chains.
  private let bases: ContiguousArray<ChainActivity>

  init(_ live: LiveTable, _ compiled: CompiledTable, isNative: Bool) {
    self.live = live
    self.isNative = isNative
    self.compiled = compiled
    generation = live.generation
    codes = compiled.codes
    destinations = compiled.destinations
    counters = .allocate(capacity: max(1, compiled.chains.count))
    counters.initialize(repeating: nil, count: compiled.chains.count)
    bases = ContiguousArray(
      (0..<compiled.table.baseCount).map { live.activity(ofChain: $0) }
    )
  }

  deinit { counters.deallocate() }

  /// Whether nothing of the table has changed since.
  var isCurrent: Bool { generation == live.generation }

  /// The chain to which a rule of a chain jumps.
  @inline(__always)
  func destination(_ code: UnsafeMutablePointer<ChainCode>, _ operand: UInt32)
    -> UnsafeMutablePointer<ChainCode>
  {
    codes + Int(destinations[Int(code.pointee.firstDestination &+ operand)])
  }

  /// Counts a packet of a rule.
  @inline(__always)
  func count(_ code: UnsafeMutablePointer<ChainCode>, _ rule: Int, bytes: Int) {
    let number = code.pointee.number
    if let known = counters[number] {
      if code.pointee.head.pointee.count <= CounterPages.pageLength {
        known.assumingMemoryBound(to: RuleCounters.self)[rule].count(bytes: bytes)
        return
      }
      let directory = known.assumingMemoryBound(to: UnsafeMutablePointer<RuleCounters>?.self)
      if let page = directory[rule &>> CounterPages.pageShift] {
        page[rule & (CounterPages.pageLength &- 1)].count(bytes: bytes)
        return
      }
    }
    beginCounting(number, code.pointee.head.pointee.count, rule, bytes: bytes)
  }

  @inline(never)
  private func beginCounting(_ number: Int, _ length: Int, _ rule: Int, bytes: Int) {
    let pages = live.activity(ofChain: number).pages
    pages.pointee.reserve(length)
    pages.pointee.count(rule, bytes: bytes)
    counters[number] =
      length <= CounterPages.pageLength
      ? pages.pointee.firstPage.map { UnsafeMutableRawPointer($0) }
      : pages.pointee.directory.map { UnsafeMutableRawPointer($0) }
  }

  /// Counts a packet that met a base chain's policy.
  @inline(__always)
  func countPolicy(_ code: UnsafeMutablePointer<ChainCode>, bytes: Int) {
    let number = code.pointee.number
    if number < bases.count {
      bases[number].policy.count(bytes: bytes)
    } else {
      live.activity(ofChain: number).policy.count(bytes: bytes)
    }
  }

  /// The state of a rule's matches, made on the first use.
  func states(ofChain number: Int, rule: Int, count: Int) -> UnsafeMutablePointer<MatchState> {
    let activity = live.activity(ofChain: number)
    if let known = activity.state(of: rule) as? MatchStates { return known.states }
    let states = MatchStates(count: count)
    activity.setState(of: rule, to: states)
    return states.states
  }
}

/// Where a packet begins in a table: a base chain, and the namespace's own part of the table.
struct ChainStart {
  let code: UnsafeMutablePointer<ChainCode>
  let table: Unmanaged<TableInstance>
}

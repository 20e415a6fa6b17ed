/// What the evaluation of a chain reads for each packet; plain memory, so that nothing is counted
/// on the way.
///
/// One cache line. The namespaces that have the same table share it.
struct ChainCode {
  /// The rules; the ranges of those that translate follow them.
  let rules: UnsafeMutablePointer<CompiledRule>
  let index: UnsafeMutablePointer<RuleIndex>?
  let compiled: Unmanaged<CompiledChain>
  /// The numbers of the chains that rules jump to.
  var destinations: UnsafeMutablePointer<Int32>
  let ruleCount: Int32
  /// Its number in the table.
  let number: Int32
  /// The first few of the destinations, which are enough for most chains.
  var nearDestinations: InlineArray<4, Int32> = [0, 0, 0, 0]
  let dropsByPolicy: Bool
  let table: RuleTable

  @inline(__always)
  var count: Int { Int(ruleCount) }

  /// What a translating rule translates to.
  @inline(__always)
  func range(_ place: UInt32) -> NATRange {
    UnsafeMutableRawPointer(rules + count).assumingMemoryBound(to: NATRange.self)[Int(place)]
  }

  /// The chain's name.
  var name: String { compiled._withUnsafeGuaranteedRef { $0.chain.name } }
}

extension UnsafeMutablePointer<ChainCode> {
  /// The chain to which a rule with this operand jumps.
  @inline(__always)
  func destination(_ operand: UInt32) -> UnsafeMutablePointer<ChainCode> {
    self + (Int(pointee.destinations[Int(operand)]) &- Int(pointee.number))
  }
}

/// A table's chains as packets meet them: compiled, and with their jumps resolved.
///
/// Immutable, and shared by all namespaces that have the table; the compiled chains are shared by
/// different tables too.
final class CompiledTable {
  let table: ChainTable
  let chains: ContiguousArray<CompiledChain>
  let codes: UnsafeMutablePointer<ChainCode>
  /// Whether a rule makes the kernel count the bytes of connections.
  let needsAccounting: Bool
  /// The chains whose rules name lists or estimators that a namespace keeps.
  let keepers: [CompiledChain]
  private let far: UnsafeMutablePointer<Int32>

  /// Compiles a table; what `previous` has in common with it need not be looked for again.
  init(
    _ table: ChainTable,
    _ shared: NetfilterShared,
    in simulation: Simulation,
    previous: CompiledTable?
  ) {
    self.table = table
    var chains: ContiguousArray<CompiledChain> = []
    chains.reserveCapacity(table.chains.count)
    var old = 0
    for chain in table.chains {
      if let previous {
        // Both are in the same order; what was removed is passed over.
        var place = old
        while place < previous.chains.count, place < old + 8,
          previous.chains[place].chain !== chain
        {
          place += 1
        }
        if place < previous.chains.count, previous.chains[place].chain === chain {
          chains.append(previous.chains[place])
          old = place + 1
          continue
        }
      }
      chains.append(shared.compile(chain, in: simulation))
    }
    self.chains = chains
    needsAccounting = chains.contains(where: \.needsAccounting)
    keepers = chains.filter { $0.chain.isStateful || !$0.chain.rateEstimators.isEmpty }
    let size = chains.count * MemoryLayout<ChainCode>.stride
    codes = LargeMemory.allocate(size).bindMemory(to: ChainCode.self, capacity: chains.count)
    let near = 4
    let farCount = chains.reduce(0) {
      $0 + ($1.destinations.count > near ? $1.destinations.count : 0)
    }
    far = .allocate(capacity: max(1, farCount))
    var nextFar = far
    let places = shared.places(of: chains)
    for (number, chain) in chains.enumerated() {
      let code = codes + number
      code.initialize(
        to: ChainCode(
          rules: chain.flat,
          index: chain.index,
          compiled: .passUnretained(chain),
          destinations: nextFar,
          ruleCount: Int32(truncatingIfNeeded: chain.count),
          number: Int32(truncatingIfNeeded: number),
          dropsByPolicy: chain.chain.policy == .drop,
          table: table.name
        )
      )
      let isNear = chain.destinations.count <= near
      for (place, name) in chain.destinations.enumerated() {
        // A jump to a chain that is not there is refused before; here it would go nowhere else.
        let target = places(name) ?? Int32(number)
        if isNear {
          code.pointee.nearDestinations[place] = target
        } else {
          nextFar.initialize(to: target)
          nextFar += 1
        }
      }
      if isNear {
        code.pointee.destinations = withUnsafeMutablePointer(
          to: &code.pointee.nearDestinations
        ) { UnsafeMutableRawPointer($0).assumingMemoryBound(to: Int32.self) }
      }
    }
  }

  deinit {
    codes.deallocate()
    far.deallocate()
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
  /// What is known of the base chains.
  private let bases: ContiguousArray<ChainActivity>

  init(_ live: LiveTable, _ compiled: CompiledTable, isNative: Bool) {
    self.live = live
    self.isNative = isNative
    self.compiled = compiled
    generation = live.generation
    counters = .allocate(capacity: max(1, compiled.chains.count))
    counters.initialize(repeating: nil, count: compiled.chains.count)
    bases = ContiguousArray(
      (0..<compiled.table.baseCount).map { live.activity(ofChain: $0) }
    )
  }

  deinit { counters.deallocate() }

  /// Whether nothing of the table has changed since.
  var isCurrent: Bool { generation == live.generation }

  /// Counts a packet of a rule.
  @inline(__always)
  func count(_ code: UnsafeMutablePointer<ChainCode>, _ rule: Int, bytes: Int) {
    let number = Int(code.pointee.number)
    if let known = counters[number] {
      if code.pointee.count <= CounterPages.pageLength {
        known.assumingMemoryBound(to: RuleCounters.self)[rule].count(bytes: bytes)
        return
      }
      let directory = known.assumingMemoryBound(to: UnsafeMutablePointer<RuleCounters>?.self)
      if let page = directory[rule &>> CounterPages.pageShift] {
        page[rule & (CounterPages.pageLength &- 1)].count(bytes: bytes)
        return
      }
    }
    beginCounting(number, code.pointee.count, rule, bytes: bytes)
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
    let number = Int(code.pointee.number)
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

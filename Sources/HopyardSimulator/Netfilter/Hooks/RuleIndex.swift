/// Finds those rules of a chain that a packet can match at all.
///
/// Rules that name exact addresses, prefixes, ports or interfaces stand in hash tables, one for
/// each shape of key; all others are in a list that every packet gets. A packet is compared, in the
/// order of the chain, with the rules that its own keys give and with those of the list. Counters
/// stay exact, because a rule that is passed over would count nothing anyway.
struct RuleIndex {
  /// Chains with fewer rules are read from the beginning.
  static let minimumLength = 16
  /// How many lists a packet can get: one for each shape, and the common one.
  static let maximumLists = 13
  /// What ends a list.
  static let end = Int32.max

  /// The keys of one shape, in open addressing: a hash, and where the list begins plus 1.
  ///
  /// Keys with equal hashes share a list; each candidate is compared in full anyway.
  struct KeyTable {
    var destinationMask: UInt32 = 0
    var sourceMask: UInt32 = 0
    var destinationPortMask: UInt16 = 0
    var sourcePortMask: UInt16 = 0
    var hasPorts = false
    var hasInterfaces = false
    var inputMask: UInt32 = 0
    var outputMask: UInt32 = 0
    var slots: UnsafeMutablePointer<UInt64>
    var mask: Int
    var used = 0

    init(_ shape: KeyShape, capacity: Int) {
      destinationMask = Self.mask(shape.destinationLength)
      sourceMask = Self.mask(shape.sourceLength)
      destinationPortMask = UInt16(truncatingIfNeeded: 0xffff << (16 - shape.destinationPortBits))
      sourcePortMask = UInt16(truncatingIfNeeded: 0xffff << (16 - shape.sourcePortBits))
      hasPorts = shape.destinationPortBits != 0 || shape.sourcePortBits != 0
      inputMask = shape.hasInput ? .max : 0
      outputMask = shape.hasOutput ? .max : 0
      hasInterfaces = shape.hasInput || shape.hasOutput
      var size = 16
      while size < capacity * 2 { size *= 2 }
      mask = size - 1
      slots = Self.makeSlots(size)
    }

    private static func makeSlots(_ count: Int) -> UnsafeMutablePointer<UInt64> {
      let slots = LargeMemory.allocate(count * MemoryLayout<UInt64>.stride)
        .bindMemory(to: UInt64.self, capacity: count)
      slots.initialize(repeating: 0, count: count)
      return slots
    }

    /// Doubles the slots; keys with equal hashes already share one.
    mutating func grow() {
      let (old, oldCount) = (slots, mask + 1)
      mask = oldCount * 2 - 1
      slots = Self.makeSlots(oldCount * 2)
      for position in 0..<oldCount where old[position] != 0 {
        slots[slot(UInt32(truncatingIfNeeded: old[position] >> 32))] = old[position]
      }
      old.deallocate()
    }

    /// Whether the next key could find no free slot soon; a rule with several ports has more keys.
    var isCrowded: Bool { (used + 1) * 2 > mask + 1 }

    private static func mask(_ length: UInt8) -> UInt32 {
      length == 0 ? 0 : UInt32.max << (32 - UInt32(min(length, 32)))
    }

    @inline(__always)
    func hash(
      _ destination: UInt32,
      _ source: UInt32,
      _ destinationPort: UInt16,
      _ sourcePort: UInt16,
      _ input: UInt32,
      _ output: UInt32
    ) -> UInt32 {
      let addresses =
        UInt64(destination & destinationMask) &<< 32 | UInt64(source & sourceMask)
      let ports =
        UInt64(destinationPort & destinationPortMask) &<< 16 | UInt64(sourcePort & sourcePortMask)
      var value = ConntrackHash.fold(
        addresses ^ 0x9e37_79b9_7f4a_7c15,
        ports &* 0xd6e8_feb8_6659_fd93 ^ 0xa076_1d64_78bd_642f
      )
      if hasInterfaces {
        let names = UInt64(input & inputMask) &<< 32 | UInt64(output & outputMask)
        value = ConntrackHash.fold(value ^ names, 0xe703_7ed1_a0b4_28db)
      }
      return UInt32(truncatingIfNeeded: value ^ value &>> 32)
    }

    /// The slot of a key, or the free one where it would be.
    @inline(__always)
    func slot(_ hash: UInt32) -> Int {
      var position = Int(hash) & mask
      while true {
        let slot = slots[position]
        if slot == 0 || UInt32(truncatingIfNeeded: slot &>> 32) == hash { return position }
        position = (position &+ 1) & mask
      }
    }
  }

  private let tables: UnsafeMutablePointer<KeyTable>
  private let tableCount: Int
  /// All lists, each ended by ``end``; the one that every packet gets is the first.
  private let lists: UnsafeMutablePointer<Int32>
  private let hasCommonList: Bool

  /// Makes the index of a chain, or nil if reading the rules in turn is as good.
  init?(_ rules: UnsafeMutablePointer<CompiledRule>, count: Int, matches: ContiguousArray<Match>) {
    guard count >= Self.minimumLength, count < Int(Self.end) else { return nil }
    var builder = Builder(rules, count: count, matches: matches)
    guard builder.chooseShapes() >= Self.minimumLength * 3 / 4 else {
      builder.discard()
      return nil
    }
    builder.fill()
    tables = .allocate(capacity: builder.tables.count)
    for (place, table) in builder.tables.enumerated() { (tables + place).initialize(to: table) }
    tableCount = builder.tables.count
    lists = builder.makeLists()
    hasCommonList = lists[0] != Self.end
  }

  /// Frees the memory; an index belongs to one compiled chain.
  func deallocate() {
    for table in 0..<tableCount { tables[table].slots.deallocate() }
    tables.deallocate()
    lists.deallocate()
  }

  /// Writes where the lists for a packet begin, and gives their number.
  @inline(__always)
  func find(
    _ context: borrowing RuleContext,
    _ cursors: UnsafeMutablePointer<UnsafeMutablePointer<Int32>>
  ) -> Int {
    var count = 0
    if hasCommonList {
      cursors.initialize(to: lists)
      count = 1
    }
    for number in 0..<tableCount {
      let table = tables + number
      if table.pointee.hasPorts, !context.hasWords { continue }
      let hash = table.pointee.hash(
        context.view.destination,
        context.view.source,
        context.destinationPort,
        context.sourcePort,
        context.input?.nameID ?? 0,
        context.output?.nameID ?? 0
      )
      let slot = table.pointee.slots[table.pointee.slot(hash)]
      if slot == 0 { continue }
      (cursors + count).initialize(
        to: lists + (Int(UInt32(truncatingIfNeeded: slot)) &- 1)
      )
      count &+= 1
    }
    return count
  }

  /// Collects the keys of a chain's rules.
  private struct Builder {
    private let rules: UnsafeMutablePointer<CompiledRule>
    private let keys: ContiguousArray<RuleKeys>
    private var shapes: ContiguousArray<KeyShape>
    private var kept: [KeyShape: Int] = [:]
    private(set) var tables: ContiguousArray<KeyTable> = []
    /// Each entry of a list: its list (0 for the common one) and its rule, in the order of rules.
    private var entries: ContiguousArray<(list: Int32, rule: Int32)> = []
    private var lengths: ContiguousArray<Int32> = [0]
    private var last: ContiguousArray<Int32> = [-1]

    init(
      _ rules: UnsafeMutablePointer<CompiledRule>,
      count: Int,
      matches: ContiguousArray<Match>
    ) {
      self.rules = rules
      let all = ArraySlice(matches)
      keys = ContiguousArray(
        (0..<count).map { index in
          let first = Int(rules[index].firstMatch)
          return RuleKeys(rules[index], all[first..<first + Int(rules[index].matchCount)])
        }
      )
      shapes = ContiguousArray(keys.map(\.shape))
    }

    /// Chooses the shapes that get a table, and gives the number of rules that have one.
    mutating func chooseShapes() -> Int {
      for round in 1...3 {
        let counts = countShapes()
        let ordered = counts.filter { !$0.key.isEmpty && $0.value >= 4 }
          .sorted { ($1.value, $0.key.rawValue) < ($0.value, $1.key.rawValue) }
          .prefix(RuleIndex.maximumLists - 1)
        kept = [:]
        for (place, shape) in ordered.enumerated() { kept[shape.key] = place }
        if kept.count == counts.count - (counts[KeyShape()] == nil ? 0 : 1) { break }
        for rule in shapes.indices where kept[shapes[rule]] == nil && !shapes[rule].isEmpty {
          shapes[rule] = round < 3 ? shapes[rule].coarser(round: round) : KeyShape()
        }
      }
      let counts = countShapes()
      for (shape, _) in kept.sorted(by: { $0.value < $1.value }) {
        tables.append(KeyTable(shape, capacity: counts[shape] ?? 0))
      }
      return shapes.count - (counts[KeyShape()] ?? 0)
    }

    /// Gives up.
    func discard() {
      for table in tables { table.slots.deallocate() }
    }

    private func countShapes() -> [KeyShape: Int] {
      var counts: [KeyShape: Int] = [:]
      var run = (shape: KeyShape(), length: 0)
      for shape in shapes {
        if shape == run.shape {
          run.length += 1
          continue
        }
        counts[run.shape, default: 0] += run.length
        run = (shape, 1)
      }
      counts[run.shape, default: 0] += run.length
      return counts.filter { $0.value > 0 }
    }

    /// Puts every rule under its keys, or into the common list.
    mutating func fill() {
      var known = (shape: KeyShape(), place: -1)
      for index in shapes.indices {
        let shape = shapes[index]
        if shape != known.shape { known = (shape, kept[shape] ?? -1) }
        guard known.place >= 0 else {
          add(Int32(index), to: 0)
          continue
        }
        let keys = keys[index]
        let sources = KeyShape.blocks(of: keys.sourcePorts, bits: shape.sourcePortBits)
        for port in KeyShape.blocks(of: keys.destinationPorts, bits: shape.destinationPortBits) {
          for other in sources { add(index, port, other, to: known.place) }
        }
      }
    }

    private mutating func add(
      _ index: Int,
      _ destinationPort: UInt16,
      _ sourcePort: UInt16,
      to place: Int
    ) {
      if tables[place].isCrowded { tables[place].grow() }
      let rule = rules[index]
      let hash = tables[place].hash(
        rule.destination,
        rule.source,
        destinationPort,
        sourcePort,
        rule.input,
        rule.output
      )
      let slot = tables[place].slot(hash)
      if tables[place].slots[slot] == 0 {
        tables[place].slots[slot] = UInt64(hash) << 32 | UInt64(lengths.count)
        tables[place].used += 1
        lengths.append(0)
        last.append(-1)
      }
      let list = Int(UInt32(truncatingIfNeeded: tables[place].slots[slot]))
      // Two blocks of ports with one hash must not make a rule count twice.
      guard last[list] != Int32(index) else { return }
      add(Int32(index), to: list)
    }

    private mutating func add(_ rule: Int32, to list: Int) {
      last[list] = rule
      lengths[list] += 1
      entries.append((Int32(list), rule))
    }

    /// Lays the lists out one after the other and makes the tables point to them.
    func makeLists() -> UnsafeMutablePointer<Int32> {
      let lists = UnsafeMutablePointer<Int32>.allocate(capacity: entries.count + lengths.count)
      var starts: ContiguousArray<Int> = []
      starts.reserveCapacity(lengths.count)
      var next = 0
      for length in lengths {
        starts.append(next)
        next += Int(length) + 1
      }
      for table in tables {
        for slot in 0...table.mask where table.slots[slot] != 0 {
          let list = Int(UInt32(truncatingIfNeeded: table.slots[slot]))
          table.slots[slot] = (table.slots[slot] >> 32) << 32 | UInt64(starts[list] + 1)
        }
      }
      var places = starts
      for entry in entries {
        (lists + places[Int(entry.list)]).initialize(to: entry.rule)
        places[Int(entry.list)] += 1
      }
      for place in places { (lists + place).initialize(to: RuleIndex.end) }
      return lists
    }
  }
}

/// A run of consecutive rules that all name one exact value of the same field.
///
/// A packet is compared only with those that name its own value. Counters stay exact, because a
/// rule that is passed over counts nothing anyway, and the order of rules stays as it was.
struct RuleRun {
  enum Field: CaseIterable {
    case destination, source, destinationPort, sourcePort
  }

  /// Rules in a row that are worth a hash; below it reading on is as quick.
  static let minimumLength = 24

  let field: Field
  let start: Int
  let end: Int
  /// Open addressing: a key, and where its candidates begin, plus 1.
  private let keys: UnsafeMutablePointer<UInt64>
  /// For each key its rules in order, then -1.
  private let candidates: UnsafeMutablePointer<Int32>
  private let mask: Int

  private init(field: Field, start: Int, end: Int, rules: UnsafeMutablePointer<CompiledRule>) {
    self.field = field
    self.start = start
    self.end = end
    var size = 16
    while size < (end - start) * 2 { size *= 2 }
    mask = size - 1
    var lists: [(key: UInt32, rules: [Int32])] = []
    var place: [UInt32: Int] = [:]
    for index in start..<end {
      guard let key = Self.key(rules[index], field) else { continue }
      if let known = place[key] {
        lists[known].rules.append(Int32(index))
      } else {
        place[key] = lists.count
        lists.append((key, [Int32(index)]))
      }
    }
    keys = .allocate(capacity: size)
    keys.initialize(repeating: 0, count: size)
    candidates = .allocate(capacity: end - start + lists.count)
    var count = 0
    for list in lists {
      var position = Self.hash(list.key) & mask
      while keys[position] != 0 { position = (position + 1) & mask }
      keys[position] = UInt64(list.key) << 32 | UInt64(count + 1)
      for rule in list.rules + [-1] {
        (candidates + count).initialize(to: rule)
        count += 1
      }
    }
  }

  /// Frees the memory; a run belongs to one compiled chain.
  func deallocate() {
    keys.deallocate()
    candidates.deallocate()
  }

  @inline(__always)
  private static func hash(_ key: UInt32) -> Int {
    Int(truncatingIfNeeded: (UInt64(key) &* 0x9e37_79b9_7f4a_7c15) &>> 32)
  }

  /// The one value of a field that a rule accepts, or nil.
  private static func key(_ rule: CompiledRule, _ field: Field) -> UInt32? {
    let flags = rule.flags
    switch field {
    case .destination:
      return rule.destinationMask == .max && !flags.contains(.invertDestination)
        ? rule.destination : nil
    case .source:
      return rule.sourceMask == .max && !flags.contains(.invertSource) ? rule.source : nil
    case .destinationPort:
      let ports = rule.destinationPorts
      return flags.contains(.ports) && ports.first == ports.last
        && !flags.contains(.invertDestinationPort) ? UInt32(ports.first) : nil
    case .sourcePort:
      let ports = rule.sourcePorts
      return flags.contains(.ports) && ports.first == ports.last
        && !flags.contains(.invertSourcePort) ? UInt32(ports.first) : nil
    }
  }

  /// Finds the runs of a chain, longest first where fields compete, and notes them in the rules.
  static func find(
    in rules: UnsafeMutablePointer<CompiledRule>,
    count: Int
  ) -> ContiguousArray<RuleRun> {
    var runs: ContiguousArray<RuleRun> = []
    var start = 0
    // A run in which all have the same value decides nothing; it is measured once only.
    var uselessUntil: [Field: Int] = [:]
    while start + minimumLength <= count {
      var best: (field: Field, end: Int)?
      for field in Field.allCases where start >= uselessUntil[field] ?? 0 {
        var end = start
        var distinct: Set<UInt32> = []
        while end < count, let key = key(rules[end], field) {
          if distinct.count < 4 { distinct.insert(key) }
          end += 1
        }
        if end - start < minimumLength || distinct.count < 4 {
          uselessUntil[field] = end
        } else if end > best?.end ?? 0 {
          best = (field, end)
        }
      }
      guard let best, runs.count < Int(UInt16.max) - 1 else {
        start += 1
        continue
      }
      runs.append(RuleRun(field: best.field, start: start, end: best.end, rules: rules))
      for index in start..<best.end { rules[index].run = UInt16(runs.count) }
      start = best.end
    }
    return runs
  }

  /// Where the list of rules that may accept the packet begins; negative if there is none.
  @inline(__always)
  func candidates(for context: borrowing RuleContext) -> Int {
    let key: UInt32
    switch field {
    case .destination: key = context.view.destination
    case .source: key = context.view.source
    case .destinationPort:
      guard context.hasPorts else { return -1 }
      key = UInt32(context.destinationPort)
    case .sourcePort:
      guard context.hasPorts else { return -1 }
      key = UInt32(context.sourcePort)
    }
    var position = Self.hash(key) & mask
    while true {
      let slot = keys[position]
      if slot == 0 { return -1 }
      if UInt32(truncatingIfNeeded: slot &>> 32) == key {
        return Int(UInt32(truncatingIfNeeded: slot)) &- 1
      }
      position = (position &+ 1) & mask
    }
  }

  /// The first rule from `index` on that is in the list at `place`; the run's end if none is.
  @inline(__always)
  func next(from index: Int, at place: inout Int) -> Int {
    guard place >= 0 else { return end }
    while true {
      let candidate = Int(candidates[place])
      if candidate < 0 { return end }
      if candidate >= index { return candidate }
      place &+= 1
    }
  }
}

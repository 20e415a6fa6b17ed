/// The counters of a chain's rules in one namespace, in pages that are made on the first hit.
struct CounterPages: ~Copyable {
  static var pageShift: Int { 5 }
  static var pageLength: Int { 1 << 5 }

  /// The counters of the first rules, or nil before one of them met a packet.
  var firstPage: UnsafeMutablePointer<RuleCounters>? { pageCount > 0 ? pages?[0] : nil }

  /// Where the pages are, nil for those before whose rules nothing has met; it stays where it is
  /// while there are no more rules than it was reserved for.
  var directory: UnsafeMutablePointer<UnsafeMutablePointer<RuleCounters>?>? { pages }

  /// Makes the directory long enough for so many rules.
  mutating func reserve(_ count: Int) {
    let needed = (count + Self.pageLength - 1) >> Self.pageShift
    if needed > pageCount { grow(to: needed) }
  }

  /// Sets all counters to zero; they stay where they are.
  mutating func reset() {
    guard let pages else { return }
    for page in 0..<pageCount {
      pages[page]?.update(repeating: RuleCounters(), count: Self.pageLength)
    }
  }

  private var pages: UnsafeMutablePointer<UnsafeMutablePointer<RuleCounters>?>?
  private var pageCount = 0

  init() {}

  deinit {
    guard let pages else { return }
    for page in 0..<pageCount { pages[page]?.deallocate() }
    pages.deallocate()
  }

  /// Counts a packet of a rule.
  @inline(__always)
  mutating func count(_ rule: Int, bytes: Int) {
    let number = rule &>> Self.pageShift
    if number < pageCount, let page = pages.unsafelyUnwrapped[number] {
      page[rule & (Self.pageLength &- 1)].count(bytes: bytes)
    } else {
      begin(rule, bytes: bytes)
    }
  }

  private mutating func begin(_ rule: Int, bytes: Int) {
    var counters = RuleCounters()
    counters.count(bytes: bytes)
    self[rule] = counters
  }

  /// The counters of a rule.
  subscript(rule: Int) -> RuleCounters {
    get {
      let number = rule >> Self.pageShift
      guard number < pageCount, let page = pages?[number] else { return RuleCounters() }
      return page[rule & (Self.pageLength - 1)]
    }
    set {
      let number = rule >> Self.pageShift
      let isZero = newValue == RuleCounters()
      if number >= pageCount {
        if isZero { return }
        grow(to: max(number + 1, pageCount * 2))
      }
      guard let pages else { return }
      let page: UnsafeMutablePointer<RuleCounters>
      if let known = pages[number] {
        page = known
      } else {
        if isZero { return }
        // The few rules of a short chain count in one cache line.
        page = UnsafeMutableRawPointer.allocate(
          byteCount: Self.pageLength * MemoryLayout<RuleCounters>.stride,
          alignment: 64
        ).bindMemory(to: RuleCounters.self, capacity: Self.pageLength)
        page.initialize(repeating: RuleCounters(), count: Self.pageLength)
        pages[number] = page
      }
      page[rule & (Self.pageLength - 1)] = newValue
    }
  }

  private mutating func grow(to count: Int) {
    let new = UnsafeMutablePointer<UnsafeMutablePointer<RuleCounters>?>.allocate(capacity: count)
    new.initialize(repeating: nil, count: count)
    if let pages {
      new.update(from: pages, count: pageCount)
      pages.deallocate()
    }
    pages = new
    pageCount = count
  }
}

/// How many packets and bytes met a rule.
public struct RuleCounter: Hashable, Sendable {
  /// The packets.
  public var packets: UInt64
  /// Their bytes, from the IP header on.
  public var bytes: UInt64

  /// Makes a counter.
  public init(packets: UInt64 = 0, bytes: UInt64 = 0) {
    self.packets = packets
    self.bytes = bytes
  }

  @inline(__always)
  mutating func count(_ length: Int) {
    packets &+= 1
    bytes &+= UInt64(truncatingIfNeeded: length)
  }
}

/// The counters of a chain in one namespace, in pages that are made on the first hit.
struct RuleCounters: ~Copyable {
  private static var pageShift: Int { 5 }
  private static var pageSize: Int { 1 << 5 }

  private var pages: UnsafeMutablePointer<UnsafeMutablePointer<RuleCounter>?>?
  private var pageCount = 0

  init() {}

  deinit {
    guard let pages else { return }
    for page in 0..<pageCount { pages[page]?.deallocate() }
    pages.deallocate()
  }

  /// Counts a packet of a rule.
  @inline(__always)
  mutating func count(_ rule: Int, _ length: Int) {
    let number = rule &>> Self.pageShift
    if number < pageCount, let page = pages?[number] {
      page[rule & (Self.pageSize &- 1)].count(length)
    } else {
      self[rule] = RuleCounter(packets: 1, bytes: UInt64(length))
    }
  }

  /// A rule's counter.
  subscript(rule: Int) -> RuleCounter {
    get {
      let number = rule >> Self.pageShift
      guard number < pageCount, let page = pages?[number] else { return RuleCounter() }
      return page[rule & (Self.pageSize - 1)]
    }
    set {
      let number = rule >> Self.pageShift
      if number >= pageCount {
        let count = max(number + 1, pageCount * 2)
        let new = UnsafeMutablePointer<UnsafeMutablePointer<RuleCounter>?>.allocate(
          capacity: count)
        new.initialize(repeating: nil, count: count)
        if let pages {
          new.update(from: pages, count: pageCount)
          pages.deallocate()
        }
        pages = new
        pageCount = count
      }
      guard let pages else { return }
      let page: UnsafeMutablePointer<RuleCounter>
      if let known = pages[number] {
        page = known
      } else {
        guard newValue != RuleCounter() else { return }
        page = .allocate(capacity: Self.pageSize)
        page.initialize(repeating: RuleCounter(), count: Self.pageSize)
        pages[number] = page
      }
      page[rule & (Self.pageSize - 1)] = newValue
    }
  }
}

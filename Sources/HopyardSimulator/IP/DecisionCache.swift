/// The last decisions of the routing tables by the keys that led to them, so that a flow's further
/// packets cost one comparison.
///
/// It begins small and grows where many flows push each other out. A key has two places side by
/// side, each a cache line.
struct DecisionCache<Decision>: ~Copyable {
  private struct Entry {
    var key: FlowKey<UInt32>
    var decision: Decision
  }

  private static var firstBits: Int { 3 }
  private static var lastBits: Int { 11 }
  private var entries: UnsafeMutablePointer<Entry?>?
  /// The logarithm of the number of pairs of entries.
  private var bits = 3
  /// How many decisions were pushed out since it last grew.
  private var evictions = 0
  private var generation: UInt32 = 0

  init() {}

  deinit { entries?.deallocate() }

  @inline(__always)
  private func place(_ key: FlowKey<UInt32>) -> Int {
    let mixed = (UInt64(key.destination) << 32 | UInt64(key.source)) &* 0x9e37_79b9_7f4a_7c15
    return Int(truncatingIfNeeded: mixed &>> UInt64(64 &- bits)) &* 2
  }

  /// The decision for a key, if it is known and the tables have not changed.
  @inline(__always)
  func find(_ key: FlowKey<UInt32>, _ current: UInt32) -> Decision? {
    guard generation == current, let entries else { return nil }
    let place = place(key)
    if let entry = entries[place], entry.key == key { return entry.decision }
    if let entry = entries[place &+ 1], entry.key == key { return entry.decision }
    return nil
  }

  mutating func insert(_ key: FlowKey<UInt32>, _ decision: Decision, _ current: UInt32) {
    let entries = entries ?? Self.make(bits)
    self.entries = entries
    if generation != current {
      entries.update(repeating: nil, count: 2 << bits)
      generation = current
    } else if entries[place(key)] != nil, entries[place(key) + 1] != nil {
      evictions += 1
      if evictions > 8 << bits, bits < Self.lastBits { grow() }
    }
    put(Entry(key: key, decision: decision))
  }

  private static func make(_ bits: Int) -> UnsafeMutablePointer<Entry?> {
    let count = 2 << bits
    let entries = UnsafeMutableRawPointer.allocate(
      byteCount: count * MemoryLayout<Entry?>.stride,
      alignment: 64
    ).bindMemory(to: Entry?.self, capacity: count)
    entries.initialize(repeating: nil, count: count)
    return entries
  }

  /// Puts an entry before the one that its place has, which pushes out the older one.
  private mutating func put(_ entry: Entry) {
    guard let entries else { return }
    let place = place(entry.key)
    if let first = entries[place], first.key != entry.key { entries[place + 1] = first }
    entries[place] = entry
  }

  private mutating func grow() {
    guard let old = entries else { return }
    let oldCount = 2 << bits
    bits = min(bits + 2, Self.lastBits)
    evictions = 0
    entries = Self.make(bits)
    for index in (0..<oldCount).reversed() {
      if let entry = old[index] { put(entry) }
    }
    old.deallocate()
  }

  /// Forgets everything.
  mutating func removeAll() {
    entries?.deallocate()
    entries = nil
    bits = Self.firstBits
    evictions = 0
  }
}

/// What a namespace remembers of its last routing decisions, until a route, a setting or a device
/// changes.
struct FlowCache: ~Copyable {
  /// For packets that were received.
  var input = DecisionCache<InputDecision>()
  /// For packets of this host.
  var output = DecisionCache<RouteDecision>()
  /// Counts how often everything was forgotten.
  private(set) var epoch: UInt64 = 0

  init() {}

  /// Forgets everything: a setting or a device changed.
  mutating func removeAll() {
    input.removeAll()
    output.removeAll()
    epoch &+= 1
  }
}

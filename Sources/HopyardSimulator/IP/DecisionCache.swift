/// The last decisions of the routing tables by the keys that led to them, so that a flow's further
/// packets cost one comparison.
///
/// It begins small and grows where many flows push each other out.
struct DecisionCache<Decision> {
  private struct Entry {
    var key: FlowKey<UInt32>
    var decision: Decision
  }

  private static var firstBits: Int { 4 }
  private static var lastBits: Int { 11 }
  private var entries: ContiguousArray<Entry?> = []
  private var bits = 4
  /// How many decisions were pushed out since it last grew.
  private var evictions = 0
  private var generation: UInt32 = 0

  @inline(__always)
  private func place(_ key: FlowKey<UInt32>) -> Int {
    let mixed = (UInt64(key.destination) << 32 | UInt64(key.source)) &* 0x9e37_79b9_7f4a_7c15
    return Int(truncatingIfNeeded: mixed &>> UInt64(64 &- bits))
  }

  /// The decision for a key, if it is known and the tables have not changed.
  @inline(__always)
  func find(_ key: FlowKey<UInt32>, _ current: UInt32) -> Decision? {
    guard generation == current, !entries.isEmpty, let entry = entries[place(key)],
      entry.key == key
    else { return nil }
    return entry.decision
  }

  mutating func insert(_ key: FlowKey<UInt32>, _ decision: Decision, _ current: UInt32) {
    if entries.isEmpty { entries = ContiguousArray(repeating: nil, count: 1 << bits) }
    if generation != current {
      for index in entries.indices { entries[index] = nil }
      generation = current
    } else if entries[place(key)] != nil {
      evictions += 1
      if evictions > entries.count * 4, bits < Self.lastBits { grow() }
    }
    entries[place(key)] = Entry(key: key, decision: decision)
  }

  private mutating func grow() {
    let old = entries
    bits = min(bits + 2, Self.lastBits)
    evictions = 0
    entries = ContiguousArray(repeating: nil, count: 1 << bits)
    for case let entry? in old { entries[place(entry.key)] = entry }
  }

  /// Forgets everything.
  mutating func removeAll() {
    entries = []
    bits = Self.firstBits
    evictions = 0
  }
}

/// What a namespace remembers of its last routing decisions, until a route, a setting or a device
/// changes.
struct FlowCache {
  /// For packets that were received.
  var input = DecisionCache<InputDecision>()
  /// For packets of this host.
  var output = DecisionCache<RouteDecision>()
  /// Counts how often everything was forgotten.
  private(set) var epoch: UInt64 = 0

  /// Forgets everything: a setting or a device changed.
  mutating func removeAll() {
    input.removeAll()
    output.removeAll()
    epoch &+= 1
  }
}

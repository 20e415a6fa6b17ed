/// Finds connections by their original source, so that a client port keeps its translation.
struct SourceIndex: ~Copyable {
  typealias Entry = ConntrackEntry<UInt32>

  private var heads: ContiguousArray<UInt32> = []
  private var count = 0

  @inline(__always)
  private static func hash(_ address: UInt32, _ port: UInt16, _ proto: UInt8, _ zone: UInt16)
    -> UInt64
  {
    ConntrackHash.fold(
      UInt64(address) &<< 32 | UInt64(port) ^ 0x8ebc_6af0_9c88_c6e3,
      UInt64(proto) &<< 16 | UInt64(zone) ^ 0x5899_65cc_7537_4cc3
    )
  }

  @inline(__always)
  private func bucket(_ tuple: ConntrackTuple<UInt32>) -> Int {
    Int(
      truncatingIfNeeded: Self.hash(
        tuple.source,
        tuple.sourcePort,
        tuple.protocol,
        tuple.zone
      )
    )
      & (heads.count &- 1)
  }

  /// Adds a connection whose source is decided.
  mutating func insert(_ index: UInt32, in table: ConntrackTable<UInt32>) {
    let entry = table.entry(index)
    guard !entry.pointee.status.contains(.bySource) else { return }
    if count >= heads.count { grow(table) }
    link(index, in: table)
    entry.pointee.status.insert(.bySource)
    count += 1
  }

  private mutating func link(_ index: UInt32, in table: ConntrackTable<UInt32>) {
    let entry = table.entry(index)
    let bucket = bucket(entry.pointee.original)
    let next = heads[bucket]
    entry.pointee.nextBySource = next
    entry.pointee.previousBySource = 0
    if next != 0 { table.entry(next - 1).pointee.previousBySource = index + 1 }
    heads[bucket] = index + 1
  }

  private mutating func grow(_ table: ConntrackTable<UInt32>) {
    var members: [UInt32] = []
    for head in heads {
      var chain: [UInt32] = []
      var next = head
      while next != 0 {
        chain.append(next - 1)
        next = table.entry(next - 1).pointee.nextBySource
      }
      members.append(contentsOf: chain.reversed())
    }
    heads = ContiguousArray(repeating: 0, count: max(16, heads.count * 2))
    for index in members { link(index, in: table) }
  }

  /// Takes a connection out.
  mutating func remove(_ index: UInt32, in table: ConntrackTable<UInt32>) {
    let entry = table.entry(index)
    guard entry.pointee.status.contains(.bySource) else { return }
    entry.pointee.status.remove(.bySource)
    count -= 1
    let next = entry.pointee.nextBySource
    let previous = entry.pointee.previousBySource
    if next != 0 { table.entry(next - 1).pointee.previousBySource = previous }
    if previous != 0 {
      table.entry(previous - 1).pointee.nextBySource = next
    } else {
      heads[bucket(entry.pointee.original)] = next
    }
  }

  /// The newest connection from the same source that `isSuitable` accepts.
  func first(
    like tuple: ConntrackTuple<UInt32>,
    in table: ConntrackTable<UInt32>,
    where isSuitable: (UInt32) -> Bool
  ) -> UInt32? {
    guard !heads.isEmpty else { return nil }
    var next = heads[bucket(tuple)]
    while next != 0 {
      let entry = table.entry(next - 1)
      let original = entry.pointee.original
      if original.source == tuple.source, original.sourcePort == tuple.sourcePort,
        original.protocol == tuple.protocol, original.zone == tuple.zone, isSuitable(next - 1)
      {
        return next - 1
      }
      next = entry.pointee.nextBySource
    }
    return nil
  }
}

/// Keeps one copy of each chain and table that namespaces share.
///
/// A simulation has one pool. What no namespace uses any longer goes at the next sweep.
public final class ChainPool {
  private var chains: [Int: [Chain]] = [:]
  private var tables: [Int: [ChainTable]] = [:]
  private var count = 0
  private var limit = 256

  /// A number that grows with each edit of a table of any namespace.
  @exclusivity(unchecked) private(set) var edits: UInt64 = 0

  /// Makes an empty pool.
  public init() {}

  /// Returns the chain with the same content that is in the pool, which may become this one.
  public func intern(_ chain: Chain) -> Chain {
    if let known = chains[chain.contentHash]?.first(where: { $0 == chain }) { return known }
    chains[chain.contentHash, default: []].append(chain)
    grow()
    return chain
  }

  /// Returns the table with the same chains that is in the pool, which may become this one.
  public func intern(_ table: ChainTable) -> ChainTable {
    if let known = tables[table.hashValue]?.first(where: { $0 == table }) { return known }
    tables[table.hashValue, default: []].append(table)
    grow()
    return table
  }

  /// Notes that a table changed, so that namespaces look whether it was theirs.
  func noteEdit() { edits &+= 1 }

  private func grow() {
    count += 1
    guard count > limit else { return }
    count = Self.sweep(&tables)
    count += Self.sweep(&chains)
    limit = max(256, 2 * count)
  }

  /// Drops what only the pool refers to, and counts the rest.
  private static func sweep<Element: AnyObject>(_ buckets: inout [Int: [Element]]) -> Int {
    var rest = 0
    for key in Array(buckets.keys) {
      guard var bucket = buckets.removeValue(forKey: key) else { continue }
      var kept: [Element] = []
      for index in bucket.indices where !isKnownUniquelyReferenced(&bucket[index]) {
        kept.append(bucket[index])
      }
      guard !kept.isEmpty else { continue }
      rest += kept.count
      buckets[key] = kept
    }
    return rest
  }
}

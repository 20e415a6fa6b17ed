/// The tables of one family and variant in one namespace.
///
/// Linux keeps the rules of `iptables-nft` and `iptables-legacy` apart, though both are asked at
/// the same hooks; so a namespace has a ruleset for each.
public final class Ruleset {
  /// IPv4 or IPv6.
  public let family: RuleFamily
  /// Which of the two back ends this is.
  public let variant: RulesetVariant

  /// Where chains are shared.
  public let pool: ChainPool
  private var tables: [LiveTable?]
  private var created: [RuleTable] = []

  /// Makes a ruleset without tables.
  public init(family: RuleFamily, variant: RulesetVariant, pool: ChainPool) {
    self.family = family
    self.variant = variant
    self.pool = pool
    tables = Array(repeating: nil, count: RuleTable.allCases.count)
  }

  /// A table, or nil if nothing has been done with it yet.
  public func existing(_ table: RuleTable) -> LiveTable? {
    tables[Int(table.rawValue)]
  }

  /// A table, with its base chains made if they are not there.
  public func table(_ table: RuleTable) -> LiveTable {
    if let live = tables[Int(table.rawValue)] { return live }
    let live = LiveTable(table, pool: pool)
    tables[Int(table.rawValue)] = live
    created.append(table)
    pool.noteEdit()
    return live
  }

  /// Takes a table away that was made only to be read.
  public func discard(_ table: RuleTable) {
    tables[Int(table.rawValue)] = nil
    created.removeAll { $0 == table }
    pool.noteEdit()
  }

  /// The tables that are there, in the order in which they were made.
  public var tablesByAge: [RuleTable] { created }

  /// Whether there is no table.
  public var isEmpty: Bool { created.isEmpty }

  /// A number that grows with each edit, for caches.
  public var generation: UInt64 {
    tables.reduce(UInt64(created.count)) { $0 &+ ($1?.generation ?? 0) }
  }

  /// Whether a rule needs conntrack.
  public var needsConntrack: Bool {
    tables.contains { $0?.table.needsConntrack ?? false }
  }
}

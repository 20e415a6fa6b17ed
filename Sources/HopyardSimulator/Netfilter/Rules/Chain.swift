/// What happens to a packet that no rule of a base chain decided about.
public enum ChainPolicy: UInt8, Hashable, Sendable {
  /// It passes.
  case accept
  /// It vanishes.
  case drop
}

/// A chain of rules: immutable, and shared by all namespaces whose chain has the same content.
///
/// A namespace keeps only what differs, the counters and the state of rules, in a
/// ``ChainActivity``.
public final class Chain: Hashable, Sendable {
  /// The name, such as `FORWARD` or `DOCKER-USER`.
  public let name: String
  /// The hook of a base chain; nil for a user's chain.
  public let hook: RuleHook?
  /// The policy of a base chain; nil for a user's chain.
  public let policy: ChainPolicy?
  /// The rules in order.
  public let rules: [Rule]
  /// The names of the chains that rules jump or go to, each once, in order of first appearance.
  public let destinations: [String]
  /// Whether a rule needs conntrack.
  public let needsConntrack: Bool
  /// Whether a rule keeps state of its own.
  public let isStateful: Bool
  /// The rate estimators that rules feed.
  let rateEstimators: [RateEstimatorTarget]

  let contentHash: Int

  /// Makes a chain.
  public init(name: String, hook: RuleHook?, policy: ChainPolicy?, rules: [Rule]) {
    self.name = name
    self.hook = hook
    self.policy = policy
    self.rules = rules
    var seen: Set<String> = []
    destinations = rules.compactMap(\.destinationChain).filter { seen.insert($0).inserted }
    needsConntrack = rules.contains { $0.needsConntrack }
    isStateful = rules.contains { $0.matches.contains { $0.isStateful } }
    rateEstimators = rules.compactMap { rule in
      if case .rateEstimator(let wanted) = rule.target { wanted } else { nil }
    }
    var hasher = Hasher()
    hasher.combine(name)
    hasher.combine(hook)
    hasher.combine(policy)
    hasher.combine(rules)
    contentHash = hasher.finalize()
  }

  /// Whether two chains have the same content.
  public static func == (left: Chain, right: Chain) -> Bool {
    left === right
      || left.contentHash == right.contentHash && left.name == right.name
        && left.hook == right.hook && left.policy == right.policy && left.rules == right.rules
  }

  /// Hashes the content.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(contentHash)
  }
}

/// The chains of a table: immutable, and shared like its chains.
public final class ChainTable: Hashable, Sendable {
  /// Which table this is.
  public let name: RuleTable
  /// The base chains in the order of the hooks, then the others by the bytes of their names.
  public let chains: [Chain]
  /// The number of base chains at the beginning of `chains`.
  public let baseCount: Int
  /// Whether a chain needs conntrack.
  public let needsConntrack: Bool

  /// Makes a table of chains that are in order already.
  init(name: RuleTable, chains: [Chain]) {
    self.name = name
    self.chains = chains
    baseCount = chains.count { $0.hook != nil }
    needsConntrack = chains.contains { $0.needsConntrack }
  }

  /// The index of a chain, or nil; logarithmic in the number of chains.
  public func index(of name: String) -> Int? {
    if let index = chains[..<baseCount].firstIndex(where: { $0.name == name }) { return index }
    var low = baseCount
    var high = chains.count
    while low < high {
      let middle = (low + high) / 2
      if chainPrecedes(chains[middle].name, name) { low = middle + 1 } else { high = middle }
    }
    return low < chains.count && chains[low].name == name ? low : nil
  }

  /// The index of the base chain at a hook, or nil.
  public func baseIndex(at hook: RuleHook) -> Int? {
    chains[..<baseCount].firstIndex { $0.hook == hook }
  }

  /// Whether two tables have the very same chains.
  public static func == (left: ChainTable, right: ChainTable) -> Bool {
    left === right
      || left.name == right.name && left.chains.count == right.chains.count
        && zip(left.chains, right.chains).allSatisfy { $0 === $1 }
  }

  /// Hashes the identities of the chains.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(name)
    for chain in chains { hasher.combine(ObjectIdentifier(chain)) }
  }
}

/// The order in which users' chains are listed: by the bytes of their names.
func chainPrecedes(_ left: String, _ right: String) -> Bool {
  left.utf8.lexicographicallyPrecedes(right.utf8)
}

/// Why an edit of a table is refused.
public enum TableEditError: Error, Hashable, Sendable {
  /// There is no such chain.
  case noSuchChain
  /// There is such a chain already.
  case chainExists
  /// A base chain cannot be renamed or removed, a user's chain has no policy.
  case wrongKind
  /// Rules jump to the chain.
  case inUse
  /// The chain has rules.
  case notEmpty
  /// There is no rule of that number.
  case noSuchRule
}

/// A table in one namespace: a shared ``ChainTable`` and the namespace's own counters and state.
///
/// Edits collect in a draft, which becomes a shared table when ``table`` is next read: by a
/// packet or by a listing. Counters and state follow a rule through the edits.
public final class LiveTable {
  /// Which table this is.
  public let name: RuleTable
  /// A number that grows with each edit, also of counters.
  public private(set) var generation: UInt64 = 0 {
    didSet { pool.noteEdit() }
  }

  /// The chains in the order in which they were first written to, as nft(8) lists them: a base chain
  /// that nobody has written to is not there.
  public private(set) var chainsByAge: [String] = []

  private let pool: ChainPool
  private var sealed: ChainTable
  private var activities: [ChainActivity?]
  private var draft: [DraftChain]?

  /// Makes the table with its base chains.
  init(_ name: RuleTable, pool: ChainPool) {
    self.name = name
    self.pool = pool
    let chains = name.hooks.map {
      pool.intern(Chain(name: $0.chainName, hook: $0, policy: .accept, rules: []))
    }
    sealed = pool.intern(ChainTable(name: name, chains: chains))
    activities = Array(repeating: nil, count: chains.count)
  }

  /// The chains, after all edits.
  public var table: ChainTable {
    if draft != nil { seal() }
    return sealed
  }

  /// What is known of a chain of ``table``, made when it is first asked for.
  public func activity(ofChain index: Int) -> ChainActivity {
    if draft != nil { seal() }
    if let activity = activities[index] { return activity }
    let activity = ChainActivity()
    activities[index] = activity
    return activity
  }

  /// What is known of a chain of ``table``, or nil if that is nothing.
  public func existingActivity(ofChain index: Int) -> ChainActivity? {
    if draft != nil { seal() }
    return activities[index]
  }

  private func seal() {
    guard let draft else { return }
    self.draft = nil
    let old = activities
    activities = draft.map { chain in
      chain.sealedActivity(from: chain.origin.flatMap { old[$0] })
    }
    sealed = pool.intern(ChainTable(name: name, chains: draft.map { $0.sealed(in: pool) }))
  }

  // MARK: Reading while edits go on

  /// Whether there is a chain of the name.
  public func hasChain(_ name: String) -> Bool { chainIndex(name) != nil }

  /// The hook of a base chain; nil for others.
  public func hook(ofChain name: String) -> RuleHook? {
    guard let index = chainIndex(name) else { return nil }
    // A user's chain of a draft has no hook, and may not be in the sealed table yet.
    if let draft { return draft[index].hook }
    return sealed.chains[index].hook
  }

  /// The names of the chains in order.
  public var chainNames: [String] {
    draft?.map(\.name) ?? sealed.chains.map(\.name)
  }

  /// The number of rules in a chain, or nil if there is no such chain.
  public func ruleCount(ofChain name: String) -> Int? {
    chainIndex(name).map { draft?[$0].ruleCount ?? sealed.chains[$0].rules.count }
  }

  /// A rule of a chain, numbered from 0, or nil if there is none.
  public func rule(_ index: Int, ofChain name: String) -> Rule? {
    guard let chain = chainIndex(name) else { return nil }
    if let draft {
      return index >= 0 && index < draft[chain].ruleCount ? draft[chain].rule(at: index) : nil
    }
    let rules = sealed.chains[chain].rules
    return rules.indices.contains(index) ? rules[index] : nil
  }

  /// The rules of a chain, or nil if there is no such chain.
  public func rules(ofChain name: String) -> [Rule]? {
    chainIndex(name).map { draft?[$0].rules ?? sealed.chains[$0].rules }
  }

  /// The number of the first rule with the same content, from 0, or nil.
  public func firstIndex(of rule: Rule, inChain name: String) -> Int? {
    rules(ofChain: name)?.firstIndex(of: rule)
  }

  /// The names of the chains that rules of a chain jump to; a name may come more than once.
  public func destinations(ofChain name: String) -> [String] {
    chainIndex(name).map { draft?[$0].destinations ?? sealed.chains[$0].destinations } ?? []
  }

  /// The number of rules that jump or go to a chain.
  public func referenceCount(ofChain name: String) -> Int {
    chainNames.reduce(0) { count, other in
      guard destinations(ofChain: other).contains(name) else { return count }
      return count + (rules(ofChain: other)?.count { $0.destinationChain == name } ?? 0)
    }
  }

  private func chainIndex(_ name: String) -> Int? {
    guard let draft else { return sealed.index(of: name) }
    let base = self.name.hooks.count
    if let index = draft[..<base].firstIndex(where: { $0.name == name }) { return index }
    let index = insertionIndex(name)
    return index < draft.count && draft[index].name == name ? index : nil
  }

  private func insertionIndex(_ name: String) -> Int {
    let draft = draft ?? []
    var low = self.name.hooks.count
    var high = draft.count
    while low < high {
      let middle = (low + high) / 2
      if chainPrecedes(draft[middle].name, name) { low = middle + 1 } else { high = middle }
    }
    return low
  }

  // MARK: Edits

  /// Adds a user's chain.
  public func makeChain(_ name: String) throws(TableEditError) {
    beginEdit()
    guard chainIndex(name) == nil else { throw .chainExists }
    let place = insertionIndex(name)
    draft?.insert(DraftChain(name: name), at: place)
    note(name)
  }

  private func note(_ name: String) {
    if !chainsByAge.contains(name) { chainsByAge.append(name) }
  }

  /// Removes a user's chain that is empty and that no rule jumps to.
  public func removeChain(_ name: String) throws(TableEditError) {
    beginEdit()
    guard let index = chainIndex(name) else { throw .noSuchChain }
    guard hook(ofChain: name) == nil else { throw .wrongKind }
    guard referenceCount(ofChain: name) == 0 else { throw .inUse }
    guard ruleCount(ofChain: name) == 0 else { throw .notEmpty }
    draft?.remove(at: index)
    chainsByAge.removeAll { $0 == name }
  }

  /// Renames a user's chain; the rules that jump to it follow.
  public func renameChain(_ name: String, to newName: String) throws(TableEditError) {
    beginEdit()
    guard let index = chainIndex(name) else { throw .noSuchChain }
    guard chainIndex(newName) == nil else { throw .chainExists }
    guard hook(ofChain: name) == nil, var chain = draft?.remove(at: index) else {
      throw .wrongKind
    }
    chain.name = newName
    chainsByAge = chainsByAge.map { $0 == name ? newName : $0 }
    let place = insertionIndex(newName)
    draft?.insert(chain, at: place)
    for other in draft?.indices ?? 0..<0
    where draft?[other].destinations.contains(name) == true {
      for rule in draft?[other].slots.indices ?? 0..<0 {
        switch draft?[other].slots[rule].rule.target {
        case .jump(name): draft?[other].slots[rule].rule.target = .jump(newName)
        case .goto(name): draft?[other].slots[rule].rule.target = .goto(newName)
        default: break
        }
      }
    }
  }

  /// Sets the policy of a base chain, and its counters if they are given.
  public func setPolicy(
    ofChain name: String,
    to policy: ChainPolicy,
    counters: RuleCounters? = nil
  ) throws(TableEditError) {
    beginEdit()
    guard let index = chainIndex(name) else { throw .noSuchChain }
    guard draft?[index].hook != nil else { throw .wrongKind }
    note(name)
    draft?[index].policy = policy
    draft?[index].setsPolicy = true
    if let counters { draft?[index].policyCounters = counters }
  }

  /// Inserts a rule before the one of a number (from 0), or behind all.
  public func insert(
    _ rule: Rule,
    at position: Int? = nil,
    inChain name: String,
    counters: RuleCounters? = nil
  ) throws(TableEditError) {
    beginEdit()
    guard let index = chainIndex(name) else { throw .noSuchChain }
    note(name)
    let count = draft?[index].ruleCount ?? 0
    let place = position ?? count
    guard place >= 0, place <= count else { throw .noSuchRule }
    draft?[index].slots.insert(RuleSlot(rule: rule, origin: nil, counters: counters), at: place)
  }

  /// Puts a new rule in the place of the one of a number (from 0).
  public func replace(
    _ position: Int,
    with rule: Rule,
    inChain name: String,
    counters: RuleCounters? = nil
  ) throws(TableEditError) {
    beginEdit()
    guard let index = chainIndex(name) else { throw .noSuchChain }
    guard position >= 0, position < draft?[index].ruleCount ?? 0 else { throw .noSuchRule }
    draft?[index].slots[position] = RuleSlot(rule: rule, origin: nil, counters: counters)
  }

  /// Removes the rule of a number (from 0).
  public func remove(_ position: Int, inChain name: String) throws(TableEditError) {
    beginEdit()
    guard let index = chainIndex(name) else { throw .noSuchChain }
    guard position >= 0, position < draft?[index].ruleCount ?? 0 else { throw .noSuchRule }
    draft?[index].slots.remove(at: position)
  }

  /// Removes all rules of a chain.
  public func flush(chain name: String) throws(TableEditError) {
    beginEdit()
    guard let index = chainIndex(name) else { throw .noSuchChain }
    draft?[index].slots.removeAll()
  }

  /// Removes all rules of all chains.
  public func flush() {
    beginEdit()
    for index in draft?.indices ?? 0..<0 { draft?[index].slots.removeAll() }
  }

  /// Removes all rules and the users' chains.
  ///
  /// Unless they are kept, the policies become ACCEPT with zero counters.
  public func clear(keepingPolicies: Bool = false) {
    beginEdit()
    guard keepingPolicies else {
      draft = name.hooks.map { DraftChain(name: $0.chainName, hook: $0) }
      return
    }
    draft?.removeAll { $0.hook == nil }
    for index in draft?.indices ?? 0..<0 { draft?[index].slots.removeAll() }
  }

  /// Removes all users' chains that no rule of another chain needs, with their rules.
  public func removeChains(_ names: [String]) {
    beginEdit()
    let gone = Set(names)
    draft?.removeAll { $0.hook == nil && gone.contains($0.name) }
  }

  /// Sets the counters of a rule (from 0).
  public func setCounters(
    ofRule position: Int,
    inChain name: String,
    to counters: RuleCounters
  ) throws(TableEditError) {
    guard let index = table.index(of: name) else { throw .noSuchChain }
    guard table.chains[index].rules.indices.contains(position) else { throw .noSuchRule }
    generation &+= 1
    activity(ofChain: index).setCounters(of: position, to: counters)
  }

  /// Sets the counters of a chain, or of all chains, to zero.
  public func zero(chain name: String? = nil) throws(TableEditError) {
    let table = table
    generation &+= 1
    if let name {
      guard let index = table.index(of: name) else { throw .noSuchChain }
      activity(ofChain: index).zero()
    } else {
      for index in table.chains.indices { activity(ofChain: index).zero() }
    }
  }

  private func beginEdit() {
    generation &+= 1
    if draft == nil {
      draft = sealed.chains.enumerated().map { DraftChain($1, origin: $0) }
    }
  }

  /// Puts whole chains in place and takes others away, as `iptables-restore --noflush` does with a
  /// program's own chains.
  ///
  /// `chains` are users' chains in the order of their names; what is known of a chain that stays the
  /// very same object stays too.
  public func install(_ chains: [Chain], removing isGone: (String) -> Bool) {
    let old = table
    let oldActivities = activities
    generation &+= 1
    var merged: [Chain] = []
    var kept: [ChainActivity?] = []
    merged.reserveCapacity(old.chains.count + chains.count)
    kept.reserveCapacity(old.chains.count + chains.count)
    for index in 0..<old.baseCount {
      merged.append(old.chains[index])
      kept.append(oldActivities[index])
    }
    var index = old.baseCount
    for chain in chains {
      while index < old.chains.count, chainPrecedes(old.chains[index].name, chain.name) {
        if !isGone(old.chains[index].name) {
          merged.append(old.chains[index])
          kept.append(oldActivities[index])
        }
        index += 1
      }
      var activity: ChainActivity?
      if index < old.chains.count, old.chains[index].name == chain.name {
        if old.chains[index] === chain { activity = oldActivities[index] }
        index += 1
      }
      merged.append(chain)
      kept.append(activity)
    }
    while index < old.chains.count {
      if !isGone(old.chains[index].name) {
        merged.append(old.chains[index])
        kept.append(oldActivities[index])
      }
      index += 1
    }
    sealed = pool.intern(ChainTable(name: name, chains: merged))
    activities = kept
  }

  // MARK: Transactions

  /// The table as it is now, to go back to.
  public struct Snapshot {
    fileprivate let sealed: ChainTable
    fileprivate let activities: [ChainActivity?]
    fileprivate let draft: [DraftChain]?
  }

  /// Remembers the chains; no packet may come between this and ``restore(_:)``.
  public func snapshot() -> Snapshot {
    Snapshot(sealed: sealed, activities: activities, draft: draft)
  }

  /// Goes back to a snapshot; counters that were zeroed since stay zero.
  public func restore(_ snapshot: Snapshot) {
    generation &+= 1
    sealed = snapshot.sealed
    activities = snapshot.activities
    draft = snapshot.draft
  }
}

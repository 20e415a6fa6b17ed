/// A rule in a chain that is being edited, with what ties it to its past.
public struct RuleSlot {
  /// The rule.
  public var rule: Rule
  /// Its number in the chain before the edits, or nil if it is new.
  var origin: Int?
  /// Counters that it is to get; nil to keep what it has.
  var counters: RuleCounters?
}

/// A chain that may be being edited.
struct DraftChain {
  var name: String
  let hook: RuleHook?
  var policy: ChainPolicy?
  /// Its number in the table before the edits, or nil if it is new.
  let origin: Int?
  /// Counters that the policy is to get; nil to keep what it has.
  var policyCounters: RuleCounters?
  /// Whether the policy was set, which makes nf_tables count what meets it.
  var setsPolicy = false
  /// The chain as it was, while its rules have not been touched.
  private(set) var original: Chain?
  private var touched: [RuleSlot] = []
  /// How many rules the chain had before the edits.
  private var originalCount = 0

  init(_ chain: Chain, origin: Int) {
    name = chain.name
    hook = chain.hook
    policy = chain.policy
    self.origin = origin
    original = chain
    originalCount = chain.rules.count
  }

  init(name: String, hook: RuleHook? = nil) {
    self.name = name
    self.hook = hook
    policy = hook == nil ? nil : .accept
    origin = nil
  }

  /// The rules with their pasts; writing makes the chain a touched one.
  var slots: [RuleSlot] {
    get {
      guard let original else { return touched }
      return original.rules.enumerated().map { RuleSlot(rule: $1, origin: $0) }
    }
    _modify {
      if let original {
        touched = original.rules.enumerated().map { RuleSlot(rule: $1, origin: $0) }
        self.original = nil
      }
      yield &touched
    }
  }

  var ruleCount: Int { original?.rules.count ?? touched.count }

  var rules: [Rule] { original?.rules ?? touched.map(\.rule) }

  func rule(at index: Int) -> Rule {
    if let original { original.rules[index] } else { touched[index].rule }
  }

  /// The names of the chains that rules jump to; a name may come more than once.
  var destinations: [String] {
    original?.destinations ?? touched.compactMap(\.rule.destinationChain)
  }

  /// The chain that came of the edits.
  func sealed(in pool: ChainPool) -> Chain {
    if let original, original.name == name, original.policy == policy { return original }
    return pool.intern(Chain(name: name, hook: hook, policy: policy, rules: rules))
  }

  /// The activity that came of the edits: counters and state follow their rules.
  func sealedActivity(from old: ChainActivity?) -> ChainActivity? {
    guard let activity = sealedRules(from: old) else {
      guard setsPolicy else { return nil }
      let activity = ChainActivity()
      sealPolicy(activity)
      return activity
    }
    if setsPolicy { sealPolicy(activity) }
    return activity
  }

  private func sealPolicy(_ activity: ChainActivity) {
    if let policyCounters {
      activity.setPolicyCounters(policyCounters)
    } else {
      activity.beginCountingPolicy()
    }
  }

  private func sealedRules(from old: ChainActivity?) -> ChainActivity? {
    // Rules only added behind those that were there leave what is known of these in place.
    let isAppended =
      original != nil
      || touched.prefix(originalCount).enumerated().allSatisfy { $1.origin == $0 }
        && touched.count >= originalCount && touched.allSatisfy { $0.counters == nil }
    if isAppended { return old }
    let activity = ChainActivity()
    if let old { activity.inheritPolicy(from: old) }
    for (index, slot) in touched.enumerated() {
      if let counters = slot.counters {
        activity.setCounters(of: index, to: counters)
      } else if let origin = slot.origin, let old {
        activity.setCounters(of: index, to: old.counters(of: origin))
      }
      if let origin = slot.origin, let state = old?.state(of: origin) {
        activity.setState(of: index, to: state)
      }
    }
    return activity
  }
}

/// What a stateful rule remembers in one namespace; each kind of match has a subclass.
open class RuleState {
  /// Makes a state.
  public init() {}
}

/// What one namespace knows of a chain that others share: counters, and the state of rules.
public final class ChainActivity {
  /// What met the policy of a base chain.
  @exclusivity(unchecked) public var policy = RuleCounters()
  /// What met the policy before nf_tables began to count it; nil while it does not count.
  ///
  /// `iptables-nft` makes base chains without counters; `-P`, `-Z` and `iptables-restore -c` give
  /// them some.
  private(set) var uncountedPolicy: RuleCounters?

  /// In memory of its own, so that evaluation reaches it without counting references.
  let pages: UnsafeMutablePointer<CounterPages>
  private var states: [RuleState?] = []

  /// Makes an activity in which nothing has happened.
  public init() {
    pages = .allocate(capacity: 1)
    pages.initialize(to: CounterPages())
  }

  deinit {
    pages.deinitialize(count: 1)
    pages.deallocate()
  }

  /// Counts a packet that a rule matched; rules are numbered from 0.
  public func count(rule: Int, bytes: Int) { pages.pointee.count(rule, bytes: bytes) }

  /// The counters of a rule; rules are numbered from 0.
  public func counters(of rule: Int) -> RuleCounters { pages.pointee[rule] }

  /// Sets the counters of a rule; rules are numbered from 0.
  public func setCounters(of rule: Int, to counters: RuleCounters) {
    pages.pointee[rule] = counters
  }

  /// Sets all counters of rules and of the policy to zero.
  public func zero() {
    pages.pointee.reset()
    setPolicyCounters(RuleCounters())
  }

  /// Sets the policy's counters, which makes nf_tables count from now on.
  func setPolicyCounters(_ counters: RuleCounters) {
    policy = counters
    uncountedPolicy = RuleCounters()
  }

  /// Makes nf_tables count from now on, if it does not already.
  func beginCountingPolicy() {
    if uncountedPolicy == nil { uncountedPolicy = policy }
  }

  /// Takes over what another activity knows of the policy.
  func inheritPolicy(from other: ChainActivity) {
    policy = other.policy
    uncountedPolicy = other.uncountedPolicy
  }

  /// The policy's counters as a back end shows them.
  public func policyCounters(_ variant: RulesetVariant) -> RuleCounters {
    guard variant == .nft else { return policy }
    guard let uncountedPolicy else { return RuleCounters() }
    return RuleCounters(
      packets: policy.packets &- uncountedPolicy.packets,
      bytes: policy.bytes &- uncountedPolicy.bytes
    )
  }

  /// The state of a rule, or nil if it has none yet.
  public func state(of rule: Int) -> RuleState? {
    rule < states.count ? states[rule] : nil
  }

  /// Sets the state of a rule.
  public func setState(of rule: Int, to state: RuleState?) {
    if rule >= states.count {
      guard state != nil else { return }
      states += Array(repeating: nil, count: rule + 1 - states.count)
    }
    states[rule] = state
  }
}

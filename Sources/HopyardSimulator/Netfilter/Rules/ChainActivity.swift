/// What a stateful rule remembers in one namespace; each kind of match has a subclass.
open class RuleState {
  /// Makes a state.
  public init() {}
}

/// What one namespace knows of a chain that others share: counters, and the state of rules.
public final class ChainActivity {
  private static let pageLength = 64

  /// What met the policy of a base chain.
  public var policy = RuleCounters()

  /// Pages of counters; one that nothing has hit is empty.
  private var pages: [[RuleCounters]] = []
  private var states: [RuleState?] = []

  /// Makes an activity in which nothing has happened.
  public init() {}

  /// Counts a packet that a rule matched; rules are numbered from 0.
  public func count(rule: Int, bytes: Int) {
    withCounters(of: rule) { $0.count(bytes: bytes) }
  }

  /// The counters of a rule; rules are numbered from 0.
  public func counters(of rule: Int) -> RuleCounters {
    let page = rule / Self.pageLength
    guard page < pages.count, !pages[page].isEmpty else { return RuleCounters() }
    return pages[page][rule % Self.pageLength]
  }

  /// Sets the counters of a rule; rules are numbered from 0.
  public func setCounters(of rule: Int, to counters: RuleCounters) {
    if counters == RuleCounters(), rule / Self.pageLength >= pages.count { return }
    withCounters(of: rule) { $0 = counters }
  }

  /// Sets all counters of rules and of the policy to zero.
  public func zero() {
    pages = []
    policy = RuleCounters()
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

  private func withCounters(of rule: Int, _ body: (inout RuleCounters) -> Void) {
    let number = rule / Self.pageLength
    if number >= pages.count {
      pages += Array(repeating: [], count: number + 1 - pages.count)
    }
    if pages[number].isEmpty {
      pages[number] = Array(repeating: RuleCounters(), count: Self.pageLength)
    }
    body(&pages[number][rule % Self.pageLength])
  }
}

/// Counts the labs that agree, and prints the totals after the last one.
actor Scoreboard {
  static let shared = Scoreboard(expected: KernelLab.all.count)

  private let expected: Int
  private var outcomes: [String: Outcome] = [:]

  /// What came of a lab.
  struct Outcome: Sendable {
    var area: String
    /// What differs, as in the list of known differences; empty if all texts agree.
    var differs: String
  }

  init(expected: Int) { self.expected = expected }

  func note(_ lab: KernelLab, differs: String) {
    outcomes[lab.name] = Outcome(area: lab.area, differs: differs)
    if outcomes.count == expected { print(summary) }
  }

  private var summary: String {
    var agreed: [String: Int] = [:]
    var total: [String: Int] = [:]
    for outcome in outcomes.values {
      total[outcome.area, default: 0] += 1
      if outcome.differs.isEmpty { agreed[outcome.area, default: 0] += 1 }
    }
    let areas = total.keys.sorted().map { "\($0) \(agreed[$0] ?? 0)/\(total[$0] ?? 0)" }
    let sum = agreed.values.reduce(0, +)
    return "labs: \(sum) of \(outcomes.count) agree\n  " + areas.joined(separator: "  ")
  }
}

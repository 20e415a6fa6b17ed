import Foundation

/// Counts the labs that agree, and prints the totals after the last one.
actor Scoreboard {
  static let shared = Scoreboard(expected: KernelLab.all.count)

  /// Whether the list of known differences is written anew.
  static let isRecording = ProcessInfo.processInfo.environment["RECORD_KNOWN"] != nil

  private let expected: Int
  private var outcomes: [String: Outcome] = [:]

  /// What came of a lab.
  private struct Outcome {
    var area: String
    /// As in the list of known differences; empty if all texts agree.
    var differs: String
  }

  init(expected: Int) { self.expected = expected }

  /// Notes what came of a lab; the last one prints the totals.
  func note(_ lab: KernelLab, differs: String) {
    outcomes[lab.name] = Outcome(area: lab.area, differs: differs)
    guard outcomes.count == expected else { return }
    print(summary)
    if Scoreboard.isRecording { writeKnownDifferences() }
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

  /// Keeps the reasons of labs that still differ; a lab that is new on the list gets `?`.
  private func writeKnownDifferences() {
    var lines = KnownDifferences.heading
    let old = KnownDifferences.current.entries
    for name in Set(old.keys).union(outcomes.keys).sorted() {
      let differs = outcomes[name]?.differs ?? old[name]?.differs ?? ""
      if !differs.isEmpty { lines.append("\(name)\t\(differs)\t\(old[name]?.reason ?? "?")") }
    }
    let text = lines.joined(separator: "\n") + "\n"
    try? text.write(to: KnownDifferences.file, atomically: true, encoding: .utf8)
  }
}

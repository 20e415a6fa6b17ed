import Foundation

/// The values of all rounds of one comparison.
struct ResultRow {
  var comparison: Comparison
  var ours: [Double] = []
  var theirs: [Double] = []

  var value: Double? { Self.median(ours) }
  var peerValue: Double? { Self.median(theirs) }
  var ratio: Double? {
    guard let value, let peerValue else { return nil }
    return comparison.metric.ratio(value, peerValue)
  }

  /// Whether the goal is reached; nil without a goal or without the figures to tell.
  var reachesGoal: Bool? {
    switch comparison.goal {
    case .times(let floor): ratio.map { $0 >= floor }
    case .atMost(let limit): value.map { $0 < limit }
    case nil: nil
    }
  }

  private static func median(_ values: [Double]) -> Double? {
    guard !values.isEmpty else { return nil }
    let sorted = values.sorted()
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }
}

/// The results as text for people and as JSON for programs.
struct ResultTable {
  var rows: [ResultRow]
  let peers: PeerPrograms

  var text: String {
    var lines = [
      ["workload", "unit", "Hopyard", "[min..max]", "peer", "its value", "ratio", "goal"]
    ]
    for row in rows {
      lines.append([
        row.comparison.name, row.comparison.metric.unit, Self.short(row.value),
        Self.spread(row.ours), row.comparison.peer.map(peers.name(of:)) ?? "-",
        row.comparison.peer == nil ? "-" : row.peerValue.map { Self.short($0) } ?? "missing",
        row.ratio.map { "\(Self.short($0))x" } ?? "-", goal(row),
      ])
    }
    let widths = lines[0].indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
    var text = ""
    for line in lines {
      let cells = line.enumerated().map { column, cell in
        let padding = String(repeating: " ", count: widths[column] - cell.count)
        return [2, 5, 6].contains(column) ? padding + cell : cell + padding
      }
      text += cells.joined(separator: "  ").trimmingSuffix() + "\n"
    }
    text += "\nMedians. A ratio says how many times better Hopyard is.\n"
    for (peer, reason) in peers.absent.sorted(by: { $0.key < $1.key }) {
      text += "missing: \(peer): \(reason)\n"
    }
    return text
  }

  var json: String {
    let objects = rows.map { row in
      let peer = row.peerValue == nil ? nil : row.comparison.peer.map(peers.name(of:))
      let fields = [
        ("name", Self.quote(row.comparison.name)),
        ("unit", Self.quote(row.comparison.metric.unit)),
        ("value", Self.number(row.value)),
        ("peer", peer.map(Self.quote) ?? "null"),
        ("peer_value", Self.number(row.peerValue)),
        ("ratio", Self.number(row.ratio)),
      ]
      return "  {" + fields.map { "\"\($0.0)\": \($0.1)" }.joined(separator: ", ") + "}"
    }
    return "[\n" + objects.joined(separator: ",\n") + "\n]\n"
  }

  private func goal(_ row: ResultRow) -> String {
    let text: String
    switch row.comparison.goal {
    case .times(let floor): text = ">= \(Self.short(floor))x"
    case .atMost(let limit): text = "< \(Self.short(limit))"
    case nil: return ""
    }
    return text + (row.reachesGoal.map { $0 ? " reached" : " NOT reached" } ?? "")
  }

  private static func spread(_ values: [Double]) -> String {
    guard let low = values.min(), let high = values.max() else { return "" }
    return "[\(short(low))..\(short(high))]"
  }

  private static func short(_ value: Double?) -> String {
    guard let value else { return "failed" }
    if abs(value) >= 1e6 { return String(format: "%.2fM", value / 1e6) }
    if abs(value) >= 1e5 { return String(format: "%.0fk", value / 1e3) }
    return String(format: abs(value) >= 100 ? "%.0f" : "%.1f", value)
  }

  private static func number(_ value: Double?) -> String {
    guard let value, value.isFinite else { return "null" }
    return String(format: "%.3f", value)
  }

  private static func quote(_ text: String) -> String {
    "\""
      + text.replacingOccurrences(of: "\\", with: "\\\\")
      .replacingOccurrences(of: "\"", with: "\\\"") + "\""
  }
}

extension String {
  fileprivate func trimmingSuffix() -> String {
    var text = Substring(self)
    while text.last == " " { text.removeLast() }
    return String(text)
  }
}

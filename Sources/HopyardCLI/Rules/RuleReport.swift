import Hopyard

/// Prints what rules did with packets.
enum RuleReport {
  /// A packet's way, a line for each rule that it met.
  static func text(_ verdict: RuleVerdict, of packet: RulePacket) -> String {
    var text = "\(packet)\n"
    for step in verdict.matched {
      text += "  " + pad(step.hook, 12) + "\(step.place)  => \(step.verdict)"
      if !step.change.isEmpty { text += "  [\(step.change)]" }
      text += "\n"
    }
    text += verdict.summary + "\n"
    if verdict.outcome == .accepted, let after = verdict.packet {
      var shown = packet
      shown.output = verdict.output
      var now = after
      now.output = verdict.output
      if now != shown { text += "afterwards: \(now)\n" }
      if let path = verdict.path {
        text +=
          path == "input" ? "delivered to this host\n" : "leaves by \(verdict.output ?? "?")\n"
      }
    }
    for assumption in verdict.assumptions { text += "assumed: \(assumption)\n" }
    return text
  }

  /// The same as one line of JSON.
  static func json(_ verdict: RuleVerdict, of packet: RulePacket) -> String {
    let outcome: String
    var reason = JSONText.null
    switch verdict.outcome {
    case .accepted: outcome = "accepted"
    case .dropped: outcome = "dropped"
    case .rejected(let with):
      outcome = "rejected"
      reason = .string(with)
    case .queued: outcome = "queued"
    case .returned: outcome = "returned"
    case .lost(let fate):
      outcome = "lost"
      reason = .string(fate.name)
    }
    let steps = verdict.matched.map { step in
      JSONText.object([
        ("hook", .string(step.hook)), ("table", .string(step.table)),
        ("chain", .string(step.chain)), ("rule", .number(Int64(step.number))),
        ("text", .string(step.text)), ("verdict", .string(step.verdict)),
        ("change", step.change.isEmpty ? .null : .string(step.change)),
        ("packets", .number(Int64(clamping: step.counters.packets))),
        ("bytes", .number(Int64(clamping: step.counters.bytes))),
      ])
    }
    var by = JSONText.null
    if verdict.by.chain != nil {
      by = .object([
        ("table", JSONText(verdict.by.table)), ("chain", JSONText(verdict.by.chain)),
        ("rule", verdict.by.number.map { .number(Int64($0)) } ?? .null),
        ("text", JSONText(verdict.by.text)),
      ])
    }
    let value = JSONText.object([
      ("packet", .string("\(packet)")), ("verdict", .string(outcome)), ("reason", reason),
      ("by", by), ("path", JSONText(verdict.path)), ("out", JSONText(verdict.output)),
      ("after", JSONText(verdict.packet.map { "\($0)" })), ("matched", .array(steps)),
      ("assumptions", .array(verdict.assumptions.map { .string($0) })),
    ])
    return value.text + "\n"
  }

  /// A difference between two rulesets.
  static func text(
    _ difference: RulesetDiff.Difference,
    _ first: String,
    _ second: String
  ) -> String {
    var text = "treated differently (\(difference.path)): \(difference.packet)\n"
    for assumption in difference.assumptions { text += "where \(assumption)\n" }
    text += "differs: " + difference.aspects.joined(separator: "; ") + "\n"
    for (name, verdict) in [(first, difference.first), (second, difference.second)] {
      guard let verdict else { continue }
      text += "\(name):\n"
      for line in self.text(verdict, of: difference.packet).split(separator: "\n").dropFirst() {
        text += "  \(line)\n"
      }
    }
    if !difference.isConfirmed {
      text += "not seen by sending the packet: it depends on what is named above\n"
    }
    return text
  }

  private static func pad(_ text: String, _ width: Int) -> String {
    text + String(repeating: " ", count: max(1, width - text.count))
  }
}

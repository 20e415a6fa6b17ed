import HopyardContainers
import HopyardRules
import HopyardSimulator
import HopyardUserland

extension Network {
  /// Looks whether an expectation holds.
  func check(_ expectation: Scenario.Expectation, _ number: Int) throws(Problem)
    -> ExpectationResult
  {
    var result = ExpectationResult(
      location: expectation.node.location,
      title: "",
      difference: "",
      because: expectation.because ?? ""
    )
    switch expectation.claim {
    case .step(let name, let exit, let output, let contains, let lacks, let within):
      result.title = "of the step `\(name.text)'"
      guard let record = records.first(where: { $0.step.name == name.text }) else {
        result.difference = "the step did not run"
        return result
      }
      checkStep(record, exit, output, contains, lacks, within, &result)
    case .within(let limit):
      result.title = "an end within \(ScenarioValues.text(nanoseconds: limit))"
      let end = records.last?.end.nanoseconds ?? simulation.now.nanoseconds
      if end > limit {
        result.difference = "it ended after \(ScenarioValues.text(nanoseconds: end))"
      }
    case .reachable(let flow):
      try check(flow, "an answer", .reply, &result)
    case .refused(let flow):
      try check(flow, "a refusal", .refused, &result)
    case .dropped(let flow):
      try check(flow, "no answer", .timeout, &result)
    case .seen(let frames): checkFrames(frames, number, isNever: false, &result)
    case .never(let frames): checkFrames(frames, number, isNever: true, &result)
    case .counter(let counter): try check(counter, &result)
    case .resolves(let name, let from, let namespace, let wanted):
      let endpoint = try require(from, in: namespace)
      let sorted = wanted.sorted()
      result.title = "\(from.text) to resolve \(name) to " + Self.list(sorted)
      let found = resolve(name, from: endpoint)
      if found != sorted { result.difference = "- \(Self.list(sorted))\n+ \(Self.list(found))" }
    }
    return result
  }

  private static func list(_ texts: [String]) -> String {
    texts.isEmpty ? "nothing" : texts.joined(separator: ", ")
  }

  // MARK: Steps

  private func checkStep(
    _ record: StepRecord,
    _ exit: Int?,
    _ output: String?,
    _ contains: [String],
    _ lacks: [String],
    _ within: Int64?,
    _ result: inout ExpectationResult
  ) {
    let seen = record.result.output
    var lines: [String] = []
    if let exit, exit != record.result.status {
      result.title = "exit status \(exit) " + result.title
      lines.append("- exit status \(exit)")
      lines.append("+ exit status \(record.result.status)")
      lines += Self.excerpt(seen)
    }
    if let output, Self.trimmed(output) != Self.trimmed(seen) {
      lines += Self.difference(Self.trimmed(output), Self.trimmed(seen))
    }
    for text in contains where !seen.contains(text) {
      lines.append("- … \(text) …")
      lines += Self.excerpt(seen)
    }
    for text in lacks where seen.contains(text) {
      lines.append("the output has: \(text)")
      lines += Self.excerpt(seen)
    }
    let duration = record.end.nanoseconds - record.start.nanoseconds
    if let within, duration > within {
      lines.append("it took \(ScenarioValues.text(nanoseconds: duration))")
    }
    result.difference = lines.joined(separator: "\n")
    if result.title.hasPrefix("of ") { result.title = "more " + result.title }
    result.title = result.title.replacing("more of the step", with: "another course of the step")
  }

  private static func trimmed(_ text: String) -> String {
    String(text.drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed())
  }

  private static func excerpt(_ text: String) -> [String] {
    let lines = text.split(separator: "\n").map { "+ \($0)" }
    return lines.count <= 20 ? lines : Array(lines.prefix(20)) + ["+ …"]
  }

  /// The lines that differ, `-` expected and `+` seen, by a longest common subsequence.
  static func difference(_ expected: String, _ seen: String) -> [String] {
    let a = expected.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    let b = seen.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    guard a.count * b.count <= 1_000_000 else {
      return ["- \(a.count) lines", "+ \(b.count) lines"]
    }
    let changes = b.difference(from: a)
    var removed: Set<Int> = []
    var inserted: Set<Int> = []
    for change in changes {
      switch change {
      case .remove(let offset, _, _): removed.insert(offset)
      case .insert(let offset, _, _): inserted.insert(offset)
      }
    }
    var lines: [String] = []
    var i = 0
    var j = 0
    while i < a.count || j < b.count {
      if i < a.count, removed.contains(i) {
        lines.append("- \(a[i])")
        i += 1
      } else if j < b.count, inserted.contains(j) {
        lines.append("+ \(b[j])")
        j += 1
      } else {
        if i < a.count { lines.append("  \(a[i])") }
        i += 1
        j += 1
      }
    }
    return lines
  }

  // MARK: Flows

  private func check(
    _ flow: Scenario.Flow,
    _ words: String,
    _ wanted: FlowReport.Result,
    _ result: inout ExpectationResult
  ) throws(Problem) {
    let endpoint = try require(flow.from, in: flow.namespace)
    let kind = flow.ipProtocol.map { "/\($0)" } ?? ""
    result.title = "\(words) to \(flow.from.text) from \(flow.to.text)\(kind)"
    if let by = flow.by { result.title += ", by \(by)" }
    if let fate = flow.fate { result.title += ", fate \(fate)" }
    let report = try self.flow(
      from: endpoint,
      to: flow.to.text,
      ipProtocol: flow.ipProtocol,
      fail: { flow.to.node.problem($0) }
    )
    var lines: [String] = []
    let isLost = report.result == .timeout || report.result == .unreachable
    let isMet = wanted == .timeout ? isLost : report.result == wanted
    if !isMet { lines += ["- \(wanted.rawValue)", "+ \(report.result.rawValue)"] }
    if let fate = flow.fate, fate != report.fate { lines += ["- \(fate)", "+ \(report.fate)"] }
    if let by = flow.by {
      let place = RulePlace(stringLiteral: by)
      let cause = report.cause
      let seen = RulePlace(
        table: cause.flatMap { $0.table.isEmpty ? nil : $0.table },
        chain: cause.flatMap { $0.chain.isEmpty ? nil : $0.chain },
        number: cause?.rule,
        text: cause?.text
      )
      if cause == nil || cause?.table.isEmpty == true || place != seen {
        lines += ["- by \(by)", "+ \(report.causeText)"]
      }
    }
    if !lines.isEmpty { lines.append(report.description) }
    result.difference = lines.joined(separator: "\n")
  }

  // MARK: Frames and counters

  private func checkFrames(
    _ frames: Scenario.Frames,
    _ number: Int,
    isNever: Bool,
    _ result: inout ExpectationResult
  ) {
    let place =
      "\(frames.interface.text) of \(frames.on.text)"
      + (frames.namespace.map { "/\($0.text)" } ?? "")
    let counter = frameCounters[number]
    let count = counter?.count ?? 0
    let least = frames.least ?? (frames.count == nil ? 1 : 0)
    var words = "frames"
    if isNever {
      words = "no frame"
    } else if let exact = frames.count {
      words = "\(exact) frames"
    } else if least > 1 {
      words = "\(least) or more frames"
    }
    result.title = "\(words) `\(frames.filter.text)' at \(place)"
    if counter?.isKnown != true {
      result.difference = "there was no such interface"
    } else if isNever ? count > 0 : frames.count.map { $0 != count } ?? (count < least) {
      result.difference = "\(count) seen"
    }
  }

  private func check(
    _ counter: Scenario.Counter,
    _ result: inout ExpectationResult
  ) throws(Problem) {
    let endpoint = try require(counter.on, in: counter.namespace)
    result.title = "counters of \(counter.table) \(counter.chain) \(counter.rule.text)"
    guard let table = RuleTable(name: counter.table) else {
      throw counter.rule.node.problem("there is no table `\(counter.table)'")
    }
    for variant in RulesetVariant.allCases {
      let ruleset = endpoint.namespace.netfilter.ruleset(.ipv4, variant)
      guard let live = ruleset.existing(table), let index = live.table.index(of: counter.chain)
      else { continue }
      let rules = live.table.chains[index].rules
      let activity = live.activity(ofChain: index)
      var counters: RuleCounters?
      if counter.rule.text == "policy" || counter.rule.text == "0" {
        counters = activity.policyCounters(.legacy)
      } else if let number = Int(counter.rule.text) {
        if number >= 1, number <= rules.count { counters = activity.counters(of: number - 1) }
      } else if let number = rules.firstIndex(where: { RuleDump.text(of: $0) == counter.rule.text })
      {
        counters = activity.counters(of: number)
      }
      guard let counters else {
        result.difference = "the chain has \(rules.count) rules, but not this one"
        return
      }
      var lines: [String] = []
      if let packets = counter.packets, UInt64(packets) != counters.packets {
        lines += ["- \(packets) packets", "+ \(counters.packets) packets"]
      }
      if let bytes = counter.bytes, UInt64(bytes) != counters.bytes {
        lines += ["- \(bytes) bytes", "+ \(counters.bytes) bytes"]
      }
      result.difference = lines.joined(separator: "\n")
      return
    }
    result.difference = "there is no such chain"
  }
}

public import HopyardSimulator

/// An `iptables-save` or `ip6tables-save` dump, read as the restore command reads it.
public enum RuleDump {
  /// Reads a dump into a namespace's ruleset, with the counters that it gives.
  ///
  /// `name` is the file's name, for errors. What the real tool would refuse is refused with the
  /// real tool's words; what the model lacks, with its own. `assumesSets` takes every ipset
  /// and accounting object for one that is there.
  public static func load(
    _ text: String,
    name: String,
    family: RuleFamily,
    variant: RulesetVariant = .nft,
    into netfilter: Netfilter,
    assumesSets: Bool = false
  ) throws(Problem) {
    let stem = family == .ipv4 ? "iptables" : "ip6tables"
    let program = IptablesProgram(
      name: stem + "-restore",
      family: family,
      variant: variant,
      role: .restore
    )
    let environment = IptablesEnvironment(
      ruleset: { netfilter.ruleset(family, $0) },
      hasSet: { assumesSets || netfilter.sets[$0] != nil },
      hasAccount: { assumesSets || netfilter.account($0) != nil }
    )
    let result = IptablesCommand.run(
      program,
      arguments: ["-c"],
      input: { text },
      environment: environment
    )
    guard let words = result.refusal ?? (result.status == 0 ? nil : result.errors) else { return }
    let line = lineNumber(in: words) ?? 1
    throw Problem(
      file: name,
      location: location(of: words, in: text, line),
      message: message(words, isRefusal: result.refusal != nil)
    )
  }

  /// The rules as `iptables-save` prints them.
  public static func text(
    of netfilter: Netfilter,
    family: RuleFamily,
    variant: RulesetVariant = .nft,
    showsCounters: Bool = false
  ) -> String {
    let stem = family == .ipv4 ? "iptables" : "ip6tables"
    let program = IptablesProgram(
      name: stem + "-save",
      family: family,
      variant: variant,
      role: .save
    )
    let environment = IptablesEnvironment(ruleset: { netfilter.ruleset(family, $0) })
    return IptablesCommand.run(
      program,
      arguments: showsCounters ? ["-c"] : [],
      input: { "" },
      environment: environment
    ).output
  }

  /// One rule as `iptables -S` prints it, without `-A CHAIN`.
  public static func text(of rule: Rule, family: RuleFamily = .ipv4) -> String {
    String(RuleText(family: family, variant: .nft).text(rule).dropFirst())
  }

  /// One match as a rule shows it, such as `-m limit --limit 3/hour`.
  public static func text(of match: Match, family: RuleFamily = .ipv4) -> String {
    text(of: Rule(matches: [match]), family: family)
  }

  /// The number after the word `line`.
  private static func lineNumber(in words: String) -> Int? {
    var rest = words[...]
    while let range = rest.firstRange(of: "line") {
      rest = rest[range.upperBound...]
      let digits = rest.drop { $0 == ":" || $0 == " " }.prefix { $0.isASCII && $0.isNumber }
      if let number = Int(digits) { return number }
    }
    return nil
  }

  /// Where the words of an error point to: what they quote on the line, or on the last line
  /// before it that has it (some mistakes show only at COMMIT), or the line's beginning.
  private static func location(of words: String, in text: String, _ line: Int) -> SourceLocation {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    guard line >= 1, line <= lines.count else { return SourceLocation(line: line, column: 1) }
    var candidates: [Substring] = []
    for (open, close) in [("`", "'"), ("\"", "\""), ("'", "'")] as [(Character, Character)] {
      guard let start = words.firstIndex(of: open) else { continue }
      let inner = words[words.index(after: start)...]
      guard let end = inner.firstIndex(of: close) else { continue }
      candidates.append(inner[..<end])
    }
    let options = words.split { $0 == " " || $0 == "\n" }.filter { $0.hasPrefix("-") }.reversed()
    let isCommit = lines[line - 1].hasPrefix("COMMIT")
    let numbers = isCommit ? Array((1...line).reversed()) : [line]
    for candidate in candidates + options where !candidate.isEmpty {
      for number in numbers {
        let content = lines[number - 1]
        if let range = content.firstRange(of: candidate) {
          let column = content.utf8.distance(from: content.startIndex, to: range.lowerBound) + 1
          return SourceLocation(line: number, column: column)
        }
      }
    }
    let indent = lines[line - 1].utf8.prefix { $0 == 0x20 || $0 == 0x09 }.count
    return SourceLocation(line: line, column: indent + 1)
  }

  /// The first sentence, without the tool's name and hints.
  private static func message(_ words: String, isRefusal: Bool) -> String {
    let lines = words.split(separator: "\n").map(String.init)
    let kept = lines.filter {
      !$0.hasPrefix("Error occurred at line") && !$0.hasPrefix("Try `") && !$0.hasPrefix("Perhaps")
    }
    let sentences = kept.map { line in
      // The tool's own name and version tell nothing here.
      for title in [" (nf_tables):", " (legacy):"] {
        if let range = line.firstRange(of: title) { return String(line[range.upperBound...]) }
      }
      return line
    }
    var text = sentences.map { String($0.drop { $0 == " " }) }.filter { !$0.isEmpty }
      .joined(separator: "; ")
    if isRefusal, let range = text.firstRange(of: ": ") { text = String(text[range.upperBound...]) }
    return text
  }
}

/// The logical lines of a recording, each with its output and its exit code.
struct CommandsText {
  private let recording: Recording
  private let filter: TextFilter
  /// Commands that list a table without an order of its own.
  private let unordered =
    /(?:^|\W)(conntrack\s+-L|neigh\w*(\s+(show|list|ls))?(\s+(dev|nud)\s+\S+)*$|fdb\s*(show|$)|ipset\s+(-L|list|save|test)|ss\s+-)/
    .matchingSemantics(.unicodeScalar).asciiOnlyCharacterClasses()

  init(_ recording: Recording, filter: TextFilter) {
    self.recording = recording
    self.filter = filter
  }

  /// The whole text, the kernel's log at its end.
  func text() -> String {
    var lines: [String] = []
    for command in recording.commands {
      lines.append("$ " + command.line.newlineSeparated.joined(separator: "\n> "))
      var rows = filter.apply(to: command.output).newlineSeparated
      while rows.last?.isEmpty == true { rows.removeLast() }
      if isUnordered(command.line) { rows.sort(by: TextForm.precedes) }
      lines += rows
      if command.exitCode != 0 { lines.append("[exit \(command.exitCode)]") }
    }
    if let log = recording.kernelLog {
      lines += ["", "## kernel log"]
      lines += filter.apply(to: log).trimmed.newlineSeparated.map(\.trimmed)
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private static let unorderedWords = ["conntrack", "neigh", "fdb", "ipset", "ss"]

  private func isUnordered(_ line: String) -> Bool {
    let command = String(line.prefix { $0 != "|" }).trimmed
    guard CommandsText.unorderedWords.contains(where: { Needle($0).occurs(in: command) }) else {
      return false
    }
    return command.firstMatch(of: unordered) != nil
  }
}

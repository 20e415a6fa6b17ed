/// Looks at commands before any of them runs, and collects what is not modelled.
final class ShellChecker {
  private(set) var problems: [Problem] = []
  /// The functions defined so far.
  var functions: Set<String> = []
  private let source: ShellSource
  private let table: CommandTable
  private let depth: Int

  init(source: ShellSource, table: CommandTable, depth: Int = 0) {
    self.source = source
    self.table = table
    self.depth = depth
  }

  private func report(_ problem: Problem) {
    if problems.count < 100, !problems.contains(problem) { problems.append(problem) }
  }

  /// Notes the functions that a list defines, without looking at anything else.
  func collectFunctions(_ list: CommandList) {
    for item in list.items {
      for pipeline in [item.first] + item.rest.map(\.pipeline) {
        for command in pipeline.commands { collectFunctions(command) }
      }
    }
  }

  private func collectFunctions(_ command: ShellCommand) {
    switch command.kind {
    case .function(let name, let body):
      functions.insert(name)
      collectFunctions(body.command)
    case .group(let list), .subshell(let list): collectFunctions(list)
    case .condition(let branches, let otherwise):
      for branch in branches { collectFunctions(branch.body) }
      if let otherwise { collectFunctions(otherwise) }
    case .forEach(_, _, let body), .forArithmetic(_, _, _, let body), .loop(_, _, let body):
      collectFunctions(body)
    case .choice(_, let cases):
      for one in cases { collectFunctions(one.body) }
    case .simple, .conditional, .arithmetic: return
    }
  }

  func check(_ list: CommandList) {
    for item in list.items {
      check(item.first)
      for next in item.rest { check(next.pipeline) }
    }
  }

  private func check(_ pipeline: Pipeline) {
    for command in pipeline.commands { check(command) }
  }

  private func check(_ command: ShellCommand) {
    for redirection in command.redirections { check(redirection) }
    switch command.kind {
    case .simple(let assignments, let words):
      for assignment in assignments { check(assignment.value) }
      for word in words { check(word) }
      if !words.isEmpty { checkSimple(words, command.offset) }
    case .group(let list), .subshell(let list): check(list)
    case .condition(let branches, let otherwise):
      for branch in branches {
        check(branch.test)
        check(branch.body)
      }
      if let otherwise { check(otherwise) }
    case .forEach(_, let words, let body):
      for word in words ?? [] { check(word) }
      check(body)
    case .forArithmetic(let start, let test, let step, let body):
      for word in [start, test, step] { check(word) }
      check(body)
    case .loop(let test, _, let body):
      check(test)
      check(body)
    case .choice(let subject, let cases):
      check(subject)
      for one in cases {
        for pattern in one.patterns { check(pattern) }
        check(one.body)
      }
    case .function(let name, let body):
      functions.insert(name)
      check(body.command)
    case .conditional(let expression): check(expression)
    case .arithmetic(let word): check(word)
    }
  }

  private func check(_ expression: ConditionalExpression) {
    switch expression {
    case .word(let word), .unary(_, let word): check(word)
    case .binary(_, let left, let right):
      check(left)
      check(right)
    case .not(let inner): check(inner)
    case .and(let left, let right), .or(let left, let right):
      check(left)
      check(right)
    }
  }

  private func check(_ redirection: Redirection) {
    switch redirection.kind {
    case .input(let word), .output(let word, _), .readWrite(let word), .both(let word, _):
      check(word)
      if let path = word.literal, path.hasPrefix("/dev/tcp/") || path.hasPrefix("/dev/udp/") {
        report(source.problem(at: word.offset, "bash's own \(path) is not modelled"))
      }
    case .duplicate(let word, _), .text(let word), .hereString(let word): check(word)
    }
  }

  private func check(_ word: Word) {
    for part in word.parts {
      switch part {
      case .literal: continue
      case .command(let substitution, _): check(substitution.list)
      case .arithmetic(let inner, _): check(inner)
      case .parameter(let expansion, _):
        switch expansion.operation {
        case .value, .length, .changeCase: continue
        case .useDefault(let word, _), .assignDefault(let word, _), .alternative(let word, _),
          .errorIfUnset(let word, _), .removePrefix(let word, _), .removeSuffix(let word, _):
          check(word)
        case .replace(let pattern, let with, _):
          check(pattern)
          check(with)
        case .substring(let offset, let length):
          check(offset)
          if let length { check(length) }
        }
      }
    }
  }

  private func checkSimple(_ words: [Word], _ offset: Int) {
    guard let name = words[0].literal, !functions.contains(name) else { return }
    let arguments = words.dropFirst().map { word in
      CommandArgument(
        text: word.literal,
        isOne: word.isOneArgument,
        source: word.literalText ?? ShellText("", at: word.offset)
      )
    }
    let base = name.split(separator: "/").last.map(String.init) ?? name
    let check = CommandCheck(
      table: table,
      name: base,
      arguments: arguments,
      source: source,
      offset: words[0].offset,
      depth: depth,
      functions: functions,
      report: { [self] in report($0) }
    )
    if let builtin = ShellBuiltin.all[name] {
      builtin.check(check)
    } else if let command = table[name.contains("/") ? base : name] {
      command.check(check)
    } else {
      report(
        source.problem(at: words[0].offset, "the command `\(name)' is not modelled")
      )
    }
  }
}

/// The part of Go's templates that `--format` is used with: fields, `range`, `if`, `json`, `index`.
struct DockerTemplate {
  /// What is wrong with a template, or not modelled.
  struct Failure: Error {
    var message: String
  }

  private enum Piece {
    case text(String)
    case action(String)
  }

  private var pieces: [Piece] = []

  init(_ text: String) throws(Failure) {
    var rest = text[...]
    while let open = rest.firstRange(of: "{{") {
      pieces.append(.text(Self.unescaped(String(rest[..<open.lowerBound]))))
      rest = rest[open.upperBound...]
      guard let close = rest.firstRange(of: "}}") else {
        throw Failure(message: "template parsing error: template: :1: unclosed action")
      }
      var action = String(rest[..<close.lowerBound])
      if action.hasPrefix("- ") { action.removeFirst() }
      if action.hasSuffix(" -") { action.removeLast() }
      pieces.append(.action(action.trimmed))
      rest = rest[close.upperBound...]
    }
    pieces.append(.text(Self.unescaped(String(rest))))
  }

  private static func unescaped(_ text: String) -> String {
    text.replacing("\\n", with: "\n").replacing("\\t", with: "\t")
  }

  /// The text for a value.
  func render(_ value: DockerJSON) throws(Failure) -> String {
    var output = ""
    var at = 0
    try run(&at, value, ["$": value], isActive: true, &output)
    return output
  }

  /// Runs up to the `end` or `else` that closes a block, and gives which it was.
  @discardableResult
  private func run(
    _ at: inout Int,
    _ dot: DockerJSON,
    _ variables: [String: DockerJSON],
    isActive: Bool,
    _ output: inout String
  ) throws(Failure) -> String {
    while at < pieces.count {
      let piece = pieces[at]
      at += 1
      switch piece {
      case .text(let text): if isActive { output += text }
      case .action(let action):
        if action == "end" || action == "else" { return action }
        if action.hasPrefix("range ") || action.hasPrefix("if ") || action.hasPrefix("with ") {
          try block(action, &at, dot, variables, isActive: isActive, &output)
        } else if isActive {
          output += try print(action, dot, variables)
        }
      }
    }
    return ""
  }

  private func block(
    _ action: String,
    _ at: inout Int,
    _ dot: DockerJSON,
    _ variables: [String: DockerJSON],
    isActive: Bool,
    _ output: inout String
  ) throws(Failure) {
    let start = at
    var rounds: [(dot: DockerJSON, variables: [String: DockerJSON])] = []
    if isActive {
      let words = action.split(separator: " ", maxSplits: 1)
      var expression = String(words.last ?? "").trimmed
      var names: [String] = []
      if let mark = expression.firstRange(of: ":=") {
        names = expression[..<mark.lowerBound].split(separator: ",").map { String($0).trimmed }
        expression = String(expression[mark.upperBound...]).trimmed
      }
      let value = try evaluate(expression, dot, variables)
      if words.first == "range" {
        var items: [(DockerJSON, DockerJSON)] = []
        switch value {
        case .array(let list): items = list.enumerated().map { (.number($0.offset), $0.element) }
        case .object(let members): items = members.map { (.string($0.0), $0.1) }
        default: break
        }
        for (key, item) in items {
          var inner = variables
          if names.count == 2 { inner[names[0]] = key }
          if let last = names.last { inner[last] = item }
          rounds.append((item, inner))
        }
      } else if value.isTrue {
        rounds.append((words.first == "with" ? value : dot, variables))
      }
    }
    var ending = ""
    for round in rounds {
      at = start
      ending = try run(&at, round.dot, round.variables, isActive: true, &output)
    }
    if rounds.isEmpty { ending = try run(&at, dot, variables, isActive: false, &output) }
    if ending == "else" {
      try run(&at, dot, variables, isActive: isActive && rounds.isEmpty, &output)
    }
  }

  private func print(_ action: String, _ dot: DockerJSON, _ variables: [String: DockerJSON])
    throws(Failure) -> String
  {
    if action.hasPrefix("json ") {
      return try evaluate(String(action.dropFirst(5)).trimmed, dot, variables).compact
    }
    if action.hasPrefix("println ") {
      return try print(String(action.dropFirst(8)).trimmed, dot, variables) + "\n"
    }
    return try evaluate(action, dot, variables).plain
  }

  private func evaluate(_ text: String, _ dot: DockerJSON, _ variables: [String: DockerJSON])
    throws(Failure) -> DockerJSON
  {
    var text = text.trimmed
    if text.hasPrefix("("), text.hasSuffix(")") { text = String(text.dropFirst().dropLast()) }
    if text.hasPrefix("\""), text.hasSuffix("\""), text.count > 1 {
      return .string(String(text.dropFirst().dropLast()))
    }
    if text.hasPrefix("index ") {
      var words = Self.words(String(text.dropFirst(6)))[...]
      guard let first = words.popFirst() else { return .null }
      var value = try evaluate(first, dot, variables)
      for word in words {
        if let number = Int(word) {
          guard case .array(let items) = value, items.indices.contains(number) else {
            throw Failure(message: "template: :1:2: error calling index: index out of range")
          }
          value = items[number]
        } else {
          let key = try evaluate(word, dot, variables)
          value = value[key.plain] ?? .null
        }
      }
      return value
    }
    guard let first = text.first, first == "." || first == "$", !text.contains(" ") else {
      throw Failure(message: "the template action {{\(text)}} is not modelled")
    }
    var value = dot
    var path = text[...]
    if first == "$" {
      let name = String(path.prefix { $0 != "." })
      guard let found = variables[name] else {
        throw Failure(message: "template parsing error: undefined variable \"\(name)\"")
      }
      value = found
      path = path.dropFirst(name.count)
    }
    for part in path.split(separator: ".") {
      guard let next = value[String(part)] else {
        if case .object(let members) = value, members.isEmpty { return .null }
        throw Failure(
          message:
            "template parsing error: template: :1:2: executing \"\" at <\(text)>: map has no "
            + "entry for key \"\(part)\""
        )
      }
      value = next
    }
    return value
  }

  private static func words(_ text: String) -> [String] {
    var words: [String] = []
    var word = ""
    var depth = 0
    var isQuoted = false
    for character in text {
      if character == "\"" { isQuoted.toggle() }
      if !isQuoted {
        if character == "(" { depth += 1 }
        if character == ")" { depth -= 1 }
        if character == " ", depth == 0 {
          if !word.isEmpty { words.append(word) }
          word = ""
          continue
        }
      }
      word.append(character)
    }
    if !word.isEmpty { words.append(word) }
    return words
  }
}

/// Columns as the docker client prints them.
enum DockerTable {
  static func text(_ rows: [[String]]) -> String {
    var widths: [Int] = []
    for row in rows {
      for (index, cell) in row.enumerated() {
        if index == widths.count { widths.append(10) }
        widths[index] = max(widths[index], cell.count + 3)
      }
    }
    var text = ""
    for row in rows {
      for (index, cell) in row.enumerated() {
        text += cell
        if index + 1 < row.count {
          text += String(repeating: " ", count: widths[index] - cell.count)
        }
      }
      text += "\n"
    }
    return text
  }
}

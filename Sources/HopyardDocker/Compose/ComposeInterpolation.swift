import HopyardContainers
import HopyardUserland

/// Replaces `$VAR` and `${VAR…}` in a compose file's values (compose specification, 12).
struct ComposeInterpolation {
  /// The variables: those of the environment before those of `.env`.
  let variables: [String: String]
  /// Variables that are named and not set, in order.
  private(set) var missing: [String] = []

  init(_ variables: [String: String]) { self.variables = variables }

  mutating func node(_ node: YAMLNode) throws(Problem) -> YAMLNode {
    var result = node
    switch node.content {
    case .scalar(let text, let isPlain):
      guard text.contains("$") else { return node }
      result.content = .scalar(try self.text(text, node), isPlain: isPlain)
    case .sequence(let items):
      var new: [YAMLNode] = []
      for item in items { new.append(try self.node(item)) }
      result.content = .sequence(new)
    case .mapping(let entries):
      var new: [YAMLNode.Entry] = []
      for entry in entries {
        new.append(YAMLNode.Entry(key: entry.key, value: try self.node(entry.value)))
      }
      result.content = .mapping(new)
    }
    return result
  }

  mutating func text(_ text: String, _ node: YAMLNode) throws(Problem) -> String {
    var parser = Parser(characters: Array(text), node: node)
    let result = try parser.whole(variables)
    note(parser.missing)
    return result
  }

  /// Adds names of variables that are not set.
  mutating func note(_ names: [String]) {
    for name in names where !missing.contains(name) { missing.append(name) }
  }

  private struct Parser {
    let characters: [Character]
    let node: YAMLNode
    var at = 0
    var missing: [String] = []

    init(characters: [Character], node: YAMLNode) {
      self.characters = characters
      self.node = node
    }

    private func wrong() -> Problem {
      node.problem(
        "invalid interpolation format in `\(String(characters))': you may need to write $$ for $"
      )
    }

    mutating func whole(_ variables: [String: String], depth: Int = 0) throws(Problem) -> String {
      guard depth < 20 else { throw wrong() }
      var result = ""
      while at < characters.count {
        let character = characters[at]
        at += 1
        guard character == "$" else {
          result.append(character)
          continue
        }
        guard at < characters.count else { throw wrong() }
        if characters[at] == "$" {
          at += 1
          result.append("$")
        } else if characters[at] == "{" {
          at += 1
          result += try braced(variables, depth)
        } else {
          let name = name()
          if name.isEmpty { throw wrong() }
          result += value(name, variables)
        }
      }
      return result
    }

    /// The text up to the brace that closes, in which braces may be nested.
    private mutating func inside() throws(Problem) -> [Character] {
      let start = at
      var open = 1
      while at < characters.count {
        if characters[at] == "{" { open += 1 }
        if characters[at] == "}" { open -= 1 }
        at += 1
        if open == 0 { return Array(characters[start..<(at - 1)]) }
      }
      throw wrong()
    }

    private mutating func name() -> String {
      var name = ""
      while at < characters.count {
        let character = characters[at]
        guard
          character == "_" || character.isASCII && character.isLetter
            || !name.isEmpty && character.isASCII && character.isNumber
        else { break }
        name.append(character)
        at += 1
      }
      return name
    }

    private mutating func value(_ name: String, _ variables: [String: String]) -> String {
      if let value = variables[name] { return value }
      if !missing.contains(name) { missing.append(name) }
      return ""
    }

    private mutating func braced(_ variables: [String: String], _ depth: Int) throws(Problem)
      -> String
    {
      let name = name()
      guard !name.isEmpty, at < characters.count else { throw wrong() }
      if characters[at] == "}" {
        at += 1
        return value(name, variables)
      }
      var countsEmpty = false
      if characters[at] == ":" {
        countsEmpty = true
        at += 1
      }
      guard at < characters.count,
        let known = ["-", "?", "+"].first(where: { $0 == characters[at] })
      else { throw wrong() }
      at += 1
      let text = try inside()
      let current = variables[name]
      let isSet = current != nil && !(countsEmpty && current == "")
      switch known {
      case "-": return isSet ? current ?? "" : try nested(text, variables, depth)
      case "+": return isSet ? try nested(text, variables, depth) : ""
      default:
        if isSet { return current ?? "" }
        let message = try nested(text, variables, depth)
        let reason = message.isEmpty ? "" : ": " + message
        throw node.problem("required variable \(name) is missing a value\(reason)")
      }
    }

    /// What stands behind the sign of a default, which only counts where it is used.
    private mutating func nested(
      _ text: [Character],
      _ variables: [String: String],
      _ depth: Int
    ) throws(Problem) -> String {
      var inner = Parser(characters: text, node: node)
      let result = try inner.whole(variables, depth: depth + 1)
      missing += inner.missing
      return result
    }
  }
}

/// Reads `.env` and `env_file` files.
enum EnvironmentFile {
  /// The variables of a file, which may use those before them and `outer`.
  static func parse(_ text: String, file: String, outer: [String: String] = [:]) throws(Problem)
    -> [(name: String, value: String)]
  {
    var variables: [(name: String, value: String)] = []
    var known = outer
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)[...]
    var number = 0
    while let raw = lines.popFirst() {
      number += 1
      let start = number
      var line = raw.trimmed
      if line.isEmpty || line.hasPrefix("#") { continue }
      if line.hasPrefix("export ") { line = String(line.dropFirst(7)).trimmed }
      let mark = line.firstIndex { $0 == "=" || $0 == ":" }
      let name = (mark.map { String(line[..<$0]) } ?? line).trimmed
      func problem(_ message: String) -> Problem {
        Problem(
          file: file,
          location: SourceLocation(line: start, column: 1),
          message: message
        )
      }
      guard !name.isEmpty, !name.contains(where: { $0.isWhitespace || $0 == "\"" || $0 == "'" })
      else { throw problem("unexpected characters in the variable name `\(name)'") }
      guard let mark else {
        if let value = outer[name] { variables.append((name, value)) }
        continue
      }
      var value = String(line[line.index(after: mark)...]).trimmed
      var isLiteral = false
      if let quote = value.first, quote == "\"" || quote == "'" {
        isLiteral = quote == "'"
        var body = String(value.dropFirst())
        while closing(quote, in: body) == nil, let next = lines.popFirst() {
          number += 1
          body += "\n" + next
        }
        guard let end = closing(quote, in: body) else { throw problem("unterminated quoted value") }
        value = String(body[..<end])
        if !isLiteral { value = unescaped(value) }
      } else {
        if let comment = value.firstRange(of: " #") { value = String(value[..<comment.lowerBound]) }
        value = value.trimmed
      }
      if !isLiteral, value.contains("$") {
        let place = YAMLNode(
          .scalar(value, isPlain: false),
          file: file,
          location: SourceLocation(line: start, column: 1)
        )
        var interpolation = ComposeInterpolation(known)
        value = try interpolation.text(value, place)
      }
      variables.append((name, value))
      if outer[name] == nil { known[name] = value }
    }
    return variables
  }

  private static func closing(_ quote: Character, in text: String) -> String.Index? {
    var index = text.startIndex
    while index < text.endIndex {
      if text[index] == "\\", quote == "\"" {
        index = text.index(index, offsetBy: 2, limitedBy: text.endIndex) ?? text.endIndex
        continue
      }
      if text[index] == quote { return index }
      index = text.index(after: index)
    }
    return nil
  }

  private static func unescaped(_ text: String) -> String {
    var result = ""
    var isEscaped = false
    for character in text {
      if isEscaped {
        switch character {
        case "n": result.append("\n")
        case "r": result.append("\r")
        case "t": result.append("\t")
        default: result.append(character)
        }
        isEscaped = false
      } else if character == "\\" {
        isEscaped = true
      } else {
        result.append(character)
      }
    }
    return result
  }
}

extension String {
  var trimmed: String {
    guard let first = firstIndex(where: { !$0.isWhitespace }),
      let last = lastIndex(where: { !$0.isWhitespace })
    else { return "" }
    return String(self[first...last])
  }
}

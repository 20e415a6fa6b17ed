import HopyardContainers
import HopyardUserland

/// Takes YAML that stands within a scenario out of it, as its own text.
enum InlineYAML {
  /// The text of a node with the line numbers of its file; nodes in flow style become JSON.
  static func text(of node: YAMLNode, in source: String) -> String {
    let lines = source.split(separator: "\n", omittingEmptySubsequences: false)
    let first = node.location.line - 1
    let column = node.location.column - 1
    guard lines.indices.contains(first), lines[first].prefix(column).allSatisfy({ $0 == " " }),
      let mark = lines[first].dropFirst(column).first, mark != "{", mark != "["
    else { return String(repeating: "\n", count: max(0, first)) + json(node) + "\n" }
    var kept: [Substring] = [lines[first]]
    for line in lines[(first + 1)...] {
      let indent = line.prefix { $0 == " " }.count
      let isBlank = line.allSatisfy { $0 == " " || $0 == "\r" }
      if !isBlank, indent < column { break }
      kept.append(line)
    }
    return String(repeating: "\n", count: first) + kept.joined(separator: "\n") + "\n"
  }

  /// A node as JSON, which is YAML too.
  static func json(_ node: YAMLNode) -> String {
    switch node.content {
    case .scalar(let text, let isPlain):
      if isPlain, node.isNull { return "null" }
      let isNumber = isPlain && (Int(text) != nil || Double(text) != nil)
      if isPlain, isNumber || text == "true" || text == "false" { return text }
      return quoted(text)
    case .sequence(let items): return "[" + items.map { json($0) }.joined(separator: ", ") + "]"
    case .mapping(let entries):
      let pairs = entries.map { "\(json($0.key)): \(json($0.value))" }
      return "{" + pairs.joined(separator: ", ") + "}"
    }
  }

  static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\t": result += "\\t"
      case _ where scalar.value < 0x20:
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}

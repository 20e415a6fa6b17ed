import LabSupport

/// Writes a JSON value back as text.
enum JSONText {
  static func text(_ value: JSONValue) -> String {
    switch value {
    case .null: return "null"
    case .bool(let value): return value ? "true" : "false"
    case .int(let value): return String(value)
    case .number(let value): return String(value)
    case .string(let value): return quoted(value)
    case .array(let items): return "[" + items.map(text).joined(separator: ",") + "]"
    case .object(let members):
      return "{" + members.map { quoted($0.name) + ": " + text($0.value) }.joined(separator: ", ")
        + "}"
    }
  }

  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\t": result += "\\t"
      case "\r": result += "\\r"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}

extension JSONValue {
  /// The truth value, nil for anything else.
  var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
}

/// A JSON value whose members keep their order, printed as `docker inspect` prints it.
indirect enum DockerJSON {
  case null
  case bool(Bool)
  case number(Int)
  case string(String)
  case array([DockerJSON])
  case object([(String, DockerJSON)])

  /// The member of a name, in small or capital letters as Go's templates have it.
  subscript(name: String) -> DockerJSON? {
    guard case .object(let members) = self else { return nil }
    return members.last { $0.0 == name }?.1
  }

  /// The value on lines of its own, four spaces deeper at each level.
  func text(indent: Int = 0) -> String {
    let inner = String(repeating: " ", count: indent + 4)
    let outer = String(repeating: " ", count: indent)
    switch self {
    case .array(let items):
      if items.isEmpty { return "[]" }
      let lines = items.map { inner + $0.text(indent: indent + 4) }
      return "[\n" + lines.joined(separator: ",\n") + "\n" + outer + "]"
    case .object(let members):
      if members.isEmpty { return "{}" }
      let lines = members.map {
        inner + Self.quoted($0.0) + ": " + $0.1.text(indent: indent + 4)
      }
      return "{\n" + lines.joined(separator: ",\n") + "\n" + outer + "}"
    default: return compact
    }
  }

  /// The value on one line.
  var compact: String {
    switch self {
    case .null: "null"
    case .bool(let value): value ? "true" : "false"
    case .number(let value): String(value)
    case .string(let text): Self.quoted(text)
    case .array(let items): "[" + items.map(\.compact).joined(separator: ",") + "]"
    case .object(let members):
      "{" + members.map { Self.quoted($0.0) + ":" + $0.1.compact }.joined(separator: ",") + "}"
    }
  }

  /// The value as a template prints it.
  var plain: String {
    switch self {
    case .null: "<no value>"
    case .string(let text): text
    case .array(let items): "[" + items.map(\.plain).joined(separator: " ") + "]"
    case .object(let members):
      "map[" + members.map { $0.0 + ":" + $0.1.plain }.joined(separator: " ") + "]"
    default: compact
    }
  }

  /// Whether a template's condition holds for it.
  var isTrue: Bool {
    switch self {
    case .null: false
    case .bool(let value): value
    case .number(let value): value != 0
    case .string(let text): !text.isEmpty
    case .array(let items): !items.isEmpty
    case .object(let members): !members.isEmpty
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
      case let control where control.value < 0x20:
        let digits = String(control.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }

  static func pairs(_ pairs: [(name: String, value: String)]) -> DockerJSON {
    .object(pairs.sorted { $0.name < $1.name }.map { ($0.name, .string($0.value)) })
  }

  static func strings(_ texts: [String]) -> DockerJSON { .array(texts.map { .string($0) }) }
}

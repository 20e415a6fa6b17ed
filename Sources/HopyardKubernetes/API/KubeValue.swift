public import HopyardContainers

/// A value of an API object, as its JSON has it; the members of objects are sorted by name, as
/// Kubernetes prints them.
public indirect enum KubeValue: Equatable, Sendable {
  case null
  case bool(Bool)
  case number(Int)
  /// A number that is not whole, or a string.
  case literal(String)
  case string(String)
  case list([KubeValue])
  case object([String: KubeValue])

  /// The value of a node of a manifest.
  public init(_ node: YAMLNode) {
    switch node.content {
    case .scalar(let text, let isPlain):
      if node.isNull {
        self = .null
      } else if isPlain, let number = node.integer {
        self = .number(number)
      } else if isPlain, text == "true" || text == "false" {
        self = .bool(text == "true")
      } else if isPlain, Double(text) != nil, text.contains(".") {
        self = .literal(text)
      } else {
        self = .string(text)
      }
    case .sequence(let items): self = .list(items.map { KubeValue($0) })
    case .mapping(let entries):
      var members: [String: KubeValue] = [:]
      for entry in entries {
        guard case .scalar(let name, _) = entry.key.content else { continue }
        members[name] = KubeValue(entry.value)
      }
      self = .object(members)
    }
  }

  /// The value of a member of an object, which may be set.
  public subscript(name: String) -> KubeValue? {
    get {
      guard case .object(let members) = self else { return nil }
      return members[name]
    }
    set {
      guard case .object(var members) = self else { return }
      members[name] = newValue
      self = .object(members)
    }
  }

  /// An object of strings.
  public static func strings(_ pairs: [String: String]) -> KubeValue {
    .object(pairs.mapValues { .string($0) })
  }

  // MARK: Text

  /// The value as JSON, indented as kubectl does.
  public func json(indent: Int = 0) -> String {
    let space = String(repeating: "    ", count: indent + 1)
    let end = String(repeating: "    ", count: indent)
    switch self {
    case .list(let items):
      if items.isEmpty { return "[]" }
      return "[\n" + items.map { space + $0.json(indent: indent + 1) }.joined(separator: ",\n")
        + "\n\(end)]"
    case .object(let members):
      if members.isEmpty { return "{}" }
      return "{\n"
        + members.sorted { $0.key < $1.key }.map {
          "\(space)\(Self.quoted($0.key)): \($0.value.json(indent: indent + 1))"
        }.joined(separator: ",\n") + "\n\(end)}"
    default: return scalarText(isJSON: true)
    }
  }

  /// The value as YAML.
  public func yaml(indent: Int = 0) -> String {
    let space = String(repeating: " ", count: indent)
    switch self {
    case .list(let items):
      return items.map { item in
        let text = item.yaml(indent: indent + 2)
        if item.isBranch { return space + "- " + text.dropFirst(indent + 2) }
        return space + "- " + item.scalarText(isJSON: false) + "\n"
      }.joined()
    case .object(let members):
      return members.sorted { $0.key < $1.key }.map { name, value in
        let key = space + Self.yamlScalar(name) + ":"
        switch value {
        case .list(let items) where !items.isEmpty: return key + "\n" + value.yaml(indent: indent)
        case .object(let inner) where !inner.isEmpty:
          return key + "\n" + value.yaml(indent: indent + 2)
        default: return key + " " + value.scalarText(isJSON: false) + "\n"
        }
      }.joined()
    default: return space + scalarText(isJSON: false) + "\n"
    }
  }

  private var isBranch: Bool {
    switch self {
    case .list(let items): !items.isEmpty
    case .object(let members): !members.isEmpty
    default: false
    }
  }

  private func scalarText(isJSON: Bool) -> String {
    switch self {
    case .null: "null"
    case .bool(let value): value ? "true" : "false"
    case .number(let value): String(value)
    case .literal(let text): text
    case .string(let text): isJSON ? Self.quoted(text) : Self.yamlScalar(text)
    case .list: "[]"
    case .object: "{}"
    }
  }

  private static func yamlScalar(_ text: String) -> String {
    let words: Set<String> = ["", "true", "false", "null", "yes", "no", "on", "off", "~", "y", "n"]
    let first = text.utf8.first ?? 0
    let isPlain =
      !words.contains(text.lowercased()) && Double(text) == nil
      && !text.contains(": ") && !text.contains(" #") && !text.contains("\n")
      && !text.hasSuffix(":") && !text.hasPrefix(" ") && !text.hasSuffix(" ")
      && !"-?:,[]{}#&*!|>'\"%@`".utf8.contains(first)
    return isPlain ? text : quoted(text)
  }

  static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\t": result += "\\t"
      case "\r": result += "\\r"
      default:
        if scalar.value < 0x20 {
          result += "\\u00" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
        } else {
          result.unicodeScalars.append(scalar)
        }
      }
    }
    return result + "\""
  }
}

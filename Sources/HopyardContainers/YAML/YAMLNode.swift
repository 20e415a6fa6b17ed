public import HopyardUserland

/// A node of a YAML document that knows its place in the file (YAML 1.2, 3.2.1).
///
/// Aliases stand for what they name, and `<<` keys are merged into their mapping; a node that came
/// through either keeps the place where it is written.
public struct YAMLNode: Sendable {
  /// What a node holds.
  public enum Content: Sendable {
    /// Text; plain scalars are those without quotes, which can be numbers, booleans or null.
    case scalar(String, isPlain: Bool)
    /// A list.
    case sequence([YAMLNode])
    /// Keys and values in the order of the file.
    case mapping([Entry])
  }

  /// A key and its value.
  public struct Entry: Sendable {
    /// The key.
    public var key: YAMLNode
    /// The value.
    public var value: YAMLNode

    /// Makes an entry.
    public init(key: YAMLNode, value: YAMLNode) {
      self.key = key
      self.value = value
    }
  }

  /// What it holds.
  public var content: Content
  /// The file's name, as errors print it.
  public var file: String
  /// Where it begins.
  public var location: SourceLocation
  /// The tag, such as `!reset`, where one is written.
  public var tag: String?

  /// Makes a node.
  public init(_ content: Content, file: String, location: SourceLocation, tag: String? = nil) {
    self.content = content
    self.file = file
    self.location = location
    self.tag = tag
  }

  /// Something wrong with this node, as `file:line:column: message`.
  public func problem(_ message: String) -> Problem {
    Problem(file: file, location: location, message: message)
  }

  // MARK: Kinds

  /// Whether it is null: `~`, `null` or nothing.
  public var isNull: Bool {
    guard case .scalar(let text, true) = content else { return false }
    return text.isEmpty || text == "~" || text == "null" || text == "Null" || text == "NULL"
  }

  /// The text of a scalar that is not null.
  public var text: String? {
    guard case .scalar(let text, _) = content, !isNull else { return nil }
    return text
  }

  /// The items of a list; nil for anything else.
  public var items: [YAMLNode]? {
    guard case .sequence(let items) = content else { return nil }
    return items
  }

  /// The entries of a mapping; nil for anything else.
  public var entries: [Entry]? {
    guard case .mapping(let entries) = content else { return nil }
    return entries
  }

  /// The value of a key of a mapping; nil where there is none or it is null.
  public subscript(key: String) -> YAMLNode? {
    guard case .mapping(let entries) = content else { return nil }
    guard let entry = entries.first(where: { $0.key.scalar == key }), !entry.value.isNull else {
      return nil
    }
    return entry.value
  }

  private var scalar: String? {
    guard case .scalar(let text, _) = content else { return nil }
    return text
  }

  /// The boolean that a plain scalar spells.
  public var boolean: Bool? {
    guard case .scalar(let text, true) = content else { return nil }
    switch text.lowercased() {
    case "true", "yes", "on", "y": return true
    case "false", "no", "off", "n": return false
    default: return nil
    }
  }

  /// The whole number that a scalar spells: decimal, `0x`, `0o` or with a leading zero octal.
  public var integer: Int? {
    guard case .scalar(let text, _) = content else { return nil }
    return Self.integer(text)
  }

  private static func integer(_ text: String) -> Int? {
    var digits = text.filter { $0 != "_" }[...]
    var sign = ""
    if digits.first == "-" || digits.first == "+" { sign = String(digits.removeFirst()) }
    guard let first = digits.first, first.isASCII, first.isNumber else { return nil }
    let lower = digits.lowercased()
    if lower.hasPrefix("0x") { return Int(sign + lower.dropFirst(2), radix: 16) }
    if lower.hasPrefix("0o") { return Int(sign + lower.dropFirst(2), radix: 8) }
    if lower.hasPrefix("0b") { return Int(sign + lower.dropFirst(2), radix: 2) }
    if lower.count > 1, lower.hasPrefix("0") { return Int(sign + lower.dropFirst(), radix: 8) }
    return Int(sign + lower)
  }

  /// What kind of node it is, in words.
  public var kindText: String {
    switch content {
    case .scalar(let text, let isPlain):
      isNull
        ? "null"
        : isPlain && (integer != nil || Double(text) != nil)
          ? "a number"
          : isPlain && (text == "true" || text == "false") ? "a boolean" : "a string"
    case .sequence: "a list"
    case .mapping: "a mapping"
    }
  }
}

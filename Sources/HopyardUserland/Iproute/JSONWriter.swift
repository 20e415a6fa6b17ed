/// Writes JSON as iproute2 does, in one line or pretty.
struct JSONWriter {
  /// A value that stands for itself.
  enum Scalar: Equatable {
    case string(String)
    case number(Int64)
    case unsigned(UInt64)
    case bool(Bool)
    /// A number as it is to be written.
    case raw(String)
    case null
  }

  /// Whether each name gets a line of its own (`-p`).
  let isPretty: Bool
  /// What was written.
  private(set) var text = ""
  private var depth = 0
  private var separator: Character?

  init(isPretty: Bool) { self.isPretty = isPretty }

  private mutating func separate() {
    if let separator { text.append(separator) }
    separator = ","
  }

  private mutating func endLine() {
    guard isPretty else { return }
    text += "\n" + String(repeating: "    ", count: depth)
  }

  private mutating func begin(_ bracket: String) {
    separate()
    text += bracket
    depth += 1
    separator = nil
  }

  private mutating func end(_ bracket: String) {
    depth -= 1
    if separator != nil { endLine() }
    text += bracket
    separator = ","
  }

  /// Writes a property's name.
  mutating func name(_ name: String) {
    separate()
    endLine()
    separator = nil
    quote(name)
    text += isPretty ? ": " : ":"
  }

  /// Opens an object.
  mutating func openObject() { begin("{") }

  /// Closes an object.
  mutating func closeObject() { end("}") }

  /// Opens an array.
  mutating func openArray() {
    begin("[")
    if isPretty { text += " " }
  }

  /// Closes an array.
  mutating func closeArray() {
    if isPretty, separator != nil { text += " " }
    separator = nil
    end("]")
  }

  /// Writes a value.
  mutating func value(_ value: Scalar) {
    separate()
    switch value {
    case .string(let string): quote(string)
    case .number(let number): text += String(number)
    case .unsigned(let number): text += String(number)
    case .bool(let bool): text += bool ? "true" : "false"
    case .raw(let text): self.text += text
    case .null: text += "null"
    }
  }

  private mutating func quote(_ string: String) {
    text += "\""
    for character in string.unicodeScalars {
      switch character {
      case "\t": text += "\\t"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\u{0c}": text += "\\f"
      case "\u{08}": text += "\\b"
      case "\\": text += "\\\\"
      case "\"": text += "\\\""
      default: text.unicodeScalars.append(character)
      }
    }
    text += "\""
  }
}

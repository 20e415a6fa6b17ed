/// A JSON document, with whole numbers kept whole and the members of an object in their order.
public enum JSONValue: Equatable, Sendable {
  case null
  case bool(Bool)
  case int(Int)
  case number(Double)
  case string(String)
  case array([JSONValue])
  case object([Member])

  /// One name and value of an object.
  public struct Member: Equatable, Sendable {
    public let name: String
    public let value: JSONValue
  }

  /// Parses a whole text; nil when it is not one JSON document.
  public init?(parsing bytes: [UInt8]) {
    let parsed = bytes.withUnsafeBufferPointer { buffer -> JSONValue? in
      var parser = JSONParser(bytes: buffer)
      guard let value = parser.value(depth: 0) else { return nil }
      parser.skipSpace()
      return parser.at == buffer.count ? value : nil
    }
    guard let parsed else { return nil }
    self = parsed
  }

  /// The member of this name, nil when there is none or this is no object.
  public subscript(name: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    return members.last { $0.name == name }?.value
  }

  /// The elements of an array, none for anything else.
  public var elements: [JSONValue] {
    if case .array(let elements) = self { elements } else { [] }
  }

  /// The members of an object, none for anything else.
  public var members: [Member] {
    if case .object(let members) = self { members } else { [] }
  }

  /// The text of a string.
  public var string: String? {
    if case .string(let text) = self { text } else { nil }
  }

  /// The value of a whole number.
  public var int: Int? {
    if case .int(let value) = self { value } else { nil }
  }

  /// Whether a condition on this value holds: not null, false, zero or empty.
  public var isTrue: Bool {
    switch self {
    case .null: false
    case .bool(let value): value
    case .int(let value): value != 0
    case .number(let value): value != 0
    case .string(let text): !text.isEmpty
    case .array(let elements): !elements.isEmpty
    case .object(let members): !members.isEmpty
    }
  }

  /// The value as the canonical texts print it: an array is joined by commas.
  public var text: String {
    switch self {
    case .null: "None"
    case .bool(let value): value ? "True" : "False"
    case .int(let value): String(value)
    case .number(let value): String(value)
    case .string(let text): text
    case .array(let elements): elements.map(\.text).joined(separator: ",")
    case .object(let members): members.map { "\($0.name)=\($0.value.text)" }.joined(separator: " ")
    }
  }
}

/// Reads one JSON value after another from bytes in place.
private struct JSONParser {
  let bytes: UnsafeBufferPointer<UInt8>
  var at = 0
  static let deepest = 100

  init(bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

  mutating func skipSpace() {
    while at < bytes.count, bytes[at] == 0x20 || (0x09...0x0d).contains(bytes[at]) { at += 1 }
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard at < bytes.count, bytes[at] == byte else { return false }
    at += 1
    return true
  }

  private mutating func take(word: StaticString) -> Bool {
    let end = at + word.utf8CodeUnitCount
    guard end <= bytes.count else { return false }
    for index in at..<end where bytes[index] != word.utf8Start[index - at] { return false }
    at = end
    return true
  }

  mutating func value(depth: Int) -> JSONValue? {
    guard depth < Self.deepest else { return nil }
    skipSpace()
    guard at < bytes.count else { return nil }
    switch bytes[at] {
    case UInt8(ascii: "{"): return object(depth: depth)
    case UInt8(ascii: "["): return array(depth: depth)
    case UInt8(ascii: "\""): return string().map(JSONValue.string)
    case UInt8(ascii: "t"): return take(word: "true") ? .bool(true) : nil
    case UInt8(ascii: "f"): return take(word: "false") ? .bool(false) : nil
    case UInt8(ascii: "n"): return take(word: "null") ? .null : nil
    default: return number()
    }
  }

  private mutating func object(depth: Int) -> JSONValue? {
    at += 1
    var members: [JSONValue.Member] = []
    skipSpace()
    if take(UInt8(ascii: "}")) { return .object([]) }
    repeat {
      skipSpace()
      guard at < bytes.count, bytes[at] == UInt8(ascii: "\""), let name = string() else {
        return nil
      }
      skipSpace()
      guard take(UInt8(ascii: ":")), let member = value(depth: depth + 1) else { return nil }
      members.append(JSONValue.Member(name: name, value: member))
      skipSpace()
    } while take(UInt8(ascii: ","))
    return take(UInt8(ascii: "}")) ? .object(members) : nil
  }

  private mutating func array(depth: Int) -> JSONValue? {
    at += 1
    var elements: [JSONValue] = []
    skipSpace()
    if take(UInt8(ascii: "]")) { return .array([]) }
    repeat {
      guard let element = value(depth: depth + 1) else { return nil }
      elements.append(element)
      skipSpace()
    } while take(UInt8(ascii: ","))
    return take(UInt8(ascii: "]")) ? .array(elements) : nil
  }

  private mutating func number() -> JSONValue? {
    let start = at
    while at < bytes.count {
      switch bytes[at] {
      case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "+"),
        UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"):
        at += 1
        continue
      default: break
      }
      break
    }
    let text = String(decoding: bytes[start..<at], as: UTF8.self)
    if let whole = Int(text) { return .int(whole) }
    return Double(text).map(JSONValue.number)
  }

  private mutating func string() -> String? {
    at += 1
    var text: [UInt8] = []
    while at < bytes.count {
      let run = at
      while at < bytes.count, bytes[at] != UInt8(ascii: "\""), bytes[at] != UInt8(ascii: "\\") {
        at += 1
      }
      text.append(contentsOf: bytes[run..<at])
      guard at < bytes.count else { return nil }
      if take(UInt8(ascii: "\"")) { return String(decoding: text, as: UTF8.self) }
      at += 1
      guard at < bytes.count else { return nil }
      let escape = bytes[at]
      at += 1
      switch escape {
      case UInt8(ascii: "n"): text.append(0x0a)
      case UInt8(ascii: "t"): text.append(0x09)
      case UInt8(ascii: "r"): text.append(0x0d)
      case UInt8(ascii: "b"): text.append(0x08)
      case UInt8(ascii: "f"): text.append(0x0c)
      case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(escape)
      case UInt8(ascii: "u"):
        guard let scalar = escapedScalar() else { return nil }
        text.append(contentsOf: String(Character(scalar)).utf8)
      default: return nil
      }
    }
    return nil
  }

  /// The scalar of `\uXXXX`, or of two of them that make a pair; U+FFFD for half a pair.
  private mutating func escapedScalar() -> Unicode.Scalar? {
    guard let first = fourDigits() else { return nil }
    if (0xd800..<0xdc00).contains(first), take(word: "\\u") {
      guard let second = fourDigits() else { return nil }
      guard (0xdc00..<0xe000).contains(second) else { return "\u{fffd}" }
      return Unicode.Scalar(0x10000 + (first - 0xd800) << 10 + (second - 0xdc00))
    }
    return Unicode.Scalar(first) ?? "\u{fffd}"
  }

  private mutating func fourDigits() -> UInt32? {
    guard at + 4 <= bytes.count else { return nil }
    let value = UInt32(String(decoding: bytes[at..<at + 4], as: UTF8.self), radix: 16)
    at += 4
    return value
  }
}

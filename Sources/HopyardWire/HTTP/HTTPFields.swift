/// The header fields of a message, in order; names compare without regard to case (RFC 9110 §5).
public struct HTTPFields: Hashable, Sendable, ExpressibleByDictionaryLiteral {
  /// One field line.
  public struct Field: Hashable, Sendable {
    /// The name as it was written.
    public var name: String
    /// The value without the blanks around it.
    public var value: String

    /// Makes a field.
    public init(_ name: String, _ value: String) {
      self.name = name
      self.value = value
    }
  }

  /// The fields in order.
  public var list: [Field] = []

  /// Makes an empty list.
  public init() {}

  /// Takes fields in order.
  public init(dictionaryLiteral elements: (String, String)...) {
    list = elements.map { Field($0.0, $0.1) }
  }

  /// The value of a field, those of several lines joined with commas; setting nil takes it away.
  public subscript(_ name: String) -> String? {
    get {
      let values = all(name)
      return values.isEmpty ? nil : values.joined(separator: ", ")
    }
    set {
      let lower = name.lowercased()
      let first = list.firstIndex { $0.name.lowercased() == lower }
      guard let newValue else {
        list.removeAll { $0.name.lowercased() == lower }
        return
      }
      guard let first else {
        list.append(Field(name, newValue))
        return
      }
      list[first].value = newValue
      var index = first + 1
      while index < list.count {
        if list[index].name.lowercased() == lower { list.remove(at: index) } else { index += 1 }
      }
    }
  }

  /// The values of all lines of a field.
  public func all(_ name: String) -> [String] {
    let lower = name.lowercased()
    return list.filter { $0.name.lowercased() == lower }.map(\.value)
  }

  /// Adds a line.
  public mutating func append(_ name: String, _ value: String) { list.append(Field(name, value)) }

  /// Whether a field that holds a list of words holds one of them, whatever its case.
  public func contains(_ name: String, token: String) -> Bool {
    let token = token.lowercased()
    return all(name).contains { value in
      value.split(separator: ",").contains { $0.trimmedBlanks.lowercased() == token }
    }
  }

  /// The lines as they go over the wire.
  var encoded: String { list.map { "\($0.name): \($0.value)\r\n" }.joined() }
}

extension StringProtocol {
  /// The text without blanks and tabs at its ends.
  var trimmedBlanks: String {
    let isBlank = { (character: Character) in character == " " || character == "\t" }
    let start = drop(while: isBlank)
    guard let last = start.lastIndex(where: { !isBlank($0) }) else { return "" }
    return String(start[...last])
  }
}

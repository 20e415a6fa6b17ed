public import HopyardUserland

/// Typed access: each gives the value or a problem that says what is there and what is expected.
extension YAMLNode {
  private func wrong(_ what: String, _ expected: String) -> Problem {
    let shown: String
    if case .scalar(let text, _) = content, !isNull, text.utf8.count <= 60 {
      shown = "`\(text)'"
    } else {
      shown = kindText
    }
    return problem("\(what) is \(shown), expected \(expected)")
  }

  /// The text of a scalar.
  public func string(_ what: String) throws(Problem) -> String {
    guard let text else { throw wrong(what, "a string") }
    return text
  }

  /// A whole number in a range.
  public func int(_ what: String, in range: ClosedRange<Int> = Int.min...Int.max) throws(Problem)
    -> Int
  {
    guard let integer else { throw wrong(what, "a whole number") }
    guard range.contains(integer) else {
      throw wrong(what, "a number from \(range.lowerBound) to \(range.upperBound)")
    }
    return integer
  }

  /// A port number.
  public func port(_ what: String) throws(Problem) -> UInt16 {
    UInt16(try int(what, in: 1...65_535))
  }

  /// A boolean.
  public func bool(_ what: String) throws(Problem) -> Bool {
    guard case .scalar(let text, _) = content else { throw wrong(what, "true or false") }
    if let boolean { return boolean }
    if text == "true" { return true }
    if text == "false" { return false }
    throw wrong(what, "true or false")
  }

  /// One of some words.
  public func choice(_ what: String, _ words: [String]) throws(Problem) -> String {
    guard let text, words.contains(text) else {
      throw wrong(what, "one of " + words.joined(separator: ", "))
    }
    return text
  }

  /// The items of a list; null is the empty list.
  public func sequence(_ what: String) throws(Problem) -> [YAMLNode] {
    if isNull { return [] }
    guard let items else { throw wrong(what, "a list") }
    return items
  }

  /// The texts of a list of scalars; null is the empty list.
  public func strings(_ what: String) throws(Problem) -> [String] {
    var texts: [String] = []
    for item in try sequence(what) { texts.append(try item.string("an item of \(what)")) }
    return texts
  }

  /// The texts of a list of scalars, or of one scalar.
  public func stringOrStrings(_ what: String) throws(Problem) -> [String] {
    if let text { return [text] }
    if isNull { return [] }
    guard items != nil else { throw wrong(what, "a string or a list") }
    return try strings(what)
  }

  /// The entries of a mapping by their keys' texts, in order; null is the empty mapping.
  public func fields(_ what: String) throws(Problem) -> YAMLFields {
    if isNull { return YAMLFields(node: self, what: what, entries: []) }
    guard let entries else { throw wrong(what, "a mapping") }
    var fields: [YAMLField] = []
    for entry in entries {
      guard case .scalar(let name, _) = entry.key.content else {
        throw entry.key.wrong("a key of \(what)", "a string")
      }
      fields.append(YAMLField(name: name, key: entry.key, value: entry.value))
    }
    return YAMLFields(node: self, what: what, entries: fields)
  }

  /// The pairs of a mapping, or of a list of `KEY=VALUE` or `KEY`; nil where no value is given.
  public func pairs(_ what: String, separator: Character = "=") throws(Problem) -> [(
    name: String, value: String?, node: YAMLNode
  )] {
    var pairs: [(name: String, value: String?, node: YAMLNode)] = []
    if let items {
      for item in items {
        let text = try item.string("an item of \(what)")
        if let mark = text.firstIndex(of: separator) {
          pairs.append((String(text[..<mark]), String(text[text.index(after: mark)...]), item))
        } else {
          pairs.append((text, nil, item))
        }
      }
      return pairs
    }
    for field in try fields(what).entries {
      if field.value.isNull {
        pairs.append((field.name, nil, field.value))
      } else {
        pairs.append((field.name, try field.value.string("`\(field.name)'"), field.value))
      }
    }
    return pairs
  }
}

/// An entry of a mapping whose key is text.
public struct YAMLField: Sendable {
  /// The key's text.
  public var name: String
  /// The key, for its place.
  public var key: YAMLNode
  /// The value.
  public var value: YAMLNode
}

/// The entries of a mapping whose keys are texts.
public struct YAMLFields: Sendable {
  /// The mapping.
  public let node: YAMLNode
  /// What the mapping is, in the words of errors.
  public let what: String
  /// Its entries in the order of the file.
  public let entries: [YAMLField]

  /// The value of a key; nil where there is none or it is null.
  public subscript(name: String) -> YAMLNode? {
    guard let field = entries.first(where: { $0.name == name }), !field.value.isNull else {
      return nil
    }
    return field.value
  }

  /// Whether a key is written, with a value or without.
  public func has(_ name: String) -> Bool { entries.contains { $0.name == name } }

  /// The value of a key that must be there.
  public func required(_ name: String) throws(Problem) -> YAMLNode {
    guard let value = self[name] else {
      throw node.problem("\(what) lacks `\(name)'")
    }
    return value
  }

  /// Refuses keys other than those known; keys with one of the prefixes are let through.
  public func refuseUnknown(_ known: Set<String>, prefixes: [String] = []) throws(Problem) {
    for field in entries where !known.contains(field.name) {
      if prefixes.contains(where: { field.name.hasPrefix($0) }) { continue }
      throw unknown(field, known)
    }
  }

  /// The problem of a key that nobody knows.
  public func unknown(_ field: YAMLField, _ known: Set<String>) -> Problem {
    let names = known.sorted()
    let near = names.map { (name: $0, distance: EditDistance.between($0, field.name)) }
      .min { $0.distance < $1.distance }
    var hint = names.count <= 12 ? "expected one of " + names.joined(separator: ", ") : ""
    if let near, near.distance <= max(2, field.name.count / 3), near.distance < field.name.count {
      hint = "did you mean `\(near.name)'?"
    }
    let tail = hint.isEmpty ? "" : hint.hasPrefix("did") ? "; \(hint)" : ", \(hint)"
    return field.key.problem("unknown key `\(field.name)' in \(what)\(tail)")
  }
}

/// How many letters differ, for hints about mistyped words.
public enum EditDistance {
  /// The number of letters to add, drop or change to get from one word to the other.
  public static func between(_ a: String, _ b: String) -> Int {
    let left = Array(a.utf8.prefix(64))
    let right = Array(b.utf8.prefix(64))
    var row = Array(0...right.count)
    for (i, letter) in left.enumerated() {
      var corner = row[0]
      row[0] = i + 1
      for (j, other) in right.enumerated() {
        let cost = letter == other ? corner : 1 + min(corner, row[j], row[j + 1])
        corner = row[j + 1]
        row[j + 1] = cost
      }
    }
    return row[right.count]
  }
}

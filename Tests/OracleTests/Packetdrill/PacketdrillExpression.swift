/// The Python of packetdrill's assertions, as far as scripts need it: comparisons and arithmetic of
/// numbers and `tcpi_*` values, joined by `and` and `or`.
struct PacketdrillExpression {
  /// A name or a form that is not read here.
  struct Unknown: Error {
    var text: String
  }

  private var tokens: [String]
  private var place = 0
  private let names: (String) -> Double?

  /// Whether the assertions of a piece of code hold; the first that does not is given.
  ///
  /// `defined` holds the names that earlier pieces gave to numbers.
  static func firstFailure(
    in code: String,
    defined: inout [String: Double],
    names: (String) -> Double?
  ) throws(Unknown) -> String? {
    for statement in statements(of: code) {
      if statement.hasPrefix("print") || statement == "pass" { continue }
      if let (name, value) = definition(statement) {
        defined[name] = value
        continue
      }
      guard statement.hasPrefix("assert ") else { throw Unknown(text: statement) }
      let text = PacketdrillScript.arguments(String(statement.dropFirst(7)))[0]
      let tokens = try tokenise(text)
      let own = defined
      let holds = try withoutActuallyEscaping(names) { names throws(Unknown) -> Bool in
        var expression = PacketdrillExpression(tokens: tokens, names: { own[$0] ?? names($0) })
        let value = try expression.either()
        guard expression.place == tokens.count else { throw Unknown(text: text) }
        return value != 0
      }
      if !holds {
        let shown = tokens.compactMap { token in names(token).map { "\(token)=\(Int($0))" } }
        return "assert \(text) (\(shown.joined(separator: " ")))"
      }
    }
    return nil
  }

  /// A number that a statement gives a name.
  private static func definition(_ statement: String) -> (String, Double)? {
    let sides = statement.split(separator: "=").map { $0.trimmed }
    guard sides.count == 2, !sides[0].isEmpty,
      sides[0].allSatisfy({ $0.isLetter || $0.isNumber || $0 == "_" })
    else { return nil }
    if sides[1].hasPrefix("0x"), let value = Int64(sides[1].dropFirst(2), radix: 16) {
      return (sides[0], Double(value))
    }
    return Double(sides[1]).map { (sides[0], $0) }
  }

  /// The statements of a piece of code, without comments; what a text holds ends none.
  private static func statements(of code: String) -> [String] {
    var statements: [String] = []
    var statement = ""
    var quote: Character?
    var isComment = false
    var rest = Array(code)[...]
    while let character = rest.popFirst() {
      if isComment {
        guard character == "\n" else { continue }
        isComment = false
      }
      if character == "\\", rest.first == "\n" {
        rest = rest.dropFirst()
        statement.append(" ")
        continue
      }
      if let open = quote {
        if character == open { quote = nil }
      } else if character == "'" || character == "\"" {
        quote = character
      } else if character == "#" {
        isComment = true
        continue
      } else if character == "\n" || character == ";" {
        statements.append(statement.trimmed)
        statement = ""
        continue
      }
      statement.append(character)
    }
    statements.append(statement.trimmed)
    return statements.filter { !$0.isEmpty }
  }

  private init(tokens: [String], names: @escaping (String) -> Double?) {
    self.tokens = tokens
    self.names = names
  }

  private static func tokenise(_ text: String) throws(Unknown) -> [String] {
    var tokens: [String] = []
    var rest = text[...]
    while let first = rest.first {
      if first.isWhitespace {
        rest = rest.dropFirst()
        continue
      }
      if first.isLetter || first == "_" || first.isNumber {
        let word = rest.prefix { $0.isLetter || $0.isNumber || $0 == "_" || $0 == "." }
        tokens.append(String(word))
        rest = rest.dropFirst(word.count)
        continue
      }
      let two = String(rest.prefix(2))
      if ["==", "!=", "<=", ">=", "//", "<<"].contains(two) {
        tokens.append(two)
        rest = rest.dropFirst(2)
        continue
      }
      guard "<>+-*/()&|".contains(first) else { throw Unknown(text: text) }
      tokens.append(String(first))
      rest = rest.dropFirst()
    }
    return tokens
  }

  private mutating func take(_ wanted: String...) -> String? {
    guard place < tokens.count, wanted.contains(tokens[place]) else { return nil }
    place += 1
    return tokens[place - 1]
  }

  private mutating func either() throws(Unknown) -> Double {
    var value = try both()
    while take("or") != nil {
      let other = try both()
      value = value != 0 || other != 0 ? 1 : 0
    }
    return value
  }

  private mutating func both() throws(Unknown) -> Double {
    var value = try comparison()
    while take("and") != nil {
      let other = try comparison()
      value = value != 0 && other != 0 ? 1 : 0
    }
    return value
  }

  private mutating func comparison() throws(Unknown) -> Double {
    if take("not") != nil { return try comparison() == 0 ? 1 : 0 }
    var left = try bits()
    var result: Double?
    while let sign = take("==", "!=", "<=", ">=", "<", ">") {
      let right = try bits()
      let holds =
        switch sign {
        case "==": left == right
        case "!=": left != right
        case "<=": left <= right
        case ">=": left >= right
        case "<": left < right
        default: left > right
        }
      result = (result ?? 1) != 0 && holds ? 1 : 0
      left = right
    }
    return result ?? left
  }

  private mutating func bits() throws(Unknown) -> Double {
    var value = try sum()
    while let sign = take("&", "|") {
      let other = try sum()
      let (a, b) = (Int64(value), Int64(other))
      value = Double(sign == "&" ? a & b : a | b)
    }
    return value
  }

  private mutating func sum() throws(Unknown) -> Double {
    var value = try product()
    while let sign = take("+", "-") {
      let other = try product()
      value = sign == "+" ? value + other : value - other
    }
    return value
  }

  private mutating func product() throws(Unknown) -> Double {
    var value = try atom()
    while let sign = take("*", "/", "//") {
      let other = try atom()
      if sign == "*" {
        value *= other
      } else {
        guard other != 0 else { throw Unknown(text: "a division by zero") }
        value = sign == "/" ? value / other : (value / other).rounded(.down)
      }
    }
    return value
  }

  private mutating func atom() throws(Unknown) -> Double {
    if take("-") != nil { return -(try atom()) }
    if take("(") != nil {
      let value = try either()
      guard take(")") != nil else { throw Unknown(text: "a bracket is not closed") }
      return value
    }
    guard place < tokens.count else { throw Unknown(text: "the expression ends too soon") }
    let token = tokens[place]
    place += 1
    if let number = Double(token) { return number }
    if token.hasPrefix("0x"), let number = Int64(token.dropFirst(2), radix: 16) {
      return Double(number)
    }
    guard let value = names(token) else { throw Unknown(text: "unknown name \(token)") }
    return value
  }
}

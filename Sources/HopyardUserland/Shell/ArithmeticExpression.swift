/// What is wrong with an arithmetic expression, in bash's words.
struct ArithmeticError: Error {
  var message: String
}

/// Evaluates the text of `$((…))`: 64-bit integers that wrap, bash's operators.
struct ArithmeticExpression {
  private let bytes: [UInt8]
  private var position = 0
  private var depth = 0
  private var isSkipping = false
  private let variables: any ArithmeticVariables
  private let variableDepth: Int

  private init(_ text: String, _ variables: any ArithmeticVariables, _ variableDepth: Int) {
    bytes = Array(text.utf8)
    self.variables = variables
    self.variableDepth = variableDepth
  }

  /// The value of an expression.
  static func evaluate(_ text: String, _ variables: any ArithmeticVariables)
    throws(ArithmeticError) -> Int64
  {
    try evaluate(text, variables, 0)
  }

  private static func evaluate(
    _ text: String,
    _ variables: any ArithmeticVariables,
    _ variableDepth: Int
  ) throws(ArithmeticError) -> Int64 {
    var expression = ArithmeticExpression(text, variables, variableDepth)
    return try expression.whole()
  }

  /// Throws what is wrong with the syntax of an expression, whatever its variables hold.
  static func check(_ text: String) throws(ArithmeticError) {
    var expression = ArithmeticExpression(text, NoVariables(), 0)
    expression.isSkipping = true
    _ = try expression.whole()
  }

  private mutating func whole() throws(ArithmeticError) -> Int64 {
    skipSpaces()
    if position == bytes.count { return 0 }
    let value = try comma()
    skipSpaces()
    if position < bytes.count { throw fail("syntax error in expression") }
    return value
  }

  private func fail(_ reason: String) -> ArithmeticError {
    let rest = String(decoding: bytes[min(position, bytes.count)...], as: UTF8.self)
    let text = String(decoding: bytes, as: UTF8.self)
    return ArithmeticError(message: "\(text): \(reason) (error token is \"\(rest)\")")
  }

  private mutating func skipSpaces() {
    while position < bytes.count, [0x20, 0x09, 0x0A].contains(bytes[position]) { position += 1 }
  }

  /// Takes an operator, unless a longer one stands there.
  private mutating func take(_ token: String, unless longer: [String] = []) -> Bool {
    skipSpaces()
    guard bytes[position...].starts(with: token.utf8) else { return false }
    for other in longer where bytes[position...].starts(with: other.utf8) { return false }
    position += token.utf8.count
    return true
  }

  private mutating func enter() throws(ArithmeticError) {
    depth += 1
    if depth > 100 { throw ArithmeticError(message: "expression recursion level exceeded") }
  }

  private mutating func comma() throws(ArithmeticError) -> Int64 {
    try enter()
    defer { depth -= 1 }
    var value = try assignment()
    while take(",") { value = try assignment() }
    return value
  }

  private mutating func assignment() throws(ArithmeticError) -> Int64 {
    try enter()
    defer { depth -= 1 }
    let start = position
    skipSpaces()
    if let name = name() {
      for operation in ["=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>="]
      where take(operation, unless: operation == "=" ? ["=="] : []) {
        let right = try assignment()
        if isSkipping { return 0 }
        var value = right
        if operation != "=" {
          value = try apply(String(operation.dropLast()), try variable(name), right)
        }
        try variables.set(name, value)
        return value
      }
    }
    position = start
    return try ternary()
  }

  private mutating func ternary() throws(ArithmeticError) -> Int64 {
    let test = try binary(0)
    guard take("?") else { return test }
    let outer = isSkipping
    isSkipping = outer || test == 0
    let first = try assignment()
    if !take(":") { throw fail("`:' expected for conditional expression") }
    isSkipping = outer || test != 0
    let second = try assignment()
    isSkipping = outer
    return test != 0 ? first : second
  }

  private static let levels: [[(String, [String])]] = [
    [("||", [])], [("&&", [])], [("|", ["||", "|="])], [("^", ["^="])], [("&", ["&&", "&="])],
    [("==", []), ("!=", [])],
    [("<=", []), (">=", []), ("<", ["<<", "<="]), (">", [">>", ">="])],
    [("<<", ["<<="]), (">>", [">>="])], [("+", ["++", "+="]), ("-", ["--", "-="])],
    [("*", ["**", "*="]), ("/", ["/="]), ("%", ["%="])],
  ]

  private mutating func binary(_ level: Int) throws(ArithmeticError) -> Int64 {
    guard level < Self.levels.count else { return try power() }
    var left = try binary(level + 1)
    while true {
      var found: String?
      for (token, longer) in Self.levels[level] where take(token, unless: longer) {
        found = token
        break
      }
      guard let operation = found else { return left }
      let outer = isSkipping
      if operation == "&&", left == 0 { isSkipping = true }
      if operation == "||", left != 0 { isSkipping = true }
      let right = try binary(level + 1)
      isSkipping = outer
      left = isSkipping ? 0 : try apply(operation, left, right)
    }
  }

  private mutating func power() throws(ArithmeticError) -> Int64 {
    try enter()
    defer { depth -= 1 }
    let base = try unary()
    guard take("**") else { return base }
    let exponent = try power()
    if isSkipping { return 0 }
    if exponent < 0 { throw fail("exponent less than 0") }
    var result: Int64 = 1
    var factor = base
    var rest = exponent
    while rest > 0 {
      if rest & 1 == 1 { result = result &* factor }
      factor = factor &* factor
      rest >>= 1
    }
    return result
  }

  private func apply(_ operation: String, _ left: Int64, _ right: Int64)
    throws(ArithmeticError) -> Int64
  {
    switch operation {
    case "||": return left != 0 || right != 0 ? 1 : 0
    case "&&": return left != 0 && right != 0 ? 1 : 0
    case "|": return left | right
    case "^": return left ^ right
    case "&": return left & right
    case "==": return left == right ? 1 : 0
    case "!=": return left != right ? 1 : 0
    case "<": return left < right ? 1 : 0
    case ">": return left > right ? 1 : 0
    case "<=": return left <= right ? 1 : 0
    case ">=": return left >= right ? 1 : 0
    case "<<": return left &<< (right & 63)
    case ">>": return left &>> (right & 63)
    case "+": return left &+ right
    case "-": return left &- right
    case "*": return left &* right
    default:
      if right == 0 { throw fail("division by 0") }
      if right == -1 { return operation == "/" ? 0 &- left : 0 }
      return operation == "/" ? left / right : left % right
    }
  }

  private mutating func unary() throws(ArithmeticError) -> Int64 {
    try enter()
    defer { depth -= 1 }
    for operation in ["++", "--"] where take(operation) {
      skipSpaces()
      guard let name = name() else { throw fail("syntax error: operand expected") }
      if isSkipping { return 0 }
      let value = try variable(name) &+ (operation == "++" ? 1 : -1)
      try variables.set(name, value)
      return value
    }
    if take("!", unless: ["!="]) { return try unary() == 0 ? 1 : 0 }
    if take("~") { return ~(try unary()) }
    if take("-") { return 0 &- (try unary()) }
    if take("+") { return try unary() }
    return try primary()
  }

  private mutating func primary() throws(ArithmeticError) -> Int64 {
    skipSpaces()
    if take("(") {
      let value = try comma()
      if !take(")") { throw fail("missing `)'") }
      return value
    }
    if let name = name() {
      for operation in ["++", "--"] where take(operation) {
        if isSkipping { return 0 }
        let value = try variable(name)
        try variables.set(name, value &+ (operation == "++" ? 1 : -1))
        return value
      }
      return isSkipping ? 0 : try variable(name)
    }
    guard position < bytes.count, ShellParser.isDigit(bytes[position]) else {
      throw fail("syntax error: operand expected")
    }
    let start = position
    while position < bytes.count, ShellParser.isName(bytes[position]) || bytes[position] == 0x23 {
      position += 1
    }
    guard let value = Self.number(String(decoding: bytes[start..<position], as: UTF8.self)) else {
      position = start
      throw fail("value too great for base")
    }
    return value
  }

  private mutating func name() -> String? {
    guard position < bytes.count, ShellParser.isNameStart(bytes[position]) else { return nil }
    let start = position
    while position < bytes.count, ShellParser.isName(bytes[position]) { position += 1 }
    return String(decoding: bytes[start..<position], as: UTF8.self)
  }

  private func variable(_ name: String) throws(ArithmeticError) -> Int64 {
    let text = try variables.value(of: name)
    if let number = Self.number(text) { return number }
    if variableDepth > 20 { throw ArithmeticError(message: "expression recursion level exceeded") }
    return try Self.evaluate(text, variables, variableDepth + 1)
  }

  /// The number that digits stand for: decimal, `0x`, octal after `0`, `base#digits`.
  static func number(_ text: String) -> Int64? {
    var digits = text[...]
    var base: UInt64 = 10
    if digits.hasPrefix("0x") || digits.hasPrefix("0X") {
      base = 16
      digits = digits.dropFirst(2)
    } else if let mark = digits.firstIndex(of: "#") {
      guard let value = UInt64(digits[..<mark]), (2...36).contains(value) else { return nil }
      base = value
      digits = digits[digits.index(after: mark)...]
    } else if digits.hasPrefix("0"), digits.utf8.count > 1 {
      base = 8
    }
    if digits.isEmpty { return nil }
    var value: UInt64 = 0
    for byte in digits.utf8 {
      let digit: UInt64
      switch byte {
      case 0x30...0x39: digit = UInt64(byte - 0x30)
      case 0x61...0x7A: digit = UInt64(byte - 0x61 + 10)
      case 0x41...0x5A: digit = UInt64(byte - 0x41 + 10)
      default: return nil
      }
      if digit >= base { return nil }
      value = value &* base &+ digit
    }
    return Int64(bitPattern: value)
  }
}

/// The variables that an arithmetic expression reads and writes.
protocol ArithmeticVariables {
  func value(of name: String) throws(ArithmeticError) -> String
  func set(_ name: String, _ value: Int64) throws(ArithmeticError)
}

private struct NoVariables: ArithmeticVariables {
  func value(of name: String) -> String { "0" }
  func set(_ name: String, _ value: Int64) {}
}

/// Expressions of awk, read.
extension AwkParser {
  mutating func list() throws(AwkError) -> [AwkExpression] {
    var values = [try expression()]
    while try take(",") {
      try skipLines()
      values.append(try expression())
    }
    return values
  }

  mutating func expression() throws(AwkError) -> AwkExpression {
    try enter()
    defer { depth -= 1 }
    let left = try ternary()
    for symbol in ["=", "+=", "-=", "*=", "/=", "%=", "^="] where at(symbol) {
      switch left {
      case .variable, .field, .element: break
      default: throw fail()
      }
      try advance()
      try skipLines()
      return .assign(String(symbol.dropLast()), left, try expression())
    }
    return left
  }

  mutating func ternary() throws(AwkError) -> AwkExpression {
    let test = try or()
    guard try take("?") else { return test }
    try skipLines()
    let first = try expression()
    try skipLines()
    try expect(":")
    try skipLines()
    return .choice(test, first, try expression())
  }

  mutating func or() throws(AwkError) -> AwkExpression {
    var left = try and()
    var count = 0
    while try take("||") {
      try skipLines()
      left = .or(left, try and())
      count += 1
      if count > 200 { throw refuse("expressions of more than 200 terms are not modelled") }
    }
    return left
  }

  mutating func and() throws(AwkError) -> AwkExpression {
    var left = try membership()
    var count = 0
    while try take("&&") {
      try skipLines()
      left = .and(left, try membership())
      count += 1
      if count > 200 { throw refuse("expressions of more than 200 terms are not modelled") }
    }
    return left
  }

  mutating func membership() throws(AwkError) -> AwkExpression {
    let left = try matching()
    if token == .name("in"), noIn == 0 {
      try advance()
      guard case .name(let name) = token else { throw fail() }
      try advance()
      if case .call("", let keys) = left { return .isIn(keys, slot(name)) }
      return .isIn([left], slot(name))
    }
    return left
  }

  mutating func matching() throws(AwkError) -> AwkExpression {
    var left = try comparison()
    var count = 0
    while at("~") || at("!~") {
      let isNegated = at("!~")
      try advance()
      left = .match(left, try comparison(), isNegated: isNegated)
      count += 1
      if count > 200 { throw refuse("expressions of more than 200 terms are not modelled") }
    }
    return left
  }

  mutating func comparison() throws(AwkError) -> AwkExpression {
    let left = try concatenation()
    for symbol in ["<", "<=", "==", "!=", ">", ">="] where at(symbol) {
      if symbol == ">", noGreater > 0 { return left }
      try advance()
      return .binary(symbol, left, try concatenation())
    }
    return left
  }

  var beginsOperand: Bool {
    switch token {
    case .number, .string, .function: return true
    case .name(let name): return name != "in"
    case .symbol(let symbol): return ["$", "!", "(", "-", "+", "++", "--"].contains(symbol)
    case .newline, .end: return false
    }
  }

  mutating func concatenation() throws(AwkError) -> AwkExpression {
    var left = try sum()
    var count = 0
    while beginsOperand, !at("-"), !at("+"), !at("!") {
      left = .binary(" ", left, try sum())
      count += 1
      if count > 200 { throw refuse("expressions of more than 200 terms are not modelled") }
    }
    return left
  }

  mutating func sum() throws(AwkError) -> AwkExpression {
    var left = try product()
    var count = 0
    while at("+") || at("-") {
      let symbol = at("+") ? "+" : "-"
      try advance()
      left = .binary(symbol, left, try product())
      count += 1
      if count > 200 { throw refuse("expressions of more than 200 terms are not modelled") }
    }
    return left
  }

  mutating func product() throws(AwkError) -> AwkExpression {
    var left = try unary()
    var count = 0
    while at("*") || at("/") || at("%") {
      let symbol = at("*") ? "*" : at("/") ? "/" : "%"
      try advance()
      left = .binary(symbol, left, try unary())
      count += 1
      if count > 200 { throw refuse("expressions of more than 200 terms are not modelled") }
    }
    return left
  }

  mutating func unary() throws(AwkError) -> AwkExpression {
    try enter()
    defer { depth -= 1 }
    if try take("!") { return .not(try unary()) }
    if try take("-") { return .negative(try unary()) }
    if try take("+") { return .positive(try unary()) }
    let base = try postfix()
    if try take("^") { return .binary("^", base, try unary()) }
    return base
  }

  mutating func postfix() throws(AwkError) -> AwkExpression {
    for symbol in ["++", "--"] where at(symbol) {
      try advance()
      let target = try primary()
      return .step(target, by: symbol == "++" ? 1 : -1, isPrefix: true)
    }
    let value = try primary()
    switch value {
    case .variable, .field, .element:
      for symbol in ["++", "--"] where at(symbol) {
        try advance()
        return .step(value, by: symbol == "++" ? 1 : -1, isPrefix: false)
      }
    default: break
    }
    return value
  }

  mutating func primary() throws(AwkError) -> AwkExpression {
    try enter()
    defer { depth -= 1 }
    switch token {
    case .number(let value):
      try advance()
      return .number(value)
    case .string(let text):
      try advance()
      return .string(text)
    case .symbol("$"):
      try advance()
      if at("++") || at("--") { return .field(try postfix()) }
      return .field(try primary())
    case .symbol("-"):
      try advance()
      return .negative(try primary())
    case .symbol("!"):
      try advance()
      return .not(try primary())
    case .symbol("("):
      try advance()
      let outer = noGreater
      noGreater = 0
      let values = try list()
      noGreater = outer
      try expect(")")
      return values.count == 1 ? .group(values[0]) : .call("", values)
    case .symbol("/"):
      index = tokenStart
      let pattern = try quoted(until: UInt8(ascii: "/"))
      let expression: RegularExpression
      do {
        expression = try RegularExpression(pattern, syntax: .extended)
      } catch {
        throw AwkError(at: tokenStart, message: error.message, isRefusal: error.isRefusal)
      }
      try advance()
      return .pattern(expression)
    case .function(let name):
      try advance()
      var arguments: [AwkExpression] = []
      if try take("(") {
        if !at(")") {
          let outer = noGreater
          noGreater = 0
          arguments = try list()
          noGreater = outer
        }
        try expect(")")
      } else if name != "length" {
        throw fail()
      }
      return .call(name, arguments)
    case .name(let name):
      let keywords: Set<String> = [
        "if", "else", "while", "for", "do", "print", "printf", "next", "exit", "break", "continue",
        "delete", "in", "BEGIN", "END", "return",
      ]
      if keywords.contains(name) { throw fail() }
      try advance()
      let variable = slot(name)
      if at("(") { throw refuse("functions of one's own in awk are not modelled") }
      if try take("[") {
        let keys = try list()
        try expect("]")
        return .element(variable, keys)
      }
      return .variable(variable)
    default: throw fail()
    }
  }
}

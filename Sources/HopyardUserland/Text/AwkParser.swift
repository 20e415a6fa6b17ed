/// What is wrong with an awk program.
struct AwkError: Error {
  var at: Int
  var message: String
  /// Whether awk would take it and the model does not.
  var isRefusal = false
}

/// An expression of awk.
indirect enum AwkExpression {
  case number(Double)
  case string([UInt8])
  case pattern(RegularExpression)
  case variable(Int)
  case field(AwkExpression)
  case element(Int, [AwkExpression])
  case assign(String, AwkExpression, AwkExpression)
  case step(AwkExpression, by: Double, isPrefix: Bool)
  case binary(String, AwkExpression, AwkExpression)
  case not(AwkExpression)
  case negative(AwkExpression)
  case positive(AwkExpression)
  case match(AwkExpression, AwkExpression, isNegated: Bool)
  case isIn([AwkExpression], Int)
  case and(AwkExpression, AwkExpression)
  case or(AwkExpression, AwkExpression)
  case choice(AwkExpression, AwkExpression, AwkExpression)
  case call(String, [AwkExpression])
  case group(AwkExpression)
}

/// A statement of awk.
indirect enum AwkStatement {
  case expression(AwkExpression)
  case print([AwkExpression])
  case printf([AwkExpression])
  case block([AwkStatement])
  case condition(AwkExpression, AwkStatement, AwkStatement?)
  case loop(AwkExpression?, AwkStatement, step: AwkStatement?, isDo: Bool)
  case forIn(Int, Int, AwkStatement)
  case next
  case exit(AwkExpression?)
  case `break`
  case `continue`
  case delete(Int, [AwkExpression]?)
}

/// A pattern and what is done where it holds.
struct AwkRule {
  enum Pattern {
    case begin
    case end
    case always
    case expression(AwkExpression)
    case range(AwkExpression, AwkExpression)
  }

  var pattern: Pattern
  /// What is done; nil prints the record.
  var action: [AwkStatement]?
}

/// An awk program, read.
struct AwkProgram {
  private(set) var rules: [AwkRule] = []
  private(set) var names: [String: Int] = [:]
  private enum Token: Equatable {
    case number(Double)
    case string([UInt8])
    case name(String)
    case function(String)
    case symbol(String)
    case newline
    case end
  }

  private let bytes: [UInt8]
  private var index = 0
  private var token = Token.end
  private var tokenStart = 0
  private var previous = Token.newline
  private var depth = 0

  static let functions: Set<String> = [
    "length", "substr", "index", "split", "sub", "gsub", "match", "sprintf", "tolower", "toupper",
    "int", "sqrt", "exp", "log", "sin", "cos", "atan2",
  ]
  private static let refusedNames: Set<String> = [
    "function", "func", "getline", "system", "close", "fflush", "printf>", "rand", "srand",
    "nextfile", "gensub", "strftime", "systime", "BEGINFILE", "switch",
  ]

  init(_ text: [UInt8]) throws(AwkError) {
    bytes = text
    for name in [
      "NR", "NF", "FS", "OFS", "ORS", "RS", "FNR", "FILENAME", "SUBSEP", "RSTART", "RLENGTH",
      "CONVFMT", "OFMT", "ENVIRON", "ARGC", "ARGV",
    ] {
      _ = slot(name)
    }
    try advance()
    try parse()
  }

  private mutating func slot(_ name: String) -> Int {
    if let known = names[name] { return known }
    names[name] = names.count
    return names.count - 1
  }

  mutating func variable(_ name: String) -> Int { slot(name) }

  private func fail(_ message: String = "syntax error") -> AwkError {
    AwkError(at: tokenStart, message: message)
  }

  private func refuse(_ message: String) -> AwkError {
    AwkError(at: min(tokenStart, max(bytes.count - 1, 0)), message: message, isRefusal: true)
  }

  // MARK: Tokens

  private mutating func advance() throws(AwkError) {
    previous = token
    while index < bytes.count {
      let byte = bytes[index]
      if byte == 0x20 || byte == 0x09 || byte == 0x0D {
        index += 1
      } else if byte == 0x5C, index + 1 < bytes.count, bytes[index + 1] == 0x0A {
        index += 2
      } else if byte == UInt8(ascii: "#") {
        while index < bytes.count, bytes[index] != 0x0A { index += 1 }
      } else {
        break
      }
    }
    tokenStart = index
    guard index < bytes.count else {
      token = .end
      return
    }
    let byte = bytes[index]
    if byte == 0x0A {
      index += 1
      token = .newline
      return
    }
    if ShellParser.isDigit(byte)
      || byte == 0x2E && index + 1 < bytes.count && ShellParser.isDigit(bytes[index + 1])
    {
      let (value, end) = AwkValue.leadingNumber(bytes[index...])
      index = max(end, index + 1)
      token = .number(value)
      return
    }
    if ShellParser.isNameStart(byte) {
      while index < bytes.count, ShellParser.isName(bytes[index]) { index += 1 }
      let name = String(decoding: bytes[tokenStart..<index], as: UTF8.self)
      if Self.refusedNames.contains(name) { throw refuse("`\(name)' is not modelled") }
      token = Self.functions.contains(name) ? .function(name) : .name(name)
      return
    }
    if byte == 0x22 {
      token = .string(try quoted(until: 0x22))
      return
    }
    for symbol in [
      "&&", "||", "==", "!=", "<=", ">=", "++", "--", "+=", "-=", "*=", "/=", "%=", "^=", "**",
      "!~", ">>",
    ]
    where bytes[index...].starts(with: symbol.utf8) {
      index += 2
      token = .symbol(symbol == "**" ? "^" : symbol)
      return
    }
    index += 1
    guard "{}()[];,+-*/%^!<>~?:=$|".utf8.contains(byte) else {
      throw fail("unexpected character")
    }
    token = .symbol(String(UnicodeScalar(byte)))
  }

  private mutating func quoted(until stop: UInt8) throws(AwkError) -> [UInt8] {
    index += 1
    var text: [UInt8] = []
    while index < bytes.count, bytes[index] != stop {
      guard bytes[index] != 0x0A else { throw fail("unterminated string") }
      if bytes[index] == 0x5C, index + 1 < bytes.count {
        if stop == UInt8(ascii: "/") {
          if bytes[index + 1] != stop { text.append(0x5C) }
          text.append(bytes[index + 1])
          index += 2
          continue
        }
        if bytes[index + 1] == UInt8(ascii: "/") || bytes[index + 1] == 0x22 {
          text.append(bytes[index + 1])
          index += 2
          continue
        }
        let (value, length) = BackslashEscape.parse(bytes[(index + 1)...], style: .dollarQuote)
        text += value
        index += 1 + max(1, length)
        continue
      }
      text.append(bytes[index])
      index += 1
    }
    guard index < bytes.count else { throw fail("unterminated string") }
    index += 1
    return text
  }

  private func at(_ symbol: String) -> Bool { token == .symbol(symbol) }

  private mutating func take(_ symbol: String) throws(AwkError) -> Bool {
    guard at(symbol) else { return false }
    try advance()
    return true
  }

  private mutating func takeName(_ name: String) throws(AwkError) -> Bool {
    guard token == .name(name) else { return false }
    try advance()
    return true
  }

  private mutating func expect(_ symbol: String) throws(AwkError) {
    if try !take(symbol) { throw fail() }
  }

  private mutating func skipLines() throws(AwkError) {
    while token == .newline { try advance() }
  }

  private mutating func enter() throws(AwkError) {
    depth += 1
    if depth > 200 { throw refuse("expressions nested more than 200 deep are not modelled") }
  }

  // MARK: Rules and statements

  private mutating func parse() throws(AwkError) {
    while true {
      while token == .newline || at(";") { try advance() }
      if token == .end { return }
      var pattern = AwkRule.Pattern.always
      if try takeName("BEGIN") {
        pattern = .begin
      } else if try takeName("END") {
        pattern = .end
      } else if !at("{") {
        let first = try expression()
        if try take(",") {
          try skipLines()
          pattern = .range(first, try expression())
        } else {
          pattern = .expression(first)
        }
      }
      var action: [AwkStatement]?
      if at("{") { action = try block() }
      if action == nil {
        switch pattern {
        case .begin, .end: throw fail()
        default: break
        }
      }
      rules.append(AwkRule(pattern: pattern, action: action))
    }
  }

  private mutating func block() throws(AwkError) -> [AwkStatement] {
    try enter()
    defer { depth -= 1 }
    try expect("{")
    var statements: [AwkStatement] = []
    while true {
      while token == .newline || at(";") { try advance() }
      if try take("}") { return statements }
      if token == .end { throw fail() }
      statements.append(try statement())
    }
  }

  private mutating func endStatement() throws(AwkError) {
    if at(";") || token == .newline {
      try advance()
    } else if !at("}"), token != .end {
      throw fail()
    }
  }

  private mutating func statement() throws(AwkError) -> AwkStatement {
    try enter()
    defer { depth -= 1 }
    if at("{") { return .block(try block()) }
    if try take(";") { return .block([]) }
    guard case .name(let name) = token else {
      return try simple(ends: true)
    }
    switch name {
    case "if":
      try advance()
      try expect("(")
      let test = try expression()
      try expect(")")
      try skipLines()
      let body = try statement()
      while token == .newline || at(";") {
        let saved = (index, token, tokenStart, previous)
        try advance()
        if token == .name("else") { break }
        if token != .newline, !at(";") {
          (index, token, tokenStart, previous) = saved
          break
        }
      }
      if try takeName("else") {
        try skipLines()
        return .condition(test, body, try statement())
      }
      return .condition(test, body, nil)
    case "while":
      try advance()
      try expect("(")
      let test = try expression()
      try expect(")")
      try skipLines()
      return .loop(test, try statement(), step: nil, isDo: false)
    case "do":
      try advance()
      try skipLines()
      let body = try statement()
      while token == .newline || at(";") { try advance() }
      if try !takeName("while") { throw fail() }
      try expect("(")
      let test = try expression()
      try expect(")")
      try endStatement()
      return .loop(test, body, step: nil, isDo: true)
    case "for": return try forStatement()
    case "next":
      try advance()
      try endStatement()
      return .next
    case "break":
      try advance()
      try endStatement()
      return .break
    case "continue":
      try advance()
      try endStatement()
      return .continue
    case "exit":
      try advance()
      let hasValue = !(at(";") || at("}") || token == .newline || token == .end)
      let value = hasValue ? try expression() : nil
      try endStatement()
      return .exit(value)
    default: return try simple(ends: true)
    }
  }

  private mutating func forStatement() throws(AwkError) -> AwkStatement {
    try advance()
    try expect("(")
    if case .name(let name) = token {
      let saved = (index, token, tokenStart, previous)
      try advance()
      if try takeName("in"), case .name(let array) = token {
        try advance()
        if try take(")") {
          try skipLines()
          let variable = slot(name)
          let table = slot(array)
          return .forIn(variable, table, try statement())
        }
      }
      (index, token, tokenStart, previous) = saved
    }
    let start = at(";") ? nil : try simple(ends: false)
    try expect(";")
    try skipLines()
    let test = at(";") ? nil : try expression()
    try expect(";")
    try skipLines()
    let step = at(")") ? nil : try simple(ends: false)
    try expect(")")
    try skipLines()
    let loop = AwkStatement.loop(test, try statement(), step: step, isDo: false)
    return start.map { .block([$0, loop]) } ?? loop
  }

  private mutating func simple(ends: Bool) throws(AwkError) -> AwkStatement {
    var result: AwkStatement
    if try takeName("delete") {
      guard case .name(let name) = token else { throw fail() }
      try advance()
      let table = slot(name)
      if try take("[") {
        let keys = try list()
        try expect("]")
        result = .delete(table, keys)
      } else {
        result = .delete(table, nil)
      }
    } else if token == .name("print") || token == .name("printf") {
      let isFormatted = token == .name("printf")
      try advance()
      var values: [AwkExpression] = []
      if !(at(";") || at("}") || at("|") || at(">") || at(">>") || token == .newline
        || token == .end)
      {
        noGreater += 1
        values = try list()
        noGreater -= 1
        // `print (a, b)`
        if values.count == 1, case .call("", let grouped) = values[0] { values = grouped }
      }
      if at(">") || at(">>") || at("|") { throw refuse("redirections in awk are not modelled") }
      result = isFormatted ? .printf(values) : .print(values)
    } else {
      result = .expression(try expression())
    }
    if ends { try endStatement() }
    return result
  }

  /// Above zero where `>` ends an expression, as after `print`.
  private var noGreater = 0
  /// Above zero where `in` belongs to `for`.
  private var noIn = 0

  private mutating func list() throws(AwkError) -> [AwkExpression] {
    var values = [try expression()]
    while try take(",") {
      try skipLines()
      values.append(try expression())
    }
    return values
  }

  // MARK: Expressions

  private mutating func expression() throws(AwkError) -> AwkExpression {
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

  private mutating func ternary() throws(AwkError) -> AwkExpression {
    let test = try or()
    guard try take("?") else { return test }
    try skipLines()
    let first = try expression()
    try skipLines()
    try expect(":")
    try skipLines()
    return .choice(test, first, try expression())
  }

  private mutating func or() throws(AwkError) -> AwkExpression {
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

  private mutating func and() throws(AwkError) -> AwkExpression {
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

  private mutating func membership() throws(AwkError) -> AwkExpression {
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

  private mutating func matching() throws(AwkError) -> AwkExpression {
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

  private mutating func comparison() throws(AwkError) -> AwkExpression {
    let left = try concatenation()
    for symbol in ["<", "<=", "==", "!=", ">", ">="] where at(symbol) {
      if symbol == ">", noGreater > 0 { return left }
      try advance()
      return .binary(symbol, left, try concatenation())
    }
    return left
  }

  private var beginsOperand: Bool {
    switch token {
    case .number, .string, .function: return true
    case .name(let name): return name != "in"
    case .symbol(let symbol): return ["$", "!", "(", "-", "+", "++", "--"].contains(symbol)
    case .newline, .end: return false
    }
  }

  private mutating func concatenation() throws(AwkError) -> AwkExpression {
    var left = try sum()
    var count = 0
    while beginsOperand, !at("-"), !at("+"), !at("!") {
      left = .binary(" ", left, try sum())
      count += 1
      if count > 200 { throw refuse("expressions of more than 200 terms are not modelled") }
    }
    return left
  }

  private mutating func sum() throws(AwkError) -> AwkExpression {
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

  private mutating func product() throws(AwkError) -> AwkExpression {
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

  private mutating func unary() throws(AwkError) -> AwkExpression {
    try enter()
    defer { depth -= 1 }
    if try take("!") { return .not(try unary()) }
    if try take("-") { return .negative(try unary()) }
    if try take("+") { return .positive(try unary()) }
    let base = try postfix()
    if try take("^") { return .binary("^", base, try unary()) }
    return base
  }

  private mutating func postfix() throws(AwkError) -> AwkExpression {
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

  private mutating func primary() throws(AwkError) -> AwkExpression {
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

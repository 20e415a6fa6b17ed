extension ShellParser {
  /// The expression of `[[ … ]]`, lowest binding first.
  mutating func conditionalOr() throws(ShellSyntaxError) -> ConditionalExpression {
    let outer = depth
    defer { depth = outer }
    try enter()
    var left = try conditionalAnd()
    skipBlanksAndLines()
    while starts(with: "||") {
      position += 2
      left = .or(left, try conditionalAnd())
      try enter()
      skipBlanksAndLines()
    }
    return left
  }

  private mutating func conditionalAnd() throws(ShellSyntaxError) -> ConditionalExpression {
    let outer = depth
    defer { depth = outer }
    var left = try conditionalTerm()
    skipBlanksAndLines()
    while starts(with: "&&") {
      position += 2
      left = .and(left, try conditionalTerm())
      try enter()
      skipBlanksAndLines()
    }
    return left
  }

  private mutating func conditionalTerm() throws(ShellSyntaxError) -> ConditionalExpression {
    try enter()
    defer { leave() }
    skipBlanksAndLines()
    if accept("!") { return .not(try conditionalTerm()) }
    if peek() == 0x28 {
      position += 1
      let inner = try conditionalOr()
      skipBlanksAndLines()
      if peek() != 0x29 { throw unexpected(expected: "`)'") }
      position += 1
      return inner
    }
    if keyword() == "]]" { throw unexpected(expected: "an expression in `[[ … ]]'") }
    let first = try word()
    skipBlanks()
    if let operation = first.plain, operation.utf8.count == 2, operation.hasPrefix("-") {
      guard TestExpression.unaryOperators.contains(operation) else {
        throw ShellSyntaxError(
          offset: first.offset,
          message: "`\(operation)' in `[[ … ]]' is not modelled"
        )
      }
      if keyword() != "]]", let byte = peek(), !Self.isMeta(byte) {
        return .unary(operation, try word())
      }
      return .word(first)
    }
    for operation in ["<", ">"] where peek() == operation.utf8.first {
      position += 1
      skipBlanks()
      return .binary(operation, first, try word())
    }
    guard let byte = peek(), !Self.isMeta(byte), keyword() != "]]" else { return .word(first) }
    let place = position
    let name = try word()
    guard let operation = name.plain, TestExpression.binaryOperators.contains(operation) else {
      throw fail(
        "unexpected `\(name.literal ?? "…")' in `[[ … ]]', expected `==', `-eq', … or `]]'",
        at: place
      )
    }
    skipBlanks()
    if peek() == nil || peek() == 0x0A {
      throw unexpected(expected: "a word after `\(operation)'")
    }
    return .binary(operation, first, try word(in: operation == "=~" ? .pattern : .word))
  }
}

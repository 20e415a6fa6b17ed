/// Statements of awk, read.
extension AwkParser {
  mutating func block() throws(AwkError) -> [AwkStatement] {
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

  mutating func endStatement() throws(AwkError) {
    if at(";") || token == .newline {
      try advance()
    } else if !at("}"), token != .end {
      throw fail()
    }
  }

  mutating func statement() throws(AwkError) -> AwkStatement {
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

  mutating func forStatement() throws(AwkError) -> AwkStatement {
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

  mutating func simple(ends: Bool) throws(AwkError) -> AwkStatement {
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
}

/// Reads awk programs.
struct AwkParser {
  enum Token: Equatable {
    case number(Double)
    case string([UInt8])
    case name(String)
    case function(String)
    case symbol(String)
    case newline
    case end
  }

  var rules: [AwkRule] = []
  /// Where each variable and array stands among the values.
  var names: [String: Int] = [:]
  let bytes: [UInt8]
  var index = 0
  var token = Token.end
  var tokenStart = 0
  var previous = Token.newline
  var depth = 0
  /// Above zero where `>` ends an expression, as after `print`.
  var noGreater = 0
  /// Above zero where `in` belongs to `for`.
  var noIn = 0

  init(_ text: [UInt8]) {
    bytes = text
    for name in [
      "NR", "NF", "FS", "OFS", "ORS", "RS", "FNR", "FILENAME", "SUBSEP", "RSTART", "RLENGTH",
      "CONVFMT", "OFMT", "ENVIRON", "ARGC", "ARGV",
    ] {
      _ = slot(name)
    }
  }

  mutating func slot(_ name: String) -> Int {
    if let known = names[name] { return known }
    names[name] = names.count
    return names.count - 1
  }

  func fail(_ message: String = "syntax error") -> AwkError {
    AwkError(at: tokenStart, message: message)
  }

  func refuse(_ message: String) -> AwkError {
    AwkError(at: min(tokenStart, max(bytes.count - 1, 0)), message: message, isRefusal: true)
  }

  func at(_ symbol: String) -> Bool { token == .symbol(symbol) }

  mutating func take(_ symbol: String) throws(AwkError) -> Bool {
    guard at(symbol) else { return false }
    try advance()
    return true
  }

  mutating func takeName(_ name: String) throws(AwkError) -> Bool {
    guard token == .name(name) else { return false }
    try advance()
    return true
  }

  mutating func expect(_ symbol: String) throws(AwkError) {
    if try !take(symbol) { throw fail() }
  }

  mutating func skipLines() throws(AwkError) {
    while token == .newline { try advance() }
  }

  mutating func enter() throws(AwkError) {
    depth += 1
    if depth > 200 { throw refuse("expressions nested more than 200 deep are not modelled") }
  }

  /// Reads all of the program.
  mutating func parse() throws(AwkError) {
    try advance()
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
}

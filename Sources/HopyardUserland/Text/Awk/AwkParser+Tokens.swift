/// Tokens of awk.
extension AwkParser {
  static let functions: Set<String> = [
    "length", "substr", "index", "split", "sub", "gsub", "match", "sprintf", "tolower", "toupper",
    "int", "sqrt", "exp", "log", "sin", "cos", "atan2",
  ]
  private static let refusedNames: Set<String> = [
    "function", "func", "getline", "system", "close", "fflush", "printf>", "rand", "srand",
    "nextfile", "gensub", "strftime", "systime", "BEGINFILE", "switch",
  ]

  mutating func advance() throws(AwkError) {
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

  mutating func quoted(until stop: UInt8) throws(AwkError) -> [UInt8] {
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
}

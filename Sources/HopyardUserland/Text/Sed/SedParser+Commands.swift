/// Commands of sed, read.
extension SedParser {
  mutating func verb() throws(SedError) -> SedScript.Verb {
    let letter = bytes[index]
    index += 1
    switch letter {
    case UInt8(ascii: "{"): return .group(try parse(inGroup: true))
    case UInt8(ascii: "s"): return try substitute()
    case UInt8(ascii: "y"):
      guard index < bytes.count else { throw fail("unterminated `y' command") }
      let delimiter = bytes[index]
      index += 1
      let from = Self.unescaped(
        try delimited(delimiter, "unterminated `y' command", isPattern: false)
      )
      let to = Self.unescaped(
        try delimited(delimiter, "unterminated `y' command", isPattern: false)
      )
      guard from.count == to.count else {
        throw fail("strings for `y' command are different lengths")
      }
      var map = (0...255).map { UInt8($0) }
      for (a, b) in zip(from, to) { map[Int(a)] = b }
      return .translate(map)
    case UInt8(ascii: "p"): return .print
    case UInt8(ascii: "d"): return .delete
    case UInt8(ascii: "="): return .number
    case UInt8(ascii: "n"): throw refuse("the command `n' is not modelled")
    case UInt8(ascii: "q"), UInt8(ascii: "Q"):
      skip(false)
      return .quit(Int32((number() ?? 0) & 0xFF), isSilent: letter == UInt8(ascii: "Q"))
    case UInt8(ascii: "a"), UInt8(ascii: "i"), UInt8(ascii: "c"):
      let text = text()
      if letter == UInt8(ascii: "a") { return .append(text) }
      return letter == UInt8(ascii: "i") ? .insert(text) : .change(text)
    default:
      index -= 1
      let name = String(decoding: [letter], as: UTF8.self)
      if "bthHgGxDNPlrRwWezFTv:".utf8.contains(letter) {
        throw refuse("the command `\(name)' is not modelled")
      }
      throw fail("unknown command: `\(name)'")
    }
  }

  static func unescaped(_ text: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    var index = 0
    while index < text.count {
      if text[index] == 0x5C, index + 1 < text.count {
        index += 1
        switch text[index] {
        case UInt8(ascii: "n"): result.append(0x0A)
        case UInt8(ascii: "t"): result.append(0x09)
        default: result.append(text[index])
        }
      } else {
        result.append(text[index])
      }
      index += 1
    }
    return result
  }

  /// The text of `a`, `i` and `c`, to the end of the line.
  mutating func text() -> [UInt8] {
    skip(false)
    if index < bytes.count, bytes[index] == 0x5C {
      index += 1
      skip(false)
      if index < bytes.count, bytes[index] == 0x0A { index += 1 }
    }
    var text: [UInt8] = []
    while index < bytes.count, bytes[index] != 0x0A {
      if bytes[index] == 0x5C, index + 1 < bytes.count { index += 1 }
      text.append(bytes[index])
      index += 1
    }
    return text + [0x0A]
  }

  mutating func substitute() throws(SedError) -> SedScript.Verb {
    guard index < bytes.count, bytes[index] != 0x0A, bytes[index] != 0x5C else {
      throw fail("unterminated `s' command")
    }
    let delimiter = bytes[index]
    index += 1
    let pattern = try delimited(delimiter, "unterminated `s' command")
    let replacement = try delimited(delimiter, "unterminated `s' command", isPattern: false)
    var isGlobal = false
    var prints = false
    var ignoresCase = false
    var number = 1
    flags: while index < bytes.count {
      switch bytes[index] {
      case UInt8(ascii: "g"): isGlobal = true
      case UInt8(ascii: "p"): prints = true
      case UInt8(ascii: "i"), UInt8(ascii: "I"): ignoresCase = true
      case 0x30...0x39:
        guard let value = self.number(), value > 0 else {
          throw fail("number option to `s' command may not be zero")
        }
        number = value
        continue flags
      case UInt8(ascii: "m"), UInt8(ascii: "M"), UInt8(ascii: "e"), UInt8(ascii: "w"):
        let name = String(decoding: [bytes[index]], as: UTF8.self)
        throw refuse("the flag `\(name)' of `s' is not modelled")
      default: break flags
      }
      index += 1
    }
    if index < bytes.count,
      ![0x0A, 0x20, 0x09, UInt8(ascii: ";"), UInt8(ascii: "}"), 0x23].contains(bytes[index])
    {
      throw fail("unknown option to `s'")
    }
    let expression = pattern.isEmpty ? nil : try regularExpression(pattern, ignoresCase)
    let parts = try parts(replacement)
    for part in parts {
      if case .group(let group) = part, let expression, group > expression.groups {
        throw fail("invalid reference \\\(group) on `s' command's RHS")
      }
    }
    return .substitute(expression, parts, isGlobal: isGlobal, prints: prints, number: number)
  }

  func parts(_ text: [UInt8]) throws(SedError) -> [SedScript.Part] {
    var parts: [SedScript.Part] = []
    var plain: [UInt8] = []
    func flush() {
      if !plain.isEmpty { parts.append(.text(plain)) }
      plain = []
    }
    var at = 0
    while at < text.count {
      if text[at] == UInt8(ascii: "&") {
        flush()
        parts.append(.group(0))
      } else if text[at] == 0x5C, at + 1 < text.count {
        at += 1
        switch text[at] {
        case 0x30...0x39:
          flush()
          parts.append(.group(Int(text[at] - 0x30)))
        case UInt8(ascii: "n"): plain.append(0x0A)
        case UInt8(ascii: "t"): plain.append(0x09)
        case UInt8(ascii: "U"), UInt8(ascii: "L"), UInt8(ascii: "u"), UInt8(ascii: "l"),
          UInt8(ascii: "E"):
          flush()
          let kinds: [UInt8: SedScript.Part] = [
            0x55: .upper, 0x4C: .lower, 0x75: .upperNext, 0x6C: .lowerNext, 0x45: .plain,
          ]
          parts.append(kinds[text[at]] ?? .plain)
        default: plain.append(text[at])
        }
      } else {
        plain.append(text[at])
      }
      at += 1
    }
    flush()
    return parts
  }
}

/// Addresses and patterns of sed, read.
extension SedParser {
  mutating func address() throws(SedError) -> SedScript.Address? {
    guard index < bytes.count else { return nil }
    if let line = number() {
      if index < bytes.count, bytes[index] == UInt8(ascii: "~") {
        index += 1
        return .step(line, number() ?? 0)
      }
      return .line(line)
    }
    switch bytes[index] {
    case UInt8(ascii: "$"):
      index += 1
      needsLast = true
      return .last
    case UInt8(ascii: "+"):
      index += 1
      return .count(number() ?? 0)
    case UInt8(ascii: "/"), 0x5C:
      var delimiter = bytes[index]
      index += 1
      if delimiter == 0x5C {
        guard index < bytes.count else { throw fail("unterminated address regex") }
        delimiter = bytes[index]
        index += 1
      }
      let pattern = try delimited(delimiter, "unterminated address regex")
      var ignoresCase = false
      while index < bytes.count, bytes[index] == UInt8(ascii: "I") {
        ignoresCase = true
        index += 1
      }
      return .pattern(try regularExpression(pattern, ignoresCase))
    default: return nil
    }
  }

  func regularExpression(_ pattern: [UInt8], _ ignoresCase: Bool) throws(SedError)
    -> RegularExpression
  {
    do {
      return try RegularExpression(
        pattern,
        syntax: isExtended ? .extended : .basic,
        ignoresCase: ignoresCase
      )
    } catch {
      throw SedError(
        at: min(index, max(bytes.count - 1, 0)),
        message: error.message,
        isRefusal: error.isRefusal
      )
    }
  }

  /// Text up to a delimiter; an escaped delimiter stands for itself.
  mutating func delimited(_ delimiter: UInt8, _ complaint: String, isPattern: Bool = true)
    throws(SedError) -> [UInt8]
  {
    var text: [UInt8] = []
    var inBracket = false
    while index < bytes.count {
      let byte = bytes[index]
      if byte == 0x5C, index + 1 < bytes.count, !inBracket {
        index += 2
        if bytes[index - 1] == delimiter {
          text.append(delimiter)
        } else if bytes[index - 1] == UInt8(ascii: "n"), isPattern {
          text += [0x5C, UInt8(ascii: "n")]
        } else {
          text += [0x5C, bytes[index - 1]]
        }
        continue
      }
      if byte == delimiter, !inBracket {
        index += 1
        return text
      }
      if isPattern {
        if inBracket, byte == UInt8(ascii: "]") {
          inBracket = false
        } else if byte == UInt8(ascii: "["), !inBracket, bytes[index...].contains(UInt8(ascii: "]"))
        {
          inBracket = true
          text.append(byte)
          index += 1
          if index < bytes.count, bytes[index] == UInt8(ascii: "^") {
            text.append(bytes[index])
            index += 1
          }
          if index < bytes.count, bytes[index] == UInt8(ascii: "]") {
            text.append(bytes[index])
            index += 1
          }
          continue
        }
      }
      text.append(byte)
      index += 1
    }
    throw fail(complaint)
  }
}

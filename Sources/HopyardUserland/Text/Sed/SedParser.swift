/// Reads sed scripts.
struct SedParser {
  /// Whether an address asks for the last line.
  var needsLast = false
  var bytes: [UInt8]
  var index = 0
  let isExtended: Bool
  var count = 0
  var depth = 0

  init(_ script: [UInt8], isExtended: Bool) {
    bytes = script
    self.isExtended = isExtended
  }

  func fail(_ message: String) -> SedError {
    SedError(at: min(index + 1, bytes.count), message: message)
  }

  func refuse(_ message: String) -> SedError {
    SedError(at: min(index, max(bytes.count - 1, 0)), message: message, isRefusal: true)
  }

  mutating func skip(_ alsoSeparators: Bool) {
    while index < bytes.count,
      bytes[index] == 0x20 || bytes[index] == 0x09
        || alsoSeparators && (bytes[index] == 0x0A || bytes[index] == UInt8(ascii: ";"))
    {
      index += 1
    }
  }

  mutating func parse(inGroup: Bool) throws(SedError) -> [SedScript.Instruction] {
    var result: [SedScript.Instruction] = []
    depth += 1
    defer { depth -= 1 }
    if depth > 50 { throw refuse("groups more than 50 deep are not modelled") }
    while true {
      skip(true)
      guard index < bytes.count else {
        if inGroup { throw fail("unmatched `{'") }
        return result
      }
      if bytes[index] == UInt8(ascii: "#") {
        while index < bytes.count, bytes[index] != 0x0A { index += 1 }
        continue
      }
      if bytes[index] == UInt8(ascii: "}") {
        if !inGroup { throw fail("unexpected `}'") }
        index += 1
        return result
      }
      count += 1
      var instruction = SedScript.Instruction(verb: .print, id: count)
      instruction.first = try address()
      skip(false)
      if instruction.first != nil, index < bytes.count, bytes[index] == UInt8(ascii: ",") {
        index += 1
        skip(false)
        guard let second = try address() else { throw fail("unexpected `,'") }
        instruction.second = second
      }
      skip(false)
      while index < bytes.count, bytes[index] == UInt8(ascii: "!") {
        instruction.isNegated = true
        index += 1
        skip(false)
      }
      guard index < bytes.count else { throw fail("missing command") }
      instruction.verb = try verb()
      result.append(instruction)
      skip(false)
      if index < bytes.count,
        ![0x0A, UInt8(ascii: ";"), UInt8(ascii: "}"), 0x23].contains(bytes[index])
      {
        throw fail("extra characters after command")
      }
    }
  }

  mutating func number() -> Int? {
    var value: Int?
    while index < bytes.count, ShellParser.isDigit(bytes[index]) {
      value = min((value ?? 0) * 10 + Int(bytes[index] - 0x30), 1_000_000_000)
      index += 1
    }
    return value
  }
}

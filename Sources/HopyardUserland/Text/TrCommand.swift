/// `tr`.
enum TrCommand {
  static let command = Command("tr", options: specification) {
    process,
    arguments async throws(ProcessExit) in try await run(process, arguments)
  }

  private static let specification = OptionSpecification(
    "+dscCt",
    long: ["delete=d", "squeeze-repeats=s", "complement=c", "truncate-set1=t"]
  )

  /// The bytes that a set of `tr` stands for; `fill` is as long as `[x*]` may grow.
  private static func set(_ text: String, fill: Int? = nil) throws(ProcessExit) -> [UInt8] {
    let bytes = Array(text.utf8)
    var plain: [(byte: UInt8, isEscaped: Bool)] = []
    var index = 0
    while index < bytes.count {
      if bytes[index] == 0x5C, index + 1 < bytes.count {
        let (value, length) = BackslashEscape.parse(bytes[(index + 1)...], style: .dollarQuote)
        if value.first == 0x5C, value.count > 1 {
          plain.append((bytes[index + 1], true))
          index += 2
        } else {
          plain.append((value.first ?? 0x5C, true))
          index += 1 + max(length, 1)
        }
      } else {
        plain.append((bytes[index], false))
        index += 1
      }
    }
    var result: [UInt8] = []
    index = 0
    while index < plain.count {
      let (byte, isEscaped) = plain[index]
      if !isEscaped, byte == UInt8(ascii: "["), index + 1 < plain.count,
        plain[index + 1].byte == UInt8(ascii: ":"),
        let close = plain[(index + 2)...].firstIndex(where: { $0.byte == UInt8(ascii: ":") }),
        close + 1 < plain.count, plain[close + 1].byte == UInt8(ascii: "]"),
        let named = ByteSet.named(
          String(decoding: plain[(index + 2)..<close].map(\.byte), as: UTF8.self)
        )
      {
        result += named.members
        index = close + 2
        continue
      }
      if !isEscaped, byte == UInt8(ascii: "["), index + 3 < plain.count,
        plain[index + 2].byte == UInt8(ascii: "*"), !plain[index + 2].isEscaped,
        let close = plain[(index + 3)...].firstIndex(where: { $0.byte == UInt8(ascii: "]") })
      {
        let digits = String(decoding: plain[(index + 3)..<close].map(\.byte), as: UTF8.self)
        let count =
          digits.isEmpty || digits == "0" ? max(0, (fill ?? 0) - result.count) : Int(digits)
        guard let count, count <= 65_536 else {
          throw .refused("tr: the repeat `[\(digits)]' is not modelled")
        }
        result += Array(repeating: plain[index + 1].byte, count: count)
        index = close + 1
        continue
      }
      if index + 2 < plain.count, plain[index + 1].byte == UInt8(ascii: "-"),
        !plain[index + 1].isEscaped, byte <= plain[index + 2].byte
      {
        result += Array(byte...plain[index + 2].byte)
        index += 3
        continue
      }
      result.append(byte)
      index += 1
    }
    return result
  }

  private static func run(_ process: Process, _ arguments: [String])
    async throws(ProcessExit) -> Int32
  {
    let options = try await process.options(specification, arguments, usage: UsageHint.line("tr"))
    let deletes = options.has("d")
    let squeezes = options.has("s")
    let operands = options.operands
    guard let first = operands.first else {
      try await process.printError("tr: missing operand\n\(UsageHint.line("tr"))")
      return 1
    }
    let needsTwo = !deletes && !squeezes || deletes && squeezes
    if needsTwo, operands.count < 2 {
      let what =
        deletes
        ? "Two strings must be given when both deleting and squeezing repeats."
        : "Two strings must be given when translating."
      try await process.printError(
        "tr: missing operand after '\(first)'\n\(what)\n\(UsageHint.line("tr"))"
      )
      return 1
    }
    if operands.count > 2 || (deletes && !squeezes && operands.count > 1) {
      try await process.printError(
        "tr: extra operand '\(operands[operands.count - 1])'\n\(UsageHint.line("tr"))"
      )
      return 1
    }
    var from = try set(first)
    if options.has("c") || options.has("C") {
      let members = Set(from)
      from = (0...255).map { UInt8($0) }.filter { !members.contains($0) }
    }
    var to = operands.count > 1 ? try set(operands[1], fill: from.count) : []
    var map = Array(0...255).map { UInt8($0) }
    var deleted = Array(repeating: false, count: 256)
    var squeezed = Array(repeating: false, count: 256)
    let translates = !deletes && operands.count > 1
    if translates {
      if to.isEmpty {
        try await process.printError("tr: when not truncating set1, string2 must be non-empty\n")
        return 1
      }
      if let last = to.last, to.count < from.count, !options.has("t") {
        to += Array(repeating: last, count: from.count - to.count)
      }
      for (index, byte) in from.enumerated() where index < to.count { map[Int(byte)] = to[index] }
    }
    if deletes { for byte in from { deleted[Int(byte)] = true } }
    if squeezes { for byte in operands.count > 1 ? to : from { squeezed[Int(byte)] = true } }
    var last: UInt8?
    while true {
      let bytes = try await process.read()
      if bytes.isEmpty { return 0 }
      var output: [UInt8] = []
      for byte in bytes where !deleted[Int(byte)] {
        let mapped = map[Int(byte)]
        if squeezed[Int(mapped)], last == mapped { continue }
        last = mapped
        output.append(mapped)
      }
      try await process.write(output)
    }
  }
}

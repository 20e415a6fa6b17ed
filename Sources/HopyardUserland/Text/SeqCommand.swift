/// `seq`.
enum SeqCommand {
  static let command = Command("seq", options: specification) {
    process,
    arguments async throws(ProcessExit) in try await run(process, arguments)
  }

  private static let specification = OptionSpecification(
    "+s:w",
    long: ["separator:=s", "equal-width=w"],
    refused: "f:",
    digitsAreNumbers: true
  )

  private static func run(_ process: Process, _ arguments: [String])
    async throws(ProcessExit) -> Int32
  {
    // Negative numbers are operands.
    var separator = "\n"
    var isWide = false
    var operands: [String] = []
    var index = 0
    while index < arguments.count {
      let argument = arguments[index]
      if argument.hasPrefix("-"), argument.count > 1, operands.isEmpty, Double(argument) == nil {
        let parsed = try await process.options(
          specification,
          Array(arguments[index...]),
          usage: UsageHint.line("seq")
        )
        separator = parsed["s"] ?? separator
        isWide = parsed.has("w")
        operands += parsed.operands
        break
      }
      operands.append(argument)
      index += 1
    }
    guard (1...3).contains(operands.count) else {
      let text = operands.isEmpty ? "missing operand" : "extra operand '\(operands[3])'"
      try await process.printError("seq: \(text)\n\(UsageHint.line("seq"))")
      return 1
    }
    var numbers: [Double] = []
    for operand in operands {
      guard let number = Double(operand), number.isFinite, abs(number) < 1e15 else {
        try await process.printError(
          "seq: invalid floating point argument: '\(operand)'\n\(UsageHint.line("seq"))"
        )
        return 1
      }
      numbers.append(number)
    }
    let first = operands.count > 1 ? numbers[0] : 1
    let step = operands.count > 2 ? numbers[1] : 1
    let last = numbers[numbers.count - 1]
    if step == 0 {
      try await process.printError(
        "seq: invalid Zero increment value: '\(operands[1])'\n\(UsageHint.line("seq"))"
      )
      return 1
    }
    func digits(_ text: String) -> Int {
      text.firstIndex(of: ".").map { text.distance(from: $0, to: text.endIndex) - 1 } ?? 0
    }
    let places = operands.dropLast(operands.count > 1 ? 1 : 0).map(digits).max() ?? 0
    let scale = (0..<min(places, 12)).reduce(1.0) { product, _ in product * 10 }
    func text(_ value: Double) -> String {
      let scaled = Int64((value * scale).rounded())
      if places == 0 { return String(scaled) }
      let magnitude = scaled.magnitude
      let whole = magnitude / UInt64(scale)
      var fraction = String(magnitude % UInt64(scale))
      while fraction.count < min(places, 12) { fraction = "0" + fraction }
      return (scaled < 0 ? "-" : "") + "\(whole).\(fraction)"
    }
    var width = 0
    if isWide { width = max(text(first).count, text(last).count) }
    var output = ""
    var count = 0
    var isFirst = true
    while true {
      let value = first + Double(count) * step
      let limit = last + step * 1e-9
      if step > 0 ? value > limit : value < limit { break }
      var digits = text(value)
      if digits.count < width {
        let isNegative = digits.hasPrefix("-")
        if isNegative { digits.removeFirst() }
        digits =
          (isNegative ? "-" : "")
          + String(repeating: "0", count: width - digits.count - (isNegative ? 1 : 0)) + digits
      }
      output += (isFirst ? "" : separator) + digits
      isFirst = false
      count += 1
      if output.utf8.count > 32_768 {
        try await process.print(output)
        output = ""
      }
    }
    if !isFirst { output += "\n" }
    try await process.print(output)
    return 0
  }
}

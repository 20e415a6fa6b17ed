/// `nl`.
enum NlCommand {
  static let command = Command("nl", options: specification) {
    process,
    arguments async throws(ProcessExit) in try await run(process, arguments)
  }

  private static let specification = OptionSpecification("b:")

  private static func run(_ process: Process, _ arguments: [String])
    async throws(ProcessExit) -> Int32
  {
    let options = try await process.options(
      specification,
      arguments,
      usage: UsageHint.line("nl")
    )
    var number = 0
    let failures = try await process.forEachLine(options.operands) {
      line async throws(ProcessExit) in
      if line.isEmpty, options["b"] != "a" {
        try await process.print("       \n")
      } else {
        number += 1
        let digits = String(number)
        let pad = String(repeating: " ", count: max(0, 6 - digits.count))
        try await process.write(Array("\(pad)\(digits)\t".utf8) + line + [0x0A])
      }
      return true
    }
    return failures == 0 ? 0 : 1
  }
}

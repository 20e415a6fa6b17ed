/// `uniq`.
enum UniqCommand {
  static let command = Command("uniq", options: specification) {
    process,
    arguments async throws(ProcessExit) in try await run(process, arguments)
  }

  private static let specification = OptionSpecification(
    "cduif:s:w:",
    long: ["count=c", "repeated=d", "unique=u", "ignore-case=i", "skip-fields:=f"],
    refused: "Dz"
  )

  private static func run(_ process: Process, _ arguments: [String])
    async throws(ProcessExit) -> Int32
  {
    let options = try await process.options(specification, arguments, usage: UsageHint.line("uniq"))
    let skipFields = options["f"].flatMap { Int($0) } ?? 0
    let skipBytes = options["s"].flatMap { Int($0) } ?? 0
    let width = options["w"].flatMap { Int($0) } ?? .max
    func key(_ line: ArraySlice<UInt8>) -> [UInt8] {
      var rest = line
      for _ in 0..<min(max(skipFields, 0), 10_000) {
        rest = rest.drop { $0 == 0x20 || $0 == 0x09 }
        rest = rest.drop { $0 != 0x20 && $0 != 0x09 }
      }
      let part = rest.dropFirst(max(skipBytes, 0)).prefix(max(width, 0))
      if options.has("i") { return part.map { (0x41...0x5A).contains($0) ? $0 + 32 : $0 } }
      return Array(part)
    }
    if options.operands.count > 1 {
      do {
        process.setDescriptor(1, try process.open(options.operands[1], .write))
      } catch {
        try await process.printError("uniq: \(options.operands[1]): \(error)\n")
        return 1
      }
    }
    var current: (line: [UInt8], key: [UInt8], count: Int)?
    func flush() async throws(ProcessExit) {
      guard let current else { return }
      if options.has("d"), current.count < 2 { return }
      if options.has("u"), current.count > 1 { return }
      var output: [UInt8] = []
      if options.has("c") {
        let digits = String(current.count)
        output += Array(repeating: 0x20, count: max(0, 7 - digits.count)) + digits.utf8 + [0x20]
      }
      try await process.write(output + current.line + [0x0A])
    }
    let failures = try await process.forEachLine(Array(options.operands.prefix(1))) {
      line async throws(ProcessExit) in
      let lineKey = key(line)
      if let same = current, same.key == lineKey {
        current?.count += 1
      } else {
        try await flush()
        current = (Array(line), lineKey, 1)
      }
      return true
    }
    try await flush()
    return failures == 0 ? 0 : 1
  }
}

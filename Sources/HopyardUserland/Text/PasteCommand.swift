/// `paste`.
enum PasteCommand {
  static let command = Command("paste", options: specification) {
    process,
    arguments async throws(ProcessExit) in try await run(process, arguments)
  }

  private static let specification = OptionSpecification(
    "sd:",
    long: ["serial=s", "delimiters:=d"],
    refused: "z"
  )

  private static func run(_ process: Process, _ arguments: [String])
    async throws(ProcessExit) -> Int32
  {
    let options = try await process.options(
      specification,
      arguments,
      usage: UsageHint.line("paste")
    )
    var delimiters: [[UInt8]] = []
    let text = Array((options["d"] ?? "\t").utf8)
    var index = 0
    while index < text.count {
      if text[index] == 0x5C, index + 1 < text.count {
        if text[index + 1] == 0x30 {
          delimiters.append([])
          index += 2
          continue
        }
        let (bytes, length) = BackslashEscape.parse(text[(index + 1)...], style: .printf)
        delimiters.append(bytes)
        index += 1 + max(1, length)
      } else {
        delimiters.append([text[index]])
        index += 1
      }
    }
    if delimiters.isEmpty { delimiters = [[]] }
    var files: [[[UInt8]]] = []
    let failures = try await process.forEachInput(
      options.operands,
      complaint: { "paste: \($0): \($1)\n" }
    ) { input, _ async throws(ProcessExit) in
      var lines: [[UInt8]] = []
      while let line = try await process.readLine(from: input) {
        lines.append(line.last == 0x0A ? line.dropLast() : line)
      }
      files.append(lines)
    }
    if failures > 0 { return 1 }
    let rows: [[[UInt8]]]
    if options.has("s") {
      rows = files
    } else {
      rows = (0..<(files.map(\.count).max() ?? 0)).map { row in
        files.map { row < $0.count ? $0[row] : [] }
      }
    }
    for row in rows {
      var output: [UInt8] = []
      for (index, cell) in row.enumerated() {
        if index > 0 { output += delimiters[(index - 1) % delimiters.count] }
        output += cell
      }
      try await process.write(output + [0x0A])
    }
    return 0
  }
}

/// `echo`, as bash and dash have it.
enum EchoCommand {
  static let command = Command("echo", isBuiltin: true) {
    process,
    arguments async throws(ProcessExit) in
    try await run(process, arguments)
  }

  static func run(_ process: Process, _ arguments: [String]) async throws(ProcessExit) -> Int32 {
    var words = arguments[...]
    var endsLine = true
    var escapes = false
    while let first = words.first, first.count > 1, first.hasPrefix("-"),
      first.dropFirst().allSatisfy({ "neE".contains($0) })
    {
      for letter in first.dropFirst() {
        switch letter {
        case "n": endsLine = false
        case "e": escapes = true
        default: escapes = false
        }
      }
      words = words.dropFirst()
    }
    return try await write(process, words, endsLine: endsLine, escapes: escapes)
  }

  /// dash knows `-n` only, and always reads escapes.
  static func runDash(_ process: Process, _ arguments: [String]) async throws(ProcessExit) -> Int32
  {
    let isSilent = arguments.first == "-n"
    return try await write(
      process,
      isSilent ? arguments.dropFirst() : arguments[...],
      endsLine: !isSilent,
      escapes: true
    )
  }

  private static func write(
    _ process: Process,
    _ words: ArraySlice<String>,
    endsLine: Bool,
    escapes: Bool
  ) async throws(ProcessExit) -> Int32 {
    let text = Array(words.joined(separator: " ").utf8)
    var output: [UInt8] = []
    if escapes {
      var index = 0
      while index < text.count {
        guard text[index] == 0x5C, index + 1 < text.count else {
          output.append(text[index])
          index += 1
          continue
        }
        if text[index + 1] == UInt8(ascii: "c") {
          try await process.write(output)
          return 0
        }
        let (bytes, length) = BackslashEscape.parse(text[(index + 1)...], style: .echo)
        output += bytes
        index += 1 + length
      }
    } else {
      output = text
    }
    if endsLine { output.append(0x0A) }
    try await process.write(output)
    return 0
  }
}

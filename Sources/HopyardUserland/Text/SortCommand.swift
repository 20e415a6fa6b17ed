/// `sort`.
enum SortCommand {
  static let command = Command("sort", options: specification) {
    process,
    arguments async throws(ProcessExit) in try await run(process, arguments)
  }

  private static let specification = OptionSpecification(
    "unrk:t:bfsco:V",
    long: ["unique=u", "numeric-sort=n", "reverse=r", "key:=k", "version-sort=V"],
    refused: "gMhRzmdiS:T:C"
  )

  private static func run(_ process: Process, _ arguments: [String])
    async throws(ProcessExit) -> Int32
  {
    let options = try await process.options(
      specification,
      arguments,
      usage: UsageHint.line("sort"),
      status: 2
    )
    var keys: [SortKey] = []
    for text in options.all("k") {
      guard let key = SortKey(text) else {
        throw .refused("sort: the key `\(text)' is not modelled")
      }
      keys.append(key)
    }
    var separator: UInt8?
    if let text = options["t"] {
      let bytes = Array(text.utf8)
      if bytes.count == 1 {
        separator = bytes[0]
      } else if text == "\\0" {
        separator = 0
      } else {
        try await process.printError(
          bytes.isEmpty ? "sort: empty tab\n" : "sort: multi-character tab '\(text)'\n"
        )
        return 2
      }
    }
    let global = Set("nbfV".filter { options.has(String($0)) })
    let isReversed = options.has("r")
    func order(_ a: [UInt8], _ b: [UInt8]) -> Int {
      if keys.isEmpty {
        let result = SortOrder.compare(a[...], b[...], global)
        return isReversed ? -result : result
      }
      for key in keys {
        let flags = key.flags.isEmpty ? global : key.flags
        var effective = key
        effective.flags = flags
        let result = SortOrder.compare(
          effective.part(of: a, separator: separator),
          effective.part(of: b, separator: separator),
          flags
        )
        let isReversed = key.flags.isEmpty ? isReversed : key.flags.contains("r")
        if result != 0 { return isReversed ? -result : result }
      }
      return 0
    }
    var lines: [[UInt8]] = []
    var failures = 0
    failures = try await process.forEachInput(
      options.operands,
      complaint: { "sort: cannot read: \($0): \($1)\n" }
    ) { input, _ async throws(ProcessExit) in
      while var line = try await process.readLine(from: input) {
        if line.last == 0x0A { line.removeLast() }
        lines.append(line)
      }
    }
    if failures > 0 { return 2 }
    let isStable = options.has("s") || options.has("u")
    func full(_ a: [UInt8], _ b: [UInt8]) -> Int {
      let result = order(a, b)
      if result != 0 || isStable { return result }
      let last = a == b ? 0 : a.lexicographicallyPrecedes(b) ? -1 : 1
      return isReversed ? -last : last
    }
    if options.has("c") {
      for index in 1..<max(lines.count, 1)
      where full(lines[index - 1], lines[index]) > (options.has("u") ? -1 : 0) {
        let text = String(decoding: lines[index], as: UTF8.self)
        let name = options.operands.first ?? "-"
        try await process.printError("sort: \(name):\(index + 1): disorder: \(text)\n")
        return 1
      }
      return 0
    }
    var indexed = Array(lines.enumerated())
    indexed.sort { a, b in
      let result = full(a.element, b.element)
      return result == 0 ? a.offset < b.offset : result < 0
    }
    var output: [UInt8] = []
    var previous: [UInt8]?
    for (_, line) in indexed {
      if options.has("u"), let previous, order(previous, line) == 0 { continue }
      previous = line
      output += line
      output.append(0x0A)
    }
    if let path = options["o"] {
      do {
        process.setDescriptor(1, try process.open(path, .write))
      } catch {
        try await process.printError("sort: open failed: \(path): \(error)\n")
        return 2
      }
    }
    try await process.write(output)
    return 0
  }
}

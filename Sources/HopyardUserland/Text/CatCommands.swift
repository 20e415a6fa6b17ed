/// `cat`, `tac`, `rev`, `nl`, `tee`, `head`, `tail` and `wc`.
enum CatCommands {
  static let all: [Command] = [
    Command("cat", options: catOptions, run: cat), Command("tac", options: plain, run: tac),
    Command("rev", options: plain, run: rev), Command("tee", options: teeOptions, run: tee),
    Command("head", options: headOptions, run: head),
    Command("tail", options: tailOptions, run: tail), Command("wc", options: wcOptions, run: wc),
  ]

  private static let plain = OptionSpecification("")
  private static let catOptions = OptionSpecification(
    "nbAEvTsetu",
    long: ["number=n", "number-nonblank=b", "show-all=A", "show-ends=E"]
  )

  private static func help(_ name: String) -> String {
    "Try '\(name) --help' for more information.\n"
  }

  @Sendable private static func cat(_ process: Process, _ arguments: [String])
    async throws(ProcessExit) -> Int32
  {
    let options = try await process.options(catOptions, arguments, usage: help("cat"))
    let showsAll = options.has("A")
    let showsEnds = showsAll || options.has("E") || options.has("e")
    let showsTabs = showsAll || options.has("T") || options.has("t")
    let showsControls = showsAll || options.has("v") || options.has("e") || options.has("t")
    let isPlain =
      !showsEnds && !showsTabs && !showsControls && !options.has("n") && !options.has("b")
      && !options.has("s")
    var number = 0
    var wasEmpty = false
    let failures = try await process.forEachInput(
      options.operands,
      complaint: { "cat: \($0): \($1)\n" }
    ) { input, _ async throws(ProcessExit) in
      if isPlain {
        while true {
          let bytes = try await process.read(from: input)
          if bytes.isEmpty { return }
          try await process.write(bytes)
        }
      }
      while let line = try await process.readLine(from: input) {
        let isEmpty = line == [0x0A]
        if isEmpty, wasEmpty, options.has("s") { continue }
        wasEmpty = isEmpty
        var output: [UInt8] = []
        if options.has("b") ? !isEmpty : options.has("n") {
          number += 1
          let digits = String(number)
          output += Array(repeating: 0x20, count: max(0, 6 - digits.count)) + digits.utf8 + [0x09]
        }
        for byte in line {
          if byte == 0x0A {
            if showsEnds { output.append(UInt8(ascii: "$")) }
            output.append(byte)
          } else if byte == 0x09 {
            if showsTabs { output += "^I".utf8 } else { output.append(byte) }
          } else if showsControls {
            output += visible(byte)
          } else {
            output.append(byte)
          }
        }
        try await process.write(output)
      }
    }
    return failures == 0 ? 0 : 1
  }

  private static func visible(_ byte: UInt8) -> [UInt8] {
    switch byte {
    case 0..<0x20: return [UInt8(ascii: "^"), byte + 0x40]
    case 0x7F: return Array("^?".utf8)
    case 0x80...: return Array("M-".utf8) + visible(byte - 0x80)
    default: return [byte]
    }
  }

  private static func lines(_ process: Process, _ paths: [String]) async throws(ProcessExit)
    -> (lines: [[UInt8]], failures: Int)
  {
    var lines: [[UInt8]] = []
    let name = process.name
    let failures = try await process.forEachInput(paths, complaint: { "\(name): \($0): \($1)\n" }) {
      input,
      _ async throws(ProcessExit) in
      while let line = try await process.readLine(from: input) { lines.append(line) }
    }
    return (lines, failures)
  }

  @Sendable private static func tac(_ process: Process, _ arguments: [String])
    async throws(ProcessExit) -> Int32
  {
    let options = try await process.options(plain, arguments, usage: help("tac"))
    let (lines, failures) = try await lines(process, options.operands)
    try await process.write(lines.reversed().flatMap { $0 })
    return failures == 0 ? 0 : 1
  }

  @Sendable private static func rev(_ process: Process, _ arguments: [String])
    async throws(ProcessExit) -> Int32
  {
    let options = try await process.options(plain, arguments)
    let failures = try await process.forEachLine(options.operands) {
      line async throws(ProcessExit) in
      try await process.write(line.reversed() + [0x0A])
      return true
    }
    return failures == 0 ? 0 : 1
  }

  private static let teeOptions = OptionSpecification(
    "ai",
    long: ["append=a", "ignore-interrupts=i"]
  )

  @Sendable private static func tee(_ process: Process, _ arguments: [String])
    async throws(ProcessExit) -> Int32
  {
    let options = try await process.options(teeOptions, arguments, usage: help("tee"))
    var outputs: [Int32] = [1]
    var status: Int32 = 0
    for path in options.operands {
      do {
        let file = try process.open(path, options.has("a") ? .append : .write)
        let number = process.freeDescriptor
        process.setDescriptor(number, file)
        outputs.append(number)
      } catch {
        try await process.printError("tee: \(path): \(error)\n")
        status = 1
      }
    }
    while true {
      let bytes = try await process.read()
      if bytes.isEmpty { return status }
      for output in outputs {
        do throws(ProcessExit) {
          try await process.write(bytes, to: output)
        } catch .failed(let errno) {
          let index = outputs.firstIndex(of: output) ?? 0
          let path = index == 0 ? "standard output" : options.operands[index - 1]
          try await process.printError("tee: \(path): \(errno)\n")
          status = 1
        }
      }
    }
  }

  private static let headOptions = OptionSpecification(
    "n:c:qv",
    long: ["lines:=n", "bytes:=c", "quiet=q", "silent=q", "verbose=v"],
    digitsAreNumbers: true
  )

  @Sendable private static func head(_ process: Process, _ arguments: [String])
    async throws(ProcessExit) -> Int32
  {
    let options = try await process.options(headOptions, arguments, usage: help("head"))
    var count = 10
    var countsBytes = false
    var isAllBut = false
    for entry in options.list where ["n", "c", "N"].contains(entry.key) {
      let text = entry.value ?? ""
      isAllBut = text.hasPrefix("-") && entry.key != "N"
      countsBytes = entry.key == "c"
      guard let number = NumberText.size(isAllBut ? String(text.dropFirst()) : text) else {
        let what = countsBytes ? "bytes" : "lines"
        try await process.printError("head: invalid number of \(what): '\(text)'\n")
        return 1
      }
      count = number
    }
    let hasTitles = (options.operands.count > 1 || options.has("v")) && !options.has("q")
    var isFirst = true
    let failures = try await process.forEachInput(
      options.operands,
      complaint: { "head: cannot open '\($0)' for reading: \($1)\n" }
    ) { input, path async throws(ProcessExit) in
      if hasTitles {
        let title = path == "-" ? "standard input" : path
        try await process.print("\(isFirst ? "" : "\n")==> \(title) <==\n")
        isFirst = false
      }
      if isAllBut {
        if countsBytes {
          let all = try await process.readAll(from: input)
          try await process.write(all.dropLast(count))
        } else {
          var lines: [[UInt8]] = []
          while let line = try await process.readLine(from: input) { lines.append(line) }
          try await process.write(lines.dropLast(count).flatMap { $0 })
        }
        return
      }
      var left = count
      while left > 0 {
        if countsBytes {
          let bytes = try await process.read(min(left, 65_536), from: input)
          if bytes.isEmpty { return }
          left -= bytes.count
          try await process.write(bytes)
        } else {
          guard let line = try await process.readLine(from: input) else { return }
          left -= 1
          try await process.write(line)
        }
      }
    }
    return failures == 0 ? 0 : 1
  }

  private static let tailOptions = OptionSpecification(
    "n:c:qv",
    long: ["lines:=n", "bytes:=c", "quiet=q", "verbose=v"],
    refused: "fFs:",
    refusedLong: ["follow::", "pid:", "retry"],
    digitsAreNumbers: true
  )

  @Sendable private static func tail(_ process: Process, _ arguments: [String])
    async throws(ProcessExit) -> Int32
  {
    let options = try await process.options(tailOptions, arguments, usage: help("tail"))
    var count = 10
    var countsBytes = false
    var isFrom = false
    for entry in options.list where ["n", "c", "N"].contains(entry.key) {
      var text = entry.value ?? ""
      let given = text
      isFrom = text.hasPrefix("+")
      countsBytes = entry.key == "c"
      if text.hasPrefix("+") || text.hasPrefix("-") { text.removeFirst() }
      guard let number = NumberText.size(text) else {
        let what = countsBytes ? "bytes" : "lines"
        try await process.printError("tail: invalid number of \(what): '\(given)'\n")
        return 1
      }
      count = number
    }
    let hasTitles = (options.operands.count > 1 || options.has("v")) && !options.has("q")
    var isFirst = true
    let failures = try await process.forEachInput(
      options.operands,
      complaint: { "tail: cannot open '\($0)' for reading: \($1)\n" }
    ) { input, path async throws(ProcessExit) in
      if hasTitles {
        let title = path == "-" ? "standard input" : path
        try await process.print("\(isFirst ? "" : "\n")==> \(title) <==\n")
        isFirst = false
      }
      if countsBytes {
        let all = try await process.readAll(from: input)
        try await process.write(isFrom ? all.dropFirst(max(0, count - 1)) : all.suffix(count))
        return
      }
      var lines: [[UInt8]] = []
      var seen = 0
      while let line = try await process.readLine(from: input) {
        seen += 1
        if isFrom {
          if seen >= count { try await process.write(line) }
          continue
        }
        lines.append(line)
        if lines.count > 2 * count + 64 { lines.removeFirst(lines.count - count) }
      }
      if !isFrom { try await process.write(lines.suffix(count).flatMap { $0 }) }
    }
    return failures == 0 ? 0 : 1
  }

  private static let wcOptions = OptionSpecification(
    "lcwmL",
    long: ["lines=l", "bytes=c", "words=w", "chars=m", "max-line-length=L"]
  )

  @Sendable private static func wc(_ process: Process, _ arguments: [String])
    async throws(ProcessExit) -> Int32
  {
    let options = try await process.options(wcOptions, arguments, usage: help("wc"))
    let isDefault = !["l", "c", "w", "m", "L"].contains(where: options.has)
    var rows: [(counts: [Int], name: String)] = []
    var total = Array(repeating: 0, count: 5)
    let failures = try await process.forEachInput(
      options.operands,
      complaint: { "wc: \($0): \($1)\n" }
    ) { input, path async throws(ProcessExit) in
      // Lines, words, characters, bytes, longest line.
      var counts = Array(repeating: 0, count: 5)
      var inWord = false
      var length = 0
      while true {
        let bytes = try await process.read(from: input)
        if bytes.isEmpty { break }
        counts[3] += bytes.count
        counts[2] += bytes.count
        for byte in bytes {
          let isSpace = byte == 0x20 || (0x09...0x0D).contains(byte)
          if !isSpace, !inWord { counts[1] += 1 }
          inWord = !isSpace
          if byte == 0x0A {
            counts[0] += 1
            counts[4] = max(counts[4], length)
            length = 0
          } else {
            length += 1
          }
        }
      }
      counts[4] = max(counts[4], length)
      for index in 0..<4 { total[index] += counts[index] }
      total[4] = max(total[4], counts[4])
      rows.append((counts, path == "-" && options.operands.isEmpty ? "" : path))
    }
    if options.operands.count > 1 { rows.append((total, "total")) }
    let shown = [("l", 0), ("w", 1), ("m", 2), ("c", 3), ("L", 4)].filter { key, _ in
      isDefault ? "lwc".contains(key) : options.has(key)
    }.map(\.1)
    var width = 1
    if shown.count > 1 || rows.count > 1 {
      // Standard input has no size to judge by.
      width =
        options.operands.isEmpty || options.operands.contains("-")
        ? 7 : String(total[3]).count
    }
    var text = ""
    for row in rows {
      let numbers = shown.map { index in
        let digits = String(row.counts[index])
        return String(repeating: " ", count: max(0, width - digits.count)) + digits
      }
      text += numbers.joined(separator: " ") + (row.name.isEmpty ? "" : " " + row.name) + "\n"
    }
    try await process.print(text)
    return failures == 0 ? 0 : 1
  }
}

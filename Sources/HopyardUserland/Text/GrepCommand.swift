/// `grep`, `egrep` and `fgrep`.
enum GrepCommand {
  static let all: [Command] = [
    command("grep"), command("egrep"), command("fgrep"),
  ]

  private static func command(_ name: String) -> Command {
    Command(
      name,
      check: { check in
        check.checkOptions(options)
        guard case .success(let parsed) = options.parse(check.texts) else { return }
        let patterns: [(String, Int)]
        if parsed.has("e") || parsed.has("f") {
          patterns = parsed.list.filter { $0.key == "e" }.map { ($0.value ?? "", $0.index) }
        } else {
          patterns = zip(parsed.operands, parsed.operandIndices).prefix(1).map { ($0, $1) }
        }
        let isFixed = parsed.has("F") || name == "fgrep"
        for (pattern, index) in patterns where !isFixed && check.texts[index] != nil {
          do throws(RegularExpressionError) {
            _ = try RegularExpression(
              Array(pattern.utf8),
              syntax: parsed.has("E") || name == "egrep" ? .extended : .basic
            )
          } catch  where error.isRefusal {
            check.report(index, "grep: \(error.message)")
          } catch {}
        }
      },
      run: { process, arguments async throws(ProcessExit) in
        try await run(name, process, arguments)
      }
    )
  }

  private static let options = OptionSpecification(
    "cvoEFGqinwxlLshHm:e:f:A:B:C:rR",
    long: [
      "count=c", "invert-match=v", "only-matching=o", "extended-regexp=E", "fixed-strings=F",
      "basic-regexp=G", "quiet=q", "silent=q", "ignore-case=i", "line-number=n", "word-regexp=w",
      "line-regexp=x", "files-with-matches=l", "files-without-match=L", "no-messages=s",
      "no-filename=h", "with-filename=H", "max-count:=m", "regexp:=e", "file:=f",
      "after-context:=A", "before-context:=B", "context:=C", "color::=color", "colour::=color",
      "line-buffered",
    ],
    refused: "PazZbTUuyd:D:I",
    refusedLong: ["perl-regexp"],
    digitsAreNumbers: true
  )

  private static let usage =
    "Usage: grep [OPTION]... PATTERNS [FILE]...\nTry 'grep --help' for more information.\n"

  private static func run(_ name: String, _ process: Process, _ arguments: [String])
    async throws(ProcessExit) -> Int32
  {
    process.name = "grep"
    let parsed = try await process.options(options, arguments, usage: usage, status: 2)
    var operands = parsed.operands[...]
    var patterns: [[UInt8]] = []
    func addPatterns(_ text: [UInt8]) {
      var lines = text.split(separator: 0x0A, omittingEmptySubsequences: false).map { Array($0) }
      if text.last == 0x0A { lines.removeLast() }
      patterns += lines
    }
    for entry in parsed.list {
      if entry.key == "e" { addPatterns(Array((entry.value ?? "").utf8)) }
      if entry.key == "e", entry.value == "" { patterns.append([]) }
      if entry.key == "f" {
        do {
          let path = entry.value ?? ""
          let bytes =
            path == "-" ? try await process.readAll() : try process.contents(of: path)
          addPatterns(bytes)
        } catch let error as Errno {
          try await process.printError("grep: \(entry.value ?? ""): \(error)\n")
          return 2
        } catch let error as ProcessExit {
          throw error
        } catch {
          return 2
        }
      }
    }
    if !parsed.has("e"), !parsed.has("f") {
      guard let first = operands.first else {
        try await process.printError(usage)
        return 2
      }
      operands = operands.dropFirst()
      if first.isEmpty { patterns.append([]) } else { addPatterns(Array(first.utf8)) }
    }
    let ignoresCase = parsed.has("i")
    var matchers: [RegularExpression] = []
    for pattern in patterns {
      if parsed.has("F") || name == "fgrep" {
        matchers.append(RegularExpression(literal: pattern, ignoresCase: ignoresCase))
        continue
      }
      let last = parsed.list.last { "EG".contains($0.key) }?.key
      let isExtended = last == "E" || last == nil && name == "egrep"
      do {
        matchers.append(
          try RegularExpression(
            pattern,
            syntax: isExtended ? .extended : .basic,
            ignoresCase: ignoresCase
          )
        )
      } catch {
        if error.isRefusal { throw .refused("grep: \(error.message)") }
        try await process.printError("grep: \(error.message)\n")
        return 2
      }
    }
    func number(_ key: String) async throws(ProcessExit) -> Int? {
      guard let text = parsed[key] else { return nil }
      if let value = Int(text), value >= 0 { return value }
      let what = key == "m" ? "invalid max count" : "\(text): invalid context length argument"
      try await process.printError("grep: \(what)\n")
      throw .status(2)
    }
    let context = try await number("C")
    let digits = try await number("N")
    let given = (after: try await number("A"), before: try await number("B"))
    let after = given.after ?? context ?? digits ?? 0
    let before = given.before ?? context ?? digits ?? 0
    let mostMatches = try await number("m")
    let limit = mostMatches ?? .max
    var search = Search(
      process: process,
      options: parsed,
      matchers: matchers,
      before: before,
      after: after,
      limit: limit,
      hasNames: (operands.count > 1 || parsed.has("H") || parsed.has("r")) && !parsed.has("h")
    )
    var paths = Array(operands)
    if parsed.has("r") || parsed.has("R") {
      paths = expandDirectories(process, paths.isEmpty ? ["."] : paths)
      if paths.isEmpty { return 1 }
    }
    let isSilent = parsed.has("s")
    let failures = try await process.forEachInput(
      paths,
      complaint: { path, error in
        isSilent
          ? ""
          : error == .isDirectory ? "grep: \(path): Is a directory\n" : "grep: \(path): \(error)\n"
      }
    ) { input, path async throws(ProcessExit) in
      try await search.run(input, path == "-" ? "(standard input)" : path)
    }
    if search.found, parsed.has("q") { return 0 }
    if failures > 0 { return 2 }
    return search.found ? 0 : 1
  }

  private static func expandDirectories(_ process: Process, _ paths: [String]) -> [String] {
    var files: [String] = []
    var waiting = Array(paths.reversed())
    while let path = waiting.popLast(), files.count < 10_000 {
      guard process.kind(of: path) == .directory else {
        files.append(path)
        continue
      }
      let names = (try? process.userland.files.list(process.path(path), for: process)) ?? []
      for name in names.sorted().reversed() {
        waiting.append(path.hasSuffix("/") ? path + name : path + "/" + name)
      }
    }
    return files
  }

  private struct Search {
    let process: Process
    let options: ParsedOptions
    let matchers: [RegularExpression]
    let before: Int
    let after: Int
    let limit: Int
    let hasNames: Bool
    var found = false
    private var hasPrinted = false

    init(
      process: Process,
      options: ParsedOptions,
      matchers: [RegularExpression],
      before: Int,
      after: Int,
      limit: Int,
      hasNames: Bool
    ) {
      self.process = process
      self.options = options
      self.matchers = matchers
      self.before = before
      self.after = after
      self.limit = limit
      self.hasNames = hasNames
    }

    /// The first and longest match from a place on.
    private func match(_ line: [UInt8], from start: Int) -> Range<Int>? {
      var best: Range<Int>?
      for matcher in matchers {
        var from = start
        while from <= line.count {
          guard let match = matcher.firstMatch(in: line, from: from)?[0] else { break }
          // The longest match is taken: if it is not the whole line, none is.
          if options.has("x"), match != 0..<line.count { break }
          if options.has("w"), !isWord(match, in: line) {
            from = match.lowerBound + 1
            continue
          }
          if let known = best {
            if match.lowerBound < known.lowerBound
              || match.lowerBound == known.lowerBound && match.upperBound > known.upperBound
            {
              best = match
            }
          } else {
            best = match
          }
          break
        }
      }
      return best
    }

    private func isWord(_ match: Range<Int>, in line: [UInt8]) -> Bool {
      if match.lowerBound > 0, ShellParser.isName(line[match.lowerBound - 1]) { return false }
      if match.upperBound < line.count, ShellParser.isName(line[match.upperBound]) { return false }
      return true
    }

    mutating func run(_ input: Int32, _ name: String) async throws(ProcessExit) {
      var number = 0
      var count = 0
      var held: [(number: Int, line: [UInt8])] = []
      var follow = 0
      var lastShown = 0
      let isQuiet = options.has("q")
      let counts = options.has("c") || options.has("l") || options.has("L")
      while count < limit, let raw = try await process.readLine(from: input) {
        number += 1
        let line = raw.last == 0x0A ? Array(raw.dropLast()) : raw
        let match = match(line, from: 0)
        guard (match != nil) != options.has("v") else {
          if counts || isQuiet || options.has("o") { continue }
          if follow > 0 {
            follow -= 1
            try await show(line, number, name, mark: "-")
            lastShown = number
          } else if before > 0 {
            held.append((number, line))
            if held.count > before { held.removeFirst() }
          }
          continue
        }
        found = true
        count += 1
        if isQuiet { throw .status(0) }
        if options.has("l") || options.has("L") { break }
        if counts { continue }
        if options.has("o") {
          if !options.has("v") { try await showMatches(line, number, name) }
          continue
        }
        let first = held.first?.number ?? number
        if before > 0 || after > 0, hasPrinted, first > lastShown + 1 {
          try await process.print("--\n")
        }
        for one in held { try await show(one.line, one.number, name, mark: "-") }
        held = []
        try await show(line, number, name, mark: ":")
        lastShown = number
        hasPrinted = true
        follow = after
      }
      if count >= limit, follow > 0 {
        while follow > 0, let raw = try await process.readLine(from: input) {
          number += 1
          follow -= 1
          let line = raw.last == 0x0A ? Array(raw.dropLast()) : raw
          try await show(line, number, name, mark: "-")
        }
      }
      if options.has("l") {
        if count > 0 { try await process.print(name + "\n") }
      } else if options.has("L") {
        if count == 0 { try await process.print(name + "\n") }
      } else if options.has("c") {
        try await process.print((hasNames ? name + ":" : "") + "\(count)\n")
      }
    }

    private func prefix(_ number: Int, _ name: String, mark: String) -> [UInt8] {
      Array(((hasNames ? name + mark : "") + (options.has("n") ? "\(number)\(mark)" : "")).utf8)
    }

    private func show(_ line: [UInt8], _ number: Int, _ name: String, mark: String)
      async throws(ProcessExit)
    {
      try await process.write(prefix(number, name, mark: mark) + line + [0x0A])
    }

    private func showMatches(_ line: [UInt8], _ number: Int, _ name: String)
      async throws(ProcessExit)
    {
      var from = 0
      while from <= line.count, let match = match(line, from: from) {
        if match.isEmpty {
          from = match.upperBound + 1
          continue
        }
        try await process.write(prefix(number, name, mark: ":") + line[match] + [0x0A])
        from = match.upperBound
      }
    }
  }
}

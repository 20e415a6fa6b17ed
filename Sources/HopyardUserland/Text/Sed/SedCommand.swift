/// `sed`: addresses, `s y p d q = a i c` and groups of them.
enum SedCommand {
  static let command = Command(
    "sed",
    check: { check in
      check.checkOptions(options)
      guard case .success(let parsed) = options.parse(check.texts) else { return }
      let scripts: [(String, Int)]
      if parsed.has("e") || parsed.has("f") {
        scripts = parsed.list.filter { $0.key == "e" }.map { ($0.value ?? "", $0.index) }
      } else {
        scripts = zip(parsed.operands, parsed.operandIndices).prefix(1).map { ($0, $1) }
      }
      for (script, index) in scripts where check.texts[index] != nil {
        do throws(SedError) {
          _ = try SedScript(Array(script.utf8), isExtended: parsed.has("E"))
        } catch  where error.isRefusal {
          check.report(index, at: error.at, "sed: \(error.message)")
        } catch {}
      }
    },
    run: { process, arguments async throws(ProcessExit) in try await run(process, arguments) }
  )

  private static let options = OptionSpecification(
    "nEre:f:us",
    long: [
      "quiet=n", "silent=n", "regexp-extended=E", "expression:=e", "file:=f", "unbuffered=u",
    ],
    refused: "i::zl:",
    refusedLong: ["in-place::", "posix", "debug", "sandbox"]
  )

  private static func run(_ process: Process, _ arguments: [String]) async throws(ProcessExit)
    -> Int32
  {
    let parsed = try await process.options(
      options,
      arguments,
      usage: usage
    )
    var operands = parsed.operands[...]
    var pieces: [[UInt8]] = []
    for entry in parsed.list {
      if entry.key == "e" { pieces.append(Array((entry.value ?? "").utf8)) }
      if entry.key == "f" {
        do {
          pieces.append(try process.contents(of: entry.value ?? ""))
        } catch {
          try await process.printError("sed: couldn't open file \(entry.value ?? ""): \(error)\n")
          return 1
        }
      }
    }
    if pieces.isEmpty {
      guard let first = operands.first else {
        try await process.printError(usage)
        return 1
      }
      pieces.append(Array(first.utf8))
      operands = operands.dropFirst()
    }
    let script: SedScript
    do {
      script = try SedScript(
        Array(pieces.joined(separator: [0x0A])),
        isExtended: parsed.has("E") || parsed.has("r")
      )
    } catch {
      if error.isRefusal { throw .refused("sed: \(error.message)") }
      try await process.printError("sed: -e expression #1, char \(error.at): \(error.message)\n")
      return 1
    }
    var machine = SedMachine(process: process, script: script, isQuiet: parsed.has("n"))
    let failures = try await process.forEachInput(
      Array(operands),
      complaint: { "sed: can't read \($0): \($1)\n" }
    ) { input, _ async throws(ProcessExit) in
      while !machine.isDone, let line = try await process.readLine(from: input) {
        // The last line is known as such only when the next was looked for.
        if let waiting = machine.waiting { try await machine.process(waiting, isLast: false) }
        machine.waiting = line
        if !script.needsLast {
          try await machine.process(line, isLast: false)
          machine.waiting = nil
        }
      }
    }
    if let waiting = machine.waiting, !machine.isDone {
      try await machine.process(waiting, isLast: true)
    }
    return failures > 0 ? 2 : machine.status
  }
}

/// Runs an awk program.
struct AwkMachine {
  enum Unwind: Error {
    case next
    case exit
    case `break`
    case `continue`
    case process(ProcessExit)
  }

  let process: Process
  var values: [AwkValue]
  var arrays: [Int: [[UInt8]: AwkValue]] = [:]
  var orders: [Int: [[UInt8]]] = [:]
  var record: [UInt8] = []
  var fields: [AwkValue]?
  var output: [UInt8] = []
  var status: Int32 = 0
  var ranges: Set<Int> = []
  var steps = 0
  var patterns: [[UInt8]: RegularExpression] = [:]
  let nr, nf, fs, ofs, ors, fnr, filename, subsep, rstart, rlength, environ: Int

  init(program: AwkProgram, process: Process) {
    self.process = process
    values = Array(repeating: .unset, count: program.names.count)
    func slot(_ name: String) -> Int { program.names[name] ?? 0 }
    nr = slot("NR")
    nf = slot("NF")
    fs = slot("FS")
    ofs = slot("OFS")
    ors = slot("ORS")
    fnr = slot("FNR")
    filename = slot("FILENAME")
    subsep = slot("SUBSEP")
    rstart = slot("RSTART")
    rlength = slot("RLENGTH")
    environ = slot("ENVIRON")
    values[fs] = .string([0x20])
    values[ofs] = .string([0x20])
    values[ors] = .string([0x0A])
    values[subsep] = .string([0x1C])
  }

  mutating func assign(_ name: String, _ text: [UInt8], _ program: inout AwkProgram) {
    let slot = program.variable(name)
    while values.count <= slot { values.append(.unset) }
    var value: [UInt8] = []
    var index = 0
    while index < text.count {
      if text[index] == 0x5C, index + 1 < text.count {
        let (bytes, length) = BackslashEscape.parse(text[(index + 1)...], style: .dollarQuote)
        value += bytes
        index += 1 + max(1, length)
      } else {
        value.append(text[index])
        index += 1
      }
    }
    values[slot] = .input(value)
  }

  mutating func environment() {
    for name in process.environment.keys.sorted() {
      setElement(environ, Array(name.utf8), .input(Array((process.environment[name] ?? "").utf8)))
    }
  }

  // MARK: Running

  mutating func run(_ program: AwkProgram, _ operands: [String]) async throws(ProcessExit) -> Int32
  {
    var hasMain = false
    var hasExited = false
    for rule in program.rules {
      switch rule.pattern {
      case .begin: continue
      default: hasMain = true
      }
    }
    do throws(Unwind) {
      for rule in program.rules {
        if case .begin = rule.pattern { try run(rule.action ?? []) }
      }
    } catch {
      hasExited = try ends(error)
    }
    try await flush()
    if hasMain, !hasExited { hasExited = try await readInput(program, operands) }
    if !hasExited || hasMain {
      do throws(Unwind) {
        for rule in program.rules {
          if case .end = rule.pattern { try run(rule.action ?? []) }
        }
      } catch {
        _ = try ends(error)
      }
    }
    try await flush()
    return status
  }

  func ends(_ error: Unwind) throws(ProcessExit) -> Bool {
    if case .process(let exit) = error { throw exit }
    if case .exit = error { return true }
    return false
  }

  mutating func readInput(_ program: AwkProgram, _ operands: [String])
    async throws(ProcessExit) -> Bool
  {
    var paths: [String] = []
    for operand in operands {
      let name = operand.prefix { $0 != "=" }
      if name.count < operand.count, let first = name.utf8.first, ShellParser.isNameStart(first),
        name.utf8.allSatisfy(ShellParser.isName)
      {
        if let slot = program.names[String(name)] {
          values[slot] = .input(Array(operand.dropFirst(name.count + 1).utf8))
        }
      } else {
        paths.append(operand)
      }
    }
    for path in paths.isEmpty ? ["-"] : paths {
      var number: Int32 = 0
      if path != "-" {
        do {
          let file = try process.open(path, .read)
          number = process.freeDescriptor
          process.setDescriptor(number, file)
        } catch {
          try await process.printError("awk: cannot open \(path) (\(error))\n")
          status = 2
          continue
        }
      }
      values[filename] = .string(path == "-" ? [] : Array(path.utf8))
      values[fnr] = .number(0)
      while let line = try await process.readLine(from: number) {
        setRecord(line.last == 0x0A ? Array(line.dropLast()) : line)
        values[nr] = .number(values[nr].number + 1)
        values[fnr] = .number(values[fnr].number + 1)
        steps = 0
        do throws(Unwind) {
          for (index, rule) in program.rules.enumerated() where try holds(rule, index) {
            if let action = rule.action {
              try run(action)
            } else {
              output += record + values[ors].bytes
            }
          }
        } catch {
          if try ends(error) {
            try await flush()
            return true
          }
        }
        try await flush()
      }
      if number != 0 { process.setDescriptor(number, nil) }
    }
    return false
  }

  mutating func flush() async throws(ProcessExit) {
    if output.isEmpty { return }
    let bytes = output
    output = []
    try await process.write(bytes)
  }

  mutating func holds(_ rule: AwkRule, _ index: Int) throws(Unwind) -> Bool {
    switch rule.pattern {
    case .begin, .end: return false
    case .always: return true
    case .expression(let expression): return try value(expression).isTrue
    case .range(let first, let last):
      if !ranges.contains(index) {
        guard try value(first).isTrue else { return false }
        ranges.insert(index)
      }
      if try value(last).isTrue { ranges.remove(index) }
      return true
    }
  }
}

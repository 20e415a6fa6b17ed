/// A value of awk: text, a number, or text that looks like a number.
enum AwkValue {
  case number(Double)
  case string([UInt8])
  /// Input, which is a number where it looks like one.
  case input([UInt8])
  case unset

  /// The number at the beginning of some bytes, and where it ends.
  static func leadingNumber(_ bytes: ArraySlice<UInt8>) -> (Double, Int) {
    var index = bytes.startIndex
    while index < bytes.endIndex, bytes[index] == 0x20 || (0x09...0x0D).contains(bytes[index]) {
      index += 1
    }
    let start = index
    if index < bytes.endIndex, bytes[index] == 0x2B || bytes[index] == 0x2D { index += 1 }
    var digits = 0
    while index < bytes.endIndex, ShellParser.isDigit(bytes[index]) {
      index += 1
      digits += 1
    }
    if index < bytes.endIndex, bytes[index] == 0x2E {
      index += 1
      while index < bytes.endIndex, ShellParser.isDigit(bytes[index]) {
        index += 1
        digits += 1
      }
    }
    guard digits > 0 else { return (0, bytes.startIndex) }
    if index < bytes.endIndex, bytes[index] == 0x65 || bytes[index] == 0x45 {
      var end = index + 1
      if end < bytes.endIndex, bytes[end] == 0x2B || bytes[end] == 0x2D { end += 1 }
      if end < bytes.endIndex, ShellParser.isDigit(bytes[end]) {
        while end < bytes.endIndex, ShellParser.isDigit(bytes[end]) { end += 1 }
        index = end
      }
    }
    var text = String(decoding: bytes[start..<index], as: UTF8.self)
    if text.hasSuffix(".") { text += "0" }
    return (Double(text) ?? 0, index)
  }

  var number: Double {
    switch self {
    case .number(let value): value
    case .string(let bytes), .input(let bytes): Self.leadingNumber(bytes[...]).0
    case .unset: 0
    }
  }

  var bytes: [UInt8] {
    switch self {
    case .number(let value): Self.text(value)
    case .string(let bytes), .input(let bytes): bytes
    case .unset: []
    }
  }

  /// Whether it compares as a number.
  var looksNumeric: Bool {
    switch self {
    case .number, .unset: return true
    case .string: return false
    case .input(let bytes):
      let (_, end) = Self.leadingNumber(bytes[...])
      if end == bytes.startIndex { return false }
      return bytes[end...].allSatisfy { $0 == 0x20 || (0x09...0x0D).contains($0) }
    }
  }

  var isTrue: Bool {
    switch self {
    case .number(let value): value != 0
    case .string(let bytes): !bytes.isEmpty
    case .input(let bytes): looksNumeric ? number != 0 : !bytes.isEmpty
    case .unset: false
    }
  }

  static func text(_ value: Double) -> [UInt8] {
    if value == value.rounded(), value.magnitude < 1e16 { return Array(String(Int64(value)).utf8) }
    return PrintfCommand.floating(value, precision: 6, letter: UInt8(ascii: "g"))
  }
}

/// `awk` in the parts that labs use: patterns, fields, variables, arrays, `print` and `printf`.
enum AwkCommand {
  static let all: [Command] = [command("awk"), command("mawk"), command("gawk")]

  private static let options = OptionSpecification(
    "+F:v:f:",
    long: ["field-separator:=F", "assign:=v", "file:=f"],
    refused: "bcCdDeEghiIlLMnNoOpPrsStVW:"
  )

  private static func command(_ name: String) -> Command {
    Command(
      name,
      check: { check in
        check.checkOptions(options)
        guard case .success(let parsed) = options.parse(check.texts), !parsed.has("f"),
          let index = parsed.operandIndices.first, let text = check.texts[index]
        else { return }
        do throws(AwkError) {
          _ = try AwkProgram(Array(text.utf8))
        } catch  where error.isRefusal {
          check.report(index, at: error.at, "awk: \(error.message)")
        } catch {}
      },
      run: { process, arguments async throws(ProcessExit) in try await run(process, arguments) }
    )
  }

  private static func run(_ process: Process, _ arguments: [String]) async throws(ProcessExit)
    -> Int32
  {
    let parsed = try await process.options(options, arguments, status: 2)
    var operands = parsed.operands[...]
    var text: [UInt8] = []
    for path in parsed.all("f") {
      do {
        text += try process.contents(of: path) + [0x0A]
      } catch {
        try await process.printError("awk: cannot open \(path) (\(error))\n")
        return 2
      }
    }
    if !parsed.has("f") {
      guard let first = operands.first else {
        try await process.printError("Usage: awk [Options] 'program' [file ...]\n")
        return 2
      }
      text = Array(first.utf8)
      operands = operands.dropFirst()
    }
    var program: AwkProgram
    do throws(AwkError) {
      program = try AwkProgram(text)
    } catch {
      if error.isRefusal { throw .refused("awk: \(error.message)") }
      let near = String(
        decoding: text.dropFirst(error.at).prefix { $0 != 0x20 && $0 != 0x0A },
        as: UTF8.self
      )
      try await process.printError("awk: line 1: \(error.message) at or near \(near)\n")
      return 2
    }
    var machine = AwkMachine(program: program, process: process)
    if let separator = parsed["F"] {
      machine.assign("FS", Array((separator == "t" ? "\t" : separator).utf8), &program)
    }
    for setting in parsed.all("v") {
      guard let mark = setting.firstIndex(of: "=") else { continue }
      let value = Array(setting[setting.index(after: mark)...].utf8)
      machine.assign(String(setting[..<mark]), value, &program)
    }
    machine.environment()
    return try await machine.run(program, Array(operands))
  }
}

/// Runs an awk program.
struct AwkMachine {
  private enum Unwind: Error {
    case next
    case exit
    case `break`
    case `continue`
    case process(ProcessExit)
  }

  private let process: Process
  private var values: [AwkValue]
  private var arrays: [Int: [[UInt8]: AwkValue]] = [:]
  private var orders: [Int: [[UInt8]]] = [:]
  private var record: [UInt8] = []
  private var fields: [AwkValue]?
  private var output: [UInt8] = []
  private var status: Int32 = 0
  private var ranges: Set<Int> = []
  private var steps = 0
  private var patterns: [[UInt8]: RegularExpression] = [:]
  private let nr, nf, fs, ofs, ors, fnr, filename, subsep, rstart, rlength, environ: Int

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

  private func ends(_ error: Unwind) throws(ProcessExit) -> Bool {
    if case .process(let exit) = error { throw exit }
    if case .exit = error { return true }
    return false
  }

  private mutating func readInput(_ program: AwkProgram, _ operands: [String])
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

  private mutating func flush() async throws(ProcessExit) {
    if output.isEmpty { return }
    let bytes = output
    output = []
    try await process.write(bytes)
  }

  private mutating func holds(_ rule: AwkRule, _ index: Int) throws(Unwind) -> Bool {
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

  private mutating func step() throws(Unwind) {
    steps += 1
    if steps > 2_000_000 {
      throw .process(.refused("awk: more than 2,000,000 steps for one record are not modelled"))
    }
    if output.count > 1 << 26 {
      throw .process(.refused("awk: more than 64 MiB of output for one record is not modelled"))
    }
  }

  private mutating func run(_ statements: [AwkStatement]) throws(Unwind) {
    for statement in statements { try run(statement) }
  }

  private mutating func run(_ statement: AwkStatement) throws(Unwind) {
    try step()
    switch statement {
    case .expression(let expression): _ = try value(expression)
    case .print(let expressions):
      if expressions.isEmpty {
        output += currentRecord()
      } else {
        for (index, expression) in expressions.enumerated() {
          let bytes = try value(expression).bytes
          if index > 0 { output += values[ofs].bytes }
          output += bytes
        }
      }
      output += values[ors].bytes
    case .printf(let expressions): output += try format(expressions)
    case .block(let statements): try run(statements)
    case .condition(let test, let body, let otherwise):
      if try value(test).isTrue {
        try run(body)
      } else if let otherwise {
        try run(otherwise)
      }
    case .loop(let test, let body, let step, let isDo):
      var isFirst = isDo
      while true {
        try self.step()
        if !isFirst, let test {
          let goesOn = try value(test).isTrue
          if !goesOn { return }
        }
        isFirst = false
        do throws(Unwind) {
          try run(body)
        } catch .break {
          return
        } catch .continue {}
        if let step { try run(step) }
      }
    case .forIn(let variable, let table, let body):
      for key in orders[table] ?? [] where arrays[table]?[key] != nil {
        values[variable] = .input(key)
        do throws(Unwind) {
          try run(body)
        } catch .break {
          return
        } catch .continue {}
      }
    case .next: throw .next
    case .exit(let expression):
      if let expression {
        status = Int32(truncatingIfNeeded: Self.integer(try value(expression).number)) & 0xFF
      }
      throw .exit
    case .break: throw .break
    case .continue: throw .continue
    case .delete(let table, let keys):
      guard let keys else {
        arrays[table] = nil
        orders[table] = nil
        return
      }
      let key = try key(keys)
      arrays[table]?[key] = nil
      orders[table]?.removeAll { $0 == key }
    }
  }

  static func integer(_ value: Double) -> Int64 {
    guard value.isFinite else { return 0 }
    return value.magnitude < 9e18 ? Int64(value) : value < 0 ? .min : .max
  }

  // MARK: Records and fields

  private mutating func setRecord(_ bytes: [UInt8]) {
    record = bytes
    fields = nil
    values[nf] = .unset
  }

  private mutating func split(_ text: [UInt8], by separator: [UInt8]) throws(Unwind) -> [AwkValue] {
    if separator == [0x20] {
      return text.split { $0 == 0x20 || $0 == 0x09 || $0 == 0x0A }.map { .input(Array($0)) }
    }
    if text.isEmpty { return [] }
    if separator.isEmpty { return text.map { .input([$0]) } }
    if separator.count == 1 {
      return text.split(separator: separator[0], omittingEmptySubsequences: false)
        .map { .input(Array($0)) }
    }
    let pattern = try regularExpression(separator)
    var result: [AwkValue] = []
    var from = 0
    var search = 0
    while search <= text.count, let match = pattern.firstMatch(in: text, from: search)?[0] {
      if match.isEmpty {
        search = match.upperBound + 1
        continue
      }
      result.append(.input(Array(text[from..<match.lowerBound])))
      from = match.upperBound
      search = from
    }
    result.append(.input(Array(text[from...])))
    return result
  }

  private mutating func regularExpression(_ bytes: [UInt8]) throws(Unwind) -> RegularExpression {
    if let known = patterns[bytes] { return known }
    do {
      let pattern = try RegularExpression(bytes, syntax: .extended)
      if patterns.count > 1_000 { patterns = [:] }
      patterns[bytes] = pattern
      return pattern
    } catch {
      throw .process(.refused("awk: \(error.message)"))
    }
  }

  private mutating func loadFields() throws(Unwind) {
    if fields != nil { return }
    let split = try split(record, by: values[fs].bytes)
    fields = split
    values[nf] = .number(Double(split.count))
  }

  private mutating func currentRecord() -> [UInt8] { record }

  private mutating func rebuild() {
    let separator = values[ofs].bytes
    record = Array((fields ?? []).map(\.bytes).joined(separator: separator))
  }

  private mutating func field(_ number: Double) throws(Unwind) -> AwkValue {
    let index = Self.integer(number)
    if index == 0 { return .input(record) }
    try loadFields()
    guard let fields, index >= 1, index <= fields.count else { return .unset }
    return fields[Int(index) - 1]
  }

  private mutating func setField(_ number: Double, _ value: AwkValue) throws(Unwind) {
    let index = Self.integer(number)
    guard index >= 0, index <= 100_000 else {
      throw .process(.refused("awk: a field number of more than 100,000 is not modelled"))
    }
    if index == 0 {
      setRecord(value.bytes)
      return
    }
    try loadFields()
    var list = fields ?? []
    while list.count < index { list.append(.unset) }
    list[Int(index) - 1] = value
    fields = list
    values[nf] = .number(Double(list.count))
    rebuild()
  }

  // MARK: Values

  private mutating func key(_ expressions: [AwkExpression]) throws(Unwind) -> [UInt8] {
    var key: [UInt8] = []
    for (index, expression) in expressions.enumerated() {
      if index > 0 { key += values[subsep].bytes }
      key += try value(expression).bytes
    }
    return key
  }

  private mutating func setElement(_ table: Int, _ key: [UInt8], _ value: AwkValue) {
    if arrays[table, default: [:]].updateValue(value, forKey: key) == nil {
      orders[table, default: []].append(key)
    }
  }

  private mutating func store(_ target: AwkExpression, _ value: AwkValue) throws(Unwind) {
    switch target {
    case .variable(let slot):
      values[slot] = value
      if slot == nf {
        let count = Self.integer(value.number)
        guard count >= 0, count <= 100_000 else {
          throw .process(.refused("awk: more than 100,000 fields are not modelled"))
        }
        try loadFields()
        var list = fields ?? []
        while list.count < count { list.append(.unset) }
        fields = Array(list.prefix(Int(count)))
        values[nf] = .number(Double(count))
        rebuild()
      }
    case .field(let number): try setField(try self.value(number).number, value)
    case .element(let table, let keys):
      if (orders[table]?.count ?? 0) > 1_000_000 {
        throw .process(.refused("awk: an array of more than 1,000,000 elements is not modelled"))
      }
      setElement(table, try key(keys), value)
    default: break
    }
  }

  private mutating func value(_ expression: AwkExpression) throws(Unwind) -> AwkValue {
    try step()
    switch expression {
    case .number(let value): return .number(value)
    case .string(let bytes): return .string(bytes)
    case .pattern(let pattern): return .number(pattern.firstMatch(in: record) != nil ? 1 : 0)
    case .variable(let slot):
      if slot == nf { try loadFields() }
      return values[slot]
    case .group(let inner): return try value(inner)
    case .field(let number): return try field(try value(number).number)
    case .element(let table, let keys):
      let key = try key(keys)
      if let found = arrays[table]?[key] { return found }
      setElement(table, key, .unset)
      return .unset
    case .assign(let operation, let target, let right):
      var result = try value(right)
      if !operation.isEmpty {
        result = .number(try arithmetic(operation, try value(target).number, result.number))
      }
      try store(target, result)
      return result
    case .step(let target, let amount, let isPrefix):
      let old = try value(target).number
      try store(target, .number(old + amount))
      return .number(isPrefix ? old + amount : old)
    case .binary(let operation, let left, let right):
      let first = try value(left)
      let second = try value(right)
      switch operation {
      case " ":
        let bytes = first.bytes + second.bytes
        if bytes.count > 1 << 24 {
          throw .process(.refused("awk: a string of more than 16 MiB is not modelled"))
        }
        return .string(bytes)
      case "+", "-", "*", "/", "%", "^":
        return .number(try arithmetic(operation, first.number, second.number))
      default: return .number(compare(operation, first, second) ? 1 : 0)
      }
    case .not(let inner): return .number(try value(inner).isTrue ? 0 : 1)
    case .negative(let inner): return .number(-(try value(inner).number))
    case .positive(let inner): return .number(try value(inner).number)
    case .match(let left, let right, let isNegated):
      let text = try value(left).bytes
      let isFound = try pattern(right).firstMatch(in: text) != nil
      return .number(isFound != isNegated ? 1 : 0)
    case .isIn(let keys, let table):
      let key = try key(keys)
      return .number(arrays[table]?[key] != nil ? 1 : 0)
    case .and(let left, let right):
      if try !value(left).isTrue { return .number(0) }
      return .number(try value(right).isTrue ? 1 : 0)
    case .or(let left, let right):
      if try value(left).isTrue { return .number(1) }
      return .number(try value(right).isTrue ? 1 : 0)
    case .choice(let test, let first, let second):
      return try value(test).isTrue ? try value(first) : try value(second)
    case .call(let name, let arguments): return try call(name, arguments)
    }
  }

  private mutating func pattern(_ expression: AwkExpression) throws(Unwind) -> RegularExpression {
    if case .pattern(let pattern) = expression { return pattern }
    return try regularExpression(try value(expression).bytes)
  }

  private func arithmetic(_ operation: String, _ left: Double, _ right: Double) throws(Unwind)
    -> Double
  {
    switch operation {
    case "+": return left + right
    case "-": return left - right
    case "*": return left * right
    case "^":
      var result = 1.0
      let count = right.magnitude
      guard count == count.rounded(), count <= 1_024 else {
        throw .process(.refused("awk: powers that are not whole are not modelled"))
      }
      for _ in 0..<Int(count) { result *= left }
      return right < 0 ? 1 / result : result
    default:
      if right == 0 {
        if operation == "/" { return left == 0 ? .nan : left / right }
        return .nan
      }
      return operation == "/" ? left / right : left.truncatingRemainder(dividingBy: right)
    }
  }

  private func compare(_ operation: String, _ left: AwkValue, _ right: AwkValue) -> Bool {
    let order: Int
    if left.looksNumeric, right.looksNumeric {
      let (a, b) = (left.number, right.number)
      order = a < b ? -1 : a == b ? 0 : 1
    } else {
      let (a, b) = (left.bytes, right.bytes)
      order = a == b ? 0 : a.lexicographicallyPrecedes(b) ? -1 : 1
    }
    switch operation {
    case "<": return order < 0
    case "<=": return order <= 0
    case "==": return order == 0
    case "!=": return order != 0
    case ">": return order > 0
    default: return order >= 0
    }
  }

  // MARK: Functions

  private mutating func call(_ name: String, _ arguments: [AwkExpression]) throws(Unwind)
    -> AwkValue
  {
    func missing() -> Unwind {
      .process(.refused("awk: `\(name)' with \(arguments.count) arguments is not modelled"))
    }
    switch name {
    case "": return .string(try key(arguments))
    case "length":
      guard let first = arguments.first else { return .number(Double(record.count)) }
      if case .variable(let slot) = first, let table = arrays[slot] {
        return .number(Double(table.count))
      }
      return .number(Double(try value(first).bytes.count))
    case "substr":
      guard arguments.count >= 2 else { throw missing() }
      let text = try value(arguments[0]).bytes
      let start = try value(arguments[1]).number.rounded()
      var end = Double(text.count) + 1
      if arguments.count > 2 { end = min(end, start + (try value(arguments[2]).number).rounded()) }
      let from = max(1, start)
      guard from < end else { return .string([]) }
      return .string(Array(text[(Int(from) - 1)..<(Int(end) - 1)]))
    case "index":
      guard arguments.count == 2 else { throw missing() }
      let text = try value(arguments[0]).bytes
      let needle = try value(arguments[1]).bytes
      guard !needle.isEmpty, needle.count <= text.count else { return .number(0) }
      for start in 0...(text.count - needle.count) where text[start...].starts(with: needle) {
        return .number(Double(start + 1))
      }
      return .number(0)
    case "split":
      guard arguments.count >= 2, case .variable(let table) = arguments[1] else { throw missing() }
      let text = try value(arguments[0]).bytes
      var separator = values[fs].bytes
      if arguments.count > 2 {
        if case .pattern(let pattern) = arguments[2] {
          return .number(Double(splitInto(table, text, pattern)))
        }
        separator = try value(arguments[2]).bytes
      }
      let parts = try split(text, by: separator)
      arrays[table] = [:]
      orders[table] = []
      for (index, part) in parts.enumerated() {
        setElement(table, Array(String(index + 1).utf8), part)
      }
      return .number(Double(parts.count))
    case "sub", "gsub":
      guard arguments.count >= 2 else { throw missing() }
      let pattern = try pattern(arguments[0])
      let replacement = try value(arguments[1]).bytes
      let target = arguments.count > 2 ? arguments[2] : .field(.number(0))
      let (text, count) = substitute(
        try value(target).bytes,
        pattern,
        replacement,
        isGlobal: name == "gsub"
      )
      if count > 0 { try store(target, .string(text)) }
      return .number(Double(count))
    case "match":
      guard arguments.count == 2 else { throw missing() }
      let text = try value(arguments[0]).bytes
      let found = try pattern(arguments[1]).firstMatch(in: text)?[0]
      values[rstart] = .number(found.map { Double($0.lowerBound + 1) } ?? 0)
      values[rlength] = .number(found.map { Double($0.count) } ?? -1)
      return values[rstart]
    case "sprintf": return .string(try format(arguments))
    case "tolower", "toupper":
      guard let first = arguments.first else { throw missing() }
      let isUpper = name == "toupper"
      return .string(
        try value(first).bytes.map { byte in
          if isUpper { return (0x61...0x7A).contains(byte) ? byte - 32 : byte }
          return (0x41...0x5A).contains(byte) ? byte + 32 : byte
        }
      )
    case "int":
      guard let first = arguments.first else { throw missing() }
      return .number(try value(first).number.rounded(.towardZero))
    case "sqrt":
      guard let first = arguments.first else { throw missing() }
      return .number(try value(first).number.squareRoot())
    default: throw .process(.refused("awk: `\(name)' is not modelled"))
    }
  }

  private mutating func splitInto(_ table: Int, _ text: [UInt8], _ pattern: RegularExpression)
    -> Int
  {
    arrays[table] = [:]
    orders[table] = []
    if text.isEmpty { return 0 }
    var count = 0
    var from = 0
    var search = 0
    while search <= text.count, let match = pattern.firstMatch(in: text, from: search)?[0] {
      if match.isEmpty {
        search = match.upperBound + 1
        continue
      }
      count += 1
      setElement(table, Array(String(count).utf8), .input(Array(text[from..<match.lowerBound])))
      from = match.upperBound
      search = from
    }
    count += 1
    setElement(table, Array(String(count).utf8), .input(Array(text[from...])))
    return count
  }

  private func substitute(
    _ text: [UInt8],
    _ pattern: RegularExpression,
    _ replacement: [UInt8],
    isGlobal: Bool
  ) -> ([UInt8], Int) {
    var result: [UInt8] = []
    var from = 0
    var count = 0
    var lastEnd = -1
    while from <= text.count, let match = pattern.firstMatch(in: text, from: from)?[0] {
      if match.isEmpty, match.lowerBound == lastEnd {
        if match.lowerBound < text.count { result.append(text[match.lowerBound]) }
        from = match.lowerBound + 1
        lastEnd = -1
        continue
      }
      result += text[from..<match.lowerBound]
      var index = 0
      while index < replacement.count {
        if replacement[index] == 0x5C, index + 1 < replacement.count,
          replacement[index + 1] == UInt8(ascii: "&") || replacement[index + 1] == 0x5C
        {
          result.append(replacement[index + 1])
          index += 2
        } else if replacement[index] == UInt8(ascii: "&") {
          result += text[match]
          index += 1
        } else {
          result.append(replacement[index])
          index += 1
        }
      }
      count += 1
      lastEnd = match.upperBound
      from = match.upperBound
      if match.isEmpty {
        if from < text.count { result.append(text[from]) }
        from += 1
        lastEnd = -1
      }
      if !isGlobal { break }
    }
    if from < text.count { result += text[from...] }
    return (result, count)
  }

  private mutating func format(_ arguments: [AwkExpression]) throws(Unwind) -> [UInt8] {
    guard let first = arguments.first else { return [] }
    let format = try value(first).bytes
    var rest: [AwkValue] = []
    for argument in arguments.dropFirst() { rest.append(try value(argument)) }
    do {
      return try PrintfCommand.format(format, rest)
    } catch {
      throw .process(error)
    }
  }
}

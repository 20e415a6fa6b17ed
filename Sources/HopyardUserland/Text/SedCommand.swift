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
      usage: "Usage: sed [OPTION]... {script-only-if-no-other-script} [input-file]...\n"
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
        try await process.printError(
          "Usage: sed [OPTION]... {script-only-if-no-other-script} [input-file]...\n"
        )
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

/// What is wrong with a sed script.
struct SedError: Error {
  var at: Int
  var message: String
  var isRefusal = false
}

/// A sed script, read.
struct SedScript {
  enum Address {
    case line(Int)
    case last
    case pattern(RegularExpression)
    case step(Int, Int)
    case count(Int)
  }

  enum Part {
    case text([UInt8])
    case group(Int)
    case upper, lower, upperNext, lowerNext, plain
  }

  indirect enum Verb {
    case group([Instruction])
    case substitute(RegularExpression?, [Part], isGlobal: Bool, prints: Bool, number: Int)
    case translate([UInt8])
    case print
    case delete
    case quit(Int32, isSilent: Bool)
    case number
    case append([UInt8])
    case insert([UInt8])
    case change([UInt8])
  }

  struct Instruction {
    var first: Address?
    var second: Address?
    var isNegated = false
    var verb: Verb
    var id: Int
  }

  private(set) var instructions: [Instruction] = []
  private(set) var needsLast = false
  private var bytes: [UInt8]
  private var index = 0
  private let isExtended: Bool
  private var count = 0
  private var depth = 0

  init(_ script: [UInt8], isExtended: Bool) throws(SedError) {
    bytes = script
    self.isExtended = isExtended
    instructions = try parse(inGroup: false)
  }

  private func fail(_ message: String) -> SedError {
    SedError(at: min(index + 1, bytes.count), message: message)
  }
  private func refuse(_ message: String) -> SedError {
    SedError(at: min(index, max(bytes.count - 1, 0)), message: message, isRefusal: true)
  }

  private mutating func skip(_ alsoSeparators: Bool) {
    while index < bytes.count,
      bytes[index] == 0x20 || bytes[index] == 0x09
        || alsoSeparators && (bytes[index] == 0x0A || bytes[index] == UInt8(ascii: ";"))
    {
      index += 1
    }
  }

  private mutating func parse(inGroup: Bool) throws(SedError) -> [Instruction] {
    var result: [Instruction] = []
    depth += 1
    defer { depth -= 1 }
    if depth > 50 { throw refuse("groups more than 50 deep are not modelled") }
    while true {
      skip(true)
      guard index < bytes.count else {
        if inGroup { throw fail("unmatched `{'") }
        return result
      }
      if bytes[index] == UInt8(ascii: "#") {
        while index < bytes.count, bytes[index] != 0x0A { index += 1 }
        continue
      }
      if bytes[index] == UInt8(ascii: "}") {
        if !inGroup { throw fail("unexpected `}'") }
        index += 1
        return result
      }
      count += 1
      var instruction = Instruction(verb: .print, id: count)
      instruction.first = try address()
      skip(false)
      if instruction.first != nil, index < bytes.count, bytes[index] == UInt8(ascii: ",") {
        index += 1
        skip(false)
        guard let second = try address() else { throw fail("unexpected `,'") }
        instruction.second = second
      }
      skip(false)
      while index < bytes.count, bytes[index] == UInt8(ascii: "!") {
        instruction.isNegated = true
        index += 1
        skip(false)
      }
      guard index < bytes.count else { throw fail("missing command") }
      instruction.verb = try verb()
      result.append(instruction)
      skip(false)
      if index < bytes.count,
        ![0x0A, UInt8(ascii: ";"), UInt8(ascii: "}"), 0x23].contains(bytes[index])
      {
        throw fail("extra characters after command")
      }
    }
  }

  private mutating func number() -> Int? {
    var value: Int?
    while index < bytes.count, ShellParser.isDigit(bytes[index]) {
      value = min((value ?? 0) * 10 + Int(bytes[index] - 0x30), 1_000_000_000)
      index += 1
    }
    return value
  }

  private mutating func address() throws(SedError) -> Address? {
    guard index < bytes.count else { return nil }
    if let line = number() {
      if index < bytes.count, bytes[index] == UInt8(ascii: "~") {
        index += 1
        return .step(line, number() ?? 0)
      }
      return .line(line)
    }
    switch bytes[index] {
    case UInt8(ascii: "$"):
      index += 1
      needsLast = true
      return .last
    case UInt8(ascii: "+"):
      index += 1
      return .count(number() ?? 0)
    case UInt8(ascii: "/"), 0x5C:
      var delimiter = bytes[index]
      index += 1
      if delimiter == 0x5C {
        guard index < bytes.count else { throw fail("unterminated address regex") }
        delimiter = bytes[index]
        index += 1
      }
      let pattern = try delimited(delimiter, "unterminated address regex")
      var ignoresCase = false
      while index < bytes.count, bytes[index] == UInt8(ascii: "I") {
        ignoresCase = true
        index += 1
      }
      return .pattern(try regularExpression(pattern, ignoresCase))
    default: return nil
    }
  }

  private func regularExpression(_ pattern: [UInt8], _ ignoresCase: Bool) throws(SedError)
    -> RegularExpression
  {
    do {
      return try RegularExpression(
        pattern,
        syntax: isExtended ? .extended : .basic,
        ignoresCase: ignoresCase
      )
    } catch {
      throw SedError(
        at: min(index, max(bytes.count - 1, 0)),
        message: error.message,
        isRefusal: error.isRefusal
      )
    }
  }

  /// Text up to a delimiter; an escaped delimiter stands for itself.
  private mutating func delimited(_ delimiter: UInt8, _ complaint: String, isPattern: Bool = true)
    throws(SedError) -> [UInt8]
  {
    var text: [UInt8] = []
    var inBracket = false
    while index < bytes.count {
      let byte = bytes[index]
      if byte == 0x5C, index + 1 < bytes.count, !inBracket {
        index += 2
        if bytes[index - 1] == delimiter {
          text.append(delimiter)
        } else if bytes[index - 1] == UInt8(ascii: "n"), isPattern {
          text += [0x5C, UInt8(ascii: "n")]
        } else {
          text += [0x5C, bytes[index - 1]]
        }
        continue
      }
      if byte == delimiter, !inBracket {
        index += 1
        return text
      }
      if isPattern {
        if inBracket, byte == UInt8(ascii: "]") {
          inBracket = false
        } else if byte == UInt8(ascii: "["), !inBracket, bytes[index...].contains(UInt8(ascii: "]"))
        {
          inBracket = true
          text.append(byte)
          index += 1
          if index < bytes.count, bytes[index] == UInt8(ascii: "^") {
            text.append(bytes[index])
            index += 1
          }
          if index < bytes.count, bytes[index] == UInt8(ascii: "]") {
            text.append(bytes[index])
            index += 1
          }
          continue
        }
      }
      text.append(byte)
      index += 1
    }
    throw fail(complaint)
  }

  private mutating func verb() throws(SedError) -> Verb {
    let letter = bytes[index]
    index += 1
    switch letter {
    case UInt8(ascii: "{"): return .group(try parse(inGroup: true))
    case UInt8(ascii: "s"): return try substitute()
    case UInt8(ascii: "y"):
      guard index < bytes.count else { throw fail("unterminated `y' command") }
      let delimiter = bytes[index]
      index += 1
      let from = Self.unescaped(
        try delimited(delimiter, "unterminated `y' command", isPattern: false)
      )
      let to = Self.unescaped(
        try delimited(delimiter, "unterminated `y' command", isPattern: false)
      )
      guard from.count == to.count else {
        throw fail("strings for `y' command are different lengths")
      }
      var map = (0...255).map { UInt8($0) }
      for (a, b) in zip(from, to) { map[Int(a)] = b }
      return .translate(map)
    case UInt8(ascii: "p"): return .print
    case UInt8(ascii: "d"): return .delete
    case UInt8(ascii: "="): return .number
    case UInt8(ascii: "n"): throw refuse("the command `n' is not modelled")
    case UInt8(ascii: "q"), UInt8(ascii: "Q"):
      skip(false)
      return .quit(Int32((number() ?? 0) & 0xFF), isSilent: letter == UInt8(ascii: "Q"))
    case UInt8(ascii: "a"), UInt8(ascii: "i"), UInt8(ascii: "c"):
      let text = text()
      if letter == UInt8(ascii: "a") { return .append(text) }
      return letter == UInt8(ascii: "i") ? .insert(text) : .change(text)
    default:
      index -= 1
      let name = String(decoding: [letter], as: UTF8.self)
      if "bthHgGxDNPlrRwWezFTv:".utf8.contains(letter) {
        throw refuse("the command `\(name)' is not modelled")
      }
      throw fail("unknown command: `\(name)'")
    }
  }

  private static func unescaped(_ text: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    var index = 0
    while index < text.count {
      if text[index] == 0x5C, index + 1 < text.count {
        index += 1
        switch text[index] {
        case UInt8(ascii: "n"): result.append(0x0A)
        case UInt8(ascii: "t"): result.append(0x09)
        default: result.append(text[index])
        }
      } else {
        result.append(text[index])
      }
      index += 1
    }
    return result
  }

  /// The text of `a`, `i` and `c`, to the end of the line.
  private mutating func text() -> [UInt8] {
    skip(false)
    if index < bytes.count, bytes[index] == 0x5C {
      index += 1
      skip(false)
      if index < bytes.count, bytes[index] == 0x0A { index += 1 }
    }
    var text: [UInt8] = []
    while index < bytes.count, bytes[index] != 0x0A {
      if bytes[index] == 0x5C, index + 1 < bytes.count { index += 1 }
      text.append(bytes[index])
      index += 1
    }
    return text + [0x0A]
  }

  private mutating func substitute() throws(SedError) -> Verb {
    guard index < bytes.count, bytes[index] != 0x0A, bytes[index] != 0x5C else {
      throw fail("unterminated `s' command")
    }
    let delimiter = bytes[index]
    index += 1
    let pattern = try delimited(delimiter, "unterminated `s' command")
    let replacement = try delimited(delimiter, "unterminated `s' command", isPattern: false)
    var isGlobal = false
    var prints = false
    var ignoresCase = false
    var number = 1
    flags: while index < bytes.count {
      switch bytes[index] {
      case UInt8(ascii: "g"): isGlobal = true
      case UInt8(ascii: "p"): prints = true
      case UInt8(ascii: "i"), UInt8(ascii: "I"): ignoresCase = true
      case 0x30...0x39:
        guard let value = self.number(), value > 0 else {
          throw fail("number option to `s' command may not be zero")
        }
        number = value
        continue flags
      case UInt8(ascii: "m"), UInt8(ascii: "M"), UInt8(ascii: "e"), UInt8(ascii: "w"):
        let name = String(decoding: [bytes[index]], as: UTF8.self)
        throw refuse("the flag `\(name)' of `s' is not modelled")
      default: break flags
      }
      index += 1
    }
    if index < bytes.count,
      ![0x0A, 0x20, 0x09, UInt8(ascii: ";"), UInt8(ascii: "}"), 0x23].contains(bytes[index])
    {
      throw fail("unknown option to `s'")
    }
    let expression = pattern.isEmpty ? nil : try regularExpression(pattern, ignoresCase)
    let parts = try parts(replacement)
    for part in parts {
      if case .group(let group) = part, let expression, group > expression.groups {
        throw fail("invalid reference \\\(group) on `s' command's RHS")
      }
    }
    return .substitute(expression, parts, isGlobal: isGlobal, prints: prints, number: number)
  }

  private func parts(_ text: [UInt8]) throws(SedError) -> [Part] {
    var parts: [Part] = []
    var plain: [UInt8] = []
    func flush() {
      if !plain.isEmpty { parts.append(.text(plain)) }
      plain = []
    }
    var at = 0
    while at < text.count {
      if text[at] == UInt8(ascii: "&") {
        flush()
        parts.append(.group(0))
      } else if text[at] == 0x5C, at + 1 < text.count {
        at += 1
        switch text[at] {
        case 0x30...0x39:
          flush()
          parts.append(.group(Int(text[at] - 0x30)))
        case UInt8(ascii: "n"): plain.append(0x0A)
        case UInt8(ascii: "t"): plain.append(0x09)
        case UInt8(ascii: "U"), UInt8(ascii: "L"), UInt8(ascii: "u"), UInt8(ascii: "l"),
          UInt8(ascii: "E"):
          flush()
          let kinds: [UInt8: Part] = [
            0x55: .upper, 0x4C: .lower, 0x75: .upperNext, 0x6C: .lowerNext, 0x45: .plain,
          ]
          parts.append(kinds[text[at]] ?? .plain)
        default: plain.append(text[at])
        }
      } else {
        plain.append(text[at])
      }
      at += 1
    }
    flush()
    return parts
  }
}

/// Runs a sed script over lines.
private struct SedMachine {
  let process: Process
  let script: SedScript
  let isQuiet: Bool
  var waiting: [UInt8]?
  var isDone = false
  var status: Int32 = 0
  private var line = 0
  private var ranges: [Int: Int] = [:]
  private var lastExpression: RegularExpression?

  init(process: Process, script: SedScript, isQuiet: Bool) {
    self.process = process
    self.script = script
    self.isQuiet = isQuiet
  }

  private struct Space {
    var text: [UInt8]
    var appended: [UInt8] = []
    var output: [UInt8] = []
    var isDeleted = false
    var quits = false
    var isSilent = false
  }

  mutating func process(_ raw: [UInt8], isLast: Bool) async throws(ProcessExit) {
    line += 1
    let hasEnd = raw.last == 0x0A
    var space = Space(text: hasEnd ? Array(raw.dropLast()) : raw)
    try run(script.instructions, &space, isLast)
    if !isQuiet, !space.isDeleted, !space.isSilent {
      space.output += space.text
      if hasEnd || !space.appended.isEmpty { space.output.append(0x0A) }
    }
    try await process.write(space.output + space.appended)
    if space.quits { isDone = true }
  }

  /// Runs instructions; false when the cycle ends.
  @discardableResult
  private mutating func run(
    _ instructions: [SedScript.Instruction],
    _ space: inout Space,
    _ isLast: Bool
  ) throws(ProcessExit) -> Bool {
    for instruction in instructions
    where selects(instruction, space.text, isLast) != instruction.isNegated {
      switch instruction.verb {
      case .group(let inner):
        if try !run(inner, &space, isLast) { return false }
      case .substitute(let expression, let parts, let isGlobal, let prints, let number):
        if let expression { lastExpression = expression }
        guard let expression = expression ?? lastExpression else {
          throw .refused("sed: an empty pattern without one before it is not modelled")
        }
        if let text = substitute(space.text, expression, parts, isGlobal, number) {
          space.text = text
          if prints { space.output += text + [0x0A] }
        }
        if space.text.count > 1 << 24 {
          throw .refused("sed: a line of more than 16 MiB is not modelled")
        }
      case .translate(let map): space.text = space.text.map { map[Int($0)] }
      case .print: space.output += space.text + [0x0A]
      case .delete:
        space.isDeleted = true
        return false
      case .quit(let status, let isSilent):
        self.status = status
        space.quits = true
        space.isSilent = isSilent
        return false
      case .number: space.output += Array("\(line)\n".utf8)
      case .append(let text): space.appended += text
      case .insert(let text): space.output += text
      case .change(let text):
        if instruction.second == nil || instruction.isNegated || ranges[instruction.id] == nil {
          space.output += text
        }
        space.isDeleted = true
        return false
      }
    }
    return true
  }

  private mutating func matches(_ address: SedScript.Address, _ text: [UInt8], _ isLast: Bool)
    -> Bool
  {
    switch address {
    case .line(let number): return line == number
    case .last: return isLast
    case .pattern(let expression):
      lastExpression = expression
      return expression.firstMatch(in: text) != nil
    case .step(let first, let step):
      return step == 0 ? line == first : line >= first && (line - first) % step == 0
    case .count: return false
    }
  }

  private mutating func selects(
    _ instruction: SedScript.Instruction,
    _ text: [UInt8],
    _ isLast: Bool
  ) -> Bool {
    guard let first = instruction.first else { return true }
    guard let second = instruction.second else { return matches(first, text, isLast) }
    if let start = ranges[instruction.id] {
      switch second {
      case .line(let number):
        if line >= number { ranges[instruction.id] = nil }
        return line <= number
      case .count(let count):
        if line >= start + count { ranges[instruction.id] = nil }
        return true
      default:
        if matches(second, text, isLast) { ranges[instruction.id] = nil }
        return true
      }
    }
    let begins: Bool
    if case .line(0) = first { begins = line == 1 } else { begins = matches(first, text, isLast) }
    guard begins else { return false }
    switch second {
    case .line(let number): if number > line { ranges[instruction.id] = line }
    case .count(let count): if count > 0 { ranges[instruction.id] = line }
    case .last: if !isLast { ranges[instruction.id] = line }
    default:
      if case .line(0) = first, matches(second, text, isLast) { return true }
      ranges[instruction.id] = line
    }
    return true
  }

  private func substitute(
    _ text: [UInt8],
    _ expression: RegularExpression,
    _ parts: [SedScript.Part],
    _ isGlobal: Bool,
    _ number: Int
  ) -> [UInt8]? {
    var result: [UInt8] = []
    var from = 0
    var seen = 0
    var isChanged = false
    var lastEnd = -1
    while from <= text.count {
      guard let groups = expression.firstMatch(in: text, from: from), let match = groups[0] else {
        break
      }
      // An empty match right after another does not count.
      if match.isEmpty, match.lowerBound == lastEnd {
        if match.lowerBound < text.count { result.append(text[match.lowerBound]) }
        from = match.lowerBound + 1
        lastEnd = -1
        continue
      }
      seen += 1
      result += text[from..<match.lowerBound]
      if seen >= number {
        isChanged = true
        result += replacement(parts, text, groups)
      } else {
        result += text[match]
      }
      lastEnd = match.upperBound
      from = match.upperBound
      if match.isEmpty {
        if from < text.count { result.append(text[from]) }
        from += 1
        lastEnd = -1
      }
      if seen >= number, !isGlobal { break }
    }
    if from < text.count { result += text[from...] }
    return isChanged ? result : nil
  }

  private func replacement(_ parts: [SedScript.Part], _ text: [UInt8], _ groups: [Range<Int>?])
    -> [UInt8]
  {
    var result: [UInt8] = []
    var isUpper: Bool?
    var isNextUpper: Bool?
    func add(_ bytes: some Sequence<UInt8>) {
      for byte in bytes {
        var changed = byte
        let wanted = isNextUpper ?? isUpper
        isNextUpper = nil
        if wanted == true, (0x61...0x7A).contains(byte) { changed = byte - 32 }
        if wanted == false, (0x41...0x5A).contains(byte) { changed = byte + 32 }
        result.append(changed)
      }
    }
    for part in parts {
      switch part {
      case .text(let bytes): add(bytes)
      case .group(let number):
        if number < groups.count, let range = groups[number] { add(text[range]) }
      case .upper: isUpper = true
      case .lower: isUpper = false
      case .upperNext: isNextUpper = true
      case .lowerNext: isNextUpper = false
      case .plain: isUpper = nil
      }
    }
    return result
  }
}

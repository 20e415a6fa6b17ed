/// Runs a sed script over lines.
struct SedMachine {
  let process: Process
  let script: SedScript
  let isQuiet: Bool
  var waiting: [UInt8]?
  var isDone = false
  var status: Int32 = 0
  var line = 0
  var ranges: [Int: Int] = [:]
  var lastExpression: RegularExpression?

  init(process: Process, script: SedScript, isQuiet: Bool) {
    self.process = process
    self.script = script
    self.isQuiet = isQuiet
  }

  struct Space {
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
  mutating func run(
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

  mutating func matches(_ address: SedScript.Address, _ text: [UInt8], _ isLast: Bool)
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

  mutating func selects(
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
}

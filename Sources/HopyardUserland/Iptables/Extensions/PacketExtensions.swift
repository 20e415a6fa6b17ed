import HopyardSimulator
import HopyardWire

/// `-m ah` and `-m esp`.
final class SPIExtension: RuleExtension {
  private var result = SPIMatch()

  init(_ name: String, _ family: RuleFamily) {
    var options = [ExtensionOption(name + "spi", 0, invert: true)]
    if name == "ah", family == .ipv6 {
      options += [
        ExtensionOption("ahlen", 1, invert: true), ExtensionOption("ahres", 2, flag: true),
      ]
    }
    super.init(name, options)
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    switch option.id {
    case 0: result.range = try range32(value, option, inverted, context)
    case 1: result.length = NumberMatch(try number32(value, option), inverted: inverted)
    default: result.checksReserved = true
    }
  }

  override func match(_ context: ExtensionContext) -> Match? {
    var kept = result
    kept.range = kept.range.flatMap { context.keptRange($0, maximum: .max) }
    return name == "ah" ? .ah(kept) : .esp(kept)
  }
}

/// `-m sctp`.
final class SCTPExtension: RuleExtension {
  private var result = SCTPMatch()

  init() {
    super.init(
      "sctp",
      [
        ExtensionOption("source-port", 0), ExtensionOption("sport", 0),
        ExtensionOption("destination-port", 1), ExtensionOption("dport", 1),
        ExtensionOption("chunk-types", 2),
      ]
    )
  }

  override var isGuided: Bool { false }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    switch option.id {
    case 0:
      guard result.source == nil else { throw .parameter("Only one `--source-port' allowed") }
      result.source = try PortText.range(value, protocol: "sctp", inverted: inverted)
    case 1:
      guard result.destination == nil else {
        throw .parameter("Only one `--destination-port' allowed")
      }
      result.destination = try PortText.range(value, protocol: "sctp", inverted: inverted)
    default:
      guard result.chunks == nil else { throw .parameter("Only one `--chunk-types' allowed") }
      guard let second else { throw .parameter("--chunk-types requires two args") }
      self.second = nil
      guard let scope = SCTPMatch.Scope(rawValue: value.lowercased()) else {
        throw .parameter("Match type has to be one of \"ALL\", \"ANY\" or \"ONLY\"")
      }
      var chunks = SCTPMatch.Chunks(scope, [], inverted: inverted)
      for word in second.split(separator: ",") { try Self.add(word, to: &chunks) }
      chunks.chunks.sort { $0.kind < $1.kind }
      result.chunks = chunks
    }
  }

  private static func add(_ word: Substring, to chunks: inout SCTPMatch.Chunks)
    throws(IptablesFailure)
  {
    let parts = word.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    switch parts[0].uppercased() {
    case "ALL":
      chunks.isEverything = true
      return
    case "NONE":
      chunks.isEverything = false
      chunks.chunks = []
      return
    default: break
    }
    let upper = parts[0].uppercased()
    guard let known = SCTPMatch.names.first(where: { $0.name == upper }) else {
      throw .parameter("Unknown sctp chunk `\(parts[0])'")
    }
    var chunk = SCTPMatch.Chunk(known.kind)
    for letter in parts.count > 1 ? parts[1] : "" {
      guard let place = known.flags.firstIndex(of: Character(letter.uppercased())),
        letter != "-"
      else { throw .parameter("Invalid flags for chunk type \(known.kind)") }
      let bit: UInt8 = 0x80 >> UInt8(known.flags.distance(from: known.flags.startIndex, to: place))
      chunk.flagMask |= bit
      if letter.isUppercase { chunk.flags |= bit } else { chunk.flags &= ~bit }
    }
    chunks.chunks.removeAll { $0.kind == known.kind }
    chunks.chunks.append(chunk)
  }

  override func match(_ context: ExtensionContext) -> Match? { .sctp(result) }
}

/// `-m dccp`.
final class DCCPExtension: RuleExtension {
  private var result = DCCPMatch()

  init() {
    super.init(
      "dccp",
      [
        ExtensionOption("source-port", 0, invert: true), ExtensionOption("sport", 0),
        ExtensionOption("destination-port", 1, invert: true), ExtensionOption("dport", 1),
        ExtensionOption("dccp-types", 2, invert: true),
        ExtensionOption("dccp-option", 3, invert: true),
      ]
    )
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    switch option.id {
    case 0, 1:
      let ports = try ports(value, inverted: inverted)
      try context.checkOrder(ports.first <= ports.last, option, self)
      if option.id == 0 { result.source = ports } else { result.destination = ports }
    case 2:
      var types = DCCPMatch.Types(0, inverted: inverted)
      for word in value.split(separator: ",", omittingEmptySubsequences: false) {
        let upper = word.uppercased()
        guard let number = DCCPMatch.names.firstIndex(of: upper) else {
          throw .parameter("Unknown DCCP type `\(word)'")
        }
        types.bits |= 1 << UInt16(number)
      }
      result.types = types
    default:
      let number = UInt8(truncatingIfNeeded: try number(value, option, 1...255))
      result.option = ValueMatch(number, inverted: inverted)
    }
  }

  override func match(_ context: ExtensionContext) -> Match? { .dccp(result) }
}

/// `-m ecn`.
final class ECNExtension: RuleExtension {
  private var result = ECNMatch()

  init() {
    super.init(
      "ecn",
      [
        ExtensionOption("ecn-tcp-cwr", 0, flag: true, invert: true),
        ExtensionOption("ecn-tcp-ece", 1, flag: true, invert: true),
        ExtensionOption("ecn-ip-ect", 2, invert: true),
      ]
    )
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    switch option.id {
    case 0: result.reduced = !inverted
    case 1: result.echo = !inverted
    default:
      let number = UInt8(truncatingIfNeeded: try number(value, option, 0...3))
      result.codepoint = ValueMatch(number, inverted: inverted)
    }
  }

  override func check(_ context: ExtensionContext) throws(IptablesFailure) {
    guard !seen.isEmpty else { throw .parameter("ECN match: some option required") }
  }

  override func match(_ context: ExtensionContext) -> Match? { .ecn(result) }
}

/// `-m ipcomp`.
final class CompressionExtension: RuleExtension {
  private var result = CompressionMatch(RangeMatch(0, 0))

  init() {
    super.init(
      "ipcomp",
      [
        ExtensionOption("ipcompspi", 0, invert: true), ExtensionOption("compres", 1, flag: true),
      ]
    )
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    if option.id == 0 {
      result.index = try range32(value, option, inverted, context)
    } else {
      result.checksReserved = true
    }
  }

  override func match(_ context: ExtensionContext) -> Match? {
    // Newer releases take no number for all of them, so that what is printed is read as the same.
    if !seen.contains(0), context.release >= .version1811 { result.index = RangeMatch(0, .max) }
    return .compression(result)
  }
}

/// `-m bpf`.
final class FilterExtension: RuleExtension {
  private var result: FilterProgram?

  init() {
    super.init("bpf", [ExtensionOption("bytecode", 0), ExtensionOption("object-pinned", 1)])
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    if option.id == 1 { throw .parameter("bpf: failed to get bpf object") }
    let parts = value.split(separator: ",", omittingEmptySubsequences: false)
    guard let count = Int(parts[0].trimmingSpaces), parts.count > 1 else {
      throw .parameter("bpf: error parsing program length")
    }
    guard count >= 1 else { throw .parameter("bpf: illegal zero length program") }
    guard count <= FilterProgram.maximumLength else {
      throw .parameter("bpf: number of instructions exceeds maximum")
    }
    var list = parts.dropFirst()
    if list.last == "" { list = list.dropLast() }
    var instructions: [FilterProgram.Instruction] = []
    for (index, part) in list.enumerated() {
      guard index < count else {
        throw .parameter("bpf: real program length exceeds the encoded length parameter")
      }
      let numbers = part.split(separator: " ").map(String.init)
      guard numbers.count == 4, let code = UInt16(numbers[0]), let yes = UInt8(numbers[1]),
        let no = UInt8(numbers[2]), let operand = UInt32(numbers[3])
      else { throw .parameter("bpf: error at instr \(index)") }
      instructions.append(
        .init(code: code, whenTrue: yes, whenFalse: no, operand: operand)
      )
    }
    guard instructions.count == count else {
      throw .parameter("bpf: parsed program length is less than the encoded length parameter")
    }
    result = FilterProgram(instructions)
  }

  override func check(_ context: ExtensionContext) throws(IptablesFailure) {
    guard result != nil else { throw .parameter("bpf: one of --bytecode or --pinned is required") }
  }

  override func match(_ context: ExtensionContext) throws(IptablesFailure) -> Match? {
    guard let result else { return nil }
    guard result.isValid else { throw .batch(["Invalid argument"]) }
    return .bpf(result)
  }
}

extension StringProtocol {
  /// The text without spaces around it.
  var trimmingSpaces: String {
    var rest = Substring(self)
    while rest.first == " " { rest = rest.dropFirst() }
    while rest.last == " " { rest = rest.dropLast() }
    return String(rest)
  }
}

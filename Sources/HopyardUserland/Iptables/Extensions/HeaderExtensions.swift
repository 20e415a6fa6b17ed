import HopyardSimulator
import HopyardWire

/// `-m length` and `-m tcpmss`.
final class LengthExtension: RuleExtension {
  private var result = RangeMatch(0, 0)

  init(_ name: String) {
    super.init(
      name,
      [ExtensionOption(name == "length" ? "length" : "mss", 0, mandatory: true, invert: true)]
    )
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    let (lower, upper, _) = try range(value, option, maximum: 65535)
    try context.checkOrder(lower <= upper, option, self)
    result = RangeMatch(
      UInt32(truncatingIfNeeded: lower),
      UInt32(truncatingIfNeeded: upper),
      inverted: inverted
    )
  }

  override func match(_ context: ExtensionContext) -> Match? {
    name == "length" ? .length(result) : .tcpMSS(result)
  }
}

/// `-m ttl` and `-m hl`.
final class HopMatchExtension: RuleExtension {
  private var result: HopMatch?

  init(_ family: RuleFamily) {
    let word = family == .ipv4 ? "ttl" : "hl"
    super.init(
      word,
      [
        ExtensionOption(word + "-lt", 0, excludes: [1, 2]),
        ExtensionOption(word + "-gt", 1, excludes: [0, 2]),
        ExtensionOption(word + "-eq", 2, invert: true, excludes: [0, 1]), ExtensionOption(word, 2),
      ]
    )
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    let number = UInt8(truncatingIfNeeded: try number(value, option, 0...255))
    let comparison: HopMatch.Comparison =
      option.id == 0 ? .less : option.id == 1 ? .greater : inverted ? .notEqual : .equal
    result = HopMatch(comparison, number)
  }

  override func check(_ context: ExtensionContext) throws(IptablesFailure) {
    guard result == nil else { return }
    throw .parameter(
      name == "ttl"
        ? "TTL match: You must specify one of `--ttl-eq', `--ttl-lt', `--ttl-gt"
        : "HL match: You must specify one of `--hl-eq', `--hl-lt', `--hl-gt'"
    )
  }

  override func match(_ context: ExtensionContext) -> Match? {
    result.map { name == "ttl" ? .ttl($0) : .hopLimit($0) }
  }
}

/// Words for values of the TOS field.
enum TOSText {
  static let names: [(String, UInt8)] = [
    ("Minimize-Delay", 0x10), ("Maximize-Throughput", 0x08), ("Maximize-Reliability", 0x04),
    ("Minimize-Cost", 0x02), ("Normal-Service", 0x00),
  ]

  /// Reads `VALUE[/MASK]` or a word.
  static func parse(_ text: String) throws(IptablesFailure) -> (value: UInt8, mask: UInt8) {
    if let (number, length) = IptablesNumber.prefix(text[...]), let value = UInt8(exactly: number) {
      let rest = text.dropFirst(length)
      if rest.isEmpty { return (value, 255) }
      if rest.first == "/", let number = IptablesNumber.parse(String(rest.dropFirst())),
        let mask = UInt8(exactly: number)
      {
        return (value, mask)
      }
      throw .parameter("Illegal value: \"\(text)\"")
    }
    let lower = text.lowercased()
    guard let known = names.first(where: { $0.0.lowercased() == lower }) else {
      throw .parameter("Symbolic name \"\(text)\" is unknown")
    }
    return (known.1, 0x3f)
  }
}

/// `-m tos`.
final class TOSExtension: RuleExtension {
  private var result = TOSMatch(value: 0, mask: 0)

  init() {
    super.init("tos", [ExtensionOption("tos", 0, mandatory: true, invert: true)])
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    let (value, mask) = try TOSText.parse(value)
    result = TOSMatch(value: value, mask: mask, inverted: inverted)
  }

  override func match(_ context: ExtensionContext) -> Match? { .tos(result) }
}

/// Words for values of the DSCP field.
enum DSCPText {
  /// The value of a class such as `EF`, `CS3` or `AF11`.
  static func parse(_ text: String) throws(IptablesFailure) -> UInt8 {
    let upper = text.uppercased()
    let digits = upper.utf8.dropFirst(2).map { Int($0) - 48 }
    switch (upper.prefix(2), digits.count) {
    case ("BE", 0): return 0
    case ("EF", 0): return 46
    case ("CS", 1) where (0...7).contains(digits[0]): return UInt8(8 * digits[0])
    case ("AF", 2) where (1...4).contains(digits[0]) && (1...3).contains(digits[1]):
      return UInt8(8 * digits[0] + 2 * digits[1])
    default: throw .parameter("Invalid DSCP value `\(text)'")
    }
  }
}

/// `-m dscp`.
final class DSCPExtension: RuleExtension {
  private var result: ValueMatch?

  init() {
    super.init(
      "dscp",
      [
        ExtensionOption("dscp", 0, invert: true, excludes: [1]),
        ExtensionOption("dscp-class", 1, invert: true, excludes: [0]),
      ]
    )
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    let number =
      option.id == 0
      ? UInt8(truncatingIfNeeded: try number(value, option, 0...63)) : try DSCPText.parse(value)
    result = ValueMatch(number, inverted: inverted)
  }

  override func check(_ context: ExtensionContext) throws(IptablesFailure) {
    guard result != nil else { throw .parameter("DSCP match: Parameter --dscp is required") }
  }

  override func match(_ context: ExtensionContext) -> Match? { result.map { .dscp($0) } }
}

/// `-m mac`.
final class MACExtension: RuleExtension {
  private var result = MACMatch(MACAddress(rawValue: 0))

  init() {
    super.init("mac", [ExtensionOption("mac-source", 0, mandatory: true, invert: true)])
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    let parts = value.split(separator: ":", omittingEmptySubsequences: false)
    var address: UInt64 = 0
    for part in parts {
      guard parts.count == 6, (1...2).contains(part.utf8.count), let byte = UInt8(part, radix: 16)
      else { throw .parameter("Invalid MAC address specified.") }
      address = address << 8 | UInt64(byte)
    }
    result = MACMatch(MACAddress(rawValue: address), inverted: inverted)
  }

  override func match(_ context: ExtensionContext) -> Match? { .mac(result) }
}

/// `-m pkttype`.
final class PacketTypeExtension: RuleExtension {
  private var result = PacketTypeMatch(.unicast)

  init() {
    super.init("pkttype", [ExtensionOption("pkt-type", 0, mandatory: true, invert: true)])
  }

  static let names: [(String, PacketTypeMatch.Kind)] = [
    ("unicast", .unicast), ("broadcast", .broadcast), ("multicast", .multicast),
    ("otherhost", .otherHost), ("host", .unicast),
  ]

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    let lower = value.lowercased()
    guard let kind = Self.names.first(where: { $0.0 == lower }) else {
      throw .parameter("Bad packet type '\(value)'")
    }
    result = PacketTypeMatch(kind.1, inverted: inverted)
  }

  override func match(_ context: ExtensionContext) -> Match? { .packetType(result) }
}

/// `-m iprange`.
final class AddressRangeExtension: RuleExtension {
  private var result = AddressRangeMatch()

  init() {
    super.init(
      "iprange",
      [
        ExtensionOption("src-range", 0, invert: true),
        ExtensionOption("dst-range", 1, invert: true),
      ]
    )
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    var ends: [UInt128] = []
    let parts = value.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
    for part in parts {
      guard let address = IptablesAddress.parse(String(part), context.family) else {
        throw .parameter("iprange: Bad value for \"--\(option.name)\" option: \"\(part)\"")
      }
      ends.append(address)
    }
    let bounds = AddressRangeMatch.Bounds(ends[0], ends.last ?? ends[0], inverted: inverted)
    if bounds.first > bounds.last {
      warnings += "xt_iprange: range \(value) is reversed and will never match\n"
    }
    if option.id == 0 { result.source = bounds } else { result.destination = bounds }
  }

  override func check(_ context: ExtensionContext) throws(IptablesFailure) {
    guard !seen.isEmpty else {
      throw .parameter("iprange match: You must specify `--src-range' or `--dst-range'")
    }
  }

  override func match(_ context: ExtensionContext) -> Match? { .addressRange(result) }
}

/// `-m comment`.
final class CommentExtension: RuleExtension {
  private var result = ""

  init() {
    super.init("comment", [ExtensionOption("comment", 0, mandatory: true)])
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) {
    result = text(value, maximum: 255)
  }

  override func match(_ context: ExtensionContext) -> Match? { .comment(result) }
}

/// `-m string`.
final class StringExtension: RuleExtension {
  private var pattern: [UInt8]?
  private var isHexadecimal = false
  private var algorithm: String?
  private var from: UInt16 = 0
  private var to = UInt16.max
  private var ignoresCase = false
  private var inverted = false

  init() {
    super.init(
      "string",
      [
        ExtensionOption("from", 0), ExtensionOption("to", 1),
        ExtensionOption("algo", 2, mandatory: true),
        ExtensionOption("string", 3, invert: true, excludes: [4]),
        ExtensionOption("hex-string", 4, invert: true, excludes: [3]),
        ExtensionOption("icase", 5, flag: true),
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
    case 0: from = UInt16(truncatingIfNeeded: try number(value, option, 0...65535))
    case 1: to = UInt16(truncatingIfNeeded: try number(value, option, 0...65535))
    case 2: algorithm = text(value, maximum: 15)
    case 3:
      guard value.utf8.count <= 128 else { throw .parameter("STRING too long \"\(value)\"") }
      pattern = Array(value.utf8)
      self.inverted = inverted
    case 4:
      pattern = try Self.hexadecimal(value)
      isHexadecimal = true
      self.inverted = inverted
    default: ignoresCase = true
    }
  }

  /// Text in which bytes stand between bars in hexadecimal: `ab|0d 0a|`.
  private static func hexadecimal(_ text: String) throws(IptablesFailure) -> [UInt8] {
    let input = Array(text.utf8)
    guard !input.isEmpty else { throw .parameter("STRING must contain at least one char") }
    var bytes: [UInt8] = []
    var inBlock = false
    var index = 0
    func byte(_ index: Int) -> UInt8 { index < input.count ? input[index] : 0 }
    func digit(_ index: Int) throws(IptablesFailure) -> UInt8 {
      let text = String(decoding: [input[index]], as: UTF8.self)
      guard let value = UInt8(text, radix: 16) else {
        throw .parameter("Invalid hex char '\(text)'")
      }
      return value
    }
    while index < input.count {
      var isLiteral = false
      if input[index] == UInt8(ascii: "\\") {
        guard !inBlock else { throw .parameter("Cannot include literals in hex data") }
        isLiteral = true
      } else if input[index] == UInt8(ascii: "|") {
        inBlock.toggle()
        if inBlock { while byte(index + 1) == UInt8(ascii: " ") { index += 1 } }
        index += 1
        if index >= input.count { break }
      }
      if isLiteral {
        guard index + 1 < input.count else {
          throw .parameter("Bad literal placement at end of string")
        }
        bytes.append(input[index + 1])
        index += 2
      } else if inBlock {
        guard index + 1 < input.count else { throw .parameter("Odd number of hex digits") }
        guard index + 2 < input.count else { throw .parameter("Invalid hex block") }
        bytes.append(try digit(index) << 4 | (try digit(index + 1)))
        index += byte(index + 2) == UInt8(ascii: " ") ? 3 : 2
      } else {
        bytes.append(input[index])
        index += 1
      }
      guard bytes.count <= 128 else { throw .parameter("STRING too long \"\(text)\"") }
    }
    return bytes
  }

  override func check(_ context: ExtensionContext) throws(IptablesFailure) {
    guard pattern != nil else {
      throw .parameter("STRING match: You must specify `--string' or `--hex-string'")
    }
  }

  override func match(_ context: ExtensionContext) throws(IptablesFailure) -> Match? {
    guard let algorithm = StringMatch.Algorithm(rawValue: algorithm ?? "") else {
      throw .batch(["No such file or directory"])
    }
    guard let pattern, !pattern.isEmpty, from <= to else { throw .batch(["Invalid argument"]) }
    return .string(
      StringMatch(
        pattern: pattern,
        isHexadecimal: isHexadecimal,
        algorithm: algorithm,
        from: from,
        to: to,
        ignoresCase: ignoresCase,
        inverted: inverted
      )
    )
  }
}

/// `-m u32`.
final class U32Extension: RuleExtension {
  private var result: U32Match?

  init() {
    super.init("u32", [ExtensionOption("u32", 0, mandatory: true, invert: true)])
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    var parser = U32Parser(value)
    result = U32Match(try parser.tests(), inverted: inverted)
  }

  override func match(_ context: ExtensionContext) -> Match? { result.map { .u32($0) } }
}

/// Reads the language of `-m u32`.
private struct U32Parser {
  private let text: [UInt8]
  private var index = 0

  init(_ text: String) {
    self.text = Array(text.utf8)
  }

  private mutating func skip(_ word: String) -> Bool {
    while index < text.count, text[index] == 0x20 { index += 1 }
    guard text[index...].starts(with: word.utf8) else { return false }
    index += word.utf8.count
    return true
  }

  private mutating func number() throws(IptablesFailure) -> UInt32 {
    while index < text.count, text[index] == 0x20 { index += 1 }
    let rest = String(decoding: text[index...], as: UTF8.self)
    guard let (value, length) = IptablesNumber.prefix(rest[...]),
      let number = UInt32(exactly: value)
    else { throw .parameter("u32: at char \(index): not a number or out of range") }
    index += length
    return number
  }

  mutating func tests() throws(IptablesFailure) -> [U32Match.Test] {
    var tests: [U32Match.Test] = []
    repeat {
      var test = U32Match.Test(offset: try number(), steps: [], values: [])
      location: while true {
        if skip("=") { break }
        let operation: U32Match.Operation
        if skip("&&") {
          throw .parameter("u32: at char \(index): test ended with no value specified")
        } else if skip("&") {
          operation = .and
        } else if skip("<<") {
          operation = .leftShift
        } else if skip(">>") {
          operation = .rightShift
        } else if skip("@") {
          operation = .at
        } else {
          throw .parameter(
            index >= text.count
              ? "u32: abrupt end of input after location specifier"
              : "u32: at char \(index): operator expected"
          )
        }
        test.steps.append(.init(operation, try number()))
        guard test.steps.count < 10 else { throw .parameter("u32: too many operators") }
      }
      while index < text.count, text[index] == 0x20 { index += 1 }
      guard index < text.count else {
        throw .parameter("u32: test ended with no value specified")
      }
      repeat {
        let first = try number()
        test.values.append(RangeMatch(first, skip(":") ? try number() : first))
        guard test.values.count <= 10 else { throw .parameter("u32: too many ranges") }
      } while skip(",")
      tests.append(test)
      guard tests.count <= 10 else { throw .parameter("u32: too many \"&&\"s") }
    } while skip("&&")
    while index < text.count, text[index] == 0x20 { index += 1 }
    guard index == text.count else {
      throw .parameter("u32: at char \(index): expected \",\" or \"&&\"")
    }
    return tests
  }
}

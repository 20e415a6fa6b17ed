import HopyardSimulator

/// An option of a match or target.
struct ExtensionOption {
  var name: String
  /// What the option is to its extension; other names of the same option share it.
  var id: Int
  var takesValue = true
  /// Whether the value may be missing.
  var isOptional = false
  var isMandatory = false
  var isInvertible = false
  var isRepeatable = false
  /// Options that cannot stand beside it.
  var excludes: [Int] = []
  /// Options that must stand beside it.
  var requires: [Int] = []

  init(
    _ name: String,
    _ id: Int,
    flag: Bool = false,
    optional: Bool = false,
    mandatory: Bool = false,
    invert: Bool = false,
    repeats: Bool = false,
    excludes: [Int] = [],
    requires: [Int] = []
  ) {
    self.name = name
    self.id = id
    takesValue = !flag
    isOptional = optional
    isMandatory = mandatory
    isInvertible = invert
    isRepeatable = repeats
    self.excludes = excludes
    self.requires = requires
  }
}

/// What an extension may look at while options are read.
struct ExtensionContext {
  let family: RuleFamily
  let variant: RulesetVariant
  let release: IptablesRelease
  /// What `-p` said so far.
  var `protocol`: ProtocolMatch?
  /// Reads a host's name.
  var resolve: (String) -> [UInt128]

  /// Newer releases refuse ranges that end before they begin.
  func checkOrder(
    _ isOrdered: Bool,
    _ option: ExtensionOption,
    _ reader: RuleExtension
  ) throws(IptablesFailure) {
    guard release >= .version1811, !isOrdered else { return }
    throw .parameter("\(reader.name): Invalid range for option \"--\(option.name)\"\n")
  }

  /// A range as it is kept: nil if it is of all numbers.
  ///
  /// Older releases forget an inverted range of all numbers, which nothing satisfies.
  func keptRange(_ range: RangeMatch, maximum: UInt32) -> RangeMatch? {
    guard range.lower == 0, range.upper == maximum else { return range }
    return range.inverted && release >= .version1811 ? range : nil
  }
}

/// Reads the options of one match or target; a subclass for each.
class RuleExtension {
  let name: String
  let options: [ExtensionOption]
  /// The ids of the options that were there.
  private(set) var seen: Set<Int> = []
  /// Lines for standard error that do not end the command.
  var warnings = ""
  /// The argument behind the option's value, for options that take two; taking it sets nil.
  var second: String?

  init(_ name: String, _ options: [ExtensionOption]) {
    self.name = name
    self.options = options
  }

  /// Whether the options follow the usual rules about repetition and `!`.
  var isGuided: Bool { true }

  /// Takes one option, after the usual checks.
  final func accept(
    _ option: ExtensionOption,
    _ value: String?,
    inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    // An option is called by its first name in messages.
    let option = options.first { $0.id == option.id } ?? option
    if isGuided {
      if !option.isRepeatable, seen.contains(option.id) {
        throw .parameter("\(name): option \"--\(option.name)\" can only be used once.\n")
      }
      if inverted, !option.isInvertible {
        throw .parameter("\(name): option \"--\(option.name)\" cannot be inverted.\n")
      }
    }
    try read(option, value ?? "", inverted, context)
    seen.insert(option.id)
  }

  /// Looks at the options together, at the end of the line.
  final func finish(_ context: ExtensionContext) throws(IptablesFailure) {
    try check(context)
    guard isGuided else { return }
    for option in options {
      if option.isMandatory, !seen.contains(option.id) {
        throw .parameter("\(name): option \"--\(option.name)\" must be specified\n")
      }
      guard seen.contains(option.id) else { continue }
      for other in options where other.id != option.id {
        if option.requires.contains(other.id), !seen.contains(other.id) {
          throw .parameter(
            "\(name): option \"--\(option.name)\" also requires \"--\(other.name)\".\n"
          )
        }
        if option.excludes.contains(other.id), seen.contains(other.id) {
          throw .parameter(
            "\(name): option \"--\(option.name)\" cannot be used together with "
              + "\"--\(other.name)\".\n"
          )
        }
      }
    }
  }

  /// Reads one option's value.
  func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {}

  /// The extension's own check at the end of the line.
  func check(_ context: ExtensionContext) throws(IptablesFailure) {}

  /// The match that was read; nil for targets.
  func match(_ context: ExtensionContext) throws(IptablesFailure) -> Match? { nil }

  /// The target that was read; nil for matches.
  func target(_ context: ExtensionContext) throws(IptablesFailure) -> Target? { nil }
}

// MARK: Values

extension RuleExtension {
  /// A number within bounds, in decimal, octal or hexadecimal.
  func number(
    _ value: String,
    _ option: ExtensionOption,
    _ bounds: ClosedRange<UInt64>
  ) throws(IptablesFailure) -> UInt64 {
    guard let number = IptablesNumber.parse(value), bounds.contains(number) else {
      throw .parameter(
        "\(name): bad value for option \"--\(option.name)\", or out of range "
          + "(\(bounds.lowerBound)-\(bounds.upperBound)).\n"
      )
    }
    return number
  }

  /// A number of 32 bits.
  func number32(_ value: String, _ option: ExtensionOption) throws(IptablesFailure) -> UInt32 {
    UInt32(truncatingIfNeeded: try number(value, option, 0...UInt64(UInt32.max)))
  }

  /// One or two numbers of 32 bits with a colon between.
  func range32(
    _ value: String,
    _ option: ExtensionOption,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) -> RangeMatch {
    let (lower, upper, _) = try range(value, option, maximum: UInt64(UInt32.max))
    try context.checkOrder(lower <= upper, option, self)
    return RangeMatch(
      UInt32(truncatingIfNeeded: lower),
      UInt32(truncatingIfNeeded: upper),
      inverted: inverted
    )
  }

  /// The value of an option that may do without: what is attached, or the next argument.
  func takeOptional(_ value: String) -> String? {
    if !value.isEmpty { return value }
    defer { second = nil }
    return second
  }

  /// One or two numbers with a colon between; an end that is left out is the least or greatest.
  func range(
    _ value: String,
    _ option: ExtensionOption,
    maximum: UInt64
  ) throws(IptablesFailure) -> (lower: UInt64, upper: UInt64, count: Int) {
    var rest = value[...]
    var numbers: [UInt64] = []
    while true {
      if numbers.count == 2 {
        throw .parameter(
          "\(name): Too many components for option \"--\(option.name)\" (max: 2)\n"
        )
      }
      var number: UInt64?
      if rest.isEmpty || rest.first == ":" {
        number = numbers.isEmpty ? 0 : maximum
      } else if let (read, length) = IptablesNumber.prefix(rest), read <= maximum {
        number = read
        rest = rest.dropFirst(length)
      }
      guard let number else {
        throw .parameter(
          "\(name): bad value for option \"--\(option.name)\" near \"\(rest)\", or out of range "
            + "(0-\(maximum)).\n"
        )
      }
      if let first = rest.first, first != ":" {
        throw .parameter(
          "\(name): Argument to \"--\(option.name)\" has unexpected characters near "
            + "\"\(rest)\".\n"
        )
      }
      numbers.append(number)
      if rest.isEmpty { break }
      rest = rest.dropFirst()
    }
    return (numbers[0], numbers.last ?? numbers[0], numbers.count)
  }

  /// A mark and its mask, `VALUE[/MASK]`.
  func mark(
    _ value: String,
    _ option: ExtensionOption
  ) throws(IptablesFailure) -> (value: UInt32, mask: UInt32) {
    func part(_ text: Substring) throws(IptablesFailure) -> (UInt32, Substring) {
      guard let (number, length) = IptablesNumber.prefix(text), let number = UInt32(exactly: number)
      else {
        throw .parameter(
          "\(name): bad integer value for option \"--\(option.name)\", or out of range.\n"
        )
      }
      return (number, text.dropFirst(length))
    }
    var (mark, rest) = try part(value[...])
    var mask = UInt32.max
    if rest.first == "/" { (mask, rest) = try part(rest.dropFirst()) }
    guard rest.isEmpty else {
      throw .parameter(
        "\(name): trailing garbage after value for option \"--\(option.name)\".\n"
      )
    }
    return (mark, mask)
  }

  /// A text, of which what is beyond so many bytes is cut off.
  func text(_ value: String, maximum: Int) -> String {
    String(decoding: value.utf8.prefix(maximum), as: UTF8.self)
  }

  /// A port or service, or two with a colon between; what is left out is 0 or 65535.
  func ports(_ value: String, inverted: Bool) throws(IptablesFailure) -> PortMatch {
    let parts = value.split(separator: ":", omittingEmptySubsequences: false)
    func port(_ text: Substring) throws(IptablesFailure) -> UInt16 {
      if let number = IptablesNumber.parse(String(text)) {
        return UInt16(truncatingIfNeeded: number)
      }
      guard let port = ServiceNames.port(String(text), protocol: nil) else {
        throw .parameter("Port \"\(text)\" does not resolve to anything.\n")
      }
      return port
    }
    guard parts.count == 2 else { return PortMatch(try port(parts[0]), inverted: inverted) }
    return PortMatch(
      parts[0].isEmpty ? 0 : try port(parts[0]),
      parts[1].isEmpty ? .max : try port(parts[1]),
      inverted: inverted
    )
  }

  /// One address, by number or name.
  func host(
    _ value: String,
    _ option: ExtensionOption,
    _ context: ExtensionContext
  ) throws(IptablesFailure) -> UInt128 {
    if let address = IptablesAddress.parse(value, context.family) { return address }
    let found = context.resolve(value)
    guard let first = found.first else {
      throw .parameter("getaddrinfo: Temporary failure in name resolution\n")
    }
    guard found.count == 1 else {
      throw .parameter("\"\(value)\" resolves to more than one address")
    }
    return first
  }
}

/// Numbers as strtoul reads them.
enum IptablesNumber {
  /// The number at the beginning of a text and the count of its characters, or nil.
  static func prefix(_ text: Substring) -> (value: UInt64, length: Int)? {
    var rest = text
    while let first = rest.first, first == " " || first == "\t" { rest = rest.dropFirst() }
    if rest.first == "+" { rest = rest.dropFirst() }
    var radix: UInt64 = 10
    if rest.hasPrefix("0x") || rest.hasPrefix("0X"), rest.dropFirst(2).first?.hexDigitValue != nil {
      radix = 16
      rest = rest.dropFirst(2)
    } else if rest.hasPrefix("0") {
      radix = 8
    }
    var value: UInt64 = 0
    var digits = 0
    while let digit = rest.first?.hexDigitValue, rest.first?.isASCII == true,
      UInt64(digit) < radix
    {
      let (product, overflow) = value.multipliedReportingOverflow(by: radix)
      let (sum, carry) = product.addingReportingOverflow(UInt64(digit))
      if overflow || carry { return nil }
      value = sum
      digits += 1
      rest = rest.dropFirst()
    }
    guard digits > 0 else { return nil }
    return (value, text.count - rest.count)
  }

  /// A text that is one number.
  static func parse(_ text: String) -> UInt64? {
    guard let (value, length) = prefix(text[...]), length == text.count else { return nil }
    return value
  }
}

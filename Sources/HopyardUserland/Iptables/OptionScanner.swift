/// An option of a command line that begins with two dashes.
struct LongOption {
  var name: String
  /// Whether it takes a value: 0 no, 1 yes, 2 only behind `=`.
  var value: Int
  /// What is told when it is found.
  var code: Int
}

/// Reads a command line as getopt_long does with a `-` first: in order, operands included.
struct OptionScanner {
  /// What was found.
  enum Item {
    case option(Int, value: String?)
    case operand(String)
    case missingValue
    case unknown
    case end
  }

  let arguments: [String]
  /// The index of the next argument.
  var index = 0
  private var rest: Substring = ""
  /// Codes of short options with 0, 1 or 2 as in ``LongOption``.
  private let short: [Character: Int]
  /// Long options; of two with the same name the earlier counts.
  var long: [LongOption]
  private var previous: (index: Int, rest: Substring) = (0, "")

  init(_ arguments: [String], short: [Character: Int], long: [LongOption]) {
    self.arguments = arguments
    self.short = short
    self.long = long
  }

  /// The argument that an error of the last item is about.
  var culprit: String {
    index > 0 && index <= arguments.count ? arguments[index - 1] : ""
  }

  /// Goes back to before the last item, to read it again with other options.
  mutating func unread() {
    index = previous.index
    rest = previous.rest
  }

  mutating func next() -> Item {
    previous = (index, rest)
    if !rest.isEmpty { return nextShort() }
    guard index < arguments.count else { return .end }
    let argument = arguments[index]
    if argument == "--" {
      index += 1
      return .end
    }
    guard argument.utf8.count > 1, argument.hasPrefix("-") else {
      index += 1
      return .operand(argument)
    }
    if argument.hasPrefix("--") { return nextLong(argument.dropFirst(2)) }
    rest = argument.dropFirst()
    return nextShort()
  }

  private mutating func nextShort() -> Item {
    let letter = rest.removeFirst()
    guard letter != ":", let kind = short[letter] else {
      if rest.isEmpty { index += 1 }
      return .unknown
    }
    let code = Int(letter.asciiValue ?? 0)
    if kind == 0 {
      if rest.isEmpty { index += 1 }
      return .option(code, value: nil)
    }
    index += 1
    if !rest.isEmpty {
      let value = String(rest)
      rest = ""
      return .option(code, value: value)
    }
    if kind == 2 { return .option(code, value: nil) }
    guard index < arguments.count else { return .missingValue }
    index += 1
    return .option(code, value: arguments[index - 1])
  }

  private mutating func nextLong(_ body: Substring) -> Item {
    index += 1
    let name = body.prefix { $0 != "=" }
    let given = name.count < body.count ? String(body.dropFirst(name.count + 1)) : nil
    let option: LongOption
    if let exact = long.first(where: { $0.name == name }) {
      option = exact
    } else {
      let similar = long.filter { $0.name.hasPrefix(name) }
      guard let first = similar.first,
        similar.allSatisfy({ $0.value == first.value && $0.code == first.code })
      else { return .unknown }
      option = first
    }
    switch option.value {
    case 0: return given == nil ? .option(option.code, value: nil) : .unknown
    case 2: return .option(option.code, value: given)
    default:
      if let given { return .option(option.code, value: given) }
      guard index < arguments.count else { return .missingValue }
      index += 1
      return .option(option.code, value: arguments[index - 1])
    }
  }
}

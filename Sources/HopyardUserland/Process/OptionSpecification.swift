/// The options of a command, read as `getopt_long` reads them.
public struct OptionSpecification: Sendable {
  /// Whether an option takes a value.
  public enum Value: Sendable {
    case none
    case required
    case optional
  }

  private struct Option: Sendable {
    var key: String
    var value: Value
    var isRefused: Bool
  }

  private var short: [UInt8: Option] = [:]
  private var long: [(name: String, option: Option)] = []
  private let stopsAtOperand: Bool
  private let digitsAreNumbers: Bool

  /// Describes options.
  ///
  /// - Parameters:
  ///   - short: as for `getopt`: `"c:i:nv"`; `c::` takes a value only in the same argument. A
  ///     leading `+` ends the options at the first operand.
  ///   - long: `"count:=c"`: a name, `:` or `::` for a value, and the key under which it is found,
  ///     which is the name itself where there is none.
  ///   - refused: short options that the real command has and that are not modelled.
  ///   - refusedLong: the same for long ones.
  ///   - digitsAreNumbers: `-5` is the option `N` with the value `5`, as for `head`.
  public init(
    _ short: String,
    long: [String] = [],
    refused: String = "",
    refusedLong: [String] = [],
    digitsAreNumbers: Bool = false
  ) {
    stopsAtOperand = short.hasPrefix("+")
    self.digitsAreNumbers = digitsAreNumbers
    addShort(short, isRefused: false)
    addShort(refused, isRefused: true)
    for text in long { addLong(text, isRefused: false) }
    for text in refusedLong { addLong(text, isRefused: true) }
  }

  private mutating func addShort(_ text: String, isRefused: Bool) {
    let bytes = Array(text.utf8)
    var index = bytes.first == UInt8(ascii: "+") ? 1 : 0
    while index < bytes.count {
      let name = bytes[index]
      index += 1
      var value = Value.none
      if index < bytes.count, bytes[index] == UInt8(ascii: ":") {
        value = .required
        index += 1
        if index < bytes.count, bytes[index] == UInt8(ascii: ":") {
          value = .optional
          index += 1
        }
      }
      short[name] = Option(
        key: String(UnicodeScalar(name)),
        value: value,
        isRefused: isRefused
      )
    }
  }

  private mutating func addLong(_ text: String, isRefused: Bool) {
    let halves = text.split(separator: "=", maxSplits: 1)
    var name = String(halves[0])
    var value = Value.none
    if name.hasSuffix("::") {
      value = .optional
      name.removeLast(2)
    } else if name.hasSuffix(":") {
      value = .required
      name.removeLast()
    }
    let key = halves.count > 1 ? String(halves[1]) : name
    long.append((name, Option(key: key, value: value, isRefused: isRefused)))
  }

  /// What is wrong with options.
  public enum Failure: Error, Sendable {
    /// What the real command would print after `NAME: `.
    case usage(String)
    /// An option, in the argument with this index, that is not modelled.
    case refused(Int, String)
  }

  /// Reads arguments; nil stands for one that is not known yet.
  public func parse(_ arguments: [String?]) -> Result<ParsedOptions, Failure> {
    do {
      return .success(try read(arguments))
    } catch {
      return .failure(error)
    }
  }

  private func read(_ arguments: [String?]) throws(Failure) -> ParsedOptions {
    var parsed = ParsedOptions()
    var index = 0
    while index < arguments.count {
      guard let text = arguments[index] else {
        parsed.operands.append("")
        parsed.operandIndices.append(index)
        index += 1
        if stopsAtOperand { break }
        continue
      }
      if text == "--" {
        index += 1
        break
      }
      if text.hasPrefix("--") {
        index = try readLong(text, arguments, index, &parsed)
      } else if text.hasPrefix("-"), text != "-" {
        index = try readShort(text, arguments, index, &parsed)
      } else {
        if stopsAtOperand { break }
        parsed.operands.append(text)
        parsed.operandIndices.append(index)
        index += 1
      }
    }
    while index < arguments.count {
      parsed.operands.append(arguments[index] ?? "")
      parsed.operandIndices.append(index)
      index += 1
    }
    return parsed
  }

  private func readShort(
    _ text: String,
    _ arguments: [String?],
    _ start: Int,
    _ parsed: inout ParsedOptions
  ) throws(Failure) -> Int {
    let bytes = Array(text.utf8)
    if digitsAreNumbers, bytes.count > 1,
      bytes.dropFirst().allSatisfy({ (0x30...0x39).contains($0) })
    {
      parsed.list.append(.init(key: "N", value: String(text.dropFirst()), index: start))
      return start + 1
    }
    var at = 1
    while at < bytes.count {
      let name = bytes[at]
      at += 1
      guard name != UInt8(ascii: ":"), let option = short[name] else {
        throw .usage("invalid option -- '\(String(decoding: [name], as: UTF8.self))'")
      }
      if option.isRefused {
        throw .refused(start, "the option -\(option.key) is not modelled")
      }
      switch option.value {
      case .none: parsed.list.append(.init(key: option.key, value: nil, index: start))
      case .optional:
        let rest = at < bytes.count ? String(decoding: bytes[at...], as: UTF8.self) : nil
        parsed.list.append(.init(key: option.key, value: rest, index: start))
        return start + 1
      case .required:
        if at < bytes.count {
          let rest = String(decoding: bytes[at...], as: UTF8.self)
          parsed.list.append(.init(key: option.key, value: rest, index: start))
          return start + 1
        }
        guard start + 1 < arguments.count else {
          throw .usage("option requires an argument -- '\(option.key)'")
        }
        parsed.list.append(
          .init(key: option.key, value: arguments[start + 1] ?? "", index: start + 1)
        )
        return start + 2
      }
    }
    return start + 1
  }

  private func readLong(
    _ text: String,
    _ arguments: [String?],
    _ start: Int,
    _ parsed: inout ParsedOptions
  ) throws(Failure) -> Int {
    let body = text.dropFirst(2)
    let mark = body.firstIndex(of: "=")
    let name = String(mark.map { body[..<$0] } ?? body)
    let given = mark.map { String(body[body.index(after: $0)...]) }
    var matches = long.filter { $0.name == name }
    if matches.isEmpty { matches = long.filter { $0.name.hasPrefix(name) } }
    guard let match = matches.first else {
      throw .usage("unrecognized option '--\(name)'")
    }
    if matches.count > 1, Set(matches.map(\.option.key)).count > 1 {
      let names = matches.map { "'--\($0.name)'" }.joined(separator: " ")
      throw .usage("option '--\(name)' is ambiguous; possibilities: \(names)")
    }
    if match.option.isRefused {
      throw .refused(start, "the option --\(match.name) is not modelled")
    }
    switch match.option.value {
    case .none:
      if given != nil { throw .usage("option '--\(match.name)' doesn't allow an argument") }
      parsed.list.append(.init(key: match.option.key, value: nil, index: start))
    case .optional:
      parsed.list.append(.init(key: match.option.key, value: given, index: start))
    case .required:
      guard let given else {
        guard start + 1 < arguments.count else {
          throw .usage("option '--\(match.name)' requires an argument")
        }
        parsed.list.append(
          .init(key: match.option.key, value: arguments[start + 1] ?? "", index: start + 1)
        )
        return start + 2
      }
      parsed.list.append(.init(key: match.option.key, value: given, index: start))
    }
    return start + 1
  }
}

/// Options that were read, in order, and the operands.
public struct ParsedOptions: Sendable {
  /// One option as it was given.
  public struct Entry: Sendable {
    /// Its letter, or the key of a long option.
    public var key: String
    /// Its value, if it takes one.
    public var value: String?
    /// The index of the argument that holds its value, or the option itself.
    public var index: Int
  }

  /// The options in the order given.
  public var list: [Entry] = []
  /// What is left.
  public var operands: [String] = []
  /// Where the operands were among the arguments.
  public var operandIndices: [Int] = []

  /// Whether an option was given.
  public func has(_ key: String) -> Bool { list.contains { $0.key == key } }

  /// How often an option was given.
  public func count(_ key: String) -> Int { list.count { $0.key == key } }

  /// The last value of an option.
  public subscript(_ key: String) -> String? { list.last { $0.key == key }?.value }

  /// All values of an option.
  public func all(_ key: String) -> [String] { list.filter { $0.key == key }.compactMap(\.value) }
}

extension Process {
  /// Reads a command's options; what is wrong with them is printed as `getopt` does and ends the
  /// command with `status`, after `usage` where the real command prints one.
  public func options(
    _ specification: OptionSpecification,
    _ arguments: [String],
    usage: String = "",
    status: Int32 = 1
  ) async throws(ProcessExit) -> ParsedOptions {
    switch specification.parse(arguments) {
    case .success(let parsed): return parsed
    case .failure(.refused(_, let message)): throw .refused("\(name): \(message)")
    case .failure(.usage(let message)):
      try await printError("\(name): \(message)\n\(usage)")
      throw .status(status)
    }
  }
}

/// The operators of `test`, `[` and `[[`.
enum TestExpression {
  static let unaryOperators: Set<String> = [
    "-e", "-f", "-d", "-s", "-r", "-w", "-x", "-z", "-n", "-L", "-h", "-p", "-S", "-b", "-c",
    "-v", "-t",
  ]
  static let binaryOperators: Set<String> = [
    "=", "==", "!=", "=~", "<", ">", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef",
  ]

  /// The outcome of `-f FILE` and its kin; nil for an operator that is not known.
  static func unary(_ operation: String, _ operand: String, _ process: Process) -> Bool? {
    switch operation {
    case "-z": operand.isEmpty
    case "-n": !operand.isEmpty
    case "-e": process.kind(of: operand) != nil
    case "-f": process.kind(of: operand) == .file
    case "-d": process.kind(of: operand) == .directory
    case "-c": process.kind(of: operand) == .device
    case "-r", "-w": process.kind(of: operand) != nil
    case "-x": process.kind(of: operand) == .directory
    case "-s":
      process.kind(of: operand) == .directory
        || process.userland.files.size(process.path(operand)) > 0
    case "-L", "-h", "-p", "-S", "-b", "-t": false
    default: nil
    }
  }

  /// The outcome of a comparison of integers; nil for an operator that is not one.
  static func compare(_ left: Int64, _ operation: String, _ right: Int64) -> Bool? {
    switch operation {
    case "-eq": left == right
    case "-ne": left != right
    case "-lt": left < right
    case "-le": left <= right
    case "-gt": left > right
    case "-ge": left >= right
    default: nil
    }
  }
}

extension Shell {
  /// The outcome of `[[ … ]]`.
  func evaluate(_ expression: ConditionalExpression) async throws(ShellUnwind) -> Bool {
    switch expression {
    case .word(let word): return try await !expandToString(word).isEmpty
    case .not(let inner): return try await !evaluate(inner)
    case .and(let left, let right):
      if try await !evaluate(left) { return false }
      return try await evaluate(right)
    case .or(let left, let right):
      if try await evaluate(left) { return true }
      return try await evaluate(right)
    case .unary(let operation, let word):
      let text = try await expandToString(word)
      if operation == "-v" { return value(of: text) != nil }
      return TestExpression.unary(operation, text, process) ?? false
    case .binary(let operation, let left, let right):
      return try await compare(operation, left, right)
    }
  }

  private func compare(_ operation: String, _ left: Word, _ right: Word) async throws(ShellUnwind)
    -> Bool
  {
    switch operation {
    case "=", "==", "!=":
      let text = Array(try await expandToString(left).utf8)
      let isMatch = try await pattern(right).matches(text[...])
      return isMatch == (operation != "!=")
    case "<", ">":
      let first = Array(try await expandToString(left).utf8)
      let second = Array(try await expandToString(right).utf8)
      return operation == "<"
        ? first.lexicographicallyPrecedes(second) : second.lexicographicallyPrecedes(first)
    case "=~":
      let text = Array(try await expandToString(left).utf8)
      do {
        return try RegularExpression(try await regularExpression(right), syntax: .extended)
          .firstMatch(in: text) != nil
      } catch let error as RegularExpressionError {
        throw .process(.refused("the pattern of =~: \(error.message)"))
      } catch let error as ShellUnwind {
        throw error
      } catch {
        return false
      }
    case "-nt", "-ot", "-ef": throw .process(.refused("`\(operation)' is not modelled"))
    default:
      let first = try await arithmetic(left)
      let second = try await arithmetic(right)
      return TestExpression.compare(first, operation, second) ?? false
    }
  }

  /// A pattern for `=~`: quoted parts stand for themselves.
  private func regularExpression(_ word: Word) async throws(ShellUnwind) -> [UInt8] {
    var bytes: [UInt8] = []
    for part in word.parts {
      let text = try await expandToString(Word(offset: word.offset, parts: [part]))
      var isQuoted = false
      switch part {
      case .literal(_, let quoted), .parameter(_, let quoted), .command(_, let quoted),
        .arithmetic(_, let quoted):
        isQuoted = quoted
      }
      for byte in text.utf8 {
        if isQuoted, ".[]()*+?{}|^$\\".utf8.contains(byte) { bytes.append(0x5C) }
        bytes.append(byte)
      }
    }
    return bytes
  }
}

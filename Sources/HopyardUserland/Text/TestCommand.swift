/// `test` and `[`.
enum TestCommand {
  static let all: [Command] = [
    Command("test", isBuiltin: true) { process, arguments async throws(ProcessExit) in
      try await run("test", process, arguments)
    },
    Command("[", isBuiltin: true) { process, arguments async throws(ProcessExit) in
      guard arguments.last == "]" else {
        try await process.printError("bash: [: missing `]'\n")
        return 2
      }
      return try await run("[", process, Array(arguments.dropLast()))
    },
  ]

  private struct Failure: Error {
    var message: String
  }

  private static func run(_ name: String, _ process: Process, _ arguments: [String])
    async throws(ProcessExit) -> Int32
  {
    do {
      return try outcome(arguments[...], process, 0) ? 0 : 1
    } catch {
      try await process.printError("bash: \(name): \(error.message)\n")
      return 2
    }
  }

  private static func outcome(_ words: ArraySlice<String>, _ process: Process, _ depth: Int)
    throws(Failure) -> Bool
  {
    let words = Array(words)
    if depth > 100 { throw Failure(message: "too many arguments") }
    switch words.count {
    case 0: return false
    case 1: return !words[0].isEmpty
    case 2:
      if words[0] == "!" { return words[1].isEmpty }
      if let result = TestExpression.unary(words[0], words[1], process) { return result }
      throw Failure(message: "\(words[0]): unary operator expected")
    case 3:
      if let result = try binary(words[0], words[1], words[2]) { return result }
      if words[1] == "-a" { return !words[0].isEmpty && !words[2].isEmpty }
      if words[1] == "-o" { return !words[0].isEmpty || !words[2].isEmpty }
      if words[0] == "!" { return try !outcome(words[1...], process, depth + 1) }
      if words[0] == "(", words[2] == ")" { return !words[1].isEmpty }
      throw Failure(message: "\(words[1]): binary operator expected")
    default:
      var parser = Parser(words: words, process: process)
      let result = try parser.or()
      if parser.index < words.count { throw Failure(message: "too many arguments") }
      return result
    }
  }

  private static func integer(_ text: String) throws(Failure) -> Int64 {
    let trimmed = text.drop { $0 == " " || $0 == "\t" || $0 == "\n" }
    let digits = trimmed.hasPrefix("+") ? trimmed.dropFirst() : trimmed
    var end = digits
    while end.last == " " || end.last == "\n" { end.removeLast() }
    guard let value = Int64(end) else {
      throw Failure(message: "\(text): integer expression expected")
    }
    return value
  }

  private static func binary(_ left: String, _ operation: String, _ right: String) throws(Failure)
    -> Bool?
  {
    switch operation {
    case "=", "==": return left == right
    case "!=": return left != right
    case "<": return Array(left.utf8).lexicographicallyPrecedes(Array(right.utf8))
    case ">": return Array(right.utf8).lexicographicallyPrecedes(Array(left.utf8))
    case "-eq", "-ne", "-lt", "-le", "-gt", "-ge":
      return TestExpression.compare(try integer(left), operation, try integer(right))
    default: return nil
    }
  }

  private struct Parser {
    let words: [String]
    let process: Process
    var index = 0
    var depth = 0

    mutating func or() throws(Failure) -> Bool {
      var result = try and()
      while index < words.count, words[index] == "-o" {
        index += 1
        let right = try and()
        result = result || right
      }
      return result
    }

    mutating func and() throws(Failure) -> Bool {
      var result = try term()
      while index < words.count, words[index] == "-a" {
        index += 1
        let right = try term()
        result = result && right
      }
      return result
    }

    mutating func term() throws(Failure) -> Bool {
      depth += 1
      defer { depth -= 1 }
      guard index < words.count, depth < 100 else { throw Failure(message: "argument expected") }
      let word = words[index]
      if word == "!" {
        index += 1
        return try !term()
      }
      if index + 2 < words.count,
        let result = try binary(word, words[index + 1], words[index + 2])
      {
        index += 3
        return result
      }
      if word == "(" {
        index += 1
        let result = try or()
        guard index < words.count, words[index] == ")" else {
          throw Failure(message: "`)' expected")
        }
        index += 1
        return result
      }
      if index + 1 < words.count,
        let result = TestExpression.unary(word, words[index + 1], process)
      {
        index += 2
        return result
      }
      index += 1
      return !word.isEmpty
    }
  }
}

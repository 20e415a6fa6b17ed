/// Commands, read.
extension ShellParser {
  mutating func command() throws(ShellSyntaxError) -> ShellCommand {
    try enter()
    defer { leave() }
    skipBlanks()
    let start = offset
    let kind: ShellCommand.Kind
    if peek() == 0x28 {
      kind = peek(1) == 0x28 ? try arithmeticCommand() : try subshell()
    } else if let word = keyword() {
      switch word {
      case "{": kind = try group()
      case "if": kind = try condition()
      case "for": kind = try loopOverWords()
      case "while", "until": kind = try loop(word)
      case "case": kind = try choice()
      case "function": kind = try functionKeyword()
      case "[[":
        position += 2
        kind = .conditional(try conditionalOr())
        skipBlanksAndLines()
        if !accept("]]") { throw unexpected(expected: "`]]'") }
      case "select", "coproc": throw fail("`\(word)' is not modelled")
      case "then", "else", "elif", "fi", "do", "done", "esac", "}":
        throw unexpected()
      default: return try simpleCommand()
      }
    } else {
      return try simpleCommand()
    }
    var command = ShellCommand(offset: start, kind: kind)
    while let redirection = try redirection() { command.redirections.append(redirection) }
    return command
  }

  mutating func group() throws(ShellSyntaxError) -> ShellCommand.Kind {
    position += 1
    let list = try body(until: ["}"], of: "group")
    try expect("}", after: "to end the group")
    return .group(list)
  }

  mutating func subshell() throws(ShellSyntaxError) -> ShellCommand.Kind {
    position += 1
    let list = try body(until: [], of: "subshell")
    if peek() != 0x29 { throw unexpected(expected: "`)' to end the subshell") }
    position += 1
    return .subshell(list)
  }

  mutating func arithmeticCommand() throws(ShellSyntaxError) -> ShellCommand.Kind {
    guard let close = arithmeticEnd(from: position + 2) else { return try subshell() }
    position += 2
    let word = try arithmetic(to: close)
    position = close + 2
    return .arithmetic(word)
  }

  mutating func condition() throws(ShellSyntaxError) -> ShellCommand.Kind {
    position += 2
    var branches: [(test: CommandList, body: CommandList)] = []
    var otherwise: CommandList?
    repeat {
      let test = try body(until: ["then"], of: "condition")
      try expect("then", after: "after the condition")
      let body = try body(until: ["elif", "else", "fi"], of: "`then' part")
      branches.append((test, body))
      skipBlanksAndLines()
    } while accept("elif")
    if accept("else") { otherwise = try body(until: ["fi"], of: "`else' part") }
    try expect("fi", after: "to end the `if'")
    return .condition(branches: branches, otherwise: otherwise)
  }

  mutating func loopOverWords() throws(ShellSyntaxError) -> ShellCommand.Kind {
    position += 3
    skipBlanks()
    if starts(with: "((") { return try loopOverNumbers() }
    let start = position
    while let byte = peek(), Self.isName(byte) { position += 1 }
    let name = String(decoding: text.bytes[start..<position], as: UTF8.self)
    guard let first = name.utf8.first, Self.isNameStart(first) else {
      throw unexpected(expected: "the name of a variable after `for'")
    }
    skipBlanksAndLines()
    var words: [Word]?
    if accept("in") {
      var list: [Word] = []
      skipBlanks()
      while let byte = peek(), byte != 0x0A, byte != 0x3B {
        if Self.isMeta(byte) { throw unexpected(expected: "a word, `;' or the end of the line") }
        list += try expandBraces(try word())
        skipBlanks()
      }
      words = list
    }
    skipBlanks()
    if peek() == 0x3B { position += 1 }
    return .forEach(variable: name, words: words, body: try doneBody())
  }

  mutating func loopOverNumbers() throws(ShellSyntaxError) -> ShellCommand.Kind {
    guard let close = arithmeticEnd(from: position + 2) else {
      throw fail("expected `))' to end the `for ((…))'")
    }
    position += 2
    var parts: [Word] = []
    for _ in 0..<3 {
      var stop = position
      while stop < close, text.bytes[stop] != 0x3B { stop += 1 }
      if parts.count < 2, stop == close {
        throw fail("expected `;' between the parts of `for ((…; …; …))'", at: close)
      }
      if parts.count == 2 { stop = close }
      parts.append(try arithmetic(to: stop))
      position = stop + 1
    }
    position = close + 2
    skipBlanks()
    if peek() == 0x3B { position += 1 }
    return .forArithmetic(start: parts[0], test: parts[1], step: parts[2], body: try doneBody())
  }

  mutating func doneBody() throws(ShellSyntaxError) -> CommandList {
    try expect("do", after: "before the commands of the loop")
    let list = try body(until: ["done"], of: "loop")
    try expect("done", after: "to end the loop")
    return list
  }

  mutating func loop(_ word: String) throws(ShellSyntaxError) -> ShellCommand.Kind {
    position += 5
    let test = try body(until: ["do"], of: "condition")
    return .loop(test: test, isUntil: word == "until", body: try doneBody())
  }

  mutating func choice() throws(ShellSyntaxError) -> ShellCommand.Kind {
    position += 4
    skipBlanks()
    let subject = try word()
    skipBlanksAndLines()
    if !accept("in") { throw unexpected(expected: "`in' after the word of `case'") }
    var cases: [(patterns: [Word], body: CommandList)] = []
    while true {
      skipBlanksAndLines()
      if accept("esac") { return .choice(subject: subject, cases: cases) }
      if peek() == 0x28 { position += 1 }
      var patterns: [Word] = []
      repeat {
        if !patterns.isEmpty { position += 1 }
        skipBlanks()
        patterns.append(try word())
        skipBlanks()
      } while peek() == 0x7C
      if peek() != 0x29 { throw unexpected(expected: "`)' after the pattern") }
      position += 1
      cases.append((patterns, try list(until: ["esac"])))
      skipBlanksAndLines()
      if starts(with: ";;") {
        position += 2
        if peek() == 0x26 || peek() == 0x3B { throw fail("`;;&' is not modelled") }
      } else if keyword() != "esac" {
        throw unexpected(expected: "`;;' or `esac'")
      }
    }
  }

  mutating func functionKeyword() throws(ShellSyntaxError) -> ShellCommand.Kind {
    position += 8
    skipBlanks()
    let start = position
    while let byte = peek(), !Self.isMeta(byte) { position += 1 }
    let name = String(decoding: text.bytes[start..<position], as: UTF8.self)
    if name.isEmpty { throw unexpected(expected: "the name of the function") }
    skipBlanks()
    if peek() == 0x28 {
      position += 1
      skipBlanks()
      if peek() != 0x29 { throw unexpected(expected: "`)'") }
      position += 1
    }
    return try functionBody(name)
  }

  mutating func functionBody(_ name: String) throws(ShellSyntaxError) -> ShellCommand.Kind {
    skipBlanksAndLines()
    guard peek() == 0x28 || ["{", "if", "for", "while", "until", "case", "[["].contains(keyword())
    else { throw unexpected(expected: "`{' to begin the function") }
    return .function(name: name, body: FunctionBody(try command()))
  }

  mutating func simpleCommand() throws(ShellSyntaxError) -> ShellCommand {
    var command = ShellCommand(offset: offset, kind: .group(CommandList()))
    var assignments: [Assignment] = []
    var words: [Word] = []
    while true {
      skipBlanks()
      if let redirection = try redirection() {
        command.redirections.append(redirection)
        continue
      }
      guard let byte = peek(), !Self.isMeta(byte) else { break }
      if words.isEmpty, let assignment = try assignment() {
        assignments.append(assignment)
        continue
      }
      let word = try word()
      skipBlanks()
      if words.isEmpty, peek() == 0x28, let name = word.plain {
        position += 1
        skipBlanks()
        if peek() != 0x29 { throw unexpected(expected: "`)' after the name of a function") }
        position += 1
        if !assignments.isEmpty || !command.redirections.isEmpty {
          throw fail("a function is defined alone, expected no assignment before it")
        }
        command.kind = try functionBody(name)
        return command
      }
      words += try expandBraces(word)
    }
    if words.isEmpty, assignments.isEmpty, command.redirections.isEmpty { throw unexpected() }
    if peek() == 0x28 { throw unexpected(expected: "a word, `;' or the end of the line") }
    command.kind = .simple(assignments: assignments, words: words)
    return command
  }

  mutating func assignment() throws(ShellSyntaxError) -> Assignment? {
    guard let first = peek(), Self.isNameStart(first) else { return nil }
    var index = position
    while index < end, Self.isName(text.bytes[index]) { index += 1 }
    guard index < end else { return nil }
    if text.bytes[index] == UInt8(ascii: "[") {
      var probe = index
      while probe < end, !Self.isMeta(text.bytes[probe]), text.bytes[probe] != 0x5D { probe += 1 }
      if probe + 1 < end, text.bytes[probe] == 0x5D, text.bytes[probe + 1] == 0x3D {
        throw fail("arrays are not modelled")
      }
      return nil
    }
    var isAppend = false
    let nameEnd = index
    if text.bytes[index] == 0x2B, index + 1 < end, text.bytes[index + 1] == 0x3D {
      isAppend = true
      index += 1
    }
    guard text.bytes[index] == 0x3D else { return nil }
    let start = offset
    let name = String(decoding: text.bytes[position..<nameEnd], as: UTF8.self)
    position = index + 1
    if peek() == 0x28 { throw fail("arrays are not modelled") }
    var value = Word(offset: offset, parts: [])
    if let byte = peek(), !Self.isMeta(byte) { value = try word() }
    return Assignment(offset: start, name: name, isAppend: isAppend, value: value)
  }
}

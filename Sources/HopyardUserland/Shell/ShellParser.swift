/// Reads shell text into its syntax tree.
///
/// It goes through the bytes once, by recursive descent, to a limited depth: any text ends in a
/// tree or in an error with its place.
struct ShellParser {
  let text: ShellText
  var position = 0
  /// Where the parser stops: the end of the text, or of the stretch being read.
  var end: Int
  var depth = 0
  /// For a line end, where reading goes on because here-documents follow it.
  var hereDocuments: [Int: Int] = [:]

  /// Whether a here-document may end with the text.
  var acceptsOpenHereDocuments = false

  static let depthLimit = 150

  init(_ text: ShellText) {
    self.text = text
    end = text.bytes.count
  }

  /// The syntax tree of a whole text.
  static func parse(_ text: ShellText, acceptsOpenHereDocuments: Bool = false)
    throws(ShellSyntaxError) -> CommandList
  {
    var parser = ShellParser(text)
    parser.acceptsOpenHereDocuments = acceptsOpenHereDocuments
    let list = try parser.list(until: [])
    parser.skipBlanks()
    if parser.position < parser.end { throw parser.unexpected() }
    return list
  }

  // MARK: Bytes

  func peek(_ ahead: Int = 0) -> UInt8? {
    let index = position + ahead
    return index < end ? text.bytes[index] : nil
  }

  func starts(with token: StaticString) -> Bool {
    let count = token.utf8CodeUnitCount
    guard position + count <= end else { return false }
    return token.withUTF8Buffer { buffer in
      for index in 0..<count where text.bytes[position + index] != buffer[index] { return false }
      return true
    }
  }

  var offset: Int { text.offsets[min(position, text.offsets.count - 1)] }

  func fail(_ message: String, at place: Int? = nil, missing: ShellSyntaxError.Missing? = nil)
    -> ShellSyntaxError
  {
    let index = min(place ?? position, text.offsets.count - 1)
    return ShellSyntaxError(offset: text.offsets[index], message: message, missing: missing)
  }

  /// The error for whatever stands at the current place.
  func unexpected(expected: String = "a command") -> ShellSyntaxError {
    guard let byte = peek() else {
      return fail("the text ends here, expected \(expected)", missing: .command)
    }
    if byte == 0x0A { return fail("unexpected end of line, expected \(expected)") }
    var token = ""
    for operation in [";;", "&&", "||", "<<", ">>", ">&", "|&", "((", "))"]
    where Array(operation.utf8) == Array(text.bytes[position..<min(position + 2, end)]) {
      token = operation
    }
    if token.isEmpty {
      if Self.isMeta(byte) {
        token = String(UnicodeScalar(byte))
      } else {
        token = keyword() ?? String(decoding: [byte], as: UTF8.self)
      }
    }
    return fail("unexpected `\(token)', expected \(expected)")
  }

  mutating func enter() throws(ShellSyntaxError) {
    depth += 1
    if depth > Self.depthLimit {
      throw fail("commands are nested more than \(Self.depthLimit) deep")
    }
  }

  mutating func leave() { depth -= 1 }

  static func isMeta(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x20, 0x09, 0x0A, UInt8(ascii: ";"), UInt8(ascii: "&"), UInt8(ascii: "|"),
      UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: "<"), UInt8(ascii: ">"):
      true
    default: false
    }
  }

  static func isNameStart(_ byte: UInt8) -> Bool {
    (0x61...0x7A).contains(byte) || (0x41...0x5A).contains(byte) || byte == 0x5F
  }

  static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
  static func isName(_ byte: UInt8) -> Bool { isNameStart(byte) || isDigit(byte) }

  /// Skips blanks, continued lines and a comment, but no line end.
  mutating func skipBlanks() {
    while let byte = peek() {
      if byte == 0x20 || byte == 0x09 {
        position += 1
      } else if byte == 0x5C, peek(1) == 0x0A {
        position += 2
      } else if byte == 0x23, position == 0 || Self.isMeta(text.bytes[position - 1]) {
        while let byte = peek(), byte != 0x0A { position += 1 }
      } else {
        return
      }
    }
  }

  /// Goes past a line end and the here-documents that follow it.
  mutating func newline() {
    position = min(hereDocuments[position] ?? position + 1, end)
  }

  mutating func skipBlanksAndLines() {
    skipBlanks()
    while peek() == 0x0A {
      newline()
      skipBlanks()
    }
  }

  /// The unquoted word at the current place, to compare with reserved words.
  func keyword() -> String? {
    var index = position
    while index < end, !Self.isMeta(text.bytes[index]) {
      switch text.bytes[index] {
      case 0x22, 0x27, 0x5C, 0x60, 0x24: return nil
      default: index += 1
      }
      if index - position > 10 { return nil }
    }
    return index > position ? String(decoding: text.bytes[position..<index], as: UTF8.self) : nil
  }

  mutating func accept(_ word: String) -> Bool {
    guard keyword() == word else { return false }
    position += word.utf8.count
    return true
  }

  mutating func expect(_ word: String, after what: String) throws(ShellSyntaxError) {
    skipBlanksAndLines()
    if !accept(word) { throw unexpected(expected: "`\(word)' \(what)") }
  }

  // MARK: Lists

  static let closers: Set<String> = ["then", "else", "elif", "fi", "do", "done", "esac", "}"]

  /// Commands up to one of these reserved words, a `)`, `;;` or the end.
  mutating func list(until closers: Set<String>) throws(ShellSyntaxError) -> CommandList {
    try enter()
    defer { leave() }
    var list = CommandList()
    while true {
      skipBlanksAndLines()
      guard let byte = peek(), byte != 0x29 else { return list }
      if starts(with: ";;") { return list }
      if let word = keyword(), Self.closers.contains(word) {
        if closers.contains(word) { return list }
        throw unexpected()
      }
      var item = ListItem(first: try pipeline())
      while true {
        skipBlanks()
        guard starts(with: "&&") || starts(with: "||") else { break }
        let isAnd = starts(with: "&&")
        position += 2
        skipBlanksAndLines()
        item.rest.append((isAnd, try pipeline()))
      }
      skipBlanks()
      switch peek() {
      case nil, 0x29, 0x0A: break
      case 0x26:
        item.isBackground = true
        position += 1
      case 0x3B where peek(1) != 0x3B: position += 1
      case 0x3B: break
      default: throw unexpected(expected: "`;', `&', `|' or the end of the line")
      }
      list.items.append(item)
    }
  }

  /// Commands that must not be missing.
  mutating func body(until closers: Set<String>, of what: String) throws(ShellSyntaxError)
    -> CommandList
  {
    let list = try list(until: closers)
    if list.items.isEmpty { throw unexpected(expected: "a command in the \(what)") }
    return list
  }

  mutating func pipeline() throws(ShellSyntaxError) -> Pipeline {
    var pipeline = Pipeline(offset: offset, commands: [])
    while true {
      skipBlanks()
      if accept("!") {
        pipeline.isNegated.toggle()
      } else if accept("time") {
        pipeline.isTimed = true
      } else {
        break
      }
    }
    pipeline.commands.append(try command())
    while true {
      skipBlanks()
      guard peek() == 0x7C, peek(1) != 0x7C else { return pipeline }
      if peek(1) == 0x26 {
        let last = pipeline.commands.count - 1
        let both = Redirection(
          offset: offset,
          descriptor: 2,
          kind: .duplicate(Word(offset: offset, parts: [literal("1")]), isInput: false)
        )
        pipeline.commands[last].redirections.append(both)
        position += 1
      }
      position += 1
      skipBlanksAndLines()
      pipeline.commands.append(try command())
    }
  }

  func literal(_ string: String) -> WordPart {
    .literal(ShellText(string, at: offset), isQuoted: false)
  }
}

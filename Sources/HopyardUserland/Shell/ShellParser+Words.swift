extension ShellParser {
  /// Which characters end a stretch of text, and what backslashes do in it.
  enum Context {
    case word
    case doubleQuotes
    /// Between the braces of `${…}`; quoted when that stands in double quotes.
    case braces(isQuoted: Bool, stop: UInt8?)
    case hereDocument
    case arithmetic
    /// The right side of `=~`, where parentheses belong to the word.
    case pattern
  }

  /// The word that begins here.
  mutating func word() throws(ShellSyntaxError) -> Word {
    try word(in: .word)
  }

  mutating func word(in context: Context) throws(ShellSyntaxError) -> Word {
    let start = offset
    let first = position
    let parts = try parts(in: context)
    if position == first, case .word = context { throw unexpected(expected: "a word") }
    return Word(offset: start, parts: parts)
  }

  mutating func hereDocumentParts() throws(ShellSyntaxError) -> [WordPart] {
    try parts(in: .hereDocument)
  }

  /// An arithmetic expression up to a place that `arithmeticEnd` found.
  mutating func arithmetic(to stop: Int) throws(ShellSyntaxError) -> Word {
    let outer = end
    end = stop
    defer { end = outer }
    let word = Word(offset: offset, parts: try parts(in: .arithmetic))
    if let literal = word.literal {
      do {
        try ArithmeticExpression.check(literal)
      } catch {
        throw ShellSyntaxError(offset: word.offset, message: error.message)
      }
    }
    return word
  }

  /// Where the `))` is that ends an arithmetic expression; nil when there is none.
  func arithmeticEnd(from start: Int) -> Int? {
    var level = 0
    var index = start
    while index < end {
      switch text.bytes[index] {
      case UInt8(ascii: "("): level += 1
      case UInt8(ascii: ")"):
        if level == 0 {
          return index + 1 < end && text.bytes[index + 1] == UInt8(ascii: ")") ? index : nil
        }
        level -= 1
      case 0x5C: index += 1
      case 0x27, 0x22:
        let quote = text.bytes[index]
        index += 1
        while index < end, text.bytes[index] != quote { index += 1 }
      default: break
      }
      index += 1
    }
    return nil
  }

  private mutating func parts(in context: Context) throws(ShellSyntaxError) -> [WordPart] {
    try enter()
    defer { leave() }
    var builder = PartBuilder()
    while let byte = peek() {
      if ends(byte, context) { break }
      let start = position
      switch byte {
      case 0x5C: backslash(in: context, into: &builder)
      case UInt8(ascii: "$"): try dollar(in: context, into: &builder)
      case UInt8(ascii: "`"): try backquotes(in: context, into: &builder)
      case 0x27 where quotes(context):
        position += 1
        builder.openQuote(at: text.offsets[position])
        while let byte = peek(), byte != 0x27 {
          builder.append(byte, text.offsets[position], isQuoted: true)
          position += 1
        }
        guard peek() != nil else {
          throw fail("the quote ' does not end", at: start, missing: .quote)
        }
        position += 1
      case 0x22:
        if case .hereDocument = context {
          builder.append(byte, offset, isQuoted: true)
          position += 1
          continue
        }
        position += 1
        if case .doubleQuotes = context { return builder.finish() }
        let inner = try parts(in: .doubleQuotes)
        if inner.isEmpty { builder.openQuote(at: text.offsets[start]) }
        for part in inner { builder.append(part) }
        guard position > start + 1, text.bytes[position - 1] == 0x22 else {
          throw fail("the quote \" does not end", at: start, missing: .quote)
        }
      default:
        builder.append(byte, offset, isQuoted: isQuoted(context))
        position += 1
      }
    }
    if case .doubleQuotes = context {
      throw fail("the quote \" does not end", at: position, missing: .quote)
    }
    return builder.finish()
  }

  private func isQuoted(_ context: Context) -> Bool {
    switch context {
    case .word, .pattern: false
    case .braces(let isQuoted, _): isQuoted
    case .doubleQuotes, .hereDocument, .arithmetic: true
    }
  }

  /// Whether single quotes quote in this context.
  private func quotes(_ context: Context) -> Bool {
    switch context {
    case .word, .pattern: true
    case .braces(let isQuoted, let stop): !isQuoted || stop != nil
    case .doubleQuotes, .hereDocument, .arithmetic: false
    }
  }

  private func ends(_ byte: UInt8, _ context: Context) -> Bool {
    switch context {
    case .word: Self.isMeta(byte)
    case .pattern: byte == 0x20 || byte == 0x09 || byte == 0x0A
    case .braces(_, let stop): byte == UInt8(ascii: "}") || byte == stop
    case .doubleQuotes, .hereDocument, .arithmetic: false
    }
  }

  private mutating func backslash(in context: Context, into builder: inout PartBuilder) {
    guard let next = peek(1) else {
      builder.append(0x5C, offset, isQuoted: true)
      position += 1
      return
    }
    if next == 0x0A {
      position += 2
      return
    }
    let escapes: Bool
    switch context {
    case .word, .pattern: escapes = true
    case .braces(let isQuoted, _):
      escapes = !isQuoted || [0x24, 0x60, 0x22, 0x5C, UInt8(ascii: "}")].contains(next)
    case .doubleQuotes: escapes = [0x24, 0x60, 0x22, 0x5C].contains(next)
    case .hereDocument, .arithmetic: escapes = [0x24, 0x60, 0x5C].contains(next)
    }
    if !escapes {
      builder.append(0x5C, offset, isQuoted: true)
      position += 1
    } else {
      position += 1
    }
    builder.append(next, offset, isQuoted: true)
    position += 1
  }

  // MARK: Dollars

  private mutating func dollar(in context: Context, into builder: inout PartBuilder)
    throws(ShellSyntaxError)
  {
    let start = offset
    let isQuoted = isQuoted(context)
    guard let next = peek(1) else {
      builder.append(0x24, offset, isQuoted: isQuoted)
      position += 1
      return
    }
    switch next {
    case UInt8(ascii: "("):
      if peek(2) == UInt8(ascii: "("), let close = arithmeticEnd(from: position + 3) {
        position += 3
        let word = try arithmetic(to: close)
        position = close + 2
        builder.append(.arithmetic(word, isQuoted: isQuoted))
        return
      }
      let begin = position
      position += 2
      let list = try list(until: [])
      guard peek() == UInt8(ascii: ")") else {
        if peek() == nil {
          throw fail("`$(' does not end, expected `)'", at: begin, missing: .quote)
        }
        throw unexpected(expected: "`)' to end `$('")
      }
      position += 1
      builder.append(.command(CommandSubstitution(list), isQuoted: isQuoted))
    case UInt8(ascii: "{"): try braces(isQuoted: isQuoted, into: &builder)
    case 0x27 where !isQuoted:
      position += 1
      try escapedQuotes(into: &builder)
    case 0x22 where !isQuoted:
      position += 1
    case UInt8(ascii: "["): throw fail("`$[…]' is not modelled, expected `$((…))'")
    case _ where Self.isNameStart(next):
      position += 1
      let first = position
      while let byte = peek(), Self.isName(byte) { position += 1 }
      let name = String(decoding: text.bytes[first..<position], as: UTF8.self)
      builder.append(.parameter(ParameterExpansion(offset: start, name: name), isQuoted: isQuoted))
    case _ where Self.isDigit(next) || "?!$#@*-".utf8.contains(next):
      position += 2
      let name = String(UnicodeScalar(next))
      builder.append(.parameter(ParameterExpansion(offset: start, name: name), isQuoted: isQuoted))
    default:
      builder.append(0x24, start, isQuoted: isQuoted)
      position += 1
    }
  }

  /// `$'…'` with its backslash escapes.
  private mutating func escapedQuotes(into builder: inout PartBuilder) throws(ShellSyntaxError) {
    let start = position
    position += 1
    builder.openQuote(at: offset)
    while let byte = peek(), byte != 0x27 {
      let place = offset
      if byte == 0x5C, let escaped = peek(1) {
        if escaped == 0x27 || escaped == 0x22 || escaped == UInt8(ascii: "?") {
          builder.append(escaped, place, isQuoted: true)
          position += 2
          continue
        }
        let (bytes, length) = BackslashEscape.parse(
          text.bytes[position + 1..<end],
          style: .dollarQuote
        )
        for byte in bytes { builder.append(byte, place, isQuoted: true) }
        position += 1 + length
        continue
      }
      builder.append(byte, place, isQuoted: true)
      position += 1
    }
    guard peek() != nil else {
      throw fail("the quote $' does not end", at: start, missing: .quote)
    }
    position += 1
  }

  private mutating func braces(isQuoted: Bool, into builder: inout PartBuilder)
    throws(ShellSyntaxError)
  {
    try enter()
    defer { leave() }
    let begin = position
    let start = offset
    position += 2
    var expansion = ParameterExpansion(offset: start, name: "")
    if peek() == UInt8(ascii: "#"), let next = peek(1), next != UInt8(ascii: "}") {
      expansion.operation = .length
      position += 1
    }
    let first = position
    if let byte = peek() {
      if Self.isNameStart(byte) {
        while let byte = peek(), Self.isName(byte) { position += 1 }
      } else if Self.isDigit(byte) {
        while let byte = peek(), Self.isDigit(byte) { position += 1 }
      } else if "?!$#@*-".utf8.contains(byte) {
        position += 1
      }
    }
    expansion.name = String(decoding: text.bytes[first..<position], as: UTF8.self)
    if expansion.name.isEmpty {
      throw unexpectedInBraces(begin, expected: "the name of a variable after `${'")
    }
    if expansion.name == "!", let byte = peek(), Self.isName(byte) {
      throw fail("`${!name}' is not modelled")
    }
    if peek() == UInt8(ascii: "[") { throw fail("arrays are not modelled") }
    if peek() != UInt8(ascii: "}") {
      if case .length = expansion.operation {
        throw unexpectedInBraces(begin, expected: "`}' after `${#name'")
      }
      expansion.operation = try operation(begin, isQuoted: isQuoted)
    }
    guard peek() == UInt8(ascii: "}") else { throw unexpectedInBraces(begin, expected: "`}'") }
    position += 1
    builder.append(.parameter(expansion, isQuoted: isQuoted))
  }

  private func unexpectedInBraces(_ begin: Int, expected: String) -> ShellSyntaxError {
    guard let byte = peek() else {
      return fail("`${' does not end, expected `}'", at: begin, missing: .quote)
    }
    let found = byte == 0x0A ? "end of line" : "`\(String(decoding: [byte], as: UTF8.self))'"
    return fail("unexpected \(found) in `${…}', expected \(expected)")
  }

  private mutating func operation(_ begin: Int, isQuoted: Bool) throws(ShellSyntaxError)
    -> ParameterExpansion.Operation
  {
    guard let byte = peek() else { throw unexpectedInBraces(begin, expected: "`}'") }
    position += 1
    func operand(stop: UInt8? = nil) throws(ShellSyntaxError) -> Word {
      try word(in: .braces(isQuoted: isQuoted, stop: stop))
    }
    /// Patterns are not quoted by double quotes around the whole expansion.
    func pattern(stop: UInt8? = nil) throws(ShellSyntaxError) -> Word {
      try word(in: .braces(isQuoted: false, stop: stop))
    }
    switch byte {
    case UInt8(ascii: ":"):
      if let next = peek(), "-=+?".utf8.contains(next) {
        position += 1
        return Self.conditional(next, try operand(), orEmpty: true)
      }
      let offset = try operand(stop: UInt8(ascii: ":"))
      guard peek() == UInt8(ascii: ":") else { return .substring(offset, length: nil) }
      position += 1
      return .substring(offset, length: try operand())
    case UInt8(ascii: "-"), UInt8(ascii: "="), UInt8(ascii: "+"), UInt8(ascii: "?"):
      return Self.conditional(byte, try operand(), orEmpty: false)
    case UInt8(ascii: "#"), UInt8(ascii: "%"):
      let isLongest = peek() == byte
      if isLongest { position += 1 }
      let word = try pattern()
      return byte == UInt8(ascii: "#")
        ? .removePrefix(word, isLongest: isLongest) : .removeSuffix(word, isLongest: isLongest)
    case UInt8(ascii: "/"):
      let isAll = peek() == byte
      if isAll { position += 1 }
      let what = try pattern(stop: byte)
      guard peek() == byte else {
        return .replace(pattern: what, with: Word(offset: offset, parts: []), isAll: isAll)
      }
      position += 1
      return .replace(pattern: what, with: try operand(), isAll: isAll)
    case UInt8(ascii: "^"), UInt8(ascii: ","):
      let isAll = peek() == byte
      if isAll { position += 1 }
      return .changeCase(isUpper: byte == UInt8(ascii: "^"), isAll: isAll)
    default:
      position -= 1
      throw unexpectedInBraces(begin, expected: "`}' or one of `:- := :+ :? # % /'")
    }
  }

  private static func conditional(_ byte: UInt8, _ word: Word, orEmpty: Bool)
    -> ParameterExpansion.Operation
  {
    switch byte {
    case UInt8(ascii: "-"): .useDefault(word, orEmpty: orEmpty)
    case UInt8(ascii: "="): .assignDefault(word, orEmpty: orEmpty)
    case UInt8(ascii: "+"): .alternative(word, orEmpty: orEmpty)
    default: .errorIfUnset(word, orEmpty: orEmpty)
    }
  }

  // MARK: Backquotes

  private mutating func backquotes(in context: Context, into builder: inout PartBuilder)
    throws(ShellSyntaxError)
  {
    let start = position
    position += 1
    var inner = ShellText(bytes: [], offsets: [0])
    inner.offsets = []
    while let byte = peek(), byte != UInt8(ascii: "`") {
      if byte == 0x5C, let next = peek(1) {
        var removes = [0x24, 0x60, 0x5C].contains(next)
        if case .doubleQuotes = context, next == 0x22 { removes = true }
        if removes { position += 1 }
      }
      guard let byte = peek() else { break }
      inner.bytes.append(byte)
      inner.offsets.append(offset)
      position += 1
    }
    guard peek() != nil else {
      throw fail("the ` does not end", at: start, missing: .quote)
    }
    inner.offsets.append(offset)
    position += 1
    var parser = ShellParser(inner)
    parser.depth = depth
    let list = try parser.list(until: [])
    if parser.position < parser.end { throw parser.unexpected() }
    builder.append(.command(CommandSubstitution(list), isQuoted: isQuoted(context)))
  }
}

/// Collects bytes and expansions into the parts of a word.
private struct PartBuilder {
  private var parts: [WordPart] = []
  private var bytes: [UInt8] = []
  private var offsets: [Int] = []
  private var isQuoted = false
  private var isOpen = false

  mutating func append(_ byte: UInt8, _ offset: Int, isQuoted: Bool) {
    if isOpen, isQuoted != self.isQuoted { flush() }
    self.isQuoted = isQuoted
    isOpen = true
    bytes.append(byte)
    offsets.append(offset)
  }

  /// Notes quotes, which make a word even of nothing.
  mutating func openQuote(at offset: Int) {
    if isOpen, isQuoted { return }
    flush()
    isOpen = true
    isQuoted = true
    if bytes.isEmpty { start = offset }
  }

  private var start = 0

  mutating func append(_ part: WordPart) {
    if case .literal(let text, let isQuoted) = part {
      if text.bytes.isEmpty { openQuote(at: text.offsets.last ?? 0) }
      for (index, byte) in text.bytes.enumerated() {
        append(byte, text.offsets[index], isQuoted: isQuoted)
      }
      return
    }
    if isOpen, !bytes.isEmpty || isQuoted { flush() }
    parts.append(part)
  }

  private mutating func flush() {
    guard isOpen else { return }
    let end = offsets.last.map { $0 + 1 } ?? start
    parts.append(.literal(ShellText(bytes: bytes, offsets: offsets + [end]), isQuoted: isQuoted))
    bytes = []
    offsets = []
    isOpen = false
  }

  mutating func finish() -> [WordPart] {
    flush()
    return parts
  }
}

extension ShellParser {
  /// A redirection, if one begins here.
  mutating func redirection() throws(ShellSyntaxError) -> Redirection? {
    skipBlanks()
    let start = offset
    var index = position
    while index < end, Self.isDigit(text.bytes[index]) { index += 1 }
    var descriptor: Int32?
    if index > position {
      guard index < end, text.bytes[index] == 0x3C || text.bytes[index] == 0x3E else { return nil }
      let digits = String(decoding: text.bytes[position..<index], as: UTF8.self)
      guard let number = Int32(digits), number < 256 else {
        throw fail("the descriptor \(digits) is too large, expected one below 256")
      }
      descriptor = number
      position = index
    }
    let kind: Redirection.Kind
    if starts(with: "&>>") {
      position += 3
      kind = .both(try target(), isAppend: true)
    } else if starts(with: "&>") {
      position += 2
      kind = .both(try target(), isAppend: false)
    } else if starts(with: "<<<") {
      position += 3
      kind = .hereString(try target())
    } else if starts(with: "<<") {
      position += 2
      kind = .text(try hereDocument())
    } else if starts(with: "<(") || starts(with: ">(") {
      throw fail("process substitution is not modelled")
    } else if starts(with: "<&") {
      position += 2
      kind = .duplicate(try target(), isInput: true)
    } else if starts(with: "<>") {
      position += 2
      kind = .readWrite(try target())
    } else if starts(with: "<") {
      position += 1
      kind = .input(try target())
    } else if starts(with: ">>") {
      position += 2
      kind = .output(try target(), isAppend: true)
    } else if starts(with: ">&") {
      position += 2
      let word = try target()
      let plain = word.plain ?? ""
      let isDescriptor =
        descriptor != nil || word.literal == nil || plain == "-"
        || (!plain.isEmpty && plain.utf8.allSatisfy(Self.isDigit))
      kind = isDescriptor ? .duplicate(word, isInput: false) : .both(word, isAppend: false)
    } else if starts(with: ">|") {
      position += 2
      kind = .output(try target(), isAppend: false)
    } else if starts(with: ">") {
      position += 1
      kind = .output(try target(), isAppend: false)
    } else {
      return nil
    }
    return Redirection(offset: start, descriptor: descriptor, kind: kind)
  }

  private mutating func target() throws(ShellSyntaxError) -> Word {
    skipBlanks()
    guard let byte = peek(), !Self.isMeta(byte) else {
      if starts(with: "<(") || starts(with: ">(") {
        throw fail("process substitution is not modelled")
      }
      throw unexpected(expected: "a word after the redirection")
    }
    return try word()
  }

  /// The here-document whose `<<` was read; its lines follow the end of this line.
  private mutating func hereDocument() throws(ShellSyntaxError) -> Word {
    var stripsTabs = false
    if peek() == 0x2D {
      stripsTabs = true
      position += 1
    }
    skipBlanks()
    let start = position
    guard let byte = peek(), !Self.isMeta(byte) else {
      throw unexpected(expected: "the word that ends the here-document")
    }
    let word = try word()
    guard let delimiter = word.literalText?.bytes else {
      throw fail(
        "the word that ends a here-document is not expanded, expected a plain word",
        at: start
      )
    }
    let isQuoted = word.plain == nil
    let lineEnd = endOfLine()
    var index = min(hereDocuments[lineEnd] ?? lineEnd + 1, end)
    var body: [UInt8] = []
    var offsets: [Int] = []
    while true {
      guard index < end else {
        if acceptsOpenHereDocuments { break }
        let name = String(decoding: delimiter, as: UTF8.self)
        throw fail(
          "the here-document does not end, expected a line `\(name)'",
          at: start,
          missing: .quote
        )
      }
      var lineStop = index
      while lineStop < end, text.bytes[lineStop] != 0x0A { lineStop += 1 }
      var lineStart = index
      if stripsTabs {
        while lineStart < lineStop, text.bytes[lineStart] == 0x09 { lineStart += 1 }
      }
      index = lineStop + 1
      if text.bytes[lineStart..<lineStop].elementsEqual(delimiter) { break }
      body += text.bytes[lineStart..<lineStop]
      body.append(0x0A)
      offsets += text.offsets[lineStart...lineStop]
    }
    hereDocuments[lineEnd] = index
    offsets.append(text.offsets[min(index, end)])
    let content = ShellText(bytes: body, offsets: offsets)
    if isQuoted {
      return Word(offset: word.offset, parts: [.literal(content, isQuoted: true)])
    }
    var parser = ShellParser(content)
    parser.depth = depth
    return Word(offset: word.offset, parts: try parser.hereDocumentParts())
  }

  /// The end of the current line, quoted line ends aside.
  private func endOfLine() -> Int {
    var index = position
    var quote: UInt8 = 0
    while index < end {
      let byte = text.bytes[index]
      if byte == 0x5C, quote != 0x27 {
        index += 2
        continue
      }
      if quote != 0 {
        if byte == quote { quote = 0 }
      } else if byte == 0x27 || byte == 0x22 {
        quote = byte
      } else if byte == 0x0A {
        return index
      }
      index += 1
    }
    return min(index, end)
  }
}

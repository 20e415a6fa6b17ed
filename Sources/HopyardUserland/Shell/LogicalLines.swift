/// One logical line of a lab: a line with its continuations, the rest of its loop or group, and
/// its here-document.
public struct LogicalLine: Sendable {
  /// The number of its first line, from 1.
  public var number: Int
  /// Its text, without the last line end.
  public var text: String
  /// Where it stands in the file.
  public var range: Range<Int>
}

extension ShellSource {
  /// The logical lines of a lab, cut as the recorder of the kernel labs cuts them.
  public func logicalLines() -> [LogicalLine] {
    let lines = physicalLines()
    var result: [LogicalLine] = []
    var index = 0
    while index < lines.count {
      let first = index
      while ends(lines[index], with: 0x5C), index + 1 < lines.count { index += 1 }
      func range() -> Range<Int> { lines[first].lowerBound..<lines[index].upperBound }
      if !isComment(lines[first]) {
        let isCompound = opensCompound(lines[first])
        // A quote left open is joined too: bash on the whole file would do so.
        var tries = 0
        while index + 1 < lines.count, tries < 2_000 {
          guard let missing = missing(in: range()),
            isCompound ? true : missing == .quote && hereDelimiter(in: range()) == nil
          else { break }
          index += 1
          tries += 1
        }
        if let delimiter = hereDelimiter(in: range()) {
          while index + 1 < lines.count {
            index += 1
            if bytes[lines[index]].elementsEqual(delimiter) { break }
          }
        }
        let all = range()
        if bytes[all].contains(where: { $0 != 0x20 && $0 != 0x09 && $0 != 0x0A && $0 != 0x0D }) {
          result.append(
            LogicalLine(
              number: first + 1,
              text: String(decoding: bytes[all], as: UTF8.self),
              range: all
            )
          )
        }
      }
      index += 1
    }
    return result
  }

  /// Whether the text ends in the middle of a loop, a quote, a here-document or a continuation.
  public var needsMore: Bool {
    guard let last = bytes.last else { return false }
    if last == 0x5C { return true }
    do {
      _ = try ShellParser.parse(ShellText(self, 0..<bytes.count))
      return false
    } catch {
      return error.missing != nil
    }
  }

  private func physicalLines() -> [Range<Int>] {
    var lines: [Range<Int>] = []
    for (number, start) in starts.enumerated() {
      let end = number + 1 < starts.count ? starts[number + 1] - 1 : bytes.count
      lines.append(start..<end)
    }
    return lines
  }

  private func ends(_ line: Range<Int>, with byte: UInt8) -> Bool {
    !line.isEmpty && bytes[line.upperBound - 1] == byte
  }

  private func isComment(_ line: Range<Int>) -> Bool {
    bytes[line].first { $0 != 0x20 && $0 != 0x09 } == UInt8(ascii: "#")
  }

  private func missing(in range: Range<Int>) -> ShellSyntaxError.Missing? {
    do {
      _ = try ShellParser.parse(ShellText(self, range), acceptsOpenHereDocuments: true)
      return nil
    } catch {
      // An open `$(` goes over line ends as an open quote does.
      let text = bytes[range]
      if error.missing == .command,
        zip(text, text.dropFirst()).contains(where: { $0 == 0x24 && $1 == 0x28 })
      {
        return .quote
      }
      return error.missing
    }
  }

  /// Whether more lines may belong to this one: it begins with the word of a loop, condition or
  /// group, or ends with `do`, `{` or `(`.
  private func opensCompound(_ line: Range<Int>) -> Bool {
    let text = Array(bytes[line])
    func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
    var start = 0
    while start < text.count, isSpace(text[start]) { start += 1 }
    for word in ["for", "while", "until", "if", "case", "{", "("] {
      let end = start + word.utf8.count
      if end <= text.count, text[start..<end].elementsEqual(word.utf8),
        end == text.count || isSpace(text[end])
      {
        return true
      }
    }
    if text.contains(UInt8(ascii: "#")) { return false }
    var end = text.count
    while end > 0, isSpace(text[end - 1]) { end -= 1 }
    guard end > 0 else { return false }
    if text[end - 1] == UInt8(ascii: "{") || text[end - 1] == UInt8(ascii: "(") { return true }
    guard end >= 2, text[(end - 2)..<end].elementsEqual("do".utf8) else { return false }
    return end == 2 || !ShellParser.isName(text[end - 3])
  }

  /// The word of the first here-document, found as the recorder's regular expression finds it.
  private func hereDelimiter(in range: Range<Int>) -> [UInt8]? {
    let text = bytes[range]
    var index = text.startIndex
    while index + 2 < text.endIndex {
      defer { index += 1 }
      guard text[index] == 0x3C, text[index + 1] == 0x3C else { continue }
      var at = index + 2
      for dash in [true, false] {
        at = index + 2
        if dash {
          guard text[at] == 0x2D else { continue }
          at += 1
        }
        while at < text.endIndex, text[at] == 0x20 || (0x09...0x0D).contains(text[at]) { at += 1 }
        guard at < text.endIndex else { continue }
        var quote: UInt8?
        if text[at] == 0x22 || text[at] == 0x27 {
          quote = text[at]
          at += 1
        }
        let start = at
        while at < text.endIndex, ShellParser.isName(text[at]) { at += 1 }
        guard at > start else { continue }
        if let quote, at == text.endIndex || text[at] != quote { continue }
        return Array(text[start..<at])
      }
    }
    return nil
  }
}

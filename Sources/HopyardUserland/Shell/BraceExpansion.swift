extension ShellParser {
  static let braceLimit = 20_000

  /// The words that `{a,b}` and `{1..5}` make of one.
  func expandBraces(_ word: Word) throws(ShellSyntaxError) -> [Word] {
    var hasBrace = false
    for part in word.parts {
      if case .literal(let text, false) = part, text.bytes.contains(UInt8(ascii: "{")) {
        hasBrace = true
      }
    }
    guard hasBrace else { return [word] }
    var tokens: [BraceToken] = []
    for part in word.parts {
      if case .literal(let text, false) = part {
        for (index, byte) in text.bytes.enumerated() {
          tokens.append(.byte(byte, text.offsets[index]))
        }
      } else {
        tokens.append(.part(part))
      }
    }
    let pairs = BracePairs(tokens)
    let expanded = try BraceToken.expand(tokens[...], pairs, at: word.offset, depth: 0)
    if expanded.count == 1 { return [word] }
    return expanded.map { Word(offset: word.offset, parts: BraceToken.parts(of: $0)) }
  }
}

/// Which brace closes which, and the commas between them that are in no inner pair.
private struct BracePairs {
  /// For the place of an opening brace, that of its closing one.
  private(set) var close: [Int: Int] = [:]
  private(set) var commas: [Int: [Int]] = [:]

  init(_ tokens: [BraceToken]) {
    var open: [Int] = []
    for (index, token) in tokens.enumerated() {
      if token.isByte("{") {
        open.append(index)
      } else if token.isByte("}") {
        if let start = open.popLast() { close[start] = index }
      } else if token.isByte(","), let start = open.last {
        commas[start, default: []].append(index)
      }
    }
  }
}

/// An unquoted byte, or a piece of a word in which braces mean nothing.
private enum BraceToken {
  case byte(UInt8, Int)
  case part(WordPart)

  func isByte(_ character: Unicode.Scalar) -> Bool {
    if case .byte(let byte, _) = self { return byte == UInt8(ascii: character) }
    return false
  }

  static func parts(of tokens: [BraceToken]) -> [WordPart] {
    var parts: [WordPart] = []
    var bytes: [UInt8] = []
    var offsets: [Int] = []
    func flushed() -> [WordPart] {
      if bytes.isEmpty { return [] }
      let text = ShellText(bytes: bytes, offsets: offsets + [(offsets.last ?? 0) + 1])
      return [.literal(text, isQuoted: false)]
    }
    for token in tokens {
      switch token {
      case .byte(let byte, let offset):
        bytes.append(byte)
        offsets.append(offset)
      case .part(let part):
        parts += flushed()
        bytes = []
        offsets = []
        parts.append(part)
      }
    }
    return parts + flushed()
  }

  static func expand(
    _ tokens: ArraySlice<BraceToken>,
    _ pairs: BracePairs,
    at offset: Int,
    depth: Int
  ) throws(ShellSyntaxError) -> [[BraceToken]] {
    if depth > 40 {
      throw ShellSyntaxError(offset: offset, message: "braces are nested more than 40 deep")
    }
    var open = tokens.startIndex
    while open < tokens.endIndex {
      if tokens[open].isByte("{"), let choices = try choices(tokens, pairs, open, offset, depth) {
        let prefix = Array(tokens[..<open])
        let suffixes = try expand(tokens[choices.after...], pairs, at: offset, depth: depth + 1)
        guard choices.words.count * suffixes.count <= ShellParser.braceLimit else {
          throw ShellSyntaxError(
            offset: offset,
            message: "the braces make more than \(ShellParser.braceLimit) words"
          )
        }
        var result: [[BraceToken]] = []
        for choice in choices.words {
          for suffix in suffixes { result.append(prefix + choice + suffix) }
        }
        return result
      }
      open += 1
    }
    return [Array(tokens)]
  }

  /// What the brace that opens at a place stands for; nil when it is only a brace.
  private static func choices(
    _ tokens: ArraySlice<BraceToken>,
    _ pairs: BracePairs,
    _ open: Int,
    _ offset: Int,
    _ depth: Int
  ) throws(ShellSyntaxError) -> (words: [[BraceToken]], after: Int)? {
    guard let close = pairs.close[open], close < tokens.endIndex else { return nil }
    guard let commas = pairs.commas[open] else {
      guard close - open < 64, let words = try sequence(tokens[(open + 1)..<close], at: offset)
      else { return nil }
      return (words, close + 1)
    }
    var words: [[BraceToken]] = []
    var start = open + 1
    for comma in commas + [close] {
      words += try expand(tokens[start..<comma], pairs, at: offset, depth: depth + 1)
      start = comma + 1
    }
    return (words, close + 1)
  }

  private static func sequence(_ tokens: ArraySlice<BraceToken>, at offset: Int)
    throws(ShellSyntaxError) -> [[BraceToken]]?
  {
    var bytes: [UInt8] = []
    var place = offset
    for token in tokens {
      guard case .byte(let byte, let offset) = token else { return nil }
      if bytes.isEmpty { place = offset }
      bytes.append(byte)
    }
    let fields = split(String(decoding: bytes, as: UTF8.self))
    guard fields.count == 2 || fields.count == 3 else { return nil }
    var step = 1
    if fields.count == 3 {
      guard let number = Int(fields[2]) else { return nil }
      step = number == 0 ? 1 : Int(clamping: number.magnitude)
    }
    func word(_ text: String) -> [BraceToken] { text.utf8.map { .byte($0, place) } }
    if let first = Int(fields[0]), let last = Int(fields[1]) {
      let (span, overflow) = last.subtractingReportingOverflow(first)
      guard !overflow, span.magnitude / UInt(step) < UInt(ShellParser.braceLimit) else {
        throw ShellSyntaxError(
          offset: place,
          message: "the braces make more than \(ShellParser.braceLimit) words"
        )
      }
      func isPadded(_ text: String) -> Bool {
        let digits = text.hasPrefix("-") ? text.dropFirst() : text[...]
        return digits.count > 1 && digits.hasPrefix("0")
      }
      let width =
        isPadded(fields[0]) || isPadded(fields[1]) ? max(fields[0].count, fields[1].count) : 0
      let count = Int(span.magnitude / UInt(step))
      return (0...count).map { index in
        let value = first &+ (span < 0 ? -index : index) &* step
        var digits = String(value.magnitude)
        let sign = value < 0 ? "-" : ""
        while digits.count + sign.count < width { digits = "0" + digits }
        return word(sign + digits)
      }
    }
    guard fields[0].utf8.count == 1, fields[1].utf8.count == 1,
      let first = fields[0].utf8.first, let last = fields[1].utf8.first,
      isLetter(first), isLetter(last)
    else { return nil }
    let numbers =
      first <= last
      ? Array(stride(from: Int(first), through: Int(last), by: step))
      : Array(stride(from: Int(first), through: Int(last), by: -step))
    return numbers.map { [.byte(UInt8($0), place)] }
  }

  private static func isLetter(_ byte: UInt8) -> Bool {
    ShellParser.isNameStart(byte) && byte != 0x5F
  }

  /// The text cut at each `..`.
  private static func split(_ text: String) -> [String] {
    var fields: [String] = []
    var current: [UInt8] = []
    let bytes = Array(text.utf8)
    var index = 0
    while index < bytes.count {
      if bytes[index] == 0x2E, index + 1 < bytes.count, bytes[index + 1] == 0x2E {
        fields.append(String(decoding: current, as: UTF8.self))
        current = []
        index += 2
      } else {
        current.append(bytes[index])
        index += 1
      }
    }
    return fields + [String(decoding: current, as: UTF8.self)]
  }
}

/// Breaks text: bytes, words, lines, and pieces of other texts.
struct TextMutator {
  var random: FuzzRandom
  /// Words that mean something to the languages, to be put where they do not belong.
  let words: [String]

  init(seed: UInt64, words: [String]) {
    random = FuzzRandom(seed: seed)
    self.words = words
  }

  /// A broken copy of `text`, with pieces of `donor`.
  mutating func mutate(_ text: [UInt8], with donor: [UInt8]) -> [UInt8] {
    var bytes = text
    for _ in 0...random.below(4) { mutateOnce(&bytes, donor) }
    return Array(bytes.prefix(200_000))
  }

  private mutating func mutateOnce(_ bytes: inout [UInt8], _ donor: [UInt8]) {
    let count = bytes.count
    switch random.below(15) {
    case 0 where count > 0: bytes[random.below(count)] ^= 1 << UInt8(random.below(8))
    case 1 where count > 0: bytes[random.below(count)] = random.byte()
    case 2: bytes.removeLast(random.below(count + 1))
    case 3: bytes.insert(contentsOf: punctuation(), at: random.below(count + 1))
    case 4: bytes.insert(contentsOf: Array(random.pick(words).utf8), at: random.below(count + 1))
    case 5: replaceWord(&bytes, by: Array(random.pick(words).utf8))
    case 6: replaceWord(&bytes, by: number())
    case 7: replaceWord(&bytes, by: [])
    case 8: swapLines(&bytes)
    case 9: deleteLine(&bytes)
    case 10: duplicateLine(&bytes, times: random.once(in: 20) ? 300 : 2)
    case 11: splice(&bytes, donor)
    case 12 where count > 0:
      let from = random.below(count)
      bytes.removeSubrange(from..<min(count, from + random.below(30)))
    case 13: bytes.insert(contentsOf: nesting(), at: random.below(count + 1))
    default: bytes.insert(random.byte(), at: random.below(count + 1))
    }
  }

  private mutating func punctuation() -> [UInt8] {
    Array(
      random.pick([
        "$", "${", "$(", "`", "\"", "'", "\\", "(", ")", "((", "))", "{", "}", "[", "[[", "]]", "|",
        "||", "&", "&&", ";", ";;", "<", "<<", "<<<", ">", ">>", "2>&1", "!", "#", "=", ":", "/",
        "*", "?", "~", "\n", "\r\n", "\t", "\0", "-", "--", "%", "@", ",", "é", "\u{FEFF}",
      ]).utf8
    )
  }

  private mutating func number() -> [UInt8] {
    Array(
      random.pick([
        "0", "-1", "1", "33", "255", "256", "65535", "65536", "4294967295", "4294967296",
        "18446744073709551616", "0x", "0x10", "1e9", "1.5", "999999999999999999999999",
        "10.0.0.0/33",
        "10.0.0.256", "10.0.0", "::1", "fe80::/10", "1:70000", "5:1", "00:00:00:00:00:00:00",
        "0.0.0.0/0", "255.255.255.0", "!", "-", "''",
      ]).utf8
    )
  }

  private mutating func nesting() -> [UInt8] {
    let unit = random.pick([
      "(", "$(", "{ ", "if true; then ", "while true; do ", "$((", "[[ ", "\"$(", "((", "! ", "`",
      "case a in a) ", "f() { ", "${a:-", "-j ", "-m ",
    ])
    let times = random.once(in: 4) ? 1 + random.below(3000) : 1 + random.below(40)
    return Array(String(repeating: unit, count: times).utf8)
  }

  private mutating func wordRange(_ bytes: [UInt8]) -> Range<Int>? {
    guard !bytes.isEmpty else { return nil }
    func isSpace(_ index: Int) -> Bool { bytes[index] == 32 || bytes[index] == 10 }
    var start = random.below(bytes.count)
    while start < bytes.count, isSpace(start) { start += 1 }
    guard start < bytes.count else { return nil }
    var end = start
    while start > 0, !isSpace(start - 1) { start -= 1 }
    while end < bytes.count, !isSpace(end) { end += 1 }
    return start..<end
  }

  private mutating func replaceWord(_ bytes: inout [UInt8], by word: [UInt8]) {
    guard let range = wordRange(bytes) else { return }
    bytes.replaceSubrange(range, with: word)
  }

  private mutating func lineRange(_ bytes: [UInt8]) -> Range<Int> {
    let middle = random.below(bytes.count)
    guard middle < bytes.count else { return 0..<0 }
    let start = bytes[..<middle].lastIndex(of: 10).map { $0 + 1 } ?? 0
    let end = bytes[middle...].firstIndex(of: 10).map { $0 + 1 } ?? bytes.count
    return start..<max(start, end)
  }

  private mutating func deleteLine(_ bytes: inout [UInt8]) {
    bytes.removeSubrange(lineRange(bytes))
  }

  private mutating func swapLines(_ bytes: inout [UInt8]) {
    let line = Array(bytes[lineRange(bytes)])
    let place = lineRange(bytes).lowerBound
    bytes.insert(contentsOf: line, at: place)
  }

  private mutating func duplicateLine(_ bytes: inout [UInt8], times: Int) {
    let range = lineRange(bytes)
    let line = Array(bytes[range])
    for _ in 0..<times { bytes.insert(contentsOf: line, at: range.upperBound) }
  }

  private mutating func splice(_ bytes: inout [UInt8], _ donor: [UInt8]) {
    let piece = donor[lineRange(donor)]
    bytes.insert(contentsOf: piece, at: lineRange(bytes).lowerBound)
  }
}

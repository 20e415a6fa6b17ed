/// The words and marks of Swift code, without comments and the text of string literals.
///
/// What an interpolation holds is code and stays.
struct SwiftTokens {
  private(set) var tokens: [String] = []
  private let bytes: [UInt8]
  private var at = 0

  init(_ text: String) {
    bytes = Array(text.utf8)
    code(untilParenthesis: false)
  }

  private func peek(_ offset: Int) -> UInt8? {
    at + offset < bytes.count ? bytes[at + offset] : nil
  }

  private func isAt(_ text: StaticString) -> Bool {
    let size = text.utf8CodeUnitCount
    guard at + size <= bytes.count else { return false }
    return (0..<size).allSatisfy { bytes[at + $0] == text.utf8Start[$0] }
  }

  /// Reads code to the end, or to the parenthesis that closes an interpolation.
  private mutating func code(untilParenthesis: Bool) {
    var depth = 0
    while let byte = peek(0) {
      switch byte {
      case UInt8(ascii: "/") where peek(1) == UInt8(ascii: "/"):
        while let byte = peek(0), byte != 0x0a { at += 1 }
      case UInt8(ascii: "/") where peek(1) == UInt8(ascii: "*"):
        blockComment()
      case UInt8(ascii: "\""):
        string(hashes: 0)
      case UInt8(ascii: "#"):
        var hashes = 0
        while peek(hashes) == UInt8(ascii: "#") { hashes += 1 }
        at += hashes
        if peek(0) == UInt8(ascii: "\"") { string(hashes: hashes) }
      case _ where SwiftTokens.isWord(byte):
        let start = at
        while let byte = peek(0), SwiftTokens.isWord(byte) { at += 1 }
        tokens.append(String(decoding: bytes[start..<at], as: UTF8.self))
      default:
        if byte == UInt8(ascii: "(") { depth += 1 }
        if byte == UInt8(ascii: ")") {
          if untilParenthesis, depth == 0 { return }
          depth -= 1
        }
        if byte > 0x20 { tokens.append(String(UnicodeScalar(byte))) }
        at += 1
      }
    }
  }

  private mutating func blockComment() {
    var depth = 0
    repeat {
      if isAt("/*") {
        depth += 1
        at += 2
      } else if isAt("*/") {
        depth -= 1
        at += 2
      } else {
        at += 1
      }
    } while depth > 0 && at < bytes.count
  }

  private mutating func string(hashes: Int) {
    let isMultiline = isAt("\"\"\"")
    at += isMultiline ? 3 : 1
    func isFollowed(byHashes offset: Int) -> Bool {
      (0..<hashes).allSatisfy { peek(offset + $0) == UInt8(ascii: "#") }
    }
    while let byte = peek(0) {
      if byte == UInt8(ascii: "\\"), isFollowed(byHashes: 1) {
        at += 1 + hashes
        if peek(0) == UInt8(ascii: "(") {
          at += 1
          code(untilParenthesis: true)
        }
        at += 1
      } else if isMultiline ? isAt("\"\"\"") : byte == UInt8(ascii: "\"") {
        let quotes = isMultiline ? 3 : 1
        if isFollowed(byHashes: quotes) {
          at += quotes + hashes
          return
        }
        at += 1
      } else {
        at += 1
      }
    }
  }

  private static func isWord(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
      UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"), 0x80...:
      true
    default: false
    }
  }
}

/// Small pieces of text that several parts of the canonical form share.
enum TextForm {
  /// A number in hexadecimal with at least `width` digits.
  static func hex(_ value: some BinaryInteger, width: Int) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }

  /// A JSON string literal in ASCII.
  static func quoted(_ text: String) -> String {
    var result = "\""
    for unit in text.utf16 {
      switch unit {
      case 0x22: result += "\\\""
      case 0x5c: result += "\\\\"
      case 0x08: result += "\\b"
      case 0x09: result += "\\t"
      case 0x0a: result += "\\n"
      case 0x0c: result += "\\f"
      case 0x0d: result += "\\r"
      case 0x20..<0x7f: result.unicodeScalars.append(Unicode.Scalar(UInt8(unit)))
      default: result += "\\u" + hex(unit, width: 4)
      }
    }
    return result + "\""
  }

  /// Bytes as ASCII, each byte beyond it as U+FFFD.
  static func ascii(_ bytes: Bytes) -> String {
    var result = String.UnicodeScalarView()
    for byte in bytes.array {
      result.append(byte < 0x80 ? Unicode.Scalar(byte) : "\u{fffd}")
    }
    return String(result)
  }

  /// Order of code points, whatever the language thinks of combining characters.
  static func precedes(_ left: String, _ right: String) -> Bool {
    left.utf8.lexicographicallyPrecedes(right.utf8)
  }

  /// The next multiple of ten.
  static func tens(_ value: Int) -> Int { (value + 9) / 10 * 10 }
}

extension String {
  /// Without white space at both ends.
  var trimmed: String {
    func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0d).contains(byte) }
    var view = utf8[...]
    while let first = view.first, isSpace(first) { view.removeFirst() }
    while let last = view.last, isSpace(last) { view.removeLast() }
    return String(Substring(view))
  }

  /// The lines between newline characters, the last of them perhaps empty.
  var newlineSeparated: [String] {
    utf8.split(separator: 0x0a, omittingEmptySubsequences: false).map { String(Substring($0)) }
  }

  /// The words between white space.
  var words: [String] {
    utf8.split { $0 == 0x20 || (0x09...0x0d).contains($0) }.map { String(Substring($0)) }
  }
}

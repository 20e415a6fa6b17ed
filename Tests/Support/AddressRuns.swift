/// Finds the addresses in a line that are written with colons, and puts other words in their place.
enum AddressRuns {
  /// Replaces MAC addresses that stand alone.
  static func replaceMAC(_ line: String, with name: (Substring) -> String) -> String {
    replaceRuns(line, of: isMACPart) { run, _, _ in
      isMAC(run) ? name(Substring(run)) : nil
    }
  }

  /// Replaces what may be an IPv6 address: groups in lower case that are no part of a word.
  static func replaceIPv6(_ line: String, with name: (Substring) -> String) -> String {
    replaceRuns(line, of: isIPv6Part) { run, before, after in
      guard run.first != colon, run.last != colon else { return nil }
      if let before, isWord(before) || before == UInt8(ascii: ".") { return nil }
      if let after, isWord(after) { return nil }
      return name(Substring(run))
    }
  }

  private static let colon = UInt8(ascii: ":")

  /// Calls `word` for every longest run of bytes that are a part, with the bytes around it; only runs
  /// that hold a colon count.
  private static func replaceRuns(
    _ line: String,
    of isPart: (UInt8) -> Bool,
    _ word: (Substring.UTF8View, UInt8?, UInt8?) -> String?
  ) -> String {
    let bytes = line.utf8
    var result = ""
    var copied = bytes.startIndex
    var at = bytes.startIndex
    while let found = bytes[at...].firstIndex(of: colon) {
      var start = found
      while start > copied, isPart(bytes[bytes.index(before: start)]) {
        start = bytes.index(before: start)
      }
      let end = bytes[found...].firstIndex { !isPart($0) } ?? bytes.endIndex
      let before = start > bytes.startIndex ? bytes[bytes.index(before: start)] : nil
      let after = end < bytes.endIndex ? bytes[end] : nil
      if let replacement = word(bytes[start..<end], before, after) {
        result += line[copied..<start]
        result += replacement
        copied = end
      }
      at = end
    }
    if copied == bytes.startIndex { return line }
    return result + line[copied...]
  }

  private static func isMAC(_ run: Substring.UTF8View) -> Bool {
    guard run.count == 17 else { return false }
    return run.enumerated().allSatisfy { ($0.offset % 3 == 2) == ($0.element == colon) }
  }

  private static func isMACPart(_ byte: UInt8) -> Bool { isIPv6Part(byte) || isUpperHexDigit(byte) }

  private static func isIPv6Part(_ byte: UInt8) -> Bool { isHexDigit(byte) || byte == colon }

  private static func isHexDigit(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte)
  }

  private static func isUpperHexDigit(_ byte: UInt8) -> Bool { (0x41...0x46).contains(byte) }

  /// Whether a byte is a part of a word: a letter, a digit, `_` or no ASCII.
  static func isWord(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x5f, 0x80...: true
    default: false
    }
  }
}

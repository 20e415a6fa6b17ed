/// How `sort` compares, by its flags.
enum SortOrder {
  private static func number(_ bytes: ArraySlice<UInt8>) -> Double {
    var index = bytes.startIndex
    while index < bytes.endIndex, bytes[index] == 0x20 || bytes[index] == 0x09 { index += 1 }
    var text = ""
    if index < bytes.endIndex, bytes[index] == UInt8(ascii: "-") {
      text = "-"
      index += 1
    }
    var hasPoint = false
    while index < bytes.endIndex {
      if ShellParser.isDigit(bytes[index]) {
        text.unicodeScalars.append(Unicode.Scalar(bytes[index]))
      } else if bytes[index] == 0x2E, !hasPoint {
        hasPoint = true
        text += text.isEmpty || text == "-" ? "0." : "."
      } else {
        break
      }
      index += 1
    }
    if text.hasSuffix(".") { text += "0" }
    return Double(text) ?? 0
  }

  /// Versions: runs of digits compare as numbers.
  private static func compareVersions(_ a: ArraySlice<UInt8>, _ b: ArraySlice<UInt8>) -> Int {
    var i = a.startIndex
    var j = b.startIndex
    while i < a.endIndex, j < b.endIndex {
      if ShellParser.isDigit(a[i]), ShellParser.isDigit(b[j]) {
        var (m, n) = (i, j)
        while m < a.endIndex, ShellParser.isDigit(a[m]) { m += 1 }
        while n < b.endIndex, ShellParser.isDigit(b[n]) { n += 1 }
        let x = a[i..<m].drop { $0 == 0x30 }
        let y = b[j..<n].drop { $0 == 0x30 }
        if x.count != y.count { return x.count < y.count ? -1 : 1 }
        if !x.elementsEqual(y) { return x.lexicographicallyPrecedes(y) ? -1 : 1 }
        (i, j) = (m, n)
      } else {
        if a[i] != b[j] { return a[i] < b[j] ? -1 : 1 }
        i += 1
        j += 1
      }
    }
    return a[i...].count == b[j...].count ? 0 : i == a.endIndex ? -1 : 1
  }

  static func compare(
    _ a: ArraySlice<UInt8>,
    _ b: ArraySlice<UInt8>,
    _ flags: Set<Character>
  ) -> Int {
    if flags.contains("n") {
      let (x, y) = (number(a), number(b))
      return x == y ? 0 : x < y ? -1 : 1
    }
    var (a, b) = (a, b)
    if flags.contains("b") {
      a = a.drop { $0 == 0x20 || $0 == 0x09 }
      b = b.drop { $0 == 0x20 || $0 == 0x09 }
    }
    if flags.contains("V") { return compareVersions(a, b) }
    if flags.contains("f") {
      let fold = { (byte: UInt8) -> UInt8 in (0x61...0x7A).contains(byte) ? byte - 32 : byte }
      let (x, y) = (a.map(fold), b.map(fold))
      return x == y ? 0 : x.lexicographicallyPrecedes(y) ? -1 : 1
    }
    return a.elementsEqual(b) ? 0 : a.lexicographicallyPrecedes(b) ? -1 : 1
  }
}

/// A value of awk: text, a number, or text that looks like a number.
enum AwkValue {
  case number(Double)
  case string([UInt8])
  /// Input, which is a number where it looks like one.
  case input([UInt8])
  case unset

  /// The number at the beginning of some bytes, and where it ends.
  static func leadingNumber(_ bytes: ArraySlice<UInt8>) -> (Double, Int) {
    var index = bytes.startIndex
    while index < bytes.endIndex, bytes[index] == 0x20 || (0x09...0x0D).contains(bytes[index]) {
      index += 1
    }
    let start = index
    if index < bytes.endIndex, bytes[index] == 0x2B || bytes[index] == 0x2D { index += 1 }
    var digits = 0
    while index < bytes.endIndex, ShellParser.isDigit(bytes[index]) {
      index += 1
      digits += 1
    }
    if index < bytes.endIndex, bytes[index] == 0x2E {
      index += 1
      while index < bytes.endIndex, ShellParser.isDigit(bytes[index]) {
        index += 1
        digits += 1
      }
    }
    guard digits > 0 else { return (0, bytes.startIndex) }
    if index < bytes.endIndex, bytes[index] == 0x65 || bytes[index] == 0x45 {
      var end = index + 1
      if end < bytes.endIndex, bytes[end] == 0x2B || bytes[end] == 0x2D { end += 1 }
      if end < bytes.endIndex, ShellParser.isDigit(bytes[end]) {
        while end < bytes.endIndex, ShellParser.isDigit(bytes[end]) { end += 1 }
        index = end
      }
    }
    var text = String(decoding: bytes[start..<index], as: UTF8.self)
    if text.hasSuffix(".") { text += "0" }
    return (Double(text) ?? 0, index)
  }

  var number: Double {
    switch self {
    case .number(let value): value
    case .string(let bytes), .input(let bytes): Self.leadingNumber(bytes[...]).0
    case .unset: 0
    }
  }

  var bytes: [UInt8] {
    switch self {
    case .number(let value): Self.text(value)
    case .string(let bytes), .input(let bytes): bytes
    case .unset: []
    }
  }

  /// Whether it compares as a number.
  var looksNumeric: Bool {
    switch self {
    case .number, .unset: return true
    case .string: return false
    case .input(let bytes):
      let (_, end) = Self.leadingNumber(bytes[...])
      if end == bytes.startIndex { return false }
      return bytes[end...].allSatisfy { $0 == 0x20 || (0x09...0x0D).contains($0) }
    }
  }

  var isTrue: Bool {
    switch self {
    case .number(let value): value != 0
    case .string(let bytes): !bytes.isEmpty
    case .input(let bytes): looksNumeric ? number != 0 : !bytes.isEmpty
    case .unset: false
    }
  }

  static func text(_ value: Double) -> [UInt8] {
    if value == value.rounded(), value.magnitude < 1e16 { return Array(String(Int64(value)).utf8) }
    return PrintfCommand.floating(value, precision: 6, letter: UInt8(ascii: "g"))
  }
}

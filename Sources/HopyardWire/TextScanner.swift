/// A cursor over ASCII text, for the parsers of addresses.
struct TextScanner {
  private let bytes: [UInt8]
  private var position = 0

  init(_ text: String) {
    bytes = Array(text.utf8)
  }

  var isAtEnd: Bool { position == bytes.count }
  var next: UInt8? { position < bytes.count ? bytes[position] : nil }

  /// Steps over a character if it is the next one.
  mutating func skip(_ character: Unicode.Scalar) -> Bool {
    guard let next, UInt32(next) == character.value else { return false }
    position += 1
    return true
  }

  /// Reads the digits that come next, at most `maximumDigits` of them.
  ///
  /// Answers nil and stays in place if there is no digit, if more digits follow, or if the value
  /// needs more than 32 bits.
  mutating func number(
    radix: UInt64 = 10,
    maximumDigits: Int = .max,
    allowsLeadingZeros: Bool = true
  ) -> UInt32? {
    var value: UInt64 = 0
    var end = position
    while end < bytes.count, let digit = Self.digit(bytes[end]), digit < radix {
      value = value * radix + digit
      guard value <= UInt64(UInt32.max), end - position < maximumDigits else { return nil }
      end += 1
    }
    guard end > position else { return nil }
    if !allowsLeadingZeros, end > position + 1, bytes[position] == UInt8(ascii: "0") { return nil }
    position = end
    return UInt32(value)
  }

  /// The value of a digit of any radix up to 16.
  static func digit(_ byte: UInt8) -> UInt64? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt64(byte - UInt8(ascii: "0"))
    case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt64(byte - UInt8(ascii: "a") + 10)
    case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt64(byte - UInt8(ascii: "A") + 10)
    default: nil
    }
  }
}

extension String {
  /// The parts before and after the first slash; the second is nil without a slash.
  func splitAtSlash() -> (String, String?) {
    guard let slash = utf8.firstIndex(of: UInt8(ascii: "/")) else { return (self, nil) }
    return (String(self[..<slash]), String(self[utf8.index(after: slash)...]))
  }
}

extension FixedWidthInteger {
  /// The number in lower-case hexadecimal, with zeros in front up to a width.
  func hexadecimal(width: Int = 0) -> String {
    let digits = String(self, radix: 16)
    return String(repeating: "0", count: Swift.max(0, width - digits.utf8.count)) + digits
  }
}

/// Numbers as ipset reads them: decimal, octal or hexadecimal.
enum IpsetNumber {
  /// A number within bounds.
  static func parse(
    _ text: Substring,
    _ bounds: ClosedRange<UInt64>
  ) throws(IpsetFailure) -> UInt64 {
    var rest = text.drop { $0 == " " || $0 == "\t" }
    var isNegative = false
    if let sign = rest.first, sign == "+" || sign == "-" {
      isNegative = sign == "-"
      rest = rest.dropFirst()
    }
    var radix: UInt64 = 10
    if rest.hasPrefix("0x") || rest.hasPrefix("0X"), rest.count > 2 {
      radix = 16
      rest = rest.dropFirst(2)
    } else if rest.hasPrefix("0"), rest.count > 1 {
      radix = 8
    }
    var value: UInt64 = 0
    var overflows = false
    guard !rest.isEmpty else { throw .syntax("'\(text)' is invalid as number") }
    for character in rest {
      guard character.isASCII, let digit = character.hexDigitValue, UInt64(digit) < radix else {
        throw .syntax("'\(text)' is invalid as number")
      }
      let (product, first) = value.multipliedReportingOverflow(by: radix)
      let (sum, second) = product.addingReportingOverflow(UInt64(digit))
      if first || second { overflows = true }
      value = sum
    }
    if isNegative { value = 0 &- value }
    guard !overflows, bounds.contains(value) else {
      throw .syntax("'\(text)' is out of range \(bounds.lowerBound)-\(bounds.upperBound)")
    }
    return value
  }

  /// A number of 32 bits in hexadecimal, with zeros in front if a width is given.
  static func hex(_ value: UInt32, width: Int = 0) -> String {
    let digits = String(value, radix: 16)
    return "0x" + String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
  }
}

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Numbers as C's `printf` writes them.
enum DecimalText {
  /// `%g`.
  static func general(_ value: Double) -> String { format("%g", value) }

  /// `%.Nf`.
  static func fixed(_ value: Double, _ digits: Int) -> String { format("%.\(digits)f", value) }

  /// Thousandths with three decimals: 1234 is `1.234`.
  static func thousandths(_ value: Int64) -> String {
    "\(value / 1000)." + zeroPadded(abs(value % 1000), 3)
  }

  /// A number with zeros before it.
  static func zeroPadded(_ value: Int64, _ width: Int) -> String {
    let text = String(value)
    return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
  }

  /// Lower-case hexadecimal with zeros before it.
  static func hexadecimal(_ value: UInt64, _ width: Int = 1) -> String {
    let text = String(value, radix: 16)
    return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
  }

  private static func format(_ format: String, _ value: Double) -> String {
    var buffer = [CChar](repeating: 0, count: 400)
    let length = withVaList([value]) { vsnprintf(&buffer, buffer.count, format, $0) }
    let bytes = buffer.prefix(max(0, min(Int(length), buffer.count - 1)))
    return String(decoding: bytes.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}

extension String {
  /// The text with spaces behind it up to a width.
  func padded(_ width: Int) -> String {
    self + String(repeating: " ", count: Swift.max(0, width - utf8.count))
  }

  /// The text with spaces before it up to a width.
  func leftPadded(_ width: Int) -> String {
    String(repeating: " ", count: Swift.max(0, width - utf8.count)) + self
  }
}

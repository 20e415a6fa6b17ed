/// The backslash escapes of `echo -e`, `printf` and `$'…'`.
enum BackslashEscape {
  /// Who reads the escape: they differ in a few.
  enum Style {
    case echo
    case printf
    case dollarQuote
  }

  /// The bytes that an escape stands for, and how many bytes after the backslash it takes.
  ///
  /// An unknown escape stands for itself, backslash and all. `\c` is left to the caller.
  static func parse(_ rest: ArraySlice<UInt8>, style: Style) -> (bytes: [UInt8], length: Int) {
    guard let first = rest.first else { return ([0x5C], 0) }
    let after = rest.dropFirst()
    switch first {
    case UInt8(ascii: "a"): return ([7], 1)
    case UInt8(ascii: "b"): return ([8], 1)
    case UInt8(ascii: "e"), UInt8(ascii: "E"): return ([0x1B], 1)
    case UInt8(ascii: "f"): return ([12], 1)
    case UInt8(ascii: "n"): return ([10], 1)
    case UInt8(ascii: "r"): return ([13], 1)
    case UInt8(ascii: "t"): return ([9], 1)
    case UInt8(ascii: "v"): return ([11], 1)
    case 0x5C: return ([0x5C], 1)
    case 0x22 where style == .printf: return ([0x22], 1)
    case 0x27 where style == .printf: return ([0x27], 1)
    case UInt8(ascii: "x"):
      let (value, count) = digits(after, base: 16, limit: 2)
      return count == 0 ? ([0x5C, first], 1) : ([UInt8(truncatingIfNeeded: value)], 1 + count)
    case UInt8(ascii: "u"), UInt8(ascii: "U"):
      let (value, count) = digits(after, base: 16, limit: first == UInt8(ascii: "u") ? 4 : 8)
      guard count > 0, let scalar = UnicodeScalar(value) else { return ([0x5C, first], 1) }
      return (Array(String(scalar).utf8), 1 + count)
    case UInt8(ascii: "0") where style == .echo:
      let (value, count) = digits(after, base: 8, limit: 3)
      return ([UInt8(truncatingIfNeeded: value)], 1 + count)
    case 0x30...0x37 where style != .echo:
      let (value, count) = digits(rest, base: 8, limit: 3)
      return ([UInt8(truncatingIfNeeded: value)], count)
    default: return ([0x5C, first], 1)
    }
  }

  private static func digits(_ bytes: ArraySlice<UInt8>, base: UInt32, limit: Int)
    -> (value: UInt32, count: Int)
  {
    var value: UInt32 = 0
    var count = 0
    for byte in bytes.prefix(limit) {
      let digit: UInt32
      switch byte {
      case 0x30...0x39: digit = UInt32(byte - 0x30)
      case 0x61...0x66: digit = UInt32(byte - 0x61 + 10)
      case 0x41...0x46: digit = UInt32(byte - 0x41 + 10)
      default: return (value, count)
      }
      guard digit < base else { return (value, count) }
      value = value &* base &+ digit
      count += 1
    }
    return (value, count)
  }
}

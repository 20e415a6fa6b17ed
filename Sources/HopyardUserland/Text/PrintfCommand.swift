/// `printf`.
enum PrintfCommand {
  static let command = Command(
    "printf",
    isBuiltin: true,
    run: { process, arguments async throws(ProcessExit) in try await run(process, arguments) }
  )

  private struct Conversion {
    var flags: Set<UInt8> = []
    var width = 0
    var precision: Int?
    var letter: UInt8 = 0
  }

  static func run(_ process: Process, _ arguments: [String]) async throws(ProcessExit) -> Int32 {
    var arguments = arguments[...]
    if arguments.first == "-v" { throw .refused("printf: the option -v is not modelled") }
    if arguments.first == "--" { arguments = arguments.dropFirst() }
    guard let first = arguments.first else {
      try await process.printError("printf: usage: printf [-v var] format [arguments]\n")
      return 2
    }
    var output: [UInt8] = []
    var errors = ""
    var status: Int32 = 0
    let format = Array(first.utf8)
    var rest = arguments.dropFirst()
    repeat {
      let before = rest.count
      let isStopped = try write(format, &rest, &output, &errors, &status)
      if isStopped || rest.count == before { break }
      if output.count > 1 << 26 { throw .refused("printf: more than 64 MiB is not modelled") }
    } while !rest.isEmpty
    if !errors.isEmpty { try await process.printError(errors) }
    try await process.write(output)
    return status
  }

  /// Writes the format once; true when `\c` stops the output.
  private static func write(
    _ format: [UInt8],
    _ arguments: inout ArraySlice<String>,
    _ output: inout [UInt8],
    _ errors: inout String,
    _ status: inout Int32
  ) throws(ProcessExit) -> Bool {
    var index = 0
    while index < format.count {
      let byte = format[index]
      if byte == 0x5C, index + 1 < format.count {
        if format[index + 1] == UInt8(ascii: "c") { return true }
        let (bytes, length) = BackslashEscape.parse(format[(index + 1)...], style: .printf)
        output += bytes
        index += 1 + length
        continue
      }
      guard byte == UInt8(ascii: "%") else {
        output.append(byte)
        index += 1
        continue
      }
      index += 1
      if index < format.count, format[index] == UInt8(ascii: "%") {
        output.append(byte)
        index += 1
        continue
      }
      var conversion = Conversion()
      while index < format.count, "-+ #0".utf8.contains(format[index]) {
        conversion.flags.insert(format[index])
        index += 1
      }
      func number() -> Int {
        var value = 0
        if index < format.count, format[index] == UInt8(ascii: "*") {
          index += 1
          value = Int(arguments.popFirst() ?? "0") ?? 0
        } else {
          while index < format.count, ShellParser.isDigit(format[index]) {
            value = min(value * 10 + Int(format[index] - 0x30), 1_000_000)
            index += 1
          }
        }
        return value
      }
      conversion.width = number()
      if conversion.width < 0 {
        conversion.flags.insert(UInt8(ascii: "-"))
        conversion.width = -max(conversion.width, -1_000_000)
      }
      if index < format.count, format[index] == UInt8(ascii: ".") {
        index += 1
        conversion.precision = max(0, number())
      }
      if conversion.width > 100_000 || (conversion.precision ?? 0) > 100_000 {
        throw .refused("printf: a width of more than 100,000 is not modelled")
      }
      while index < format.count, "hlLqjzt".utf8.contains(format[index]) {
        if format[index] == UInt8(ascii: "q") { break }
        index += 1
      }
      guard index < format.count else {
        errors += "bash: printf: `%': missing format character\n"
        status = 1
        return true
      }
      conversion.letter = format[index]
      index += 1
      let argument = arguments.popFirst()
      if try convert(conversion, argument, &output, &errors, &status) { return true }
    }
    return false
  }

  private static func convert(
    _ conversion: Conversion,
    _ argument: String?,
    _ output: inout [UInt8],
    _ errors: inout String,
    _ status: inout Int32
  ) throws(ProcessExit) -> Bool {
    let text = argument ?? ""
    switch conversion.letter {
    case UInt8(ascii: "s"):
      var bytes = Array(text.utf8)
      if let precision = conversion.precision { bytes = Array(bytes.prefix(precision)) }
      output += padded(bytes, conversion)
    case UInt8(ascii: "q"): output += padded(Array(Shell.escaped(text).utf8), conversion)
    case UInt8(ascii: "c"): output += padded(Array(text.utf8.prefix(1)), conversion)
    case UInt8(ascii: "b"):
      let source = Array(text.utf8)
      var bytes: [UInt8] = []
      var index = 0
      var isStopped = false
      while index < source.count {
        if source[index] == 0x5C, index + 1 < source.count {
          if source[index + 1] == UInt8(ascii: "c") {
            isStopped = true
            break
          }
          let (more, length) = BackslashEscape.parse(source[(index + 1)...], style: .echo)
          bytes += more
          index += 1 + length
        } else {
          bytes.append(source[index])
          index += 1
        }
      }
      output += padded(bytes, conversion)
      return isStopped
    case UInt8(ascii: "d"), UInt8(ascii: "i"), UInt8(ascii: "u"), UInt8(ascii: "x"),
      UInt8(ascii: "X"), UInt8(ascii: "o"):
      output += integer(number(text, &errors, &status), conversion)
    case UInt8(ascii: "f"), UInt8(ascii: "F"), UInt8(ascii: "e"), UInt8(ascii: "g"),
      UInt8(ascii: "E"),
      UInt8(ascii: "G"):
      var value = 0.0
      if !text.isEmpty {
        if let parsed = Double(text) {
          value = parsed
        } else {
          errors += "bash: printf: \(text): invalid number\n"
          status = 1
        }
      }
      output += floating(value, conversion)
    default:
      let letter = String(decoding: [conversion.letter], as: UTF8.self)
      errors += "bash: printf: `\(letter)': invalid format character\n"
      status = 1
      return true
    }
    return false
  }

  /// The bytes that `printf` and `sprintf` of awk make.
  static func format(_ format: [UInt8], _ values: [AwkValue]) throws(ProcessExit) -> [UInt8] {
    var output: [UInt8] = []
    var values = values[...]
    var index = 0
    while index < format.count {
      guard format[index] == UInt8(ascii: "%") else {
        output.append(format[index])
        index += 1
        continue
      }
      index += 1
      var conversion = Conversion()
      while index < format.count, "-+ #0".utf8.contains(format[index]) {
        conversion.flags.insert(format[index])
        index += 1
      }
      func number() -> Int {
        var value = 0
        if index < format.count, format[index] == UInt8(ascii: "*") {
          index += 1
          return Int(clamping: AwkMachine.integer(values.popFirst()?.number ?? 0))
        }
        while index < format.count, ShellParser.isDigit(format[index]) {
          value = min(value * 10 + Int(format[index] - 0x30), 1_000_000)
          index += 1
        }
        return value
      }
      conversion.width = number()
      if conversion.width < 0 {
        conversion.flags.insert(UInt8(ascii: "-"))
        conversion.width = 0 - max(conversion.width, -1_000_000)
      }
      if index < format.count, format[index] == UInt8(ascii: ".") {
        index += 1
        conversion.precision = max(0, number())
      }
      if conversion.width > 100_000 || (conversion.precision ?? 0) > 100_000 {
        throw .refused("printf: a width of more than 100,000 is not modelled")
      }
      guard index < format.count else { break }
      conversion.letter = format[index]
      index += 1
      if conversion.letter == UInt8(ascii: "%") {
        output.append(conversion.letter)
        continue
      }
      let value = values.popFirst() ?? .unset
      switch conversion.letter {
      case UInt8(ascii: "s"):
        var bytes = value.bytes
        if let precision = conversion.precision { bytes = Array(bytes.prefix(precision)) }
        output += padded(bytes, conversion)
      case UInt8(ascii: "c"):
        if case .number(let code) = value {
          output += padded([UInt8(truncatingIfNeeded: AwkMachine.integer(code))], conversion)
        } else {
          output += padded(Array(value.bytes.prefix(1)), conversion)
        }
      case UInt8(ascii: "d"), UInt8(ascii: "i"), UInt8(ascii: "u"), UInt8(ascii: "x"),
        UInt8(ascii: "X"), UInt8(ascii: "o"):
        output += integer(AwkMachine.integer(value.number), conversion)
      case UInt8(ascii: "f"), UInt8(ascii: "F"), UInt8(ascii: "e"), UInt8(ascii: "g"),
        UInt8(ascii: "E"), UInt8(ascii: "G"):
        output += floating(value.number, conversion)
      default:
        throw .refused("awk: the format of printf is not modelled")
      }
    }
    return output
  }

  private static func number(_ text: String, _ errors: inout String, _ status: inout Int32) -> Int64
  {
    var digits = text.drop { $0 == " " || $0 == "\t" }
    if digits.isEmpty { return 0 }
    if digits.hasPrefix("'") || digits.hasPrefix("\"") {
      return Int64(digits.dropFirst().unicodeScalars.first?.value ?? 0)
    }
    let isNegative = digits.hasPrefix("-")
    if isNegative || digits.hasPrefix("+") { digits = digits.dropFirst() }
    if let value = ArithmeticExpression.number(String(digits)), !digits.contains("#") {
      return isNegative ? 0 &- value : value
    }
    errors += "bash: printf: \(text): invalid number\n"
    status = 1
    let leading = digits.prefix { $0.isASCII && $0.isNumber }
    let value = Int64(leading) ?? 0
    return isNegative ? 0 &- value : value
  }

  private static func integer(_ value: Int64, _ conversion: Conversion) -> [UInt8] {
    var digits: String
    var sign = ""
    switch conversion.letter {
    case UInt8(ascii: "x"): digits = String(UInt64(bitPattern: value), radix: 16)
    case UInt8(ascii: "X"): digits = String(UInt64(bitPattern: value), radix: 16, uppercase: true)
    case UInt8(ascii: "o"): digits = String(UInt64(bitPattern: value), radix: 8)
    case UInt8(ascii: "u"): digits = String(UInt64(bitPattern: value))
    default:
      digits = String(value.magnitude)
      if value < 0 {
        sign = "-"
      } else if conversion.flags.contains(UInt8(ascii: "+")) {
        sign = "+"
      } else if conversion.flags.contains(0x20) {
        sign = " "
      }
    }
    if conversion.flags.contains(UInt8(ascii: "#")), value != 0 {
      switch conversion.letter {
      case UInt8(ascii: "x"): sign = "0x"
      case UInt8(ascii: "X"): sign = "0X"
      case UInt8(ascii: "o"): digits = "0" + digits
      default: break
      }
    }
    if let precision = conversion.precision, digits.count < precision {
      digits = String(repeating: "0", count: precision - digits.count) + digits
    }
    return zeroPadded(sign, digits, conversion, allowed: conversion.precision == nil)
  }

  /// A number in fixed or scientific notation.
  static func floating(
    _ value: Double,
    flags: String = "",
    width: Int = 0,
    precision: Int?,
    letter: UInt8
  )
    -> [UInt8]
  {
    floating(
      value,
      Conversion(flags: Set(flags.utf8), width: width, precision: precision, letter: letter)
    )
  }

  private static func floating(_ value: Double, _ conversion: Conversion) -> [UInt8] {
    let precision = min(conversion.precision ?? 6, 60)
    let magnitude = value.magnitude
    var digits: String
    if !magnitude.isFinite {
      digits = magnitude.isNaN ? "nan" : "inf"
    } else {
      switch conversion.letter {
      case UInt8(ascii: "f"), UInt8(ascii: "F"): digits = FloatText.fixed(magnitude, precision)
      case UInt8(ascii: "e"), UInt8(ascii: "E"): digits = FloatText.scientific(magnitude, precision)
      default: digits = FloatText.general(magnitude, precision)
      }
    }
    if conversion.letter < 0x60 { digits = digits.uppercased() }
    var sign = value.sign == .minus && !value.isNaN ? "-" : ""
    if sign.isEmpty, conversion.flags.contains(UInt8(ascii: "+")) { sign = "+" }
    if sign.isEmpty, conversion.flags.contains(0x20) { sign = " " }
    return zeroPadded(sign, digits, conversion, allowed: magnitude.isFinite)
  }

  private static func zeroPadded(
    _ sign: String,
    _ digits: String,
    _ conversion: Conversion,
    allowed: Bool
  ) -> [UInt8] {
    var digits = digits
    if allowed, conversion.flags.contains(UInt8(ascii: "0")),
      !conversion.flags.contains(UInt8(ascii: "-"))
    {
      let missing = conversion.width - digits.count - sign.count
      if missing > 0 { digits = String(repeating: "0", count: missing) + digits }
    }
    return padded(Array((sign + digits).utf8), conversion)
  }

  private static func padded(_ bytes: [UInt8], _ conversion: Conversion) -> [UInt8] {
    let missing = conversion.width - bytes.count
    guard missing > 0 else { return bytes }
    let pad = Array(repeating: UInt8(0x20), count: missing)
    return conversion.flags.contains(UInt8(ascii: "-")) ? bytes + pad : pad + bytes
  }
}

/// Numbers with a fraction, rounded as the C library rounds them.
enum FloatText {
  /// The exact decimal digits of a finite, non-negative number: the whole part and the fraction.
  private static func exact(_ value: Double) -> (whole: [UInt8], fraction: [UInt8]) {
    if value == 0 { return ([0], []) }
    let exponent = Int(value.exponent) - 52
    var significand = UInt64(value.significandBitPattern) | (value.isSubnormal ? 0 : 1 << 52)
    var power = value.isSubnormal ? -1074 : exponent
    while significand & 1 == 0, power < 0 {
      significand >>= 1
      power += 1
    }
    var digits = String(significand).utf8.map { $0 - 0x30 }
    if power >= 0 {
      for _ in 0..<power { multiply(&digits, by: 2) }
      return (digits, [])
    }
    // m / 2^n = m * 5^n / 10^n
    let places = -power
    for _ in 0..<places { multiply(&digits, by: 5) }
    if digits.count <= places {
      digits = Array(repeating: 0, count: places + 1 - digits.count) + digits
    }
    return (Array(digits.dropLast(places)), Array(digits.suffix(places)))
  }

  private static func multiply(_ digits: inout [UInt8], by factor: UInt8) {
    var carry: UInt8 = 0
    for index in digits.indices.reversed() {
      let product = digits[index] * factor + carry
      digits[index] = product % 10
      carry = product / 10
    }
    if carry > 0 { digits.insert(carry, at: 0) }
  }

  /// The digits cut after `count`, rounded half to even; true when that made one more digit.
  private static func round(_ digits: [UInt8], to count: Int) -> (digits: [UInt8], carried: Bool) {
    guard count < digits.count else {
      return (digits + Array(repeating: 0, count: count - digits.count), false)
    }
    var kept = Array(digits.prefix(count))
    let rest = digits[count...]
    let isAbove = rest[count] > 5 || rest[count] == 5 && rest.dropFirst().contains { $0 > 0 }
    let isTie = rest[count] == 5 && !rest.dropFirst().contains { $0 > 0 }
    guard isAbove || isTie && (kept.last ?? 0) % 2 == 1 else { return (kept, false) }
    var index = count - 1
    while index >= 0 {
      if kept[index] < 9 {
        kept[index] += 1
        return (kept, false)
      }
      kept[index] = 0
      index -= 1
    }
    return ([1] + kept, true)
  }

  private static func text(_ digits: some Sequence<UInt8>) -> String {
    String(decoding: digits.map { $0 + 0x30 }, as: UTF8.self)
  }

  static func fixed(_ value: Double, _ precision: Int) -> String {
    let (whole, fraction) = exact(value)
    let (digits, _) = round(whole + fraction, to: whole.count + precision)
    let head = digits.dropLast(precision)
    return text(head) + (precision > 0 ? "." + text(digits.suffix(precision)) : "")
  }

  private static func scaled(_ value: Double, _ precision: Int) -> (digits: [UInt8], exponent: Int)
  {
    if value == 0 { return (Array(repeating: 0, count: precision + 1), 0) }
    let (whole, fraction) = exact(value)
    let all = whole + fraction
    let first = all.firstIndex { $0 > 0 } ?? 0
    let exponent = whole.count - 1 - first
    let (digits, carried) = round(Array(all[first...]), to: precision + 1)
    return (Array(digits.prefix(precision + 1)), carried ? exponent + 1 : exponent)
  }

  static func scientific(_ value: Double, _ precision: Int) -> String {
    let (digits, exponent) = scaled(value, precision)
    let magnitude = String(exponent.magnitude)
    return text(digits.prefix(1)) + (precision > 0 ? "." + text(digits.dropFirst()) : "")
      + (exponent < 0 ? "e-" : "e+") + (magnitude.count < 2 ? "0" : "") + magnitude
  }

  static func general(_ value: Double, _ precision: Int) -> String {
    let precision = max(precision, 1)
    let (_, exponent) = scaled(value, precision - 1)
    var result: String
    var suffix = ""
    if exponent < -4 || exponent >= precision {
      result = scientific(value, precision - 1)
      if let mark = result.firstIndex(of: "e") {
        suffix = String(result[mark...])
        result = String(result[..<mark])
      }
    } else {
      result = fixed(value, precision - 1 - exponent)
    }
    if result.contains(".") {
      while result.hasSuffix("0") { result.removeLast() }
      if result.hasSuffix(".") { result.removeLast() }
    }
    return result + suffix
  }
}

/// Lengths of time as `sleep` and `timeout` take them.
enum TimeText {
  /// The nanoseconds of `0.5`, `2s`, `1m`, `1h` or `1d`; nil for anything else.
  static func nanoseconds(_ text: String) -> Int64? {
    var digits = text[...]
    var unit: Double = 1
    switch digits.last {
    case "s": digits = digits.dropLast()
    case "m":
      unit = 60
      digits = digits.dropLast()
    case "h":
      unit = 3_600
      digits = digits.dropLast()
    case "d":
      unit = 86_400
      digits = digits.dropLast()
    default: break
    }
    if digits == "infinity" || digits == "inf" { return .max / 4 }
    guard let first = digits.first, first.isNumber || first == ".", !digits.contains("x"),
      let value = Double(digits), value.isFinite, value >= 0
    else { return nil }
    let nanoseconds = (value * unit * 1e9).rounded()
    return nanoseconds < 2e18 ? Int64(nanoseconds) : .max / 4
  }
}

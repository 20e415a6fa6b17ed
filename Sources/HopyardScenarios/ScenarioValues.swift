import HopyardContainers
import HopyardUserland

/// Reads values with units.
enum ScenarioValues {
  /// Nanoseconds: `20ms`, `1.5s`, `90` (seconds).
  static func duration(_ text: String) -> Int64? {
    let units: [(String, Double)] = [
      ("ns", 1), ("us", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9),
    ]
    return scaled(text, units, plain: 1e9).flatMap { $0 < 9e18 ? Int64($0) : nil }
  }

  /// Bits per second: `100mbit`, `1gbit`, `8000`, as tc(8) reads them.
  static func rate(_ text: String) -> Int64? {
    let units: [(String, Double)] = [
      ("kbit", 1e3), ("mbit", 1e6), ("gbit", 1e9), ("kbps", 8e3), ("mbps", 8e6), ("gbps", 8e9),
      ("bit", 1), ("bps", 8),
    ]
    return scaled(text.lowercased(), units, plain: 1).flatMap { $0 < 9e18 ? Int64($0) : nil }
  }

  /// A share from 0 to 1: `0.01` or `1%`.
  static func ratio(_ text: String) -> Double? {
    scaled(text, [("%", 0.01)], plain: 1).flatMap { $0 <= 1 ? $0 : nil }
  }

  private static func scaled(_ text: String, _ units: [(String, Double)], plain: Double) -> Double?
  {
    // The longer unit first: `ms` ends in `s`.
    let ordered = units.sorted { $0.0.utf8.count > $1.0.utf8.count }
    var number = Substring(text)
    var factor = plain
    if let (suffix, scale) = ordered.first(where: { text.hasSuffix($0.0) }) {
      number = text.dropLast(suffix.count)
      factor = scale
    }
    guard let first = number.utf8.first, (0x30...0x39).contains(first),
      let value = Double(number), value >= 0, value.isFinite
    else { return nil }
    return value * factor
  }

  /// A span as a person writes it.
  static func text(nanoseconds: Int64) -> String {
    func decimal(_ unit: Int64, _ name: String) -> String {
      let thousandths = nanoseconds / (unit / 1000)
      let fraction = String(1000 + thousandths % 1000).dropFirst()
      let trimmed = fraction.reversed().drop { $0 == "0" }.reversed()
      return "\(thousandths / 1000)" + (trimmed.isEmpty ? "" : "." + String(trimmed)) + name
    }
    if nanoseconds >= 1_000_000_000 { return decimal(1_000_000_000, "s") }
    if nanoseconds >= 1_000_000 { return decimal(1_000_000, "ms") }
    if nanoseconds >= 1000 { return decimal(1000, "us") }
    return "\(nanoseconds)ns"
  }
}

extension YAMLNode {
  /// A span of virtual time.
  func duration(_ what: String) throws(Problem) -> Int64 {
    guard let text, let value = ScenarioValues.duration(text) else {
      throw problem("\(what) is no span of time, expected one such as 20ms, 1.5s or 2m")
    }
    return value
  }

  /// Bits per second.
  func rate(_ what: String) throws(Problem) -> Int64 {
    guard let text, let value = ScenarioValues.rate(text) else {
      throw problem("\(what) is no rate, expected one such as 100mbit or 1gbit")
    }
    return value
  }

  /// A share.
  func ratio(_ what: String) throws(Problem) -> Double {
    guard let text, let value = ScenarioValues.ratio(text) else {
      throw problem("\(what) is no share, expected one such as 1% or 0.01")
    }
    return value
  }
}

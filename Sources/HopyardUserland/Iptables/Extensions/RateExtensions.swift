import HopyardSimulator

/// Rates and times as the estimators' options take them.
enum EstimatorText {
  private static let rates: [(String, Double)] = [
    ("bit", 1), ("kibit", 1024), ("kbit", 1000), ("mibit", 1_048_576), ("mbit", 1_000_000),
    ("gibit", 1_073_741_824), ("gbit", 1_000_000_000), ("tibit", 1_099_511_627_776),
    ("tbit", 1_000_000_000_000), ("bps", 8), ("kibps", 8192), ("kbps", 8000),
    ("mibps", 8_388_608), ("mbps", 8_000_000), ("gibps", 8_589_934_592),
    ("gbps", 8_000_000_000), ("tibps", 8_796_093_022_208), ("tbps", 8_000_000_000_000),
  ]

  private static func split(_ text: String) -> (number: Double, unit: String)? {
    let digits = text.prefix { ("0"..."9").contains($0) || $0 == "." }
    guard let number = Double(digits) else { return nil }
    return (number, text.dropFirst(digits.count).lowercased())
  }

  /// A rate in bytes a second; without a unit it is bits.
  static func rate(_ text: String) -> UInt32? {
    guard let (number, unit) = split(text) else { return nil }
    let factor: Double
    if unit.isEmpty {
      factor = 1
    } else {
      guard let known = rates.first(where: { $0.0 == unit }) else { return nil }
      factor = known.1
    }
    let bytes = number * factor / 8
    return bytes < 4_294_967_296 ? UInt32(bytes) : nil
  }

  /// A time in microseconds; without a unit it is microseconds.
  static func time(_ text: String) -> UInt64? {
    guard let (number, unit) = split(text) else { return nil }
    let factor: Double
    switch unit {
    case "s", "sec", "secs": factor = 1e6
    case "ms", "msec", "msecs": factor = 1e3
    case "", "us", "usec", "usecs": factor = 1
    default: return nil
    }
    let time = number * factor
    return time < 4e9 ? UInt64(time) : nil
  }
}

/// `-m rateest`.
final class RateExtension: RuleExtension {
  private var firstName: String?
  private var secondName: String?
  private var comparison: RateMatch.Comparison?
  private var isInverted = false
  private var bytes: (Bool, UInt32) = (false, 0)
  private var packets: (Bool, UInt32) = (false, 0)
  private var secondBytes: UInt32?
  private var secondPackets: UInt32?

  init() {
    super.init(
      "rateest",
      [
        ExtensionOption("rateest1", 0), ExtensionOption("rateest", 0),
        ExtensionOption("rateest2", 1), ExtensionOption("rateest-bps1", 2, optional: true),
        ExtensionOption("rateest-pps1", 3, optional: true),
        ExtensionOption("rateest-bps2", 4, optional: true),
        ExtensionOption("rateest-pps2", 5, optional: true),
        ExtensionOption("rateest-bps", 2, optional: true),
        ExtensionOption("rateest-pps", 3, optional: true),
        ExtensionOption("rateest-delta", 6, flag: true),
        ExtensionOption("rateest-lt", 7, flag: true), ExtensionOption("rateest-gt", 8, flag: true),
        ExtensionOption("rateest-eq", 9, flag: true),
      ]
    )
  }

  override var isGuided: Bool { false }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    func rate() throws(IptablesFailure) -> UInt32? {
      guard let text = takeOptional(value) else { return nil }
      guard let rate = EstimatorText.rate(text) else {
        throw .parameter("rateest: could not parse rate `\(text)'")
      }
      return rate
    }
    func count() throws(IptablesFailure) -> UInt32? {
      guard let text = takeOptional(value) else { return nil }
      guard let number = IptablesNumber.parse(text), let count = UInt32(exactly: number) else {
        throw .parameter("rateest: could not parse pps `\(text)'")
      }
      return count
    }
    switch option.id {
    case 0: firstName = text(value, maximum: 15)
    case 1: secondName = text(value, maximum: 15)
    case 2: bytes = (true, try rate() ?? 0)
    case 3: packets = (true, try count() ?? 0)
    case 4:
      secondBytes = try rate() ?? 0
      bytes.0 = true
    case 5:
      secondPackets = try count() ?? 0
      packets.0 = true
    case 6: isDelta = true
    default:
      comparison = [.less, .greater, .equal][option.id - 7]
      isInverted = inverted
    }
  }

  private var isDelta = false

  override func match(_ context: ExtensionContext) throws(IptablesFailure) -> Match? {
    guard let comparison, bytes.0 || packets.0 else { throw .batch(["Invalid argument"]) }
    guard let firstName else { throw .batch(["No such file or directory"]) }
    return .rate(
      RateMatch(
        firstName,
        second: secondName,
        comparison: comparison,
        isDelta: isDelta,
        bytes: bytes.0 ? bytes.1 : nil,
        packets: packets.0 ? packets.1 : nil,
        secondBytes: secondBytes,
        secondPackets: secondPackets,
        inverted: isInverted
      )
    )
  }
}

/// `-j RATEEST`.
final class RateEstimatorExtension: RuleExtension {
  private var estimator: String?
  private var interval: UInt64 = 0
  private var weight: UInt64 = 0

  init() {
    super.init(
      "RATEEST",
      [
        ExtensionOption("rateest-name", 0), ExtensionOption("rateest-interval", 1),
        ExtensionOption("rateest-ewmalog", 2),
      ]
    )
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    if option.id == 0 {
      estimator = text(value, maximum: 15)
      return
    }
    guard let time = EstimatorText.time(value) else {
      throw .parameter("RATEEST: bad \(option.id == 1 ? "interval" : "ewmalog") value `\(value)'")
    }
    if option.id == 1 { interval = time } else { weight = time }
  }

  private var result: RateEstimatorTarget?

  override func check(_ context: ExtensionContext) throws(IptablesFailure) {
    guard let estimator else { throw .parameter("RATEEST: no name specified") }
    // The next greater power of two of quarter seconds.
    var power = 0
    while power <= 5, interval > 250_000 << UInt64(power) { power += 1 }
    guard power <= 5 else { throw .parameter("RATEEST: interval value is too large") }
    let unit = Double(interval)
    // The weight is that of an average over the time asked for.
    var logarithm = 1
    while logarithm < 32 {
      let kept = 1 - 1 / Double(UInt64(1) << UInt64(logarithm))
      if unit / -Self.naturalLogarithm(kept) > Double(weight) { break }
      logarithm += 1
    }
    logarithm -= 1
    guard logarithm > 0, logarithm < 31 else {
      throw .parameter("RATEEST: ewmalog value is out of range")
    }
    result = RateEstimatorTarget(
      estimator,
      interval: Int8(power - 2),
      logarithm: UInt8(logarithm)
    )
  }

  /// The logarithm of a number between 1/2 and 1, by its series.
  private static func naturalLogarithm(_ value: Double) -> Double {
    let x = (value - 1) / (value + 1)
    var term = x
    var sum = 0.0
    var index = 1.0
    while index < 60 {
      sum += term / index
      term *= x * x
      index += 2
    }
    return 2 * sum
  }

  override func target(_ context: ExtensionContext) -> Target? {
    result.map { .rateEstimator($0) }
  }
}

import HopyardSimulator
import HopyardWire

/// Rates such as `5/min`, which the kernel keeps as the time between two packets.
enum RateText {
  static let units: [(name: String, text: String, seconds: UInt64)] = [
    ("second", "sec", 1), ("minute", "min", 60), ("hour", "hour", 3600), ("day", "day", 86400),
  ]

  /// The interval of a rate in parts of a second, or nil if the text is no rate.
  static func parse(_ text: String, scale: UInt64) -> (interval: UInt64, isTooFast: Bool)? {
    let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    var seconds: UInt64 = 1
    if parts.count == 2 {
      let unit = parts[1].lowercased()
      guard !unit.isEmpty, let known = units.first(where: { $0.name.hasPrefix(unit) }) else {
        return nil
      }
      seconds = known.seconds
    }
    // atoi: what follows the digits does not count.
    let digits = parts[0].drop { $0 == " " }.prefix { ("0"..."9").contains($0) }
    guard let rate = UInt64(digits), rate > 0, rate <= UInt64(UInt32.max) else { return nil }
    let isTooFast = rate / seconds > scale
    return (scale * seconds / rate, isTooFast)
  }

  /// The seconds of the unit behind a rate that ``parse(_:scale:)`` took.
  static func seconds(ofRate text: String) -> UInt32 {
    guard let slash = text.firstIndex(of: "/") else { return 1 }
    let word = text[text.index(after: slash)...].lowercased()
    return UInt32(units.first { $0.name.hasPrefix(word) }?.seconds ?? 1)
  }

  /// The text of an interval, with the shortest unit in which it is exact or near enough.
  static func text(_ interval: UInt64, scale: UInt64) -> String {
    guard interval > 0 else { return "1/sec" }
    let unit = unit(of: interval, scale: scale)
    return "\(unit.seconds * scale / interval)/\(unit.text)"
  }

  /// The unit in which an interval is printed.
  static func unit(
    of interval: UInt64,
    scale: UInt64
  ) -> (name: String, text: String, seconds: UInt64) {
    // From days down to seconds, as long as the shorter unit still says it well.
    var index = units.count - 1
    while index > 0 {
      let shorter = units[index - 1].seconds * scale
      if interval > shorter || shorter / interval < shorter % interval { break }
      index -= 1
    }
    return units[index]
  }
}

/// `-m limit`.
final class LimitExtension: RuleExtension {
  private var result = LimitMatch(interval: 12_000_000)

  init() {
    super.init("limit", [ExtensionOption("limit", 0), ExtensionOption("limit-burst", 1)])
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    if option.id == 1 {
      let burst = UInt32(truncatingIfNeeded: try number(value, option, 0...10000))
      if burst > 0 { result.burst = burst }
      return
    }
    guard let (interval, isTooFast) = RateText.parse(value, scale: 10000) else {
      throw .parameter("bad rate \"\(value)\"'")
    }
    guard !isTooFast, interval > 0 else { throw .parameter("Rate too fast \"\(value)\"") }
    result.interval = UInt32(clamping: interval)
  }

  override func match(_ context: ExtensionContext) -> Match? { .limit(result) }
}

/// `-m statistic`.
final class StatisticExtension: RuleExtension {
  private var isNth = false
  private var probability: UInt32 = 0
  private var every: UInt32 = 0
  private var packet: UInt32 = 0
  private var inverted = false

  init() {
    super.init(
      "statistic",
      [
        ExtensionOption("mode", 0, mandatory: true),
        ExtensionOption("probability", 1, invert: true, excludes: [2, 3]),
        ExtensionOption("every", 2, invert: true, excludes: [1], requires: [3]),
        ExtensionOption("packet", 3, excludes: [1], requires: [2]),
      ]
    )
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    switch option.id {
    case 0:
      switch value {
      case "random": isNth = false
      case "nth": isNth = true
      default: throw .parameter("Bad mode \"\(value)\"")
      }
    case 1:
      guard let number = Double(value), (0...1).contains(number) else {
        throw .parameter(
          "statistic: bad value for option \"--probability\", or out of range (0-1).\n"
        )
      }
      probability = UInt32((number * 2_147_483_648).rounded(.toNearestOrAwayFromZero))
      self.inverted = inverted
    case 2:
      every = UInt32(truncatingIfNeeded: try number(value, option, 1...UInt64(UInt32.max)))
      self.inverted = inverted
    default:
      packet = UInt32(truncatingIfNeeded: try number(value, option, 0...UInt64(UInt32.max)))
    }
  }

  override func check(_ context: ExtensionContext) throws(IptablesFailure) {
    if !isNth, !seen.contains(1) {
      throw .parameter("--probability must be specified when using random mode")
    }
    if isNth, seen.isDisjoint(with: [2, 3]) {
      throw .parameter("--every and --packet must be specified when using nth mode")
    }
    if seen.contains(3), packet >= max(every, 1) || every == 0 {
      throw .parameter("the --packet p must be 0 <= p <= n-1")
    }
  }

  override func match(_ context: ExtensionContext) -> Match? {
    .statistic(
      StatisticMatch(
        isNth ? .nth(every: every, packet: packet) : .random(probability),
        inverted: inverted
      )
    )
  }
}

/// `-m quota`.
final class QuotaExtension: RuleExtension {
  private var result = QuotaMatch(0)

  init() {
    super.init("quota", [ExtensionOption("quota", 0, mandatory: true, invert: true)])
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    result = QuotaMatch(try number(value, option, 0...UInt64.max), inverted: inverted)
  }

  override func match(_ context: ExtensionContext) -> Match? { .quota(result) }
}

/// `-m recent`.
final class RecentExtension: RuleExtension {
  private var result: RecentMatch

  init(_ family: RuleFamily) {
    result = RecentMatch(action: .check, mask: family.fullMask)
    let actions = [0, 1, 2, 3]
    super.init(
      "recent",
      [
        ExtensionOption("set", 0, flag: true, invert: true, excludes: actions.filter { $0 != 0 }),
        ExtensionOption(
          "rcheck",
          1,
          flag: true,
          invert: true,
          excludes: actions.filter { $0 != 1 }
        ),
        ExtensionOption(
          "update",
          2,
          flag: true,
          invert: true,
          excludes: actions.filter { $0 != 2 }
        ),
        ExtensionOption(
          "remove",
          3,
          flag: true,
          invert: true,
          excludes: actions.filter { $0 != 3 }
        ),
        ExtensionOption("seconds", 4), ExtensionOption("reap", 5, flag: true, requires: [4]),
        ExtensionOption("hitcount", 6), ExtensionOption("rttl", 7, flag: true),
        ExtensionOption("name", 8), ExtensionOption("rsource", 9, flag: true),
        ExtensionOption("rdest", 10, flag: true), ExtensionOption("mask", 11),
      ]
    )
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    let maximum = UInt64(UInt32.max)
    switch option.id {
    case 0...3:
      result.action = [.set, .check, .update, .remove][option.id]
      result.inverted = inverted
    case 4: result.seconds = UInt32(truncatingIfNeeded: try number(value, option, 1...maximum))
    case 5: result.reaps = true
    case 6: result.hitCount = UInt32(truncatingIfNeeded: try number(value, option, 0...maximum))
    case 7: result.comparesTTL = true
    case 8: result.name = text(value, maximum: 199)
    case 9: result.usesDestination = false
    case 10: result.usesDestination = true
    default:
      // Only addresses are masks here; a number counts as the low bits of one.
      if let number = IptablesNumber.parse(value), context.family == .ipv4 {
        result.mask = UInt128(UInt32(truncatingIfNeeded: number))
      } else {
        result.mask = try host(value, option, context)
      }
    }
  }

  override func check(_ context: ExtensionContext) throws(IptablesFailure) {
    guard !seen.isDisjoint(with: [0, 1, 2, 3]) else {
      throw .parameter(
        "recent: you must specify one of `--set', `--rcheck' `--update' or `--remove'"
      )
    }
  }

  override func match(_ context: ExtensionContext) throws(IptablesFailure) -> Match? {
    // What the kernel does not take: limits on writing, and lists without a name.
    let isLimited = result.seconds != 0 || result.hitCount != 0 || result.comparesTTL
    if result.name.isEmpty || result.hitCount > 65535
      || isLimited && (result.action == .set || result.action == .remove)
    {
      throw .batch(["Invalid argument"])
    }
    return .recent(result)
  }
}

/// `-m hashlimit`.
final class HashLimitExtension: RuleExtension {
  private var result: HashLimitMatch
  private var byteBurst: UInt64?
  private var hasRate = false
  private var expiry: UInt32?
  /// The seconds of the unit in which the rate was given: how long an idle bucket is kept.
  private var unit: UInt32 = 1

  /// Rates are kept as parts of 1,000,000 of a second.
  static let scale: UInt64 = 1_000_000

  init(_ family: RuleFamily) {
    let bits = UInt8(family.addressBits)
    result = HashLimitMatch(
      name: "",
      average: 0,
      sourcePrefixLength: bits,
      destinationPrefixLength: bits
    )
    super.init(
      "hashlimit",
      [
        ExtensionOption("hashlimit-upto", 0, invert: true, excludes: [1]),
        ExtensionOption("hashlimit-above", 1, invert: true, excludes: [0]),
        ExtensionOption("hashlimit", 0), ExtensionOption("hashlimit-srcmask", 2),
        ExtensionOption("hashlimit-dstmask", 3), ExtensionOption("hashlimit-burst", 4),
        ExtensionOption("hashlimit-htable-size", 5), ExtensionOption("hashlimit-htable-max", 6),
        ExtensionOption("hashlimit-htable-gcinterval", 7),
        ExtensionOption("hashlimit-htable-expire", 8), ExtensionOption("hashlimit-mode", 9),
        ExtensionOption("hashlimit-name", 10, mandatory: true),
        ExtensionOption("hashlimit-rate-match", 11, flag: true),
        ExtensionOption("hashlimit-rate-interval", 12),
      ]
    )
  }

  static let keys: [(String, HashLimitMatch.Keys)] = [
    ("srcip", .source), ("srcport", .sourcePort), ("dstip", .destination),
    ("dstport", .destinationPort),
  ]

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    func number32() throws(IptablesFailure) -> UInt32 {
      UInt32(truncatingIfNeeded: try number(value, option, 0...UInt64(UInt32.max)))
    }
    switch option.id {
    case 0, 1:
      result.isAbove = (option.id == 1) != inverted
      hasRate = true
      if let bytes = Self.byteRate(value) {
        result.countsBytes = true
        result.average = bytes
        return
      }
      guard let (interval, isTooFast) = RateText.parse(value, scale: Self.scale) else {
        throw .parameter("hashlimit: Bad value for \"--\(option.name)\" option: \"\(value)\"")
      }
      guard !isTooFast, interval > 0 else { throw .parameter("Rate too fast \"\(value)\"") }
      result.average = interval
      unit = RateText.seconds(ofRate: value)
    case 2, 3:
      let length = UInt8(
        truncatingIfNeeded: try number(value, option, 0...UInt64(context.family.addressBits))
      )
      if option.id == 2 {
        result.sourcePrefixLength = length
      } else {
        result.destinationPrefixLength = length
      }
    case 4:
      if let bytes = Self.bytes(value[...]) {
        byteBurst = bytes
        return
      }
      guard let burst = IptablesNumber.parse(value), (1...1_000_000).contains(burst) else {
        throw .parameter(
          "bad value for option \"--hashlimit-burst\", or out of range (1-1000000)."
        )
      }
      byteBurst = burst
      result.burst = burst
    case 5: result.size = try number32()
    case 6: result.maximum = try number32()
    case 7: result.collectionInterval = try number32()
    case 8: expiry = try number32()
    case 9:
      for word in value.split(separator: ",") {
        guard let key = Self.keys.first(where: { $0.0 == word.lowercased() }) else {
          throw .parameter("hashlimit: Bad value for \"--hashlimit-mode\" option: \"\(value)\"")
        }
        result.keys.formUnion(key.1)
      }
    case 10: result.name = text(value, maximum: 254)
    case 11: result.comparesRate = true
    default: result.rateInterval = try number32()
    }
  }

  /// `512kb` as a number of bytes, or nil if the text is no size.
  private static func bytes(_ text: Substring) -> UInt64? {
    let digits = text.prefix { ("0"..."9").contains($0) }
    guard let number = UInt64(digits) else { return nil }
    let factor: UInt64
    switch text.dropFirst(digits.count) {
    case "b": factor = 1
    case "kb": factor = 1024
    case "mb": factor = 1024 * 1024
    default: return nil
    }
    let (product, overflow) = number.multipliedReportingOverflow(by: factor)
    return overflow || product >> 4 > UInt64(UInt32.max) ? nil : product
  }

  /// `512kb/s` as a number of bytes for each second, in steps of 16 as the kernel counts them.
  private static func byteRate(_ text: String) -> UInt64? {
    let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 1 || "second".hasPrefix(parts[1]), let bytes = bytes(parts[0]), bytes > 0
    else { return nil }
    return (UInt64(UInt32.max) / max(cost(ofBytes: bytes), 1) - 1) << 4
  }

  /// The kernel counts a rate by what sixteen bytes cost.
  static func cost(ofBytes bytes: UInt64) -> UInt64 { UInt64(UInt32.max) / ((bytes >> 4) + 1) }

  override func check(_ context: ExtensionContext) throws(IptablesFailure) {
    guard hasRate else { throw .parameter("You have to specify --hashlimit") }
    guard result.countsBytes else {
      result.expiry = expiry ?? unit * 1000
      return
    }
    result.expiry = expiry ?? (byteBurst == nil ? 15_000 : 60_000)
    result.burst = 0
    guard let byteBurst else { return }
    guard byteBurst >= result.average else {
      throw .parameter("burst cannot be smaller than \(result.average)b")
    }
    // As many refills as hold the burst.
    let average = max(result.average, 1)
    result.burst = byteBurst / average + (byteBurst % average == 0 ? 0 : 1)
  }

  override func match(_ context: ExtensionContext) -> Match? { .hashLimit(result) }
}

/// `-m set`.
final class SetMatchExtension: RuleExtension {
  private var result: SetMatch?
  private var rest = SetMatch("", sources: [])

  init() {
    super.init(
      "set",
      [
        ExtensionOption("match-set", 0), ExtensionOption("set", 0),
        ExtensionOption("return-nomatch", 1, flag: true),
        ExtensionOption("update-counters", 2, flag: true),
        ExtensionOption("packets-eq", 3), ExtensionOption("packets-lt", 4),
        ExtensionOption("packets-gt", 5), ExtensionOption("bytes-eq", 6),
        ExtensionOption("bytes-lt", 7), ExtensionOption("bytes-gt", 8),
        ExtensionOption("update-subcounters", 9, flag: true),
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
    func counter(_ comparison: HopMatch.Comparison) throws(IptablesFailure)
      -> SetMatch.CounterMatch
    {
      guard let number = IptablesNumber.parse(value) else {
        throw .parameter("can't parse value \"\(value)\" for --\(option.name)")
      }
      return .init(inverted && comparison == .equal ? .notEqual : comparison, number)
    }
    switch option.id {
    case 0:
      guard result == nil else { throw .parameter("--match-set can be specified only once") }
      guard let second else { throw .parameter("--match-set requires two args.") }
      self.second = nil
      result = SetMatch(value, sources: try SetText.sources(second), inverted: inverted)
    case 1: rest.returnsNoMatch = true
    case 2: rest.skipsCounters = inverted
    case 3...5 where rest.packets != nil:
      throw .parameter("only one of the --packets-[eq|lt|gt] is allowed")
    case 6...8 where rest.bytes != nil:
      throw .parameter("only one of the --bytes-[eq|lt|gt] is allowed")
    case 3: rest.packets = try counter(.equal)
    case 4: rest.packets = try counter(.less)
    case 5: rest.packets = try counter(.greater)
    case 6: rest.bytes = try counter(.equal)
    case 7: rest.bytes = try counter(.less)
    case 8: rest.bytes = try counter(.greater)
    default: rest.skipsSubcounters = inverted
    }
  }

  override func check(_ context: ExtensionContext) throws(IptablesFailure) {
    guard result != nil else {
      throw .parameter("You must specify `--match-set' with proper arguments")
    }
  }

  override func match(_ context: ExtensionContext) -> Match? {
    guard var match = result else { return nil }
    match.returnsNoMatch = rest.returnsNoMatch
    match.skipsCounters = rest.skipsCounters
    match.skipsSubcounters = rest.skipsSubcounters
    match.packets = rest.packets
    match.bytes = rest.bytes
    return .set(match)
  }
}

/// The directions behind the name of an ipset.
enum SetText {
  static func sources(_ text: String) throws(IptablesFailure) -> [Bool] {
    var sources: [Bool] = []
    for word in text.split(separator: ",") {
      switch word {
      case "src": sources.append(true)
      case "dst": sources.append(false)
      default: throw .parameter("You must spefify (the comma separated list of) 'src' or 'dst'.")
      }
      guard sources.count <= 6 else {
        throw .parameter("Can't be more src/dst options than 6.")
      }
    }
    return sources
  }

  static func text(_ sources: [Bool]) -> String {
    sources.map { $0 ? "src" : "dst" }.joined(separator: ",")
  }
}

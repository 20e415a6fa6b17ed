import HopyardSimulator
import HopyardWire

/// The words for states of connections.
enum ConntrackWords {
  static let states: [(String, ConntrackStates)] = [
    ("INVALID", .invalid), ("NEW", .new), ("RELATED", .related), ("ESTABLISHED", .established),
    ("UNTRACKED", .untracked), ("SNAT", .snat), ("DNAT", .dnat),
  ]
  static let status: [(String, ConntrackStatus)] = [
    ("EXPECTED", .expected), ("SEEN_REPLY", .seenReply), ("ASSURED", .assured),
    ("CONFIRMED", .confirmed),
  ]

  /// Reads a list of words with commas between.
  static func parse<Set: OptionSet>(
    _ text: String,
    _ words: [(String, Set)],
    what: String
  ) throws(IptablesFailure) -> Set where Set.Element == Set {
    var set: Set = []
    for word in text.split(separator: ",", omittingEmptySubsequences: false) {
      let upper = word.uppercased()
      if upper == "NONE", what == "ctstatus" { continue }
      guard let known = words.first(where: { $0.0 == upper }) else {
        throw .parameter("Bad \(what) \"\(word)\"")
      }
      set.formUnion(known.1)
    }
    return set
  }

  /// The words of a set with commas between.
  static func text<Set: OptionSet>(_ set: Set, _ words: [(String, Set)]) -> String
  where Set.Element == Set {
    words.filter { set.isSuperset(of: $0.1) }.map(\.0).joined(separator: ",")
  }
}

/// `-m state`.
final class StateExtension: RuleExtension {
  private var result = StateMatch([])

  init() {
    super.init("state", [ExtensionOption("state", 0, mandatory: true, invert: true)])
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    result = StateMatch(
      try ConntrackWords.parse(value, Array(ConntrackWords.states.prefix(5)), what: "state"),
      inverted: inverted
    )
  }

  override func match(_ context: ExtensionContext) -> Match? { .state(result) }
}

/// `-m conntrack`.
final class ConntrackExtension: RuleExtension {
  private var result = ConntrackMatch()

  init() {
    super.init(
      "conntrack",
      [
        ExtensionOption("ctstate", 0, invert: true), ExtensionOption("ctproto", 1, invert: true),
        ExtensionOption("ctorigsrc", 2, invert: true),
        ExtensionOption("ctorigdst", 3, invert: true),
        ExtensionOption("ctreplsrc", 4, invert: true),
        ExtensionOption("ctrepldst", 5, invert: true),
        ExtensionOption("ctstatus", 6, invert: true), ExtensionOption("ctexpire", 7, invert: true),
        ExtensionOption("ctorigsrcport", 8, invert: true),
        ExtensionOption("ctorigdstport", 9, invert: true),
        ExtensionOption("ctreplsrcport", 10, invert: true),
        ExtensionOption("ctrepldstport", 11, invert: true), ExtensionOption("ctdir", 12),
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
      result.states = StateMatch(
        try ConntrackWords.parse(value, ConntrackWords.states, what: "ctstate"),
        inverted: inverted
      )
    case 1:
      let number = try ProtocolText.parse(value, context.family)
      if context.release >= .version1811, number.rawValue == 0 {
        throw .parameter("conntrack: rule would never match protocol")
      }
      result.protocol = ProtocolMatch(number, inverted: inverted)
    case 2: result.originalSource = try address(value, option, inverted, context)
    case 3: result.originalDestination = try address(value, option, inverted, context)
    case 4: result.replySource = try address(value, option, inverted, context)
    case 5: result.replyDestination = try address(value, option, inverted, context)
    case 6:
      result.status = .init(
        try ConntrackWords.parse(value, ConntrackWords.status, what: "ctstatus"),
        inverted: inverted
      )
    case 7:
      result.expiry = try range32(value, option, inverted, context)
    case 8...11:
      let ports = try ports(value, inverted: inverted)
      try context.checkOrder(ports.first <= ports.last, option, self)
      switch option.id {
      case 8: result.originalSourcePort = ports
      case 9: result.originalDestinationPort = ports
      case 10: result.replySourcePort = ports
      default: result.replyDestinationPort = ports
      }
    default:
      switch value.uppercased() {
      case "ORIGINAL": result.direction = .original
      case "REPLY": result.direction = .reply
      default:
        throw .parameter("conntrack: Bad value for \"--ctdir\" option: \"\(value)\"")
      }
    }
  }

  private func address(
    _ value: String,
    _ option: ExtensionOption,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) -> AddressMatch {
    let parts = value.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    var mask = context.family.fullMask
    if parts.count == 2 {
      // Anything but a length that fits counts as the whole address.
      if let length = IptablesNumber.parse(String(parts[1])),
        length <= UInt64(context.family.addressBits)
      {
        mask = IptablesAddress.mask(length: Int(length), context.family)
      }
    }
    return AddressMatch(
      address: try host(String(parts[0]), option, context),
      mask: mask,
      inverted: inverted
    )
  }

  override func check(_ context: ExtensionContext) throws(IptablesFailure) {
    guard !seen.isEmpty else { throw .parameter("conntrack: At least one option is required") }
  }

  override func match(_ context: ExtensionContext) -> Match? { .conntrack(result) }
}

/// `-m connmark` and `-m mark`.
final class MarkExtension: RuleExtension {
  private var result = MarkMatch(0)

  init(_ name: String) {
    super.init(name, [ExtensionOption("mark", 0, mandatory: true, invert: true)])
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    let (value, mask) = try mark(value, option)
    result = MarkMatch(value, mask: mask, inverted: inverted)
  }

  override func match(_ context: ExtensionContext) -> Match? {
    name == "mark" ? .mark(result) : .connectionMark(result)
  }
}

/// `-m helper`.
final class HelperExtension: RuleExtension {
  private var result = HelperMatch("")

  init() {
    super.init("helper", [ExtensionOption("helper", 0, mandatory: true, invert: true)])
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) {
    result = HelperMatch(text(value, maximum: 29), inverted: inverted)
  }

  override func match(_ context: ExtensionContext) -> Match? { .helper(result) }
}

/// `-m connbytes`.
final class ConnectionBytesExtension: RuleExtension {
  private var result = ConnectionBytesMatch(from: 0, to: .max, unit: .packets, direction: .original)

  init() {
    super.init(
      "connbytes",
      [
        ExtensionOption("connbytes", 0, mandatory: true, invert: true),
        ExtensionOption("connbytes-dir", 1, mandatory: true),
        ExtensionOption("connbytes-mode", 2, mandatory: true),
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
      let (lower, upper, count) = try range(value, option, maximum: .max)
      result.from = lower
      result.to = count == 2 ? upper : .max
      if result.to < result.from {
        throw .parameter("\(result.from) should be less than \(result.to)")
      }
      result.inverted = inverted
    case 1:
      guard let direction = ConnectionBytesMatch.Direction(rawValue: value) else {
        throw .parameter("Unknown --connbytes-dir `\(value)'")
      }
      result.direction = direction
    default:
      guard let unit = ConnectionBytesMatch.Unit(rawValue: value) else {
        throw .parameter("Unknown --connbytes-mode `\(value)'")
      }
      result.unit = unit
    }
  }

  override func match(_ context: ExtensionContext) -> Match? { .connectionBytes(result) }
}

/// `-m connlimit`.
final class ConnectionLimitExtension: RuleExtension {
  private var result: ConnectionLimitMatch

  init(_ family: RuleFamily) {
    result = ConnectionLimitMatch(limit: 0, prefixLength: UInt8(family.addressBits))
    super.init(
      "connlimit",
      [
        ExtensionOption("connlimit-upto", 0, invert: true, excludes: [1]),
        ExtensionOption("connlimit-above", 1, invert: true, excludes: [0]),
        ExtensionOption("connlimit-mask", 2),
        ExtensionOption("connlimit-saddr", 3, flag: true, excludes: [4]),
        ExtensionOption("connlimit-daddr", 4, flag: true, excludes: [3]),
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
    case 0, 1:
      result.limit = UInt32(
        truncatingIfNeeded: try number(value, option, 0...UInt64(UInt32.max))
      )
      result.isUpTo = (option.id == 0) != inverted
    case 2:
      guard let length = IptablesNumber.parse(value), length <= UInt64(context.family.addressBits)
      else {
        throw .parameter(
          "connlimit: bad value for option \"--connlimit-mask\", or out of range "
            + "(0-\(context.family.addressBits)).\n"
        )
      }
      result.prefixLength = UInt8(truncatingIfNeeded: length)
    default: result.countsDestination = option.id == 4
    }
  }

  override func check(_ context: ExtensionContext) throws(IptablesFailure) {
    guard seen.contains(0) || seen.contains(1) else {
      throw .parameter("You must specify \"--connlimit-above\" or \"--connlimit-upto\".")
    }
  }

  override func match(_ context: ExtensionContext) -> Match? { .connectionLimit(result) }
}

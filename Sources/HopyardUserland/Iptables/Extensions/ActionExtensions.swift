import HopyardSimulator
import HopyardWire

/// Targets without options of their own.
final class PlainTargetExtension: RuleExtension {
  private let result: Target

  init(_ name: String, _ result: Target) {
    self.result = result
    super.init(name, [])
  }

  override func target(_ context: ExtensionContext) -> Target? { result }
}

/// `-j REJECT`.
final class RejectExtension: RuleExtension {
  private var result: RejectReason

  init(_ family: RuleFamily) {
    result = family == .ipv4 ? .portUnreachable : .portUnreachableV6
    super.init("REJECT", [ExtensionOption("reject-with", 0)])
  }

  private static let names4: [(String, String, RejectReason)] = [
    ("icmp-net-unreachable", "net-unreach", .networkUnreachable),
    ("icmp-host-unreachable", "host-unreach", .hostUnreachable),
    ("icmp-proto-unreachable", "proto-unreach", .protocolUnreachable),
    ("icmp-port-unreachable", "port-unreach", .portUnreachable),
    ("icmp-net-prohibited", "net-prohib", .networkProhibited),
    ("icmp-host-prohibited", "host-prohib", .hostProhibited),
    ("tcp-reset", "tcp-rst", .tcpReset),
    ("icmp-admin-prohibited", "admin-prohib", .adminProhibited),
  ]

  private static let names6: [(String, String, RejectReason)] = [
    ("icmp6-no-route", "no-route", .noRoute),
    ("icmp6-adm-prohibited", "adm-prohibited", .adminProhibitedV6),
    ("icmp6-addr-unreachable", "addr-unreach", .addressUnreachable),
    ("icmp6-port-unreachable", "port-unreach", .portUnreachableV6),
    ("tcp-reset", "tcp-reset", .tcpReset), ("icmp6-policy-fail", "policy-fail", .policyFailed),
    ("icmp6-reject-route", "reject-route", .rejectRoute),
  ]

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    let names = context.family == .ipv4 ? Self.names4 : Self.names6
    let lower = value.lowercased()
    // The beginning of a name will do.
    guard
      let known = names.first(where: { $0.0.hasPrefix(lower) || $0.1.hasPrefix(lower) })
    else {
      if lower.hasPrefix("echo-reply") {
        warnings += "--reject-with echo-reply no longer supported\n"
      }
      throw .parameter("unknown reject type \"\(value)\"")
    }
    result = known.2
  }

  override func target(_ context: ExtensionContext) -> Target? { .reject(result) }
}

/// `-j LOG`.
final class LogExtension: RuleExtension {
  private var result = LogTarget()

  init() {
    super.init(
      "LOG",
      [
        ExtensionOption("log-level", 0), ExtensionOption("log-prefix", 1),
        ExtensionOption("log-tcp-sequence", 2, flag: true),
        ExtensionOption("log-tcp-options", 3, flag: true),
        ExtensionOption("log-ip-options", 4, flag: true),
        ExtensionOption("log-uid", 5, flag: true),
        ExtensionOption("log-macdecode", 6, flag: true),
      ]
    )
  }

  /// The names of the levels; of two with the same number the later is printed.
  static let levels: [(String, UInt8)] = [
    ("emerg", 0), ("panic", 0), ("alert", 1), ("crit", 2), ("error", 3), ("warning", 4),
    ("notice", 5), ("info", 6), ("debug", 7),
  ]

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    switch option.id {
    case 0:
      if let number = IptablesNumber.parse(value) {
        guard number <= 7 else { throw .parameter("log level \"\(value)\" unknown\n") }
        result.level = UInt8(truncatingIfNeeded: number)
      } else if let known = Self.levels.first(where: { $0.0 == value }) {
        result.level = known.1
      } else {
        throw .parameter("log level \"\(value)\" unknown\n")
      }
    case 1:
      guard !value.isEmpty else {
        throw .parameter("Argument must have a minimum length of 1 characters\n")
      }
      guard !value.contains("\n") else {
        throw .parameter("Newlines not allowed in --log-prefix")
      }
      result.prefix = text(value, maximum: 29)
    case 2: result.flags.insert(.tcpSequence)
    case 3: result.flags.insert(.tcpOptions)
    case 4: result.flags.insert(.ipOptions)
    case 5: result.flags.insert(.userID)
    default: result.flags.insert(.macDecode)
    }
  }

  override func target(_ context: ExtensionContext) -> Target? { .log(result) }
}

/// `-j NFLOG`.
final class NFLogExtension: RuleExtension {
  private var result = NFLogTarget()

  init() {
    super.init(
      "NFLOG",
      [
        ExtensionOption("nflog-group", 0), ExtensionOption("nflog-prefix", 1),
        ExtensionOption("nflog-range", 2, excludes: [3]), ExtensionOption("nflog-size", 3),
        ExtensionOption("nflog-threshold", 4),
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
    case 0: result.group = UInt16(truncatingIfNeeded: try number(value, option, 0...65535))
    case 1:
      guard !value.isEmpty else {
        throw .parameter("Argument must have a minimum length of 1 characters\n")
      }
      guard !value.contains("\n") else {
        throw .parameter("Newlines not allowed in --nflog-prefix")
      }
      // nf_tables has more room for it.
      result.prefix = text(value, maximum: context.variant == .nft ? 127 : 63)
    case 2:
      let range = try number32(value, option)
      // nf_tables has no word for what never worked.
      if context.variant == .legacy { result.range = range }
      warnings +=
        "warn: --nflog-range has never worked and is no longer supported, please use "
        + "--nflog-size instead\n"
    case 3:
      result.size = UInt32(truncatingIfNeeded: try number(value, option, 0...UInt64(UInt32.max)))
    default:
      let count = UInt16(truncatingIfNeeded: try number(value, option, 0...65535))
      result.threshold = count > 0 ? count : nil
    }
  }

  override func target(_ context: ExtensionContext) -> Target? { .nflog(result) }
}

/// `-j NFQUEUE`.
final class NFQueueExtension: RuleExtension {
  private var result = NFQueueTarget()

  init() {
    super.init(
      "NFQUEUE",
      [
        ExtensionOption("queue-num", 0, excludes: [1]), ExtensionOption("queue-balance", 1),
        ExtensionOption("queue-bypass", 2, flag: true),
        ExtensionOption("queue-cpu-fanout", 3, flag: true, requires: [1]),
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
    case 0: result.queue = UInt16(truncatingIfNeeded: try number(value, option, 0...65535))
    case 1:
      let (lower, upper, count) = try range(value, option, maximum: 65535)
      guard count == 2 else { throw .parameter("Bad range \"\(value)\"") }
      guard lower < upper else { throw .parameter("\(lower) should be less than \(upper)") }
      result.queue = UInt16(truncatingIfNeeded: lower)
      result.total = UInt16(truncatingIfNeeded: upper - lower + 1)
    case 2: result.bypasses = true
    default: result.fansOutByCPU = true
    }
  }

  override func target(_ context: ExtensionContext) throws(IptablesFailure) -> Target? {
    // The kernel counts queues in sixteen bits, too few for all of them.
    guard result.total > 0 else { throw .batch(["Invalid argument"]) }
    return .nfqueue(result)
  }
}

/// `-j TCPMSS`.
final class MSSExtension: RuleExtension {
  private var result: MSSTarget?

  init() {
    super.init(
      "TCPMSS",
      [ExtensionOption("set-mss", 0), ExtensionOption("clamp-mss-to-pmtu", 1, flag: true)]
    )
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    if option.id == 1 {
      result = .clampToPMTU
    } else {
      let maximum: UInt64 = context.family == .ipv4 ? 65515 : 65495
      result = .set(UInt16(truncatingIfNeeded: try number(value, option, 0...maximum)))
    }
  }

  override func check(_ context: ExtensionContext) throws(IptablesFailure) {
    guard result != nil else {
      throw .parameter("TCPMSS target: At least one parameter is required")
    }
  }

  override func target(_ context: ExtensionContext) -> Target? { result.map { .tcpMSS($0) } }
}

/// `-j DSCP`.
final class DSCPTargetExtension: RuleExtension {
  private var result: UInt8?

  init() {
    super.init(
      "DSCP",
      [ExtensionOption("set-dscp", 0, excludes: [1]), ExtensionOption("set-dscp-class", 1)]
    )
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    result =
      option.id == 0
      ? UInt8(truncatingIfNeeded: try number(value, option, 0...63)) : try DSCPText.parse(value)
  }

  override func check(_ context: ExtensionContext) throws(IptablesFailure) {
    guard result != nil else { throw .parameter("DSCP target: Parameter --set-dscp is required") }
  }

  override func target(_ context: ExtensionContext) -> Target? { result.map { .dscp($0) } }
}

/// `-j TOS`.
final class TOSTargetExtension: RuleExtension {
  private var result: TOSTarget?

  init() {
    let ids = Array(0...3)
    func option(_ name: String, _ id: Int) -> ExtensionOption {
      ExtensionOption(name, id, excludes: ids.filter { $0 != id })
    }
    super.init(
      "TOS",
      [option("set-tos", 0), option("and-tos", 1), option("or-tos", 2), option("xor-tos", 3)]
    )
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    if option.id == 0 {
      let (value, mask) = try TOSText.parse(value)
      result = TOSTarget(value: value, mask: mask)
      return
    }
    let bits = UInt8(truncatingIfNeeded: try number(value, option, 0...255))
    switch option.id {
    case 1: result = TOSTarget(value: 0, mask: ~bits)
    case 2: result = TOSTarget(value: bits, mask: bits)
    default: result = TOSTarget(value: bits, mask: 0)
    }
  }

  override func check(_ context: ExtensionContext) throws(IptablesFailure) {
    guard result != nil else { throw .parameter("TOS: An action is required") }
  }

  override func target(_ context: ExtensionContext) -> Target? { result.map { .tos($0) } }
}

/// `-j TTL` and `-j HL`.
final class HopTargetExtension: RuleExtension {
  private var result: HopTarget?

  init(_ family: RuleFamily) {
    let word = family == .ipv4 ? "ttl" : "hl"
    super.init(
      word.uppercased(),
      [
        ExtensionOption(word + "-set", 0, excludes: [1, 2]),
        ExtensionOption(word + "-dec", 1, excludes: [0, 2]),
        ExtensionOption(word + "-inc", 2, excludes: [0, 1]),
      ]
    )
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    let number = UInt8(
      truncatingIfNeeded: try number(value, option, (option.id == 0 ? 0 : 1)...255)
    )
    result = HopTarget([.set, .decrease, .increase][option.id], number)
  }

  override func check(_ context: ExtensionContext) throws(IptablesFailure) {
    guard result != nil else { throw .parameter("\(name): You must specify an action") }
  }

  override func target(_ context: ExtensionContext) -> Target? {
    result.map { name == "TTL" ? .ttl($0) : .hopLimit($0) }
  }
}

/// `-j CLASSIFY`.
final class ClassifyExtension: RuleExtension {
  private var result: UInt32 = 0

  init() {
    super.init("CLASSIFY", [ExtensionOption("set-class", 0, mandatory: true)])
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    let parts = value.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    // sscanf %x: what follows the digits does not count, and a larger number loses its front.
    func number(_ text: Substring) -> UInt32? {
      let text = text.hasPrefix("0x") || text.hasPrefix("0X") ? text.dropFirst(2) : text
      let digits = text.prefix(while: \.isHexDigit)
      guard !digits.isEmpty else { return nil }
      return UInt32(digits, radix: 16) ?? .max
    }
    guard parts.count == 2, parts[0].allSatisfy({ $0.isHexDigit || "xX".contains($0) }),
      let major = number(parts[0]), let minor = number(parts[1])
    else { throw .parameter("Bad class value \"\(value)\"") }
    result = major << 16 | minor & 0xffff
  }

  override func target(_ context: ExtensionContext) -> Target? { .classify(result) }
}

/// `-j TEE`.
final class TeeExtension: RuleExtension {
  private var result = TeeTarget(gateway: 0)

  init() {
    super.init("TEE", [ExtensionOption("gateway", 0, mandatory: true), ExtensionOption("oif", 1)])
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    if option.id == 0 {
      result.gateway = try host(value, option, context)
    } else {
      result.outInterface = text(value, maximum: 15)
    }
  }

  override func target(_ context: ExtensionContext) throws(IptablesFailure) -> Target? {
    guard result.gateway != 0 else { throw .batch(["Invalid argument"]) }
    return .tee(result)
  }
}

/// `-j TPROXY`.
final class TProxyExtension: RuleExtension {
  private var result = TProxyTarget(port: 0)

  init() {
    super.init(
      "TPROXY",
      [
        ExtensionOption("on-port", 0, mandatory: true), ExtensionOption("on-ip", 1),
        ExtensionOption("tproxy-mark", 2),
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
    case 0: result.port = try ports(value, inverted: false).first
    case 1: result.address = try host(value, option, context)
    default: (result.mark, result.mask) = try mark(value, option)
    }
  }

  override func target(_ context: ExtensionContext) -> Target? { .tproxy(result) }
}

/// `-j CHECKSUM`.
final class ChecksumExtension: RuleExtension {
  init() {
    super.init("CHECKSUM", [ExtensionOption("checksum-fill", 0, flag: true, mandatory: true)])
  }

  override func target(_ context: ExtensionContext) -> Target? { .checksumFill }
}

/// `-j SET`.
final class SetTargetExtension: RuleExtension {
  private var result = SetTarget()

  init() {
    super.init(
      "SET",
      [
        ExtensionOption("add-set", 0), ExtensionOption("del-set", 1), ExtensionOption("map-set", 2),
        ExtensionOption("exist", 3, flag: true), ExtensionOption("timeout", 4),
        ExtensionOption("map-mark", 5, flag: true), ExtensionOption("map-prio", 6, flag: true),
        ExtensionOption("map-queue", 7, flag: true),
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
    switch option.id {
    case 0...2:
      guard let second else { throw .parameter("--\(option.name) requires two args.") }
      self.second = nil
      let isSet = [result.add, result.delete, result.map][option.id] != nil
      guard !isSet else { throw .parameter("--\(option.name) can be specified only once") }
      let reference = SetTarget.Reference(value, sources: try SetText.sources(second))
      switch option.id {
      case 0: result.add = reference
      case 1: result.delete = reference
      default: result.map = reference
      }
    case 3: result.exists = true
    case 4:
      guard let number = IptablesNumber.parse(value), let timeout = UInt32(exactly: number) else {
        throw .parameter("Invalid value for option --timeout or out of range 0-\(UInt32.max - 1)")
      }
      result.timeout = timeout
    case 5: result.mapsMark = true
    case 6: result.mapsPriority = true
    default: result.mapsQueue = true
    }
  }

  override func check(_ context: ExtensionContext) throws(IptablesFailure) {
    guard result.add != nil || result.delete != nil || result.map != nil else {
      throw .parameter("You must specify either `--add-set' or `--del-set' or `--map-set'")
    }
    if result.add == nil {
      if result.exists {
        throw .parameter("Flag `--exist' can be used with `--add-set' only")
      }
      if result.timeout != nil {
        throw .parameter("Option `--timeout' can be used with `--add-set' only")
      }
    }
    let flags = [
      ("map-mark", result.mapsMark), ("map-prio", result.mapsPriority),
      ("map-queue", result.mapsQueue),
    ]
    if result.map == nil, let flag = flags.first(where: \.1) {
      throw .parameter("Flag `--\(flag.0)' can be used with `--map-set' only")
    }
    if result.map != nil, !flags.contains(where: \.1) {
      throw .parameter(
        "You must specify flags `--map-mark' or '--map-prio` or `--map-queue'"
      )
    }
  }

  override func target(_ context: ExtensionContext) -> Target? { .set(result) }
}

import HopyardSimulator
import HopyardWire

/// `-j AUDIT`.
final class AuditExtension: RuleExtension {
  private var result = AuditKind.accept

  init() { super.init("AUDIT", [ExtensionOption("type", 0, mandatory: true)]) }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    guard let kind = AuditKind(rawValue: value.lowercased()) else {
      throw .parameter("Bad action type value \"\(value)\"")
    }
    result = kind
  }

  override func target(_ context: ExtensionContext) -> Target? { .audit(result) }
}

/// `-j CONNSECMARK`.
final class ConnectionSecurityMarkExtension: RuleExtension {
  private var saves: Bool?

  init() {
    super.init(
      "CONNSECMARK",
      [
        ExtensionOption("save", 0, flag: true, excludes: [1]),
        ExtensionOption("restore", 1, flag: true, excludes: [0]),
      ]
    )
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) {
    saves = option.id == 0
  }

  override func check(_ context: ExtensionContext) throws(IptablesFailure) {
    guard saves != nil else { throw .parameter("CONNSECMARK target: parameter required") }
  }

  override func target(_ context: ExtensionContext) -> Target? {
    saves.map { .connectionSecurityMark($0) }
  }
}

/// `-j SECMARK`: the kernel knows no security contexts without a module for them.
final class SecurityMarkExtension: RuleExtension {
  init() { super.init("SECMARK", [ExtensionOption("selctx", 0, mandatory: true)]) }

  override func target(_ context: ExtensionContext) throws(IptablesFailure) -> Target? {
    throw .batch(["No such file or directory"])
  }
}

/// `-j ECN`.
final class ECNTargetExtension: RuleExtension {
  private var result = ECNTarget()

  init() {
    super.init(
      "ECN",
      [
        ExtensionOption("ecn-tcp-remove", 0, flag: true, excludes: [1, 2]),
        ExtensionOption("ecn-tcp-cwr", 1, excludes: [0]),
        ExtensionOption("ecn-tcp-ece", 2, excludes: [0]), ExtensionOption("ecn-ip-ect", 3),
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
    case 0: result.removesTCP = true
    case 1: result.reduced = try number(value, option, 0...1) == 1
    case 2: result.echo = try number(value, option, 0...1) == 1
    default: result.codepoint = UInt8(truncatingIfNeeded: try number(value, option, 0...3))
    }
  }

  override func check(_ context: ExtensionContext) throws(IptablesFailure) {
    guard !seen.isEmpty else { throw .parameter("ECN target: An operation is required") }
    // Clearing both is the same as removing.
    if result.echo == false, result.reduced == false, result.codepoint == nil {
      result = ECNTarget()
      result.removesTCP = true
    }
  }

  override func target(_ context: ExtensionContext) -> Target? { .ecn(result) }
}

/// `-j HMARK`.
final class HashMarkExtension: RuleExtension {
  private var result = HashMarkTarget()

  init() {
    super.init(
      "HMARK",
      [
        ExtensionOption("hmark-tuple", 0), ExtensionOption("hmark-src-prefix", 1),
        ExtensionOption("hmark-dst-prefix", 2), ExtensionOption("hmark-sport-mask", 3),
        ExtensionOption("hmark-dport-mask", 4), ExtensionOption("hmark-spi-mask", 5),
        ExtensionOption("hmark-sport", 6), ExtensionOption("hmark-dport", 7),
        ExtensionOption("hmark-spi", 8), ExtensionOption("hmark-proto-mask", 9),
        ExtensionOption("hmark-rnd", 10), ExtensionOption("hmark-mod", 11),
        ExtensionOption("hmark-offset", 12),
      ]
    )
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    func short() throws(IptablesFailure) -> UInt16 {
      UInt16(truncatingIfNeeded: try number(value, option, 0...65535))
    }
    func length() throws(IptablesFailure) -> UInt8 {
      let bits = context.family.addressBits
      if let number = IptablesNumber.parse(value), number <= UInt64(bits) {
        return UInt8(truncatingIfNeeded: number)
      }
      guard let mask = IptablesAddress.parse(value, context.family),
        let length = IptablesAddress.prefixLength(mask, context.family)
      else {
        throw .parameter(
          "HMARK: bad value for option \"--\(option.name)\", neither a valid network mask nor "
            + "valid CIDR (0-\(bits)).\n"
        )
      }
      return UInt8(length)
    }
    switch option.id {
    case 0: for word in value.split(separator: ",") { try take(word, context) }
    case 1:
      result.sourceLength = try length()
      result.fields.insert(.sourceMask)
    case 2:
      result.destinationLength = try length()
      result.fields.insert(.destinationMask)
    case 3:
      result.sourcePortMask = try short()
      result.fields.insert(.sourcePortMask)
    case 4:
      result.destinationPortMask = try short()
      result.fields.insert(.destinationPortMask)
    case 5:
      result.spiMask = try number32(value, option)
      result.fields.insert(.spiMask)
    case 6:
      result.sourcePort = try short()
      result.fields.insert(.sourcePort)
    case 7:
      result.destinationPort = try short()
      result.fields.insert(.destinationPort)
    case 8:
      result.spi = try number32(value, option)
      result.fields.insert(.spi)
    case 9:
      if result.fields.contains(.protocolMask) {
        throw .parameter("HMARK: option \"--hmark-proto-mask\" can only be used once.\n")
      }
      result.protocolMask = try short()
      result.fields.insert(.protocolMask)
    case 10: result.seed = try number32(value, option)
    case 11:
      result.modulus = UInt32(
        truncatingIfNeeded: try number(value, option, 1...UInt64(UInt32.max))
      )
    default: result.offset = try number32(value, option)
    }
  }

  private func take(_ word: Substring, _ context: ExtensionContext) throws(IptablesFailure) {
    switch word {
    case "ct": result.fields.insert(.connection)
    case "src":
      result.fields.insert(.sourceMask)
      result.sourceLength = UInt8(context.family.addressBits)
    case "dst":
      result.fields.insert(.destinationMask)
      result.destinationLength = UInt8(context.family.addressBits)
    case "sport":
      result.fields.insert(.sourcePortMask)
      result.sourcePortMask = .max
    case "dport":
      result.fields.insert(.destinationPortMask)
      result.destinationPortMask = .max
    case "spi":
      result.fields.insert(.spiMask)
      result.spiMask = .max
    case "proto":
      result.fields.insert(.protocolMask)
      result.protocolMask = .max
    default: throw .parameter("Bad type \"\(word)\"")
    }
  }

  override func check(_ context: ExtensionContext) throws(IptablesFailure) {
    guard seen.contains(11) else { throw .parameter("--hmark-mod is mandatory") }
    guard seen.contains(10) else { throw .parameter("--hmark-rnd is mandatory") }
    let fields = result.fields
    if fields.contains(.spiMask),
      !fields.isDisjoint(with: [.sourcePortMask, .destinationPortMask])
    {
      throw .parameter(
        "you cannot use --hmark-spi-mask and --hmark-?port-mask,at the same time"
      )
    }
    guard !fields.isEmpty else {
      throw .parameter("you have to specify --hmark-tuple at least")
    }
  }

  override func target(_ context: ExtensionContext) -> Target? { .hashMark(result) }
}

/// `-j IDLETIMER`.
final class IdleTimerExtension: RuleExtension {
  private var result = IdleTimerTarget(timeout: 0, label: "")

  init() {
    super.init(
      "IDLETIMER",
      [
        ExtensionOption("timeout", 0, mandatory: true),
        ExtensionOption("label", 1, mandatory: true),
        ExtensionOption("alarm", 2, flag: true),
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
    case 0: result.timeout = try number32(value, option)
    case 1: result.label = text(value, maximum: 27)
    default: result.isAlarm = true
    }
  }

  override func target(_ context: ExtensionContext) throws(IptablesFailure) -> Target? {
    // The translation to nf_tables loses the size of the newer form of the target.
    let isLost = result.isAlarm && context.variant == .nft
    guard result.timeout > 0, !result.label.isEmpty, !isLost else {
      throw .batch(["Invalid argument"])
    }
    return .idleTimer(result)
  }
}

/// `-j LED`.
final class LEDExtension: RuleExtension {
  private var result = LEDTarget("")

  init() {
    super.init(
      "LED",
      [
        ExtensionOption("led-trigger-id", 0, mandatory: true), ExtensionOption("led-delay", 1),
        ExtensionOption("led-always-blink", 2, flag: true),
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
    case 0: result.trigger = text(value, maximum: 26)
    case 1:
      if value.lowercased() == "inf" {
        result.delay = nil
      } else {
        result.delay = UInt32(value.prefix { ("0"..."9").contains($0) }) ?? 0
      }
    default: result.alwaysBlinks = true
    }
  }

  override func target(_ context: ExtensionContext) -> Target? { .led(result) }
}

/// `-j SYNPROXY`.
final class SynproxyExtension: RuleExtension {
  private var result = SynproxyTarget()

  init() {
    super.init(
      "SYNPROXY",
      [
        ExtensionOption("sack-perm", 0, flag: true), ExtensionOption("timestamp", 1, flag: true),
        ExtensionOption("wscale", 2), ExtensionOption("mss", 3),
        ExtensionOption("ecn", 4, flag: true),
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
    case 0: result.permitsSACK = true
    case 1: result.usesTimestamps = true
    case 2: result.windowScale = UInt8(truncatingIfNeeded: try number(value, option, 0...255))
    case 3: result.segmentSize = UInt16(truncatingIfNeeded: try number(value, option, 0...65535))
    default: result.usesECN = true
    }
  }

  override func target(_ context: ExtensionContext) -> Target? { .synproxy(result) }
}

/// `-j TCPOPTSTRIP`.
final class OptionStripExtension: RuleExtension {
  private var result = TCPOptionSet()

  init() { super.init("TCPOPTSTRIP", [ExtensionOption("strip-options", 0)]) }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    for word in value.split(separator: ",") {
      if let known = TCPOptionSet.names.first(where: { $0.0 == word }) {
        result.insert(known.1)
        continue
      }
      guard let number = IptablesNumber.parse(String(word)), let kind = UInt8(exactly: number)
      else {
        throw .parameter("Bad TCP option value \"\(word)\"")
      }
      guard kind > 1 else { throw .parameter("Option value may not be 0 or 1") }
      result.insert(kind)
    }
  }

  override func target(_ context: ExtensionContext) -> Target? { .stripTCPOptions(result) }
}

/// `-j SNPT` and `-j DNPT`.
final class PrefixExtension: RuleExtension {
  private var source: (address: UInt128, length: Int) = (0, 0)
  private var destination: (address: UInt128, length: Int) = (0, 0)

  init(_ name: String) {
    super.init(
      name,
      [
        ExtensionOption("src-pfx", 0, mandatory: true),
        ExtensionOption("dst-pfx", 1, mandatory: true),
      ]
    )
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    let parts = value.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    var length = 128
    if parts.count == 2 {
      guard let mask = IptablesAddress.parseMask(String(parts[1]), .ipv6),
        let read = IptablesAddress.prefixLength(mask, .ipv6)
      else { throw .parameter("\(name): bad value for option \"--\(option.name)\"") }
      length = read
    }
    let address = try host(String(parts[0]), option, context)
    if option.id == 0 { source = (address, length) } else { destination = (address, length) }
  }

  override func target(_ context: ExtensionContext) throws(IptablesFailure) -> Target? {
    func isPrefix(_ prefix: (address: UInt128, length: Int)) -> Bool {
      prefix.length <= 64
        && prefix.address & ~IptablesAddress.mask(length: prefix.length, .ipv6) == 0
    }
    guard isPrefix(source), isPrefix(destination) else { throw .batch(["Invalid argument"]) }
    let result = PrefixTarget(
      source: source.address,
      sourceLength: UInt8(source.length),
      destination: destination.address,
      destinationLength: UInt8(destination.length)
    )
    return name == "SNPT" ? .sourcePrefix(result) : .destinationPrefix(result)
  }
}

/// Targets that the program knows and this kernel does not.
final class MissingTargetExtension: RuleExtension {
  private static let options: [String: [ExtensionOption]] = [
    "ULOG": [
      ExtensionOption("ulog-nlgroup", 0), ExtensionOption("ulog-prefix", 1),
      ExtensionOption("ulog-cprange", 2), ExtensionOption("ulog-qthreshold", 3),
    ],
    "CLUSTERIP": [
      ExtensionOption("new", 0, flag: true), ExtensionOption("hashmode", 1),
      ExtensionOption("clustermac", 2), ExtensionOption("total-nodes", 3),
      ExtensionOption("local-node", 4), ExtensionOption("hash-init", 5),
    ],
  ]

  init(_ name: String) {
    super.init(name, Self.options[name] ?? [])
    warnings = "Warning: Extension \(name) revision 0 not supported, missing kernel module?\n"
  }

  override func target(_ context: ExtensionContext) throws(IptablesFailure) -> Target? {
    throw .batch(["No such file or directory"])
  }
}

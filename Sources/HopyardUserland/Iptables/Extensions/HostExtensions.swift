import HopyardSimulator
import HopyardWire

/// `-m addrtype`.
final class AddressTypeExtension: RuleExtension {
  private var result = AddressTypeMatch()

  init() {
    super.init(
      "addrtype",
      [
        ExtensionOption("src-type", 0, invert: true), ExtensionOption("dst-type", 1, invert: true),
        ExtensionOption("limit-iface-in", 2, flag: true, excludes: [3]),
        ExtensionOption("limit-iface-out", 3, flag: true, excludes: [2]),
      ]
    )
  }

  static let names: [(String, AddressTypes)] = [
    ("UNSPEC", .unspecified), ("UNICAST", .unicast), ("LOCAL", .local),
    ("BROADCAST", .broadcast), ("ANYCAST", .anycast), ("MULTICAST", .multicast),
    ("BLACKHOLE", .blackhole), ("UNREACHABLE", .unreachable), ("PROHIBIT", .prohibit),
    ("THROW", .throw), ("NAT", .nat), ("XRESOLVE", .xresolve),
  ]

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    switch option.id {
    case 2: result.interface = .incoming
    case 3: result.interface = .outgoing
    default:
      var types: AddressTypes = []
      for word in value.split(separator: ",", omittingEmptySubsequences: false) {
        let upper = word.uppercased()
        guard let known = Self.names.first(where: { $0.0 == upper }) else {
          throw .parameter("addrtype: bad type \"\(word)\"")
        }
        types.formUnion(known.1)
      }
      let match = AddressTypeMatch.Types(types, inverted: inverted)
      if option.id == 0 { result.source = match } else { result.destination = match }
    }
  }

  override func check(_ context: ExtensionContext) throws(IptablesFailure) {
    guard seen.contains(0) || seen.contains(1) else {
      throw .parameter("addrtype: you must specify --src-type or --dst-type")
    }
  }

  override func match(_ context: ExtensionContext) -> Match? { .addressType(result) }
}

/// `-m owner`.
final class OwnerExtension: RuleExtension {
  private var result = OwnerMatch()

  init() {
    super.init(
      "owner",
      [
        ExtensionOption("uid-owner", 0, invert: true),
        ExtensionOption("gid-owner", 1, invert: true),
        ExtensionOption("socket-exists", 2, flag: true, invert: true),
        ExtensionOption("suppl-groups", 3, flag: true),
      ]
    )
  }

  private static let users: [(String, UInt32)] = [
    ("root", 0), ("daemon", 1), ("bin", 2), ("sys", 3), ("sync", 4), ("games", 5), ("man", 6),
    ("lp", 7), ("mail", 8), ("news", 9), ("uucp", 10), ("proxy", 13), ("www-data", 33),
    ("backup", 34), ("list", 38), ("irc", 39), ("nobody", 65534),
  ]

  private static let groups: [(String, UInt32)] = [
    ("root", 0), ("daemon", 1), ("bin", 2), ("sys", 3), ("adm", 4), ("tty", 5), ("disk", 6),
    ("lp", 7), ("mail", 8), ("news", 9), ("uucp", 10), ("man", 12), ("proxy", 13), ("sudo", 27),
    ("www-data", 33), ("backup", 34), ("users", 100), ("nogroup", 65534),
  ]

  /// The name of the only user of a range, or nil.
  static func userName(_ range: RangeMatch) -> String? {
    range.lower == range.upper ? users.first { $0.1 == range.lower }?.0 : nil
  }

  /// The name of the only group of a range, or nil.
  static func groupName(_ range: RangeMatch) -> String? {
    range.lower == range.upper ? groups.first { $0.1 == range.lower }?.0 : nil
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    switch option.id {
    case 0: result.user = try owner(value, option, Self.users, inverted)
    case 1: result.group = try owner(value, option, Self.groups, inverted)
    case 2: result.socketExists = !inverted
    default:
      guard seen.contains(1) else {
        throw .parameter(
          "owner: Bad value for \"--suppl-groups\" option: \"you need to use --gid-owner first\""
        )
      }
      result.usesSupplementaryGroups = true
    }
  }

  private func owner(
    _ value: String,
    _ option: ExtensionOption,
    _ names: [(String, UInt32)],
    _ inverted: Bool
  ) throws(IptablesFailure) -> RangeMatch {
    if let known = names.first(where: { $0.0 == value }) {
      return RangeMatch(known.1, known.1, inverted: inverted)
    }
    let parts = value.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
    let ends = parts.compactMap { IptablesNumber.parse(String($0)).flatMap { UInt32(exactly: $0) } }
    guard ends.count == parts.count, ends[0] < .max else {
      throw .parameter("owner: Bad value for \"--\(option.name)\" option: \"\(value)\"")
    }
    return RangeMatch(ends[0], ends.last ?? ends[0], inverted: inverted)
  }

  override func check(_ context: ExtensionContext) throws(IptablesFailure) {
    guard !seen.isEmpty else {
      throw .parameter(
        "owner: At least one of --uid-owner, --gid-owner or --socket-exists is required"
      )
    }
  }

  override func match(_ context: ExtensionContext) throws(IptablesFailure) -> Match? {
    for range in [result.user, result.group] {
      guard let range, range.lower > range.upper else { continue }
      throw .batch(["Invalid argument"])
    }
    return .owner(result)
  }
}

/// `-m physdev`.
final class PhysicalDeviceExtension: RuleExtension {
  private var result = PhysicalDeviceMatch()

  init() {
    super.init(
      "physdev",
      [
        ExtensionOption("physdev-in", 0, invert: true),
        ExtensionOption("physdev-out", 1, invert: true),
        ExtensionOption("physdev-is-in", 2, flag: true, invert: true),
        ExtensionOption("physdev-is-out", 3, flag: true, invert: true),
        ExtensionOption("physdev-is-bridged", 4, flag: true, invert: true),
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
      result.inInterface = try InterfaceText.parse(value, inverted: inverted, warnings: &warnings)
    case 1:
      result.outInterface = try InterfaceText.parse(value, inverted: inverted, warnings: &warnings)
    case 2: result.isIn = !inverted
    case 3: result.isOut = !inverted
    default: result.isBridged = !inverted
    }
  }

  override func check(_ context: ExtensionContext) throws(IptablesFailure) {
    guard !seen.isEmpty else { throw .parameter("PHYSDEV: no physdev option specified") }
  }

  override func match(_ context: ExtensionContext) -> Match? { .physicalDevice(result) }
}

/// `-m rpfilter`.
final class ReversePathExtension: RuleExtension {
  private var result = ReversePathMatch()

  init() {
    super.init(
      "rpfilter",
      [
        ExtensionOption("loose", 0, flag: true), ExtensionOption("validmark", 1, flag: true),
        ExtensionOption("accept-local", 2, flag: true), ExtensionOption("invert", 3, flag: true),
      ]
    )
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) {
    switch option.id {
    case 0: result.isLoose = true
    case 1: result.usesMark = true
    case 2: result.acceptsLocal = true
    default: result.inverted = true
    }
  }

  override func match(_ context: ExtensionContext) -> Match? { .reversePath(result) }
}

/// `-m socket`.
final class SocketExtension: RuleExtension {
  private var result = SocketMatch()

  init() {
    super.init(
      "socket",
      [
        ExtensionOption("transparent", 0, flag: true),
        ExtensionOption("nowildcard", 1, flag: true),
        ExtensionOption("restore-skmark", 2, flag: true),
      ]
    )
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) {
    switch option.id {
    case 0: result.isTransparent = true
    case 1: result.noWildcard = true
    default: result.restoresMark = true
    }
  }

  override func match(_ context: ExtensionContext) -> Match? { .socket(result) }
}

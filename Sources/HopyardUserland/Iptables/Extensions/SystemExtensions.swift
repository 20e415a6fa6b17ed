import HopyardSimulator
import HopyardWire

/// `-m cgroup`.
final class ControlGroupExtension: RuleExtension {
  private var result: ControlGroupMatch?

  init() {
    super.init(
      "cgroup",
      [ExtensionOption("path", 0, invert: true), ExtensionOption("cgroup", 1, invert: true)]
    )
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    result = ControlGroupMatch(
      option.id == 0
        ? .path(text(value, maximum: 511)) : .classID(try number32(value, option)),
      inverted: inverted
    )
  }

  override func match(_ context: ExtensionContext) throws(IptablesFailure) -> Match? {
    // There is no group but the root, which has any number of slashes for a name.
    guard let result, seen.count == 1 else { throw .batch(["Invalid argument"]) }
    if case .path(let path) = result.group, path.isEmpty || path.contains(where: { $0 != "/" }) {
      throw .batch(["Invalid argument"])
    }
    return .controlGroup(result)
  }
}

/// `-m cluster`.
final class ClusterExtension: RuleExtension {
  private var result = ClusterMatch(nodeCount: 0, nodes: 0, seed: 0)

  init() {
    super.init(
      "cluster",
      [
        ExtensionOption("cluster-total-nodes", 0, mandatory: true),
        ExtensionOption("cluster-local-node", 1, invert: true, excludes: [2]),
        ExtensionOption("cluster-local-nodemask", 2, invert: true, excludes: [1]),
        ExtensionOption("cluster-hash-seed", 3, mandatory: true),
      ]
    )
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    func small() throws(IptablesFailure) -> UInt32 {
      UInt32(truncatingIfNeeded: try number(value, option, 1...32))
    }
    switch option.id {
    case 0: result.nodeCount = try small()
    case 1:
      result.nodes = 1 << (try small() - 1)
      result.inverted = inverted
    case 2:
      // The real program takes no greater mask than this.
      result.nodes = try small()
      result.inverted = inverted
    default: result.seed = try number32(value, option)
    }
  }

  override func check(_ context: ExtensionContext) throws(IptablesFailure) {
    guard seen.contains(0), seen.contains(3), !seen.isSuperset(of: [1, 2]) else {
      if seen.contains(1) || seen.contains(2) || !seen.contains(0) { return }
      throw .parameter(
        "cluster match: `--cluster-local-node' or`--cluster-local-nodemask' is missing"
      )
    }
    guard seen.contains(1) || seen.contains(2) else {
      throw .parameter(
        "cluster match: `--cluster-local-node' or`--cluster-local-nodemask' is missing"
      )
    }
    if result.nodeCount < 32, result.nodes >> result.nodeCount != 0 {
      throw .parameter(
        seen.contains(1)
          ? "cluster match: `--cluster-local-node' must be <= `--cluster-total-nodes'"
          : "cluster match: `--cluster-local-nodemask' too big for `--cluster-total-nodes'"
      )
    }
  }

  override func match(_ context: ExtensionContext) -> Match? { .cluster(result) }
}

/// `-m connlabel`, by number: there is no file that gives labels names.
final class ConnectionLabelExtension: RuleExtension {
  private var result = ConnectionLabelMatch(0)

  init() {
    super.init(
      "connlabel",
      [
        ExtensionOption("label", 0, mandatory: true, invert: true),
        ExtensionOption("set", 1, flag: true),
      ]
    )
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    if option.id == 1 {
      result.sets = true
      return
    }
    guard let number = IptablesNumber.parse(value), let label = UInt16(exactly: number) else {
      warnings +=
        "Warning: cannot open /etc/xtables/connlabel.conf: No such file or directory\n"
      throw .parameter("label '\(value)' not found or invalid value")
    }
    result.label = label
    result.inverted = inverted
  }

  override func match(_ context: ExtensionContext) throws(IptablesFailure) -> Match? {
    guard result.label < 128 else { throw .batch(["Numerical result out of range"]) }
    return .connectionLabel(result)
  }
}

/// Matches of one number or name: `-m cpu`, `-m nfacct`.
final class SimpleMatchExtension: RuleExtension {
  private var result: Match?

  init(_ name: String) {
    super.init(
      name,
      [
        name == "cpu"
          ? ExtensionOption("cpu", 0, mandatory: true, invert: true)
          : ExtensionOption("nfacct-name", 0, mandatory: true)
      ]
    )
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    result =
      name == "cpu"
      ? .cpu(NumberMatch(try number32(value, option), inverted: inverted))
      : .accounting(text(value, maximum: 31))
  }

  override func match(_ context: ExtensionContext) -> Match? { result }
}

/// `-m devgroup` and `-m realm`: numbers that may have names.
final class GroupExtension: RuleExtension {
  private var source: MarkMatch?
  private var destination: MarkMatch?

  init(_ name: String) {
    super.init(
      name,
      name == "realm"
        ? [ExtensionOption("realm", 0, mandatory: true, invert: true)]
        : [
          ExtensionOption("src-group", 0, invert: true),
          ExtensionOption("dst-group", 1, invert: true),
        ]
    )
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    let names = name == "realm" ? NumberNames.realms : NumberNames.groups
    var result = MarkMatch(0, inverted: inverted)
    if let known = names.first(where: { $0.0 == value }) {
      result.mark = known.1
    } else {
      let parts = value.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
      let numbers = parts.compactMap {
        IptablesNumber.parse(String($0)).flatMap { UInt32(exactly: $0) }
      }
      guard numbers.count == parts.count else {
        throw .parameter(
          "\(name): could not map name \(value) to an integer value for option "
            + "\"--\(option.name)\".\n"
        )
      }
      result.mark = numbers[0]
      if numbers.count == 2 { result.mask = numbers[1] }
    }
    if option.id == 0 { source = result } else { destination = result }
  }

  override func check(_ context: ExtensionContext) throws(IptablesFailure) {
    guard name == "realm" || !seen.isEmpty else {
      throw .parameter(
        "devgroup match: You must specify either '--src-group' or '--dst-group'"
      )
    }
  }

  override func match(_ context: ExtensionContext) -> Match? {
    if name == "realm" { return source.map { .realm($0) } }
    return .deviceGroup(DeviceGroupMatch(source: source, destination: destination))
  }
}

/// `-m osf`.
final class FingerprintExtension: RuleExtension {
  private var result = FingerprintMatch("")

  init() {
    super.init(
      "osf",
      [
        ExtensionOption("genre", 0, mandatory: true, invert: true), ExtensionOption("ttl", 1),
        ExtensionOption("log", 2),
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
      result.genre = text(value, maximum: 31)
      result.inverted = inverted
    case 1: result.ttl = UInt8(truncatingIfNeeded: try number(value, option, 0...2))
    default: result.log = UInt8(truncatingIfNeeded: try number(value, option, 0...2))
    }
  }

  override func match(_ context: ExtensionContext) -> Match? { .fingerprint(result) }
}

/// `-m ipvs`.
final class IPVSExtension: RuleExtension {
  private var result = IPVSMatch()

  init() {
    super.init(
      "ipvs",
      [
        ExtensionOption("ipvs", 0, flag: true, invert: true),
        ExtensionOption("vproto", 1, invert: true), ExtensionOption("vaddr", 2, invert: true),
        ExtensionOption("vport", 3, invert: true), ExtensionOption("vdir", 4),
        ExtensionOption("vmethod", 5, invert: true), ExtensionOption("vportctl", 6, invert: true),
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
    case 0: result.isServed = !inverted
    case 1:
      let number = try ProtocolText.parse(value.lowercased(), context.family)
      result.protocol = .init(number.rawValue, inverted: inverted)
    case 2:
      let parts = value.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
      var mask = context.family.fullMask
      if parts.count == 2 {
        guard let read = IptablesAddress.parseMask(String(parts[1]), context.family) else {
          throw .parameter("invalid mask `\(parts[1])' specified")
        }
        mask = read
      }
      // The address is kept as it was written, beyond its mask too.
      var match = AddressMatch(address: 0, mask: mask, inverted: inverted)
      match.address = try host(String(parts[0]), option, context)
      result.address = match
    case 3, 6:
      let port = try ports(value, inverted: false).first
      if option.id == 3 {
        result.port = .init(port, inverted: inverted)
      } else {
        result.controlPort = .init(port, inverted: inverted)
      }
    case 4:
      switch value.uppercased() {
      case "ORIGINAL": result.direction = .init(true)
      case "REPLY": result.direction = .init(true, inverted: true)
      default: throw .parameter("ipvs: Bad value for \"--vdir\" option: \"\(value)\"")
      }
    default:
      let method: IPVSMatch.Method
      switch value.uppercased() {
      case "GATE": method = .gateway
      case "IPIP": method = .tunnel
      case "MASQ": method = .masquerade
      default: throw .parameter("ipvs: Bad value for \"--vmethod\" option: \"\(value)\"")
      }
      result.method = .init(method, inverted: inverted)
    }
  }

  override func check(_ context: ExtensionContext) throws(IptablesFailure) {
    guard !seen.isEmpty else { throw .parameter("IPVS: At least one option is required") }
  }

  override func match(_ context: ExtensionContext) -> Match? { .ipvs(result) }
}

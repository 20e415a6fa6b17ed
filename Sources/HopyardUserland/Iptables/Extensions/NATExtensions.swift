import HopyardSimulator
import HopyardWire

/// Reads addresses and ports of NAT targets.
enum NATText {
  /// What a port range with a third number behind a slash means to a target.
  enum BasePort {
    /// The port that becomes the first one.
    case taken
    /// Nothing, but it is printed as 0.
    case ignored
    /// The target refuses it.
    case refused
  }

  private static func number(_ text: Substring) throws(IptablesFailure) -> (UInt16, Substring)? {
    guard let (number, length) = IptablesNumber.prefix(text) else { return nil }
    guard let port = UInt16(exactly: number) else {
      throw .parameter("Port `\(text)' not valid")
    }
    return (port, text.dropFirst(length))
  }

  /// `PORT`, `SERVICE` or `PORT-PORT[/PORT]`.
  static func ports(_ text: Substring, _ basePort: BasePort) throws(IptablesFailure) -> NATPorts {
    guard let (first, rest) = try number(text) else {
      guard let port = ServiceNames.port(String(text), protocol: nil) else {
        throw .parameter("Port `\(text)' not valid")
      }
      return NATPorts(port, port)
    }
    if rest.isEmpty { return NATPorts(first, first) }
    if rest.first == ":" { throw .parameter("Invalid port:port syntax - use dash") }
    guard rest.first == "-" else { throw .parameter("Garbage after port value: `\(rest)'") }
    let end = rest.dropFirst()
    guard let (last, tail) = try number(end) else { throw .parameter("Port `\(end)' not valid") }
    guard first <= last else { throw .parameter("Port range `\(end)' funky") }
    if tail.isEmpty { return NATPorts(first, last) }
    guard tail.first == "/" else { throw .parameter("Garbage after port range: `\(tail)'") }
    switch basePort {
    case .ignored: return NATPorts(first, last, base: 0)
    case .refused: throw .parameter("Shifted portmap ranges not supported with this kernel")
    case .taken:
      let text = String(tail.dropFirst())
      let base =
        IptablesNumber.parse(text).map { UInt16(exactly: $0) ?? 0 }
        ?? ServiceNames.port(text, protocol: nil) ?? 0
      guard base > 0 else { throw .parameter("Port `\(text)' not valid") }
      return NATPorts(first, last, base: base)
    }
  }

  /// `[ADDRESS[-ADDRESS]][:PORTS]`, an IPv6 address with ports in brackets.
  static func target(
    _ text: String,
    takesBase: Bool,
    hasPorts: Bool,
    _ family: RuleFamily
  ) throws(IptablesFailure) -> NATTarget {
    var result = NATTarget()
    var addresses = text[...]
    var portText: Substring?
    if family == .ipv4 {
      if let colon = text.lastIndex(of: ":") {
        addresses = text[..<colon]
        portText = text[text.index(after: colon)...]
        if addresses.contains(":") { throw .parameter("Bad IP address \"\(text)\"") }
      }
    } else if text.hasPrefix(":"), !text.dropFirst().contains(":") {
      addresses = ""
      portText = text.dropFirst()
    } else if text.hasPrefix("[") {
      guard let bracket = text.firstIndex(of: "]") else {
        throw .parameter("Invalid address format")
      }
      addresses = text[text.index(after: text.startIndex)..<bracket]
      let rest = text[text.index(after: bracket)...]
      if rest.hasPrefix(":") { portText = rest.dropFirst() }
    }
    if let portText {
      guard hasPorts else {
        throw .parameter("Need TCP, UDP, SCTP or DCCP with port specification")
      }
      result.ports = try ports(portText, takesBase ? .taken : .ignored)
      if addresses.isEmpty { return result }
    }
    var ends: [UInt128] = []
    for part in addresses.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false) {
      guard let address = IptablesAddress.parse(String(part), family) else {
        throw .parameter("Bad IP address \"\(part)\"")
      }
      ends.append(address)
    }
    result.addresses = NATAddresses(ends[0], ends.last ?? ends[0])
    return result
  }

  /// Whether a rule's `-p` makes ports possible.
  static func hasPorts(_ match: ProtocolMatch?) -> Bool {
    guard let match else { return false }
    // The real tool asks only whether a protocol was named that it does not know to lack ports.
    return match.value.rawValue != 0
  }

  static func portsText(_ ports: NATPorts) -> String {
    var text = "\(ports.first)"
    if ports.first != ports.last {
      text += "-\(ports.last)"
      if let base = ports.base { text += "/\(base)" }
    }
    return text
  }

  static func targetText(_ target: NATTarget, _ family: RuleFamily) -> String {
    var text = ""
    if let addresses = target.addresses {
      text = IptablesAddress.text(addresses.first, family)
      if addresses.first != addresses.last {
        text += "-" + IptablesAddress.text(addresses.last, family)
      }
      if target.ports != nil, family == .ipv6 { text = "[" + text + "]" }
    }
    if let ports = target.ports { text += ":" + portsText(ports) }
    return text
  }
}

/// `-j SNAT` and `-j DNAT`.
final class NATExtension: RuleExtension {
  private let isSource: Bool
  private var result = NATTarget()
  private var flags: NATOptions = []

  init(isSource: Bool) {
    self.isSource = isSource
    var options = [
      ExtensionOption(isSource ? "to-source" : "to-destination", 0, mandatory: true),
      ExtensionOption("random", 1, flag: true), ExtensionOption("persistent", 2, flag: true),
    ]
    if isSource { options.append(ExtensionOption("random-fully", 3, flag: true)) }
    super.init(isSource ? "SNAT" : "DNAT", options)
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    switch option.id {
    case 0:
      result = try NATText.target(
        value,
        takesBase: !isSource,
        hasPorts: NATText.hasPorts(context.protocol),
        context.family
      )
    case 1: flags.insert(.random)
    case 2: flags.insert(.persistent)
    default: flags.insert(.randomFully)
    }
  }

  override func target(_ context: ExtensionContext) -> Target? {
    result.options = flags
    return isSource ? .snat(result) : .dnat(result)
  }
}

/// `-j MASQUERADE` and `-j REDIRECT`.
final class PortTargetExtension: RuleExtension {
  private let isRedirect: Bool
  private var result = PortTarget()

  init(isRedirect: Bool) {
    self.isRedirect = isRedirect
    var options = [
      ExtensionOption("to-ports", 0), ExtensionOption("random", 1, flag: true),
    ]
    if !isRedirect { options.append(ExtensionOption("random-fully", 2, flag: true)) }
    super.init(isRedirect ? "REDIRECT" : "MASQUERADE", options)
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    switch option.id {
    case 0:
      guard NATText.hasPorts(context.protocol) else {
        throw .parameter("Need TCP, UDP, SCTP or DCCP with port specification")
      }
      result.ports = try NATText.ports(value[...], isRedirect ? .refused : .ignored)
    case 1: result.options.insert(.random)
    default: result.options.insert(.randomFully)
    }
  }

  override func target(_ context: ExtensionContext) -> Target? {
    isRedirect ? .redirect(result) : .masquerade(result)
  }
}

/// `-j NETMAP`.
final class NetmapExtension: RuleExtension {
  private var result = AddressMatch(address: 0, mask: 0)

  init() {
    super.init("NETMAP", [ExtensionOption("to", 0, mandatory: true)])
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    let parts = value.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    let address = try host(String(parts[0]), option, context)
    var mask = context.family.fullMask
    if parts.count == 2 {
      if let read = IptablesAddress.parseMask(String(parts[1]), context.family),
        IptablesAddress.prefixLength(read, context.family) != nil
      {
        mask = read
      }
    }
    result = AddressMatch(address: address, mask: mask)
  }

  override func target(_ context: ExtensionContext) -> Target? { .netmap(result) }
}

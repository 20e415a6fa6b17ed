public import HopyardSimulator
public import HopyardWire

/// How a daemon is started: the options of `dockerd(8)` that touch the network.
public struct DockerOptions: Sendable {
  /// Which generation of Docker is played.
  public var profile = DockerProfile.docker29
  /// Which back end dockerd's iptables uses.
  public var variant = RulesetVariant.nft
  /// `--userland-proxy`.
  public var usesProxy = true
  /// `--iptables`.
  public var writesRules = true
  /// `--ip6tables`.
  public var writesIPv6Rules = true
  /// `--icc` of the default bridge.
  public var icc = true
  /// `--ip-forward`.
  public var setsForwarding = true
  /// `--ip-forward-no-drop`.
  public var leavesForwardPolicy = false
  /// `--ip-masq` of the default bridge.
  public var masquerades = true
  /// `--allow-direct-routing`.
  public var allowsDirectRouting = false
  /// `DOCKER_INSECURE_NO_IPTABLES_RAW=1`.
  public var skipsRaw = false
  /// `--bridge-accept-fwmark`.
  public var acceptedMark: MarkMatch?
  /// `--bip`: the address of docker0.
  public var bridgeAddress: Subnet?
  /// `--fixed-cidr`: from where containers on docker0 get their addresses.
  public var fixedRange: Subnet?
  /// `--bridge none` leaves the default bridge out.
  public var hasDefaultBridge = true
  /// `--ipv6` of the default bridge, with `--fixed-cidr-v6`.
  public var defaultBridgeIPv6: Subnet?
  /// `--default-address-pool`.
  public var pools = SubnetAllocator.localPools
  /// `--ip`: the host address of published ports that name none.
  public var hostAddress = IPAddress.v4(.any)
  /// `--mtu`.
  public var mtu = 1500
  /// `--dns`.
  public var dns: [IPAddress] = []
  /// `--dns-search`.
  public var dnsSearch: [String] = []
  /// `--dns-opt`.
  public var dnsOptions: [String] = []
  /// `--host-gateway-ip`.
  public var hostGateway: IPv4Address?

  /// The defaults.
  public init() {}

  /// Reads dockerd's own options, such as `--icc=false`.
  public init(arguments: [String]) throws(DockerError) {
    self.init()
    for argument in arguments { try read(argument) }
  }

  private mutating func read(_ argument: String) throws(DockerError) {
    let halves = argument.split(separator: "=", maxSplits: 1).map(String.init)
    let name = halves.first ?? ""
    let value = halves.count > 1 ? halves[1] : "true"
    func flag() throws(DockerError) -> Bool {
      switch value {
      case "true", "1": return true
      case "false", "0": return false
      default: throw DockerError("invalid boolean value \"\(value)\" for \(name)")
      }
    }
    func address() throws(DockerError) -> IPAddress {
      guard let address = IPAddress(value) else {
        throw DockerError("invalid argument \"\(value)\" for \"\(name)\" flag: ip is not valid")
      }
      return address
    }
    func subnet() throws(DockerError) -> Subnet {
      guard let subnet = Subnet(value) else {
        throw DockerError("invalid argument \"\(value)\" for \"\(name)\" flag: invalid CIDR")
      }
      return subnet
    }
    switch name {
    case "--userland-proxy": usesProxy = try flag()
    case "--iptables": writesRules = try flag()
    case "--ip6tables": writesIPv6Rules = try flag()
    case "--icc": icc = try flag()
    case "--ip-forward": setsForwarding = try flag()
    case "--ip-forward-no-drop": leavesForwardPolicy = try flag()
    case "--ip-masq": masquerades = try flag()
    case "--allow-direct-routing": allowsDirectRouting = try flag()
    case "--bip": bridgeAddress = try subnet()
    case "--fixed-cidr": fixedRange = try subnet()
    case "--fixed-cidr-v6": defaultBridgeIPv6 = try subnet()
    case "--ipv6": if try flag(), defaultBridgeIPv6 == nil { defaultBridgeIPv6 = Subnet("::/0") }
    case "--bridge" where value == "none": hasDefaultBridge = false
    case "--ip": hostAddress = try address()
    case "--dns": dns.append(try address())
    case "--dns-search": dnsSearch.append(value)
    case "--dns-opt": dnsOptions.append(value)
    case "--host-gateway-ip": hostGateway = try address().v4
    case "--mtu":
      guard let number = Int(value), (68...65_535).contains(number) else {
        throw DockerError("invalid argument \"\(value)\" for \"--mtu\" flag")
      }
      mtu = number
    case "--bridge-accept-fwmark":
      let numbers = value.split(separator: "/").map { Self.number(String($0)) }
      guard let mark = numbers.first ?? nil, numbers.count <= 2 else {
        throw DockerError("invalid firewall mark \"\(value)\"")
      }
      let mask = numbers.count == 2 ? numbers[1] : UInt32.max
      guard let mask else { throw DockerError("invalid firewall mask in \"\(value)\"") }
      acceptedMark = MarkMatch(mark, mask: mask)
    default: throw DockerError("the option \(name) of dockerd is not modelled")
    }
  }

  private static func number(_ text: String) -> UInt32? {
    if text.hasPrefix("0x") { return UInt32(text.dropFirst(2), radix: 16) }
    if text.count > 1, text.hasPrefix("0") { return UInt32(text.dropFirst(), radix: 8) }
    return UInt32(text)
  }

  var firewall: FirewallOptions {
    var options = FirewallOptions()
    options.families = []
    if writesRules { options.families.insert(.ipv4) }
    if writesRules, writesIPv6Rules { options.families.insert(.ipv6) }
    options.hairpin = !usesProxy
    options.allowsDirectRouting = allowsDirectRouting
    options.skipsRaw = skipsRaw
    return options
  }
}

/// What dockerd refuses, in its own words.
public struct DockerError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The words.
  public var description: String

  /// Makes an error.
  public init(_ description: String) { self.description = description }
}

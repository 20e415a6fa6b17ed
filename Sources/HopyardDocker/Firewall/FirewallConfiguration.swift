public import HopyardSimulator
public import HopyardWire

/// Which generation of dockerd's rules is written.
public enum DockerProfile: String, Sendable, CaseIterable {
  /// Docker Engine 29: `DOCKER-FORWARD`, `DOCKER-CT`, `DOCKER-BRIDGE`, drops in `raw`.
  case docker29
  /// Docker Engine 20.10: `DOCKER-ISOLATION-STAGE-1` and `-2`.
  case docker20
}

/// How a bridge network's containers meet the world
/// (`com.docker.network.bridge.gateway_mode_ipv4`).
public enum GatewayMode: String, Sendable, CaseIterable {
  /// Published ports are translated, nothing else gets in.
  case nat
  /// Published ports are translated, and everything gets in.
  case natUnprotected = "nat-unprotected"
  /// No translation: published ports are opened for those who have a route.
  case routed
  /// The host has no address on the bridge; internal networks only.
  case isolated
}

/// What dockerd's options say about rules.
public struct FirewallOptions: Sendable {
  /// Whether the rules of a family are written at all.
  public var families: Set<RuleFamily> = [.ipv4, .ipv6]
  /// Whether published ports go without the userland proxy.
  public var hairpin = false
  /// Whether the host's loopback is mirrored by WSL2.
  public var isWSL2Mirrored = false
  /// `--allow-direct-routing`.
  public var allowsDirectRouting = false
  /// `DOCKER_INSECURE_NO_IPTABLES_RAW=1`.
  public var skipsRaw = false

  /// The defaults: both families, with the proxy.
  public init() {}
}

/// What the rules need to know of one family of a bridge network.
public struct FirewallFamilyConfiguration: Sendable {
  /// The subnet.
  public var subnet: AddressMatch
  /// The address to which the source is translated, where one is fixed
  /// (`com.docker.network.host_ipv4`).
  public var hostAddress: IPAddress?
  /// How containers meet the world.
  public var mode: GatewayMode

  /// Makes a configuration.
  public init(subnet: AddressMatch, mode: GatewayMode = .nat, hostAddress: IPAddress? = nil) {
    self.subnet = subnet
    self.mode = mode
    self.hostAddress = hostAddress
  }

  var isRouted: Bool { mode == .routed }
  var isUnprotected: Bool { mode == .natUnprotected }
}

/// What the rules need to know of a bridge network.
public struct FirewallNetwork: Sendable {
  /// The bridge's name.
  public var bridge: String
  /// `--internal`.
  public var isInternal = false
  /// Whether its containers may talk to each other.
  public var icc = true
  /// Whether what leaves gets another source address.
  public var masquerades = true
  /// A mark, and its mask, of packets that are let through (`--bridge-accept-fwmark`).
  public var acceptedMark: MarkMatch?
  /// Interfaces whose hosts may reach containers directly.
  public var trustedInterfaces: [String] = []
  /// IPv4, if it has a subnet.
  public var ipv4: FirewallFamilyConfiguration?
  /// IPv6, if it has a subnet.
  public var ipv6: FirewallFamilyConfiguration?

  /// Makes a description.
  public init(bridge: String) { self.bridge = bridge }

  func configuration(_ family: RuleFamily) -> FirewallFamilyConfiguration? {
    family == .ipv4 ? ipv4 : ipv6
  }
}

/// One published port as the rules see it: a port of one host address leads to a container's port.
public struct PublishedPort: Hashable, Sendable {
  /// `.tcp`, `.udp` or `.sctp`.
  public var ipProtocol: IPProtocol
  /// The container's address.
  public var address: IPAddress
  /// The container's port.
  public var port: UInt16
  /// The host's address; 0.0.0.0 or `::` for all.
  public var hostAddress: IPAddress
  /// The host's port; nil where nothing is translated.
  public var hostPort: UInt16?

  /// Makes a description.
  public init(
    _ ipProtocol: IPProtocol,
    _ address: IPAddress,
    _ port: UInt16,
    hostAddress: IPAddress,
    hostPort: UInt16?
  ) {
    self.ipProtocol = ipProtocol
    self.address = address
    self.port = port
    self.hostAddress = hostAddress
    self.hostPort = hostPort
  }

  var family: RuleFamily { address.v4 == nil ? .ipv6 : .ipv4 }
}

/// The rules of one daemon in one namespace.
///
/// It writes rules as dockerd does through iptables: none twice, and none is missed that is gone.
public protocol DockerFirewall: AnyObject {
  /// Makes the chains and the jumps to them, as at the daemon's start.
  func setUp()
  /// Adds `DOCKER-USER` and the jump to it, and sees to it that both jumps come first.
  func setUpUserChain()
  /// Lets nothing through by default.
  func dropForwarded(_ family: RuleFamily)
  /// Adds the rules of a network.
  func add(_ network: FirewallNetwork)
  /// Removes the rules of a network.
  func remove(_ network: FirewallNetwork)
  /// Adds the rules of a container's address.
  func addEndpoint(_ address: IPAddress, of network: FirewallNetwork)
  /// Removes the rules of a container's address.
  func removeEndpoint(_ address: IPAddress, of network: FirewallNetwork)
  /// Adds the rules of a published port.
  func add(_ port: PublishedPort, of network: FirewallNetwork)
  /// Removes the rules of a published port.
  func remove(_ port: PublishedPort, of network: FirewallNetwork)
  /// Lets two containers talk on one port despite `icc=false` (`--link`).
  func addLink(
    from client: IPv4Address,
    to server: IPv4Address,
    _ ipProtocol: IPProtocol,
    _ port: UInt16,
    of network: FirewallNetwork
  )
}

extension DockerProfile {
  /// The rules of this generation in a namespace.
  public func makeFirewall(
    in namespace: NetworkNamespace,
    _ options: FirewallOptions = FirewallOptions(),
    variant: RulesetVariant = .nft
  ) -> any DockerFirewall {
    switch self {
    case .docker29: CurrentFirewall(namespace, options, variant)
    case .docker20: EarlierFirewall(namespace, options, variant)
    }
  }
}

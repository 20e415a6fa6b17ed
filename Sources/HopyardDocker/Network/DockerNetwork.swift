public import HopyardContainers
public import HopyardSimulator
public import HopyardWire

/// What `docker network create` is asked for.
public struct NetworkSpecification: Sendable {
  /// The name.
  public var name: String
  /// The driver: `bridge`, or `host` and `null` for the two that are always there.
  public var driver = "bridge"
  /// `--internal`.
  public var isInternal = false
  /// `--attachable`.
  public var isAttachable = false
  /// Whether it has IPv4 (`--ipv4`).
  public var hasIPv4 = true
  /// Whether it has IPv6 (`--ipv6`).
  public var hasIPv6 = false
  /// `--subnet`, of either family.
  public var subnets: [Subnet] = []
  /// `--gateway`, of either family.
  public var gateways: [IPAddress] = []
  /// `--ip-range`.
  public var ranges: [Subnet] = []
  /// `--aux-address`.
  public var reserved: [(name: String, address: IPAddress)] = []
  /// `--opt`, in order.
  public var options: [(name: String, value: String)] = []
  /// `--label`, in order.
  public var labels: [(name: String, value: String)] = []

  /// Makes a specification.
  public init(name: String) { self.name = name }

  /// The value of an option of the driver.
  public func option(_ name: String) -> String? { options.last { $0.name == name }?.value }
}

/// A network of Docker's.
public final class DockerNetwork {
  /// 64 hexadecimal digits.
  public let id: String
  /// The name.
  public let name: String
  /// What it was made from.
  public let specification: NetworkSpecification
  /// When it was made.
  public let created: Instant
  /// The IPv4 subnet.
  public internal(set) var subnet: IPv4Prefix?
  /// The address of the host on it, which is the containers' default gateway.
  public internal(set) var gateway: IPv4Address?
  /// The IPv6 subnet; it is kept in the books, while packets are IPv4 only.
  public internal(set) var subnet6: Subnet?
  /// The host's IPv6 address on it.
  public internal(set) var gateway6: IPv6Address?
  /// The bridge.
  public internal(set) var bridge: BridgeDevice?
  /// The bridge's name.
  public internal(set) var bridgeName = ""
  /// The containers on it that run, in the order in which they came.
  public internal(set) var endpoints: [DockerEndpoint] = []

  var pool: AddressPool?
  var used6: Set<UInt128> = []
  var isIccOn = true
  var masquerades = true
  var mtu = 1500
  var mode4 = GatewayMode.nat
  var mode6 = GatewayMode.nat
  var hostAddress = IPAddress.v4(.any)
  var sourceAddress: IPAddress?
  var trustedInterfaces: [String] = []
  var acceptedMark: MarkMatch?

  init(id: String, _ specification: NetworkSpecification, created: Instant) {
    self.id = id
    name = specification.name
    self.specification = specification
    self.created = created
  }

  /// Its driver.
  public var driver: String { specification.driver }
  /// Whether nothing leads out of it.
  public var isInternal: Bool { specification.isInternal }
  /// Whether it is docker0's.
  public var isDefaultBridge: Bool { name == "bridge" }
  /// Whether it is one of the three that are always there.
  public var isPredefined: Bool { name == "bridge" || name == "host" || name == "none" }

  /// How IPv4 meets the world.
  public var gatewayMode: GatewayMode { mode4 }

  var firewall: FirewallNetwork {
    var network = FirewallNetwork(bridge: bridgeName)
    network.isInternal = isInternal
    network.icc = isIccOn
    network.masquerades = masquerades
    network.acceptedMark = acceptedMark
    network.trustedInterfaces = trustedInterfaces
    network.ipv4 = subnet.map {
      FirewallFamilyConfiguration(
        subnet: AddressMatch($0.network),
        mode: mode4,
        hostAddress: sourceAddress
      )
    }
    network.ipv6 = subnet6?.ipv6.map {
      FirewallFamilyConfiguration(
        subnet: AddressMatch(address: $0.address.rawValue, mask: $0.mask.rawValue),
        mode: mode6
      )
    }
    return network
  }

  /// Takes the lowest free IPv6 address, or the one given.
  func allocate6(_ wanted: IPv6Address?) throws(DockerError) -> IPv6Address? {
    guard let subnet6 else { return nil }
    if let wanted {
      guard subnet6.contains(.v6(wanted)) else {
        throw DockerError("no configured subnet contains IP address \(wanted)")
      }
      guard used6.insert(wanted.rawValue).inserted else {
        throw DockerError("Address already in use")
      }
      return wanted
    }
    var candidate = subnet6.first &+ 1
    while used6.contains(candidate) {
      guard candidate < subnet6.last else { throw DockerError("no available IPv6 addresses") }
      candidate &+= 1
    }
    used6.insert(candidate)
    return IPv6Address(rawValue: candidate)
  }
}

/// A container's place on a network.
public final class DockerEndpoint {
  /// 64 hexadecimal digits.
  public let id: String
  /// The network.
  public let network: DockerNetwork
  /// The container.
  public unowned let container: Container
  /// What was asked for.
  public let specification: EndpointSpecification
  /// The IPv4 address.
  public internal(set) var address: IPv4Address?
  /// The IPv6 address, in the books only.
  public internal(set) var address6: IPv6Address?
  /// The MAC address.
  public internal(set) var mac: MACAddress?
  /// Its published ports.
  public internal(set) var bindings: [PortBinding] = []
  var proxies: [DockerProxy] = []
  /// The interface in the container.
  public internal(set) var interface: Sandbox.Interface?

  init(
    id: String,
    _ network: DockerNetwork,
    _ container: Container,
    _ specification: EndpointSpecification
  ) {
    self.id = id
    self.network = network
    self.container = container
    self.specification = specification
  }

  /// The names by which it is found on its network, besides the container's own.
  public var aliases: [String] { specification.aliases + [container.shortID] }
}

/// What a container asks of a network.
public struct EndpointSpecification: Sendable {
  /// The network's name or id.
  public var network: String
  /// `--network-alias`.
  public var aliases: [String] = []
  /// `--ip`.
  public var address: IPv4Address?
  /// `--ip6`.
  public var address6: IPv6Address?
  /// `--mac-address`.
  public var mac: MACAddress?
  /// `gw-priority`.
  public var gatewayPriority = 0
  /// `--link`: containers, and the names by which they are called.
  public var links: [(container: String, alias: String)] = []
  /// The name of the interface, if it is not the next of `eth0`, `eth1`, ….
  public var interfaceName: String?

  /// Makes a specification.
  public init(_ network: String) { self.network = network }
}

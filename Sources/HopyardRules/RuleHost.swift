/// The host whose rules are tested: interfaces, addresses and routes.
///
/// Without one, every interface that a rule or packet names is there, the host has no addresses of
/// its own, and a packet is for this host unless it names an interface of departure or a rule
/// translates its destination.
public struct RuleHost: Hashable, Sendable {
  /// One interface.
  public struct Interface: Hashable, Sendable {
    /// Its name.
    public var name: String
    /// Its addresses, such as `192.0.2.1/24`.
    public var addresses: [String]

    /// Describes an interface.
    public init(_ name: String, _ addresses: String...) {
      self.name = name
      self.addresses = addresses
    }
  }

  /// The interfaces beside `lo`.
  public var interfaces: [Interface]
  /// Routes beside those to the interfaces' subnets, as `ip route add` takes them.
  public var routes: [String]
  /// Further commands, such as `ipset create …` or `ip rule add …`.
  public var commands: [String]

  /// Describes a host.
  public init(interfaces: [Interface] = [], routes: [String] = [], commands: [String] = []) {
    self.interfaces = interfaces
    self.routes = routes
    self.commands = commands
  }

  /// Nothing is known of the host.
  public static let unknown = RuleHost()

  /// Whether something is known of it.
  public var isKnown: Bool { !interfaces.isEmpty }

  /// The commands that make the host, with further interfaces for names that only rules know.
  func setup(further: [String]) -> String {
    var lines = ["ip netns add outside", "ip link set lo up", "sysctl -qw net.ipv4.ip_forward=1"]
    var names = interfaces.map(\.name)
    for name in further where !names.contains(name) { names.append(name) }
    for (number, name) in names.enumerated() where name != "lo" {
      lines.append("ip link add \(name) type veth peer name p\(number) netns outside")
      lines.append("ip link set \(name) arp off up; ip -n outside link set p\(number) arp off up")
    }
    for interface in interfaces {
      for address in interface.addresses {
        lines.append("ip addr add \(address) dev \(interface.name)")
      }
    }
    lines += routes.map { "ip route add \($0)" }
    lines += commands
    return lines.joined(separator: "\n") + "\n"
  }
}

import HopyardSimulator
import HopyardWire

/// The rules of Docker Engine 20.10 (profile `docker20`).
///
/// FORWARD itself holds four rules for each bridge; what goes from one bridge to another is dropped
/// in two stages. Ports are translated in the DOCKER chain of nat, which returns at once for what
/// comes from a bridge of Docker's.
final class EarlierFirewall: DockerFirewall {
  private let namespace: NetworkNamespace
  private let options: FirewallOptions
  private let variant: RulesetVariant

  private static let stage1 = "DOCKER-ISOLATION-STAGE-1"
  private static let stage2 = "DOCKER-ISOLATION-STAGE-2"

  init(_ namespace: NetworkNamespace, _ options: FirewallOptions, _ variant: RulesetVariant) {
    self.namespace = namespace
    self.options = options
    self.variant = variant
  }

  // ip6tables was an experiment of that time, off by default.
  private var writer: RulesetWriter { RulesetWriter(namespace, .ipv4, variant) }
  private var isOn: Bool { options.families.contains(.ipv4) }

  func setUp() {
    guard isOn else { return }
    let writer = writer
    writer.makeChain("DOCKER", .nat)
    for chain in ["DOCKER", Self.stage1, Self.stage2] { writer.makeChain(chain, .filter) }
    for chain in [Self.stage1, Self.stage2] {
      writer.append(Rule(target: .return), to: chain, .filter)
    }
    writer.ensureFirst(Rule(target: .jump(Self.stage1)), in: "FORWARD", .filter)
    let jump = Rule(matches: [.toLocal], target: .jump("DOCKER"))
    writer.append(jump, to: "PREROUTING", .nat)
    writer.append(
      options.hairpin ? jump : jump.to(CurrentFirewall.loopback(.ipv4).not),
      to: "OUTPUT",
      .nat
    )
  }

  func setUpUserChain() {
    guard isOn else { return }
    writer.makeChain("DOCKER-USER", .filter)
    writer.append(Rule(target: .return), to: "DOCKER-USER", .filter)
    writer.ensureFirst(Rule(target: .jump(Self.stage1)), in: "FORWARD", .filter)
    writer.ensureFirst(Rule(target: .jump("DOCKER-USER")), in: "FORWARD", .filter)
  }

  func dropForwarded(_ family: RuleFamily) {
    guard isOn, family == .ipv4 else { return }
    writer.setPolicy(.drop, of: "FORWARD", .filter)
  }

  func add(_ network: FirewallNetwork) {
    for (rule, chain, table) in rules(of: network) { writer.insert(rule, in: chain, table) }
  }

  func remove(_ network: FirewallNetwork) {
    for (rule, chain, table) in rules(of: network) { writer.delete(rule, from: chain, table) }
  }

  /// The rules of a network in the order in which each is put before the others.
  private func rules(of network: FirewallNetwork) -> [(Rule, String, RuleTable)] {
    guard isOn, let configuration = network.ipv4 else { return [] }
    let bridge = network.bridge
    let others = "!" + bridge
    let icc = Rule(from: bridge, to: bridge, network.icc ? .accept : .drop)
    if network.isInternal {
      return [
        (icc, "FORWARD", .filter),
        (Rule(from: bridge, .drop).to(configuration.subnet.not), Self.stage1, .filter),
        (Rule(to: bridge, .drop).from(configuration.subnet.not), Self.stage1, .filter),
      ]
    }
    let translation: Target =
      configuration.hostAddress.map { .snat(NATTarget($0)) } ?? .masquerade(PortTarget())
    var rules: [(Rule, String, RuleTable)] = []
    if !options.hairpin { rules.append((Rule(from: bridge, .return), "DOCKER", .nat)) }
    if network.masquerades, configuration.mode == .nat || configuration.mode == .natUnprotected {
      rules.append((Rule(to: others, translation).from(configuration.subnet), "POSTROUTING", .nat))
    }
    if options.hairpin {
      rules.append((Rule(to: bridge, translation).matching(.fromLocal), "POSTROUTING", .nat))
    }
    rules.append((icc, "FORWARD", .filter))
    rules.append((Rule(from: bridge, to: others, .accept), "FORWARD", .filter))
    rules.append((Rule(to: bridge, .jump("DOCKER")), "FORWARD", .filter))
    rules.append((Rule(to: bridge, .accept).matching(.isKnown), "FORWARD", .filter))
    rules.append((Rule(from: bridge, to: others, .jump(Self.stage2)), Self.stage1, .filter))
    rules.append((Rule(to: bridge, .drop), Self.stage2, .filter))
    return rules
  }

  func addEndpoint(_ address: IPAddress, of network: FirewallNetwork) {}

  func removeEndpoint(_ address: IPAddress, of network: FirewallNetwork) {}

  func add(_ port: PublishedPort, of network: FirewallNetwork) {
    for (rule, chain, table) in rules(of: port, network) { writer.append(rule, to: chain, table) }
  }

  func remove(_ port: PublishedPort, of network: FirewallNetwork) {
    for (rule, chain, table) in rules(of: port, network) { writer.delete(rule, from: chain, table) }
  }

  private func rules(of port: PublishedPort, _ network: FirewallNetwork) -> [(
    Rule, String, RuleTable
  )] {
    guard isOn, !network.isInternal, port.address.v4 != nil, port.hostAddress.v4 != nil,
      let hostPort = port.hostPort
    else { return [] }
    let target = AddressMatch(port.address)
    var translate = Rule(
      from: options.hairpin ? nil : "!" + network.bridge,
      .dnat(NATTarget(port.address, port: port.port))
    ).toPort(hostPort, port.ipProtocol)
    if !port.hostAddress.isAny { translate.destination = AddressMatch(port.hostAddress) }
    return [
      (translate, "DOCKER", .nat),
      (
        Rule(from: "!" + network.bridge, to: network.bridge, .accept).to(target)
          .toPort(port.port, port.ipProtocol), "DOCKER", .filter
      ),
      (
        Rule(target: .masquerade(PortTarget())).from(target).to(target)
          .toPort(port.port, port.ipProtocol), "POSTROUTING", .nat
      ),
    ]
  }

  func addLink(
    from client: IPv4Address,
    to server: IPv4Address,
    _ ipProtocol: IPProtocol,
    _ port: UInt16,
    of network: FirewallNetwork
  ) {
    guard isOn else { return }
    LinkRules.add(writer, client, server, ipProtocol, port, network.bridge)
  }
}

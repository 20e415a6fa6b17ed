import HopyardSimulator
import HopyardWire

/// The rules of Docker Engine 28.2 and later (profile `docker29`).
///
/// In the filter table FORWARD jumps to DOCKER-USER and DOCKER-FORWARD; that asks DOCKER-CT (known
/// connections), DOCKER-INTERNAL and DOCKER-BRIDGE (to DOCKER: open ports, then a default for each
/// bridge) and last accepts what comes from a bridge. PREROUTING of raw drops what is sent to a
/// container's own address from elsewhere.
final class CurrentFirewall: DockerFirewall {
  private let namespace: NetworkNamespace
  private let options: FirewallOptions
  private let variant: RulesetVariant

  init(_ namespace: NetworkNamespace, _ options: FirewallOptions, _ variant: RulesetVariant) {
    self.namespace = namespace
    self.options = options
    self.variant = variant
  }

  private func writer(_ family: RuleFamily) -> RulesetWriter {
    RulesetWriter(namespace, family, variant)
  }

  private var families: [RuleFamily] {
    RuleFamily.allCases.filter { options.families.contains($0) }
  }

  // MARK: Daemon

  func setUp() {
    for family in families { setUp(family) }
  }

  private func setUp(_ family: RuleFamily) {
    let writer = writer(family)
    writer.makeChain("DOCKER", .nat)
    for chain in ["DOCKER", "DOCKER-FORWARD", "DOCKER-BRIDGE", "DOCKER-CT", "DOCKER-INTERNAL"] {
      writer.makeChain(chain, .filter)
    }
    let jump = Rule(matches: [.toLocal], target: .jump("DOCKER"))
    writer.append(jump, to: "PREROUTING", .nat)
    writer.append(
      options.hairpin ? jump : jump.to(Self.loopback(family).not),
      to: "OUTPUT",
      .nat
    )
    writer.ensureFirst(Rule(target: .jump("DOCKER-FORWARD")), in: "FORWARD", .filter)
    for chain in ["DOCKER-BRIDGE", "DOCKER-INTERNAL", "DOCKER-CT"] {
      writer.ensureFirst(Rule(target: .jump(chain)), in: "DOCKER-FORWARD", .filter)
    }
    if family == .ipv4, !options.hairpin, options.isWSL2Mirrored {
      let mirrored = Rule(from: "loopback0", .return).to(Self.loopback(.ipv4))
      writer.insert(mirrored, in: "DOCKER", .nat)
    }
  }

  static func loopback(_ family: RuleFamily) -> AddressMatch {
    family == .ipv4
      ? AddressMatch(IPv4Prefix(IPv4Address(127, 0, 0, 0), length: 8))
      : AddressMatch(address: 1, mask: .max)
  }

  func setUpUserChain() {
    for family in families {
      let writer = writer(family)
      writer.makeChain("DOCKER-USER", .filter)
      writer.ensureFirst(Rule(target: .jump("DOCKER-USER")), in: "FORWARD", .filter)
    }
  }

  func dropForwarded(_ family: RuleFamily) {
    guard options.families.contains(family) else { return }
    writer(family).setPolicy(.drop, of: "FORWARD", .filter)
  }

  // MARK: Networks

  func add(_ network: FirewallNetwork) {
    for family in families {
      guard let configuration = network.configuration(family) else { continue }
      let writer = writer(family)
      if network.isInternal {
        let (into, out) = Self.internalDrops(network, configuration, family)
        writer.insert(into, in: "DOCKER-INTERNAL", .filter)
        writer.insert(out, in: "DOCKER-INTERNAL", .filter)
        writer.append(Self.amongContainers(network), to: "DOCKER-FORWARD", .filter)
        continue
      }
      if let mark = network.acceptedMark {
        writer.insert(
          Rule(matches: [.mark(mark)], target: .accept),
          in: "DOCKER-FORWARD",
          .filter
        )
      }
      if network.masquerades, !configuration.isRouted {
        writer.insert(Self.leaving(network, configuration), in: "POSTROUTING", .nat)
      }
      if options.hairpin {
        writer.insert(Self.fromHost(network, configuration), in: "POSTROUTING", .nat)
      }
      if !network.icc {
        writer.append(Self.amongContainers(network), to: "DOCKER-FORWARD", .filter)
      }
      if configuration.isRouted {
        writer.append(Self.echo(network, family), to: "DOCKER", .filter)
      }
      writer.append(Self.outgoing(network), to: "DOCKER-FORWARD", .filter)
      writer.append(Self.byDefault(network, configuration), to: "DOCKER", .filter)
      writer.append(Self.known(network), to: "DOCKER-CT", .filter)
      writer.append(Self.toDocker(network), to: "DOCKER-BRIDGE", .filter)
    }
  }

  func remove(_ network: FirewallNetwork) {
    for family in families {
      guard let configuration = network.configuration(family) else { continue }
      let writer = writer(family)
      if network.isInternal {
        let (into, out) = Self.internalDrops(network, configuration, family)
        writer.delete(into, from: "DOCKER-INTERNAL", .filter)
        writer.delete(out, from: "DOCKER-INTERNAL", .filter)
        writer.delete(Self.amongContainers(network), from: "DOCKER-FORWARD", .filter)
        continue
      }
      if let mark = network.acceptedMark {
        writer.delete(
          Rule(matches: [.mark(mark)], target: .accept),
          from: "DOCKER-FORWARD",
          .filter
        )
      }
      writer.delete(Self.leaving(network, configuration), from: "POSTROUTING", .nat)
      writer.delete(Self.fromHost(network, configuration), from: "POSTROUTING", .nat)
      writer.delete(Self.amongContainers(network), from: "DOCKER-FORWARD", .filter)
      writer.delete(Self.echo(network, family), from: "DOCKER", .filter)
      writer.delete(Self.outgoing(network), from: "DOCKER-FORWARD", .filter)
      writer.delete(Self.byDefault(network, configuration), from: "DOCKER", .filter)
      writer.delete(Self.known(network), from: "DOCKER-CT", .filter)
      writer.delete(Self.toDocker(network), from: "DOCKER-BRIDGE", .filter)
    }
  }

  private static func internalDrops(
    _ network: FirewallNetwork,
    _ configuration: FirewallFamilyConfiguration,
    _ family: RuleFamily
  ) -> (into: Rule, out: Rule) {
    let bridge = network.bridge
    // IPv6 lets neighbours on the bridge use link-local addresses.
    let other = family == .ipv6 ? "!" + bridge : nil
    return (
      Rule(from: bridge, to: other, .drop).to(configuration.subnet.not),
      Rule(from: other, to: bridge, .drop).from(configuration.subnet.not)
    )
  }

  private static func leaving(
    _ network: FirewallNetwork,
    _ configuration: FirewallFamilyConfiguration
  ) -> Rule {
    Rule(to: "!" + network.bridge, translation(configuration)).from(configuration.subnet)
  }

  private static func fromHost(
    _ network: FirewallNetwork,
    _ configuration: FirewallFamilyConfiguration
  ) -> Rule {
    Rule(to: network.bridge, translation(configuration)).matching(.fromLocal)
  }

  private static func translation(_ configuration: FirewallFamilyConfiguration) -> Target {
    configuration.hostAddress.map { .snat(NATTarget($0)) } ?? .masquerade(PortTarget())
  }

  private static func amongContainers(_ network: FirewallNetwork) -> Rule {
    Rule(from: network.bridge, to: network.bridge, network.icc ? .accept : .drop)
  }

  private static func echo(_ network: FirewallNetwork, _ family: RuleFamily) -> Rule {
    var rule = Rule(to: network.bridge, .accept)
    rule.protocol = ProtocolMatch(family == .ipv4 ? .icmp : .icmpv6)
    return rule
  }

  private static func outgoing(_ network: FirewallNetwork) -> Rule {
    Rule(from: network.bridge, to: network.icc ? nil : "!" + network.bridge, .accept)
  }

  private static func byDefault(
    _ network: FirewallNetwork,
    _ configuration: FirewallFamilyConfiguration
  ) -> Rule {
    Rule(
      from: "!" + network.bridge,
      to: network.bridge,
      configuration.isUnprotected ? .accept : .drop
    )
  }

  private static func known(_ network: FirewallNetwork) -> Rule {
    Rule(to: network.bridge, .accept).matching(.isKnown)
  }

  private static func toDocker(_ network: FirewallNetwork) -> Rule {
    Rule(to: network.bridge, .jump("DOCKER"))
  }

  // MARK: Containers

  func addEndpoint(_ address: IPAddress, of network: FirewallNetwork) {
    guard !options.allowsDirectRouting, !options.skipsRaw else { return }
    for (writer, rule) in directAccess(address, network) {
      writer.append(rule, to: "PREROUTING", .raw)
    }
  }

  func removeEndpoint(_ address: IPAddress, of network: FirewallNetwork) {
    for (writer, rule) in directAccess(address, network) {
      writer.delete(rule, from: "PREROUTING", .raw)
    }
  }

  private func directAccess(_ address: IPAddress, _ network: FirewallNetwork) -> [(
    RulesetWriter, Rule
  )] {
    let family: RuleFamily = address.v4 == nil ? .ipv6 : .ipv4
    guard options.families.contains(family), !network.isInternal,
      let configuration = network.configuration(family), !configuration.isRouted,
      !configuration.isUnprotected
    else { return [] }
    let writer = writer(family)
    var rules = network.trustedInterfaces.map { Rule(from: $0, .accept) }
    rules.append(Rule(from: "!" + network.bridge, .drop))
    return rules.map { (writer, $0.to(AddressMatch(address))) }
  }

  func addLink(
    from client: IPv4Address,
    to server: IPv4Address,
    _ ipProtocol: IPProtocol,
    _ port: UInt16,
    of network: FirewallNetwork
  ) {
    LinkRules.add(writer(.ipv4), client, server, ipProtocol, port, network.bridge)
  }

  // MARK: Ports

  func add(_ port: PublishedPort, of network: FirewallNetwork) {
    edit(port, network) { writer, rule, chain, table, atTop in
      if atTop {
        writer.insert(rule, in: chain, table)
      } else {
        writer.append(rule, to: chain, table)
      }
    }
  }

  func remove(_ port: PublishedPort, of network: FirewallNetwork) {
    edit(port, network) { writer, rule, chain, table, _ in
      writer.delete(rule, from: chain, table)
    }
  }

  private func edit(
    _ port: PublishedPort,
    _ network: FirewallNetwork,
    _ apply: (RulesetWriter, Rule, String, RuleTable, Bool) -> Void
  ) {
    let family = port.family
    guard options.families.contains(family), !network.isInternal else { return }
    let writer = writer(family)
    if let host = port.hostAddress.v4, host.isLoopback, let hostPort = port.hostPort,
      !options.skipsRaw
    {
      let ipv4 = self.writer(.ipv4)
      if options.isWSL2Mirrored {
        let mirrored = Rule(from: "loopback0", .accept).to(AddressMatch(host))
          .toPort(hostPort, port.ipProtocol)
        apply(ipv4, mirrored, "PREROUTING", .raw, false)
      }
      let drop = Rule(from: "!lo", .drop).to(AddressMatch(host)).toPort(hostPort, port.ipProtocol)
      apply(ipv4, drop, "PREROUTING", .raw, false)
    }
    // A port of an IPv6 address that leads to an IPv4 container is the proxy's alone.
    guard (port.hostAddress.v4 == nil) == (port.address.v4 == nil) else { return }
    let target = AddressMatch(port.address)
    if let hostPort = port.hostPort {
      var translate = Rule(
        from: options.hairpin ? nil : "!" + network.bridge,
        .dnat(NATTarget(port.address, port: port.port))
      ).toPort(hostPort, port.ipProtocol)
      if !port.hostAddress.isAny { translate.destination = AddressMatch(port.hostAddress) }
      if family == .ipv6 {
        translate.source = AddressMatch(
          address: UInt128(0xfe80) << 112,
          mask: UInt128.max << 118,
          inverted: true
        )
      }
      apply(writer, translate, "DOCKER", .nat, false)
      if options.hairpin {
        let toItself = Rule(target: .masquerade(PortTarget())).from(target).to(target)
          .toPort(port.port, port.ipProtocol)
        apply(writer, toItself, "POSTROUTING", .nat, false)
      }
    }
    guard network.configuration(family)?.isUnprotected != true else { return }
    let open = Rule(from: "!" + network.bridge, to: network.bridge, .accept).to(target)
      .toPort(port.port, port.ipProtocol)
    apply(writer, open, "DOCKER", .filter, true)
  }
}

/// The rules of `--link`, the same in all generations.
enum LinkRules {
  static func add(
    _ writer: RulesetWriter,
    _ client: IPv4Address,
    _ server: IPv4Address,
    _ ipProtocol: IPProtocol,
    _ port: UInt16,
    _ bridge: String
  ) {
    let accept = Rule(from: bridge, to: bridge, .accept)
    writer.append(
      accept.from(AddressMatch(client)).to(AddressMatch(server)).toPort(port, ipProtocol),
      to: "DOCKER",
      .filter
    )
    writer.append(
      accept.from(AddressMatch(server)).to(AddressMatch(client)).fromPort(port, ipProtocol),
      to: "DOCKER",
      .filter
    )
  }
}

public import HopyardSimulator
public import HopyardWire

/// The rules of `portmap` for one container, in its iptables form.
public struct PortMapRules {
  /// A rule as the words behind `-A CHAIN`.
  public typealias Words = [String]

  /// The container's own chain: `CNI-DN-` and 21 digits of SHA-512 of network and container.
  public var chain: String
  /// The rules of that chain.
  public var rules: [Words]
  /// The rules of `CNI-HOSTPORT-DNAT` that jump to it, without the jump.
  public var entries: [Words]

  /// Makes the rules.
  public init(
    network: String,
    containerID: String,
    address: IPAddress,
    prefixLength: Int,
    mappings: [CNIRequest.PortMapping],
    masquerades: Bool = true,
    markChain: String? = nil,
    conditions: [String] = []
  ) {
    chain = Self.chainName(network, containerID)
    let comment = "dnat name: \"\(network)\" id: \"\(containerID)\""
    entries = []
    for ipProtocol in [IPProtocol.tcp, .udp, .sctp] {
      let ports = mappings.filter { $0.ipProtocol == ipProtocol }.map { String($0.hostPort) }
      for start in stride(from: 0, to: ports.count, by: 15) {
        let part = ports[start..<min(start + 15, ports.count)].joined(separator: ",")
        entries.append(
          [
            "-m", "comment", "--comment", comment, "-m", "multiport", "-p", "\(ipProtocol)",
            "--destination-ports", part,
          ] + conditions
        )
      }
    }
    let isV6 = address.v6 != nil
    rules = []
    for mapping in mappings {
      var base = ["-p", "\(mapping.ipProtocol)", "--dport", String(mapping.hostPort)]
      if let host = KubeAddress.parse(mapping.hostIP) {
        guard (host.v6 != nil) == isV6 else { continue }
        if !host.isAny { base += ["-d", "\(host)"] }
      }
      if masquerades {
        let mark = markChain ?? "CNI-HOSTPORT-SETMARK"
        rules.append(base + ["-s", "\(address)/\(prefixLength)", "-j", mark])
        if !isV6 { rules.append(base + ["-s", "127.0.0.1", "-j", mark]) }
      }
      rules.append(
        base + [
          "-j", "DNAT", "--to-destination",
          ProxyRule.endpoint(address, mapping.containerPort),
        ]
      )
    }
  }

  static func chainName(_ network: String, _ containerID: String) -> String {
    let digits = Array("0123456789abcdef")
    let hash = SHA512.hash(Array((network + containerID).utf8))
    return "CNI-DN-"
      + String(hash.prefix(11).flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }.prefix(21))
  }
}

/// `portmap`: ports of the node that lead to pods.
final class PortMapPlugin: CNIPlugin {
  private let node: NetworkNamespace
  private let network: String
  private let variant: RulesetVariant

  init(on node: NetworkNamespace, network: String, variant: RulesetVariant) {
    self.node = node
    self.variant = variant
    self.network = network
  }

  func add(_ request: CNIRequest, _ previous: CNIResult?) throws(CNIError) -> CNIResult? {
    guard !request.portMappings.isEmpty, let previous else { return nil }
    let rules = PortMapRules(
      network: network,
      containerID: request.containerID,
      address: .v4(previous.address.address),
      prefixLength: previous.address.length,
      mappings: request.portMappings
    )
    let table = node.netfilter.ruleset(.ipv4, variant).table(.nat)
    do {
      try prepare(table)
      try table.makeChain(rules.chain)
      for rule in typedRules(rules, request, previous) {
        try table.insert(rule, inChain: rules.chain)
      }
      for rule in typedEntries(rules, request) {
        try table.insert(rule, inChain: "CNI-HOSTPORT-DNAT")
      }
    } catch {
      throw CNIError("failed to forward ports: \(error)")
    }
    node.set(.routeLocalnet, .all, to: 1)
    return nil
  }

  func delete(_ request: CNIRequest, _ result: CNIResult) {
    guard !request.portMappings.isEmpty else { return }
    let table = node.netfilter.ruleset(.ipv4, variant).table(.nat)
    let chain = PortMapRules.chainName(network, request.containerID)
    let all = table.rules(ofChain: "CNI-HOSTPORT-DNAT") ?? []
    for index in all.indices.reversed() where all[index].destinationChain == chain {
      try? table.remove(index, inChain: "CNI-HOSTPORT-DNAT")
    }
    try? table.flush(chain: chain)
    try? table.removeChain(chain)
  }

  /// The chains that all containers share.
  private func prepare(_ table: LiveTable) throws(TableEditError) {
    guard !table.hasChain("CNI-HOSTPORT-DNAT") else { return }
    try table.makeChain("CNI-HOSTPORT-SETMARK")
    try table.makeChain("CNI-HOSTPORT-MASQ")
    try table.makeChain("CNI-HOSTPORT-DNAT")
    try table.insert(
      Rule(
        matches: [.comment("CNI portfwd masquerade mark")],
        target: .mark(MarkTarget(0x2000, mask: 0x2000))
      ),
      inChain: "CNI-HOSTPORT-SETMARK"
    )
    try table.insert(
      Rule(
        matches: [.mark(MarkMatch(0x2000, mask: 0x2000))],
        target: .masquerade(PortTarget())
      ),
      inChain: "CNI-HOSTPORT-MASQ"
    )
    try table.insert(
      Rule(
        matches: [.comment("CNI portfwd requiring masquerade")],
        target: .jump("CNI-HOSTPORT-MASQ")
      ),
      at: 0,
      inChain: "POSTROUTING"
    )
    for chain in ["PREROUTING", "OUTPUT"] {
      try table.insert(
        Rule(
          matches: [.addressType(AddressTypeMatch(destination: .init(.local)))],
          target: .jump("CNI-HOSTPORT-DNAT")
        ),
        inChain: chain
      )
    }
  }

  private func typedEntries(_ rules: PortMapRules, _ request: CNIRequest) -> [Rule] {
    let comment = "dnat name: \"\(network)\" id: \"\(request.containerID)\""
    var typed: [Rule] = []
    for ipProtocol in [IPProtocol.tcp, .udp, .sctp] {
      let ports = request.portMappings.filter { $0.ipProtocol == ipProtocol }.map(\.hostPort)
      for start in stride(from: 0, to: ports.count, by: 15) {
        let part = ports[start..<min(start + 15, ports.count)].map { $0...$0 }
        typed.append(
          Rule(
            protocol: ProtocolMatch(ipProtocol),
            matches: [.comment(comment), .multiport(MultiportMatch(.destination, part))],
            target: .jump(rules.chain)
          )
        )
      }
    }
    return typed
  }

  private func typedRules(_ rules: PortMapRules, _ request: CNIRequest, _ result: CNIResult)
    -> [Rule]
  {
    request.portMappings.flatMap { mapping -> [Rule] in
      let port = PortMatch(mapping.hostPort)
      let match: Match =
        mapping.ipProtocol == .udp
        ? .udp(UDPMatch(destination: port))
        : mapping.ipProtocol == .sctp
          ? .sctp(SCTPMatch(destination: port)) : .tcp(TCPMatch(destination: port))
      var base = Rule(protocol: ProtocolMatch(mapping.ipProtocol), matches: [match])
      if let host = KubeAddress.parse(mapping.hostIP) {
        guard let v4 = host.v4 else { return [] }
        if !v4.isAny { base.destination = AddressMatch(v4) }
      }
      var own = base
      own.source = AddressMatch(result.address)
      own.target = .jump("CNI-HOSTPORT-SETMARK")
      var local = base
      local.source = AddressMatch(IPv4Address.loopback)
      local.target = .jump("CNI-HOSTPORT-SETMARK")
      base.target = .dnat(NATTarget(.v4(result.address.address), port: mapping.containerPort))
      return [own, local, base]
    }
  }
}

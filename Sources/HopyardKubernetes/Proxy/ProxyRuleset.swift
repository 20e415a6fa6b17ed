public import HopyardSimulator
import HopyardWire

/// Everything that kube-proxy writes into a node's filter and nat tables.
public struct ProxyRuleset {
  /// A chain and its rules.
  public struct Chain {
    /// Its name.
    public var name: String
    /// Its rules in order.
    public var rules: [ProxyRule]
  }

  /// The chains of the filter table.
  public var filter: [Chain]
  /// The chains of the nat table.
  public var nat: [Chain]

  /// Where the tables' own chains jump to kube-proxy's: what is put in front of them.
  public static func jumps(_ configuration: ProxyConfiguration) -> [(
    table: RuleTable, chain: String, rule: ProxyRule
  )] {
    let new = ProxyRule.Part.states(.new, inverted: false)
    func jump(_ table: RuleTable, _ chain: String, _ to: String, _ text: String, _ isNew: Bool)
      -> (table: RuleTable, chain: String, rule: ProxyRule)
    {
      let comment: [ProxyRule.Part] = text.isEmpty ? [] : [.comment(text)]
      return (table, chain, ProxyRule((isNew ? [new] : []) + comment, .jump(to)))
    }
    let external = "kubernetes externally-visible service portals"
    let firewall = "kubernetes load balancer firewall"
    var jumps = [
      jump(.filter, "INPUT", "KUBE-EXTERNAL-SERVICES", external, true),
      jump(.filter, "FORWARD", "KUBE-EXTERNAL-SERVICES", external, true),
      jump(.filter, "INPUT", "KUBE-NODEPORTS", "kubernetes health check service ports", false),
      jump(.filter, "FORWARD", "KUBE-SERVICES", "kubernetes service portals", true),
      jump(.filter, "OUTPUT", "KUBE-SERVICES", "kubernetes service portals", true),
      jump(.filter, "FORWARD", "KUBE-FORWARD", "kubernetes forwarding rules", false),
      jump(.filter, "INPUT", "KUBE-PROXY-FIREWALL", firewall, true),
      jump(.filter, "OUTPUT", "KUBE-PROXY-FIREWALL", firewall, true),
      jump(.filter, "FORWARD", "KUBE-PROXY-FIREWALL", firewall, true),
      jump(.nat, "OUTPUT", "KUBE-SERVICES", "kubernetes service portals", false),
      jump(.nat, "PREROUTING", "KUBE-SERVICES", "kubernetes service portals", false),
      jump(.nat, "POSTROUTING", "KUBE-POSTROUTING", "kubernetes postrouting rules", false),
    ]
    if configuration.localhostNodePorts && configuration.family == .ipv4 {
      jumps.append(jump(.filter, "INPUT", "KUBE-FIREWALL", "", false))
      jumps.append(jump(.filter, "OUTPUT", "KUBE-FIREWALL", "", false))
    }
    return jumps
  }

  /// Makes the rules for Services and their endpoints.
  public init(
    _ configuration: ProxyConfiguration,
    _ services: [(service: ProxyService, endpoints: [ProxyEndpoint])]
  ) {
    let total = services.reduce(0) { $0 + $1.endpoints.count }
    let isLarge = total > configuration.largeClusterThreshold
    self.init(
      configuration,
      parts: services.sorted { $0.service.text < $1.service.text }.map {
        ServiceRules($0.service, $0.endpoints, configuration, isLarge: isLarge)
      }
    )
  }

  init(_ configuration: ProxyConfiguration, parts: [ServiceRules]) {
    var natServices = parts.flatMap(\.natServices)
    natServices += Self.nodePortJumps(configuration)
    nat =
      [
        Chain(name: "KUBE-SERVICES", rules: natServices),
        Chain(name: "KUBE-NODEPORTS", rules: parts.flatMap(\.natNodePorts)),
      ] + Self.masquerading(configuration)
    for part in parts {
      for chain in part.chains { nat.append(Chain(name: chain.name, rules: chain.rules)) }
    }
    filter = [
      Chain(name: "KUBE-SERVICES", rules: parts.flatMap(\.filterServices)),
      Chain(name: "KUBE-EXTERNAL-SERVICES", rules: parts.flatMap(\.filterExternal)),
      Chain(name: "KUBE-FORWARD", rules: Self.forwarding(configuration)),
      Chain(name: "KUBE-NODEPORTS", rules: parts.flatMap(\.filterNodePorts)),
      Chain(name: "KUBE-PROXY-FIREWALL", rules: parts.flatMap(\.filterFirewall)),
    ]
    if configuration.localhostNodePorts && configuration.family == .ipv4 {
      filter.append(
        Chain(
          name: "KUBE-FIREWALL",
          rules: [
            ProxyRule(
              [
                .comment("block incoming localnet connections"), .destination(.localhost),
                .source(.localhost, inverted: true),
                .states([.related, .established, .dnat], inverted: true),
              ],
              .drop
            )
          ]
        )
      )
    }
  }

  static func masquerading(_ configuration: ProxyConfiguration) -> [Chain] {
    [
      Chain(name: "KUBE-MARK-MASQ", rules: [ProxyRule([], .orMark(configuration.mark))]),
      Chain(
        name: "KUBE-POSTROUTING",
        rules: [
          ProxyRule([.mark(configuration.mark, inverted: true)], .return),
          ProxyRule([], .xorMark(configuration.mark)),
          ProxyRule(
            [.comment("kubernetes service traffic requiring SNAT")],
            .masquerade(randomFully: configuration.randomFully)
          ),
        ]
      ),
    ]
  }

  static func forwarding(_ configuration: ProxyConfiguration) -> [ProxyRule] {
    var rules: [ProxyRule] = []
    if !configuration.isConntrackLiberal {
      let accounting: [ProxyRule.Part] =
        configuration.accounting ? [.accounting("ct_state_invalid_dropped_pkts")] : []
      rules.append(ProxyRule([.states(.invalid, inverted: false)] + accounting, .drop))
    }
    rules.append(
      ProxyRule(
        [.comment("kubernetes forwarding rules"), .mark(configuration.mark, inverted: false)],
        .accept
      )
    )
    rules.append(
      ProxyRule(
        [
          .comment("kubernetes forwarding conntrack rule"),
          .states([.related, .established], inverted: false),
        ],
        .accept
      )
    )
    return rules
  }

  static func nodePortJumps(_ configuration: ProxyConfiguration) -> [ProxyRule] {
    let comment = ProxyRule.Part.comment(
      "kubernetes service nodeports; NOTE: this must be the last rule in this chain"
    )
    let jump = ProxyRule.Action.jump("KUBE-NODEPORTS")
    let isIPv6 = configuration.family == .ipv6
    let own = configuration.nodePortAddresses.filter {
      $0.address.family == configuration.family
    }
    if own.isEmpty || own.contains(where: { $0.length == 0 }) {
      var parts = [comment, .localDestination]
      if isIPv6 {
        parts.append(.destination(KubePrefix(.v6(.loopback)), inverted: true))
      } else if !configuration.localhostNodePorts {
        parts.append(.destination(.localhost, inverted: true))
      }
      return [ProxyRule(parts, jump)]
    }
    var addresses = configuration.nodeAddresses
    addresses.append(isIPv6 ? .v6(.loopback) : .v4(.loopback))
    return addresses.filter { address in
      guard address.family == configuration.family, own.contains(where: { $0.contains(address) })
      else { return false }
      return !address.isLoopback || !isIPv6 && configuration.localhostNodePorts
    }.map { ProxyRule([comment, .destination(KubePrefix($0))], jump) }
  }

  /// The whole as iptables-restore reads it.
  public var restoreText: String {
    var text = ""
    for (name, chains) in [("filter", filter), ("nat", nat)] {
      text += "*\(name)\n"
      for chain in chains { text += ":\(chain.name) - [0:0]\n" }
      for chain in chains {
        for rule in chain.rules { text += rule.text(chain: chain.name) + "\n" }
      }
      text += "COMMIT\n"
    }
    return text
  }
}

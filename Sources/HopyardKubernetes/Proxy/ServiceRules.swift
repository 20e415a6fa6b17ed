import HopyardSimulator
import HopyardWire

/// The rules of one Service's port: those in the common chains, and its own chains.
final class ServiceRules {
  /// `KUBE-SERVICES` of the nat table.
  private(set) var natServices: [ProxyRule] = []
  /// `KUBE-NODEPORTS` of the nat table.
  private(set) var natNodePorts: [ProxyRule] = []
  /// `KUBE-SERVICES` of the filter table.
  private(set) var filterServices: [ProxyRule] = []
  /// `KUBE-EXTERNAL-SERVICES`.
  private(set) var filterExternal: [ProxyRule] = []
  /// `KUBE-PROXY-FIREWALL`.
  private(set) var filterFirewall: [ProxyRule] = []
  /// `KUBE-NODEPORTS` of the filter table.
  private(set) var filterNodePorts: [ProxyRule] = []
  /// Its own chains of the nat table, in the order in which they are written.
  private(set) var chains: [(name: String, rules: [ProxyRule])] = []

  private let service: ProxyService
  private let configuration: ProxyConfiguration
  private let isLarge: Bool
  private let choice: EndpointChoice

  init(
    _ service: ProxyService,
    _ endpoints: [ProxyEndpoint],
    _ configuration: ProxyConfiguration,
    isLarge: Bool
  ) {
    self.service = service
    self.configuration = configuration
    self.isLarge = isLarge
    choice = EndpointChoice(
      endpoints,
      service,
      node: configuration.nodeName,
      zone: configuration.zone
    )
    build()
  }

  private func comment(_ text: String) -> ProxyRule.Part { .comment(text) }

  /// Comments that a large cluster leaves out.
  private func endpointComment(_ text: String) -> [ProxyRule.Part] {
    isLarge ? [] : [.comment(text)]
  }

  private func portal(_ address: IPAddress, _ text: String) -> [ProxyRule.Part] {
    [
      .comment(text), .ipProtocol(service.ipProtocol), .destination(KubePrefix(address)),
      .destinationPort(service.port),
    ]
  }

  private func build() {
    let name = service.text
    let hasEndpoints = choice.hasAny
    let hasInternal = hasEndpoints && !(service.isInternalLocal && choice.local.isEmpty)
    let hasExternal = hasEndpoints && !(service.isExternalLocal && choice.local.isEmpty)
    let usesExternal = hasEndpoints && service.isExternallyAccessible
    let usesFirewall =
      hasEndpoints && !service.loadBalancerIPs.isEmpty && !service.sourceRanges.isEmpty
    let internalChain = service.isInternalLocal ? service.localChain : service.clusterChain
    let refusal: ProxyRule.Action = hasEndpoints ? .drop : .reject
    let why = hasEndpoints ? "\(name) has no local endpoints" : "\(name) has no endpoints"

    if hasInternal {
      natServices.append(
        ProxyRule(portal(service.clusterIP, "\(name) cluster IP"), .jump(internalChain))
      )
    } else {
      filterServices.append(ProxyRule(portal(service.clusterIP, why), refusal))
    }
    for address in service.externalIPs {
      if hasEndpoints {
        natServices.append(
          ProxyRule(portal(address, "\(name) external IP"), .jump(service.externalChain))
        )
      }
      if !hasExternal { filterExternal.append(ProxyRule(portal(address, why), refusal)) }
    }
    for address in service.loadBalancerIPs {
      if hasEndpoints {
        let chain = usesFirewall ? service.firewallChain : service.externalChain
        natServices.append(
          ProxyRule(portal(address, "\(name) loadbalancer IP"), .jump(chain))
        )
      }
      if usesFirewall {
        let text = "\(name) traffic not accepted by \(service.firewallChain)"
        filterFirewall.append(ProxyRule(portal(address, text), .drop))
      }
    }
    if !hasExternal {
      for address in service.loadBalancerIPs {
        filterExternal.append(ProxyRule(portal(address, why), refusal))
      }
    }
    if service.nodePort != 0 {
      buildNodePort(hasEndpoints: hasEndpoints, refusal: hasExternal ? nil : refusal, why)
    }
    if service.healthCheckPort != 0 {
      filterNodePorts.append(
        ProxyRule(
          [
            .comment("\(name) health check node port"), .ipProtocol(.tcp),
            .destinationPort(service.healthCheckPort),
          ],
          .accept
        )
      )
    }
    buildChains(
      hasInternal: hasInternal,
      hasExternal: hasExternal,
      usesExternal: usesExternal,
      usesFirewall: usesFirewall
    )
  }

  private func buildNodePort(hasEndpoints: Bool, refusal: ProxyRule.Action?, _ why: String) {
    let name = service.text
    if hasEndpoints {
      if configuration.localhostNodePorts, configuration.family == .ipv4, configuration.accounting {
        natNodePorts.append(
          ProxyRule(
            [
              .comment(name), .ipProtocol(service.ipProtocol), .destination(.localhost),
              .destinationPort(service.nodePort), .accounting("localhost_nps_accepted_pkts"),
            ],
            .jump(service.externalChain)
          )
        )
      }
      natNodePorts.append(
        ProxyRule(
          [
            .comment(name), .ipProtocol(service.ipProtocol), .destinationPort(service.nodePort),
          ],
          .jump(service.externalChain)
        )
      )
    }
    if let refusal {
      filterExternal.append(
        ProxyRule(
          [
            .comment(why), .localDestination, .ipProtocol(service.ipProtocol),
            .destinationPort(service.nodePort),
          ],
          refusal
        )
      )
    }
  }

  // MARK: Chains

  private func buildChains(
    hasInternal: Bool,
    hasExternal: Bool,
    usesExternal: Bool,
    usesFirewall: Bool
  ) {
    let name = service.text
    let internalChain = service.isInternalLocal ? service.localChain : service.clusterChain
    let mark = ProxyRule.Action.jump("KUBE-MARK-MASQ")
    var masquerading: [ProxyRule] = []
    if hasInternal {
      let parts = portal(service.clusterIP, "\(name) cluster IP")
      if configuration.masqueradesAll {
        masquerading = [ProxyRule(parts, mark)]
      } else if let outside = configuration.detector.condition(inverted: true) {
        masquerading = [ProxyRule(parts + [outside], mark)]
      }
    }
    if usesExternal {
      chains.append((service.externalChain, externalRules(hasExternal: hasExternal)))
    }
    if usesFirewall { chains.append((service.firewallChain, firewallRules())) }
    if !choice.cluster.isEmpty && service.usesClusterEndpoints {
      let first = internalChain == service.clusterChain ? masquerading : []
      chains.append((service.clusterChain, first + balancing(choice.cluster)))
    }
    if !choice.local.isEmpty && service.usesLocalEndpoints {
      let first = internalChain == service.localChain ? masquerading : []
      chains.append((service.localChain, first + balancing(choice.local)))
    }
    for endpoint in choice.reachable {
      let chain = service.endpointChain(endpoint)
      let comment = endpointComment(name)
      var parts = comment
      if service.affinitySeconds != nil { parts.append(.recentSet(chain)) }
      parts.append(.ipProtocol(service.ipProtocol))
      chains.append(
        (
          chain,
          [
            ProxyRule(comment + [.source(KubePrefix(endpoint.address))], mark),
            ProxyRule(parts, .dnat(endpoint.address, endpoint.port)),
          ]
        )
      )
    }
  }

  private func externalRules(hasExternal: Bool) -> [ProxyRule] {
    let name = service.text
    var rules: [ProxyRule] = []
    if !service.isExternalLocal {
      rules.append(
        ProxyRule(
          [.comment("masquerade traffic for \(name) external destinations")],
          .jump("KUBE-MARK-MASQ")
        )
      )
    } else {
      if let inside = configuration.detector.condition(inverted: false) {
        rules.append(
          ProxyRule(
            [.comment("pod traffic for \(name) external destinations"), inside],
            .jump(service.clusterChain)
          )
        )
      }
      rules.append(
        ProxyRule(
          [.comment("masquerade LOCAL traffic for \(name) external destinations"), .localSource],
          .jump("KUBE-MARK-MASQ")
        )
      )
      rules.append(
        ProxyRule(
          [.comment("route LOCAL traffic for \(name) external destinations"), .localSource],
          .jump(service.clusterChain)
        )
      )
    }
    if hasExternal {
      let policy = service.isExternalLocal ? service.localChain : service.clusterChain
      rules.append(ProxyRule([], .jump(policy)))
    }
    return rules
  }

  private func firewallRules() -> [ProxyRule] {
    let name = service.text
    let comment = ProxyRule.Part.comment("\(name) loadbalancer IP")
    let onwards = ProxyRule.Action.jump(service.externalChain)
    var rules = service.sourceRanges.map { ProxyRule([comment, .source($0)], onwards) }
    let allowsNode = service.sourceRanges.contains { range in
      configuration.nodeAddresses.first.map { range.contains($0) } ?? false
    }
    if allowsNode {
      for address in service.loadBalancerIPs {
        rules.append(ProxyRule([comment, .source(KubePrefix(address))], onwards))
      }
    }
    rules.append(
      ProxyRule(
        [.comment("other traffic to \(name) will be dropped by KUBE-PROXY-FIREWALL")],
        nil
      )
    )
    return rules
  }

  /// Jumps to endpoints: those that a client had before, then one by chance.
  private func balancing(_ endpoints: [ProxyEndpoint]) -> [ProxyRule] {
    var rules: [ProxyRule] = []
    func comment(_ endpoint: ProxyEndpoint) -> [ProxyRule.Part] {
      endpointComment("\(service.text) -> \(endpoint.text)")
    }
    if let seconds = service.affinitySeconds {
      for endpoint in endpoints {
        let chain = service.endpointChain(endpoint)
        rules.append(
          ProxyRule(
            comment(endpoint) + [.recentCheck(chain, seconds: seconds)],
            .jump(chain)
          )
        )
      }
    }
    for (index, endpoint) in endpoints.enumerated() {
      let left = endpoints.count - index
      let chance: [ProxyRule.Part] = left > 1 ? [.oneOf(left)] : []
      rules.append(
        ProxyRule(comment(endpoint) + chance, .jump(service.endpointChain(endpoint)))
      )
    }
    return rules
  }
}

extension KubePrefix {
  /// 127.0.0.0/8.
  static let localhost = KubePrefix(IPv4Prefix(IPv4Address(127, 0, 0, 0), length: 8))

  init(_ prefix: IPv4Prefix) {
    self = KubePrefix(.v4(prefix.address), length: prefix.length) ?? KubePrefix(.v4(prefix.address))
  }
}

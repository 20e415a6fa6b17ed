public import HopyardSimulator
public import HopyardWire

/// How the pods of a cluster reach each other across nodes.
public enum PodNetworkKind: String, Hashable, Sendable, CaseIterable {
  /// flannel with VXLAN.
  case flannelVXLAN = "flannel"
  /// flannel with routes by way of the nodes.
  case flannelHostGateway = "flannel-host-gw"
  /// flannel with IP in IP.
  case flannelIPIP = "flannel-ipip"
  /// Routed pods as Calico makes them, without encapsulation.
  case calico = "calico"
  /// Routed pods as Calico makes them, with IP in IP between nodes.
  case calicoIPIP = "calico-ipip"
  /// A bridge on each node and nothing between nodes.
  case bridge = "bridge"

  /// Bytes that the way between nodes takes from the MTU.
  var overhead: Int {
    switch self {
    case .flannelVXLAN: 50
    case .flannelIPIP, .calicoIPIP: 20
    default: 0
    }
  }

  /// The name of the network in CNI's configuration.
  var networkName: String {
    switch self {
    case .flannelVXLAN, .flannelHostGateway, .flannelIPIP: "cbr0"
    case .calico, .calicoIPIP: "k8s-pod-network"
    case .bridge: "bridge"
    }
  }
}

/// The part of a pod network that runs on one node: its plugins, and the daemon that knows the other
/// nodes.
final class PodNetworkAgent {
  /// What the daemon knows of another node.
  struct Peer: Equatable {
    var address: IPv4Address
    var podNetwork: IPv4Prefix
    var tunnelMAC: MACAddress?
  }

  let kind: PodNetworkKind
  let plugins: CNIChain
  private let node: NetworkNamespace
  private let uplink: NetworkDevice
  private let address: IPv4Address
  private let own: IPv4Prefix
  private let cluster: IPv4Prefix
  private let variant: RulesetVariant
  private var tunnel: NetworkDevice?
  private var peers: [String: Peer] = [:]

  init(
    _ kind: PodNetworkKind,
    on node: NetworkNamespace,
    uplink: NetworkDevice,
    address: IPv4Address,
    podNetwork: IPv4Prefix,
    cluster: IPv4Prefix,
    variant: RulesetVariant = .nft
  ) throws(CNIError) {
    self.kind = kind
    self.node = node
    self.uplink = uplink
    self.address = address
    own = podNetwork
    self.cluster = cluster
    self.variant = variant
    let mtu = uplink.mtu - kind.overhead
    let ports = PortMapPlugin(on: node, network: kind.networkName, variant: variant)
    switch kind {
    case .flannelVXLAN, .flannelHostGateway, .flannelIPIP, .bridge:
      plugins = CNIChain([
        LoopbackPlugin(),
        BridgePlugin(
          on: node,
          bridge: "cni0",
          mtu: mtu,
          ipam: HostLocalIPAM(podNetwork),
          extraRoute: kind == .bridge ? nil : cluster
        ), ports,
      ])
    case .calico, .calicoIPIP:
      plugins = CNIChain([
        LoopbackPlugin(),
        RoutedPlugin(on: node, ipam: HostLocalIPAM(podNetwork), mtu: mtu), ports,
      ])
    }
    node.setForwarding(true)
    do {
      try makeTunnel()
      try makeRules()
    } catch {
      throw CNIError("failed to set up the pod network: \(error)")
    }
  }

  /// The MAC address of the node's VXLAN device, which the others must know.
  var tunnelMAC: MACAddress? { (tunnel as? VXLANDevice)?.mac }

  private func makeTunnel() throws {
    switch kind {
    case .flannelVXLAN:
      var options = VXLANOptions(vni: 1)
      options.port = 8472
      options.local = address
      options.linkIfindex = uplink.ifindex
      options.learns = false
      tunnel = try node.makeVXLAN(NewLink("flannel.1"), options)
    case .flannelIPIP:
      var options = IPIPOptions()
      options.local = address
      tunnel = try node.makeIPIP(NewLink("flannel.ipip"), options)
    case .calicoIPIP:
      node.machine.loadIPIP()
      tunnel = node.devices["tunl0"]
      if let tunnel { try node.setLinkMTU(tunnel, uplink.mtu - 20) }
    default: break
    }
    if let tunnel {
      let first = kind == .calicoIPIP ? own.address.rawValue + 1 : own.address.rawValue
      try node.addAddress(InterfaceAddress<UInt32>(local: first, prefixLength: 32), to: tunnel)
      try node.setLinkUp(tunnel)
    }
    if kind == .calico || kind == .calicoIPIP {
      // The node answers for the pods' gateway only if it has a way to that address by another
      // device, which a default route is on every real node.
      let gateway = IPv4Address(169, 254, 1, 1).rawValue
      if (try? node.routes.lookup(FlowKey<UInt32>(destination: gateway))) == nil {
        try node.insertRoute(
          Route<UInt32>(
            prefix: gateway,
            length: 32,
            scope: .link,
            nexthops: [Nexthop<UInt32>(ifindex: uplink.ifindex)]
          ),
          mode: .create
        )
      }
      // What of the node's own block is nobody's goes nowhere.
      try node.insertRoute(
        Route<UInt32>(
          prefix: own.address.rawValue,
          length: own.length,
          type: .blackhole,
          protocol: RouteProtocol(rawValue: 12)
        ),
        mode: .create
      )
    }
  }

  // MARK: Rules

  private func makeRules() throws {
    let ruleset = node.netfilter.ruleset(.ipv4, variant)
    switch kind {
    case .flannelVXLAN, .flannelHostGateway, .flannelIPIP:
      try install(FlannelRules.postrouting(own, cluster), "FLANNEL-POSTRTG", ruleset.table(.nat))
      try install(FlannelRules.forwarding(cluster), "FLANNEL-FWD", ruleset.table(.filter))
    case .calico, .calicoIPIP:
      let table = ruleset.table(.nat)
      try table.makeChain("cali-nat-outgoing")
      let inside = AddressMatch(cluster)
      let outside = AddressMatch(cluster, inverted: true)
      try table.insert(
        Rule(
          source: inside,
          destination: outside,
          target: .masquerade(PortTarget(options: .randomFully))
        ),
        inChain: "cali-nat-outgoing"
      )
      try table.insert(
        Rule(target: .jump("cali-nat-outgoing")),
        at: 0,
        inChain: "POSTROUTING"
      )
    case .bridge: break
    }
  }

  private func install(_ rules: [Rule], _ name: String, _ table: LiveTable) throws {
    try table.makeChain(name)
    for rule in rules { try table.insert(rule, inChain: name) }
    let hook = name == "FLANNEL-FWD" ? "FORWARD" : "POSTROUTING"
    let text = name == "FLANNEL-FWD" ? "flanneld forward" : "flanneld masq"
    try table.insert(Rule(matches: [.comment(text)], target: .jump(name)), inChain: hook)
  }

  // MARK: Other nodes

  /// Learns of another node, or that it is gone.
  func setPeer(_ name: String, _ peer: Peer?) {
    guard peers[name] != peer else { return }
    if let old = peers[name] { remove(old) }
    peers[name] = peer
    guard let peer else { return }
    var hop = Nexthop<UInt32>(ifindex: uplink.ifindex, gateway: peer.address.rawValue)
    var origin = RouteProtocol.boot
    switch kind {
    case .flannelVXLAN:
      guard let tunnel = tunnel as? VXLANDevice, let mac = peer.tunnelMAC else { return }
      hop = Nexthop<UInt32>(ifindex: tunnel.ifindex, gateway: peer.podNetwork.address.rawValue)
      hop.flags.insert(.onlink)
      try? node.setNeighbour(
        peer.podNetwork.address,
        on: tunnel,
        linkAddress: mac,
        state: .permanent,
        .replace
      )
      try? tunnel.changeEntry(mac, VXLANRemote(address: peer.address), .append)
    case .flannelIPIP, .calicoIPIP:
      guard let tunnel else { return }
      hop.ifindex = tunnel.ifindex
      hop.flags.insert(.onlink)
      if kind == .calicoIPIP { origin = RouteProtocol(rawValue: 12) }
    case .calico: origin = RouteProtocol(rawValue: 12)
    case .flannelHostGateway: break
    case .bridge: return
    }
    try? node.insertRoute(
      Route<UInt32>(
        prefix: peer.podNetwork.address.rawValue,
        length: peer.podNetwork.length,
        scope: .universe,
        protocol: origin,
        nexthops: [hop]
      ),
      mode: .replace
    )
  }

  private func remove(_ peer: Peer) {
    try? node.deleteRoute(
      Route<UInt32>(prefix: peer.podNetwork.address.rawValue, length: peer.podNetwork.length)
    )
    if let tunnel = tunnel as? VXLANDevice, let mac = peer.tunnelMAC {
      try? tunnel.removeEntry(mac, VXLANRemote(address: peer.address))
      try? node.removeNeighbour(peer.podNetwork.address, on: tunnel)
    }
  }
}

/// The rules that flanneld writes on a node.
public enum FlannelRules {
  /// `FLANNEL-POSTRTG`: what leaves the cluster is masqueraded.
  public static func postrouting(_ node: IPv4Prefix, _ cluster: IPv4Prefix) -> [Rule] {
    let comment = Match.comment("flanneld masq")
    let own = AddressMatch(node)
    let all = AddressMatch(cluster)
    let others = AddressMatch(cluster, inverted: true)
    let groups = AddressMatch(
      IPv4Prefix(IPv4Address(224, 0, 0, 0), length: 4),
      inverted: true
    )
    let masquerade = Target.masquerade(PortTarget(options: .randomFully))
    return [
      Rule(matches: [.mark(MarkMatch(0x4000, mask: 0x4000)), comment], target: .return),
      Rule(source: own, destination: all, matches: [comment], target: .return),
      Rule(source: all, destination: own, matches: [comment], target: .return),
      Rule(source: others, destination: own, matches: [comment], target: .return),
      Rule(source: all, destination: groups, matches: [comment], target: masquerade),
      Rule(source: others, destination: all, matches: [comment], target: masquerade),
    ]
  }

  /// `FLANNEL-FWD`: what comes from pods or goes to them is forwarded.
  public static func forwarding(_ cluster: IPv4Prefix) -> [Rule] {
    let comment = Match.comment("flanneld forward")
    return [
      Rule(source: AddressMatch(cluster), matches: [comment], target: .accept),
      Rule(destination: AddressMatch(cluster), matches: [comment], target: .accept),
    ]
  }
}

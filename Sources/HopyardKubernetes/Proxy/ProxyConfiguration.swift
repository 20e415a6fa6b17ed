public import HopyardSimulator
public import HopyardWire

/// How kube-proxy knows what comes from the cluster's own pods (`detectLocalMode`).
public enum LocalDetector: Hashable, Sendable {
  /// It does not.
  case none
  /// By the cluster's network, or the node's.
  case network(KubePrefix)
  /// By the bridge.
  case bridge(String)
  /// By the beginning of the interface's name.
  case interfacePrefix(String)

  /// The condition; nil where nothing is known.
  func condition(inverted: Bool) -> ProxyRule.Part? {
    switch self {
    case .none: nil
    case .network(let prefix): .source(prefix, inverted: inverted)
    case .bridge(let name): .inInterface(name, isPrefix: false, inverted: inverted)
    case .interfacePrefix(let name): .inInterface(name, isPrefix: true, inverted: inverted)
    }
  }
}

/// The options of kube-proxy in iptables mode.
public struct ProxyConfiguration: Hashable, Sendable {
  /// The node's name.
  public var nodeName = ""
  /// The node's zone (`topology.kubernetes.io/zone`).
  public var zone: String?
  /// The family whose rules are made.
  public var family = RuleFamily.ipv4
  /// The variant of iptables that it calls.
  public var variant = RulesetVariant.nft
  /// How pods are told from others.
  public var detector = LocalDetector.none
  /// `--masquerade-all`.
  public var masqueradesAll = false
  /// The bit of the mark that asks for masquerading.
  public var mark: UInt32 = 0x4000
  /// `--iptables-localhost-nodeports`.
  public var localhostNodePorts = true
  /// Where node ports are served; empty for every address of the node.
  public var nodePortAddresses: [KubePrefix] = []
  /// The node's addresses, for `nodePortAddresses` and source ranges.
  public var nodeAddresses: [IPAddress] = []
  /// Whether MASQUERADE takes `--random-fully`.
  public var randomFully = true
  /// Whether the kernel has accounting objects.
  public var accounting = false
  /// `nf_conntrack_tcp_be_liberal` is on.
  public var isConntrackLiberal = false
  /// More endpoints than this switch comments off (`largeClusterEndpointsThreshold`).
  public var largeClusterThreshold = 1000

  /// The defaults.
  public init() {}
}

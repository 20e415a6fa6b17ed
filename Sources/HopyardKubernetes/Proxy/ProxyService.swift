public import HopyardSimulator
public import HopyardWire

/// One port of a Service as kube-proxy sees it.
public struct ProxyService: Hashable, Sendable {
  /// The Service's namespace.
  public var namespace: String
  /// The Service's name.
  public var name: String
  /// The port's name; empty where there is only one.
  public var portName: String
  /// The protocol.
  public var ipProtocol: IPProtocol
  /// The cluster address.
  public var clusterIP: IPAddress
  /// The port.
  public var port: UInt16
  /// The node port; 0 for none.
  public var nodePort: UInt16 = 0
  /// External addresses of the cluster address's family.
  public var externalIPs: [IPAddress] = []
  /// The load balancer's addresses.
  public var loadBalancerIPs: [IPAddress] = []
  /// Who may use them; empty for all.
  public var sourceRanges: [KubePrefix] = []
  /// `internalTrafficPolicy: Local`.
  public var isInternalLocal = false
  /// `externalTrafficPolicy: Local`.
  public var isExternalLocal = false
  /// The port of the load balancer's health check; 0 for none.
  public var healthCheckPort: UInt16 = 0
  /// How long a client stays with an endpoint, in seconds; nil without affinity.
  public var affinitySeconds: UInt32?

  /// Makes a port.
  public init(
    namespace: String,
    name: String,
    portName: String,
    ipProtocol: IPProtocol,
    clusterIP: IPAddress,
    port: UInt16
  ) {
    self.namespace = namespace
    self.name = name
    self.portName = portName
    self.ipProtocol = ipProtocol
    self.clusterIP = clusterIP
    self.port = port
  }

  /// `namespace/name:port`.
  public var text: String {
    portName.isEmpty ? "\(namespace)/\(name)" : "\(namespace)/\(name):\(portName)"
  }

  /// Whether anything from outside leads to it.
  public var isExternallyAccessible: Bool {
    nodePort != 0 || !loadBalancerIPs.isEmpty || !externalIPs.isEmpty
  }

  /// Whether endpoints of the whole cluster are used; with an external policy of Local too, for
  /// traffic of the cluster's own.
  public var usesClusterEndpoints: Bool { !isInternalLocal || isExternallyAccessible }

  /// Whether endpoints of the node alone are used.
  public var usesLocalEndpoints: Bool {
    isInternalLocal || isExternalLocal && isExternallyAccessible
  }

  // MARK: Chain names

  /// The sixteen letters that kube-proxy makes of a Service's port, and of an endpoint.
  public static func hash(_ text: String) -> String {
    let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
    var bits: UInt32 = 0
    var count: UInt32 = 0
    var result = ""
    for byte in SHA256.hash(Array(text.utf8)) {
      bits = bits << 8 | UInt32(byte)
      count += 8
      while count >= 5, result.count < 16 {
        result.append(digits[Int(bits >> (count - 5) & 31)])
        count -= 5
      }
      bits &= (1 << count) - 1
      if result.count == 16 { break }
    }
    return result
  }

  private var protocolText: String { ipProtocol.description }
  /// `KUBE-SVC-…`: all endpoints.
  public var clusterChain: String { "KUBE-SVC-" + Self.hash(text + protocolText) }
  /// `KUBE-SVL-…`: the node's endpoints.
  public var localChain: String { "KUBE-SVL-" + Self.hash(text + protocolText) }
  /// `KUBE-EXT-…`: traffic from outside.
  public var externalChain: String { "KUBE-EXT-" + Self.hash(text + protocolText) }
  /// `KUBE-FW-…`: the load balancer's source ranges.
  public var firewallChain: String { "KUBE-FW-" + Self.hash(text + protocolText) }
  /// `KUBE-SEP-…`: one endpoint.
  public func endpointChain(_ endpoint: ProxyEndpoint) -> String {
    "KUBE-SEP-" + Self.hash(text + protocolText + endpoint.text)
  }
}

/// One endpoint of a Service's port.
public struct ProxyEndpoint: Hashable, Sendable {
  /// Its address.
  public var address: IPAddress
  /// Its port.
  public var port: UInt16
  /// `ready`; an endpoint that says nothing is.
  public var isReady = true
  /// `serving`.
  public var isServing = true
  /// `terminating`.
  public var isTerminating = false
  /// The node on which it is.
  public var node: String?
  /// The zones for which it is meant.
  public var zones: [String] = []

  /// Makes an endpoint.
  public init(_ address: IPAddress, _ port: UInt16, node: String? = nil) {
    self.address = address
    self.port = port
    self.node = node
  }

  /// `ADDRESS:PORT`.
  public var text: String { ProxyRule.endpoint(address, port) }
}

/// Which of a port's endpoints are used for what (`CategorizeEndpoints`).
struct EndpointChoice {
  var cluster: [ProxyEndpoint] = []
  var local: [ProxyEndpoint] = []
  var reachable: [ProxyEndpoint] = []
  var hasAny = false

  init(_ endpoints: [ProxyEndpoint], _ service: ProxyService, node: String, zone: String?) {
    var isZoned = false
    if service.usesClusterEndpoints {
      let ready = endpoints.filter(\.isReady)
      if let zone, !ready.isEmpty, ready.allSatisfy({ !$0.zones.isEmpty }),
        ready.contains(where: { $0.zones.contains(zone) })
      {
        isZoned = true
        cluster = ready.filter { $0.zones.contains(zone) }
      } else {
        cluster = ready
      }
      if cluster.isEmpty { cluster = endpoints.filter { $0.isServing && $0.isTerminating } }
      if !cluster.isEmpty { hasAny = true }
    }
    guard service.usesLocalEndpoints else {
      reachable = cluster
      return
    }
    let ready = endpoints.filter(\.isReady)
    let leaving = endpoints.filter { !$0.isReady && $0.isServing && $0.isTerminating }
    if !ready.isEmpty || !leaving.isEmpty { hasAny = true }
    local = ready.filter { $0.node == node }
    var usesLeaving = false
    if local.isEmpty {
      local = endpoints.filter { $0.node == node && $0.isServing && $0.isTerminating }
      usesLeaving = !local.isEmpty
    }
    guard service.usesClusterEndpoints else {
      reachable = local
      return
    }
    if !isZoned && !usesLeaving {
      reachable = cluster
      return
    }
    reachable = cluster
    for endpoint in local where !reachable.contains(where: { $0.text == endpoint.text }) {
      reachable.append(endpoint)
    }
    reachable.sort { $0.text < $1.text }
  }
}

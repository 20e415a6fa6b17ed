public import HopyardContainers
public import HopyardUserland
public import HopyardWire

/// A port by number or by name.
public enum PortReference: Hashable, Sendable {
  case number(UInt16)
  case name(String)

  init(_ node: YAMLNode, _ what: String) throws(Problem) {
    if node.integer != nil {
      self = .number(try node.port(what))
    } else {
      self = .name(try node.string(what))
    }
  }

  /// The text.
  public var text: String {
    switch self {
    case .number(let port): String(port)
    case .name(let name): name
    }
  }
}

/// A protocol of transport as Kubernetes names it.
enum KubeProtocol {
  static func read(_ node: YAMLNode?, _ what: String) throws(Problem) -> IPProtocol {
    switch try node?.choice(what, ["TCP", "UDP", "SCTP"]) ?? "TCP" {
    case "UDP": .udp
    case "SCTP": .sctp
    default: .tcp
    }
  }

  static func text(_ value: IPProtocol) -> String {
    switch value {
    case .udp: "UDP"
    case .sctp: "SCTP"
    default: "TCP"
    }
  }
}

/// The specification and status of a Service.
public struct ServiceObject: Equatable, Sendable {
  /// A port of it.
  public struct Port: Equatable, Sendable {
    /// Its name; empty where there is only one.
    public var name = ""
    /// The protocol.
    public var ipProtocol = IPProtocol.tcp
    /// The port.
    public var port: UInt16
    /// The pods' port.
    public var target: PortReference
    /// The node port; 0 for none.
    public var nodePort: UInt16 = 0
  }

  /// `ClusterIP`, `NodePort`, `LoadBalancer` or `ExternalName`.
  public var type = "ClusterIP"
  /// The cluster addresses; `None` for a headless Service.
  public var clusterIPs: [String] = []
  /// The ports.
  public var ports: [Port] = []
  /// Which pods; nil for a Service whose endpoints are given.
  public var selector: [String: String]?
  /// `externalIPs`.
  public var externalIPs: [String] = []
  /// `externalName`.
  public var externalName = ""
  /// `sessionAffinity: ClientIP` with its timeout.
  public var affinitySeconds: UInt32?
  /// `externalTrafficPolicy: Local`.
  public var isExternalLocal = false
  /// `internalTrafficPolicy: Local`.
  public var isInternalLocal = false
  /// `healthCheckNodePort`; 0 for none.
  public var healthCheckPort: UInt16 = 0
  /// `loadBalancerSourceRanges`.
  public var sourceRanges: [String] = []
  /// `loadBalancerIP`.
  public var loadBalancerIP = ""
  /// The load balancer's addresses that do not speak for themselves (`ipMode: Proxy`).
  public var ingress: [(address: String, isProxy: Bool)] = []
  /// `publishNotReadyAddresses`.
  public var publishesNotReady = false

  /// Makes a Service of nothing.
  public init() {}

  /// Whether it has no address of its own.
  public var isHeadless: Bool { clusterIPs.first == "None" }

  /// Whether both are equal.
  public static func == (left: ServiceObject, right: ServiceObject) -> Bool {
    left.type == right.type && left.clusterIPs == right.clusterIPs && left.ports == right.ports
      && left.selector == right.selector && left.externalIPs == right.externalIPs
      && left.externalName == right.externalName && left.affinitySeconds == right.affinitySeconds
      && left.isExternalLocal == right.isExternalLocal
      && left.isInternalLocal == right.isInternalLocal
      && left.healthCheckPort == right.healthCheckPort && left.sourceRanges == right.sourceRanges
      && left.publishesNotReady == right.publishesNotReady
      && left.ingress.map(\.address) == right.ingress.map(\.address)
      && left.ingress.map(\.isProxy) == right.ingress.map(\.isProxy)
  }

  private static let known: Set<String> = [
    "type", "clusterIP", "clusterIPs", "ports", "selector", "externalIPs", "externalName",
    "sessionAffinity", "sessionAffinityConfig", "externalTrafficPolicy", "internalTrafficPolicy",
    "healthCheckNodePort", "loadBalancerSourceRanges", "loadBalancerIP", "loadBalancerClass",
    "allocateLoadBalancerNodePorts", "publishNotReadyAddresses", "ipFamilies", "ipFamilyPolicy",
    "trafficDistribution",
  ]

  /// Reads `spec` and `status`.
  init(_ node: YAMLNode) throws(Problem) {
    guard let spec = node["spec"] else { return }
    let fields = try spec.fields("spec")
    try fields.refuseUnknown(Self.known)
    type =
      try fields["type"]?.choice(
        "spec.type",
        ["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"]
      ) ?? "ClusterIP"
    clusterIPs = try fields["clusterIPs"]?.strings("spec.clusterIPs") ?? []
    if let address = try fields["clusterIP"]?.string("spec.clusterIP"), clusterIPs.isEmpty {
      clusterIPs = [address]
    }
    selector = fields["selector"] == nil ? nil : try ObjectMeta.map(fields["selector"], "selector")
    externalIPs = try fields["externalIPs"]?.strings("spec.externalIPs") ?? []
    externalName = try fields["externalName"]?.string("spec.externalName") ?? ""
    if type == "ExternalName", externalName.isEmpty {
      throw spec.problem("spec of type ExternalName lacks `externalName'")
    }
    if try fields["sessionAffinity"]?.choice("spec.sessionAffinity", ["ClientIP", "None"])
      == "ClientIP"
    {
      let client = fields["sessionAffinityConfig"]?["clientIP"]?["timeoutSeconds"]
      affinitySeconds = UInt32(try client?.int("timeoutSeconds", in: 1...86_400) ?? 10_800)
    }
    isExternalLocal =
      try fields["externalTrafficPolicy"]?.choice(
        "spec.externalTrafficPolicy",
        ["Cluster", "Local", "Global"]
      ) == "Local"
    isInternalLocal =
      try fields["internalTrafficPolicy"]?.choice(
        "spec.internalTrafficPolicy",
        ["Cluster", "Local"]
      ) == "Local"
    healthCheckPort =
      try fields["healthCheckNodePort"].map { node throws(Problem) in
        UInt16(try node.int("spec.healthCheckNodePort", in: 0...65_535))
      } ?? 0
    sourceRanges =
      try fields["loadBalancerSourceRanges"]?.strings("spec.loadBalancerSourceRanges") ?? []
    loadBalancerIP = try fields["loadBalancerIP"]?.string("spec.loadBalancerIP") ?? ""
    publishesNotReady =
      try fields["publishNotReadyAddresses"]?.bool("spec.publishNotReadyAddresses") ?? false
    for (index, item) in try (fields["ports"]?.sequence("spec.ports") ?? []).enumerated() {
      ports.append(try Self.port(item, index))
    }
    if ports.count > 1, let nameless = ports.firstIndex(where: { $0.name.isEmpty }) {
      throw (fields["ports"] ?? spec).problem(
        "spec.ports[\(nameless)] lacks `name', which a Service of several ports needs"
      )
    }
    for item in try node["status"]?["loadBalancer"]?["ingress"]?.sequence("ingress") ?? [] {
      guard let address = try item["ip"]?.string("ip") else { continue }
      ingress.append((address, try item["ipMode"]?.string("ipMode") == "Proxy"))
    }
  }

  private static func port(_ item: YAMLNode, _ index: Int) throws(Problem) -> Port {
    let what = "spec.ports[\(index)]"
    let fields = try item.fields(what)
    try fields.refuseUnknown([
      "name", "port", "targetPort", "protocol", "nodePort", "appProtocol",
    ])
    let number = try fields.required("port").port("\(what).port")
    var port = Port(port: number, target: .number(number))
    port.name = try fields["name"]?.string("\(what).name") ?? ""
    port.ipProtocol = try KubeProtocol.read(fields["protocol"], "\(what).protocol")
    if let target = fields["targetPort"], target.integer != 0 {
      port.target = try PortReference(target, "\(what).targetPort")
    }
    if let node = fields["nodePort"] {
      port.nodePort = UInt16(try node.int("\(what).nodePort", in: 0...65_535))
    }
    return port
  }
}

/// An EndpointSlice.
public struct EndpointSlice: Equatable, Sendable {
  /// A port of all its endpoints; without a number the endpoints have no port.
  public struct Port: Equatable, Sendable {
    /// Its name.
    public var name = ""
    /// The protocol.
    public var ipProtocol = IPProtocol.tcp
    /// The number.
    public var port: UInt16?
  }

  /// One endpoint.
  public struct Endpoint: Equatable, Sendable {
    /// Its addresses; the first one counts.
    public var addresses: [String]
    /// `ready`; nil says nothing.
    public var ready: Bool?
    /// `serving`.
    public var serving: Bool?
    /// `terminating`.
    public var terminating: Bool?
    /// The host name.
    public var hostname = ""
    /// The node.
    public var node: String?
    /// The zone.
    public var zone = ""
    /// The zones for which it is meant.
    public var hints: [String] = []
    /// The pod.
    public var pod: String?

    /// Makes an endpoint of some addresses.
    public init(addresses: [String]) { self.addresses = addresses }
  }

  /// `IPv4`, `IPv6` or `FQDN`.
  public var addressType = "IPv4"
  /// The Service.
  public var service = ""
  /// The ports.
  public var ports: [Port] = []
  /// The endpoints.
  public var endpoints: [Endpoint] = []

  /// Makes a slice of nothing.
  public init() {}

  /// Reads a manifest.
  init(_ node: YAMLNode, _ meta: ObjectMeta) throws(Problem) {
    addressType = try node["addressType"]?.string("addressType") ?? "IPv4"
    service =
      meta.labels["kubernetes.io/service-name"]
      ?? meta.labels["multicluster.kubernetes.io/service-name"] ?? ""
    for item in try node["ports"]?.sequence("ports") ?? [] {
      let fields = try item.fields("ports")
      try fields.refuseUnknown(["name", "port", "protocol", "appProtocol"])
      var port = Port()
      port.name = try fields["name"]?.string("name") ?? ""
      port.ipProtocol = try KubeProtocol.read(fields["protocol"], "protocol")
      port.port = try fields["port"].map { node throws(Problem) in try node.port("port") }
      ports.append(port)
    }
    for item in try node["endpoints"]?.sequence("endpoints") ?? [] {
      let fields = try item.fields("endpoints")
      try fields.refuseUnknown([
        "addresses", "conditions", "hostname", "nodeName", "zone", "hints", "targetRef",
        "deprecatedTopology",
      ])
      var endpoint = Endpoint(addresses: try fields["addresses"]?.strings("addresses") ?? [])
      let conditions = try fields["conditions"]?.fields("conditions")
      endpoint.ready = try conditions?["ready"]?.bool("ready")
      endpoint.serving = try conditions?["serving"]?.bool("serving")
      endpoint.terminating = try conditions?["terminating"]?.bool("terminating")
      endpoint.hostname = try fields["hostname"]?.string("hostname") ?? ""
      endpoint.node = try fields["nodeName"]?.string("nodeName")
      endpoint.zone = try fields["zone"]?.string("zone") ?? ""
      for zone in try fields["hints"]?["forZones"]?.sequence("forZones") ?? [] {
        endpoint.hints.append(try zone["name"]?.string("name") ?? "")
      }
      endpoints.append(endpoint)
    }
  }
}

public import HopyardContainers
public import HopyardUserland

/// An object of the Kubernetes API.
public struct KubeObject: Sendable {
  /// What it holds besides metadata.
  public enum Body: Equatable, Sendable {
    case service(ServiceObject)
    case endpointSlice(EndpointSlice)
    case pod(PodObject)
    case workload(WorkloadObject)
    case node(NodeObject)
    /// Accepted and kept, without effect on the network.
    case other
  }

  /// The kind.
  public var kind: String
  /// The version of its API, such as `apps/v1`.
  public var apiVersion: String
  /// The metadata.
  public var meta: ObjectMeta
  /// The rest.
  public var body: Body
  /// The object as it was written.
  public var source: KubeValue
  /// Where it begins in its file.
  public var location = SourceLocation(line: 1, column: 1)

  /// Makes an object.
  public init(_ kind: String, _ apiVersion: String, _ meta: ObjectMeta, _ body: Body) {
    self.kind = kind
    self.apiVersion = apiVersion
    self.meta = meta
    self.body = body
    source = .object([:])
  }

  /// What names it.
  public var key: ObjectKey { ObjectKey(kind, meta.namespace, meta.name) }

  /// The Service in it.
  public var service: ServiceObject? { if case .service(let value) = body { value } else { nil } }
  /// The EndpointSlice in it.
  public var slice: EndpointSlice? {
    if case .endpointSlice(let value) = body { value } else { nil }
  }
  /// The pod in it.
  public var pod: PodObject? { if case .pod(let value) = body { value } else { nil } }
  /// The workload in it.
  public var workload: WorkloadObject? {
    if case .workload(let value) = body { value } else { nil }
  }
  /// The node in it.
  public var node: NodeObject? { if case .node(let value) = body { value } else { nil } }

  // MARK: Reading

  /// Reads one object of a manifest; `namespace` is where it goes if it does not say.
  public init(_ node: YAMLNode, namespace: String = "default") throws(Problem) {
    let fields = try node.fields("the object")
    let kindNode = try fields.required("kind")
    var kind = try kindNode.string("kind")
    let versionNode = try fields.required("apiVersion")
    let version = try versionNode.string("apiVersion")
    let known = try KubeKind.find(kind, kindNode, version, versionNode)
    if known == nil { kind = KubeKind.customName(kind, version) }
    var meta = try ObjectMeta(fields["metadata"])
    if meta.name.isEmpty { throw node.problem("\(kind) lacks `metadata.name'") }
    // Whether a custom resource is in namespaces is said by its definition, which is elsewhere.
    if known?.isNamespaced ?? false {
      if meta.namespace.isEmpty { meta.namespace = namespace }
    } else if known != nil {
      meta.namespace = ""
    }
    self.kind = kind
    apiVersion = version
    self.meta = meta
    source = KubeValue(node)
    location = node.location
    switch kind {
    case "Service", "Pod", "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Node", "Job",
      "ReplicationController":
      try fields.refuseUnknown(["apiVersion", "kind", "metadata", "spec", "status"])
    default: break
    }
    switch kind {
    case "Service": body = .service(try ServiceObject(node))
    case "EndpointSlice": body = .endpointSlice(try EndpointSlice(node, meta))
    case "Endpoints": body = .endpointSlice(try EndpointSlice(endpoints: node, meta))
    case "Pod":
      body = .pod(PodObject(try PodSpec(try fields.required("spec"), "spec")))
    case "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "ReplicationController":
      body = .workload(try WorkloadObject(node, kind: kind))
    case "Node": body = .node(try NodeObject(node))
    case "ConfigMap", "Secret":
      for key in ["data", "stringData"] { _ = try ObjectMeta.map(fields[key], key) }
      body = .other
    default: body = .other
    }
  }
}

extension EndpointSlice {
  /// Reads the subsets of an Endpoints object.
  init(endpoints node: YAMLNode, _ meta: ObjectMeta) throws(Problem) {
    self.init()
    service = meta.name
    for subset in try node["subsets"]?.sequence("subsets") ?? [] {
      let fields = try subset.fields("subsets")
      try fields.refuseUnknown(["addresses", "notReadyAddresses", "ports"])
      for item in try fields["ports"]?.sequence("ports") ?? [] {
        var port = Port()
        port.name = try item["name"]?.string("name") ?? ""
        port.ipProtocol = try KubeProtocol.read(item["protocol"], "protocol")
        port.port = try item["port"].map { node throws(Problem) in try node.port("port") }
        ports.append(port)
      }
      for (name, ready) in [("addresses", true), ("notReadyAddresses", false)] {
        for item in try fields[name]?.sequence(name) ?? [] {
          var endpoint = Endpoint(addresses: [try item["ip"]?.string("ip") ?? ""])
          endpoint.ready = ready
          endpoint.hostname = try item["hostname"]?.string("hostname") ?? ""
          endpoint.node = try item["nodeName"]?.string("nodeName")
          endpoints.append(endpoint)
        }
      }
    }
  }
}

/// Reads manifests: several documents, and lists.
public enum Manifests {
  /// The objects of a text.
  public static func read(_ text: String, file: String, namespace: String = "default")
    throws(Problem) -> [KubeObject]
  {
    var objects: [KubeObject] = []
    for document in try YAMLDocuments.parse(text, file: file) {
      try read(document, namespace, &objects)
    }
    return objects
  }

  private static func read(
    _ node: YAMLNode,
    _ namespace: String,
    _ objects: inout [KubeObject]
  ) throws(Problem) {
    if let kind = node["kind"]?.text, kind.hasSuffix("List"), node["items"] != nil {
      for item in try node["items"]?.sequence("items") ?? [] {
        try read(item, namespace, &objects)
      }
      return
    }
    objects.append(try KubeObject(node, namespace: namespace))
  }
}

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

  // MARK: Kinds

  /// A kind that the cluster accepts.
  public struct Kind: Sendable {
    /// Its name.
    public var name: String
    /// The names of its resource: plural, singular, short ones.
    public var resources: [String]
    /// The API groups and versions under which it may be written.
    public var versions: [String]
    /// Whether its objects are in namespaces.
    public var isNamespaced: Bool
  }

  /// The kinds that are known.
  public static let kinds: [Kind] = [
    kind("Pod", "pods pod po", "v1"),
    kind("Service", "services service svc", "v1"),
    kind("Namespace", "namespaces namespace ns", "v1", false),
    kind("Node", "nodes node no", "v1", false),
    kind("Endpoints", "endpoints ep", "v1"),
    kind("EndpointSlice", "endpointslices endpointslice", "discovery.k8s.io/v1"),
    kind(
      "Deployment",
      "deployments deployment deploy",
      "apps/v1 extensions/v1beta1 apps/v1beta1 apps/v1beta2"
    ),
    kind("ReplicaSet", "replicasets replicaset rs", "apps/v1"),
    kind("StatefulSet", "statefulsets statefulset sts", "apps/v1"),
    kind("DaemonSet", "daemonsets daemonset ds", "apps/v1"),
    kind("ReplicationController", "replicationcontrollers replicationcontroller rc", "v1"),
    kind("Job", "jobs job", "batch/v1"),
    kind("CronJob", "cronjobs cronjob cj", "batch/v1"),
    kind("ConfigMap", "configmaps configmap cm", "v1"),
    kind("Secret", "secrets secret", "v1"),
    kind("ServiceAccount", "serviceaccounts serviceaccount sa", "v1"),
    kind("Role", "roles role", "rbac.authorization.k8s.io/v1"),
    kind("RoleBinding", "rolebindings rolebinding", "rbac.authorization.k8s.io/v1"),
    kind("ClusterRole", "clusterroles clusterrole", "rbac.authorization.k8s.io/v1", false),
    kind(
      "ClusterRoleBinding",
      "clusterrolebindings clusterrolebinding",
      "rbac.authorization.k8s.io/v1",
      false
    ),
    kind("PersistentVolumeClaim", "persistentvolumeclaims persistentvolumeclaim pvc", "v1"),
    kind("PersistentVolume", "persistentvolumes persistentvolume pv", "v1", false),
    kind("StorageClass", "storageclasses storageclass sc", "storage.k8s.io/v1", false),
    kind("LimitRange", "limitranges limitrange limits", "v1"),
    kind("ResourceQuota", "resourcequotas resourcequota quota", "v1"),
    kind("PodDisruptionBudget", "poddisruptionbudgets poddisruptionbudget pdb", "policy/v1"),
    kind("PriorityClass", "priorityclasses priorityclass pc", "scheduling.k8s.io/v1", false),
    kind(
      "HorizontalPodAutoscaler",
      "horizontalpodautoscalers horizontalpodautoscaler hpa",
      "autoscaling/v1 autoscaling/v2"
    ),
    kind("IngressClass", "ingressclasses ingressclass", "networking.k8s.io/v1", false),
    kind(
      "NetworkPolicy",
      "networkpolicies networkpolicy netpol",
      "networking.k8s.io/v1 extensions/v1beta1"
    ),
    kind("Ingress", "ingresses ingress ing", "networking.k8s.io/v1 extensions/v1beta1"),
    kind("Event", "events event ev", "v1 events.k8s.io/v1"),
  ]

  private static func kind(
    _ name: String,
    _ resources: String,
    _ versions: String,
    _ isNamespaced: Bool = true
  ) -> Kind {
    Kind(
      name: name,
      resources: resources.split(separator: " ").map(String.init),
      versions: versions.split(separator: " ").map(String.init),
      isNamespaced: isNamespaced
    )
  }

  /// Kinds that change the network and are not modelled yet.
  private static let refused: Set<String> = [
    "Gateway", "HTTPRoute", "GRPCRoute", "TCPRoute",
    "VirtualService", "DestinationRule", "CustomResourceDefinition",
    "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration",
  ]

  /// The kind of a resource's name, such as `svc` or `deployments.apps`.
  public static func kind(ofResource text: String) -> Kind? {
    let name = text.split(separator: ".").first.map { $0.lowercased() } ?? ""
    return kinds.first { $0.resources.contains(name) || $0.name.lowercased() == name }
  }

  // MARK: Reading

  /// Reads one object of a manifest; `namespace` is where it goes if it does not say.
  public init(_ node: YAMLNode, namespace: String = "default") throws(Problem) {
    let fields = try node.fields("the object")
    let kindNode = try fields.required("kind")
    let kind = try kindNode.string("kind")
    let version = try fields.required("apiVersion").string("apiVersion")
    if Self.refused.contains(kind) {
      throw kindNode.problem("objects of kind \(kind) are not modelled")
    }
    guard let known = Self.kinds.first(where: { $0.name == kind }) else {
      throw kindNode.problem("no matches for kind \"\(kind)\" in version \"\(version)\"")
    }
    guard known.versions.contains(version) || version.contains("beta") else {
      throw (fields["apiVersion"] ?? node).problem(
        "no matches for kind \"\(kind)\" in version \"\(version)\", expected "
          + known.versions.joined(separator: " or ")
      )
    }
    var meta = try ObjectMeta(fields["metadata"])
    if meta.name.isEmpty { throw node.problem("\(kind) lacks `metadata.name'") }
    if known.isNamespaced {
      if meta.namespace.isEmpty { meta.namespace = namespace }
    } else {
      meta.namespace = ""
    }
    self.kind = kind
    apiVersion = version
    self.meta = meta
    source = KubeValue(node)
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
    if let kind = node["kind"]?.text, kind == "List" || kind.hasSuffix("List") {
      for item in try node["items"]?.sequence("items") ?? [] {
        try read(item, namespace, &objects)
      }
      return
    }
    objects.append(try KubeObject(node, namespace: namespace))
  }
}

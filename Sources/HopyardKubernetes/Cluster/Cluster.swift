public import HopyardContainers
public import HopyardSimulator
public import HopyardUserland
public import HopyardWire

/// A Kubernetes cluster on simulated machines: API server, controllers, and on each node a kubelet,
/// kube-proxy and a pod network.
///
///     let cluster = Cluster(simulation: simulation, Cluster.Options())
///     try cluster.addNode("n1", userland, uplink: card, address: address)
///     cluster.start()
///     try cluster.apply(manifestText, file: "web.yaml")
///     cluster.runUntilReady(limit: .seconds(120))
public final class Cluster {
  /// What a cluster is made with.
  public struct Options: Sendable {
    /// Its name.
    public var name = "cluster"
    /// The network of all pods.
    public var podNetwork = IPv4Prefix(IPv4Address(10, 244, 0, 0), length: 16)
    /// The length of each node's part of it.
    public var nodePrefixLength = 24
    /// The network of the Services' addresses.
    public var serviceNetwork = IPv4Prefix(IPv4Address(10, 96, 0, 0), length: 12)
    /// The address of the cluster's DNS.
    public var dnsAddress = IPv4Address(10, 96, 0, 10)
    /// The cluster's domain.
    public var domain = "cluster.local"
    /// How pods reach each other.
    public var network = PodNetworkKind.flannelVXLAN
    /// The variant of iptables that the nodes have.
    public var variant = RulesetVariant.nft
    /// Whether CoreDNS runs.
    public var hasDNS = true
    /// Addresses that a load balancer outside gives to Services, in turn.
    public var loadBalancerAddresses: [IPv4Address] = []
    /// How often kube-proxy writes its rules at most, in nanoseconds.
    public var proxyInterval: Int64 = .seconds(1)

    /// The defaults.
    public init() {}
  }

  /// The clock.
  public let simulation: Simulation
  /// What it was made with.
  public let options: Options
  /// The objects.
  public let api: APIServer
  /// The nodes, in the order in which they were added.
  public private(set) var nodes: [ClusterNode] = []
  /// What was taken for granted because no manifest says it.
  public private(set) var assumptions: [String] = []
  let proxyCompiler = ProxyCompiler()
  let allocator: ServiceAllocator
  let names: ClusterStore
  private var workloads: WorkloadControllers!
  private var scheduler: Scheduler!
  private var endpoints: EndpointSliceController!
  private var knownAssumptions: Set<String> = []
  private var nodesByName: [String: ClusterNode] = [:]
  private var isSyncScheduled = false
  private var lastSync = Instant.zero
  private var hasSynced = false
  private var dirtyServices: Set<ObjectKey> = []
  private var unready: Set<ObjectKey> = []
  private var isStarted = false

  /// Makes a cluster without nodes.
  public init(simulation: Simulation, _ options: Options = Options()) {
    self.simulation = simulation
    self.options = options
    api = APIServer(simulation: simulation)
    allocator = ServiceAllocator(options.serviceNetwork, simulation: simulation)
    allocator.balancerAddresses = options.loadBalancerAddresses
    names = ClusterStore(api)
    api.admission = { [unowned self] object, old throws(APIError) in
      try allocator.admit(&object, old)
      try admitWithoutEffect(object)
    }
    workloads = WorkloadControllers(api)
    scheduler = Scheduler(api)
    endpoints = EndpointSliceController(api)
    for kind in [
      "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "ReplicationController",
    ] {
      api.watch(kind) { [unowned self] event in note(event) }
    }
    api.watch("Service") { [unowned self] event in
      if event.new == nil, let service = event.old?.service { allocator.release(service) }
      proxyChanged(event.key)
    }
    api.watch("EndpointSlice") { [unowned self] event in
      for object in [event.old, event.new] {
        guard let slice = object?.slice else { continue }
        proxyChanged(ObjectKey("Service", event.key.namespace, slice.service))
      }
      listen(event.new)
    }
    api.watch("Pod") { [unowned self] event in
      note(event)
      let name = event.new?.pod?.spec.nodeName ?? event.old?.pod?.spec.nodeName ?? ""
      nodesByName[name]?.kubelet.podChanged(event)
    }
  }

  /// Keeps the list of what is not ready yet.
  private func note(_ event: APIServer.Event) {
    var isReady = true
    if let object = event.new {
      switch object.body {
      case .pod(let pod): isReady = pod.isReady || pod.phase == "Succeeded"
      case .workload(let workload):
        if event.key.kind == "DaemonSet" {
          isReady = workload.desiredNodes > 0 && workload.readyReplicas >= workload.desiredNodes
        } else if event.key.kind != "Job" {
          isReady = workload.readyReplicas >= workload.replicas
        }
      default: break
      }
    }
    if isReady { unready.remove(event.key) } else { unready.insert(event.key) }
  }

  // MARK: Nodes

  /// Makes a machine a node; its card has its address already.
  @discardableResult
  public func addNode(
    _ name: String,
    _ userland: Userland,
    uplink: NetworkDevice,
    address: IPv4Address,
    labels: [String: String] = [:],
    taints: [NodeObject.Taint] = []
  ) throws(CNIError) -> ClusterNode {
    let size = UInt32(1) << UInt32(32 - options.nodePrefixLength)
    let limit = 1 << (options.nodePrefixLength - options.podNetwork.length)
    guard nodes.count < limit else { throw CNIError("no part of the pod network is left") }
    let podNetwork = IPv4Prefix(
      IPv4Address(rawValue: options.podNetwork.address.rawValue &+ UInt32(nodes.count) &* size),
      length: options.nodePrefixLength
    )
    let agent = try PodNetworkAgent(
      options.network,
      on: userland.rootNamespace,
      uplink: uplink,
      address: address,
      podNetwork: podNetwork,
      cluster: options.podNetwork,
      variant: options.variant
    )
    var configuration = ProxyConfiguration()
    configuration.nodeName = name
    configuration.variant = options.variant
    configuration.zone = labels["topology.kubernetes.io/zone"]
    configuration.nodeAddresses = [.v4(address)]
    configuration.detector = .network(KubePrefix(options.podNetwork))
    let proxy = KubeProxy(configuration, in: userland.rootNamespace, proxyCompiler)
    let node = ClusterNode(
      name: name,
      userland: userland,
      uplink: uplink,
      address: address,
      podNetwork: podNetwork,
      agent: agent,
      proxy: proxy
    )
    node.kubelet = Kubelet(node, of: self)
    for other in nodes {
      other.agent.setPeer(name, peer(node))
      agent.setPeer(other.name, peer(other))
    }
    nodes.append(node)
    nodesByName[name] = node
    var state = NodeObject()
    state.podCIDR = podNetwork.description
    state.address = address.description
    state.taints = taints
    state.isReady = true
    var meta = ObjectMeta(name, labels: labels)
    for (key, value) in [
      "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
      "beta.kubernetes.io/os": "linux", "beta.kubernetes.io/arch": "amd64",
    ] where meta.labels[key] == nil { meta.labels[key] = value }
    _ = try? api.create(KubeObject("Node", "v1", meta, .node(state)))
    if isStarted { proxyDirty() }
    return node
  }

  private func peer(_ node: ClusterNode) -> PodNetworkAgent.Peer {
    PodNetworkAgent.Peer(
      address: node.address,
      podNetwork: node.podNetwork,
      tunnelMAC: node.agent.tunnelMAC
    )
  }

  /// The node of a name.
  public func node(named name: String) -> ClusterNode? { nodesByName[name] }

  // MARK: Starting

  /// Makes what every cluster has: its namespaces, the Service of the API server, and CoreDNS.
  public func start() {
    guard !isStarted else { return }
    isStarted = true
    for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
      let labels = ["kubernetes.io/metadata.name": name]
      _ = try? api.create(KubeObject("Namespace", "v1", ObjectMeta(name, labels: labels), .other))
    }
    try? apply(SystemManifests.text(self), file: "system", quietly: true)
    nodes.first?.kubelet.serveAPI()
    proxyDirty()
  }

  // MARK: Objects

  /// What `apply` did with an object.
  public enum Applied: String, Sendable {
    case created
    case configured
    case unchanged
  }

  /// Applies manifests: creates what is new and changes what is there.
  @discardableResult
  public func apply(
    _ text: String,
    file: String,
    namespace: String = "default"
  ) throws(Problem) -> [(ObjectKey, Applied)] {
    try apply(text, file: file, namespace: namespace, quietly: false)
  }

  @discardableResult
  private func apply(
    _ text: String,
    file: String,
    namespace: String = "default",
    quietly: Bool
  ) throws(Problem) -> [(ObjectKey, Applied)] {
    let objects = try Manifests.read(text, file: file, namespace: namespace)
    if !quietly { assumeNamespaces(of: objects, besides: objects) }
    var done: [(ObjectKey, Applied)] = []
    for object in objects {
      do {
        done.append((object.key, try apply(object)))
      } catch {
        throw Problem(file: file, location: object.location, message: error.description)
      }
    }
    return done
  }

  /// Makes the namespaces that manifests take for granted: those that none of them makes.
  public func assumeNamespaces(of objects: [KubeObject], besides all: [KubeObject]) {
    var known = Set(all.filter { $0.kind == "Namespace" }.map(\.meta.name))
    known.formUnion(api.list("Namespace").map(\.meta.name))
    for object in objects where KubeKind.named(object.kind)?.isNamespaced ?? false {
      let name = object.meta.namespace
      guard known.insert(name).inserted else { continue }
      let meta = ObjectMeta(name, labels: ["kubernetes.io/metadata.name": name])
      _ = try? api.create(KubeObject("Namespace", "v1", meta, .other))
      assume("assumed: namespace \(name) is there already")
    }
  }

  /// Applies one object.
  @discardableResult
  public func apply(_ object: KubeObject) throws(APIError) -> Applied {
    guard let old = api[object.key] else {
      try api.create(object)
      return .created
    }
    var object = object
    if case .workload(var new) = object.body, let known = old.workload {
      new.currentReplicas = known.currentReplicas
      new.readyReplicas = known.readyReplicas
      new.desiredNodes = known.desiredNodes
      object.body = .workload(new)
    }
    if case .pod(var new) = object.body, let known = old.pod {
      new.phase = known.phase
      new.address = known.address
      new.hostAddress = known.hostAddress
      new.readyContainers = known.readyContainers
      if new.spec.nodeName.isEmpty { new.spec.nodeName = known.spec.nodeName }
      object.body = .pod(new)
    }
    let version = old.meta.resourceVersion
    return try api.update(object).meta.resourceVersion == version ? .unchanged : .configured
  }

  /// Removes an object; a pod is given time to end, and a namespace takes along what is in it.
  public func delete(_ key: ObjectKey) throws(APIError) {
    guard let object = api[key] else { throw .notFound(key) }
    if key.kind == "Namespace" {
      for kind in KubeKind.all where kind.isNamespaced && kind.name != "Pod" {
        for inside in api.list(kind.name, namespace: key.name) { try? api.delete(inside.key) }
      }
      for pod in api.list("Pod", namespace: key.name) { try? delete(pod.key) }
    }
    if key.kind == "Pod", let pod = object.pod, !pod.spec.nodeName.isEmpty {
      api.evict(key)
      return
    }
    try api.delete(key)
  }

  func assume(_ text: String) {
    if knownAssumptions.insert(text).inserted { assumptions.append(text) }
  }

  /// Objects that a cluster takes though nobody in it acts on them.
  private func admitWithoutEffect(_ object: KubeObject) throws(APIError) {
    let space = object.meta.namespace.isEmpty ? "" : object.meta.namespace + "/"
    let name = space + object.meta.name
    if object.kind == "NetworkPolicy" {
      if options.network == .calico || options.network == .calicoIPIP {
        throw APIError("NotImplemented", "Calico's enforcement of NetworkPolicy is not modelled")
      }
      assume("assumed: nobody enforces NetworkPolicy \(name), as flannel does not")
    } else if let reason = KubeKind.withoutEffect[object.kind] {
      assume("assumed: \(reason) \(object.kind) \(name)")
    }
    guard let known = KubeKind.named(object.kind) else {
      assume(
        "assumed: objects of \(object.apiVersion) are defined, and no controller acts on "
          + "\(object.kind)/\(object.meta.name)"
      )
      return
    }
    let current = known.versions[0]
    if object.apiVersion != current, object.apiVersion.contains("beta") {
      assume("assumed: \(object.apiVersion) of \(object.kind) means what \(current) does")
    }
  }

  // MARK: Readiness

  /// Whether every pod that should run is ready and the rules are written.
  public var isReady: Bool {
    api.isSettled && unready.isEmpty && dirtyServices.isEmpty && !isSyncScheduled
  }

  /// What is not ready yet.
  public var waiting: [ObjectKey] { unready.sorted() }

  /// The pods that are not ready yet, and what is known of the reason.
  public var complaints: [String] {
    waiting.compactMap { key in
      guard key.kind == "Pod", let pod = api[key]?.pod else { return nil }
      let name = "pod \(key.namespace)/\(key.name)"
      if pod.spec.nodeName.isEmpty {
        return "\(name) is on no node: none has the labels, taints and free host ports it asks for"
      }
      return pod.phase == "Running" ? "\(name) does not pass its probes" : "\(name) does not run"
    }
  }

  /// Runs the simulation until the cluster is ready, or for so long; false if it is not.
  @discardableResult
  public func runUntilReady(limit: Int64) -> Bool {
    let end = simulation.now + limit
    while simulation.now < end {
      _ = simulation.run(until: min(end, simulation.now + .milliseconds(100)))
      if isReady { return true }
    }
    return isReady
  }

  /// Runs the simulation until the cluster is ready, or nothing becomes ready any more though all
  /// probes have had their time; false if it is not ready.
  public func runUntilSettled(limit: Int64 = .seconds(3600)) -> Bool {
    let end = simulation.now + limit
    var missing = unready
    var changed = simulation.now
    while simulation.now < end, !runUntilReady(limit: .seconds(10)) {
      if unready != missing {
        missing = unready
        changed = simulation.now
      } else if simulation.now - changed > .seconds(60 + longestProbe) {
        return false
      }
    }
    return isReady
  }

  /// How many seconds the probes of what is not ready take at most.
  private var longestProbe: Int64 {
    let times = unready.flatMap { key -> [Int64] in
      (api[key]?.pod?.spec.containers ?? []).compactMap { container in
        container.readiness.map { Int64($0.initialDelay + $0.period * ($0.successes + 1)) }
      }
    }
    return min(times.max() ?? 0, 3600)
  }

  // MARK: kube-proxy

  private func proxyChanged(_ service: ObjectKey) {
    dirtyServices.insert(service)
    proxyDirty()
  }

  private func proxyDirty() {
    guard !isSyncScheduled else { return }
    isSyncScheduled = true
    let next = hasSynced ? max(0, lastSync + options.proxyInterval - simulation.now) : 0
    simulation.schedule(after: max(next, .milliseconds(10))) { [weak self] in self?.syncProxies() }
  }

  private func syncProxies() {
    isSyncScheduled = false
    lastSync = simulation.now
    hasSynced = true
    for key in dirtyServices.sorted() {
      let prefix = "\(key.namespace)/\(key.name)"
      var wanted: Set<String> = []
      if let object = api[key] {
        let slices = names.slices(key.namespace, key.name).compactMap(\.slice)
        for service in ProxyService.ports(of: object, family: .ipv4) {
          wanted.insert(service.text)
          proxyCompiler.add(service, ProxyEndpoint.list(slices, for: service))
        }
      }
      for name in proxyNames[prefix] ?? [] where !wanted.contains(name) {
        proxyCompiler.remove(name)
      }
      proxyNames[prefix] = wanted.isEmpty ? nil : wanted
    }
    dirtyServices = []
    for node in nodes { node.proxy.sync() }
  }

  private var proxyNames: [String: Set<String>] = [:]

  /// A Service's port number that no container names is listened on all the same.
  private func listen(_ object: KubeObject?) {
    guard let object, let slice = object.slice else { return }
    for endpoint in slice.endpoints {
      guard let pod = endpoint.pod, let node = endpoint.node else { continue }
      nodesByName[node]?.kubelet.listen(
        ObjectKey("Pod", object.meta.namespace, pod),
        slice.ports,
        service: slice.service
      )
    }
  }
}

extension APIServer {
  /// Begins the end of a pod: its kubelet stops it and then takes it off the list.
  func evict(_ key: ObjectKey) {
    modify(key) { if $0.meta.deleted == nil { $0.meta.deleted = simulation.now } }
  }
}

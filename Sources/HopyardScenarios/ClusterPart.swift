import HopyardContainers
import HopyardKubernetes
import HopyardSimulator
import HopyardUserland
import HopyardWire

/// A Kubernetes cluster of a scenario.
final class ClusterPart: NetworkPart {
  let name: String
  /// The cluster.
  let cluster: Cluster
  private let description: Scenario.Cluster
  private var hasTimedOut = false

  init(_ description: Scenario.Cluster, _ scenario: Scenario, in simulation: Simulation)
    throws(Problem)
  {
    name = description.name
    self.description = description
    var options = Cluster.Options()
    options.name = description.name
    options.variant = scenario.iptables == .nft ? .nft : .legacy
    switch description.cni {
    case "flannel-host-gw": options.network = .flannelHostGateway
    case "calico": options.network = .calico
    case "calico-ipip": options.network = .calicoIPIP
    case "bridge": options.network = .bridge
    default: options.network = .flannelVXLAN
    }
    if let text = description.podCIDR { options.podNetwork = try Self.prefix(text) }
    if let text = description.serviceCIDR {
      options.serviceNetwork = try Self.prefix(text)
      options.dnsAddress = IPv4Address(rawValue: options.serviceNetwork.address.rawValue + 10)
    }
    guard options.podNetwork.length <= 24 else {
      throw (description.podCIDR?.node ?? description.node).problem(
        "`pod-cidr' is too small, expected a prefix of at most /24"
      )
    }
    cluster = Cluster(simulation: simulation, options)
  }

  private static func prefix(_ text: Scenario.Text) throws(Problem) -> IPv4Prefix {
    guard let prefix = IPv4Prefix(text.text), (8...28).contains(prefix.length) else {
      throw text.node.problem("`\(text.text)' is no network, expected one such as 10.244.0.0/16")
    }
    return prefix.network
  }

  // MARK: Building

  /// Makes the machines nodes, applies the manifests and waits until all is ready.
  func start(_ network: Network) throws(Problem) {
    for node in description.nodeNames {
      guard let endpoint = network.endpoint(node.text) else {
        throw node.node.problem("there is no machine `\(node.text)'")
      }
      let card = endpoint.namespace.devices.all.first { device in
        !device.isLoopback && !device.inet.addresses.isEmpty
      }
      guard let card, let address = card.inet.addresses.first else {
        throw node.node.problem("the node `\(node.text)' has no interface with an address")
      }
      do {
        try cluster.addNode(
          node.text,
          endpoint.userland,
          uplink: card,
          address: IPv4Address(rawValue: address.local)
        )
      } catch {
        throw node.node.problem("`\(node.text)' cannot be a node: \(error)")
      }
    }
    for machine in network.machines {
      machine.userland.attach(cluster)
      machine.userland.commands.add(KubectlCommand.command)
    }
    cluster.start()
    if let manifests = description.manifests { try apply(manifests, network.scenario.directory) }
    hasTimedOut = !cluster.runUntilSettled()
  }

  /// Applies all manifests: namespaces first, whatever the order of the files.
  private func apply(_ node: YAMLNode, _ directory: String) throws(Problem) {
    var objects: [(object: KubeObject, file: String)] = []
    try read(node, directory, &objects)
    let all = objects.map(\.object)
    cluster.assumeNamespaces(of: all, besides: all)
    let spaces = objects.filter { $0.object.kind == "Namespace" }
    for (object, file) in spaces + objects.filter({ $0.object.kind != "Namespace" }) {
      do {
        try cluster.apply(object)
      } catch {
        throw Problem(file: file, location: object.location, message: error.description)
      }
    }
  }

  private func read(
    _ node: YAMLNode,
    _ directory: String,
    _ objects: inout [(object: KubeObject, file: String)]
  ) throws(Problem) {
    if let items = node.items {
      for item in items { try read(item, directory, &objects) }
      return
    }
    guard let path = node.text else {
      objects.append((try KubeObject(node), node.file))
      return
    }
    // Text with several lines is the manifests themselves.
    if path.contains("\n") {
      objects += try Manifests.read(path, file: node.file).map { ($0, node.file) }
      return
    }
    let full = path.hasPrefix("/") ? path : directory + "/" + path
    for file in try ScenarioFiles.manifests(full, at: node) {
      objects += try Manifests.read(try ScenarioFiles.read(file), file: file).map { ($0, file) }
    }
  }

  // MARK: Places

  func endpoint(_ path: [String]) -> NetworkPlace? {
    guard let last = path.last, path.count <= 2 else { return nil }
    let found = cluster.pods.filter {
      $0.name == last && (path.count == 1 || $0.namespace == path[0])
    }
    if let pod = found.first, found.count == 1 { return make(pod) }
    // A workload's name stands for its first pod.
    return cluster.pods.first {
      $0.owner == last && (path.count == 1 || $0.namespace == path[0])
    }.map(make)
  }

  private func make(_ pod: Cluster.PodPlace) -> NetworkPlace {
    NetworkPlace(
      name: "\(name)/\(pod.namespace)/\(pod.name)",
      userland: pod.sandbox.userland,
      namespace: pod.sandbox.namespace
    ) { pod.sandbox.enter($0) }
  }

  var endpoints: [NetworkPlace] { cluster.pods.map(make) }

  var assumptions: [String] {
    cluster.assumptions.map {
      $0.hasPrefix("assumed: ") ? String($0.dropFirst("assumed: ".count)) : $0
    }
  }

  func probeTargets(
    outside: NetworkPlace?,
    limit: Int
  ) -> (first: [ProbeTarget], count: Int) {
    var first: [ProbeTarget] = []
    var count = 0
    func add(_ list: [Cluster.ProbeTarget], _ from: @autoclosure () -> NetworkPlace) {
      count += list.count
      guard first.count < limit, !list.isEmpty else { return }
      let from = from()
      first += list.prefix(limit - first.count).map {
        ProbeTarget(from: from, host: $0.host, port: $0.port, ipProtocol: $0.ipProtocol)
      }
    }
    if let outside { add(cluster.publishedTargets, outside) }
    // All pods of a namespace know the services by the same names.
    var services: [String: [Cluster.ProbeTarget]] = [:]
    for pod in cluster.pods where pod.namespace != "kube-system" {
      let list = services[pod.namespace] ?? cluster.serviceTargets(from: pod.namespace)
      services[pod.namespace] = list
      add(list, make(pod))
    }
    return (first, count)
  }

  var complaints: [String] { cluster.complaints }

  var isReady: Bool { !hasTimedOut && cluster.isReady }
}

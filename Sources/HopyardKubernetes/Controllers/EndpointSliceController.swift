import HopyardSimulator
import HopyardWire

/// Keeps for each Service the slice of its endpoints: the pods that its selector chooses, or what an
/// Endpoints object says.
final class EndpointSliceController {
  private struct Pair: Hashable {
    var namespace: String
    var key: String
    var value: String
  }

  private let api: APIServer
  private var queue: WorkQueue!
  /// Pods by each of their labels, for selectors.
  private var podsByLabel: [Pair: Set<ObjectKey>] = [:]
  /// Services by one pair of their selectors.
  private var servicesByPair: [Pair: Set<ObjectKey>] = [:]
  private var zones: [String: String] = [:]

  init(_ api: APIServer) {
    self.api = api
    queue = WorkQueue(api.simulation, delay: .milliseconds(5)) { [unowned self] in sync($0) }
    api.watch("Service") { [unowned self] event in
      if let pair = pair(of: event.old) { servicesByPair[pair]?.remove(event.key) }
      if let pair = pair(of: event.new) { servicesByPair[pair, default: []].insert(event.key) }
      queue.add(event.key)
    }
    api.watch("Pod") { [unowned self] event in
      if event.old?.meta.labels != event.new?.meta.labels {
        for pair in pairs(of: event.old) { podsByLabel[pair]?.remove(event.key) }
        for pair in pairs(of: event.new) { podsByLabel[pair, default: []].insert(event.key) }
      }
      for object in [event.old, event.new] {
        for pair in pairs(of: object) {
          for service in servicesByPair[pair] ?? [] { queue.add(service) }
        }
      }
    }
    api.watch("Endpoints") { [unowned self] event in
      mirror(event.key, event.new)
    }
    api.watch("Node") { [unowned self] event in
      zones[event.key.name] = event.new?.meta.labels["topology.kubernetes.io/zone"]
    }
  }

  private func pair(of object: KubeObject?) -> Pair? {
    guard let object, let selector = object.service?.selector,
      let first = selector.min(by: { $0.key < $1.key })
    else { return nil }
    return Pair(namespace: object.meta.namespace, key: first.key, value: first.value)
  }

  private func pairs(of object: KubeObject?) -> [Pair] {
    guard let object else { return [] }
    return object.meta.labels.map {
      Pair(namespace: object.meta.namespace, key: $0.key, value: $0.value)
    }
  }

  private func sync(_ key: ObjectKey) {
    let sliceKey = ObjectKey("EndpointSlice", key.namespace, Self.name(key.name))
    guard let object = api[key], let service = object.service, let selector = service.selector,
      !selector.isEmpty, service.type != "ExternalName"
    else {
      if api[sliceKey]?.meta.owner == key { try? api.delete(sliceKey) }
      return
    }
    guard let pair = pair(of: object) else { return }
    let wanted = LabelSelector(selector)
    let pods = (podsByLabel[pair] ?? []).sorted().compactMap { api[$0] }.filter {
      wanted.matches($0.meta.labels)
    }
    var slice = EndpointSlice()
    slice.service = key.name
    slice.ports = ports(of: service, pods)
    for object in pods {
      guard let pod = object.pod, let address = pod.address, pod.phase == "Running" else {
        continue
      }
      var endpoint = EndpointSlice.Endpoint(addresses: [address])
      let isTerminating = object.meta.deleted != nil
      let isServing = pod.isReady
      endpoint.ready = (isServing && !isTerminating) || service.publishesNotReady
      endpoint.serving = isServing
      endpoint.terminating = isTerminating
      if !pod.spec.hostname.isEmpty, pod.spec.subdomain == key.name {
        endpoint.hostname = pod.spec.hostname
      }
      endpoint.node = pod.spec.nodeName
      endpoint.zone = zones[pod.spec.nodeName] ?? ""
      endpoint.pod = object.meta.name
      slice.endpoints.append(endpoint)
    }
    write(sliceKey, slice, owner: key)
  }

  static func name(_ service: String) -> String {
    "\(service)-\(TemplateHash.text(of: service).prefix(5))"
  }

  private func ports(of service: ServiceObject, _ pods: [KubeObject]) -> [EndpointSlice.Port] {
    service.ports.map { port in
      var made = EndpointSlice.Port(name: port.name, ipProtocol: port.ipProtocol)
      switch port.target {
      case .number(let number): made.port = number
      case .name(let name):
        for pod in pods {
          let all = pod.pod?.spec.containers.flatMap(\.ports) ?? []
          if let found = all.first(where: {
            $0.name == name && $0.ipProtocol == port.ipProtocol
          }) {
            made.port = found.port
            break
          }
        }
      }
      return made
    }.filter { $0.port != nil }
  }

  private func write(_ key: ObjectKey, _ slice: EndpointSlice, owner: ObjectKey) {
    if api[key] != nil {
      api.modify(key) { $0.body = .endpointSlice(slice) }
      return
    }
    var meta = ObjectMeta(
      key.name,
      namespace: key.namespace,
      labels: [
        "kubernetes.io/service-name": owner.name,
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
      ]
    )
    meta.owner = owner
    _ = try? api.create(
      KubeObject("EndpointSlice", "discovery.k8s.io/v1", meta, .endpointSlice(slice))
    )
  }

  /// An Endpoints object that somebody wrote becomes a slice of its Service.
  private func mirror(_ key: ObjectKey, _ object: KubeObject?) {
    let sliceKey = ObjectKey("EndpointSlice", key.namespace, Self.name(key.name))
    guard let object, var slice = object.slice else {
      if api[sliceKey]?.meta.owner == key { try? api.delete(sliceKey) }
      return
    }
    if api.get("Service", key.namespace, key.name)?.service?.selector?.isEmpty == false { return }
    slice.service = key.name
    write(sliceKey, slice, owner: key)
    api.modify(sliceKey) { $0.meta.labels["kubernetes.io/service-name"] = key.name }
  }
}

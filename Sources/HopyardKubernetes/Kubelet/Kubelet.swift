import HopyardContainers
import HopyardServices
import HopyardSimulator
import HopyardUserland
import HopyardWire

/// The kubelet of one node: starts pods, asks whether they are ready, and stops them.
final class Kubelet {
  /// How long things take, in nanoseconds.
  private enum Time {
    static let sandbox: Int64 = .milliseconds(20)
    static let container: Int64 = .milliseconds(100)
    static let stop: Int64 = .milliseconds(50)
  }

  unowned let node: ClusterNode
  private unowned let cluster: Cluster
  private(set) var pods: [ObjectKey: RunningPod] = [:]
  private var sandboxCount = 0

  init(_ node: ClusterNode, of cluster: Cluster) {
    self.node = node
    self.cluster = cluster
  }

  private var simulation: Simulation { cluster.simulation }
  private var api: APIServer { cluster.api }
  /// The store that probes write to.
  var probeStore: APIServer { cluster.api }
  /// The cluster whose names CoreDNS serves.
  var dnsCluster: Cluster { cluster }

  /// Serves the API server's port on this node.
  func serveAPI() {
    let process = node.userland.makeProcess()
    process.name = "kube-apiserver"
    let server = PortServer(process, name: "kube-apiserver")
    try? server.listen(on: ServicePort(6443, .tcp, .echo))
    apiServer = server
  }

  private var apiServer: PortServer?

  // MARK: Pods

  func podChanged(_ event: APIServer.Event) {
    guard let object = event.new, let pod = object.pod, pod.spec.nodeName == node.name else {
      if let running = pods[event.key] { stop(running) }
      return
    }
    if object.meta.deleted != nil {
      guard let running = pods[event.key] else {
        try? api.delete(event.key)
        return
      }
      end(running)
      return
    }
    guard pods[event.key] == nil else { return }
    let running = RunningPod(event.key, object, pod.spec)
    pods[event.key] = running
    simulation.schedule(after: Time.sandbox) { [weak self] in self?.startSandbox(running) }
  }

  private func end(_ running: RunningPod) {
    guard !running.isEnding else { return }
    running.isEnding = true
    simulation.schedule(after: Time.stop) { [weak self] in
      guard let self else { return }
      stop(running)
      try? api.delete(running.key)
    }
  }

  private func stop(_ running: RunningPod) {
    guard pods.removeValue(forKey: running.key) != nil else { return }
    running.isStopped = true
    for container in running.containers { container.server.close() }
    running.dns?.close()
    if let request = running.request, let result = running.result {
      node.agent.plugins.delete(request, result)
    }
    running.sandbox?.remove()
  }

  // MARK: Starting

  private func startSandbox(_ running: RunningPod) {
    guard !running.isStopped else { return }
    sandboxCount += 1
    let spec = running.spec
    let hostname = spec.hostname.isEmpty ? running.key.name : spec.hostname
    let name = "\(running.key.namespace)_\(running.key.name)"
    let sandbox = Sandbox(
      name: name,
      hostname: spec.usesHostNetwork ? node.name : hostname,
      on: node.userland,
      filesDirectory: "/var/lib/kubelet/pods/\(running.uid)/etc",
      sharing: spec.usesHostNetwork ? node.namespace : nil
    )
    running.sandbox = sandbox
    var address = node.address
    if !spec.usesHostNetwork {
      var request = CNIRequest(
        containerID: running.uid.replacing("-", with: ""),
        podNamespace: running.key.namespace,
        podName: running.key.name,
        sandbox: sandbox
      )
      request.portMappings = spec.containers.flatMap(\.ports).filter { $0.hostPort != 0 }.map {
        CNIRequest.PortMapping(
          hostPort: $0.hostPort,
          containerPort: $0.port,
          ipProtocol: $0.ipProtocol,
          hostIP: $0.hostIP
        )
      }
      do {
        let result = try node.agent.plugins.add(request)
        running.request = request
        running.result = result
        address = result.address.address
      } catch {
        cluster.assume("pod \(running.key.namespace)/\(running.key.name) has no network: \(error)")
        sandbox.remove()
        running.sandbox = nil
        return
      }
    }
    writeFiles(running, sandbox, address, hostname)
    running.address = address
    let delay = Time.container * Int64(1 + spec.initContainers.count)
    simulation.schedule(after: delay) { [weak self] in self?.startContainers(running) }
  }

  private func writeFiles(
    _ running: RunningPod,
    _ sandbox: Sandbox,
    _ address: IPv4Address,
    _ hostname: String
  ) {
    let spec = running.spec
    if !spec.usesHostNetwork {
      var text = """
        # Kubernetes-managed hosts file.
        127.0.0.1\tlocalhost
        ::1\tlocalhost ip6-localhost ip6-loopback
        fe00::0\tip6-localnet
        fe00::0\tip6-mcastprefix
        fe00::1\tip6-allnodes
        fe00::2\tip6-allrouters

        """
      if spec.subdomain.isEmpty {
        text += "\(address)\t\(hostname)\n"
      } else {
        let domain = "\(spec.subdomain).\(running.key.namespace).svc.\(cluster.options.domain)"
        text += "\(address)\t\(hostname).\(domain)\t\(hostname)\n"
      }
      if !spec.hostAliases.isEmpty {
        text += "\n# Entries added by HostAliases.\n"
        for alias in spec.hostAliases {
          text += "\(alias.address)\t\(alias.names.joined(separator: "\t"))\n"
        }
      }
      sandbox.write("hosts", text)
    }
    let nodeText = (try? node.userland.files.read("/etc/resolv.conf", for: node.probeProcess)) ?? []
    let nodeResolver =
      (try? PodResolver(parsing: String(decoding: nodeText, as: UTF8.self))) ?? PodResolver()
    let resolver = try? PodResolver.of(
      namespace: running.key.namespace,
      policy: spec.dnsPolicy,
      usesHostNetwork: spec.usesHostNetwork,
      config: spec.dnsConfig,
      clusterDNS: cluster.options.hasDNS ? [cluster.options.dnsAddress.description] : [],
      clusterDomain: cluster.options.domain,
      node: nodeResolver
    )
    if let resolver { sandbox.write("resolv.conf", resolver.text) }
  }

  private func startContainers(_ running: RunningPod) {
    guard !running.isStopped, let sandbox = running.sandbox else { return }
    for spec in running.spec.containers {
      let process = sandbox.makeProcess(spec.name)
      let container = RunningContainer(
        spec,
        PortServer(process, name: running.key.name)
      )
      running.containers.append(container)
      if WellKnownServices.baseName(ofImage: spec.image) == "coredns" {
        startDNS(running, container, process)
      }
      for port in ports(of: spec) { listen(running, container, port) }
    }
    let ready = Set(running.spec.containers.filter { $0.readiness == nil }.map(\.name))
    let address = running.address?.description
    api.modify(running.key) { object in
      guard case .pod(var pod) = object.body else { return }
      pod.phase = "Running"
      pod.address = address
      pod.hostAddress = node.address.description
      pod.readyContainers = ready
      object.body = .pod(pod)
    }
    for spec in running.spec.containers where spec.readiness != nil {
      simulation.spawn { [weak self] in await self?.probe(running, spec) }
    }
  }

  /// What a container listens on: what its manifest names, else what its image is known for.
  private func ports(of spec: PodContainer) -> [ServicePort] {
    func guess(_ port: UInt16, _ ipProtocol: IPProtocol) -> ServicePort {
      ServicePort(
        port,
        ipProtocol,
        WellKnownServices.guess(port: port, ipProtocol, image: spec.image)
      )
    }
    var found = spec.ports.map { guess($0.port, $0.ipProtocol) }
    if found.isEmpty { found = WellKnownServices.ports(ofImage: spec.image) }
    var probed = spec.otherProbePorts.map { ($0, false) }
    switch spec.readiness?.action {
    case .http(_, let port, _): probed.append((port, true))
    case .tcp(let port): probed.append((port, false))
    case .exec, nil: break
    }
    for (reference, isHTTP) in probed {
      guard let number = RunningPod.number(reference, spec) else { continue }
      if let index = found.firstIndex(where: { $0.port == number && $0.ipProtocol == .tcp }) {
        if isHTTP { found[index].service = .http }
      } else {
        var port = guess(number, .tcp)
        if isHTTP { port.service = .http }
        found.append(port)
      }
    }
    return found
  }

  private func listen(_ running: RunningPod, _ container: RunningContainer, _ port: ServicePort) {
    guard running.listened.insert(RunningPod.Port(port.port, port.ipProtocol)).inserted else {
      return
    }
    do {
      try container.server.listen(on: port)
    } catch {
      cluster.assume(
        "\(running.key.namespace)/\(running.key.name) cannot listen on \(port.port): \(error)"
      )
      return
    }
    let owner = api[running.key]?.meta.owner
    cluster.assume(
      "assumed: \(running.key.namespace)/\(owner?.name ?? running.key.name) serves "
        + "\(port.service) on \(port.port)/\(port.ipProtocol)"
    )
  }

  /// Sees to it that a pod listens on the ports by which a Service leads to it.
  func listen(_ key: ObjectKey, _ ports: [EndpointSlice.Port], service: String) {
    guard let running = pods[key], let container = running.containers.first, running.dns == nil
    else { return }
    for port in ports {
      guard let number = port.port else { continue }
      let service = WellKnownServices.guess(
        port: number,
        port.ipProtocol,
        image: container.spec.image
      )
      listen(running, container, ServicePort(number, port.ipProtocol, service))
    }
  }
}

extension ClusterNode {
  /// A process that looks at the node's files.
  var probeProcess: Process {
    if let process = cachedProbeProcess { return process }
    let process = userland.makeProcess()
    process.name = "kubelet"
    cachedProbeProcess = process
    return process
  }
}

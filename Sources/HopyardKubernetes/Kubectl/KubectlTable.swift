import HopyardSimulator

/// A table as kubectl prints it: columns three spaces apart.
struct KubectlTable {
  var header: [String]
  var rows: [[String]]

  init(_ header: [String], _ rows: [[String]]) {
    self.header = header
    self.rows = rows
  }

  func text(hidesHeader: Bool = false) -> String {
    var widths = header.map { $0.count }
    if hidesHeader { widths = widths.map { _ in 0 } }
    for row in rows {
      for (index, cell) in row.enumerated() { widths[index] = max(widths[index], cell.count) }
    }
    func line(_ cells: [String]) -> String {
      var text = ""
      for (index, cell) in cells.enumerated() {
        let isLast = index == cells.count - 1
        text += cell
        if !isLast { text += String(repeating: " ", count: widths[index] - cell.count + 3) }
      }
      return text + "\n"
    }
    return (hidesHeader ? "" : line(header)) + rows.map(line).joined()
  }
}

/// Prints lists of objects as `kubectl get` does.
struct KubectlPrinter {
  private let cluster: Cluster
  private let isWide: Bool
  private let showsNamespace: Bool
  private let showsLabels: Bool
  private let hidesHeader: Bool
  private let isPrefixed: Bool

  init(_ cluster: Cluster, _ call: KubectlCall, isPrefixed: Bool) {
    self.cluster = cluster
    self.isPrefixed = isPrefixed
    isWide = call.output == "wide"
    showsNamespace = call.isAllNamespaces
    showsLabels = call.has("show-labels")
    hidesHeader = call.has("no-headers")
  }

  /// How long ago something was, as Kubernetes writes it.
  static func age(_ since: Instant, _ now: Instant) -> String {
    let seconds = max(0, (now - since) / 1_000_000_000)
    if seconds < 120 { return "\(seconds)s" }
    if seconds < 600 {
      let rest = seconds % 60
      return rest == 0 ? "\(seconds / 60)m" : "\(seconds / 60)m\(rest)s"
    }
    if seconds < 10_800 { return "\(seconds / 60)m" }
    if seconds < 28_800 {
      let rest = seconds / 60 % 60
      return rest == 0 ? "\(seconds / 3600)h" : "\(seconds / 3600)h\(rest)m"
    }
    if seconds < 172_800 { return "\(seconds / 3600)h" }
    return "\(seconds / 86_400)d"
  }

  private func age(_ object: KubeObject) -> String {
    Self.age(object.meta.created, cluster.simulation.now)
  }

  func table(_ kind: KubeKind, _ objects: [KubeObject]) -> String {
    var header = columns(kind.name)
    if showsNamespace, kind.isNamespaced { header.insert("NAMESPACE", at: 0) }
    if showsLabels { header.append("LABELS") }
    let rows = objects.map { object in
      var cells = row(object)
      if isPrefixed {
        cells[0] = "\(kind.resources[1])\(KubeKind.groupSuffix(kind.name))/\(cells[0])"
      }
      if showsNamespace, kind.isNamespaced { cells.insert(object.meta.namespace, at: 0) }
      if showsLabels {
        let text = LabelSelector(object.meta.labels).text
        cells.append(text.isEmpty ? "<none>" : text)
      }
      return cells
    }
    return KubectlTable(header, rows).text(hidesHeader: hidesHeader)
  }

  private func columns(_ kind: String) -> [String] {
    switch kind {
    case "Pod":
      ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
        + (isWide ? ["IP", "NODE", "NOMINATED NODE", "READINESS GATES"] : [])
    case "Service":
      ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"]
        + (isWide ? ["SELECTOR"] : [])
    case "Node":
      ["NAME", "STATUS", "ROLES", "AGE", "VERSION"]
        + (isWide
          ? ["INTERNAL-IP", "EXTERNAL-IP", "OS-IMAGE", "KERNEL-VERSION", "CONTAINER-RUNTIME"] : [])
    case "Deployment":
      ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
        + (isWide ? ["CONTAINERS", "IMAGES", "SELECTOR"] : [])
    case "ReplicaSet", "ReplicationController":
      ["NAME", "DESIRED", "CURRENT", "READY", "AGE"]
        + (isWide ? ["CONTAINERS", "IMAGES", "SELECTOR"] : [])
    case "StatefulSet":
      ["NAME", "READY", "AGE"] + (isWide ? ["CONTAINERS", "IMAGES"] : [])
    case "DaemonSet":
      ["NAME", "DESIRED", "CURRENT", "READY", "UP-TO-DATE", "AVAILABLE", "NODE SELECTOR", "AGE"]
        + (isWide ? ["CONTAINERS", "IMAGES", "SELECTOR"] : [])
    case "Namespace": ["NAME", "STATUS", "AGE"]
    case "Endpoints": ["NAME", "ENDPOINTS", "AGE"]
    case "EndpointSlice": ["NAME", "ADDRESSTYPE", "PORTS", "ENDPOINTS", "AGE"]
    case "ConfigMap", "Secret": ["NAME", "DATA", "AGE"]
    default: ["NAME", "AGE"]
    }
  }

  private func row(_ object: KubeObject) -> [String] {
    let name = object.meta.name
    switch object.body {
    case .pod(let pod): return podRow(object, pod)
    case .service(let service): return serviceRow(object, service)
    case .workload(let workload): return workloadRow(object, workload)
    case .node(let node): return nodeRow(object, node)
    case .endpointSlice(let slice):
      let ports = slice.ports.compactMap(\.port).map(String.init).joined(separator: ",")
      let addresses = slice.endpoints.flatMap(\.addresses).joined(separator: ",")
      if object.kind == "Endpoints" {
        return [name, Self.endpoints([slice], readyOnly: true), age(object)]
      }
      return [
        name, slice.addressType, ports.isEmpty ? "<unset>" : ports,
        addresses.isEmpty ? "<unset>" : addresses, age(object),
      ]
    case .other:
      switch object.kind {
      case "Namespace": return [name, "Active", age(object)]
      case "ConfigMap", "Secret":
        var count = 0
        if case .object(let data)? = object.source["data"] { count = data.count }
        return [name, String(count), age(object)]
      default: return [name, age(object)]
      }
    }
  }

  /// `ADDRESS:PORT,…` of slices, three at most.
  static func endpoints(_ slices: [EndpointSlice], readyOnly: Bool) -> String {
    var found: [String] = []
    for slice in slices {
      for endpoint in slice.endpoints where !readyOnly || endpoint.ready ?? true {
        for port in slice.ports {
          if let address = endpoint.addresses.first, let number = port.port {
            found.append("\(address):\(number)")
          }
        }
      }
    }
    if found.isEmpty { return "<none>" }
    let shown = found.prefix(3).joined(separator: ",")
    return found.count > 3 ? shown + " + \(found.count - 3) more..." : shown
  }

  private func podRow(_ object: KubeObject, _ pod: PodObject) -> [String] {
    let count = pod.spec.containers.count
    var status = pod.phase == "Pending" && pod.spec.nodeName != "" ? "ContainerCreating" : pod.phase
    if object.meta.deleted != nil { status = "Terminating" }
    if status == "Succeeded" { status = "Completed" }
    var cells = [
      object.meta.name, "\(pod.readyContainers.count)/\(count)", status, "0", age(object),
    ]
    if isWide {
      cells += [
        pod.address ?? "<none>", pod.spec.nodeName.isEmpty ? "<none>" : pod.spec.nodeName,
        "<none>", "<none>",
      ]
    }
    return cells
  }

  static func external(_ service: ServiceObject) -> String {
    switch service.type {
    case "ExternalName": return service.externalName
    case "LoadBalancer":
      let all = service.ingress.map(\.address) + service.externalIPs
      return all.isEmpty ? "<pending>" : all.joined(separator: ",")
    default:
      return service.externalIPs.isEmpty ? "<none>" : service.externalIPs.joined(separator: ",")
    }
  }

  private func serviceRow(_ object: KubeObject, _ service: ServiceObject) -> [String] {
    let ports = service.ports.map { port in
      "\(port.port)" + (port.nodePort == 0 ? "" : ":\(port.nodePort)")
        + "/\(KubeProtocol.text(port.ipProtocol))"
    }.joined(separator: ",")
    var cells = [
      object.meta.name, service.type, service.clusterIPs.first ?? "<none>",
      Self.external(service), ports.isEmpty ? "<none>" : ports, age(object),
    ]
    if isWide {
      let text = LabelSelector(service.selector ?? [:]).text
      cells.append(text.isEmpty ? "<none>" : text)
    }
    return cells
  }

  private func workloadRow(_ object: KubeObject, _ workload: WorkloadObject) -> [String] {
    let name = object.meta.name
    let containers = workload.template.spec.containers
    let wide = [
      containers.map(\.name).joined(separator: ","), containers.map(\.image).joined(separator: ","),
    ]
    let ready = String(workload.readyReplicas)
    let current = String(workload.currentReplicas)
    switch object.kind {
    case "Deployment":
      return [name, "\(ready)/\(workload.replicas)", current, ready, age(object)]
        + (isWide ? wide + [workload.selector.text] : [])
    case "StatefulSet":
      return [name, "\(ready)/\(workload.replicas)", age(object)] + (isWide ? wide : [])
    case "DaemonSet":
      let nodes = String(workload.desiredNodes)
      let selector = LabelSelector(workload.template.spec.nodeSelector).text
      return [
        name, nodes, current, ready, current, ready, selector.isEmpty ? "<none>" : selector,
        age(object),
      ] + (isWide ? wide + [workload.selector.text] : [])
    case "Job": return [name, age(object)]
    default:
      return [name, String(workload.replicas), current, ready, age(object)]
        + (isWide ? wide + [workload.selector.text] : [])
    }
  }

  private func nodeRow(_ object: KubeObject, _ node: NodeObject) -> [String] {
    let prefix = "node-role.kubernetes.io/"
    let roles = object.meta.labels.keys.filter { $0.hasPrefix(prefix) }.sorted()
      .map { String($0.dropFirst(prefix.count)) }.joined(separator: ",")
    var status = node.isReady ? "Ready" : "NotReady"
    if node.isUnschedulable { status += ",SchedulingDisabled" }
    var cells = [
      object.meta.name, status, roles.isEmpty ? "<none>" : roles, age(object), "v1.32.0",
    ]
    if isWide {
      cells += [
        node.address, "<none>", "Debian GNU/Linux 12 (bookworm)", "6.12.0", "containerd://2.0.0",
      ]
    }
    return cells
  }
}

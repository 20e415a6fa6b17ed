import HopyardSimulator
import HopyardWire

/// Objects as `kubectl get -o yaml` shows them.
enum KubectlObject {
  static func value(_ object: KubeObject, _ cluster: Cluster) -> KubeValue {
    var value = object.source
    if case .object = value {} else { value = .object([:]) }
    value["apiVersion"] = .string(object.apiVersion)
    value["kind"] = .string(object.kind)
    value["metadata"] = metadata(object)
    switch object.body {
    case .service(let service):
      value["spec"] = spec(service)
      value["status"] = .object(["loadBalancer": balancer(service)])
    case .pod(let pod):
      if value["spec"] == nil { value["spec"] = podSpec(pod.spec) }
      value["spec"]?["nodeName"] =
        pod.spec.nodeName.isEmpty ? nil : .string(pod.spec.nodeName)
      value["status"] = status(pod)
    case .workload(let workload):
      if value["spec"] == nil {
        value["spec"] = .object([
          "selector": .object(["matchLabels": .strings(workload.selector.labels)]),
          "template": .object([
            "metadata": .object(["labels": .strings(workload.template.labels)]),
            "spec": podSpec(workload.template.spec),
          ]),
        ])
      }
      if object.kind != "DaemonSet", object.kind != "Job" {
        value["spec"]?["replicas"] = .number(workload.replicas)
      }
      value["status"] = .object([
        "readyReplicas": .number(workload.readyReplicas),
        "replicas": .number(workload.currentReplicas),
      ])
    case .node(let node):
      value["spec"] = .object([
        "podCIDR": .string(node.podCIDR), "podCIDRs": .list([.string(node.podCIDR)]),
      ])
      value["status"] = .object([
        "addresses": .list([
          .object(["address": .string(node.address), "type": .string("InternalIP")]),
          .object(["address": .string(object.meta.name), "type": .string("Hostname")]),
        ])
      ])
    case .endpointSlice(let slice):
      if object.kind == "Endpoints" {
        value["subsets"] = .list([subset(slice)])
      } else {
        endpoints(slice, object, &value)
      }
    case .other: break
    }
    return value
  }

  private static func metadata(_ object: KubeObject) -> KubeValue {
    var meta: [String: KubeValue] = [
      "name": .string(object.meta.name), "uid": .string(object.meta.uid),
      "resourceVersion": .string(String(object.meta.resourceVersion)),
      "creationTimestamp": .string(time(object.meta.created)),
    ]
    if !object.meta.namespace.isEmpty { meta["namespace"] = .string(object.meta.namespace) }
    if !object.meta.labels.isEmpty { meta["labels"] = .strings(object.meta.labels) }
    if !object.meta.annotations.isEmpty {
      meta["annotations"] = .strings(object.meta.annotations)
    }
    if let owner = object.meta.owner {
      meta["ownerReferences"] = .list([
        .object([
          "kind": .string(owner.kind), "name": .string(owner.name), "controller": .bool(true),
        ])
      ])
    }
    return .object(meta)
  }

  /// Virtual time as a date: the run begins with the year 2024.
  private static func time(_ instant: Instant) -> String {
    let seconds = instant.nanoseconds / 1_000_000_000
    func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : String(value) }
    let day = min(31, 1 + seconds / 86_400)
    return "2024-01-\(two(day))T\(two(seconds / 3600 % 24)):\(two(seconds / 60 % 60)):"
      + "\(two(seconds % 60))Z"
  }

  private static func spec(_ service: ServiceObject) -> KubeValue {
    var spec: [String: KubeValue] = ["type": .string(service.type)]
    if let first = service.clusterIPs.first {
      spec["clusterIP"] = .string(first)
      spec["clusterIPs"] = .list(service.clusterIPs.map { .string($0) })
    }
    if !service.ports.isEmpty {
      spec["ports"] = .list(
        service.ports.map { port in
          var item: [String: KubeValue] = [
            "port": .number(Int(port.port)),
            "protocol": .string(KubeProtocol.text(port.ipProtocol)),
          ]
          if !port.name.isEmpty { item["name"] = .string(port.name) }
          if port.nodePort != 0 { item["nodePort"] = .number(Int(port.nodePort)) }
          switch port.target {
          case .number(let number): item["targetPort"] = .number(Int(number))
          case .name(let name): item["targetPort"] = .string(name)
          }
          return .object(item)
        }
      )
    }
    if let selector = service.selector { spec["selector"] = .strings(selector) }
    if !service.externalIPs.isEmpty {
      spec["externalIPs"] = .list(service.externalIPs.map { .string($0) })
    }
    if !service.externalName.isEmpty { spec["externalName"] = .string(service.externalName) }
    spec["sessionAffinity"] = .string(service.affinitySeconds == nil ? "None" : "ClientIP")
    spec["internalTrafficPolicy"] = .string(service.isInternalLocal ? "Local" : "Cluster")
    if service.type == "NodePort" || service.type == "LoadBalancer" {
      spec["externalTrafficPolicy"] = .string(service.isExternalLocal ? "Local" : "Cluster")
    }
    if service.healthCheckPort != 0 {
      spec["healthCheckNodePort"] = .number(Int(service.healthCheckPort))
    }
    return .object(spec)
  }

  private static func balancer(_ service: ServiceObject) -> KubeValue {
    guard !service.ingress.isEmpty else { return .object([:]) }
    return .object([
      "ingress": .list(
        service.ingress.map {
          .object([
            "ip": .string($0.address), "ipMode": .string($0.isProxy ? "Proxy" : "VIP"),
          ])
        }
      )
    ])
  }

  private static func podSpec(_ spec: PodSpec) -> KubeValue {
    .object([
      "containers": .list(
        spec.containers.map { container in
          .object([
            "name": .string(container.name), "image": .string(container.image),
            "ports": .list(
              container.ports.map {
                .object([
                  "containerPort": .number(Int($0.port)),
                  "protocol": .string(KubeProtocol.text($0.ipProtocol)),
                ])
              }
            ),
          ])
        }
      ),
      "dnsPolicy": .string(spec.dnsPolicy), "restartPolicy": .string(spec.restartPolicy),
    ])
  }

  private static func status(_ pod: PodObject) -> KubeValue {
    var status: [String: KubeValue] = ["phase": .string(pod.phase)]
    if let address = pod.address {
      status["podIP"] = .string(address)
      status["podIPs"] = .list([.object(["ip": .string(address)])])
    }
    if let address = pod.hostAddress { status["hostIP"] = .string(address) }
    status["conditions"] = .list([
      .object([
        "type": .string("Ready"), "status": .string(pod.isReady ? "True" : "False"),
      ])
    ])
    status["containerStatuses"] = .list(
      pod.spec.containers.map {
        .object([
          "name": .string($0.name), "image": .string($0.image),
          "ready": .bool(pod.readyContainers.contains($0.name)), "restartCount": .number(0),
        ])
      }
    )
    return .object(status)
  }

  private static func endpoints(
    _ slice: EndpointSlice,
    _ object: KubeObject,
    _ value: inout KubeValue
  ) {
    guard object.kind == "EndpointSlice" else { return }
    value["addressType"] = .string(slice.addressType)
    value["ports"] = .list(
      slice.ports.map { port in
        var item: [String: KubeValue] = [
          "name": .string(port.name), "protocol": .string(KubeProtocol.text(port.ipProtocol)),
        ]
        if let number = port.port { item["port"] = .number(Int(number)) }
        return .object(item)
      }
    )
    value["endpoints"] = .list(
      slice.endpoints.map { endpoint in
        var item: [String: KubeValue] = [
          "addresses": .list(endpoint.addresses.map { .string($0) }),
          "conditions": .object([
            "ready": .bool(endpoint.ready ?? true), "serving": .bool(endpoint.serving ?? true),
            "terminating": .bool(endpoint.terminating ?? false),
          ]),
        ]
        if let node = endpoint.node { item["nodeName"] = .string(node) }
        if !endpoint.hostname.isEmpty { item["hostname"] = .string(endpoint.hostname) }
        if let pod = endpoint.pod {
          item["targetRef"] = .object(["kind": .string("Pod"), "name": .string(pod)])
        }
        return .object(item)
      }
    )
  }
}

extension KubectlObject {
  /// The addresses and ports of an Endpoints object.
  private static func subset(_ slice: EndpointSlice) -> KubeValue {
    let addresses = slice.endpoints.filter { $0.ready ?? true }.map { endpoint -> KubeValue in
      var item: [String: KubeValue] = ["ip": .string(endpoint.addresses.first ?? "")]
      if let node = endpoint.node { item["nodeName"] = .string(node) }
      if let pod = endpoint.pod {
        item["targetRef"] = .object(["kind": .string("Pod"), "name": .string(pod)])
      }
      return .object(item)
    }
    let ports = slice.ports.map { port -> KubeValue in
      var item: [String: KubeValue] = ["protocol": .string(KubeProtocol.text(port.ipProtocol))]
      if let number = port.port { item["port"] = .number(Int(number)) }
      if !port.name.isEmpty { item["name"] = .string(port.name) }
      return .object(item)
    }
    return .object(["addresses": .list(addresses), "ports": .list(ports)])
  }

  /// The Endpoints objects of one namespace or of all: those of manifests, and those that the
  /// cluster keeps beside the slices of Services.
  static func allEndpoints(_ api: APIServer, namespace: String?) -> [KubeObject] {
    var found: [ObjectKey: KubeObject] = [:]
    let written = api.list("Endpoints", namespace: namespace)
    for object in written { found[object.key] = object }
    for object in api.list("EndpointSlice", namespace: namespace) {
      guard let slice = object.slice, !slice.service.isEmpty else { continue }
      let key = ObjectKey("Endpoints", object.meta.namespace, slice.service)
      if written.contains(where: { $0.key == key }) { continue }
      if let known = found[key], var whole = known.slice {
        whole.endpoints += slice.endpoints
        found[key]?.body = .endpointSlice(whole)
      } else {
        var meta = ObjectMeta(slice.service, namespace: object.meta.namespace)
        meta.created = object.meta.created
        found[key] = KubeObject("Endpoints", "v1", meta, .endpointSlice(slice))
      }
    }
    return found.values.sorted { $0.key < $1.key }
  }
}

/// `-o jsonpath`, in its simple forms: text, and paths of names, indices and `[*]`.
enum JSONPath {
  /// The text of a template; nil if it has a form that is not modelled.
  static func evaluate(_ template: String, _ root: KubeValue) -> String? {
    evaluate(template[...], root, root)
  }

  /// A template at an element of a range.
  private static func evaluate(_ template: Substring, _ here: KubeValue, _ root: KubeValue)
    -> String?
  {
    var result = ""
    var rest = template
    while let open = rest.firstIndex(of: "{") {
      result += unescaped(rest[..<open])
      guard let close = rest[open...].firstIndex(of: "}") else { return nil }
      let body = rest[rest.index(after: open)..<close]
      if body.hasPrefix("\"") {
        result += unescaped(body.dropFirst().dropLast())
      } else if body.hasPrefix("range ") {
        let text = rest[rest.index(after: close)...]
        guard let values = path(body.dropFirst(6), body.contains("$") ? root : here),
          let ending = end(of: text)
        else { return nil }
        for value in values {
          guard let part = evaluate(text[..<ending.start], value, root) else { return nil }
          result += part
        }
        rest = text[ending.after...]
        continue
      } else if let values = path(body, body.hasPrefix("$") ? root : here) {
        result += values.map(text).joined(separator: " ")
      } else {
        return nil
      }
      rest = rest[rest.index(after: close)...]
    }
    return result + unescaped(rest)
  }

  /// Where the range that begins before a text ends.
  private static func end(of text: Substring) -> (start: Substring.Index, after: Substring.Index)? {
    var depth = 0
    var rest = text
    while let open = rest.firstIndex(of: "{"), let close = rest[open...].firstIndex(of: "}") {
      let body = rest[rest.index(after: open)..<close]
      if body.hasPrefix("range ") { depth += 1 }
      if body == "end" {
        if depth == 0 { return (open, rest.index(after: close)) }
        depth -= 1
      }
      rest = rest[rest.index(after: close)...]
    }
    return nil
  }

  private static func unescaped(_ text: Substring) -> String {
    String(text.replacing("\\n", with: "\n").replacing("\\t", with: "\t"))
  }

  private static func path(_ text: Substring, _ root: KubeValue) -> [KubeValue]? {
    var values = [root]
    var rest = text.drop { $0 == "$" }
    while let first = rest.first {
      if first == "." {
        rest = rest.dropFirst()
        var name = ""
        while let letter = rest.first, letter != ".", letter != "[" {
          if letter == "\\" {
            rest = rest.dropFirst()
            if let next = rest.first { name.append(next) }
          } else {
            name.append(letter)
          }
          rest = rest.dropFirst()
        }
        values = values.compactMap { $0[name] }
      } else if first == "[", let close = rest.firstIndex(of: "]") {
        let index = rest[rest.index(after: rest.startIndex)..<close]
        rest = rest[rest.index(after: close)...]
        values = values.flatMap { value -> [KubeValue] in
          guard case .list(let items) = value else { return [] }
          if index == "*" { return items }
          guard let number = Int(index), items.indices.contains(number) else { return [] }
          return [items[number]]
        }
        if index != "*", Int(index) == nil { return nil }
      } else {
        return nil
      }
    }
    return values
  }

  private static func text(_ value: KubeValue) -> String {
    switch value {
    case .string(let text), .literal(let text): text
    case .number(let number): String(number)
    case .bool(let value): value ? "true" : "false"
    case .null: ""
    default: value.json()
    }
  }
}

/// `kubectl describe`.
struct KubectlDescription {
  private let cluster: Cluster

  init(_ cluster: Cluster) { self.cluster = cluster }

  func text(_ object: KubeObject) -> String {
    var lines: [(String, String)] = [("Name", object.meta.name)]
    if !object.meta.namespace.isEmpty { lines.append(("Namespace", object.meta.namespace)) }
    switch object.body {
    case .service(let service): lines += self.service(object, service)
    case .pod(let pod): lines += self.pod(object, pod)
    case .workload(let workload):
      lines += [
        ("Labels", map(object.meta.labels)), ("Selector", workload.selector.text),
        (
          "Replicas",
          "\(workload.replicas) desired | \(workload.currentReplicas) total | "
            + "\(workload.readyReplicas) available"
        ),
      ]
    case .node(let node):
      lines += [
        ("Labels", map(object.meta.labels)), ("InternalIP", node.address),
        ("PodCIDR", node.podCIDR), ("Unschedulable", String(node.isUnschedulable)),
      ]
    default: lines.append(("Labels", map(object.meta.labels)))
    }
    let width = (lines.map { $0.0.count }.max() ?? 0) + 1
    return lines.map { name, value in
      "\(name):" + String(repeating: " ", count: width - name.count + 2) + value + "\n"
    }.joined()
  }

  private func map(_ labels: [String: String]) -> String {
    labels.isEmpty ? "<none>" : LabelSelector(labels).text
  }

  private func service(_ object: KubeObject, _ service: ServiceObject) -> [(String, String)] {
    var lines = [
      ("Labels", map(object.meta.labels)), ("Annotations", map(object.meta.annotations)),
      ("Selector", map(service.selector ?? [:])), ("Type", service.type),
    ]
    if service.type == "ExternalName" {
      lines.append(("External Name", service.externalName))
    } else {
      lines += [
        ("IP", service.clusterIPs.first ?? "<none>"),
        ("IPs", service.clusterIPs.joined(separator: ",")),
      ]
    }
    let balancers = service.ingress.map { "\($0.address) (\($0.isProxy ? "Proxy" : "VIP"))" }
    if !balancers.isEmpty {
      lines.append(("LoadBalancer Ingress", balancers.joined(separator: ", ")))
    }
    if !service.externalIPs.isEmpty {
      lines.append(("External IPs", service.externalIPs.joined(separator: ",")))
    }
    let slices = cluster.names.slices(object.meta.namespace, object.meta.name).compactMap(\.slice)
    for port in service.ports {
      let name = port.name.isEmpty ? "<unset>" : port.name
      let text = KubeProtocol.text(port.ipProtocol)
      lines.append(("Port", "\(name)  \(port.port)/\(text)"))
      lines.append(("TargetPort", "\(port.target.text)/\(text)"))
      if port.nodePort != 0 { lines.append(("NodePort", "\(name)  \(port.nodePort)/\(text)")) }
      let own = slices.map { slice in
        var slice = slice
        slice.ports = slice.ports.filter { $0.name == port.name }
        return slice
      }
      lines.append(("Endpoints", KubectlPrinter.endpoints(own, readyOnly: true)))
    }
    lines.append(("Session Affinity", service.affinitySeconds == nil ? "None" : "ClientIP"))
    if service.type == "NodePort" || service.type == "LoadBalancer" {
      lines.append(("External Traffic Policy", service.isExternalLocal ? "Local" : "Cluster"))
    }
    lines.append(("Internal Traffic Policy", service.isInternalLocal ? "Local" : "Cluster"))
    return lines
  }

  private func pod(_ object: KubeObject, _ pod: PodObject) -> [(String, String)] {
    let node =
      pod.spec.nodeName.isEmpty ? "<none>" : "\(pod.spec.nodeName)/\(pod.hostAddress ?? "")"
    var lines = [
      ("Node", node), ("Labels", map(object.meta.labels)), ("Status", pod.phase),
      ("IP", pod.address ?? ""),
    ]
    if let owner = object.meta.owner {
      lines.append(("Controlled By", "\(owner.kind)/\(owner.name)"))
    }
    for container in pod.spec.containers {
      lines.append(("Container", container.name))
      lines.append(("  Image", container.image))
      let ports = container.ports.map { "\($0.port)/\(KubeProtocol.text($0.ipProtocol))" }
      lines.append(("  Ports", ports.isEmpty ? "<none>" : ports.joined(separator: ", ")))
      lines.append(("  Ready", pod.readyContainers.contains(container.name) ? "True" : "False"))
    }
    return lines
  }
}

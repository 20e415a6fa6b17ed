import HopyardContainers
import HopyardSimulator
import HopyardUserland

/// The verbs of kubectl that concern running pods.
extension KubectlVerbs {
  // MARK: exec, logs

  private static func pod(_ word: String, _ call: KubectlCall) throws(KubectlFailure)
    -> RunningPod
  {
    var name = word
    let api = call.cluster.api
    if let mark = word.firstIndex(of: "/") {
      name = String(word[word.index(after: mark)...])
      let kind = KubeKind.named(resource: String(word[..<mark]))?.name ?? "Pod"
      if kind != "Pod" {
        let selector =
          kind == "Service"
          ? api.get(kind, call.namespace, name)?.service?.selector.map { LabelSelector($0) }
          : api.get(kind, call.namespace, name)?.workload?.selector
        guard let selector else {
          throw .message(APIError.notFound(ObjectKey(kind, call.namespace, name)).description)
        }
        let found = api.list("Pod", namespace: call.namespace).first {
          selector.matches($0.meta.labels) && $0.pod?.phase == "Running"
        }
        guard let found else { throw .message("error: no pods found for \(word)") }
        name = found.meta.name
      }
    }
    let key = ObjectKey("Pod", call.namespace, name)
    guard let object = api[key], let pod = object.pod else {
      throw .message(APIError.notFound(key).description)
    }
    guard pod.phase == "Running",
      let running = call.cluster.node(named: pod.spec.nodeName)?.kubelet.pods[key]
    else {
      throw .message(
        "error: unable to upgrade connection: container not found (\"\(name)\")"
      )
    }
    return running
  }

  static func exec(_ call: KubectlCall) async throws(KubectlFailure) -> Int32 {
    guard let target = call.words.first else {
      throw .message("error: pod or type/name must be specified")
    }
    let words = call.command ?? Array(call.words.dropFirst())
    guard !words.isEmpty else {
      throw .message("error: you must specify at least one command for the container")
    }
    let running = try pod(target, call)
    guard let sandbox = running.sandbox else { throw .message("error: the pod has no sandbox") }
    let status: Int32
    do {
      // The command runs on the pod's node, whichever machine kubectl is on.
      let process = sandbox.makeProcess("exec")
      for number: Int32 in 0...2 {
        if let file = call.process.descriptor(number) { process.setDescriptor(number, file) }
      }
      process.place = call.process.place
      let child = try process.spawn(words)
      status = try await call.process.wait(for: child)
      process.end(status)
    } catch {
      throw .exit(error)
    }
    if status != 0 {
      throw .message("command terminated with exit code \(status)", status)
    }
    return 0
  }

  static func logs(_ call: KubectlCall) async throws(KubectlFailure) -> Int32 {
    guard let target = call.words.first else {
      throw .message("error: expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.")
    }
    let running = try pod(target, call)
    let names = running.spec.containers.map(\.name)
    if let wanted = call.value("c", "container"), !names.contains(wanted) {
      throw .message("error: container \(wanted) is not valid for pod \(running.key.name)")
    }
    // Modelled servers write no log.
    return 0
  }

  // MARK: expose, run

  static func expose(_ call: KubectlCall) async throws(KubectlFailure) -> Int32 {
    guard let (kind, names) = try call.targets().first, let first = names.first else {
      throw .message("error: you must provide one or more resources by argument or filename")
    }
    let api = call.cluster.api
    let key = ObjectKey(kind.name, call.namespace, first)
    guard let object = api[key] else { throw .message(APIError.notFound(key).description) }
    let selector: [String: String]
    var ports: [PodContainer.Port] = []
    switch object.body {
    case .workload(let workload):
      selector = workload.selector.labels
      ports = workload.template.spec.containers.flatMap(\.ports)
    case .pod(let pod):
      selector = object.meta.labels
      ports = pod.spec.containers.flatMap(\.ports)
    case .service(let service): selector = service.selector ?? [:]
    default: throw .message("error: cannot expose a \(kind.resources[1])")
    }
    guard !selector.isEmpty else {
      throw .message(
        "error: couldn't retrieve selectors via --selector flag or introspection"
      )
    }
    let numbers = call.value("port").map { [$0] } ?? ports.map { String($0.port) }
    guard !numbers.isEmpty else {
      throw .message(
        "error: couldn't find port via --port flag or introspection\nSee 'kubectl expose -h' for "
          + "help and examples"
      )
    }
    var text = "apiVersion: v1\nkind: Service\nmetadata:\n  name: \(call.value("name") ?? first)\n"
    text += "spec:\n  type: \(call.value("type") ?? "ClusterIP")\n  selector:\n"
    for (name, value) in selector.sorted(by: { $0.key < $1.key }) {
      text += "    \(KubeValue.quoted(name)): \(KubeValue.quoted(value))\n"
    }
    if let address = call.value("cluster-ip") { text += "  clusterIP: \(address)\n" }
    if let address = call.value("external-ip") { text += "  externalIPs: [\(address)]\n" }
    text += "  ports:\n"
    for (index, number) in numbers.enumerated() {
      text += "  - port: \(number)\n    targetPort: \(call.value("target-port") ?? number)\n"
      if numbers.count > 1 { text += "    name: port-\(index + 1)\n" }
      if let name = call.value("protocol") { text += "    protocol: \(name)\n" }
    }
    return try await applyText(text, call, verb: "exposed", creates: true)
  }

  static func runPod(_ call: KubectlCall) async throws(KubectlFailure) -> Int32 {
    guard let name = call.words.first else { throw .message("error: NAME is required for run") }
    guard let image = call.value("image") else { throw .message("error: --image is required") }
    var text = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: \(name)\n  labels:\n"
    let labels =
      call.value("labels").map { $0.split(separator: ",").map(String.init) } ?? ["run=\(name)"]
    for label in labels {
      let parts = label.split(separator: "=", maxSplits: 1)
      text += "    \(parts[0]): \(KubeValue.quoted(parts.count > 1 ? String(parts[1]) : ""))\n"
    }
    text += "spec:\n  restartPolicy: \(call.value("restart") ?? "Always")\n  containers:\n"
    text += "  - name: \(name)\n    image: \(KubeValue.quoted(image))\n"
    if let port = call.value("port") { text += "    ports: [{containerPort: \(port)}]\n" }
    let isInteractive = call.has("i", "it", "stdin", "attach") || call.has("rm")
    guard isInteractive, let command = call.command ?? shellWords(call) else {
      return try await applyText(text, call, verb: "created", creates: true)
    }
    // A pod that runs one command and goes: `kubectl run -it --rm … -- COMMAND`.
    let objects: [KubeObject]
    do {
      objects = try Manifests.read(text, file: "-", namespace: call.namespace)
      for object in objects { try call.cluster.api.create(object) }
    } catch {
      throw .message("\(error)")
    }
    let key = ObjectKey("Pod", call.namespace, name)
    let limit = call.process.simulation.now + .seconds(60)
    while call.cluster.api[key]?.pod?.phase != "Running" {
      guard call.process.simulation.now < limit else {
        throw .message("error: timed out waiting for the condition")
      }
      try await sleep(call, .milliseconds(20))
    }
    var inner = call
    inner.words = [name]
    inner.command = command
    var status: Int32 = 0
    do {
      status = try await exec(inner)
    } catch {
      guard case .message(_, let code) = error else { throw error }
      status = code
    }
    if call.has("rm") {
      try? call.cluster.delete(key)
      try await print(call, "pod \"\(name)\" deleted from \(call.namespace) namespace\n")
    }
    return status
  }

  private static func shellWords(_ call: KubectlCall) -> [String]? {
    let rest = Array(call.words.dropFirst())
    return rest.isEmpty ? nil : rest
  }

  // MARK: rollout, wait

  static func wait(_ call: KubectlCall, verb: String) async throws(KubectlFailure) -> Int32 {
    var call = call
    if verb == "rollout" {
      guard call.words.first == "status" else {
        throw .exit(.refused("kubectl rollout \(call.words.first ?? "") is not modelled"))
      }
      call.words.removeFirst()
    }
    let seconds = Int64(call.value("timeout")?.filter(\.isNumber) ?? "") ?? 30
    let limit = call.process.simulation.now + .seconds(verb == "rollout" ? 600 : seconds)
    for (kind, names) in try call.targets() {
      let keys = try objects(kind, names, call).map(\.key)
      if keys.isEmpty { throw .message("error: no matching resources found") }
      for key in keys {
        while !isDone(key, call) {
          guard call.process.simulation.now < limit else {
            throw .message(
              "error: timed out waiting for the condition on \(kind.resources[0])/\(key.name)"
            )
          }
          try await sleep(call, .milliseconds(50))
        }
        let name = "\(kind.resources[1])\(KubeKind.groupSuffix(kind.name))/\(key.name)"
        try await print(
          call,
          verb == "wait"
            ? "\(name) condition met\n"
            : "\(kind.resources[1]) \"\(key.name)\" successfully rolled out\n"
        )
      }
    }
    return 0
  }

  private static func isDone(_ key: ObjectKey, _ call: KubectlCall) -> Bool {
    if call.value("for") == "delete" { return call.cluster.api[key] == nil }
    guard let object = call.cluster.api[key] else { return false }
    switch object.body {
    case .pod(let pod): return pod.isReady
    case .workload(let workload):
      return workload.readyReplicas
        >= (key.kind == "DaemonSet" ? workload.desiredNodes : workload.replicas)
    default: return true
    }
  }
}

import HopyardContainers
import HopyardSimulator
import HopyardUserland
import HopyardWire

/// What each verb of kubectl does.
enum KubectlVerbs {
  static func run(_ verb: String, _ call: KubectlCall) async throws(KubectlFailure) -> Int32 {
    switch verb {
    case "get": return try await get(call)
    case "describe": return try await describe(call)
    case "apply", "create": return try await apply(call, verb: verb)
    case "delete": return try await delete(call)
    case "scale": return try await scale(call)
    case "exec": return try await exec(call)
    case "logs": return try await logs(call)
    case "expose": return try await expose(call)
    case "run": return try await runPod(call)
    case "rollout", "wait": return try await wait(call, verb: verb)
    case "label", "annotate": return try await label(call, verb: verb)
    case "cordon", "uncordon": return try await cordon(call, verb == "cordon")
    case "version":
      try await print(call, "Client Version: v1.32.0\nServer Version: v1.32.0\n")
      return 0
    case "cluster-info":
      let address = call.cluster.nodes.first?.address.description ?? "?"
      try await print(call, "Kubernetes control plane is running at https://\(address):6443\n")
      return 0
    case "api-resources":
      try await print(call, apiResources())
      return 0
    default:
      throw .exit(.refused("kubectl \(verb) is not modelled"))
    }
  }

  static func print(_ call: KubectlCall, _ text: String) async throws(KubectlFailure) {
    do {
      try await call.process.print(text)
    } catch {
      throw .exit(error)
    }
  }

  private static func apiResources() -> String {
    KubectlTable(
      ["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"],
      KubeKind.all.sorted { $0.resources[0] < $1.resources[0] }.map {
        [
          $0.resources[0], $0.resources.dropFirst(2).joined(separator: ","), $0.versions[0],
          String($0.isNamespaced), $0.name,
        ]
      }
    ).text()
  }

  // MARK: get

  static func objects(
    _ kind: KubeKind,
    _ names: [String],
    _ call: KubectlCall
  ) throws(KubectlFailure) -> [KubeObject] {
    let api = call.cluster.api
    let namespace = kind.isNamespaced ? call.namespace : ""
    let place = call.isAllNamespaces ? nil : namespace
    func all() -> [KubeObject] {
      kind.name == "Endpoints"
        ? KubectlObject.allEndpoints(api, namespace: place) : api.list(kind.name, namespace: place)
    }
    if names.isEmpty {
      let selector = try call.selector()
      return all().filter {
        selector?.matches($0.meta.labels) ?? true
      }
    }
    var found: [KubeObject] = []
    for name in names {
      let key = ObjectKey(kind.name, namespace, name)
      let object = api[key] ?? (kind.name == "Endpoints" ? all().first { $0.key == key } : nil)
      guard let object else {
        if call.has("ignore-not-found") { continue }
        throw .message(APIError.notFound(key).description)
      }
      found.append(object)
    }
    return found
  }

  private static func get(_ call: KubectlCall) async throws(KubectlFailure) -> Int32 {
    let targets = try call.targets()
    var all: [KubeObject] = []
    var tables: [String] = []
    for (kind, names) in targets {
      let found = try objects(kind, names, call)
      all += found
      if !found.isEmpty {
        tables.append(
          KubectlPrinter(call.cluster, call, isPrefixed: targets.count > 1).table(kind, found)
        )
      }
    }
    let isSingle = targets.count == 1 && targets[0].names.count == 1
    switch call.output {
    case "yaml", "json":
      let values = all.map { KubectlObject.value($0, call.cluster) }
      let value =
        isSingle && values.count == 1
        ? values[0]
        : KubeValue.object([
          "apiVersion": .string("v1"), "items": .list(values), "kind": .string("List"),
          "metadata": .object(["resourceVersion": .string("")]),
        ])
      try await print(call, call.output == "yaml" ? value.yaml() : value.json() + "\n")
      return 0
    case "name":
      let names = all.map { object in
        let kind = KubeKind.named(object.kind)?.resources[1] ?? object.kind
        return "\(kind)\(KubeKind.groupSuffix(object.kind))/\(object.meta.name)\n"
      }
      try await print(call, names.joined())
      return 0
    case let form where form.hasPrefix("jsonpath="):
      let path = String(form.dropFirst(9))
      let values = all.map { KubectlObject.value($0, call.cluster) }
      let root =
        isSingle && values.count == 1 ? values[0] : .object(["items": .list(values)])
      guard let text = JSONPath.evaluate(path, root) else {
        throw .exit(.refused("the jsonpath template \(path) is not modelled"))
      }
      try await print(call, text)
      return 0
    case "", "wide": break
    case let form:
      throw .message("error: unable to match a printer suitable for the output format \"\(form)\"")
    }
    if all.isEmpty {
      if call.has("ignore-not-found") { return 0 }
      let isNamespaced = targets.contains { $0.kind.isNamespaced }
      let text =
        call.isAllNamespaces || !isNamespaced
        ? "No resources found\n" : "No resources found in \(call.namespace) namespace.\n"
      do {
        try await call.process.printError(text)
      } catch {
        throw .exit(error)
      }
      return 0
    }
    try await print(call, tables.joined(separator: "\n"))
    return 0
  }

  private static func describe(_ call: KubectlCall) async throws(KubectlFailure) -> Int32 {
    var parts: [String] = []
    for (kind, names) in try call.targets() {
      for object in try objects(kind, names, call) {
        parts.append(KubectlDescription(call.cluster).text(object))
      }
    }
    try await print(call, parts.joined(separator: "\n\n"))
    return 0
  }

  // MARK: apply, delete

  private static func apply(_ call: KubectlCall, verb: String) async throws(KubectlFailure)
    -> Int32
  {
    let files = call.all("f", "filename")
    if files.isEmpty, verb == "create" { return try await create(call) }
    guard !files.isEmpty else { throw .message("error: must specify one of -f and -k") }
    var status: Int32 = 0
    for object in try await read(files, call) {
      let kind = KubeKind.named(object.kind)?.resources[1] ?? object.kind
      let name = "\(kind)\(KubeKind.groupSuffix(object.kind))/\(object.meta.name)"
      do {
        if verb == "create" {
          try call.cluster.api.create(object)
          try await print(call, "\(name) created\n")
        } else {
          let done = try call.cluster.apply(object)
          try await print(call, "\(name) \(done.rawValue)\n")
        }
      } catch let error as APIError {
        do {
          try await call.process.printError(error.description + "\n")
        } catch {
          throw .exit(error)
        }
        status = 1
      } catch let failure as KubectlFailure {
        throw failure
      } catch {
        status = 1
      }
    }
    return status
  }

  private static func read(_ files: [String], _ call: KubectlCall) async throws(KubectlFailure)
    -> [KubeObject]
  {
    var objects: [KubeObject] = []
    for file in files {
      var bytes: [UInt8] = []
      do {
        bytes = file == "-" ? try await call.process.readAll() : try call.process.contents(of: file)
      } catch let exit as ProcessExit {
        throw .exit(exit)
      } catch {
        throw .message("error: the path \"\(file)\" does not exist")
      }
      do {
        objects += try Manifests.read(
          String(decoding: bytes, as: UTF8.self),
          file: file,
          namespace: call.namespace
        )
      } catch {
        throw .message("error: error parsing \(error)")
      }
    }
    return objects
  }

  private static func create(_ call: KubectlCall) async throws(KubectlFailure) -> Int32 {
    guard call.words.count >= 2, let kind = KubeKind.named(resource: call.words[0]) else {
      throw .message("error: must specify one of -f and -k")
    }
    let name = call.words[1]
    var text: String
    switch kind.name {
    case "Namespace": text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: \(name)}\n"
    case "Deployment":
      let image = call.value("image") ?? ""
      guard !image.isEmpty else { throw .message("error: required flag(s) \"image\" not set") }
      text = """
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: \(name), labels: {app: \(name)}}
        spec:
          replicas: \(call.value("replicas") ?? "1")
          selector: {matchLabels: {app: \(name)}}
          template:
            metadata: {labels: {app: \(name)}}
            spec:
              containers:
              - name: \(image.split(separator: "/").last?.split(separator: ":").first ?? "app")
                image: "\(image)"

        """
      if let port = call.value("port") { text += "        ports: [{containerPort: \(port)}]\n" }
    default: throw .exit(.refused("kubectl create \(call.words[0]) is not modelled"))
    }
    return try await applyText(text, call, verb: "created", creates: true)
  }

  static func applyText(
    _ text: String,
    _ call: KubectlCall,
    verb: String,
    creates: Bool
  ) async throws(KubectlFailure) -> Int32 {
    let objects: [KubeObject]
    do {
      objects = try Manifests.read(text, file: "-", namespace: call.namespace)
    } catch {
      throw .message("error: \(error)")
    }
    for object in objects {
      do {
        try call.cluster.api.create(object)
      } catch {
        throw .message(error.description)
      }
      let kind = KubeKind.named(object.kind)?.resources[1] ?? object.kind
      try await print(
        call,
        "\(kind)\(KubeKind.groupSuffix(object.kind))/\(object.meta.name) \(verb)\n"
      )
    }
    return 0
  }

  private static func delete(_ call: KubectlCall) async throws(KubectlFailure) -> Int32 {
    var keys: [ObjectKey] = []
    let files = call.all("f", "filename")
    if !files.isEmpty {
      for object in try await read(files, call) {
        guard call.cluster.api[object.key] != nil else {
          if call.has("ignore-not-found") { continue }
          throw .message(APIError.notFound(object.key).description)
        }
        keys.append(object.key)
      }
    } else {
      for (kind, names) in try call.targets() {
        if names.isEmpty, !call.has("all"), call.value("l", "selector") == nil {
          throw .message(
            "error: resource(s) were provided, but no name was specified"
          )
        }
        keys += try objects(kind, names, call).map(\.key)
      }
    }
    for key in keys {
      let kind = KubeKind.named(key.kind)?.resources[1] ?? key.kind
      let suffix = key.namespace.isEmpty ? "" : " from \(key.namespace) namespace"
      do {
        try call.cluster.delete(key)
      } catch {
        throw .message(error.description)
      }
      try await print(
        call,
        "\(kind)\(KubeKind.groupSuffix(key.kind)) \"\(key.name)\" deleted\(suffix)\n"
      )
    }
    // kubectl waits until the objects are gone.
    if call.value("wait") != "false" {
      for key in keys {
        let limit = call.process.simulation.now + .seconds(60)
        while call.cluster.api[key] != nil, call.process.simulation.now < limit {
          try await sleep(call, .milliseconds(10))
        }
      }
    }
    return 0
  }

  static func sleep(_ call: KubectlCall, _ nanoseconds: Int64) async throws(KubectlFailure) {
    do {
      try await call.process.sleep(nanoseconds: nanoseconds)
    } catch {
      throw .exit(error)
    }
  }

  // MARK: scale, label, cordon

  private static func scale(_ call: KubectlCall) async throws(KubectlFailure) -> Int32 {
    guard let count = call.value("replicas").flatMap(Int.init), count >= 0 else {
      throw .message("error: required flag(s) \"replicas\" not set")
    }
    for (kind, names) in try call.targets() {
      for object in try objects(kind, names, call) {
        guard object.workload != nil, kind.name != "DaemonSet" else {
          throw .message("error: cannot scale a \(kind.resources[1])")
        }
        call.cluster.api.modify(object.key) { object in
          guard case .workload(var workload) = object.body else { return }
          workload.replicas = count
          object.body = .workload(workload)
          object.source["spec"]?["replicas"] = .number(count)
        }
        try await print(
          call,
          "\(kind.resources[1])\(KubeKind.groupSuffix(kind.name))/\(object.meta.name) scaled\n"
        )
      }
    }
    return 0
  }

  private static func label(_ call: KubectlCall, verb: String) async throws(KubectlFailure)
    -> Int32
  {
    var call = call
    let changes = call.words.filter { $0.contains("=") || $0.hasSuffix("-") }
    call.words.removeAll { changes.contains($0) }
    for (kind, names) in try call.targets() {
      for object in try objects(kind, names, call) {
        call.cluster.api.modify(object.key) { object in
          for change in changes {
            let parts = change.split(separator: "=", maxSplits: 1).map(String.init)
            let key = change.hasSuffix("-") ? String(change.dropLast()) : parts[0]
            let value: String? =
              change.hasSuffix("-") ? nil : (parts.count > 1 ? parts[1] : "")
            if verb == "label" {
              object.meta.labels[key] = value
            } else {
              object.meta.annotations[key] = value
            }
          }
        }
        let done = verb == "label" ? "labeled" : "annotated"
        try await print(
          call,
          "\(kind.resources[1])\(KubeKind.groupSuffix(kind.name))/\(object.meta.name) \(done)\n"
        )
      }
    }
    return 0
  }

  private static func cordon(_ call: KubectlCall, _ on: Bool) async throws(KubectlFailure) -> Int32
  {
    guard let name = call.words.first else { throw .message("error: node name is required") }
    let key = ObjectKey("Node", "", name)
    guard call.cluster.api[key] != nil else { throw .message(APIError.notFound(key).description) }
    call.cluster.api.modify(key) { object in
      guard case .node(var node) = object.body else { return }
      node.isUnschedulable = on
      object.body = .node(node)
    }
    try await print(call, "node/\(name) \(on ? "cordoned" : "uncordoned")\n")
    return 0
  }
}

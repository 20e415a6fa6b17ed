import HopyardSimulator

/// The controllers of Deployments, ReplicaSets, StatefulSets, DaemonSets and Jobs.
final class WorkloadControllers {
  private let api: APIServer
  private var random: RandomSource
  private var queue: WorkQueue!
  /// The pods that each workload made.
  private var owned: [ObjectKey: Set<ObjectKey>] = [:]
  /// The ReplicaSets of each Deployment.
  private var sets: [ObjectKey: Set<ObjectKey>] = [:]

  init(_ api: APIServer) {
    self.api = api
    random = api.simulation.randomSource("pod-names")
    queue = WorkQueue(api.simulation, delay: .milliseconds(2)) { [unowned self] in sync($0) }
    for kind in [
      "Deployment", "ReplicaSet", "ReplicationController", "StatefulSet", "DaemonSet", "Job",
    ] {
      api.watch(kind) { [unowned self] event in
        queue.add(event.key)
        if kind == "ReplicaSet", let owner = (event.new ?? event.old)?.meta.owner {
          if event.new == nil {
            sets[owner]?.remove(event.key)
          } else {
            sets[owner, default: []].insert(event.key)
          }
          queue.add(owner)
        }
      }
    }
    api.watch("Pod") { [unowned self] event in
      guard let owner = (event.new ?? event.old)?.meta.owner else { return }
      if event.new == nil {
        owned[owner]?.remove(event.key)
      } else {
        owned[owner, default: []].insert(event.key)
      }
      queue.add(owner)
    }
    api.watch("Node") { [unowned self] event in
      guard event.old == nil || event.new == nil || event.old?.node != event.new?.node else {
        return
      }
      for set in api.list("DaemonSet") { queue.add(set.key) }
    }
  }

  private func sync(_ key: ObjectKey) {
    guard let object = api[key], let workload = object.workload else {
      collect(key)
      return
    }
    switch key.kind {
    case "Deployment": syncDeployment(object, workload)
    case "StatefulSet": syncStatefulSet(object, workload)
    case "DaemonSet": syncDaemonSet(object, workload)
    default: syncReplicas(object, workload)
    }
  }

  /// What a workload made goes with it.
  private func collect(_ key: ObjectKey) {
    for pod in (owned[key] ?? []).sorted() { remove(pod) }
    owned[key] = nil
    for set in (sets[key] ?? []).sorted() { try? api.delete(set) }
    sets[key] = nil
  }

  private func pods(of key: ObjectKey) -> [KubeObject] {
    (owned[key] ?? []).sorted().compactMap { api[$0] }.filter { $0.meta.deleted == nil }
  }

  /// A pod that has a node is ended by its kubelet; another one just goes.
  private func remove(_ key: ObjectKey) {
    guard let pod = api[key]?.pod else { return }
    if pod.spec.nodeName.isEmpty { try? api.delete(key) } else { api.evict(key) }
  }

  private func report(_ key: ObjectKey, _ current: Int, _ ready: Int, nodes: Int = 0) {
    api.modify(key) { object in
      guard case .workload(var workload) = object.body else { return }
      workload.currentReplicas = current
      workload.readyReplicas = ready
      workload.desiredNodes = nodes
      object.body = .workload(workload)
    }
  }

  // MARK: Deployment

  private func syncDeployment(_ object: KubeObject, _ workload: WorkloadObject) {
    let hash = workload.template.hash
    let name = "\(object.meta.name)-\(hash)"
    let key = ObjectKey("ReplicaSet", object.meta.namespace, name)
    if api[key] == nil {
      var template = workload.template
      template.labels["pod-template-hash"] = hash
      var selector = workload.selector
      selector.labels["pod-template-hash"] = hash
      var meta = ObjectMeta(name, namespace: object.meta.namespace, labels: template.labels)
      meta.owner = object.key
      let set = WorkloadObject(
        replicas: workload.replicas,
        selector: selector,
        template: template
      )
      _ = try? api.create(KubeObject("ReplicaSet", "apps/v1", meta, .workload(set)))
    } else {
      scale(key, to: workload.replicas)
    }
    var current = 0
    var ready = 0
    for set in (sets[object.key] ?? []).sorted().compactMap({ api[$0] }) {
      // An older template's pods go once the new ones are ready.
      let isNew = set.meta.name == name
      if !isNew, api[key]?.workload?.readyReplicas ?? 0 >= workload.replicas {
        scale(set.key, to: 0)
      }
      current += set.workload?.currentReplicas ?? 0
      ready += set.workload?.readyReplicas ?? 0
    }
    report(object.key, current, ready)
  }

  private func scale(_ key: ObjectKey, to count: Int) {
    api.modify(key) { object in
      guard case .workload(var workload) = object.body else { return }
      workload.replicas = count
      object.body = .workload(workload)
    }
  }

  // MARK: ReplicaSet and the like

  private func syncReplicas(_ object: KubeObject, _ workload: WorkloadObject) {
    let mine = pods(of: object.key)
    if mine.count < workload.replicas {
      for _ in mine.count..<workload.replicas { makePod(object, workload, name: nil) }
    } else if mine.count > workload.replicas {
      // Pods that are not ready go first, then the newest.
      let order = mine.sorted {
        let left = $0.pod?.isReady ?? false
        let right = $1.pod?.isReady ?? false
        if left != right { return !left }
        return ($0.meta.created.nanoseconds, $0.meta.name)
          > ($1.meta.created.nanoseconds, $1.meta.name)
      }
      for pod in order.prefix(mine.count - workload.replicas) { remove(pod.key) }
    }
    report(object.key, mine.count, mine.count { $0.pod?.isReady ?? false })
  }

  private func makePod(
    _ object: KubeObject,
    _ workload: WorkloadObject,
    name: String?,
    _ change: (inout KubeObject, inout PodSpec) -> Void = { _, _ in }
  ) {
    var meta = ObjectMeta(
      name ?? "\(object.meta.name)-\(suffix())",
      namespace: object.meta.namespace,
      labels: workload.template.labels
    )
    meta.annotations = workload.template.annotations
    meta.owner = object.key
    if object.kind == "Job" {
      meta.labels["job-name"] = object.meta.name
      meta.labels["batch.kubernetes.io/job-name"] = object.meta.name
    }
    var spec = workload.template.spec
    var pod = KubeObject("Pod", "v1", meta, .other)
    change(&pod, &spec)
    pod.body = .pod(PodObject(spec))
    if (try? api.create(pod)) != nil { owned[object.key, default: []].insert(pod.key) }
  }

  private func suffix() -> String {
    String((0..<5).map { _ in TemplateHash.letters[Int(random.below(27))] })
  }

  // MARK: StatefulSet

  private func syncStatefulSet(_ object: KubeObject, _ workload: WorkloadObject) {
    let mine = pods(of: object.key)
    for index in 0..<workload.replicas {
      let name = "\(object.meta.name)-\(index)"
      let key = ObjectKey("Pod", object.meta.namespace, name)
      if let pod = api[key] {
        if !workload.isParallel, !(pod.pod?.isReady ?? false) { break }
        continue
      }
      makePod(object, workload, name: name) { pod, spec in
        pod.meta.labels["statefulset.kubernetes.io/pod-name"] = name
        pod.meta.labels["apps.kubernetes.io/pod-index"] = String(index)
        spec.hostname = name
        spec.subdomain = workload.serviceName
      }
      if !workload.isParallel { break }
    }
    let extra = mine.filter { pod in
      guard let index = Int(pod.meta.name.dropFirst(object.meta.name.count + 1)) else {
        return false
      }
      return index >= workload.replicas
    }.sorted {
      Int($0.meta.name.dropFirst(object.meta.name.count + 1)) ?? 0
        > Int($1.meta.name.dropFirst(object.meta.name.count + 1)) ?? 0
    }
    if let last = extra.first { remove(last.key) }
    report(object.key, mine.count, mine.count { $0.pod?.isReady ?? false })
  }

  // MARK: DaemonSet

  private func syncDaemonSet(_ object: KubeObject, _ workload: WorkloadObject) {
    var byNode: [String: KubeObject] = [:]
    for pod in pods(of: object.key) { byNode[pod.pod?.spec.nodeName ?? ""] = pod }
    var wanted = 0
    for node in api.list("Node") {
      guard let state = node.node else { continue }
      var spec = workload.template.spec
      // What keeps ordinary pods away does not keep a daemon away.
      spec.tolerations += ["not-ready", "unreachable", "unschedulable"].map {
        PodSpec.Toleration(key: "node.kubernetes.io/\($0)", isExists: true)
      }
      guard Scheduler.accepts(node, state, spec) else { continue }
      wanted += 1
      if byNode[node.meta.name] != nil { continue }
      makePod(object, workload, name: nil) { _, spec in spec.nodeName = node.meta.name }
    }
    report(
      object.key,
      byNode.count,
      byNode.values.count { $0.pod?.isReady ?? false },
      nodes: wanted
    )
  }
}

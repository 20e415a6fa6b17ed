import HopyardSimulator
import HopyardWire

/// Gives pods to nodes: those that may take them, the one with the fewest first.
final class Scheduler {
  private struct PortUse: Hashable {
    var node: String
    var port: UInt16
    var ipProtocol: UInt8
    var address: String
  }

  private let api: APIServer
  private var queue: WorkQueue!
  private var load: [String: Int] = [:]
  private var placed: [ObjectKey: String] = [:]
  private var ports: [PortUse: ObjectKey] = [:]
  private var waiting: Set<ObjectKey> = []
  private var nodes: [KubeObject] = []

  init(_ api: APIServer) {
    self.api = api
    queue = WorkQueue(api.simulation, delay: .milliseconds(3)) { [unowned self] in schedule($0) }
    api.watch("Pod") { [unowned self] event in
      guard let pod = event.new?.pod else { return forget(event.key) }
      if !pod.spec.nodeName.isEmpty {
        place(event.key, pod.spec, on: pod.spec.nodeName)
      } else if event.old == nil {
        queue.add(event.key)
      }
    }
    api.watch("Node") { [unowned self] _ in
      nodes = api.list("Node")
      retry()
    }
  }

  private func place(_ key: ObjectKey, _ spec: PodSpec, on node: String) {
    guard placed[key] == nil else { return }
    placed[key] = node
    load[node, default: 0] += 1
    for use in uses(spec, node) { ports[use] = key }
  }

  private func forget(_ key: ObjectKey) {
    waiting.remove(key)
    guard let node = placed.removeValue(forKey: key) else { return }
    load[node, default: 1] -= 1
    ports = ports.filter { $0.value != key }
    retry()
  }

  private func retry() {
    for key in waiting.sorted() { queue.add(key) }
  }

  private func uses(_ spec: PodSpec, _ node: String) -> [PortUse] {
    spec.containers.flatMap(\.ports).compactMap { port in
      let number = port.hostPort != 0 ? port.hostPort : spec.usesHostNetwork ? port.port : 0
      guard number != 0 else { return nil }
      return PortUse(
        node: node,
        port: number,
        ipProtocol: port.ipProtocol.rawValue,
        address: port.hostIP
      )
    }
  }

  private func schedule(_ key: ObjectKey) {
    guard let object = api[key], let pod = object.pod, pod.spec.nodeName.isEmpty else { return }
    var best: (name: String, load: Int)?
    for node in nodes {
      guard let state = node.node, !state.isUnschedulable, Self.accepts(node, state, pod.spec),
        uses(pod.spec, node.meta.name).allSatisfy({ ports[$0] == nil })
      else { continue }
      let count = load[node.meta.name] ?? 0
      if best == nil || count < best?.load ?? 0 { best = (node.meta.name, count) }
    }
    guard let best else {
      waiting.insert(key)
      api.modify(key) { object in
        guard case .pod(var pod) = object.body else { return }
        pod.waitingReason = "Unschedulable"
        object.body = .pod(pod)
      }
      return
    }
    waiting.remove(key)
    place(key, pod.spec, on: best.name)
    api.modify(key) { object in
      guard case .pod(var pod) = object.body else { return }
      pod.waitingReason = ""
      pod.spec.nodeName = best.name
      object.body = .pod(pod)
    }
  }

  /// Whether a node's labels and taints let a pod on it.
  static func accepts(_ node: KubeObject, _ state: NodeObject, _ spec: PodSpec) -> Bool {
    for (key, value) in spec.nodeSelector where node.meta.labels[key] != value { return false }
    if !spec.nodeAffinity.isEmpty,
      !spec.nodeAffinity.contains(where: { $0.matches(node.meta.labels) })
    {
      return false
    }
    return state.taints.allSatisfy { taint in
      taint.effect == "PreferNoSchedule"
        || spec.tolerations.contains { toleration in
          if let effect = toleration.effect, effect != taint.effect { return false }
          guard let key = toleration.key else { return toleration.isExists }
          return key == taint.key && (toleration.isExists || toleration.value == taint.value)
        }
    }
  }
}

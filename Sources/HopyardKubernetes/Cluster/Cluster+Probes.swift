public import HopyardWire

extension Cluster {
  /// Something that a client outside or a pod may ask for.
  public struct ProbeTarget: Hashable, Sendable {
    /// The address or name.
    public var host: String
    /// The port.
    public var port: UInt16
    /// The protocol.
    public var ipProtocol: IPProtocol
  }

  /// What is open towards the outside: node ports on every node, external addresses, those of load
  /// balancers, and host ports.
  public var publishedTargets: [ProbeTarget] {
    var targets: [ProbeTarget] = []
    for object in api.list("Service") {
      guard let service = object.service else { continue }
      for port in service.ports {
        if port.nodePort != 0 {
          targets += nodes.map {
            ProbeTarget(
              host: $0.address.description,
              port: port.nodePort,
              ipProtocol: port.ipProtocol
            )
          }
        }
        for address in service.externalIPs + service.ingress.map(\.address) {
          targets.append(
            ProbeTarget(host: address, port: port.port, ipProtocol: port.ipProtocol)
          )
        }
      }
    }
    for object in api.list("Pod") {
      guard let pod = object.pod, let address = pod.hostAddress else { continue }
      for port in pod.spec.containers.flatMap(\.ports) where port.hostPort != 0 {
        targets.append(
          ProbeTarget(
            host: port.hostIP.isEmpty ? address : port.hostIP,
            port: port.hostPort,
            ipProtocol: port.ipProtocol
          )
        )
      }
    }
    return targets
  }

  /// The names and ports of Services as a pod of a namespace may ask for them.
  public func serviceTargets(from namespace: String) -> [ProbeTarget] {
    api.list("Service").flatMap { object -> [ProbeTarget] in
      guard let service = object.service, object.meta.namespace != "kube-system",
        service.type != "ExternalName", object.meta.name != "kubernetes"
      else { return [] }
      let own = object.meta.namespace == namespace
      let name = own ? object.meta.name : "\(object.meta.name).\(object.meta.namespace)"
      // A headless name leads to the pods themselves, and so to their ports.
      let slices = names.slices(object.meta.namespace, object.meta.name).compactMap(\.slice)
      return service.ports.map { port in
        let target = slices.flatMap(\.ports).first { $0.name == port.name }?.port
        return ProbeTarget(
          host: name,
          port: service.isHeadless ? target ?? port.port : port.port,
          ipProtocol: port.ipProtocol
        )
      }
    }
  }
}

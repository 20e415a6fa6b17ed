import HopyardContainers
import HopyardServices
import HopyardWire

/// A pod that a kubelet runs.
final class RunningPod {
  /// A port that is listened on.
  struct Port: Hashable {
    var number: UInt16
    var ipProtocol: UInt8

    init(_ number: UInt16, _ ipProtocol: IPProtocol) {
      self.number = number
      self.ipProtocol = ipProtocol.rawValue
    }
  }

  let key: ObjectKey
  let uid: String
  let spec: PodSpec
  var sandbox: Sandbox?
  var request: CNIRequest?
  var result: CNIResult?
  var address: IPv4Address?
  var containers: [RunningContainer] = []
  var listened: Set<Port> = []
  var dns: DNSServer?
  var isStopped = false
  var isEnding = false

  init(_ key: ObjectKey, _ object: KubeObject, _ spec: PodSpec) {
    self.key = key
    uid = object.meta.uid
    self.spec = spec
  }

  /// The number of a port that a container names.
  static func number(_ reference: PortReference, _ spec: PodContainer) -> UInt16? {
    switch reference {
    case .number(let port): port
    case .name(let name): spec.ports.first { $0.name == name }?.port
    }
  }
}

/// A container that runs.
final class RunningContainer {
  let spec: PodContainer
  let server: PortServer

  init(_ spec: PodContainer, _ server: PortServer) {
    self.spec = spec
    self.server = server
  }
}

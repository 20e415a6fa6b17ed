import HopyardSimulator
import HopyardWire

/// Gives Services their cluster addresses and node ports, as the API server does when it admits them.
final class ServiceAllocator {
  private let network: IPv4Prefix
  private var used: Set<UInt32> = []
  private var ports: Set<UInt16> = []
  private var random: RandomSource
  /// Addresses that a load balancer of the surroundings gives out.
  var balancerAddresses: [IPv4Address] = []

  init(_ network: IPv4Prefix, simulation: Simulation) {
    self.network = network
    random = simulation.randomSource("service-addresses")
  }

  func admit(_ object: inout KubeObject, _ old: KubeObject?) throws(APIError) {
    guard var service = object.service else { return }
    let before = old?.service
    if service.type == "ExternalName" {
      service.clusterIPs = []
    } else if service.clusterIPs.isEmpty {
      service.clusterIPs = before?.clusterIPs ?? []
      if service.clusterIPs.isEmpty { service.clusterIPs = [try address().description] }
    } else if !service.isHeadless, before == nil {
      try reserve(service.clusterIPs, object)
    }
    if service.type == "NodePort" || service.type == "LoadBalancer" {
      for index in service.ports.indices {
        let wanted = service.ports[index].nodePort
        let known = before?.ports.first {
          $0.port == service.ports[index].port
            && $0.ipProtocol == service.ports[index].ipProtocol
        }?.nodePort
        if wanted == 0 {
          service.ports[index].nodePort = known ?? port()
        } else if wanted != known {
          try reserve(wanted, object, index)
        }
      }
    } else {
      for index in service.ports.indices { service.ports[index].nodePort = 0 }
    }
    if service.type == "LoadBalancer" {
      if service.isExternalLocal, service.healthCheckPort == 0 {
        service.healthCheckPort = before?.healthCheckPort ?? 0
        if service.healthCheckPort == 0 { service.healthCheckPort = port() }
      }
      if service.ingress.isEmpty { service.ingress = before?.ingress ?? [] }
      if service.ingress.isEmpty, !service.loadBalancerIP.isEmpty {
        service.ingress = [(service.loadBalancerIP, false)]
      } else if service.ingress.isEmpty, !balancerAddresses.isEmpty {
        service.ingress = [(balancerAddresses.removeFirst().description, false)]
      }
    }
    object.body = .service(service)
  }

  /// Gives back what a Service had.
  func release(_ service: ServiceObject) {
    for text in service.clusterIPs {
      if let address = KubeAddress.parse(text)?.v4 { used.remove(address.rawValue) }
    }
    for port in service.ports { ports.remove(port.nodePort) }
  }

  private func address() throws(APIError) -> IPv4Address {
    let size = UInt64(1) << UInt64(32 - network.length)
    guard size > 4, used.count < Int(size) - 3 else {
      throw APIError("InternalError", "failed to allocate IP: range is full")
    }
    while true {
      let candidate = network.address.rawValue &+ UInt32(random.below(size - 2)) &+ 1
      if used.insert(candidate).inserted { return IPv4Address(rawValue: candidate) }
    }
  }

  private func reserve(_ addresses: [String], _ object: KubeObject) throws(APIError) {
    for text in addresses {
      guard let address = KubeAddress.parse(text) else {
        throw invalid(object, "spec.clusterIPs", text, "must be a valid IP address")
      }
      guard let v4 = address.v4 else { continue }
      guard network.contains(v4) else {
        throw invalid(
          object,
          "spec.clusterIPs",
          text,
          "the provided IP is not in the valid range \(network)"
        )
      }
      guard used.insert(v4.rawValue).inserted else {
        throw invalid(object, "spec.clusterIPs", text, "provided IP is already allocated")
      }
    }
  }

  private func reserve(_ port: UInt16, _ object: KubeObject, _ index: Int) throws(APIError) {
    guard (30_000...32_767).contains(port) else {
      throw invalid(
        object,
        "spec.ports[\(index)].nodePort",
        String(port),
        "provided port is not in the valid range. The range of valid ports is 30000-32767"
      )
    }
    guard ports.insert(port).inserted else {
      throw invalid(
        object,
        "spec.ports[\(index)].nodePort",
        String(port),
        "provided port is already allocated"
      )
    }
  }

  private func invalid(_ object: KubeObject, _ field: String, _ value: String, _ why: String)
    -> APIError
  {
    APIError(
      "Invalid",
      "Service \"\(object.meta.name)\" is invalid: \(field): Invalid value: \(value): \(why)"
    )
  }

  private func port() -> UInt16 {
    while true {
      let candidate = UInt16(30_000 + random.below(2_768))
      if ports.insert(candidate).inserted || ports.count >= 2_768 { return candidate }
    }
  }
}

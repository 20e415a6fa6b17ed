public import HopyardSimulator
public import HopyardWire

extension ProxyService {
  /// The ports of a Service that kube-proxy serves for a family (`ServiceChangeTracker`).
  public static func ports(
    of object: KubeObject,
    family: RuleFamily,
    honoursIPMode: Bool = true
  ) -> [ProxyService] {
    guard let service = object.service, service.type != "ExternalName", !service.isHeadless,
      object.meta.labels["service.kubernetes.io/service-proxy-name"] == nil
    else { return [] }
    let addresses = service.clusterIPs.compactMap { KubeAddress.parse($0) }
    guard let clusterIP = addresses.first(where: { $0.family == family }) else { return [] }
    func own(_ texts: [String]) -> [IPAddress] {
      texts.compactMap { KubeAddress.parse($0) }.filter { $0.family == family }
    }
    let external = own(service.externalIPs)
    let balancers = own(
      service.ingress.filter { !($0.isProxy && honoursIPMode) }.map(\.address)
    )
    let ranges = service.sourceRanges.compactMap { KubePrefix($0) }
      .filter { $0.address.family == family }
    let hasExternalPolicy =
      service.type == "LoadBalancer" || service.type == "NodePort" || !service.externalIPs.isEmpty
    return service.ports.map { port in
      var result = ProxyService(
        namespace: object.meta.namespace,
        name: object.meta.name,
        portName: port.name,
        ipProtocol: port.ipProtocol,
        clusterIP: clusterIP,
        port: port.port
      )
      result.nodePort = port.nodePort
      result.externalIPs = external
      result.loadBalancerIPs = balancers
      result.sourceRanges = ranges
      result.isInternalLocal = service.isInternalLocal
      result.isExternalLocal = service.isExternalLocal && hasExternalPolicy
      result.affinitySeconds = service.affinitySeconds
      if service.type == "LoadBalancer", result.isExternalLocal {
        result.healthCheckPort = service.healthCheckPort
      }
      return result
    }
  }
}

extension ProxyEndpoint {
  /// The endpoints that slices give a Service's port, in kube-proxy's order.
  public static func list(_ slices: [EndpointSlice], for service: ProxyService) -> [ProxyEndpoint] {
    var found: [String: ProxyEndpoint] = [:]
    for slice in slices where slice.addressType != "FQDN" {
      for port in slice.ports where port.name == service.portName {
        guard let number = port.port, port.ipProtocol == service.ipProtocol else { continue }
        for endpoint in slice.endpoints {
          guard let text = endpoint.addresses.first, let address = KubeAddress.parse(text),
            address.family == service.clusterIP.family
          else { continue }
          var made = ProxyEndpoint(address, number, node: endpoint.node)
          made.isReady = endpoint.ready ?? true
          made.isServing = endpoint.serving ?? made.isReady
          made.isTerminating = endpoint.terminating ?? false
          made.zones = endpoint.hints
          found[made.text] = made
        }
      }
    }
    return found.values.sorted { $0.text < $1.text }
  }
}

import HopyardWire

/// The cluster's names for its DNS, from the API server's objects.
final class ClusterStore: ClusterNames {
  private struct Name: Hashable {
    var namespace: String
    var service: String
  }

  private let api: APIServer
  private var slicesOf: [Name: Set<ObjectKey>] = [:]
  private var byAddress: [IPAddress: Set<ObjectKey>] = [:]
  private var byEndpoint: [IPAddress: Set<ObjectKey>] = [:]
  private var podsByAddress: [IPAddress: Set<ObjectKey>] = [:]

  init(_ api: APIServer) {
    self.api = api
    api.watch("Service") { [unowned self] event in
      for text in event.old?.service?.clusterIPs ?? [] {
        if let address = KubeAddress.parse(text) { byAddress[address]?.remove(event.key) }
      }
      for text in event.new?.service?.clusterIPs ?? [] {
        if let address = KubeAddress.parse(text) {
          byAddress[address, default: []].insert(event.key)
        }
      }
    }
    api.watch("EndpointSlice") { [unowned self] event in
      if let slice = event.old?.slice {
        slicesOf[Name(namespace: event.key.namespace, service: slice.service)]?.remove(event.key)
        for address in addresses(slice) { byEndpoint[address]?.remove(event.key) }
      }
      if let slice = event.new?.slice {
        let name = Name(namespace: event.key.namespace, service: slice.service)
        slicesOf[name, default: []].insert(event.key)
        for address in addresses(slice) { byEndpoint[address, default: []].insert(event.key) }
      }
    }
    api.watch("Pod") { [unowned self] event in
      if let address = event.old?.pod?.address.flatMap({ KubeAddress.parse($0) }) {
        podsByAddress[address]?.remove(event.key)
      }
      if let address = event.new?.pod?.address.flatMap({ KubeAddress.parse($0) }) {
        podsByAddress[address, default: []].insert(event.key)
      }
    }
  }

  private func addresses(_ slice: EndpointSlice) -> [IPAddress] {
    slice.endpoints.flatMap(\.addresses).compactMap { KubeAddress.parse($0) }
  }

  func hasNamespace(_ name: String) -> Bool { api.get("Namespace", "", name) != nil }

  func service(_ namespace: String, _ name: String) -> KubeObject? {
    api.get("Service", namespace, name)
  }

  func services(withAddress address: IPAddress) -> [KubeObject] {
    (byAddress[address] ?? []).sorted().compactMap { api[$0] }
  }

  func slices(_ namespace: String, _ service: String) -> [KubeObject] {
    (slicesOf[Name(namespace: namespace, service: service)] ?? []).sorted().compactMap { api[$0] }
  }

  func slices(withEndpoint address: IPAddress) -> [KubeObject] {
    (byEndpoint[address] ?? []).sorted().compactMap { api[$0] }
  }

  func hasPod(_ namespace: String, address: IPAddress) -> Bool {
    podsByAddress[address]?.contains { $0.namespace == namespace } ?? false
  }
}

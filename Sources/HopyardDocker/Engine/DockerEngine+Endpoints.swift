import HopyardContainers
import HopyardSimulator
import HopyardWire

extension DockerEngine {
  // MARK: Attaching

  /// Gives a container a place on a network: an address, a veth pair and a port of the bridge.
  func attach(_ container: Container, _ wanted: EndpointSpecification) throws(DockerError) {
    guard let network = network(wanted.network) else {
      throw DockerError("network \(wanted.network) not found")
    }
    guard network.driver == "bridge" else {
      throw DockerError(
        "container cannot be connected to multiple networks with one of the networks in private "
          + "(none) or host mode"
      )
    }
    guard !container.endpoints.contains(where: { $0.network === network }) else {
      throw DockerError(
        "endpoint with name \(container.name) already exists in network \(network.name)"
      )
    }
    guard let sandbox = container.sandbox else { return }
    let endpoint = DockerEndpoint(id: makeID(), network, container, wanted)
    endpoint.address = try allocate(wanted.address, on: network)
    do {
      endpoint.address6 = try network.allocate6(wanted.address6)
      try makeInterface(endpoint, in: sandbox)
    } catch {
      release(endpoint)
      throw error
    }
    container.endpoints.append(endpoint)
    network.endpoints.append(endpoint)
    if let address = endpoint.address { firewall.addEndpoint(.v4(address), of: network.firewall) }
    if let address = endpoint.address6 { firewall.addEndpoint(.v6(address), of: network.firewall) }
    container.hostsFile.add(hostsEntries(endpoint))
    addLinks(endpoint)
  }

  private func allocate(_ wanted: IPv4Address?, on network: DockerNetwork) throws(DockerError)
    -> IPv4Address?
  {
    guard network.pool != nil else { return nil }
    do {
      if let wanted {
        try network.pool?.reserve(wanted)
        return wanted
      }
      return try network.pool?.allocate()
    } catch {
      switch error {
      case .outside(let address):
        throw DockerError(
          "invalid endpoint settings:\nno configured subnet contains IP address \(address)"
        )
      case .inUse: throw DockerError("Address already in use")
      case .exhausted:
        throw DockerError(
          "no available IPv4 addresses on this network's address pools: \(network.name) "
            + "(\(network.id))"
        )
      }
    }
  }

  private func release(_ endpoint: DockerEndpoint) {
    if let address = endpoint.address { endpoint.network.pool?.release(address) }
    if let address = endpoint.address6 { endpoint.network.used6.remove(address.rawValue) }
  }

  private func makeInterface(_ endpoint: DockerEndpoint, in sandbox: Sandbox) throws(DockerError) {
    let network = endpoint.network
    guard let bridge = network.bridge else { return }
    var number = 0
    while sandbox.namespace.devices["eth\(number)"] != nil { number += 1 }
    let name = endpoint.specification.interfaceName ?? "eth\(number)"
    do {
      let interface = try sandbox.addVeth(
        name,
        hostName: vethName(),
        mac: mac(endpoint),
        mtu: network.mtu
      )
      endpoint.interface = interface
      endpoint.mac = interface.device.mac
      if let host = interface.hostDevice {
        try root.setLinkMaster(host, bridge)
        if !options.usesProxy { try host.bridgePort?.set(.hairpin, to: 1) }
      }
      if let address = endpoint.address, let subnet = network.subnet {
        try sandbox.addAddress(IPv4Prefix(address, length: subnet.length), to: interface)
      }
      try sandbox.setUp(interface)
    } catch let error as LinkError {
      throw DockerError(
        "failed to add interface \(name) to sandbox: \(error.message ?? "\(error.errno)")"
      )
    } catch {
      throw DockerError("failed to add interface \(name) to sandbox: \(error)")
    }
  }

  private func vethName() -> String {
    while true {
      let digits = String(random.next() & 0xfff_ffff, radix: 16)
      let name = "veth" + String(repeating: "0", count: 7 - digits.count) + digits
      if root.devices[name] == nil { return name }
    }
  }

  private func mac(_ endpoint: DockerEndpoint) -> MACAddress {
    if let wanted = endpoint.specification.mac { return wanted }
    switch (options.profile, endpoint.address) {
    case (.docker20, let address?):
      return MACAddress(rawValue: 0x0242_0000_0000 | UInt64(address.rawValue))
    default:
      return MACAddress(rawValue: random.next() & 0xfcff_ffff_ffff | 0x0200_0000_0000)
    }
  }

  // MARK: The way out

  /// Sees to it that the default route leads through the right network, and publishes the ports
  /// there.
  func chooseGateway(_ container: Container) throws(DockerError) {
    guard let sandbox = container.sandbox else { return }
    let chosen = container.gatewayEndpoint
    if let chosen, let gateway = chosen.network.gateway, let interface = chosen.interface {
      let current = sandbox.namespace.routes.routes(inTable: RouteTable.main).first {
        $0.length == 0
      }
      let isRight = current?.nexthops.first?.gateway == gateway.rawValue
      if let current, !isRight { try? sandbox.namespace.deleteRoute(current) }
      if !isRight {
        do {
          try sandbox.addRoute(to: .any, via: gateway, on: interface)
        } catch {
          throw DockerError("failed to set gateway: \(error)")
        }
      }
    }
    try publishPorts(container)
  }

  // MARK: Ports

  private func requests(_ container: Container) -> [PortRequest] {
    let specification = container.specification
    var requests = specification.ports
    if specification.publishesAll {
      for port in exposedPorts(of: container)
      where !requests.contains(where: {
        $0.port == port.port && $0.ipProtocol == port.ipProtocol
      }) {
        requests.append(PortRequest(port.port, port.ipProtocol))
      }
    }
    return requests
  }

  /// Publishes the ports on the network through which the container leaves; networks without
  /// translation have them opened in any case.
  private func publishPorts(_ container: Container) throws(DockerError) {
    let requests = requests(container)
    for endpoint in container.endpoints { unpublishPorts(endpoint) }
    guard !requests.isEmpty else { return }
    let gateway = container.gatewayEndpoint
    for endpoint in container.endpoints
    where endpoint === gateway || endpoint.network.mode4 == .routed {
      try publish(requests, on: endpoint, onlyRouted: endpoint !== gateway)
    }
  }

  private func publish(_ requests: [PortRequest], on endpoint: DockerEndpoint, onlyRouted: Bool)
    throws(DockerError)
  {
    let network = endpoint.network
    var publisher = PortPublisher(
      ipv4: endpoint.address,
      ipv6: onlyRouted ? nil : endpoint.address6
    )
    publisher.isRouted4 = network.mode4 == .routed
    publisher.isRouted6 = network.mode6 == .routed
    publisher.usesProxy = options.usesProxy && !onlyRouted
    publisher.defaultHostAddress = network.hostAddress
    ports.range = root.settings.localPorts
    ports.reserved = reservedPorts
    var notes: [String] = []
    do {
      endpoint.bindings = try publisher.publish(requests, from: &ports, notes: &notes)
    } catch {
      let reason: String
      switch error {
      case .taken(let address, let port):
        let host = address.v4 == nil ? "[\(address)]" : "\(address)"
        reason = "Bind for \(host):\(port) failed: port is already allocated"
      case .exhausted(let first, let last):
        reason = "all ports are allocated: \(first)-\(last)"
      }
      throw connectivityError(endpoint, reason)
    }
    for text in notes { note(text) }
    for binding in endpoint.bindings where binding.hostPort != nil {
      do {
        endpoint.proxies.append(
          try DockerProxy(binding, in: daemon, relays: options.usesProxy)
        )
      } catch {
        unpublishPorts(endpoint)
        let name = binding.ipProtocol == .udp ? "udp" : binding.ipProtocol == .sctp ? "sctp" : "tcp"
        throw connectivityError(
          endpoint,
          "failed to bind host port \(binding.hostAddress):\(binding.hostPort ?? 0)/\(name): "
            + error.text.lowercased()
        )
      }
    }
    for binding in endpoint.bindings { firewall.add(binding.published, of: network.firewall) }
  }

  /// `net.ipv4.ip_local_reserved_ports`.
  private var reservedPorts: Set<UInt16> {
    let text = root.inertSettings["net/ipv4/ip_local_reserved_ports"] ?? ""
    var ports: Set<UInt16> = []
    for part in text.split(whereSeparator: { $0 == "," || $0.isWhitespace }) {
      let ends = part.split(separator: "-").compactMap { UInt16($0) }
      guard let first = ends.first, let last = ends.last, first <= last else { continue }
      ports.formUnion(first...last)
    }
    return ports
  }

  private func connectivityError(_ endpoint: DockerEndpoint, _ reason: String) -> DockerError {
    DockerError(
      "failed to set up container networking: driver failed programming external connectivity on "
        + "endpoint \(endpoint.container.name) (\(endpoint.id)): \(reason)"
    )
  }

  func unpublishPorts(_ endpoint: DockerEndpoint) {
    for proxy in endpoint.proxies { proxy.stop() }
    endpoint.proxies = []
    for binding in endpoint.bindings {
      firewall.remove(binding.published, of: endpoint.network.firewall)
      if let port = binding.hostPort {
        ports.release(port, binding.hostAddress, binding.ipProtocol)
      }
    }
    endpoint.bindings = []
  }

  // MARK: Links

  /// Opens the linked containers' exposed ports where containers may not talk to each other.
  private func addLinks(_ endpoint: DockerEndpoint) {
    let network = endpoint.network
    guard network.isDefaultBridge, let address = endpoint.address else { return }
    for link in endpoint.specification.links {
      guard let other = container(link.container),
        let target = other.endpoints.first(where: { $0.network === network })?.address
      else { continue }
      endpoint.container.hostsFile.add([
        .init("\(target)", Self.unique([link.alias, other.shortID, other.name]))
      ])
      guard !network.isIccOn else { continue }
      for port in exposedPorts(of: other) {
        firewall.addLink(
          from: address,
          to: target,
          port.ipProtocol,
          port.port,
          of: network.firewall
        )
      }
    }
  }

  private static func unique(_ names: [String]) -> [String] {
    names.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
  }

  // MARK: Detaching

  /// Takes a container off a network.
  func detach(_ endpoint: DockerEndpoint) {
    let network = endpoint.network
    let container = endpoint.container
    unpublishPorts(endpoint)
    if let address = endpoint.address {
      firewall.removeEndpoint(.v4(address), of: network.firewall)
    }
    if let address = endpoint.address6 {
      firewall.removeEndpoint(.v6(address), of: network.firewall)
    }
    if let interface = endpoint.interface { container.sandbox?.remove(interface) }
    release(endpoint)
    container.hostsFile.remove(hostsEntries(endpoint))
    network.endpoints.removeAll { $0 === endpoint }
    container.endpoints.removeAll { $0 === endpoint }
  }

  /// `docker network connect`.
  public func connect(_ container: Container, _ wanted: EndpointSpecification) throws(DockerError) {
    guard let network = network(wanted.network) else {
      throw DockerError("network \(wanted.network) not found")
    }
    switch container.specification.networkMode {
    case .host, .none, .container:
      throw DockerError(
        "container cannot be connected to multiple networks with one of the networks in private "
          + "(none) or host mode"
      )
    default: break
    }
    if !network.isDefaultBridge || wanted.address == nil {
      container.specification.endpoints.append(wanted)
    }
    guard container.isRunning else { return }
    let hadResolver = container.resolver != nil
    do {
      try attach(container, wanted)
      try chooseGateway(container)
    } catch {
      container.specification.endpoints.removeLast()
      throw error
    }
    if !hadResolver, !network.isDefaultBridge {
      try writeFiles(container)
    } else {
      writeHosts(container)
    }
  }

  /// `docker network disconnect`.
  public func disconnect(_ container: Container, from network: DockerNetwork) throws(DockerError) {
    guard let endpoint = container.endpoints.first(where: { $0.network === network }) else {
      if container.specification.endpoints.contains(where: {
        self.network($0.network) === network
      }), !container.isRunning {
        container.specification.endpoints.removeAll { self.network($0.network) === network }
        return
      }
      throw DockerError("container \(container.id) is not connected to network \(network.name)")
    }
    container.specification.endpoints.removeAll { self.network($0.network) === network }
    detach(endpoint)
    try chooseGateway(container)
    writeHosts(container)
  }
}

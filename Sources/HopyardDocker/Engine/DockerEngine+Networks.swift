import HopyardContainers
import HopyardSimulator
public import HopyardUserland
import HopyardWire

extension DockerEngine {
  // MARK: Making

  /// `docker network create`.
  @discardableResult
  public func createNetwork(_ specification: NetworkSpecification) throws(DockerError)
    -> DockerNetwork
  {
    guard !networks.contains(where: { $0.name == specification.name }) else {
      throw DockerError("network with name \(specification.name) already exists")
    }
    guard specification.driver == "bridge" else {
      throw DockerError(
        "could not find plugin \(specification.driver) in v1 plugin registry: "
          + "networks of the driver \(specification.driver) are not modelled"
      )
    }
    let network = DockerNetwork(id: makeID(), specification, created: userland.simulation.now)
    try read(specification.options, into: network)
    try allocateSubnets(network)
    do {
      try makeBridge(network)
    } catch {
      releaseSubnets(network)
      throw error
    }
    networks.append(network)
    firewall.add(network.firewall)
    // The user's chain stays the first that is asked.
    if !network.isDefaultBridge { firewall.setUpUserChain() }
    return network
  }

  private func read(_ options: [(name: String, value: String)], into network: DockerNetwork)
    throws(DockerError)
  {
    network.bridgeName = "br-" + network.id.prefix(12)
    network.mtu = self.options.mtu
    network.acceptedMark = self.options.acceptedMark
    network.hostAddress = self.options.hostAddress
    func mode(_ value: String) throws(DockerError) -> GatewayMode {
      guard let mode = GatewayMode(rawValue: value) else {
        throw DockerError("unknown gateway mode \(value)")
      }
      if mode == .isolated, !network.isInternal {
        throw DockerError(
          "gateway mode 'isolated' can only be used for an internal network"
        )
      }
      return mode
    }
    func flag(_ name: String, _ value: String) throws(DockerError) -> Bool {
      switch value {
      case "true", "1", "t", "T", "TRUE", "True": return true
      case "false", "0", "f", "F", "FALSE", "False": return false
      default:
        throw DockerError("failed to parse \(name) value: \(value) (\"\(value)\": invalid syntax)")
      }
    }
    for (name, value) in options {
      switch name {
      case "com.docker.network.bridge.name":
        guard !value.isEmpty, value.utf8.count < 16 else {
          throw DockerError("invalid interface name \"\(value)\"")
        }
        network.bridgeName = value
      case "com.docker.network.bridge.enable_icc": network.isIccOn = try flag(name, value)
      case "com.docker.network.bridge.enable_ip_masquerade":
        network.masquerades = try flag(name, value)
      case "com.docker.network.driver.mtu":
        guard let mtu = Int(value), (68...65_535).contains(mtu) else {
          throw DockerError("failed to parse \(name) value: \(value)")
        }
        network.mtu = mtu
      case "com.docker.network.bridge.gateway_mode_ipv4": network.mode4 = try mode(value)
      case "com.docker.network.bridge.gateway_mode_ipv6": network.mode6 = try mode(value)
      case "com.docker.network.bridge.host_binding_ipv4":
        guard let address = IPAddress(value) else {
          throw DockerError("failed to parse \(name) value: \(value)")
        }
        network.hostAddress = address
      case "com.docker.network.host_ipv4":
        guard let address = IPAddress(value) else {
          throw DockerError("failed to parse \(name) value: \(value)")
        }
        network.sourceAddress = address
      case "com.docker.network.bridge.trusted_host_interfaces":
        network.trustedInterfaces = value.split(separator: ":").map(String.init)
      default: break
      }
    }
    // A bridge without outside needs no translation whatever is asked for.
    if options.contains(where: { $0.name == "com.docker.network.bridge.name" }),
      networks.contains(where: { $0.bridgeName == network.bridgeName })
    {
      throw DockerError("bridge name \(network.bridgeName) is used by another network")
    }
  }

  // MARK: Addresses

  /// What stands in the host's routes and resolv.conf, and must not be covered.
  private var reservedSubnets: [Subnet] {
    var reserved: [Subnet] = []
    for route in root.routes.routes(inTable: RouteTable.main)
    where route.length > 0 && route.nexthops.allSatisfy({ $0.gateway == nil }) {
      let prefix = IPv4Prefix(IPv4Address(rawValue: route.prefix), length: route.length)
      reserved.append(Subnet(prefix))
    }
    if let bytes = try? userland.files.read("/etc/resolv.conf", for: daemon) {
      for server in ResolverFile(String(decoding: bytes, as: UTF8.self)).servers {
        if let address = server.v4 { reserved.append(Subnet(IPv4Prefix(address, length: 32))) }
      }
    }
    return reserved
  }

  private func allocateSubnets(_ network: DockerNetwork) throws(DockerError) {
    let specification = network.specification
    if specification.hasIPv4 {
      let wanted = specification.subnets.first { !$0.isIPv6 }
      let subnet: Subnet
      do {
        if let wanted {
          subnet = try subnets.allocate(wanted, reserved: reservedSubnets)
        } else {
          subnet = try subnets.allocateAny(reserved: reservedSubnets)
        }
      } catch {
        throw DockerError("invalid pool request: \(error)")
      }
      guard let prefix = subnet.ipv4 else { throw DockerError("invalid pool request") }
      network.subnet = prefix
      var pool = AddressPool(prefix, range: specification.ranges.first { !$0.isIPv6 }?.ipv4)
      for entry in specification.reserved {
        if let address = entry.address.v4 { try reserve(address, in: &pool) }
      }
      if network.mode4 == .isolated {
        network.gateway = nil
      } else if let gateway = specification.gateways.compactMap(\.v4).first {
        try reserve(gateway, in: &pool)
        network.gateway = gateway
      } else {
        do {
          network.gateway = try pool.allocate()
        } catch {
          throw DockerError(
            "no available IPv4 addresses on this network's address pools: "
              + "\(network.name) (\(network.id))"
          )
        }
      }
      network.pool = pool
    }
    guard specification.hasIPv6 else { return }
    do {
      if let wanted = specification.subnets.first(where: \.isIPv6) {
        network.subnet6 = try subnets.allocate(wanted)
      } else {
        network.subnet6 = try subnets.allocateAny(isIPv6: true)
      }
    } catch {
      throw DockerError("invalid pool request: \(error)")
    }
    network.gateway6 = try network.allocate6(specification.gateways.compactMap(\.v6).first)
  }

  private func reserve(_ address: IPv4Address, in pool: inout AddressPool) throws(DockerError) {
    do {
      try pool.reserve(address)
    } catch {
      switch error {
      case .outside: throw DockerError("no configured subnet contains IP address \(address)")
      case .inUse: throw DockerError("Address already in use")
      case .exhausted: throw DockerError("no available IPv4 addresses")
      }
    }
  }

  private func releaseSubnets(_ network: DockerNetwork) {
    if let subnet = network.subnet { subnets.release(Subnet(subnet)) }
    if let subnet = network.subnet6 { subnets.release(subnet) }
  }

  // MARK: The bridge

  private func makeBridge(_ network: DockerNetwork) throws(DockerError) {
    do {
      if let existing = root.devices[network.bridgeName] {
        guard let bridge = existing as? BridgeDevice else {
          throw DockerError("existing interface \(network.bridgeName) is not a bridge")
        }
        network.bridge = bridge
      } else {
        let mac = bridgeMAC()
        network.bridge = try root.makeBridge(NewLink(network.bridgeName, mac: mac))
      }
      guard let bridge = network.bridge else { return }
      if network.mtu != bridge.mtu { try root.setLinkMTU(bridge, network.mtu) }
      if let gateway = network.gateway, let subnet = network.subnet {
        let address = InterfaceAddress<UInt32>(
          local: gateway.rawValue,
          prefixLength: subnet.length,
          broadcast: subnet.length < 31 ? subnet.broadcast.rawValue : nil
        )
        do {
          try root.addLinkAddress(address, to: bridge, replacing: true)
        } catch {
          throw DockerError("failed to set IPv4 address on bridge: \(error)")
        }
      }
      enableForwarding(network)
      if !options.usesProxy { root.set(.routeLocalnet, .device(bridge), to: 1) }
      try root.setLinkUp(bridge)
    } catch let error as DockerError {
      throw error
    } catch {
      throw DockerError("failed to create bridge \(network.bridgeName): \(error)")
    }
  }

  /// The bridge's address: random ones under Docker's old prefix until the engine 28.
  private func bridgeMAC() -> MACAddress {
    let bits = random.next()
    switch options.profile {
    case .docker20: return MACAddress(rawValue: 0x0242_0000_0000 | bits & 0xffff_ffff)
    case .docker29: return MACAddress(rawValue: bits & 0xfcff_ffff_ffff | 0x0200_0000_0000)
    }
  }

  private func enableForwarding(_ network: DockerNetwork) {
    guard options.setsForwarding else { return }
    if network.subnet != nil, !setForwardingByItself, !root.settings.forwarding {
      setForwardingByItself = true
      root.setForwarding(true)
      if !options.leavesForwardPolicy { firewall.dropForwarded(.ipv4) }
    }
    if network.subnet6 != nil, !setForwarding6ByItself {
      setForwarding6ByItself = true
      let keys = ["net/ipv6/conf/all/forwarding", "net/ipv6/conf/default/forwarding"]
      let isOn = keys.allSatisfy { root.inertSettings[$0] == "1" }
      if !isOn {
        for key in keys { root.inertSettings[key] = "1" }
        if !options.leavesForwardPolicy { firewall.dropForwarded(.ipv6) }
      }
    }
  }

  // MARK: Removing

  /// `docker network rm`.
  public func removeNetwork(_ network: DockerNetwork) throws(DockerError) {
    if network.isPredefined {
      throw DockerError("\(network.name) is a pre-defined network and cannot be removed")
    }
    if !network.endpoints.isEmpty {
      let list = network.endpoints.map {
        "name:\"\($0.container.name)\" id:\"\($0.container.shortID)\""
      }
      throw DockerError(
        "error while removing network: network \(network.name) has active endpoints ("
          + list.joined(separator: ", ") + ")"
      )
    }
    firewall.remove(network.firewall)
    if let bridge = network.bridge { try? root.removeLink(bridge) }
    releaseSubnets(network)
    networks.removeAll { $0 === network }
  }
}

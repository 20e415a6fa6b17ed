import HopyardWire

extension NetworkNamespace: DeviceHost {
  /// The name in traces: where there are several machines, `machine` or `machine/namespace`.
  public var tracedName: String {
    if machine.name.isEmpty { return name }
    return machine.root === self ? machine.name : "\(machine.name)/\(name)"
  }

  var namespaceName: String { tracedName }

  func device(withIndex ifindex: Int32) -> NetworkDevice? { devices[ifindex] }

  /// Gives a packet to the layer that its EtherType names.
  @inline(__always)
  func receive(_ packet: consuming Packet, on device: NetworkDevice) {
    switch packet.metadata.etherType {
    case .ipv4: ipv4.receive(packet, on: device)
    case .arp: ipv4.receiveARP(packet, on: device)
    case .ipv6: drop(packet, .noProtocol, on: device)
    default:
      device.statistics.receiveDropped &+= 1
      drop(packet, .unknownEtherType, on: device)
    }
  }

  @inline(__always)
  func drop(_ packet: consuming Packet, _ fate: Fate, on device: NetworkDevice?) {
    if ipv4.core.pointee.isTraced { record(packet, fate, on: device) }
  }

  private func record(_ packet: borrowing Packet, _ fate: Fate, on device: NetworkDevice?) {
    var step = TraceStep(
      time: simulation.now,
      packet: packet.metadata.journey,
      namespace: tracedName,
      device: device?.name ?? "",
      stage: fate == .delivered ? "deliver" : "drop",
      verdict: fate.name
    )
    if case .netfilter(let rule) = fate {
      step.table = rule.table
      step.chain = rule.chain
      step.rule = rule.rule
    }
    step.after = packet.summary
    simulation.tracer?.record(step)
  }

  func bringUp(_ device: NetworkDevice) {
    guard (try? device.checkOpen()) != nil else { return }
    setUp(device)
  }

  func bringDown(_ device: NetworkDevice) { setDown(device) }

  func unregister(_ device: NetworkDevice) { remove(device) }

  /// What the network layer does when something happens to a device (`inetdev_event`,
  /// `fib_netdev_event`, `arp_netdev_event`).
  func deviceChanged(_ device: NetworkDevice, _ event: DeviceEvent) {
    ipv4.flows.removeAll()
    switch event {
    case .up:
      if device.isLoopback {
        try? addAddress(
          InterfaceAddress<UInt32>(
            local: 0x7f00_0001,
            prefixLength: 8,
            scope: .host,
            label: device.name
          ),
          to: device
        )
      }
      ipv4.routes.deviceUp(device.ifindex, addresses: device.inet.addresses)
      ipv4.reportGroups(on: device)
      if ipv4.isOn(.arpNotify, device) { ipv4.announceAddresses(of: device) }
    case .down:
      ipv4.routes.deviceDown(device.ifindex)
      forgetLostPaths()
      ipv4.neighbours.removeAll(on: device.number)
      netfilter.deviceDown(device.number)
      ipv4.exceptions.removeAll()
    case .carrierChanged:
      ipv4.routes.carrierChanged(device.ifindex, hasCarrier: device.hasCarrier)
      if !device.hasCarrier {
        ipv4.neighbours.removeAll(on: device.number, keepingPermanent: true)
      }
    case .addressChanged:
      machine.rememberChange(of: device)
      ipv4.neighbours.removeAll(on: device.number)
      if device.isUp && ipv4.isOn(.arpNotify, device) { ipv4.announceAddresses(of: device) }
    case .mtuChanged:
      ipv4.exceptions.changeMTU(of: device.ifindex, to: device.mtu)
    case .renamed:
      machine.rememberChange(of: device)
      ipv4.routes.devicesRenamed()
    case .goingDown, .unregistering, .masterChanged: break
    }
  }
}

extension NetworkNamespace: RouteDeviceInformation {
  /// The devices' numbers in ascending order.
  public var routeDeviceIndices: [Int32] { devices.all.map(\.ifindex) }

  /// What routing needs to know of a device, or nil if there is no such device.
  public func routeDeviceFacts(_ ifindex: Int32) -> RouteDeviceFacts? {
    guard let device = devices[ifindex] else { return nil }
    var facts: RouteDeviceFacts = []
    if device.isUp { facts.insert(.up) }
    if device.hasCarrier { facts.insert(.carrier) }
    if device.isLoopback { facts.insert(.loopback) }
    let own = device.inet.settings
    if ipv4.isOn(.ignoreRoutesWithLinkdown, device) { facts.insert(.ignoresRoutesWithLinkdown) }
    if own[.forwarding] != 0 { facts.insert(.forwards) }
    if ipv4.isOn(.routeLocalnet, device) || device.isLoopback { facts.insert(.routesLocalnet) }
    if ipv4.isOn(.acceptLocal, device) || device.isLoopback { facts.insert(.acceptsLocal) }
    if ipv4.isOn(.srcValidMark, device) { facts.insert(.validatesWithMark) }
    switch ipv4.maximum(.rpFilter, device) {
    case 1: facts.insert(.strictReversePath)
    case 2: facts.insert(.looseReversePath)
    default: break
    }
    if ipv4.isOn(.sendRedirects, device) { facts.insert(.sendsRedirects) }
    if ipv4.isOn(.sharedMedia, device) { facts.insert(.sharesMedia) }
    if own[.bcForwarding] != 0 && ipv4.allSettings[.bcForwarding] != 0 {
      facts.insert(.forwardsBroadcasts)
    }
    return facts
  }

  /// The number of the device of this name, or nil.
  public func routeDeviceIndex(named name: String) -> Int32? { devices[name]?.ifindex }

  /// The group of a device, 0 if there is no such device.
  public func routeDeviceGroup(_ ifindex: Int32) -> UInt32 { devices[ifindex]?.group ?? 0 }

  /// The name of a device, or nil.
  public func routeDeviceName(_ ifindex: Int32) -> String? { devices[ifindex]?.name }

  /// The IPv4 addresses of a device, in the order of its list.
  public func interfaceAddresses(_ ifindex: Int32) -> [InterfaceAddress<UInt32>] {
    devices[ifindex]?.inet.addresses ?? []
  }

  /// Whether any device has this IPv4 address.
  public func hasInterfaceAddress(_ address: UInt32) -> Bool { devices.isLocalAddress(address) }

  /// The state of a neighbour as the bits `NUD_*`, 0 if there is no entry.
  public func neighbourState(_ address: UInt32, on ifindex: Int32) -> UInt16 {
    guard let device = devices[ifindex] else { return 0 }
    return ipv4.neighbours.find(address, on: device.number)?.state.rawValue ?? 0
  }

  /// Whether a device hears a group: it joined it, or it is 224.0.0.1 or IGMP, which all hear.
  public func isMember(of group: UInt32, on ifindex: Int32, source: UInt32, ipProtocol: UInt8)
    -> Bool
  {
    guard let device = devices[ifindex] else { return false }
    return group == 0xe000_0001 || ipProtocol == 2
      || device.inet.groups.contains { $0.group.rawValue == group }
  }
}

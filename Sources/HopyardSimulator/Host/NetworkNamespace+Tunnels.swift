import HopyardWire

/// What tunnels ask of a namespace, and how they are made.
extension NetworkNamespace: TunnelUnderlay {
  var tunnels: TunnelTable {
    if let known = ipv4.tunnels { return known }
    let table = TunnelTable()
    ipv4.tunnels = table
    return table
  }

  var localPortRange: ClosedRange<Int> {
    let range = ipv4.settings.localPorts
    return Int(range.lowerBound)...max(Int(range.lowerBound), Int(range.upperBound))
  }

  func routeTunnel(_ flow: TunnelFlow) -> TunnelRoute? {
    guard let route = try? ipv4.routeOutput(ipv4.tunnelOptions(flow)) else { return nil }
    return TunnelRoute(
      source: flow.source != 0 ? flow.source : route.source,
      device: route.device,
      mtu: route.mtu,
      isLocal: route.type == .local
    )
  }

  func sendTunnelled(_ packet: consuming Packet, _ flow: TunnelFlow) {
    if ipv4.tunnelOutput == nil { ipv4.tunnelOutput = TunnelOutput(stack: ipv4) }
    ipv4.tunnelOutput?.append(packet, flow)
  }

  func openTunnelSocket(port: UInt16, _ receiver: any TunnelReceiver) throws(LinkError)
    -> any TunnelSocket
  {
    let socket = sockets.makeUDP()
    do {
      try socket.bind(port: port)
    } catch {
      socket.close()
      throw LinkError(.addressInUse)
    }
    socket.tunnel = receiver
    return KernelUDPSocket(socket: socket)
  }

  func notePathMTU(_ mtu: Int, of packet: borrowing Packet) {
    guard packet.count >= 20 else { return }
    var options = OutputOptions(destination: packet.u32(at: 16), ipProtocol: .udp)
    options.tos = packet.u8(at: 1)
    ipv4.updatePathMTU(UInt32(clamping: mtu), for: options)
  }

  func tellTooLong(_ packet: borrowing Packet, mtu: Int) {
    ipv4.sendICMPError(
      about: packet,
      type: .destinationUnreachable,
      code: ICMPv4Header.Unreachable.fragmentationNeeded,
      info: UInt32(clamping: mtu),
      received: packet.metadata.flags.contains(.forwarded)
        ? backlog.device(packet.metadata.inputDevice) : nil,
      isLeaving: true
    )
  }

  func tellUnreachable(_ packet: borrowing Packet) {
    ipv4.sendICMPError(
      about: packet,
      type: .destinationUnreachable,
      code: ICMPv4Header.Unreachable.host,
      received: packet.metadata.flags.contains(.forwarded)
        ? backlog.device(packet.metadata.inputDevice) : nil,
      isLeaving: true
    )
  }

  // MARK: Making

  /// Makes a VXLAN device; outer packets travel in `underlay`, this namespace if it is nil.
  @discardableResult
  public func makeVXLAN(_ link: NewLink, _ options: VXLANOptions) throws(LinkError) -> VXLANDevice {
    let name = try freeName(link, prefix: "vxlan")
    try check(link, 68...65_535)
    guard options.vni < 1 << 24 else { throw LinkError(.outOfRange) }
    if tunnels.vxlans.contains(where: {
      $0.options.vni == options.vni && $0.options.port == options.port
    }) {
      throw LinkError(.fileExists, "A VXLAN device with the specified VNI already exists")
    }
    if options.remote.isMulticast && options.linkIfindex == 0 {
      throw LinkError(.noSuchDevice, "Local interface required for multicast remote destination")
    }
    let device = VXLANDevice(
      name: name,
      mac: link.mac ?? machine.randomMAC(),
      options: options,
      number: backlog.nextNumber(),
      ifindex: link.ifindex ?? devices.nextIndex(),
      host: self
    )
    var link = link
    if let mtu = link.mtu, options.linkIfindex != 0 { link.mtu = min(mtu, device.mtu) }
    finish(device, link)
    tunnels.vxlans.append(device)
    return device
  }

  /// Makes an IPIP tunnel.
  @discardableResult
  public func makeIPIP(_ link: NewLink, _ options: IPIPOptions) throws(LinkError) -> IPIPDevice {
    machine.loadIPIP()
    let name = try freeName(link, prefix: "tunl")
    try check(link, 68...65_515)
    try checkIPIP(options, except: nil)
    let device = IPIPDevice(
      name: name,
      options: options,
      isFallback: false,
      number: backlog.nextNumber(),
      ifindex: link.ifindex ?? devices.nextIndex(),
      host: self
    )
    device.mtu = device.mtuByRoute()
    finish(device, link)
    tunnels.ipips.append(device)
    return device
  }

  /// Changes an IPIP tunnel's settings.
  public func setIPIP(_ device: IPIPDevice, _ options: IPIPOptions) throws(LinkError) {
    if device.isFallback { throw LinkError(.invalidArgument) }
    try checkIPIP(options, except: device)
    let moved =
      device.options.remote != options.remote || device.options.local != options.local
      || device.options.linkIfindex != options.linkIfindex
    device.options = options
    if moved {
      device.mtu = device.mtuByRoute()
      device.announce(.mtuChanged)
    }
    ipv4.flows.removeAll()
  }

  private func checkIPIP(_ options: IPIPOptions, except: IPIPDevice?) throws(LinkError) {
    if options.ttl != 0 && !options.discoversPathMTU { throw LinkError(.invalidArgument) }
    if options.remote == .any && options.local == .any && options.linkIfindex == 0 {
      // The fallback device has these already.
      throw LinkError(.fileExists)
    }
    if tunnels.ipips.contains(where: {
      $0 !== except && $0.options.remote == options.remote && $0.options.local == options.local
        && $0.options.linkIfindex == options.linkIfindex
    }) {
      throw LinkError(.fileExists)
    }
  }

  /// Adds `tunl0`.
  func addFallbackTunnel() {
    guard tunnels.fallback == nil else { return }
    var options = IPIPOptions()
    options.discoversPathMTU = false
    let device = IPIPDevice(
      name: devices["tunl0"] == nil ? "tunl0" : "tunl%d",
      options: options,
      isFallback: true,
      number: backlog.nextNumber(),
      ifindex: devices.nextIndex(),
      host: self
    )
    tunnels.fallback = device
    add(device)
  }

  /// The IPIP tunnels whose outer packets travel here, `tunl0` first.
  public var ipipTunnels: [IPIPDevice] {
    guard let tunnels = ipv4.tunnels else { return [] }
    return (tunnels.fallback.map { [$0] } ?? []) + tunnels.ipips
  }
}

extension VXLANDevice {
  /// The namespace in which its outer packets travel.
  public var underlayNamespace: NetworkNamespace? { underlay as? NetworkNamespace }
}

/// A UDP socket that the kernel holds for a tunnel.
private final class KernelUDPSocket: TunnelSocket {
  private let socket: UDPSocket

  init(socket: UDPSocket) { self.socket = socket }

  func join(_ group: IPv4Address, ifindex: Int32) { try? socket.join(group, ifindex: ifindex) }
  func leave(_ group: IPv4Address, ifindex: Int32) { try? socket.leave(group, ifindex: ifindex) }
  func close() { socket.close() }
}

import HopyardWire

/// A UDP socket (RFC 768).
public final class UDPSocket: Socket {
  /// The local address; `any` before it is bound to one.
  @exclusivity(unchecked) public internal(set) var localAddress = IPv4Address.any
  /// The local port; 0 before it is bound.
  @exclusivity(unchecked) public internal(set) var localPort: UInt16 = 0
  /// The peer of a connected socket.
  @exclusivity(unchecked) public internal(set) var remoteAddress = IPv4Address.any
  /// The peer's port; 0 if not connected.
  @exclusivity(unchecked) public internal(set) var remotePort: UInt16 = 0
  /// The tunnel for which the kernel holds the port.
  @exclusivity(unchecked) var tunnel: (any TunnelReceiver)?
  /// Groups joined: group and interface index.
  private var memberships: [(group: IPv4Address, ifindex: Int32)] = []
  private var isBoundToAddress = false
  @exclusivity(unchecked) private var flow: ConnectedFlow?

  /// The way of a connected socket's datagrams, which Linux keeps in the socket too
  /// (`sk_dst_cache`); good until something that decides about it changes.
  private final class ConnectedFlow {
    let output: OutputOptions
    let route: RouteDecision
    let generation: UInt32
    let epoch: UInt64
    let optionEdits: UInt64

    init(_ output: OutputOptions, _ route: RouteDecision, _ stack: IPv4Stack, _ edits: UInt64) {
      self.output = output
      self.route = route
      generation = stack.routes.generation
      epoch = stack.flows.epoch
      optionEdits = edits
    }
  }

  /// The kept way, if it is still right.
  @inline(__always)
  private func knownFlow(_ stack: IPv4Stack) -> ConnectedFlow? {
    guard let flow, remotePort != 0, flow.generation == stack.routes.generation,
      flow.epoch == stack.flows.epoch, flow.optionEdits == optionEdits, flow.output.uid == uid,
      flow.output.gid == gid, flow.output.sourcePort == localPort,
      flow.output.source == localAddress.rawValue,
      flow.output.destination == remoteAddress.rawValue,
      flow.output.destinationPort == remotePort, stack.exceptions.isEmpty
    else { return nil }
    return flow
  }

  /// Whether it has a peer.
  public var isConnected: Bool { remotePort != 0 }

  /// Binds to an address and port; port 0 takes a free one.
  public func bind(address: IPv4Address = .any, port: UInt16) throws(SocketError) {
    guard localPort == 0 else { throw .invalidArgument }
    if address != .any && !options.isTransparent && stack.settings.nonlocalBind == 0 {
      guard table.isBindable(address) else { throw .addressNotAvailable }
    }
    if port != 0 && Int32(port) < stack.settings.unprivilegedPortStart && uid != 0 {
      throw .accessDenied
    }
    try table.bind(self, address: address, port: port)
    localAddress = address
    isBoundToAddress = address != .any
  }

  /// Connects to a peer: datagrams go there by default and come from there only.
  public func connect(to address: IPv4Address, port: UInt16) throws(SocketError) {
    var output = outputOptions(to: address.rawValue, .udp)
    output.source = localAddress.rawValue
    output.destinationPort = port
    output.sourcePort = localPort
    let route = try self.route(output)
    if localPort == 0 { try table.bind(self, address: localAddress, port: 0) }
    if !isBoundToAddress { localAddress = IPv4Address(rawValue: route.source) }
    remoteAddress = address == .any ? localAddress : address
    remotePort = port
  }

  /// Forgets the peer.
  public func disconnect() {
    remoteAddress = .any
    remotePort = 0
    if !isBoundToAddress { localAddress = .any }
  }

  /// Sends a datagram to the peer, or to the address given.
  public func send(
    _ bytes: [UInt8],
    to address: IPv4Address? = nil,
    port: UInt16? = nil,
    from source: IPv4Address? = nil
  ) throws(SocketError) {
    if let error = takeError() { throw error }
    guard bytes.count <= 65_507 else { throw .messageTooLong }
    let stack = self.stack
    if address == nil, source == nil, let flow = knownFlow(stack) {
      return try transmit(bytes, flow.output, flow.route, stack)
    }
    let destination: IPv4Address
    let destinationPort: UInt16
    if let address, let port {
      guard port != 0 else { throw .invalidArgument }
      (destination, destinationPort) = (address, port)
    } else {
      guard isConnected else { throw .destinationRequired }
      (destination, destinationPort) = (remoteAddress, remotePort)
    }
    if localPort == 0 { try table.bind(self, address: localAddress, port: 0) }
    var output = outputOptions(to: destination.rawValue, .udp)
    output.source = (source ?? localAddress).rawValue
    if output.source >> 28 == 0xe { output.source = 0 }
    output.sourcePort = localPort
    output.destinationPort = destinationPort
    let route: RouteDecision
    do throws(SocketError) {
      route = try self.route(output)
    } catch {
      if error == .networkUnreachable { stack.counters.count(.ipOutNoRoutes) }
      throw error
    }
    if address == nil && source == nil && !stack.routes.multipathUsesNeighbours {
      flow = ConnectedFlow(output, route, stack, optionEdits)
    }
    try transmit(bytes, output, route, stack)
  }

  /// Makes a datagram and sends it by a known way.
  private func transmit(
    _ bytes: [UInt8],
    _ output: OutputOptions,
    _ route: RouteDecision,
    _ stack: IPv4Stack
  ) throws(SocketError) {
    let destination = IPv4Address(rawValue: output.destination)
    let destinationPort = output.destinationPort
    var packet = stack.makePacket(count: 8 + bytes.count)
    packet.setU16(localPort, at: 0)
    packet.setU16(destinationPort, at: 2)
    packet.setU16(UInt16(8 + bytes.count), at: 4)
    packet.setU16(0, at: 6)
    bytes.withUnsafeBytes { packet.write($0, at: 8) }
    let target = destination == .any ? IPv4Address(rawValue: route.destination) : destination
    let pseudo = InternetChecksum.pseudoHeader(
      source: IPv4Address(rawValue: route.source),
      destination: target,
      protocol: .udp,
      length: packet.count
    )
    packet.setU16(
      InternetChecksum.udp(
        packet.withBytes { InternetChecksum.checksum(of: $0, initial: pseudo) }
      ),
      at: 6
    )
    packet.metadata.flags.insert(.checksumIsRight)
    stack.counters.count(.udpOutDatagrams)
    do throws(SocketError) {
      try stack.send(payload: packet, output, route: route)
    } catch {
      if error == .messageTooLong && options.receivesErrors {
        report(
          SocketErrorReport(
            error: .messageTooLong,
            isLocal: true,
            type: 0,
            code: 0,
            info: UInt32(route.mtu),
            offender: nil,
            destination: destination,
            payload: []
          )
        )
      }
      // ENOBUFS is told only to sockets that ask for errors.
      if error == .noBufferSpace && !options.receivesErrors { return }
      throw error
    }
  }

  /// Joins a group on an interface; index 0 lets the route to the group choose.
  public func join(_ group: IPv4Address, ifindex: Int32 = 0) throws(SocketError) {
    guard group.isMulticast else { throw .invalidArgument }
    let device: NetworkDevice
    if ifindex != 0 {
      guard let named = stack.devices[ifindex] else { throw .noSuchDevice }
      device = named
    } else {
      let output = OutputOptions(destination: group.rawValue, ipProtocol: .udp)
      guard let route = try? stack.routeOutput(output) else { throw .noSuchDevice }
      device = route.device
    }
    guard !memberships.contains(where: { $0.group == group && $0.ifindex == device.ifindex }) else {
      throw .addressInUse
    }
    guard memberships.count < Int(stack.settings.maximumMemberships) else { throw .noBufferSpace }
    memberships.append((group, device.ifindex))
    stack.join(group, on: device)
  }

  /// Leaves a group.
  public func leave(_ group: IPv4Address, ifindex: Int32 = 0) throws(SocketError) {
    guard
      let index = memberships.firstIndex(where: {
        $0.group == group && (ifindex == 0 || $0.ifindex == ifindex)
      })
    else { throw .addressNotAvailable }
    let membership = memberships.remove(at: index)
    if let device = stack.devices[membership.ifindex] { stack.leave(group, on: device) }
  }

  /// Whether the socket hears a group on a device.
  ///
  /// As with `IP_MULTICAST_ALL`, a socket without memberships hears every group that somebody
  /// joined.
  func hears(_ group: IPv4Address, on ifindex: Int32) -> Bool {
    memberships.isEmpty
      || memberships.contains { $0.group == group && $0.ifindex == ifindex }
      || !memberships.contains { $0.group == group }
  }

  public override func close() {
    for membership in memberships {
      if let device = stack.devices[membership.ifindex] {
        stack.leave(membership.group, on: device)
      }
    }
    memberships = []
    super.close()
  }
}

import HopyardWire

/// How a local sender wants its packet to go.
struct OutputOptions {
  /// The source address; 0 lets the route choose.
  var source: UInt32 = 0
  /// The destination address.
  var destination: UInt32
  var ipProtocol: IPProtocol
  var tos: UInt8 = 0
  /// 0 takes the default, or 1 for multicast.
  var ttl: UInt8 = 0
  /// Whether DF is set on packets that fit.
  var dontFragment = false
  /// Whether a packet that does not fit is refused and not cut up.
  var refusesFragmentation = false
  /// Whether the path MTU counts, or only the device's (`IP_PMTUDISC_PROBE` and `_INTERFACE`).
  var usesDeviceMTU = false
  var mark: UInt32 = 0
  /// Bound to a device, by index; 0 for none.
  var outputIfindex: Int32 = 0
  var socket: UInt32 = 0
  var uid: UInt32 = 0
  var gid: UInt32 = 0
  /// IP options, padded to a multiple of four.
  var options: [UInt8] = []
  var sourcePort: UInt16 = 0
  var destinationPort: UInt16 = 0
  /// The route is only to direct neighbours (`MSG_DONTROUTE`).
  var isOnLinkOnly = false
  /// Broadcast destinations are allowed (`SO_BROADCAST`).
  var allowsBroadcast = true
  /// The journey that the packet continues; 0 begins a new one.
  var journey: UInt64 = 0
  /// The device for multicast that names none (`IP_MULTICAST_IF`), by index.
  var multicastIfindex: Int32 = 0
  /// Upper layers heard from the neighbour (`MSG_CONFIRM`).
  var confirmsNeighbour = false
  /// The sender wants to hear of local drops (`IP_RECVERR`).
  var reportsErrors = false
  /// Any source address may be used (`IP_TRANSPARENT`).
  var acceptsAnySource = false
  /// Own copies of multicast datagrams come back (`IP_MULTICAST_LOOP`).
  var loopsMulticast = true
}

/// The way out: the routing decision, OUTPUT, POSTROUTING, fragmentation, the neighbour.
extension IPv4Stack {
  // MARK: Routing

  /// Finds the way for a packet of this host (`ip_route_output_key`).
  func routeOutput(_ options: OutputOptions) throws(SocketError) -> RouteDecision {
    var key = FlowKey<UInt32>(
      destination: options.destination,
      source: options.source,
      outputIfindex: options.outputIfindex,
      mark: options.mark,
      tos: options.tos & 0xfc,
      ipProtocol: options.ipProtocol.rawValue,
      uid: options.uid
    )
    key.sourcePort = options.sourcePort
    key.destinationPort = options.destinationPort
    if options.isOnLinkOnly { key.scope = .link }
    if key.outputIfindex == 0 && options.destination >> 28 == 0xe
      && options.multicastIfindex != 0
    {
      key.outputIfindex = options.multicastIfindex
    }
    // What the tables say of a plain request can be remembered.
    let isPlain =
      key.outputIfindex == 0 && !options.acceptsAnySource && !options.isOnLinkOnly
      && !options.usesDeviceMTU && exceptions.isEmpty && routes.dividesByAddressesOnly
      && settings.multipathHashPolicy == 0
    if isPlain {
      key.sourcePort = 0
      key.destinationPort = 0
      if let known = flows.output.find(key, routes.generation) { return known }
    }
    let resolved: ResolvedRoute<UInt32>
    do throws(RouteError) {
      resolved = try routes.routeOutput(key, acceptsAnySource: options.acceptsAnySource)
    } catch {
      throw SocketError(error.errno)
    }
    guard let device = devices[resolved.ifindex] else { throw .networkUnreachable }
    var decision = RouteDecision(
      device: device,
      nextHop: resolved.neighbour,
      type: resolved.type,
      mtu: device.mtu,
      usesGateway: resolved.hasGateway,
      source: resolved.source
    )
    decision.listensItself = resolved.isLocal
    decision.destination = resolved.destination
    if device.isLoopback { decision.nextHop = 0 }
    if let result = resolved.result, result.mtu != 0 {
      decision.mtu = Int(result.mtu)
      decision.isMTULocked = result.isMTULocked
    }
    if !exceptions.isEmpty, !device.isLoopback,
      let known = exceptions.bind(
        resolved.destination,
        by: .init(resolved),
        now: simulation.now
      )
    {
      if known.mtu > 0 && !options.usesDeviceMTU {
        decision.mtu = min(decision.mtu, known.mtu)
        decision.isMTULocked = known.isMTULocked || decision.isMTULocked
      }
      if known.gateway != 0 {
        decision.nextHop = known.gateway
        decision.usesGateway = true
      }
    }
    if options.usesDeviceMTU { decision.mtu = device.mtu }
    if isPlain && resolved.type == .unicast {
      flows.output.insert(key, decision, routes.generation)
    }
    return decision
  }

  /// Asks the routing tables for the way of a packet of this host.
  func resolveOutput(_ options: OutputOptions) throws(SocketError) -> ResolvedRoute<UInt32> {
    var key = FlowKey<UInt32>(
      destination: options.destination,
      source: options.source,
      outputIfindex: options.outputIfindex,
      mark: options.mark,
      tos: options.tos & 0xfc,
      ipProtocol: options.ipProtocol.rawValue,
      uid: options.uid
    )
    key.sourcePort = options.sourcePort
    key.destinationPort = options.destinationPort
    if options.isOnLinkOnly { key.scope = .link }
    if key.outputIfindex == 0 && options.destination >> 28 == 0xe
      && options.multicastIfindex != 0
    {
      key.outputIfindex = options.multicastIfindex
    }
    do throws(RouteError) {
      return try routes.routeOutput(key, acceptsAnySource: options.acceptsAnySource)
    } catch {
      throw SocketError(error.errno)
    }
  }

  /// The metrics of the route that a packet of this host takes.
  func routeMetrics(_ options: OutputOptions) -> RouteMetrics {
    guard let resolved = try? resolveOutput(options), let result = resolved.result else {
      return .none
    }
    return routes.route(result.route)?.metrics ?? .none
  }

  /// The address that a packet gets which leaves by a device (`inet_select_addr`).
  func selectSource(_ device: NetworkDevice, _ destination: UInt32, _ scope: RouteScope) -> UInt32 {
    routes.sourceAddress(ifindex: device.ifindex, gateway: destination, scope: scope)
  }

  // MARK: Local output

  /// Sends a payload (transport header and data) as one datagram of this host.
  ///
  /// The header is made here; a datagram longer than the route allows is cut up on the way out.
  func send(
    payload: consuming Packet,
    _ options: OutputOptions,
    route: RouteDecision
  ) throws(SocketError) {
    var packet = payload
    let headerLength = 20 + options.options.count
    packet.push(headerLength)
    guard packet.count <= 65_535 else { throw .messageTooLong }
    let isGroup = route.type == .multicast
    var df = options.dontFragment && !route.isMTULocked
    if packet.count > route.mtu {
      if options.refusesFragmentation { throw .messageTooLong }
      df = false
    }
    packet.setU8(0x40 | UInt8(headerLength / 4), at: 0)
    packet.setU8(options.tos, at: 1)
    packet.setU16(UInt16(packet.count), at: 2)
    packet.setU16(nextIdentification(), at: 4)
    packet.setU16(df ? 0x4000 : 0, at: 6)
    packet.setU8(
      options.ttl != 0
        ? options.ttl : (isGroup ? 1 : UInt8(truncatingIfNeeded: settings.defaultTTL)),
      at: 8
    )
    packet.setU8(options.ipProtocol.rawValue, at: 9)
    packet.setU32(route.source, at: 12)
    packet.setU32(options.destination == 0 ? route.destination : options.destination, at: 16)
    if !options.options.isEmpty {
      for (offset, byte) in options.options.enumerated() { packet.setU8(byte, at: 20 + offset) }
      recordSending(&packet, headerLength, source: route.source)
    }
    packet.metadata.journey = options.journey != 0 ? options.journey : simulation.nextJourney()
    packet.metadata.mark = options.mark
    packet.metadata.priority = Self.priority(ofTOS: options.tos)
    packet.metadata.socket = options.socket
    packet.metadata.uid = options.uid
    packet.metadata.gid = options.gid
    packet.metadata.etherType = .ipv4
    packet.metadata.inputDevice = 0
    if options.reportsErrors { packet.metadata.flags.insert(.reportsErrors) }
    if options.refusesFragmentation { packet.metadata.flags.insert(.dontFragmentLocally) }
    try sendLocal(
      packet,
      route,
      confirming: options.confirmsNeighbour,
      loopsMulticast: options.loopsMulticast
    )
  }

  /// Sends a complete packet of this host through OUTPUT (`ip_local_out`).
  func sendLocal(
    _ packet: consuming Packet,
    _ route: RouteDecision,
    confirming: Bool = false,
    loopsMulticast: Bool = true
  ) throws(SocketError) {
    var packet = packet
    var route = route
    packet.setU16(UInt16(packet.count), at: 2)
    setHeaderChecksum(&packet)
    counters.countRequest()
    if core.pointee.isTraced {
      trace(packet, "output", on: route.device, "sent by this host, dev \(route.device.name)")
    }
    if !isFilterIdle {
      var output: InterfaceReference? = reference(route.device)
      reroutedDecision = nil
      switch netfilter.run(.output, &packet, input: nil, output: &output) {
      case .accept: break
      case .drop(let fate):
        noteDrop(packet, fate, on: route.device)
        if case .noRoute = fate { throw .hostUnreachable }
        throw .operationNotPermitted
      case .stolen: return
      }
      if let rerouted = reroutedDecision {
        route = rerouted
        reroutedDecision = nil
      }
    }
    if confirming {
      let entry = neighbours.find(route.nextHop, on: route.device.number)
      if let entry { neighbours.confirm(entry) }
    }
    if route.type == .multicast && loopsMulticast {
      loopBack(packet, route)
    } else if route.type == .broadcast {
      loopBack(packet, route)
    }
    if route.type == .multicast && packet.u8(at: 8) == 0 {
      return drop(packet, .ttlExceeded, on: route.device)
    }
    let result = output(packet, route, from: nil)
    switch result {
    case .dropped: throw .noBufferSpace
    case .refused: throw .operationNotPermitted
    default: break
    }
  }

  /// Gives this host its own copy of a group or broadcast packet where it listens.
  private func loopBack(_ packet: borrowing Packet, _ route: RouteDecision) {
    if route.device.isLoopback { return }
    guard route.listensItself else { return }
    var copy = packet.clone()
    copy.metadata.linkHeaderLength = 0
    var output: InterfaceReference? = reference(route.device)
    guard isFilterIdle || accept(.postrouting, &copy, in: nil, out: &output) else { return }
    copy.metadata.type = .loopback
    copy.push(14)
    copy.setMAC(.zero, at: 0)
    copy.setMAC(.zero, at: 6)
    copy.setU16(EtherType.ipv4.rawValue, at: 12)
    host.backlog.enqueue(copy, for: route.device)
  }

  @inline(__always)
  func setHeaderChecksum(_ packet: inout Packet) {
    packet.setU16(0, at: 10)
    let length = Int(packet.u8(at: 0) & 15) &* 4
    let sum = packet.withBytes {
      InternetChecksum.checksum(of: UnsafeRawBufferPointer(rebasing: $0[..<length]))
    }
    packet.setU16(sum, at: 10)
  }

  // MARK: Output

  /// Sends a packet by its route: POSTROUTING, fragments, the neighbour (`ip_output`).
  @inline(__always)
  @discardableResult
  func output(_ packet: consuming Packet, _ route: RouteDecision, from input: NetworkDevice?)
    -> TransmitResult
  {
    var packet = packet
    if !isFilterIdle {
      var output: InterfaceReference? = reference(route.device)
      switch netfilter.run(
        .postrouting,
        &packet,
        input: input.map { reference($0) },
        output: &output
      )
      {
      case .accept: break
      case .drop(let fate):
        noteDrop(packet, fate, on: route.device)
        return .refused
      case .stolen: return .sent
      }
    }
    counters.countTransmitted(packet.count)
    if route.type != .unicast && route.type != .local { countGroup(packet, route) }
    let mtu =
      packet.metadata.flags.contains(.forwarded) ? route.mtu : min(route.mtu, 65_535)
    if packet.count > mtu || packet.metadata.largestFragment > 0 {
      return outputFragments(packet, route, mtu: mtu, from: input)
    }
    return finish(packet, route)
  }

  private func countGroup(_ packet: borrowing Packet, _ route: RouteDecision) {
    if route.type == .multicast {
      counters.count(.ipExtOutMcastPkts)
      counters.count(.ipExtOutMcastOctets, by: UInt64(packet.count))
    } else if route.type == .broadcast {
      counters.count(.ipExtOutBcastPkts)
      counters.count(.ipExtOutBcastOctets, by: UInt64(packet.count))
    }
  }

  /// Hands a packet to its neighbour (`ip_finish_output2`).
  @inline(__always)
  func finish(_ packet: consuming Packet, _ route: RouteDecision) -> TransmitResult {
    let (number, takesNextHop) = route.deviceReference._withUnsafeGuaranteedRef {
      ($0.number, $0.takesNextHop)
    }
    if takesNextHop { packet.metadata.nextHop = route.nextHop }
    if let address = neighbourReference?._withUnsafeGuaranteedRef({
      $0.connectedAddress(of: route.nextHop, on: number)
    }) {
      let slot = packet.intoSlot()
      return route.deviceReference._withUnsafeGuaranteedRef {
        $0.send(Packet(slot: slot), to: address)
      }
    }
    return finishSlowly(packet, route)
  }

  /// Sends a bridged packet to a neighbour on the bridge.
  func sendToNeighbour(_ packet: consuming Packet, _ address: UInt32, on device: NetworkDevice) {
    _ = finishSlowly(
      packet,
      RouteDecision(device: device, nextHop: address, type: .unicast, mtu: device.mtu)
    )
  }

  private func finishSlowly(_ packet: consuming Packet, _ route: RouteDecision) -> TransmitResult {
    let entry = neighbours.findOrMake(route.nextHop, on: route.device.number)
    if entry.state == .none { construct(entry, route) }
    lastTransmitResult = .sent
    let source = packet.u32(at: 12)
    neighbours.send(packet, to: entry, source: source)
    return lastTransmitResult
  }
}

import HopyardWire

/// The way in: checks, PREROUTING, the routing decision, local delivery.
extension IPv4Stack {
  /// Takes a packet from a device; its first byte is the IPv4 header's (`ip_rcv`).
  func receive(_ packet: consuming Packet, on device: NetworkDevice) {
    var packet = packet
    if packet.metadata.type == .otherHost { return drop(packet, .notForUs, on: device) }
    guard packet.count >= 20 else { return malformed(packet, on: device) }
    let versionAndLength = packet.u8(at: 0)
    let headerLength = Int(versionAndLength & 15) &* 4
    let total = Int(packet.u16(at: 2))
    counters.countReceived(total, ect: packet.u8(at: 1) & 3 != 0)
    guard versionAndLength >> 4 == 4, headerLength >= 20, packet.count >= headerLength,
      total >= headerLength
    else { return malformed(packet, on: device) }
    guard
      packet.withBytes({
        InternetChecksum.checksum(of: UnsafeRawBufferPointer(rebasing: $0[..<headerLength]))
      }) == 0
    else {
      counters.count(.ipExtInCsumErrors)
      return drop(packet, .badChecksum, on: device)
    }
    guard packet.count >= total else {
      counters.count(.ipExtInTruncatedPkts)
      return drop(packet, .malformed, on: device)
    }
    if packet.count > total { packet.trim(to: total) }
    trace(packet, "receive", on: device, "in by \(device.name)")
    // A bridge showed its packet to PREROUTING already.
    if !isFilterIdle && !packet.metadata.flags.contains(.bridgeNetfilter) {
      var output: InterfaceReference?
      guard accept(.prerouting, &packet, in: device, out: &output) else { return }
    }
    routeInput(packet, on: device, headerLength: headerLength)
  }

  private func malformed(_ packet: consuming Packet, on device: NetworkDevice) {
    counters.count(.ipInHdrErrors)
    drop(packet, .malformed, on: device)
  }

  /// Runs a hook; false if the packet's way ended there.
  @inline(__always)
  func accept(
    _ hook: Hook,
    _ packet: inout Packet,
    in input: NetworkDevice?,
    out output: inout InterfaceReference?
  ) -> Bool {
    switch netfilter.run(
      hook,
      &packet,
      input: input.map { reference($0) },
      output: &output
    )
    {
    case .accept: return true
    case .drop(let fate):
      noteDrop(packet, fate, on: input)
      return false
    case .stolen: return false
    }
  }

  /// Ends a packet's way.
  @inline(__always)
  func drop(_ packet: consuming Packet, _ fate: Fate, on device: NetworkDevice?) {
    guard core.pointee.isTraced else { return }
    host.drop(packet, fate, on: device)
  }

  func noteDrop(_ packet: borrowing Packet, _ fate: Fate, on device: NetworkDevice?) {
    guard core.pointee.isTraced else { return }
    host.drop(packet.clone(), fate, on: device)
  }

  /// Decides where a received packet goes (`ip_rcv_finish`, `ip_route_input`).
  func routeInput(_ packet: consuming Packet, on device: NetworkDevice, headerLength: Int) {
    var packet = packet
    // PREROUTING may have changed the header.
    let source = packet.u32(at: 12)
    let destination = packet.u32(at: 16)
    if headerLength > 20 {
      guard parseOptions(&packet, on: device, headerLength: headerLength) else { return }
    }
    switch packet.metadata.type {
    case .multicast:
      counters.count(.ipExtInMcastPkts)
      counters.count(.ipExtInMcastOctets, by: UInt64(packet.count))
    case .broadcast:
      counters.count(.ipExtInBcastPkts)
      counters.count(.ipExtInBcastOctets, by: UInt64(packet.count))
    default: break
    }
    if packet.metadata.type == .loopback {
      // It was routed when it was sent.
      return deliverLocally(
        packet,
        on: device,
        route: destination >> 28 == 0xe ? .multicast : .broadcast
      )
    }
    if destination >> 28 == 0xe {
      return multicastInput(packet, on: device, source: source, destination: destination)
    }
    let key = inputKey(packet, on: device, headerLength: headerLength)
    let way: InputDecision
    if let known = flows.input.find(key, routes.generation) {
      way = known
    } else {
      do throws(InputRefusal) {
        way = try decide(key, on: device)
      } catch {
        return refuse(packet, on: device, error)
      }
    }
    dispatch(packet, way, on: device)
  }

  /// Asks the routing tables where a received packet goes, and remembers the answer.
  func decide(_ key: FlowKey<UInt32>, on device: NetworkDevice) throws(InputRefusal)
    -> InputDecision
  {
    let resolved = try routes.routeInput(key)
    let way: InputDecision
    if resolved.isLocal {
      way = InputDecision(
        route: RouteDecision(device: device, nextHop: 0, type: resolved.type, mtu: device.mtu),
        isLocal: true
      )
    } else {
      guard let output = devices[resolved.ifindex] else { throw .unreachable(.noRoute) }
      var route = RouteDecision(
        device: output,
        nextHop: resolved.neighbour,
        type: resolved.type,
        mtu: output.mtu,
        usesGateway: resolved.hasGateway
      )
      if let result = resolved.result {
        route.mtu = forwardingMTU(result, output, key.destination)
      }
      way = InputDecision(route: route, isLocal: false, redirects: resolved.redirects)
    }
    if !routes.rulesNeedPorts && settings.multipathHashPolicy == 0 {
      flows.input.insert(key, way, routes.generation)
    }
    return way
  }

  /// Sends a received packet up or on, as decided.
  @inline(__always)
  private func dispatch(
    _ packet: consuming Packet,
    _ way: InputDecision,
    on device: NetworkDevice
  ) {
    var packet = packet
    if packet.metadata.flags.contains(.hasOptions) {
      recordArrival(&packet, on: device, isLocal: way.isLocal && way.route.type == .local)
    }
    if way.isLocal { return deliverLocally(packet, on: device, route: way.route.type) }
    if way.redirects { packet.metadata.flags.insert(.redirect) }
    if core.pointee.isTraced {
      trace(
        packet,
        "route",
        on: device,
        way.route.usesGateway
          ? "via \(IPv4Address(rawValue: way.route.nextHop)) dev \(way.route.device.name)"
          : "direct, dev \(way.route.device.name)"
      )
    }
    forward(packet, way.route, from: device)
  }

  @inline(__always)
  private func inputKey(_ packet: borrowing Packet, on device: NetworkDevice, headerLength: Int)
    -> FlowKey<UInt32>
  {
    var key = FlowKey<UInt32>(
      destination: packet.u32(at: 16),
      source: packet.u32(at: 12),
      inputIfindex: device.ifindex,
      mark: packet.metadata.mark,
      tos: packet.u8(at: 1) & 0xfc
    )
    if routes.rulesNeedPorts || settings.multipathHashPolicy != 0 {
      key.ipProtocol = packet.u8(at: 9)
      if key.ipProtocol == 6 || key.ipProtocol == 17, packet.u16(at: 6) & 0x1fff == 0,
        packet.count >= headerLength &+ 4
      {
        key.sourcePort = packet.u16(at: headerLength)
        key.destinationPort = packet.u16(at: headerLength &+ 2)
      }
    }
    return key
  }

  /// Ends the way of a packet that the routing tables refuse.
  private func refuse(
    _ packet: consuming Packet,
    on device: NetworkDevice,
    _ refusal: InputRefusal
  ) {
    switch refusal {
    case .martianSource, .martianDestination: martian(packet, on: device)
    case .reversePath:
      counters.count(.ipExtIPReversePathFilter)
      drop(packet, .reversePathFilter, on: device)
    case .forwardingDisabled:
      counters.count(.ipInAddrErrors)
      drop(packet, .forwardingDisabled, on: device)
    case .unreachable(let error): inputError(packet, on: device, error)
    }
  }

  private func martian(_ packet: consuming Packet, on device: NetworkDevice) {
    counters.count(.ipInAddrErrors)
    drop(packet, .martian, on: device)
  }

  /// A packet for a group that this host joined, or not.
  private func multicastInput(
    _ packet: consuming Packet,
    on device: NetworkDevice,
    source: UInt32,
    destination: UInt32
  ) {
    let isMember =
      destination == 0xe000_0001 || device.isLoopback
      || device.inet.groups.contains { $0.group.rawValue == destination }
    guard isMember else { return drop(packet, .notForUs, on: device) }
    if source >> 28 == 0xe || source == 0xffff_ffff || source >> 24 == 127 && !device.isLoopback {
      return martian(packet, on: device)
    }
    if source != 0 && devices.isLocalAddress(source) && !device.isLoopback
      && !isOn(.acceptLocal, device)
    {
      return martian(packet, on: device)
    }
    deliverLocally(packet, on: device, route: .multicast)
  }

  /// No way to the destination: the sender is told, at a limited rate (`ip_error`).
  private func inputError(
    _ packet: consuming Packet,
    on device: NetworkDevice,
    _ error: FIBLookupError
  ) {
    let fate: Fate
    let code: UInt8?
    switch error {
    case .noRoute:
      (fate, code) = (.noRoute, ICMPv4Header.Unreachable.network)
    case .unreachableRule:
      (fate, code) = (.unreachableRoute, ICMPv4Header.Unreachable.network)
    case .unreachableRoute:
      (fate, code) = (.unreachableRoute, ICMPv4Header.Unreachable.host)
    case .prohibitRoute, .prohibitRule:
      (fate, code) = (.prohibitRoute, 13)
    case .blackholeRoute, .blackholeRule:
      (fate, code) = (.blackhole, nil)
    }
    if device.inet.settings[.forwarding] == 0 {
      counters.count(error.errno == .networkUnreachable ? .ipExtInNoRoutes : .ipInAddrErrors)
      return drop(packet, fate, on: device)
    }
    if let code {
      if error.errno == .networkUnreachable { counters.count(.ipExtInNoRoutes) }
      if peers.allowsRouteError(to: packet.ipv4(at: 12), now: simulation.now) {
        sendICMPError(
          about: packet,
          type: ICMPv4Type.destinationUnreachable,
          code: code,
          received: device
        )
      }
    }
    drop(packet, fate, on: device)
  }

  // MARK: Local delivery

  /// Gives a packet to this host (`ip_local_deliver`).
  func deliverLocally(_ packet: consuming Packet, on device: NetworkDevice, route: RouteType) {
    var packet = packet
    if packet.u16(at: 6) & 0x3fff != 0 {
      guard let whole = reassembler.add(packet, on: device) else { return }
      packet = whole
    }
    if !isFilterIdle {
      var output: InterfaceReference?
      guard accept(.input, &packet, in: device, out: &output) else { return }
    }
    let headerLength = Int(packet.u8(at: 0) & 15) &* 4
    let proto = IPProtocol(rawValue: packet.u8(at: 9))
    let isForAll = route != .local
    let tookRaw = transport?.deliverRaw(packet, on: device, isBroadcast: isForAll) ?? false
    trace(packet, "input", on: device, "local delivery of \(proto)")
    switch proto {
    case .icmp:
      counters.countDelivered()
      return receiveICMP(packet, on: device, headerLength: headerLength, route: route)
    case .igmp:
      counters.countDelivered()
      return receiveIGMP(packet, on: device, headerLength: headerLength)
    case .ipip:
      if let tunnels, tunnels.fallback != nil {
        return receiveTunnelled(packet, on: device, headerLength: headerLength, tunnels)
      }
    default: break
    }
    guard let transport else { return drop(packet, .noProtocol, on: device) }
    let result = transport.deliver(packet, on: device, route: route)
    switch consume result {
    case .taken:
      counters.countDelivered()
    case .noSocket(let unclaimed):
      counters.countDelivered()
      if proto == .udp {
        sendICMPError(
          about: unclaimed,
          type: ICMPv4Type.destinationUnreachable,
          code: ICMPv4Header.Unreachable.port,
          received: device,
          isForAll: isForAll
        )
      }
      drop(unclaimed, .noSocket, on: device)
    case .noProtocol(let unclaimed):
      if tookRaw {
        counters.countDelivered()
        return
      }
      counters.count(.ipInUnknownProtos)
      sendICMPError(
        about: unclaimed,
        type: ICMPv4Type.destinationUnreachable,
        code: ICMPv4Header.Unreachable.protocol,
        received: device,
        isForAll: isForAll
      )
      drop(unclaimed, .noProtocol, on: device)
    }
  }

  /// Looks at the options of a received packet; false if its way ended there (`ip_rcv_options`).
  private func parseOptions(
    _ packet: inout Packet,
    on device: NetworkDevice,
    headerLength: Int
  ) -> Bool {
    var at = 20
    while at < headerLength {
      let kind = packet.u8(at: at)
      if kind == 0 { break }
      if kind == 1 {
        at += 1
        continue
      }
      guard at + 1 < headerLength else { return optionProblem(packet, device, at) }
      let length = Int(packet.u8(at: at + 1))
      guard length >= 2, at + length <= headerLength else {
        return optionProblem(packet, device, at + 1)
      }
      if kind == 131 || kind == 137 {
        // Source routes are refused unless the device accepts them.
        if !isOn(.acceptSourceRoute, device) {
          noteDrop(packet, .martian, on: device)
          return false
        }
      }
      at += length
    }
    packet.metadata.flags.insert(.hasOptions)
    return true
  }

  private func optionProblem(_ packet: borrowing Packet, _ device: NetworkDevice, _ at: Int) -> Bool
  {
    counters.count(.ipInHdrErrors)
    sendICMPError(
      about: packet,
      type: ICMPv4Type.parameterProblem,
      code: 0,
      info: UInt32(at) << 24,
      received: device
    )
    noteDrop(packet, .malformed, on: device)
    return false
  }
}

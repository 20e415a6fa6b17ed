import HopyardWire

/// What the namespace's netfilter asks of it.
extension NetworkNamespace: NetfilterEnvironment {
  private func device(_ number: UInt32) -> NetworkDevice? {
    guard let device = backlog.device(number), device.host === self else { return nil }
    return device
  }

  func interfaceName(_ device: UInt32) -> String { self.device(device)?.name ?? "" }

  func interfaceReference(_ device: UInt32) -> InterfaceReference? {
    self.device(device).map { ipv4.reference($0) }
  }

  func addressType(of address: IPv4Address, on ifindex: Int32?) -> RouteType {
    routes.addressType(address.rawValue, on: ifindex)
  }

  func sourceAddress(
    toward destination: IPv4Address,
    output: InterfaceReference
  ) -> IPv4Address? {
    var key = FlowKey<UInt32>(destination: destination.rawValue)
    key.outputIfindex = output.ifindex
    // The address must suit the next hop, which shares a subnet with it.
    let nextHop = (try? routes.routeOutput(key))?.neighbour ?? destination.rawValue
    let source = routes.sourceAddress(
      ifindex: output.ifindex,
      gateway: nextHop,
      scope: .universe
    )
    return source == 0 ? nil : IPv4Address(rawValue: source)
  }

  func firstAddress(of device: UInt32) -> IPv4Address? {
    self.device(device)?.inet.addresses.first.map { IPv4Address(rawValue: $0.local) }
  }

  func reroute(_ packet: inout Packet) -> InterfaceReference? {
    guard let route = route(ofLocal: packet) else { return nil }
    ipv4.reroutedDecision = route
    return ipv4.reference(route.device)
  }

  /// The route of a packet of this host whose header is made (`ip_route_me_harder`).
  private func route(ofLocal packet: borrowing Packet) -> RouteDecision? {
    let source = packet.u32(at: 12)
    var options = OutputOptions(
      destination: packet.u32(at: 16),
      ipProtocol: IPProtocol(rawValue: packet.u8(at: 9))
    )
    let type = routes.addressType(source)
    if type == .local || type == .unicast {
      options.source = source
      options.acceptsAnySource = true
    }
    options.tos = packet.u8(at: 1)
    options.mark = packet.metadata.mark
    options.uid = packet.metadata.uid
    options.socket = packet.metadata.socket
    options.outputIfindex =
      packet.metadata.socket == 0
      ? 0 : sockets.socket(packet.metadata.socket)?.options.boundIfindex ?? 0
    return try? ipv4.routeOutput(options)
  }

  func defragment(_ packet: inout Packet, at hook: Hook) -> Bool {
    guard packet.u16(at: 6) & 0x3fff != 0 else { return true }
    let device = packet.metadata.inputDevice == 0 ? nil : self.device(packet.metadata.inputDevice)
    guard let whole = ipv4.conntrackReassembler.add(packet.clone(), on: device) else {
      return false
    }
    // Logs and bridges still look at the link header.
    let length = Int(packet.metadata.linkHeaderLength)
    (whole.start - length).copyMemory(from: packet.start - length, byteCount: length)
    whole.metadata.linkHeaderLength = UInt16(length)
    packet = whole
    return true
  }

  func sendUnreachable(
    about packet: borrowing Packet,
    code: UInt8,
    hook: Hook,
    input: InterfaceReference?
  ) {
    ipv4.sendICMPError(
      about: packet,
      type: .destinationUnreachable,
      code: code,
      received: input.flatMap { device($0.device) }
    )
  }

  func sendReset(about packet: borrowing Packet, hook: Hook, input: InterfaceReference?) {
    guard packet.count >= 20, packet.u16(at: 6) & 0x1fff == 0 else { return }
    let start = Int(packet.u8(at: 0) & 15) * 4
    guard packet.u8(at: 9) == IPProtocol.tcp.rawValue, packet.count >= start + 20 else { return }
    let flags = packet.u8(at: start + 13)
    guard flags & 0x04 == 0 else { return }
    if input != nil, packet.metadata.type != .host { return }
    let source = packet.ipv4(at: 16)
    let destination = packet.ipv4(at: 12)
    var reset = simulation.pool.make(count: 40)
    reset.withMutableBytes { bytes in
      for index in bytes.indices { bytes[index] = 0 }
    }
    reset.setU8(0x45, at: 0)
    reset.setU16(40, at: 2)
    reset.setU16(0x4000, at: 6)
    reset.setU8(UInt8(truncatingIfNeeded: ipv4.settings.defaultTTL), at: 8)
    reset.setU8(IPProtocol.tcp.rawValue, at: 9)
    reset.setIPv4(source, at: 12)
    reset.setIPv4(destination, at: 16)
    reset.setU16(packet.u16(at: start + 2), at: 20)
    reset.setU16(packet.u16(at: start), at: 22)
    // RFC 9293 §3.5.2: the reset stands where the other end expects it.
    if flags & 0x10 != 0 {
      reset.setU32(packet.u32(at: start + 8), at: 24)
      reset.setU8(0x04, at: 33)
    } else {
      let length = packet.count - start - Int(packet.u8(at: start + 12) >> 4) * 4
      let sequence =
        packet.u32(at: start + 4) &+ UInt32(truncatingIfNeeded: length)
        &+ UInt32(flags >> 1 & 1) &+ UInt32(flags & 1)
      reset.setU32(sequence, at: 28)
      reset.setU8(0x14, at: 33)
    }
    reset.setU8(0x50, at: 32)
    let sum = reset.withBytes { bytes in
      InternetChecksum.checksum(
        of: UnsafeRawBufferPointer(rebasing: bytes[20...]),
        initial: InternetChecksum.pseudoHeader(
          source: source,
          destination: destination,
          protocol: .tcp,
          length: 20
        )
      )
    }
    reset.setU16(sum, at: 36)
    reset.metadata.journey = simulation.nextJourney()
    reset.metadata.mark = ipv4.settings.reflectMark != 0 ? packet.metadata.mark : 0
    reset.metadata.etherType = .ipv4
    netfilter.attach(reset, to: packet)
    guard let route = route(ofLocal: reset) else { return }
    if packet.metadata.flags.contains(.bridgeNetfilter),
      packet.metadata.linkHeaderLength >= 14,
      let port = device(packet.metadata.bridgeInputPort)
    {
      // A bridged segment is answered on its own link, in the name of its receiver.
      let receiver = packet.linkDestination
      let sender = packet.linkSource
      ipv4.setHeaderChecksum(&reset)
      _ = port.send(reset, to: sender, from: receiver)
      return
    }
    try? ipv4.sendLocal(reset, route)
  }

  func sendCopy(of packet: borrowing Packet, toward gateway: IPv4Address, output: String?) {
    var options = OutputOptions(
      destination: gateway.rawValue,
      ipProtocol: IPProtocol(rawValue: packet.u8(at: 9))
    )
    options.tos = packet.u8(at: 1)
    if let output {
      guard let device = devices[output] else { return }
      options.outputIfindex = device.ifindex
    }
    guard let route = try? ipv4.routeOutput(options) else { return }
    var copy = packet.clone()
    copy.metadata.conntrack = 0
    copy.metadata.conntrackInfo = ConntrackInfo.untracked
    copy.setU16(copy.u16(at: 6) | 0x4000, at: 6)
    // On the way in a copy ages as if it were forwarded, so that copies cannot go round for ever.
    let isComingIn =
      copy.metadata.inputDevice != 0 && !copy.metadata.flags.contains(.forwarded)
    if isComingIn { copy.setU8(copy.u8(at: 8) &- 1, at: 8) }
    ipv4.setHeaderChecksum(&copy)
    try? ipv4.sendLocal(copy, route)
  }

  func owner(of packet: borrowing Packet) -> PacketOwner {
    if packet.metadata.socket != 0 {
      return .user(uid: packet.metadata.uid, gid: packet.metadata.gid)
    }
    return packet.metadata.flags.contains(.forwarded) || packet.metadata.inputDevice != 0
      ? .none : .kernel
  }

  func isReversePathRight(
    of packet: borrowing Packet,
    input: InterfaceReference,
    loose: Bool,
    acceptLocal: Bool,
    validMark: Bool
  ) -> Bool {
    if device(input.device)?.isLoopback == true { return true }
    let source = packet.u32(at: 12)
    if source == 0 || source == .max || packet.u32(at: 16) >> 28 == 0xe { return true }
    var key = FlowKey<UInt32>(destination: source, inputIfindex: 1)
    key.mark = validMark ? packet.metadata.mark : 0
    key.tos = packet.u8(at: 1) & 0xfc
    guard let result = try? routes.lookup(key) else { return false }
    if result.type != .unicast {
      guard result.type == .local, acceptLocal else { return false }
    }
    return loose || result.ifindex == input.ifindex
  }

  func routeRealms(
    of packet: borrowing Packet,
    input: InterfaceReference?,
    output: InterfaceReference?
  ) -> UInt32 {
    /// The realms of the route to an address.
    func realms(to address: UInt32, from source: UInt32, by ifindex: Int32) -> UInt32 {
      var key = FlowKey<UInt32>(destination: address, source: source, inputIfindex: ifindex)
      key.mark = packet.metadata.mark
      key.tos = packet.u8(at: 1) & 0xfc
      guard let result = try? routes.lookup(key), let route = routes.route(result.route),
        route.nexthops.indices.contains(Int(result.nexthopIndex))
      else { return 0 }
      return route.nexthops[Int(result.nexthopIndex)].realm
    }
    let source = packet.u32(at: 12)
    let destination = packet.u32(at: 16)
    guard let input else { return realms(to: destination, from: source, by: 1) }
    // The way back to the source has the source's realm (fib_combine_itag).
    let back = realms(to: source, from: destination, by: input.ifindex) << 16
    guard output != nil else { return back }
    // What the route to the destination does not say is taken from the way back (set_class_tag).
    var tag = realms(to: destination, from: source, by: input.ifindex)
    if tag & 0xffff == 0 { tag |= back & 0xffff }
    if tag & 0xffff_0000 == 0 { tag |= back & 0xffff_0000 }
    return tag
  }

  func hasSocket(for packet: borrowing Packet, onlyTransparent: Bool, noWildcard: Bool) -> Bool {
    guard let socket = socket(receiving: packet) else { return false }
    let address =
      (socket as? TCPSocket)?.localAddress ?? (socket as? UDPSocket)?.localAddress ?? .any
    if !noWildcard, address.isAny { return false }
    return !onlyTransparent || socket.options.isTransparent
  }

  /// The socket that would take a packet, or the error that quotes one of its own packets.
  private func socket(receiving packet: borrowing Packet) -> Socket? {
    var header = 0
    var length = packet.count
    var isQuoted = false
    if packet.u8(at: 9) == IPProtocol.icmp.rawValue {
      header = Int(packet.u8(at: 0) & 15) * 4 + 8
      guard length >= header + 28, ICMPv4Type(rawValue: packet.u8(at: header - 8)).isError else {
        return nil
      }
      isQuoted = true
      length -= header
    }
    let ports = header + Int(packet.u8(at: header) & 15) * 4
    guard packet.count >= ports + 4, packet.u16(at: header + 6) & 0x1fff == 0 else { return nil }
    let number = packet.u8(at: header + 9)
    var remote = packet.ipv4(at: header + 12)
    var local = packet.ipv4(at: header + 16)
    var remotePort = packet.u16(at: ports)
    var localPort = packet.u16(at: ports + 2)
    if isQuoted {
      swap(&remote, &local)
      swap(&remotePort, &localPort)
    } else if let original = netfilter.originalSource(ofAnswer: packet) {
      // An answer to a masqueraded packet is for the socket that sent it.
      local = original.address
      localPort = original.port
    }
    let ifindex = interfaceReference(packet.metadata.inputDevice)?.ifindex ?? 0
    switch number {
    case IPProtocol.tcp.rawValue:
      return sockets.tcp.find(
        local: local,
        localPort: localPort,
        remote: remote,
        remotePort: remotePort
      ) ?? sockets.tcp.findListener(local, localPort, ifindex: ifindex)
    case IPProtocol.udp.rawValue:
      return sockets.findUDP(
        source: remote,
        sourcePort: remotePort,
        destination: local,
        destinationPort: localPort,
        ifindex: ifindex
      )
    default: return nil
    }
  }

  func assignSocket(
    _ packet: inout Packet,
    address: IPv4Address,
    port: UInt16,
    input: InterfaceReference?
  ) -> Bool {
    let start = Int(packet.u8(at: 0) & 15) * 4
    guard packet.count >= start + 4 else { return false }
    let source = packet.ipv4(at: 12)
    let destination = packet.ipv4(at: 16)
    let sourcePort = packet.u16(at: start)
    let destinationPort = packet.u16(at: start + 2)
    let ifindex = input?.ifindex ?? 0
    let found: Socket?
    switch packet.u8(at: 9) {
    case IPProtocol.tcp.rawValue:
      let connection = sockets.tcp.find(
        local: destination,
        localPort: destinationPort,
        remote: source,
        remotePort: sourcePort
      )
      let flags = packet.count >= start + 14 ? packet.u8(at: start + 13) & 0x12 : 0
      if let connection, connection.state != .timeWait || flags != 0x02 {
        found = connection
      } else {
        found = sockets.tcp.findListener(address, port, ifindex: ifindex)
      }
    case IPProtocol.udp.rawValue:
      let own = sockets.findUDP(
        source: source,
        sourcePort: sourcePort,
        destination: destination,
        destinationPort: destinationPort,
        ifindex: ifindex
      )
      if let own, own.isConnected {
        found = own
      } else {
        let listener = sockets.findUDP(
          source: source,
          sourcePort: sourcePort,
          destination: address,
          destinationPort: port,
          ifindex: ifindex
        )
        found = listener?.isConnected == true ? nil : listener
      }
    default: found = nil
    }
    guard let found, found.options.isTransparent else { return false }
    packet.metadata.socket = found.number
    packet.metadata.flags.insert(.assigned)
    return true
  }

  func smallestPathMTU(of packet: borrowing Packet, output: InterfaceReference?) -> Int {
    func mtu(_ destination: UInt32) -> Int? {
      let options = OutputOptions(destination: destination, ipProtocol: .tcp)
      return (try? ipv4.routeOutput(options))?.mtu
    }
    let back = mtu(packet.u32(at: 12)) ?? Int.max
    let there = output.flatMap { device($0.device)?.mtu } ?? Int.max
    return min(back, there, mtu(packet.u32(at: 16)) ?? Int.max)
  }

  func log(_ line: String) { machine.kernelLog.append(line) }
}

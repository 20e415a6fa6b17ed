import HopyardWire

/// The way through: TTL, MTU, redirects, FORWARD.
extension IPv4Stack {
  /// Forwards a packet that is not for this host (`ip_forward`).
  @inline(__always)
  func forward(_ packet: consuming Packet, _ route: RouteDecision, from device: NetworkDevice) {
    var packet = packet
    guard packet.metadata.type == .host else { return drop(packet, .notForUs, on: device) }
    // A packet of a local socket does not go on.
    if packet.metadata.flags.contains(.assigned) { return drop(packet, .notForUs, on: device) }
    guard packet.u8(at: 8) > 1 else {
      counters.count(.ipInHdrErrors)
      sendICMPError(
        about: packet,
        type: ICMPv4Type.timeExceeded,
        code: 0,
        received: device
      )
      return drop(packet, .ttlExceeded, on: device)
    }
    packet.metadata.flags.insert(.forwarded)
    if packet.count > route.mtu && packet.u16(at: 6) & 0x4000 != 0
      && packet.metadata.flags.isDisjoint(with: .fragmentHere)
    {
      counters.count(.ipFragFails)
      sendICMPError(
        about: packet,
        type: ICMPv4Type.destinationUnreachable,
        code: ICMPv4Header.Unreachable.fragmentationNeeded,
        info: UInt32(route.mtu),
        received: device
      )
      return drop(packet, .fragmentationNeeded, on: device)
    }
    decrementTTL(&packet)
    if packet.metadata.flags.contains(.redirect) {
      sendRedirect(about: packet, route, from: device)
    }
    packet.metadata.priority = Self.priority(ofTOS: packet.u8(at: 1))
    if !isFilterIdle {
      var output: InterfaceReference? = reference(route.device)
      guard accept(.forward, &packet, in: device, out: &output) else { return }
    }
    counters.countForwarded()
    if packet.metadata.flags.contains(.hasOptions) {
      recordDeparture(&packet, route, from: device)
    }
    self.output(packet, route, from: device)
  }

  /// Lowers the TTL by one and adjusts the checksum (RFC 1624).
  @inline(__always)
  func decrementTTL(_ packet: inout Packet) {
    let word = packet.u16(at: 8)
    packet.setU16(word &- 0x100, at: 8)
    packet.setU16(
      InternetChecksum.adjust(packet.u16(at: 10), from: word, to: word &- 0x100),
      at: 10
    )
  }

  /// The MTU that counts for a forwarded packet: the route's, or the device's.
  @inline(__always)
  func forwardingMTU(_ result: FIBResult<UInt32>, _ device: NetworkDevice, _ destination: UInt32)
    -> Int
  {
    if settings.forwardUsesPathMTU != 0 || result.isMTULocked,
      let known = exceptions.mtu(of: destination, by: .init(result), now: simulation.now)
    {
      return known
    }
    return result.mtu != 0 ? Int(result.mtu) : device.mtu
  }

  /// The queueing priority of a type of service (`rt_tos2priority`).
  @inline(__always)
  static func priority(ofTOS tos: UInt8) -> UInt32 {
    // Pairs of the kernel's ip_tos2prio: best effort 0, filler 1, bulk 2, interactive bulk 4,
    // interactive 6.
    switch (tos & 0x1e) >> 1 {
    case 0, 1: 0
    case 2, 3: 0
    case 4, 5: 2
    case 6, 7: 2
    case 8, 9: 6
    case 10, 11: 6
    case 12, 13: 4
    default: 4
    }
  }

  private func sendRedirect(
    about packet: borrowing Packet,
    _ route: RouteDecision,
    from device: NetworkDevice
  ) {
    guard peers.allowsRedirect(to: packet.ipv4(at: 12), now: simulation.now) else { return }
    sendICMPError(
      about: packet,
      type: ICMPv4Type.redirect,
      code: 1,
      info: route.nextHop,
      received: device
    )
  }
}

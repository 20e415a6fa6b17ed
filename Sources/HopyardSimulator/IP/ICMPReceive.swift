import HopyardWire

/// ICMP messages that this host receives.
extension IPv4Stack {
  /// Takes an ICMP message; the packet's first byte is the IP header's (`icmp_rcv`).
  func receiveICMP(
    _ packet: consuming Packet,
    on device: NetworkDevice,
    headerLength: Int,
    route: RouteType
  ) {
    counters.count(.icmpInMsgs)
    guard packet.count >= headerLength + 8 else {
      counters.count(.icmpInErrors)
      return drop(packet, .malformed, on: device)
    }
    let isRight = packet.withBytes {
      InternetChecksum.isValid(UnsafeRawBufferPointer(rebasing: $0[headerLength...]))
    }
    guard isRight else {
      counters.count(.icmpInCsumErrors)
      counters.count(.icmpInErrors)
      return drop(packet, .badChecksum, on: device)
    }
    let type = ICMPv4Type(rawValue: packet.u8(at: headerLength))
    let code = packet.u8(at: headerLength + 1)
    countReceived(type)
    let isForAll = route != .local
    if isForAll {
      // RFC 1122 §3.2.2.6 and .8: such requests to everybody may be ignored.
      switch type {
      case .echoRequest, .timestampRequest:
        if settings.echoIgnoreBroadcasts != 0 { return drop(packet, .ignored, on: device) }
      case .addressMaskRequest, .addressMaskReply: break
      default: return drop(packet, .ignored, on: device)
      }
    }
    switch type {
    case .echoRequest:
      if settings.echoIgnoreAll != 0 { return drop(packet, .ignored, on: device) }
      sendReply(
        to: packet,
        type: .echoReply,
        headerLength: headerLength,
        on: device,
        route: route
      )
      drop(packet, .delivered, on: device)
    case .timestampRequest:
      guard packet.count >= headerLength + 20 else {
        counters.count(.icmpInErrors)
        return drop(packet, .malformed, on: device)
      }
      let milliseconds = UInt32(
        truncatingIfNeeded: simulation.now.nanoseconds / 1_000_000 % 86_400_000
      )
      let stamp = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: milliseconds >> UInt32($0)) }
      let tail = (0..<4).map { packet.u8(at: headerLength + 8 + $0) } + stamp + stamp
      sendReply(
        to: packet,
        type: .timestampReply,
        headerLength: headerLength,
        on: device,
        route: route,
        tail: tail
      )
      drop(packet, .delivered, on: device)
    case .echoReply:
      deliverPing(packet, headerLength: headerLength, on: device)
    case .destinationUnreachable, .timeExceeded, .parameterProblem, .sourceQuench, .redirect:
      receiveError(packet, type, code, headerLength: headerLength, on: device)
    default:
      drop(packet, .ignored, on: device)
    }
  }

  private func deliverPing(_ packet: consuming Packet, headerLength: Int, on device: NetworkDevice)
  {
    transport?.deliverEchoReply(packet, headerLength: headerLength, on: device)
    drop(packet, .delivered, on: device)
  }

  private func countReceived(_ type: ICMPv4Type) {
    switch type {
    case .echoReply: counters.count(.icmpInEchoReps)
    case .destinationUnreachable: counters.count(.icmpInDestUnreachs)
    case .sourceQuench: counters.count(.icmpInSrcQuenchs)
    case .redirect: counters.count(.icmpInRedirects)
    case .echoRequest: counters.count(.icmpInEchos)
    case .timeExceeded: counters.count(.icmpInTimeExcds)
    case .parameterProblem: counters.count(.icmpInParmProbs)
    case .timestampRequest: counters.count(.icmpInTimestamps)
    case .timestampReply: counters.count(.icmpInTimestampReps)
    default: break
    }
  }

  /// An error about a packet of this host: remembered where it concerns the path, and told to the
  /// socket.
  private func receiveError(
    _ packet: consuming Packet,
    _ type: ICMPv4Type,
    _ code: UInt8,
    headerLength: Int,
    on device: NetworkDevice
  ) {
    let at = headerLength + 8
    guard packet.count >= at + 20, packet.u8(at: at) >> 4 == 4 else {
      counters.count(.icmpInErrors)
      return drop(packet, .malformed, on: device)
    }
    let quotedLength = Int(packet.u8(at: at) & 15) * 4
    guard quotedLength >= 20, packet.count >= at + quotedLength else {
      counters.count(.icmpInErrors)
      return drop(packet, .malformed, on: device)
    }
    var info: UInt32 = 0
    let destination = packet.u32(at: at + 16)
    switch (type, code) {
    case (.destinationUnreachable, ICMPv4Header.Unreachable.fragmentationNeeded):
      info = UInt32(packet.u16(at: headerLength + 6))
      if settings.noPathMTUDiscovery == 3 || settings.noPathMTUDiscovery == 2 { info = 0 }
    case (.redirect, _):
      info = packet.u32(at: headerLength + 4)
    case (.timeExceeded, ICMPv4Header.TimeExceeded.reassembly):
      // Linux tells no socket that fragments were lost.
      return drop(packet, .ignored, on: device)
    default: break
    }
    let quoted = packet.withBytes { [UInt8](UnsafeRawBufferPointer(rebasing: $0[at...])) }
    let transportStart = min(quotedLength, quoted.count)
    let report = ICMPErrorReport(
      type: type.rawValue,
      code: code,
      info: info,
      offender: packet.ipv4(at: 12),
      source: packet.ipv4(at: at + 12),
      destination: IPv4Address(rawValue: destination),
      ipProtocol: IPProtocol(rawValue: packet.u8(at: at + 9)),
      transport: [UInt8](quoted[transportStart..<min(quoted.count, transportStart + 8)]),
      quoted: quoted,
      device: device.number
    )
    trace(packet, "input", on: device, "ICMP error about \(report.source) > \(report.destination)")
    transport?.deliverError(packet, report)
    drop(packet, .delivered, on: device)
  }

  // MARK: What errors teach about paths

  /// Remembers a path's MTU (`__ip_rt_update_pmtu`).
  func updatePathMTU(_ mtu: UInt32, for options: OutputOptions) {
    guard let route = try? routeOutput(options), !route.isMTULocked || route.mtu > Int(mtu) else {
      return
    }
    if route.isMTULocked { return }
    if route.mtu < Int(mtu) { return }
    var mtu = Int(mtu)
    var isLocked = false
    if mtu < Int(settings.minimumPathMTU) {
      mtu = min(route.mtu, Int(settings.minimumPathMTU))
      isLocked = true
    }
    if route.mtu == mtu { return }
    guard let resolved = try? resolveOutput(options) else { return }
    exceptions.setMTU(
      mtu,
      isLocked: isLocked,
      for: options.destination,
      by: .init(resolved),
      until: simulation.now + .seconds(Int64(settings.pathMTUExpires))
    )
  }

  /// Takes a better next hop for a destination, if it may be believed (`__ip_do_redirect`).
  func followRedirect(
    to gateway: UInt32,
    from old: IPv4Address,
    for options: OutputOptions,
    on number: UInt32
  ) {
    guard let device = host.backlog.device(number), let route = try? routeOutput(options),
      route.device === device, route.nextHop == old.rawValue
    else { return }
    guard gateway != old.rawValue,
      acceptsRedirects(device), gateway >> 28 != 0xe, gateway != 0xffff_ffff, gateway >> 24 != 0,
      gateway >> 24 != 127
    else { return }
    if !isOn(.sharedMedia, device) {
      guard
        device.inet.addresses.contains(where: {
          $0.subnetContains(gateway) && $0.subnetContains(old.rawValue)
        })
      else { return }
      if isOn(.secureRedirects, device) && !isDefaultGateway(gateway) { return }
    } else if devices.isLocalAddress(gateway) {
      return
    }
    let entry = neighbours.findOrMake(gateway, on: device.number)
    if entry.state == .none {
      var decision = route
      decision.nextHop = gateway
      construct(entry, decision)
    }
    guard entry.state.isValid else {
      // The new gateway is asked for first; only a known one is taken.
      neighbours.resolve(entry)
      return
    }
    guard let resolved = try? resolveOutput(options) else { return }
    exceptions.setGateway(
      gateway,
      for: options.destination,
      by: .init(resolved),
      until: simulation.now + .seconds(300)
    )
  }

  /// Whether a default route goes by this gateway (`ip_fib_check_default`).
  private func isDefaultGateway(_ gateway: UInt32) -> Bool {
    routes.routes(inTable: RouteTable.main).contains { (route: Route<UInt32>) in
      route.length == 0 && route.nexthops.contains { $0.gateway == gateway }
    }
  }

  /// `IN_DEV_RX_REDIRECTS`: a router needs both switches on, a host either.
  private func acceptsRedirects(_ device: NetworkDevice) -> Bool {
    let own = device.inet.settings[.acceptRedirects] != 0
    let all = allSettings[.acceptRedirects] != 0
    return device.inet.settings[.forwarding] != 0 ? own && all : own || all
  }
}

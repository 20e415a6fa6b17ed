import HopyardWire

/// ICMP errors that this host sends.
extension IPv4Stack {
  /// The largest ICMP error, header included, that RFC 1812 §4.3.2.3 asks for.
  private static var largestError: Int { 576 }

  /// Answers a packet with an ICMP error (`icmp_send`); `packet`'s first byte is its IP header's.
  ///
  /// Nothing is sent about broadcasts, later fragments or other errors (RFC 1122 §3.2.2), nor past
  /// the rate limits. `received` is the device by which the packet came, nil for a packet of this
  /// host.
  func sendICMPError(
    about packet: borrowing Packet,
    type: ICMPv4Type,
    code: UInt8,
    info: UInt32 = 0,
    received: NetworkDevice?,
    isLeaving: Bool = false,
    isForAll: Bool = false
  ) {
    guard packet.count >= 20 else { return }
    if received != nil {
      guard packet.metadata.type == .host, !isForAll else { return }
    }
    let source = packet.u32(at: 12)
    let destination = packet.u32(at: 16)
    guard packet.u16(at: 6) & 0x1fff == 0, source != 0, source >> 28 != 0xe, source != 0xffff_ffff
    else { return }
    if destination >> 28 == 0xe || destination == 0xffff_ffff { return }
    let headerLength = Int(packet.u8(at: 0) & 15) &* 4
    guard packet.count >= headerLength else { return }
    if type.isError && packet.u8(at: 9) == IPProtocol.icmp.rawValue {
      // No error about an error; a message too short to tell counts as one.
      guard packet.count > headerLength,
        ICMPv4Type(rawValue: packet.u8(at: headerLength)).isQuery
      else { return }
    }
    let isOwn = devices.isLocalAddress(destination) || destination >> 24 == 127
    var options = OutputOptions(destination: source, ipProtocol: .icmp)
    options.tos = type.isError ? (packet.u8(at: 1) & 0x1e) | 0xc0 : packet.u8(at: 1)
    options.mark = settings.reflectMark != 0 ? packet.metadata.mark : 0
    if isOwn && received != nil
      || received == nil && !isLeaving && devices.isLocalAddress(destination)
    {
      options.source = destination
    } else if settings.errorsUseInboundAddress != 0, let received {
      options.source = selectSource(received, source, .link)
    }
    options.journey = packet.metadata.journey
    // Linux sends ICMP by one socket, which cannot be entered again from its own output path.
    guard !isSendingICMP else { return }
    guard let route = try? routeOutput(options), route.type != .broadcast else { return }
    guard errorIsAllowed(type, code, to: options.destination, by: route.device) else { return }
    options.options = Self.echoedOptions(packet)
    let room = min(route.mtu, Self.largestError) - 28 - options.options.count
    guard room > 0 else { return }
    let quoted = min(packet.count, room)
    var error = simulation.pool.make(count: 8 + quoted)
    error.setU8(type.rawValue, at: 0)
    error.setU8(code, at: 1)
    error.setU16(0, at: 2)
    error.setU32(info, at: 4)
    error.copyBytes(from: packet, range: 0..<quoted, to: 8)
    error.setU16(error.withBytes { InternetChecksum.checksum(of: $0) }, at: 2)
    // An error belongs to the connection of the packet that it is about, even of one that never
    // got further than this host.
    if type.isError { netfilter.attach(error, to: packet) }
    countSent(type)
    isSendingICMP = true
    defer { isSendingICMP = false }
    try? send(payload: error, options, route: route)
  }

  /// The global and the per-destination rate limit (`icmpv4_global_allow`, `icmpv4_xrlim_allow`).
  private func errorIsAllowed(
    _ type: ICMPv4Type,
    _ code: UInt8,
    to destination: UInt32,
    by device: NetworkDevice
  ) -> Bool {
    guard type.rawValue < 32, settings.icmpRateMask >> Int32(type.rawValue) & 1 != 0 else {
      return true
    }
    // Path MTU discovery must not be slowed down.
    if type == .destinationUnreachable && code == ICMPv4Header.Unreachable.fragmentationNeeded {
      return true
    }
    if device.isLoopback { return true }
    guard peers.allowsGlobally(settings, now: simulation.now) else {
      counters.count(.icmpOutRateLimitGlobal)
      return false
    }
    guard
      peers.allowsError(
        to: IPv4Address(rawValue: destination),
        interval: Int64(settings.icmpRateLimit),
        now: simulation.now
      )
    else {
      counters.count(.icmpOutRateLimitHost)
      return false
    }
    return true
  }

  func countSent(_ type: ICMPv4Type) {
    counters.count(.icmpOutMsgs)
    switch type {
    case .echoReply: counters.count(.icmpOutEchoReps)
    case .destinationUnreachable: counters.count(.icmpOutDestUnreachs)
    case .sourceQuench: counters.count(.icmpOutSrcQuenchs)
    case .redirect: counters.count(.icmpOutRedirects)
    case .echoRequest: counters.count(.icmpOutEchos)
    case .timeExceeded: counters.count(.icmpOutTimeExcds)
    case .parameterProblem: counters.count(.icmpOutParmProbs)
    case .timestampRequest: counters.count(.icmpOutTimestamps)
    case .timestampReply: counters.count(.icmpOutTimestampReps)
    default: break
    }
  }

  /// Answers an echo or timestamp request with the same data (`icmp_reply`).
  func sendReply(
    to request: borrowing Packet,
    type: ICMPv4Type,
    headerLength: Int,
    on device: NetworkDevice,
    route: RouteType,
    tail: [UInt8]? = nil
  ) {
    var options = OutputOptions(destination: request.u32(at: 12), ipProtocol: .icmp)
    options.tos = request.u8(at: 1)
    options.mark = settings.reflectMark != 0 ? request.metadata.mark : 0
    options.journey = request.metadata.journey
    if route == .local {
      options.source = request.u32(at: 16)
    } else {
      // A broadcast is answered from the address that the sender would be routed to from.
      var probe = OutputOptions(destination: request.u32(at: 12), ipProtocol: .icmp)
      probe.tos = options.tos
      options.source = selectSource(device, probe.destination, .link)
    }
    guard !isSendingICMP, let way = try? routeOutput(options) else { return }
    options.options = Self.echoedOptions(request)
    let size = request.count - headerLength
    var reply = simulation.pool.make(count: size)
    reply.copyBytes(from: request, range: headerLength..<request.count, to: 0)
    reply.setU8(type.rawValue, at: 0)
    if let tail {
      for (offset, byte) in tail.enumerated() where 8 + offset < size {
        reply.setU8(byte, at: 8 + offset)
      }
    }
    reply.setU16(0, at: 2)
    reply.setU16(reply.withBytes { InternetChecksum.checksum(of: $0) }, at: 2)
    countSent(type)
    isSendingICMP = true
    defer { isSendingICMP = false }
    try? send(payload: reply, options, route: way)
  }
}

extension Packet {
  /// Copies bytes of another packet over own ones.
  mutating func copyBytes(from other: borrowing Packet, range: Range<Int>, to offset: Int) {
    precondition(
      range.lowerBound >= 0 && range.upperBound <= other.count && offset >= 0
        && offset &+ range.count <= count,
      "a copy outside the packet"
    )
    (start + offset).copyMemory(from: other.start + range.lowerBound, byteCount: range.count)
  }

  /// The packet in one line, for explanations; its first byte is an IP header's.
  var summary: String {
    withBytes { bytes in
      guard bytes.count >= 20, bytes[0] >> 4 == 4 else { return "\(bytes.count) bytes" }
      let length = Int(bytes[0] & 15) * 4
      func address(_ at: Int) -> IPv4Address {
        IPv4Address(
          rawValue: UInt32(bytes[at]) << 24 | UInt32(bytes[at + 1]) << 16
            | UInt32(bytes[at + 2]) << 8 | UInt32(bytes[at + 3])
        )
      }
      func word(_ at: Int) -> Int { Int(bytes[at]) << 8 | Int(bytes[at + 1]) }
      let proto = IPProtocol(rawValue: bytes[9])
      var text = "\(address(12))"
      let isFirst = word(6) & 0x1fff == 0
      let hasPorts = (proto == .tcp || proto == .udp) && isFirst && bytes.count >= length + 4
      if hasPorts { text += ":\(word(length))" }
      text += " > \(address(16))"
      if hasPorts { text += ":\(word(length + 2))" }
      text += " \(proto)"
      if proto == .icmp && isFirst && bytes.count >= length + 2 {
        text += " type \(bytes[length]) code \(bytes[length + 1])"
      }
      return text + " ttl \(bytes[8]) length \(word(2))"
    }
  }
}

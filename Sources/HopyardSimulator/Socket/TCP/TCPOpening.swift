import HopyardWire

/// Connections that a listener is asked for (`tcp_conn_request`).
extension TCPLayer {
  /// A SYN for a listener: a connection that waits for the third segment.
  func open(
    _ listener: TCPSocket,
    _ segment: ReceivedSegment,
    _ packet: borrowing Packet,
    from sourcePort: UInt16,
    sequence: UInt32?
  ) {
    let settings = stack.settings.tcp
    let isFull = listener.halfOpen > listener.backlog
    var usesCookie = false
    if settings.synCookies == 2 || isFull, sequence == nil {
      guard settings.synCookies != 0 else {
        listener.lastOverflow = now
        return
      }
      usesCookie = true
      listener.lastOverflow = now
    }
    guard listener.acceptQueue.count <= listener.backlog else {
      listener.lastOverflow = now
      return
    }
    let most = Int(settings.maximumSynBacklog)
    if !usesCookie, sequence == nil, settings.synCookies == 0,
      most - listener.halfOpen < most >> 2
    {
      return
    }
    let child = makeChild(listener, packet, from: sourcePort)
    guard prepare(child, listener, segment, packet) else { return }
    if usesCookie {
      let cookie = cookies.make(
        child.remoteAddress,
        child.localAddress,
        UInt32(child.remotePort) << 16 | UInt32(child.localPort),
        sequence: segment.sequence,
        segment: child.peerSegment,
        now: now
      )
      child.beginSequence(cookie)
      child.timestampOffset =
        SynCookies.timestamp(
          UInt32(truncatingIfNeeded: now / 1_000_000),
          scale: child.loss.scalesWindow ? child.sendScale : nil,
          sack: child.usesSACK,
          ecn: child.ecn.isOn
        ) &- UInt32(truncatingIfNeeded: now / 1_000_000)
      if !child.usesTimestamps {
        child.usesSACK = false
        child.loss.scalesWindow = false
        child.ecn.isOn = false
      }
      child.state = .synReceived
      _ = child.sendSyn()
      child.state = .closed
      return
    }
    child.beginSequence(sequence ?? initialSequence(of: child))
    child.listener = listener
    child.state = .synReceived
    child.opened = stack.simulation.now
    listener.halfOpen += 1
    connected(child)
    bound(child)
    child.setSynTimer()
    _ = child.sendSyn()
  }

  private var now: Int64 { stack.simulation.now.nanoseconds }

  private func makeChild(
    _ listener: TCPSocket,
    _ packet: borrowing Packet,
    from sourcePort: UInt16
  ) -> TCPSocket {
    let child = TCPSocket(number: table.makeNumber(), table: table)
    child.options = listener.options
    child.options.mark =
      stack.settings.tcp.acceptsMark != 0 && packet.metadata.mark != 0
      ? packet.metadata.mark : listener.options.mark
    child.uid = listener.uid
    child.gid = listener.gid
    child.receiver.limit = listener.receiver.limit
    child.sendLimit = listener.sendLimit
    child.tcpOptions = listener.tcpOptions
    child.receiver.limit = listener.receiver.limit
    child.sendLimit = listener.sendLimit
    child.localAddress = packet.ipv4(at: 16)
    // TPROXY brings segments for other ports than the listener's own.
    child.localPort = packet.u16(at: Int(packet.u8(at: 0) & 15) * 4 + 2)
    child.remoteAddress = packet.ipv4(at: 12)
    child.remotePort = sourcePort
    child.isBoundToPort = true
    child.isBoundToAddress = listener.isBoundToAddress
    child.timestampOffset = timestampOffset(of: child)
    return child
  }

  /// Settles what the SYN settles; false if there is no way back.
  private func prepare(
    _ child: TCPSocket,
    _ listener: TCPSocket,
    _ segment: ReceivedSegment,
    _ packet: borrowing Packet
  ) -> Bool {
    let settings = stack.settings.tcp
    guard let route = try? stack.routeOutput(child.connectionOutput) else { return false }
    let metrics = child.routeMetrics
    child.advertisedSegment = child.announcedSegment(route, metrics)
    child.loss.synTOS = segment.tos
    child.loss.scalesWindow = segment.windowScale != nil && settings.windowScaling != 0
    if listener.tcpOptions.windowClamp > 0 {
      child.receiver.clamp = listener.tcpOptions.windowClamp
    }
    if metrics.window > 0 { child.receiver.clamp = Int(metrics.window) }
    let most = child.receiver.window(from: child.receiver.limit)
    if listener.tcpOptions.receiveBuffer > 0,
      child.receiver.clamp == 0 || child.receiver.clamp > most
    {
      child.receiver.clamp = most
    }
    let usesTimestamps = segment.hasTimestamp && settings.timestamps != 0
    child.chooseInitialWindow(
      segment: child.advertisedSegment - (usesTimestamps ? 12 : 0),
      mayScale: child.loss.scalesWindow,
      initialSegments: Int(metrics.initrwnd)
    )
    child.takeOptions(of: segment)
    child.followPathMTU(route.mtu)
    let asksECN = segment.flags.contains(.ece) && segment.flags.contains(.cwr)
    child.ecn.isOn =
      asksECN && segment.tos & 3 == 0 && (settings.ecn != 0 || metrics.features & 1 != 0)
    child.initialReceive = segment.sequence
    child.receiveNext = segment.sequence &+ 1
    child.copiedSequence = child.receiveNext
    child.lastAcknowledged = child.receiveNext
    child.sendWindow = segment.window
    child.maximumWindow = segment.window
    child.sendWindowUpdate = segment.sequence
    return true
  }

  /// The third segment of a connection of which only the cookie knows; false if it is none.
  func acceptCookie(
    _ listener: TCPSocket,
    _ segment: ReceivedSegment,
    _ packet: borrowing Packet,
    from sourcePort: UInt16
  ) -> Bool {
    guard stack.settings.tcp.synCookies != 0, listener.lastOverflow > .min,
      now &- listener.lastOverflow < .seconds(120)
    else { return false }
    let cookie = segment.acknowledgement &- 1
    guard
      let size = cookies.segment(
        packet.ipv4(at: 12),
        packet.ipv4(at: 16),
        UInt32(sourcePort) << 16
          | UInt32(packet.u16(at: Int(packet.u8(at: 0) & 15) * 4 + 2)),
        cookie: cookie,
        sequence: segment.sequence &- 1,
        now: now
      )
    else { return false }
    guard listener.acceptQueue.count <= listener.backlog else {
      listener.lastOverflow = now
      return true
    }
    var syn = segment
    syn.sequence = segment.sequence &- 1
    syn.flags = .syn
    syn.mss = size
    if segment.hasTimestamp {
      let bits = segment.echo & 63
      syn.windowScale = bits & 15 == 15 ? nil : UInt8(bits & 15)
      syn.permitsSACK = bits & 16 != 0
      if bits & 32 != 0 { syn.flags.formUnion([.ece, .cwr]) }
    }
    syn.tos = 0
    let child = makeChild(listener, packet, from: sourcePort)
    guard prepare(child, listener, syn, packet) else { return true }
    child.beginSequence(cookie)
    child.state = .synReceived
    child.opened = stack.simulation.now
    if segment.hasTimestamp {
      child.timestampOffset = segment.echo &- UInt32(truncatingIfNeeded: now / 1_000_000)
    }
    connected(child)
    bound(child)
    listener.acceptQueue.append(child)
    stack.counters.count(.tcpPassiveOpens)
    child.completeOpening(segment)
    child.receive(segment, packet)
    listener.readable.wakeAll()
    return true
  }
}

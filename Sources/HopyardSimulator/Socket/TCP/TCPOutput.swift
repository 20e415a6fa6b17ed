import HopyardWire

/// What a connection sends.
extension TCPSocket {
  /// The receive buffer, as labs' `tcp_rmem` allows.
  private static var receiveLimit: Int { 6_291_456 }
  private static var scale: UInt8 { 10 }

  private var clockMilliseconds: UInt32 {
    UInt32(truncatingIfNeeded: stack.simulation.now.nanoseconds / 1_000_000) &+ timestampOffset
  }

  /// The space that is left in the receive buffer.
  private var freeSpace: Int {
    max(0, Self.receiveLimit - (receiveBuffer.count - receiveHead))
  }

  // MARK: Segments

  /// Sends one segment from the send buffer, or a bare one.
  @discardableResult
  func send(_ flags: SegmentFlags, sequence: UInt32, offset: Int = 0, count: Int = 0) -> Bool {
    var optionBytes: [UInt8] = []
    if flags.contains(.syn) {
      let mss = advertisedMSS
      optionBytes += [2, 4, UInt8(mss >> 8 & 255), UInt8(mss & 255)]
      let wantsSACK = state == .synSent ? stack.settings.tcpSACK != 0 : usesSACK
      let wantsTimestamps =
        state == .synSent ? stack.settings.tcpTimestamps != 0 : usesTimestamps
      if wantsTimestamps {
        optionBytes += wantsSACK ? [4, 2, 8, 10] : [1, 1, 8, 10]
        appendTimestamps(&optionBytes, withEcho: flags.contains(.ack))
      } else if wantsSACK {
        optionBytes += [1, 1, 4, 2]
      }
      if state == .synSent ? stack.settings.tcpWindowScaling != 0 : receiveScale > 0 {
        optionBytes += [1, 3, 3, Self.scale]
      }
    } else {
      if usesTimestamps {
        optionBytes += [1, 1, 8, 10]
        appendTimestamps(&optionBytes, withEcho: true)
      }
      if usesSACK && !outOfOrder.isEmpty && count == 0 { appendSACK(&optionBytes) }
    }
    let window = windowToOffer(isSyn: flags.contains(.syn))
    let length = 20 + optionBytes.count + count
    var packet = stack.simulation.pool.make(count: length)
    packet.setU16(localPort, at: 0)
    packet.setU16(remotePort, at: 2)
    packet.setU32(sequence, at: 4)
    packet.setU32(flags.contains(.ack) ? receiveNext : 0, at: 8)
    packet.setU8(UInt8((20 + optionBytes.count) / 4) << 4, at: 12)
    packet.setU8(flags.rawValue, at: 13)
    packet.setU16(window, at: 14)
    packet.setU32(0, at: 16)
    packet.write(optionBytes, at: 20)
    if count > 0 {
      let start = sendHead + offset
      sendBuffer.withUnsafeBytes {
        packet.write(
          UnsafeRawBufferPointer(rebasing: $0[start..<start + count]),
          at: 20 + optionBytes.count
        )
      }
    }
    if flags.contains(.ack) {
      acknowledgementSent()
      if count > 0 && stack.simulation.now - lastReceived < .milliseconds(40) {
        isInteractive = true
      }
    }
    return wire.send(packet, for: self)
  }

  private var advertisedMSS: Int {
    var output = outputOptions(to: remoteAddress.rawValue, .tcp)
    output.source = localAddress.rawValue
    output.acceptsAnySource = options.isTransparent
    guard let route = try? stack.routeOutput(output) else { return 536 }
    let segment = min(max(min(route.device.mtu, max(route.mtu, 88)) - 40, 48), 65_495)
    return maximumSegmentLimit > 0 ? min(segment, maximumSegmentLimit) : segment
  }

  private func appendTimestamps(_ bytes: inout [UInt8], withEcho: Bool) {
    for value in [clockMilliseconds, withEcho ? recentTimestamp : 0] {
      for shift in [24, 16, 8, 0] as [UInt32] {
        bytes.append(UInt8(truncatingIfNeeded: value >> shift))
      }
    }
  }

  private func appendSACK(_ bytes: inout [UInt8]) {
    var blocks: [(UInt32, UInt32)] = []
    for part in outOfOrder {
      let end = part.sequence &+ UInt32(part.bytes.count) &+ (part.isFin ? 1 : 0)
      if let last = blocks.last, last.1 == part.sequence {
        blocks[blocks.count - 1].1 = end
      } else {
        blocks.append((part.sequence, end))
      }
    }
    let shown = blocks.prefix(usesTimestamps ? 3 : 4)
    bytes += [1, 1, 5, UInt8(2 + shown.count * 8)]
    for block in shown {
      for value in [block.0, block.1] {
        for shift in [24, 16, 8, 0] as [UInt32] {
          bytes.append(UInt8(truncatingIfNeeded: value >> shift))
        }
      }
    }
  }

  /// The window that a segment offers, and the right edge that it promises.
  private func windowToOffer(isSyn: Bool) -> UInt16 {
    if isSyn {
      // As many whole segments as fit without scaling (`tcp_select_initial_window`).
      let segment = max(advertisedMSS - (state == .synReceived && usesTimestamps ? 12 : 0), 1)
      let window = segment > 65_535 ? 65_535 : 65_535 / segment * segment
      advertisedEdge = receiveNext &+ UInt32(window)
      return UInt16(window)
    }
    var window = min(freeSpace, Int(UInt16.max) << Int(receiveScale))
    // What was promised is not taken back (RFC 9293 §3.8.6.2.2).
    let promised = Int(Int32(bitPattern: advertisedEdge &- receiveNext))
    if window < promised { window = promised }
    let scaled = min(window >> Int(receiveScale), Int(UInt16.max))
    advertisedEdge = receiveNext &+ UInt32(scaled << Int(receiveScale))
    return UInt16(scaled)
  }

  /// A reader made room: the peer is told once that is worth it.
  func windowMayHaveOpened() {
    guard isEstablished, !isFinReceived else { return }
    let promised = Int(Int32(bitPattern: advertisedEdge &- receiveNext))
    if promised < 2 * maximumSegment && freeSpace >= 2 * maximumSegment { sendAck() }
  }

  // MARK: Opening

  func beginConnecting(_ route: RouteDecision) {
    stack.counters.count(.tcpActiveOpens)
    state = .synSent
    maximumSegment = min(max(route.mtu - 40, 48), 65_495)
    if maximumSegmentLimit > 0 { maximumSegment = min(maximumSegment, maximumSegmentLimit) }
    chooseInitialSequence()
    wire.connected(self)
    opened = stack.simulation.now
    sendNext = initialSend &+ 1
    sendMaximum = sendNext
    retransmissions = 0
    retransmissionTimeout = .seconds(1)
    startRetransmitTimer()
    // Of the errors of the first SYN only a refusal counts (`tcp_connect`); it is sent again.
    if !send(.syn, sequence: initialSend), let error = wire.lastError, error == .connectionRefused {
      finish(error)
    }
  }

  func chooseInitialSequence() {
    initialSend = UInt32(truncatingIfNeeded: wire.random.next())
    timestampOffset = UInt32(truncatingIfNeeded: wire.random.next())
    sendUnacknowledged = initialSend
    lastSmallEnd = initialSend
    sendNext = initialSend
    sendMaximum = initialSend
  }

  // MARK: Data

  /// How many bytes of the send buffer were sent and not acknowledged.
  private var inFlight: Int {
    let sent = Int(sendNext &- sendUnacknowledged) - (isFinSent ? 1 : 0)
    return max(sent, 0)
  }

  /// Sends what the windows allow.
  func transmitPending() {
    guard
      state == .established || state == .closeWait || state == .finWait1 || state == .closing
        || state == .lastAck
    else { return }
    let available = sendBuffer.count - sendHead
    while true {
      if isFinSent { break }
      let offset = Int(sendNext &- sendUnacknowledged)
      let left = available - offset
      guard left > 0 else { break }
      let sackedBytes = sacked.reduce(0) { $0 + Int($1.end &- $1.start) }
      let outstanding = inFlight - sackedBytes
      let windowLeft = sendWindow - offset
      let congestionLeft = congestionWindow * maximumSegment - outstanding
      let count = min(left, maximumSegment, windowLeft)
      guard count > 0, congestionLeft > 0 else { break }
      if count < maximumSegment && outstanding > 0 && count < left { break }
      // Nagle (RFC 9293 §3.7.4) as Minshall has it: one small segment at a time.
      let isLast = count == left
      let hasSmallOnItsWay =
        lastSmallEnd.isAfter(sendUnacknowledged) && !lastSmallEnd.isAfter(sendNext)
      if count < maximumSegment && outstanding > 0 && hasSmallOnItsWay && !isNoDelay
        && !(isFinQueued && isLast)
      {
        break
      }
      var flags: SegmentFlags = isLast ? [.ack, .psh] : .ack
      let carriesFin = isLast && isFinQueued
      if carriesFin { flags.insert(.fin) }
      let sequence = sendNext
      sendNext = sendNext &+ UInt32(count) &+ (carriesFin ? 1 : 0)
      if count < maximumSegment { lastSmallEnd = sendNext }
      if carriesFin { finSent() }
      noteSent()
      send(flags, sequence: sequence, offset: offset, count: count)
    }
    if isFinQueued && !isFinSent && Int(sendNext &- sendUnacknowledged) == available {
      let sequence = sendNext
      sendNext = sendNext &+ 1
      finSent()
      noteSent()
      send([.fin, .ack], sequence: sequence)
    }
    if retransmitTimer == nil && sendUnacknowledged == sendNext && available > 0
      && sendWindow == 0
    {
      // Nothing may be sent: the window is asked for from time to time.
      isProbe = true
      startRetransmitTimer()
    }
  }

  private func noteSent() {
    if sendNext.isAfter(sendMaximum) { sendMaximum = sendNext }
    if retransmitTimer == nil { startRetransmitTimer() }
  }

  private func finSent() {
    isFinSent = true
    switch state {
    case .established: state = .finWait1
    case .closeWait: state = .lastAck
    default: break
    }
  }

  // MARK: Acknowledgements

  func sendAck() { send(.ack, sequence: sendNext) }

  private func acknowledgementSent() {
    hasUnacknowledged = false
    lastAcknowledged = receiveNext
    if let timer = delayedAckTimer { stack.simulation.cancel(timer) }
    delayedAckTimer = nil
  }

  /// Acknowledges received data now or a little later (RFC 9293 §3.8.6.3).
  func acknowledgeData() {
    hasUnacknowledged = true
    let received = Int(Int32(bitPattern: receiveNext &- lastAcknowledged))
    if (quickAcks > 0 && !isInteractive) || received > maximumSegment || !outOfOrder.isEmpty {
      quickAcks -= quickAcks > 0 ? 1 : 0
      return sendAck()
    }
    guard delayedAckTimer == nil else { return }
    delayedAckTimer = stack.simulation.schedule(after: .milliseconds(40)) { [weak self] in
      guard let self else { return }
      delayedAckTimer = nil
      isInteractive = false
      if hasUnacknowledged { sendAck() }
    }
  }

  func sendReset() {
    stack.counters.count(.tcpOutRsts)
    send([.rst, .ack], sequence: sendNext)
  }
}

import HopyardWire

/// Retransmission, probes and the wait at the end.
extension TCPSocket {
  private static var minimumTimeout: Int64 { .milliseconds(200) }
  private static var maximumTimeout: Int64 { .seconds(120) }

  func startRetransmitTimer() {
    stopRetransmitTimer()
    retransmitTimer = stack.simulation.schedule(after: retransmissionTimeout) { [weak self] in
      guard let self else { return }
      retransmitTimer = nil
      retransmitTimedOut()
    }
  }

  func stopRetransmitTimer() {
    if let timer = retransmitTimer { stack.simulation.cancel(timer) }
    retransmitTimer = nil
  }

  private func retransmitTimedOut() {
    switch state {
    case .synSent: retrySyn(limit: Int(stack.settings.tcpSynRetries), flags: .syn)
    case .synReceived: retrySyn(limit: 5, flags: [.syn, .ack])
    case .closed, .listen, .timeWait: break
    default:
      if isProbe { return probeWindow() }
      guard sendUnacknowledged != sendNext || sendHead < sendBuffer.count else { return }
      // After fifteen repetitions (tcp_retries2) the peer is given up; an orphan sooner.
      if retransmissions >= (isOrphan ? 8 : 15) {
        return finish(isOrphan ? nil : .timedOut)
      }
      retransmissions += 1
      slowStartThreshold = max(min(congestionWindow, slowStartThreshold) / 2, 2)
      congestionWindow = 1
      recoveryPoint = nil
      sacked = []
      retransmissionTimeout = min(retransmissionTimeout * 2, Self.maximumTimeout)
      retransmitFirst()
      startRetransmitTimer()
    }
  }

  /// Repeats a SYN: some times at an even pace, then ever more slowly.
  private func retrySyn(limit: Int, flags: SegmentFlags) {
    let elapsed = stack.simulation.now - opened
    let patience = Int64((1 << (min(limit, 20) + 1)) - 1) * 1_000_000_000
    if elapsed >= patience {
      if state == .synReceived {
        listener?.halfOpen -= 1
        return finish()
      }
      stack.counters.count(.tcpAttemptFails)
      return finish(.timedOut)
    }
    retransmissions += 1
    stack.counters.count(.tcpRetransSegs)
    let evenly = flags == .syn ? Int(stack.settings.tcpSynLinearTimeouts) : 0
    if retransmissions > evenly {
      retransmissionTimeout = min(retransmissionTimeout * 2, Self.maximumTimeout)
    }
    startRetransmitTimer()
    if !isHeldBack { send(flags, sequence: initialSend) }
  }

  /// Whether what would be sent again has not left this host yet, which makes sending it useless.
  private var isHeldBack: Bool { stack.neighbours.holdsPacket(ofSocket: number) }

  /// Sends the first segment that is not acknowledged again.
  func retransmitFirst() { retransmit(from: sendUnacknowledged) }

  /// Sends the segment at a sequence number again.
  func retransmit(from sequence: UInt32) {
    let offset = Int(sequence &- sendUnacknowledged)
    let available = sendBuffer.count - sendHead
    let sent = min(Int(sendNext &- sendUnacknowledged) - (isFinSent ? 1 : 0), available)
    let count = min(sent - offset, maximumSegment)
    if isHeldBack { return }
    stack.counters.count(.tcpRetransSegs)
    if count > 0 {
      var flags: SegmentFlags = .ack
      let isLast = offset + count == available
      if isLast { flags.insert(.psh) }
      if isLast && isFinSent { flags.insert(.fin) }
      send(flags, sequence: sequence, offset: offset, count: count)
      retransmitNext = sequence &+ UInt32(count)
    } else if isFinSent {
      send([.fin, .ack], sequence: sendNext &- 1)
      retransmitNext = sendNext
    }
  }

  /// Asks whether a closed window has opened (RFC 9293 §3.8.6.1).
  private func probeWindow() {
    if sendWindow > 0 {
      isProbe = false
      return transmitPending()
    }
    if retransmissions >= 15 { return finish(.timedOut) }
    retransmissions += 1
    send(.ack, sequence: sendUnacknowledged &- 1)
    retransmissionTimeout = min(retransmissionTimeout * 2, Self.maximumTimeout)
    startRetransmitTimer()
  }

  /// Takes a measured round-trip time in (RFC 6298, with Linux's bounds).
  func measured(_ rtt: Int64) {
    let rtt = max(rtt, 1_000)
    if smoothedRTT == 0 {
      smoothedRTT = rtt
      rttVariation = rtt / 2
    } else {
      rttVariation = (3 * rttVariation + abs(smoothedRTT - rtt)) / 4
      smoothedRTT = (7 * smoothedRTT + rtt) / 8
    }
    retransmissionTimeout = min(
      smoothedRTT + max(4 * rttVariation, Self.minimumTimeout),
      Self.maximumTimeout
    )
  }

  /// Keeps the addresses for a while so that late segments find them (RFC 9293 §3.6.1).
  func startTimeWait(_ duration: Int64 = .seconds(60), in final: TCPSocketState = .timeWait) {
    state = final
    stopRetransmitTimer()
    if let timer = timeWaitTimer { stack.simulation.cancel(timer) }
    // The layer keeps the socket until then.
    timeWaitTimer = stack.simulation.schedule(after: duration) { [self] in
      timeWaitTimer = nil
      isOrphan = true
      finish()
    }
  }
}

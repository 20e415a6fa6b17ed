import HopyardWire

/// What a connection receives (RFC 9293 §3.10.7).
extension TCPSocket {
  /// Takes a segment of this connection.
  func receive(_ segment: ReceivedSegment, _ packet: borrowing Packet) {
    accounts.segmentsIn &+= 1
    if !segment.payload.isEmpty { accounts.dataSegmentsIn &+= 1 }
    switch state {
    case .synSent: receiveInSynSent(segment)
    case .synReceived: receiveInSynReceived(segment, packet)
    case .timeWait: receiveInTimeWait(segment)
    case .closed, .listen: break
    case .finWait2 where waitsInFinWait2: receiveInTimeWait(segment)
    default: receiveSynchronised(segment, packet)
    }
  }

  // MARK: Opening

  private func receiveInSynSent(_ segment: ReceivedSegment) {
    if segment.flags.contains(.ack) {
      guard segment.acknowledgement == initialSend &+ 1 else {
        if !segment.flags.contains(.rst) { wire.sendReset(answering: segment, for: self) }
        return
      }
    }
    if segment.flags.contains(.rst) {
      if segment.flags.contains(.ack) {
        stack.counters.count(.tcpAttemptFails)
        finish(.connectionRefused)
      }
      return
    }
    guard segment.flags.contains(.syn) else { return }
    if ecn.isOn {
      let both = segment.flags.intersection([.ece, .cwr])
      ecn.isOn = segment.flags.contains(.ack) ? both == .ece : both == [.ece, .cwr]
    }
    takeOptions(of: segment)
    initialReceive = segment.sequence
    receiveNext = segment.sequence &+ 1
    copiedSequence = receiveNext
    lastAcknowledged = receiveNext
    sendWindow = segment.window
    maximumWindow = segment.window
    sendWindowUpdate = segment.sequence
    guard segment.flags.contains(.ack) else {
      // Both ends opened at once.
      state = .synReceived
      loss.scalesWindow = segment.windowScale != nil && settings.windowScaling != 0
      followPathMTU(loss.pathMTU)
      _ = sendSyn()
      return
    }
    accounts.bytesAcknowledged &+= 1
    sendUnacknowledged = segment.acknowledgement
    measureHandshake(segment)
    followPathMTU(loss.pathMTU)
    initialiseSegmentSize()
    establish()
    if queue.hasUnsent || tcpOptions.deferAccept > 0 {
      // Data that waits carries the acknowledgement, if it comes soon.
      receiver.isScheduled = true
      enterQuickAcks(ReceiveState.mostQuick)
      armAckTimer(at: now &+ ReceiveState.mostPatience)
      if queue.hasUnsent { transmitPending() }
      return
    }
    sendAck()
  }

  func takeOptions(of segment: ReceivedSegment) {
    var announced = segment.mss > 0 ? segment.mss : 536
    if tcpOptions.maximumSegment > 0 { announced = min(announced, tcpOptions.maximumSegment) }
    peerSegment = announced
    usesTimestamps = segment.hasTimestamp && settings.timestamps != 0
    usesSACK = segment.permitsSACK && settings.sack != 0
    if let scale = segment.windowScale, settings.windowScaling != 0 {
      sendScale = scale
    } else {
      sendScale = 0
      receiveScale = 0
      receiver.clamp = min(receiver.clamp, 65_535)
    }
    if usesTimestamps {
      recentTimestamp = segment.timestamp
      recentTimestampAt = now
      advertisedForData = advertisedSegment - 12
    } else {
      advertisedForData = advertisedSegment
    }
  }

  /// Guesses the size of the segments that will come (`tcp_initialize_rcv_mss`).
  func initialiseSegmentSize() {
    let hint = min(advertisedForData, maximumSegment, offeredWindow / 2, 536)
    receiver.segmentSize = max(hint, 88)
  }

  func measureHandshake(_ segment: ReceivedSegment) {
    loss.leastTimeout = Int64(routeMetrics.rtoMin) * 1000
    if retransmissions == 0 {
      takeRTT(max((now &- opened.nanoseconds) / 1000, 1))
    } else if usesTimestamps, segment.echo != 0 {
      let elapsed = Int64(Int32(bitPattern: clockMilliseconds &- segment.echo))
      if elapsed >= 0 { takeRTT(max(elapsed, 1) * 1000) }
    }
    retransmissions = 0
    timeouts = 0
    backoff = 0
  }

  func establish() {
    state = .established
    clearSendTimer()
    let metrics = routeMetrics
    loss.initialWindow = Int(metrics.initcwnd)
    loss.reordering =
      metrics.reordering > 0 ? Int(metrics.reordering) : Int(settings.reordering)
    if metrics.ssthresh > 0 { slowStartThreshold = Int(metrics.ssthresh) }
    if metrics.cwnd > 0, metrics.lock & 1 << 7 != 0 { congestionClamp = Int(metrics.cwnd) }
    congestion = CongestionControl(
      tcpOptions.congestionControl
        ?? CongestionAlgorithm(rawValue: metrics.congestionControl)
        ?? settings.congestionControl
    )
    congestionWindow = totalRetransmissions > 1 ? 1 : min(initialWindow, congestionClamp)
    loss.quickAcks = metrics.quickack != 0
    loss.highestSacked = sendUnacknowledged
    loss.highestRetransmitted = sendUnacknowledged
    loss.highSequence = sendUnacknowledged
    roundEnd = sendUnacknowledged
    pushedSequence = sendUnacknowledged
    lastHeard = now
    // The SYN counts as delivered.
    loss.delivered += 1
    lastSent = now
    receiver.lastData = now
    initialiseBuffers()
    startKeepalive()
    writable.wakeAll()
  }

  private func receiveInSynReceived(
    _ segment: ReceivedSegment,
    _ packet: borrowing Packet
  ) {
    if listener != nil { return receiveHalfOpen(segment, packet) }
    // Both ends opened at once.
    if segment.flags.contains(.rst) {
      if segment.sequence == receiveNext { finish(.connectionReset) }
      return
    }
    guard segment.flags.contains(.ack) else { return }
    guard segment.acknowledgement == initialSend &+ 1 else {
      return wire.sendReset(answering: segment, for: self)
    }
    completeOpening(segment)
    if segment.flags.contains(.syn) { return }
    receiveSynchronised(segment, packet)
  }

  func completeOpening(_ segment: ReceivedSegment) {
    sendUnacknowledged = segment.acknowledgement
    sendNext = segment.acknowledgement
    sendWindow =
      segment.flags.contains(.syn) ? segment.window : segment.window << Int(sendScale)
    maximumWindow = max(maximumWindow, sendWindow)
    sendWindowUpdate = segment.sequence
    measureHandshake(segment)
    followPathMTU(loss.pathMTU)
    initialiseSegmentSize()
    establish()
  }

  /// A segment for a half-open connection of a listener (`tcp_check_req`).
  private func receiveHalfOpen(_ segment: ReceivedSegment, _ packet: borrowing Packet) {
    let isOld =
      usesTimestamps && segment.hasTimestamp && segment.timestamp.isBefore(recentTimestamp)
    if segment.flags.contains(.syn), segment.flags.isDisjoint(with: [.ack, .rst]),
      segment.sequence == initialReceive, !isOld
    {
      // The SYN came again: so does the answer.
      if !isRateLimited(segment) {
        _ = sendSyn()
        setSynTimer()
      }
      return
    }
    if segment.flags.contains(.ack), segment.acknowledgement != initialSend &+ 1 {
      if !segment.flags.contains(.rst) { wire.resetHalfOpen(answering: segment, packet) }
      return
    }
    let edge = receiveNext &+ UInt32(truncatingIfNeeded: offeredWindow)
    let isInWindow =
      segment.sequence == receiveNext
      || segment.end.isAfter(receiveNext) && segment.sequence.isBefore(edge)
      || segment.sequence == edge && segment.sequence == segment.end
    if isOld || !isInWindow {
      if !segment.flags.contains(.rst), !isRateLimited(segment) { sendAck() }
      return
    }
    if segment.flags.contains(.rst) {
      stack.counters.count(.tcpAttemptFails)
      return finish(.connectionRefused)
    }
    if segment.flags.contains(.syn) {
      wire.resetHalfOpen(answering: segment, packet)
      return finish()
    }
    guard segment.flags.contains(.ack), let listener else { return }
    // A bare ACK is not enough for who wants data first.
    if timeouts < listener.deferredRetries, segment.length == 0 {
      isAcknowledgedEarly = true
      return
    }
    guard listener.acceptQueue.count <= listener.backlog else {
      listener.lastOverflow = now
      if settings.abortOnOverflow != 0 {
        wire.resetHalfOpen(answering: segment, packet)
        return finish()
      }
      // A full queue lets the client's ACK fall; it will come again.
      isAcknowledgedEarly = true
      return
    }
    listener.halfOpen -= 1
    listener.acceptQueue.append(self)
    self.listener = nil
    stack.counters.count(.tcpPassiveOpens)
    completeOpening(segment)
    receiveSynchronised(segment, packet)
    listener.readable.wakeAll()
  }

  // MARK: TIME_WAIT

  /// A segment for a connection that only waits (`tcp_timewait_state_process`).
  private func receiveInTimeWait(_ segment: ReceivedSegment) {
    let isOld =
      usesTimestamps && segment.hasTimestamp && !segment.flags.contains(.rst)
      && segment.timestamp.isBefore(recentTimestamp)
    if waitsInFinWait2 {
      let edge = receiveNext &+ UInt32(truncatingIfNeeded: offeredWindow)
      let isInWindow =
        segment.sequence == receiveNext
        || segment.end.isAfter(receiveNext) && segment.sequence.isBefore(edge)
      if isOld || !isInWindow { return acknowledgeWaiting(segment) }
      if segment.flags.contains(.rst) { return endWait() }
      if segment.flags.contains(.syn) && !segment.sequence.isBefore(receiveNext) {
        wire.sendReset(answering: segment, for: self)
        return endWait()
      }
      if !segment.flags.contains(.ack) || !segment.end.isAfter(receiveNext)
        || segment.length == 0
      {
        return
      }
      guard segment.flags.contains(.fin), segment.end == receiveNext &+ 1 else {
        // Data that nobody will read.
        wire.sendReset(answering: segment, for: self)
        return endWait()
      }
      receiveNext = segment.end
      if segment.hasTimestamp { recentTimestamp = segment.timestamp }
      startTimeWait()
      sendAck()
      return
    }
    if !isOld && segment.sequence == receiveNext
      && (segment.length == 0 || segment.flags.contains(.rst))
    {
      if segment.flags.contains(.rst) {
        // RFC 1337: a reset should not end the wait; Linux lets it unless told otherwise.
        if settings.rfc1337 == 0 { return endWait() }
      } else {
        armIdleTimer(after: .seconds(60))
      }
      if segment.hasTimestamp { recentTimestamp = segment.timestamp }
      return
    }
    if segment.flags.contains(.rst) { return }
    if isOld || segment.flags.contains(.ack) { armIdleTimer(after: .seconds(60)) }
    acknowledgeWaiting(segment)
  }

  private func acknowledgeWaiting(_ segment: ReceivedSegment) {
    guard !segment.flags.contains(.rst), !isRateLimited(segment) else { return }
    sendAck()
  }

  private func endWait() { finish() }

  // MARK: Synchronised states

  private func receiveSynchronised(
    _ segment: ReceivedSegment,
    _ packet: borrowing Packet
  ) {
    guard validate(segment) else { return }
    guard segment.flags.contains(.ack) else { return }
    let challenges = state == .established
    switch takeAcknowledgement(segment, updatesTimestamp: true, challenges: challenges) {
    case .accepted: break
    case .old:
      if !challenges { sendChallenge() }
      return
    case .unsent:
      if !challenges { sendChallenge() }
      return
    }
    guard state != .closed else { return }
    if isFinQueued && sendUnacknowledged == writeSequence {
      guard takeFinAcknowledgement(segment) else { return }
    }
    noteReducedWindow(segment)
    takePayload(segment, packet)
    guard state != .closed, state != .timeWait, !waitsInFinWait2 else { return }
    transmitPending()
    wakeWriters()
    acknowledgeIfOwed()
  }

  /// Whether a segment belongs to the connection as it is (`tcp_validate_incoming`, RFC 5961).
  private func validate(_ segment: ReceivedSegment) -> Bool {
    let isReset = segment.flags.contains(.rst)
    // PAWS (RFC 7323 §5): an old duplicate is answered and dropped.
    if usesTimestamps, segment.hasTimestamp, segment.timestamp.isBefore(recentTimestamp),
      !isHarmlessOldAck(segment), now &- recentTimestampAt < .seconds(24 * 86_400)
    {
      if !isReset {
        if segment.flags.contains(.syn) {
          sendChallenge()
        } else if !isRateLimited(segment) {
          answerDuplicate(segment)
        }
        return false
      }
    }
    let edge = receiveNext &+ UInt32(truncatingIfNeeded: windowLeft)
    if segment.end.isBefore(lastAcknowledged) || segment.sequence.isAfter(edge) {
      if isReset {
        // A reset for the FIN that was just received still counts.
        if segment.sequence == receiveNext &- 1,
          state == .closeWait || state == .lastAck || state == .closing
        {
          takeReset()
        }
        return false
      }
      if segment.flags.contains(.syn) {
        sendChallenge()
      } else if !isRateLimited(segment) {
        answerDuplicate(segment)
      }
      return false
    }
    if isReset {
      let highest = outOfOrder.blocks.map(\.end).reduce(receiveNext) {
        $1.isAfter($0) ? $1 : $0
      }
      if segment.sequence == receiveNext || (usesSACK && segment.sequence == highest)
        || segment.sequence == receiveNext &- 1
          && (state == .closeWait || state == .lastAck || state == .closing)
      {
        takeReset()
      } else {
        // RFC 5961 §3: only the exact number ends the connection, others are asked.
        sendChallenge()
      }
      return false
    }
    if segment.flags.contains(.syn) {
      sendChallenge()
      return false
    }
    return true
  }

  /// A pure ACK that PAWS would drop though it was only reordered (`tcp_disordered_ack`).
  private func isHarmlessOldAck(_ segment: ReceivedSegment) -> Bool {
    segment.flags.contains(.ack) && segment.length == 0 && segment.sequence == receiveNext
      && segment.acknowledgement == sendUnacknowledged
      && segment.window << Int(sendScale) == sendWindow
      && Int64(Int32(bitPattern: recentTimestamp &- segment.timestamp))
        <= timeoutNanoseconds / 1_000_000 * 1200 / 1000
  }

  private func takeReset() {
    stack.counters.count(.tcpEstabResets)
    let error: SocketError = state == .closeWait ? .brokenPipe : .connectionReset
    finish(error)
  }

  /// Answers a segment that is out of the window (`tcp_send_dupack`).
  private func answerDuplicate(_ segment: ReceivedSegment) {
    if segment.length > 0, segment.sequence.isBefore(receiveNext) {
      enterQuickAcks(ReceiveState.mostQuick)
      if usesSACK, settings.dsack != 0 {
        let end = segment.end.isAfter(receiveNext) ? receiveNext : segment.end
        if segment.sequence.isBefore(end) { outOfOrder.noteDuplicate(segment.sequence, end) }
      }
    }
    sendAck()
  }

  /// Whether an answer to an invalid segment has to wait, so that two ends do not answer each other
  /// for ever (`tcp_invalid_ratelimit`).
  func isRateLimited(_ segment: ReceivedSegment) -> Bool {
    if segment.length > 0, !segment.flags.contains(.syn) { return false }
    return isAnswerLimited()
  }

  private func isAnswerLimited() -> Bool {
    let least = Int64(settings.invalidRateLimit) * 1_000_000
    if now &- lastInvalidAnswer < least { return true }
    lastInvalidAnswer = now
    return false
  }

  /// A challenge ACK (RFC 5961 §7).
  func sendChallenge() {
    guard !isAnswerLimited(), wire.mayChallenge() else { return }
    sendAck()
  }

  /// The peer acknowledged the FIN; false if that was the end.
  private func takeFinAcknowledgement(_ segment: ReceivedSegment) -> Bool {
    switch state {
    case .finWait1:
      state = .finWait2
      guard isOrphan else {
        writable.wakeAll()
        return true
      }
      if tcpOptions.finTimeout < 0 {
        finish()
        return false
      }
      if !segment.payload.isEmpty,
        (segment.sequence &+ UInt32(segment.payload.count))
          .isAfter(receiveNext)
      {
        // Data after the program closed.
        sendReset()
        finish()
        return false
      }
      if segment.flags.contains(.fin) { return true }
      beginFinWait2()
      return false
    case .closing:
      startTimeWait()
      return false
    case .lastAck:
      finish()
      return false
    default: return true
    }
  }

  /// An orphan does not wait for ever for the peer's FIN (`tcp_fin_timeout`).
  func beginFinWait2() {
    let timeout = finTimeout
    if timeout < 0 {
      sendReset()
      return finish()
    }
    if timeout > .seconds(60) {
      armIdleTimer(after: timeout - .seconds(60))
    } else {
      waitInFinWait2(timeout)
    }
  }
}

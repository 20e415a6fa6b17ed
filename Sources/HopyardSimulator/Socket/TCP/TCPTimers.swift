/// What the timer of the sending side waits for; only one thing at a time (`icsk_pending`).
enum SendTimerKind: UInt8 {
  case none
  /// A retransmission timeout (RFC 6298).
  case retransmit
  /// A window probe (RFC 9293 §3.8.6.1).
  case probe
  /// A tail loss probe (RFC 8985 §7).
  case lossProbe
  /// More evidence of reordering (RFC 8985 §6).
  case reordering
}

/// Retransmission, probes, keepalive and the waits at the end.
extension TCPSocket {
  private static var resourceInterval: Int64 { .milliseconds(500) }

  /// The least timeout in microseconds, which a route may set.
  var leastTimeout: Int64 {
    loss.leastTimeout > 0 ? loss.leastTimeout : Int64(settings.leastTimeout)
  }

  /// The retransmission timeout as it stands, backed off.
  var timeoutNanoseconds: Int64 {
    let most = Int64(settings.mostTimeout) * 1_000_000
    let shift = min(backoff, 24)
    return min((rtt.timeout &* 1000) << Int64(shift), most)
  }

  func setSendTimer(_ kind: SendTimerKind, at time: Int64) {
    sendTimerKind = kind
    sendDue = time
    let most = now &+ Int64(settings.mostTimeout) * 1_000_000
    sendTimer.set(at: min(time, most), stack.simulation, sendTimerBody)
  }

  /// Waits for the answer to a SYN; the neighbour's timer, of the same length, comes first.
  func setSynTimer() {
    let wait = KernelTimer.wait(for: timeoutNanoseconds)
    setSendTimer(.retransmit, at: now &+ wait &+ .milliseconds(1))
    sendDue = now &+ timeoutNanoseconds
  }

  func clearSendTimer() {
    sendTimerKind = .none
    sendTimer.clear()
  }

  private var sendTimerBody: () -> Void {
    { [weak self] in
      guard let self, sendTimer.fires(stack.simulation, sendTimerBody) else { return }
      let kind = sendTimerKind
      sendTimerKind = .none
      switch kind {
      case .none: break
      case .retransmit: retransmitTimedOut()
      case .probe: probeTimedOut()
      case .lossProbe: lossProbeTimedOut()
      case .reordering: reorderingTimedOut()
      }
    }
  }

  /// Starts the timeout anew after something was acknowledged (`tcp_rearm_rto`).
  func rearmTimeout() {
    guard queue.sentCount > 0 else {
      if sendTimerKind != .probe { clearSendTimer() }
      return
    }
    var delay = timeoutNanoseconds
    if sendTimerKind == .lossProbe || sendTimerKind == .reordering {
      delay = max(queue[0].sentAt &+ delay &- now, 1000)
    }
    setSendTimer(.retransmit, at: now &+ delay)
  }

  func setTimerAfterAck() {
    if !scheduleLossProbe(isAdvancing: true) { rearmTimeout() }
  }

  // MARK: Tail loss probe

  @discardableResult
  func scheduleLossProbe(isAdvancing: Bool) -> Bool {
    guard settings.earlyRetransmit == 3 || settings.earlyRetransmit == 4, queue.sentCount > 0,
      usesSACK, recoveryState == .open || recoveryState == .reduced
    else { return false }
    var delay: Int64 = 1_000_000
    if rtt.smoothed > 0 {
      delay = rtt.smoothed >> 2
      delay &+= queue.sentCount == 1 ? leastTimeout : 2000
    }
    delay = delay &* 1000
    let left =
      isAdvancing ? timeoutNanoseconds : queue[0].sentAt &+ timeoutNanoseconds &- now
    if left > 0 { delay = min(delay, left) }
    setSendTimer(.lossProbe, at: now &+ delay)
    return true
  }

  private func lossProbeTimedOut() {
    guard queue.sentCount > 0, isSynchronised else { return }
    sendTimerKind = .lossProbe
    guard loss.probeEnd == nil else { return rearmTimeout() }
    loss.probeWasRetransmission = false
    let before = queue.sentCount
    if let head = queue.head {
      let segment = currentSegment()
      let end =
        Int(head.count) > segment
        ? head.start &+ UInt32(truncatingIfNeeded: segment) : head.end
      if !end.isAfter(sendEdge) { _ = transmit(segment, .off, limit: .probe) }
    }
    if queue.sentCount == before {
      let last = queue.sentCount - 1
      let segment = currentSegment()
      if Int(queue[last].count) > segment {
        splitSent(last, at: (Int(queue[last].count) - 1) / segment * segment)
      }
      guard !waitsForNeighbour, retransmit(queue.sentCount - 1) != nil else {
        sendTimerKind = .lossProbe
        return rearmTimeout()
      }
      loss.probeWasRetransmission = true
    }
    loss.probeEnd = sendNext
    // The timeout starts anew from here.
    sendTimerKind = .none
    rearmTimeout()
  }

  // MARK: Retransmission timeout

  private var isSynchronised: Bool {
    switch state {
    case .closed, .listen, .synSent, .synReceived, .timeWait: false
    default: true
    }
  }

  private func retransmitTimedOut() {
    switch state {
    case .synSent, .synReceived: return retrySyn()
    case .closed, .listen, .timeWait: return
    default: break
    }
    guard queue.sentCount > 0 else { return }
    loss.probeEnd = nil
    if sendWindow == 0 && !isOrphan {
      // The peer shrank its window: it is asked as long as it answers.
      if now &- lastHeard > Int64(settings.mostTimeout) * 1_000_000 { return fail() }
      enterLoss()
      _ = retransmitCounted(0)
    } else {
      if hasWaitedTooLong { return fail() }
      enterLoss()
      retransmissions += 1
      timeouts += 1
      if !waitsForNeighbour, retransmitCounted(0) == nil {
        return setSendTimer(
          .retransmit,
          at: now &+ min(timeoutNanoseconds, Self.resourceInterval)
        )
      }
    }
    let isThin =
      settings.thinLinearTimeouts != 0 && state == .established && queue.sentCount < 4
      && retransmissions <= 6
    if isThin { backoff = 0 } else { backoff += 1 }
    setSendTimer(.retransmit, at: now &+ timeoutNanoseconds)
  }

  /// The connection failed: the error that hosts on the way told of, or a timeout.
  private func fail() {
    finish(softError ?? .timedOut)
  }

  /// Whether the peer was silent for too long (`tcp_write_timeout`).
  private var hasWaitedTooLong: Bool {
    var retries = Int(settings.retries2)
    if isOrphan {
      let isAlive = timeoutNanoseconds < Int64(settings.mostTimeout) * 1_000_000
      retries = orphanRetries(isAlive)
    }
    return hasTimedOut(retries: retries, limit: Int64(tcpOptions.userTimeout) * 1_000_000)
  }

  private func orphanRetries(_ isAlive: Bool) -> Int {
    if settings.orphanRetries == 0 { return isAlive ? 8 : 0 }
    return softError != nil && !isAlive ? 0 : Int(settings.orphanRetries)
  }

  /// Whether a number of backed-off timeouts has passed since the first retransmission.
  private func hasTimedOut(retries: Int, limit: Int64) -> Bool {
    guard retransmissions > 0 else { return false }
    var limit = limit
    if limit == 0 {
      let base = Int64(settings.leastTimeout) * 1000
      let most = Int64(settings.mostTimeout) * 1_000_000
      var doublings = 0
      while base << Int64(doublings + 1) <= most { doublings += 1 }
      limit =
        retries <= doublings
        ? ((2 << Int64(retries)) - 1) * base
        : ((2 << Int64(doublings)) - 1) * base + Int64(retries - doublings) * most
    }
    return loss.retransmitStamp >= 0 && now &- loss.retransmitStamp >= limit
  }

  // MARK: SYN

  /// Repeats a SYN: some times at an even pace, then ever more slowly.
  private func retrySyn() {
    let isAnswer = state == .synReceived && listener != nil
    if isAnswer { return retrySynAnswer() }
    let limit =
      state == .synSent
      ? (tcpOptions.synCount > 0 ? tcpOptions.synCount : Int(settings.synRetries))
      : Int(settings.synAckRetries)
    let elapsed = now &- opened.nanoseconds
    var patience = Int64((1 << (min(limit, 20) + 1)) - 1) * 1_000_000_000
    if tcpOptions.userTimeout > 0 {
      patience = min(patience, Int64(tcpOptions.userTimeout) * 1_000_000)
    }
    if elapsed >= patience {
      stack.counters.count(.tcpAttemptFails)
      return finish(softError ?? .timedOut)
    }
    retransmissions += 1
    totalRetransmissions += 1
    stack.counters.count(.tcpRetransSegs)
    let evenly = state == .synSent ? Int(settings.synLinearTimeouts) : 0
    if retransmissions > evenly { backoff += 1 }
    if retransmissions >= 1 && ecn.isOn && settings.ecnFallback != 0 && state == .synSent {
      // What drops ECN handshakes is met without ECN (RFC 3168 §6.1.1.1).
      ecn.isOn = false
    }
    setSynTimer()
    if !waitsForNeighbour { _ = sendSyn() }
  }

  /// What was sent last still waits on this host, for the neighbour's address
  /// (`skb_still_in_host_queue`).
  var waitsForNeighbour: Bool { stack.neighbours.holdsPacket(ofSocket: number) }

  /// The third segment of a half-open connection did not come (`reqsk_timer_handler`).
  private func retrySynAnswer() {
    guard let listener else { return finish() }
    let limit = max(
      listener.tcpOptions.synCount > 0
        ? listener.tcpOptions.synCount : Int(settings.synAckRetries),
      1
    )
    let deferred = listener.deferredRetries
    var isOver = timeouts >= limit
    var sends = true
    if deferred > 0 {
      isOver = timeouts >= limit && (!isAcknowledgedEarly || timeouts >= deferred)
      sends = !isAcknowledgedEarly || timeouts >= deferred - 1
    }
    if isOver { return finish() }
    timeouts += 1
    if sends {
      retransmissions += 1
      stack.counters.count(.tcpRetransSegs)
      _ = sendSyn()
    }
    backoff += 1
    setSynTimer()
  }

  /// `TCP_DEFER_ACCEPT` in repetitions of the SYN with acknowledgement (`secs_to_retrans`).
  var deferredRetries: Int {
    guard tcpOptions.deferAccept > 0 else { return 0 }
    var count = 1
    var period = 1
    var timeout = 1
    while tcpOptions.deferAccept > period && count < 255 {
      count += 1
      timeout = min(timeout * 2, 120)
      period += timeout
    }
    return count
  }

  // MARK: Window probes

  /// The time until the next window probe.
  private var probeDelay: Int64 {
    let most = Int64(settings.mostTimeout) * 1_000_000
    let base = max(rtt.timeout, Int64(settings.leastTimeout)) &* 1000
    return min(base << Int64(min(backoff, 24)), most)
  }

  /// Something waits but nothing is on its way: the window is asked for.
  func checkProbeTimer() {
    guard queue.sentCount == 0, sendTimerKind == .none else { return }
    let base = max(rtt.timeout, Int64(settings.leastTimeout)) &* 1000
    setSendTimer(.probe, at: now &+ base)
  }

  /// An answer to a probe came (`tcp_ack_probe`).
  func answerProbe() {
    guard let head = queue.head else { return }
    if !head.end.isAfter(sendEdge) {
      backoff = 0
      probesBegan = -1
      if sendTimerKind == .probe { clearSendTimer() }
    } else {
      setSendTimer(.probe, at: now &+ probeDelay)
    }
  }

  private func probeTimedOut() {
    guard isSynchronised, queue.sentCount == 0, queue.hasUnsent else {
      probesOut = 0
      probesBegan = -1
      return
    }
    if probesBegan < 0 {
      probesBegan = now
    } else if tcpOptions.userTimeout > 0,
      now &- probesBegan >= Int64(tcpOptions.userTimeout) * 1_000_000
    {
      return fail()
    }
    var most = Int(settings.retries2)
    if isOrphan {
      let isAlive = timeoutNanoseconds < Int64(settings.mostTimeout) * 1_000_000
      most = orphanRetries(isAlive)
      if !isAlive && backoff >= most { return fail() }
    }
    if probesOut >= most { return fail() }
    let isSent = wakePeer()
    if queue.sentCount > 0 || !queue.hasUnsent {
      probesOut = 0
      backoff = 0
      return
    }
    probesOut += 1
    if isSent {
      if backoff < Int(settings.retries2) { backoff += 1 }
      setSendTimer(.probe, at: now &+ probeDelay)
    } else {
      setSendTimer(.probe, at: now &+ Self.resourceInterval)
    }
  }

  /// Sends what fits the window, or asks with a number that the peer has already
  /// (`tcp_write_wakeup`).
  private func wakePeer() -> Bool {
    if let head = queue.head, head.start.isBefore(sendEdge) {
      let window = sendEdge.distance(from: head.start)
      let index = queue.sentCount
      let segment = currentSegment()
      if window < Int(head.count) || Int(head.count) > segment {
        let bytes = min(window, segment, Int(head.count))
        if bytes < Int(head.count) { queue.split(index, at: bytes, sharesBuffer: false) }
      }
      queue[index].marks.insert(.push)
      let time = beginBurst()
      queue[index].sentAt = time
      let sending = queue[index]
      queue.noteSent(1)
      let sent = sendData(sending, at: time, isNew: true)
      sendNext = sending.end
      rearmTimeout()
      return sent
    }
    return sendControl(.ack, sequence: sendUnacknowledged &- 1)
  }

  // MARK: Keepalive

  private var keepaliveIdle: Int64 {
    .seconds(
      Int64(
        tcpOptions.keepaliveIdle > 0
          ? tcpOptions.keepaliveIdle : Int(settings.keepaliveTime)
      )
    )
  }

  private var keepaliveInterval: Int64 {
    .seconds(
      Int64(
        tcpOptions.keepaliveInterval > 0
          ? tcpOptions.keepaliveInterval : Int(settings.keepaliveInterval)
      )
    )
  }

  func armIdleTimer(after delay: Int64) {
    idleDue = now &+ delay
    idleTimer.set(at: now &+ KernelTimer.wait(for: delay), stack.simulation, idleTimerBody)
  }

  private var idleTimerBody: () -> Void {
    { [weak self] in
      guard let self, idleTimer.fires(stack.simulation, idleTimerBody) else { return }
      idleTimedOut()
    }
  }

  /// Begins to watch an idle connection, when it is made or the option is set.
  func startKeepalive() {
    guard tcpOptions.keepsAlive, isSynchronised, state != .finWait2 || !isOrphan else { return }
    let quiet = now &- max(lastHeard, receiver.lastData, opened.nanoseconds)
    armIdleTimer(after: max(keepaliveIdle &- quiet, 0))
  }

  private func idleTimedOut() {
    if state == .timeWait || state == .finWait2 && waitsInFinWait2 { return finish() }
    if state == .finWait2 && isOrphan {
      let left = finTimeout &- .seconds(60)
      if finTimeout > 0 && left > 0 { return waitInFinWait2(.seconds(60)) }
      sendReset()
      return finish()
    }
    guard tcpOptions.keepsAlive, isSynchronised else { return }
    if queue.sentCount > 0 || queue.hasUnsent { return armIdleTimer(after: keepaliveIdle) }
    let quiet = now &- max(lastHeard, receiver.lastData)
    guard quiet >= keepaliveIdle else { return armIdleTimer(after: keepaliveIdle &- quiet) }
    let most =
      tcpOptions.keepaliveCount > 0
      ? tcpOptions.keepaliveCount : Int(settings.keepaliveProbes)
    let userTimeout = Int64(tcpOptions.userTimeout) * 1_000_000
    if userTimeout > 0 && quiet >= userTimeout && probesOut > 0
      || userTimeout == 0 && probesOut >= most
    {
      sendReset()
      return fail()
    }
    if wakePeer() {
      probesOut += 1
      armIdleTimer(after: keepaliveInterval)
    } else {
      armIdleTimer(after: Self.resourceInterval)
    }
  }

  // MARK: The waits at the end

  /// How long an orphan waits for the peer's FIN; negative if not at all.
  var finTimeout: Int64 {
    if tcpOptions.finTimeout < 0 { return -1 }
    let chosen = tcpOptions.finTimeout > 0 ? tcpOptions.finTimeout : Int(settings.finTimeout)
    // At least three and a half timeouts, so that the FIN is not lost.
    return max(.seconds(Int64(chosen)), (timeoutNanoseconds << 2) - (timeoutNanoseconds >> 1))
  }

  /// The kernel alone keeps a connection in FIN_WAIT2 for a while.
  func waitInFinWait2(_ duration: Int64) {
    waitsInFinWait2 = true
    beginWait(duration)
  }

  /// Keeps the addresses for a while so that late segments find them (RFC 9293 §3.6.1).
  func startTimeWait() {
    state = .timeWait
    waitsInFinWait2 = false
    guard wire.mayWait else { return finish() }
    beginWait(.seconds(60))
  }

  private func beginWait(_ duration: Int64) {
    clearSendTimer()
    ackTimer.clear()
    queue.removeAll()
    sendBytes.removeAll()
    outOfOrder.removeAll()
    wire.waits(self)
    armIdleTimer(after: duration)
  }
}

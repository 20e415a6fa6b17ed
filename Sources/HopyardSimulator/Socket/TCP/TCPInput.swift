import HopyardWire

/// What a connection receives (RFC 9293 §3.10.7).
extension TCPSocket {
  /// Takes a segment of this connection.
  func receive(_ segment: ReceivedSegment, _ packet: borrowing Packet) {
    switch state {
    case .synSent: receiveInSynSent(segment)
    case .synReceived: receiveInSynReceived(segment, packet)
    case .timeWait: receiveInTimeWait(segment)
    case .closed, .listen: break
    default: receiveSynchronised(segment, packet)
    }
  }

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
    takeOptions(of: segment)
    initialReceive = segment.sequence
    receiveNext = segment.sequence &+ 1
    advertisedEdge = receiveNext &+ 64_240
    guard segment.flags.contains(.ack) else {
      // Both ends opened at once.
      state = .synReceived
      send([.syn, .ack], sequence: initialSend)
      return
    }
    measureRTT(segment)
    sendUnacknowledged = segment.acknowledgement
    sendWindow = segment.window
    sendWindowUpdate = segment.sequence
    establish()
    if isFinQueued || sendHead < sendBuffer.count {
      // Data that waits carries the acknowledgement.
      transmitPending()
      if unacknowledgedHandshake { sendAck() }
    } else {
      sendAck()
    }
  }

  private var unacknowledgedHandshake: Bool { sendNext == initialSend &+ 1 }

  func takeOptions(of segment: ReceivedSegment) {
    if segment.mss > 0 {
      maximumSegment = min(maximumSegment, max(segment.mss, 48))
    } else {
      maximumSegment = min(maximumSegment, 536)
    }
    usesTimestamps = segment.timestamp != nil && stack.settings.tcpTimestamps != 0
    usesSACK = segment.permitsSACK && stack.settings.tcpSACK != 0
    if let scale = segment.windowScale, stack.settings.tcpWindowScaling != 0 {
      sendScale = scale
      receiveScale = 10
    } else {
      sendScale = 0
      receiveScale = 0
    }
    if usesTimestamps, let stamp = segment.timestamp {
      recentTimestamp = stamp.value
      maximumSegment -= 12
    }
  }

  private func measureRTT(_ segment: ReceivedSegment) {
    if retransmissions == 0 {
      measured(stack.simulation.now - opened)
    } else {
      retransmissionTimeout = .seconds(1)
    }
    retransmissions = 0
  }

  private func establish() {
    state = .established
    stopRetransmitTimer()
    retransmissions = 0
    writable.wakeAll()
  }

  private func receiveInSynReceived(_ segment: ReceivedSegment, _ packet: borrowing Packet) {
    if segment.flags.contains(.rst) {
      if segment.sequence == receiveNext {
        listener?.halfOpen -= 1
        finish(.connectionRefused)
      }
      return
    }
    if segment.flags.contains(.syn) {
      if segment.sequence == initialReceive { send([.syn, .ack], sequence: initialSend) }
      return
    }
    guard segment.flags.contains(.ack) else { return }
    guard segment.acknowledgement == initialSend &+ 1 else {
      return wire.sendReset(answering: segment, for: self)
    }
    if let listener {
      // A full queue lets the client's ACK fall; it will come again.
      guard listener.acceptQueue.count <= listener.backlog else { return }
      listener.halfOpen -= 1
      listener.acceptQueue.append(self)
    }
    stack.counters.count(.tcpPassiveOpens)
    measureRTT(segment)
    sendUnacknowledged = segment.acknowledgement
    sendNext = segment.acknowledgement
    sendWindow = segment.window << Int(sendScale)
    sendWindowUpdate = segment.sequence
    establish()
    let waiting = listener
    listener = nil
    receiveSynchronised(segment, packet)
    waiting?.readable.wakeAll()
    if isFinQueued { transmitPending() }
  }

  private func receiveInTimeWait(_ segment: ReceivedSegment) {
    if segment.flags.contains(.rst) {
      // RFC 1337: a reset does not end the wait; Linux lets it.
      isOrphan = true
      return finish()
    }
    if segment.length > 0 {
      sendAck()
      startTimeWait()
    }
  }

  // MARK: Synchronised states

  private func receiveSynchronised(_ segment: ReceivedSegment, _ packet: borrowing Packet) {
    // PAWS (RFC 7323 §5): an old duplicate is answered and dropped.
    if usesTimestamps, let stamp = segment.timestamp, !segment.flags.contains(.rst),
      stamp.value.isBefore(recentTimestamp)
    {
      if segment.length > 0 { sendAck() }
      return
    }
    let window = max(Int(Int32(bitPattern: advertisedEdge &- receiveNext)), 0)
    guard isAcceptable(segment, window) else {
      if !segment.flags.contains(.rst) { sendAck() }
      return
    }
    if segment.flags.contains(.rst) {
      // RFC 5961 §3: only the exact number ends the connection, others in the window are asked.
      guard segment.sequence == receiveNext else { return sendAck() }
      stack.counters.count(.tcpEstabResets)
      return finish(state == .closeWait ? .brokenPipe : .connectionReset)
    }
    if segment.flags.contains(.syn) { return sendAck() }
    guard segment.flags.contains(.ack) else { return }
    if let stamp = segment.timestamp, !segment.sequence.isAfter(receiveNext) {
      recentTimestamp = stamp.value
    }
    lastReceived = stack.simulation.now
    guard takeAcknowledgement(segment) else { return }
    if state == .closed || state == .timeWait { return }
    if segment.payload.count > 0 || segment.flags.contains(.fin) { takeData(segment, packet) }
    transmitPending()
  }

  /// RFC 9293 §3.10.7.4, first check.
  private func isAcceptable(_ segment: ReceivedSegment, _ window: Int) -> Bool {
    let length = segment.length
    let end = receiveNext &+ UInt32(window)
    if length == 0 {
      return window == 0
        ? segment.sequence == receiveNext
        : !segment.sequence.isBefore(receiveNext) && !segment.sequence.isAfter(end)
    }
    // Something of it must be new.
    let last = segment.sequence &+ length &- 1
    return !last.isBefore(receiveNext)
      && (segment.sequence.isBefore(end) || window == 0 && segment.sequence == receiveNext)
  }

  /// Takes what a segment acknowledges; false if the connection's way ended.
  private func takeAcknowledgement(_ segment: ReceivedSegment) -> Bool {
    let acknowledged = segment.acknowledgement
    if acknowledged.isAfter(sendMaximum) {
      sendAck()
      return false
    }
    if !segment.sequence.isBefore(sendWindowUpdate) || acknowledged.isAfter(sendUnacknowledged) {
      sendWindow = segment.window << Int(sendScale)
      sendWindowUpdate = segment.sequence
      if sendWindow > 0 && isProbe {
        isProbe = false
        retransmissions = 0
        stopRetransmitTimer()
      }
    }
    if usesSACK { takeSACK(segment) }
    if acknowledged.isAfter(sendUnacknowledged) {
      takeNew(acknowledged, segment)
    } else if acknowledged == sendUnacknowledged && segment.payload.isEmpty
      && !segment.flags.contains(.fin) && sendUnacknowledged != sendNext
    {
      duplicateAcks += 1
      if duplicateAcks == 3 && recoveryPoint == nil {
        enterRecovery()
      } else if recoveryPoint != nil {
        repeatLost()
      }
    }
    return state != .closed
  }

  private func takeNew(_ acknowledged: UInt32, _ segment: ReceivedSegment) {
    var count = Int(acknowledged &- sendUnacknowledged)
    let finAcknowledged = isFinSent && acknowledged == sendNext && sendNext == sendMaximum
    if finAcknowledged { count -= 1 }
    sendHead = min(sendHead + count, sendBuffer.count)
    if sendHead > 65_536 || sendHead == sendBuffer.count {
      sendBuffer.removeFirst(sendHead)
      sendHead = 0
    }
    sendUnacknowledged = acknowledged
    if sendNext.isBefore(acknowledged) { sendNext = acknowledged }
    duplicateAcks = 0
    if let stamp = segment.timestamp, usesTimestamps, stamp.echo != 0 {
      let now = UInt32(truncatingIfNeeded: stack.simulation.now.nanoseconds / 1_000_000)
      let elapsed = Int32(bitPattern: now &+ timestampOffset &- stamp.echo)
      if elapsed >= 0 { measured(Int64(elapsed) * 1_000_000) }
    }
    retransmissions = 0
    sacked.removeAll { !$0.end.isAfter(acknowledged) }
    if let point = recoveryPoint {
      if acknowledged.isBefore(point) {
        repeatLost(partial: true)
      } else {
        recoveryPoint = nil
        congestionWindow = max(slowStartThreshold, 2)
      }
    } else {
      grow(max(count / max(maximumSegment, 1), 1))
    }
    if sendUnacknowledged == sendNext { stopRetransmitTimer() } else { startRetransmitTimer() }
    if finAcknowledged { finishAcknowledged() }
    writable.wakeAll()
  }

  /// Slow start, then one segment more for each window (RFC 5681).
  private func grow(_ segments: Int) {
    if congestionWindow < slowStartThreshold {
      congestionWindow += segments
    } else {
      congestionCredit += segments
      if congestionCredit >= congestionWindow {
        congestionCredit = 0
        congestionWindow += 1
      }
    }
    congestionWindow = min(congestionWindow, 65_536)
  }

  private func finishAcknowledged() {
    switch state {
    case .finWait1:
      state = .finWait2
      // An orphan does not wait for ever for the peer's FIN (tcp_fin_timeout).
      if isOrphan { startTimeWait(.seconds(60), in: .finWait2) }
    case .closing: startTimeWait()
    case .lastAck:
      isOrphan = true
      finish()
    default: break
    }
  }

  // MARK: Loss

  private func takeSACK(_ segment: ReceivedSegment) {
    for block in segment.sackBlocks
    where block.start.isBefore(block.end) && !block.start.isBefore(sendUnacknowledged)
      && !block.end.isAfter(sendMaximum)
    {
      sacked.append(block)
    }
    guard sacked.count > 1 else { return }
    sacked.sort { $0.start.isBefore($1.start) }
    var merged: [(start: UInt32, end: UInt32)] = []
    for block in sacked {
      if let last = merged.last, !block.start.isAfter(last.end) {
        if block.end.isAfter(last.end) { merged[merged.count - 1].end = block.end }
      } else {
        merged.append(block)
      }
    }
    sacked = merged
  }

  private func enterRecovery() {
    recoveryPoint = sendMaximum
    slowStartThreshold = max(congestionWindow * 7 / 10, 2)
    congestionWindow = slowStartThreshold
    retransmitNext = sendUnacknowledged
    repeatLost(partial: true)
  }

  /// Sends again what is known to be missing, a segment for each acknowledgement.
  private func repeatLost(partial: Bool = false) {
    guard let point = recoveryPoint else { return }
    if partial && sacked.isEmpty { return retransmitFirst() }
    var next = retransmitNext.isBefore(sendUnacknowledged) ? sendUnacknowledged : retransmitNext
    for block in sacked {
      if next.isBefore(block.start) { break }
      if next.isBefore(block.end) { next = block.end }
    }
    // Only holes below the highest block are known to be lost.
    guard let highest = sacked.last, next.isBefore(highest.start), next.isBefore(point) else {
      if partial { retransmitFirst() }
      return
    }
    retransmit(from: next)
  }

  // MARK: Data

  private func takeData(_ segment: ReceivedSegment, _ packet: borrowing Packet) {
    var sequence = segment.sequence
    var range = segment.payload
    if sequence.isBefore(receiveNext) {
      let known = min(Int(receiveNext &- sequence), range.count)
      range = range.lowerBound + known..<range.upperBound
      sequence = sequence &+ UInt32(known)
    }
    let isFin = segment.flags.contains(.fin)
    if sequence == receiveNext {
      if !range.isEmpty {
        packet.withBytes {
          receiveBuffer.append(contentsOf: UnsafeRawBufferPointer(rebasing: $0[range]))
        }
        receiveNext = receiveNext &+ UInt32(range.count)
      }
      if isFin { takeFin() }
      joinOutOfOrder()
      if isOrphan && receiveHead < receiveBuffer.count {
        // Nobody will read it.
        sendReset()
        return finish()
      }
      if !isFinReceived || state == .closeWait { acknowledgeData() } else { sendAck() }
      readable.wakeAll()
    } else {
      let bytes = packet.withBytes { [UInt8](UnsafeRawBufferPointer(rebasing: $0[range])) }
      let place =
        outOfOrder.firstIndex { !$0.sequence.isBefore(sequence) } ?? outOfOrder.count
      if place == outOfOrder.count || outOfOrder[place].sequence != sequence {
        outOfOrder.insert((sequence, bytes, isFin), at: place)
      }
      sendAck()
    }
    if state == .finWait2 && isFinReceived { startTimeWait() }
  }

  private func joinOutOfOrder() {
    while let first = outOfOrder.first, !first.sequence.isAfter(receiveNext) {
      outOfOrder.removeFirst()
      let known = Int(receiveNext &- first.sequence)
      if known < first.bytes.count {
        receiveBuffer.append(contentsOf: first.bytes[known...])
        receiveNext = first.sequence &+ UInt32(first.bytes.count)
      }
      if first.isFin && receiveNext == first.sequence &+ UInt32(first.bytes.count) { takeFin() }
    }
  }

  private func takeFin() {
    guard !isFinReceived else { return }
    isFinReceived = true
    receiveNext = receiveNext &+ 1
    switch state {
    case .established:
      state = .closeWait
      // The program will probably close too, and its FIN carries the acknowledgement.
      isInteractive = true
    case .finWait1: state = .closing
    default: break
    }
  }
}

/// What an acknowledgement does to the sender (RFC 9293 §3.10.7.4, fifth; Linux's `tcp_ack`).
extension TCPSocket {
  /// What is to be done with the segment that carried an acknowledgement.
  enum AckOutcome {
    /// It is good, or old and harmless.
    case accepted
    /// It acknowledges nothing that can be.
    case old
    case unsent
  }

  func takeAcknowledgement(
    _ segment: ReceivedSegment,
    updatesTimestamp: Bool,
    challenges: Bool = true
  ) -> AckOutcome {
    let acknowledged = segment.acknowledgement
    let prior = sendUnacknowledged
    let priorDelivered = loss.delivered
    let priorLost = loss.lostTotal
    var sample = AckSample()
    sample.reordered = sendNext
    if acknowledged.isBefore(prior) {
      let floor = prior &- UInt32(truncatingIfNeeded: maximumWindow)
      if acknowledged.isBefore(floor) {
        if challenges { sendChallenge() }
        return .old
      }
      // An old one may still tell of data out of order.
      if segment.sackCount > 0, usesSACK {
        tagSACKs(segment, prior: prior, &sample)
        let resend = recover(segment, &sample, prior: prior, duplicates: 0)
        resendAfterAck(resend)
      }
      return .accepted
    }
    if acknowledged.isAfter(sendNext) {
      // RFC 5961 §5.2 asks for an answer to what acknowledges the future.
      if challenges { sendChallenge() }
      return .unsent
    }
    if acknowledged.isAfter(prior) {
      sample.flags.insert(.advanced)
      retransmissions = 0
    }
    let priorHighest = usesSACK ? loss.highestSacked : sendUnacknowledged
    if updatesTimestamp { noteTimestamp(segment) }
    if !segment.payload.isEmpty { sample.flags.insert(.data) }
    updateWindow(segment, &sample)
    accounts.bytesAcknowledged &+= UInt64(max(acknowledged.distance(from: prior), 0))
    sendUnacknowledged = acknowledged
    if segment.sackCount > 0, usesSACK { tagSACKs(segment, prior: prior, &sample) }
    if ecn.isOn, segment.flags.contains(.ece), !segment.flags.contains(.syn) {
      sample.flags.insert(.echo)
    }
    softError = nil
    probesOut = 0
    lastHeard = now
    guard queue.sentCount > 0 else {
      if sample.flags.contains(.duplicateSack) {
        _ = recover(segment, &sample, prior: prior, duplicates: 0)
      }
      answerProbe()
      processProbeAck(acknowledged, sample.flags)
      return .accepted
    }
    removeAcknowledged(segment, prior: prior, priorHighest: priorHighest, &sample)
    updateReorderingWindow(priorDelivered: priorDelivered)
    processProbeAck(acknowledged, sample.flags)
    var resend = Resend.nothing
    let isNews = !sample.flags.isDisjoint(with: [.data, .windowUpdate, .dataAcked])
    let isAlert = !sample.flags.isDisjoint(with: [.dataSacked, .echo, .duplicateSack])
    if !isNews || isAlert || recoveryState != .open {
      let isDuplicate =
        sample.flags.isDisjoint(
          with: [.advanced, .data, .windowUpdate, .dataAcked, .duplicateSack]
        )
      resend = recover(segment, &sample, prior: prior, duplicates: isDuplicate ? 1 : 0)
    }
    if sample.flags.contains(.setsTimer) { setTimerAfterAck() }
    controlCongestion(sample, loss.delivered - priorDelivered, loss.lostTotal - priorLost)
    resendAfterAck(resend)
    return .accepted
  }

  private func resendAfterAck(_ resend: Resend) {
    switch resend {
    case .nothing: return
    case .new:
      pushPending(currentSegment(), .off)
      if sendNext.isAfter(loss.highSequence) { return }
      loss.isForwardChecked = false
    case .lost: break
    }
    retransmitLost()
  }

  /// Takes the peer's timestamp if the segment is the next one (RFC 7323 §4.3).
  func noteTimestamp(_ segment: ReceivedSegment) {
    guard usesTimestamps, segment.hasTimestamp, !segment.sequence.isAfter(lastAcknowledged),
      !segment.timestamp.isBefore(recentTimestamp)
    else { return }
    recentTimestamp = segment.timestamp
    recentTimestampAt = now
  }

  /// Takes the window that a segment offers, if it is news (RFC 9293 §3.10.7.4).
  private func updateWindow(_ segment: ReceivedSegment, _ sample: inout AckSample) {
    let window =
      segment.flags.contains(.syn) ? segment.window : segment.window << Int(sendScale)
    guard
      segment.acknowledgement.isAfter(sendUnacknowledged)
        || segment.sequence.isAfter(sendWindowUpdate)
        || segment.sequence == sendWindowUpdate && (window > sendWindow || window == 0)
    else { return }
    sample.flags.insert(.windowUpdate)
    sendWindowUpdate = segment.sequence
    guard window != sendWindow else { return }
    sendWindow = window
    if queue.hasUnsent { restartAfterIdle() }
    if window > maximumWindow {
      maximumWindow = window
      if loss.pathMTU > 0 { followPathMTU(loss.pathMTU) }
    }
  }

  // MARK: Selective acknowledgements

  private func tagSACKs(
    _ segment: ReceivedSegment,
    prior: UInt32,
    _ sample: inout AckSample
  ) {
    if loss.sackedOut == 0 { loss.highestSacked = sendUnacknowledged }
    let first = segment.sackBlock(0)
    var isDuplicate = false
    if first.start.isBefore(segment.acknowledgement) {
      isDuplicate = true
    } else if segment.sackCount > 1 {
      let second = segment.sackBlock(1)
      isDuplicate = !first.end.isAfter(second.end) && !first.start.isBefore(second.start)
    }
    if isDuplicate { noteDuplicateSACK(first, prior, &sample) }
    // Too old to say anything new.
    let floor = prior &- UInt32(truncatingIfNeeded: maximumWindow)
    guard !segment.acknowledgement.isBefore(floor), queue.sentCount > 0 else { return }
    for number in 0..<segment.sackCount {
      let block = segment.sackBlock(number)
      let repeats = number == 0 && isDuplicate
      guard block.start.isBefore(block.end), !block.end.isAfter(sendNext),
        repeats || !block.start.isBefore(sendUnacknowledged)
      else { continue }
      tag(block, repeats: repeats, &sample)
    }
    if recoveryState != .loss || loss.undoMarker != nil { checkReordering(sample.reordered) }
  }

  private func noteDuplicateSACK(
    _ block: SequenceRange,
    _ prior: UInt32,
    _ sample: inout AckSample
  ) {
    sample.flags.insert(.duplicateSack)
    defer { accounts.duplicatesTold &+= 1 }
    let segments = max(block.end.distance(from: block.start) / max(maximumSegment, 1), 1)
    if loss.probeEnd == block.end && loss.probeWasRetransmission {
      sample.flags.insert(.probeDuplicate)
    } else {
      loss.rackSawDuplicate = true
      loss.hasSeenReordering = loss.hasSeenReordering || loss.undoMarker != nil
    }
    if let marker = loss.undoMarker, loss.undoRetransmissions > 0, !block.end.isAfter(prior),
      block.end.isAfter(marker)
    {
      loss.undoRetransmissions = max(loss.undoRetransmissions - segments, 0)
    }
  }

  private func tag(_ block: SequenceRange, repeats: Bool, _ sample: inout AckSample) {
    var index = queue.index(after: block.start)
    while index < queue.sentCount {
      let segment = queue[index]
      guard segment.start.isBefore(block.end) else { break }
      let isCovered = !block.start.isAfter(segment.start) && !block.end.isBefore(segment.end)
      if isCovered && segment.end.isAfter(sendUnacknowledged) {
        tagSegment(index, segment, repeats: repeats, &sample)
      }
      index += 1
    }
  }

  private func tagSegment(
    _ index: Int,
    _ segment: SendSegment,
    repeats: Bool,
    _ sample: inout AckSample
  ) {
    if repeats && !segment.marks.isDisjoint(with: [.retransmitted, .everRetransmitted]) {
      if let marker = loss.undoMarker, loss.undoRetransmissions > 0,
        segment.end.isAfter(marker)
      {
        loss.undoRetransmissions -= 1
      }
      if segment.marks.contains(.sacked), segment.start.isBefore(sample.reordered) {
        sample.reordered = segment.start
      }
    }
    if !segment.marks.contains(.sacked) {
      advanceRack(segment.marks, segment.end, segment.sentAt)
      if segment.marks.contains(.retransmitted) {
        if segment.marks.contains(.lost) {
          queue[index].marks.subtract([.lost, .retransmitted])
          loss.lostOut -= 1
          loss.retransmittedOut -= 1
        }
      } else {
        if !segment.marks.contains(.everRetransmitted) {
          if segment.start.isBefore(loss.highestSacked),
            segment.start.isBefore(sample.reordered)
          {
            sample.reordered = segment.start
          }
          if !segment.end.isAfter(loss.highSequence) { sample.flags.insert(.originalAcked) }
          if sample.firstSackedAt == 0 { sample.firstSackedAt = segment.sentAt }
          sample.lastSackedAt = segment.sentAt
        }
        if segment.marks.contains(.lost) {
          queue[index].marks.remove(.lost)
          loss.lostOut -= 1
        }
      }
      queue[index].marks.insert(.sacked)
      loss.sackedOut += 1
      loss.delivered += 1
      sample.flags.insert(.dataSacked)
      if segment.end.isAfter(loss.highestSacked) { loss.highestSacked = segment.end }
    }
    if repeats && queue[index].marks.contains(.retransmitted) {
      queue[index].marks.remove(.retransmitted)
      loss.retransmittedOut -= 1
    }
  }

  // MARK: Cumulative acknowledgement

  private func removeAcknowledged(
    _ segment: ReceivedSegment,
    prior: UInt32,
    priorHighest: UInt32,
    _ sample: inout AckSample
  ) {
    var firstAt: Int64 = 0
    var lastAt: Int64 = 0
    var acked = 0
    var reordered = sendNext
    let priorSacked = loss.sackedOut
    var lastSize = 0
    var isPartial = false
    while queue.sentCount > 0 {
      let front = queue[0]
      if front.end.isAfter(sendUnacknowledged) {
        isPartial = sendUnacknowledged.isAfter(front.start)
        break
      }
      let marks = front.marks
      if marks.contains(.everRetransmitted) {
        if marks.contains(.retransmitted) { loss.retransmittedOut -= 1 }
        sample.flags.insert(.retransmittedAcked)
      } else if !marks.contains(.sacked) {
        lastAt = front.sentAt
        if firstAt == 0 { firstAt = lastAt }
        if front.start.isBefore(reordered) { reordered = front.start }
        if !front.end.isAfter(loss.highSequence) { sample.flags.insert(.originalAcked) }
      }
      if marks.contains(.sacked) {
        loss.sackedOut -= 1
      } else if usesSACK {
        loss.delivered += 1
        advanceRack(marks, front.end, front.sentAt)
      }
      if marks.contains(.lost) { loss.lostOut -= 1 }
      acked += 1
      lastSize = Int(front.count)
      sendBytes.removeFirst(lastSize)
      queue.removeFirst()
    }
    sample.ackedSegments = acked
    if acked > 0 && queue.sentCount == 0 {
      accounts.limited(.busy, false, isIdle: queue.isEmpty, now)
    }
    var rttSample: Int64 = -1
    var congestionSample: Int64 = -1
    let mayTime = !sample.flags.contains(.retransmittedAcked)
    if firstAt > 0 && mayTime {
      rttSample = max((now &- firstAt) / 1000, 0)
      congestionSample = max((now &- lastAt) / 1000, 0)
      if acked == 1 && !isPartial && priorSacked == 0 && lastSize < maximumSegment
        && sendUnacknowledged.distance(from: prior) < maximumSegment && inFlight == 0
      {
        sample.flags.insert(.maybeDelayed)
      }
    }
    var sackSample: Int64 = -1
    if sample.firstSackedAt > 0 {
      sackSample = max((now &- sample.firstSackedAt) / 1000, 0)
      congestionSample = max((now &- sample.lastSackedAt) / 1000, 0)
    }
    let hasRTT = updateRTT(segment, &rttSample, sackSample, &congestionSample, acked > 0)
    sample.rtt = congestionSample
    if acked > 0 {
      sample.flags.formUnion([.setsTimer, .dataAcked])
      if !usesSACK {
        removeDuplicates(acked)
        if sample.flags.contains(.retransmittedAcked) { sample.flags.remove(.originalAcked) }
      } else if reordered.isBefore(priorHighest) {
        checkReordering(reordered)
      }
      if queue.sentCount > 0 && queue[0].marks.contains(.sacked) {
        sample.flags.insert(.reneging)
      }
    } else if hasRTT, sackSample >= 0, queue.sentCount > 0,
      sackSample > (now &- queue[0].sentAt) / 1000
    {
      // The estimate fell; the timer would otherwise stand too late.
      sample.flags.insert(.setsTimer)
    }
    if congestion.measured(
      sample.flags.contains(.maybeDelayed) ? -1 : congestionSample,
      window: congestionWindow,
      isSlowStart: isSlowStart,
      acknowledged: sendUnacknowledged,
      sendNext: sendNext,
      pacingRate: pacingRate,
      now: now
    ), congestionSample >= 0 {
      slowStartThreshold = congestionWindow
    }
  }

  private func updateRTT(
    _ segment: ReceivedSegment,
    _ sample: inout Int64,
    _ sackSample: Int64,
    _ congestionSample: inout Int64,
    _ hasAcked: Bool
  ) -> Bool {
    if sample < 0 { sample = sackSample }
    if sample < 0, usesTimestamps, segment.hasTimestamp, segment.echo != 0, hasAcked {
      let elapsed = Int64(Int32(bitPattern: clockMilliseconds &- segment.echo))
      if elapsed >= 0 {
        sample = max(elapsed, 1) * 1000
        congestionSample = sample
      }
    }
    guard sample >= 0 else { return false }
    takeRTT(sample)
    backoff = 0
    return true
  }

  func takeRTT(_ microseconds: Int64) {
    rtt.take(
      microseconds,
      now: now,
      acknowledged: sendUnacknowledged,
      sendNext: sendNext,
      floor: leastTimeout,
      ceiling: Int64(settings.mostTimeout) * 1000
    )
  }

  // MARK: Congestion

  private func controlCongestion(_ sample: AckSample, _ delivered: Int, _ lost: Int) {
    if recoveryState == .reduced || recoveryState == .recovery {
      reduceWindow(delivered: delivered, lost: lost, flags: sample.flags)
      return
    }
    let mayGrow =
      loss.reordering > Int(settings.reordering)
      ? !sample.flags.isDisjoint(with: [.dataAcked, .dataSacked])
      : sample.flags.contains(.dataAcked)
    if mayGrow && delivered > 0 { growWindow(delivered) }
  }
}

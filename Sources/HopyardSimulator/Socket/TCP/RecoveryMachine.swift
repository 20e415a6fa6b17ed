/// The state machine of loss recovery (RFC 5681, RFC 6675, RFC 5682, RFC 9937), as Linux's
/// `tcp_fastretrans_alert`.
extension TCPSocket {
  /// What is to be sent again after an acknowledgement.
  enum Resend {
    case nothing
    case lost
    /// New data first, to learn whether a timeout was spurious.
    case new
  }

  func setRecoveryState(_ state: RecoveryState) {
    recoveryState = state
    if state == .loss { congestion.timedOut(now: now, sendNext: sendNext) }
  }

  private var hasRetransmissionOut: Bool {
    if loss.retransmittedOut > 0 { return true }
    return queue.sentCount > 0 && queue[0].marks.contains(.everRetransmitted)
  }

  // MARK: Reducing

  private func beginReduction() {
    loss.highSequence = sendNext
    loss.probeEnd = nil
    congestionCount = 0
    loss.priorWindow = congestionWindow
    loss.reductionDelivered = 0
    loss.reductionSent = 0
    slowStartThreshold = congestion.thresholdAfterLoss(window: congestionWindow)
    owesReducedWindow()
  }

  func reduceWindow(delivered: Int, lost: Int, flags: AckFlags) {
    guard delivered > 0, loss.priorWindow > 0 else { return }
    let delta = slowStartThreshold - inFlight
    loss.reductionDelivered += delivered
    var count: Int
    if delta < 0 {
      let dividend = slowStartThreshold * loss.reductionDelivered + loss.priorWindow - 1
      count = dividend / loss.priorWindow - loss.reductionSent
    } else {
      count = max(loss.reductionDelivered - loss.reductionSent, delivered)
      if flags.contains(.advanced) && lost == 0 { count += 1 }
      count = min(delta, count)
    }
    // Fast retransmit sends one segment in any case.
    count = max(count, loss.reductionSent > 0 ? 0 : 1)
    congestionWindow = max(inFlight + count, 1)
  }

  private func endReduction() {
    if slowStartThreshold < .max, recoveryState == .reduced || loss.undoMarker != nil {
      congestionWindow = slowStartThreshold
      congestionStamp = now
    }
  }

  func enterReduced() {
    loss.priorThreshold = 0
    guard recoveryState.rawValue < RecoveryState.reduced.rawValue else { return }
    loss.undoMarker = nil
    beginReduction()
    setRecoveryState(.reduced)
  }

  func enterRecovery(hasEcho: Bool) {
    loss.priorThreshold = 0
    beginUndo()
    if recoveryState != .reduced && recoveryState != .recovery {
      if !hasEcho { loss.priorThreshold = currentThreshold }
      beginReduction()
    }
    setRecoveryState(.recovery)
  }

  private func beginUndo() {
    loss.undoMarker = sendUnacknowledged
    loss.undoRetransmissions = loss.retransmittedOut
    if loss.probeEnd != nil && loss.probeWasRetransmission { loss.undoRetransmissions += 1 }
    if loss.undoRetransmissions == 0 { loss.undoRetransmissions = -1 }
  }

  // MARK: Timeout

  func enterLoss() {
    let segmentsLeft = queue.sentCount
    let isReneged = segmentsLeft > 0 && queue[0].marks.contains(.sacked)
    if isReneged {
      loss.sackedOut = 0
    } else if !usesSACK {
      loss.sackedOut = 0
    }
    for index in 0..<segmentsLeft {
      if isReneged { queue[index].marks.remove(.sacked) }
      if !isReneged && index != 0 && usesSACK && settings.recovery & 1 != 0 {
        let age = (now &- queue[index].sentAt) / 1000
        if loss.rackRTT &+ rackWindow &- age > 0 { continue }
      }
      markLost(index)
    }
    let isNew = recoveryState.rawValue < RecoveryState.recovery.rawValue
    if recoveryState.rawValue <= RecoveryState.disorder.rawValue
      || !loss.highSequence.isAfter(sendUnacknowledged)
      || recoveryState == .loss && retransmissions == 0
    {
      loss.priorThreshold = currentThreshold
      loss.priorWindow = congestionWindow
      slowStartThreshold = congestion.thresholdAfterLoss(window: congestionWindow)
      beginUndo()
    }
    congestionWindow = inFlight + 1
    congestionCount = 0
    congestionStamp = now
    if recoveryState.rawValue <= RecoveryState.disorder.rawValue
      && loss.sackedOut >= Int(settings.reordering)
    {
      loss.reordering = min(loss.reordering, Int(settings.reordering))
    }
    setRecoveryState(.loss)
    loss.highSequence = sendNext
    loss.probeEnd = nil
    owesReducedWindow()
    loss.isForwardChecked = settings.frto != 0 && (isNew || retransmissions > 0)
  }

  private var rackWindow: Int64 {
    if !loss.hasSeenReordering { return 0 }
    let least = rtt.least == .max ? 0 : rtt.least
    return min((least >> 2) * Int64(loss.rackSteps), rtt.smoothed >> 3)
  }

  // MARK: Undoing

  /// The acknowledgement is older than the first retransmission (RFC 3522, Eifel).
  private func isAnswerToOriginal(_ segment: ReceivedSegment) -> Bool {
    guard loss.retransmitStamp >= 0, usesTimestamps, segment.hasTimestamp, segment.echo != 0 else {
      return false
    }
    let stamp =
      UInt32(truncatingIfNeeded: loss.retransmitStamp / 1_000_000) &+ timestampOffset
    return segment.echo.isBefore(stamp)
  }

  private func mayUndo(_ segment: ReceivedSegment) -> Bool {
    loss.undoMarker != nil && (loss.undoRetransmissions == 0 || isAnswerToOriginal(segment))
  }

  private func undoReduction(unmarksLost: Bool) {
    if unmarksLost {
      for index in 0..<queue.sentCount { queue[index].marks.remove(.lost) }
      loss.lostOut = 0
    }
    if loss.priorThreshold > 0 {
      congestionWindow = max(congestionWindow, loss.priorWindow)
      if loss.priorThreshold > slowStartThreshold {
        slowStartThreshold = loss.priorThreshold
        ecn.owesReduced = false
      }
    }
    congestionStamp = now
    loss.undoMarker = nil
    loss.rackAdvanced = true
  }

  /// True if the state stays as it is until something beyond the recovery is acknowledged.
  private func undoRecovery(_ segment: ReceivedSegment) -> Bool {
    if mayUndo(segment) {
      undoReduction(unmarksLost: false)
    } else if loss.rackPersist > 0 {
      loss.rackPersist -= 1
    }
    if sendUnacknowledged == loss.highSequence && !usesSACK {
      if !hasRetransmissionOut { loss.retransmitStamp = -1 }
      return true
    }
    setRecoveryState(.open)
    return false
  }

  private func undoByDuplicates() -> Bool {
    guard loss.undoMarker != nil, loss.undoRetransmissions == 0 else { return false }
    undoReduction(unmarksLost: false)
    return true
  }

  private func undoLoss(_ segment: ReceivedSegment, isForward: Bool) -> Bool {
    guard isForward || mayUndo(segment) else { return false }
    undoReduction(unmarksLost: true)
    retransmissions = 0
    if isForward || usesSACK { setRecoveryState(.open) }
    return true
  }

  private func undoPartial(_ segment: ReceivedSegment, _ prior: UInt32) -> Bool {
    guard loss.undoMarker != nil, isAnswerToOriginal(segment) else { return false }
    checkReordering(prior)
    if loss.retransmittedOut > 0 { return true }
    if !hasRetransmissionOut { loss.retransmitStamp = -1 }
    undoReduction(unmarksLost: true)
    keepOpen()
    return true
  }

  private func keepOpen() {
    let isOpen = loss.sackedOut + loss.lostOut == 0 && !hasRetransmissionOut
    let state: RecoveryState = isOpen ? .open : .disorder
    if recoveryState != state {
      setRecoveryState(state)
      loss.highSequence = sendNext
    }
  }

  private func tryToOpen(_ flags: AckFlags) {
    if !hasRetransmissionOut { loss.retransmitStamp = -1 }
    if flags.contains(.echo) { enterReduced() }
    if recoveryState != .reduced { keepOpen() }
  }

  // MARK: The machine

  func recover(
    _ segment: ReceivedSegment,
    _ sample: inout AckSample,
    prior: UInt32,
    duplicates: Int
  ) -> Resend {
    let hasEcho = sample.flags.contains(.echo)
    if queue.sentCount == 0 && loss.sackedOut > 0 { loss.sackedOut = 0 }
    if hasEcho { loss.priorThreshold = 0 }
    if sample.flags.contains(.reneging) && sample.flags.contains(.advanced) {
      // The peer forgot what it had: soon everything is sent again.
      let delay = max(rtt.smoothed >> 4, 10_000) &* 1000
      setSendTimer(.retransmit, at: now &+ delay)
      sample.flags.remove(.setsTimer)
      return .nothing
    }
    if recoveryState == .open {
      loss.retransmitStamp = -1
    } else if !sendUnacknowledged.isBefore(loss.highSequence) {
      switch recoveryState {
      case .reduced:
        if sendUnacknowledged != loss.highSequence {
          endReduction()
          setRecoveryState(.open)
        }
      case .recovery:
        if !usesSACK { loss.sackedOut = 0 }
        if undoRecovery(segment) { return .nothing }
        endReduction()
      default: break
      }
    }
    switch recoveryState {
    case .recovery:
      if !sample.flags.contains(.advanced) {
        if !usesSACK { addDuplicates(duplicates) }
      } else if undoPartial(segment, prior) {
        return .nothing
      }
      if undoByDuplicates() { tryToOpen(sample.flags) }
      identifyLoss(&sample)
      if recoveryState != .recovery {
        guard loss.lostOut > 0 else { return .nothing }
        enterRecovery(hasEcho: hasEcho)
      }
    case .loss:
      let resend = recoverFromTimeout(segment, sample, duplicates)
      identifyLoss(&sample)
      guard recoveryState == .open || sample.flags.contains(.lostRetransmission) else {
        return resend
      }
      return recoverOpen(segment, &sample, duplicates, hasEcho)
    default: return recoverOpen(segment, &sample, duplicates, hasEcho)
    }
    return .lost
  }

  private func recoverOpen(
    _ segment: ReceivedSegment,
    _ sample: inout AckSample,
    _ duplicates: Int,
    _ hasEcho: Bool
  ) -> Resend {
    if !usesSACK {
      if sample.flags.contains(.advanced) { loss.sackedOut = 0 }
      addDuplicates(duplicates)
    }
    if recoveryState.rawValue <= RecoveryState.disorder.rawValue { _ = undoByDuplicates() }
    identifyLoss(&sample)
    if loss.lostOut == 0 {
      tryToOpen(sample.flags)
      return .nothing
    }
    enterRecovery(hasEcho: hasEcho)
    return .lost
  }

  /// F-RTO (RFC 5682): whether the timeout was spurious.
  private func recoverFromTimeout(
    _ segment: ReceivedSegment,
    _ sample: AckSample,
    _ duplicates: Int
  ) -> Resend {
    let isRecovered = !sendUnacknowledged.isBefore(loss.highSequence)
    let hasAdvanced = sample.flags.contains(.advanced)
    if hasAdvanced && undoLoss(segment, isForward: false) { return .nothing }
    if loss.isForwardChecked {
      if sample.flags.contains(.originalAcked) && undoLoss(segment, isForward: true) {
        return .nothing
      }
      if sendNext.isAfter(loss.highSequence) {
        if sample.flags.contains(.dataSacked) || duplicates > 0 { loss.isForwardChecked = false }
      } else if hasAdvanced && !isRecovered {
        loss.highSequence = sendNext
        if queue.hasUnsent && sendEdge.isAfter(sendNext) { return .new }
        loss.isForwardChecked = false
      }
    }
    if isRecovered {
      _ = undoRecovery(segment)
      return .nothing
    }
    if !usesSACK {
      if sendNext.isAfter(loss.highSequence) && duplicates > 0 {
        addDuplicates(duplicates)
      } else if hasAdvanced {
        loss.sackedOut = 0
      }
    }
    return .lost
  }

  /// Takes what an acknowledgement says about a tail loss probe (`tcp_process_tlp_ack`).
  func processProbeAck(_ acknowledged: UInt32, _ flags: AckFlags) {
    guard let end = loss.probeEnd, !acknowledged.isBefore(end) else { return }
    if !loss.probeWasRetransmission || flags.contains(.probeDuplicate) {
      loss.probeEnd = nil
    } else if acknowledged.isAfter(end) {
      // The probe repaired a loss: the window shrinks as it would have.
      beginReduction()
      setRecoveryState(.reduced)
      endReduction()
      keepOpen()
    } else if flags.isDisjoint(with: [.advanced, .data, .windowUpdate, .dataAcked, .dataSacked]) {
      loss.probeEnd = nil
    }
  }
}

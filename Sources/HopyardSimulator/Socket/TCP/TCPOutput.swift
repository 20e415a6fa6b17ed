import HopyardWire

/// How the small-segment rules are to be taken for what is sent now (`TCP_NAGLE_*`).
struct SmallSegments: OptionSet {
  let rawValue: UInt8
  /// Small segments go out while others are on their way (`TCP_NODELAY`).
  static let off = SmallSegments(rawValue: 1)
  /// Small segments wait for more (`TCP_CORK`, `MSG_MORE`).
  static let corked = SmallSegments(rawValue: 2)
  /// Everything goes out now.
  static let push = SmallSegments(rawValue: 4)
}

/// What a connection sends: new data, as the windows allow it (RFC 9293 §3.8, RFC 5681).
extension TCPSocket {
  /// The edge of the peer's window.
  var sendEdge: UInt32 { sendUnacknowledged &+ UInt32(truncatingIfNeeded: sendWindow) }

  /// What of the sent segments is still on the network (RFC 6675's pipe).
  @inline(__always)
  var inFlight: Int {
    queue.sentCount &- loss.sackedOut &- loss.lostOut &+ loss.retransmittedOut
  }

  var smallSegments: SmallSegments {
    var result: SmallSegments = []
    if tcpOptions.isNoDelay { result.insert(.off) }
    if tcpOptions.isCorked { result.insert(.corked) }
    return result
  }

  /// The window to begin with (RFC 6928).
  var initialWindow: Int {
    let metric = loss.initialWindow
    return metric > 0 ? metric : 10
  }

  // MARK: The program's writes

  /// What the send buffer holds, as Linux accounts it.
  var sendMemory: Int { sendBytes.count &+ queue.buffers &* 1280 }

  /// What was written and not sent.
  var notSent: Int { max(writeSequence.distance(from: sendNext), 0) }

  /// How much of that a writer may let wait (`TCP_NOTSENT_LOWAT`).
  var notSentLimit: Int {
    let chosen =
      tcpOptions.notSentLowWater > 0 ? tcpOptions.notSentLowWater : settings.notSentLowWater
    return chosen == .max ? .max : Int(chosen)
  }

  /// Puts bytes into the send queue, and sends what may go (`tcp_sendmsg`); gives how many there
  /// was room for.
  func enqueue(
    _ bytes: UnsafeRawBufferPointer,
    hasMore: Bool,
    endsRecord: Bool,
    isHeld: Bool = false
  ) -> Int {
    var taken = 0
    let segment = currentSegment()
    let size = burstSize(segment)
    while taken < bytes.count {
      var room = 0
      if queue.hasUnsent, let last = queue.last, !last.marks.contains(.end),
        !last.marks.contains(.fin)
      {
        room = size - Int(last.count)
      }
      if room <= 0 {
        // What waited was taken already.
        guard isHeld || sendMemory < sendLimit && notSent < notSentLimit else { break }
        if taken > 0 || !queue.hasUnsent { restartAfterIdle() }
        if !queue.hasUnsent { accounts.begin(.busy, now) }
        queue.append(SendSegment(start: writeSequence, count: 0, marks: .buffer))
        room = size
      }
      let count = min(room, bytes.count - taken)
      if taken == 0 { queue.unmarkLast(.push) }
      sendBytes.append(UnsafeRawBufferPointer(rebasing: bytes[taken..<taken + count]))
      queue.extendLast(by: count)
      writeSequence = writeSequence &+ UInt32(truncatingIfNeeded: count)
      taken += count
      if endsRecord && taken == bytes.count { queue.markLast(.end) }
      guard let last = queue.last, Int(last.count) >= size else { continue }
      if mustPush {
        markPush()
        pushPending(segment, .push)
      } else if queue.count == queue.sentCount + 1 {
        _ = transmit(segment, .push, limit: .one)
      }
    }
    if taken > 0 {
      var small = smallSegments
      if !hasMore || mustPush { if queue.hasUnsent { markPush() } }
      if hasMore { small.insert(.corked) }
      // Who waits for room lets everything go that may.
      if taken < bytes.count { small = .push }
      pushPending(segment, small)
    }
    if taken < bytes.count { lacksSpace = true }
    return taken
  }

  /// More than half of the peer's window was written since the last PSH (`forced_push`).
  private var mustPush: Bool {
    writeSequence.isAfter(pushedSequence &+ UInt32(truncatingIfNeeded: maximumWindow >> 1))
  }

  private func markPush() {
    queue.markLast(.push)
    pushedSequence = writeSequence
  }

  /// Sends what waits and may go, or begins to ask for a window (`__tcp_push_pending_frames`).
  func pushPending(_ segment: Int, _ small: SmallSegments) {
    guard state != .closed else { return }
    if transmit(segment, small, limit: .none) { checkProbeTimer() }
  }

  /// The same at any time: after acknowledgements, and when options change.
  func transmitPending() {
    guard queue.hasUnsent else { return }
    pushPending(currentSegment(), smallSegments)
  }

  // MARK: Sending

  /// How many bursts one call of ``transmit(_:_:limit:)`` may send.
  enum TransmitLimit {
    case none
    /// One burst.
    case one
    /// One segment, whatever the congestion window (a tail loss probe).
    case probe
  }

  /// Sends new data as the windows and the small-segment rules allow (`tcp_write_xmit`).
  ///
  /// True if nothing is on its way though something waits.
  func transmit(_ segment: Int, _ small: SmallSegments, limit: TransmitLimit) -> Bool {
    var sent = 0
    var isLimitedByCongestion = false
    var isLimitedByPeer = false
    let edge = sendEdge
    while queue.hasUnsent {
      let index = queue.sentCount
      let head = queue[index]
      var quota = burstQuota()
      if quota == 0 {
        guard limit == .probe else { break }
        quota = 1
      }
      quota = min(quota, mostSegments(segment))
      // The peer's window holds at least the first segment of it.
      let firstEnd =
        Int(head.count) > segment
        ? head.start &+ UInt32(truncatingIfNeeded: segment) : head.end
      if firstEnd.isAfter(edge) {
        isLimitedByPeer = true
        break
      }
      let isLast = index == queue.count - 1
      let segments = max((Int(head.count) + segment - 1) / segment, 1)
      if segments == 1 {
        guard passesNagle(head, segment, isLast ? small : small.union(.push)) else { break }
      } else if limit == .none,
        shouldWaitForMore(
          head,
          segment,
          isLast,
          edge,
          &isLimitedByCongestion,
          &isLimitedByPeer
        )
      {
        break
      }
      var bytes = min(Int(head.count), segment)
      if segments > 1 {
        bytes = splitPoint(head, segment, isLast, edge, quota, small)
      }
      if bytes < Int(head.count) { queue.split(index, at: bytes, sharesBuffer: false) }
      sendBurst(index, segment)
      sent += max((bytes + segment - 1) / segment, 1)
      if limit != .none { break }
    }
    accounts.limited(.window, isLimitedByPeer, isIdle: queue.isEmpty, now)
    isLimitedByCongestion = isLimitedByCongestion || inFlight >= congestionWindow
    if sent > 0 || isLimitedByCongestion { validateWindow(isLimited: isLimitedByCongestion) }
    if sent > 0 {
      if recoveryState == .reduced || recoveryState == .recovery { loss.reductionSent += sent }
      if limit != .probe { scheduleLossProbe(isAdvancing: false) }
      return false
    }
    return queue.sentCount == 0 && queue.hasUnsent
  }

  /// How many segments the congestion window lets go now, at most half of it in one burst.
  private func burstQuota() -> Int {
    let left = congestionWindow - inFlight
    return left <= 0 ? 0 : min(max(congestionWindow >> 1, 1), left)
  }

  /// The most segments of a burst: a millisecond's worth, more on short paths (`tcp_tso_autosize`).
  func mostSegments(_ segment: Int) -> Int {
    let rate = pacingRate
    guard rate > 0 else { return 65_215 / segment > 0 ? 65_215 / segment : 1 }
    var bytes = rate >> 10
    let steps = rtt.least == .max ? 32 : rtt.least >> 9
    if steps < 32 { bytes += 65_536 >> steps }
    bytes = min(bytes, 65_215)
    return max(Int(bytes) / segment, Int(settings.leastBurst), 1)
  }

  /// Nagle's rule as Minshall has it: one small segment at a time (RFC 9293 §3.7.4).
  private func isHeldBack(isPartial: Bool, _ small: SmallSegments) -> Bool {
    guard isPartial else { return false }
    if small.contains(.corked) { return true }
    return small.isEmpty && queue.sentCount > 0 && lastSmallEnd.isAfter(sendUnacknowledged)
      && !lastSmallEnd.isAfter(sendNext)
  }

  private func passesNagle(_ head: SendSegment, _ segment: Int, _ small: SmallSegments) -> Bool {
    if small.contains(.push) || head.marks.contains(.fin) { return true }
    return !isHeldBack(isPartial: Int(head.count) < segment, small)
  }

  /// How much of a long stretch goes out as one burst (`tcp_mss_split_point`).
  private func splitPoint(
    _ head: SendSegment,
    _ segment: Int,
    _ isLast: Bool,
    _ edge: UInt32,
    _ quota: Int,
    _ small: SmallSegments
  ) -> Int {
    let most = segment * quota
    let window = edge.distance(from: head.start)
    if most <= window && !isLast { return min(most, Int(head.count)) }
    let needed = min(Int(head.count), window)
    if most <= needed { return most }
    let partial = needed % segment
    return isHeldBack(isPartial: partial != 0, small) && needed > partial
      ? needed - partial : needed
  }

  /// Whether to wait until more may go at once (`tcp_tso_should_defer`).
  private func shouldWaitForMore(
    _ head: SendSegment,
    _ segment: Int,
    _ isLast: Bool,
    _ edge: UInt32,
    _ isLimitedByCongestion: inout Bool,
    _ isLimitedByPeer: inout Bool
  ) -> Bool {
    guard recoveryState.rawValue < RecoveryState.recovery.rawValue else { return false }
    // Only while the last write is recent.
    if now &- loss.lastTransmit > 1_000_000 { return false }
    let window = edge.distance(from: head.start)
    let congestion = (congestionWindow - inFlight) * segment
    let limit = min(window, congestion)
    if limit >= mostSegments(segment) * segment { return false }
    if !isLast && limit >= Int(head.count) { return false }
    let divisor = Int(settings.burstWindowDivisor)
    if divisor > 0 {
      let chunk = min(sendWindow, congestionWindow * segment) / divisor
      if limit >= chunk { return false }
    } else if limit > 3 * segment {
      return false
    }
    guard queue.sentCount > 0 else { return false }
    // An acknowledgement that is due soon may let more go.
    let age = now &- queue[0].sentAt
    if age < (rtt.smoothed >> 4) &* 1000 { return false }
    if congestion < window {
      if congestion <= Int(head.count) {
        isLimitedByCongestion = true
        return true
      }
    } else if window <= Int(head.count) {
      isLimitedByPeer = true
      return true
    }
    return head.marks.isDisjoint(with: [.fin, .end])
  }

  /// Sends the first unsent stretch as segments of one burst.
  private func sendBurst(_ index: Int, _ segment: Int) {
    let whole = queue[index]
    let time = beginBurst()
    let wasIdle = queue.sentCount == 0
    loss.lastTransmit = time
    var place = index
    while true {
      if Int(queue[place].count) > segment {
        queue.split(place, at: segment, sharesBuffer: true)
        queue[place &+ 1].marks.insert(.joined)
      }
      queue[place].sentAt = time
      if Int(queue[place].count) < segment { lastSmallEnd = queue[place].end }
      let sending = queue[place]
      queue.noteSent(1)
      // A burst of several segments carries PSH on the last (Linux since 5.5), which is no mark.
      let isLast = sending.end == whole.end
      let ok = sendData(sending, at: time, isNew: true, pushes: isLast && place > index)
      sendNext = sending.end
      if !ok && wire.lastError == .noBufferSpace { noteLocalDrop() }
      if isLast { break }
      place += 1
    }
    if pushedSequence.isBefore(sendNext) && whole.marks.contains(.push) {
      pushedSequence = sendNext
    }
    if wasIdle || sendTimerKind == .lossProbe { rearmTimeout() }
  }

  /// The device had no room: the window shrinks as for a congestion mark (`tcp_enter_cwr`).
  private func noteLocalDrop() { enterReduced() }

  // MARK: The end of the stream

  /// Queues FIN behind what was written (`tcp_send_fin`).
  func queueFin() {
    guard !isFinQueued else { return }
    if work.isHeld && !work.isRunning || !work.writes.isEmpty {
      work.endsStream = true
      return
    }
    isFinQueued = true
    writeSequence = writeSequence &+ 1
    if queue.hasUnsent {
      queue.markLast(.fin)
    } else {
      queue.append(
        SendSegment(start: writeSequence &- 1, count: 0, marks: [.buffer, .fin])
      )
    }
    pushPending(currentSegment(), .off)
  }
}

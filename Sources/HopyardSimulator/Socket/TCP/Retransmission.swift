import HopyardWire

/// Sending segments again (RFC 9293 §3.8.1, RFC 6675).
extension TCPSocket {
  /// Which segments of the queue were sent again together.
  struct Resent {
    var start: Int
    var count: Int
  }

  /// Sends a segment again, and with it up to a number in all of those behind it that are still one
  /// buffer with it; nil if it could not be sent (`__tcp_retransmit_skb`).
  @discardableResult
  func retransmit(_ index: Int, most segments: Int = 1) -> Resent? {
    let segment = queue[index]
    if segment.start.isBefore(sendUnacknowledged) {
      let known = sendUnacknowledged.distance(from: segment.start)
      guard known < Int(segment.count) else { return Resent(start: index, count: 1) }
      splitSent(index, at: known)
      return retransmit(index + 1, most: segments)
    }
    let size = currentSegment()
    var window = sendEdge.distance(from: segment.start)
    if window <= 0 {
      guard segment.start == sendUnacknowledged else { return nil }
      window = size
    }
    var isCut = false
    var place = index
    while Int(queue[place].count) > min(window, size) {
      // What became too long for the path stays one buffer.
      splitSent(place, at: min(window, size))
      place += 1
      queue[place].marks.insert(.joined)
      isCut = true
    }
    let count = joinedCount(index, most: segments, bytes: max(window / size * size, 1))
    if count == 1, !isCut, !isJoinedBehind(index) { collapse(index, into: min(window, size)) }
    queue[index].marks.remove(.joined)
    if isJoinedBehind(index + count - 1) { queue[index + count].marks.remove(.joined) }
    return resend(index, count)
  }

  private func resend(_ index: Int, _ count: Int) -> Resent? {
    let time = beginBurst()
    var sent = true
    for place in index..<index + count {
      let segment = queue[place]
      let isLast = place == index + count - 1
      sent = sendData(segment, at: time, isNew: false, pushes: count > 1 && isLast) && sent
      queue[place].sentAt = time
      queue[place].marks.insert(.everRetransmitted)
      if segment.end.isAfter(loss.highestRetransmitted) { loss.highestRetransmitted = segment.end }
      accounts.bytesResent &+= UInt64(segment.count)
    }
    totalRetransmissions += count
    for _ in 0..<count { stack.counters.count(.tcpRetransSegs) }
    if loss.retransmitStamp < 0 { loss.retransmitStamp = time }
    loss.undoRetransmissions = max(loss.undoRetransmissions, 0) + count
    return sent ? Resent(start: index, count: count) : nil
  }

  /// Whether the segment behind one was sent and is one buffer with it.
  private func isJoinedBehind(_ index: Int) -> Bool {
    index + 1 < queue.sentCount && queue[index + 1].marks.contains(.joined)
  }

  /// How many segments from one on are one buffer and fare alike.
  private func joinedCount(_ index: Int, most: Int, bytes: Int) -> Int {
    let fate: SegmentMarks = [.sacked, .lost, .retransmitted]
    let marks = queue[index].marks.intersection(fate)
    var total = Int(queue[index].count)
    var count = 1
    while count < most, isJoinedBehind(index + count - 1) {
      let next = queue[index + count]
      total += Int(next.count)
      guard total <= bytes, next.marks.intersection(fate) == marks else { break }
      count += 1
    }
    return count
  }

  /// Joins what follows to a short segment, as far as it fits one (`tcp_retrans_try_collapse`).
  private func collapse(_ index: Int, into most: Int) {
    guard Int(queue[index].count) < most else { return }
    while index + 1 < queue.sentCount {
      let first = queue[index]
      let next = queue[index + 1]
      guard first.marks.isDisjoint(with: [.end, .fin]), !next.marks.contains(.sacked),
        Int(first.count) + Int(next.count) <= most, !next.end.isAfter(sendEdge),
        !isJoinedBehind(index + 1)
      else { return }
      if next.marks.contains(.lost) { loss.lostOut -= 1 }
      if next.marks.contains(.retransmitted) { loss.retransmittedOut -= 1 }
      queue.merge(index)
      if !usesSACK, loss.sackedOut > 0 { loss.sackedOut -= 1 }
    }
  }

  /// The same, counted as being on its way (`tcp_retransmit_skb`).
  func retransmitCounted(_ index: Int, most: Int = 1) -> Resent? {
    guard let sent = retransmit(index, most: most) else { return nil }
    for place in sent.start..<sent.start + sent.count
    where !queue[place].marks.contains(.retransmitted) {
      queue[place].marks.insert(.retransmitted)
      loss.retransmittedOut += 1
    }
    return sent
  }

  /// Sends lost segments again as far as the window allows (`tcp_xmit_retransmit_queue`).
  func retransmitLost() {
    var index = 0
    var restarts = false
    let most = mostSegments(currentSegment())
    while index < queue.sentCount {
      let quota = min(congestionWindow - inFlight, most)
      guard quota > 0, loss.retransmittedOut < loss.lostOut else { break }
      let marks = queue[index].marks
      if !marks.contains(.lost) || !marks.isDisjoint(with: [.sacked, .retransmitted]) {
        index += 1
        continue
      }
      guard let sent = retransmitCounted(index, most: quota) else { break }
      if recoveryState == .reduced || recoveryState == .recovery {
        loss.reductionSent += sent.count
      }
      if index == 0 && sendTimerKind != .reordering { restarts = true }
      index = sent.start + sent.count
    }
    if restarts { setSendTimer(.retransmit, at: now &+ timeoutNanoseconds) }
  }
}

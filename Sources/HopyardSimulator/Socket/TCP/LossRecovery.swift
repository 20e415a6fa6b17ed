/// What a connection knows of lost and reordered segments, and of the reduction of its window.
struct LossRecovery {
  // What of the sent segments is where, in segments
  var sackedOut = 0
  var lostOut = 0
  var retransmittedOut = 0
  /// Segments that were delivered, and that were marked lost, since the connection began.
  var delivered = 0
  var lostTotal = 0
  /// The end of the highest data that a SACK block told of.
  var highestSacked: UInt32 = 0
  /// Where the present recovery ends (`high_seq`).
  var highSequence: UInt32 = 0
  /// The end of the highest segment that was ever sent again.
  var highestRetransmitted: UInt32 = 0
  /// When the first segment of this recovery was sent again, in nanoseconds; -1 if none was.
  var retransmitStamp: Int64 = -1

  // Undoing a reduction that was wrong
  var undoMarker: UInt32?
  var undoRetransmissions = 0
  var priorWindow = 0
  var priorThreshold = 0

  // Proportional rate reduction (RFC 9937)
  var reductionDelivered = 0
  var reductionSent = 0

  /// How far segments may be reordered before one is taken to be lost.
  var reordering = 3
  var hasSeenReordering = false
  /// A timeout may have been spurious (RFC 5682).
  var isForwardChecked = false

  // Tail loss probe (RFC 8985 §7)
  var probeEnd: UInt32?
  var probeWasRetransmission = false

  // RACK (RFC 8985 §6)
  var rackSentAt: Int64 = 0
  var rackEnd: UInt32 = 0
  var rackRTT: Int64 = 0
  var rackAdvanced = false
  var rackSawDuplicate = false
  var rackSteps = 1
  var rackPersist = 0
  var rackLastDelivered = 0

  // What the opening and the path settled
  var pathMTU = 0
  var initialWindow = 0
  /// The least timeout that the route sets, in microseconds; 0 for none.
  var leastTimeout: Int64 = 0
  var scalesWindow = false
  /// The route wants acknowledgements at once.
  var quickAcks = false
  var synTOS: UInt8 = 0
  var windowUsed = 0
  /// When data was last sent, for the bursts.
  var lastTransmit: Int64 = .min / 2
}

/// What an acknowledgement told (`FLAG_*` of Linux's `tcp_input.c`).
struct AckFlags: OptionSet {
  let rawValue: UInt16
  static let data = AckFlags(rawValue: 1)
  static let windowUpdate = AckFlags(rawValue: 2)
  static let dataAcked = AckFlags(rawValue: 4)
  static let retransmittedAcked = AckFlags(rawValue: 8)
  static let dataSacked = AckFlags(rawValue: 16)
  static let echo = AckFlags(rawValue: 32)
  static let advanced = AckFlags(rawValue: 64)
  static let duplicateSack = AckFlags(rawValue: 128)
  static let setsTimer = AckFlags(rawValue: 256)
  static let originalAcked = AckFlags(rawValue: 512)
  static let lostRetransmission = AckFlags(rawValue: 1024)
  static let reneging = AckFlags(rawValue: 2048)
  static let probeDuplicate = AckFlags(rawValue: 4096)
  static let maybeDelayed = AckFlags(rawValue: 8192)
}

/// What is gathered from one acknowledgement.
struct AckSample {
  var flags: AckFlags = []
  var firstSackedAt: Int64 = 0
  var lastSackedAt: Int64 = 0
  /// The lowest sequence number that was acknowledged out of its order.
  var reordered: UInt32 = 0
  /// The round-trip time for the congestion control, in microseconds; -1 for none.
  var rtt: Int64 = -1
  var ackedSegments = 0
}

extension TCPSocket {
  // MARK: Marks

  func markLost(_ index: Int) {
    let marks = queue[index].marks
    guard !marks.contains(.sacked) else { return }
    if marks.contains(.lost) {
      if marks.contains(.retransmitted) {
        queue[index].marks.remove(.retransmitted)
        loss.retransmittedOut -= 1
        loss.lostTotal += 1
      }
    } else {
      queue[index].marks.insert(.lost)
      loss.lostOut += 1
      loss.lostTotal += 1
    }
  }

  /// Cuts a sent segment in two and counts both.
  func splitSent(_ index: Int, at bytes: Int) {
    let marks = queue[index].marks
    queue.split(index, at: bytes, sharesBuffer: true)
    if marks.contains(.sacked) { loss.sackedOut += 1 }
    if marks.contains(.lost) { loss.lostOut += 1 }
    if marks.contains(.retransmitted) { loss.retransmittedOut += 1 }
  }

  // MARK: RACK

  /// A segment was delivered that was sent at a time (`tcp_rack_advance`).
  func advanceRack(_ marks: SegmentMarks, _ end: UInt32, _ sentAt: Int64) {
    let rtt = (now &- sentAt) / 1000
    if rtt < self.rtt.least, self.rtt.least != .max,
      !marks.isDisjoint(with: [.retransmitted, .everRetransmitted])
    {
      // It may be the first copy that arrived.
      return
    }
    loss.rackAdvanced = true
    loss.rackRTT = rtt
    if Self.wasSentAfter(sentAt, loss.rackSentAt, end, loss.rackEnd) {
      loss.rackSentAt = sentAt
      loss.rackEnd = end
    }
  }

  @inline(__always)
  private static func wasSentAfter(_ a: Int64, _ b: Int64, _ endA: UInt32, _ endB: UInt32) -> Bool {
    a > b || (a == b && endA.isAfter(endB))
  }

  private var reorderingWindow: Int64 {
    if !loss.hasSeenReordering {
      if recoveryState.rawValue >= RecoveryState.recovery.rawValue { return 0 }
      if loss.sackedOut >= loss.reordering && settings.recovery & 4 == 0 { return 0 }
    }
    let least = rtt.least == .max ? 0 : rtt.least
    return min((least >> 2) * Int64(loss.rackSteps), rtt.smoothed >> 3)
  }

  /// Marks segments that were sent long enough before a delivered one; gives how long to wait for
  /// the next, in microseconds (`tcp_rack_detect_loss`).
  private func detectLoss() -> Int64 {
    let window = reorderingWindow
    var wait: Int64 = 0
    for index in 0..<queue.sentCount {
      let segment = queue[index]
      if segment.marks.contains(.sacked) { continue }
      if segment.marks.contains(.lost) && !segment.marks.contains(.retransmitted) { continue }
      guard
        Self.wasSentAfter(loss.rackSentAt, segment.sentAt, loss.rackEnd, segment.end)
      else {
        // Beyond what was ever sent again the order is that of sending.
        if !segment.start.isBefore(loss.highestRetransmitted) { break }
        continue
      }
      let remaining = loss.rackRTT &+ window &- (now &- segment.sentAt) / 1000
      if remaining <= 0 { markLost(index) } else { wait = max(wait, remaining) }
    }
    return wait
  }

  /// The same after an acknowledgement; true if a timer waits for more.
  func markLostByRack() -> Bool {
    guard loss.rackAdvanced else { return false }
    loss.rackAdvanced = false
    let wait = detectLoss()
    guard wait > 0 else { return false }
    let delay = min((wait &+ 2000) &* 1000, timeoutNanoseconds)
    setSendTimer(.reordering, at: now &+ delay)
    return true
  }

  func reorderingTimedOut() {
    let before = inFlight
    _ = detectLoss()
    if inFlight != before {
      if recoveryState != .recovery {
        enterRecovery(hasEcho: false)
        reduceWindow(delivered: 1, lost: 0, flags: [])
      }
      retransmitLost()
    }
    if sendTimerKind != .retransmit { rearmTimeout() }
  }

  /// Widens the reordering window while duplicates come (RFC 8985 §6.2 step 4).
  func updateReorderingWindow(priorDelivered: Int) {
    if settings.recovery & 2 != 0 { return }
    if priorDelivered < loss.rackLastDelivered { loss.rackSawDuplicate = false }
    if loss.rackSawDuplicate {
      loss.rackSteps = min(loss.rackSteps + 1, 255)
      loss.rackSawDuplicate = false
      loss.rackLastDelivered = loss.delivered
      loss.rackPersist = 16
    } else if loss.rackPersist == 0 {
      loss.rackSteps = 1
    }
  }

  /// Without SACK the first segment is lost after three duplicates, and each that a partial
  /// acknowledgement shows (RFC 6582).
  func markLostByCount(hasAdvanced: Bool) {
    guard queue.sentCount > 0 else { return }
    let isEarly = recoveryState.rawValue < RecoveryState.recovery.rawValue
    if isEarly && loss.sackedOut >= loss.reordering || recoveryState == .recovery && hasAdvanced {
      if queue[0].marks.contains(.lost) { return }
      let segment = currentSegment()
      if Int(queue[0].count) > segment { splitSent(0, at: segment) }
      markLost(0)
    }
  }

  func identifyLoss(_ sample: inout AckSample) {
    if queue.sentCount == 0 { return }
    if !usesSACK {
      markLostByCount(hasAdvanced: sample.flags.contains(.advanced))
    } else {
      let before = loss.retransmittedOut
      if markLostByRack() { sample.flags.remove(.setsTimer) }
      if before > loss.retransmittedOut { sample.flags.insert(.lostRetransmission) }
    }
  }

  // MARK: Reordering

  func checkReordering(_ low: UInt32) {
    let metric = loss.highestSacked.distance(from: low)
    guard metric > 0 else { return }
    let segment = max(maximumSegment, 1)
    if metric > loss.reordering * segment {
      loss.reordering = min(
        (metric + segment - 1) / segment,
        Int(settings.maximumReordering)
      )
    }
    loss.hasSeenReordering = true
    accounts.reorderings &+= 1
  }

  /// Without SACK duplicates are counted as if they were (`tcp_add_reno_sack`).
  func addDuplicates(_ count: Int) {
    guard count > 0 else { return }
    let before = loss.sackedOut
    loss.sackedOut += count
    limitDuplicates(0)
    loss.delivered += max(loss.sackedOut - before, 0)
  }

  func removeDuplicates(_ acked: Int) {
    if acked > 0 {
      loss.delivered += max(acked - loss.sackedOut, 1)
      loss.sackedOut = acked - 1 >= loss.sackedOut ? 0 : loss.sackedOut - (acked - 1)
    }
    limitDuplicates(acked)
  }

  private func limitDuplicates(_ addend: Int) {
    let holes = min(max(loss.lostOut, 1), queue.sentCount)
    guard loss.sackedOut + holes > queue.sentCount else { return }
    loss.sackedOut = max(queue.sentCount - holes, 0)
    loss.reordering = min(queue.sentCount + addend, Int(settings.maximumReordering))
    loss.hasSeenReordering = true
  }
}

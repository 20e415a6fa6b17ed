/// What a connection knows of its receiving side besides the stream itself: buffer, window, and
/// when to acknowledge (Linux's `inet_csk(sk)->icsk_ack` and `rcvq_space`).
struct ReceiveState {
  /// `SO_RCVBUF`, as Linux accounts it.
  var limit = 131_072
  /// What waits to be read costs this much.
  var charge = 0
  /// How many 256ths of the buffer are offered as window.
  var scaling = 128
  /// The largest window to offer at present (`rcv_ssthresh`), and ever (`window_clamp`).
  var threshold = 0
  var clamp = 0
  /// The size of full segments that arrive (`rcv_mss`), and that of the last shorter one.
  var segmentSize = 536
  var lastSize = 0

  // Acknowledgements
  /// How many more are sent at once.
  var quick = 0
  /// How often the program answered what it received.
  var interactions = 0
  /// How long an acknowledgement waits; 0 before the first data.
  var patience: Int64 = 0
  /// When data last arrived.
  var lastData: Int64 = 0
  /// An acknowledgement is owed.
  var isScheduled = false
  /// Data with PSH, or a shorter segment, came once; or twice.
  var wasPushed = false
  var wasPushedTwice = false
  /// The next acknowledgement does not wait.
  var ackNow = false

  // Acknowledgements of data out of order, which are few after the third
  var compressed = 0
  var duplicates = 0
  var compressedAt: UInt32 = 0
  var compressedTimer = LazyTimer()

  // Tuning
  var space = 0
  var spaceSequence: UInt32 = 0
  var spaceTime: Int64 = 0
  var rtt: Int64 = 0
  var rttTime: Int64 = 0
  var rttSequence: UInt32 = 0
  var rttEcho: UInt32 = 0

  /// The least time that an acknowledgement waits.
  static let leastPatience: Int64 = .milliseconds(40)
  /// The most that it waits.
  static let mostPatience: Int64 = .milliseconds(200)
  static let mostQuick = 16

  func window(from space: Int) -> Int { (max(space, 0) * scaling) >> 8 }
  func space(for window: Int) -> Int { (window << 8) / max(scaling, 1) }
}

extension TCPSocket {
  // MARK: Window

  /// What is left of the buffer, as window.
  var receiveSpace: Int {
    receiver.window(from: receiver.limit - receiver.charge - outOfOrder.charge)
  }

  /// What the peer may still send of the window that it was offered.
  @inline(__always)
  var windowLeft: Int {
    max(offeredWindow &- receiveNext.distance(from: lastAcknowledged), 0)
  }

  /// Chooses the first window and the scale (`tcp_select_initial_window`).
  func chooseInitialWindow(segment: Int, mayScale: Bool, initialSegments: Int) {
    var clamp = receiver.clamp == 0 ? 65_535 << 14 : receiver.clamp
    var space = min(receiver.window(from: receiver.limit), clamp)
    if space > segment && segment > 0 { space = space / segment * segment }
    offeredWindow = min(space, settings.signedWindows != 0 ? 32_767 : 65_535)
    if initialSegments > 0 { offeredWindow = min(offeredWindow, initialSegments * segment) }
    receiveScale = 0
    if mayScale {
      space = max(
        space,
        Int(settings.receiveMemory.most),
        Int(settings.maximumReceiveBuffer)
      )
      space = min(space, clamp)
      var bits = 0
      while space >> (bits + 1) > 0 { bits += 1 }
      receiveScale = UInt8(min(max(bits - 15, 0), 14))
    }
    clamp = min(65_535 << Int(receiveScale), clamp)
    receiver.clamp = clamp
    receiver.threshold = offeredWindow
  }

  /// The window that fits now (`__tcp_select_window`).
  func selectWindow() -> Int {
    var segment = receiver.segmentSize
    let allowed = receiver.window(from: receiver.limit)
    var free = receiveSpace
    let full = min(receiver.clamp, allowed)
    if segment > full {
      segment = full
      if segment <= 0 { return 0 }
    }
    if free < full >> 1 {
      receiver.quick = 0
      free = (free >> Int(receiveScale)) << Int(receiveScale)
      if free < allowed >> 4 || free < segment { return 0 }
    }
    free = min(free, receiver.threshold)
    if receiveScale > 0 {
      let unit = 1 << Int(receiveScale)
      return (free + unit - 1) / unit * unit
    }
    let offered = offeredWindow
    if offered <= free - segment || offered > free { return free / segment * segment }
    if segment == full && free > offered + (full >> 1) { return free }
    return offered
  }

  /// The window field of a segment; what was promised is not taken back (RFC 9293 §3.8.6.2.2).
  func windowToOffer() -> UInt16 {
    let left = windowLeft
    var window = selectWindow()
    if window < left {
      let unit = 1 << Int(receiveScale)
      window = (left + unit - 1) / unit * unit
    }
    offeredWindow = window
    lastAcknowledged = receiveNext
    window = min(window, 65_535 << Int(receiveScale))
    return UInt16(truncatingIfNeeded: min(window >> Int(receiveScale), 65_535))
  }

  /// The window may grow with what arrives (`tcp_grow_window`).
  private func growReceiveWindow(_ bytes: Int, _ charge: Int) {
    let room = min(receiver.clamp, receiveSpace) - receiver.threshold
    guard room > 0, bytes > 0 else { return }
    var growth = 0
    if receiver.window(from: charge) <= bytes {
      growth = 2 * advertisedForData
    } else {
      // Small segments in large buffers: the window grows only where the cost allows.
      var cost = receiver.window(from: charge) >> 1
      var window = receiver.window(from: Int(settings.receiveMemory.most)) >> 1
      while receiver.threshold <= window {
        if cost <= bytes {
          growth = 2 * receiver.segmentSize
          break
        }
        cost >>= 1
        window >>= 1
        if window == 0 { break }
      }
    }
    if growth > 0 {
      receiver.threshold += min(room, max(growth, 2 * bytes))
      receiver.quick |= 1
    }
  }

  /// Sets buffer and clamp when the connection is made (`tcp_init_buffer_space`).
  func initialiseBuffers() {
    expandSendBuffer()
    receiver.space = min(receiver.threshold, offeredWindow, 10 * advertisedForData)
    receiver.spaceTime = now
    receiver.spaceSequence = copiedSequence
    let most = receiver.window(from: receiver.limit)
    if receiver.clamp >= most { receiver.clamp = most }
    receiver.threshold = min(receiver.threshold, receiver.clamp)
    congestionStamp = now
  }

  /// The program read: the buffer follows how fast it reads (`tcp_rcv_space_adjust`).
  func adjustReceiveBuffer() {
    guard receiver.rtt > 0, now &- receiver.spaceTime >= (receiver.rtt >> 3) &* 1000 else { return }
    let copied = copiedSequence.distance(from: receiver.spaceSequence)
    if copied > receiver.space {
      if settings.moderateReceiveBuffer != 0, tcpOptions.receiveBuffer == 0 {
        var window = 2 * copied + 16 * advertisedForData
        let growth = window * (copied - receiver.space) / max(receiver.space, 1)
        window += growth << 1
        let space = min(receiver.space(for: window), Int(settings.receiveMemory.most))
        if space > receiver.limit {
          receiver.limit = space
          receiver.clamp = max(receiver.clamp, receiver.window(from: space))
        }
      }
      receiver.space = copied
    }
    receiver.spaceSequence = copiedSequence
    receiver.spaceTime = now
  }

  // MARK: Data arrived

  /// Takes note of data (`tcp_event_data_recv`).
  func noteReceived(_ segment: ReceivedSegment) {
    receiver.isScheduled = true
    measureSegmentSize(segment)
    measureReceiverRTT(segment)
    if receiver.patience == 0 {
      increaseQuickAcks(ReceiveState.mostQuick)
      receiver.patience = ReceiveState.leastPatience
    } else {
      let pause = now &- receiver.lastData
      let least = ReceiveState.leastPatience
      let timeout = rtt.timeout &* 1000
      if pause <= least / 2 {
        receiver.patience = receiver.patience / 2 + least / 2
      } else if pause < receiver.patience {
        receiver.patience = min(receiver.patience / 2 + pause, timeout)
      } else if pause > timeout {
        // The sender's window may have shrunk to its first size; it grows with acknowledgements.
        increaseQuickAcks(ReceiveState.mostQuick)
      }
    }
    receiver.lastData = now
    noteCongestionMark(segment)
    if segment.payload.count >= 128 { growReceiveWindow(segment.payload.count, segment.charge) }
  }

  private func measureSegmentSize(_ segment: ReceivedSegment) {
    let size = segment.payload.count
    let last = receiver.lastSize
    receiver.lastSize = 0
    if size >= receiver.segmentSize {
      if size != receiver.segmentSize {
        let ratio = (size << 8) / max(segment.charge, 1)
        let old = receiver.scaling
        receiver.scaling = max(ratio, 1)
        if old != receiver.scaling {
          let most = receiver.window(from: receiver.limit)
          receiver.clamp = tcpOptions.windowClamp > 0 ? min(receiver.clamp, most) : most
          receiver.clamp = min(receiver.clamp, 65_535 << Int(receiveScale))
        }
      }
      receiver.segmentSize = min(size, advertisedForData)
      if segment.flags.contains(.psh) && size == receiver.segmentSize { receiver.wasPushed = true }
    } else {
      if size >= 536 || size >= 88 {
        receiver.lastSize = size
        if size == last {
          receiver.segmentSize = size
          return
        }
      }
      if receiver.wasPushed { receiver.wasPushedTwice = true }
      receiver.wasPushed = true
    }
  }

  private func measureReceiverRTT(_ segment: ReceivedSegment) {
    if usesTimestamps {
      guard segment.hasTimestamp, segment.echo != receiver.rttEcho,
        segment.payload.count >= receiver.segmentSize
      else { return }
      receiver.rttEcho = segment.echo
      let elapsed = Int64(Int32(bitPattern: clockMilliseconds &- segment.echo))
      if elapsed >= 0 { takeReceiverRTT(max(elapsed, 1) * 1000, isWindow: false) }
      return
    }
    if receiver.rttTime != 0 {
      guard !receiveNext.isBefore(receiver.rttSequence) else { return }
      takeReceiverRTT(max((now &- receiver.rttTime) / 1000, 1), isWindow: true)
    }
    receiver.rttSequence = receiveNext &+ UInt32(truncatingIfNeeded: offeredWindow)
    receiver.rttTime = now
  }

  private func takeReceiverRTT(_ sample: Int64, isWindow: Bool) {
    if receiver.rtt == 0 {
      receiver.rtt = sample << 3
    } else if isWindow {
      receiver.rtt = min(receiver.rtt, sample << 3)
    } else {
      receiver.rtt &+= sample &- (receiver.rtt >> 3)
    }
  }

  // MARK: Quick acknowledgements

  private func increaseQuickAcks(_ most: Int) {
    let count = offeredWindow / max(2 * receiver.segmentSize, 1)
    receiver.quick = max(receiver.quick, min(count == 0 ? 2 : count, most))
  }

  /// The next segments are acknowledged at once.
  func enterQuickAcks(_ most: Int) {
    increaseQuickAcks(most)
    receiver.interactions = 0
    receiver.patience = ReceiveState.leastPatience
  }

  /// Whether the program seems to answer what it receives, so that its data carries the
  /// acknowledgement.
  var isInteractive: Bool { receiver.interactions >= Int(settings.interactiveThreshold) }

  /// `TCP_QUICKACK`: acknowledgements leave at once, or wait for data that may carry them.
  public func acknowledgesQuickly(_ isQuick: Bool) {
    guard isQuick else {
      receiver.interactions = max(receiver.interactions, Int(settings.interactiveThreshold))
      return
    }
    receiver.interactions = 0
    guard state == .established || state == .closeWait, receiver.isScheduled else { return }
    receiver.wasPushed = true
    whileProgramRuns { acknowledgeAfterReading(1) }
  }

  // MARK: Acknowledging

  /// Sends an acknowledgement now, later, or not at all (`tcp_ack_snd_check`).
  func acknowledgeIfOwed() {
    guard receiver.isScheduled else { return }
    let received = receiveNext.distance(from: lastAcknowledged)
    if received > receiver.segmentSize
      && (receiveBytes.count < tcpOptions.receiveLowWater || selectWindow() >= offeredWindow)
      || receiver.quick > 0 && !isInteractive || receiver.ackNow || loss.quickAcks
    {
      return sendAck()
    }
    if outOfOrder.isEmpty { return delayAck() }
    if !usesSACK || receiver.compressed >= Int(settings.compressedAcks) { return sendAck() }
    if receiver.compressedAt != receiveNext {
      receiver.compressedAt = receiveNext
      receiver.compressed = 0
      receiver.duplicates = 0
    }
    if receiver.duplicates < 3 {
      receiver.duplicates += 1
      return sendAck()
    }
    receiver.compressed += 1
    guard !receiver.compressedTimer.isSet else { return }
    let round = rtt.smoothed > 0 ? min(rtt.smoothed >> 3, .max / 100) : receiver.rtt >> 3
    let delay = min(Int64(settings.compressedAckDelay), max(round, 1) &* 1000 / 20)
    armCompressedTimer(at: now &+ max(delay, 1))
  }

  private func armCompressedTimer(at time: Int64) {
    receiver.compressedTimer.set(at: time, stack.simulation, compressedTimerBody)
  }

  private var compressedTimerBody: () -> Void {
    { [weak self] in
      guard let self,
        receiver.compressedTimer.fires(stack.simulation, compressedTimerBody)
      else { return }
      if receiver.compressed > 0 && state != .closed { sendAck() }
    }
  }

  /// Sends an acknowledgement a little later (RFC 9293 §3.8.6.3), with data if there is some.
  func delayAck() {
    var patience = receiver.patience
    let least = ReceiveState.leastPatience
    if patience > least {
      var most: Int64 = .milliseconds(500)
      if isInteractive || receiver.wasPushed { most = ReceiveState.mostPatience }
      if rtt.smoothed > 0 { most = min(most, max(rtt.mean &* 1000, least)) }
      patience = min(patience, most)
    }
    // Before the first data there is no patience, but that of a tick.
    patience = min(max(patience, .milliseconds(1)), ReceiveState.mostPatience)
    var deadline = now &+ patience
    if ackTimer.isSet {
      if ackTimer.deadline <= now &+ patience / 4 { return sendAck() }
      deadline = min(deadline, ackTimer.deadline)
    }
    armAckTimer(at: deadline)
  }

  func armAckTimer(at time: Int64) {
    ackTimer.set(at: time, stack.simulation, ackTimerBody)
  }

  private var ackTimerBody: () -> Void {
    { [weak self] in
      guard let self, ackTimer.fires(stack.simulation, ackTimerBody) else { return }
      guard state != .closed, state != .listen, receiver.isScheduled else { return }
      if isInteractive {
        receiver.interactions = 0
        receiver.patience = ReceiveState.leastPatience
      } else {
        receiver.patience = min(receiver.patience * 2, rtt.timeout &* 1000)
      }
      sendAck()
    }
  }

  /// A segment with an acknowledgement went out (`tcp_event_ack_sent`).
  func acknowledgementSent() {
    if receiver.compressed > 0 {
      receiver.compressed = 0
      receiver.compressedTimer.clear()
    }
    if receiver.quick > 0 && receiver.isScheduled {
      receiver.quick -= 1
      if receiver.quick == 0 { receiver.patience = ReceiveState.leastPatience }
    }
    receiver.isScheduled = false
    receiver.wasPushed = false
    receiver.wasPushedTwice = false
    receiver.ackNow = false
    ackTimer.clear()
  }

  /// The program read: an acknowledgement may be due, or a wider window to be told
  /// (`tcp_cleanup_rbuf`).
  func acknowledgeAfterReading(_ copied: Int) {
    var isDue = false
    if receiver.isScheduled {
      isDue =
        receiveNext.distance(from: lastAcknowledged) > receiver.segmentSize
        || copied > 0 && receiveBytes.isEmpty && outOfOrder.charge == 0
          && (receiver.wasPushedTwice || receiver.wasPushed && !isInteractive)
    }
    if copied > 0 && !isDue && !isFinReceived && !isReadShut {
      let left = windowLeft
      if 2 * left <= receiver.clamp {
        let window = selectWindow()
        if window > 0 && window >= 2 * left { isDue = true }
      }
    }
    if isDue { sendAck() }
  }
}

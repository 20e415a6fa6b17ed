/// How the congestion window grows and shrinks: NewReno (RFC 5681) or CUBIC (RFC 9438) with HyStart,
/// in whole segments as Linux counts.
struct CongestionControl {
  let algorithm: CongestionAlgorithm
  private var cubic = CubicState()

  init(_ algorithm: CongestionAlgorithm) { self.algorithm = algorithm }

  /// The slow-start threshold after a loss.
  mutating func thresholdAfterLoss(window: Int) -> Int {
    switch algorithm {
    case .reno: return max(window >> 1, 2)
    case .cubic: return cubic.thresholdAfterLoss(window)
    }
  }

  /// A timeout: what was learnt of the path no longer holds.
  mutating func timedOut(now: Int64, sendNext: UInt32) {
    if algorithm == .cubic { cubic.reset(now, sendNext) }
  }

  /// Sending begins anew after a pause, of which the curve of growth takes no notice.
  mutating func restarted(now: Int64, lastSent: Int64) {
    if algorithm == .cubic { cubic.pause(now, lastSent) }
  }

  /// After how many acknowledged segments the window grows by one, beyond slow start.
  mutating func growthCount(window: Int, acknowledged: Int, now: Int64) -> Int {
    switch algorithm {
    case .reno: return max(window, 1)
    case .cubic: return cubic.growthCount(window, acknowledged, now)
    }
  }

  /// A round-trip time came with an acknowledgement; true if slow start should end.
  mutating func measured(
    _ microseconds: Int64,
    window: Int,
    isSlowStart: Bool,
    acknowledged: UInt32,
    sendNext: UInt32,
    pacingRate: Int64,
    now: Int64
  ) -> Bool {
    guard algorithm == .cubic else { return false }
    return cubic.measured(
      microseconds,
      window,
      isSlowStart,
      acknowledged,
      sendNext,
      pacingRate,
      now
    )
  }
}

/// The state of CUBIC; times are in milliseconds unless they say otherwise.
private struct CubicState {
  private static let beta = 717
  private static let scale = 41
  private static let friendlyScale = 8 * (1024 + beta) / 3 / (1024 - beta)
  private static let leastWindowForHyStart = 16

  private var windowBeforeLoss = 0
  private var lastWindow = 0
  private var lastTime: Int64 = -1
  private var origin = 0
  private var inflection: Int64 = 0
  private var leastDelay: Int64 = 0
  private var epoch: Int64 = -1
  private var acknowledged = 0
  private var friendlyWindow = 0
  private var count = 0
  // HyStart
  private var hasFound = false
  private var samples = 0
  private var roundStart: Int64 = 0
  private var roundEnd: UInt32 = 0
  private var lastAck: Int64 = 0
  private var roundDelay = Int64.max
  private var isRoundOpen = false

  mutating func reset(_ now: Int64, _ sendNext: UInt32) {
    self = CubicState()
    resetRound(now, sendNext)
  }

  private mutating func resetRound(_ now: Int64, _ sendNext: UInt32) {
    roundStart = now / 1000
    lastAck = roundStart
    roundEnd = sendNext
    roundDelay = .max
    samples = 0
    isRoundOpen = true
  }

  mutating func thresholdAfterLoss(_ window: Int) -> Int {
    epoch = -1
    // Fast convergence: who lost before reaching the old maximum leaves room for others.
    windowBeforeLoss =
      window < windowBeforeLoss ? window * (1024 + Self.beta) / 2048 : window
    return max(window * Self.beta / 1024, 2)
  }

  mutating func pause(_ now: Int64, _ lastSent: Int64) {
    guard epoch >= 0 else { return }
    epoch = min(epoch + max((now - lastSent) / 1_000_000, 0), now / 1_000_000)
  }

  mutating func growthCount(_ window: Int, _ segments: Int, _ nanoseconds: Int64) -> Int {
    let now = nanoseconds / 1_000_000
    acknowledged += segments
    if lastWindow == window && lastTime >= 0 && now - lastTime <= 31 { return max(count, 2) }
    if epoch < 0 || now != lastTime {
      lastWindow = window
      lastTime = now
      if epoch < 0 {
        epoch = now
        acknowledged = segments
        friendlyWindow = window
        if windowBeforeLoss <= window {
          inflection = 0
          origin = window
        } else {
          inflection = Self.cubeRoot(
            (Int64(1) << 40) / Int64(Self.scale * 10) * Int64(windowBeforeLoss - window)
          )
          origin = windowBeforeLoss
        }
      }
      followCurve(window, now)
    }
    followReno(window)
    count = max(count, 2)
    return count
  }

  /// The window of the cubic function at one round trip from now.
  private mutating func followCurve(_ window: Int, _ now: Int64) {
    let time = ((now - epoch + leastDelay / 1000) << 10) / 1000
    let distance = min(abs(time - inflection), 1 << 18)
    let square = (Int64(Self.scale * 10) * distance * distance) >> 10
    let delta = Int((square * distance) >> 30)
    let target = time < inflection ? origin - delta : origin + delta
    count = target > window ? window / (target - window) : 100 * window
    if windowBeforeLoss == 0 && count > 20 { count = 20 }
  }

  /// Never slower than NewReno with the same mean window would be.
  private mutating func followReno(_ window: Int) {
    let step = max((window * Self.friendlyScale) >> 3, 1)
    if acknowledged > step {
      let steps = (acknowledged - 1) / step
      acknowledged -= steps * step
      friendlyWindow += steps
    }
    if friendlyWindow > window { count = min(count, window / (friendlyWindow - window)) }
  }

  private static func cubeRoot(_ value: Int64) -> Int64 {
    guard value > 0 else { return 0 }
    var root = Int64(Double(value).squareRoot().squareRoot())
    // Newton's steps from a start that is too large.
    root = max(root * 2, 1)
    for _ in 0..<64 {
      let next = (2 * root + value / (root * root)) / 3
      if abs(next - root) <= 1 { return next }
      root = max(next, 1)
    }
    return root
  }

  mutating func measured(
    _ microseconds: Int64,
    _ window: Int,
    _ isSlowStart: Bool,
    _ acknowledged: UInt32,
    _ sendNext: UInt32,
    _ pacingRate: Int64,
    _ nanoseconds: Int64
  ) -> Bool {
    // Right after a loss the queue on the way is still draining.
    if epoch >= 0 && nanoseconds / 1_000_000 - epoch < 1000 { return false }
    let delay = max(microseconds, 1)
    if leastDelay == 0 || leastDelay > delay { leastDelay = delay }
    guard !hasFound, isSlowStart else { return false }
    if !isRoundOpen || acknowledged.isAfter(roundEnd) { resetRound(nanoseconds, sendNext) }
    guard window >= Self.leastWindowForHyStart else { return false }
    let now = nanoseconds / 1000
    if now - lastAck <= 2000 {
      lastAck = now
      let slack = pacingRate > 0 ? min(1000, 65_536 * 4 * 1_000_000 / pacingRate) : 0
      if now - roundStart > (leastDelay + slack) >> 1 { hasFound = true }
    }
    roundDelay = min(roundDelay, delay)
    if samples < 8 {
      samples += 1
    } else if roundDelay > leastDelay + min(max(leastDelay >> 3, 4000), 16_000) {
      hasFound = true
    }
    return hasFound
  }
}

extension TCPSocket {
  var isSlowStart: Bool { congestionWindow < slowStartThreshold }

  /// The threshold that counts if the window were to be restored (`tcp_current_ssthresh`).
  var currentThreshold: Int {
    if recoveryState == .reduced || recoveryState == .recovery { return slowStartThreshold }
    return max(slowStartThreshold, (congestionWindow >> 1) + (congestionWindow >> 2))
  }

  /// Lets the window grow by what was acknowledged (`tcp_cong_avoid`).
  func growWindow(_ segments: Int) {
    guard isLimitedByWindow else { return }
    var segments = segments
    if isSlowStart {
      let window = min(congestionWindow + segments, slowStartThreshold)
      segments -= window - congestionWindow
      congestionWindow = min(window, congestionClamp)
      if segments == 0 { return }
    }
    let count = congestion.growthCount(
      window: congestionWindow,
      acknowledged: segments,
      now: now
    )
    if congestionCount >= count {
      congestionCount = 0
      congestionWindow += 1
    }
    congestionCount += segments
    if congestionCount >= count {
      let steps = congestionCount / count
      congestionCount -= steps * count
      congestionWindow += steps
    }
    congestionWindow = min(congestionWindow, congestionClamp)
  }

  /// Whether the window, and not the program, held the sender back (RFC 7661's idea).
  private var isLimitedByWindow: Bool {
    if isWindowLimited { return true }
    return isSlowStart && congestionWindow < 2 * mostInFlight
  }

  /// Notes after sending how much of the window was used (`tcp_cwnd_validate`).
  func validateWindow(isLimited: Bool) {
    let packets = queue.sentCount
    if !sendUnacknowledged.isBefore(roundEnd) || isLimited
      || (!isWindowLimited && packets > mostInFlight)
    {
      isWindowLimited = isLimited
      mostInFlight = packets
      roundEnd = sendNext
    }
    if isLimitedByWindow {
      loss.windowUsed = 0
      congestionStamp = now
    } else {
      if !queue.hasUnsent, lacksSpace, state == .established || state == .closeWait {
        accounts.begin(.buffer, now)
      }
      loss.windowUsed = max(loss.windowUsed, packets)
      if settings.slowStartAfterIdle != 0, now &- congestionStamp >= timeoutNanoseconds {
        shrinkUnusedWindow()
      }
    }
  }

  private func shrinkUnusedWindow() {
    if recoveryState == .open && !lacksSpace {
      let used = max(loss.windowUsed, initialWindow)
      if used < congestionWindow {
        slowStartThreshold = currentThreshold
        congestionWindow = (congestionWindow + used) >> 1
      }
      loss.windowUsed = 0
    }
    congestionStamp = now
  }

  /// After a pause the path may have changed (RFC 5681 §4.1).
  func restartAfterIdle() {
    guard settings.slowStartAfterIdle != 0, queue.sentCount == 0 else { return }
    var pause = now &- lastSent
    let step = timeoutNanoseconds
    guard pause > step else { return }
    slowStartThreshold = currentThreshold
    let restart = min(initialWindow, congestionWindow)
    while congestionWindow > restart {
      pause &-= step
      if pause <= 0 { break }
      congestionWindow >>= 1
    }
    congestionWindow = max(congestionWindow, restart)
    congestionStamp = now
    loss.windowUsed = 0
  }

  /// The rate at which Linux would spread segments, in bytes each second; it also sizes bursts.
  var pacingRate: Int64 {
    guard rtt.smoothed > 0 else { return 0 }
    let ratio =
      congestionWindow < slowStartThreshold / 2
      ? settings.pacingSlowStart : settings.pacingAvoidance
    let window = Int64(max(congestionWindow, queue.sentCount))
    return Int64(maximumSegment) * window * Int64(ratio) / 100 * 8_000_000 / rtt.smoothed
  }
}

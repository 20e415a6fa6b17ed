/// What a connection counts for `TCP_INFO` and nothing else (`struct tcp_info`).
struct TCPAccounts {
  /// What holds a sender that has something to send; the later ones win (`TCP_CHRONO_*`).
  enum Hold: Int, Comparable {
    case nothing
    /// The network, or congestion control.
    case busy
    /// The peer's window.
    case window
    /// The send buffer.
    case buffer

    static func < (left: Hold, right: Hold) -> Bool { left.rawValue < right.rawValue }
  }

  var segmentsIn: UInt64 = 0
  var segmentsOut: UInt64 = 0
  var dataSegmentsIn: UInt64 = 0
  var dataSegmentsOut: UInt64 = 0
  var bytesSent: UInt64 = 0
  var bytesResent: UInt64 = 0
  var bytesAcknowledged: UInt64 = 0
  var bytesReceived: UInt64 = 0
  /// D-SACK blocks that came.
  var duplicatesTold = 0
  /// Segments that came before those in front of them.
  var outOfOrder = 0
  /// How often acknowledgements showed that the network had changed the order.
  var reorderings = 0

  private var hold = Hold.nothing
  private var since: Int64 = 0
  private var spent: (busy: Int64, window: Int64, buffer: Int64) = (0, 0, 0)

  /// The sender begins to be held by something, if nothing stronger holds it.
  @inline(__always)
  mutating func begin(_ reason: Hold, _ now: Int64) {
    if reason > hold { set(reason, now) }
  }

  /// The sender is held by something, or no longer.
  @inline(__always)
  mutating func limited(_ reason: Hold, _ isHeld: Bool, isIdle: Bool, _ now: Int64) {
    if isHeld {
      begin(reason, now)
    } else if isIdle {
      if hold != .nothing { set(.nothing, now) }
    } else if reason == hold, reason != .busy {
      set(.busy, now)
    }
  }

  private mutating func set(_ reason: Hold, _ now: Int64) {
    spent = times(now)
    hold = reason
    since = now
  }

  /// How long each has held the sender, in nanoseconds.
  func times(_ now: Int64) -> (busy: Int64, window: Int64, buffer: Int64) {
    var result = spent
    switch hold {
    case .nothing: break
    case .busy: result.busy &+= now &- since
    case .window: result.window &+= now &- since
    case .buffer: result.buffer &+= now &- since
    }
    return result
  }
}

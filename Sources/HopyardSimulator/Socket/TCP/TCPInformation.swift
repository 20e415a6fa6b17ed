/// What `TCP_INFO` tells of a connection (`struct tcp_info`); times are in microseconds.
public struct TCPInformation: Sendable {
  /// The congestion window in segments.
  public var congestionWindow: Int
  /// The slow-start threshold; `Int32.max` before a loss.
  public var slowStartThreshold: Int
  /// The state of loss recovery: open 0, disorder 1, reduced 2, recovery 3, loss 4.
  public var recoveryState: Int
  /// Segments that were sent and not acknowledged.
  public var unacknowledged: Int
  /// Segments that SACK blocks told of.
  public var sacked: Int
  /// Segments that are taken to be lost.
  public var lost: Int
  /// Retransmissions on their way.
  public var retransmitted: Int
  /// Retransmissions since the connection began.
  public var totalRetransmissions: Int
  /// Consecutive timeouts.
  public var retransmissions: Int
  /// Unanswered probes.
  public var probes: Int
  /// Doublings of the timeout.
  public var backoff: Int
  /// Segments that were delivered since the connection began.
  public var delivered: Int
  /// The retransmission timeout.
  public var timeout: Int64
  /// The smoothed round-trip time.
  public var roundTrip: Int64
  /// Its variation.
  public var roundTripVariation: Int64
  /// The least round-trip time.
  public var leastRoundTrip: Int64
  /// The payload of a full segment, to and from the peer.
  public var sendSegment: Int
  /// The size of received full segments.
  public var receiveSegment: Int
  /// How far segments may be reordered.
  public var reordering: Int
  /// The peer's window.
  public var sendWindow: Int
  /// The window that was offered to the peer.
  public var receiveWindow: Int
  /// Bytes that wait unsent.
  public var notSent: Int
  /// Whether timestamps, SACK, window scaling and ECN are in use, as `TCPI_OPT_*`.
  public var options: Int
  /// The window scales, of what this end sends and of what it receives.
  public var scales: (send: Int, receive: Int)
  /// How long ago data was sent, in milliseconds.
  public var lastDataSent: Int64
  /// How long ago data was received, in milliseconds.
  public var lastDataReceived: Int64
  /// How long ago an acknowledgement was received, in milliseconds.
  public var lastAckReceived: Int64
  /// The path MTU.
  public var pathMTU: Int
  /// The MSS that this end announced, less the options of each segment.
  public var advertisedSegment: Int
  /// How long an acknowledgement waits at most.
  public var ackTimeout: Int64
  /// The largest window to offer at present.
  public var receiveThreshold: Int
  /// The receiver's measurement of the round-trip time.
  public var receiveRoundTrip: Int64
  /// The bytes by which the receiver tunes its buffer.
  public var receiveSpace: Int
  /// The rate in bytes each second at which segments would be spread.
  public var pacingRate: Int64
  /// How long something waited to be sent or acknowledged, in microseconds.
  public var busyTime: Int64
  /// How much of the busy time was spent waiting for the peer's window, in microseconds.
  public var windowLimitedTime: Int64
  /// How much of the busy time was spent waiting for room in the send buffer, in microseconds.
  public var bufferLimitedTime: Int64
  /// Segments sent.
  public var segmentsOut: UInt64
  /// Segments received.
  public var segmentsIn: UInt64
  /// Segments sent with data.
  public var dataSegmentsOut: UInt64
  /// Segments received with data.
  public var dataSegmentsIn: UInt64
  /// Bytes of data sent, those sent again included.
  public var bytesSent: UInt64
  /// Bytes of data sent again.
  public var bytesRetransmitted: UInt64
  /// Bytes that the peer acknowledged.
  public var bytesAcknowledged: UInt64
  /// Bytes received in order.
  public var bytesReceived: UInt64
  /// D-SACK blocks that came.
  public var duplicates: Int
  /// Reorderings seen.
  public var reorderingsSeen: Int
  /// Segments received out of order.
  public var outOfOrder: Int
  /// The congestion control.
  public var congestionControl: CongestionAlgorithm
  /// The timer that runs, if one does.
  public var timer: Timer?

  /// A timer of a connection, as `ss -o` shows it.
  public struct Timer: Sendable {
    /// What it waits for.
    public enum Kind: String, Sendable {
      case retransmission = "on"
      case keepalive
      case timeWait = "timewait"
      case probe = "persist"
    }

    /// What it waits for.
    public var kind: Kind
    /// How many milliseconds are left.
    public var left: Int64
    /// How often it has expired without an answer.
    public var count: Int
  }
}

extension TCPSocket {
  /// `TCP_INFO`.
  public var information: TCPInformation {
    var bits = 0
    if usesTimestamps { bits |= 1 }
    if usesSACK { bits |= 2 }
    if sendScale > 0 || receiveScale > 0 { bits |= 4 }
    if ecn.isOn { bits |= 8 }
    let times = accounts.times(now)
    return TCPInformation(
      congestionWindow: congestionWindow,
      slowStartThreshold: min(slowStartThreshold, Int(Int32.max)),
      recoveryState: Int(recoveryState.rawValue),
      unacknowledged: queue.sentCount,
      sacked: loss.sackedOut,
      lost: loss.lostOut,
      retransmitted: loss.retransmittedOut,
      totalRetransmissions: totalRetransmissions,
      retransmissions: retransmissions,
      probes: probesOut,
      backoff: backoff,
      delivered: loss.delivered,
      timeout: timeoutNanoseconds / 1000,
      roundTrip: rtt.mean,
      roundTripVariation: rtt.variation >> 2,
      leastRoundTrip: rtt.least == .max ? 0 : rtt.least,
      sendSegment: maximumSegment,
      receiveSegment: receiver.segmentSize,
      reordering: loss.reordering,
      sendWindow: sendWindow,
      receiveWindow: windowLeft,
      notSent: notSent,
      options: bits,
      scales: (Int(sendScale), Int(receiveScale)),
      lastDataSent: (now &- lastSent) / 1_000_000,
      lastDataReceived: (now &- receiver.lastData) / 1_000_000,
      lastAckReceived: (now &- lastHeard) / 1_000_000,
      pathMTU: loss.pathMTU,
      advertisedSegment: advertisedForData,
      ackTimeout: receiver.patience / 1000,
      receiveThreshold: receiver.threshold,
      receiveRoundTrip: receiver.rtt >> 3,
      receiveSpace: receiver.space,
      pacingRate: pacingRate,
      busyTime: (times.busy &+ times.window &+ times.buffer) / 1000,
      windowLimitedTime: times.window / 1000,
      bufferLimitedTime: times.buffer / 1000,
      segmentsOut: accounts.segmentsOut,
      segmentsIn: accounts.segmentsIn,
      dataSegmentsOut: accounts.dataSegmentsOut,
      dataSegmentsIn: accounts.dataSegmentsIn,
      bytesSent: accounts.bytesSent,
      bytesRetransmitted: accounts.bytesResent,
      bytesAcknowledged: accounts.bytesAcknowledged,
      bytesReceived: accounts.bytesReceived,
      duplicates: accounts.duplicatesTold,
      reorderingsSeen: accounts.reorderings,
      outOfOrder: accounts.outOfOrder,
      congestionControl: state == .listen || state == .synSent || state == .synReceived
        ? tcpOptions.congestionControl ?? settings.congestionControl : congestion.algorithm,
      timer: runningTimer
    )
  }

  private var runningTimer: TCPInformation.Timer? {
    let waits = state == .timeWait || waitsInFinWait2
    if !waits, sendTimer.isSet, sendTimerKind != .none {
      let isProbe = sendTimerKind == .probe
      return TCPInformation.Timer(
        kind: isProbe ? .probe : .retransmission,
        left: max(sendDue &- now, 0) / 1_000_000,
        count: isProbe ? probesOut : retransmissions
      )
    }
    guard idleTimer.isSet else { return nil }
    return TCPInformation.Timer(
      kind: waits ? .timeWait : .keepalive,
      left: max(idleDue &- now, 0) / 1_000_000,
      count: waits ? 0 : probesOut
    )
  }
}

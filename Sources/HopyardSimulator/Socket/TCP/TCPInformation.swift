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
}

extension TCPSocket {
  /// `TCP_INFO`.
  public var information: TCPInformation {
    var bits = 0
    if usesTimestamps { bits |= 1 }
    if usesSACK { bits |= 2 }
    if sendScale > 0 || receiveScale > 0 { bits |= 4 }
    if ecn.isOn { bits |= 8 }
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
      notSent: max(writeSequence.distance(from: sendNext), 0),
      options: bits
    )
  }
}

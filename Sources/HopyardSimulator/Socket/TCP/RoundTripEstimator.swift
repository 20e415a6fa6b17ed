/// The round-trip time of a connection and the timeout that follows from it (RFC 6298), in
/// microseconds.
///
/// As in Linux the variation follows rising delays at once and falls at most once in a round trip.
struct RoundTripEstimator {
  /// Eight times the smoothed round-trip time; 0 before the first measurement.
  private(set) var smoothed: Int64 = 0
  /// Four times the variation.
  private(set) var variation: Int64 = 0
  private var deviation: Int64 = 0
  private var mostDeviation: Int64 = 0
  private var roundEnd: UInt32 = 0
  /// The least round-trip time of the last minutes; the largest number before the first.
  private(set) var least = Int64.max
  private var leastAt: Int64 = 0
  /// The timeout in microseconds, without backoff.
  var timeout: Int64 = 1_000_000

  /// The smoothed round-trip time in microseconds.
  var mean: Int64 { smoothed >> 3 }

  /// Forgets a least round-trip time after `tcp_min_rtt_wlen`.
  private static let leastLife: Int64 = .seconds(300)

  /// Takes a measurement in.
  mutating func take(
    _ microseconds: Int64,
    now: Int64,
    acknowledged: UInt32,
    sendNext: UInt32,
    floor: Int64,
    ceiling: Int64
  ) {
    var sample = max(microseconds, 1)
    if sample <= least || now &- leastAt > Self.leastLife {
      least = sample
      leastAt = now
    }
    if smoothed == 0 {
      smoothed = sample << 3
      deviation = sample << 1
      variation = max(deviation, floor)
      mostDeviation = variation
      roundEnd = sendNext
    } else {
      sample &-= smoothed >> 3
      smoothed &+= sample
      if sample < 0 {
        sample = -sample &- (deviation >> 2)
        // A falling delay must not look like a rising deviation.
        if sample > 0 { sample >>= 3 }
      } else {
        sample &-= deviation >> 2
      }
      deviation &+= sample
      if deviation > mostDeviation {
        mostDeviation = deviation
        variation = max(variation, mostDeviation)
      }
      if acknowledged.isAfter(roundEnd) {
        if mostDeviation < variation { variation &-= (variation &- mostDeviation) >> 2 }
        roundEnd = sendNext
        mostDeviation = floor
      }
    }
    smoothed = max(smoothed, 1)
    // Linux counts the timeout in ticks, which it rounds up to.
    let exact = (smoothed >> 3) &+ variation
    timeout = min((exact &+ 999) / 1000 &* 1000, ceiling)
  }
}

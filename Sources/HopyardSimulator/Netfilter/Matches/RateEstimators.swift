/// Measures how much passes in a time, as rules with RATEEST ask.
///
/// The kernel's timer looks at the counters once in an interval; here the looks that are due are
/// made up for when somebody counts or reads.
final class RateEstimator {
  let target: RateEstimatorTarget
  private var bytes: UInt64 = 0
  private var packets: UInt64 = 0
  private var lastBytes: UInt64 = 0
  private var lastPackets: UInt64 = 0
  private var averageBytes: Int64 = 0
  private var averagePackets: Int64 = 0
  private var nextLook: Int64

  init(_ target: RateEstimatorTarget, now: Int64) {
    self.target = target
    nextLook = now + Self.interval(target)
  }

  /// The power of two of the interval in quarter seconds.
  private static func power(_ target: RateEstimatorTarget) -> Int {
    min(max(0, Int(target.interval) + 2), 5)
  }

  private static func interval(_ target: RateEstimatorTarget) -> Int64 {
    250_000_000 << Int64(power(target))
  }

  private func catchUp(_ now: Int64) {
    let weight = Int64(min(31, target.logarithm))
    while nextLook <= now {
      let scale = Int64(10 - Self.power(target))
      let newBytes = Int64(truncatingIfNeeded: bytes &- lastBytes) << scale
      let newPackets = Int64(truncatingIfNeeded: packets &- lastPackets) << scale
      averageBytes += (newBytes >> weight) - (averageBytes >> weight)
      averagePackets += (newPackets >> weight) - (averagePackets >> weight)
      (lastBytes, lastPackets) = (bytes, packets)
      nextLook += Self.interval(target)
      // Nothing came and nothing is left to forget.
      if newBytes == 0, averageBytes >> weight == 0, averagePackets >> weight == 0,
        nextLook <= now
      {
        let interval = Self.interval(target)
        nextLook += (now - nextLook) / interval * interval + interval
      }
    }
  }

  func count(_ length: Int, now: Int64) {
    catchUp(now)
    bytes &+= UInt64(length)
    packets &+= 1
  }

  /// Bytes and packets a second.
  func rates(now: Int64) -> (bytes: UInt64, packets: UInt64) {
    catchUp(now)
    return (UInt64(max(0, averageBytes)) >> 8, UInt64(max(0, averagePackets)) >> 8)
  }
}

extension Netfilter {
  func count(_ target: RateEstimatorTarget, bytes: Int) {
    estimator(target.name)?.count(bytes, now: simulation.now.nanoseconds)
  }

  private func estimator(_ name: String) -> RateEstimator? { rateEstimators[name] }

  func meets(_ wanted: RateMatch) -> Bool {
    let now = simulation.now.nanoseconds
    guard let first = estimator(wanted.first)?.rates(now: now) else { return wanted.inverted }
    func difference(_ number: UInt32?, _ rate: UInt64) -> UInt64 {
      let number = UInt64(number ?? 0)
      return number >= rate ? number - rate : 0
    }
    var bytes1 = first.bytes
    var packets1 = first.packets
    if wanted.isDelta {
      bytes1 = difference(wanted.bytes, first.bytes)
      packets1 = difference(wanted.packets, first.packets)
    }
    var bytes2 = UInt64((wanted.isDelta ? wanted.secondBytes : wanted.bytes) ?? 0)
    var packets2 = UInt64((wanted.isDelta ? wanted.secondPackets : wanted.packets) ?? 0)
    if let name = wanted.second {
      guard let second = estimator(name)?.rates(now: now) else { return wanted.inverted }
      bytes2 = wanted.isDelta ? difference(wanted.secondBytes, second.bytes) : second.bytes
      packets2 = wanted.isDelta ? difference(wanted.secondPackets, second.packets) : second.packets
    }
    func holds(_ a: UInt64, _ b: UInt64) -> Bool {
      switch wanted.comparison {
      case .equal: a == b
      case .less: a < b
      case .greater: a > b
      }
    }
    let isMet =
      (wanted.bytes == nil || holds(bytes1, bytes2))
      && (wanted.packets == nil || holds(packets1, packets2))
    return isMet != wanted.inverted
  }
}

import HopyardWire

/// SYN cookies: what a listener under a flood of SYNs remembers in the sequence number and timestamp
/// that it sends (RFC 4987 §3.6, Linux's `syncookies.c`).
struct SynCookies {
  private static let segments = [536, 1300, 1440, 1460]
  /// A cookie holds for two periods of a minute.
  private static let period: Int64 = .seconds(60)

  private let secret: UInt64

  init(secret: UInt64) { self.secret = secret }

  func hash(
    _ source: IPv4Address,
    _ destination: IPv4Address,
    _ ports: UInt32,
    _ count: UInt32,
    _ salt: UInt64
  ) -> UInt32 {
    var value = secret &+ salt
    for word in [source.rawValue, destination.rawValue, ports, count] {
      value = (value ^ UInt64(word)) &* 0xbf58_476d_1ce4_e5b9
      value ^= value >> 29
      value = value &* 0x94d0_49bb_1331_11eb
      value ^= value >> 32
    }
    return UInt32(truncatingIfNeeded: value)
  }

  /// The sequence number that tells later which MSS the peer announced.
  func make(
    _ source: IPv4Address,
    _ destination: IPv4Address,
    _ ports: UInt32,
    sequence: UInt32,
    segment: Int,
    now: Int64
  ) -> UInt32 {
    let index = UInt32(Self.segments.lastIndex { $0 <= segment } ?? 0)
    let count = UInt32(truncatingIfNeeded: now / Self.period)
    return hash(source, destination, ports, 0, 1) &+ sequence &+ (count << 24)
      &+ ((hash(source, destination, ports, count, 2) &+ index) & 0x00ff_ffff)
  }

  /// The MSS that a cookie tells of; nil if it is none of ours, or too old.
  func segment(
    _ source: IPv4Address,
    _ destination: IPv4Address,
    _ ports: UInt32,
    cookie: UInt32,
    sequence: UInt32,
    now: Int64
  ) -> Int? {
    let count = UInt32(truncatingIfNeeded: now / Self.period)
    let value = cookie &- hash(source, destination, ports, 0, 1) &- sequence
    let age = (count &- (value >> 24)) & 0xff
    guard age < 2 else { return nil }
    let index =
      (value &- hash(source, destination, ports, count &- age, 2)) & 0x00ff_ffff
    return Int(index) < Self.segments.count ? Self.segments[Int(index)] : nil
  }

  /// The timestamp with the options in its last six bits.
  static func timestamp(_ clock: UInt32, scale: UInt8?, sack: Bool, ecn: Bool) -> UInt32 {
    let options = UInt32(scale ?? 15) | (sack ? 16 : 0) | (ecn ? 32 : 0)
    var value = clock & ~63 | options
    if value > clock { value = value &- 64 }
    return value
  }
}

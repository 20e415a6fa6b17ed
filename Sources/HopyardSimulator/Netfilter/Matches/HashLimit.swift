import HopyardWire

/// A token bucket of `hashlimit`, in the kernel's own numbers (xt_hashlimit.c).
///
/// Time is counted in jiffies of four milliseconds. A bucket that counts bytes is refilled as often
/// as its burst says, and by a fixed number of credits for each second.
struct HashLimitBucketState {
  /// Nanoseconds of a jiffy.
  static let jiffy: Int64 = 4_000_000
  private static let jiffiesPerSecond: UInt64 = 250
  private static let creditsPerJiffy: UInt64 = 1 << 39
  private static let byteCreditsPerSecond: UInt64 = (1 << 24) * jiffiesPerSecond

  var credit: UInt64 = 0
  /// The most that it holds; for one that counts bytes how often it may still be refilled.
  var limit: UInt64 = 0
  var cost: UInt64 = 0
  var updated: Int64
  var expires: Int64 = 0
  /// Whether the last whole interval was above the rate (`--hashlimit-rate-match`).
  var wasAbove = false

  init(_ wanted: HashLimitMatch, now: Int64) {
    updated = now / Self.jiffy
    if wanted.comparesRate {
      let burst = wanted.burst
      if wanted.countsBytes {
        cost = wanted.average
        limit = burst == 0 ? cost : burst &* cost
      } else {
        cost = 1_000_000 / max(1, wanted.average)
        limit = cost &+ burst
      }
    } else if wanted.countsBytes {
      credit = Self.byteCreditsPerSecond
      cost = (UInt64(wanted.byteCost) &* Self.byteCreditsPerSecond) >> 32
      limit = wanted.burst
    } else {
      let unit = Self.jiffiesPerSecond &* Self.creditsPerJiffy / 1_000_000
      cost = wanted.average &* unit
      credit = wanted.average &* wanted.burst &* unit
      limit = credit
    }
  }

  /// Fills the bucket for the time since the last packet.
  mutating func refill(_ wanted: HashLimitMatch, now: Int64) {
    let jiffies = now / Self.jiffy
    let passed = UInt64(clamping: jiffies - updated)
    guard passed > 0 else { return }
    if wanted.comparesRate {
      let interval = UInt64(max(1, wanted.rateInterval)) &* Self.jiffiesPerSecond
      guard passed >= interval else { return }
      updated = jiffies
      wasAbove = credit &* interval > passed &* cost
      credit = 0
      return
    }
    updated = jiffies
    let rate = wanted.countsBytes ? 1 << 24 : Self.creditsPerJiffy
    let most = wanted.countsBytes ? Self.byteCreditsPerSecond : limit
    let (added, isHuge) = passed.multipliedReportingOverflow(by: rate)
    let (sum, isFull) = credit.addingReportingOverflow(added)
    credit = isHuge || isFull ? most : min(sum, most)
  }

  /// Charges a packet; whether it was within the limit.
  mutating func charge(_ wanted: HashLimitMatch, length: Int) -> Bool {
    if wanted.comparesRate {
      credit &+= wanted.countsBytes ? UInt64(length) : 1
      return !wasAbove && credit <= limit
    }
    var price = cost
    if wanted.countsBytes {
      price = min((UInt64(length) >> 4 &+ 1) &* cost, Self.byteCreditsPerSecond)
      if credit < price, limit > 0 {
        limit -= 1
        credit = Self.byteCreditsPerSecond
      }
    }
    guard credit >= price else { return false }
    credit -= price
    return true
  }
}

extension HashLimitMatch {
  /// The kernel's number for a rate of bytes: what sixteen bytes cost.
  var byteCost: UInt32 {
    UInt32(clamping: UInt64(UInt32.max) / (average >> 4 &+ 1))
  }
}

/// The buckets of one name of `hashlimit`.
final class HashLimitTable {
  struct Key: Hashable {
    var source: UInt128 = 0
    var destination: UInt128 = 0
    var ports: UInt32 = 0
  }

  private(set) var buckets: [Key: HashLimitBucketState] = [:]
  /// Keys in order of their first packet, for listings.
  private(set) var order: [Key] = []
  private var sweepSize = 64
  private let created: Int64
  private let interval: Int64

  /// Makes the table of the first rule that names it.
  init(_ wanted: HashLimitMatch, now: Int64) {
    created = now
    interval = max(1, Int64(wanted.collectionInterval)) * 1_000_000
  }

  /// Charges a packet to its bucket; whether it was within the limit.
  func charge(_ wanted: HashLimitMatch, _ key: Key, length: Int, now: Int64) -> Bool {
    var bucket: HashLimitBucketState
    if let known = buckets[key], !isCollected(known, now) {
      bucket = known
      bucket.refill(wanted, now: now)
    } else {
      if buckets[key] == nil { note(key, now) }
      bucket = HashLimitBucketState(wanted, now: now)
    }
    bucket.expires = now &+ Int64(wanted.expiry) &* 1_000_000
    let isWithin = bucket.charge(wanted, length: length)
    buckets[key] = bucket
    return isWithin
  }

  /// Whether a collection has taken a bucket: one runs after each interval since the table was made.
  func isCollected(_ bucket: HashLimitBucketState, _ now: Int64) -> Bool {
    bucket.expires <= now - (now - created) % interval
  }

  /// Notes a new key, and forgets buckets that nobody used for long.
  private func note(_ key: Key, _ now: Int64) {
    order.append(key)
    guard order.count > sweepSize else { return }
    order.removeAll { known in
      guard let bucket = buckets[known], isCollected(bucket, now), known != key else {
        return false
      }
      buckets[known] = nil
      return true
    }
    sweepSize = max(64, order.count * 2)
  }
}

/// A bucket of `hashlimit`, as `/proc/net/ipt_hashlimit` shows it.
public struct HashLimitBucket: Sendable {
  /// The source, or 0.0.0.0.
  public let source: IPv4Address
  /// The destination, or 0.0.0.0.
  public let destination: IPv4Address
  /// The source port, or 0.
  public let sourcePort: UInt16
  /// The destination port, or 0.
  public let destinationPort: UInt16
  /// When it is forgotten.
  public let expires: Instant
  /// What is in it, in the kernel's credits.
  public let credit: UInt64
  /// The most that it holds.
  public let creditLimit: UInt64
  /// What a packet costs.
  public let cost: UInt64
}

extension Netfilter {
  /// The names of the tables of `-m hashlimit` that rules use.
  public var hashLimitNames: [String] {
    _ = isIdle
    return hashLimits.keys.sorted()
  }

  /// The buckets of a table of `-m hashlimit` that are not forgotten, oldest first.
  public func hashLimitBuckets(_ name: String) -> [HashLimitBucket]? {
    _ = isIdle
    guard let table = hashLimits[name] else { return nil }
    return table.order.compactMap { key in
      guard let bucket = table.buckets[key],
        !table.isCollected(bucket, simulation.now.nanoseconds)
      else { return nil }
      return HashLimitBucket(
        source: IPv4Address(rawValue: UInt32(truncatingIfNeeded: key.source)),
        destination: IPv4Address(rawValue: UInt32(truncatingIfNeeded: key.destination)),
        sourcePort: UInt16(key.ports >> 16),
        destinationPort: UInt16(truncatingIfNeeded: key.ports),
        expires: Instant(nanoseconds: bucket.expires),
        credit: bucket.credit,
        creditLimit: bucket.limit,
        cost: bucket.cost
      )
    }
  }

  /// Whether a packet is within a limit, or above it, as the match asks.
  func meets(_ wanted: HashLimitMatch, _ flow: FlowFacts) -> Bool {
    let table: HashLimitTable
    let isIPv6 = flow.family == .ipv6
    if let known = isIPv6 ? hashLimits6[wanted.name] : hashLimits[wanted.name] {
      table = known
    } else {
      table = HashLimitTable(wanted, now: simulation.now.nanoseconds)
      if isIPv6 { hashLimits6[wanted.name] = table } else { hashLimits[wanted.name] = table }
    }
    var key = HashLimitTable.Key()
    if wanted.keys.contains(.source) {
      key.source = flow.source & flow.mask(wanted.sourcePrefixLength)
    }
    if wanted.keys.contains(.destination) {
      key.destination = flow.destination & flow.mask(wanted.destinationPrefixLength)
    }
    if wanted.keys.contains(.sourcePort) { key.ports = UInt32(flow.sourcePort) << 16 }
    if wanted.keys.contains(.destinationPort) { key.ports |= UInt32(flow.destinationPort) }
    let isWithin = table.charge(
      wanted,
      key,
      length: flow.length,
      now: simulation.now.nanoseconds
    )
    return isWithin != wanted.isAbove
  }
}

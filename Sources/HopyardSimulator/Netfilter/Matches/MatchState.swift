import HopyardWire

/// What one match of a rule remembers between packets, in one namespace.
struct MatchState {
  var isInitialized = false
  var first: Int64 = 0
  var second: Int64 = 0
  /// A list, where a number is not enough.
  var connections: ConnectionLists?
}

/// What the matches of a rule remember between packets, in one namespace.
final class MatchStates: RuleState {
  let states: UnsafeMutablePointer<MatchState>
  private let count: Int

  init(count: Int) {
    self.count = count
    states = .allocate(capacity: max(1, count))
    states.initialize(repeating: MatchState(), count: count)
  }

  deinit {
    states.deinitialize(count: count)
    states.deallocate()
  }
}

/// The living connections that a `connlimit` rule counts, by masked address.
final class ConnectionLists {
  var lists: [UInt32: [(reference: UInt64, tuple: ConntrackTuple<UInt32>)]] = [:]
}

/// The buckets of one name of `hashlimit`.
final class HashLimitTable {
  struct Key: Hashable {
    var source: UInt32
    var destination: UInt32
    var ports: UInt32
  }
  struct Bucket {
    var credit: Int64
    var updated: Int64
    var expires: Int64
    var limit: Int64
    var cost: Int64
    /// Whether the last whole interval was above the rate (`--hashlimit-rate-match`).
    var wasAbove = false
  }
  var buckets: [Key: Bucket] = [:]
  /// Keys in order of their first packet, for listings.
  private(set) var order: [Key] = []
  private var sweepSize = 64

  /// Notes a new key, and forgets buckets that nobody used for long.
  func add(_ key: Key, _ now: Int64) {
    order.append(key)
    guard order.count > sweepSize else { return }
    order.removeAll { known in
      guard let bucket = buckets[known], bucket.expires <= now, known != key else { return false }
      buckets[known] = nil
      return true
    }
    sweepSize = max(64, order.count * 2)
  }
}

/// The addresses of one name of `recent`.
public final class RecentTable {
  /// An address and when it was seen.
  public struct Entry: Sendable {
    /// The masked address.
    public var address: IPv4Address
    /// The TTL of the last packet.
    public var ttl: UInt8
    /// When packets were seen, as many as the list keeps, oldest first.
    public var stamps: [Instant]
    /// The next place in the ring of stamps.
    public var index: Int
    var order: UInt64
  }
  /// How many stamps an entry keeps, a power of two: enough for every rule's `--hitcount`.
  private(set) var stampLimit = 32
  /// How many addresses a list keeps.
  static let addressLimit = 100
  var entries: [UInt32: Entry] = [:]
  var lastOrder: UInt64 = 0

  /// The entries, longest unseen first.
  public var list: [Entry] { entries.values.sorted { $0.order < $1.order } }

  /// Makes room for so many stamps; like the kernel it forgets what it has when it must grow.
  func reserve(_ hits: UInt32) {
    var limit = 32
    while limit < Int(min(hits, 65536)) { limit *= 2 }
    guard limit > stampLimit else { return }
    stampLimit = limit
    removeAll()
  }

  /// Removes the address that was unseen longest, if its last packet is too old.
  func reap(before time: Instant) {
    guard let oldest = entries.min(by: { $0.value.order < $1.value.order }),
      let last = oldest.value.stamps.last, last < time
    else { return }
    entries[oldest.key] = nil
  }

  /// Adds an address by hand, or notes that it was seen.
  public func add(_ address: IPv4Address, at now: Instant) {
    touch(address.rawValue, ttl: entries[address.rawValue]?.ttl ?? 0, at: now)
  }

  /// Removes an address.
  public func remove(_ address: IPv4Address) { entries[address.rawValue] = nil }

  /// Removes all addresses.
  public func removeAll() { entries = [:] }

  func touch(_ address: UInt32, ttl: UInt8, at now: Instant) {
    lastOrder &+= 1
    if var entry = entries[address] {
      entry.ttl = ttl
      entry.stamps.append(now)
      if entry.stamps.count > stampLimit { entry.stamps.removeFirst() }
      entry.index = entry.index % stampLimit + 1
      entry.order = lastOrder
      entries[address] = entry
      return
    }
    if entries.count >= Self.addressLimit,
      let oldest = entries.min(by: { $0.value.order < $1.value.order })
    {
      entries[oldest.key] = nil
    }
    entries[address] = Entry(
      address: IPv4Address(rawValue: address),
      ttl: ttl,
      stamps: [now],
      index: 1,
      order: lastOrder
    )
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
  /// What is in it, in nanoseconds of the rate.
  public let credit: Int64
  /// The most that it holds.
  public let creditLimit: Int64
  /// What a packet costs.
  public let cost: Int64
}

extension Netfilter {
  /// The names of the lists of `-m recent` that rules use.
  public var recentTableNames: [String] {
    _ = isIdle
    return recentTables.keys.sorted()
  }

  /// A list of `-m recent`.
  public func recentTable(_ name: String) -> RecentTable? {
    _ = isIdle
    return recentTables[name]
  }

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
      guard let bucket = table.buckets[key], bucket.expires > simulation.now.nanoseconds else {
        return nil
      }
      return HashLimitBucket(
        source: IPv4Address(rawValue: key.source),
        destination: IPv4Address(rawValue: key.destination),
        sourcePort: UInt16(key.ports >> 16),
        destinationPort: UInt16(truncatingIfNeeded: key.ports),
        expires: Instant(nanoseconds: bucket.expires),
        credit: bucket.credit,
        creditLimit: bucket.limit,
        cost: bucket.cost
      )
    }
  }

  /// Makes the lists and tables that rules name, and drops those that none names any more.
  func keepNamedTables(of chains: [ChainInstance]) {
    var lists: [String: RecentTable] = [:]
    var limits: [String: HashLimitTable] = [:]
    for chain in chains where chain.compiled.chain.isStateful {
      for match in chain.compiled.matches {
        switch match {
        case .recent(let wanted):
          let list = recentTables[wanted.name] ?? lists[wanted.name] ?? RecentTable()
          list.reserve(wanted.hitCount)
          lists[wanted.name] = list
        case .hashLimit(let wanted):
          limits[wanted.name] = hashLimits[wanted.name] ?? limits[wanted.name] ?? HashLimitTable()
        default: break
        }
      }
    }
    recentTables = lists
    hashLimits = limits
    keepRateEstimators(of: chains)
  }

  /// Makes the estimators that rules feed; of two rules with one name the first decides how.
  private func keepRateEstimators(of chains: [ChainInstance]) {
    var estimators: [String: RateEstimator] = [:]
    for chain in chains {
      for wanted in chain.compiled.chain.rateEstimators where estimators[wanted.name] == nil {
        estimators[wanted.name] =
          rateEstimators[wanted.name]
          ?? RateEstimator(wanted, now: simulation.now.nanoseconds)
      }
    }
    rateEstimators = estimators
  }
}

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

/// The addresses of one name of `recent`.
public final class RecentTable {
  /// An address and when it was seen.
  public struct Entry: Sendable {
    /// The masked address; of an IPv6 address its end.
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
  var entries: [UInt128: Entry] = [:]
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

  /// Removes the address that was unseen longest, if its last packet is too old; but not one that is
  /// about to be seen again.
  func reap(before time: Instant, keeping kept: UInt128?) {
    guard let oldest = entries.min(by: { $0.value.order < $1.value.order }),
      oldest.key != kept, let last = oldest.value.stamps.last, last < time
    else { return }
    entries[oldest.key] = nil
  }

  /// Adds an address by hand, or notes that it was seen.
  public func add(_ address: IPv4Address, at now: Instant) {
    let key = UInt128(address.rawValue)
    touch(key, ttl: entries[key]?.ttl ?? 0, at: now)
  }

  /// Removes an address.
  public func remove(_ address: IPv4Address) { entries[UInt128(address.rawValue)] = nil }

  /// Removes all addresses.
  public func removeAll() { entries = [:] }

  func touch(_ address: UInt128, ttl: UInt8, at now: Instant) {
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
      address: IPv4Address(rawValue: UInt32(truncatingIfNeeded: address)),
      ttl: ttl,
      stamps: [now],
      index: 1,
      order: lastOrder
    )
  }
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

  /// Makes the lists and tables that rules name, and drops those that none names any more.
  func keepNamedTables(of chains: [CompiledChain]) {
    var lists: [String: RecentTable] = [:]
    var limits: [String: HashLimitTable] = [:]
    for chain in chains where chain.chain.isStateful {
      for match in chain.matches {
        switch match {
        case .recent(let wanted):
          let list = recentTables[wanted.name] ?? lists[wanted.name] ?? RecentTable()
          list.reserve(wanted.hitCount)
          lists[wanted.name] = list
        case .hashLimit(let wanted):
          limits[wanted.name] =
            hashLimits[wanted.name] ?? limits[wanted.name]
            ?? HashLimitTable(wanted, now: simulation.now.nanoseconds)
        default: break
        }
      }
    }
    recentTables = lists
    hashLimits = limits
    keepRateEstimators(of: chains)
  }

  /// Makes the estimators that rules feed; of two rules with one name the first decides how.
  private func keepRateEstimators(of chains: [CompiledChain]) {
    var estimators: [String: RateEstimator] = [:]
    for chain in chains {
      for wanted in chain.chain.rateEstimators where estimators[wanted.name] == nil {
        estimators[wanted.name] =
          rateEstimators[wanted.name]
          ?? RateEstimator(wanted, now: simulation.now.nanoseconds)
      }
    }
    rateEstimators = estimators
  }
}

public import HopyardWire

/// A token bucket.
public struct LimitMatch: Hashable, Sendable {
  /// Ten-thousandths of a second between two packets, the kernel's form of a rate.
  public var interval: UInt32
  /// How many packets may come at once.
  public var burst: UInt32

  /// Makes a match; without a burst it is 5.
  public init(interval: UInt32, burst: UInt32 = 5) {
    self.interval = interval
    self.burst = burst
  }
}

/// Chance, or every n-th packet.
public struct StatisticMatch: Hashable, Sendable {
  /// How the packets are chosen.
  public enum Mode: Hashable, Sendable {
    /// At random: the probability times 2^31.
    case random(UInt32)
    /// One packet in `every`, first after `packet` others.
    case nth(every: UInt32, packet: UInt32)
  }

  /// How the packets are chosen.
  public var mode: Mode
  /// Whether the match is the other way round (`!`).
  public var inverted: Bool

  /// Makes a match.
  public init(_ mode: Mode, inverted: Bool = false) {
    self.mode = mode
    self.inverted = inverted
  }

  /// Whether the match counts.
  public var isStateful: Bool {
    if case .nth = mode { true } else { false }
  }
}

/// A number of bytes that is used up.
public struct QuotaMatch: Hashable, Sendable {
  /// The number of bytes.
  public var bytes: UInt64
  /// Whether the match is the other way round (`!`).
  public var inverted: Bool

  /// Makes a match.
  public init(_ bytes: UInt64, inverted: Bool = false) {
    self.bytes = bytes
    self.inverted = inverted
  }
}

/// A limit for each address, port or both.
public struct HashLimitMatch: Hashable, Sendable {
  /// What has a limit of its own, as a set.
  public struct Keys: OptionSet, Hashable, Sendable {
    /// One bit for each part of the key.
    public let rawValue: UInt8

    /// Makes a set from its bits.
    public init(rawValue: UInt8) {
      self.rawValue = rawValue
    }

    /// The destination address.
    public static let destination = Keys(rawValue: 1)
    /// The destination port.
    public static let destinationPort = Keys(rawValue: 2)
    /// The source address.
    public static let source = Keys(rawValue: 4)
    /// The source port.
    public static let sourcePort = Keys(rawValue: 8)
  }

  /// The name of the table in /proc/net/ipt_hashlimit.
  public var name: String
  /// What has a limit of its own; empty for one common limit.
  public var keys: Keys
  /// Whether packets above the limit match rather than those within it.
  public var isAbove: Bool
  /// Whether the limit counts bytes.
  public var countsBytes: Bool
  /// The interval between packets, or the bytes for each second, in the kernel's units.
  public var average: UInt64
  /// How many packets (or bytes) may come at once.
  public var burst: UInt64
  /// The size of the hash table; 0 for the kernel's choice.
  public var size: UInt32
  /// The most entries; 0 for the kernel's choice.
  public var maximum: UInt32
  /// Milliseconds between collections.
  public var collectionInterval: UInt32
  /// Milliseconds after which an idle entry goes.
  public var expiry: UInt32
  /// How much of the source address counts.
  public var sourcePrefixLength: UInt8
  /// How much of the destination address counts.
  public var destinationPrefixLength: UInt8
  /// Whether whole intervals are looked at, and no bucket is filled (`--hashlimit-rate-match`).
  public var comparesRate = false
  /// The seconds of such an interval; 0 if none was given.
  public var rateInterval: UInt32 = 0

  /// Makes a match.
  public init(
    name: String,
    keys: Keys = [],
    isAbove: Bool = false,
    countsBytes: Bool = false,
    average: UInt64,
    burst: UInt64 = 5,
    size: UInt32 = 0,
    maximum: UInt32 = 0,
    collectionInterval: UInt32 = 1000,
    expiry: UInt32 = 10000,
    sourcePrefixLength: UInt8 = 32,
    destinationPrefixLength: UInt8 = 32
  ) {
    self.name = name
    self.keys = keys
    self.isAbove = isAbove
    self.countsBytes = countsBytes
    self.average = average
    self.burst = burst
    self.size = size
    self.maximum = maximum
    self.collectionInterval = collectionInterval
    self.expiry = expiry
    self.sourcePrefixLength = sourcePrefixLength
    self.destinationPrefixLength = destinationPrefixLength
  }
}

/// A list of addresses that rules write and read.
public struct RecentMatch: Hashable, Sendable {
  /// What the rule does with the list.
  public enum Action: String, Hashable, Sendable {
    /// Adds the address.
    case set
    /// Looks whether it is there.
    case check = "rcheck"
    /// The same, and notes the time.
    case update
    /// Takes it out.
    case remove
  }

  /// The name of the list.
  public var name: String
  /// What the rule does.
  public var action: Action
  /// How many seconds ago the address may have been seen; 0 for any time.
  public var seconds: UInt32
  /// Whether entries older than that are removed.
  public var reaps: Bool
  /// How often it must have been seen; 0 for once.
  public var hitCount: UInt32
  /// Whether the TTL must be that of the packet that set the entry.
  public var comparesTTL: Bool
  /// Whether the destination address is listed rather than the source.
  public var usesDestination: Bool
  /// How much of the address counts.
  public var mask: UInt128
  /// Whether the match is the other way round (`!`).
  public var inverted: Bool

  /// Makes a match.
  public init(
    name: String = "DEFAULT",
    action: Action,
    seconds: UInt32 = 0,
    reaps: Bool = false,
    hitCount: UInt32 = 0,
    comparesTTL: Bool = false,
    usesDestination: Bool = false,
    mask: UInt128,
    inverted: Bool = false
  ) {
    self.name = name
    self.action = action
    self.seconds = seconds
    self.reaps = reaps
    self.hitCount = hitCount
    self.comparesTTL = comparesTTL
    self.usesDestination = usesDestination
    self.mask = mask
    self.inverted = inverted
  }
}

/// Membership of an ipset.
public struct SetMatch: Hashable, Sendable {
  /// A comparison with a counter of the entry.
  public struct CounterMatch: Hashable, Sendable {
    /// The comparison of the counter with `value`.
    public var comparison: HopMatch.Comparison
    /// The number.
    public var value: UInt64

    /// Makes a comparison.
    public init(_ comparison: HopMatch.Comparison, _ value: UInt64) {
      self.comparison = comparison
      self.value = value
    }
  }

  /// The set's name.
  public var name: String
  /// For each part of an entry, whether it is the packet's source (true) or destination.
  public var sources: [Bool]
  /// Whether the match is the other way round (`!`).
  public var inverted: Bool
  /// `--return-nomatch`.
  public var returnsNoMatch = false
  /// Whether entries are not counted (`! --update-counters`).
  public var skipsCounters = false
  /// Whether counters of subsets are not updated (`! --update-subcounters`).
  public var skipsSubcounters = false
  /// `--packets-eq` and its kind.
  public var packets: CounterMatch?
  /// `--bytes-eq` and its kind.
  public var bytes: CounterMatch?

  /// Makes a match.
  public init(_ name: String, sources: [Bool], inverted: Bool = false) {
    self.name = name
    self.sources = sources
    self.inverted = inverted
  }
}

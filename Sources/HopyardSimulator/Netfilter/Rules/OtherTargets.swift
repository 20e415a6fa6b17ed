/// The actions that AUDIT can record.
public enum AuditKind: String, Hashable, Sendable, CaseIterable {
  /// The packet passes.
  case accept
  /// The packet vanishes.
  case drop
  /// The packet is refused.
  case reject
}

/// What ECN changes in a TCP segment's or packet's congestion bits (RFC 3168).
public struct ECNTarget: Hashable, Sendable {
  /// Whether the TCP flags ECE and CWR are cleared.
  public var removesTCP = false
  /// What the TCP flag CWR becomes.
  public var reduced: Bool?
  /// What the TCP flag ECE becomes.
  public var echo: Bool?
  /// What the codepoint in the IP header becomes.
  public var codepoint: UInt8?

  /// Makes a target that does nothing yet.
  public init() {}
}

/// How HMARK makes a mark from a packet's addresses and ports.
public struct HashMarkTarget: Hashable, Sendable {
  /// The options that were given, which is also what is printed.
  public struct Fields: OptionSet, Hashable, Sendable {
    /// One bit for each option.
    public let rawValue: UInt16

    /// Makes a set from its bits.
    public init(rawValue: UInt16) { self.rawValue = rawValue }

    /// `--hmark-src-prefix`.
    public static let sourceMask = Fields(rawValue: 1 << 0)
    /// `--hmark-dst-prefix`.
    public static let destinationMask = Fields(rawValue: 1 << 1)
    /// `--hmark-sport`.
    public static let sourcePort = Fields(rawValue: 1 << 2)
    /// `--hmark-dport`.
    public static let destinationPort = Fields(rawValue: 1 << 3)
    /// `--hmark-spi`.
    public static let spi = Fields(rawValue: 1 << 4)
    /// `--hmark-sport-mask`.
    public static let sourcePortMask = Fields(rawValue: 1 << 5)
    /// `--hmark-dport-mask`.
    public static let destinationPortMask = Fields(rawValue: 1 << 6)
    /// `--hmark-spi-mask`.
    public static let spiMask = Fields(rawValue: 1 << 7)
    /// `--hmark-proto-mask`.
    public static let protocolMask = Fields(rawValue: 1 << 8)
    /// `--hmark-tuple ct`: the addresses of the connection's first packet.
    public static let connection = Fields(rawValue: 1 << 9)
  }

  /// The options that were given.
  public var fields: Fields = []
  /// How much of the source address counts.
  public var sourceLength: UInt8 = 0
  /// How much of the destination address counts.
  public var destinationLength: UInt8 = 0
  /// The bits of the protocol that count.
  public var protocolMask: UInt16 = 0
  /// The bits of the source port that count.
  public var sourcePortMask: UInt16 = 0
  /// The bits of the destination port that count.
  public var destinationPortMask: UInt16 = 0
  /// The bits of the SPI that count.
  public var spiMask: UInt32 = 0
  /// Bits that are set in the source port.
  public var sourcePort: UInt16 = 0
  /// Bits that are set in the destination port.
  public var destinationPort: UInt16 = 0
  /// Bits that are set in the SPI.
  public var spi: UInt32 = 0
  /// The seed of the hash.
  public var seed: UInt32 = 0
  /// How many marks there are.
  public var modulus: UInt32 = 0
  /// The first mark.
  public var offset: UInt32 = 0

  /// Makes a target that hashes nothing yet.
  public init() {}
}

/// A timer of IDLETIMER, which only programs outside the network see.
public struct IdleTimerTarget: Hashable, Sendable {
  /// Seconds without a packet.
  public var timeout: UInt32
  /// The timer's name.
  public var label: String
  /// Whether the timer wakes a sleeping machine.
  public var isAlarm: Bool

  /// Makes a target.
  public init(timeout: UInt32, label: String, isAlarm: Bool = false) {
    self.timeout = timeout
    self.label = label
    self.isAlarm = isAlarm
  }
}

/// A light that LED lets blink.
public struct LEDTarget: Hashable, Sendable {
  /// The name of the light's trigger.
  public var trigger: String
  /// Milliseconds; nil for ever.
  public var delay: UInt32?
  /// Whether the light blinks even when it is lit.
  public var alwaysBlinks: Bool

  /// Makes a target.
  public init(_ trigger: String, delay: UInt32? = 0, alwaysBlinks: Bool = false) {
    self.trigger = trigger
    self.delay = delay
    self.alwaysBlinks = alwaysBlinks
  }
}

/// An estimator of RATEEST, which packets that pass the rule are counted by.
public struct RateEstimatorTarget: Hashable, Sendable {
  /// The estimator's name.
  public var name: String
  /// The power of two of quarter seconds between measurements, -2 through 3.
  public var interval: Int8
  /// The weight of the past, as a power of two.
  public var logarithm: UInt8

  /// Makes a target.
  public init(_ name: String, interval: Int8, logarithm: UInt8) {
    self.name = name
    self.interval = interval
    self.logarithm = logarithm
  }
}

/// What SYNPROXY answers for a server.
public struct SynproxyTarget: Hashable, Sendable {
  /// Whether selective acknowledgements are permitted.
  public var permitsSACK = false
  /// Whether time stamps are used.
  public var usesTimestamps = false
  /// Whether congestion notification is used.
  public var usesECN = false
  /// The window scale.
  public var windowScale: UInt8?
  /// The maximum segment size.
  public var segmentSize: UInt16?

  /// Makes a target without options.
  public init() {}
}

/// How SNPT and DNPT translate the prefix of an IPv6 address (RFC 6296).
public struct PrefixTarget: Hashable, Sendable {
  /// The prefix that is replaced.
  public var source: UInt128
  /// Its length.
  public var sourceLength: UInt8
  /// The prefix that takes its place.
  public var destination: UInt128
  /// Its length.
  public var destinationLength: UInt8

  /// Makes a target.
  public init(
    source: UInt128,
    sourceLength: UInt8,
    destination: UInt128,
    destinationLength: UInt8
  ) {
    self.source = source
    self.sourceLength = sourceLength
    self.destination = destination
    self.destinationLength = destinationLength
  }
}

/// Options that TCPOPTSTRIP overwrites, as a set of their numbers.
public struct TCPOptionSet: Hashable, Sendable {
  private var low: UInt128 = 0
  private var high: UInt128 = 0

  /// Makes an empty set.
  public init() {}

  /// Adds an option.
  public mutating func insert(_ kind: UInt8) {
    if kind < 128 { low |= 1 << UInt128(kind) } else { high |= 1 << UInt128(kind - 128) }
  }

  /// Whether an option is in the set.
  public func contains(_ kind: UInt8) -> Bool {
    (kind < 128 ? low >> UInt128(kind) : high >> UInt128(kind - 128)) & 1 == 1
  }

  /// The options in order.
  public var kinds: [UInt8] { (0...255).filter { contains($0) } }
}

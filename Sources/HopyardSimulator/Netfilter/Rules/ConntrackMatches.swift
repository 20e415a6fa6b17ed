public import HopyardWire

/// States in which a packet's connection can be, as a set.
public struct ConntrackStates: OptionSet, Hashable, Sendable {
  /// One bit for each state.
  public let rawValue: UInt16

  /// Makes a set from its bits.
  public init(rawValue: UInt16) {
    self.rawValue = rawValue
  }

  /// conntrack could make nothing of the packet.
  public static let invalid = ConntrackStates(rawValue: 1 << 0)
  /// Both directions have been seen.
  public static let established = ConntrackStates(rawValue: 1 << 1)
  /// The packet belongs to another connection, as an ICMP error.
  public static let related = ConntrackStates(rawValue: 1 << 2)
  /// The first direction only.
  public static let new = ConntrackStates(rawValue: 1 << 3)
  /// The source is translated.
  public static let snat = ConntrackStates(rawValue: 1 << 6)
  /// The destination is translated.
  public static let dnat = ConntrackStates(rawValue: 1 << 7)
  /// `-j CT --notrack` kept conntrack away.
  public static let untracked = ConntrackStates(rawValue: 1 << 8)
}

/// What has happened to a connection, as a set.
public struct ConntrackStatus: OptionSet, Hashable, Sendable {
  /// One bit for each fact.
  public let rawValue: UInt8

  /// Makes a set from its bits.
  public init(rawValue: UInt8) {
    self.rawValue = rawValue
  }

  /// Another connection announced it.
  public static let expected = ConntrackStatus(rawValue: 1 << 0)
  /// A reply was seen.
  public static let seenReply = ConntrackStatus(rawValue: 1 << 1)
  /// It is not the first to go when the table is full.
  public static let assured = ConntrackStatus(rawValue: 1 << 2)
  /// Its first packet has left.
  public static let confirmed = ConntrackStatus(rawValue: 1 << 3)
}

/// What `-m state` asks.
public struct StateMatch: Hashable, Sendable {
  /// The states.
  public var states: ConntrackStates
  /// Whether the match is the other way round (`!`).
  public var inverted: Bool

  /// Makes a match.
  public init(_ states: ConntrackStates, inverted: Bool = false) {
    self.states = states
    self.inverted = inverted
  }
}

/// What `-m conntrack` asks of a packet's connection; what is nil does not restrict.
public struct ConntrackMatch: Hashable, Sendable {
  /// Facts about the connection.
  public struct StatusMatch: Hashable, Sendable {
    /// One of these must hold; if the set is empty (`NONE`), no fact may hold.
    public var status: ConntrackStatus
    /// Whether the match is the other way round (`!`).
    public var inverted: Bool

    /// Makes a match.
    public init(_ status: ConntrackStatus, inverted: Bool = false) {
      self.status = status
      self.inverted = inverted
    }
  }

  /// The direction of the packet.
  public enum Direction: UInt8, Hashable, Sendable {
    /// As the first packet.
    case original
    /// The other way.
    case reply
  }

  /// `--ctstate`.
  public var states: StateMatch?
  /// `--ctproto`.
  public var `protocol`: ProtocolMatch?
  /// `--ctorigsrc`.
  public var originalSource: AddressMatch?
  /// `--ctorigdst`.
  public var originalDestination: AddressMatch?
  /// `--ctreplsrc`.
  public var replySource: AddressMatch?
  /// `--ctrepldst`.
  public var replyDestination: AddressMatch?
  /// `--ctorigsrcport`.
  public var originalSourcePort: PortMatch?
  /// `--ctorigdstport`.
  public var originalDestinationPort: PortMatch?
  /// `--ctreplsrcport`.
  public var replySourcePort: PortMatch?
  /// `--ctrepldstport`.
  public var replyDestinationPort: PortMatch?
  /// `--ctstatus`.
  public var status: StatusMatch?
  /// `--ctexpire`, in seconds.
  public var expiry: RangeMatch?
  /// `--ctdir`.
  public var direction: Direction?

  /// Makes a match of nothing, or of some states.
  public init(states: StateMatch? = nil) {
    self.states = states
  }
}

/// The helper of a connection's master.
public struct HelperMatch: Hashable, Sendable {
  /// The helper's name; empty for any helper.
  public var name: String
  /// Whether the match is the other way round (`!`).
  public var inverted: Bool

  /// Makes a match.
  public init(_ name: String, inverted: Bool = false) {
    self.name = name
    self.inverted = inverted
  }
}

/// How much a connection has carried.
public struct ConnectionBytesMatch: Hashable, Sendable {
  /// What is counted.
  public enum Unit: String, Hashable, Sendable {
    /// The number of packets.
    case packets
    /// The number of bytes.
    case bytes
    /// Bytes for each packet.
    case average = "avgpkt"
  }

  /// Which direction is counted.
  public enum Direction: String, Hashable, Sendable {
    /// As the first packet.
    case original
    /// The other way.
    case reply
    /// The sum.
    case both
  }

  /// The least number.
  public var from: UInt64
  /// The greatest number.
  public var to: UInt64
  /// What is counted.
  public var unit: Unit
  /// Which direction is counted.
  public var direction: Direction
  /// Whether the match is the other way round (`!`).
  public var inverted: Bool

  /// Makes a match.
  public init(
    from: UInt64,
    to: UInt64,
    unit: Unit,
    direction: Direction,
    inverted: Bool = false
  ) {
    self.from = from
    self.to = to
    self.unit = unit
    self.direction = direction
    self.inverted = inverted
  }
}

/// How many connections an address or network has.
public struct ConnectionLimitMatch: Hashable, Sendable {
  /// The number.
  public var limit: UInt32
  /// Whether the match holds up to the limit rather than above it.
  public var isUpTo: Bool
  /// The length of the network's prefix.
  public var prefixLength: UInt8
  /// Whether the destination is counted rather than the source.
  public var countsDestination: Bool

  /// Makes a match.
  public init(
    limit: UInt32,
    isUpTo: Bool = false,
    prefixLength: UInt8 = 32,
    countsDestination: Bool = false
  ) {
    self.limit = limit
    self.isUpTo = isUpTo
    self.prefixLength = prefixLength
    self.countsDestination = countsDestination
  }
}

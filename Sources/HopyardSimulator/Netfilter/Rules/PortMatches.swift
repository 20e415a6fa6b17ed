public import HopyardWire

/// A range of ports.
public struct PortMatch: Hashable, Sendable {
  /// The first port.
  public var first: UInt16
  /// The last port; a range that ends before it begins matches nothing.
  public var last: UInt16
  /// Whether the match is the other way round (`!`).
  public var inverted: Bool

  /// Makes a match of the ports `first` through `last`.
  public init(_ first: UInt16, _ last: UInt16, inverted: Bool = false) {
    self.first = first
    self.last = last
    self.inverted = inverted
  }

  /// Makes a match of one port.
  public init(_ port: UInt16, inverted: Bool = false) {
    self.init(port, port, inverted: inverted)
  }

  /// Whether a port satisfies the match.
  @inlinable
  public func matches(_ port: UInt16) -> Bool {
    (port >= first && port <= last) != inverted
  }
}

/// What `-m tcp` asks of a segment.
public struct TCPMatch: Hashable, Sendable {
  /// The source port.
  public var source: PortMatch?
  /// The destination port.
  public var destination: PortMatch?
  /// The flags.
  public var flags: TCPFlagsMatch?
  /// The number of a TCP option that must be there (or not).
  public var option: ValueMatch?

  /// Makes a match; what is left out does not restrict.
  public init(
    source: PortMatch? = nil,
    destination: PortMatch? = nil,
    flags: TCPFlagsMatch? = nil,
    option: ValueMatch? = nil
  ) {
    self.source = source
    self.destination = destination
    self.flags = flags
    self.option = option
  }
}

/// Which of some TCP flags are set.
public struct TCPFlagsMatch: Hashable, Sendable {
  /// The flags that are looked at.
  public var mask: TCPFlags
  /// Those of them that must be set.
  public var set: TCPFlags
  /// Whether the match is the other way round (`!`).
  public var inverted: Bool

  /// Makes a match.
  public init(mask: TCPFlags, set: TCPFlags, inverted: Bool = false) {
    self.mask = mask
    self.set = set
    self.inverted = inverted
  }

  /// What `--syn` means.
  public static func syn(inverted: Bool = false) -> TCPFlagsMatch {
    TCPFlagsMatch(mask: [.fin, .syn, .rst, .ack], set: .syn, inverted: inverted)
  }
}

/// What `-m udp` asks of a datagram.
public struct UDPMatch: Hashable, Sendable {
  /// The source port.
  public var source: PortMatch?
  /// The destination port.
  public var destination: PortMatch?

  /// Makes a match; what is left out does not restrict.
  public init(source: PortMatch? = nil, destination: PortMatch? = nil) {
    self.source = source
    self.destination = destination
  }
}

/// A list of ports and ranges.
public struct MultiportMatch: Hashable, Sendable {
  /// Which port is looked up in the list.
  public enum Side: UInt8, Hashable, Sendable {
    /// `--sports`.
    case source
    /// `--dports`.
    case destination
    /// `--ports`: one of them.
    case either
  }

  /// Which port is looked up.
  public var side: Side
  /// The ports and ranges, in the order in which they were written.
  public var ports: [ClosedRange<UInt16>]
  /// Whether the match is the other way round (`!`).
  public var inverted: Bool

  /// Makes a match.
  public init(_ side: Side, _ ports: [ClosedRange<UInt16>], inverted: Bool = false) {
    self.side = side
    self.ports = ports
    self.inverted = inverted
  }
}

/// A type of ICMP message and a range of codes.
public struct ICMPMatch: Hashable, Sendable {
  /// The type; 255 with all codes stands for any message (IPv4 only).
  public var type: UInt8
  /// The codes.
  public var codes: ClosedRange<UInt8>
  /// Whether the match is the other way round (`!`).
  public var inverted: Bool

  /// Makes a match of a type with some or all codes.
  public init(type: UInt8, codes: ClosedRange<UInt8> = 0...255, inverted: Bool = false) {
    self.type = type
    self.codes = codes
    self.inverted = inverted
  }
}

/// A range of SPIs, for `ah` and `esp`.
public struct SPIMatch: Hashable, Sendable {
  /// The SPIs; nil if there is no restriction.
  public var range: RangeMatch?
  /// The length of the header (IPv6 `ah`).
  public var length: NumberMatch?
  /// Whether the reserved field must be zero (IPv6 `ah`).
  public var checksReserved: Bool

  /// Makes a match.
  public init(
    _ range: RangeMatch? = nil,
    length: NumberMatch? = nil,
    checksReserved: Bool = false
  ) {
    self.range = range
    self.length = length
    self.checksReserved = checksReserved
  }
}

/// What `-m frag` asks of an IPv6 fragment header (RFC 8200 §4.5).
public struct FragmentMatch: Hashable, Sendable {
  /// The identification.
  public var id: RangeMatch?
  /// The length of the header.
  public var length: NumberMatch?
  /// Whether the reserved fields must be zero.
  public var checksReserved = false
  /// Whether it must be the first fragment.
  public var isFirst = false
  /// Whether more fragments must follow (true) or none (false).
  public var hasMore: Bool?

  /// Makes a match of any fragment.
  public init() {}
}

/// A number of 32 bits that must be equal.
public struct NumberMatch: Hashable, Sendable {
  /// The number.
  public var value: UInt32
  /// Whether the match is the other way round (`!`).
  public var inverted: Bool

  /// Makes a match.
  public init(_ value: UInt32, inverted: Bool = false) {
    self.value = value
    self.inverted = inverted
  }

  /// Whether a number satisfies the match.
  @inlinable
  public func matches(_ number: UInt32) -> Bool { (number == value) != inverted }
}

/// What `-m hbh` and `-m dst` ask of an IPv6 options header (RFC 8200 §4.2).
public struct OptionsHeaderMatch: Hashable, Sendable {
  /// An option, perhaps with its length.
  public struct Option: Hashable, Sendable {
    /// The number of the option.
    public var kind: UInt8
    /// The length of its data; nil for any.
    public var length: UInt8?

    /// Makes an option.
    public init(_ kind: UInt8, length: UInt8? = nil) {
      self.kind = kind
      self.length = length
    }
  }

  /// The length of the header.
  public var length: NumberMatch?
  /// Options that must be there in this order, up to sixteen.
  public var options: [Option]

  /// Makes a match.
  public init(length: NumberMatch? = nil, options: [Option] = []) {
    self.length = length
    self.options = options
  }
}

/// What `-m rt` asks of an IPv6 routing header (RFC 8200 §4.4).
public struct RoutingHeaderMatch: Hashable, Sendable {
  /// The type.
  public var type: NumberMatch?
  /// The field Segments Left.
  public var segmentsLeft: RangeMatch?
  /// The length of the header.
  public var length: NumberMatch?
  /// Whether the reserved field must be zero (type 0).
  public var checksReserved = false
  /// Addresses that must be there (type 0), up to sixteen.
  public var addresses: [UInt128] = []
  /// Whether other addresses may stand between them.
  public var isLoose = false

  /// Makes a match of any routing header.
  public init() {}
}

/// What `-m ipv6header` asks: which extension headers a packet has.
public struct HeaderListMatch: Hashable, Sendable {
  /// Kinds of headers, as a set with the kernel's numbers.
  public struct Headers: OptionSet, Hashable, Sendable {
    /// One bit for each kind.
    public let rawValue: UInt8

    /// Makes a set from its bits.
    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Hop-by-hop options.
    public static let hopByHop = Headers(rawValue: 0x80)
    /// Destination options.
    public static let destination = Headers(rawValue: 0x40)
    /// Routing.
    public static let routing = Headers(rawValue: 0x20)
    /// Fragment.
    public static let fragment = Headers(rawValue: 0x10)
    /// Authentication.
    public static let authentication = Headers(rawValue: 0x08)
    /// Encapsulating security payload.
    public static let payload = Headers(rawValue: 0x04)
    /// No next header.
    public static let none = Headers(rawValue: 0x02)
    /// A transport protocol.
    public static let transport = Headers(rawValue: 0x01)
  }

  /// The kinds.
  public var headers: Headers
  /// Whether a packet may have others too (`--soft`).
  public var isSoft: Bool
  /// Whether the match is the other way round (`!`).
  public var inverted: Bool

  /// Makes a match.
  public init(_ headers: Headers, isSoft: Bool = false, inverted: Bool = false) {
    self.headers = headers
    self.isSoft = isSoft
    self.inverted = inverted
  }
}

/// What `-m srh` asks of a segment routing header (RFC 8754).
public struct SegmentRoutingMatch: Hashable, Sendable {
  /// How a field compares, and with what.
  public struct Field: Hashable, Sendable {
    /// A comparison that was asked for, with its inversion.
    public struct Test: Hashable, Sendable {
      /// Whether the match is the other way round (`!`).
      public var inverted: Bool

      /// Makes a test.
      public init(inverted: Bool) { self.inverted = inverted }
    }

    /// The number that the field is compared with; there is one for all comparisons.
    public var value: UInt8 = 0
    /// The field is the number.
    public var equal: Test?
    /// The field is greater.
    public var greater: Test?
    /// The field is less.
    public var less: Test?

    /// Makes a field that does not restrict.
    public init() {}
  }

  /// The number of the next header.
  public var nextHeader: NumberMatch?
  /// The length of the header in units of eight bytes.
  public var headerLength = Field()
  /// The field Segments Left.
  public var segmentsLeft = Field()
  /// The field Last Entry.
  public var lastEntry = Field()
  /// The tag.
  public var tag: NumberMatch?
  /// The segment before.
  public var previous: AddressMatch?
  /// The segment that comes next.
  public var next: AddressMatch?
  /// The last segment.
  public var last: AddressMatch?

  /// Makes a match of any segment routing header.
  public init() {}
}

/// What `-m mh` asks of a mobility message (RFC 6275).
public struct MobilityMatch: Hashable, Sendable {
  /// The types; nil for all.
  public var types: RangeMatch?

  /// Makes a match.
  public init(_ types: RangeMatch? = nil) { self.types = types }
}

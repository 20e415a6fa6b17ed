public import HopyardWire

/// Kinds of addresses as the routing table sees them, as a set with the kernel's numbers.
public struct AddressTypes: OptionSet, Hashable, Sendable {
  /// One bit for each kind.
  public let rawValue: UInt16

  /// Makes a set from its bits.
  public init(rawValue: UInt16) {
    self.rawValue = rawValue
  }

  /// 0.0.0.0.
  public static let unspecified = AddressTypes(rawValue: 1 << 0)
  /// An address that a route leads to.
  public static let unicast = AddressTypes(rawValue: 1 << 1)
  /// One of the host's own.
  public static let local = AddressTypes(rawValue: 1 << 2)
  /// A broadcast address.
  public static let broadcast = AddressTypes(rawValue: 1 << 3)
  /// An anycast address.
  public static let anycast = AddressTypes(rawValue: 1 << 4)
  /// A group.
  public static let multicast = AddressTypes(rawValue: 1 << 5)
  /// A blackhole route.
  public static let blackhole = AddressTypes(rawValue: 1 << 6)
  /// An unreachable route.
  public static let unreachable = AddressTypes(rawValue: 1 << 7)
  /// A prohibit route.
  public static let prohibit = AddressTypes(rawValue: 1 << 8)
  /// A throw route.
  public static let `throw` = AddressTypes(rawValue: 1 << 9)
  /// A NAT route, which no longer exists.
  public static let nat = AddressTypes(rawValue: 1 << 10)
  /// An xresolve route, which no longer exists.
  public static let xresolve = AddressTypes(rawValue: 1 << 11)
}

/// What `-m addrtype` asks.
public struct AddressTypeMatch: Hashable, Sendable {
  /// Kinds that one address may have.
  public struct Types: Hashable, Sendable {
    /// The kinds.
    public var types: AddressTypes
    /// Whether the match is the other way round (`!`).
    public var inverted: Bool

    /// Makes a match.
    public init(_ types: AddressTypes, inverted: Bool = false) {
      self.types = types
      self.inverted = inverted
    }
  }

  /// Which interface the look-up is limited to.
  public enum Interface: UInt8, Hashable, Sendable {
    /// `--limit-iface-in`.
    case incoming
    /// `--limit-iface-out`.
    case outgoing
  }

  /// The kinds of the source.
  public var source: Types?
  /// The kinds of the destination.
  public var destination: Types?
  /// The interface that the look-up is limited to.
  public var interface: Interface?

  /// Makes a match; what is left out does not restrict.
  public init(source: Types? = nil, destination: Types? = nil, interface: Interface? = nil) {
    self.source = source
    self.destination = destination
    self.interface = interface
  }
}

/// Who owns the sending socket.
public struct OwnerMatch: Hashable, Sendable {
  /// The user ids.
  public var user: RangeMatch?
  /// The group ids.
  public var group: RangeMatch?
  /// Whether there must be a socket (true) or not (false).
  public var socketExists: Bool?
  /// Whether supplementary groups count.
  public var usesSupplementaryGroups: Bool

  /// Makes a match; what is left out does not restrict.
  public init(
    user: RangeMatch? = nil,
    group: RangeMatch? = nil,
    socketExists: Bool? = nil,
    usesSupplementaryGroups: Bool = false
  ) {
    self.user = user
    self.group = group
    self.socketExists = socketExists
    self.usesSupplementaryGroups = usesSupplementaryGroups
  }
}

/// The bridge ports of a bridged packet.
public struct PhysicalDeviceMatch: Hashable, Sendable {
  /// The port of arrival.
  public var inInterface: InterfaceMatch?
  /// The port of departure.
  public var outInterface: InterfaceMatch?
  /// Whether the packet must (true) or must not (false) have come in by a bridge port.
  public var isIn: Bool?
  /// Whether the packet must (true) or must not (false) leave by a bridge port.
  public var isOut: Bool?
  /// Whether the packet must be (true) or must not be (false) bridged and not routed.
  public var isBridged: Bool?

  /// Makes a match; what is left out does not restrict.
  public init(
    inInterface: InterfaceMatch? = nil,
    outInterface: InterfaceMatch? = nil,
    isIn: Bool? = nil,
    isOut: Bool? = nil,
    isBridged: Bool? = nil
  ) {
    self.inInterface = inInterface
    self.outInterface = outInterface
    self.isIn = isIn
    self.isOut = isOut
    self.isBridged = isBridged
  }
}

/// Whether the reply would leave where the packet came in.
public struct ReversePathMatch: Hashable, Sendable {
  /// `--loose`: any interface will do.
  public var isLoose: Bool
  /// `--validmark`: the packet's mark takes part in the look-up.
  public var usesMark: Bool
  /// `--accept-local`: a source address of the host itself will do.
  public var acceptsLocal: Bool
  /// `--invert`.
  public var inverted: Bool

  /// Makes a match.
  public init(
    isLoose: Bool = false,
    usesMark: Bool = false,
    acceptsLocal: Bool = false,
    inverted: Bool = false
  ) {
    self.isLoose = isLoose
    self.usesMark = usesMark
    self.acceptsLocal = acceptsLocal
    self.inverted = inverted
  }
}

/// Whether a local socket is there for the packet.
public struct SocketMatch: Hashable, Sendable {
  /// `--transparent`: only sockets with IP_TRANSPARENT.
  public var isTransparent: Bool
  /// `--nowildcard`: sockets bound to no address count too.
  public var noWildcard: Bool
  /// `--restore-skmark`: the packet takes the socket's mark.
  public var restoresMark: Bool

  /// Makes a match.
  public init(isTransparent: Bool = false, noWildcard: Bool = false, restoresMark: Bool = false) {
    self.isTransparent = isTransparent
    self.noWildcard = noWildcard
    self.restoresMark = restoresMark
  }
}

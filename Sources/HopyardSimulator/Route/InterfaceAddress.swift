/// Facts about an interface address, with the numbers of `IFA_F_*`.
public struct InterfaceAddressFlags: OptionSet, Hashable, Sendable {
  /// The bits.
  public let rawValue: UInt32
  /// Makes flags from bits.
  public init(rawValue: UInt32) { self.rawValue = rawValue }
  /// Another address of the same subnet came first.
  public static let secondary = InterfaceAddressFlags(rawValue: 0x01)
  /// No duplicate address detection (IPv6).
  public static let nodad = InterfaceAddressFlags(rawValue: 0x02)
  /// Optimistic duplicate address detection (IPv6).
  public static let optimistic = InterfaceAddressFlags(rawValue: 0x04)
  /// Duplicate address detection found a duplicate (IPv6).
  public static let dadFailed = InterfaceAddressFlags(rawValue: 0x08)
  /// A home address (IPv6).
  public static let home = InterfaceAddressFlags(rawValue: 0x10)
  /// Its preferred lifetime is over.
  public static let deprecated = InterfaceAddressFlags(rawValue: 0x20)
  /// Not yet checked for duplicates (IPv6).
  public static let tentative = InterfaceAddressFlags(rawValue: 0x40)
  /// It has no end.
  public static let permanent = InterfaceAddressFlags(rawValue: 0x80)
  /// The kernel makes temporary addresses from it (IPv6).
  public static let manageTemporaryAddress = InterfaceAddressFlags(rawValue: 0x100)
  /// It brings no route to its subnet.
  public static let noPrefixRoute = InterfaceAddressFlags(rawValue: 0x200)
  /// The kernel joins the group if the address is one.
  public static let autojoin = InterfaceAddressFlags(rawValue: 0x400)
}

/// An address of an interface, as the kernel's `in_ifaddr`.
public struct InterfaceAddress<Address: RoutableAddress>: Hashable, Sendable {
  /// The address of this host.
  public var local: Address
  /// The other end's address on a point-to-point link; otherwise the same as ``local``.
  public var peer: Address
  /// The length of the subnet's prefix, which is the peer's where there is one.
  public var prefixLength: Int
  /// The broadcast address, if it has one.
  public var broadcast: Address?
  /// Where the address is valid.
  public var scope: RouteScope
  /// The name under which older tools know the address.
  public var label: String
  /// Facts about it.
  public var flags: InterfaceAddressFlags
  /// The metric of the subnet's route.
  public var metric: UInt32
  /// Who made it.
  public var `protocol`: RouteProtocol
  /// How many seconds it is valid; all ones for ever.
  public var validLifetime: UInt32
  /// How many seconds it is preferred; all ones for ever.
  public var preferredLifetime: UInt32
  /// When it was made.
  public var created: Int64
  /// When it was changed last, from which the lifetimes count.
  public var updated: Int64

  /// The lifetime that does not end.
  public static var forever: UInt32 { .max }

  /// Makes an address.
  public init(
    local: Address,
    peer: Address? = nil,
    prefixLength: Int,
    broadcast: Address? = nil,
    scope: RouteScope = .universe,
    label: String = "",
    flags: InterfaceAddressFlags = .permanent,
    metric: UInt32 = 0,
    protocol: RouteProtocol = .unspecified
  ) {
    self.local = local
    self.peer = peer ?? local
    self.prefixLength = prefixLength
    self.broadcast = broadcast
    self.scope = scope
    self.label = label
    self.flags = flags
    self.metric = metric
    self.protocol = `protocol`
    validLifetime = .max
    preferredLifetime = .max
    created = 0
    updated = 0
  }

  /// The mask of the subnet.
  public var mask: Address { Self.mask(prefixLength) }

  /// The mask of a prefix length.
  @inline(__always)
  public static func mask(_ length: Int) -> Address {
    length <= 0 ? 0 : Address.max << Address(truncatingIfNeeded: Address.bitWidth - length)
  }

  /// The network of the subnet.
  public var network: Address { peer & mask }

  /// Whether the address is the second or a later one of its subnet.
  public var isSecondary: Bool { flags.contains(.secondary) }

  /// Whether an address is in the subnet.
  public func subnetContains(_ address: Address) -> Bool { (address ^ peer) & mask == 0 }
}

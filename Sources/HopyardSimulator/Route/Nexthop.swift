/// An address as the routing tables store it: `UInt32` or `UInt128` in host order.
public typealias RoutableAddress = FixedWidthInteger & UnsignedInteger & Sendable

/// Facts about a next hop or a route, with the numbers of `RTNH_F_*`.
public struct NexthopFlags: OptionSet, Hashable, Sendable {
  /// The bits.
  public let rawValue: UInt32
  /// Makes flags from bits.
  public init(rawValue: UInt32) { self.rawValue = rawValue }
  /// Its device is down.
  public static let dead = NexthopFlags(rawValue: 1)
  /// The gateway needs recursive lookup.
  public static let pervasive = NexthopFlags(rawValue: 2)
  /// The gateway is on the link though no route says so.
  public static let onlink = NexthopFlags(rawValue: 4)
  /// Its device has no carrier.
  public static let linkdown = NexthopFlags(rawValue: 16)
}

/// One way that a route may take: a device and perhaps a gateway.
public struct Nexthop<Address: RoutableAddress>: Hashable, Sendable {
  /// The device, or 0 for none.
  public var ifindex: Int32
  /// The next router; nil if the destination itself is on the link.
  public var gateway: Address?
  /// The share of a multipath route's flows, 1 through 256.
  public var weight: Int
  /// Facts about it.
  public var flags: NexthopFlags
  /// How far away the gateway is; the tables set it.
  public var scope: RouteScope
  /// The routing realm (`realms`), source in the upper half.
  public var realm: UInt32

  /// Makes a next hop.
  public init(
    ifindex: Int32 = 0,
    gateway: Address? = nil,
    weight: Int = 1,
    flags: NexthopFlags = []
  ) {
    self.ifindex = ifindex
    self.gateway = gateway
    self.weight = weight
    self.flags = flags
    scope = .nowhere
    realm = 0
  }
}

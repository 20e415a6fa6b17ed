/// What a lookup in the routing tables found.
public struct FIBResult<Address: RoutableAddress>: Sendable {
  /// The device to leave by, or that has the local address; 0 for none.
  public var ifindex: Int32
  /// The next router; 0 where ``hasGateway`` is false.
  public var gateway: Address
  /// Whether the packet goes to a router.
  public var hasGateway: Bool
  /// What is done.
  public var type: RouteType
  /// How far away the destination is.
  public var scope: RouteScope
  /// How far away the next hop is.
  public var nexthopScope: RouteScope
  /// The facts about the next hop.
  public var nexthopFlags: NexthopFlags
  /// The length of the prefix that matched.
  public var prefixLength: UInt8
  /// The table in which it is.
  public var table: UInt32
  /// Where the route is kept, for the tables' other questions.
  public var route: RouteReference
  /// Which of the route's next hops was chosen.
  public var nexthopIndex: Int32
  /// The route's MTU; 0 if it has none.
  public var mtu: UInt32
  /// Whether that MTU is locked.
  public var isMTULocked: Bool

  /// The address to which a frame goes: the router, or the destination itself.
  public func neighbour(for destination: Address) -> Address {
    hasGateway ? gateway : destination
  }
}

/// Where a route is kept; good until the tables' ``RoutingTables/generation`` changes.
public struct RouteReference: Hashable, Sendable {
  /// The index into the tables' dense array of routes.
  public var index: Int32
}

/// Why a lookup gives no way.
public enum FIBLookupError: Error, Hashable, Sendable {
  /// Nothing matches.
  case noRoute
  /// An `unreachable` route.
  case unreachableRoute
  /// A `prohibit` route.
  case prohibitRoute
  /// A `blackhole` route.
  case blackholeRoute
  /// An `unreachable` rule.
  case unreachableRule
  /// A `prohibit` rule.
  case prohibitRule
  /// A `blackhole` rule.
  case blackholeRule

  /// The error number that the kernel gives, such as `ENETUNREACH` for no route.
  public var errno: RouteErrno {
    switch self {
    case .noRoute, .unreachableRule: .networkUnreachable
    case .unreachableRoute: .hostUnreachable
    case .prohibitRoute, .prohibitRule: .permissionDenied
    case .blackholeRoute, .blackholeRule: .invalidArgument
    }
  }
}

/// A route: what is done with packets to a prefix.
///
///     var route = Route<UInt32>(prefix: 0x0a05_0000, length: 16)     // 10.5.0.0/16
///     route.nexthops = [Nexthop(gateway: 0x0a00_0001)]               // via 10.0.0.1
///     try tables.insert(route, mode: .create, devices: namespace)
public struct Route<Address: RoutableAddress>: Hashable, Sendable {
  /// The destination's network, host bits clear.
  public var prefix: Address
  /// The number of leading bits that count, 0 to the address's width.
  public var length: Int {
    get { Int(prefixLength) }
    set { prefixLength = UInt8(truncatingIfNeeded: newValue) }
  }
  private var prefixLength: UInt8
  /// The type of service that packets must have; 0 for any.
  public var tos: UInt8
  /// What is done.
  public var type: RouteType
  /// How far away the destination is.
  public var scope: RouteScope
  /// Who made it.
  public var `protocol`: RouteProtocol
  /// The table.
  public var table: UInt32
  /// The metric: the lowest wins.
  public var priority: UInt32
  /// The source address of packets that have none yet.
  public var preferredSource: Address?
  /// The ways to go, none for the types that send nothing.
  public var nexthops: [Nexthop<Address>]
  /// The metrics.
  public var metrics: RouteMetrics {
    get { setMetrics.first ?? .none }
    set { setMetrics = newValue == .none ? [] : [newValue] }
  }
  /// The metrics where one is set; apart, because few routes have any.
  private var setMetrics: [RouteMetrics] = []
  /// The nexthop object that stands for the next hops; 0 for none.
  public var nexthopID: UInt32
  /// Facts about the route as a whole (dead, linkdown).
  public var flags: NexthopFlags

  /// Makes a route.
  public init(
    prefix: Address = 0,
    length: Int = 0,
    tos: UInt8 = 0,
    type: RouteType = .unicast,
    scope: RouteScope = .universe,
    protocol: RouteProtocol = .boot,
    table: UInt32 = RouteTable.main,
    priority: UInt32 = 0,
    preferredSource: Address? = nil,
    nexthops: [Nexthop<Address>] = [],
    metrics: RouteMetrics = .none,
    nexthopID: UInt32 = 0
  ) {
    self.prefix = prefix
    prefixLength = UInt8(truncatingIfNeeded: length)
    self.tos = tos
    self.type = type
    self.scope = scope
    self.protocol = `protocol`
    self.table = table
    self.priority = priority
    self.preferredSource = preferredSource
    self.nexthops = nexthops
    setMetrics = metrics == .none ? [] : [metrics]
    self.nexthopID = nexthopID
    flags = []
  }
}

/// How `insert` treats a route that is already there.
public enum RouteInsertion: Hashable, Sendable {
  /// Fails if the prefix has a route of the same type of service and metric (`ip route add`).
  case create
  /// Fails whether such a route is there or not (`test`).
  case test
  /// Takes the place of such a route, or is new (`replace`).
  case replace
  /// Takes the place of such a route, or fails (`change`).
  case change
  /// Stands behind such routes (`append`).
  case append
  /// Stands before such routes (`prepend`), as the kernel inserts its own.
  case prepend
}

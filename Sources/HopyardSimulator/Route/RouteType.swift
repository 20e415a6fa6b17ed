/// What a route does with a packet, with the numbers of rtnetlink(7).
public enum RouteType: UInt8, Hashable, Sendable, CaseIterable {
  /// No type given.
  case unspecified = 0
  /// Send it on.
  case unicast = 1
  /// Deliver it here.
  case local = 2
  /// Deliver it here, send it as a link broadcast.
  case broadcast = 3
  /// Deliver it here as a broadcast, send it as a unicast.
  case anycast = 4
  /// Deliver it to a group.
  case multicast = 5
  /// Drop it in silence.
  case blackhole = 6
  /// Answer that the host is unreachable.
  case unreachable = 7
  /// Answer that it is administratively prohibited.
  case prohibit = 8
  /// Continue with the next policy rule.
  case `throw` = 9
}

/// How far away a route's destination is, with the numbers of rtnetlink(7): larger is nearer.
public struct RouteScope: RawRepresentable, Hashable, Comparable, Sendable {
  /// The number.
  public var rawValue: UInt8
  /// Makes a scope from its number.
  public init(rawValue: UInt8) { self.rawValue = rawValue }
  /// Somewhere in the world (`global`).
  public static let universe = RouteScope(rawValue: 0)
  /// Within this site.
  public static let site = RouteScope(rawValue: 200)
  /// On a link of this host.
  public static let link = RouteScope(rawValue: 253)
  /// This host.
  public static let host = RouteScope(rawValue: 254)
  /// Nowhere: the destination does not exist.
  public static let nowhere = RouteScope(rawValue: 255)

  /// Orders scopes by number.
  public static func < (left: RouteScope, right: RouteScope) -> Bool {
    left.rawValue < right.rawValue
  }
}

/// Who made a route, rule or address, with the numbers of rtnetlink(7).
public struct RouteProtocol: RawRepresentable, Hashable, Comparable, Sendable {
  /// The number.
  public var rawValue: UInt8
  /// Makes a protocol from its number.
  public init(rawValue: UInt8) { self.rawValue = rawValue }
  /// Nobody said.
  public static let unspecified = RouteProtocol(rawValue: 0)
  /// An ICMP redirect.
  public static let redirect = RouteProtocol(rawValue: 1)
  /// The kernel.
  public static let kernel = RouteProtocol(rawValue: 2)
  /// The start-up scripts, and `ip route` when it is not told otherwise.
  public static let boot = RouteProtocol(rawValue: 3)
  /// The administrator.
  public static let `static` = RouteProtocol(rawValue: 4)

  /// Orders protocols by number.
  public static func < (left: RouteProtocol, right: RouteProtocol) -> Bool {
    left.rawValue < right.rawValue
  }
}

/// The numbers of the three tables that always exist.
public enum RouteTable {
  /// The `default` table.
  public static let `default`: UInt32 = 253
  /// The `main` table.
  public static let main: UInt32 = 254
  /// The `local` table, which the kernel keeps.
  public static let local: UInt32 = 255
}

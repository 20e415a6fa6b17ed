import HopyardWire

/// What a namespace learned of the path to a destination, against what its routes say.
public struct LearnedPath: Hashable, Sendable {
  /// The path's MTU, or 0.
  public var mtu: Int
  /// Whether that MTU may not be discovered.
  public var isMTULocked: Bool
  /// The router that a redirect named.
  public var gateway: IPv4Address?
  /// How many seconds it stays; nil for ever.
  public var secondsLeft: Int64?
}

extension NetworkNamespace {
  /// Adds or changes a route on behalf of a user.
  public func insertRoute(_ route: Route<UInt32>, mode: RouteInsertion) throws(RouteError) {
    try routes.insert(route, mode: mode)
    if route.type == .local { routes.noteCustomLocalRoute() }
    forgetLostPaths()
  }

  /// Deletes a route on behalf of a user.
  ///
  /// With `namingAll` the template's next hops are all of the route's.
  public func deleteRoute(
    _ template: Route<UInt32>,
    namingAll: Bool = false
  ) throws(RouteError) {
    try routes.delete(template, namingAll: namingAll)
    forgetLostPaths()
  }

  /// Adds a policy rule on behalf of a user.
  public func insertRule(
    _ rule: PolicyRule<UInt32>,
    priorityGiven: Bool
  ) throws(RouteError) {
    try routes.insertRule(rule, priorityGiven: priorityGiven)
    forgetLostPaths()
  }

  /// Deletes a policy rule on behalf of a user.
  public func deleteRule(_ selector: PolicyRuleSelector<UInt32>) throws(RouteError) {
    try routes.deleteRule(selector)
    forgetLostPaths()
  }

  /// Adds or replaces a nexthop object on behalf of a user.
  public func insertNexthop(
    _ object: NexthopObject<UInt32>,
    replaces: Bool
  ) throws(RouteError) {
    try routes.insertNexthop(object, replaces: replaces)
    forgetLostPaths()
  }

  /// Deletes a nexthop object on behalf of a user.
  public func deleteNexthop(_ id: UInt32) throws(RouteError) {
    try routes.deleteNexthop(id)
    forgetLostPaths()
  }

  /// Makes what was learned of paths void, as `ip route flush cache` does.
  public func forgetPaths() {
    ipv4.exceptions.flush()
    ipv4.flows.removeAll()
  }

  /// Forgets what was learned of next hops that no route has any more.
  func forgetLostPaths() {
    ipv4.flows.removeAll()
    guard !ipv4.exceptions.isEmpty else { return }
    var left: Set<NexthopExceptions.NextHop> = []
    for route in routes.allRoutes {
      for hop in route.nexthops {
        left.insert(
          .init(
            ifindex: hop.ifindex,
            gateway: hop.gateway ?? 0,
            routeMTU: route.metrics.mtu
          )
        )
      }
    }
    ipv4.exceptions.keep(left)
  }

  /// What was learned of the path that a route takes; the asking counts as a use of it.
  public func learnedPath(by route: ResolvedRoute<UInt32>) -> LearnedPath? {
    ipv4.exceptions.bind(route.destination, by: .init(route), now: simulation.now)
      .map { LearnedPath($0, now: simulation.now) }
  }

  /// What was learned of paths and is in use, by destination (`ip route show cache`).
  public var learnedPaths: [KnownPath] {
    ipv4.exceptions.listed(now: simulation.now).map { destination, exception in
      KnownPath(
        destination: IPv4Address(rawValue: destination),
        ifindex: exception.nextHop.ifindex,
        gateway: exception.gateway != 0
          ? IPv4Address(rawValue: exception.gateway)
          : exception.nextHop.gateway == 0
            ? nil : IPv4Address(rawValue: exception.nextHop.gateway),
        age: (simulation.now - (exception.bound ?? simulation.now)) / 1_000_000_000,
        path: LearnedPath(exception, now: simulation.now)
      )
    }
  }
}

/// A destination of which something was learned, with the way to it.
public struct KnownPath: Hashable, Sendable {
  /// The destination.
  public var destination: IPv4Address
  /// The device to leave by.
  public var ifindex: Int32
  /// The router, if there is one.
  public var gateway: IPv4Address?
  /// For how many seconds a route has used it.
  public var age: Int64
  /// What was learned.
  public var path: LearnedPath
}

extension LearnedPath {
  init(_ exception: NexthopExceptions.Exception, now: Instant) {
    mtu = exception.mtu
    isMTULocked = exception.isMTULocked
    gateway = exception.gateway == 0 ? nil : IPv4Address(rawValue: exception.gateway)
    secondsLeft =
      exception.expires == .zero
      ? nil : (exception.expires.nanoseconds - now.nanoseconds) / 1_000_000_000
  }
}

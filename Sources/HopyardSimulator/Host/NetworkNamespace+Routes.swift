import HopyardWire

/// What a namespace learned of the path to a destination, against what its routes say.
public struct LearnedPath: Hashable, Sendable {
  /// The path's MTU, or 0.
  public var mtu: Int
  /// Whether that MTU may not be discovered.
  public var isMTULocked: Bool
  /// The router that a redirect named.
  public var gateway: IPv4Address?
  /// How many seconds it stays.
  public var secondsLeft: Int64
}

extension NetworkNamespace {
  /// Adds or changes a route on behalf of a user.
  public func insertRoute(_ route: Route<UInt32>, mode: RouteInsertion) throws(RouteError) {
    try routes.insert(route, mode: mode)
    if route.type == .local { routes.noteCustomLocalRoute() }
    forgetPaths()
  }

  /// Deletes a route on behalf of a user.
  ///
  /// With `namingAll` the template's next hops are all of the route's.
  public func deleteRoute(
    _ template: Route<UInt32>,
    namingAll: Bool = false
  ) throws(RouteError) {
    try routes.delete(template, namingAll: namingAll)
    forgetPaths()
  }

  /// Adds a policy rule on behalf of a user.
  public func insertRule(
    _ rule: PolicyRule<UInt32>,
    priorityGiven: Bool
  ) throws(RouteError) {
    try routes.insertRule(rule, priorityGiven: priorityGiven)
    forgetPaths()
  }

  /// Deletes a policy rule on behalf of a user.
  public func deleteRule(_ selector: PolicyRuleSelector<UInt32>) throws(RouteError) {
    try routes.deleteRule(selector)
    forgetPaths()
  }

  /// Adds or replaces a nexthop object on behalf of a user.
  public func insertNexthop(
    _ object: NexthopObject<UInt32>,
    replaces: Bool
  ) throws(RouteError) {
    try routes.insertNexthop(object, replaces: replaces)
    forgetPaths()
  }

  /// Deletes a nexthop object on behalf of a user.
  public func deleteNexthop(_ id: UInt32) throws(RouteError) {
    try routes.deleteNexthop(id)
    forgetPaths()
  }

  /// Forgets what was learned of paths, as `ip route flush cache` does.
  public func forgetPaths() {
    ipv4.exceptions.removeAll()
    ipv4.flows.removeAll()
  }

  /// What was learned of the path to a destination.
  public func learnedPath(to destination: IPv4Address) -> LearnedPath? {
    guard let found = ipv4.exceptions.find(destination.rawValue, now: simulation.now) else {
      return nil
    }
    return LearnedPath(
      mtu: found.mtu,
      isMTULocked: found.isMTULocked,
      gateway: found.gateway == 0 ? nil : IPv4Address(rawValue: found.gateway),
      secondsLeft: (found.expires.nanoseconds - simulation.now.nanoseconds) / 1_000_000_000
    )
  }
}

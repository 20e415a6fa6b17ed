extension RoutingTables {
  /// Checks a new route and fills in what follows from devices and tables, as `fib_create_info`.
  func complete(_ route: inout Route<Address>) throws(RouteError) {
    guard Self.nearestScope(route.type) <= route.scope else {
      throw RouteError(.invalidArgument, "Invalid scope")
    }
    if route.metrics.advmss > 65535 - 40 { route.metrics.advmss = 65535 - 40 }
    if route.metrics.mtu > 65535 - 15 { route.metrics.mtu = 65535 - 15 }
    for path in route.nexthops where !path.flags.isDisjoint(with: [.dead, .linkdown]) {
      throw RouteError(
        .invalidArgument,
        "Invalid flags for nexthop - can not contain DEAD or LINKDOWN"
      )
    }
    if route.nexthopID != 0 {
      try expandNexthopObject(of: &route)
    } else if Self.refusal(route.type) != nil {
      guard route.nexthops.isEmpty else {
        throw RouteError(
          .invalidArgument,
          "Gateway, device and multipath can not be specified for this route type"
        )
      }
      return
    } else if route.scope > .host {
      throw RouteError(.invalidArgument, "Invalid scope")
    } else if route.scope == .host {
      try completeHostRoute(&route)
    } else {
      if route.nexthops.isEmpty { route.nexthops = [Nexthop()] }
      var linkdown = 0
      for index in route.nexthops.indices {
        try check(&route.nexthops[index], table: route.table, scope: route.scope)
        if route.nexthops[index].flags.contains(.linkdown) { linkdown += 1 }
      }
      if linkdown == route.nexthops.count { route.flags.insert(.linkdown) }
    }
    if let source = route.preferredSource, !isValid(preferredSource: source, of: route) {
      throw RouteError(.invalidArgument, "Invalid prefsrc address")
    }
  }

  private func completeHostRoute(_ route: inout Route<Address>) throws(RouteError) {
    if route.nexthops.isEmpty { route.nexthops = [Nexthop()] }
    guard route.nexthops.count == 1 else {
      throw RouteError(
        .invalidArgument,
        "Route with host scope can not have multiple nexthops"
      )
    }
    guard route.nexthops[0].gateway == nil else {
      throw RouteError(.invalidArgument, "Route with host scope can not have a gateway")
    }
    route.nexthops[0].scope = .nowhere
    guard devices?.routeDeviceFacts(route.nexthops[0].ifindex) != nil else {
      throw RouteError(.noSuchDevice)
    }
  }

  /// The widest scope that a type may have.
  private static func nearestScope(_ type: RouteType) -> RouteScope {
    switch type {
    case .unspecified: .nowhere
    case .local: .host
    case .broadcast, .anycast: .link
    case .unicast, .multicast, .blackhole, .unreachable, .prohibit, .throw: .universe
    }
  }

  /// Checks one next hop, as `fib_check_nh`.
  func check(
    _ path: inout Nexthop<Address>,
    table: UInt32,
    scope: RouteScope
  ) throws(RouteError) {
    guard let gateway = path.gateway else { return try checkDevice(&path) }
    if path.flags.contains(.onlink) {
      return try checkOnlink(&path, gateway: gateway, scope: scope)
    }
    let key = FlowKey<Address>(
      destination: gateway,
      outputIfindex: path.ifindex,
      scope: max(.link, RouteScope(rawValue: scope.rawValue &+ 1))
    )
    let invalid = "Nexthop has invalid gateway"
    var found: FIBResult<Address>?
    if table != 0, table != RouteTable.main {
      found = (try? lookup(key, inTable: table, ignoringLinkState: true)) ?? nil
    }
    if found == nil {
      do throws(FIBLookupError) {
        found = try lookup(key, ignoringLinkState: true)
      } catch {
        throw RouteError(error.errno, invalid)
      }
    }
    guard let found, found.type == .unicast || found.type == .local else {
      throw RouteError(.invalidArgument, invalid)
    }
    path.scope = found.scope
    path.ifindex = found.ifindex
    guard let facts = devices?.routeDeviceFacts(found.ifindex) else {
      throw RouteError(.invalidArgument, "No egress device for nexthop gateway")
    }
    if !facts.contains(.carrier) { path.flags.insert(.linkdown) }
    if !facts.contains(.up) { throw RouteError(.networkDown) }
  }

  private func checkDevice(_ path: inout Nexthop<Address>) throws(RouteError) {
    if !path.flags.isDisjoint(with: [.onlink, .pervasive]) {
      throw RouteError(
        .invalidArgument,
        "Invalid flags for nexthop - PERVASIVE and ONLINK can not be set"
      )
    }
    guard let facts = devices?.routeDeviceFacts(path.ifindex) else {
      throw RouteError(.noSuchDevice)
    }
    guard facts.contains(.up) else {
      throw RouteError(.networkDown, "Device for nexthop is not up")
    }
    path.scope = .host
    if !facts.contains(.carrier) { path.flags.insert(.linkdown) }
  }

  private func checkOnlink(
    _ path: inout Nexthop<Address>,
    gateway: Address,
    scope: RouteScope
  ) throws(RouteError) {
    guard scope < .link else {
      throw RouteError(.invalidArgument, "Nexthop has invalid scope")
    }
    guard let facts = devices?.routeDeviceFacts(path.ifindex) else {
      throw RouteError(.noSuchDevice, "Nexthop device required for onlink")
    }
    guard facts.contains(.up) else {
      throw RouteError(.networkDown, "Nexthop device is not up")
    }
    guard addressType(gateway) == .unicast else {
      throw RouteError(.invalidArgument, "Nexthop has invalid gateway")
    }
    if !facts.contains(.carrier) { path.flags.insert(.linkdown) }
    path.scope = .link
  }

  private func isValid(preferredSource source: Address, of route: Route<Address>) -> Bool {
    if route.type == .local, route.prefix != 0, source == route.prefix { return true }
    let table = route.table == RouteTable.main ? RouteTable.local : route.table
    if addressType(source, table: table) == .local { return true }
    return table != RouteTable.local && addressType(source) == .local
  }
}

extension RoutingTables {
  /// The nexthop objects, by number.
  public var nexthops: [NexthopObject<Address>] { nexthopObjects }

  /// The nexthop object of a number.
  public func nexthop(_ id: UInt32) -> NexthopObject<Address>? {
    nexthopObjects.first { $0.id == id }
  }

  /// Adds or replaces a nexthop object (`RTM_NEWNEXTHOP`) and gives its number.
  @discardableResult
  public func insertNexthop(
    _ new: NexthopObject<Address>,
    replaces: Bool
  ) throws(RouteError) -> UInt32 {
    var object = new
    if object.id == 0 {
      object.id = nexthopObjects.reduce(1) { $1.id == $0 ? $0 + 1 : $0 }
    }
    let old = nexthopObjects.firstIndex { $0.id == object.id }
    try checkNexthop(&object, replacing: replaces ? old.map { nexthopObjects[$0] } : nil)
    if old != nil, !replaces { throw RouteError(.fileExists) }
    if let old {
      nexthopObjects[old] = object
    } else {
      let place = nexthopObjects.firstIndex { $0.id > object.id } ?? nexthopObjects.count
      nexthopObjects.insert(object, at: place)
    }
    updateRoutes()
    return object.id
  }

  private func checkNexthop(
    _ object: inout NexthopObject<Address>,
    replacing old: NexthopObject<Address>?
  ) throws(RouteError) {
    if object.isGroup {
      for (index, member) in object.members.enumerated() {
        guard let other = nexthop(member.id) else {
          throw RouteError(.invalidArgument, "Invalid nexthop id")
        }
        if other.isGroup {
          throw RouteError(
            .invalidArgument,
            "Hash-threshold group can not be a nexthop within a group"
          )
        }
        if object.members[..<index].contains(where: { $0.id == member.id }) {
          throw RouteError(.invalidArgument, "Nexthop id can not be used twice in a group")
        }
        if other.isBlackhole, object.members.count > 1 {
          throw RouteError(
            .invalidArgument,
            "Blackhole nexthop can not be used in a group with more than 1 path"
          )
        }
      }
      if let old, !old.isGroup {
        throw RouteError(
          .invalidArgument,
          "Can not replace a nexthop with a nexthop group."
        )
      }
      return
    }
    if let old, old.isGroup {
      throw RouteError(.invalidArgument, "Can not replace a nexthop group with a nexthop.")
    }
    if object.isBlackhole { return }
    if object.isForwardingDatabase {
      object.nexthop.scope = .link
      return
    }
    if object.nexthop.ifindex != 0 {
      guard let facts = devices?.routeDeviceFacts(object.nexthop.ifindex) else {
        throw RouteError(.invalidArgument, "Invalid device index")
      }
      guard facts.contains(.up) else { throw RouteError(.networkDown, "Nexthop device is not up") }
      guard facts.contains(.carrier) else {
        throw RouteError(.networkDown, "Carrier for nexthop device is down")
      }
    }
    if object.nexthop.gateway == nil { object.nexthop.scope = .host }
    try check(&object.nexthop, table: 0, scope: .universe)
    if object.nexthop.gateway == nil { object.nexthop.scope = .host }
  }

  /// Deletes a nexthop object (`RTM_DELNEXTHOP`), and the routes that stand on it.
  public func deleteNexthop(_ id: UInt32) throws(RouteError) {
    guard nexthopObjects.contains(where: { $0.id == id }) else {
      throw RouteError(.noSuchFile)
    }
    drop([id])
  }

  private func drop(_ ids: [UInt32]) {
    var gone = ids
    for id in ids { nexthopObjects.removeAll { $0.id == id } }
    for index in nexthopObjects.indices.reversed() where nexthopObjects[index].isGroup {
      nexthopObjects[index].members.removeAll { ids.contains($0.id) }
      if nexthopObjects[index].members.isEmpty {
        gone.append(nexthopObjects[index].id)
        nexthopObjects.remove(at: index)
      }
    }
    for number in numbers {
      guard let table = table(number) else { continue }
      for index in dump(table, table: number) where gone.contains(routes[Int(index)].nexthopID) {
        unlink(index, from: table)
      }
    }
    updateRoutes()
  }

  /// Drops the objects of a device that went down, as `nexthop_flush_dev`.
  func dropNexthopObjects(on ifindex: Int32) {
    let ids = nexthopObjects.filter {
      !$0.isGroup && !$0.isBlackhole && $0.nexthop.ifindex == ifindex
    }
    .map(\.id)
    if !ids.isEmpty { drop(ids) }
  }

  /// Gives routes the next hops of their objects again.
  private func updateRoutes() {
    for number in numbers {
      guard let table = table(number) else { continue }
      for index in dump(table, table: number) where routes[Int(index)].nexthopID != 0 {
        guard let paths = paths(of: routes[Int(index)].nexthopID) else { continue }
        routes[Int(index)].nexthops = paths
        refresh(index)
      }
    }
    generation &+= 1
  }

  /// The next hops for which an object stands; nil if there is none of the number.
  private func paths(of id: UInt32) -> [Nexthop<Address>]? {
    guard let object = nexthop(id) else { return nil }
    if object.isBlackhole { return [] }
    guard object.isGroup else { return [object.nexthop] }
    var paths: [Nexthop<Address>] = []
    for member in object.members {
      guard let other = nexthop(member.id), !other.isBlackhole else { continue }
      var path = other.nexthop
      path.weight = member.weight
      paths.append(path)
    }
    return paths
  }

  /// Gives a new route the next hops of its object.
  func expandNexthopObject(of route: inout Route<Address>) throws(RouteError) {
    guard let object = nexthop(route.nexthopID), let paths = paths(of: route.nexthopID) else {
      throw RouteError(.invalidArgument, "Nexthop id does not exist")
    }
    if object.isForwardingDatabase {
      throw RouteError(.invalidArgument, "Route cannot point to a fdb nexthop")
    }
    if route.scope == .host {
      throw RouteError(
        .invalidArgument,
        "Route with host scope can not have a nexthop object"
      )
    }
    for path in paths where path.gateway != nil && route.scope >= path.scope {
      throw RouteError(
        .invalidArgument,
        "Route with this scope can not have this nexthop"
      )
    }
    route.nexthops = paths
  }
}

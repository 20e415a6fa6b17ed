extension RoutingTables {
  /// Adds, replaces or changes a route (`RTM_NEWROUTE`), with the checks of the kernel.
  ///
  /// Errors are the kernel's: `EEXIST`, `ENOENT`, "Nexthop has invalid gateway", ….
  public func insert(_ route: Route<Address>, mode: RouteInsertion) throws(RouteError) {
    guard route.type != .unspecified || route.nexthopID != 0 else {
      throw RouteError(.invalidArgument, "Invalid scope")
    }
    try checkPrefix(route.prefix, route.length)
    var route = route
    if route.table == 0 { route.table = RouteTable.main }
    let table = makeTable(route.table)
    try complete(&route)
    let first = firstAlias(of: route, in: table, priority: route.priority)
    var successor = first
    if first >= 0, aliases[Int(first)].tos == route.tos,
      aliases[Int(first)].priority == route.priority
    {
      if mode == .create || mode == .test { throw RouteError(.fileExists) }
      var twin: Int32 = -1
      var current = first
      while current >= 0, isGroup(aliases[Int(current)], of: route) {
        if isSame(routes[Int(current)], as: route) {
          twin = current
          break
        }
        current = aliases[Int(current)].next
      }
      if mode == .replace || mode == .change {
        if twin >= 0 {
          if twin == first { return }
          throw RouteError(.fileExists)
        }
        substitute(first, by: route)
        generation &+= 1
        return
      }
      if twin >= 0 { throw RouteError(.fileExists) }
      if mode == .append { successor = current }
    }
    if mode == .change || mode == .test { throw RouteError(.noSuchFile) }
    let index = store(route)
    if successor >= 0 {
      link(index, into: table, before: successor)
    } else {
      linkLast(index, into: table)
    }
    generation &+= 1
  }

  /// Tells the tables that a user, and not the kernel, added a route of type local.
  public func noteCustomLocalRoute() { hasCustomLocalRoutes = true }

  /// Deletes a route (`RTM_DELROUTE`): the first that agrees in what the template says.
  ///
  /// Type `unspecified`, scope `nowhere`, protocol `unspecified`, priority 0 and no next hops
  /// mean that these do not matter.
  ///
  /// With `namingAll` the next hops of the template are all of the route's; otherwise a single one
  /// only has to be the route's first.
  public func delete(_ template: Route<Address>, namingAll: Bool = false) throws(RouteError) {
    try checkPrefix(template.prefix, template.length)
    let number = template.table == 0 ? RouteTable.main : template.table
    guard let table = table(number) else {
      throw RouteError(.noSuchProcess, "FIB table does not exist")
    }
    var template = template
    template.table = number
    var current = firstAlias(of: template, in: table, priority: 0)
    while current >= 0 {
      let alias = aliases[Int(current)]
      guard alias.table == number, alias.tos == template.tos else { break }
      if agrees(routes[Int(current)], with: template, namingAll: namingAll) {
        unlink(current, from: table)
        return
      }
      current = alias.next
    }
    throw RouteError(.noSuchProcess)
  }

  private func checkPrefix(_ prefix: Address, _ length: Int) throws(RouteError) {
    guard length >= 0, length <= Address.bitWidth else {
      throw RouteError(.invalidArgument, "Invalid prefix length")
    }
    guard prefix & ~InterfaceAddress<Address>.mask(length) == 0 else {
      throw RouteError(.invalidArgument, "Invalid prefix for given prefix length")
    }
  }

  /// The first route of the same prefix and table that stands at or behind the wanted place.
  private func firstAlias(
    of route: Route<Address>,
    in table: FIBTable<Address>,
    priority: UInt32
  ) -> Int32 {
    var current = table.tree.head(route.prefix, route.length)
    while current >= 0 {
      let alias = aliases[Int(current)]
      let index = current
      current = alias.next
      if alias.table > route.table { continue }
      if alias.table != route.table { break }
      if alias.tos > route.tos { continue }
      if alias.priority >= priority || alias.tos < route.tos { return index }
    }
    return -1
  }

  private func isGroup(_ alias: FIBAlias<Address>, of route: Route<Address>) -> Bool {
    alias.table == route.table && alias.tos == route.tos && alias.priority == route.priority
  }

  /// Puts a route behind all of its table.
  private func linkLast(_ index: Int32, into table: FIBTable<Address>) {
    let alias = aliases[Int(index)]
    var current = table.tree.head(alias.prefix, Int(alias.length))
    while current >= 0, aliases[Int(current)].table >= alias.table {
      current = aliases[Int(current)].next
    }
    if current >= 0 {
      link(index, into: table, before: current)
    } else {
      linkAtEnd(index, into: table)
    }
  }

  private func linkAtEnd(_ index: Int32, into table: FIBTable<Address>) {
    let alias = aliases[Int(index)]
    var last = table.tree.head(alias.prefix, Int(alias.length))
    while last >= 0, aliases[Int(last)].next >= 0 { last = aliases[Int(last)].next }
    aliases[Int(index)].next = -1
    if last >= 0 {
      aliases[Int(last)].next = index
    } else {
      table.tree.setHead(index, alias.prefix, Int(alias.length))
    }
    if alias.length == 0 { table.defaultCount += 1 }
  }

  private func substitute(_ index: Int32, by route: Route<Address>) {
    let next = aliases[Int(index)].next
    routes[Int(index)] = route
    aliases[Int(index)] = FIBAlias(route)
    aliases[Int(index)].next = next
    defaultChoice[index] = nil
  }

  /// Whether two routes differ in nothing but whether their devices work.
  private func isSame(_ left: Route<Address>, as right: Route<Address>) -> Bool {
    func bare(_ route: Route<Address>) -> Route<Address> {
      var route = route
      route.flags.subtract([.dead, .linkdown])
      for index in route.nexthops.indices {
        route.nexthops[index].flags.subtract([.dead, .linkdown])
      }
      return route
    }
    return bare(left) == bare(right)
  }

  private func agrees(
    _ route: Route<Address>,
    with template: Route<Address>,
    namingAll: Bool
  ) -> Bool {
    if template.type != .unspecified, template.type != route.type { return false }
    if template.scope != .nowhere, template.scope != route.scope { return false }
    if let source = template.preferredSource, source != route.preferredSource { return false }
    if template.protocol != .unspecified, template.protocol != route.protocol { return false }
    if template.priority != 0, template.priority != route.priority { return false }
    if template.metrics != .none, template.metrics != route.metrics { return false }
    if template.nexthopID != 0 { return template.nexthopID == route.nexthopID }
    if template.nexthops.isEmpty { return true }
    if route.nexthopID != 0 { return false }
    if template.nexthops.count == 1, !namingAll {
      guard let path = route.nexthops.first else { return false }
      return isFit(path, template.nexthops[0])
    }
    return template.nexthops.count == route.nexthops.count
      && zip(route.nexthops, template.nexthops).allSatisfy { isFit($0, $1) }
  }

  private func isFit(_ path: Nexthop<Address>, _ wanted: Nexthop<Address>) -> Bool {
    (wanted.ifindex == 0 || wanted.ifindex == path.ifindex)
      && (wanted.gateway == nil || wanted.gateway == path.gateway)
  }
}

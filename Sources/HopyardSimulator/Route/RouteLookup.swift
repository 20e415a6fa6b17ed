extension RoutingTables {
  /// Finds the route of a packet or connection by the policy rules, as `fib_lookup`.
  ///
  /// The first next hop that works is chosen; ``selectPath(_:key:hash:)`` divides flows over
  /// several. `ignoringLinkState` also takes next hops without carrier.
  public func lookup(
    _ key: FlowKey<Address>,
    ignoringLinkState: Bool = false
  ) throws(FIBLookupError) -> FIBResult<Address> {
    if hasCustomRules {
      return try lookupByRules(key, ignoringLinkState: ignoringLinkState)
    }
    // As in Linux, a refusal by the main table does not keep the default table from being asked.
    var refusal = FIBLookupError.noRoute
    if let mainTable {
      let match = search(mainTable, key, ignoringLinkState: ignoringLinkState)
      if match.index >= 0 {
        guard let error = Self.refusal(aliases[Int(match.index)].type) else {
          var result = result(match)
          // The two tables are one trie, which goes by the name of `main`.
          if result.table == RouteTable.local { result.table = RouteTable.main }
          return result
        }
        if let error = error.failure { refusal = error }
      }
    }
    if let defaultTable {
      let match = search(defaultTable, key, ignoringLinkState: ignoringLinkState)
      if match.index >= 0, Self.refusal(aliases[Int(match.index)].type) == nil {
        return result(match)
      }
    }
    throw refusal
  }

  /// Finds a route in one table only; nil if it has none or a `throw` route.
  func lookup(
    _ key: FlowKey<Address>,
    inTable number: UInt32,
    ignoringLinkState: Bool = false
  ) throws(FIBLookupError) -> FIBResult<Address>? {
    guard let table = table(number) else { return nil }
    let match = search(table, key, ignoringLinkState: ignoringLinkState)
    guard match.index >= 0 else { return nil }
    if let refusal = Self.refusal(aliases[Int(match.index)].type) {
      if let error = refusal.failure { throw error }
      return nil
    }
    return result(match)
  }

  private func lookupByRules(
    _ key: FlowKey<Address>,
    ignoringLinkState: Bool
  ) throws(FIBLookupError) -> FIBResult<Address> {
    var position = 0
    while position < compiledRules.count {
      let rule = compiledRules[position]
      position += 1
      guard rule.matches(key) else { continue }
      switch rule.action {
      case .nop: continue
      case .goto:
        if rule.next >= 0 { position = Int(rule.next) }
        continue
      case .blackhole: throw .blackholeRule
      case .unreachable: throw .unreachableRule
      case .prohibit: throw .prohibitRule
      case .table:
        guard let table = table(rule.table) else { continue }
        let match = search(table, key, ignoringLinkState: ignoringLinkState)
        guard match.index >= 0 else { continue }
        let alias = aliases[Int(match.index)]
        if let refusal = Self.refusal(alias.type) {
          if let error = refusal.failure { throw error }
          continue
        }
        if Int32(alias.length) <= rule.suppressPrefixLength { continue }
        if rule.suppressGroup != -1, alias.ifindex != 0,
          devices?.routeDeviceGroup(alias.ifindex) == UInt32(truncatingIfNeeded: rule.suppressGroup)
        {
          continue
        }
        return result(match)
      }
    }
    throw .noRoute
  }

  /// Where a search ended: a route, or -1, and its next hop.
  struct Match {
    var index: Int32
    var path: Int32
  }

  /// A route that lets nothing through: with an error, or without one for `throw`.
  struct Refusal {
    var failure: FIBLookupError?
  }

  /// Finds the longest prefix in a trie that has a route fit for the key.
  @inline(__always)
  func search(
    _ table: FIBTable<Address>,
    _ key: FlowKey<Address>,
    ignoringLinkState: Bool
  ) -> Match {
    if table.tree.usesList {
      for slot in 0..<table.tree.list.count {
        let prefix = table.tree.list[slot]
        if (key.destination ^ prefix.prefix) & prefix.mask != 0 { continue }
        let match = choose(
          table.tree.nodes[Int(prefix.node)].head,
          key,
          ignoringLinkState: ignoringLinkState
        )
        if match.index >= 0 { return match }
      }
      return Match(index: -1, path: 0)
    }
    var node = table.deepest(key.destination)
    while node >= 0 {
      let head = table.tree.nodes[Int(node)].head
      if head >= 0 {
        let match = choose(head, key, ignoringLinkState: ignoringLinkState)
        if match.index >= 0 { return match }
      }
      node = table.tree.nodes[Int(node)].parent
    }
    return Match(index: -1, path: 0)
  }

  /// Chooses among the routes of one prefix.
  @inline(__always)
  private func choose(
    _ head: Int32,
    _ key: FlowKey<Address>,
    ignoringLinkState: Bool
  ) -> Match {
    var current = head
    while current >= 0 {
      let alias = aliases[Int(current)]
      let index = current
      current = alias.next
      // Linux compares the bits of the former "type of service" only.
      if alias.tos != 0, alias.tos != key.tos & 0x1c { continue }
      if alias.scope < key.scope { continue }
      if alias.type.rawValue >= RouteType.blackhole.rawValue { return Match(index: index, path: 0) }
      if alias.isDead { continue }
      if alias.pathCount == 1 {
        if alias.nexthopFlags != 0,
          !isUsable(alias.nexthopFlags, alias.ifindex, ignoringLinkState: ignoringLinkState)
        {
          continue
        }
        if key.outputIfindex != 0, key.outputIfindex != alias.ifindex { continue }
        return Match(index: index, path: 0)
      }
      for path in 0..<Int(alias.pathCount) {
        let ifindex = routes[Int(index)].nexthops[path].ifindex
        let flags = UInt8(truncatingIfNeeded: routes[Int(index)].nexthops[path].flags.rawValue)
        guard isUsable(flags, ifindex, ignoringLinkState: ignoringLinkState),
          key.outputIfindex == 0 || key.outputIfindex == ifindex
        else { continue }
        return Match(index: index, path: Int32(truncatingIfNeeded: path))
      }
    }
    return Match(index: -1, path: 0)
  }

  /// Whether packets may take a next hop.
  func isUsable(_ flags: UInt8, _ ifindex: Int32, ignoringLinkState: Bool) -> Bool {
    if flags & 1 != 0 { return false }
    if flags & 16 == 0 || ignoringLinkState { return true }
    return !ignoresLinkdown(ifindex)
  }

  func ignoresLinkdown(_ ifindex: Int32) -> Bool {
    devices?.routeDeviceFacts(ifindex)?.contains(.ignoresRoutesWithLinkdown) ?? false
  }

  /// What a route type refuses with; nil for the types that packets can take.
  @inline(__always)
  static func refusal(_ type: RouteType) -> Refusal? {
    switch type {
    case .blackhole, .unspecified: Refusal(failure: .blackholeRoute)
    case .unreachable: Refusal(failure: .unreachableRoute)
    case .prohibit: Refusal(failure: .prohibitRoute)
    case .throw: Refusal(failure: nil)
    case .unicast, .local, .broadcast, .anycast, .multicast: nil
    }
  }

  @inline(__always)
  func result(_ match: Match) -> FIBResult<Address> {
    let alias = aliases[Int(match.index)]
    var result = FIBResult<Address>(
      ifindex: alias.ifindex,
      gateway: alias.gateway,
      hasGateway: alias.hasGateway,
      type: alias.type,
      scope: alias.scope,
      nexthopScope: alias.nexthopScope,
      nexthopFlags: NexthopFlags(rawValue: UInt32(alias.nexthopFlags)),
      prefixLength: alias.length,
      table: alias.table,
      route: RouteReference(index: match.index),
      nexthopIndex: match.path,
      mtu: alias.mtu,
      isMTULocked: alias.isMTULocked
    )
    if match.path > 0 { assign(Int(match.path), to: &result) }
    return result
  }

  /// Gives a result another of its route's next hops.
  func assign(_ path: Int, to result: inout FIBResult<Address>) {
    guard path < routes[Int(result.route.index)].nexthops.count else { return }
    let nexthop = routes[Int(result.route.index)].nexthops[path]
    result.nexthopIndex = Int32(truncatingIfNeeded: path)
    result.ifindex = nexthop.ifindex
    result.gateway = nexthop.gateway ?? 0
    result.hasGateway = nexthop.gateway != nil && nexthop.scope == .link
    result.nexthopScope = nexthop.scope
    result.nexthopFlags = nexthop.flags
  }
}

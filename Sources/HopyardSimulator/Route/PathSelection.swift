extension RoutingTables {
  /// Chooses among a route's next hops, and among equal default routes, as `fib_select_path`.
  ///
  /// `hash` comes from ``multipathHash(_:)``; packets that are forwarded use it too.
  public func selectPath(
    _ result: inout FIBResult<Address>,
    key: FlowKey<Address>,
    hash: UInt32? = nil
  ) {
    if key.outputIfindex != 0 { return }
    if aliases[Int(result.route.index)].pathCount > 1 {
      selectMultipath(&result, hash: hash ?? multipathHash(key), source: key.source)
    } else if result.prefixLength == 0, result.type == .unicast,
      let table = table(result.table), table.defaultCount > 1
    {
      selectDefault(&result, key: key)
    }
  }

  /// The 31-bit number that decides which way a flow takes.
  ///
  /// Linux hashes with a random key; this hash depends on ``multipathSeed`` only.
  public func multipathHash(_ key: FlowKey<Address>) -> UInt32 {
    var state = multipathSeed ^ 0x9e37_79b9_7f4a_7c15
    func mix(_ value: UInt64) {
      state ^= value
      let product = state.multipliedFullWidth(by: 0xd6e8_feb8_6659_fd93)
      state = product.high ^ product.low
    }
    mix(UInt64(truncatingIfNeeded: key.source))
    mix(UInt64(truncatingIfNeeded: key.destination))
    if Address.bitWidth > 64 {
      mix(UInt64(truncatingIfNeeded: key.source >> 64))
      mix(UInt64(truncatingIfNeeded: key.destination >> 64))
    }
    if multipathHashPolicy == 1 {
      mix(
        UInt64(key.ipProtocol) << 32 | UInt64(key.sourcePort) << 16 | UInt64(key.destinationPort)
      )
    }
    mix(0x2545_f491_4f6c_dd1d)
    return UInt32(truncatingIfNeeded: state >> 33)
  }

  /// Divides flows by the weights of the next hops that work, as `fib_select_multipath`.
  public func selectMultipath(
    _ result: inout FIBResult<Address>,
    hash: UInt32,
    source: Address = 0
  ) {
    let paths = routes[Int(result.route.index)].nexthops
    var bounds: [Int64] = []
    var total: Int64 = 0
    for path in paths {
      let usable = isUsable(
        UInt8(truncatingIfNeeded: path.flags.rawValue),
        path.ifindex,
        ignoringLinkState: false
      )
      if usable { total += Int64(path.weight) }
      bounds.append(usable ? total : -1)
    }
    guard total > 0 else { return }
    let scope = routes[Int(result.route.index)].scope
    var bestScore = -1
    var best = Int(result.nexthopIndex)
    for (index, path) in paths.enumerated() where bounds[index] >= 0 {
      if multipathUsesNeighbours, !isGoodNeighbour(path) { continue }
      let upper = ((bounds[index] << 31) + total / 2) / total - 1
      var score = Int64(hash) <= upper ? 1 : 0
      if source != 0,
        sourceAddress(ifindex: path.ifindex, gateway: path.gateway ?? 0, scope: scope) == source
      {
        score += 2
      }
      if score > bestScore {
        bestScore = score
        best = index
        if score == 3 || (source == 0 && score == 1) { break }
      }
    }
    assign(best, to: &result)
  }

  private func isGoodNeighbour(_ path: Nexthop<Address>) -> Bool {
    guard path.scope == .link, let gateway = path.gateway else { return true }
    let state = devices?.neighbourState(gateway, on: path.ifindex) ?? 0
    return state == 0 || state & NeighbourStateBits.valid != 0
  }

  /// Turns from a default route whose router is silent to an equal one, as `fib_select_default`.
  private func selectDefault(_ result: inout FIBResult<Address>, key: FlowKey<Address>) {
    var candidate: Int32 = -1
    var first: Int32 = -1
    var order = -1
    var lastPriority = aliases[Int(result.route.index)].priority
    var lastTOS: UInt8 = 0
    var state = DeadGatewayDetection()
    guard let table = table(result.table) else { return }
    var current = table.tree.head(0, 0)
    while current >= 0 {
      let index = current
      let alias = aliases[Int(index)]
      current = alias.next
      if alias.table != result.table { continue }
      if alias.tos != 0, alias.tos != key.tos & 0x1c { continue }
      if alias.priority > lastPriority, alias.tos == lastTOS {
        if lastTOS != 0 { continue }
        break
      }
      if alias.isDead { continue }
      lastTOS = alias.tos
      lastPriority = alias.priority
      guard alias.scope == result.scope, alias.type == .unicast, alias.hasGateway else { continue }
      if candidate < 0 {
        if index != result.route.index { break }
        first = index
      } else if !isDead(candidate, order: order, first: first, &state) {
        choose(candidate, &result)
        defaultChoice[first] = order
        return
      }
      candidate = index
      order += 1
    }
    if order <= 0 || candidate < 0 {
      if first >= 0 { defaultChoice[first] = nil }
      return
    }
    if !isDead(candidate, order: order, first: first, &state) {
      choose(candidate, &result)
      defaultChoice[first] = order
      return
    }
    if state.lastIndex >= 0 { choose(state.lastResort, &result) }
    defaultChoice[first] = state.lastIndex >= 0 ? state.lastIndex : nil
  }

  private struct DeadGatewayDetection {
    var lastIndex = -1
    var lastResort: Int32 = -1
  }

  private func choose(_ index: Int32, _ result: inout FIBResult<Address>) {
    result = self.result(Match(index: index, path: 0))
  }

  private func isDead(
    _ index: Int32,
    order: Int,
    first: Int32,
    _ state: inout DeadGatewayDetection
  ) -> Bool {
    let alias = aliases[Int(index)]
    let neighbour = devices?.neighbourState(alias.gateway, on: alias.ifindex) ?? 0
    let chosen = defaultChoice[first] ?? -1
    if neighbour == NeighbourStateBits.reachable { return false }
    let isValid = neighbour & NeighbourStateBits.valid != 0
    if isValid, order != chosen { return false }
    if isValid
      || (state.lastIndex < 0 && order > chosen && neighbour != NeighbourStateBits.incomplete)
    {
      state.lastResort = index
      state.lastIndex = order
    }
    return true
  }
}

/// The bits `NUD_*` that routing looks at.
private enum NeighbourStateBits {
  static let incomplete: UInt16 = 0x01
  static let reachable: UInt16 = 0x02
  /// Permanent, no ARP, reachable, probe, stale, delay.
  static let valid: UInt16 = 0x80 | 0x40 | 0x02 | 0x10 | 0x04 | 0x08
}

import HopyardWire

/// Conditions that remember something between packets.
extension Netfilter {
  /// A token bucket filled in time: one packet costs `cost` nanoseconds.
  func meetsLimit(
    cost: Int64,
    burst: Int64,
    _ state: UnsafeMutablePointer<MatchState>
  ) -> Bool {
    let now = simulation.now.nanoseconds
    let (cap, overflow) = cost.multipliedReportingOverflow(by: burst)
    let limit = overflow ? Int64.max : cap
    if !state.pointee.isInitialized {
      state.pointee.isInitialized = true
      state.pointee.first = limit
      state.pointee.second = now
    }
    let (sum, full) = state.pointee.first.addingReportingOverflow(now - state.pointee.second)
    state.pointee.first = full ? limit : min(limit, sum)
    state.pointee.second = now
    guard state.pointee.first >= cost else { return false }
    state.pointee.first -= cost
    return true
  }

  func meets(_ wanted: RecentMatch, _ flow: FlowFacts) -> Bool {
    let table: RecentTable
    let isIPv6 = flow.family == .ipv6
    if let known = isIPv6 ? recentTables6[wanted.name] : recentTables[wanted.name] {
      table = known
    } else {
      table = RecentTable()
      table.reserve(wanted.hitCount)
      if isIPv6 { recentTables6[wanted.name] = table } else { recentTables[wanted.name] = table }
    }
    let address = (wanted.usesDestination ? flow.destination : flow.source) & wanted.mask
    let now = simulation.now
    let ttl = flow.hops
    guard let entry = table.entries[address],
      !wanted.comparesTTL || entry.ttl == ttl
    else {
      guard wanted.action == .set else { return wanted.inverted }
      table.touch(address, ttl: ttl, at: now)
      return !wanted.inverted
    }
    switch wanted.action {
    case .set:
      table.touch(address, ttl: ttl, at: now)
      return !wanted.inverted
    case .remove:
      table.entries[address] = nil
      return !wanted.inverted
    case .check, .update:
      let window = Int64.seconds(Int64(wanted.seconds))
      var hits = 0
      var isMet = false
      for stamp in entry.stamps where wanted.seconds == 0 || now - stamp <= window {
        hits += 1
        if wanted.hitCount == 0 || hits >= wanted.hitCount {
          isMet = true
          break
        }
      }
      let result = isMet != wanted.inverted
      if wanted.reaps, wanted.seconds > 0 {
        table.reap(
          before: now + -window,
          keeping: wanted.action == .update && result ? address : nil
        )
      }
      if wanted.action == .update, result { table.touch(address, ttl: ttl, at: now) }
      return result
    }
  }

  func meets(
    _ wanted: ConnectionLimitMatch,
    _ packet: borrowing Packet,
    _ context: RuleContext,
    _ state: UnsafeMutablePointer<MatchState>
  ) -> Bool {
    guard let conntrack else { return false }
    let lists = state.pointee.connections ?? ConnectionLists()
    state.pointee.connections = lists
    let address = wanted.countsDestination ? context.view.destination : context.view.source
    let length = UInt32(min(wanted.prefixLength, 32))
    let key = length == 0 ? 0 : address & UInt32.max << (32 - length)
    let reference = packet.metadata.conntrack
    var list = lists.lists[key] ?? []
    // Closed connections no longer count, nor do those that are gone.
    list.removeAll { known in
      if known.reference == reference { return false }
      guard let index = conntrack.table.index(of: known.reference) else { return true }
      let entry = conntrack.table.entry(index)
      if entry.pointee.status.contains(.dying) { return true }
      if entry.pointee.deadline <= simulation.now.nanoseconds,
        entry.pointee.status.contains(.confirmed)
      {
        return true
      }
      guard known.tuple.protocol == 6 else { return false }
      return entry.pointee.tcp.state == .timeWait || entry.pointee.tcp.state == .close
    }
    if reference != 0, !list.contains(where: { $0.reference == reference }),
      let entry = entry(of: packet)
    {
      list.append((reference, entry.pointee.original))
    }
    lists.lists[key] = list
    return (list.count > Int(wanted.limit)) != wanted.isUpTo
  }
}

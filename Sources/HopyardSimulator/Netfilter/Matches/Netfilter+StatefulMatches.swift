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

  func meets(_ wanted: HashLimitMatch, _ context: RuleContext) -> Bool {
    let table: HashLimitTable
    if let known = hashLimits[wanted.name] {
      table = known
    } else {
      table = HashLimitTable()
      hashLimits[wanted.name] = table
    }
    func mask(_ length: UInt8) -> UInt32 {
      length == 0 ? 0 : UInt32.max << (32 - UInt32(min(length, 32)))
    }
    var key = HashLimitTable.Key(source: 0, destination: 0, ports: 0)
    if wanted.keys.contains(.source) {
      key.source = context.view.source & mask(wanted.sourcePrefixLength)
    }
    if wanted.keys.contains(.destination) {
      key.destination = context.view.destination & mask(wanted.destinationPrefixLength)
    }
    if wanted.keys.contains(.sourcePort) { key.ports = UInt32(context.sourcePort) << 16 }
    if wanted.keys.contains(.destinationPort) { key.ports |= UInt32(context.destinationPort) }
    let now = simulation.now.nanoseconds
    if wanted.comparesRate { return compareRate(wanted, key, table, context, now) }
    // A packet costs its interval; a byte costs a second's share.
    let average = Int64(clamping: max(1, wanted.average))
    let unit = wanted.countsBytes ? max(1, 1_000_000_000 / average) : average &* 1000
    let (product, overflow) = unit.multipliedReportingOverflow(by: Int64(clamping: wanted.burst))
    let limit = overflow ? Int64.max : product
    var bucket: HashLimitTable.Bucket
    if let known = table.buckets[key], known.expires > now {
      bucket = known
      let (sum, full) = bucket.credit.addingReportingOverflow(now - bucket.updated)
      bucket.credit = full ? limit : min(limit, sum)
      bucket.updated = now
    } else {
      if table.buckets[key] == nil { table.add(key, now) }
      bucket = HashLimitTable.Bucket(
        credit: limit,
        updated: now,
        expires: 0,
        limit: limit,
        cost: unit
      )
    }
    bucket.expires = now &+ Int64(wanted.expiry) &* 1_000_000
    let price =
      wanted.countsBytes
      ? unit.multipliedReportingOverflow(by: Int64(context.view.totalLength)).partialValue : unit
    let isBelow = bucket.credit >= price
    if isBelow { bucket.credit -= price }
    table.buckets[key] = bucket
    return isBelow != wanted.isAbove
  }

  /// Whether the rate of the last interval, and what came since, are within the limit.
  private func compareRate(
    _ wanted: HashLimitMatch,
    _ key: HashLimitTable.Key,
    _ table: HashLimitTable,
    _ context: RuleContext,
    _ now: Int64
  ) -> Bool {
    let seconds = Int64(max(1, wanted.rateInterval))
    let average = Int64(clamping: max(1, wanted.average))
    let rate = wanted.countsBytes ? average : max(1, 1_000_000 / average)
    let burst = Int64(clamping: wanted.burst)
    var bucket: HashLimitTable.Bucket
    if let known = table.buckets[key], known.expires > now {
      bucket = known
    } else {
      if table.buckets[key] == nil { table.add(key, now) }
      let most =
        wanted.countsBytes
        ? (burst == 0 ? rate : burst.multipliedReportingOverflow(by: rate).partialValue)
        : rate &+ burst
      bucket = HashLimitTable.Bucket(credit: 0, updated: now, expires: 0, limit: most, cost: rate)
    }
    let passed = now - bucket.updated
    if passed >= seconds * 1_000_000_000 {
      let counted = Double(bucket.credit) * Double(seconds) * 1e9
      bucket.wasAbove = counted > Double(passed) * Double(rate)
      bucket.credit = 0
      bucket.updated = now
    }
    bucket.credit &+= wanted.countsBytes ? Int64(context.view.totalLength) : 1
    bucket.expires = now &+ Int64(wanted.expiry) &* 1_000_000
    table.buckets[key] = bucket
    return (!bucket.wasAbove && bucket.credit <= bucket.limit) != wanted.isAbove
  }

  func meets(_ wanted: RecentMatch, _ context: RuleContext) -> Bool {
    let table: RecentTable
    if let known = recentTables[wanted.name] {
      table = known
    } else {
      table = RecentTable()
      recentTables[wanted.name] = table
    }
    let address =
      (wanted.usesDestination ? context.view.destination : context.view.source)
      & UInt32(truncatingIfNeeded: wanted.mask)
    let now = simulation.now
    // As it was when the packet arrived: forwarding has lowered it already.
    let ttl = context.view.timeToLive &+ (context.hook == .forward ? 1 : 0)
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
      if wanted.reaps, wanted.seconds > 0 { table.reap(before: now + -window) }
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

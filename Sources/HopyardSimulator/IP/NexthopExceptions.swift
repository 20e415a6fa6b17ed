/// What was learned of single destinations against what the routes say: a path's MTU and a
/// redirect's gateway (`fib_nh_exception`).
///
/// An exception belongs to the next hop by which the destination was reached when it was learned.
struct NexthopExceptions {
  /// The next hop that a lookup gave.
  struct NextHop: Hashable {
    var ifindex: Int32
    /// The router; 0 for none.
    var gateway: UInt32
    /// The MTU of its route, as far as that says one; routes with others have next hops of their
    /// own.
    var routeMTU: UInt32

    init(ifindex: Int32, gateway: UInt32, routeMTU: UInt32) {
      self.ifindex = ifindex
      self.gateway = gateway
      self.routeMTU = routeMTU
    }

    init(_ route: ResolvedRoute<UInt32>) {
      self.init(
        ifindex: route.ifindex,
        gateway: route.hasGateway ? route.gateway : 0,
        routeMTU: route.result?.mtu ?? 0
      )
    }

    init(_ result: FIBResult<UInt32>) {
      self.init(
        ifindex: result.ifindex,
        gateway: result.hasGateway ? result.gateway : 0,
        routeMTU: result.mtu
      )
    }
  }

  struct Exception {
    var nextHop: NextHop
    var mtu = 0
    var isMTULocked = false
    var gateway: UInt32 = 0
    /// When it ends; zero if never.
    var expires = Instant.zero
    /// Since when a route uses it; nil while none has asked for it (`fnhe_rth_output`).
    var bound: Instant?
    /// How often everything had been flushed when it was learned.
    fileprivate var generation: UInt32
  }

  private var entries: [UInt32: [Exception]] = [:]
  private var generation: UInt32 = 0

  /// Whether nothing was learned.
  @inline(__always) var isEmpty: Bool { entries.isEmpty }

  private func place(_ destination: UInt32, _ nextHop: NextHop) -> Int? {
    entries[destination]?.firstIndex { $0.nextHop == nextHop }
  }

  /// What was learned of a destination and has not expired.
  func find(_ destination: UInt32, by nextHop: NextHop, now: Instant) -> Exception? {
    guard let found = entries[destination]?.first(where: { $0.nextHop == nextHop }),
      found.generation == generation, found.expires > now
    else { return nil }
    return found
  }

  /// The same for a route that will keep it: it is listed from now on, and one that was flushed
  /// stays as an empty one (`rt_bind_exception`).
  mutating func bind(_ destination: UInt32, by nextHop: NextHop, now: Instant) -> Exception? {
    guard let place = place(destination, nextHop), var found = entries[destination]?[place] else {
      return nil
    }
    if found.generation != generation {
      found = Exception(nextHop: nextHop, generation: generation)
    } else if found.expires != .zero, found.expires <= now {
      entries[destination]?.remove(at: place)
      if entries[destination]?.isEmpty == true { entries[destination] = nil }
      return nil
    }
    found.bound = found.bound ?? now
    entries[destination]?[place] = found
    return found.expires > now ? found : nil
  }

  func mtu(of destination: UInt32, by nextHop: NextHop, now: Instant) -> Int? {
    guard !entries.isEmpty, let found = find(destination, by: nextHop, now: now), found.mtu > 0
    else { return nil }
    return found.mtu
  }

  /// What is listed: exceptions that a route uses, by destination.
  func listed(now: Instant) -> [(destination: UInt32, exception: Exception)] {
    entries.sorted { $0.key < $1.key }.flatMap { destination, found in
      found.filter {
        $0.bound != nil && $0.generation == generation && ($0.expires == .zero || $0.expires > now)
      }
      .map { (destination, $0) }
    }
  }

  private mutating func update(
    _ destination: UInt32,
    by nextHop: NextHop,
    _ change: (inout Exception) -> Void
  ) {
    var found =
      place(destination, nextHop).flatMap { entries[destination]?.remove(at: $0) }
      ?? Exception(nextHop: nextHop, generation: generation)
    if found.generation != generation {
      found = Exception(nextHop: nextHop, generation: generation)
    }
    change(&found)
    entries[destination, default: []].append(found)
  }

  mutating func setMTU(
    _ mtu: Int,
    isLocked: Bool,
    for destination: UInt32,
    by nextHop: NextHop,
    until: Instant
  ) {
    update(destination, by: nextHop) {
      $0.mtu = mtu
      $0.isMTULocked = isLocked
      $0.expires = until
    }
  }

  mutating func setGateway(
    _ gateway: UInt32,
    for destination: UInt32,
    by nextHop: NextHop,
    until: Instant
  ) {
    update(destination, by: nextHop) {
      $0.gateway = gateway
      $0.expires = until
    }
  }

  /// Makes everything void, as `ip route flush cache` does; routes that ask again keep an empty
  /// exception.
  mutating func flush() { generation &+= 1 }

  /// Keeps what belongs to next hops that are still there.
  mutating func keep(_ nextHops: Set<NextHop>) {
    for destination in entries.keys.sorted() {
      entries[destination]?.removeAll { !nextHops.contains($0.nextHop) }
      if entries[destination]?.isEmpty == true { entries[destination] = nil }
    }
  }

  /// Lets a device's new MTU count for what was learned of paths by it (`nh_update_mtu`).
  mutating func changeMTU(of ifindex: Int32, to new: Int) {
    for destination in entries.keys.sorted() {
      for place in (entries[destination] ?? []).indices {
        guard var found = entries[destination]?[place], found.nextHop.ifindex == ifindex,
          found.mtu > 0
        else { continue }
        if found.isMTULocked {
          if new <= found.mtu {
            found.mtu = new
            found.isMTULocked = false
          }
        } else if new < found.mtu {
          found.mtu = new
        }
        entries[destination]?[place] = found
      }
    }
  }

  /// Forgets everything.
  mutating func removeAll() { entries.removeAll() }
}

/// What happens to a device that changes its routes.
public enum RouteDeviceEvent: Hashable, Sendable {
  /// It was set down.
  case down
  /// It is being deleted or leaves the namespace.
  case unregister
  /// Its carrier is gone.
  case carrierLost
}

extension RoutingTables {
  /// A device was set up: its addresses' routes come, and routes through it live again.
  ///
  /// As the kernel on `NETDEV_UP`; `addresses` in the order of the device's list.
  public func deviceUp(_ ifindex: Int32, addresses: [InterfaceAddress<Address>]) {
    for address in addresses { addRoutes(for: address, on: ifindex, among: addresses) }
    revive(ifindex, clearing: .dead)
    generation &+= 1
  }

  /// A device was set down: all routes through it vanish but those of its own addresses.
  public func deviceDown(_ ifindex: Int32) {
    if markDown(ifindex, .down, force: false) { flushDead() }
    dropNexthopObjects(on: ifindex)
    generation &+= 1
  }

  /// A device is deleted or leaves the namespace: nothing of it stays.
  ///
  /// Before this its addresses are taken away (`removeAddress`).
  public func deviceUnregistered(_ ifindex: Int32) {
    if markDown(ifindex, .unregister, force: true) { flushDead() }
    dropNexthopObjects(on: ifindex)
    devicesRenamed()
    generation &+= 1
  }

  /// A device lost its last address, so that IPv4 ends on it.
  public func deviceWithoutAddress(_ ifindex: Int32) {
    if markDown(ifindex, .down, force: true) { flushDead() }
    generation &+= 1
  }

  /// The carrier of a device that is up came or went.
  public func carrierChanged(_ ifindex: Int32, hasCarrier: Bool) {
    if hasCarrier {
      revive(ifindex, clearing: .linkdown)
    } else {
      _ = markDown(ifindex, .carrierLost, force: false)
      dropNexthopObjects(on: ifindex)
    }
    generation &+= 1
  }

  /// Indices of the routes in use, in the order in which they were made.
  private var usedRoutes: [Int32] {
    var isFree = [Bool](repeating: false, count: routes.count)
    for index in freeRoutes { isFree[Int(index)] = true }
    return (0..<Int32(routes.count)).filter { !isFree[Int($0)] }
  }

  /// Marks the next hops of a device, as `fib_sync_down_dev`; tells whether routes died.
  private func markDown(_ ifindex: Int32, _ event: RouteDeviceEvent, force: Bool) -> Bool {
    var someDied = false
    for index in usedRoutes {
      guard routes[Int(index)].nexthopID == 0,
        routes[Int(index)].nexthops.contains(where: { $0.ifindex == ifindex })
      else { continue }
      var dead = 0
      for path in routes[Int(index)].nexthops.indices {
        let nexthop = routes[Int(index)].nexthops[path]
        if nexthop.flags.contains(.dead) {
          dead += 1
        } else if nexthop.ifindex == ifindex, force || nexthop.scope != .nowhere {
          if event != .carrierLost { routes[Int(index)].nexthops[path].flags.insert(.dead) }
          routes[Int(index)].nexthops[path].flags.insert(.linkdown)
          dead += 1
        }
        if event == .unregister, nexthop.ifindex == ifindex {
          dead = routes[Int(index)].nexthops.count
          break
        }
      }
      if dead == routes[Int(index)].nexthops.count {
        if event != .carrierLost { routes[Int(index)].flags.insert(.dead) }
        routes[Int(index)].flags.insert(.linkdown)
        someDied = true
      }
      refresh(index)
    }
    return someDied
  }

  /// Takes a mark from the next hops of a device that works again, as `fib_sync_up`.
  func revive(_ ifindex: Int32, clearing requested: NexthopFlags) {
    guard let facts = devices?.routeDeviceFacts(ifindex), facts.contains(.up) else { return }
    var cleared = requested
    if cleared.contains(.dead), facts.contains(.carrier) { cleared.insert(.linkdown) }
    for index in usedRoutes where routes[Int(index)].nexthopID == 0 {
      guard routes[Int(index)].nexthops.contains(where: { $0.ifindex == ifindex }) else {
        continue
      }
      var alive = 0
      for path in routes[Int(index)].nexthops.indices {
        let nexthop = routes[Int(index)].nexthops[path]
        if nexthop.flags.isDisjoint(with: cleared) {
          alive += 1
        } else if nexthop.ifindex == ifindex {
          alive += 1
          routes[Int(index)].nexthops[path].flags.subtract(cleared)
        }
      }
      if alive > 0 { routes[Int(index)].flags.subtract(cleared) }
      refresh(index)
    }
  }

  /// Marks the routes that prefer an address that is gone, as `fib_sync_down_addr`.
  func markDown(preferredSource address: Address) -> Bool {
    var someDied = false
    for index in usedRoutes
    where routes[Int(index)].preferredSource == address
      && routes[Int(index)].table == RouteTable.main
    {
      routes[Int(index)].flags.insert(.dead)
      refresh(index)
      someDied = true
    }
    return someDied
  }

  /// Deletes the routes that are dead, of all tables.
  func flushDead() {
    for index in usedRoutes
    where routes[Int(index)].flags.contains(.dead) && Self.refusal(routes[Int(index)].type) == nil {
      if let table = table(routes[Int(index)].table) { unlink(index, from: table) }
    }
  }

  /// The flags of a next hop as they are shown: without carrier it is as good as dead where
  /// such routes are ignored.
  public func shownFlags(_ path: Nexthop<Address>) -> NexthopFlags {
    var flags = path.flags
    if flags.contains(.linkdown), ignoresLinkdown(path.ifindex) { flags.insert(.dead) }
    return flags
  }
}

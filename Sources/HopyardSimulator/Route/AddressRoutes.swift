/// What a change of a device's addresses did, in order.
public enum InterfaceAddressChange<Address: RoutableAddress>: Hashable, Sendable {
  /// The address was added, or became the first of its subnet.
  case added(InterfaceAddress<Address>)
  /// The address was taken away.
  case removed(InterfaceAddress<Address>)
}

extension RoutingTables {
  /// Puts an address into a device's list and adds its routes, as `inet_insert_ifa`.
  ///
  /// Another address of the same subnet makes it secondary.
  public func insertAddress(
    _ new: InterfaceAddress<Address>,
    into list: inout [InterfaceAddress<Address>],
    on ifindex: Int32
  ) throws(RouteError) {
    var address = new
    address.flags.remove(.secondary)
    var place = 0
    for (index, other) in list.enumerated() {
      if !other.isSecondary, address.scope <= other.scope { place = index + 1 }
      guard other.prefixLength == address.prefixLength, other.subnetContains(address.peer) else {
        continue
      }
      if other.local == address.local { throw RouteError(.fileExists) }
      if other.scope != address.scope {
        throw RouteError(.invalidArgument, "ipv4: Invalid scope value")
      }
      address.flags.insert(.secondary)
    }
    if address.isSecondary { place = list.count }
    list.insert(address, at: place)
    addRoutes(for: address, on: ifindex, among: list)
    revive(ifindex, clearing: .dead)
    generation &+= 1
  }

  /// Takes an address out of a device's list and deletes its routes, as `inet_del_ifa`.
  ///
  /// With the first address of a subnet go all others, or the next takes its place if
  /// `promote_secondaries` says so. Gives the changes in the order in which the kernel tells
  /// them.
  @discardableResult
  public func removeAddress(
    at position: Int,
    from list: inout [InterfaceAddress<Address>],
    on ifindex: Int32,
    promotesSecondaries: Bool
  ) -> [InterfaceAddressChange<Address>] {
    guard list.indices.contains(position) else { return [] }
    let address = list[position]
    var changes: [InterfaceAddressChange<Address>] = []
    var promoted: InterfaceAddress<Address>?
    if !address.isSecondary {
      var index = position + 1
      while index < list.count {
        let other = list[index]
        guard other.isSecondary, isSameSubnet(other, address) else {
          index += 1
          continue
        }
        if promotesSecondaries {
          promoted = other
          break
        }
        list.remove(at: index)
        changes.append(.removed(other))
        deleteRoutes(for: other, on: ifindex, among: list)
        finishRemoval(list, on: ifindex)
      }
    }
    if let promoted, let start = list.firstIndex(of: promoted) {
      for other in list[start...] where isSameSubnet(other, address) {
        deleteRoutes(for: other, on: ifindex, among: list, oldPrimary: address)
      }
    }
    list.remove(at: position)
    changes.append(.removed(address))
    deleteRoutes(for: address, on: ifindex, among: list)
    finishRemoval(list, on: ifindex)
    if let promoted {
      changes.append(.added(promote(promoted, in: &list, after: position, on: ifindex)))
      for other in list where other.isSecondary && isSameSubnet(other, address) {
        addRoutes(for: other, on: ifindex, among: list)
      }
    }
    generation &+= 1
    return changes
  }

  private func promote(
    _ address: InterfaceAddress<Address>,
    in list: inout [InterfaceAddress<Address>],
    after position: Int,
    on ifindex: Int32
  ) -> InterfaceAddress<Address> {
    var address = address
    if let index = list.firstIndex(of: address) {
      list.remove(at: index)
      address.flags.remove(.secondary)
      // Behind the last primary address of a scope that is not wider.
      var place = min(position, list.count)
      for (other, candidate) in list.enumerated()
      where other >= position && !candidate.isSecondary && address.scope <= candidate.scope {
        place = other + 1
      }
      list.insert(address, at: min(place, list.count))
    }
    addRoutes(for: address, on: ifindex, among: list)
    revive(ifindex, clearing: .dead)
    return address
  }

  private func finishRemoval(_ list: [InterfaceAddress<Address>], on ifindex: Int32) {
    if list.isEmpty { deviceWithoutAddress(ifindex) }
  }

  private func isSameSubnet(
    _ left: InterfaceAddress<Address>,
    _ right: InterfaceAddress<Address>
  ) -> Bool {
    left.prefixLength == right.prefixLength && right.subnetContains(left.peer)
  }

  private func primary(
    of network: Address,
    length: Int,
    among list: [InterfaceAddress<Address>]
  ) -> InterfaceAddress<Address>? {
    list.first { !$0.isSecondary && $0.prefixLength == length && $0.subnetContains(network) }
  }

  /// Adds the routes of an address, as `fib_add_ifaddr`: the address itself, its broadcast
  /// addresses and its subnet.
  public func addRoutes(
    for address: InterfaceAddress<Address>,
    on ifindex: Int32,
    among list: [InterfaceAddress<Address>]
  ) {
    let facts = devices?.routeDeviceFacts(ifindex) ?? []
    var source = address.local
    let network = address.network
    if address.isSecondary {
      guard let first = primary(of: network, length: address.prefixLength, among: list) else {
        return
      }
      source = first.local
    }
    let width = Address.bitWidth
    change(.add, .local, address.local, width, source: source, on: ifindex)
    guard facts.contains(.up) else { return }
    if let broadcast = address.broadcast, broadcast != 0, !Self.isLimitedBroadcast(broadcast) {
      change(.add, .broadcast, broadcast, width, source: source, on: ifindex)
    }
    guard !Self.isZeroNetwork(network), !address.isSecondary,
      network != address.local || address.prefixLength < width
    else { return }
    if !address.flags.contains(.noPrefixRoute) {
      change(
        .add,
        facts.contains(.loopback) ? .local : .unicast,
        network,
        address.prefixLength,
        source: source,
        on: ifindex,
        metric: address.metric
      )
    }
    if width == 32, address.prefixLength < 31 {
      change(.add, .broadcast, network | ~address.mask, width, source: source, on: ifindex)
    }
  }

  /// Deletes the routes of an address, as `fib_del_ifaddr`; `list` is what the device has left.
  ///
  /// While another address takes the place of the subnet's first, `oldPrimary` is the latter and
  /// the address is still in the list.
  func deleteRoutes(
    for address: InterfaceAddress<Address>,
    on ifindex: Int32,
    among list: [InterfaceAddress<Address>],
    oldPrimary: InterfaceAddress<Address>? = nil
  ) {
    let facts = devices?.routeDeviceFacts(ifindex) ?? []
    let width = Address.bitWidth
    let low = address.network
    let high = address.peer | ~address.mask
    var first = address
    var isSubnet = false
    if address.isSecondary {
      // A primary that is just being replaced still counts.
      guard let found = primary(of: low, length: address.prefixLength, among: list) else { return }
      first = found
    } else if !Self.isZeroNetwork(low), low != address.local || address.prefixLength < width {
      if !address.flags.contains(.noPrefixRoute) {
        change(
          .delete,
          facts.contains(.loopback) ? .local : .unicast,
          low,
          address.prefixLength,
          source: first.local,
          on: ifindex,
          metric: address.metric
        )
      }
      isSubnet = true
    }
    let gone = !list.contains(address)
    let needs = needs(
      of: address,
      first: first,
      low: low,
      high: high,
      among: list,
      oldPrimary: oldPrimary
    )
    if !needs.contains(.broadcast), let broadcast = address.broadcast, broadcast != 0 {
      change(.delete, .broadcast, broadcast, width, source: first.local, on: ifindex)
    }
    if isSubnet, width == 32, address.prefixLength < 31 {
      if !needs.contains(.highBroadcast) {
        change(.delete, .broadcast, high, width, source: first.local, on: ifindex)
      }
      if !needs.contains(.lowBroadcast) {
        change(.delete, .broadcast, low, width, source: first.local, on: ifindex)
      }
    }
    if !needs.contains(.local) {
      change(.delete, .local, address.local, width, source: first.local, on: ifindex)
      if gone, addressType(address.local) != .local,
        markDown(preferredSource: address.local)
      {
        flushDead()
      }
    }
  }

  private func needs(
    of address: InterfaceAddress<Address>,
    first: InterfaceAddress<Address>,
    low: Address,
    high: Address,
    among list: [InterfaceAddress<Address>],
    oldPrimary: InterfaceAddress<Address>?
  ) -> RemainingNeeds {
    var needs: RemainingNeeds = []
    var sharesSource = false
    var second: InterfaceAddress<Address>?
    for other in list where other != address {
      if let oldPrimary, isSameSubnet(other, oldPrimary) { continue }
      if other.isSecondary {
        if isSameSubnet(other, first) {
          second = first
        } else {
          guard sharesSource else { continue }
          if second.map({ !isSameSubnet(other, $0) }) ?? true {
            second = primary(of: other.peer, length: other.prefixLength, among: list)
          }
          guard let second, second.local == first.local else { continue }
        }
      } else {
        guard first.local == other.local else { continue }
        second = other
        if first != other { sharesSource = true }
      }
      if address.local == other.local { needs.insert(.local) }
      if address.broadcast == other.broadcast { needs.insert(.broadcast) }
      if other.broadcast == high { needs.insert(.highBroadcast) }
      if other.broadcast == low { needs.insert(.lowBroadcast) }
      if second == other, other.prefixLength < 31, !Self.isZeroNetwork(other.network) {
        let ends = [other.network, other.peer | ~other.mask]
        if let broadcast = address.broadcast, ends.contains(broadcast) {
          needs.insert(.broadcast)
        }
        if ends.contains(high) { needs.insert(.highBroadcast) }
        if ends.contains(low) { needs.insert(.lowBroadcast) }
      }
    }
    return needs
  }

  private enum KernelChange {
    case add
    case delete
  }

  /// Adds or deletes a route of the kernel's own, as `fib_magic`.
  private func change(
    _ change: KernelChange,
    _ type: RouteType,
    _ prefix: Address,
    _ length: Int,
    source: Address,
    on ifindex: Int32,
    metric: UInt32 = 0
  ) {
    let route = Route<Address>(
      prefix: prefix,
      length: length,
      type: type,
      scope: type == .local ? .host : .link,
      protocol: .kernel,
      table: type == .unicast ? RouteTable.main : RouteTable.local,
      priority: metric,
      preferredSource: source,
      nexthops: [Nexthop(ifindex: ifindex)]
    )
    // Errors mean that the route is there already, or gone; the kernel ignores them too.
    switch change {
    case .add: try? insert(route, mode: .append)
    case .delete: try? delete(route)
    }
  }
}

/// What other addresses still need of the routes of one that goes.
private struct RemainingNeeds: OptionSet {
  let rawValue: Int
  static let local = RemainingNeeds(rawValue: 1)
  static let broadcast = RemainingNeeds(rawValue: 2)
  static let lowBroadcast = RemainingNeeds(rawValue: 4)
  static let highBroadcast = RemainingNeeds(rawValue: 8)
}

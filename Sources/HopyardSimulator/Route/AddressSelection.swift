extension RoutingTables {
  /// The source address that a route gives to packets without one, as `fib_result_prefsrc`.
  ///
  /// 0 if the namespace has no fit address.
  public func preferredSource(_ result: FIBResult<Address>) -> Address {
    let route = routes[Int(result.route.index)]
    if let source = route.preferredSource { return source }
    let path = Int(result.nexthopIndex)
    let gateway = path < route.nexthops.count ? route.nexthops[path].gateway ?? 0 : 0
    return sourceAddress(ifindex: result.ifindex, gateway: gateway, scope: route.scope)
  }

  /// The address of a device that suits a destination and a scope, as `inet_select_addr`.
  ///
  /// If the device has none, that of another device; 0 if there is none at all.
  public func sourceAddress(
    ifindex: Int32,
    gateway: Address = 0,
    scope: RouteScope
  ) -> Address {
    guard let devices else { return 0 }
    var chosen: Address = 0
    let facts = devices.routeDeviceFacts(ifindex) ?? []
    let localnetScope: RouteScope =
      facts.contains(.routesLocalnet) && !facts.contains(.loopback) ? .link : .host
    for address in devices.interfaceAddresses(ifindex) {
      if address.isSecondary || min(address.scope, localnetScope) > scope { continue }
      if gateway == 0 || address.subnetContains(gateway) { return address.local }
      if chosen == 0 { chosen = address.local }
    }
    if chosen != 0 { return chosen }
    for other in devices.routeDeviceIndices {
      for address in devices.interfaceAddresses(other)
      where !address.isSecondary && address.scope != .link && address.scope <= scope {
        return address.local
      }
    }
    return 0
  }

  /// What an address is to this namespace by the local table, as `inet_addr_type`.
  ///
  /// With a device, an address of another device is unicast (`inet_dev_addr_type`).
  public func addressType(
    _ address: Address,
    on ifindex: Int32? = nil,
    table: UInt32 = RouteTable.local
  ) -> RouteType {
    if Self.isZeroNetwork(address) || Self.isLimitedBroadcast(address) { return .broadcast }
    if Self.isMulticast(address) { return .multicast }
    guard hasTable(table) else { return .broadcast }
    var result: FIBResult<Address>?
    do throws(FIBLookupError) {
      result = try lookup(FlowKey(destination: address), inTable: table)
    } catch {
      return .unicast
    }
    guard let result else { return .unicast }
    if let ifindex, ifindex != 0, result.ifindex != ifindex { return .unicast }
    return result.type
  }

  /// Whether packets may come from an address of this namespace.
  func isLocalSource(_ address: Address) -> Bool {
    devices?.hasInterfaceAddress(address) ?? false || deviceHaving(local: address) != nil
  }

  /// The device that has this address, as `__ip_dev_find`; of several the one that got it last.
  public func deviceHaving(local address: Address) -> Int32? {
    guard let devices else { return nil }
    var found: (ifindex: Int32, created: Int64)?
    if devices.hasInterfaceAddress(address) {
      for ifindex in devices.routeDeviceIndices {
        for candidate in devices.interfaceAddresses(ifindex) where candidate.local == address {
          if let found, found.created > candidate.created { continue }
          found = (ifindex, candidate.created)
        }
      }
    }
    if let found { return found.ifindex }
    // Addresses in a subnet that is local as a whole, as 127.0.0.2 is.
    let result = try? lookup(FlowKey(destination: address), inTable: RouteTable.local)
    guard let result, result.type == .local else { return nil }
    return result.ifindex
  }

  /// Whether an address is 0.0.0.0/8, or `::`.
  @inline(__always)
  static func isZeroNetwork(_ address: Address) -> Bool {
    Address.bitWidth == 32 ? address >> 24 == 0 : address == 0
  }

  /// Whether an address is 255.255.255.255; IPv6 has none.
  @inline(__always)
  static func isLimitedBroadcast(_ address: Address) -> Bool {
    Address.bitWidth == 32 && address == Address.max
  }

  /// Whether an address is that of a group.
  @inline(__always)
  static func isMulticast(_ address: Address) -> Bool {
    Address.bitWidth == 32
      ? address >> 28 == 0xe : address >> (Address(Address.bitWidth) - 8) == 0xff
  }

  /// Whether an address is in 127.0.0.0/8, or `::1`.
  @inline(__always)
  static func isLoopback(_ address: Address) -> Bool {
    Address.bitWidth == 32 ? address >> 24 == 127 : address == 1
  }

  /// Whether an address is in 224.0.0.0/24, which no router forwards.
  @inline(__always)
  static func isLocalMulticast(_ address: Address) -> Bool {
    Address.bitWidth == 32 && address >> 8 == 0xe00000
  }
}

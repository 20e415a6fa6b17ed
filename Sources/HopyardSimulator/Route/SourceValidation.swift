/// Why a packet's source address is refused.
public enum SourceRefusal: Error, Hashable, Sendable {
  /// It cannot be a source, or it is one of our own.
  case martian
  /// It would not be reached by the device by which it came (`rp_filter`).
  case reversePath
}

extension RoutingTables {
  /// Checks the source of a received packet, as `fib_validate_source`.
  ///
  /// `key` is the packet's own (its mark, ports and type of service); `outputIfindex` is where
  /// it would go, 0 for up. Tells whether the source is a direct neighbour, which is what
  /// redirects depend on.
  public func validateSource(
    _ key: FlowKey<Address>,
    on ifindex: Int32,
    outputIfindex: Int32 = 0,
    destination: Address? = nil
  ) throws(SourceRefusal) -> Bool {
    let facts = devices?.routeDeviceFacts(ifindex) ?? []
    let strict = facts.contains(.strictReversePath)
    let filters = strict || facts.contains(.looseReversePath)
    if !filters, ifindex != outputIfindex || !facts.contains(.sendsRedirects) {
      if facts.contains(.acceptsLocal) { return false }
      if !hasCustomLocalRoutes, !hasCustomRules {
        if isInterfaceAddress(key.source) { throw .martian }
        return false
      }
    }
    return try validateFully(
      key,
      on: ifindex,
      outputIfindex: outputIfindex,
      destination: destination ?? key.destination,
      facts: facts,
      strict: strict,
      filters: filters
    )
  }

  private func isInterfaceAddress(_ address: Address) -> Bool {
    guard let devices else { return false }
    return devices.hasInterfaceAddress(address)
  }

  private func validateFully(
    _ key: FlowKey<Address>,
    on ifindex: Int32,
    outputIfindex: Int32,
    destination: Address,
    facts: RouteDeviceFacts,
    strict: Bool,
    filters: Bool
  ) throws(SourceRefusal) -> Bool {
    var reverse = FlowKey<Address>(
      destination: key.source,
      source: destination,
      inputIfindex: outputIfindex,
      tos: key.tos
    )
    if facts.contains(.validatesWithMark) { reverse.mark = key.mark }
    if rulesNeedPorts {
      reverse.ipProtocol = key.ipProtocol
      reverse.sourcePort = key.destinationPort
      reverse.destinationPort = key.sourcePort
    }
    guard let result = try? lookup(reverse) else {
      if filters { throw .reversePath }
      return false
    }
    if result.type != .unicast, result.type != .local || !facts.contains(.acceptsLocal) {
      throw .martian
    }
    let isLoopback = facts.contains(.loopback)
    if routes[Int(result.route.index)].nexthops.contains(where: { $0.ifindex == ifindex })
      || (result.type == .local && isLoopback)
    {
      return result.nexthopScope >= .host
    }
    if devices?.interfaceAddresses(ifindex).isEmpty ?? true {
      if filters { throw .reversePath }
      return false
    }
    if strict { throw .reversePath }
    reverse.outputIfindex = ifindex
    guard let other = try? lookup(reverse, ignoringLinkState: true), other.type == .unicast else {
      return false
    }
    return other.nexthopScope >= .host
  }
}

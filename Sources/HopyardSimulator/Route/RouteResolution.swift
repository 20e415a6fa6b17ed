/// The way of one packet: what Linux keeps in a `rtable`.
public struct ResolvedRoute<Address: RoutableAddress>: Sendable {
  /// What is done: unicast, local, broadcast or multicast.
  public var type: RouteType
  /// The device by which it leaves; `lo` for what is delivered here.
  public var ifindex: Int32
  /// The device that has the local address, or that was asked for.
  public var originIfindex: Int32
  /// The source address, chosen if the key had none; 0 if there is no fit one.
  public var source: Address
  /// The destination, which is this host's if the key had none.
  public var destination: Address
  /// The next router; 0 where ``hasGateway`` is false.
  public var gateway: Address
  /// Whether the packet goes to a router.
  public var hasGateway: Bool
  /// Whether it is delivered here.
  public var isLocal: Bool
  /// Whether the sender is to be told of a better router.
  public var redirects = false
  /// The table in which the route was found; `main` where none was needed.
  public var table = RouteTable.main
  /// The route that the tables gave, even where its next hop and metrics do not count.
  public var match: FIBResult<Address>?
  /// The route behind it; nil for what needs none.
  public var result: FIBResult<Address>?

  /// The address to which a frame goes.
  public var neighbour: Address { hasGateway ? gateway : destination }
}

/// Why a received packet goes nowhere.
public enum InputRefusal: Error, Hashable, Sendable {
  /// Its source cannot be right.
  case martianSource
  /// Its source would not be reached by the device by which it came.
  case reversePath
  /// Its destination cannot be right.
  case martianDestination
  /// It is not for us, and we do not forward.
  case forwardingDisabled
  /// There is no way on.
  case unreachable(FIBLookupError)
}

extension RoutingTables {
  /// The way of a packet that is made here, as `ip_route_output_key`.
  ///
  /// The key's source is 0 if it is to be chosen; its output device is the one asked for.
  public func routeOutput(
    _ request: FlowKey<Address>,
    acceptsAnySource: Bool = false
  ) throws(RouteError) -> ResolvedRoute<Address> {
    var key = request
    var origin = key.outputIfindex
    if key.source != 0 {
      if Self.isMulticast(key.source) || Self.isLimitedBroadcast(key.source)
        || Self.isZeroNetwork(key.source)
      {
        throw RouteError(.invalidArgument)
      }
      if key.outputIfindex == 0,
        Self.isMulticast(key.destination) || Self.isLimitedBroadcast(key.destination)
      {
        guard let device = deviceHaving(local: key.source) else {
          throw RouteError(.networkUnreachable)
        }
        key.outputIfindex = device
        return try makeOutput(key, origin: origin, ifindex: device, type: .unicast, result: nil)
      }
      if !acceptsAnySource, devices?.hasInterfaceAddress(key.source) != true,
        deviceHaving(local: key.source) == nil
      {
        throw RouteError(.networkUnreachable)
      }
    }
    if key.outputIfindex != 0, let early = try routeByDevice(&key, origin: origin) {
      return early
    }
    if key.destination == 0 {
      key.destination = key.source
      if key.destination == 0 {
        key.destination = Address.bitWidth == 32 ? 0x7f00_0001 : 1
        key.source = key.destination
      }
      return try makeOutput(key, origin: origin, ifindex: 1, type: .local, result: nil)
    }
    var result: FIBResult<Address>
    do throws(FIBLookupError) {
      result = try lookup(key)
    } catch {
      guard key.outputIfindex != 0 else { throw RouteError(error.errno) }
      // The tables seem to be wrong: take it that the destination is on the link.
      if key.source == 0 { key.source = sourceAddress(ifindex: key.outputIfindex, scope: .link) }
      return try makeOutput(
        key,
        origin: origin,
        ifindex: key.outputIfindex,
        type: .unicast,
        result: nil
      )
    }
    if result.type == .local {
      if key.source == 0 {
        key.source = routes[Int(result.route.index)].preferredSource ?? key.destination
      }
      origin = result.ifindex
      return try makeOutput(key, origin: origin, ifindex: 1, type: .local, result: result)
    }
    selectPath(&result, key: key)
    if key.source == 0 { key.source = preferredSource(result) }
    return try makeOutput(
      key,
      origin: origin,
      ifindex: result.ifindex,
      type: result.type,
      result: result
    )
  }

  /// The ways that follow from the device that was asked for.
  private func routeByDevice(
    _ key: inout FlowKey<Address>,
    origin: Int32
  ) throws(RouteError) -> ResolvedRoute<Address>? {
    let ifindex = key.outputIfindex
    guard let facts = devices?.routeDeviceFacts(ifindex) else { throw RouteError(.noSuchDevice) }
    guard facts.contains(.up) else { throw RouteError(.networkUnreachable) }
    if Self.isLocalMulticast(key.destination) || Self.isLimitedBroadcast(key.destination)
      || key.ipProtocol == 2
    {
      if key.source == 0 { key.source = sourceAddress(ifindex: ifindex, scope: .link) }
      return try makeOutput(key, origin: origin, ifindex: ifindex, type: .unicast, result: nil)
    }
    if key.source == 0 {
      if Self.isMulticast(key.destination) {
        key.source = sourceAddress(ifindex: ifindex, scope: key.scope)
      } else if key.destination == 0 {
        key.source = sourceAddress(ifindex: ifindex, scope: .host)
      }
    }
    return nil
  }

  /// The last checks of an output route, as `__mkroute_output`.
  private func makeOutput(
    _ key: FlowKey<Address>,
    origin: Int32,
    ifindex: Int32,
    type: RouteType,
    result: FIBResult<Address>?
  ) throws(RouteError) -> ResolvedRoute<Address> {
    let facts = devices?.routeDeviceFacts(ifindex) ?? []
    if Self.isLoopback(key.source), !facts.contains(.routesLocalnet), !facts.contains(.loopback) {
      throw RouteError(.invalidArgument)
    }
    var type = type
    var result = result
    let table = result?.table ?? RouteTable.main
    let match = result
    if Self.isLimitedBroadcast(key.destination) {
      type = .broadcast
    } else if Self.isMulticast(key.destination) {
      type = .multicast
    } else if Self.isZeroNetwork(key.destination) {
      throw RouteError(.invalidArgument)
    }
    var isLocal = facts.contains(.loopback)
    if type == .broadcast {
      isLocal = true
      result = nil
    } else if type == .multicast {
      isLocal =
        devices?.isMember(
          of: key.destination,
          on: ifindex,
          source: key.source,
          ipProtocol: key.ipProtocol
        )
        ?? false
      // The default route is not meant for groups.
      if let length = result?.prefixLength, length < 4 { result = nil }
    }
    return ResolvedRoute(
      type: type,
      ifindex: ifindex,
      originIfindex: origin,
      source: key.source,
      destination: key.destination,
      gateway: result?.gateway ?? 0,
      hasGateway: result?.hasGateway ?? false,
      isLocal: isLocal,
      table: table,
      match: match,
      result: result
    )
  }

  /// The way of a packet that was received, as `ip_route_input_slow`.
  ///
  /// The key's input device is the one by which it came.
  public func routeInput(_ key: FlowKey<Address>) throws(InputRefusal) -> ResolvedRoute<Address> {
    let ifindex = key.inputIfindex
    let facts = devices?.routeDeviceFacts(ifindex) ?? []
    if Self.isMulticast(key.source) || Self.isLimitedBroadcast(key.source) {
      throw .martianSource
    }
    if Self.isMulticast(key.destination) { return try receiveMulticast(key, facts) }
    if Self.isLimitedBroadcast(key.destination) || (key.source == 0 && key.destination == 0) {
      return try receiveBroadcast(key, nil)
    }
    if Self.isZeroNetwork(key.source) { throw .martianSource }
    if Self.isZeroNetwork(key.destination) { throw .martianDestination }
    if Address.bitWidth == 32, !facts.contains(.routesLocalnet) {
      if Self.isLoopback(key.destination) { throw .martianDestination }
      if Self.isLoopback(key.source) { throw .martianSource }
    }
    var lookupKey = key
    lookupKey.outputIfindex = 0
    lookupKey.scope = .universe
    if !rulesNeedPorts {
      lookupKey.ipProtocol = 0
      lookupKey.sourcePort = 0
      lookupKey.destinationPort = 0
    }
    var result: FIBResult<Address>
    do throws(FIBLookupError) {
      result = try lookup(lookupKey)
    } catch {
      throw facts.contains(.forwards) ? .unreachable(error) : .forwardingDisabled
    }
    if result.type == .broadcast, !facts.contains(.forwardsBroadcasts) {
      return try receiveBroadcast(key, result)
    }
    if result.type == .local {
      try validate(key, outputIfindex: 0)
      return received(key, type: .local, result)
    }
    guard facts.contains(.forwards) else { throw .forwardingDisabled }
    guard result.type == .unicast || result.type == .broadcast else { throw .martianDestination }
    if aliases[Int(result.route.index)].pathCount > 1 {
      selectMultipath(&result, hash: multipathHash(key))
    }
    let isDirect = try validate(key, outputIfindex: result.ifindex)
    var route = received(key, type: result.type, result)
    route.isLocal = false
    route.ifindex = result.ifindex
    route.gateway = result.gateway
    route.hasGateway = result.hasGateway
    if isDirect, result.ifindex == ifindex, facts.contains(.sendsRedirects) {
      route.redirects =
        facts.contains(.sharesMedia)
        || isOnLink(ifindex, key.source, result.hasGateway ? result.gateway : 0)
    }
    return route
  }

  /// The way of a packet to a group, as `ip_route_input_mc`.
  private func receiveMulticast(
    _ key: FlowKey<Address>,
    _ facts: RouteDeviceFacts
  ) throws(InputRefusal) -> ResolvedRoute<Address> {
    guard
      devices?.isMember(
        of: key.destination,
        on: key.inputIfindex,
        source: key.source,
        ipProtocol: key.ipProtocol
      )
        ?? false
    else { throw .martianDestination }
    if Self.isLoopback(key.source), !facts.contains(.routesLocalnet) { throw .martianSource }
    if Self.isZeroNetwork(key.source) {
      guard Self.isLocalMulticast(key.destination) || key.ipProtocol == 2 else {
        throw .martianSource
      }
    } else {
      try validate(key, outputIfindex: 0, destination: 0)
    }
    return received(key, type: .multicast, nil)
  }

  private func receiveBroadcast(
    _ key: FlowKey<Address>,
    _ result: FIBResult<Address>?
  ) throws(InputRefusal) -> ResolvedRoute<Address> {
    if !Self.isZeroNetwork(key.source) {
      try validate(key, outputIfindex: 0, destination: 0)
    }
    return received(key, type: .broadcast, result)
  }

  @discardableResult
  private func validate(
    _ key: FlowKey<Address>,
    outputIfindex: Int32,
    destination: Address? = nil
  ) throws(InputRefusal) -> Bool {
    do throws(SourceRefusal) {
      return try validateSource(
        key,
        on: key.inputIfindex,
        outputIfindex: outputIfindex,
        destination: destination
      )
    } catch {
      throw error == .martian ? .martianSource : .reversePath
    }
  }

  private func received(
    _ key: FlowKey<Address>,
    type: RouteType,
    _ result: FIBResult<Address>?
  ) -> ResolvedRoute<Address> {
    ResolvedRoute(
      type: type,
      ifindex: 1,
      originIfindex: key.inputIfindex,
      source: key.source,
      destination: key.destination,
      gateway: 0,
      hasGateway: false,
      isLocal: true,
      table: result?.table ?? RouteTable.main,
      match: result,
      result: result
    )
  }

  /// Whether a subnet of a device holds two addresses, as `inet_addr_onlink`.
  public func isOnLink(_ ifindex: Int32, _ first: Address, _ second: Address) -> Bool {
    devices?.interfaceAddresses(ifindex).contains {
      !$0.isSecondary && $0.subnetContains(first) && (second == 0 || $0.subnetContains(second))
    } ?? false
  }
}

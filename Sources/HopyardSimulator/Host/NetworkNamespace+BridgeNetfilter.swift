import HopyardWire

/// What a bridge asks of IPv4 when its packets pass the hooks of netfilter.
extension NetworkNamespace {
  @inline(__always)
  var isNetfilterIdle: Bool { netfilter.isIdle }

  func showBridged(
    _ packet: inout Packet,
    at hook: Hook,
    in input: NetworkDevice?,
    out output: NetworkDevice?
  ) -> Bool {
    var reference = output.map { ipv4.reference($0) }
    return ipv4.accept(hook, &packet, in: input, out: &reference)
  }

  func translatedDestination(
    _ packet: borrowing Packet,
    on bridge: NetworkDevice
  ) -> BridgedDestination {
    let destination = packet.u32(at: 16)
    let key = FlowKey<UInt32>(
      destination: destination,
      source: packet.u32(at: 12),
      inputIfindex: bridge.ifindex,
      mark: packet.metadata.mark,
      tos: packet.u8(at: 1) & 0xfc
    )
    do {
      let way: InputDecision
      if let known = ipv4.flows.input.find(key, ipv4.routes.generation) {
        way = known
      } else {
        way = try ipv4.decide(key, on: bridge)
      }
      let isOnBridge =
        way.route.deviceReference.toOpaque() == Unmanaged.passUnretained(bridge).toOpaque()
      if !way.isLocal && isOnBridge { return .neighbour(way.route.nextHop) }
      return .routed
    } catch InputRefusal.forwardingDisabled {
      // A packet that stays on the bridge needs no forwarding.
      guard
        let found = try? ipv4.routes.routeOutput(FlowKey<UInt32>(destination: destination)),
        !found.isLocal, found.ifindex == bridge.ifindex
      else { return .none }
      return .neighbour(found.neighbour)
    } catch {
      return .none
    }
  }

  func cutBridged(
    _ packet: borrowing Packet,
    limit: Int,
    _ body: (consuming Packet) -> Void
  ) {
    ipv4.cut(packet, mtu: limit) { fragment in
      body(fragment)
      return true
    }
  }

  func connectedNeighbour(_ address: UInt32, on device: NetworkDevice) -> MACAddress? {
    guard let entry = ipv4.neighbours.find(address, on: device.number), entry.state.isConnected
    else { return nil }
    return entry.linkAddress
  }

  func sendToNeighbour(_ packet: consuming Packet, _ address: UInt32, on device: NetworkDevice) {
    ipv4.sendToNeighbour(packet, address, on: device)
  }
}

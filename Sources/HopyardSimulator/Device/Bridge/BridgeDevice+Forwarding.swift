import HopyardWire

/// What kind of destination a flooded frame has.
enum FloodKind {
  case unicast
  case multicast
  case broadcast
}

extension BridgeDevice {
  // MARK: From a port

  /// Takes a frame that a port received.
  func input(_ packet: consuming Packet, from port: BridgePort) -> ReceiveResult {
    let source = packet.mac(at: 6)
    guard source.isValidForDevice else {
      host.drop(packet, .malformed, on: port.device)
      return .consumed
    }
    let destination = packet.mac(at: 0)
    if destination.isBridgeReserved {
      let last = UInt16(1) << UInt16(destination.rawValue & 0xf)
      // PAUSE frames end here; without a spanning tree its messages are forwarded.
      if last == 2 {
        host.drop(packet, .ignored, on: port.device)
        return .consumed
      }
      if last != 1 && (groupForwardMask | port.groupForwardMask) & last == 0 {
        learnReserved(packet, port)
        return .pass(packet)
      }
    }
    guard port.state == .forwarding || port.state == .learning else {
      host.drop(packet, .bridgeBlocked, on: port.device)
      return .consumed
    }
    if destination == mac { packet.metadata.type = .host }
    return preRouting(packet, from: port)
  }

  /// A reserved frame that stays on its port still teaches its source.
  private func learnReserved(_ packet: borrowing Packet, _ port: BridgePort) {
    guard port.flags.contains(.learning), port.state == .forwarding || port.state == .learning
    else { return }
    let vlan = filtersVLANs ? port.vlans.pvid : 0
    learn(packet.mac(at: 6), vlan: vlan, from: port)
  }

  /// Goes on with a frame after PREROUTING: VLAN, learning, forwarding, own stack.
  func inputFinish(_ packet: consuming Packet, from port: BridgePort) -> ReceiveResult {
    var packet = packet
    var vlan: UInt16 = 0
    if filtersVLANs {
      guard port.state != .disabled, let admitted = admit(&packet, port.vlans) else {
        host.drop(packet, .vlan, on: port.device)
        return .consumed
      }
      vlan = admitted
    } else if port.state == .disabled {
      host.drop(packet, .bridgeBlocked, on: port.device)
      return .consumed
    }
    let now = core.now
    if port.flags.contains(.locked) {
      let known = fdb.find(packet.mac(at: 6), vlan: vlan, now: now)
      guard let known, known.port === port, !known.flags.contains(.local) else {
        host.drop(packet, .bridgeBlocked, on: port.device)
        return .consumed
      }
    }
    if port.flags.contains(.learning), !fdb.hears(packet.mac(at: 6), vlan: vlan, on: port, now) {
      learn(packet.mac(at: 6), vlan: vlan, from: port)
    }
    if packet.metadata.etherType == .arp { suppressARP(packet, from: port, vlan: vlan) }
    let isPromiscuous = promiscuity > 0
    let destination = packet.mac(at: 0)
    var goesUp = isPromiscuous
    var kind = FloodKind.unicast
    if destination.isMulticast {
      kind = destination.isBroadcast ? .broadcast : .multicast
      goesUp = true
      if kind == .multicast {
        multicast.receive(packet, from: port, vlan: vlan, on: self)
      }
    }
    guard port.state != .learning else {
      host.drop(packet, .bridgeBlocked, on: port.device)
      return .consumed
    }
    if kind == .multicast, let members = multicast.receivers(packet, vlan: vlan, on: self) {
      goesUp = isPromiscuous || members.includesHost
      return passUp(
        deliver(packet, to: members.ports, from: port, keeping: goesUp),
        from: port
      )
    }
    if kind == .unicast, let entry = fdb.target(destination, vlan: vlan, now: now) {
      if entry.isLocal { return passUp(packet, from: port) }
      if !goesUp, let target = entry.port,
        target._withUnsafeGuaranteedRef({ shouldDeliver(packet, to: $0, from: port) })
      {
        let slot = packet.intoSlot()
        target._withUnsafeGuaranteedRef { forward(Packet(slot: slot), to: $0, from: port) }
        return .consumed
      }
      guard let target = entry.port?.takeUnretainedValue(),
        shouldDeliver(packet, to: target, from: port)
      else {
        if goesUp { return passUp(packet, from: port) }
        host.drop(packet, .bridgeBlocked, on: port.device)
        return .consumed
      }
      if goesUp {
        forward(packet.clone(), to: target, from: port)
        return passUp(packet, from: port)
      }
      forward(packet, to: target, from: port)
      return .consumed
    }
    return passUp(flood(packet, kind, from: port, keeping: goesUp), from: port)
  }

  /// Learns behind which port an address is.
  func learn(_ source: MACAddress, vlan: UInt16, from port: BridgePort) {
    let now = core.now
    guard fdb.ageingTime > 0 else { return }
    if let entry = fdb.find(source, vlan: vlan, now: now) {
      guard !entry.flags.contains(.local) else { return }
      entry.updated = now
      if entry.port !== port && !entry.flags.contains(.sticky) {
        entry.port = port
        entry.flags.remove(.externallyLearned)
      }
    } else {
      fdb.insert(FDBEntry(mac: source, vlan: vlan, port: port, flags: [], now: now), now: now)
    }
  }

  /// Gives a frame to the host's own stack, as received by the bridge.
  private func passUp(_ packet: consuming Packet?, from port: BridgePort) -> ReceiveResult {
    guard var packet else { return .consumed }
    statistics.receivedPackets &+= 1
    statistics.receivedBytes &+= UInt64(packet.count &- 14)
    if packet.metadata.type == .multicast { statistics.receivedMulticast &+= 1 }
    if filtersVLANs {
      let vlan = packet.metadata.vlanTCI & 0xfff
      if ownVLANs.contains(vlan) {
        if ownVLANs.isUntagged(vlan) { packet.metadata.vlanProtocol = 0 }
      } else if promiscuity == 0 {
        host.drop(packet, .vlan, on: self)
        return .consumed
      }
    }
    return localInput(packet, from: port)
  }

  // MARK: From the host

  /// Takes a frame that the host's own stack sends through the bridge.
  func output(_ packet: consuming Packet) -> TransmitResult {
    var packet = packet
    if packet.metadata.flags.contains(.bridgedTranslation) { return resume(packet) }
    statistics.sentPackets &+= 1
    statistics.sentBytes &+= UInt64(packet.count)
    var vlan: UInt16 = 0
    if filtersVLANs {
      guard let admitted = admit(&packet, ownVLANs) else {
        host.drop(packet, .vlan, on: self)
        return .sent
      }
      vlan = admitted
    }
    let destination = packet.mac(at: 0)
    if destination.isMulticast {
      if destination.isBroadcast {
        _ = flood(packet, .broadcast, from: nil, keeping: false)
        return .sent
      }
      multicast.receive(packet, from: nil, vlan: vlan, on: self)
      if let members = multicast.receivers(packet, vlan: vlan, on: self) {
        _ = deliver(packet, to: members.ports, from: nil, keeping: false)
      } else {
        _ = flood(packet, .multicast, from: nil, keeping: false)
      }
      return .sent
    }
    if let entry = fdb.target(destination, vlan: vlan, now: core.now, isUse: false) {
      guard let target = entry.port,
        target._withUnsafeGuaranteedRef({ shouldDeliver(packet, to: $0, from: nil) })
      else {
        host.drop(packet, .bridgeBlocked, on: self)
        return .sent
      }
      let slot = packet.intoSlot()
      target._withUnsafeGuaranteedRef { forward(Packet(slot: slot), to: $0, from: nil) }
      return .sent
    }
    _ = flood(packet, .unicast, from: nil, keeping: false)
    return .sent
  }

  // MARK: To ports

  /// Whether a frame may leave by a port.
  @inline(__always)
  private func shouldDeliver(
    _ packet: borrowing Packet,
    to port: BridgePort,
    from source: BridgePort?
  ) -> Bool {
    guard port.state == .forwarding else { return false }
    if let source {
      if source === port && !port.flags.contains(.hairpin) { return false }
      if source.flags.contains(.isolated) && port.flags.contains(.isolated) { return false }
    }
    return !filtersVLANs || port.vlans.contains(packet.metadata.vlanTCI & 0xfff)
  }

  /// Sends copies by every port that takes them, newest first; gives the frame back if it is kept.
  private func flood(
    _ packet: consuming Packet,
    _ kind: FloodKind,
    from source: BridgePort?,
    keeping: Bool
  ) -> Packet? {
    var previous: BridgePort?
    for port in ports {
      switch kind {
      case .unicast: if !port.flags.contains(.flood) { continue }
      case .multicast: if source != nil && !port.flags.contains(.multicastFlood) { continue }
      case .broadcast: if source != nil && !port.flags.contains(.broadcastFlood) { continue }
      }
      if port.flags.contains(.proxyARP) { continue }
      if packet.metadata.flags.contains(.answeredARP),
        !port.flags.isDisjoint(with: [.neighbourSuppress, .proxyARPWiFi])
      {
        continue
      }
      guard shouldDeliver(packet, to: port, from: source) else { continue }
      if let previous { forward(packet.clone(), to: previous, from: source) }
      previous = port
    }
    return finish(packet, last: previous, from: source, keeping: keeping)
  }

  /// Sends copies by some ports; gives the frame back if it is kept.
  private func deliver(
    _ packet: consuming Packet,
    to ports: [BridgePort],
    from source: BridgePort?,
    keeping: Bool
  ) -> Packet? {
    var previous: BridgePort?
    for port in ports where shouldDeliver(packet, to: port, from: source) {
      if let previous { forward(packet.clone(), to: previous, from: source) }
      previous = port
    }
    return finish(packet, last: previous, from: source, keeping: keeping)
  }

  private func finish(
    _ packet: consuming Packet,
    last: BridgePort?,
    from source: BridgePort?,
    keeping: Bool
  ) -> Packet? {
    if keeping {
      if let last { forward(packet.clone(), to: last, from: source) }
      return packet
    }
    if let last {
      forward(packet, to: last, from: source)
    } else {
      host.drop(packet, .bridgeBlocked, on: source?.device ?? self)
    }
    return nil
  }

  /// Sends a frame by a port: tag, FORWARD or OUTPUT, POSTROUTING, device.
  func forward(_ packet: consuming Packet, to port: BridgePort, from source: BridgePort?) {
    if filtersVLANs && port.vlans.isUntagged(packet.metadata.vlanTCI & 0xfff) {
      packet.metadata.vlanProtocol = 0
    }
    forwardHooks(packet, to: port, from: source)
  }

  /// Hands a frame to a port's device, after all hooks.
  func push(_ packet: consuming Packet, to port: BridgePort) {
    let slot = packet.intoSlot()
    port.deviceReference._withUnsafeGuaranteedRef { device in
      let packet = Packet(slot: slot)
      guard device.isUp else { return host.drop(packet, .deviceDown, on: device) }
      // A frame too long for the port vanishes without a word.
      guard packet.count <= device.mtu &+ 18 else {
        return host.drop(packet, .tooLong, on: device)
      }
      _ = device.queueTransmit(packet)
    }
  }

  // MARK: VLANs

  /// Finds the VLAN of an incoming frame, and tags the frame with it; nil if it may not come in.
  private func admit(_ packet: inout Packet, _ vlans: borrowing BridgeVLANs) -> UInt16? {
    if packet.metadata.vlanProtocol == 0,
      packet.metadata.etherType.rawValue == vlanProtocol, packet.count >= 18
    {
      Self.takeTag(&packet)
    }
    var isTagged = packet.metadata.vlanProtocol != 0
    var vlan = isTagged ? packet.metadata.vlanTCI & 0xfff : 0
    if isTagged && packet.metadata.vlanProtocol != vlanProtocol {
      // A tag of another kind is payload here.
      Self.insertTag(&packet)
      packet.metadata.etherType = EtherType(rawValue: packet.u16(at: 12))
      isTagged = false
      vlan = 0
    }
    if vlan == 0 {
      guard vlans.pvid != 0 else { return nil }
      vlan = vlans.pvid
      // A tag of VLAN 0 keeps its priority.
      let bits = isTagged ? packet.metadata.vlanTCI & 0xf000 : 0
      packet.metadata.vlanProtocol = vlanProtocol
      packet.metadata.vlanTCI = bits | vlan
    }
    return vlans.contains(vlan) ? vlan : nil
  }
}

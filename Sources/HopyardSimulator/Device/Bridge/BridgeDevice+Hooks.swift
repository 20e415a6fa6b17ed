import HopyardWire

/// What br_netfilter does: bridged IPv4 packets are shown to the hooks of IPv4 as if they were
/// routed from the bridge to the bridge.
extension BridgeDevice {
  @inline(__always)
  private func isShown(_ packet: borrowing Packet) -> Bool {
    // Packets with a VLAN tag are not looked into.
    !host.isNetfilterIdle && packet.metadata.etherType == .ipv4
      && packet.metadata.vlanProtocol == 0
  }

  // MARK: PREROUTING

  /// Shows a received frame to PREROUTING, then goes on with it.
  @inline(__always)
  func preRouting(_ packet: consuming Packet, from port: BridgePort) -> ReceiveResult {
    guard isShown(packet), host.callsIPTablesOnBridges || callsIPTables else {
      return inputFinish(packet, from: port)
    }
    return showToPreRouting(packet, from: port)
  }

  private func showToPreRouting(
    _ packet: consuming Packet,
    from port: BridgePort
  ) -> ReceiveResult {
    var packet = packet
    let host = self.host
    guard trim(&packet) else {
      host.drop(packet, .malformed, on: port.device)
      return .consumed
    }
    let destination = packet.mac(at: 0)
    let source = packet.mac(at: 6)
    let type = packet.metadata.type
    if type == .otherHost { packet.metadata.type = .host }
    packet.metadata.flags.insert(.bridgeNetfilter)
    packet.metadata.bridgeInputPort = port.deviceReference._withUnsafeGuaranteedRef { $0.number }
    packet.metadata.bridgeOutputPort = 0
    let address = packet.u32(at: 14 + 16)
    packet.pull(14)
    packet.metadata.linkHeaderLength = 14
    guard host.showBridged(&packet, at: .prerouting, in: self, out: nil) else { return .consumed }
    packet.metadata.type = type
    guard packet.count >= 20 else { return .consumed }
    if packet.u32(at: 16) == address {
      Self.pushHeader(&packet, destination, source)
      return inputFinish(packet, from: port)
    }
    switch host.translatedDestination(packet, on: self) {
    case .none:
      host.drop(packet, .noRoute, on: self)
      return .consumed
    case .routed:
      packet.metadata.type = .host
      Self.pushHeader(&packet, mac, source)
      return inputFinish(packet, from: port)
    case .neighbour(let neighbour):
      if let known = host.connectedNeighbour(neighbour, on: self) {
        Self.pushHeader(&packet, known, source)
        return inputFinish(packet, from: port)
      }
      // It comes back through `transmit` when the neighbour's address is known.
      if waitingSources.count > 4096 { waitingSources = [:] }
      waitingSources[packet.metadata.journey] = source
      packet.metadata.flags.insert(.bridgedTranslation)
      host.sendToNeighbour(packet, neighbour, on: self)
      return .consumed
    }
  }

  /// Goes on with a translated packet whose neighbour's address is known by now.
  func resume(_ packet: consuming Packet) -> TransmitResult {
    var packet = packet
    packet.metadata.flags.remove(.bridgedTranslation)
    let source = waitingSources.removeValue(forKey: packet.metadata.journey)
    guard let device = host.backlog.device(packet.metadata.bridgeInputPort),
      let port = device.bridgePort, port.bridge === self
    else {
      host.drop(packet, .deviceDown, on: self)
      return .sent
    }
    if let source { packet.setMAC(source, at: 6) }
    let result = inputFinish(packet, from: port)
    switch consume result {
    case .consumed: break
    case .pass(let passed): host.drop(passed, .notForUs, on: self)
    case .another(let passed, let other): other.process(passed)
    }
    return .sent
  }

  /// Cuts padding off and says whether the IPv4 header can be right.
  private func trim(_ packet: inout Packet) -> Bool {
    guard packet.count >= 14 + 20 else { return false }
    let header = Int(packet.u8(at: 14) & 0xf) * 4
    let total = Int(packet.u16(at: 14 + 2))
    guard packet.u8(at: 14) >> 4 == 4, header >= 20, total >= header,
      packet.count >= 14 + total,
      packet.withBytes({
        InternetChecksum.checksum(
          of: UnsafeRawBufferPointer(rebasing: $0[14..<(14 + header)])
        )
      }) == 0
    else { return false }
    if packet.count > 14 + total { packet.trim(to: 14 + total) }
    return true
  }

  private static func pushHeader(
    _ packet: inout Packet,
    _ destination: MACAddress,
    _ source: MACAddress
  ) {
    packet.push(14)
    packet.setMAC(destination, at: 0)
    packet.setMAC(source, at: 6)
    packet.setU16(EtherType.ipv4.rawValue, at: 12)
    packet.metadata.linkHeaderLength = 0
  }

  // MARK: INPUT, FORWARD, POSTROUTING

  /// Gives a frame to the host's stack; PREROUTING saw it already where it was shown.
  @inline(__always)
  func localInput(_ packet: consuming Packet, from port: BridgePort) -> ReceiveResult {
    .another(packet, self)
  }

  /// Shows a bridged frame to FORWARD and POSTROUTING, then sends it.
  ///
  /// What the host itself sends met OUTPUT and POSTROUTING before it came to the bridge.
  @inline(__always)
  func forwardHooks(
    _ packet: consuming Packet,
    to port: BridgePort,
    from source: BridgePort?
  ) {
    guard source != nil, packet.metadata.flags.contains(.bridgeNetfilter), isShown(packet) else {
      return push(packet, to: port)
    }
    showToForward(packet, to: port)
  }

  private func showToForward(_ packet: consuming Packet, to port: BridgePort) {
    var packet = packet
    let host = self.host
    guard trim(&packet) else { return host.drop(packet, .malformed, on: port.device) }
    let (number, mtu) = port.deviceReference._withUnsafeGuaranteedRef { ($0.number, $0.mtu) }
    let destination = packet.mac(at: 0)
    let source = packet.mac(at: 6)
    let type = packet.metadata.type
    if type == .otherHost { packet.metadata.type = .host }
    packet.metadata.bridgeOutputPort = number
    packet.pull(14)
    packet.metadata.linkHeaderLength = 14
    guard host.showBridged(&packet, at: .forward, in: self, out: self),
      host.showBridged(&packet, at: .postrouting, in: nil, out: self)
    else { return }
    packet.metadata.type = type
    let largest = Int(packet.metadata.largestFragment)
    let limit = largest > 0 ? min(largest, mtu) : mtu
    packet.metadata.largestFragment = 0
    if packet.count <= limit {
      Self.pushHeader(&packet, destination, source)
      return push(packet, to: port)
    }
    guard largest > 0 || packet.u16(at: 6) & 0x4000 == 0 else {
      return host.drop(packet, .tooLong, on: port.device)
    }
    // What conntrack put together is cut up again, each piece with the sender's link header.
    host.cutBridged(packet, limit: limit) { piece in
      var piece = piece
      Self.pushHeader(&piece, destination, source)
      self.push(piece, to: port)
    }
  }
}

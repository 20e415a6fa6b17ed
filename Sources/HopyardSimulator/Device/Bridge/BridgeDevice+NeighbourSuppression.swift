import HopyardWire

/// A bridge that answers ARP for a port behind which asking costs much (`neigh_suppress`,
/// `proxy_arp_wifi`), from what the host knows of its neighbours.
extension BridgeDevice {
  private static let answering: BridgePortFlags = [.neighbourSuppress, .proxyARPWiFi]

  /// Whether any port asks for it.
  private var suppresses: Bool { ports.contains { $0.flags.contains(.neighbourSuppress) } }

  /// Answers an ARP request in place of its target, and marks it so that it is not flooded to ports
  /// that asked for quiet (`br_do_proxy_suppress_arp`).
  func suppressARP(_ packet: borrowing Packet, from port: BridgePort, vlan: UInt16) {
    guard packet.metadata.etherType == .arp,
      ports.contains(where: { !$0.flags.isDisjoint(with: Self.answering) })
        || port.flags.contains(.proxyARP)
    else { return }
    let parsed = packet.withBytes { bytes in
      try? ARPMessage(parsing: UnsafeRawBufferPointer(rebasing: bytes[14...]))
    }
    guard let message = parsed else { return }
    let target = message.target.rawValue
    if target >> 24 == 127 || target >> 28 == 0xe { return }
    if suppresses {
      if port.flags.contains(.neighbourSuppress) { return }
      if message.operation == .request, !packet.mac(at: 0).isMulticast { return }
      if message.sender.rawValue == 0 || message.sender == message.target {
        packet.metadata.flags.insert(.answeredARP)
        return
      }
    }
    guard message.operation == .request else { return }
    if suppresses, inet.addresses.contains(where: { $0.local == target }) {
      packet.metadata.flags.insert(.answeredARP)
      return
    }
    guard let known = host.connectedNeighbour(target, on: self),
      let entry = fdb.find(known, vlan: vlan, now: simulation.now)
    else { return }
    let behind = entry.port?.flags ?? []
    let answers = port.flags.contains(.proxyARP) || !behind.isDisjoint(with: Self.answering)
    if answers { answer(message, with: known, on: port, journey: packet.metadata.journey) }
    if answers || suppresses { packet.metadata.flags.insert(.answeredARP) }
  }

  private func answer(
    _ question: ARPMessage,
    with mac: MACAddress,
    on port: BridgePort,
    journey: UInt64
  ) {
    var reply = simulation.pool.make(count: 28)
    reply.setU16(1, at: 0)
    reply.setU16(EtherType.ipv4.rawValue, at: 2)
    reply.setU16(0x0604, at: 4)
    reply.setU16(2, at: 6)
    reply.setMAC(mac, at: 8)
    reply.setIPv4(question.target, at: 14)
    reply.setMAC(question.senderHardware, at: 18)
    reply.setIPv4(question.sender, at: 24)
    reply.metadata.journey = journey
    _ = port.device.send(reply, to: question.senderHardware, from: mac, type: .arp)
  }
}

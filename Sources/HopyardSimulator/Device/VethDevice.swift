import HopyardWire

/// One end of a virtual Ethernet pair: what is sent here is received at the other end.
public final class VethDevice: NetworkDevice {
  /// The other end.
  @exclusivity(unchecked) public internal(set) var peer: VethDevice?

  public override var kind: String { "veth" }
  public override var lower: NetworkDevice? { peer }
  public override var operationalState: String {
    if !isUp { return "DOWN" }
    if hasCarrier { return "UP" }
    // Linux looks for the peer's index in this device's own namespace.
    return "LOWERLAYERDOWN"
  }

  override func transmit(_ packet: consuming Packet) -> TransmitResult {
    guard let peer, peer.isUp else {
      statistics.sendDropped &+= 1
      host.drop(packet, .deviceDown, on: self)
      return .dropped
    }
    // The receiver takes its own MTU, a link header and a tag.
    let size = packet.count
    guard size <= peer.mtu &+ 18 else {
      statistics.sendDropped &+= 1
      peer.statistics.receiveDropped &+= 1
      host.drop(packet, .tooLong, on: peer)
      return .dropped
    }
    statistics.sentPackets &+= 1
    statistics.sentBytes &+= UInt64(size)
    packet.metadata.mark = peer.host === host ? packet.metadata.mark : 0
    packet.metadata.socket = peer.host === host ? packet.metadata.socket : 0
    packet.metadata.conntrack = 0
    packet.metadata.conntrackInfo = 0
    packet.metadata.flags = []
    packet.metadata.priority = 0
    peer.host.backlog.enqueue(packet, for: peer)
    return .sent
  }

  override func opened() { updateCarrier() }
  override func closed() { updateCarrier() }

  /// Both ends have a carrier while both are up.
  private func updateCarrier() {
    let up = isUp && (peer?.isUp ?? false)
    setCarrier(up)
    peer?.setCarrier(up)
  }
}

extension NetworkDevice {
  /// Changes the carrier and tells the namespace.
  func setCarrier(_ present: Bool) {
    guard present != hasCarrier else { return }
    hasCarrier = present
    statistics.carrierChanges &+= 1
    host.deviceChanged(self, .carrierChanged)
  }
}

import HopyardWire

/// One end of a virtual Ethernet pair: what is sent here is received at the other end.
public final class VethDevice: NetworkDevice {
  /// The other end.
  @exclusivity(unchecked) public internal(set) var peer: VethDevice?

  public override var kind: String { "veth" }
  public override var lower: NetworkDevice? { peer }
  public override var operationalState: String {
    if !isUp { return "DOWN" }
    return hasCarrier ? "UP" : stateWithoutCarrier
  }

  init(name: String, mac: MACAddress, number: UInt32, ifindex: Int32, host: any DeviceHost) {
    super.init(
      name: name,
      mac: mac,
      mtu: 1500,
      number: number,
      ifindex: ifindex,
      host: host
    )
    hasCarrier = false
  }

  override func transmit(_ packet: consuming Packet) -> TransmitResult {
    guard let peer, peer.isUp else {
      statistics.sendDropped &+= 1
      host.drop(packet, .deviceDown, on: self)
      return .dropped
    }
    var packet = packet
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
    packet.scrub(crossing: peer.host !== host)
    peer.host.backlog.enqueue(packet, for: peer)
    return .sent
  }

  override func removed() {
    guard let other = peer else { return }
    peer = nil
    other.peer = nil
    if !other.isGone { other.host.unregister(other) }
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

import HopyardWire

/// One end of a virtual Ethernet pair: what is sent here is received at the other end.
public final class VethDevice: NetworkDevice {
  /// The other end.
  @exclusivity(unchecked) public internal(set) var peer: VethDevice? {
    didSet { peerReference = peer.map { .passUnretained($0) } }
  }
  /// The same without a reference count, for the way of each packet.
  @exclusivity(unchecked) private var peerReference: Unmanaged<VethDevice>?

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
    // That it has no carrier counts as the first change.
    statistics.carrierChanges = 1
  }

  override func transmit(_ packet: consuming Packet) -> TransmitResult {
    guard let peerReference else {
      statistics.sendDropped &+= 1
      host.drop(packet, .deviceDown, on: self)
      return .dropped
    }
    let slot = packet.intoSlot()
    return peerReference._withUnsafeGuaranteedRef { transmit(Packet(slot: slot), to: $0) }
  }

  @inline(__always)
  private func transmit(_ packet: consuming Packet, to peer: VethDevice) -> TransmitResult {
    var packet = packet
    guard peer.isUp else {
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
    packet.scrub(crossing: peer.hostIdentity != hostIdentity)
    let slot = packet.intoSlot()
    peer.backlogReference._withUnsafeGuaranteedRef { $0.enqueue(Packet(slot: slot), for: peer) }
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

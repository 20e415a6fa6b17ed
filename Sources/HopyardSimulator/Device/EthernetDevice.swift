import HopyardWire

/// A network card: what it sends goes into a cable.
public final class EthernetDevice: NetworkDevice, CableEnd {
  /// The cable that is plugged in.
  @exclusivity(unchecked) public private(set) var cable: Cable?

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

  deinit { cable?.forget(self) }

  public override var maximumMTU: Int { 9216 }
  public override var queueingDiscipline: String { hasBeenUp ? "pfifo_fast" : "noop" }

  /// Plugs a cable in; nil pulls it.
  func plug(_ cable: Cable?) {
    self.cable = cable
    updateCarrier()
  }

  override func opened() {
    updateCarrier()
    cable?.endChanged(self)
  }

  override func closed() {
    updateCarrier()
    cable?.endChanged(self)
  }

  override func removed() {
    cable?.pull()
    cable = nil
  }

  private func updateCarrier() { setCarrier(isUp && (cable?.isUp ?? false)) }

  override func transmit(_ packet: consuming Packet) -> TransmitResult {
    guard let cable else {
      host.drop(packet, .deviceDown, on: self)
      return .discarded
    }
    var packet = packet
    Self.insertTag(&packet)
    let size = packet.count
    guard cable.send(packet, from: self) else {
      statistics.sendDropped &+= 1
      return .dropped
    }
    statistics.sentPackets &+= 1
    statistics.sentBytes &+= UInt64(size)
    return .sent
  }

  // MARK: The cable's end

  var isLinkUp: Bool { isUp }

  func linkChanged() { updateCarrier() }

  func receiveFromCable(_ packet: consuming Packet) {
    // The card takes frames up to its MTU, a link header and a tag.
    guard packet.count <= mtu &+ 18 else {
      statistics.receiveErrors &+= 1
      return host.drop(packet, .tooLong, on: self)
    }
    receive(packet)
  }
}

import HopyardWire

/// A device that takes every frame and sends none: a place for addresses.
public final class DummyDevice: NetworkDevice {
  init(name: String, mac: MACAddress, number: UInt32, ifindex: Int32, host: any DeviceHost) {
    super.init(
      name: name,
      mac: mac,
      mtu: 1500,
      number: number,
      ifindex: ifindex,
      host: host
    )
    isNoARP = true
  }

  public override var kind: String { "dummy" }
  public override var minimumMTU: Int { 0 }
  public override var maximumMTU: Int { Int(Int32.max) }
  public override var isMulticastCapable: Bool { false }
  public override var operationalState: String { isUp ? "UNKNOWN" : "DOWN" }

  override func transmit(_ packet: consuming Packet) -> TransmitResult {
    statistics.sentPackets &+= 1
    statistics.sentBytes &+= UInt64(packet.count)
    host.drop(packet, .discarded, on: self)
    return .sent
  }
}

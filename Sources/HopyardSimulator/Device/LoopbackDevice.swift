import HopyardWire

/// `lo`: what is sent through it comes back in.
public final class LoopbackDevice: NetworkDevice {
  init(number: UInt32, host: any DeviceHost) {
    super.init(
      name: "lo",
      mac: .zero,
      mtu: 65536,
      number: number,
      ifindex: 1,
      host: host
    )
  }

  public override var hardwareType: Int { 772 }
  public override var isLoopback: Bool { true }
  public override var maximumMTU: Int { 1 << 30 }
  public override var minimumMTU: Int { 0 }
  public override var broadcast: MACAddress { .zero }
  public override var operationalState: String { isUp ? "UNKNOWN" : "DOWN" }

  override func transmit(_ packet: consuming Packet) -> TransmitResult {
    statistics.sentPackets &+= 1
    statistics.sentBytes &+= UInt64(packet.count)
    host.backlog.enqueue(packet, for: self)
    return .sent
  }
}

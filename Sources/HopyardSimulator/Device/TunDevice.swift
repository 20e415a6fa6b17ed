import HopyardWire

/// A TUN device: the IP packets that leave by it go to a program, and what the program writes
/// arrives by it (`Documentation/networking/tuntap.rst`).
public final class TunDevice: NetworkDevice {
  private var waiting: [[UInt8]] = []
  /// Woken when a packet waits for the program.
  public let readable = WaitQueue()
  /// How many packets wait at most (`tx_queue_len`).
  private static let limit = 500

  init(name: String, number: UInt32, ifindex: Int32, host: any DeviceHost) {
    super.init(
      name: name,
      mac: .zero,
      mtu: 1500,
      number: number,
      ifindex: ifindex,
      host: host
    )
    isNoARP = true
    queueLength = Self.limit
  }

  public override var kind: String { "tun" }
  public override var hardwareType: Int { 65_534 }
  public override var linkHeaderLength: Int { 0 }
  public override var isEthernet: Bool { false }
  public override var isPointToPoint: Bool { true }
  public override var minimumMTU: Int { 68 }
  public override var maximumMTU: Int { 65_535 }
  public override var operationalState: String { isUp ? "UNKNOWN" : "DOWN" }

  override func transmit(_ packet: consuming Packet) -> TransmitResult {
    guard waiting.count < Self.limit else {
      statistics.sendDropped &+= 1
      host.drop(packet, .discarded, on: self)
      return .sent
    }
    statistics.sentPackets &+= 1
    statistics.sentBytes &+= UInt64(packet.count)
    waiting.append(packet.bytes)
    host.drop(packet, .delivered, on: self)
    readable.wakeAll()
    return .sent
  }

  /// The next packet for the program.
  public func take() -> [UInt8]? { waiting.isEmpty ? nil : waiting.removeFirst() }

  /// Lets an IPv4 packet that the program wrote arrive; false if the device is down or it is none.
  public func write(_ bytes: [UInt8]) -> Bool {
    guard isUp, (20...maximumMTU).contains(bytes.count), bytes[0] >> 4 == 4 else { return false }
    var packet = simulation.pool.make(count: bytes.count)
    bytes.withUnsafeBytes { packet.write($0, at: 0) }
    packet.metadata.type = .host
    packet.metadata.etherType = .ipv4
    packet.metadata.linkHeaderLength = 0
    host.backlog.enqueue(packet, for: self)
    return true
  }
}

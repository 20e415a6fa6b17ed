import HopyardWire

/// An 802.1Q or 802.1ad sub-interface: the frames of one VLAN of the device under it.
public final class VLANDevice: NetworkDevice {
  /// The device under it.
  @exclusivity(unchecked) public let parent: NetworkDevice
  /// The VLAN identifier, 0 to 4095.
  @exclusivity(unchecked) public let identifier: UInt16
  /// The TPID of its tags: 0x8100 or 0x88a8.
  @exclusivity(unchecked) public let vlanProtocol: UInt16
  /// Packet priority to the tag's three priority bits.
  public internal(set) var egressPriorities: [(from: UInt32, to: UInt8)] = []
  /// The tag's priority bits to packet priority.
  public internal(set) var ingressPriorities: [(from: UInt8, to: UInt32)] = []
  /// `reorder_hdr`.
  public internal(set) var reordersHeader = true
  /// `loose_binding`: its state does not follow the parent's.
  public internal(set) var isLooselyBound = false

  init(
    name: String, parent: NetworkDevice, identifier: UInt16, vlanProtocol: UInt16, number: UInt32,
    ifindex: Int32, host: any DeviceHost
  ) {
    self.parent = parent
    self.identifier = identifier
    self.vlanProtocol = vlanProtocol
    super.init(
      name: name, mac: parent.mac, mtu: parent.mtu, number: number, ifindex: ifindex, host: host)
    hasCarrier = parent.isUp && parent.hasCarrier
  }

  public override var kind: String { "vlan" }
  public override var lower: NetworkDevice? { parent }

  /// Takes the tag off a frame of this VLAN; false if the device is down.
  func accept(_ packet: inout Packet) -> Bool {
    guard isUp else { return false }
    let bits = UInt8(truncatingIfNeeded: packet.metadata.vlanTCI >> 13)
    packet.metadata.priority =
      ingressPriorities.first { $0.from == bits }?.to ?? packet.metadata.priority
    packet.metadata.vlanProtocol = 0
    packet.metadata.vlanTCI = 0
    // Addressed to another host as seen from the parent, which may have another address.
    packet.metadata.type = packetType(for: packet.mac(at: 0))
    let type = EtherType(rawValue: packet.u16(at: 12))
    if (type == .vlan || type == .qinq) && packet.count >= 18 { Self.takeTag(&packet) }
    statistics.receivedPackets &+= 1
    statistics.receivedBytes &+= UInt64(packet.count)
    if packet.metadata.type == .multicast { statistics.receivedMulticast &+= 1 }
    return true
  }

  override func transmit(_ packet: consuming Packet) -> TransmitResult {
    var packet = packet
    statistics.sentPackets &+= 1
    statistics.sentBytes &+= UInt64(packet.count)
    // A tag that is there already goes into the frame: the new one is outermost.
    Self.insertTag(&packet)
    let bits = egressPriorities.first { $0.from == packet.metadata.priority }?.to ?? 0
    packet.metadata.vlanProtocol = vlanProtocol
    packet.metadata.vlanTCI = UInt16(bits) << 13 | identifier
    return parent.queueTransmit(packet)
  }
}

import HopyardWire

/// An 802.1Q or 802.1ad sub-interface: the frames of one VLAN of the device under it.
public final class VLANDevice: NetworkDevice {
  /// The device under it.
  @exclusivity(unchecked) public let parent: NetworkDevice
  /// The VLAN identifier, 0 to 4094.
  @exclusivity(unchecked) public let identifier: UInt16
  /// The TPID of its tags: 0x8100 or 0x88a8.
  @exclusivity(unchecked) public let vlanProtocol: UInt16
  /// Packet priority to the tag's three priority bits, in order of entry.
  public internal(set) var egressPriorities: [(from: UInt32, to: UInt8)] = []
  /// The tag's priority bits to packet priority.
  public internal(set) var ingressPriorities: [(from: UInt8, to: UInt32)] = []
  /// `reorder_hdr`.
  public internal(set) var reordersHeader = true
  /// `loose_binding`: its state does not follow the parent's.
  public internal(set) var isLooselyBound = false
  /// `gvrp`, `mvrp` and `bridge_binding`, which are kept and shown.
  public internal(set) var storedFlags: [String: Bool] = [:]
  /// The address was set by hand and does not follow the parent's.
  public internal(set) var isAddressSet = false

  init(
    name: String,
    parent: NetworkDevice,
    identifier: UInt16,
    vlanProtocol: UInt16,
    number: UInt32,
    ifindex: Int32,
    host: any DeviceHost
  ) {
    self.parent = parent
    self.identifier = identifier
    self.vlanProtocol = vlanProtocol
    super.init(
      name: name,
      mac: parent.mac,
      mtu: parent.mtu,
      number: number,
      ifindex: ifindex,
      host: host
    )
    hasCarrier = parent.hasCarrier
    parent.vlans.append(self)
  }

  public override var kind: String { "vlan" }
  public override var lower: NetworkDevice? { parent }
  public override var operationalState: String {
    if !isUp { return "DOWN" }
    return hasCarrier ? "UP" : stateWithoutCarrier
  }
  public override var minimumMTU: Int { 0 }

  /// The tag's priority bits for a packet priority (`egress-qos-map`).
  public func setEgress(from: UInt32, to: UInt8) {
    if let at = egressPriorities.firstIndex(where: { $0.from == from }) {
      egressPriorities[at].to = to
    } else {
      egressPriorities.append((from, to))
    }
  }

  /// The packet priority for a tag's priority bits (`ingress-qos-map`).
  public func setIngress(from: UInt8, to: UInt32) {
    ingressPriorities.removeAll { $0.from == from }
    ingressPriorities.append((from, to))
    ingressPriorities.sort { $0.from < $1.from }
  }

  /// The flags that `ip -d link` shows.
  public var shownFlags: [String] {
    var names: [String] = []
    if reordersHeader { names.append("REORDER_HDR") }
    if storedFlags["gvrp"] == true { names.append("GVRP") }
    if isLooselyBound { names.append("LOOSE_BINDING") }
    if storedFlags["mvrp"] == true { names.append("MVRP") }
    if storedFlags["bridge_binding"] == true { names.append("BRIDGE_BINDING") }
    return names
  }

  /// Changes a flag, by the name that `ip link` gives it.
  public func setFlag(_ name: String, _ on: Bool) {
    switch name {
    case "reorder_hdr": reordersHeader = on
    case "loose_binding": isLooselyBound = on
    default: storedFlags[name] = on
    }
  }

  // MARK: Following the parent

  override func checkOpen() throws(LinkError) {
    if !parent.isUp && !isLooselyBound { throw LinkError(.networkDown) }
  }

  override func checkMTU(_ mtu: Int) throws(LinkError) {
    if mtu > parent.mtu { throw LinkError(.outOfRange) }
  }

  override func opened() {
    if !isAddressSet { mac = parent.mac }
    hasCarrier = parent.hasCarrier
    noteStateWithoutCarrier()
    statistics.carrierChanges &+= hasCarrier ? 1 : 0
  }

  override func closed() { hasCarrier = false }

  override func removed() { parent.vlans.removeAll { $0 === self } }

  /// Learns what happened to the device under it.
  func parentChanged(_ event: DeviceEvent) {
    switch event {
    case .up:
      if !isUp && !isLooselyBound { host.bringUp(self) }
      setCarrier(parent.hasCarrier)
    case .down:
      if isUp && !isLooselyBound { host.bringDown(self) }
      setCarrier(parent.hasCarrier)
    case .carrierChanged: setCarrier(parent.hasCarrier)
    case .mtuChanged:
      guard mtu > parent.mtu else { return }
      mtu = parent.mtu
      announce(.mtuChanged)
    case .addressChanged:
      guard isUp, !isAddressSet, mac != parent.mac else { return }
      mac = parent.mac
      announce(.addressChanged)
    case .unregistering:
      // A parent that only moves to another namespace keeps its VLAN devices.
      if parent.isGone { host.unregister(self) }
    case .goingDown, .renamed, .masterChanged: break
    }
  }

  // MARK: Frames

  /// Takes the tag off a frame of this VLAN; false if the device is down.
  func accept(_ packet: inout Packet) -> Bool {
    guard isUp else { return false }
    let bits = UInt8(truncatingIfNeeded: packet.metadata.vlanTCI >> 13)
    packet.metadata.priority =
      ingressPriorities.first { $0.from == bits }?.to ?? 0
    packet.metadata.vlanProtocol = 0
    packet.metadata.vlanTCI = 0
    // Addressed to another host as seen from the parent, which may have another address.
    packet.metadata.type = packetType(for: packet.mac(at: 0))
    let type = EtherType(rawValue: packet.u16(at: 12))
    if type.isTag && packet.count >= 18 { Self.takeTag(&packet) }
    statistics.receivedPackets &+= 1
    statistics.receivedBytes &+= UInt64(packet.count &- 14)
    if packet.metadata.type == .multicast { statistics.receivedMulticast &+= 1 }
    return true
  }

  override func transmit(_ packet: consuming Packet) -> TransmitResult {
    var packet = packet
    let size = packet.count
    // A tag that is there already goes into the frame: the new one is outermost.
    Self.insertTag(&packet)
    let bits = egressPriorities.first { $0.from == packet.metadata.priority }?.to ?? 0
    packet.metadata.vlanProtocol = vlanProtocol
    packet.metadata.vlanTCI = UInt16(bits & 7) << 13 | identifier
    let result = parent.queueTransmit(packet)
    if result == .sent {
      statistics.sentPackets &+= 1
      statistics.sentBytes &+= UInt64(size)
    } else {
      statistics.sendDropped &+= 1
    }
    return result
  }
}

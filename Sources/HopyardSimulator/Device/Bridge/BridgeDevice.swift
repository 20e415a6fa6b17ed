import HopyardWire

/// A software bridge: learns behind which port each address is, and is itself the host's interface
/// to the segment.
public final class BridgeDevice: NetworkDevice {
  /// The ports, newest first, as a flood meets them.
  @exclusivity(unchecked) public internal(set) var ports: [BridgePort] = []
  /// The forwarding database.
  @exclusivity(unchecked) let fdb = ForwardingDatabase()
  /// `vlan_filtering`.
  @exclusivity(unchecked) public internal(set) var filtersVLANs = false
  /// `vlan_protocol`: the TPID of the tags that are looked at.
  @exclusivity(unchecked) public internal(set) var vlanProtocol: UInt16 = 0x8100
  /// `vlan_default_pvid`, or 0.
  public internal(set) var defaultPVID: UInt16 = 1
  /// The VLANs in which the bridge itself takes part.
  @exclusivity(unchecked) public internal(set) var ownVLANs = BridgeVLANs()
  /// `group_fwd_mask`: reserved groups that are forwarded.
  @exclusivity(unchecked) public internal(set) var groupForwardMask: UInt16 = 0
  /// What is known of multicast groups.
  @exclusivity(unchecked) public let multicast = MulticastSnooping()
  /// Settings that `ip -d link` shows and that change nothing here, by name.
  public internal(set) var storedSettings: [String: UInt64] = [:]
  /// `forward_delay` in nanoseconds.
  public internal(set) var forwardDelay: Int64 = .seconds(15)
  /// `hello_time` in nanoseconds.
  public internal(set) var helloTime: Int64 = .seconds(2)
  /// `max_age` in nanoseconds.
  public internal(set) var maximumAge: Int64 = .seconds(20)
  /// `priority` of the spanning tree.
  public internal(set) var bridgePriority: UInt16 = 32768
  /// The MAC address was set by hand and does not follow the ports.
  public internal(set) var isAddressSet = false
  /// Whether the bridge's identifier has an address, from a port or set by hand.
  public var hasFixedAddress: Bool { !identifierAddress.isZero }
  /// The MTU was set by hand and does not follow the ports.
  public internal(set) var isMTUSet = false
  /// The address of the bridge identifier, zero until a port or the administrator gave one.
  var identifierAddress = MACAddress.zero
  /// The senders of translated packets that wait for a neighbour, by journey.
  var waitingSources: [UInt64: MACAddress] = [:]
  /// `nf_call_iptables`, per bridge.
  @exclusivity(unchecked) public internal(set) var callsIPTables = false
  /// `nf_call_ip6tables`, per bridge.
  public internal(set) var callsIP6Tables = false
  /// `nf_call_arptables`, per bridge.
  public internal(set) var callsARPTables = false

  init(name: String, mac: MACAddress, number: UInt32, ifindex: Int32, host: any DeviceHost) {
    super.init(
      name: name,
      mac: mac,
      mtu: 1500,
      number: number,
      ifindex: ifindex,
      host: host
    )
    addLocal(mac, vlan: 0, port: nil)
    if defaultPVID != 0 {
      ownVLANs.add(defaultPVID, untagged: true, pvid: true)
      addLocal(mac, vlan: defaultPVID, port: nil)
    }
  }

  public override var kind: String { "bridge" }
  public override var operationalState: String {
    if !isUp { return "DOWN" }
    // Until its carrier first changes nobody has looked at it.
    if hasCarrier { return statistics.carrierChanges > 0 ? "UP" : "UNKNOWN" }
    return "DOWN"
  }

  /// `ageing_time` in nanoseconds.
  public var ageingTime: Int64 {
    get { fdb.ageingTime }
    set { fdb.setAgeingTime(newValue, now: simulation.now) }
  }

  /// The entries of the forwarding database.
  public var forwardingEntries: [FDBEntry] { fdb.entries(now: simulation.now) }

  /// The port of a device.
  public func port(of device: NetworkDevice) -> BridgePort? {
    ports.first { $0.device === device }
  }

  // MARK: Up and down

  override func opened() {
    for port in ports where port.device.isUp && port.device.hasCarrier { enable(port) }
  }

  override func closed() {
    for port in ports where port.state != .disabled { disable(port) }
    multicast.close()
  }

  override func removed() {
    for port in ports { detach(port) }
  }

  override func transmit(_ packet: consuming Packet) -> TransmitResult { output(packet) }

  // MARK: Ports

  /// Makes a device a port.
  func attach(_ device: NetworkDevice) {
    var number: UInt16 = 1
    while ports.contains(where: { $0.number == number }) { number += 1 }
    let port = BridgePort(bridge: self, device: device, number: number)
    device.master = self
    device.receiveHandler = port
    device.promiscuity += 1
    ports.insert(port, at: 0)
    addLocal(device.mac, vlan: 0, port: port)
    if defaultPVID != 0 {
      port.vlans.add(defaultPVID, untagged: true, pvid: true)
      addLocal(device.mac, vlan: defaultPVID, port: port)
    }
    let changed = recalculateAddress()
    if device.isUp && device.hasCarrier && isUp { enable(port) }
    if changed { announce(.addressChanged) }
    adjustMTU()
    device.announce(.masterChanged)
  }

  /// Releases a port.
  func detach(_ port: BridgePort) {
    let device = port.device
    disable(port)
    ports.removeAll { $0 === port }
    multicast.forget(port)
    fdb.removeAll { $0.port === port }
    device.receiveHandler = nil
    device.master = nil
    device.promiscuity -= 1
    if !isGone {
      adjustMTU()
      if recalculateAddress() { announce(.addressChanged) }
    }
    device.announce(.masterChanged)
  }

  /// Learns what happened to a port's device.
  func portChanged(_ port: BridgePort, _ event: DeviceEvent) {
    switch event {
    case .up:
      guard isUp else { return }
      if port.device.hasCarrier { enable(port) } else { selectStates() }
    case .down, .goingDown:
      if isUp && port.state != .disabled { disable(port) }
    case .carrierChanged:
      guard isUp else { return }
      if port.device.isUp && port.device.hasCarrier {
        if port.state == .disabled { enable(port) }
      } else if port.state != .disabled {
        disable(port)
      }
    case .mtuChanged: adjustMTU()
    case .addressChanged:
      changeLocal(of: port)
      if recalculateAddress() { announce(.addressChanged) }
    case .unregistering: detach(port)
    case .renamed, .masterChanged: break
    }
  }

  private func enable(_ port: BridgePort) {
    port.state = .forwarding
    selectStates()
  }

  private func disable(_ port: BridgePort) {
    port.state = .disabled
    fdb.removeAll {
      $0.port === port && $0.flags.isDisjoint(with: [.static, .local, .externallyLearned])
    }
    multicast.forget(port)
    selectStates()
  }

  /// Sets a port's state by hand (`bridge link set … state`).
  func setState(_ state: BridgePortState, of port: BridgePort) {
    port.state = state
    selectStates()
  }

  /// The bridge has a carrier while a port forwards.
  func selectStates() { setCarrier(ports.contains { $0.state == .forwarding }) }

  private func adjustMTU() {
    guard !isMTUSet else { return }
    let smallest = ports.map(\.device.mtu).min() ?? 1500
    guard smallest != mtu else { return }
    mtu = smallest
    announce(.mtuChanged)
  }

  // MARK: The bridge's own address

  /// Takes the lowest address of the ports, unless one was set by hand; true if it changed.
  func recalculateAddress() -> Bool {
    guard !isAddressSet else { return false }
    let lowest = ports.map(\.device.mac).min() ?? .zero
    guard lowest != identifierAddress else { return false }
    changeAddress(to: lowest)
    return true
  }

  /// Takes an address that was set by hand.
  func setAddressByHand(_ address: MACAddress) {
    isAddressSet = true
    changeAddress(to: address)
  }

  private func changeAddress(to address: MACAddress) {
    let old = mac
    for vlan in [0] + ownVLANs.members.map(\.identifier) {
      if let entry = fdb.find(old, vlan: vlan, now: simulation.now), entry.port == nil,
        entry.flags.contains(.local), !entry.flags.contains(.addedByUser)
      {
        removeLocal(entry)
      }
    }
    mac = address
    identifierAddress = address
    if !address.isZero {
      addLocal(address, vlan: 0, port: nil)
      for vlan in ownVLANs.members.map(\.identifier) { addLocal(address, vlan: vlan, port: nil) }
    }
    selectStates()
  }

  /// Notes an address of this host.
  func addLocal(_ address: MACAddress, vlan: UInt16, port: BridgePort?) {
    guard address.isValidForDevice else { return }
    if let known = fdb.find(address, vlan: vlan, now: simulation.now) {
      if known.flags.contains(.local) { return }
      fdb.remove(known)
    }
    fdb.insert(
      FDBEntry(
        mac: address,
        vlan: vlan,
        port: port,
        flags: [.local, .static],
        now: simulation.now
      ),
      now: simulation.now
    )
  }

  /// Forgets a local address, but leaves it to another port or the bridge if those have it too.
  private func removeLocal(_ entry: FDBEntry) {
    for other in ports
    where other !== entry.port && other.device.mac == entry.mac
      && (entry.vlan == 0 || other.vlans.contains(entry.vlan))
    {
      entry.port = other
      return
    }
    if entry.port != nil, entry.mac == mac, entry.vlan == 0 || ownVLANs.contains(entry.vlan) {
      entry.port = nil
      return
    }
    fdb.remove(entry)
  }

  private func changeLocal(of port: BridgePort) {
    let old = forwardingEntries.filter {
      $0.port === port && $0.flags.contains(.local) && !$0.flags.contains(.addedByUser)
    }
    for entry in old { removeLocal(entry) }
    addLocal(port.device.mac, vlan: 0, port: port)
    for vlan in port.vlans.members { addLocal(port.device.mac, vlan: vlan.identifier, port: port) }
  }

  // MARK: VLANs

  /// Adds a VLAN to a port, or to the bridge itself.
  func addVLAN(_ identifier: UInt16, untagged: Bool, pvid: Bool, to port: BridgePort?) {
    if let port {
      port.vlans.add(identifier, untagged: untagged, pvid: pvid)
      addLocal(port.device.mac, vlan: identifier, port: port)
    } else {
      ownVLANs.add(identifier, untagged: untagged, pvid: pvid)
      addLocal(mac, vlan: identifier, port: nil)
    }
  }

  /// Removes a VLAN from a port, or from the bridge itself; false if it was not there.
  func removeVLAN(_ identifier: UInt16, from port: BridgePort?) -> Bool {
    let removed =
      port.map { $0.vlans.remove(identifier) } ?? ownVLANs.remove(identifier)
    guard removed else { return false }
    let address = port?.device.mac ?? mac
    if let entry = fdb.find(address, vlan: identifier, now: simulation.now), entry.port === port,
      entry.flags.contains(.local)
    {
      removeLocal(entry)
    }
    if let port {
      fdb.removeAll { $0.port === port && $0.vlan == identifier && !$0.flags.contains(.local) }
    }
    return true
  }

  /// Moves every port that still has the former default VLAN to a new one; 0 is none.
  func setDefaultPVID(_ identifier: UInt16) {
    let old = defaultPVID
    guard identifier != old else { return }
    defaultPVID = identifier
    func move(_ vlans: BridgeVLANs, _ port: BridgePort?) {
      // A port that was configured by hand stays.
      let hasOld = old != 0 && vlans.pvid == old && vlans.isUntagged(old)
      let isBare = old == 0 && vlans.members.isEmpty
      guard hasOld || isBare, identifier == 0 || !vlans.contains(identifier) else { return }
      if identifier != 0 { addVLAN(identifier, untagged: true, pvid: true, to: port) }
      if old != 0 { _ = removeVLAN(old, from: port) }
    }
    move(ownVLANs, nil)
    for port in ports { move(port.vlans, port) }
  }
}

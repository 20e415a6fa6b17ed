import HopyardWire

/// What an administrator does to devices (`ip link set`), with the kernel's checks and errors.
extension NetworkNamespace {
  /// Sets a device up.
  public func setLinkUp(_ device: NetworkDevice) throws(LinkError) {
    guard !device.isUp else { return }
    try device.checkOpen()
    setUp(device)
    noteLink(of: device)
  }

  /// Sets a device down.
  public func setLinkDown(_ device: NetworkDevice) {
    setDown(device)
    noteLink(of: device)
  }

  /// Removes a device.
  public func removeLink(_ device: NetworkDevice) throws(LinkError) {
    // Physical devices and `lo` have nobody who could remove them.
    guard !device.kind.isEmpty else { throw LinkError(.notSupported) }
    // `tunl0` stays as long as the module does; asking for its removal is no error.
    if let tunnel = device as? IPIPDevice, tunnel.isFallback { return }
    remove(device)
  }

  /// Changes a device's MTU.
  public func setLinkMTU(_ device: NetworkDevice, _ mtu: Int) throws(LinkError) {
    guard device.mtu != mtu else { return }
    try Self.checkMTU(mtu, device.minimumMTU...max(device.minimumMTU, device.maximumMTU))
    try device.checkMTU(mtu)
    if let bridge = device as? BridgeDevice { bridge.isMTUSet = true }
    setMTU(device, mtu)
  }

  /// Changes a device's MAC address.
  public func setLinkMAC(_ device: NetworkDevice, _ mac: MACAddress) throws(LinkError) {
    guard device.isEthernet, !device.isLoopback else { throw LinkError(.notSupported) }
    guard mac.isValidForDevice else { throw LinkError(.addressNotAvailable) }
    if let vlan = device as? VLANDevice { vlan.isAddressSet = true }
    if let macvlan = device as? MacvlanDevice {
      if macvlan.mode == .passthru {
        macvlan.mac = mac
        try (macvlan.parent.host as? NetworkNamespace)?.setLinkMAC(macvlan.parent, mac)
      } else if macvlan.isUp && macvlan.mac != mac && macvlan.port.isBusy(mac, for: macvlan) {
        throw LinkError(.addressInUse)
      }
    }
    if let bridge = device as? BridgeDevice {
      bridge.setAddressByHand(mac)
      bridge.announce(.addressChanged)
      return
    }
    setMAC(device, mac)
  }

  /// Gives a device another name.
  public func setLinkName(_ device: NetworkDevice, _ name: String) throws(LinkError) {
    guard device.name != name else { return }
    if devices[name] != nil { throw LinkError(.fileExists) }
    rename(device, to: name)
  }

  /// Moves a device to another namespace, under a new name if one is given.
  public func moveLink(
    _ device: NetworkDevice,
    to other: NetworkNamespace,
    name: String? = nil
  ) throws(LinkError) {
    guard other !== self else {
      if let name { try setLinkName(device, name) }
      return
    }
    // Some devices belong to their namespace.
    if device.isLoopback || device is BridgeDevice || (device as? IPIPDevice)?.isFallback == true {
      throw LinkError(
        .invalidArgument,
        "The interface netns is immutable"
      )
    }
    if other.devices[name ?? device.name] != nil { throw LinkError(.fileExists) }
    _ = identifier(of: other)
    move(device, to: other, name: name)
    other.noteLink(of: device)
  }

  /// Switches ARP on a device on or off.
  public func setLinkARP(_ device: NetworkDevice, _ on: Bool) {
    guard device.isNoARP == on else { return }
    device.isNoARP = !on
    ipv4.neighbours.removeAll(on: device.number)
    ipv4.flows.removeAll()
  }

  /// Switches `promisc` on or off.
  public func setLinkPromiscuous(_ device: NetworkDevice, _ on: Bool) {
    guard device.isPromiscuousByHand != on else { return }
    device.isPromiscuousByHand = on
    device.promiscuity += on ? 1 : -1
  }

  /// Switches `allmulticast` on or off.
  public func setLinkAllMulticast(_ device: NetworkDevice, _ on: Bool) {
    device.isAllMulticast = on
  }

  /// Switches multicast on or off.
  public func setLinkMulticast(_ device: NetworkDevice, _ on: Bool) {
    device.isMulticastOff = device.isMulticastCapable && !on
    device.isMulticastOn = !device.isMulticastCapable && on
  }

  /// Changes the length of the transmit queue.
  public func setLinkQueueLength(_ device: NetworkDevice, _ length: Int) {
    device.queueLength = length
  }

  /// Changes the device group.
  public func setLinkGroup(_ device: NetworkDevice, _ group: UInt32) { device.group = group }

  /// Changes the alias.
  public func setLinkAlias(_ device: NetworkDevice, _ alias: String) { device.alias = alias }

  // MARK: Addresses

  /// Adds an address with its lifetimes; one that is there already is changed where `replacing` is
  /// set and otherwise an error.
  public func addLinkAddress(
    _ address: InterfaceAddress<UInt32>,
    to device: NetworkDevice,
    replacing: Bool
  ) throws(RouteError) {
    var address = address
    let now = simulation.now.nanoseconds
    address.updated = now
    if address.validLifetime != .max { address.flags.remove(.permanent) }
    let known = device.inet.addresses.firstIndex {
      $0.local == address.local && $0.prefixLength == address.prefixLength
        && ($0.peer ^ address.peer) & address.mask == 0
    }
    if let known {
      guard replacing else { throw RouteError(.fileExists, "ipv4: Address already assigned") }
      let old = device.inet.addresses[known]
      if old.metric != address.metric
        || old.flags.contains(.noPrefixRoute) != address.flags.contains(.noPrefixRoute)
      {
        // Its routes change with it.
        removeAddress(at: known, from: device, promoting: true)
        address.created = old.created
        try addAddress(address, to: device)
      } else {
        device.inet.addresses[known].updated = now
        device.inet.addresses[known].validLifetime = address.validLifetime
        device.inet.addresses[known].preferredLifetime = address.preferredLifetime
        device.inet.addresses[known].flags.remove([.permanent, .deprecated])
        device.inet.addresses[known].flags.formUnion(
          address.flags.intersection([.permanent, .noPrefixRoute])
        )
      }
    } else {
      address.created = now
      try addAddress(address, to: device)
    }
    scheduleLifetimes(of: address, on: device)
  }

  private func scheduleLifetimes(of address: InterfaceAddress<UInt32>, on device: NetworkDevice) {
    func find() -> Int? {
      device.inet.addresses.firstIndex {
        $0.local == address.local && $0.prefixLength == address.prefixLength
          && $0.updated == address.updated
      }
    }
    if address.preferredLifetime != .max {
      simulation.schedule(after: .seconds(Int64(address.preferredLifetime))) { [weak self] in
        guard self != nil, let index = find() else { return }
        device.inet.addresses[index].flags.insert(.deprecated)
      }
    }
    if address.validLifetime != .max {
      simulation.schedule(after: .seconds(Int64(address.validLifetime))) { [weak self] in
        guard let self, let index = find() else { return }
        self.removeAddress(at: index, from: device)
      }
    }
  }

  // MARK: Masters

  /// Makes a device part of another one, or of none; leaves a former one first.
  public func setLinkMaster(_ device: NetworkDevice, _ master: NetworkDevice?) throws(LinkError) {
    if let port = device.bridgePort {
      port.bridge.detach(port)
    } else if device.master != nil {
      throw LinkError(.notSupported)
    }
    guard let master else { return }
    guard let bridge = master as? BridgeDevice else { throw LinkError(.notSupported) }
    guard device.isEthernet, !device.isLoopback, device.mac.isValidForDevice else {
      throw LinkError(.invalidArgument)
    }
    if device is BridgeDevice {
      throw LinkError(.loop, "Can not enslave a bridge to a bridge")
    }
    if device.receiveHandler != nil || device.stands(on: bridge) { throw LinkError(.busy) }
    bridge.attach(device)
  }

  /// Adds a link-layer address to which a device listens (`bridge fdb add … self`).
  public func addListenedAddress(_ address: MACAddress, to device: NetworkDevice) throws(LinkError)
  {
    if device.listenedAddresses.contains(address) { throw LinkError(.fileExists) }
    device.listenedAddresses.append(address)
  }

  /// Removes a link-layer address to which a device listens.
  public func removeListenedAddress(
    _ address: MACAddress,
    from device: NetworkDevice
  ) throws(LinkError) {
    guard let index = device.listenedAddresses.firstIndex(of: address) else {
      throw LinkError(.noSuchFile)
    }
    device.listenedAddresses.remove(at: index)
  }

  // MARK: Link-layer groups

  /// Adds or removes a link-layer group address by hand (`ip maddress`).
  public func changeMulticastFilter(
    of device: NetworkDevice,
    _ address: MACAddress,
    adding: Bool
  ) {
    if adding {
      guard !device.staticGroups.contains(address) else { return }
      device.staticGroups.append(address)
      device.addMulticastFilter(address)
    } else if device.staticGroups.contains(address) {
      device.staticGroups.removeAll { $0 == address }
      device.removeMulticastFilter(address)
    }
  }

  // MARK: Namespaces as seen from here

  /// The number by which this namespace knows another one, given out when first needed.
  @discardableResult
  public func identifier(of other: NetworkNamespace) -> Int {
    if let known = knownIdentifier(of: other) { return known }
    var number = firstFreeIdentifier
    if number <= lastIdentifier {
      let taken = Set(namespaceIdentifiers.values)
      while taken.contains(number) { number += 1 }
    }
    firstFreeIdentifier = number + 1
    lastIdentifier = max(lastIdentifier, number)
    namespaceIdentifiers[ObjectIdentifier(other)] = number
    return number
  }

  /// Chooses the number by which this namespace shall know another one; false if it is taken.
  public func setIdentifier(_ number: Int, of other: NetworkNamespace) -> Bool {
    guard !namespaceIdentifiers.values.contains(number) else { return false }
    lastIdentifier = max(lastIdentifier, number)
    namespaceIdentifiers[ObjectIdentifier(other)] = number
    return true
  }

  /// The number by which this namespace knows another one, if it has one.
  public func knownIdentifier(of other: NetworkNamespace) -> Int? {
    namespaceIdentifiers[ObjectIdentifier(other)]
  }

  /// Forgets the number of a namespace that was removed.
  func forgetIdentifier(of other: NetworkNamespace) {
    if let number = namespaceIdentifiers.removeValue(forKey: ObjectIdentifier(other)) {
      firstFreeIdentifier = min(firstFreeIdentifier, number)
    }
  }

  /// The kernel tells of a device whose other half is elsewhere, and gives that place a number.
  func noteLink(of device: NetworkDevice) {
    let elsewhere = device.lower?.host ?? (device as? VXLANDevice)?.underlay
    guard let other = elsewhere as? NetworkNamespace, other !== self else { return }
    identifier(of: other)
  }
}

extension NetworkDevice {
  /// Whether the device stands, directly or not, on another one.
  func stands(on other: NetworkDevice) -> Bool {
    if self is VethDevice { return false }
    guard let lower else { return false }
    return lower === other || lower.stands(on: other)
  }

  /// The addresses besides its own to which it listens, newest first.
  public var additionalAddresses: [MACAddress] {
    var found = listenedAddresses
    if let port = receiveHandler as? MacvlanPort {
      found += port.children.filter { $0.isUp && $0.mode != .passthru }.map(\.mac)
    }
    found += vlans.filter { $0.isUp && $0.mac != mac }.map(\.mac)
    return found.reversed()
  }

  /// The Ethernet address of ff02::1.
  private static var allNodes: MACAddress { MACAddress(rawValue: 0x3333_0000_0001) }
  /// The Ethernet address of ff02::6a.
  private static var allSnoopers6: MACAddress { MACAddress(rawValue: 0x3333_0000_006a) }
  /// The group of devices that look into IGMP messages (RFC 4286).
  public static var allSnoopers: IPv4Address { IPv4Address(rawValue: 0xe000_006a) }

  /// Whether it is a bridge that looks into IGMP messages, and so is in the group of such devices.
  public var listensForSnoopers: Bool {
    isUp && (self as? BridgeDevice)?.multicast.isEnabled == true
  }

  /// The link-layer groups to which it listens, in the order in which it came to them.
  public var multicastAddresses: [(mac: MACAddress, users: Int, isStatic: Bool)] {
    guard isEthernet, !isLoopback else { return [] }
    // IPv6 joins ff02::1 on every device, also where it is disabled.
    var found: [(mac: MACAddress, users: Int, isStatic: Bool)] = [(Self.allNodes, 1, false)]
    let snoops = listensForSnoopers
    let snoopers = MACAddress(multicast: Self.allSnoopers)
    if snoops {
      found.append((snoopers, 1, false))
      found.append((Self.allSnoopers6, 1, false))
    }
    if isUp { found.append((MACAddress(multicast: IPv4Address(rawValue: 0xe000_0001)), 1, false)) }
    var rest = multicastFilter
    for membership in inet.groups {
      let mac = MACAddress(multicast: membership.group)
      if let users = rest.removeValue(forKey: mac) {
        found.append((mac, users, staticGroups.contains(mac)))
      }
    }
    for mac in rest.keys.sorted() {
      found.append((mac, multicastFilter[mac] ?? 1, staticGroups.contains(mac)))
    }
    return found
  }

  /// The namespace in which the device is.
  public var namespace: NetworkNamespace? { host as? NetworkNamespace }
}

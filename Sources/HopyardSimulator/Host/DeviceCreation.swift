import HopyardWire

/// What every new device is given, as the first words of `ip link add`.
public struct NewLink: Sendable {
  /// Its name, or nil for the kind's name and a number.
  public var name: String?
  /// Its MAC address, or nil for a random one.
  public var mac: MACAddress?
  /// Its MTU, or nil for the kind's.
  public var mtu: Int?
  /// The length of its transmit queue.
  public var queueLength: Int?
  /// Its index, or nil for the next.
  public var ifindex: Int32?
  /// How many transmit queues it says to have.
  public var transmitQueues: Int?
  /// How many receive queues it says to have.
  public var receiveQueues: Int?
  /// The device group.
  public var group: UInt32?
  /// The alias.
  public var alias: String?

  /// Makes a description.
  public init(_ name: String? = nil, mac: MACAddress? = nil, mtu: Int? = nil) {
    self.name = name
    self.mac = mac
    self.mtu = mtu
  }
}

/// What a new VLAN device is given.
public struct NewVLAN: Sendable {
  /// The VLAN identifier.
  public var identifier: UInt16
  /// The TPID: 0x8100 or 0x88a8.
  public var vlanProtocol: UInt16 = 0x8100

  /// Makes a description.
  public init(identifier: UInt16, vlanProtocol: UInt16 = 0x8100) {
    self.identifier = identifier
    self.vlanProtocol = vlanProtocol
  }
}

extension NetworkNamespace {
  /// Makes a pair of veth devices; the second one is made first, and may be in another namespace.
  @discardableResult
  public func makeVeth(
    _ link: NewLink,
    peer: NewLink,
    in other: NetworkNamespace? = nil
  ) throws(LinkError) -> (VethDevice, VethDevice) {
    let target = other ?? self
    // The peer is made first, and takes its name first, unless a name that was asked for is in the way.
    let peerName = try target.freeName(peer, prefix: "veth")
    let name = try freeName(link, prefix: "veth", besides: target === self ? peerName : nil)
    try check(link, 68...65535)
    try target.check(peer, 68...65535)
    let second = VethDevice(
      name: peerName,
      mac: peer.mac ?? machine.randomMAC(),
      number: backlog.nextNumber(),
      ifindex: peer.ifindex ?? target.devices.nextIndex(),
      host: target
    )
    target.finish(second, peer)
    let first = VethDevice(
      name: name,
      mac: link.mac ?? machine.randomMAC(),
      number: backlog.nextNumber(),
      ifindex: link.ifindex ?? devices.nextIndex(),
      host: self
    )
    finish(first, link)
    first.peer = second
    second.peer = first
    first.noteStateWithoutCarrier()
    second.noteStateWithoutCarrier()
    noteLink(of: first)
    return (first, second)
  }

  /// Makes a bridge.
  @discardableResult
  public func makeBridge(_ link: NewLink) throws(LinkError) -> BridgeDevice {
    let name = try freeName(link, prefix: "bridge")
    try check(link, 68...65535)
    let bridge = BridgeDevice(
      name: name,
      mac: link.mac ?? machine.randomMAC(),
      number: backlog.nextNumber(),
      ifindex: link.ifindex ?? devices.nextIndex(),
      host: self
    )
    if let mac = link.mac { bridge.setAddressByHand(mac) }
    finish(bridge, link)
    return bridge
  }

  /// Makes a dummy device.
  @discardableResult
  public func makeDummy(_ link: NewLink) throws(LinkError) -> DummyDevice {
    let name = try freeName(link, prefix: "dummy")
    try check(link, 0...Int(Int32.max))
    let dummy = DummyDevice(
      name: name,
      mac: link.mac ?? machine.randomMAC(),
      number: backlog.nextNumber(),
      ifindex: link.ifindex ?? devices.nextIndex(),
      host: self
    )
    finish(dummy, link)
    return dummy
  }

  /// Makes a VLAN device on a device, which may be in another namespace.
  @discardableResult
  public func makeVLAN(
    _ link: NewLink,
    on parent: NetworkDevice,
    _ vlan: NewVLAN
  ) throws(LinkError) -> VLANDevice {
    guard vlan.identifier < 4095 else {
      throw LinkError(.outOfRange, "8021q: Invalid VLAN id")
    }
    guard parent.isEthernet, !parent.isLoopback else {
      throw LinkError(.notSupported, "8021q: VLANs not supported on device")
    }
    if parent.vlans.contains(where: {
      $0.identifier == vlan.identifier && $0.vlanProtocol == vlan.vlanProtocol
    }) {
      throw LinkError(.fileExists, "8021q: VLAN device already exists")
    }
    let name = try freeName(link, prefix: "vlan")
    if let mtu = link.mtu, mtu > parent.mtu { throw LinkError(.invalidArgument) }
    try check(link, 0...65535)
    let device = VLANDevice(
      name: name,
      parent: parent,
      identifier: vlan.identifier,
      vlanProtocol: vlan.vlanProtocol,
      number: backlog.nextNumber(),
      ifindex: link.ifindex ?? devices.nextIndex(),
      host: self
    )
    if let mac = link.mac {
      device.mac = mac
      device.isAddressSet = true
    }
    finish(device, link)
    noteLink(of: device)
    return device
  }

  /// Makes a macvlan device on a device, which may be in another namespace.
  @discardableResult
  public func makeMacvlan(
    _ link: NewLink,
    on device: NetworkDevice,
    mode: MacvlanMode = .vepa
  ) throws(LinkError) -> MacvlanDevice {
    // A macvlan device on another stands on that one's parent.
    let parent = (device as? MacvlanDevice)?.parent ?? device
    if let mtu = link.mtu, mtu > parent.mtu { throw LinkError(.invalidArgument) }
    try check(link, 68...parent.maximumMTU)
    let name = try freeName(link, prefix: "macvlan")
    let port = try MacvlanPort.of(parent)
    if port.isPassthru || (mode == .passthru && !port.children.isEmpty) {
      throw LinkError(.invalidArgument)
    }
    let mac = mode == .passthru ? parent.mac : link.mac ?? machine.randomMAC()
    let made = MacvlanDevice(
      name: name,
      mac: mac,
      port: port,
      mode: mode,
      number: backlog.nextNumber(),
      ifindex: link.ifindex ?? devices.nextIndex(),
      host: self
    )
    finish(made, link)
    noteLink(of: made)
    return made
  }

  /// The name of a new device; it must be free.
  func freeName(_ link: NewLink, prefix: String, besides other: String? = nil)
    throws(LinkError) -> String
  {
    if let name = link.name, !name.contains("%") {
      if devices[name] != nil || name == other { throw LinkError(.fileExists) }
      return name
    }
    let pattern = link.name.map { String($0.prefix { $0 != "%" }) } ?? prefix
    var number = 0
    while devices["\(pattern)\(number)"] != nil || "\(pattern)\(number)" == other { number += 1 }
    return "\(pattern)\(number)"
  }

  func check(_ link: NewLink, _ range: ClosedRange<Int>) throws(LinkError) {
    if let mtu = link.mtu { try Self.checkMTU(mtu, range) }
    if let mac = link.mac, !mac.isValidForDevice { throw LinkError(.addressNotAvailable) }
    if let index = link.ifindex, devices[index] != nil { throw LinkError(.busy) }
  }

  static func checkMTU(_ mtu: Int, _ range: ClosedRange<Int>) throws(LinkError) {
    if mtu < range.lowerBound {
      throw LinkError(.invalidArgument, "mtu less than device minimum")
    }
    if mtu > range.upperBound {
      throw LinkError(.invalidArgument, "mtu greater than device maximum")
    }
  }

  /// Gives a new device what was asked for and takes it in.
  func finish(_ device: NetworkDevice, _ link: NewLink) {
    if let mtu = link.mtu { device.mtu = mtu }
    if let length = link.queueLength { device.queueLength = length }
    if let group = link.group { device.group = group }
    if let alias = link.alias { device.alias = alias }
    device.transmitQueues = link.transmitQueues ?? 1
    device.receiveQueues = link.receiveQueues ?? 1
    add(device)
    device.noteStateWithoutCarrier()
  }
}

import HopyardWire

/// How a macvlan device treats its siblings.
public enum MacvlanMode: UInt8, Sendable, CaseIterable {
  /// Siblings are not reached, not even through an outside switch.
  case `private` = 1
  /// Siblings are reached through an outside switch that sends frames back.
  case vepa = 2
  /// Siblings are reached directly.
  case bridge = 4
  /// The device takes over the parent.
  case passthru = 8
  /// Frames are taken by their source address.
  case source = 16

  /// The name that `ip link` uses.
  public var name: String {
    switch self {
    case .private: "private"
    case .vepa: "vepa"
    case .bridge: "bridge"
    case .passthru: "passthru"
    case .source: "source"
    }
  }
}

/// A device with an address of its own on a parent device.
///
/// The parent and its macvlan devices do not talk to each other.
public final class MacvlanDevice: NetworkDevice {
  /// The device under it.
  @exclusivity(unchecked) public let parent: NetworkDevice
  /// What the parent's macvlan devices share.
  @exclusivity(unchecked) let port: MacvlanPort
  /// How it treats its siblings.
  @exclusivity(unchecked) public internal(set) var mode: MacvlanMode
  /// The source addresses of `mode source`.
  public internal(set) var sources: [MACAddress] = []
  /// `nopromisc`: passthru leaves the parent's promiscuity alone.
  public internal(set) var leavesPromiscuity = false

  init(
    name: String,
    mac: MACAddress,
    port: MacvlanPort,
    mode: MacvlanMode,
    number: UInt32,
    ifindex: Int32,
    host: any DeviceHost
  ) {
    parent = port.device
    self.port = port
    self.mode = mode
    super.init(
      name: name,
      mac: mac,
      mtu: port.device.mtu,
      number: number,
      ifindex: ifindex,
      host: host
    )
    hasCarrier = parent.hasCarrier
    queueLength = 1000
    port.children.append(self)
  }

  public override var kind: String { "macvlan" }
  public override var lower: NetworkDevice? { parent }
  public override var maximumMTU: Int { parent.maximumMTU }
  public override var operationalState: String {
    if !isUp { return "DOWN" }
    return hasCarrier ? "UP" : stateWithoutCarrier
  }

  /// Changes the mode; passthru can be neither entered nor left.
  public func setMode(_ wanted: MacvlanMode) throws(LinkError) {
    if (wanted == .passthru) != (mode == .passthru) { throw LinkError(.invalidArgument) }
    if wanted != .source { sources = [] }
    mode = wanted
  }

  /// Changes the source addresses of `mode source`.
  public func setSources(_ addresses: [MACAddress]) throws(LinkError) {
    guard mode == .source else { throw LinkError(.invalidArgument) }
    sources = addresses
  }

  /// Leaves the parent's promiscuity alone, or not.
  public func setLeavesPromiscuity(_ leaves: Bool) { leavesPromiscuity = leaves }

  override func checkOpen() throws(LinkError) {
    if mode == .passthru { return }
    if port.isBusy(mac, for: self) { throw LinkError(.addressInUse) }
  }

  override func checkMTU(_ mtu: Int) throws(LinkError) {
    if mtu > parent.mtu { throw LinkError(.invalidArgument) }
  }

  override func opened() {
    // The parent must hear frames to an address that is not its own.
    if mode != .passthru || !leavesPromiscuity { port.listeners += 1 }
    hasCarrier = parent.hasCarrier
    noteStateWithoutCarrier()
  }

  override func closed() {
    if mode != .passthru || !leavesPromiscuity { port.listeners -= 1 }
  }

  override func removed() { port.remove(self) }

  override func transmit(_ packet: consuming Packet) -> TransmitResult {
    let size = packet.count
    if mode == .bridge {
      let destination = packet.mac(at: 0)
      if destination.isMulticast {
        port.broadcast(packet, except: self, modes: [.bridge], isLocal: true)
      } else if let target = port.find(destination), target.mode == .bridge {
        // The parent receives it first, for the sake of its captures.
        guard parent.isUp else {
          statistics.sendDropped &+= 1
          parent.statistics.receiveDropped &+= 1
          host.drop(packet, .deviceDown, on: parent)
          return .sent
        }
        statistics.sentPackets &+= 1
        statistics.sentBytes &+= UInt64(size)
        packet.scrub(crossing: parent.host !== host)
        parent.host.backlog.enqueue(packet, for: parent)
        return .sent
      }
    }
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

/// What the macvlan devices of a parent share, and how the parent's frames reach them.
final class MacvlanPort: ReceiveHandler {
  @exclusivity(unchecked) unowned(unsafe) let device: NetworkDevice
  /// In order of creation.
  @exclusivity(unchecked) var children: [MacvlanDevice] = []
  /// How many children hear through the parent.
  var listeners = 0 {
    didSet {
      if (oldValue > 0) != (listeners > 0) { device.promiscuity += listeners > 0 ? 1 : -1 }
    }
  }

  init(device: NetworkDevice) { self.device = device }

  /// The port of a device, made where there is none yet.
  static func of(_ device: NetworkDevice) throws(LinkError) -> MacvlanPort {
    if let known = device.receiveHandler as? MacvlanPort { return known }
    guard device.isEthernet, !device.isLoopback else { throw LinkError(.invalidArgument) }
    guard device.receiveHandler == nil else { throw LinkError(.busy) }
    let port = MacvlanPort(device: device)
    device.receiveHandler = port
    return port
  }

  var isPassthru: Bool { children.first?.mode == .passthru }

  func remove(_ child: MacvlanDevice) {
    children.removeAll { $0 === child }
    if children.isEmpty { device.receiveHandler = nil }
  }

  /// The child that is up and has an address.
  @inline(__always)
  func find(_ address: MACAddress) -> MacvlanDevice? {
    for child in children where child.mac == address && child.isUp { return child }
    return nil
  }

  func isBusy(_ address: MACAddress, for child: MacvlanDevice) -> Bool {
    address == device.mac || children.contains { $0 !== child && $0.isUp && $0.mac == address }
  }

  func handle(_ packet: consuming Packet, on device: NetworkDevice) -> ReceiveResult {
    let destination = packet.mac(at: 0)
    let source = packet.mac(at: 6)
    forwardBySource(packet, source)
    if destination.isMulticast {
      let sender = find(source)
      if let sender, sender.mode != .vepa && sender.mode != .bridge {
        // What came back from an outside switch goes to its sender only.
        hand(packet, to: sender, isLocal: false)
        return .consumed
      }
      let modes: [MacvlanMode]
      if let sender {
        modes = sender.mode == .vepa ? [.vepa, .bridge] : [.vepa]
      } else {
        modes = [.private, .vepa, .passthru, .bridge]
      }
      broadcast(packet, except: sender, modes: modes, isLocal: false)
      return .pass(packet)
    }
    guard let child = isPassthru ? children.first : find(destination), child.mode != .source else {
      return .pass(packet)
    }
    guard child.isUp else {
      child.host.drop(packet, .deviceDown, on: child)
      return .consumed
    }
    child.statistics.receivedPackets &+= 1
    child.statistics.receivedBytes &+= UInt64(packet.count)
    packet.metadata.type = .host
    return .another(packet, child)
  }

  /// Hands copies to the children that listen to a group.
  func broadcast(
    _ packet: borrowing Packet,
    except sender: MacvlanDevice?,
    modes: [MacvlanMode],
    isLocal: Bool
  ) {
    for child in children where child !== sender && child.isUp && modes.contains(child.mode) {
      hand(packet.clone(), to: child, isLocal: isLocal)
    }
  }

  private func hand(_ packet: consuming Packet, to child: MacvlanDevice, isLocal: Bool) {
    packet.scrub(crossing: child.host !== device.host)
    child.host.backlog.enqueue(packet, for: child)
  }

  private func forwardBySource(_ packet: borrowing Packet, _ source: MACAddress) {
    for child in children
    where child.mode == .source && child.isUp && child.sources.contains(source) {
      hand(packet.clone(), to: child, isLocal: false)
    }
  }

  /// Learns what happened to the parent.
  func lowerChanged(_ event: DeviceEvent) {
    switch event {
    case .up, .down, .carrierChanged:
      for child in children { child.setCarrier(device.hasCarrier) }
    case .mtuChanged:
      for child in children where child.mtu > device.mtu {
        child.mtu = device.mtu
        child.announce(.mtuChanged)
      }
    case .addressChanged:
      guard isPassthru, let child = children.first, child.mac != device.mac else { return }
      child.mac = device.mac
      child.announce(.addressChanged)
    case .unregistering:
      // A parent that only moves to another namespace keeps its macvlan devices.
      guard device.isGone else { return }
      for child in children.reversed() { child.host.unregister(child) }
    case .goingDown, .renamed, .masterChanged: break
    }
  }
}

extension Packet {
  /// Takes off what one host knows of a packet, as it is handed to another device; `crossing` says
  /// that this one is in another namespace.
  mutating func scrub(crossing: Bool) {
    if crossing {
      metadata.mark = 0
      metadata.socket = 0
    }
    metadata.conntrack = 0
    metadata.conntrackInfo = 0
    metadata.flags.formIntersection([.checksumIsRight, .datedByTCP])
    metadata.bridgeInputPort = 0
    metadata.bridgeOutputPort = 0
    metadata.priority = 0
  }
}

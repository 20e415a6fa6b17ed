import HopyardWire

/// What became of a frame that was handed to a device.
public enum TransmitResult: Sendable {
  /// It is on its way.
  case sent
  /// A queue or the receiving end dropped it; local senders get ENOBUFS.
  case dropped
  /// The device is down or has no carrier; it vanished without notice.
  case discarded
  /// A rule forbade it; local senders get EPERM.
  case refused
}

/// What happened to a device.
public enum DeviceEvent: Equatable, Sendable {
  /// It was set up.
  case up
  /// It is being set down.
  case goingDown
  /// It was set down.
  case down
  /// Its carrier appeared or vanished.
  case carrierChanged
  /// Its MTU changed.
  case mtuChanged
  /// Its MAC address changed.
  case addressChanged
  /// Its name changed; the former name is given.
  case renamed(String)
  /// It leaves the namespace.
  case unregistering
  /// It was put under a master, or released.
  case masterChanged
}

/// What a device asks of the namespace in which it is.
protocol DeviceHost: AnyObject {
  var simulation: Simulation { get }
  var namespaceName: String { get }
  var backlog: Backlog { get }
  /// Takes a packet for the network layer; its first byte is the network header's.
  func receive(_ packet: consuming Packet, on device: NetworkDevice)
  /// The device of the namespace with an index.
  func device(withIndex ifindex: Int32) -> NetworkDevice?
  /// Learns what happened to a device.
  func deviceChanged(_ device: NetworkDevice, _ event: DeviceEvent)
  /// Notes the end of a packet's way.
  func drop(_ packet: consuming Packet, _ fate: Fate, on device: NetworkDevice?)
  /// Whether bridged IPv4 packets are shown to iptables (`bridge-nf-call-iptables`).
  var callsIPTablesOnBridges: Bool { get }
  /// Whether nothing stands at any netfilter hook.
  var isNetfilterIdle: Bool { get }
  /// Shows a bridged packet, from the IP header on, to a hook; false if its way ended there.
  func showBridged(
    _ packet: inout Packet,
    at hook: Hook,
    in input: NetworkDevice?,
    out output: NetworkDevice?
  ) -> Bool
  /// Where a bridged packet goes whose destination was translated.
  func translatedDestination(
    _ packet: borrowing Packet,
    on bridge: NetworkDevice
  ) -> BridgedDestination
  /// Cuts a bridged packet, from the IP header on, into pieces that fit a limit.
  func cutBridged(
    _ packet: borrowing Packet,
    limit: Int,
    _ body: (consuming Packet) -> Void
  )
  /// The MAC address of a neighbour that is known to be there.
  func connectedNeighbour(_ address: UInt32, on device: NetworkDevice) -> MACAddress?
  /// Sends a packet, from the IP header on, to a neighbour, asking for its address first if needed.
  func sendToNeighbour(_ packet: consuming Packet, _ address: UInt32, on device: NetworkDevice)
  /// Sets a device up as a device under it asks; what cannot be set up stays down.
  func bringUp(_ device: NetworkDevice)
  /// Sets a device down as a device under it asks.
  func bringDown(_ device: NetworkDevice)
  /// Removes a device because one that it needs is removed.
  func unregister(_ device: NetworkDevice)
}

/// Where a bridged packet goes after its destination was translated.
enum BridgedDestination {
  /// To a neighbour on the same bridge.
  case neighbour(UInt32)
  /// Up, to be routed or delivered.
  case routed
  /// Nowhere.
  case none
}

/// Takes the IPv4 packets that devices receive; a class, so that it is called without reference
/// counts.
class NetworkLayer {
  /// Takes a packet; its first byte is the IPv4 header's.
  func take(_ packet: consuming Packet, on device: NetworkDevice) {}
}

/// Takes the frames that a device receives, before the network layer: a bridge, or macvlan.
protocol ReceiveHandler: AnyObject {
  /// Handles a frame whose first byte is the link header's.
  func handle(_ packet: consuming Packet, on device: NetworkDevice) -> ReceiveResult
}

/// What a receive handler did with a frame.
enum ReceiveResult: ~Copyable {
  /// It took the frame.
  case consumed
  /// The frame goes on to the network layer of the device it came by.
  case pass(Packet)
  /// The frame was received by another device, from the beginning.
  case another(Packet, NetworkDevice)
}

/// Packet and byte counters of a device, as `ip -s link` prints them.
public struct DeviceStatistics: Sendable {
  /// Packets received.
  public var receivedPackets: UInt64 = 0
  /// Bytes of the received packets.
  public var receivedBytes: UInt64 = 0
  /// Frames received that were malformed or too long.
  public var receiveErrors: UInt64 = 0
  /// Packets received that were dropped.
  public var receiveDropped: UInt64 = 0
  /// Multicast packets among the received.
  public var receivedMulticast: UInt64 = 0
  /// Packets sent.
  public var sentPackets: UInt64 = 0
  /// Bytes of the sent packets.
  public var sentBytes: UInt64 = 0
  /// Packets that could not be sent for an error.
  public var sendErrors: UInt64 = 0
  /// Packets to be sent that were dropped.
  public var sendDropped: UInt64 = 0
  /// Packets that could not be sent because no way led to the far end.
  public var carrierErrors: UInt64 = 0
  /// Packets that a tunnel would have sent through itself.
  public var collisions: UInt64 = 0
  /// How often the carrier came or went.
  public var carrierChanges: UInt64 = 0

  /// All zero.
  public init() {}
}

/// A network device: the base of all kinds.
///
/// A frame comes in through `receive`, passes the tap, and goes to a VLAN device, a receive handler
/// or the network layer; it goes out through `queueTransmit`, the tap and `transmit`, which each
/// kind does in its own way.
public class NetworkDevice {
  /// The device's number on its machine; it never changes.
  public final let number: UInt32
  /// The simulation to which it belongs.
  public unowned(unsafe) let simulation: Simulation
  /// What each packet reads of it.
  final let core: UnsafeMutablePointer<SimulationCore>
  /// The namespace in which it is.
  @exclusivity(unchecked) unowned(unsafe) var host: any DeviceHost {
    didSet { hostIdentity = ObjectIdentifier(host) }
  }
  /// Tells namespaces apart without a reference count.
  @exclusivity(unchecked) private(set) var hostIdentity: ObjectIdentifier
  /// The machine's receive queue, without a reference count.
  let backlogReference: Unmanaged<Backlog>
  /// Takes IPv4 packets, without a reference count; the namespace sets it.
  @exclusivity(unchecked) var networkLayer: Unmanaged<NetworkLayer>?
  /// Its name, unique in its namespace.
  @exclusivity(unchecked) public final internal(set) var name: String
  /// The number that stands for its name.
  @exclusivity(unchecked) public final internal(set) var nameID: UInt32
  /// Its index in its namespace.
  @exclusivity(unchecked) public final internal(set) var ifindex: Int32
  /// Its MAC address; zero where there is none.
  @exclusivity(unchecked) public final internal(set) var mac: MACAddress
  /// The largest network-layer packet it takes.
  @exclusivity(unchecked) public final internal(set) var mtu: Int
  /// `IFF_UP`.
  @exclusivity(unchecked) public final internal(set) var isUp = false
  /// Whether its link is there (`LOWER_UP` while up).
  @exclusivity(unchecked) public final internal(set) var hasCarrier = true
  /// `IFF_NOARP`.
  @exclusivity(unchecked) public final internal(set) var isNoARP = false
  /// The operational state while it is up without a carrier.
  var stateWithoutCarrier = "DOWN"
  /// How many users want all frames (`IFF_PROMISC` while positive).
  @exclusivity(unchecked) public final internal(set) var promiscuity = 0
  /// Whether the administrator set `promisc on`.
  public final internal(set) var isPromiscuousByHand = false
  /// Whether the administrator set `allmulticast on`.
  public final internal(set) var isAllMulticast = false
  /// Whether the administrator switched multicast off.
  public final internal(set) var isMulticastOff = false
  /// Whether the administrator switched multicast on where the kind has it off.
  public final internal(set) var isMulticastOn = false
  /// It was up since it came to its namespace.
  public final internal(set) var hasBeenUp = false
  /// How many transmit queues the device says to have.
  public final internal(set) var transmitQueues = 1
  /// How many receive queues the device says to have.
  public final internal(set) var receiveQueues = 1
  /// The device group (`ip link set group`).
  @exclusivity(unchecked) public final internal(set) var group: UInt32 = 0
  /// The alias (`ip link set alias`).
  public final internal(set) var alias = ""
  /// The transmit queue length.
  public final internal(set) var queueLength = 1000
  /// The bridge or other device of which it is a part.
  @exclusivity(unchecked) public final internal(set) var master: NetworkDevice?
  /// The device on which it stands (VLAN, macvlan), or the other end (veth).
  public var lower: NetworkDevice? { nil }
  /// Takes frames before the network layer.
  @exclusivity(unchecked) var receiveHandler: (any ReceiveHandler)? {
    didSet {
      goesStraightUp = isEthernet && receiveHandler == nil
      portReference = (receiveHandler as? BridgePort).map { .passUnretained($0) }
    }
  }
  /// The bridge port that is its receive handler, without a reference count.
  @exclusivity(unchecked) private var portReference: Unmanaged<BridgePort>?
  /// Whether frames go to the network layer unless a VLAN device takes them.
  @exclusivity(unchecked) private var goesStraightUp = false
  /// VLAN devices that stand on this one.
  @exclusivity(unchecked) var vlans: [VLANDevice] = []
  /// Packet counters.
  @exclusivity(unchecked) public final internal(set) var statistics = DeviceStatistics()
  /// How many bytes of a received frame the kind does not count.
  @exclusivity(unchecked) final var uncountedBytes = 0
  /// Whether the device wants to know each packet's next hop, as tunnels without a fixed end do.
  @exclusivity(unchecked) final var takesNextHop = false
  /// Its IPv4 side: addresses, settings, groups.
  @exclusivity(unchecked) public final internal(set) var inet: InetDevice
  /// The capture point, or -1 before the namespace gave one.
  @exclusivity(unchecked) var capturePoint = -1
  /// Link-layer group addresses that it listens to, with use counts.
  var multicastFilter: [MACAddress: Int] = [:]
  /// Addresses besides its own that were added by hand.
  public final internal(set) var listenedAddresses: [MACAddress] = []
  /// Group addresses that were added by hand.
  var staticGroups: [MACAddress] = []
  /// It is being removed or was.
  public final internal(set) var isGone = false
  /// Namespaces that hold a filter on this device's frames (packet sockets).
  @exclusivity(unchecked) var packetSocketCount = 0
  /// Offload and other settings that `ethtool -K` accepted.
  public final internal(set) var features: [String: Bool] = [:]

  init(
    name: String,
    mac: MACAddress,
    mtu: Int,
    number: UInt32,
    ifindex: Int32,
    host: any DeviceHost
  ) {
    self.name = name
    self.mac = mac
    self.mtu = mtu
    self.number = number
    self.ifindex = ifindex
    self.host = host
    hostIdentity = ObjectIdentifier(host)
    backlogReference = .passUnretained(host.backlog)
    simulation = host.simulation
    core = host.simulation.core
    nameID = host.simulation.interfaceNameID(name)
    inet = InetDevice()
    goesStraightUp = isEthernet
  }

  // MARK: What a kind says of itself

  /// The kind as `ip link add type KIND` names it; empty for physical devices and `lo`.
  public var kind: String { "" }
  /// The ARP hardware type: 1 Ethernet, 772 loopback, 65534 none.
  public var hardwareType: Int { 1 }
  /// How many bytes a link header has.
  public var linkHeaderLength: Int { 14 }
  /// Whether frames begin with an Ethernet header.
  public var isEthernet: Bool { true }
  /// `IFF_LOOPBACK`.
  public var isLoopback: Bool { false }
  /// `IFF_POINTOPOINT`.
  public var isPointToPoint: Bool { false }
  /// The smallest MTU that may be set.
  public var minimumMTU: Int { 68 }
  /// The largest MTU that may be set.
  public var maximumMTU: Int { 65535 }
  /// The queueing discipline that `ip link` prints.
  public var queueingDiscipline: String { hasBeenUp ? "noqueue" : "noop" }
  /// The broadcast address.
  public var broadcast: MACAddress { isEthernet ? .broadcast : .zero }
  /// `IFF_MULTICAST` as the kind sets it.
  public var isMulticastCapable: Bool { !isLoopback }
  /// The operational state (RFC 2863), as `ip link` prints it.
  public var operationalState: String {
    if !isUp { return "DOWN" }
    return hasCarrier ? "UP" : "DOWN"
  }

  /// Sends a frame that passed the tap.
  func transmit(_ packet: consuming Packet) -> TransmitResult {
    host.drop(packet, .discarded, on: self)
    return .sent
  }

  /// Whether the device may be set up.
  func checkOpen() throws(LinkError) {}
  /// Whether the device may have an MTU, beyond the kind's limits.
  func checkMTU(_ mtu: Int) throws(LinkError) {}
  /// Called after the device was set up, before the namespace is told.
  func opened() {}
  /// Called after the device was set down, before the namespace is told.
  func closed() {}
  /// Called when the device leaves for good; kinds take their other halves along.
  func removed() {}

  // MARK: Receiving

  /// Takes a frame from the wire or from another device; its first byte is the link header's.
  @inline(__always)
  final func receive(_ packet: consuming Packet) {
    guard isUp else {
      statistics.receiveDropped &+= 1
      return host.drop(packet, .deviceDown, on: self)
    }
    if packet.metadata.type != .loopback {
      statistics.receivedPackets &+= 1
      statistics.receivedBytes &+= UInt64(packet.count &- uncountedBytes)
    }
    process(packet)
  }

  /// The receive path after the counters: tap, VLAN, receive handler, network layer.
  final func process(_ packet: consuming Packet) {
    var packet = packet
    // An IPv4 frame that nobody watches takes the short way; it ends where the long one does.
    if goesStraightUp, !core.pointee.isTapped, packetSocketCount == 0, packet.count >= 14,
      packet.metadata.vlanProtocol == 0, packet.metadata.type != .loopback,
      packet.u16(at: 12) == EtherType.ipv4.rawValue, let networkLayer
    {
      if packet.metadata.journey == 0 { packet.metadata.journey = simulation.nextJourney() }
      classify(packet)
      packet.metadata.inputDevice = number
      packet.pull(14)
      packet.metadata.linkHeaderLength = 14
      let slot = packet.intoSlot()
      return networkLayer._withUnsafeGuaranteedRef { $0.take(Packet(slot: slot), on: self) }
    }
    var device = self
    if packet.metadata.journey == 0 { packet.metadata.journey = simulation.nextJourney() }
    if isEthernet {
      guard packet.count >= 14 else {
        statistics.receiveErrors &+= 1
        return host.drop(packet, .malformed, on: self)
      }
      if packet.metadata.type == .loopback {
        packet.metadata.etherType = EtherType(rawValue: packet.u16(at: 12))
        packet.pull(14)
        packet.metadata.inputDevice = number
        return host.receive(packet, on: self)
      }
      classify(packet)
      let type = packet.metadata.etherType
      if type == .vlan || type == .qinq, packet.metadata.vlanProtocol == 0 {
        guard packet.count >= 18 else {
          statistics.receiveErrors &+= 1
          return host.drop(packet, .malformed, on: self)
        }
        Self.takeTag(&packet)
      }
    }
    while true {
      if core.pointee.isTapped || device.packetSocketCount > 0 {
        device.capture(packet, .incoming)
        packet.metadata.flags.remove(.captured)
      }
      packet.metadata.inputDevice = device.number
      if packet.metadata.vlanProtocol != 0, !device.vlans.isEmpty,
        let child = device.vlan(for: packet)
      {
        guard child.accept(&packet) else {
          child.statistics.receiveDropped &+= 1
          return host.drop(packet, .deviceDown, on: child)
        }
        device = child
        continue
      }
      if let port = device.portReference {
        let slot = packet.intoSlot()
        var result = ReceiveResult.consumed
        port._withUnsafeGuaranteedRef { result = $0.handle(Packet(slot: slot), on: device) }
        switch consume result {
        case .consumed: return
        case .pass(let passed): packet = passed
        case .another(let passed, let other):
          packet = passed
          device = other
          continue
        }
      } else if let handler = device.receiveHandler {
        let result = handler.handle(packet, on: device)
        switch consume result {
        case .consumed: return
        case .pass(let passed): packet = passed
        case .another(let passed, let other):
          packet = passed
          device = other
          continue
        }
      }
      break
    }
    if packet.metadata.vlanProtocol != 0 {
      // A tag of VLAN 0 carries a priority only; any other belongs to nobody here.
      if packet.metadata.vlanTCI & 0xfff != 0 {
        return device.host.drop(packet, .vlan, on: device)
      }
      packet.metadata.vlanProtocol = 0
    }
    if device.isEthernet {
      packet.pull(14)
      packet.metadata.linkHeaderLength = 14
    }
    device.host.receive(packet, on: device)
  }

  /// Reads the Ethernet header into the metadata.
  @inline(__always)
  final func classify(_ packet: borrowing Packet) {
    packet.metadata.etherType = EtherType(rawValue: packet.u16(at: 12))
    packet.metadata.type = packetType(for: packet.mac(at: 0))
  }

  /// To whom a frame with this destination is addressed, seen from here.
  @inline(__always)
  final func packetType(for destination: MACAddress) -> PacketType {
    if destination == mac { return .host }
    if destination.isMulticast { return destination == .broadcast ? .broadcast : .multicast }
    return .otherHost
  }

  /// Moves the outermost tag from the frame into the metadata.
  static func takeTag(_ packet: inout Packet) {
    packet.metadata.vlanProtocol = packet.u16(at: 12)
    packet.metadata.vlanTCI = packet.u16(at: 14)
    let destination = packet.mac(at: 0)
    let source = packet.mac(at: 6)
    packet.pull(4)
    packet.setMAC(destination, at: 0)
    packet.setMAC(source, at: 6)
    packet.metadata.etherType = EtherType(rawValue: packet.u16(at: 12))
  }

  /// Moves the tag from the metadata into the frame.
  static func insertTag(_ packet: inout Packet) {
    guard packet.metadata.vlanProtocol != 0, packet.count >= 14, packet.headroom >= 4 else {
      return
    }
    let destination = packet.mac(at: 0)
    let source = packet.mac(at: 6)
    packet.push(4)
    packet.setMAC(destination, at: 0)
    packet.setMAC(source, at: 6)
    packet.setU16(packet.metadata.vlanProtocol, at: 12)
    packet.setU16(packet.metadata.vlanTCI, at: 14)
    packet.metadata.vlanProtocol = 0
  }

  private func vlan(for packet: borrowing Packet) -> VLANDevice? {
    let identifier = packet.metadata.vlanTCI & 0xfff
    let proto = packet.metadata.vlanProtocol
    for child in vlans where child.identifier == identifier && child.vlanProtocol == proto {
      return child
    }
    return nil
  }

  // MARK: Sending

  /// Sends a frame: past the tap and to the kind's own `transmit` (`dev_queue_xmit`).
  ///
  /// What is sent through a device that is down or without carrier vanishes unseen, as in the
  /// kernel's `noop` queue.
  @inline(__always)
  final func queueTransmit(_ packet: consuming Packet) -> TransmitResult {
    guard isUp && hasCarrier else {
      statistics.sendDropped &+= isUp ? 1 : 0
      host.drop(packet, .deviceDown, on: self)
      return .discarded
    }
    if core.pointee.isTapped || packetSocketCount > 0 { capture(packet, .outgoing) }
    return transmit(packet)
  }

  /// Puts a link header before a packet and sends it.
  @inline(__always)
  final func send(
    _ packet: consuming Packet,
    to destination: MACAddress,
    from source: MACAddress? = nil,
    type: EtherType = .ipv4
  ) -> TransmitResult {
    var packet = packet
    if isEthernet {
      packet.push(14)
      packet.setMAC(destination, at: 0)
      packet.setMAC(source ?? mac, at: 6)
      packet.setU16(type.rawValue, at: 12)
    }
    packet.metadata.etherType = type
    packet.metadata.linkHeaderLength = 0
    return queueTransmit(packet)
  }

  // MARK: Capturing

  /// Shows a frame to the captures and packet sockets of this device.
  final func capture(_ packet: borrowing Packet, _ direction: CaptureDirection) {
    // Loopback shows each packet once, as it comes in.
    if isLoopback && direction == .outgoing { return }
    if !packet.metadata.flags.contains(.captured) { show(packet, direction) }
    if packetSocketCount > 0 {
      if packet.metadata.vlanProtocol != 0 && isEthernet {
        var tagged = packet.clone()
        Self.insertTag(&tagged)
        host.backlog.packetSockets.deliver(tagged, on: self, direction)
      } else {
        host.backlog.packetSockets.deliver(packet, on: self, direction)
      }
    }
  }

  /// Shows a frame to the captures, with its tag in place.
  final func show(_ packet: borrowing Packet, _ direction: CaptureDirection) {
    guard let tap = simulation.tap, capturePoint >= 0 else { return }
    let time = simulation.captureTime()
    if packet.metadata.vlanProtocol != 0 && isEthernet {
      var tagged = packet.clone()
      Self.insertTag(&tagged)
      tagged.withBytes { tap.capture($0, at: time, on: capturePoint, direction: direction) }
    } else {
      packet.withBytes { tap.capture($0, at: time, on: capturePoint, direction: direction) }
    }
  }
}

import HopyardWire

/// Where a packet goes: what the routing tables said, bound to this namespace's devices.
struct RouteDecision {
  /// The device to leave by, without a reference count; for local delivery the one it came by.
  var deviceReference: Unmanaged<NetworkDevice>
  /// The neighbour to which the frame goes.
  var nextHop: UInt32
  /// The route's type: unicast, local, broadcast or multicast.
  var type: RouteType
  private var storedMTU: Int32
  /// Whether that MTU may not be lowered or discovered.
  var isMTULocked = false
  /// Whether the next hop is a router.
  var usesGateway = false
  /// The source address that the route prefers.
  var source: UInt32 = 0
  /// The destination, which is this host's where the sender named none.
  var destination: UInt32 = 0
  /// Whether this host takes group and broadcast packets of its own that leave by the route.
  var listensItself = false

  /// The largest packet the route takes.
  var mtu: Int {
    @inline(__always) get { Int(storedMTU) }
    @inline(__always) set { storedMTU = Int32(clamping: newValue) }
  }

  /// The device to leave by.
  var device: NetworkDevice {
    @inline(__always) get { deviceReference._withUnsafeGuaranteedRef { $0 } }
  }

  init(
    device: NetworkDevice,
    nextHop: UInt32,
    type: RouteType,
    mtu: Int,
    usesGateway: Bool = false,
    source: UInt32 = 0
  ) {
    deviceReference = .passUnretained(device)
    self.nextHop = nextHop
    self.type = type
    storedMTU = Int32(clamping: mtu)
    self.usesGateway = usesGateway
    self.source = source
  }
}

/// What was decided for a received packet.
struct InputDecision {
  var route: RouteDecision
  var isLocal: Bool
  var redirects = false
}

/// What the IP layer asks of the sockets above it.
protocol TransportLayer: AnyObject {
  /// Gives a datagram to raw sockets; true if one took a copy.
  func deliverRaw(_ packet: borrowing Packet, on device: NetworkDevice, isBroadcast: Bool) -> Bool
  /// Gives a datagram to its protocol; false if there is no handler for the protocol.
  func deliver(_ packet: consuming Packet, on device: NetworkDevice, route: RouteType)
    -> TransportResult
  /// Tells the socket that sent the quoted packet of an ICMP error. The packet's first byte is the
  /// ICMP header's; `quoted` is where the quoted IP header begins.
  func deliverError(_ packet: borrowing Packet, _ error: ICMPErrorReport)
  /// Gives an echo reply to the ping sockets.
  func deliverEchoReply(_ packet: borrowing Packet, headerLength: Int, on device: NetworkDevice)
}

/// What the transport layer did with a datagram.
enum TransportResult: ~Copyable {
  case taken
  case noSocket(Packet)
  case noProtocol(Packet)
}

/// An ICMP error as sockets are told of it.
public struct ICMPErrorReport: Sendable {
  /// ICMP type.
  public var type: UInt8
  /// ICMP code.
  public var code: UInt8
  /// The MTU or gateway that came with it.
  public var info: UInt32
  /// Who sent it; nil for an error of this host itself.
  public var offender: IPv4Address?
  /// Source of the quoted packet.
  public var source: IPv4Address
  /// Destination of the quoted packet.
  public var destination: IPv4Address
  /// Protocol of the quoted packet.
  public var ipProtocol: IPProtocol
  /// The first eight bytes above the quoted IP header, or fewer.
  public var transport: [UInt8]
  /// The quoted packet, from its IP header.
  public var quoted: [UInt8]
  /// The global number of the device by which it came.
  public var device: UInt32
}

/// The IPv4 layer of a namespace: receive, forward, deliver, send, and ICMP, ARP and IGMP with it.
final class IPv4Stack: NetworkLayer {
  @exclusivity(unchecked) unowned(unsafe) let simulation: Simulation
  /// What each packet reads of it.
  let core: UnsafeMutablePointer<SimulationCore>
  private let pool: Unmanaged<PacketPool>
  @exclusivity(unchecked) unowned(unsafe) let host: any DeviceHost
  @exclusivity(unchecked) let devices: DeviceTable
  @exclusivity(unchecked) let routes = RoutingTables<UInt32>()
  @exclusivity(unchecked) var neighbours: NeighbourTable<IPv4Stack>! {
    didSet { neighbourReference = neighbours.map { .passUnretained($0) } }
  }
  @exclusivity(unchecked) private(set) var neighbourReference: Unmanaged<NeighbourTable<IPv4Stack>>?
  @exclusivity(unchecked) var netfilter: Netfilter! {
    didSet { netfilterReference = netfilter.map { .passUnretained($0) } }
  }
  /// The same without a reference count, for the way of each packet.
  @exclusivity(unchecked) private var netfilterReference: Unmanaged<Netfilter>?
  /// Whether nothing stands at any hook.
  @inline(__always)
  var isFilterIdle: Bool {
    netfilterReference?._withUnsafeGuaranteedRef { $0.isIdle } ?? true
  }
  @exclusivity(unchecked) unowned(unsafe) var transport: (any TransportLayer)?
  @exclusivity(unchecked) var settings = NamespaceSettings()
  /// The settings `all` and `default`.
  @exclusivity(unchecked) var allSettings = InterfaceSettings()
  @exclusivity(unchecked) var defaultSettings = InterfaceSettings()
  /// The neighbour timers that new devices get.
  var defaultNeighbour: NeighbourParameters {
    get { sharedNeighbour.value }
    set { sharedNeighbour.value = newValue }
  }
  private var sharedNeighbour = IPv4Stack.standardNeighbour
  private static let standardNeighbour = SharedValue(NeighbourParameters())
  @exclusivity(unchecked) var counters = IPCounters()
  /// What is remembered of destinations: path MTU, redirects.
  @exclusivity(unchecked) var flows = FlowCache()
  @exclusivity(unchecked) var exceptions = NexthopExceptions()
  /// Whether an ICMP message is on its way through this host's own output path.
  @exclusivity(unchecked) var isSendingICMP = false
  /// What is remembered of peers: token buckets of errors and redirects.
  @exclusivity(unchecked) var peers: InetPeers
  /// Tunnels whose outer packets travel here; nil before the first one.
  @exclusivity(unchecked) var tunnels: TunnelTable?
  /// What tunnels want to send; nil before the first packet.
  @exclusivity(unchecked) var tunnelOutput: TunnelOutput?
  lazy var reassembler = Reassembler(simulation: simulation, stack: self)
  /// Reassembles for conntrack, apart from local delivery.
  lazy var conntrackReassembler = Reassembler(simulation: simulation, stack: self)
  var lastIdentification: UInt16 = 0
  /// The route that a packet got anew after the OUTPUT chains changed it.
  @exclusivity(unchecked) var reroutedDecision: RouteDecision?
  /// What the device said of the packet that was last handed to a neighbour.
  @exclusivity(unchecked) var lastTransmitResult = TransmitResult.sent

  init(simulation: Simulation, host: any DeviceHost, devices: DeviceTable, name: String) {
    self.simulation = simulation
    core = simulation.core
    pool = .passUnretained(simulation.pool)
    self.host = host
    self.devices = devices
    peers = InetPeers()
    super.init()
    neighbours = NeighbourTable(
      simulation: simulation,
      output: self,
      stream: "neighbour/\(name)"
    )
    neighbourReference = .passUnretained(neighbours)
    lastIdentification = UInt16(
      truncatingIfNeeded: RandomSource(seed: simulation.seed, stream: "ipid/\(name)").peekNext()
    )
  }

  /// A packet of `count` bytes that are not initialised.
  @inline(__always)
  func makePacket(count: Int) -> Packet {
    let slot = pool._withUnsafeGuaranteedRef { $0.make(count: count).intoSlot() }
    return Packet(slot: slot)
  }

  override func take(_ packet: consuming Packet, on device: NetworkDevice) {
    receive(packet, on: device)
  }

  /// A per-device setting that is on if either the device or `all` has it on.
  @inline(__always)
  func isOn(_ setting: InterfaceSetting, _ device: NetworkDevice) -> Bool {
    device.inet.settings[setting] != 0 || allSettings[setting] != 0
  }

  /// A per-device setting of which the larger of the device's and `all`'s counts.
  @inline(__always)
  func maximum(_ setting: InterfaceSetting, _ device: NetworkDevice) -> Int32 {
    max(device.inet.settings[setting], allSettings[setting])
  }

  /// The next IP identification.
  func nextIdentification() -> UInt16 {
    lastIdentification &+= 1
    if lastIdentification == 0 { lastIdentification = 1 }
    return lastIdentification
  }

  @inline(__always)
  func reference(_ device: NetworkDevice) -> InterfaceReference {
    InterfaceReference(
      device: device.number,
      ifindex: device.ifindex,
      nameID: device.nameID,
      group: device.group
    )
  }

  // MARK: Tracing

  /// Records a step of a packet's journey, if somebody asks; the texts are made only then.
  @inline(__always)
  func trace(
    _ packet: borrowing Packet,
    _ stage: String,
    on device: NetworkDevice?,
    _ text: @autoclosure () -> String,
    verdict: @autoclosure () -> String = ""
  ) {
    guard core.pointee.isTraced else { return }
    simulation.tracer?.record(
      TraceStep(
        time: simulation.now,
        packet: packet.metadata.journey,
        namespace: host.namespaceName,
        device: device?.name ?? "",
        stage: stage,
        text: text(),
        verdict: verdict(),
        after: packet.summary
      )
    )
  }
}

extension RandomSource {
  /// The next number, without keeping the state.
  func peekNext() -> UInt64 {
    var copy = self
    return copy.next()
  }
}

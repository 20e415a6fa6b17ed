public import HopyardContainers
public import HopyardSimulator
public import HopyardWire

/// What the kubelet asks a network plugin to do for a pod (CNI specification 1.0, ADD and DEL).
public struct CNIRequest {
  /// A port of the node that leads to the pod.
  public struct PortMapping: Equatable, Sendable {
    /// The node's port.
    public var hostPort: UInt16
    /// The pod's port.
    public var containerPort: UInt16
    /// The protocol.
    public var ipProtocol: IPProtocol
    /// The node's address; empty for all.
    public var hostIP: String

    /// Makes a mapping.
    public init(
      hostPort: UInt16,
      containerPort: UInt16,
      ipProtocol: IPProtocol = .tcp,
      hostIP: String = ""
    ) {
      self.hostPort = hostPort
      self.containerPort = containerPort
      self.ipProtocol = ipProtocol
      self.hostIP = hostIP
    }
  }

  /// The container's id.
  public var containerID: String
  /// The pod's namespace.
  public var podNamespace: String
  /// The pod's name.
  public var podName: String
  /// The pod's network namespace.
  public var sandbox: Sandbox
  /// Ports of the node.
  public var portMappings: [PortMapping] = []
}

/// What a plugin made.
public struct CNIResult: Sendable {
  /// The pod's address.
  public var address: IPv4Prefix
  /// Its gateway.
  public var gateway: IPv4Address?
}

/// Why a plugin fails.
public struct CNIError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The reason.
  public var description: String

  /// Makes an error.
  public init(_ description: String) { self.description = description }
}

/// A network plugin on one node.
public protocol CNIPlugin: AnyObject {
  /// Connects a pod.
  func add(_ request: CNIRequest, _ previous: CNIResult?) throws(CNIError) -> CNIResult?
  /// Disconnects it.
  func delete(_ request: CNIRequest, _ result: CNIResult)
}

/// A list of plugins, each of which sees what the one before it made.
public final class CNIChain {
  private let plugins: [any CNIPlugin]

  /// Makes a chain.
  public init(_ plugins: [any CNIPlugin]) { self.plugins = plugins }

  /// Connects a pod.
  public func add(_ request: CNIRequest) throws(CNIError) -> CNIResult {
    var result: CNIResult?
    for plugin in plugins { result = try plugin.add(request, result) ?? result }
    guard let result else { throw CNIError("no plugin gave the pod an address") }
    return result
  }

  /// Disconnects a pod.
  public func delete(_ request: CNIRequest, _ result: CNIResult) {
    for plugin in plugins.reversed() { plugin.delete(request, result) }
  }
}

/// `loopback`: sets `lo` up.
final class LoopbackPlugin: CNIPlugin {
  func add(_ request: CNIRequest, _ previous: CNIResult?) throws(CNIError) -> CNIResult? {
    let namespace = request.sandbox.namespace
    try? namespace.setLinkUp(namespace.devices.loopback)
    return nil
  }

  func delete(_ request: CNIRequest, _ result: CNIResult) {}
}

/// `host-local`: addresses of the node's subnet in turn.
final class HostLocalIPAM {
  private var pool: AddressPool
  let subnet: IPv4Prefix
  let gateway: IPv4Address

  init(_ subnet: IPv4Prefix, gateway: IPv4Address? = nil) {
    self.subnet = subnet
    pool = AddressPool(subnet)
    self.gateway = gateway ?? IPv4Address(rawValue: subnet.address.rawValue + 1)
    try? pool.reserve(self.gateway)
  }

  func allocate() throws(CNIError) -> IPv4Address {
    do {
      return try pool.allocate(afterLast: true)
    } catch {
      throw CNIError("failed to allocate for range 0: no IP addresses available in range set")
    }
  }

  func release(_ address: IPv4Address) { pool.release(address) }
}

/// `bridge`: a veth pair between the pod and a bridge of the node.
final class BridgePlugin: CNIPlugin {
  private let node: NetworkNamespace
  private let name: String
  private let mtu: Int
  private let ipam: HostLocalIPAM
  private let extraRoute: IPv4Prefix?
  private var bridge: BridgeDevice?
  private var random: RandomSource

  init(
    on node: NetworkNamespace,
    bridge name: String,
    mtu: Int,
    ipam: HostLocalIPAM,
    extraRoute: IPv4Prefix? = nil
  ) {
    self.node = node
    self.name = name
    self.mtu = mtu
    self.ipam = ipam
    self.extraRoute = extraRoute
    random = node.simulation.randomSource("veth/\(node.machine.name)")
  }

  private func makeBridge() throws(CNIError) -> BridgeDevice {
    if let bridge, !bridge.isGone { return bridge }
    do {
      let made = try node.makeBridge(NewLink(name, mtu: mtu))
      try node.setLinkUp(made)
      try node.addAddress(
        InterfaceAddress<UInt32>(
          local: ipam.gateway.rawValue,
          prefixLength: ipam.subnet.length,
          broadcast: ipam.subnet.broadcast.rawValue
        ),
        to: made
      )
      bridge = made
      return made
    } catch {
      throw CNIError("failed to create bridge \"\(name)\": \(error)")
    }
  }

  func add(_ request: CNIRequest, _ previous: CNIResult?) throws(CNIError) -> CNIResult? {
    let bridge = try makeBridge()
    let address = try ipam.allocate()
    let digits = String(UInt32(truncatingIfNeeded: random.next()), radix: 16)
    let host = "veth" + String(repeating: "0", count: 8 - digits.count) + digits
    let prefix = IPv4Prefix(address, length: ipam.subnet.length)
    do {
      let interface = try request.sandbox.addVeth("eth0", hostName: host, mtu: mtu)
      guard let device = interface.hostDevice else { throw CNIError("the veth has no end") }
      try node.setLinkMaster(device, bridge)
      if let port = device.bridgePort { try port.set(.hairpin, to: 1) }
      try request.sandbox.addAddress(prefix, to: interface)
      try request.sandbox.setUp(interface)
      if let extraRoute {
        try request.sandbox.addRoute(to: extraRoute, via: ipam.gateway, on: interface)
      }
      try request.sandbox.addRoute(to: .any, via: ipam.gateway, on: interface)
    } catch let error as CNIError {
      throw error
    } catch {
      ipam.release(address)
      throw CNIError("failed to connect the pod: \(error)")
    }
    return CNIResult(address: prefix, gateway: ipam.gateway)
  }

  func delete(_ request: CNIRequest, _ result: CNIResult) { ipam.release(result.address.address) }
}

/// A routed set-up as Calico makes it: a veth pair with /32 addresses, the gateway 169.254.1.1 that
/// proxy ARP answers for, and a route to each pod.
final class RoutedPlugin: CNIPlugin {
  private let node: NetworkNamespace
  private let ipam: HostLocalIPAM
  private let mtu: Int

  init(on node: NetworkNamespace, ipam: HostLocalIPAM, mtu: Int) {
    self.node = node
    self.ipam = ipam
    self.mtu = mtu
  }

  /// The name of the node's end: `cali` and eleven digits of a hash of the pod's name.
  static func interfaceName(_ namespace: String, _ pod: String) -> String {
    let digits = Array("0123456789abcdef")
    let hash = SHA256.hash(Array("\(namespace).\(pod)".utf8))
    return "cali"
      + String(hash.prefix(6).flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }.prefix(11))
  }

  func add(_ request: CNIRequest, _ previous: CNIResult?) throws(CNIError) -> CNIResult? {
    let address = try ipam.allocate()
    let prefix = IPv4Prefix(address, length: 32)
    let gateway = IPv4Address(169, 254, 1, 1)
    do {
      let interface = try request.sandbox.addVeth(
        "eth0",
        hostName: Self.interfaceName(request.podNamespace, request.podName),
        hostMAC: MACAddress(rawValue: 0xeeee_eeee_eeee),
        mtu: mtu
      )
      guard let device = interface.hostDevice else { throw CNIError("the veth has no end") }
      try request.sandbox.addAddress(prefix, to: interface)
      node.set(.proxyArp, .device(device), to: 1)
      node.set(.forwarding, .device(device), to: 1)
      var timers = node.neighbourParameters(device)
      timers.proxyDelay = 0
      node.setNeighbourParameters(timers, of: device)
      try request.sandbox.setUp(interface)
      try request.sandbox.addRoute(
        to: IPv4Prefix(gateway, length: 32),
        via: nil,
        on: interface
      )
      try request.sandbox.addRoute(to: .any, via: gateway, on: interface)
      try node.insertRoute(
        Route<UInt32>(
          prefix: address.rawValue,
          length: 32,
          scope: .link,
          nexthops: [Nexthop<UInt32>(ifindex: device.ifindex)]
        ),
        mode: .create
      )
    } catch let error as CNIError {
      throw error
    } catch {
      ipam.release(address)
      throw CNIError("failed to connect the pod: \(error)")
    }
    return CNIResult(address: prefix, gateway: gateway)
  }

  func delete(_ request: CNIRequest, _ result: CNIResult) { ipam.release(result.address.address) }
}

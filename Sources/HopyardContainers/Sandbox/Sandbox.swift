public import HopyardSimulator
public import HopyardUserland
public import HopyardWire

/// The surroundings of a container or pod: a network namespace, its interfaces, its own files in
/// `/etc` and the processes that run there.
public final class Sandbox {
  /// An interface and its end on the machine.
  public struct Interface {
    /// The end in the sandbox.
    public let device: NetworkDevice
    /// The end in the machine's root namespace.
    public let hostDevice: NetworkDevice?
  }

  /// The name of the namespace, as captures and `namespace/interface` paths show it.
  public let name: String
  /// The machine.
  public let userland: Userland
  /// The network it sees.
  public let namespace: NetworkNamespace
  /// Whether it made the namespace, and removes it at the end.
  public let ownsNamespace: Bool
  /// Where its `/etc/hosts`, `/etc/hostname` and `/etc/resolv.conf` are kept.
  public let filesDirectory: String
  /// The name that it calls itself.
  public var hostname: String {
    didSet { write("hostname", hostname + "\n") }
  }
  /// Its interfaces besides `lo`, in the order in which they came.
  public private(set) var interfaces: [Interface] = []
  /// What runs in it.
  public private(set) var processes: [Process] = []

  /// Makes a sandbox with a namespace of its own in which `lo` is up, or one that shares
  /// `namespace` with others.
  public init(
    name: String,
    hostname: String,
    on userland: Userland,
    filesDirectory: String,
    sharing shared: NetworkNamespace? = nil
  ) {
    self.name = name
    self.userland = userland
    self.hostname = hostname
    self.filesDirectory = filesDirectory
    ownsNamespace = shared == nil
    if let shared {
      namespace = shared
    } else {
      namespace = userland.machine.makeNamespace(name)
      try? namespace.setLinkUp(namespace.devices.loopback)
    }
    try? userland.files.makeDirectory(filesDirectory, withParents: true)
    write("hostname", hostname + "\n")
  }

  // MARK: Files

  /// Writes one of its own files in `/etc`.
  public func write(_ file: String, _ text: String) {
    try? userland.files.write(filesDirectory + "/" + file, Array(text.utf8))
  }

  // MARK: Interfaces

  /// Makes a veth pair of which one end is in the sandbox; both are down.
  @discardableResult
  public func addVeth(
    _ name: String,
    hostName: String,
    mac: MACAddress? = nil,
    hostMAC: MACAddress? = nil,
    mtu: Int = 1500
  ) throws(LinkError) -> Interface {
    let root = userland.rootNamespace
    let (host, inner) = try root.makeVeth(
      NewLink(hostName, mac: hostMAC, mtu: mtu),
      peer: NewLink(name, mac: mac, mtu: mtu),
      in: namespace
    )
    let interface = Interface(device: inner, hostDevice: host)
    interfaces.append(interface)
    return interface
  }

  /// Gives an interface an address.
  public func addAddress(
    _ address: IPv4Prefix,
    to interface: Interface,
    scope: RouteScope = .universe
  )
    throws(SandboxFailure)
  {
    let entry = InterfaceAddress<UInt32>(
      local: address.address.rawValue,
      prefixLength: address.length,
      broadcast: address.length < 31 ? address.broadcast.rawValue : nil,
      scope: scope
    )
    do {
      try namespace.addLinkAddress(entry, to: interface.device, replacing: false)
    } catch {
      throw SandboxFailure("cannot give \(interface.device.name) \(address): \(error)")
    }
  }

  /// Sets both ends of an interface up.
  public func setUp(_ interface: Interface) throws(SandboxFailure) {
    do {
      if let host = interface.hostDevice { try userland.rootNamespace.setLinkUp(host) }
      try namespace.setLinkUp(interface.device)
    } catch {
      throw SandboxFailure("cannot set \(interface.device.name) up: \(error)")
    }
  }

  /// Adds a route by way of a gateway, or of the link itself.
  public func addRoute(
    to destination: IPv4Prefix,
    via gateway: IPv4Address?,
    on interface: Interface,
    onlink: Bool = false
  ) throws(SandboxFailure) {
    var hop = Nexthop<UInt32>(ifindex: interface.device.ifindex, gateway: gateway?.rawValue)
    if onlink { hop.flags.insert(.onlink) }
    let network = destination.network
    let route = Route<UInt32>(
      prefix: network.address.rawValue,
      length: network.length,
      scope: gateway == nil ? .link : .universe,
      nexthops: [hop]
    )
    do {
      try namespace.insertRoute(route, mode: .create)
    } catch {
      throw SandboxFailure("cannot add the route to \(network): \(error)")
    }
  }

  /// Removes an interface with its end on the machine.
  public func remove(_ interface: Interface) {
    interfaces.removeAll { $0.device === interface.device }
    try? namespace.removeLink(interface.device)
  }

  // MARK: Processes

  /// A process that sees the sandbox's network and files.
  public func makeProcess(_ name: String) -> Process {
    let process = userland.makeProcess()
    enter(process)
    process.name = name
    processes.removeAll { $0.exitStatus != nil }
    processes.append(process)
    return process
  }

  /// Lets a process see the sandbox's network and files.
  public func enter(_ process: Process) {
    process.namespace = namespace
    process.etcDirectory = filesDirectory
    process.ownHostname = hostname
  }

  /// Ends everything in it, and removes the namespace if it is its own.
  public func remove() {
    for process in processes { process.send(.kill) }
    processes = []
    guard ownsNamespace else { return }
    for interface in interfaces { remove(interface) }
    userland.machine.remove(namespace)
  }
}

/// Why a sandbox cannot be set up.
public struct SandboxFailure: Error, Hashable, Sendable, CustomStringConvertible {
  /// The reason.
  public var description: String

  /// Makes a failure.
  public init(_ description: String) { self.description = description }
}

import HopyardWire

/// A network namespace: devices, addresses, routes, neighbours, rules, sockets and settings of its
/// own (`network_namespaces(7)`).
public final class NetworkNamespace {
  /// Its name; the root namespace of a lab is `host`.
  public let name: String
  /// The machine to which it belongs.
  public unowned(unsafe) let machine: Machine
  /// The simulation to which it belongs.
  @exclusivity(unchecked) public unowned(unsafe) let simulation: Simulation
  @exclusivity(unchecked) unowned(unsafe) let backlog: Backlog
  /// Its devices.
  @exclusivity(unchecked) public private(set) var devices: DeviceTable!
  /// Its IPv4 layer.
  @exclusivity(unchecked) private(set) var ipv4: IPv4Stack!
  /// Its packet filter, connection tracking and NAT.
  @exclusivity(unchecked) public private(set) var netfilter: Netfilter!
  /// Its sockets.
  @exclusivity(unchecked) public private(set) var sockets: SocketTable!
  /// Settings that change nothing in the model but can be written and read back.
  public var inertSettings: [String: String] = [:] {
    didSet {
      callsIPTablesOnBridges = inertSettings["net/bridge/bridge-nf-call-iptables"] != "0"
    }
  }
  /// `bridge-nf-call-iptables`.
  @exclusivity(unchecked) public private(set) var callsIPTablesOnBridges = true
  /// The numbers by which this namespace knows others.
  var namespaceIdentifiers: [ObjectIdentifier: Int] = [:]
  /// No number below this one is free, and none above the last one is taken.
  var firstFreeIdentifier = 0
  var lastIdentifier = -1
  /// It was removed.
  public private(set) var isGone = false

  init(name: String, machine: Machine) {
    self.name = name
    self.machine = machine
    simulation = machine.simulation
    backlog = machine.backlog
    let loopback = LoopbackDevice(number: backlog.nextNumber(), host: self)
    devices = DeviceTable(loopback: loopback)
    let path = machine.name.isEmpty ? name : "\(machine.name)/\(name)"
    ipv4 = IPv4Stack(simulation: simulation, host: self, devices: devices, name: path)
    netfilter = Netfilter(environment: self)
    ipv4.netfilter = netfilter
    ipv4.routes.devices = self
    ipv4.routes.multipathSeed = simulation.seed
    sockets = SocketTable(stack: ipv4, name: path)
    ipv4.transport = sockets
    backlog.add(loopback)
    settle(loopback)
  }

  /// The routing tables and policy rules.
  public var routes: RoutingTables<UInt32> { ipv4.routes }

  /// The settings of the whole namespace (`net.ipv4.*`).
  public var settings: NamespaceSettings {
    get { ipv4.settings }
    set {
      ipv4.settings = newValue
      ipv4.routes.multipathHashPolicy = UInt8(clamping: newValue.multipathHashPolicy)
      ipv4.routes.multipathUsesNeighbours = newValue.multipathUsesNeighbours != 0
      ipv4.flows.removeAll()
    }
  }

  /// The namespace's counters, as `nstat` prints them.
  public var counters: IPCounters { ipv4.counters }

  // MARK: Devices

  /// What a device that came to the namespace gets: settings and a place in captures.
  private func settle(_ device: NetworkDevice) {
    device.networkLayer = .passUnretained(ipv4)
    device.inet.settings = ipv4.defaultSettings
    device.inet.neighbour = ipv4.defaultNeighbour
    device.capturePoint = simulation.addCapturePoint(
      machine: machine.name.isEmpty ? nil : machine.name,
      namespace: name,
      interface: device.name,
      ifindex: Int(device.ifindex),
      linkType: device.isEthernet ? .ethernet : .raw
    )
    machine.remember(device, in: name)
    sockets.deviceAdded(device)
    ipv4.routes.devicesRenamed()
    ipv4.flows.removeAll()
  }

  /// Takes a new device in.
  ///
  /// The caller made it with the next number and index, and saw to it that the name is free.
  func add(_ device: NetworkDevice) {
    devices.insert(device)
    backlog.add(device)
    settle(device)
  }

  /// Removes a device for good, with what belongs to it.
  func remove(_ device: NetworkDevice) {
    guard !device.isGone else { return }
    device.isGone = true
    device.removed()
    leave(device)
    backlog.remove(device)
  }

  /// Takes a device out of the namespace: down, without addresses, routes and neighbours.
  private func leave(_ device: NetworkDevice) {
    if device.isUp { setDown(device) }
    device.announce(.unregistering)
    while !device.inet.addresses.isEmpty { removeAddress(at: 0, from: device, promoting: false) }
    ipv4.routes.deviceUnregistered(device.ifindex)
    ipv4.neighbours.removeAll(on: device.number)
    ipv4.neighbours.removeProxies(on: device.number)
    devices.remove(device)
    ipv4.routes.devicesRenamed()
    ipv4.flows.removeAll()
  }

  /// Moves a device to another namespace, under a new name if one is given.
  ///
  /// It goes down and loses its addresses; it keeps its index where that is free there.
  func move(_ device: NetworkDevice, to other: NetworkNamespace, name: String? = nil) {
    leave(device)
    device.host = other
    if let name {
      device.name = name
      device.nameID = simulation.interfaceNameID(name)
    }
    device.inet = InetDevice()
    device.hasBeenUp = false
    device.multicastFilter = [:]
    if other.devices[device.ifindex] != nil { device.ifindex = other.devices.nextIndex() }
    other.devices.insert(device)
    other.settle(device)
    device.noteStateWithoutCarrier()
    device.lower?.noteStateWithoutCarrier()
  }

  /// Sets a device up.
  func setUp(_ device: NetworkDevice) {
    guard !device.isUp else { return }
    device.isUp = true
    device.hasBeenUp = true
    device.opened()
    device.announce(.up)
  }

  /// Sets a device down.
  func setDown(_ device: NetworkDevice) {
    guard device.isUp else { return }
    device.announce(.goingDown)
    device.isUp = false
    device.closed()
    device.announce(.down)
  }

  /// Gives a device another name, which must be free.
  func rename(_ device: NetworkDevice, to name: String) {
    let former = device.name
    devices.rename(device, to: name)
    simulation.renameCapturePoint(device.capturePoint, to: name)
    for index in device.inet.addresses.indices {
      if device.inet.addresses[index].label == former {
        device.inet.addresses[index].label = name
      } else if device.inet.addresses[index].label.hasPrefix(former + ":") {
        device.inet.addresses[index].label =
          name + device.inet.addresses[index].label.dropFirst(former.count)
      }
    }
    device.announce(.renamed(former))
  }

  /// Changes a device's MTU, which the caller checked.
  func setMTU(_ device: NetworkDevice, _ mtu: Int) {
    guard device.mtu != mtu else { return }
    device.mtu = mtu
    device.announce(.mtuChanged)
  }

  /// Changes a device's MAC address.
  func setMAC(_ device: NetworkDevice, _ mac: MACAddress) {
    device.mac = mac
    device.announce(.addressChanged)
  }

  // MARK: Addresses

  /// Adds an address to a device, with its routes.
  public func addAddress(_ address: InterfaceAddress<UInt32>, to device: NetworkDevice)
    throws(RouteError)
  {
    var address = address
    if address.label.isEmpty { address.label = device.name }
    var list = device.inet.addresses
    try ipv4.routes.insertAddress(address, into: &list, on: device.ifindex)
    device.inet.addresses = list
    devices.noteAddress(address.local, added: true)
    ipv4.flows.removeAll()
  }

  /// Takes an address from a device, with its routes and the secondaries that go with it.
  public func removeAddress(at index: Int, from device: NetworkDevice, promoting: Bool? = nil) {
    let promotes = promoting ?? ipv4.isOn(.promoteSecondaries, device)
    var list = device.inet.addresses
    let changes = ipv4.routes.removeAddress(
      at: index,
      from: &list,
      on: device.ifindex,
      promotesSecondaries: promotes
    )
    device.inet.addresses = list
    for case .removed(let address) in changes {
      devices.noteAddress(address.local, added: false)
      netfilter.addressRemoved(IPv4Address(rawValue: address.local), from: device.number)
    }
    // Without an address a device has no neighbours.
    if list.isEmpty && !changes.isEmpty { ipv4.neighbours.removeAll(on: device.number) }
    ipv4.flows.removeAll()
  }

  // MARK: Settings

  /// Which part of a setting is meant.
  public enum SettingScope {
    /// `conf/all`.
    case all
    /// `conf/default`, which new devices get.
    case `default`
    /// A device's own.
    case device(NetworkDevice)
  }

  /// A setting of `net.ipv4.conf`.
  public func setting(_ setting: InterfaceSetting, _ scope: SettingScope) -> Int32 {
    switch scope {
    case .all: ipv4.allSettings[setting]
    case .default: ipv4.defaultSettings[setting]
    case .device(let device): device.inet.settings[setting]
    }
  }

  /// Changes a setting of `net.ipv4.conf`, as a write to the file does.
  public func set(_ setting: InterfaceSetting, _ scope: SettingScope, to value: Int32) {
    switch scope {
    case .all:
      if setting == .forwarding { return setForwarding(value: value) }
      ipv4.allSettings[setting] = value
    case .default: ipv4.defaultSettings[setting] = value
    case .device(let device): device.inet.settings[setting] = value
    }
    ipv4.flows.removeAll()
  }

  /// Switches forwarding on or off for the namespace and all devices (`net.ipv4.ip_forward`).
  public func setForwarding(_ on: Bool) { setForwarding(value: on ? 1 : 0) }

  /// The same with the number that is written; all devices show it.
  public func setForwarding(value: Int32) {
    let on = value != 0
    ipv4.settings.forwarding = on
    ipv4.allSettings[.forwarding] = value
    // Routers do not take redirects unless told to.
    ipv4.allSettings[.acceptRedirects] = on ? 0 : 1
    ipv4.defaultSettings[.forwarding] = value
    for device in devices.all { device.inet.settings[.forwarding] = value }
    ipv4.flows.removeAll()
  }

  /// The neighbour timers of a device, or those that new devices get.
  public func neighbourParameters(_ device: NetworkDevice?) -> NeighbourParameters {
    device?.inet.neighbour ?? ipv4.defaultNeighbour
  }

  /// Changes the neighbour timers of a device, or those that new devices get.
  public func setNeighbourParameters(_ parameters: NeighbourParameters, of device: NetworkDevice?) {
    if let device { device.inet.neighbour = parameters } else { ipv4.defaultNeighbour = parameters }
  }

  // MARK: End

  func dissolve() {
    ipv4.tunnels?.removeAll()
    for socket in sockets.all { socket.close() }
    for device in devices.all where !device.isGone {
      if device.kind.isEmpty && !device.isLoopback {
        // Physical devices return to the root namespace.
        move(device, to: machine.root)
      } else if !device.isLoopback {
        remove(device)
      }
    }
    remove(devices.loopback)
    isGone = true
  }
}

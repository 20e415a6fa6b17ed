import HopyardWire

/// A machine: one kernel with its namespaces, which share a receive queue.
public final class Machine {
  /// The machine's name; empty in a lab, which has only one.
  public let name: String
  /// The simulation to which it belongs.
  public let simulation: Simulation
  let backlog: Backlog
  /// The namespace in which the machine starts.
  public private(set) var root: NetworkNamespace!
  /// All namespaces, in the order in which they were made.
  public private(set) var namespaces: [NetworkNamespace] = []
  /// What the kernel logged (`-j LOG`), in order.
  public internal(set) var kernelLog: [String] = []
  /// Whether interfaces are remembered when they are gone or renamed, as records need it.
  public var keepsInterfaceRecords = false {
    didSet {
      guard keepsInterfaceRecords, !oldValue else { return }
      for namespace in namespaces {
        for device in namespace.devices.all { remember(device, in: namespace.name) }
      }
    }
  }
  /// Every interface that ever existed here, in the order in which they appeared.
  public internal(set) var interfaceRecords: [InterfaceRecord] = []
  private var addresses: RandomSource
  /// Whether the `ipip` module is there, and with it `tunl0` in every namespace.
  private(set) var hasIPIP = false

  /// Makes a machine with a root namespace.
  public init(simulation: Simulation, name: String = "", rootName: String = "host") {
    self.simulation = simulation
    self.name = name
    backlog = Backlog(simulation: simulation)
    addresses = simulation.randomSource("mac/\(name)")
    root = makeNamespace(rootName)
  }

  /// Makes a namespace that has nothing but `lo`, which is down.
  public func makeNamespace(_ name: String) -> NetworkNamespace {
    let namespace = NetworkNamespace(name: name, machine: self)
    namespaces.append(namespace)
    if hasIPIP { namespace.addFallbackTunnel() }
    return namespace
  }

  /// Removes a namespace: its sockets are closed and its devices vanish.
  public func remove(_ namespace: NetworkNamespace) {
    guard namespace !== root else { return }
    namespace.dissolve()
    namespaces.removeAll { $0 === namespace }
    for other in namespaces { other.forgetIdentifier(of: namespace) }
  }

  /// The namespace with a name.
  public func namespace(named name: String) -> NetworkNamespace? {
    namespaces.first { $0.name == name }
  }

  /// A new locally administered MAC address, from the seed.
  public func randomMAC() -> MACAddress {
    MACAddress(
      rawValue: (addresses.next() & 0xfeff_ffff_ffff) | 0x0200_0000_0000
    )
  }

  /// Loads the `ipip` module, as the first use of it does.
  public func loadIPIP() {
    guard !hasIPIP else { return }
    hasIPIP = true
    for namespace in namespaces { namespace.addFallbackTunnel() }
  }

  /// The device with a number.
  public func device(_ number: UInt32) -> NetworkDevice? { backlog.device(number) }
}

/// What is remembered of an interface, also when it is gone.
public struct InterfaceRecord: Sendable {
  /// The capture point, which is the interface's own.
  public let capturePoint: Int
  /// The namespace in which it was.
  public let namespace: String
  /// Its index there.
  public let ifindex: Int
  /// Its last name.
  public var name: String
  /// Its kind, empty for physical devices and `lo`.
  public let kind: String
  /// Its ARP hardware type.
  public let hardwareType: Int
  /// The MAC addresses that it had, in order.
  public var macs: [MACAddress]
}

extension Machine {
  /// Remembers a device that came to a namespace.
  func remember(_ device: NetworkDevice, in namespace: String) {
    guard keepsInterfaceRecords else { return }
    interfaceRecords.append(
      InterfaceRecord(
        capturePoint: device.capturePoint,
        namespace: namespace,
        ifindex: Int(device.ifindex),
        name: device.name,
        kind: device.kind,
        hardwareType: device.hardwareType,
        macs: device.mac == .zero ? [] : [device.mac]
      )
    )
  }

  /// Remembers a device's new name or MAC address.
  func rememberChange(of device: NetworkDevice) {
    guard
      let index = interfaceRecords.lastIndex(where: { $0.capturePoint == device.capturePoint })
    else { return }
    interfaceRecords[index].name = device.name
    if device.mac != .zero && !interfaceRecords[index].macs.contains(device.mac) {
      interfaceRecords[index].macs.append(device.mac)
    }
  }
}

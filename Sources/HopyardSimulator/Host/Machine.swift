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
  private var addresses: RandomSource

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
    return namespace
  }

  /// Removes a namespace: its sockets are closed and its devices vanish.
  public func remove(_ namespace: NetworkNamespace) {
    guard namespace !== root else { return }
    namespace.dissolve()
    namespaces.removeAll { $0 === namespace }
  }

  /// The namespace with a name.
  public func namespace(named name: String) -> NetworkNamespace? {
    namespaces.first { $0.name == name }
  }

  /// A new locally administered MAC address, from the seed.
  public func randomMAC() -> MACAddress {
    MACAddress(
      rawValue: (addresses.next() & 0xfeff_ffff_ffff) | 0x0200_0000_0000)
  }

  /// The device with a number.
  public func device(_ number: UInt32) -> NetworkDevice? { backlog.device(number) }
}

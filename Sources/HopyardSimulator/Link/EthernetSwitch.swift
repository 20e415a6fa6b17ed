import HopyardWire

/// A learning switch, a box of its own without an address: what stands between physical machines.
public final class EthernetSwitch {
  /// Its name.
  public let name: String
  private unowned(unsafe) let simulation: Simulation
  private let core: UnsafeMutablePointer<SimulationCore>
  @exclusivity(unchecked) fileprivate var ports: [Port] = []
  /// Where each address was heard last, and when; only looked up, never listed.
  @exclusivity(unchecked) private var addresses: [UInt64: (port: Int, heard: Int64)] = [:]
  private let ageingTime = Int64.seconds(300)
  private static let limit = 65_536

  /// Makes a switch without cables.
  public init(simulation: Simulation, name: String) {
    self.simulation = simulation
    core = simulation.core
    self.name = name
  }

  /// A socket of the switch.
  final class Port: CableEnd {
    /// The switch, which outlives its sockets' cables: it tells them when it goes.
    unowned(unsafe) let owner: EthernetSwitch
    let number: Int
    @exclusivity(unchecked) var cable: Cable?

    init(owner: EthernetSwitch, number: Int) {
      self.owner = owner
      self.number = number
    }

    deinit { cable?.forget(self) }

    var isLinkUp: Bool { true }

    func receiveFromCable(_ packet: consuming Packet) { owner.receive(packet, from: self) }

    func linkChanged() {}
  }

  /// How many cables are plugged in.
  public var portCount: Int { ports.count }

  /// A new socket.
  func makePort() -> Port {
    let port = Port(owner: self, number: ports.count)
    ports.append(port)
    return port
  }

  /// Joins two switches by a cable.
  @discardableResult
  public func connect(to other: EthernetSwitch, options: CableOptions = CableOptions()) -> Cable {
    let cable = Cable(simulation: simulation, options: options, name: "\(name)-\(other.name)")
    let mine = makePort()
    let theirs = other.makePort()
    mine.cable = cable
    theirs.cable = cable
    cable.plug(mine, theirs)
    return cable
  }

  private func receive(_ packet: consuming Packet, from port: Port) {
    guard packet.count >= 14 else { return }
    let now = core.now.nanoseconds
    let source = packet.mac(at: 6)
    if source.isValidForDevice {
      if addresses.count >= Self.limit { addresses = [:] }
      addresses[source.rawValue] = (port.number, now)
    }
    let destination = packet.mac(at: 0)
    if !destination.isMulticast, let known = addresses[destination.rawValue],
      now - known.heard < ageingTime
    {
      if known.port != port.number { send(packet, to: ports[known.port]) }
      return
    }
    for other in ports where other !== port { send(packet.clone(), to: other) }
  }

  private func send(_ packet: consuming Packet, to port: Port) {
    guard let cable = port.cable, cable.isUp else { return }
    _ = cable.send(packet, from: port)
  }
}

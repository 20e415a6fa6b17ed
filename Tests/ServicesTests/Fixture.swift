import HopyardServices
import HopyardSimulator
import HopyardWire

/// Two namespaces joined by a cable: `client` 10.0.0.1/24 and `server` 10.0.0.2/24.
final class PairFixture {
  let simulation: Simulation
  let machine: Machine
  let client: NetworkNamespace
  let server: NetworkNamespace

  init(seed: UInt64 = 1) throws {
    simulation = Simulation(seed: seed)
    machine = Machine(simulation: simulation)
    client = machine.makeNamespace("client")
    server = machine.makeNamespace("server")
    let (one, two) = try client.makeVeth(NewLink("eth0"), peer: NewLink("eth0"), in: server)
    try client.setLinkUp(one)
    try server.setLinkUp(two)
    try Self.address(client, one, IPv4Address(10, 0, 0, 1))
    try Self.address(server, two, IPv4Address(10, 0, 0, 2))
  }

  static func address(_ space: NetworkNamespace, _ device: NetworkDevice, _ address: IPv4Address)
    throws
  {
    try space.addLinkAddress(
      InterfaceAddress(local: address.rawValue, prefixLength: 24),
      to: device,
      replacing: false
    )
  }

  /// A program of the client's, with files.
  func program(_ files: [String: String] = [:]) -> Program {
    Program(in: client, name: "client", files: { files[$0].map { Array($0.utf8) } })
  }

  /// Runs a program to its end and gives what it came to.
  func run<Value>(_ body: @escaping () async -> Value) -> Value? {
    var value: Value?
    simulation.spawn { [simulation] in
      value = await body()
      simulation.stop()
    }
    simulation.run(until: simulation.now + .seconds(600))
    return value
  }
}

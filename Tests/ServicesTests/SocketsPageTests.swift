import HopyardServices
import HopyardSimulator
import HopyardWire
import Testing

// The example of the page about sockets, word for word.
@Test func theExampleOfTheSocketsPageEchoes() throws {
  let machine = Machine(simulation: Simulation(seed: 1))
  let simulation = machine.simulation
  try machine.root.setLinkUp(machine.root.devices["lo"]!)

  let server = try TCPServer(Program(in: machine.root, name: "echo"), port: 7000)
  simulation.spawn {
    try? await server.serve { stream in
      while let bytes = try? await stream.read(), !bytes.isEmpty { try? await stream.write(bytes) }
    }
  }

  var answer = ""
  simulation.spawn {
    let client = Program(in: machine.root, name: "client")
    guard let stream = try? await TCPStream.connect(client, to: .loopback, port: 7000) else {
      return
    }
    try? await stream.write(Array("hello".utf8))
    answer = String(decoding: (try? await stream.read()) ?? [], as: UTF8.self)
    stream.close()
    simulation.stop()
  }
  simulation.run()
  #expect(answer == "hello")
}

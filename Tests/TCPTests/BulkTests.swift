import HopyardSimulator
import HopyardWire
import Testing

/// How much a bulk transfer carries, and that everything arrives in order.
@Suite struct BulkTests {
  @Test func `ten gigabits are filled`() throws {
    let hosts = try TwoHosts(
      cable: CableOptions(
        bandwidth: 10_000_000_000,
        delay: .microseconds(50),
        queueLength: 10_000
      )
    )
    let (client, server) = try hosts.open()
    let transfer = Sink(client, server, hosts.simulation)
    transfer.start()
    hosts.run(for: .milliseconds(20))
    let before = transfer.received
    hosts.run(for: .milliseconds(40))
    let rate = Double(transfer.received - before) * 8 / 0.04
    #expect(rate >= 0.94 * 10e9, "\(rate / 1e9) Gbit/s")
    #expect(client.information.totalRetransmissions == 0)
  }

  /// RFC 9438 §5.1: in the Reno-friendly region 1 % loss at 20 ms gives about 7.1 Mbit/s.
  @Test(arguments: [1, 2, 3] as [UInt64])
  func `one percent of loss leaves what NewReno would carry`(seed: UInt64) throws {
    let hosts = try TwoHosts(
      seed: seed,
      cable: CableOptions(
        bandwidth: 100_000_000,
        delay: .milliseconds(10),
        queueLength: 1000,
        loss: 0.01
      )
    )
    let (client, server) = try hosts.open()
    let transfer = Sink(client, server, hosts.simulation)
    transfer.start()
    hosts.run(for: .seconds(30))
    let rate = Double(transfer.received) * 8 / 30
    #expect((4.5e6...10e6).contains(rate), "\(rate / 1e6) Mbit/s")
  }

  @Test(arguments: (1...12).map { UInt64($0) })
  func `every byte arrives in order over a bad wire`(seed: UInt64) throws {
    let wire = BadWire(seed: seed)
    wire.loss = 0.05
    wire.duplication = 0.02
    wire.reordering = 0.1
    let hosts = try TwoHosts(seed: seed, wire: wire)
    let (client, server) = try hosts.open(patience: .seconds(120))
    let transfer = Transfer(client, server, hosts.simulation, total: 200_000, chunk: 7000)
    transfer.start()
    let end = hosts.simulation.now + .seconds(600)
    while !transfer.isFinished, transfer.failure == nil, hosts.simulation.now < end {
      hosts.run(for: .milliseconds(100))
    }
    #expect(transfer.failure == nil)
    #expect(transfer.isRight)
    #expect(transfer.isFinished && transfer.received == 200_000)
  }

  @Test func `nothing is sent again without loss`() throws {
    let wire = BadWire(seed: 3)
    let hosts = try TwoHosts(seed: 3, wire: wire)
    let (client, server) = try hosts.open()
    let transfer = Transfer(client, server, hosts.simulation, total: 3_000_000, chunk: 20_000)
    transfer.start()
    hosts.run(for: .seconds(20))
    #expect(transfer.isFinished && transfer.isRight && transfer.received == 3_000_000)
    #expect(hosts.client.counters[.tcpRetransSegs] == 0)
    client.close()
    server.close()
    // TIME_WAIT lasts 60 s and the lateness of a timer of that length.
    hosts.run(for: .seconds(63))
    #expect(hosts.client.sockets.connections.isEmpty)
    #expect(hosts.server.sockets.connections.isEmpty)
  }
}

/// A writer that never rests and a reader that throws away.
final class Sink {
  private let sender: TCPSocket
  private let receiver: TCPSocket
  private let simulation: Simulation
  private let bytes = [UInt8](repeating: 0x61, count: 65_536)
  private(set) var received = 0

  init(_ sender: TCPSocket, _ receiver: TCPSocket, _ simulation: Simulation) {
    self.sender = sender
    self.receiver = receiver
    self.simulation = simulation
  }

  func start() {
    simulation.spawn { [self] in
      while true {
        guard let taken = try? sender.write(bytes) else { return }
        if taken < bytes.count { _ = await simulation.wait(on: [sender.writable]) }
      }
    }
    simulation.spawn { [self] in
      while true {
        guard let some = try? receiver.read(1 << 20) else {
          if receiver.state == .closed { return }
          _ = await simulation.wait(on: [receiver.readable])
          continue
        }
        if some.isEmpty { return }
        received += some.count
      }
    }
  }
}

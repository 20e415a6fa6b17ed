import Hopyard

/// A bulk transfer over TCP: two hosts on one cable of 10 Gbit/s and 50 µs, as ns-3's program has it,
/// or of 100 Mbit/s and 10 ms with one percent of loss.
enum TCPBulkWorkloads {
  /// As many segments as asked for, without loss.
  static func bulk(_ parameters: Workload.Parameters) throws -> Measurement {
    let cable = CableOptions(
      bandwidth: 10_000_000_000,
      delay: .microseconds(50),
      queueLength: 10_000
    )
    let total = parameters.packets * 1448
    let transfer = try BulkTransfer(seed: 1, cable: cable)
    let start = Usage.now()
    let began = transfer.simulation.now
    while transfer.received < total { transfer.run(for: .milliseconds(10)) }
    let seconds = Usage.now().cpuSeconds - start.cpuSeconds
    let virtual = Double(transfer.simulation.now - began) / 1e9
    var measurement = Measurement()
    let hops = Double(transfer.hops)
    measurement.record("delivered", Double(transfer.received))
    measurement.record("hops", hops)
    measurement.record("run_cpu_s", seconds)
    measurement.record("ns_per_hop_cpu", seconds * 1e9 / hops)
    measurement.record("retransmissions", Double(transfer.retransmissions))
    measurement.record("payload_bits_per_s", Double(transfer.received) * 8 / virtual)
    measurement.record("share_of_line_rate", Double(transfer.received) * 8 / virtual / 1e10)
    return measurement
  }

  /// Ten seeds of a hundred seconds each, with loss.
  static func loss(_ parameters: Workload.Parameters) throws -> Measurement {
    let cable = CableOptions(
      bandwidth: 100_000_000,
      delay: .milliseconds(10),
      queueLength: 1000,
      loss: 0.01
    )
    var sum = 0.0
    let start = Usage.now()
    for seed in 1...10 as ClosedRange<UInt64> {
      let transfer = try BulkTransfer(seed: seed, cable: cable)
      transfer.run(for: .seconds(100))
      sum += Double(transfer.received) * 8 / 100
    }
    var measurement = Measurement()
    measurement.record("run_cpu_s", Usage.now().cpuSeconds - start.cpuSeconds)
    measurement.record("payload_bits_per_s", sum / 10)
    measurement.record("share_of_rfc9438", sum / 10 / 7.1e6)
    return measurement
  }
}

/// Two hosts, a connection between them, a writer that never rests and a reader.
private final class BulkTransfer {
  let simulation: Simulation
  private let machine: Machine
  private let cards: [EthernetDevice]
  private let hosts: [NetworkNamespace]
  private let bytes = [UInt8](repeating: 0x61, count: 65_536)
  private(set) var received = 0

  init(seed: UInt64, cable: CableOptions) throws {
    simulation = Simulation(seed: seed)
    let machine = Machine(simulation: simulation)
    self.machine = machine
    let hosts = ["client", "server"].map { machine.makeNamespace($0) }
    self.hosts = hosts
    cards = try hosts.map { try $0.makeEthernet(NewLink("eth0")) }
    cards[0].connect(to: cards[1], options: cable)
    for (index, card) in cards.enumerated() {
      try hosts[index].addAddress(
        InterfaceAddress<UInt32>(local: 0x0a00_0001 + UInt32(index), prefixLength: 24),
        to: card
      )
      try hosts[index].setLinkUp(card)
    }
    let listener = hosts[1].sockets.makeTCP()
    try listener.bind(port: 9)
    try listener.listen()
    let sender = hosts[0].sockets.makeTCP()
    try sender.connect(to: IPv4Address(rawValue: 0x0a00_0002), port: 9)
    for _ in 0..<10_000 where !listener.hasConnection { run(for: .milliseconds(1)) }
    guard let receiver = listener.accept() else {
      throw Options.Failure(message: "no connection was made")
    }
    write(sender)
    read(receiver)
  }

  func run(for nanoseconds: Int64) { simulation.run(until: simulation.now + nanoseconds) }

  /// Frames that crossed the cable.
  var hops: UInt64 { cards.reduce(0) { $0 + $1.statistics.sentPackets } }

  var retransmissions: UInt64 {
    hosts.reduce(0) { $0 + UInt64($1.counters[.tcpRetransSegs]) }
  }

  private func write(_ socket: TCPSocket) {
    simulation.spawn { [unowned self] in
      while let taken = try? socket.write(bytes) {
        if taken < bytes.count { _ = await simulation.wait(on: [socket.writable]) }
      }
    }
  }

  private func read(_ socket: TCPSocket) {
    simulation.spawn { [unowned self] in
      while socket.state != .closed {
        if let some = try? socket.read(1 << 20) {
          received += some.count
        } else {
          _ = await simulation.wait(on: [socket.readable])
        }
      }
    }
  }
}

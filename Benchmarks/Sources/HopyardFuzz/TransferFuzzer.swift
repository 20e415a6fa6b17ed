import Hopyard

/// Transfers over wires that lose, double and reorder frames: every byte must arrive in order.
struct TransferFuzzer {
  let seed: UInt64

  /// Runs one transfer for each seed.
  func run(count: Int) throws {
    for offset in 0..<UInt64(count) {
      let seed = self.seed &+ offset
      var random = RandomSource(seed: seed, stream: "transfer")
      let transfer = try BadTransfer(
        seed: seed,
        total: 1000 + Int(random.below(120_000)),
        loss: Double(random.below(60)) / 1000,
        duplication: Double(random.below(30)) / 1000,
        reordering: Double(random.below(200)) / 1000
      )
      if let problem = try transfer.run() { throw FuzzFailure("seed \(seed): \(problem)") }
    }
    print("transfers: \(count) seeds from \(seed), every byte in order")
  }
}

/// One transfer between two hosts whose frames a bad wire carries.
private final class BadTransfer {
  private let simulation: Simulation
  private let machine: Machine
  private let total: Int
  private let loss: Double
  private let duplication: Double
  private let reordering: Double
  private var random: RandomSource
  private var written = 0
  private var received = 0
  private var problem: String?
  private var isFinished = false

  init(
    seed: UInt64,
    total: Int,
    loss: Double,
    duplication: Double,
    reordering: Double
  ) throws {
    simulation = Simulation(seed: seed)
    machine = Machine(simulation: simulation)
    self.total = total
    self.loss = loss
    self.duplication = duplication
    self.reordering = reordering
    random = RandomSource(seed: seed, stream: "bad wire")
  }

  private static func byte(at place: Int) -> UInt8 {
    UInt8(truncatingIfNeeded: (place &* 2_654_435_761) >> 13)
  }

  private func happens(_ probability: Double) -> Bool {
    Double(random.next() >> 11) / 9_007_199_254_740_992 < probability
  }

  /// Runs it to its end; gives what went wrong.
  func run() throws -> String? {
    let middle = machine.makeNamespace("middle")
    let hosts = try (1...2).map { number in
      let host = machine.makeNamespace("host\(number)")
      let (near, far) = try host.makeVeth(
        NewLink("eth0"),
        peer: NewLink("eth\(number)"),
        in: middle
      )
      try host.addAddress(
        InterfaceAddress<UInt32>(local: 0x0a00_0000 + UInt32(number), prefixLength: 24),
        to: near
      )
      try host.setLinkUp(near)
      try middle.setLinkUp(far)
      return (host: host, far: far)
    }
    let wires = try hosts.map { end in
      let socket = middle.sockets.makePacket()
      try socket.bind(ifindex: end.far.ifindex)
      return socket
    }
    for (index, wire) in wires.enumerated() {
      let other = wires[1 - index]
      wire.onFrame = { [unowned self] bytes, _, direction, _ in
        if direction == .incoming { carry([UInt8](bytes), to: other) }
      }
    }
    let listener = hosts[1].host.sockets.makeTCP()
    try listener.bind(port: 9)
    try listener.listen()
    let sender = hosts[0].host.sockets.makeTCP()
    try sender.connect(to: IPv4Address(rawValue: 0x0a00_0002), port: 9)
    let opened = simulation.now + .seconds(130)
    while !listener.hasConnection, simulation.now < opened {
      simulation.run(until: simulation.now + .milliseconds(50))
    }
    guard let receiver = listener.accept() else { return "no connection was made" }
    write(sender)
    read(receiver)
    let end = simulation.now + .seconds(3000)
    while !isFinished, problem == nil, simulation.now < end {
      simulation.run(until: simulation.now + .milliseconds(500))
    }
    for wire in wires { wire.onFrame = nil }
    if let problem { return problem }
    return isFinished && received == total ? nil : "\(received) of \(total) bytes arrived"
  }

  private func carry(_ frame: [UInt8], to socket: PacketSocket) {
    if happens(loss) { return }
    for _ in 0..<(happens(duplication) ? 2 : 1) {
      let delay: Int64 = .milliseconds(5) + (happens(reordering) ? .milliseconds(3) : 0)
      simulation.schedule(after: delay) { try? socket.send(frame: frame) }
    }
  }

  private func write(_ socket: TCPSocket) {
    simulation.spawn { [unowned self] in
      while written < total {
        let first = written
        let bytes = (first..<min(first + 5000, total)).map { Self.byte(at: $0) }
        do {
          let taken = try socket.write(bytes)
          written += taken
          if taken == 0 { _ = await simulation.wait(on: [socket.writable]) }
        } catch {
          problem = "writing failed: \(error)"
          return
        }
      }
      try? socket.shutdownWrite()
    }
  }

  private func read(_ socket: TCPSocket) {
    simulation.spawn { [unowned self] in
      while !isFinished, problem == nil {
        do {
          guard let bytes = try socket.read() else {
            _ = await simulation.wait(on: [socket.readable])
            continue
          }
          if bytes.isEmpty { isFinished = true }
          for (index, byte) in bytes.enumerated() where byte != Self.byte(at: received + index) {
            problem = "byte \(received + index) is wrong"
            return
          }
          received += bytes.count
        } catch {
          problem = "reading failed: \(error)"
        }
      }
    }
  }
}

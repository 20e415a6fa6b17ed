import HopyardSimulator
import HopyardWire

/// Two hosts joined by a cable, or by a wire that loses, doubles and reorders frames.
final class TwoHosts {
  let simulation: Simulation
  let machine: Machine
  let client: NetworkNamespace
  let server: NetworkNamespace
  static let serverAddress = IPv4Address(rawValue: 0x0a00_0002)

  /// Joins them by network cards and a cable.
  init(seed: UInt64 = 1, cable: CableOptions) throws {
    simulation = Simulation(seed: seed)
    machine = Machine(simulation: simulation)
    client = machine.makeNamespace("client")
    server = machine.makeNamespace("server")
    let left = try client.makeEthernet(NewLink("eth0"))
    let right = try server.makeEthernet(NewLink("eth0"))
    left.connect(to: right, options: cable)
    try configure(left, right)
  }

  /// Joins them by a bad wire.
  init(seed: UInt64, wire: BadWire) throws {
    simulation = Simulation(seed: seed)
    machine = Machine(simulation: simulation)
    client = machine.makeNamespace("client")
    server = machine.makeNamespace("server")
    let middle = machine.makeNamespace("middle")
    let (left, farLeft) = try client.makeVeth(NewLink("eth0"), peer: NewLink("left"), in: middle)
    let (right, farRight) = try server.makeVeth(
      NewLink("eth0"),
      peer: NewLink("right"),
      in: middle
    )
    try middle.setLinkUp(farLeft)
    try middle.setLinkUp(farRight)
    try configure(left, right)
    try wire.join(farLeft, farRight, in: middle, simulation)
  }

  private func configure(_ left: NetworkDevice, _ right: NetworkDevice) throws {
    try client.addAddress(InterfaceAddress<UInt32>(local: 0x0a00_0001, prefixLength: 24), to: left)
    try server.addAddress(InterfaceAddress<UInt32>(local: 0x0a00_0002, prefixLength: 24), to: right)
    try client.setLinkUp(left)
    try server.setLinkUp(right)
  }

  func run(for nanoseconds: Int64) { simulation.run(until: simulation.now + nanoseconds) }

  /// Opens a connection and gives both ends.
  func open(patience: Int64 = .seconds(30)) throws -> (client: TCPSocket, server: TCPSocket) {
    let listener = server.sockets.makeTCP()
    try listener.bind(port: 80)
    try listener.listen()
    let socket = client.sockets.makeTCP()
    try socket.connect(to: Self.serverAddress, port: 80)
    let end = simulation.now + patience
    while !listener.hasConnection, simulation.now < end { run(for: .milliseconds(5)) }
    guard let other = listener.accept() else { throw SocketError.timedOut }
    listener.close()
    return (socket, other)
  }
}

/// A wire that loses, doubles and delays frames by chance.
final class BadWire {
  var loss = 0.0
  var duplication = 0.0
  var reordering = 0.0
  /// How long a frame travels, and how much longer one that is overtaken.
  var delay: Int64 = .milliseconds(5)
  var extraDelay: Int64 = .milliseconds(3)
  private(set) var lost = 0
  private var random = RandomSource(seed: 0)

  init(seed: UInt64) { random = RandomSource(seed: seed, stream: "bad wire") }

  private func happens(_ probability: Double) -> Bool {
    Double(random.next() >> 11) / 9_007_199_254_740_992 < probability
  }

  fileprivate func join(
    _ left: NetworkDevice,
    _ right: NetworkDevice,
    in namespace: NetworkNamespace,
    _ simulation: Simulation
  ) throws {
    let ends = [left, right]
    let sockets = try ends.map { device in
      let socket = namespace.sockets.makePacket()
      try socket.bind(ifindex: device.ifindex)
      return socket
    }
    for (index, socket) in sockets.enumerated() {
      let other = sockets[1 - index]
      socket.onFrame = { [self] bytes, _, direction, _ in
        guard direction == .incoming else { return }
        let frame = [UInt8](bytes)
        if happens(loss) {
          lost += 1
          return
        }
        for _ in 0..<(happens(duplication) ? 2 : 1) {
          let wait = delay + (happens(reordering) ? extraDelay : 0)
          simulation.schedule(after: wait) { try? other.send(frame: frame) }
        }
      }
    }
  }
}

/// A transfer of bytes that can be told apart, driven by the sockets' wait queues.
final class Transfer {
  private let sender: TCPSocket
  private let receiver: TCPSocket
  private let simulation: Simulation
  private let total: Int
  private let chunk: Int
  private var written = 0
  private(set) var received = 0
  private(set) var isRight = true
  private(set) var isFinished = false
  private(set) var failure: SocketError?

  init(_ sender: TCPSocket, _ receiver: TCPSocket, _ simulation: Simulation, total: Int, chunk: Int)
  {
    self.sender = sender
    self.receiver = receiver
    self.simulation = simulation
    self.total = total
    self.chunk = chunk
  }

  /// The byte at a place of the stream.
  static func byte(at place: Int) -> UInt8 {
    UInt8(truncatingIfNeeded: (place &* 2_654_435_761) >> 13)
  }

  func start() {
    simulation.spawn { [self] in
      while written < total, failure == nil {
        let count = min(chunk, total - written)
        let first = written
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { target, filled in
          for index in 0..<count { target[index] = Self.byte(at: first + index) }
          filled = count
        }
        do throws(SocketError) {
          let taken = try sender.write(bytes)
          written += taken
          if taken == 0 { _ = await simulation.wait(on: [sender.writable]) }
        } catch {
          failure = error
        }
      }
      try? sender.shutdownWrite()
    }
    simulation.spawn { [self] in
      while !isFinished, failure == nil {
        do throws(SocketError) {
          guard let bytes = try receiver.read(1 << 20) else {
            _ = await simulation.wait(on: [receiver.readable])
            continue
          }
          if bytes.isEmpty { isFinished = true }
          for (index, byte) in bytes.enumerated() where byte != Self.byte(at: received + index) {
            isRight = false
            break
          }
          received += bytes.count
        } catch {
          failure = error
        }
      }
    }
  }
}

import HopyardWire
import Testing

@testable import HopyardSimulator

/// Two namespaces joined by a veth pair, with an address each.
struct PairOfHosts {
  let simulation = Simulation()
  let machine: Machine
  let a: NetworkNamespace
  let b: NetworkNamespace

  init() throws {
    machine = Machine(simulation: simulation)
    a = machine.makeNamespace("a")
    b = machine.makeNamespace("b")
    let ends = [a, b].map { namespace in
      VethDevice(
        name: "eth0",
        mac: machine.randomMAC(),
        number: machine.backlog.nextNumber(),
        ifindex: namespace.devices.nextIndex(),
        host: namespace
      )
    }
    ends[0].peer = ends[1]
    ends[1].peer = ends[0]
    a.add(ends[0])
    b.add(ends[1])
    try a.addAddress(InterfaceAddress<UInt32>(local: 0x0a00_0001, prefixLength: 24), to: ends[0])
    try b.addAddress(InterfaceAddress<UInt32>(local: 0x0a00_0002, prefixLength: 24), to: ends[1])
    a.setUp(ends[0])
    b.setUp(ends[1])
  }
}

@Suite struct PingTests {
  @Test func `an echo request is answered after ARP`() throws {
    let pair = try PairOfHosts()
    let socket = pair.a.sockets.makeRaw(.icmp)
    var message: [UInt8] = [8, 0, 0, 0, 0, 1, 0, 1] + [UInt8](repeating: 0x61, count: 2000)
    let sum = message.withUnsafeBytes { InternetChecksum.checksum(of: $0) }
    message[2] = UInt8(sum >> 8)
    message[3] = UInt8(sum & 255)
    try socket.send(message, to: IPv4Address(rawValue: 0x0a00_0002))
    pair.simulation.run(until: Instant(nanoseconds: 1_000_000_000))
    let reply = try #require(socket.receive())
    #expect(reply.source == IPv4Address(rawValue: 0x0a00_0002))
    #expect(reply.bytes.count == 20 + message.count)
    #expect(pair.b.counters[.ipReasmOKs] == 1)
  }

  @Test func `a datagram to a closed port is refused`() throws {
    let pair = try PairOfHosts()
    let socket = pair.a.sockets.makeUDP()
    try socket.connect(to: IPv4Address(rawValue: 0x0a00_0002), port: 7)
    try socket.send([1, 2, 3])
    pair.simulation.run(until: Instant(nanoseconds: 1_000_000_000))
    #expect(socket.takeError() == .connectionRefused)
    #expect(pair.b.counters[.icmpOutDestUnreachs] == 1)
  }

  @Test func `packets are returned to the pool`() throws {
    let pair = try PairOfHosts()
    let receiver = pair.b.sockets.makeUDP()
    try receiver.bind(port: 7)
    let socket = pair.a.sockets.makeUDP()
    for number in 0..<100 {
      try socket.send([UInt8(number)], to: IPv4Address(rawValue: 0x0a00_0002), port: 7)
      pair.simulation.run(until: pair.simulation.now + .milliseconds(1))
    }
    #expect(receiver.queueLength == 100)
    #expect(pair.simulation.pool.outstanding == 0)
  }
}

import HopyardWire
import Testing

@testable import HopyardSimulator

@Suite struct TCPTests {
  @Test(arguments: [1, 6, 1460, 100_000, 3_000_000])
  func `what is written arrives, and both ends close`(count: Int) throws {
    let pair = try PairOfHosts()
    let listener = pair.b.sockets.makeTCP()
    try listener.bind(port: 80)
    try listener.listen()
    let client = pair.a.sockets.makeTCP()
    try client.connect(to: IPv4Address(rawValue: 0x0a00_0002), port: 80)
    pair.simulation.run(until: Instant(nanoseconds: 100_000_000))
    #expect(client.isEstablished)
    let server = try #require(listener.accept())
    let data = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
    var sent = 0
    var received: [UInt8] = []
    while received.count < count {
      if sent < count { sent += try client.write([UInt8](data[sent...])) }
      pair.simulation.run(until: pair.simulation.now + .milliseconds(1))
      while let bytes = try server.read(), !bytes.isEmpty { received += bytes }
      #expect(pair.simulation.now < Instant(nanoseconds: 10_000_000_000))
    }
    #expect(received == data)
    try client.shutdownWrite()
    pair.simulation.run(until: pair.simulation.now + .milliseconds(100))
    #expect(try server.read() == [])
    #expect(server.state == .closeWait)
    server.close()
    pair.simulation.run(until: pair.simulation.now + .milliseconds(100))
    #expect(client.state == .timeWait)
    client.close()
    pair.simulation.run(until: pair.simulation.now + .seconds(61))
    #expect(pair.a.sockets.connections.isEmpty)
    #expect(pair.a.counters[.tcpRetransSegs] == 0)
    #expect(pair.simulation.pool.outstanding == 0)
  }

  @Test func `a closed port refuses`() throws {
    let pair = try PairOfHosts()
    let client = pair.a.sockets.makeTCP()
    try client.connect(to: IPv4Address(rawValue: 0x0a00_0002), port: 81)
    pair.simulation.run(until: Instant(nanoseconds: 100_000_000))
    #expect(client.takeError() == .connectionRefused)
  }

  @Test func `a SYN without an answer times out`() throws {
    let pair = try PairOfHosts()
    var settings = pair.a.settings
    settings.tcp.synRetries = 1
    pair.a.settings = settings
    let device = try #require(pair.b.devices["eth0"])
    device.isNoARP = true
    let client = pair.a.sockets.makeTCP()
    let neighbour = pair.a.ipv4.neighbours.findOrMake(
      0x0a00_0002,
      on: try #require(pair.a.devices["eth0"]).number
    )
    pair.a.ipv4.neighbours.update(
      neighbour,
      linkAddress: MACAddress(rawValue: 0x0200_0000_0001),
      state: .permanent,
      .admin
    )
    try client.connect(to: IPv4Address(rawValue: 0x0a00_0002), port: 81)
    pair.simulation.run(until: Instant(nanoseconds: 2_900_000_000))
    #expect(client.state == .synSent)
    pair.simulation.run(until: Instant(nanoseconds: 3_100_000_000))
    #expect(client.takeError() == .timedOut)
    #expect(pair.a.counters[.tcpRetransSegs] == 2)
  }
}

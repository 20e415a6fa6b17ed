import HopyardSimulator
import HopyardWire
import Testing

/// Timers, windows and errors from the network (RFC 9293 §3.8, §3.9).
@Suite struct TimerTests {
  /// Seconds from the first of some segments to the others.
  private static func times(_ segments: [RawPeer.Segment]) -> [Double] {
    guard let first = segments.first else { return [] }
    return segments.map { Double($0.time - first.time) / 1e9 }
  }

  @Test func `a lost segment is sent again ever more slowly until the connection fails`() throws {
    let peer = try RawPeer()
    let socket = try peer.open(try peer.listen())
    _ = try socket.write([1, 2, 3])
    peer.run(for: .seconds(1200))
    let sent = peer.takeSent()
    let gaps = zip(Self.times(sent), Self.times(sent).dropFirst()).map { $1 - $0 }
    // tcp_retries2 is 15: about fifteen minutes.
    #expect(sent.count == 16)
    #expect(zip(gaps, gaps.dropFirst()).allSatisfy { $1 > 1.9 * $0 || $1 > 119 })
    #expect(socket.takeError() == .timedOut)
    #expect((Self.times(sent).last ?? 0) > 100)
  }

  @Test func `a program chooses when to give up`() throws {
    let peer = try RawPeer()
    let socket = try peer.open(try peer.listen())
    socket.tcpOptions.userTimeout = 5000
    _ = try socket.write([1, 2, 3])
    peer.run(for: .seconds(4))
    #expect(socket.state == .established)
    peer.run(for: .seconds(5))
    #expect(socket.takeError() == .timedOut)
  }

  @Test func `SYNs are repeated for three minutes if asked`() throws {
    let peer = try RawPeer()
    var settings = peer.host.settings
    settings.tcp.synRetries = 7
    peer.host.settings = settings
    let socket = peer.host.sockets.makeTCP()
    try socket.connect(to: peer.address, port: 9)
    peer.run(for: .seconds(181))
    #expect(socket.state == .synSent)
    peer.run(for: .seconds(200))
    #expect(socket.takeError() == .timedOut)
  }

  @Test func `retransmissions do not count as measurements`() throws {
    let peer = try RawPeer()
    let socket = try peer.open(try peer.listen())
    let before = socket.information.roundTrip
    _ = try socket.write([1])
    peer.run(for: .milliseconds(1500))
    let sent = peer.takeSent()
    #expect(sent.count >= 3)
    try peer.send(RawPeer.ack, ack: sent[0].sequence &+ 1)
    _ = peer.takeSent()
    #expect(socket.information.roundTrip == before)
  }

  @Test func `a closed window is probed for ever`() throws {
    let peer = try RawPeer()
    let socket = try peer.open(try peer.listen())
    _ = try socket.write([1])
    let first = try #require(peer.takeSent().last)
    try peer.send(RawPeer.ack, ack: first.sequence &+ 1, window: 0)
    _ = try socket.write([UInt8](repeating: 2, count: 100))
    var probes: [Instant] = []
    for _ in 0..<40 {
      peer.run(for: .seconds(10))
      for probe in peer.takeSent() {
        #expect(probe.sequence == first.sequence && probe.payload.isEmpty)
        probes.append(probe.time)
        try peer.send(RawPeer.ack, ack: first.sequence &+ 1, window: 0)
      }
    }
    #expect(probes.count > 6)
    #expect(socket.state == .established)
    let gaps = zip(probes, probes.dropFirst()).map { $1 - $0 }
    #expect(zip(gaps.prefix(6), gaps.dropFirst()).allSatisfy { $1 > $0 })
    // A reset counts even then, and a window that opens is used.
    try peer.send(RawPeer.ack, ack: first.sequence &+ 1, window: 1000)
    #expect(peer.takeSent().last?.payload.count == 100)
  }

  @Test func `a window that shrinks does no harm`() throws {
    let peer = try RawPeer()
    let socket = try peer.open(try peer.listen())
    _ = try socket.write([UInt8](repeating: 3, count: 4000))
    let sent = peer.takeSent()
    let first = try #require(sent.first)
    try peer.send(RawPeer.ack, ack: first.sequence &+ 1460, window: 10)
    peer.run(for: .seconds(3))
    #expect(socket.state == .established)
    try peer.send(RawPeer.ack, ack: first.sequence &+ 4000, window: 5000)
    _ = peer.takeSent()
    #expect(socket.isDrained)
  }

  @Test func `resets count though the window is closed`() throws {
    let peer = try RawPeer()
    let socket = try peer.open(try peer.listen { $0.tcpOptions.receiveBuffer = 3000 })
    for _ in 0..<8 { try peer.send(RawPeer.ack, [UInt8](repeating: 1, count: 1000)) }
    _ = peer.takeSent()
    let place = try #require(socket.peek().isEmpty ? nil : socket.peek().count)
    try peer.send(RawPeer.rst, at: 5001 &+ UInt32(place))
    _ = peer.takeSent()
    #expect(socket.state == .closed)
  }

  @Test func `a receiver offers no silly windows`() throws {
    let peer = try RawPeer()
    let socket = try peer.open(try peer.listen { $0.tcpOptions.receiveBuffer = 4000 })
    for _ in 0..<8 { try peer.send(RawPeer.ack, [UInt8](repeating: 1, count: 1000)) }
    let full = try #require(peer.takeSent().last)
    #expect(full.window == 0)
    _ = try socket.read(10)
    // Ten bytes are no reason to tell of a window.
    #expect(peer.takeSent().isEmpty)
    while try socket.read() != nil {}
    #expect((peer.takeSent().last?.window ?? 0) >= 1000)
  }

  @Test func `a sender sends no silly segments`() throws {
    let peer = try RawPeer()
    let socket = try peer.open(try peer.listen())
    _ = try socket.write([UInt8](repeating: 1, count: 10))
    _ = try socket.write([UInt8](repeating: 1, count: 10))
    _ = try socket.write([UInt8](repeating: 1, count: 10))
    // Nagle as Minshall has it: the second small segment waits.
    #expect(peer.takeSent().map(\.payload.count) == [10])
    socket.isNoDelay = true
    #expect(peer.takeSent().map(\.payload.count) == [20])
  }

  @Test func `acknowledgements wait at most half a second and two segments`() throws {
    let peer = try RawPeer()
    let socket = try peer.open(try peer.listen())
    // Beyond the quick ones at the start.
    for _ in 0..<40 {
      try peer.send(RawPeer.ack, [UInt8](repeating: 1, count: 1460))
      _ = peer.takeSent()
      while try socket.read() != nil {}
    }
    _ = try socket.write([1])
    _ = peer.takeSent()
    let start = peer.simulation.now
    try peer.send(RawPeer.ack, [1])
    peer.run(for: .seconds(1))
    let answer = try #require(peer.takeSent().first { $0.acknowledgement == peer.sequence })
    #expect(answer.time - start < .milliseconds(500))
  }

  @Test func `keepalive is off, then probes, then gives up`() throws {
    let peer = try RawPeer()
    let socket = try peer.open(try peer.listen())
    peer.run(for: .seconds(10_000))
    #expect(peer.takeSent().isEmpty)
    socket.tcpOptions.keepsAlive = true
    #expect(peer.host.settings.tcp.keepaliveTime == 7200)
    socket.tcpOptions.keepaliveIdle = 10
    socket.tcpOptions.keepaliveInterval = 5
    socket.tcpOptions.keepaliveCount = 3
    peer.run(for: .seconds(1))
    let first = try #require(peer.takeSent().first)
    #expect(first.payload.isEmpty && first.sequence == peer.acknowledgement &- 1)
    // One answer keeps it alive, two lost probes do not end it.
    try peer.send(RawPeer.ack)
    peer.run(for: .milliseconds(19_500))
    #expect(peer.takeSent().count == 2)
    #expect(socket.state == .established)
    peer.run(for: .seconds(10))
    #expect(socket.takeError() == .timedOut)
  }

  @Test(arguments: [0, 1, 5] as [UInt8])
  func `soft errors of the network are only remembered`(code: UInt8) throws {
    let peer = try RawPeer()
    let socket = try peer.open(try peer.listen())
    _ = try socket.write([1])
    let segment = try #require(peer.takeSent().last)
    try peer.sendError(type: 3, code: code, about: segment.sequence)
    try peer.sendError(type: 11, code: 0, about: segment.sequence)
    try peer.sendError(type: 12, code: 0, about: segment.sequence)
    try peer.sendError(type: 4, code: 0, about: segment.sequence)
    _ = peer.takeSent()
    #expect(socket.state == .established)
  }

  @Test func `a smaller path makes smaller segments`() throws {
    let peer = try RawPeer()
    let socket = try peer.open(try peer.listen())
    _ = try socket.write([UInt8](repeating: 1, count: 1460))
    let segment = try #require(peer.takeSent().last)
    // An error about something that is not on its way is not believed.
    try peer.sendError(type: 3, code: 4, mtu: 800, about: segment.sequence &+ 100_000)
    #expect(peer.takeSent().isEmpty)
    try peer.sendError(type: 3, code: 4, mtu: 1000, about: segment.sequence)
    #expect(peer.takeSent().map(\.payload.count) == [960, 500])
  }

  @Test func `slow start and congestion avoidance`() throws {
    let peer = try RawPeer()
    let socket = try peer.open(try peer.listen())
    try peer.send(RawPeer.ack, window: 65_535)
    _ = try socket.write([UInt8](repeating: 1, count: 60_000))
    let first = peer.takeSent()
    #expect(first.count == 10)
    #expect(socket.information.congestionWindow == 10)
    try peer.send(RawPeer.ack, ack: first[9].sequence &+ 1460, window: 65_535)
    _ = peer.takeSent()
    #expect(socket.information.congestionWindow == 20)
    // A timeout brings it down to one.
    peer.run(for: .seconds(1))
    #expect(socket.information.congestionWindow == 1)
    #expect(socket.information.slowStartThreshold == 14)
  }

  @Test func `ECN is answered, echoed and heeded`() throws {
    let peer = try RawPeer()
    let listener = try peer.listen()
    try peer.send(RawPeer.syn | RawPeer.ece | RawPeer.cwr, options: [2, 4, 5, 0xb4])
    let answer = try #require(peer.takeSent().last)
    #expect(answer.has(RawPeer.ece) && !answer.has(RawPeer.cwr))
    peer.acknowledgement = answer.sequence &+ 1
    try peer.send(RawPeer.ack)
    _ = peer.takeSent()
    let socket = try #require(listener.accept())
    try peer.send(RawPeer.ack, [1], tos: 3)
    #expect(peer.takeSent().last?.has(RawPeer.ece) == true)
    _ = try socket.write([UInt8](repeating: 1, count: 3000))
    let sent = peer.takeSent()
    #expect(sent.allSatisfy { $0.payload.isEmpty || $0.tos & 3 == 2 })
    let last = try #require(sent.last)
    try peer.send(RawPeer.ack | RawPeer.ece, ack: last.sequence &+ UInt32(last.payload.count))
    _ = peer.takeSent()
    _ = try socket.write([1])
    #expect(peer.takeSent().last?.has(RawPeer.cwr) == true)
    #expect(socket.information.congestionWindow < 10)
  }
}

import HopyardSimulator
import HopyardWire
import Testing

/// Opening and closing connections (RFC 9293 §3.5, §3.6, §3.10).
@Suite struct ConnectionTests {
  @Test func `initial numbers differ and grow with nothing that a peer sees`() throws {
    let peer = try RawPeer()
    var numbers: Set<UInt32> = []
    for port in 2000..<2008 as Range<UInt16> {
      let socket = peer.host.sockets.makeTCP()
      try socket.connect(to: peer.address, port: port)
      numbers.insert(try #require(peer.takeSent().first).sequence)
    }
    #expect(numbers.count == 8)
  }

  @Test func `both ends may open at once`() throws {
    let peer = try RawPeer()
    let socket = peer.host.sockets.makeTCP()
    try socket.connect(to: peer.address, port: peer.port)
    let syn = try #require(peer.takeSent().first)
    peer.hostPort = syn.sourcePort
    try peer.send(RawPeer.syn, options: [2, 4, 5, 0xb4])
    let answer = try #require(peer.takeSent().last)
    #expect(answer.flags == RawPeer.syn | RawPeer.ack)
    #expect(answer.sequence == syn.sequence)
    try peer.send(
      RawPeer.syn | RawPeer.ack,
      at: peer.sequence &- 1,
      ack: syn.sequence &+ 1,
      options: [2, 4, 5, 0xb4]
    )
    _ = peer.takeSent()
    #expect(socket.state == .established)
  }

  @Test func `a half-open connection that is reset goes back to listening`() throws {
    let peer = try RawPeer()
    let listener = try peer.listen()
    try peer.send(RawPeer.syn)
    _ = peer.takeSent()
    try peer.send(RawPeer.rst)
    _ = peer.takeSent()
    #expect(listener.state == .listen)
    #expect(peer.host.sockets.connections.count == 1)
    // An active opener learns of it.
    let socket = peer.host.sockets.makeTCP()
    try socket.connect(to: peer.address, port: peer.port)
    let syn = try #require(peer.takeSent().first)
    peer.hostPort = syn.sourcePort
    try peer.send(RawPeer.rst | RawPeer.ack, ack: syn.sequence &+ 1)
    _ = peer.takeSent()
    #expect(socket.takeError() == .connectionRefused)
  }

  @Test func `listeners on one port do not disturb each other's connections`() throws {
    let peer = try RawPeer()
    let listener = try peer.listen { $0.options.reusesPort = true }
    let second = peer.host.sockets.makeTCP()
    second.options.reusesPort = true
    try second.bind(port: 80)
    try second.listen()
    var taken: [Bool] = []
    for port in 3000..<3032 as Range<UInt16> {
      peer.port = port
      peer.sequence = 100
      try peer.send(RawPeer.syn)
      peer.acknowledgement = try #require(peer.takeSent().last).sequence &+ 1
      try peer.send(RawPeer.ack)
      _ = peer.takeSent()
      if listener.accept() != nil { taken.append(true) }
      if second.accept() != nil { taken.append(false) }
    }
    #expect(taken.count == 32)
    #expect(taken.contains(true) && taken.contains(false))
  }

  @Test(arguments: [0xffff_ffff, 0xe000_0001, 0x0a00_00ff] as [UInt32])
  func `nobody connects to a group or to all`(address: UInt32) throws {
    let peer = try RawPeer()
    let socket = peer.host.sockets.makeTCP()
    #expect(throws: SocketError.networkUnreachable) {
      try socket.connect(to: IPv4Address(rawValue: address), port: 9)
    }
    // And a SYN to such an address gets no answer.
    _ = try peer.listen()
    try peer.send(RawPeer.syn, to: IPv4Address(rawValue: address))
    #expect(peer.takeSent().isEmpty)
  }

  @Test(arguments: [0xe000_0001, 0xffff_ffff] as [UInt32])
  func `a SYN from a group or from all is dropped`(address: UInt32) throws {
    let peer = try RawPeer()
    _ = try peer.listen()
    try peer.send(RawPeer.syn, from: IPv4Address(rawValue: address))
    #expect(peer.takeSent().isEmpty)
  }

  @Test func `a program is told that its connection was reset`() throws {
    let peer = try RawPeer()
    let socket = try peer.open(try peer.listen())
    try peer.send(RawPeer.rst)
    _ = peer.takeSent()
    #expect(throws: SocketError.connectionReset) { try socket.read() }
    #expect(socket.state == .closed)
  }

  @Test func `a reset that does not fit is asked about`() throws {
    let peer = try RawPeer()
    let socket = try peer.open(try peer.listen())
    try peer.send(RawPeer.rst, at: peer.sequence &+ 100)
    let challenge = peer.takeSent()
    #expect(challenge.map(\.flags) == [RawPeer.ack])
    #expect(socket.state == .established)
    // The next one within half a second is not answered (tcp_invalid_ratelimit).
    try peer.send(RawPeer.syn, at: peer.sequence &+ 5)
    #expect(peer.takeSent().isEmpty)
  }

  @Test func `TIME_WAIT lasts a minute, takes a new SYN and answers old segments`() throws {
    let peer = try RawPeer()
    let listener = try peer.listen()
    let socket = try peer.open(listener)
    socket.close()
    let fin = try #require(peer.takeSent().last)
    #expect(fin.has(RawPeer.fin))
    peer.acknowledgement = fin.sequence &+ 1
    try peer.send(RawPeer.fin | RawPeer.ack)
    #expect(peer.takeSent().last?.acknowledgement == peer.sequence)
    #expect(peer.host.sockets.connections.contains { $0.state == .timeWait })
    // The peer's FIN again.
    try peer.send(RawPeer.fin | RawPeer.ack, at: peer.sequence &- 1)
    #expect(peer.takeSent().last?.flags == RawPeer.ack)
    peer.run(for: .seconds(59))
    #expect(peer.host.sockets.connections.contains { $0.state == .timeWait })
    peer.sequence = peer.sequence &+ 100_000
    try peer.send(RawPeer.syn)
    #expect(peer.takeSent().last?.flags == RawPeer.syn | RawPeer.ack)
    #expect(!peer.host.sockets.connections.contains { $0.state == .timeWait })
  }

  @Test func `unread data turns closing into a reset`() throws {
    let peer = try RawPeer()
    let socket = try peer.open(try peer.listen())
    try peer.send(RawPeer.ack | RawPeer.psh, [1, 2, 3])
    _ = peer.takeSent()
    socket.close()
    #expect(peer.takeSent().last?.has(RawPeer.rst) == true)
  }

  @Test func `half a connection may be closed`() throws {
    let peer = try RawPeer()
    let socket = try peer.open(try peer.listen())
    try socket.shutdownWrite()
    let fin = try #require(peer.takeSent().last)
    peer.acknowledgement = fin.sequence &+ 1
    try peer.send(RawPeer.ack)
    _ = peer.takeSent()
    #expect(socket.state == .finWait2)
    try peer.send(RawPeer.ack | RawPeer.psh, [1, 2, 3])
    _ = peer.takeSent()
    #expect(try socket.read() == [1, 2, 3])
  }

  @Test func `an orphan in FIN_WAIT2 goes after tcp_fin_timeout`() throws {
    let peer = try RawPeer()
    var settings = peer.host.settings
    settings.tcp.finTimeout = 2
    peer.host.settings = settings
    let socket = try peer.open(try peer.listen())
    socket.close()
    peer.acknowledgement = try #require(peer.takeSent().last).sequence &+ 1
    try peer.send(RawPeer.ack)
    peer.run(for: .milliseconds(1900))
    #expect(peer.host.sockets.connections.contains { $0.state == .finWait2 })
    peer.run(for: .milliseconds(3000))
    #expect(!peer.host.sockets.connections.contains { $0.state == .finWait2 })
  }

  @Test func `linger zero resets`() throws {
    let peer = try RawPeer()
    let socket = try peer.open(try peer.listen())
    socket.tcpOptions.linger = 0
    socket.close()
    #expect(peer.takeSent().last?.has(RawPeer.rst) == true)
    #expect(peer.host.sockets.connections.count == 1)
  }

  @Test func `a full accept queue lets the last segment fall`() throws {
    let peer = try RawPeer()
    let listener = peer.host.sockets.makeTCP()
    try listener.bind(port: 80)
    try listener.listen(backlog: 1)
    for port in 4000..<4004 as Range<UInt16> {
      peer.port = port
      peer.sequence = 100
      try peer.send(RawPeer.syn)
      guard let answer = peer.takeSent().last else { continue }
      peer.acknowledgement = answer.sequence &+ 1
      try peer.send(RawPeer.ack)
      _ = peer.takeSent()
    }
    #expect(listener.receivedCount == 2)
  }

  @Test func `a flood of SYNs is answered with cookies`() throws {
    let peer = try RawPeer()
    let listener = peer.host.sockets.makeTCP()
    try listener.bind(port: 80)
    try listener.listen(backlog: 4)
    for port in 4000..<4010 as Range<UInt16> {
      peer.port = port
      try peer.send(RawPeer.syn, at: 77)
      _ = peer.takeSent()
    }
    #expect(peer.host.sockets.connections.count < 8)
    peer.port = 5000
    peer.sequence = 100
    try peer.send(RawPeer.syn, options: [2, 4, 5, 0xb4])
    peer.acknowledgement = try #require(peer.takeSent().last).sequence &+ 1
    try peer.send(RawPeer.ack | RawPeer.psh, [9])
    _ = peer.takeSent()
    let socket = try #require(listener.accept())
    #expect(try socket.read() == [9])
    // A number that is no cookie is refused.
    peer.port = 5001
    try peer.send(RawPeer.ack, at: 101, ack: 12_345)
    #expect(peer.takeSent().last?.has(RawPeer.rst) == true)
  }
}

import HopyardWire
import Testing

@testable import HopyardSimulator

@Suite struct ConntrackTests {
  /// A router that counts by state.
  private func tracking() throws -> RouterFixture {
    let router = RouterFixture()
    for state: ConntrackStates in [.invalid, .new, .established, .related] {
      try router.append(
        Rule(matches: [.conntrack(ConntrackMatch(states: StateMatch(state)))]),
        to: "FORWARD"
      )
    }
    return router
  }

  private func counts(_ router: RouterFixture) -> [UInt64] {
    (0..<4).map { router.counters($0, of: "FORWARD").packets }
  }

  @Test func `a UDP flow is new, then established, then assured`() throws {
    let router = try tracking()
    func talk() {
      var request = router.udp("10.0.0.2", 4000, "203.0.113.2", 53)
      _ = router.forward(&request, from: router.lan, to: router.wan)
      var answer = router.udp("203.0.113.2", 53, "10.0.0.2", 4000)
      _ = router.forward(&answer, from: router.wan, to: router.lan)
    }
    talk()
    #expect(counts(router) == [0, 1, 1, 0])
    var record = try #require(router.netfilter.connections.records().first)
    #expect(record.timeout == 30)
    #expect(!record.status.contains(.assured))
    router.advance(seconds: 2.5)
    talk()
    record = try #require(router.netfilter.connections.records().first)
    #expect(record.timeout == 120)
    #expect(record.status.contains(.assured))
    router.advance(seconds: 120)
    // An expired entry still counts until something looks at it.
    #expect(router.netfilter.connections.count == 1)
    #expect(router.netfilter.connections.records().isEmpty)
    #expect(router.netfilter.connections.count == 0)
  }

  @Test func `a TCP connection goes through its states`() throws {
    let router = try tracking()
    func state() -> ConntrackTCPState? { router.netfilter.connections.records().first?.tcpState }
    func go(_ flags: UInt8, _ sequence: UInt32, _ ack: UInt32, payload: Int = 0) {
      var packet = router.tcp(
        "10.0.0.2",
        4000,
        "203.0.113.2",
        80,
        flags: flags,
        sequence: sequence,
        ack: ack,
        payload: payload
      )
      #expect(router.forward(&packet, from: router.lan, to: router.wan) == .accept)
    }
    func back(_ flags: UInt8, _ sequence: UInt32, _ ack: UInt32) {
      var packet = router.tcp(
        "203.0.113.2",
        80,
        "10.0.0.2",
        4000,
        flags: flags,
        sequence: sequence,
        ack: ack
      )
      #expect(router.forward(&packet, from: router.wan, to: router.lan) == .accept)
    }
    go(0x02, 100, 0)
    #expect(state() == .synSent)
    back(0x12, 900, 101)
    #expect(state() == .synReceived)
    go(0x10, 101, 901)
    #expect(state() == .established)
    #expect(router.netfilter.connections.records()[0].timeout == 432_000)
    #expect(router.netfilter.connections.records()[0].status.contains(.assured))
    go(0x18, 101, 901, payload: 10)
    back(0x10, 901, 111)
    go(0x11, 111, 901)
    #expect(state() == .finWait)
    back(0x11, 901, 112)
    #expect(state() == .lastAck)
    go(0x10, 112, 902)
    #expect(state() == .timeWait)
    #expect(counts(router) == [0, 1, 7, 0])
    // The same ports again, while the old connection waits.
    go(0x02, 5000, 0)
    #expect(state() == .synSent)
    #expect(counts(router)[1] == 2)
    // A segment far outside the window.
    back(0x12, 900, 5001)
    go(0x10, 5001, 901)
    go(0x18, 900_000, 901, payload: 5)
    #expect(counts(router)[0] == 1)
  }

  @Test func `a refused connection leaves no entry, and a lone RST is invalid`() throws {
    let router = try tracking()
    var syn = router.tcp("10.0.0.2", 4000, "203.0.113.2", 80, flags: 2, sequence: 1)
    _ = router.forward(&syn, from: router.lan, to: router.wan)
    var reset = router.tcp("203.0.113.2", 80, "10.0.0.2", 4000, flags: 0x14, ack: 2)
    #expect(router.forward(&reset, from: router.wan, to: router.lan) == .accept)
    #expect(router.netfilter.connections.count == 0)
    #expect(counts(router) == [0, 1, 1, 0])
    router.advance(seconds: 1)
    var again = router.tcp("203.0.113.2", 80, "10.0.0.2", 4000, flags: 0x14, ack: 2)
    _ = router.forward(&again, from: router.wan, to: router.lan)
    #expect(counts(router) == [1, 1, 1, 0])
  }

  @Test func `a connection met in the middle is picked up for 300 seconds`() throws {
    let router = try tracking()
    var data = router.tcp(
      "10.0.0.2",
      4000,
      "203.0.113.2",
      80,
      flags: 0x18,
      sequence: 77,
      ack: 9,
      payload: 4
    )
    _ = router.forward(&data, from: router.lan, to: router.wan)
    var ack = router.tcp("203.0.113.2", 80, "10.0.0.2", 4000, flags: 0x10, sequence: 9, ack: 81)
    _ = router.forward(&ack, from: router.wan, to: router.lan)
    let record = try #require(router.netfilter.connections.records().first)
    #expect(record.tcpState == .established)
    #expect(record.timeout == 300)
    #expect(record.status.contains(.seenReply))
    #expect(!record.status.contains(.assured))
    router.netfilter.connections.settings["tcp_loose"] = 0
    router.netfilter.connections.flush()
    _ = router.forward(&data, from: router.lan, to: router.wan)
    #expect(router.netfilter.connections.count == 0)
  }

  @Test func `an ICMP error about a known packet is related, about another one invalid`() throws {
    let router = try tracking()
    var request = router.udp("10.0.0.2", 4000, "203.0.113.2", 53)
    _ = router.forward(&request, from: router.lan, to: router.wan)
    var error = router.icmp(
      "203.0.113.2",
      "10.0.0.2",
      type: 3,
      code: 3,
      data: router.udp("10.0.0.2", 4000, "203.0.113.2", 53).bytes
    )
    _ = router.forward(&error, from: router.wan, to: router.lan)
    #expect(counts(router) == [0, 1, 0, 1])
    var other = router.icmp(
      "203.0.113.2",
      "10.0.0.2",
      type: 3,
      code: 3,
      data: router.udp("10.0.0.2", 4001, "203.0.113.2", 53).bytes
    )
    _ = router.forward(&other, from: router.wan, to: router.lan)
    #expect(counts(router) == [1, 1, 0, 1])
  }

  @Test func `zones keep equal tuples apart`() throws {
    let router = RouterFixture()
    for (name, zone) in [("lan", UInt16(1)), ("wan", UInt16(2))] {
      var target = ConntrackTarget()
      target.zone = zone
      try router.append(
        Rule(inInterface: InterfaceMatch(name), target: .conntrack(target)),
        to: "PREROUTING",
        in: .raw
      )
    }
    for input in [router.lan, router.wan] {
      var packet = router.udp("10.0.0.2", 4000, "203.0.113.2", 53)
      _ = router.forward(&packet, from: input, to: router.wan)
    }
    #expect(router.netfilter.connections.records().map(\.original.zone) == [1, 2])
  }

  @Test func `listeners hear of the beginning, changes and the end`() throws {
    let router = try tracking()
    var kinds: [ConntrackEvent.Kind] = []
    _ = router.netfilter.connections.addListener { kinds.append($0.kind) }
    var request = router.ping("10.0.0.2", "203.0.113.2", id: 5)
    _ = router.forward(&request, from: router.lan, to: router.wan)
    var answer = router.ping("203.0.113.2", "10.0.0.2", id: 5, reply: true)
    _ = router.forward(&answer, from: router.wan, to: router.lan)
    router.netfilter.connections.flush()
    #expect(kinds == [.new, .update, .destroy])
  }

  @Test func `a full table makes room among what is not assured`() throws {
    let router = try tracking()
    router.netfilter.connections.settings.max = 4
    for port in UInt16(1)...10 {
      var packet = router.udp("10.0.0.2", port, "203.0.113.2", 53)
      _ = router.forward(&packet, from: router.lan, to: router.wan)
      router.advance(seconds: 0.1)
    }
    #expect(router.netfilter.connections.count <= 4)
  }

  @Test func `a million entries stay under 256 bytes each and are found`() throws {
    #expect(MemoryLayout<ConntrackEntry<UInt32>>.stride + 32 <= 256)
    let table = ConntrackTable<UInt32>()
    func tuple(_ number: UInt32) -> ConntrackTuple<UInt32> {
      ConntrackTuple(
        source: number &* 2_654_435_761,
        destination: number,
        sourcePort: UInt16(number & 0xffff),
        destinationPort: 80,
        protocol: 6
      )
    }
    var indices: [UInt32] = []
    for number in 0..<UInt32(20_000) {
      let index = table.allocate(original: tuple(number), reply: tuple(number).inverted!)
      table.insert(index)
      indices.append(index)
    }
    for number in stride(from: UInt32(0), to: 20_000, by: 3) {
      table.remove(indices[Int(number)])
      table.release(indices[Int(number)])
    }
    for number in 0..<UInt32(20_000) {
      let found = table.find(tuple(number))
      #expect((found == nil) == (number % 3 == 0))
      if let found {
        #expect(found.index == indices[Int(number)])
        #expect(table.find(tuple(number).inverted!)?.direction == .reply)
      }
    }
  }

  @Test func `a reference does not name the slot's next owner`() throws {
    let table = ConntrackTable<UInt32>()
    let tuple = ConntrackTuple<UInt32>(
      source: 1,
      destination: 2,
      sourcePort: 3,
      destinationPort: 4,
      protocol: 17
    )
    let first = table.allocate(original: tuple, reply: tuple)
    let reference = table.reference(first)
    table.release(first)
    #expect(table.index(of: reference) == nil)
    _ = table.allocate(original: tuple, reply: tuple)
    #expect(table.index(of: reference) == nil)
  }
}

@Suite struct AttachedAnswerTests {
  @Test func `an error about a packet that got no further is related, and spares its connection`()
    throws
  {
    let router = RouterFixture()
    try router.append(
      Rule(
        protocol: ProtocolMatch(.icmp),
        matches: [.conntrack(ConntrackMatch(states: StateMatch(.related)))],
        target: .drop
      ),
      to: "OUTPUT"
    )
    var packet = router.udp("10.0.0.2", 4000, "203.0.113.2", 53)
    packet.metadata.type = .host
    var output: InterfaceReference?
    _ = router.netfilter.run(.prerouting, &packet, input: router.lan, output: &output)
    // As the kernel makes it while the packet is still on its way.
    var error = router.icmp("10.0.0.1", "10.0.0.2", type: 11, code: 0, data: packet.bytes)
    router.netfilter.attach(error, to: packet)
    #expect(
      router.send(&error, to: router.lan)
        == .drop(.netfilter(RuleReference(table: "filter", chain: "OUTPUT", rule: 1)))
    )
    output = router.wan
    #expect(
      router.netfilter.run(.postrouting, &packet, input: router.lan, output: &output) == .accept
    )
    #expect(router.netfilter.connections.count == 1)
  }
}

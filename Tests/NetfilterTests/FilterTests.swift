import HopyardWire
import Testing

@testable import HopyardSimulator

@Suite struct FilterTests {
  private let states = Match.conntrack(
    ConntrackMatch(states: StateMatch([.established, .related]))
  )

  @Test func `without rules nothing is asked`() throws {
    let router = RouterFixture()
    #expect(router.netfilter.isIdle)
    _ = router.table(.filter)
    #expect(!router.netfilter.isIdle)
    #expect(!router.netfilter.isTracking)
  }

  @Test func `the first rule that decides ends the chain, and only what matches is counted`() throws
  {
    let router = RouterFixture()
    try router.append(
      Rule(protocol: ProtocolMatch(.udp), matches: [.udp(UDPMatch(destination: PortMatch(53)))]),
      to: "FORWARD"
    )
    try router.append(
      Rule(
        source: AddressMatch(IPv4Address(10, 0, 0, 2)),
        inInterface: InterfaceMatch("lan"),
        target: .drop
      ),
      to: "FORWARD"
    )
    try router.append(Rule(target: .accept), to: "FORWARD")
    var dns = router.udp("10.0.0.2", 4000, "203.0.113.2", 53)
    #expect(
      router.forward(&dns, from: router.lan, to: router.wan)
        == .drop(.netfilter(RuleReference(table: "filter", chain: "FORWARD", rule: 2)))
    )
    var other = router.udp("10.0.0.3", 4000, "203.0.113.2", 54)
    #expect(router.forward(&other, from: router.lan, to: router.wan) == .accept)
    #expect(router.counters(0, of: "FORWARD") == RuleCounters(packets: 1, bytes: 32))
    #expect(router.counters(1, of: "FORWARD") == RuleCounters(packets: 1, bytes: 32))
    #expect(router.counters(2, of: "FORWARD") == RuleCounters(packets: 1, bytes: 32))
  }

  @Test func `return and goto leave a chain where they should`() throws {
    let router = RouterFixture()
    try router.table(.filter).makeChain("a")
    try router.table(.filter).makeChain("b")
    try router.append(Rule(target: .jump("a")), to: "FORWARD")
    try router.append(Rule(target: nil), to: "FORWARD")
    try router.append(Rule(target: .goto("b")), to: "FORWARD")
    try router.append(Rule(target: .drop), to: "FORWARD")
    try router.append(Rule(target: .goto("b")), to: "a")
    try router.append(Rule(target: .drop), to: "a")
    try router.append(Rule(target: .return), to: "b")
    try router.append(Rule(target: .drop), to: "b")
    var packet = router.udp("10.0.0.2", 4000, "203.0.113.2", 53)
    #expect(router.forward(&packet, from: router.lan, to: router.wan) == .accept)
    #expect(router.counters(1, of: "FORWARD").packets == 1)
    #expect(router.counters(0, of: "b").packets == 2)
    #expect(router.counters(3, of: "FORWARD").packets == 0)
  }

  @Test func `a policy drops what no rule decided`() throws {
    let router = RouterFixture()
    try router.table(.filter).setPolicy(ofChain: "FORWARD", to: .drop)
    try router.append(Rule(matches: [states], target: .accept), to: "FORWARD")
    var packet = router.udp("10.0.0.2", 4000, "203.0.113.2", 53)
    #expect(
      router.forward(&packet, from: router.lan, to: router.wan)
        == .drop(.netfilter(RuleReference(table: "filter", chain: "FORWARD", rule: 0)))
    )
    // The dropped packet left no connection.
    #expect(router.netfilter.connections.count == 0)
  }

  @Test func `a run of rules by destination counts as if each were read`() throws {
    let router = RouterFixture()
    for number in 0..<500 {
      try router.append(
        Rule(
          destination: AddressMatch(IPv4Address(10, 1, UInt8(number / 250), UInt8(number % 250))),
          target: number % 7 == 3 ? .drop : nil
        ),
        to: "FORWARD"
      )
      if number == 300 { try router.append(Rule(target: nil), to: "FORWARD") }
      if number == 301 {
        // The same destination again: both are met, in order.
        try router.append(
          Rule(destination: AddressMatch(IPv4Address(10, 1, 1, 51)), target: nil),
          to: "FORWARD"
        )
      }
    }
    for number in [0, 3, 299, 301, 302, 498, 499] {
      var packet = router.udp(
        "10.9.0.1",
        1,
        IPv4Address(10, 1, UInt8(number / 250), UInt8(number % 250)).description,
        2
      )
      let verdict = router.forward(&packet, from: router.lan, to: router.wan)
      #expect((verdict == .accept) == (number % 7 != 3), "\(number)")
    }
    #expect(router.counters(0, of: "FORWARD").packets == 1)
    #expect(router.counters(1, of: "FORWARD").packets == 0)
    #expect(router.counters(3, of: "FORWARD").packets == 1)
    // Packets to 0, 3 and 299 come to rule 301, but number 3 was dropped before.
    #expect(router.counters(301, of: "FORWARD").packets == 6)
    #expect(router.counters(302, of: "FORWARD").packets == 1)
    #expect(router.counters(303, of: "FORWARD").packets == 1)
    #expect(router.counters(304, of: "FORWARD").packets == 1)
  }

  @Test func `edits between packets keep the counters of the rules that stay`() throws {
    let router = RouterFixture()
    try router.append(Rule(protocol: ProtocolMatch(.udp)), to: "FORWARD")
    var packet = router.udp("10.0.0.2", 4000, "203.0.113.2", 53)
    _ = router.forward(&packet, from: router.lan, to: router.wan)
    try router.table(.filter).insert(Rule(protocol: ProtocolMatch(.tcp)), at: 0, inChain: "FORWARD")
    _ = router.forward(&packet, from: router.lan, to: router.wan)
    #expect(router.counters(0, of: "FORWARD").packets == 0)
    #expect(router.counters(1, of: "FORWARD").packets == 2)
  }

  @Test func `REJECT answers and drops`() throws {
    let router = RouterFixture()
    try router.append(
      Rule(protocol: ProtocolMatch(.tcp), target: .reject(.tcpReset)),
      to: "FORWARD"
    )
    try router.append(Rule(target: .reject(.adminProhibited)), to: "FORWARD")
    var syn = router.tcp("10.0.0.2", 4000, "203.0.113.2", 80, flags: 2)
    #expect(router.forward(&syn, from: router.lan, to: router.wan) != .accept)
    var packet = router.udp("10.0.0.2", 4000, "203.0.113.2", 53)
    #expect(router.forward(&packet, from: router.lan, to: router.wan) != .accept)
    #expect(router.resets == 1)
    #expect(router.unreachables == [13])
  }

  @Test func `MARK in mangle OUTPUT finds another route`() throws {
    let router = RouterFixture()
    try router.append(Rule(target: .mark(MarkTarget(7))), to: "OUTPUT", in: .mangle)
    var packet = router.udp("203.0.113.1", 4000, "203.0.113.2", 53)
    #expect(router.send(&packet, to: router.lan) == .accept)
    #expect(packet.metadata.mark == 7)
    #expect(router.reroutes == 1)
    router.hasRoute = false
    packet.metadata.mark = 0
    #expect(router.send(&packet, to: router.lan) == .drop(.noRoute))
  }

  @Test func `TTL, TOS and DSCP keep the checksum right`() throws {
    let router = RouterFixture()
    try router.append(Rule(target: .ttl(HopTarget(.set, 5))), to: "PREROUTING", in: .mangle)
    try router.append(Rule(target: .dscp(46)), to: "PREROUTING", in: .mangle)
    try router.append(
      Rule(target: .tos(TOSTarget(value: 0, mask: 0x3c))),
      to: "FORWARD",
      in: .mangle
    )
    var packet = router.udp("10.0.0.2", 4000, "203.0.113.2", 53)
    #expect(router.forward(&packet, from: router.lan, to: router.wan) == .accept)
    #expect(packet.u8(at: 8) == 5)
    #expect(packet.u8(at: 1) == 0xb8 & ~0x3c)
    expectRightChecksums(packet)
  }

  @Test func `TCPMSS clamps an option and adds one`() throws {
    let router = RouterFixture()
    try router.append(
      Rule(protocol: ProtocolMatch(.tcp), target: .tcpMSS(.clampToPMTU)),
      to: "FORWARD",
      in: .mangle
    )
    var syn = router.tcp("10.0.0.2", 4000, "203.0.113.2", 80, flags: 2)
    #expect(router.forward(&syn, from: router.lan, to: router.wan) == .accept)
    #expect(syn.count == 44)
    #expect(syn.u16(at: 42) == 536)
    expectRightChecksums(syn)
  }

  @Test func `nth, limit and quota remember, and owner asks for the socket`() throws {
    let router = RouterFixture()
    try router.append(
      Rule(matches: [.statistic(StatisticMatch(.nth(every: 3, packet: 1)))]),
      to: "OUTPUT"
    )
    try router.append(
      Rule(matches: [.limit(LimitMatch(interval: 10_000, burst: 2))]),
      to: "OUTPUT"
    )
    try router.append(Rule(matches: [.quota(QuotaMatch(70))]), to: "OUTPUT")
    try router.append(
      Rule(matches: [.owner(OwnerMatch(user: RangeMatch(1000, 1000)))]),
      to: "OUTPUT"
    )
    try router.append(
      Rule(matches: [.owner(OwnerMatch(user: RangeMatch(1000, 1000, inverted: true)))]),
      to: "OUTPUT"
    )
    for number in 0..<6 {
      router.owner = number < 2 ? .user(uid: 1000, gid: 0) : .kernel
      var packet = router.udp("203.0.113.1", 4000, "203.0.113.2", 53)
      _ = router.send(&packet, to: router.wan)
    }
    #expect(router.counters(0, of: "OUTPUT").packets == 2)
    #expect(router.counters(1, of: "OUTPUT").packets == 2)
    #expect(router.counters(2, of: "OUTPUT").packets == 2)
    #expect(router.counters(3, of: "OUTPUT").packets == 2)
    #expect(router.counters(4, of: "OUTPUT").packets == 4)
    router.advance(seconds: 1)
    var packet = router.udp("203.0.113.1", 4000, "203.0.113.2", 53)
    _ = router.send(&packet, to: router.wan)
    #expect(router.counters(1, of: "OUTPUT").packets == 3)
  }

  @Test func `LOG writes what the kernel writes`() throws {
    let router = RouterFixture()
    try router.append(
      Rule(target: .log(LogTarget(prefix: "out ", level: 4))),
      to: "OUTPUT"
    )
    var packet = router.udp("203.0.113.1", 4000, "203.0.113.2", 53, length: 2)
    _ = router.send(&packet, to: router.wan)
    #expect(
      router.logLines == [
        "out IN= OUT=wan SRC=203.0.113.1 DST=203.0.113.2 LEN=30 TOS=0x00 PREC=0x00 TTL=64 ID=0 "
          + "PROTO=UDP SPT=4000 DPT=53 LEN=10 "
      ]
    )
  }

  @Test func `every rule that was met is traced`() throws {
    final class Steps: Tracer {
      var steps: [TraceStep] = []
      func record(_ step: TraceStep) { steps.append(step) }
    }
    let router = RouterFixture()
    try router.append(Rule(target: .mark(MarkTarget(1))), to: "PREROUTING", in: .mangle)
    try router.append(Rule(target: .drop), to: "FORWARD")
    let steps = Steps()
    router.simulation.tracer = steps
    var packet = router.udp("10.0.0.2", 4000, "203.0.113.2", 53)
    _ = router.forward(&packet, from: router.lan, to: router.wan)
    let rules = steps.steps.filter { $0.rule != 0 }
    #expect(rules.map(\.table) == ["mangle", "filter"])
    #expect(rules.map(\.verdict) == ["continue", "drop"])
    #expect(rules[0].after.contains("mark 0x1"))
  }
}

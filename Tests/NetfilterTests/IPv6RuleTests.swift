import HopyardWire
import Testing

@testable import HopyardSimulator

@Suite struct IPv6RuleTests {
  private let router = RouterFixture()

  private func append(_ rule: Rule, to chain: String, in table: RuleTable = .filter) throws {
    try router.netfilter.ruleset(.ipv6, .nft).table(table).insert(rule, inChain: chain)
  }

  /// A packet from 2001:db8::1 to 2001:db8:1::2 with these headers and what follows them.
  private func packet(_ next: UInt8, _ rest: [UInt8]) -> IPv6Probe {
    func address(_ text: String) -> [UInt8] {
      let number = IPv6Address(text)?.rawValue ?? 0
      return (0..<16).map { UInt8(truncatingIfNeeded: number >> UInt128(120 - 8 * $0)) }
    }
    var probe = IPv6Probe(
      bytes: [0x60, 0, 0, 0, 0, UInt8(rest.count), next, 64] + address("2001:db8::1")
        + address("2001:db8:1::2") + rest
    )
    probe.input = "lan"
    probe.output = "wan"
    return probe
  }

  private let udp: [UInt8] = [0x10, 0, 0, 53, 0, 8, 0, 0]

  private func isMet(_ match: Match, _ probe: IPv6Probe) throws -> Bool {
    let chain = "probe"
    let table = router.netfilter.ruleset(.ipv6, .nft).table(.filter)
    try table.flush()
    if !table.hasChain(chain) { try table.makeChain(chain) }
    try append(Rule(matches: [match], target: .drop), to: "FORWARD")
    var probe = probe
    return try router.netfilter.evaluate(&probe, at: .forward) != .accepted
  }

  @Test func `ports are found behind extension headers`() throws {
    let options: [UInt8] = [17, 0, 1, 4, 0, 0, 0, 0]
    let wanted = Match.udp(UDPMatch(destination: PortMatch(53)))
    #expect(try isMet(wanted, packet(0, options + udp)))
    #expect(try isMet(wanted, packet(17, udp)))
    #expect(try !isMet(.udp(UDPMatch(destination: PortMatch(54))), packet(0, options + udp)))
    // A later fragment has no ports.
    let fragment: [UInt8] = [17, 0, 0, 8, 0, 0, 0, 9]
    #expect(try !isMet(wanted, packet(44, fragment + udp)))
    #expect(try isMet(wanted, packet(44, [17, 0, 0, 1, 0, 0, 0, 9] + udp)))
  }

  @Test func `the fields of extension headers are compared`() throws {
    var fragment = FragmentMatch()
    fragment.id = RangeMatch(9, 9)
    fragment.hasMore = true
    let first = packet(44, [17, 0, 0, 1, 0, 0, 0, 9] + udp)
    #expect(try isMet(.fragment(fragment), first))
    fragment.isFirst = true
    #expect(try isMet(.fragment(fragment), first))
    #expect(try !isMet(.fragment(fragment), packet(44, [17, 0, 0, 9, 0, 0, 0, 9] + udp)))
    #expect(try !isMet(.fragment(FragmentMatch()), packet(17, udp)))

    let hop = packet(0, [17, 0, 5, 2, 0, 0, 1, 0] + udp)
    let alert = OptionsHeaderMatch(options: [.init(5, length: 2), .init(1)])
    #expect(try isMet(.hopByHop(alert), hop))
    #expect(try !isMet(.hopByHop(OptionsHeaderMatch(options: [.init(6)])), hop))
    #expect(try isMet(.hopByHop(OptionsHeaderMatch(length: NumberMatch(8))), hop))
    #expect(try !isMet(.destinationOptions(OptionsHeaderMatch()), hop))

    #expect(try isMet(.headerList(HeaderListMatch([.hopByHop, .transport])), hop))
    #expect(try !isMet(.headerList(HeaderListMatch(.hopByHop)), hop))
    #expect(try isMet(.headerList(HeaderListMatch(.hopByHop, isSoft: true)), hop))
    #expect(
      try !isMet(.headerList(HeaderListMatch(.hopByHop, isSoft: true, inverted: true)), hop)
    )

    let segments: [UInt8] = [17, 2, 4, 0, 0, 0, 0, 7] + [UInt8](repeating: 9, count: 16)
    var routing = SegmentRoutingMatch()
    routing.tag = NumberMatch(7)
    routing.segmentsLeft.equal = .init(inverted: false)
    #expect(try isMet(.segmentRouting(routing), packet(43, segments + udp)))
    var header = RoutingHeaderMatch()
    header.type = NumberMatch(4)
    header.length = NumberMatch(24)
    #expect(try isMet(.routingHeader(header), packet(43, segments + udp)))
    header.type = NumberMatch(4, inverted: true)
    #expect(try !isMet(.routingHeader(header), packet(43, segments + udp)))

    let authentication: [UInt8] = [17, 1, 0, 0, 0, 0, 0, 42, 0, 0, 0, 1]
    #expect(try isMet(.ah(SPIMatch(RangeMatch(42, 42))), packet(51, authentication + udp)))
  }

  @Test func `the address of a MAC is known by its identifier`() throws {
    var probe = packet(17, udp)
    probe.sourceMAC = MACAddress(rawValue: 0x0211_2233_4455)
    #expect(try !isMet(.eui64, probe))
    let identifier: [UInt8] = [0x00, 0x11, 0x22, 0xff, 0xfe, 0x33, 0x44, 0x55]
    for (place, byte) in identifier.enumerated() { probe.bytes[16 + place] = byte }
    #expect(try isMet(.eui64, probe))
  }

  @Test func `rules decide, count and go on in other chains`() throws {
    let table = router.netfilter.ruleset(.ipv6, .nft).table(.filter)
    try table.makeChain("web")
    try append(Rule(target: .jump("web")), to: "FORWARD")
    try append(
      Rule(
        protocol: ProtocolMatch(.icmpv6),
        matches: [.icmpv6(ICMPMatch(type: 128))],
        target: .reject(.adminProhibitedV6)
      ),
      to: "FORWARD"
    )
    try append(
      Rule(matches: [.state(StateMatch([.established]))], target: .accept),
      to: "web"
    )
    var ping = packet(58, [128, 0, 0, 0, 0, 1, 0, 1])
    #expect(
      try router.netfilter.evaluate(&ping, at: .forward)
        == .rejected(
          .adminProhibitedV6,
          RuleReference(table: "filter", chain: "FORWARD", rule: 2)
        )
    )
    ping.states = .established
    #expect(try router.netfilter.evaluate(&ping, at: .forward) == .accepted)
    let index = try #require(table.table.index(of: "FORWARD"))
    #expect(table.activity(ofChain: index).counters(of: 0) == RuleCounters(packets: 2, bytes: 96))
    #expect(table.activity(ofChain: index).counters(of: 1) == RuleCounters(packets: 1, bytes: 48))
  }

  @Test func `addresses are translated with the checksum`() throws {
    let wanted = try #require(IPv6Address("fd00::5"))
    try append(
      Rule(target: .dnat(NATTarget(.v6(wanted), port: 5353))),
      to: "PREROUTING",
      in: .nat
    )
    var probe = packet(17, [0x10, 0, 0, 53, 0, 8, 0x12, 0x34])
    let before = sum(probe)
    #expect(try router.netfilter.evaluate(&probe, at: .prerouting) == .accepted)
    #expect(Array(probe.bytes[24..<26]) == [0xfd, 0])
    #expect(Array(probe.bytes[42..<44]) == [0x14, 0xe9])
    #expect(sum(probe) == before)
  }

  /// The sum over addresses and segment, which translation must not change.
  private func sum(_ probe: IPv6Probe) -> UInt16 {
    probe.bytes[8...].withUnsafeBytes { InternetChecksum.checksum(of: $0) }
  }

  @Test func `a prefix is translated without touching the checksum`() throws {
    let prefix = PrefixTarget(
      source: try #require(IPv6Address("2001:db8::")).rawValue,
      sourceLength: 48,
      destination: try #require(IPv6Address("fd01:203:405::")).rawValue,
      destinationLength: 48
    )
    try append(Rule(target: .sourcePrefix(prefix)), to: "POSTROUTING", in: .mangle)
    var probe = packet(17, udp)
    let before = sum(probe)
    #expect(try router.netfilter.evaluate(&probe, at: .postrouting) == .accepted)
    #expect(Array(probe.bytes[8..<14]) == [0xfd, 1, 2, 3, 4, 5])
    #expect(sum(probe) == before)
  }

  @Test func `what the probe cannot tell is an error`() throws {
    #expect(throws: IPv6RuleError.self) {
      try isMet(.icmp(ICMPMatch(type: 8)), packet(17, udp))
    }
  }
}

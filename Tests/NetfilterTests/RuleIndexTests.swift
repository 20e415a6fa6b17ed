import HopyardWire
import Testing

@testable import HopyardSimulator

/// Compiled chains against reading the rules one by one: same verdicts, same counters.
@Suite struct RuleIndexTests {
  /// Draws rules and packets from small sets of values, so that they meet.
  private struct Draw {
    var random: RandomSource
    /// How likely rules are general, in percent.
    var general: Int
    /// Fields that rules of this set name.
    var fields: Set<Int>

    init(seed: UInt64) {
      random = RandomSource(seed: seed)
      general = [5, 20, 60][Int(seed % 3)]
      fields = []
      for field in 0..<7 where random.below(3) > 0 { fields.insert(field) }
    }

    mutating func below(_ limit: Int) -> Int { Int(random.below(UInt64(limit))) }
    mutating func once(in count: Int) -> Bool { below(count) == 0 }

    mutating func address() -> UInt32 {
      once(in: 6)
        ? UInt32(truncatingIfNeeded: random.next())
        : 0x0a00_0000 | UInt32(below(4)) << 16
          | UInt32(below(4)) << 8 | UInt32(below(8))
    }

    mutating func port() -> UInt16 {
      [53, 80, 443, 8000, 8001, 8016, 30000, 65535, 0, 9000][below(10)]
    }

    mutating func addressMatch() -> AddressMatch {
      let lengths: [Int] = [32, 32, 32, 32, 31, 30, 29, 27, 24, 24, 20, 16, 9, 8, 3, 0]
      let length = lengths[below(16)]
      var mask = length == 0 ? 0 : UInt32.max << UInt32(32 - length)
      if once(in: 40) { mask ^= 0x00f0_0000 }
      return AddressMatch(
        address: UInt128(address()),
        mask: UInt128(mask),
        inverted: once(in: 12)
      )
    }

    mutating func portMatch() -> PortMatch {
      let first = port()
      let last = once(in: 4) ? UInt16(min(65535, Int(first) + below(3000))) : first
      return PortMatch(first, once(in: 60) ? 1 : last, inverted: once(in: 12))
    }

    mutating func interface() -> InterfaceMatch {
      let name = ["lan", "wan", "l", "w", "eth0", "lan"][below(6)]
      return InterfaceMatch(
        name,
        isPrefix: name.count == 1 || once(in: 8),
        inverted: once(in: 10)
      )
    }

    mutating func rule(jumps: [String]) -> Rule {
      var rule = Rule()
      if below(100) >= general {
        if fields.contains(0), !once(in: 4) { rule.destination = addressMatch() }
        if fields.contains(1), once(in: 2) { rule.source = addressMatch() }
        if fields.contains(2), once(in: 4) { rule.inInterface = interface() }
        if fields.contains(3), once(in: 4) { rule.outInterface = interface() }
        if fields.contains(4), !once(in: 3) { addPorts(&rule) }
        if fields.contains(5), once(in: 3) { addMultiport(&rule) }
      } else if once(in: 2) {
        rule.protocol = ProtocolMatch([.tcp, .udp, .icmp][below(3)], inverted: once(in: 4))
      }
      if once(in: 8) {
        rule.matches.append(.mark(MarkMatch(UInt32(below(4)), mask: 3, inverted: once(in: 3))))
      }
      if once(in: 20) {
        rule.matches.append(.state(StateMatch(once(in: 2) ? [.invalid] : [.new, .established])))
      }
      if once(in: 20) { rule.matches.append(.length(RangeMatch(0, UInt32(20 + below(60))))) }
      if fields.contains(6), once(in: 6) {
        let every = UInt32(1 + below(3))
        let nth = StatisticMatch(
          .nth(every: every, packet: UInt32(below(Int(every)))),
          inverted: once(in: 4)
        )
        rule.matches.insert(.statistic(nth), at: below(rule.matches.count + 1))
      }
      rule.target = target(jumps)
      return rule
    }

    private mutating func addPorts(_ rule: inout Rule) {
      let source = once(in: 4) ? portMatch() : nil
      let destination = once(in: 6) ? nil : portMatch()
      if once(in: 2) {
        rule.protocol = ProtocolMatch(.udp)
        rule.matches.append(.udp(UDPMatch(source: source, destination: destination)))
      } else {
        rule.protocol = ProtocolMatch(.tcp)
        rule.matches.append(.tcp(TCPMatch(source: source, destination: destination)))
      }
    }

    private mutating func addMultiport(_ rule: inout Rule) {
      let ports = (0...below(6)).map { _ in
        let first = port()
        return first...UInt16(min(65535, Int(first) + (once(in: 3) ? below(5000) : 0)))
      }
      if rule.protocol == nil { rule.protocol = ProtocolMatch(once(in: 2) ? .tcp : .udp) }
      let side: MultiportMatch.Side = [.destination, .destination, .source, .either][below(4)]
      rule.matches.append(.multiport(MultiportMatch(side, ports, inverted: once(in: 10))))
    }

    private mutating func target(_ jumps: [String]) -> Target? {
      switch below(24) {
      case 0: .accept
      case 1: .drop
      case 2: .return
      case 3...6 where !jumps.isEmpty: .jump(jumps[below(jumps.count)])
      case 7 where !jumps.isEmpty: .goto(jumps[below(jumps.count)])
      case 8, 9: .mark(MarkTarget(UInt32(below(4)), mask: 3))
      default: nil
      }
    }

    mutating func subject() -> PlainWalk.Subject {
      let kind = below(5)
      let proto: IPProtocol = kind == 0 ? .icmp : kind < 3 ? .tcp : .udp
      let fromLAN = once(in: 2)
      return PlainWalk.Subject(
        source: address(),
        destination: address(),
        proto: proto,
        ports: kind == 0 ? nil : (port(), port()),
        length: 0,
        mark: UInt32(below(4)),
        input: fromLAN ? "lan" : "wan",
        output: fromLAN ? "wan" : "lan"
      )
    }
  }

  private func packet(_ subject: PlainWalk.Subject, _ router: RouterFixture, extra: Int) -> Packet {
    let source = IPv4Address(rawValue: subject.source).description
    let destination = IPv4Address(rawValue: subject.destination).description
    guard let ports = subject.ports else { return router.ping(source, destination, id: 7) }
    return subject.proto == .tcp
      ? router.tcp(source, ports.source, destination, ports.destination, flags: 2, payload: extra)
      : router.udp(source, ports.source, destination, ports.destination, length: extra)
  }

  @Test(arguments: 1...60 as ClosedRange<UInt64>)
  func `a compiled chain decides and counts as if each rule were read`(seed: UInt64) throws {
    var draw = Draw(seed: seed)
    let router = RouterFixture()
    let names = ["a", "b", "c"]
    var chains: [String: [Rule]] = [:]
    for (place, name) in (["FORWARD"] + names).enumerated() {
      let count = [12, 40, 150, 400][draw.below(4)]
      chains[name] = (0..<count).map { _ in draw.rule(jumps: Array(names[place...])) }
    }
    let table = router.table(.filter)
    for name in names { try table.makeChain(name) }
    for name in ["FORWARD"] + names {
      for rule in chains[name] ?? [] { try table.insert(rule, inChain: name) }
    }
    var walk = PlainWalk(chains)
    if draw.once(in: 2) {
      walk.policyIsDrop = true
      try table.setPolicy(ofChain: "FORWARD", to: .drop)
    }
    for number in 0..<150 {
      var subject = draw.subject()
      var packet = packet(subject, router, extra: draw.below(40))
      packet.metadata.mark = subject.mark
      subject.length = packet.count
      let (input, output) =
        subject.input == "lan" ? (router.lan, router.wan) : (router.wan, router.lan)
      var out: InterfaceReference? = output
      let verdict = router.netfilter.run(.forward, &packet, input: input, output: &out)
      let expected: NetfilterVerdict
      if let dropped = walk.walk("FORWARD", subject) {
        expected = .drop(.netfilter(dropped))
      } else {
        expected = .accept
      }
      #expect(verdict == expected, "packet \(number)")
    }
    for name in ["FORWARD"] + names {
      for index in chains[name]?.indices ?? 0..<0 {
        let counted = router.counters(index, of: name)
        #expect(counted == walk.counters[name]?[index], "rule \(index + 1) of \(name)")
      }
    }
    guard let place = table.table.index(of: "FORWARD") else { return }
    #expect(table.activity(ofChain: place).policy == walk.policy)
  }

  @Test func `mixed chains find a packet's rules by keys`() throws {
    // Each rule counts for what it names, whatever stands between them.
    let router = RouterFixture()
    var chains: [Rule] = []
    for number in 0..<2000 {
      let address = AddressMatch(IPv4Address(rawValue: 0x0b00_0000 + UInt32(number)))
      switch number % 5 {
      case 0: chains.append(Rule(destination: address))
      case 1: chains.append(Rule(source: address))
      case 2: chains.append(Rule(protocol: ProtocolMatch(.tcp)))
      case 3:
        chains.append(
          Rule(
            protocol: ProtocolMatch(.udp),
            matches: [.udp(UDPMatch(destination: PortMatch(UInt16(number))))]
          )
        )
      default:
        chains.append(
          Rule(
            protocol: ProtocolMatch(.udp),
            matches: [.multiport(MultiportMatch(.destination, [7...7, 9000...9100]))]
          )
        )
      }
    }
    var memory: ChainMemory?
    let compiled = CompiledChain(
      Chain(name: "FORWARD", hook: .forward, policy: .accept, rules: chains),
      router.simulation.netfilter,
      in: router.simulation,
      memory: &memory
    )
    let index = try #require(compiled.index)
    let packet = router.udp("11.0.0.1", 5, "11.0.0.10", 9050)
    guard
      let context = RuleContext(
        packet,
        at: .forward,
        input: router.lan,
        output: router.wan,
        isNative: true
      )
    else {
      Issue.record("the packet has no header")
      return
    }
    let cursors = UnsafeMutablePointer<UnsafeMutablePointer<Int32>>.allocate(
      capacity: RuleIndex.maximumLists
    )
    defer { cursors.deallocate() }
    var found: [Int32] = []
    for list in 0..<index.pointee.find(context, cursors) {
      var place = cursors[list]
      while place.pointee != RuleIndex.end {
        found.append(place.pointee)
        place += 1
      }
    }
    // The rules for TCP stand in the common list.
    var expected: [Int32] = []
    for number: Int32 in 0..<2000
    where number == 1 || number == 10 || number % 5 == 2 || number % 5 == 4 {
      expected.append(number)
    }
    #expect(found.sorted() == expected)
  }
}

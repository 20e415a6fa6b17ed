import HopyardWire
import Testing

@testable import HopyardSimulator

/// What is asked of the connection, the sets and the routes around an IPv6 packet.
@Suite struct IPv6ConnectionTests {
  private let router = RouterFixture()

  private func bytes(_ address: String) -> [UInt8] {
    let number = IPv6Address(address)?.rawValue ?? 0
    return (0..<16).map { UInt8(truncatingIfNeeded: number >> UInt128(120 - 8 * $0)) }
  }

  /// A packet from 2001:db8::1 to 2001:db8:1::2.
  private func packet(_ next: UInt8, _ rest: [UInt8], from source: String = "2001:db8::1")
    -> IPv6Probe
  {
    var probe = IPv6Probe(
      bytes: [0x60, 0, 0, 0, 0, UInt8(rest.count), next, 64] + bytes(source)
        + bytes("2001:db8:1::2") + rest
    )
    probe.input = "lan"
    probe.output = "wan"
    return probe
  }

  private let udp: [UInt8] = [0x10, 0, 0, 53, 0, 8, 0, 0]

  private func load(_ rules: [Rule], _ chain: String = "FORWARD", _ table: RuleTable = .filter)
    throws
  {
    let live = router.netfilter.ruleset(.ipv6, .nft).table(table)
    try live.flush()
    for rule in rules { try live.insert(rule, inChain: chain) }
  }

  private func isMet(_ match: Match, _ probe: IPv6Probe) throws -> Bool {
    try load([Rule(matches: [match], target: .drop)])
    return try isDropped(probe)
  }

  private func isDropped(_ probe: IPv6Probe) throws -> Bool {
    var probe = probe
    return try router.netfilter.evaluate(&probe, at: .forward) != .accepted
  }

  @Test func `a limit is kept for each source network`() throws {
    var limit = HashLimitMatch(name: "six", keys: .source, average: 60_000_000, burst: 2)
    limit.sourcePrefixLength = 64
    limit.expiry = 60_000
    try load([Rule(matches: [.hashLimit(limit)], target: .drop)])
    let first = packet(17, udp)
    #expect(try isDropped(first))
    #expect(try isDropped(packet(17, udp, from: "2001:db8::2")))
    #expect(try !isDropped(first))
    #expect(try isDropped(packet(17, udp, from: "2001:db8:0:1::1")))
  }

  @Test func `addresses are remembered and forgotten`() throws {
    let check = RecentMatch(name: "six", action: .check, mask: .max)
    let set = RecentMatch(name: "six", action: .set, mask: .max)
    let known = packet(17, udp)
    try load([Rule(matches: [.recent(check)], target: .drop)])
    #expect(try !isDropped(known))
    try load([Rule(matches: [.recent(set)])])
    #expect(try !isDropped(known))
    try load([Rule(matches: [.recent(check)], target: .drop)])
    #expect(try isDropped(known))
    #expect(try !isDropped(packet(17, udp, from: "2001:db8::9")))
  }

  @Test func `the connection's tuples follow the packet's direction`() throws {
    var probe = packet(17, udp)
    probe.states = .established
    probe.isReply = true
    var match = ConntrackMatch()
    match.originalSource = AddressMatch(
      address: IPv6Address("2001:db8:1::2")?.rawValue ?? 0,
      mask: .max
    )
    #expect(try isMet(.conntrack(match), probe))
    probe.isReply = false
    #expect(try !isMet(.conntrack(match), probe))
    var ports = ConntrackMatch()
    ports.originalDestinationPort = PortMatch(53)
    #expect(try isMet(.conntrack(ports), probe))
    var status = ConntrackMatch()
    status.status = ConntrackMatch.StatusMatch(.seenReply)
    #expect(try isMet(.conntrack(status), probe))
    probe.states = .new
    #expect(try !isMet(.conntrack(status), probe))
    // Without a connection nothing but the state can be asked for.
    probe.states = .untracked
    #expect(try !isMet(.conntrack(ports), probe))
  }

  @Test func `bytes, siblings and sockets are what the probe says`() throws {
    var probe = packet(17, udp)
    let bytes = ConnectionBytesMatch(
      from: 48,
      to: 48,
      unit: .bytes,
      direction: .original
    )
    #expect(try isMet(.connectionBytes(bytes), probe))
    probe.connection.sent = (3, 300)
    #expect(try !isMet(.connectionBytes(bytes), probe))
    var limit = ConnectionLimitMatch(limit: 2)
    #expect(try !isMet(.connectionLimit(limit), probe))
    probe.connection.siblings = 3
    #expect(try isMet(.connectionLimit(limit), probe))
    limit.isUpTo = true
    #expect(try !isMet(.connectionLimit(limit), probe))
    var socket = SocketMatch()
    #expect(try !isMet(.socket(socket), probe))
    probe.socket = IPv6Socket(isWildcard: true)
    #expect(try isMet(.socket(socket), probe))
    socket.noWildcard = true
    #expect(try !isMet(.socket(socket), probe))
  }

  @Test func `the way back is strict, loose or local`() throws {
    var probe = packet(17, udp)
    var match = ReversePathMatch()
    #expect(try isMet(.reversePath(match), probe))
    probe.reversePath = .otherDevice
    #expect(try !isMet(.reversePath(match), probe))
    match.isLoose = true
    #expect(try isMet(.reversePath(match), probe))
    probe.reversePath = .local
    #expect(try !isMet(.reversePath(match), probe))
    match.acceptsLocal = true
    #expect(try isMet(.reversePath(match), probe))
    probe.reversePath = .none
    match.inverted = true
    #expect(try isMet(.reversePath(match), probe))
  }

  @Test func `sets of the other family have no member`() throws {
    let sets = router.netfilter.sets
    let type = try #require(SetType.named("hash:ip"))
    try sets.create("six", type, SetOptions(family: .ipv6))
    try sets.create("four", type, SetOptions(family: .ipv4))
    var add = SetTarget()
    add.add = .init("six", sources: [true])
    let match = Match.set(SetMatch("six", sources: [true]))
    try load([Rule(matches: [match], target: .drop)])
    #expect(try !isDropped(packet(17, udp)))
    try load([Rule(target: .set(add))])
    #expect(try !isDropped(packet(17, udp)))
    try load([Rule(matches: [match], target: .drop)])
    #expect(try isDropped(packet(17, udp)))
    #expect(try !isDropped(packet(17, udp, from: "2001:db8::9")))
    #expect(try isMet(.set(SetMatch("four", sources: [true], inverted: true)), packet(17, udp)))
  }

  @Test func `a segment's MSS is clamped or added`() throws {
    func syn(_ options: [UInt8]) -> IPv6Probe {
      let words = UInt8(5 + options.count / 4) << 4
      return packet(
        6,
        [0x10, 0, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, words, 2, 0xff, 0xff, 0, 0, 0, 0] + options
      )
    }
    let change = MSSTarget.set(1000)
    try load([Rule(target: .tcpMSS(change))], "FORWARD", .mangle)
    var probe = syn([2, 4, 0x05, 0xa0])
    #expect(try router.netfilter.evaluate(&probe, at: .forward) == .accepted)
    #expect(Array(probe.bytes[60..<64]) == [2, 4, 0x03, 0xe8])
    // Where the option is missing it comes first, and both lengths grow.
    probe = syn([1, 1, 1, 1])
    #expect(try router.netfilter.evaluate(&probe, at: .forward) == .accepted)
    #expect(Array(probe.bytes[60..<68]) == [2, 4, 0x03, 0xe8, 1, 1, 1, 1])
    #expect(probe.bytes[52] >> 4 == 7)
    #expect(probe.bytes[5] == 28)
    // A header that is cut off is dropped.
    probe = packet(6, [0x10, 0, 0, 80])
    #expect(try router.netfilter.evaluate(&probe, at: .forward) != .accepted)
  }

  @Test func `MASQUERADE takes the device's address`() throws {
    try load([Rule(target: .masquerade(PortTarget()))], "POSTROUTING", .nat)
    var probe = packet(17, udp)
    probe.input = nil
    probe.sourceAddress = IPv6Address("2001:db8:1::1")
    #expect(try router.netfilter.evaluate(&probe, at: .postrouting) == .accepted)
    #expect(Array(probe.bytes[8..<24]) == bytes("2001:db8:1::1"))
  }
}

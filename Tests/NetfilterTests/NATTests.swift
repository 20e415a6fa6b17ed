import HopyardWire
import Testing

@testable import HopyardSimulator

@Suite struct NATTests {
  private func masquerading() throws -> RouterFixture {
    let router = RouterFixture()
    try router.append(
      Rule(outInterface: InterfaceMatch("wan"), target: .masquerade(PortTarget())),
      to: "POSTROUTING",
      in: .nat
    )
    return router
  }

  @Test func `a masqueraded flow is translated both ways by one rule hit`() throws {
    let router = try masquerading()
    for _ in 0..<2 {
      var request = router.udp("10.0.0.2", 4000, "203.0.113.2", 53)
      #expect(router.forward(&request, from: router.lan, to: router.wan) == .accept)
      #expect(request.ipv4(at: 12) == IPv4Address(203, 0, 113, 1))
      #expect(request.u16(at: 20) == 4000)
      expectRightChecksums(request)
      var answer = router.udp("203.0.113.2", 53, "203.0.113.1", 4000)
      var none: InterfaceReference?
      #expect(
        router.netfilter.run(.prerouting, &answer, input: router.wan, output: &none) == .accept
      )
      #expect(answer.ipv4(at: 16) == IPv4Address(10, 0, 0, 2))
      expectRightChecksums(answer)
    }
    #expect(router.counters(0, of: "POSTROUTING", in: .nat).packets == 1)
  }

  @Test func `a UDP checksum of zero stays zero`() throws {
    let router = try masquerading()
    var request = router.udp("10.0.0.2", 4000, "203.0.113.2", 53)
    request.setU16(0, at: 26)
    #expect(router.forward(&request, from: router.lan, to: router.wan) == .accept)
    #expect(request.u16(at: 26) == 0)
  }

  @Test func `a taken port is changed, and kept by the same client port`() throws {
    let router = try masquerading()
    var first = router.udp("10.0.0.2", 4000, "203.0.113.2", 53)
    _ = router.forward(&first, from: router.lan, to: router.wan)
    var second = router.udp("10.0.0.3", 4000, "203.0.113.2", 53)
    _ = router.forward(&second, from: router.lan, to: router.wan)
    #expect(first.u16(at: 20) == 4000)
    let changed = second.u16(at: 20)
    #expect(changed != 4000)
    #expect(changed >= 1024)
    var third = router.udp("10.0.0.3", 4000, "203.0.113.2", 54)
    _ = router.forward(&third, from: router.lan, to: router.wan)
    #expect(third.u16(at: 20) == changed)
  }

  @Test func `the identifier of a ping is changed where it is taken`() throws {
    let router = try masquerading()
    var first = router.ping("10.0.0.2", "203.0.113.2", id: 7)
    _ = router.forward(&first, from: router.lan, to: router.wan)
    var second = router.ping("10.0.0.3", "203.0.113.2", id: 7)
    _ = router.forward(&second, from: router.lan, to: router.wan)
    #expect(first.u16(at: 24) == 7)
    #expect(second.u16(at: 24) != 7)
    expectRightChecksums(second)
  }

  @Test(
    arguments: zip(
      ["10", "11", "12", "13", "14", "15", "16"],
      [11, 13, 11, 12, 11, 11, 12] as [UInt8]
    )
  )
  func `an address from a range is the kernel's choice`(host: String, chosen: UInt8) throws {
    let router = RouterFixture()
    try router.append(
      Rule(
        target: .snat(NATTarget(addresses: NATAddresses(0xcb00_710a, 0xcb00_710d)))
      ),
      to: "POSTROUTING",
      in: .nat
    )
    var packet = router.ping("192.168.1.\(host)", "203.0.113.80", id: 1)
    _ = router.forward(&packet, from: router.lan, to: router.wan)
    #expect(packet.ipv4(at: 12) == IPv4Address(203, 0, 113, chosen))
  }

  @Test func `DNAT with a port, and the error that comes back`() throws {
    let router = RouterFixture()
    try router.append(
      Rule(
        protocol: ProtocolMatch(.udp),
        matches: [.udp(UDPMatch(destination: PortMatch(53)))],
        target: .dnat(NATTarget(.v4(IPv4Address(10, 0, 0, 2)), port: 5300))
      ),
      to: "PREROUTING",
      in: .nat
    )
    var request = router.udp("203.0.113.2", 4000, "203.0.113.1", 53)
    #expect(router.forward(&request, from: router.wan, to: router.lan) == .accept)
    #expect(request.ipv4(at: 16) == IPv4Address(10, 0, 0, 2))
    #expect(request.u16(at: 22) == 5300)
    expectRightChecksums(request)
    // The inner host refuses; the client must see its own packet quoted.
    var error = router.icmp(
      "10.0.0.2",
      "203.0.113.2",
      type: 3,
      code: 3,
      data: request.bytes
    )
    #expect(router.forward(&error, from: router.lan, to: router.wan) == .accept)
    #expect(error.ipv4(at: 12) == IPv4Address(203, 0, 113, 1))
    #expect(error.ipv4(at: 28 + 16) == IPv4Address(203, 0, 113, 1))
    #expect(error.u16(at: 28 + 22) == 53)
    expectRightChecksums(error)
  }

  @Test func `REDIRECT leads to the interface's own address`() throws {
    let router = RouterFixture()
    try router.append(
      Rule(
        protocol: ProtocolMatch(.tcp),
        target: .redirect(PortTarget(ports: NATPorts(3128, 3128)))
      ),
      to: "PREROUTING",
      in: .nat
    )
    var syn = router.tcp("10.0.0.2", 4000, "203.0.113.2", 80, flags: 2)
    #expect(router.deliver(&syn, from: router.lan) == .accept)
    #expect(syn.ipv4(at: 16) == IPv4Address(10, 0, 0, 1))
    #expect(syn.u16(at: 22) == 3128)
    expectRightChecksums(syn)
  }

  @Test func `a single port that is taken drops the second flow`() throws {
    let router = RouterFixture()
    try router.append(
      Rule(
        protocol: ProtocolMatch(.udp),
        target: .snat(NATTarget(.v4(IPv4Address(203, 0, 113, 1)), port: 6000))
      ),
      to: "POSTROUTING",
      in: .nat
    )
    var first = router.udp("10.0.0.2", 4000, "203.0.113.2", 53)
    #expect(router.forward(&first, from: router.lan, to: router.wan) == .accept)
    var second = router.udp("10.0.0.3", 4000, "203.0.113.2", 53)
    #expect(router.forward(&second, from: router.lan, to: router.wan) == .drop(.natExhausted))
  }

  @Test func `removing the last rule that needs conntrack stops translation at once`() throws {
    let router = try masquerading()
    var request = router.udp("10.0.0.2", 4000, "203.0.113.2", 53)
    _ = router.forward(&request, from: router.lan, to: router.wan)
    try router.table(.nat).flush(chain: "POSTROUTING")
    var bare = router.udp("10.0.0.2", 4000, "203.0.113.2", 53)
    #expect(router.forward(&bare, from: router.lan, to: router.wan) == .accept)
    #expect(bare.ipv4(at: 12) == IPv4Address(10, 0, 0, 2))
    #expect(router.netfilter.connections.count == 1)
  }

  @Test func `a device that goes down takes its masqueraded connections along`() throws {
    let router = try masquerading()
    var request = router.udp("10.0.0.2", 4000, "203.0.113.2", 53)
    _ = router.forward(&request, from: router.lan, to: router.wan)
    router.netfilter.deviceDown(router.wan.device)
    #expect(router.netfilter.connections.count == 0)
  }
}

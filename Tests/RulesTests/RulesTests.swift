import HopyardRules
import HopyardSimulator
import HopyardUserland
import HopyardWire
import Testing

@Suite struct FirewallTests {
  static let web = """
    *nat
    :PREROUTING ACCEPT [0:0]
    :INPUT ACCEPT [0:0]
    :OUTPUT ACCEPT [0:0]
    :POSTROUTING ACCEPT [0:0]
    -A PREROUTING -d 203.0.113.10/32 -i eth0 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.0.0.2:8080
    -A POSTROUTING -s 10.0.0.0/24 -o eth0 -j MASQUERADE
    COMMIT
    *filter
    :INPUT DROP [0:0]
    :FORWARD ACCEPT [0:0]
    :OUTPUT ACCEPT [0:0]
    :LIMITS - [0:0]
    -A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
    -A INPUT -m conntrack --ctstate INVALID -j DROP
    -A INPUT -i lo -j ACCEPT
    -A INPUT -p tcp -m tcp --dport 22 -j LIMITS
    -A INPUT -p udp -m udp --dport 53 -j REJECT --reject-with icmp-port-unreachable
    -A FORWARD -i eth1 -d 10.66.0.0/16 -j DROP
    -A LIMITS -s 192.0.2.0/24 -j ACCEPT
    -A LIMITS -j MARK --set-xmark 0x10/0xffffffff
    COMMIT

    """

  static let host = RuleHost(
    interfaces: [.init("eth0", "203.0.113.10/24"), .init("eth1", "10.0.0.1/24")],
    routes: ["default via 203.0.113.1"]
  )

  @Test(arguments: [
    ("tcp 192.0.2.7:40000 > 203.0.113.10:22 in eth0", RuleVerdict.accepted(by: "LIMITS 1")),
    ("tcp 198.51.100.7:40000 > 203.0.113.10:22 in eth0", .dropped(by: "INPUT policy")),
    ("udp 198.51.100.7:40000 > 203.0.113.10:53 in eth0", .rejected(by: "filter INPUT 5")),
    (
      "tcp 198.51.100.7:40000 > 203.0.113.10:99 in eth0 flags ack state established",
      .accepted(by: "INPUT 1")
    ),
    ("tcp 198.51.100.7:40000 > 203.0.113.10:99 in eth0 state invalid", .dropped(by: "INPUT 2")),
    ("tcp 198.51.100.7:40000 > 203.0.113.10:80 in eth0", .accepted),
    ("tcp 10.0.0.2:40000 > 10.66.1.1:80 in eth1", .dropped(by: "-d 10.66.0.0/16 -i eth1 -j DROP")),
    ("icmp 203.0.113.10 > 198.51.100.7", .accepted),
  ])
  func `a packet ends as the rules say`(packet: String, expected: RuleVerdict) throws {
    let firewall = try Firewall(dump: Self.web, host: Self.host)
    let verdict = try firewall.send(packet)
    #expect(verdict == expected)
  }

  @Test func `translation shows in the packet afterwards and in the way it takes`() throws {
    let firewall = try Firewall(dump: Self.web, host: Self.host)
    let published = try firewall.send("tcp 198.51.100.7:40000 > 203.0.113.10:80 in eth0")
    #expect(published.path == "forward" && published.output == "eth1")
    #expect(
      "\(published.packet?.destination ?? .v4(.any)):\(published.packet?.destinationPort ?? 0)"
        == "10.0.0.2:8080"
    )
    let out = try firewall.send("udp 10.0.0.2:5000 > 198.51.100.7:53 in eth1")
    #expect(out.output == "eth0" && out.packet?.source == .v4(.init(203, 0, 113, 10)))
  }

  @Test func `every rule that matched is listed in order with its counters`() throws {
    let firewall = try Firewall(dump: Self.web, host: Self.host)
    _ = try firewall.send("tcp 198.51.100.7:40000 > 203.0.113.10:22 in eth0")
    let verdict = try firewall.send("tcp 198.51.100.7:40001 > 203.0.113.10:22 in eth0")
    #expect(
      verdict.matched.filter { $0.table == "filter" }.map {
        "\($0.chain) \($0.number) \($0.verdict)"
      }
        == ["INPUT 4 jump", "LIMITS 2 continue", "INPUT 0 drop"]
    )
    #expect(verdict.packet?.mark == 0x10)
    #expect(firewall.counters(.filter, "LIMITS", 2)?.packets == 2)
    #expect(firewall.counters(.filter, "INPUT", 0)?.bytes == 80)
    #expect(firewall.save(showsCounters: true).contains("[2:80] -A LIMITS -j MARK"))
  }

  @Test func `one chain can be asked alone`() throws {
    let firewall = try Firewall(dump: Self.web)
    let inside = try RulePacket.tcp("192.0.2.1:1", to: "203.0.113.10:22", in: "eth0")
    let outside = try RulePacket.tcp("192.0.3.1:1", to: "203.0.113.10:22", in: "eth0")
    #expect(try firewall.send(inside, through: "LIMITS", at: .input) == .accepted)
    #expect(try firewall.send(outside, through: "LIMITS", at: .input) == .returned)
  }

  @Test(arguments: [
    ("*filter\n-A FORWARD -j NOWHERE\nCOMMIT\n", 2),
    ("*filter\n:A - [0:0]\n\n-A FORWARD -m nosuch -j ACCEPT\nCOMMIT\n", 4),
    ("*filter\n-A FORWARD -j DNAT --to-destination 1.2.3.4\nCOMMIT\n", 2),
    ("*filter\n", 2),
    ("nonsense\n", 1),
    ("*filter\n-A FORWARD -p tcp --dport 99999 -j DROP\nCOMMIT\n", 2),
  ])
  func `what iptables refuses is refused with its place`(dump: String, line: Int) {
    let problem = #expect(throws: Problem.self) { _ = try Firewall(dump: dump, name: "x.save") }
    #expect(problem?.file == "x.save" && problem?.location.line == line)
  }

  @Test(arguments: [
    "tcp", "tcp 1.2.3.4:1 > 5.6.7.8:99999", "tcp 1.2.3.4:1 > 5.6.7.8:9 via eth0",
    "icmp 1.2.3.4:1 > 5.6.7.8", "tcp 1.2.3.4:1 > 5.6.7.8:9 in", "xyz 1.2.3.4 > 5.6.7.8",
    "tcp 1.2.3.4:1 > 5.6.7.8:9 reply", "tcp 1.2.3.4:1 > [2001:db8::1]:9",
    "tcp 1.2.3.4:1 > 5.6.7.8:9 length 10", "tcp 1.2.3.4:1 > 5.6.7.8:9 flags syn,,ack",
  ])
  func `a packet that cannot be read is refused`(text: String) {
    #expect(throws: Problem.self) { try RulePacket(text) }
  }

  @Test(arguments: [
    "tcp 1.2.3.4:1 > 5.6.7.8:9 in eth0 out eth1 flags syn,ack state established reply mark 0x7",
    "icmp 1.2.3.4 > 5.6.7.8 type 3/4", "udp [2001:db8::1]:5 > [2001:db8::2]:6 in eth0",
    "udp 1.2.3.4 > 5.6.7.8 ttl 3 tos 0x10 length 100 fragment", "gre 1.2.3.4 > 5.6.7.8",
  ])
  func `a packet prints as it is read`(text: String) throws {
    let packet = try RulePacket(text)
    #expect(try RulePacket("\(packet)") == packet)
  }
}

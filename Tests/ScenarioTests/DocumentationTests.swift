// The examples of Docs/Rules.md and Docs/Scenarios.md.
import Hopyard
import Testing

private let rules = """
  *filter
  :INPUT DROP [0:0]
  :FORWARD ACCEPT [0:0]
  :OUTPUT ACCEPT [0:0]
  :UNUSED - [0:0]
  -A INPUT -p tcp -m tcp --dport 22 -s 10.0.0.0/8 -j ACCEPT
  -A INPUT -p tcp -m tcp --dport 20:30 -j DROP
  -A INPUT -p tcp -m tcp --dport 25 -j ACCEPT
  -A INPUT -p udp -m udp --dport 53 -j ACCEPT
  COMMIT

  """

@Test func `only the office reaches SSH`() throws {
  let firewall = try Firewall(dump: rules)
  let office = try firewall.send("tcp 10.1.1.1:1234 > 192.0.2.1:22 in eth0")
  #expect(office == .accepted)
  let other = try firewall.send(.tcp("198.51.100.7:1234", to: "192.0.2.1:22", in: "eth0"))
  #expect(other == .dropped(by: "filter INPUT 2"))
  #expect(other.matched.map(\.number) == [2])
  #expect(firewall.counters(.filter, "INPUT", 2)?.packets == 1)
}

@Test func `the findings are those of the text`() throws {
  let problems = RuleLint.problems(in: try Firewall(dump: rules, name: "rules.save"), text: rules)
  #expect(
    problems.map(\.description) == [
      "rules.save:5:1: filter UNUSED: no rule jumps to this chain",
      "rules.save:8:1: filter INPUT 3: never reached: rule 2 takes all its packets",
    ]
  )
}

@Test func `the web server answers`() throws {
  let file = try #require(shippedScenarios.first { $0.hasSuffix("/masquerade.yaml") })
  let net = try Network(file: file)
  try net.run()
  #expect(net.curl("server", from: "laptop").status == 200)
}

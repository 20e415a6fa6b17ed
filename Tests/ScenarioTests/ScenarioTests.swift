import Hopyard
import Testing

/// The scenarios that the project ships, by their paths.
let shippedScenarios: [String] = {
  let root = #filePath.split(separator: "/").dropLast(3).map(String.init)
  let folder = "/" + root.joined(separator: "/") + "/Scenarios"
  return ScenarioFolder.yamlFiles(in: folder)
}()

@Suite struct ShippedScenarioTests {
  @Test func `there are scenarios`() {
    #expect(shippedScenarios.count >= 12)
  }

  @Test(arguments: shippedScenarios)
  func `every shipped scenario passes`(file: String) throws {
    let network = try Network(file: file)
    #expect(network.problems.isEmpty)
    let result = try network.run()
    #expect(result.passed, "\(result.text)")
    #expect(!result.expectations.isEmpty)
    network.close()
  }

  @Test(arguments: shippedScenarios)
  func `every shipped scenario is a lesson`(file: String) throws {
    let scenario = try Scenario(file: file)
    #expect(!scenario.title.isEmpty && scenario.title.count <= 100)
    for word in ["Idea:", "What you will see:", "Question:"] {
      #expect(scenario.about.contains(word), "\(word)")
    }
  }
}

@Suite struct LibraryDoorTests {
  static let two = """
    machines:
      client: {interfaces: {eth0: 10.0.0.1/24}}
      web: {interfaces: {eth0: 10.0.0.2/24}, listen: 80/tcp http}
    links:
      - [client/eth0, web/eth0]
    """

  @Test func `a request is answered`() throws {
    let net = try Network(text: Self.two)
    try net.run()
    #expect(net.curl("web", from: "client").status == 200)
  }

  @Test func `a failure shows the path`() throws {
    let net = try Network(text: Self.two)
    let answer = net.curl("web:81", from: "client")
    #expect(answer.status == 0)
    #expect("\(answer)".contains("no-socket at web eth0"))
    #expect("\(answer)".contains("in by eth0"))
  }

  @Test func `commands run on a machine`() throws {
    let net = try Network(text: Self.two)
    let result = try net.execute("ping -c 1 10.0.0.2; false", on: "client")
    #expect(result.output.contains("1 received") && result.status == 1)
    #expect(throws: Problem.self) { try net.execute("true", on: "nobody") }
    #expect(throws: Problem.self) { try net.execute("no-such-command", on: "web") }
  }

  @Test(
    arguments: [
      ("web:80", nil, FlowReport.Result.reply, "delivered"), ("web:81", nil, .refused, "no-socket"),
      ("web", nil, .reply, "delivered"), ("web:53", "udp", .refused, "no-socket"),
      ("10.0.0.9:80", nil, .unreachable, "neighbour-failed"),
      ("192.0.2.1:80", nil, .unreachable, "no-route"),
      ("nobody.example:80", nil, .nxdomain, "delivered"),
    ] as [(String, String?, FlowReport.Result, String)]
  )
  func `a flow's fate is told`(
    target: String,
    kind: String?,
    expected: FlowReport.Result,
    fate: String
  ) throws {
    let net = try Network(text: Self.two)
    let report = try net.flow(from: "client", to: target, ipProtocol: kind)
    #expect(report.result == expected, "\(report)")
    #expect(report.fate == fate || expected == .unreachable, "\(report)")
  }

  @Test func `the same scenario gives the same output and time`() throws {
    func run() throws -> (String, Int64) {
      let net = try Network(file: try #require(shippedScenarios.first))
      var output = ""
      net.onOutput = { output += String(decoding: $0, as: UTF8.self) }
      return (output, try net.run().duration)
    }
    let first = try run()
    let second = try run()
    #expect(first == second)
  }
}

@Suite struct ScenarioErrorTests {
  @Test(arguments: [
    ("machines: {a: {interface: {}}}", 1, "unknown key `interface'", "did you mean `interfaces'?"),
    ("machine: {}", 1, "unknown key `machine'", "did you mean `machines'?"),
    ("links:\n  - [a/eth0]", 2, "a cable has 2 ends", ""),
    ("links:\n  - [a/eth0, b/eth0]", 2, "there is no machine `a'", ""),
    ("machines:\n  a: {}\nlinks:\n  - [a/eth0, a/eth1]", 4, "has no interface `eth0'", ""),
    ("machines:\n  a:\n    interfaces: {eth0: 10.0.0.300/24}", 3, "10.0.0.300/24", ""),
    (
      "machines: {a: {}}\nsteps:\n  - {run: 'true', on: b}", 3, "there is no `b'",
      "did you mean `a'?"
    ),
    ("machines: {a: {}}\nsteps:\n  - {run: nosuch, on: a}", 3, "nosuch", "not modelled"),
    ("machines: {a: {}}\nsteps:\n  - {on: a}", 3, "lacks `run'", ""),
    ("options: {until: soon}", 1, "no span of time", "20ms"),
    ("options: {iptables: pf}", 1, "one of nft, legacy", ""),
    ("expect:\n  - {step: x, exit: 0}", 2, "no step is named `x'", ""),
    ("expect:\n  - {exit: 0}", 2, "`exit' needs", "step"),
    ("expect:\n  - {}", 2, "needs one of", ""),
    (
      "machines: {a: {}}\nexpect:\n  - seen: {on: a, at: lo, filter: 'nonsense ('}", 3,
      "the filter", ""
    ),
    ("machines: {a: {listen: http}}", 1, "`http' is no port", ""),
    ("machines: {a: {}}\ninternet: {}\ndocker: {a: {}}", 3, "given twice", ""),
    ("links:\n  - {cable: [a/eth0, b/eth0], loss: 200%}", 2, "no share", "1%"),
    ("steps: [[]]", 1, "a list", "a mapping"),
    ("- 1", 1, "a list", "a mapping"),
    ("a: [", 2, "not valid YAML", ""),
    ("machines: {a: {setup: 'false'}}", 1, "status 1", ""),
  ])
  func `what is wrong is told with its place`(text: String, line: Int, what: String, more: String)
    throws
  {
    let problem = #expect(throws: Problem.self) {
      let net = try Network(text: text, file: "x.yaml")
      if let problem = net.problems.first { throw problem }
    }
    let message = problem.map { "\($0)" } ?? ""
    #expect(
      problem?.file == "x.yaml" && message.contains(what) && message.contains(more),
      "\(message)"
    )
    #expect(problem?.location.line == line, "\(message)")
  }
}

@Suite struct ExpectationTests {
  static let base = """
    machines:
      a: {interfaces: {eth0: 10.0.0.1/24}}
      b:
        interfaces: {eth0: 10.0.0.2/24}
        listen: [80, 53/udp]
        setup: iptables -A INPUT -p tcp --dport 81 -j DROP
    links: [[a/eth0, b/eth0]]
    steps:
      - {name: hello, on: a, run: "echo hello; echo world"}
      - {name: ping, on: a, run: ping -c 1 10.0.0.2}
    expect:

    """

  @Test(arguments: [
    (
      "{step: hello, exit: 0, output: \"hello\\nworld\", contains: hello, lacks: bye, within: 1s}",
      ""
    ),
    ("{step: hello, exit: 3}", "+ exit status 0"),
    ("{step: hello, output: \"hello\\nmoon\"}", "- moon\n+ world"),
    ("{step: hello, contains: moon}", "moon"),
    ("{step: ping, within: 1us}", "it took"),
    ("{within: 10s}", ""), ("{within: 1ms}", "it ended after"),
    ("{reachable: {from: a, to: b}}", ""), ("{reachable: {from: a, to: 'b:80'}}", ""),
    ("{reachable: {from: a, to: 'b:53', proto: udp}}", ""),
    ("{reachable: {from: a, to: 'b:81'}}", "INPUT 1"), ("{refused: {from: a, to: 'b:82'}}", ""),
    ("{dropped: {from: a, to: 'b:81', by: filter INPUT 1, fate: netfilter}}", ""),
    ("{dropped: {from: a, to: 'b:81', by: filter INPUT 2}}", "- by filter INPUT 2"),
    ("{dropped: {from: a, to: 'b:80'}}", "+ reply"),
    ("{seen: {on: b, at: eth0, filter: 'icmp[0] = 8', count: 1, direction: in}}", ""),
    ("{seen: {on: b, at: eth0, filter: icmp, least: 3}}", "2 seen"),
    ("{never: {on: b, at: eth0, filter: icmp}}", "2 seen"),
    ("{never: {on: b, at: eth9, filter: icmp}}", "no such interface"),
    ("{counter: {on: b, chain: INPUT, rule: 1, packets: 0}}", ""),
    ("{counter: {on: b, chain: INPUT, rule: policy, packets: 0}}", "packets"),
    ("{counter: {on: b, chain: INPUT, rule: 7, packets: 0}}", "1 rules"),
    ("{resolves: {from: a, name: localhost, to: 127.0.0.1}}", ""),
    ("{resolves: {from: a, name: nobody.example, to: nothing}}", ""),
  ])
  func `an expectation holds or says what was seen`(line: String, difference: String) throws {
    let net = try Network(text: Self.base + "  - \(line)\n")
    let result = try net.run()
    let seen = try #require(result.expectations.first)
    #expect(seen.holds == difference.isEmpty, "\(result.text)")
    #expect(seen.difference.contains(difference), "\(result.text)")
  }

  @Test func `results become JUnit and annotations`() throws {
    let net = try Network(
      text: Self.base + "  - {step: hello, exit: 3}\n  - {within: 10s}\n",
      file: "a&b.yaml"
    )
    let result = try net.run()
    let junit = JUnitReport.text([result])
    #expect(
      junit.contains("tests=\"2\" failures=\"1\" errors=\"0\"") && junit.contains("a&amp;b.yaml")
    )
    #expect(result.annotations.contains("::error file=a&b.yaml,line=12,col=5::"))
  }
}

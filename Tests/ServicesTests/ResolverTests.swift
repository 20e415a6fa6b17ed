import HopyardServices
import HopyardSimulator
import HopyardWire
import Testing

@Suite struct ResolverTests {
  private static let web = IPv4Address(10, 0, 0, 80)

  /// A lookup against a server that answers A of `web.lab`; gives its outcome and its seconds.
  private func lookup(
    _ name: String,
    conf: String = "nameserver 10.0.0.2\n",
    files: [String: String] = [:],
    library: Resolver.Library = .glibc,
    delay: Int64 = 0,
    respond: @escaping (DNSMessage) -> DNSMessage? = { ResolverTests.answer($0) },
    prepare: (PairFixture) throws -> Void = { _ in }
  ) throws -> (text: String, seconds: Int64, queries: Int)? {
    let pair = try PairFixture()
    try prepare(pair)
    let server = try DNSServer(
      Program(in: pair.server),
      responder: DNSHandler { query, _, _ in
        if delay > 0 { await pair.simulation.sleep(nanoseconds: delay) }
        return respond(query)
      }
    )
    server.start()
    let program = pair.program(files.merging(["/etc/resolv.conf": conf]) { $1 })
    return pair.run { () -> (text: String, seconds: Int64, queries: Int) in
      let text: String
      do throws(ResolutionFailure) {
        let found = try await Resolver(program, library: library).lookup(name)
        text = "\(found.canonicalName) \(found.addresses.compactMap(\.v4).map(\.description))"
      } catch {
        text = error.text
      }
      return (text, pair.simulation.now.nanoseconds / 1_000_000_000, server.queryCount)
    }
  }

  static func answer(_ query: DNSMessage) -> DNSMessage {
    guard let question = query.questions.first, question.name == DNSName("web.lab") else {
      return query.response(.nameError)
    }
    var response = query.response()
    response.offersRecursion = true
    if question.type == .a { response.answers = [DNSRecord(question.name, ttl: 1, .a(web))] }
    return response
  }

  @Test func bothAddressFamiliesAreAskedFor() throws {
    let found = try lookup("web.lab")
    #expect(found?.text == "web.lab [\"10.0.0.80\"]")
    #expect(found?.queries == 2)
    #expect(found?.seconds == 0)
  }

  @Test func theFileOfHostsComesFirst() throws {
    let found = try lookup("web.lab", files: ["/etc/hosts": "10.9.9.9 right.lab web.lab\n"])
    #expect(found?.text == "right.lab [\"10.9.9.9\"]")
    #expect(found?.queries == 0)
  }

  @Test func theSwitchMayLeaveTheFileOut() throws {
    let found = try lookup(
      "web.lab",
      files: ["/etc/hosts": "10.9.9.9 web.lab\n", "/etc/nsswitch.conf": "hosts: dns\n"]
    )
    #expect(found?.text == "web.lab [\"10.0.0.80\"]")
  }

  @Test func aSilentServerCostsTimeoutTimesAttempts() throws {
    let found = try lookup(
      "web.lab",
      conf: "nameserver 10.0.0.2\noptions timeout:3\n",
      respond: { _ in nil }
    )
    #expect(found?.text == "Temporary failure in name resolution")
    #expect(found?.seconds == 6)
  }

  @Test func ndotsDecidesWhatIsAskedFirst() throws {
    var asked: [String] = []
    _ = try lookup(
      "a.b",
      conf: "nameserver 10.0.0.2\nsearch x.lab y.lab\noptions ndots:5\n",
      respond: { query in
        if query.questions[0].type == .a { asked.append(query.questions[0].name.text) }
        return query.response(.nameError)
      }
    )
    #expect(asked == ["a.b.x.lab", "a.b.y.lab", "a.b"])
  }

  @Test func muslDoesNotSearchForNamesWithEnoughDots() throws {
    var asked: [String] = []
    let found = try lookup(
      "a.b",
      conf: "nameserver 10.0.0.2\nsearch x.lab\n",
      library: .musl,
      respond: { query in
        if query.questions[0].type == .a { asked.append(query.questions[0].name.text) }
        return query.response(.nameError)
      }
    )
    #expect(asked == ["a.b"])
    #expect(found?.text == "Name or service not known")
  }

  @Test func aTruncatedAnswerIsAskedForOverTCP() throws {
    let found = try lookup(
      "web.lab",
      respond: { query in
        var response = query.response()
        for number in 0..<100 where query.questions[0].type == .a {
          response.answers.append(
            DNSRecord(query.questions[0].name, ttl: 1, .a(IPv4Address(10, 1, 0, UInt8(number))))
          )
        }
        response.offersRecursion = true
        return response
      }
    )
    #expect(found?.text.hasPrefix("web.lab [\"10.1.0.0\"") == true)
    #expect(found?.queries == 4)
  }

  /// A router's DNAT, and two processors that take both queries for the first: five seconds.
  @Test(arguments: [
    ("", Int64(5)), ("options single-request\n", 0), ("options single-request-reopen\n", 0),
  ])
  func theRaceOfConntrackDelaysALookup(_ options: String, _ seconds: Int64) throws {
    let found = try lookup(
      "web.lab",
      conf: "nameserver 10.0.0.3\n" + options,
      delay: .milliseconds(2),
      prepare: { pair in
        try PairFixture.address(
          pair.server,
          #require(pair.server.devices["eth0"]),
          IPv4Address(10, 0, 0, 3)
        )
        let rule = Rule(
          protocol: ProtocolMatch(.udp),
          target: .dnat(NATTarget(.v4(IPv4Address(10, 0, 0, 2)), port: 53))
        )
        try pair.server.netfilter.ruleset(.ipv4, .nft).table(.nat)
          .insert(rule, inChain: "PREROUTING")
        pair.server.netfilter.connections.raceWindow = .milliseconds(1)
      }
    )
    #expect(found?.text == "web.lab [\"10.0.0.80\"]")
    #expect(found?.seconds == seconds)
  }
}

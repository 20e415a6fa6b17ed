import HopyardServices
import HopyardWire
import Testing

@Suite struct ZoneTests {
  static let text = """
    $ORIGIN example.
    $TTL 1h
    @       IN SOA ns hostmaster ( 2026010100 ; serial
                    2h 15m 2w 1m )
            NS  ns
            MX  10 mail
    ns      A   192.0.2.53
    mail    300 IN A 192.0.2.25
    www     CNAME web.example.
    web     A   192.0.2.80
    *.wild  TXT "any \\"name\\"" second
    deep.in.tree A 192.0.2.9
    sub     NS  ns.sub
    ns.sub  A   192.0.2.54
    _http._tcp SRV 0 5 80 web
    $GENERATE 1-3 host-$ A 192.0.2.$
    """

  private func zone() throws -> DNSZone {
    try DNSZone(parsing: Self.text, origin: #require(DNSName("example")))
  }

  private func ask(_ name: String, _ type: DNSRecordType) async throws -> DNSMessage {
    let responder = AuthoritativeResponder([try zone()])
    let query = DNSMessage(query: try #require(DNSName(name)), type, id: 1)
    let client = SocketAddress(IPv4Address.loopback, 5353)
    return try #require(await responder.respond(to: query, from: client, over: .udp))
  }

  @Test(arguments: [
    ("web.example", DNSRecordType.a, "NOERROR aa 192.0.2.80"),
    ("WEB.Example", .a, "NOERROR aa 192.0.2.80"),
    ("www.example", .a, "NOERROR aa web.example.,192.0.2.80"),
    ("web.example", .aaaa, "NOERROR aa  SOA"),
    ("nope.example", .a, "NXDOMAIN aa  SOA"),
    ("a.b.wild.example", .txt, "NOERROR aa \"any \\\"name\\\"\" \"second\""),
    ("wild.example", .txt, "NOERROR aa  SOA"),
    ("in.tree.example", .a, "NOERROR aa  SOA"),
    ("x.tree.example", .a, "NXDOMAIN aa  SOA"),
    ("www.sub.example", .a, "NOERROR   NS +192.0.2.54"),
    ("example", .mx, "NOERROR aa 10 mail.example. +192.0.2.25"),
    ("_http._tcp.example", .srv, "NOERROR aa 0 5 80 web.example. +192.0.2.80"),
    ("host-2.example", .a, "NOERROR aa 192.0.2.2"),
    ("other.test", .a, "REFUSED  "),
  ])
  func questionsAreAnswered(_ name: String, _ type: DNSRecordType, _ expected: String) async throws
  {
    let response = try await ask(name, type)
    var text = "\(response.responseCode) \(response.isAuthoritative ? "aa" : "") "
    text += response.answers.map { "\($0.data)" }.joined(separator: ",")
    text += response.authorities.map { " \($0.type)" }.joined()
    text += response.additionals.map { " +\($0.data)" }.joined()
    #expect(text == expected)
  }

  @Test func negativeAnswersLastAsLongAsTheMinimum() async throws {
    let response = try await ask("nope.example", .a)
    #expect(response.authorities.first?.ttl == 60)
  }

  @Test(arguments: [
    ("@ SOA a b 1 2 3 4", 1, "bad data of a SOA record"),
    ("\nx A 10.0.0.300", 2, "bad data of a A record"),
    ("x BOGUS 1", 1, "a record type is expected"),
    ("( x A 10.0.0.1", 1, "a parenthesis is not closed"),
    ("x TXT \"open", 1, "a quotation mark is not closed"),
    ("$INCLUDE other", 1, "$INCLUDE is not modelled"),
    ("x.test. A 10.0.0.1", 1, "x.test. is not in the zone lab."),
    ("$GENERATE 3-1 x$ A 10.0.0.$", 1, "bad range in $GENERATE"),
  ])
  func faultsAreToldWithTheirLine(_ text: String, _ line: Int, _ message: String) throws {
    let origin = try #require(DNSName("lab"))
    #expect(throws: DNSZoneError(line: line, message: message)) {
      try DNSZone(parsing: text, origin: origin)
    }
  }
}

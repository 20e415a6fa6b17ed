import HopyardServices
import HopyardSimulator
import HopyardWire
import Testing

@Suite struct NameTests {
  static let zone = """
    $TTL 300
    @      SOA ns admin 1 2h 15m 2w 60
    @      NS  ns
    ns     A   10.0.0.2
    web    A   10.0.0.80
    www    CNAME web
    *.any  A   10.0.0.9
    """

  private func resolve(_ name: String, _ conf: String) throws -> String? {
    let pair = try PairFixture()
    let zone = try DNSZone(parsing: Self.zone, origin: #require(DNSName("lab")))
    let server = try DNSServer(
      Program(in: pair.server),
      responder: AuthoritativeResponder([zone])
    )
    server.start()
    let program = pair.program(["/etc/resolv.conf": conf])
    return pair.run {
      do throws(ResolutionFailure) {
        let found = try await Resolver(program).lookup(name, .v4)
        return "\(found.canonicalName) \(found.addresses[0])"
      } catch {
        return error.text
      }
    }
  }

  @Test(arguments: [
    ("web.lab", "web.lab 10.0.0.80"), ("web", "web.lab 10.0.0.80"),
    ("www", "web.lab 10.0.0.80"), ("a.b.any.lab", "a.b.any.lab 10.0.0.9"),
    ("nope", "Temporary failure in name resolution"),
    ("lab.", "No address associated with hostname"),
    ("nope.any.lab.", "nope.any.lab 10.0.0.9"), ("nope.lab.", "Name or service not known"),
    ("10.1", "10.1 10.0.0.1"),
  ])
  func theResolverSearches(_ name: String, _ expected: String) throws {
    let found = try resolve(name, "nameserver 10.0.0.2\nsearch lab\n")
    #expect(found == expected)
  }

  @Test func theSmallInternetResolvesFromTheRoot() throws {
    let pair = try PairFixture()
    let internet = try SmallInternet(in: pair.server)
    try internet.addDomain(
      "example.com",
      records: "www CNAME web.example.org.\n",
      server: "203.0.113.53"
    )
    try internet.addDomain("example.org", records: "web A 203.0.113.80\n", server: "203.0.113.54")
    let resolver = try internet.addResolver("9.9.9.9")
    try internet.start()
    try pair.client.insertRoute(
      Route(nexthops: [
        Nexthop(ifindex: 2, gateway: IPv4Address(10, 0, 0, 2).rawValue)
      ]),
      mode: .create
    )
    let program = pair.program(["/etc/resolv.conf": "nameserver 9.9.9.9\n"])
    // From the root; from the cache; and the two records again when their five minutes are over.
    for (wait, expected) in [(Int64(0), 6), (10, 6), (300, 8)] {
      pair.simulation.run(until: pair.simulation.now + .seconds(wait))
      let found = pair.run { () -> String in
        do throws(ResolutionFailure) {
          let found = try await Resolver(program).lookup("www.example.com", .v4)
          return "\(found.canonicalName) \(found.addresses)"
        } catch {
          return error.text
        }
      }
      #expect(found == "web.example.org [203.0.113.80]")
      // Root, com and example.com for the alias; the root, org and example.org for its target.
      #expect(resolver.upstreamCount == expected)
    }
  }
}

import Hopyard
import LabSupport
import Testing

/// The tables of glibc's resolver and of a DNS library in Go.
@Suite struct ResolverOracleTests {
  // MARK: glibc

  @Test(.oracle("resolver/glibc_resolv_conf.json"))
  func configurationIsReadAsGlibcReadsIt() throws {
    let file = "resolver/glibc_resolv_conf.json"
    var tally = OracleTally(file)
    for item in try Oracles.json(file)["cases"]?.elements ?? [] {
      tally.check(item["name"]?.string ?? "?") {
        let found = ResolverConfiguration(
          parsing: item["conf"]?.string ?? "",
          hostname: item["hostname"]?.string ?? "www.example.com",
          localDomain: item["localdomain"]?.string,
          options: item["res_options"]?.string
        ).description
        let expected = item["expected"]?.string ?? ""
        return found == expected ? nil : "got \(found), expected \(expected)"
      }
    }
    tally.finish()
  }

  @Test(.oracle("resolver/glibc_search.json"))
  func searchEndsWhereGlibcEndsIt() throws {
    let file = "resolver/glibc_search.json"
    let document = try Oracles.json(file)
    var tally = OracleTally(file)
    for (index, item) in (document["queries"]?.elements ?? []).enumerated() {
      let query = item["query"]?.string ?? ""
      let always = item["server0_always_answers"]?.string
      tally.check("\(index) \(query) \(always ?? "-")") {
        let found = try SearchNetwork(document, firstServerAnswers: always).resolve(query)
        let expected = item["resolves_as"]?.string ?? ""
        return found == expected ? nil : "got \(found), expected \(expected)"
      }
    }
    tally.finish()
  }

  // MARK: The library in Go

  @Test(.oracle("resolver/miekg_clientconfig.json"))
  func configurationIsReadAsTheGoLibraryReadsIt() throws {
    let file = "resolver/miekg_clientconfig.json"
    let document = try Oracles.json(file)
    var tally = OracleTally(file)
    for member in document["ndots"]?.members ?? [] {
      tally.check("ndots \(member.name)") {
        let found = ResolverConfiguration(parsing: member.name, dialect: .go).ndots
        return found == member.value.int ? nil : "got \(found)"
      }
    }
    for item in document["attempts"]?["testCases"]?.elements ?? [] {
      let data = item["data"]?.string ?? ""
      tally.check("attempts \(data)") { Self.attempts(item) }
    }
    for (index, item) in (document["name_list"]?.elements ?? []).enumerated() {
      tally.check("name_list \(index)") {
        var configuration = ResolverConfiguration(dialect: .go)
        configuration.ndots = item["ndots"]?.int ?? 1
        configuration.search = (item["search"]?.elements ?? []).compactMap(\.string)
        let found = configuration.candidates(for: item["q"]?.string ?? "")
          .compactMap { DNSName($0)?.description }
        let expected = (item["names"]?.elements ?? []).compactMap(\.string)
        return found == expected ? nil : "got \(found)"
      }
    }
    tally.finish()
  }

  private static func attempts(_ item: JSONValue) -> String? {
    let text = item["data"]?.string ?? ""
    let found = ResolverConfiguration(parsing: text, dialect: .go).attempts
    return found == item["expected"]?.int ? nil : "got \(found)"
  }

  @Test(.oracle("resolver/miekg_tables.json"))
  func wireAndZoneFormatsAreThoseOfTheGoLibrary() throws {
    let file = "resolver/miekg_tables.json"
    var tally = OracleTally(file)
    for table in try Oracles.json(file)["tables"]?.members ?? [] {
      for (index, item) in table.value.elements.enumerated() {
        let id = "\(table.name)/\(index)"
        if let subject = Self.unmodelled(table.name) {
          tally.note(id, .skip(subject))
        } else if Self.holdsCode(item) {
          tally.note(id, .skip("is written in Go"))
        } else {
          tally.check(id) { Self.check(table.name, item) }
        }
      }
    }
    tally.finish()
  }

  private static let subjects = [
    ("dnssec", "DNSSEC"), ("nsec", "DNSSEC"), ("Nsec", "DNSSEC"), ("svcb", "SVCB"),
    ("tsig", "TSIG"), ("Apl", "APL"), ("APL", "APL"), ("NewPrivateKey", "DNSSEC"),
    ("StringToCm", "LOC"), ("TCP_KEEPALIVE", "EDNS keepalive"),
    ("EscapedStringOffset", "a helper function of the library"),
    ("GenerateModToPrintf", "a helper function of the library"),
    ("server_test", "a server of the library's own tests"),
    ("update_test", "dynamic updates"), ("LenDynamicA", "a helper function of the library"),
    ("ZoneParserGenerate.wantRRs", "the zone belonging to it is not in the table"),
  ]

  private static func unmodelled(_ table: String) -> String? {
    subjects.first { table.contains($0.0) }?.1
  }

  /// Whether a case holds an expression that only Go can evaluate.
  private static func holdsCode(_ value: JSONValue) -> Bool {
    switch value {
    case .object(let members):
      members.contains { member in
        if member.name == "expectedError" { return false }
        if member.name == "$go" { return true }
        if member.name == "$call" { return member.value.string != "testRR" }
        return holdsCode(member.value)
      }
    case .array(let elements): elements.contains(where: holdsCode)
    default: false
    }
  }

  private static func check(_ table: String, _ item: JSONValue) -> String? {
    if table.contains("ReaderAttempts") { return attempts(item) }
    if table.contains("UnpackDomainName") { return unpacking(item) }
    if table.contains("GenerateRangeGuard") {
      let fails = !parses(item["zone"]?.string ?? "", origin: DNSName("test"))
      return fails == (item["fail"]?.isTrue ?? false) ? nil : "fails: \(fails)"
    }
    if table.contains("CrasherString") {
      return parses(item["in"]?.string ?? "", origin: nil) ? "parses" : nil
    }
    if table.contains("RelativeNameErrors") {
      return parses(item["zoneContents"]?.string ?? "", origin: nil) ? "parses" : nil
    }
    if table.contains("ZoneParserComments") {
      return parses(item["zone"]?.string ?? "", origin: nil) ? nil : "does not parse"
    }
    if table.contains("xfrTestData") {
      let text = item["args"]?.elements.first?.string ?? ""
      guard let record = try? DNSZone.records(in: text).first?.record else {
        return "does not parse"
      }
      let words = { (line: String) in line.split(whereSeparator: \.isWhitespace) }
      return words(record.description) == words(text) ? nil : "got \(record)"
    }
    return "no check for this table"
  }

  private static func parses(_ text: String, origin: DNSName?) -> Bool {
    (try? DNSZone.records(in: text, origin: origin)) != nil
  }

  private static func unpacking(_ item: JSONValue) -> String? {
    let bytes: [UInt8]
    if let text = item["input"]?.string {
      // The text stands for bytes, one for each character.
      bytes = text.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) }
    } else {
      bytes = (item["input"]?.elements ?? []).compactMap(\.int).map { UInt8(clamping: $0) }
    }
    let fails = item["expectedError"]?.isTrue ?? false
    do {
      let name = try DNSName.decode(bytes, at: 0).name
      if fails { return "reads \(name)" }
      let expected = item["expectedOutput"]?.string ?? ""
      return name == DNSName(expected) ? nil : "got \(name), expected \(expected)"
    } catch {
      return fails ? nil : "\(error)"
    }
  }
}

/// Name servers that answer as glibc's test of the search list wants.
private final class SearchNetwork {
  private let simulation = Simulation(seed: 1)
  private let machine: Machine
  private let program: Program
  private let servers: [DNSServer]

  init(_ document: JSONValue, firstServerAnswers always: String?) throws {
    machine = Machine(simulation: simulation)
    let space = try #require(machine.root)
    try space.setLinkUp(#require(space.devices["lo"]))
    let search = (document["search"]?.elements ?? []).compactMap(\.string)
    let conf = """
      search \(search.joined(separator: " "))
      nameserver 127.0.0.1
      nameserver 127.0.0.2
      options ndots:\(document["ndots"]?.int ?? 1)
      """
    program = Program(in: space, files: { $0 == "/etc/resolv.conf" ? Array(conf.utf8) : nil })
    servers = try (0..<2).map { index in
      try DNSServer(
        Program(in: space, name: "named"),
        address: IPv4Address(127, 0, 0, UInt8(index + 1)),
        responder: DNSHandler { query, _, _ in
          var response = Self.answer(query, document)
          if index == 0, let always {
            response = query.response(always == "REFUSED" ? .refused : .serverFailure)
          }
          response.offersRecursion = true
          return response
        }
      )
    }
    for server in servers { server.start() }
  }

  private static func answer(_ query: DNSMessage, _ document: JSONValue) -> DNSMessage {
    guard let question = query.questions.first else { return query.response(.formatError) }
    let name = question.name.text
    if let entry = document["zone"]?.elements.first(where: { $0["name"]?.string == name }) {
      if entry["rcode"]?.string == "SERVFAIL" { return query.response(.serverFailure) }
      var response = query.response()
      for number in 0..<(entry["answers"]?.int ?? 0) where question.type == .a {
        let address = IPv4Address(rawValue: 0x0a00_0000 + UInt32(number) + 1)
        response.answers.append(DNSRecord(question.name, ttl: 60, .a(address)))
      }
      return response
    }
    let empty = (document["nodata_names"]?.elements ?? []).contains { $0.string == name }
    return query.response(empty ? .noError : .nameError)
  }

  func resolve(_ name: String) throws -> String {
    var found = "nothing"
    simulation.spawn { [simulation, program] in
      do throws(ResolutionFailure) {
        found = try await Resolver(program).lookup(name, .v4).canonicalName
      } catch {
        found = error.text
      }
      simulation.stop()
    }
    simulation.run(until: simulation.now + .seconds(300))
    return found
  }
}

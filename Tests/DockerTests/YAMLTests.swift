import HopyardContainers
import HopyardUserland
import HopyardWire
import Testing

/// YAML with places.
@Suite struct YAMLTests {
  private func node(_ text: String) throws -> YAMLNode {
    try YAMLDocuments.parseOne(text, file: "f.yaml")
  }

  @Test func nodesKnowTheirPlaces() throws {
    let web = try #require(try node("services:\n  web:\n    image: nginx\n")["services"]?["web"])
    #expect(web.location == SourceLocation(line: 3, column: 5))
    #expect(web["image"]?.location == SourceLocation(line: 3, column: 12))
    #expect(web["image"]?.text == "nginx")
  }

  @Test func anchorsStandForWhatTheyNameAndMergesYieldToOwnKeys() throws {
    let text = """
      base: &base
        a: 1
        b: 2
      one:
        <<: *base
        b: 3
      two:
        <<: [*base, {c: 4}]
      """
    let tree = try node(text)
    #expect(tree["one"]?["a"]?.integer == 1)
    #expect(tree["one"]?["b"]?.integer == 3)
    #expect(tree["two"]?["c"]?.integer == 4)
  }

  @Test(arguments: [
    ("a: [1, 2", "f.yaml:2:1: not valid YAML"),
    ("a: 1\na: 2\n", "f.yaml:1:1: the key `a' is given twice in one mapping"),
    ("a: &x [*x]\n", "f.yaml:1:8: not valid YAML"),
    ("a: 1\n---\nb: 2\n", "f.yaml:3:1: a second document, expected one"),
  ])
  func whatIsWrongIsToldWithItsPlace(_ text: String, _ message: String) {
    #expect { try node(text) } throws: { "\($0)".hasPrefix(message) }
  }

  @Test func aliasesCannotMakeADocumentHuge() {
    var text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    for level in 1...9 {
      let items = Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ")
      text += "a\(level): &a\(level) [\(items)]\n"
    }
    #expect { try YAMLDocuments.parse(text, file: "f.yaml", limit: 20_000) } throws: {
      "\($0)".contains("aliases make the document too large")
    }
  }

  @Test func deepNestingIsRefused() {
    let text = String(repeating: "[", count: 5000) + String(repeating: "]", count: 5000)
    #expect { try node(text) } throws: { "\($0)".contains("nesting deeper than") }
  }

  @Test func unknownKeysAreToldWithTheNearestKnownOne() throws {
    let fields = try node("prots: []\n").fields("service `web'")
    #expect { try fields.refuseUnknown(["ports", "image"]) } throws: {
      "\($0)" == "f.yaml:1:1: unknown key `prots' in service `web'; did you mean `ports'?"
    }
  }

  @Test(arguments: [
    ("10", 10), ("0x1f", 31), ("0o17", 15), ("017", 15), ("1_000", 1000), ("-3", -3),
  ])
  func numbers(_ text: String, _ value: Int) throws {
    #expect(try node("a: \(text)\n")["a"]?.integer == value)
  }

  @Test(arguments: [
    ("a: x\n", "a is `x', expected a whole number"),
    ("a: 70000\n", "a is `70000', expected a number from 1 to 65535"),
    ("a: [1]\n", "a is a list, expected a whole number"),
  ])
  func wrongValuesAreTold(_ text: String, _ message: String) throws {
    let value = try #require(try node(text)["a"])
    #expect { try value.port("a") } throws: { "\($0)" == "f.yaml:1:4: \(message)" }
  }
}

/// Addresses and ports that are handed out.
@Suite struct AllocationTests {
  @Test func theLowestFreeAddressIsGiven() throws {
    var pool = AddressPool(try #require(.init("10.0.0.0/29")))
    let first = try pool.allocate()
    let second = try pool.allocate()
    pool.release(first)
    #expect(first.description == "10.0.0.1")
    #expect(second.description == "10.0.0.2")
    #expect(try pool.allocate() == first)
    #expect(throws: AddressPool.Failure.inUse(second)) { try pool.reserve(second) }
  }

  @Test func addressesInARowGoRound() throws {
    var pool = AddressPool(try #require(.init("10.0.0.0/30")))
    let first = try pool.allocate(afterLast: true)
    let second = try pool.allocate(afterLast: true)
    pool.release(first)
    #expect(try pool.allocate(afterLast: true) == first)
    #expect(throws: AddressPool.Failure.exhausted) { try pool.allocate(afterLast: true) }
    #expect(second.description == "10.0.0.2")
  }

  @Test func aPortOfAllAddressesIsTakenFromEach() throws {
    var ports = PortAllocator()
    try ports.take(80, .v4(.any), .tcp)
    #expect(!ports.isFree(80, .v4(.loopback), .tcp))
    #expect(ports.isFree(80, .v4(.any), .udp))
    ports.release(80, .v4(.any), .tcp)
    #expect(ports.isFree(80, .v4(.loopback), .tcp))
  }
}

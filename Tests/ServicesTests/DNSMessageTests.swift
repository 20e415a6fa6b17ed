import HopyardWire
import Testing

@Suite struct DNSMessageTests {
  private func name(_ text: String) throws -> DNSName { try #require(DNSName(text)) }

  @Test func messagesSurviveTheWire() throws {
    var message = DNSMessage(query: try name("www.Example.com"), .any, id: 7, edns: DNSExtension())
    message.isResponse = true
    message.isAuthoritative = true
    message.responseCode = .badVersion
    let web = try name("www.example.com")
    let start = DNSStartOfAuthority(primary: try name("ns.example.com"), mailbox: try name("m.x"))
    let data: [DNSRecordData] = [
      .a(IPv4Address(10, 0, 0, 1)), .aaaa(.loopback), .ns(try name("ns.example.com")),
      .cname(try name("web.example.com")), .ptr(web), .soa(start),
      .mx(preference: 10, exchange: try name("mail.example.com")), .txt("v=spf1 -all"),
      .srv(priority: 1, weight: 2, port: 80, target: web),
      .caa(flags: 0, tag: Array("issue".utf8), value: Array("ca".utf8)),
      .unknown(DNSRecordType(rawValue: 65), [1, 2, 3]),
    ]
    message.answers = data.map { DNSRecord(web, ttl: 300, $0) }
    for compression in [DNSCompression.full, .owners, .none] {
      let decoded = try DNSMessage(decoding: message.encoded(compression))
      #expect(decoded == message)
    }
    #expect(message.encoded(.full).count < message.encoded(.owners).count)
    #expect(message.encoded(.owners).count < message.encoded(.none).count)
  }

  @Test(arguments: [
    ("a.b.", 2), (".", 0), ("\\046.x", 2), ("a\\.b.c", 2), ("*.lab", 2),
  ])
  func namesAreRead(_ text: String, _ labels: Int) throws {
    let found = try name(text)
    #expect(found.labelCount == labels)
    #expect(DNSName(found.description) == found)
  }

  @Test(arguments: ["", "a..b", ".a", "a\\300.b", String(repeating: "x", count: 64)])
  func badNamesAreRefused(_ text: String) {
    #expect(DNSName(text) == nil)
  }

  @Test func namesCompareWithoutCase() throws {
    #expect(try name("WWW.lab") == name("www.LAB."))
    #expect(try name("a.b.lab").isWithin(name("B.LAB")))
    #expect(try !name("ab.lab").isWithin(name("b.lab")))
    #expect(DNSName(reverse: .v4(IPv4Address(10, 0, 3, 1))).text == "1.3.0.10.in-addr.arpa")
  }

  /// Every byte of a message changed, and every truncation: an error or a message, never a trap.
  @Test func hostileBytesDoNotTrap() throws {
    var message = DNSMessage(query: try name("www.example.com"), .a, id: 1, edns: DNSExtension())
    message.answers = [
      DNSRecord(try name("www.example.com"), ttl: 1, .cname(try name("x.example.com"))),
      DNSRecord(try name("x.example.com"), ttl: 1, .txt("text")),
    ]
    let bytes = message.encoded()
    for length in 0..<bytes.count { _ = try? DNSMessage(decoding: bytes.prefix(length)) }
    for index in bytes.indices {
      for value: UInt8 in [0, 1, 63, 64, 127, 128, 191, 192, 255] {
        var changed = bytes
        changed[index] = value
        if let decoded = try? DNSMessage(decoding: changed) { _ = decoded.encoded() }
      }
    }
  }

  @Test func circlesOfPointersAreRefused() {
    #expect(throws: DNSError.self) { try DNSName.decode([0xc0, 0x00], at: 0) }
    #expect(throws: DNSError.self) { try DNSName.decode([3, 102, 111, 111, 0xc0, 0x00], at: 0) }
  }

  @Test func aLongResponseIsCutDown() throws {
    var message = DNSMessage(query: try name("x.lab"), .a, id: 1).response()
    for number in 0..<40 {
      message.answers.append(
        DNSRecord(try name("x.lab"), ttl: 1, .a(IPv4Address(rawValue: UInt32(number))))
      )
    }
    let cut = message.truncated(to: 512)
    #expect(cut.isTruncated && cut.answers.isEmpty)
    #expect(message.truncated(to: 4096) == message)
  }
}

import Testing

@testable import LabSupport

/// Parts of the normaliser that the kept recordings reach rarely.
@Suite struct LabSupportTests {
  @Test(arguments: [
    ("2001:db8::1", "2001:db8::1"), ("1:0:0:2:0:0:0:3", "1:0:0:2::3"), ("::", "::"),
    ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"), ("1::3:4:5:6:7:8", "1:0:3:4:5:6:7:8"),
  ])
  func ipv6AddressesAreShortened(text: String, expected: String) throws {
    let bytes = try #require(IPv6Text.parse(text))
    #expect(IPv6Text.format(bytes) == expected)
  }

  @Test(arguments: [
    "1:2:3", "1::2::3", "1:2:3:4:5:6:7::8", "12345::", ":1::2", "02:00:00:00:00:01",
  ])
  func wordsThatAreNoIPv6Address(text: String) {
    #expect(IPv6Text.parse(text) == nil)
  }

  @Test func jsonKeepsWholeNumbersAndPairs() throws {
    let text = #"{"a":[1,-2,1.5,true,null],"b":"\ud83d\ude00\n\u00e9"}"#
    let value = try #require(JSONValue(parsing: Array(text.utf8)))
    #expect(value["a"]?.elements == [.int(1), .int(-2), .number(1.5), .bool(true), .null])
    #expect(value["b"]?.string == "😀\né")
    #expect(JSONValue(parsing: Array("[1,]".utf8)) == nil)
  }

  @Test func checksumsOfKnownData() {
    #expect(CRC32.checksum(Array("123456789".utf8)) == 0xcbf4_3926)
    #expect(internetChecksum(Bytes([0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7])) == 0x220d)
    #expect(internetChecksum(Bytes([0xff, 0xff])) == 0)
  }

  @Test func timesOfHTTPDoNotCount() {
    func text(_ date: String) -> String {
      PayloadText.describe(
        Bytes(
          Array("HTTP/1.0 200 OK\r\nDate: \(date)\r\nContent-Length: 30\r\n\r\n0123456789".utf8)
        )
      )
    }
    #expect(text("Mon") == text("Tue"))
    #expect(PayloadText.describe(Bytes(Array("a\"b\n".utf8))) == #" data="a\"b\n""#)
  }

  @Test func macAddressesStandAlone() {
    let name: (Substring) -> String = { _ in "M" }
    #expect(AddressRuns.replaceMAC("a 02:00:00:00:00:01,", with: name) == "a M,")
    #expect(AddressRuns.replaceMAC("02:00:00:00:00:01:02", with: name) == "02:00:00:00:00:01:02")
    #expect(AddressRuns.replaceIPv6("x fe80::1/64 xa::b", with: name) == "x M/64 xa::b")
  }
}

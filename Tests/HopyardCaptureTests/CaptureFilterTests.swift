import HopyardCapture
import HopyardSimulator
import Testing

@Suite struct CaptureFilterTests {
  @Test(arguments: [
    ("udp and src host 10.0.0.1", true), ("port 7777", true), ("arp", false), ("", true),
    ("tcp or icmp", false), ("ether src 02:00:00:00:00:02", true), ("less 10", false),
  ])
  func `a filter chooses frames`(expression: String, chosen: Bool) throws {
    let filter = try CaptureFilter(expression, linkType: .ethernet)
    #expect(filter.matches(frame(1)) == chosen)
  }

  @Test func `a filter for raw IP and for frames that are too short`() throws {
    let filter = try CaptureFilter("udp dst port 7777", linkType: .raw)
    #expect(filter.matches(Array(frame(1).dropFirst(14))))
    for length in 0..<20 { #expect(!filter.matches([UInt8](repeating: 0x45, count: length))) }
  }

  @Test func `a wrong filter is refused in libpcap's words`() {
    #expect(
      throws: CaptureFilterError(
        expression: "udp port",
        reason: "can't parse filter expression: syntax error"
      )
    ) { try CaptureFilter("udp port", linkType: .ethernet) }
    for expression in ["port 99999", "host", "\u{0}udp", "((((", "ether host zz"] {
      #expect(throws: CaptureFilterError.self) {
        try CaptureFilter(expression, linkType: .ethernet)
      }
    }
  }
}

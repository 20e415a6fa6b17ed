import HopyardWire
import Testing

/// One header with the bytes that it stands for and the text that tcpdump would print.
struct HeaderSample: CustomTestStringConvertible, Sendable {
  let bytes: [UInt8]
  let text: String
  let kind: String
  /// Reads bytes and writes them back; answers the header's text and the written bytes.
  let echo: @Sendable ([UInt8]) throws(WireError) -> (String, [UInt8])

  init<Header: WireHeader>(_ type: Header.Type, _ bytes: String, _ text: String) {
    self.bytes = hex(bytes)
    self.text = text
    kind = String(describing: type)
    echo = { bytes throws(WireError) in
      let header = try Header(parsing: bytes)
      return (header.description, header.encoded())
    }
  }

  var testDescription: String { text }

  static let all: [HeaderSample] = [
    HeaderSample(
      EthernetHeader.self,
      "ffffffffffff 0242ac110002 0806",
      "02:42:ac:11:00:02 > Broadcast, ethertype ARP (0x0806)"
    ),
    HeaderSample(
      EthernetHeader.self,
      "0180c2000000 0242ac110002 0026",
      "02:42:ac:11:00:02 > 01:80:c2:00:00:00, 802.3, length 38"
    ),
    HeaderSample(
      EthernetHeader.self,
      "0180c200000e 0242ac110002 88cc",
      "02:42:ac:11:00:02 > 01:80:c2:00:00:0e, ethertype Unknown (0x88cc)"
    ),
    HeaderSample(VLANTag.self, "b064 0800", "vlan 100, p 5, DEI, ethertype IPv4"),
    HeaderSample(VLANTag.self, "0001 86dd", "vlan 1, p 0, ethertype IPv6"),
    HeaderSample(
      ARPMessage.self,
      "0001080006040001 0242ac110002 ac110002 000000000000 ac110001",
      "ARP, Request who-has 172.17.0.1 tell 172.17.0.2"
    ),
    HeaderSample(
      ARPMessage.self,
      "0001080006040001 0242ac110002 ac110002 024200000001 ac110001",
      "ARP, Request who-has 172.17.0.1 (02:42:00:00:00:01) tell 172.17.0.2"
    ),
    HeaderSample(
      ARPMessage.self,
      "0001080006040002 0242ac110001 ac110001 0242ac110002 ac110002",
      "ARP, Reply 172.17.0.1 is-at 02:42:ac:11:00:01"
    ),
    HeaderSample(
      IPv4Header.self,
      "45000054 123440004001 4000 0a000001 0a000002",
      "IP (tos 0x0, ttl 64, id 4660, offset 0, flags [DF], proto ICMP (1), length 84) "
        + "10.0.0.1 > 10.0.0.2"
    ),
    HeaderSample(
      IPv4Header.self,
      "451000541234 20b9 0111 b861 0a000001 e0000001",
      "IP (tos 0x10, ttl 1, id 4660, offset 1480, flags [+], proto UDP (17), length 84) "
        + "10.0.0.1 > 224.0.0.1"
    ),
    HeaderSample(
      IPv4Header.self,
      "46c00020 00004000 0102 0000 0a000001 e0000016 94040000",
      "IP (tos 0xc0, ttl 1, id 0, offset 0, flags [DF], proto IGMP (2), length 32, options (RA)) "
        + "10.0.0.1 > 224.0.0.22"
    ),
    HeaderSample(
      IPv4Header.self,
      "48000020 00000000 4001 0000 0a000001 0a000002 070b08 0a000001 00000000 00",
      "IP (tos 0x0, ttl 64, id 0, offset 0, flags [none], proto ICMP (1), length 32, "
        + "options (RR 10.0.0.1, ^0.0.0.0,EOL)) 10.0.0.1 > 10.0.0.2"
    ),
    HeaderSample(ICMPv4Header.self, "0800abcd 0102 0003", "ICMP echo request, id 258, seq 3"),
    HeaderSample(ICMPv4Header.self, "0000abcd 0102 0003", "ICMP echo reply, id 258, seq 3"),
    HeaderSample(ICMPv4Header.self, "03010000 00000000", "ICMP host unreachable"),
    HeaderSample(
      ICMPv4Header.self,
      "030d0000 00000000",
      "ICMP host unreachable - admin prohibited filter"
    ),
    HeaderSample(
      ICMPv4Header.self,
      "03040000 00000578",
      "ICMP unreachable - need to frag (mtu 1400)"
    ),
    HeaderSample(ICMPv4Header.self, "03ff0000 00000000", "ICMP unreachable - #255"),
    HeaderSample(ICMPv4Header.self, "05010000 0a0000fe", "ICMP redirect host to 10.0.0.254"),
    HeaderSample(ICMPv4Header.self, "0b000000 00000000", "ICMP time exceeded in-transit"),
    HeaderSample(ICMPv4Header.self, "0b010000 00000000", "ICMP ip reassembly time exceeded"),
    HeaderSample(ICMPv4Header.self, "0c000000 14000000", "ICMP parameter problem - octet 20"),
    HeaderSample(ICMPv4Header.self, "0d000000 00010002", "ICMP time stamp query id 1 seq 2"),
    HeaderSample(ICMPv4Header.self, "c8000000 00000000", "ICMP type-#200"),
    HeaderSample(
      ICMPv4Timestamps.self,
      "00000001 00000002 00000003",
      "org 1, recv 2, xmit 3"
    ),
    HeaderSample(UDPHeader.self, "0035 d431 000d 1234", "53 > 54321: UDP, length 5"),
    HeaderSample(
      TCPHeader.self,
      "d4310050 00000001 00000000 a002faf0 abcd0000 020405b4 0402080a 00000005 00000000 01030307",
      "54321 > 80: Flags [S], seq 1, win 64240, options [mss 1460,sackOK,TS val 5 ecr 0,nop,"
        + "wscale 7]"
    ),
    HeaderSample(
      TCPHeader.self,
      "0050d431 00000009 00000002 5014 0000 abcd0000",
      "80 > 54321: Flags [R.], seq 9, ack 2, win 0"
    ),
    HeaderSample(
      TCPHeader.self,
      "0050d431 00000009 00000002 5f00 0001 abcd0000",
      "80 > 54321: Flags [none], seq 9, win 1"
    ),
    HeaderSample(IGMPMessage.self, "1164ee9b 00000000", "igmp query v2"),
    HeaderSample(IGMPMessage.self, "1100eeff 00000000", "igmp query v1"),
    HeaderSample(IGMPMessage.self, "1164fd96 ef010203", "igmp query v2 [gaddr 239.1.2.3]"),
    HeaderSample(IGMPMessage.self, "1164ec1e 00000000 027d0000", "igmp query v3"),
    HeaderSample(IGMPMessage.self, "1200fcfa ef010203", "igmp v1 report 239.1.2.3"),
    HeaderSample(IGMPMessage.self, "1600f8fa ef010203", "igmp v2 report 239.1.2.3"),
    HeaderSample(IGMPMessage.self, "1700f7fa ef010203", "igmp leave 239.1.2.3"),
    HeaderSample(
      IGMPMessage.self,
      "2200e8f9 00000001 04000000 ef010203",
      "igmp v3 report, 1 group record(s) [gaddr 239.1.2.3 to_ex { }]"
    ),
    HeaderSample(
      IGMPMessage.self,
      "2200dff6 00000001 03000001 ef010203 0a000002",
      "igmp v3 report, 1 group record(s) [gaddr 239.1.2.3 to_in { 10.0.0.2 }]"
    ),
  ]
}

@Suite struct HeaderTests {
  @Test(arguments: HeaderSample.all)
  func `a header is read, printed and written back`(sample: HeaderSample) throws {
    let (text, bytes) = try sample.echo(sample.bytes)
    #expect(text == sample.text)
    #expect(bytes == sample.bytes)
  }

  @Test(arguments: HeaderSample.all)
  func `bytes behind a header do not matter`(sample: HeaderSample) throws {
    // A longer IGMP query is another message, so it is left out.
    guard sample.bytes[0] != 0x11 || sample.bytes.count != 8 else { return }
    #expect(try sample.echo(sample.bytes + [1, 2, 3, 4, 5, 6, 7]).1 == sample.bytes)
  }

  @Test(arguments: HeaderSample.all)
  func `a header cut at any length is truncated`(sample: HeaderSample) {
    // The only message whose beginning is a whole message: a version 3 query.
    guard sample.text != "igmp query v3" else { return }
    for length in 0..<sample.bytes.count {
      let error = #expect(throws: WireError.self) {
        _ = try sample.echo(Array(sample.bytes[..<length]))
      }
      guard case .truncated(let needed, let available) = error else {
        Issue.record("\(length) bytes: \(String(describing: error))")
        continue
      }
      #expect(available == length && needed > length && needed <= sample.bytes.count)
    }
  }

  @Test(arguments: HeaderSample.all)
  func `changed bytes are read or refused, and written as they were read`(sample: HeaderSample) {
    var random = SeededGenerator(seed: 10)
    for _ in 0..<500 {
      var bytes = sample.bytes + random.bytes(Int.random(in: 0...40, using: &random))
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        bytes[Int.random(in: bytes.indices, using: &random)] = UInt8.random(
          in: 0...255,
          using: &random
        )
      }
      expectStableEcho(sample, bytes)
    }
  }

  @Test func `no random bytes trap`() {
    var random = SeededGenerator(seed: 11)
    let kinds = Dictionary(grouping: HeaderSample.all) { $0.kind }.values.compactMap(\.first)
    for _ in 0..<2_000 {
      let bytes = random.bytes(Int.random(in: 0...90, using: &random))
      for sample in kinds { expectStableEcho(sample, bytes) }
    }
  }

  /// What was written is read again as the same header.
  private func expectStableEcho(_ sample: HeaderSample, _ bytes: [UInt8]) {
    guard let (text, written) = try? sample.echo(bytes) else { return }
    #expect(throws: Never.self) {
      let (again, rewritten) = try sample.echo(written)
      #expect(again == text && rewritten == written)
    }
    // ARP and IGMP have bytes that are not kept: reserved ones, checksums, auxiliary data.
    if sample.kind != "IGMPMessage" { #expect(written.elementsEqual(bytes.prefix(written.count))) }
  }

  @Test func `a header that makes no sense is refused`() {
    var ip = hex("45000014 00000000 4001 0000 0a000001 0a000002")
    func error() -> WireError? {
      do throws(WireError) {
        _ = try IPv4Header(parsing: ip)
        return nil
      } catch {
        return error
      }
    }
    ip[0] = 0x65
    #expect(error() == .version(6))
    ip[0] = 0x44
    #expect(error() == .headerLength(16))
    ip[0] = 0x4f
    #expect(error() == .truncated(needed: 60, available: 20))
    ip[0] = 0x45
    ip[3] = 19
    #expect(error() == .length(19))
    ip[3] = 20
    #expect(error() == nil)
    #expect(throws: WireError.length(7)) { try UDPHeader(parsing: hex("00350035 0007 0000")) }
    #expect(throws: WireError.headerLength(16)) {
      try TCPHeader(parsing: hex("00500050 00000000 00000000 4000 0000 00000000"))
    }
    #expect(throws: WireError.addressFormat) {
      try ARPMessage(parsing: hex("000608000604") + [UInt8](repeating: 0, count: 22))
    }
    #expect(throws: WireError.type(0x99)) { try IGMPMessage(parsing: hex("9900000000000000")) }
    #expect(throws: WireError.option(offset: 8)) {
      try IGMPMessage(parsing: hex("22000000 00000001 09000000 ef010203"))
    }
  }
}

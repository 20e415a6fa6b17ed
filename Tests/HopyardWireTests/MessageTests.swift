import HopyardWire
import Testing

/// Whole messages: options, checksums over payloads, fields with names.
@Suite struct MessageTests {
  private let source = IPv4Address(10, 0, 0, 1)
  private let destination = IPv4Address(10, 0, 0, 2)

  @Test func `a new IPv4 header has its checksum`() {
    var header = IPv4Header(
      payloadLength: 100,
      identification: 7,
      fragment: IPv4Header.Fragment.moreFragments | 185,
      protocol: .udp,
      source: source,
      destination: destination,
      options: [7, 7, 4, 0, 0, 0, 0]
    )
    #expect(header.encodedLength == 28 && header.totalLength == 128 && header.payloadLength == 100)
    #expect(header.isFragment && header.moreFragments && !header.dontFragment)
    #expect(header.fragmentOffset == 1480)
    #expect(header.encoded().withUnsafeBytes { IPv4Header.hasValidChecksum($0) })
    header.ttl = 1
    #expect(!header.encoded().withUnsafeBytes { IPv4Header.hasValidChecksum($0) })
    var bytes = header.encoded()
    bytes.withUnsafeMutableBytes { IPv4Header.setChecksum(in: $0) }
    #expect(bytes.withUnsafeBytes { IPv4Header.hasValidChecksum($0) })
    header.fillChecksum()
    #expect(header.encoded() == bytes)
  }

  @Test(arguments: [(-5, 20), (0, 20), (65_515, 65_535), (65_516, 65_535), (1_000_000, 65_535)])
  func `a payload length is cut to what a packet can hold`(length: Int, total: Int) {
    let header = IPv4Header(
      payloadLength: length,
      protocol: .udp,
      source: source,
      destination: destination
    )
    #expect(Int(header.totalLength) == total)
  }

  @Test func `too many options are cut`() {
    let header = IPv4Header(
      payloadLength: 0,
      protocol: .udp,
      source: source,
      destination: destination,
      options: [UInt8](repeating: 1, count: 300)
    )
    #expect(header.encoded().count == 60)
    let segment = TCPHeader(
      sourcePort: 1,
      destinationPort: 2,
      sequence: 3,
      flags: .syn,
      window: 4,
      options: [UInt8](repeating: 1, count: 300)
    )
    #expect(segment.encoded().count == 60)
  }

  static let ipOptions: [(String, [IPv4Option])] = [
    ("01 01 00", [.noOperation, .noOperation, .end]),
    ("07 07 04 00000000", [.recordRoute(pointer: 4, [.any])]),
    (
      "83 0b 04 0a000002 0a000003",
      [.looseSourceRoute(pointer: 4, [IPv4Address(10, 0, 0, 2), IPv4Address(10, 0, 0, 3)])]
    ),
    ("89 03 04", [.strictSourceRoute(pointer: 4, [])]),
    (
      "44 0c 05 21 0a000001 00000009",
      [.timestamp(pointer: 5, overflow: 2, form: 1, [0x0a00_0001, 9])]
    ),
    ("94 04 0000", [.routerAlert(0)]),
    ("88 04 abcd", [.other(type: 0x88, [0xab, 0xcd])]),
    ("", []),
  ]

  @Test(arguments: ipOptions)
  func `IPv4 options are read and written`(bytes: String, options: [IPv4Option]) throws {
    #expect(try IPv4Option.parse(hex(bytes)) == options)
    #expect(options.flatMap(\.encoded) == hex(bytes))
  }

  @Test(arguments: [
    ("07", 0), ("01 07 01", 2), ("07 00", 1), ("07 09 04 00", 1), ("07 06 04 000000", 1),
    ("44 03 05", 1), ("94 03 00", 1), ("94 04 0000 83 02", 5),
  ])
  func `a malformed IPv4 option is refused with its place`(bytes: String, offset: Int) {
    #expect(throws: WireError.option(offset: offset)) { try IPv4Option.parse(hex(bytes)) }
  }

  static let tcpOptions: [(String, [TCPOption])] = [
    ("02 04 05b4 01 03 03 07", [.maximumSegmentSize(1460), .noOperation, .windowScale(7)]),
    ("04 02 08 0a 00000001 00000002", [.sackPermitted, .timestamps(value: 1, echo: 2)]),
    (
      "05 12 00000001 00000005 00000009 0000000d",
      [.sack([.init(first: 1, end: 5), .init(first: 9, end: 13)])]
    ),
    ("22 04 abcd 00", [.other(kind: 0x22, [0xab, 0xcd]), .end]),
    ("02 03 05", [.other(kind: 2, [5])]),
    ("05 06 00000001", [.other(kind: 5, [0, 0, 0, 1])]),
    ("", []),
  ]

  @Test(arguments: tcpOptions)
  func `TCP options are read and written`(bytes: String, options: [TCPOption]) {
    #expect(TCPOption.parse(hex(bytes)) == options)
    #expect(options.flatMap(\.encoded) == hex(bytes))
  }

  @Test(arguments: ["02", "02 01", "02 00", "02 05 05b4", "08 0a 00"])
  func `TCP options end before the first malformed one`(bytes: String) {
    #expect(TCPOption.parse(hex("01") + hex(bytes)) == [.noOperation])
  }

  @Test func `no random options trap`() {
    var random = SeededGenerator(seed: 12)
    for _ in 0..<5_000 {
      let bytes = random.bytes(Int.random(in: 0...40, using: &random))
      if let options = try? IPv4Option.parse(bytes) {
        let encoded = options.flatMap(\.encoded)
        #expect(encoded.elementsEqual(bytes.prefix(encoded.count)))
      }
      let encoded = TCPOption.parse(bytes).flatMap(\.encoded)
      #expect(encoded.elementsEqual(bytes.prefix(encoded.count)))
    }
  }

  @Test(arguments: 0...40)
  func `a datagram of any length gets its checksum`(length: Int) {
    var random = SeededGenerator(seed: UInt64(length))
    let header = UDPHeader(sourcePort: 53, destinationPort: 1024, payloadLength: length)
    var datagram = header.encoded() + random.bytes(length)
    #expect(datagram.count == Int(header.length) && header.payloadLength == length)
    func isValid() -> Bool {
      datagram.withUnsafeBytes {
        UDPHeader.hasValidChecksum($0, source: source, destination: destination)
      }
    }
    #expect(isValid(), "no checksum is a right one")
    datagram.withUnsafeMutableBytes {
      UDPHeader.setChecksum(in: $0, source: source, destination: destination)
    }
    #expect(isValid())
    #expect(datagram[6] != 0 || datagram[7] != 0)
    datagram[0] ^= 1
    #expect(!isValid())
  }

  @Test func `a datagram whose checksum would be zero gets all ones`() {
    let header = UDPHeader(sourcePort: 0, destinationPort: 0, payloadLength: 2)
    var datagram = header.encoded() + [0, 0]
    let initial = InternetChecksum.pseudoHeader(
      source: source,
      destination: destination,
      protocol: .udp,
      length: 10
    )
    let word = checksum(of: datagram, initial: initial)
    datagram[8] = UInt8(word >> 8)
    datagram[9] = UInt8(word & 0xff)
    datagram.withUnsafeMutableBytes {
      UDPHeader.setChecksum(in: $0, source: source, destination: destination)
    }
    #expect(datagram[6] == 0xff && datagram[7] == 0xff)
    #expect(
      datagram.withUnsafeBytes {
        UDPHeader.hasValidChecksum($0, source: source, destination: destination)
      }
    )
  }

  @Test func `a segment and an ICMP message get their checksums`() {
    let header = TCPHeader(
      sourcePort: 1,
      destinationPort: 2,
      sequence: 3,
      flags: [.psh, .ack],
      window: 4
    )
    var segment = header.encoded() + hex("616263")
    segment.withUnsafeMutableBytes {
      TCPHeader.setChecksum(in: $0, source: source, destination: destination)
    }
    #expect(
      segment.withUnsafeBytes {
        TCPHeader.hasValidChecksum($0, source: source, destination: destination)
      }
    )
    var message = ICMPv4Header.echoRequest(identifier: 1, sequence: 2).encoded() + hex("616263")
    #expect(!message.withUnsafeBytes { ICMPv4Header.hasValidChecksum($0) })
    message.withUnsafeMutableBytes { ICMPv4Header.setChecksum(in: $0) }
    #expect(message.withUnsafeBytes { ICMPv4Header.hasValidChecksum($0) })
  }

  @Test(arguments: 0..<20)
  func `checksums of what is too short are left alone`(length: Int) {
    var bytes = [UInt8](repeating: 0x45, count: length)
    bytes.withUnsafeMutableBytes { buffer in
      IPv4Header.setChecksum(in: buffer)
      TCPHeader.setChecksum(in: buffer, source: source, destination: destination)
      if length < 8 {
        UDPHeader.setChecksum(in: buffer, source: source, destination: destination)
        ICMPv4Header.setChecksum(in: buffer)
      }
    }
    #expect(bytes == [UInt8](repeating: 0x45, count: length))
    #expect(!bytes.withUnsafeBytes { IPv4Header.hasValidChecksum($0) })
  }

  @Test func `an ICMP header has fields by type`() {
    #expect(ICMPv4Header.fragmentationNeeded(mtu: 1400).mtu == 1400)
    #expect(ICMPv4Header.redirect(to: destination).gateway == destination)
    #expect(ICMPv4Header.parameterProblem(pointer: 20).pointer == 20)
    #expect(ICMPv4Header.timeExceeded().code == ICMPv4Header.TimeExceeded.ttl)
    var echo = ICMPv4Header.echoReply(identifier: 0x1234, sequence: 0x5678)
    #expect(echo.identifier == 0x1234 && echo.sequence == 0x5678)
    echo.identifier = 1
    echo.sequence = 2
    #expect(echo.rest == 0x0001_0002)
    let unreachable = ICMPv4Header.destinationUnreachable(ICMPv4Header.Unreachable.port)
    #expect(unreachable.type.isError && !unreachable.type.isQuery)
    #expect(echo.type.isQuery && !echo.type.isError)
  }

  @Test func `a VLAN tag keeps what has room`() {
    let tag = VLANTag(vlan: 0xffff, priority: 0xff, dropEligible: false, etherType: .ipv4)
    #expect(tag.vlan == 4095 && tag.priority == 7 && !tag.isDropEligible)
    #expect(EtherType.vlan.isTag && EtherType.qinq.isTag && !EtherType.ipv4.isTag)
  }

  @Test func `IGMP messages are written with their checksum`() throws {
    let group = IPv4Address(239, 1, 2, 3)
    let messages: [IGMPMessage] = [
      .query(maximumResponse: 100, group: .any), .reportV1(group: group), .reportV2(group: group),
      .leave(group: group),
      .queryV3(
        maximumResponse: 100,
        group: group,
        suppressRouterSide: true,
        robustness: 2,
        interval: 125,
        sources: [source, destination]
      ),
      .reportV3([
        .init(.toExclude, group: group), .init(.block, group: group, sources: [source]),
        .init(.isInclude, group: group, sources: [source, destination]),
      ]),
    ]
    for message in messages {
      let bytes = message.encoded()
      #expect(bytes.withUnsafeBytes { IGMPMessage.hasValidChecksum($0) })
      #expect(try IGMPMessage(parsing: bytes) == message)
    }
  }

  @Test func `auxiliary data in an IGMP report is stepped over`() throws {
    let bytes = hex("22000000 00000002 04010000 ef010203 deadbeef 03000000 ef010204")
    let records: [IGMPMessage.GroupRecord] = [
      .init(.toExclude, group: IPv4Address(239, 1, 2, 3)),
      .init(.toInclude, group: IPv4Address(239, 1, 2, 4)),
    ]
    #expect(try IGMPMessage(parsing: bytes) == .reportV3(records))
  }

  @Test func `flags print as tcpdump prints them`() {
    #expect(TCPFlags([.syn, .ack]).description == "S.")
    #expect(TCPFlags([.fin, .psh, .ack]).description == "FP.")
    #expect(TCPFlags(rawValue: 0xff).description == "FSRP.UEW")
    #expect(TCPFlags([]).description == "none")
  }
}

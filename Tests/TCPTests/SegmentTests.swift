import HopyardSimulator
import HopyardWire
import Testing

/// Headers, options and checksums (RFC 9293 §3.1 and §3.2).
@Suite struct SegmentTests {
  private static let withOptions: [(name: String, options: [UInt8])] = [
    ("none", []), ("unknown", [77, 6, 1, 2, 3, 4]), ("length zero", [77, 0, 1, 2]),
    ("length one", [77, 1, 1, 2]), ("too long", [77, 40, 0, 0]),
    ("odd place", [1, 1, 1, 2, 4, 5, 0xb4]),
    ("end", [0, 9, 9, 9]), ("cut off", [1, 1, 1, 8]),
  ]

  @Test(arguments: withOptions.map(\.name))
  func `options of any kind do no harm`(name: String) throws {
    let options = try #require(Self.withOptions.first { $0.name == name }).options
    let peer = try RawPeer()
    let socket = try peer.open(try peer.listen())
    try peer.send(RawPeer.ack | RawPeer.psh, [1, 2, 3], options: options)
    #expect(peer.takeSent().last?.acknowledgement == peer.sequence)
    #expect(try socket.read() == [1, 2, 3])
  }

  @Test func `a wrong checksum is dropped`() throws {
    let peer = try RawPeer()
    let socket = try peer.open(try peer.listen())
    try peer.send(RawPeer.ack, [1], at: peer.sequence, breaksChecksum: true)
    #expect(peer.takeSent().isEmpty)
    #expect(try socket.read() == nil)
    #expect(peer.host.counters[.tcpInCsumErrors] == 1)
  }

  @Test(arguments: [0, 536, 1000, 1460])
  func `segments follow the peer's MSS`(segment: Int) throws {
    let peer = try RawPeer()
    let options: [UInt8] = segment == 0 ? [] : [2, 4, UInt8(segment >> 8), UInt8(segment & 255)]
    let socket = try peer.open(try peer.listen(), options: options)
    _ = try socket.write([UInt8](repeating: 7, count: 5000))
    let sent = peer.takeSent()
    #expect(sent.map(\.payload.count).max() == (segment == 0 ? 536 : segment))
    // The option goes with SYN only.
    #expect(sent.allSatisfy { $0.options.isEmpty })
  }

  @Test func `the MSS option is in each SYN and follows the device`() throws {
    let peer = try RawPeer()
    let device = try #require(peer.host.devices["eth0"])
    try peer.host.setLinkMTU(device, 900)
    let socket = peer.host.sockets.makeTCP()
    try socket.connect(to: peer.address, port: 9)
    let syn = try #require(peer.takeSent().first)
    #expect(Array(syn.options.prefix(4)) == [2, 4, UInt8(860 >> 8), UInt8(860 & 255)])
  }

  @Test func `window numbers are unsigned`() throws {
    let peer = try RawPeer()
    let socket = try peer.open(try peer.listen())
    try peer.send(RawPeer.ack, window: 65_535)
    _ = try socket.write([UInt8](repeating: 7, count: 1460 * 6))
    let count = peer.takeSent().reduce(0) { $0 + $1.payload.count }
    #expect(count == 1460 * 6)
  }

  @Test func `the type of service and TTL are the program's`() throws {
    let peer = try RawPeer()
    let socket = try peer.open(try peer.listen())
    socket.options.tos = 0x48
    socket.options.ttl = 9
    _ = try socket.write([1])
    let segment = try #require(peer.takeSent().last)
    #expect(segment.tos == 0x48 && segment.ttl == 9)
    // It may change while the connection lives.
    socket.options.tos = 0x20
    try peer.send(RawPeer.ack, ack: segment.sequence &+ 1)
    _ = try socket.write([2])
    #expect(peer.takeSent().last?.tos == 0x20)
  }

  @Test func `PSH ends what was written`() throws {
    let peer = try RawPeer()
    let socket = try peer.open(try peer.listen())
    _ = try socket.write([UInt8](repeating: 7, count: 2000))
    let sent = peer.takeSent()
    #expect(sent.last?.has(RawPeer.psh) == true)
    #expect(sent.last?.payload.count == 540)
  }

  @Test func `urgent data is passed like other data`() throws {
    let peer = try RawPeer()
    let socket = try peer.open(try peer.listen())
    try peer.send(RawPeer.ack | RawPeer.urg, [1, 2, 3], urgent: 2)
    _ = peer.takeSent()
    #expect(try socket.read() == [1, 2, 3])
  }
}

import Glibc
import HopyardWire
import Testing

@Suite struct IPv4AddressTests {
  @Test(arguments: [
    ("0.0.0.0", 0 as UInt32), ("10.0.0.1", 0x0a00_0001), ("255.255.255.255", .max),
    ("192.168.100.9", 0xc0a8_6409),
  ])
  func `a dotted quad is read and printed`(text: String, value: UInt32) throws {
    let address = try #require(IPv4Address(text))
    #expect(address.rawValue == value)
    #expect(address.description == text)
  }

  @Test(arguments: [
    "", ".", "1", "1.2.3", "1.2.3.4.5", "1.2.3.", ".1.2.3", "1..2.3", "256.0.0.1", "01.2.3.4",
    "1.2.3.04", "1.2.3.4 ", " 1.2.3.4", "+1.2.3.4", "-1.2.3.4", "1.2.3.4/24", "0x1.2.3.4",
    "1.2.3.1000", "a.b.c.d", "１.2.3.4", "99999999999999999999.0.0.1",
  ])
  func `anything else is no strict address`(text: String) {
    #expect(IPv4Address(text) == nil)
  }

  @Test(arguments: [
    ("127.1", "127.0.0.1"), ("0x0a000002", "10.0.0.2"), ("012.0.0.2", "10.0.0.2"),
    ("2130706433", "127.0.0.1"), ("10.0.258", "10.0.1.2"), ("10.65538", "10.1.0.2"),
    ("0", "0.0.0.0"), ("0X7f.1", "127.0.0.1"), ("4294967295", "255.255.255.255"),
    ("1.2.3.4", "1.2.3.4"), ("0xff.0377.255.0", "255.255.255.0"),
  ])
  func `the forms of inet_aton are read`(text: String, expected: String) throws {
    let address = try #require(IPv4Address.inetAton(text))
    #expect(address.description == expected)
  }

  @Test(arguments: [
    "", "08.1.1.1", "0x", "256.1", "1.2.65536", "1.16777216", "4294967296", "1.2.3.4.5", "1.", "-1",
    "1.2.3.256", "name", "1.2.3.4x",
  ])
  func `what inet_aton refuses is refused`(text: String) {
    #expect(IPv4Address.inetAton(text) == nil)
  }

  @Test(arguments: [
    ("10", "10.0.0.0"), ("10.1", "10.1.0.0"), ("192.168.7", "192.168.7.0"), ("1.2.3.4", "1.2.3.4"),
  ])
  func `missing octets of a network are zeros`(text: String, expected: String) {
    #expect(IPv4Address.leadingOctets(text)?.description == expected)
  }

  @Test(arguments: ["", "256", "1.2.3.4.5", "1.", "x"])
  func `a network needs octets`(text: String) {
    #expect(IPv4Address.leadingOctets(text) == nil)
  }

  @Test func `random text is read as the C library reads it`() {
    var random = SeededGenerator(seed: 1)
    for _ in 0..<20_000 {
      let text = random.text(from: "00112589.....xaf", lengths: 1...14)
      var raw = in_addr()
      let strict = inet_pton(AF_INET, text, &raw) == 1 ? UInt32(bigEndian: raw.s_addr) : nil
      #expect(IPv4Address(text)?.rawValue == strict, "\(text)")
      let loose = inet_aton(text, &raw) != 0 ? UInt32(bigEndian: raw.s_addr) : nil
      #expect(IPv4Address.inetAton(text)?.rawValue == loose, "\(text)")
    }
  }

  @Test func `every address comes back from its text`() {
    var random = SeededGenerator(seed: 2)
    for _ in 0..<5_000 {
      let address = IPv4Address(rawValue: UInt32(truncatingIfNeeded: random.next()))
      #expect(IPv4Address(address.description) == address)
      let octets = address.octets
      #expect(IPv4Address(octets.0, octets.1, octets.2, octets.3) == address)
    }
  }

  @Test func `the kinds of addresses are told apart`() {
    #expect(IPv4Address(224, 0, 0, 1).isMulticast && IPv4Address(239, 255, 255, 255).isMulticast)
    #expect(!IPv4Address(223, 255, 255, 255).isMulticast && !IPv4Address(240, 0, 0, 0).isMulticast)
    #expect(IPv4Address.allSystems.isLocalMulticast && !IPv4Address(224, 0, 1, 0).isLocalMulticast)
    #expect(IPv4Address(127, 255, 0, 1).isLoopback && IPv4Address.loopback.isLoopback)
    #expect(IPv4Address.broadcast.isBroadcast && !IPv4Address.broadcast.isMulticast)
    #expect(IPv4Address(169, 254, 1, 2).isLinkLocal && !IPv4Address(169, 255, 1, 2).isLinkLocal)
    #expect(IPv4Address.any.isAny && IPv4Address(0, 1, 2, 3).isZeroNetwork)
  }

  @Test func `addresses are ordered as integers`() {
    #expect(IPv4Address(9, 255, 255, 255) < IPv4Address(10, 0, 0, 0))
    #expect(IPv4Address(10, 0, 0, 0) < IPv4Address(192, 0, 0, 0))
  }
}

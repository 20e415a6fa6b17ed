import Glibc
import HopyardWire
import Testing

@Suite struct IPv6AddressTests {
  @Test(arguments: [
    ("::", "::"), ("::1", "::1"), ("0:0:0:0:0:0:0:1", "::1"), ("2001:DB8::1", "2001:db8::1"),
    ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"), ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
    ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"), ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"),
    ("fe80::0042:acff:fe11:2", "fe80::42:acff:fe11:2"), ("::ffff:10.0.0.1", "::ffff:10.0.0.1"),
    ("::ffff:a00:1", "::ffff:10.0.0.1"), ("64:ff9b::192.0.2.1", "64:ff9b::c000:201"),
    ("ff02::1:ff00:1", "ff02::1:ff00:1"), ("1::", "1::"),
  ])
  func `an address is printed as RFC 5952 asks`(text: String, expected: String) {
    #expect(IPv6Address(text)?.description == expected)
  }

  @Test(arguments: [
    "", ":", ":::", "1", "1:", ":1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3", "12345::",
    "g::", "::1%eth0", "1:2:3:4:5:6:7:8::", "::1 ", "1:2:3:4:5:6:7:1.2.3.4", "::1.2.3", "1.2.3.4",
    "::1.2.3.4:5", "1:::2",
  ])
  func `anything else is refused`(text: String) {
    #expect(IPv6Address(text) == nil)
  }

  @Test func `random text is read as the C library reads it`() {
    var random = SeededGenerator(seed: 3)
    for _ in 0..<20_000 {
      let text = random.text(from: "0012af::::::.", lengths: 2...18)
      var raw = in6_addr()
      let accepted = inet_pton(AF_INET6, text, &raw) == 1
      let expected = accepted ? withUnsafeBytes(of: raw) { Array($0) } : nil
      let found = IPv6Address(text).map { address in
        withUnsafeBytes(of: address.rawValue.bigEndian) { Array($0) }
      }
      #expect(found == expected, "\(text)")
    }
  }

  @Test func `every address comes back from its text`() {
    var random = SeededGenerator(seed: 4)
    for _ in 0..<5_000 {
      // Half of the groups are zero, so that there are gaps of all kinds.
      var value: UInt128 = 0
      for _ in 0..<8 {
        let bits = random.next()
        value = value << 16 | (bits & 1 == 0 ? 0 : UInt128(bits >> 48))
      }
      let address = IPv6Address(rawValue: value)
      #expect(IPv6Address(address.description) == address)
    }
  }

  @Test func `the kinds of addresses are told apart`() throws {
    #expect(try #require(IPv6Address("febf::1")).isLinkLocal)
    #expect(try !#require(IPv6Address("fec0::1")).isLinkLocal)
    #expect(try #require(IPv6Address("ff02::1")).isMulticast)
    #expect(IPv6Address.loopback.isLoopback && IPv6Address.any.isAny)
    #expect(IPv6Address(mapped: IPv4Address(1, 2, 3, 4)).mapped == IPv4Address(1, 2, 3, 4))
    #expect(IPv6Address.loopback.mapped == nil)
  }

  @Test func `an address of either version is read`() {
    #expect(IPAddress("10.0.0.1") == .v4(IPv4Address(10, 0, 0, 1)))
    #expect(IPAddress("::1") == .v6(.loopback))
    #expect(IPAddress("10.0.0") == nil)
    #expect(IPAddress.v4(.broadcast) < .v6(.any))
    #expect(IPAddress.v6(.loopback).isLoopback && !IPAddress.v4(.any).isMulticast)
  }
}

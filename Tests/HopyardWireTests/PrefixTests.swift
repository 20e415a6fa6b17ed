import HopyardWire
import Testing

@Suite struct PrefixTests {
  @Test(arguments: [
    ("10.0.0.1/24", "10.0.0.0/24", "10.0.0.255", "255.255.255.0"),
    ("10.0.0.1/32", "10.0.0.1/32", "10.0.0.1", "255.255.255.255"),
    ("10.0.0.1/31", "10.0.0.0/31", "10.0.0.1", "255.255.255.254"),
    ("172.17.5.6/12", "172.16.0.0/12", "172.31.255.255", "255.240.0.0"),
    ("1.2.3.4/0", "0.0.0.0/0", "255.255.255.255", "0.0.0.0"),
  ])
  func `a prefix keeps its address and knows its network`(
    text: String,
    network: String,
    broadcast: String,
    mask: String
  ) throws {
    let prefix = try #require(IPv4Prefix(text))
    #expect(prefix.description == text)
    #expect(prefix.network.description == network)
    #expect(prefix.broadcast.description == broadcast)
    #expect(prefix.mask.description == mask)
    #expect(IPv4Prefix(prefix.address, mask: prefix.mask) == prefix)
    #expect(prefix.contains(prefix.address) && prefix.contains(prefix.broadcast))
    #expect(prefix == IPv4Prefix(prefix.address, length: prefix.length))
  }

  @Test(arguments: [
    "", "/", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/24/1", "10/8", "/24",
    "10.0.0.0/a", "10.0.0.0/255.255.255.0", "10.0.0.0/024",
  ])
  func `anything else is no prefix`(text: String) {
    #expect(IPv4Prefix(text) == nil)
  }

  @Test func `a bare address is a prefix of its own`() {
    #expect(IPv4Prefix("10.0.0.1")?.description == "10.0.0.1/32")
    #expect(IPv6Prefix("::1")?.description == "::1/128")
  }

  @Test(arguments: -1...33)
  func `lengths outside the range are brought inside`(length: Int) {
    let prefix = IPv4Prefix(IPv4Address(10, 1, 2, 3), length: length)
    #expect(prefix.length == min(32, max(0, length)))
    #expect(prefix.mask.rawValue.nonzeroBitCount == prefix.length)
    #expect(IPv4Prefix.mask(length: length) == prefix.mask)
  }

  @Test func `a longer prefix may be inside a shorter one`() throws {
    let wide = try #require(IPv4Prefix("10.0.0.0/8"))
    let narrow = try #require(IPv4Prefix("10.20.0.0/16"))
    #expect(wide.contains(narrow) && !narrow.contains(wide))
    #expect(wide < narrow)
    #expect(IPv4Prefix.any.contains(wide))
    #expect(!wide.contains(IPv4Address(11, 0, 0, 0)))
  }

  @Test(arguments: [
    ("2001:db8::5/32", "2001:db8::/32"), ("fe80::1/64", "fe80::/64"), ("::1/128", "::1/128"),
    ("ff::/0", "::/0"), ("8000::/1", "8000::/1"),
  ])
  func `an IPv6 prefix knows its network`(text: String, network: String) throws {
    let prefix = try #require(IPv6Prefix(text))
    #expect(prefix.description == text)
    #expect(prefix.network.description == network)
    #expect(prefix.contains(prefix.address) && prefix.contains(prefix.network))
  }

  @Test(arguments: ["::/129", "::/", "1/1", "::/x"])
  func `anything else is no IPv6 prefix`(text: String) {
    #expect(IPv6Prefix(text) == nil)
  }

  @Test(arguments: [
    ("10.1.2.3/255.0.255.0", "10.1.2.3/255.0.255.0", "10.0.2.0/255.0.255.0"),
    ("10.1.2.3/255.255.0.0", "10.1.2.3/16", "10.1.0.0/16"),
    ("10.1.2.3/8", "10.1.2.3/8", "10.0.0.0/8"), ("10.1.2.3", "10.1.2.3/32", "10.1.2.3/32"),
    ("0.0.0.0/0.0.0.0", "0.0.0.0/0", "0.0.0.0/0"),
  ])
  func `a masked address takes any mask`(text: String, printed: String, network: String) throws {
    let masked = try #require(IPv4MaskedAddress(text))
    #expect(masked.description == printed)
    #expect(masked.network.description == network)
    #expect(IPv4MaskedAddress(printed) == masked)
  }

  @Test func `only the bits of the mask count`() throws {
    let masked = try #require(IPv4MaskedAddress("10.1.2.3/255.0.255.0"))
    #expect(masked.contains(IPv4Address(10, 9, 2, 9)))
    #expect(!masked.contains(IPv4Address(10, 1, 3, 3)))
    #expect(masked.prefix == nil)
    #expect(IPv4MaskedAddress.any.contains(.broadcast))
  }

  @Test(arguments: ["", "10.0.0.0/255.0", "10/8", "1.2.3.4/33", "/255.0.0.0", "1.2.3.4/1.2.3.4/5"])
  func `anything else is no masked address`(text: String) {
    #expect(IPv4MaskedAddress(text) == nil)
  }
}

import HopyardWire
import Testing

@Suite struct LinkAddressTests {
  @Test(arguments: [
    ("02:42:ac:11:00:02", "02:42:ac:11:00:02"), ("2:42:AC:11:0:2", "02:42:ac:11:00:02"),
    ("ff:ff:ff:ff:ff:ff", "ff:ff:ff:ff:ff:ff"), ("00:00:00:00:00:00", "00:00:00:00:00:00"),
  ])
  func `an Ethernet address is read and printed`(text: String, expected: String) {
    #expect(MACAddress(text)?.description == expected)
  }

  @Test(arguments: [
    "", "02:42:ac:11:00", "02:42:ac:11:00:02:03", "02-42-ac-11-00-02", "0242ac110002",
    "002:42:ac:11:00:02", "02:42:ac:11:00:0g", "02:42:ac:11:00:", " 02:42:ac:11:00:02",
  ])
  func `anything else is refused`(text: String) {
    #expect(MACAddress(text) == nil)
  }

  @Test func `the kinds of Ethernet addresses are told apart`() {
    let own = MACAddress(0x02, 0x42, 0xac, 0x11, 0, 2)
    #expect(own.isLocallyAdministered && own.isValidForDevice && !own.isMulticast)
    #expect(MACAddress.broadcast.isMulticast && MACAddress.broadcast.isBroadcast)
    #expect(MACAddress.zero.isZero && !MACAddress.zero.isValidForDevice)
    #expect(MACAddress(0x01, 0x80, 0xc2, 0, 0, 0x0e).isBridgeReserved)
    #expect(!MACAddress(0x01, 0x80, 0xc2, 0, 0, 0x10).isBridgeReserved)
    #expect(MACAddress(rawValue: .max) == .broadcast)
    #expect(MACAddress.zero < own)
  }

  @Test func `groups have Ethernet addresses`() throws {
    let group = MACAddress(multicast: IPv4Address(239, 129, 2, 3))
    #expect(group.description == "01:00:5e:01:02:03")
    let solicited = try #require(IPv6Address("ff02::1:ff11:2233"))
    #expect(MACAddress(multicast: solicited).description == "33:33:ff:11:22:33")
  }

  @Test(arguments: [
    ("IPv4", 0x0800 as UInt16, "IPv4"), ("arp", 0x0806, "ARP"), ("0x8100", 0x8100, "802.1Q"),
    ("802.1q-qinq", 0x88a8, "802.1Q-QinQ"), ("34525", 0x86dd, "IPv6"), ("0x88cc", 0x88cc, "0x88cc"),
    ("0", 0, "0x0000"),
  ])
  func `an EtherType has a name or a number`(text: String, value: UInt16, printed: String) throws {
    let type = try #require(EtherType(text))
    #expect(type.rawValue == value)
    #expect(type.description == printed)
    #expect(EtherType(printed) == type)
  }

  @Test(arguments: [
    ("tcp", 6 as UInt8, "tcp"), ("UDP", 17, "udp"), ("icmp", 1, "icmp"), ("4", 4, "ipencap"),
    ("ipip", 94, "ipip"), ("icmpv6", 58, "ipv6-icmp"), ("253", 253, "253"), ("hopopt", 0, "ip"),
  ])
  func `a protocol has the name of etc protocols`(
    text: String,
    value: UInt8,
    printed: String
  ) throws {
    let found = try #require(IPProtocol(text))
    #expect(found.rawValue == value)
    #expect(found.description == printed)
    #expect(IPProtocol(printed) == found)
  }

  @Test func `what names no protocol is refused`() {
    #expect(EtherType("65536") == nil && EtherType("") == nil && EtherType("ipx") == nil)
    #expect(IPProtocol("256") == nil && IPProtocol("") == nil && IPProtocol("0x6") == nil)
  }

  @Test func `every protocol number comes back from its text`() {
    for number in UInt8.min...UInt8.max {
      let found = IPProtocol(rawValue: number)
      #expect(IPProtocol(found.description) == found)
    }
  }
}

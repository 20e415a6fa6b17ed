/// Numbers with a meaning of their own, and the words that the canonical texts use for them.
enum WellKnown {
  static let vxlanPorts: Set<Int> = [4789, 8472]
  static let genevePort = 6081
  static let wireGuardPorts: Set<Int> = [51820, 51821]
  static let dnsPorts: Set<Int> = [53, 5300, 5353, 15053]

  static let wireGuardMessages = [
    1: "handshake-initiation", 2: "handshake-response", 3: "cookie", 4: "data",
  ]

  static let dnsTypes = [
    1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 12: "PTR", 15: "MX", 16: "TXT", 28: "AAAA", 33: "SRV",
    41: "OPT", 65: "HTTPS", 255: "ANY",
  ]

  static let dnsResponses = [
    0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED",
  ]

  /// ICMP destination unreachable.
  static let unreachable = [
    0: "net", 1: "host", 2: "protocol", 3: "port", 4: "frag-needed", 5: "source-route",
    6: "net-unknown", 7: "host-unknown", 9: "net-prohibited", 10: "host-prohibited",
    13: "admin-prohibited",
  ]

  /// ICMPv6 destination unreachable.
  static let unreachable6 = [
    0: "no-route", 1: "admin-prohibited", 2: "beyond-scope", 3: "address", 4: "port", 5: "policy",
    6: "reject-route",
  ]

  /// What times that count down are rounded up to, in seconds.
  static let timeouts = [10, 30, 60, 120, 300, 600, 86400, 432_000]

  /// The word for an IP protocol in a packet's text.
  static func ipProtocol(_ number: Int) -> String {
    switch number {
    case 1: "icmp"
    case 2: "igmp"
    case 6: "tcp"
    case 17: "udp"
    default: "proto=\(number)"
    }
  }
}

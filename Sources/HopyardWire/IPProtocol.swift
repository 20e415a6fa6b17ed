/// The protocol that an IP packet carries.
@frozen
public struct IPProtocol: RawRepresentable, Hashable, Sendable {
  /// The number in the header.
  public let rawValue: UInt8

  /// Makes a protocol from its number.
  @inlinable
  public init(rawValue: UInt8) {
    self.rawValue = rawValue
  }

  /// ICMP for IPv4, 1.
  @inlinable public static var icmp: IPProtocol { IPProtocol(rawValue: 1) }
  /// IGMP, 2.
  @inlinable public static var igmp: IPProtocol { IPProtocol(rawValue: 2) }
  /// IPv4 in IP, 4, which /etc/protocols calls ipencap.
  @inlinable public static var ipip: IPProtocol { IPProtocol(rawValue: 4) }
  /// TCP, 6.
  @inlinable public static var tcp: IPProtocol { IPProtocol(rawValue: 6) }
  /// UDP, 17.
  @inlinable public static var udp: IPProtocol { IPProtocol(rawValue: 17) }
  /// DCCP, 33.
  @inlinable public static var dccp: IPProtocol { IPProtocol(rawValue: 33) }
  /// IPv6 in IP, 41.
  @inlinable public static var ipv6: IPProtocol { IPProtocol(rawValue: 41) }
  /// GRE, 47.
  @inlinable public static var gre: IPProtocol { IPProtocol(rawValue: 47) }
  /// IPsec's encapsulating security payload, 50.
  @inlinable public static var esp: IPProtocol { IPProtocol(rawValue: 50) }
  /// IPsec's authentication header, 51.
  @inlinable public static var ah: IPProtocol { IPProtocol(rawValue: 51) }
  /// ICMP for IPv6, 58.
  @inlinable public static var icmpv6: IPProtocol { IPProtocol(rawValue: 58) }
  /// SCTP, 132.
  @inlinable public static var sctp: IPProtocol { IPProtocol(rawValue: 132) }
  /// UDP-Lite, 136.
  @inlinable public static var udplite: IPProtocol { IPProtocol(rawValue: 136) }
  /// What a raw socket sends without telling, 255.
  @inlinable public static var raw: IPProtocol { IPProtocol(rawValue: 255) }

  /// Whether the header begins with a source and a destination port.
  @inlinable public var hasPorts: Bool {
    switch rawValue {
    case 6, 17, 33, 132, 136: true
    default: false
    }
  }
}

extension IPProtocol: Comparable {
  /// Orders by number.
  @inlinable
  public static func < (left: IPProtocol, right: IPProtocol) -> Bool {
    left.rawValue < right.rawValue
  }
}

extension IPProtocol: LosslessStringConvertible {
  /// The names of /etc/protocols on Debian, by number.
  private static let names: [(UInt8, String)] = [
    (0, "ip"), (1, "icmp"), (2, "igmp"), (3, "ggp"), (4, "ipencap"), (5, "st"), (6, "tcp"),
    (8, "egp"), (9, "igp"), (12, "pup"), (17, "udp"), (20, "hmp"), (22, "xns-idp"), (27, "rdp"),
    (29, "iso-tp4"), (33, "dccp"), (36, "xtp"), (37, "ddp"), (38, "idpr-cmtp"), (41, "ipv6"),
    (43, "ipv6-route"), (44, "ipv6-frag"), (45, "idrp"), (46, "rsvp"), (47, "gre"), (50, "esp"),
    (51, "ah"), (57, "skip"), (58, "ipv6-icmp"), (59, "ipv6-nonxt"), (60, "ipv6-opts"),
    (73, "rspf"), (81, "vmtp"), (88, "eigrp"), (89, "ospf"), (93, "ax.25"), (94, "ipip"),
    (97, "etherip"), (98, "encap"), (103, "pim"), (108, "ipcomp"), (112, "vrrp"), (115, "l2tp"),
    (124, "isis"), (132, "sctp"), (133, "fc"), (135, "mobility-header"), (136, "udplite"),
    (137, "mpls-in-ip"), (138, "manet"), (139, "hip"), (140, "shim6"), (141, "wesp"),
    (142, "rohc"), (143, "ethernet"),
  ]

  /// Other words for the same protocols that commands accept.
  private static let aliases: [(UInt8, String)] = [
    (0, "hopopt"), (4, "ip-encap"), (58, "icmpv6"), (58, "icmp6"), (89, "ospfigp"), (135, "mh"),
    (135, "ipv6-mh"),
  ]

  /// Reads a name of /etc/protocols in any case, or a decimal number.
  ///
  /// The word `ipip` is protocol 94 there; ``ipip`` (protocol 4) is called `ipencap`.
  public init?(_ description: String) {
    let text = description.lowercased()
    if let known = (Self.names + Self.aliases).first(where: { $0.1 == text }) {
      self.init(rawValue: known.0)
      return
    }
    var scanner = TextScanner(text)
    guard let number = scanner.number(), scanner.isAtEnd, let value = UInt8(exactly: number)
    else { return nil }
    self.init(rawValue: value)
  }

  /// The name in /etc/protocols, or the number in decimal.
  public var description: String {
    Self.names.first { $0.0 == rawValue }?.1 ?? String(rawValue)
  }

  /// The name that tcpdump prints before the number, such as `ICMP`.
  public var tcpdumpName: String {
    switch rawValue {
    case 0: "Options"
    case 4: "IPIP"
    case 41: "IPv6"
    case 58: "ICMPv6"
    default: Self.names.first { $0.0 == rawValue }?.1.uppercased() ?? "unknown"
    }
  }
}

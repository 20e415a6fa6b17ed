import HopyardSimulator
import HopyardWire

/// The names of numbers that iproute2 reads from `/etc/iproute2` and `/etc/protocols`.
enum IprouteNames {
  private static let protocols: [(UInt8, String)] = [
    (0, "unspec"), (1, "redirect"), (2, "kernel"), (3, "boot"), (4, "static"), (8, "gated"),
    (9, "ra"), (10, "mrt"), (11, "zebra"), (12, "bird"), (13, "dnrouted"), (14, "xorp"),
    (15, "ntk"), (16, "dhcp"), (18, "keepalived"), (42, "babel"), (99, "openr"), (186, "bgp"),
    (187, "isis"), (188, "ospf"), (189, "rip"), (192, "eigrp"),
  ]

  private static let scopes: [(UInt8, String)] = [
    (0, "global"), (255, "nowhere"), (254, "host"), (253, "link"), (200, "site"),
  ]

  private static let tables: [(UInt32, String)] = [
    (255, "local"), (254, "main"), (253, "default"), (0, "unspec"),
  ]

  private static let fields: [(UInt8, String)] = [
    (0x00, "default"), (0x28, "AF11"), (0x30, "AF12"), (0x38, "AF13"), (0x48, "AF21"),
    (0x50, "AF22"), (0x58, "AF23"), (0x68, "AF31"), (0x70, "AF32"), (0x78, "AF33"),
    (0x88, "AF41"), (0x90, "AF42"), (0x98, "AF43"), (0x20, "CS1"), (0x40, "CS2"), (0x60, "CS3"),
    (0x80, "CS4"), (0xa0, "CS5"), (0xc0, "CS6"), (0xe0, "CS7"), (0xb8, "EF"),
  ]

  private static let types: [(RouteType, String)] = [
    (.unspecified, "none"), (.unicast, "unicast"), (.local, "local"),
    (.broadcast, "broadcast"), (.anycast, "anycast"), (.multicast, "multicast"),
    (.blackhole, "blackhole"), (.unreachable, "unreachable"), (.prohibit, "prohibit"),
    (.throw, "throw"),
  ]

  private static let ipProtocols: [(UInt8, String)] = [
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

  /// A number in C notation: decimal, `0x` hexadecimal or `0` octal.
  static func number(_ text: String, limit: UInt64 = UInt64(UInt32.max)) -> UInt64? {
    let value: UInt64?
    if text.hasPrefix("0x") || text.hasPrefix("0X") {
      value = plain(text.dropFirst(2), radix: 16)
    } else if text.hasPrefix("0"), text.count > 1 {
      value = plain(text.dropFirst(), radix: 8)
    } else {
      value = plain(text[...], radix: 10)
    }
    guard let value, value <= limit else { return nil }
    return value
  }

  private static func plain(_ digits: Substring, radix: Int) -> UInt64? {
    guard let first = digits.first, first != "+", first != "-" else { return nil }
    return UInt64(digits, radix: radix)
  }

  // MARK: Route protocols

  static func text(_ value: RouteProtocol, isNumeric: Bool = false) -> String {
    (isNumeric ? nil : protocols.first { $0.0 == value.rawValue }?.1) ?? String(value.rawValue)
  }

  static func routeProtocol(_ text: String) -> RouteProtocol? {
    if let known = protocols.first(where: { $0.1 == text }) {
      return RouteProtocol(rawValue: known.0)
    }
    return number(text, limit: 255).map { RouteProtocol(rawValue: UInt8($0)) }
  }

  // MARK: Scopes

  static func text(_ value: RouteScope, isNumeric: Bool = false) -> String {
    (isNumeric ? nil : scopes.first { $0.0 == value.rawValue }?.1) ?? String(value.rawValue)
  }

  static func scope(_ text: String) -> RouteScope? {
    if let known = scopes.first(where: { $0.1 == text }) { return RouteScope(rawValue: known.0) }
    return number(text, limit: 255).map { RouteScope(rawValue: UInt8($0)) }
  }

  // MARK: Tables

  static func table(_ value: UInt32, isNumeric: Bool = false) -> String {
    (isNumeric ? nil : tables.first { $0.0 == value }?.1) ?? String(value)
  }

  static func table(_ text: String) -> UInt32? {
    tables.first { $0.1 == text }?.0 ?? number(text).map { UInt32($0) }
  }

  // MARK: Types of service

  static func field(_ value: UInt8, isNumeric: Bool = false) -> String {
    if !isNumeric, let known = fields.first(where: { $0.0 == value }) { return known.1 }
    let hex = String(value, radix: 16)
    return "0x" + (hex.count < 2 ? "0" : "") + hex
  }

  /// A type of service, of which numbers are hexadecimal with or without `0x`.
  static func field(_ text: String) -> UInt8? {
    if let known = fields.first(where: { $0.1 == text }) { return known.0 }
    let digits = text.hasPrefix("0x") || text.hasPrefix("0X") ? text.dropFirst(2) : text[...]
    return plain(digits, radix: 16).flatMap { UInt8(exactly: $0) }
  }

  // MARK: Route types

  static func text(_ value: RouteType) -> String {
    types.first { $0.0 == value }?.1 ?? String(value.rawValue)
  }

  /// A type of route by its name, which may be abbreviated for most, or by its number where
  /// `takesNumbers`.
  static func routeType(_ text: String, takesNumbers: Bool = true) -> RouteType? {
    if text == "local" { return .local }
    if text == "throw" { return .throw }
    if text == "brd" { return .broadcast }
    for type in [
      RouteType.broadcast, .anycast, .multicast, .prohibit, .unreachable, .blackhole, .unicast,
    ] where IpOptions.matches(text, Self.text(type)) {
      return type
    }
    guard takesNumbers, let value = number(text, limit: 9) else { return nil }
    return RouteType(rawValue: UInt8(value))
  }

  // MARK: Protocols above IP

  static func ipProtocol(_ value: UInt8, isNumeric: Bool = false) -> String {
    (isNumeric ? nil : ipProtocols.first { $0.0 == value }?.1) ?? "ipproto-\(value)"
  }

  static func ipProtocol(_ text: String) -> UInt8? {
    if let value = number(text, limit: 255) { return UInt8(value) }
    return ipProtocols.first { $0.1 == text }?.0
  }

  // MARK: Realms

  /// Realms as they stand in a route: `FROM/TO`, or `TO` alone.
  static func realms(_ text: String) -> UInt32? {
    let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    let values = parts.map { part -> UInt64? in
      part == "cosmos" ? 0 : number(String(part), limit: 65535)
    }
    guard let last = values.last, let to = last else { return nil }
    guard values.count > 1 else { return UInt32(to) }
    guard let from = values[0] else { return nil }
    return UInt32(from) << 16 | UInt32(to)
  }

  static func realm(_ value: UInt32) -> String { value == 0 ? "cosmos" : String(value) }
}

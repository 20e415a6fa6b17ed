/// The type of a resource record or a question (RFC 1035 §3.2.2, and IANA's registry).
public struct DNSRecordType: RawRepresentable, Hashable, Sendable {
  /// The number in messages.
  public let rawValue: UInt16

  /// Takes the number.
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// An IPv4 address.
  public static let a = DNSRecordType(rawValue: 1)
  /// A name server.
  public static let ns = DNSRecordType(rawValue: 2)
  /// The name that this one is an alias of.
  public static let cname = DNSRecordType(rawValue: 5)
  /// The start of a zone.
  public static let soa = DNSRecordType(rawValue: 6)
  /// The name of an address.
  public static let ptr = DNSRecordType(rawValue: 12)
  /// A mail server.
  public static let mx = DNSRecordType(rawValue: 15)
  /// Text.
  public static let txt = DNSRecordType(rawValue: 16)
  /// An IPv6 address (RFC 3596).
  public static let aaaa = DNSRecordType(rawValue: 28)
  /// A server of a service (RFC 2782).
  public static let srv = DNSRecordType(rawValue: 33)
  /// The pseudo-record of EDNS (RFC 6891).
  public static let opt = DNSRecordType(rawValue: 41)
  /// A transfer of a zone.
  public static let axfr = DNSRecordType(rawValue: 252)
  /// All types.
  public static let any = DNSRecordType(rawValue: 255)
  /// Who may issue certificates (RFC 8659).
  public static let caa = DNSRecordType(rawValue: 257)

  static let names: [(name: String, number: UInt16)] = [
    ("A", 1), ("NS", 2), ("MD", 3), ("MF", 4), ("CNAME", 5), ("SOA", 6), ("MB", 7), ("MG", 8),
    ("MR", 9), ("NULL", 10), ("WKS", 11), ("PTR", 12), ("HINFO", 13), ("MINFO", 14), ("MX", 15),
    ("TXT", 16), ("RP", 17), ("AFSDB", 18), ("X25", 19), ("ISDN", 20), ("RT", 21), ("SIG", 24),
    ("KEY", 25), ("AAAA", 28), ("LOC", 29), ("SRV", 33), ("NAPTR", 35), ("KX", 36), ("CERT", 37),
    ("DNAME", 39), ("OPT", 41), ("APL", 42), ("DS", 43), ("SSHFP", 44), ("IPSECKEY", 45),
    ("RRSIG", 46), ("NSEC", 47), ("DNSKEY", 48), ("DHCID", 49), ("NSEC3", 50),
    ("NSEC3PARAM", 51), ("TLSA", 52), ("SMIMEA", 53), ("HIP", 55), ("CDS", 59), ("CDNSKEY", 60),
    ("OPENPGPKEY", 61), ("CSYNC", 62), ("ZONEMD", 63), ("SVCB", 64), ("HTTPS", 65), ("SPF", 99),
    ("TSIG", 250), ("IXFR", 251), ("AXFR", 252), ("ANY", 255), ("URI", 256), ("CAA", 257),
  ]

  /// Reads `A`, `aaaa` or `TYPE65`.
  public init?(_ text: String) {
    let upper = text.uppercased()
    if let known = Self.names.first(where: { $0.name == upper }) {
      self.init(rawValue: known.number)
    } else if upper.hasPrefix("TYPE"), let number = UInt16(upper.dropFirst(4)) {
      self.init(rawValue: number)
    } else {
      return nil
    }
  }
}

extension DNSRecordType: CustomStringConvertible {
  /// The name of the type, or `TYPE` and its number (RFC 3597 §5).
  public var description: String {
    Self.names.first { $0.number == rawValue }?.name ?? "TYPE\(rawValue)"
  }
}

/// The class of a record: the Internet's in practice.
public struct DNSClass: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
  /// The number in messages.
  public let rawValue: UInt16

  /// Takes the number.
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// The Internet.
  public static let internet = DNSClass(rawValue: 1)
  /// Chaosnet, under which servers tell their version.
  public static let chaos = DNSClass(rawValue: 3)
  /// Hesiod.
  public static let hesiod = DNSClass(rawValue: 4)
  /// No class (RFC 2136).
  public static let none = DNSClass(rawValue: 254)
  /// Any class.
  public static let any = DNSClass(rawValue: 255)

  /// Reads `IN`, `ch` or `CLASS32`.
  public init?(_ text: String) {
    switch text.uppercased() {
    case "IN": self = .internet
    case "CH": self = .chaos
    case "HS": self = .hesiod
    case "NONE": self = .none
    case "ANY": self = .any
    case let upper:
      guard upper.hasPrefix("CLASS"), let number = UInt16(upper.dropFirst(5)) else { return nil }
      self.init(rawValue: number)
    }
  }

  /// The name of the class.
  public var description: String {
    switch self {
    case .internet: "IN"
    case .chaos: "CH"
    case .hesiod: "HS"
    case .none: "NONE"
    case .any: "ANY"
    default: "CLASS\(rawValue)"
    }
  }
}

/// What became of a query (RFC 1035 §4.1.1, RFC 6895 §2.3).
public struct DNSResponseCode: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
  /// The number; above 15 only with EDNS.
  public let rawValue: UInt16

  /// Takes the number.
  public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// The answer is what there is, which may be nothing.
  public static let noError = DNSResponseCode(rawValue: 0)
  /// The query made no sense.
  public static let formatError = DNSResponseCode(rawValue: 1)
  /// The server could not find out.
  public static let serverFailure = DNSResponseCode(rawValue: 2)
  /// The name does not exist.
  public static let nameError = DNSResponseCode(rawValue: 3)
  /// The server does not do that.
  public static let notImplemented = DNSResponseCode(rawValue: 4)
  /// The server will not.
  public static let refused = DNSResponseCode(rawValue: 5)
  /// The version of EDNS is not known.
  public static let badVersion = DNSResponseCode(rawValue: 16)

  static let names = [
    "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET",
    "NXRRSET", "NOTAUTH", "NOTZONE", "DSOTYPENI", "RESERVED12", "RESERVED13", "RESERVED14",
    "RESERVED15", "BADVERS",
  ]

  /// The name by which `dig` calls it.
  public var description: String {
    Int(rawValue) < Self.names.count ? Self.names[Int(rawValue)] : String(rawValue)
  }
}

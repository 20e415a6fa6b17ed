/// A resource record (RFC 1035 §3.2.1).
public struct DNSRecord: Hashable, Sendable {
  /// The name that it belongs to.
  public var name: DNSName
  /// Its type.
  public var type: DNSRecordType
  /// Its class.
  public var dnsClass: DNSClass
  /// For how many seconds it may be kept.
  public var ttl: UInt32
  /// What it says.
  public var data: DNSRecordData

  /// Makes a record; the type follows from the data.
  public init(
    _ name: DNSName,
    ttl: UInt32,
    _ data: DNSRecordData,
    dnsClass: DNSClass = .internet
  ) {
    self.name = name
    self.type = data.type
    self.dnsClass = dnsClass
    self.ttl = ttl
    self.data = data
  }
}

extension DNSRecord: CustomStringConvertible {
  /// The record as a line of a zone file.
  public var description: String { "\(name)\t\(ttl)\t\(dnsClass)\t\(type)\t\(data)" }
}

/// What a record says.
public enum DNSRecordData: Hashable, Sendable {
  /// An IPv4 address.
  case a(IPv4Address)
  /// An IPv6 address.
  case aaaa(IPv6Address)
  /// A name server's name.
  case ns(DNSName)
  /// What the name is an alias of.
  case cname(DNSName)
  /// The name of an address.
  case ptr(DNSName)
  /// The start of a zone.
  case soa(DNSStartOfAuthority)
  /// A mail server; the lowest preference is tried first.
  case mx(preference: UInt16, exchange: DNSName)
  /// Strings of at most 255 bytes each.
  case txt([[UInt8]])
  /// A server of a service.
  case srv(priority: UInt16, weight: UInt16, port: UInt16, target: DNSName)
  /// Who may issue certificates.
  case caa(flags: UInt8, tag: [UInt8], value: [UInt8])
  /// A type whose data is not looked into.
  case unknown(DNSRecordType, [UInt8])

  /// The type of the record that says this.
  public var type: DNSRecordType {
    switch self {
    case .a: .a
    case .aaaa: .aaaa
    case .ns: .ns
    case .cname: .cname
    case .ptr: .ptr
    case .soa: .soa
    case .mx: .mx
    case .txt: .txt
    case .srv: .srv
    case .caa: .caa
    case .unknown(let type, _): type
    }
  }

  /// A text of any length, in pieces that fit (RFC 1035 §3.3.14).
  public static func txt(_ text: String) -> DNSRecordData {
    let bytes = Array(text.utf8)
    if bytes.isEmpty { return .txt([[]]) }
    let pieces = stride(from: 0, to: bytes.count, by: 255).map {
      Array(bytes[$0..<min($0 + 255, bytes.count)])
    }
    return .txt(pieces)
  }
}

/// The start of a zone: its first server, its keeper and its times (RFC 1035 §3.3.13).
public struct DNSStartOfAuthority: Hashable, Sendable {
  /// The server that has the zone first.
  public var primary: DNSName
  /// The keeper's mailbox, with a dot for the at sign.
  public var mailbox: DNSName
  /// The version of the zone.
  public var serial: UInt32
  /// How often copies are renewed, in seconds.
  public var refresh: UInt32
  /// How soon after a failure it is tried again.
  public var retry: UInt32
  /// After how long a copy is of no use.
  public var expire: UInt32
  /// For how long it may be kept that something does not exist (RFC 2308 §4).
  public var minimum: UInt32

  /// Makes the start of a zone.
  public init(
    primary: DNSName,
    mailbox: DNSName,
    serial: UInt32 = 1,
    refresh: UInt32 = 7200,
    retry: UInt32 = 900,
    expire: UInt32 = 1_209_600,
    minimum: UInt32 = 300
  ) {
    self.primary = primary
    self.mailbox = mailbox
    self.serial = serial
    self.refresh = refresh
    self.retry = retry
    self.expire = expire
    self.minimum = minimum
  }
}

extension DNSRecordData: CustomStringConvertible {
  /// The data as a zone file writes it.
  public var description: String {
    switch self {
    case .a(let address): "\(address)"
    case .aaaa(let address): "\(address)"
    case .ns(let name), .cname(let name), .ptr(let name): "\(name)"
    case .soa(let soa):
      "\(soa.primary) \(soa.mailbox) \(soa.serial) \(soa.refresh) \(soa.retry) \(soa.expire) "
        + "\(soa.minimum)"
    case .mx(let preference, let exchange): "\(preference) \(exchange)"
    case .txt(let strings): strings.map(Self.quoted).joined(separator: " ")
    case .srv(let priority, let weight, let port, let target):
      "\(priority) \(weight) \(port) \(target)"
    case .caa(let flags, let tag, let value):
      "\(flags) \(String(decoding: tag, as: UTF8.self)) \(Self.quoted(value))"
    case .unknown(_, let bytes):
      "\\# \(bytes.count)" + (bytes.isEmpty ? "" : " " + Self.hexadecimal(bytes))
    }
  }

  private static func hexadecimal(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16, uppercase: true) }.joined()
  }

  /// A string between quotation marks, with what is not printable as `\DDD`.
  static func quoted(_ bytes: [UInt8]) -> String {
    var text = "\""
    for byte in bytes {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): text += "\\" + String(UnicodeScalar(byte))
      case 0x20...0x7e: text += String(UnicodeScalar(byte))
      default:
        let digits = String(byte)
        text += "\\" + String(repeating: "0", count: 3 - digits.count) + digits
      }
    }
    return text + "\""
  }
}

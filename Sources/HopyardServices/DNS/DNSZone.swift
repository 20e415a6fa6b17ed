import HopyardWire

/// A zone: all records below a name, up to where others take over.
///
///     let zone = try DNSZone(parsing: """
///       $TTL 300
///       @    SOA ns.lab. admin.lab. 1 2h 15m 2w 5m
///       @    NS  ns
///       ns   A   10.0.0.53
///       web  A   10.0.0.80
///       """, origin: "lab")
public struct DNSZone: Sendable {
  /// The name at the top.
  public let origin: DNSName
  /// The records by name.
  private var records: [DNSName: [DNSRecord]] = [:]
  /// Names that exist because others are below them (RFC 4592 §2.2.2).
  private var nonterminals: [DNSName: Int] = [:]

  /// Makes an empty zone.
  public init(origin: DNSName) {
    self.origin = origin
    nonterminals[origin] = 1
  }

  /// Adds a record; one outside the zone, or one that is there already, is left out.
  ///
  /// - Returns: Whether it was added.
  @discardableResult
  public mutating func add(_ record: DNSRecord) -> Bool {
    guard record.name.isWithin(origin) else { return false }
    let same = records[record.name, default: []].contains {
      $0.type == record.type && $0.data == record.data
    }
    if same { return false }
    if records[record.name] == nil {
      var above = record.name.parent
      while let name = above, name.isWithin(origin) {
        nonterminals[name, default: 0] += 1
        above = name.parent
      }
    }
    records[record.name, default: []].append(record)
    return true
  }

  /// Takes away the records of a name, of one type or of all.
  public mutating func remove(_ name: DNSName, _ type: DNSRecordType? = nil) {
    guard var list = records[name] else { return }
    list.removeAll { type == nil || $0.type == type }
    guard list.isEmpty else {
      records[name] = list
      return
    }
    records[name] = nil
    var above = name.parent
    while let name = above, name.isWithin(origin) {
      nonterminals[name, default: 1] -= 1
      if nonterminals[name] == 0 { nonterminals[name] = nil }
      above = name.parent
    }
  }

  /// The records of a name, without wildcards.
  public func records(of name: DNSName, _ type: DNSRecordType? = nil) -> [DNSRecord] {
    (records[name] ?? []).filter { type == nil || $0.type == type }
  }

  /// All records, in canonical order of their names.
  public var all: [DNSRecord] { records.keys.sorted().flatMap { records[$0] ?? [] } }

  /// The SOA record.
  public var start: DNSRecord? { records(of: origin, .soa).first }

  /// The SOA as negative answers carry it: its TTL is not above its minimum (RFC 2308 §3).
  public var negativeStart: DNSRecord? {
    guard var record = start, case .soa(let soa) = record.data else { return nil }
    record.ttl = min(record.ttl, soa.minimum)
    return record
  }

  /// What a zone has for a question.
  public enum Answer: Hashable, Sendable {
    /// Records of the type.
    case records([DNSRecord])
    /// An alias.
    case alias(DNSRecord, DNSName)
    /// Others have it: their NS records.
    case referral([DNSRecord])
    /// The name has no such records.
    case noData
    /// The name does not exist.
    case noName
  }

  /// Looks up a name in the zone (RFC 1034 §4.3.2, RFC 4592).
  public func lookup(_ name: DNSName, _ type: DNSRecordType) -> Answer {
    guard name.isWithin(origin) else { return .noName }
    // A cut above the name, or at it, hands the question on.
    for cut in name.ancestry.reversed() where cut.isWithin(origin) && cut != origin {
      let servers = records(of: cut, .ns)
      if !servers.isEmpty { return .referral(servers) }
    }
    if let found = records[name] { return answer(found, type) }
    if nonterminals[name] != nil { return .noData }
    // The closest encloser is the longest name above that exists; only its own wildcard counts.
    var encloser = name.parent
    while let above = encloser, above.isWithin(origin) {
      if records[above] != nil || nonterminals[above] != nil {
        guard let wildcard = above.wildcard, let found = records[wildcard] else { return .noName }
        let made = found.map { record in
          var made = record
          made.name = name
          return made
        }
        return answer(made, type)
      }
      encloser = above.parent
    }
    return .noName
  }

  private func answer(_ found: [DNSRecord], _ type: DNSRecordType) -> Answer {
    if type == .any { return .records(found) }
    let wanted = found.filter { $0.type == type }
    if !wanted.isEmpty { return .records(wanted) }
    for record in found {
      if case .cname(let target) = record.data { return .alias(record, target) }
    }
    return .noData
  }

  /// Addresses that the zone holds for a name, also below a cut (glue).
  func addresses(of name: DNSName) -> [DNSRecord] {
    records(of: name).filter { $0.type == .a || $0.type == .aaaa }
  }
}

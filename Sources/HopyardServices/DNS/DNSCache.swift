import HopyardSimulator
import HopyardWire

/// Keeps records, and that there are none, until their time is over (RFC 2308, RFC 2181 §8).
public final class DNSCache {
  private struct Key: Hashable {
    var name: DNSName
    var type: DNSRecordType
  }

  private struct Entry {
    var records: [DNSRecord]
    /// For an answer that there is nothing: the code and the SOA.
    var negative: (code: DNSResponseCode, start: DNSRecord?)?
    var stored: Instant
    var expires: Instant
  }

  /// What is known about a question.
  public enum Hit {
    /// Records, their TTL counted down.
    case records([DNSRecord])
    /// That there are none.
    case nothing(DNSResponseCode, DNSRecord?)
  }

  /// How many sets of records are kept.
  public let capacity: Int
  /// The longest time that records are kept, in seconds.
  public let longest: UInt32
  /// The longest time that it is kept that there are none.
  public let longestNegative: UInt32
  /// The shortest time.
  public let shortest: UInt32
  private var entries: [Key: Entry] = [:]
  private var order: [Key] = []

  /// Makes an empty cache.
  public init(
    capacity: Int = 10_000,
    longest: UInt32 = 86_400,
    longestNegative: UInt32 = 3600,
    shortest: UInt32 = 0
  ) {
    self.capacity = max(capacity, 1)
    self.longest = longest
    self.longestNegative = longestNegative
    self.shortest = shortest
  }

  /// How many sets of records are kept now.
  public var count: Int { entries.count }

  /// Forgets everything.
  public func removeAll() {
    entries = [:]
    order = []
  }

  /// Keeps the records of one name and type.
  public func store(_ records: [DNSRecord], at now: Instant) {
    guard let first = records.first, let ttl = records.map(\.ttl).min() else { return }
    let kept = min(max(ttl, shortest), longest)
    guard kept > 0 else { return }
    insert(
      Key(name: first.name, type: first.type),
      Entry(records: records, negative: nil, stored: now, expires: now + .seconds(Int64(kept)))
    )
  }

  /// Keeps the records of a section, set by set.
  public func storeSets(_ records: [DNSRecord], at now: Instant) {
    var keys: [Key] = []
    var sets: [Key: [DNSRecord]] = [:]
    for record in records {
      let key = Key(name: record.name, type: record.type)
      if sets[key] == nil { keys.append(key) }
      sets[key, default: []].append(record)
    }
    for key in keys { store(sets[key] ?? [], at: now) }
  }

  /// Keeps that there is nothing, for as long as the SOA says; without one it is not kept.
  public func storeNothing(
    _ name: DNSName,
    _ type: DNSRecordType,
    _ code: DNSResponseCode,
    start: DNSRecord?,
    at now: Instant
  ) {
    guard let start, case .soa(let soa) = start.data else { return }
    let kept = min(max(min(start.ttl, soa.minimum), shortest), longestNegative)
    guard kept > 0 else { return }
    // That a name does not exist holds for all types.
    let key = Key(name: name, type: code == .nameError ? .any : type)
    insert(
      key,
      Entry(records: [], negative: (code, start), stored: now, expires: now + .seconds(Int64(kept)))
    )
  }

  private func insert(_ key: Key, _ entry: Entry) {
    if entries[key] == nil {
      order.append(key)
      if order.count > capacity { entries[order.removeFirst()] = nil }
    }
    entries[key] = entry
  }

  /// What is known about a question now.
  public func lookup(_ name: DNSName, _ type: DNSRecordType, at now: Instant) -> Hit? {
    for key in [Key(name: name, type: type), Key(name: name, type: .any)] {
      guard let entry = entries[key], entry.expires > now else { continue }
      let age = UInt32(clamping: (now - entry.stored) / .seconds(1))
      let counted = { (record: DNSRecord) in
        var record = record
        record.ttl = max(record.ttl, self.shortest)
        record.ttl = min(record.ttl, self.longest)
        record.ttl = record.ttl > age ? record.ttl - age : 0
        return record
      }
      if let negative = entry.negative {
        return .nothing(negative.code, negative.start.map(counted))
      }
      if key.type == type { return .records(entry.records.map(counted)) }
    }
    return nil
  }
}

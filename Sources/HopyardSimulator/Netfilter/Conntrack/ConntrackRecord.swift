import HopyardWire

/// One direction of a tracked connection, for people.
public struct ConntrackTupleRecord: Hashable, Sendable {
  /// The source address.
  public var source: IPv4Address
  /// The destination address.
  public var destination: IPv4Address
  /// The source port.
  public var sourcePort: UInt16
  /// The destination port.
  public var destinationPort: UInt16
  /// The ICMP type, code and identifier, of an ICMP connection.
  public var icmpType: UInt8
  /// The ICMP code.
  public var icmpCode: UInt8
  /// The ICMP identifier.
  public var icmpID: UInt16
  /// The zone.
  public var zone: UInt16
  /// Packets, where they are counted.
  public var packets: UInt64
  /// Bytes, where they are counted.
  public var bytes: UInt64

  init(_ tuple: ConntrackTuple<UInt32>, packets: UInt64, bytes: UInt64) {
    source = IPv4Address(rawValue: tuple.source)
    destination = IPv4Address(rawValue: tuple.destination)
    sourcePort = tuple.sourcePort
    destinationPort = tuple.destinationPort
    icmpType = UInt8(tuple.destinationPort >> 8)
    icmpCode = UInt8(tuple.destinationPort & 0xff)
    icmpID = tuple.sourcePort
    zone = tuple.zone
    self.packets = packets
    self.bytes = bytes
  }
}

/// A tracked connection, for people.
public struct ConntrackRecord: Hashable, Sendable {
  /// The protocol.
  public var `protocol`: IPProtocol
  /// As the connection began.
  public var original: ConntrackTupleRecord
  /// As its answers look.
  public var reply: ConntrackTupleRecord
  /// Facts about it.
  public var status: ConnectionFacts
  /// The connection mark.
  public var mark: UInt32
  /// Whole seconds until it expires.
  public var timeout: Int
  /// The state of a TCP connection.
  public var tcpState: ConntrackTCPState?
  /// The helper's name, if it has one.
  public var helper: String?
  /// Its identifier, as `-o id` prints it.
  public var id: UInt32
  /// Whether packets and bytes are counted.
  public var isAccounted: Bool

  init(_ entry: ConntrackEntry<UInt32>, _ account: ConntrackAccount, at now: Instant) {
    `protocol` = IPProtocol(rawValue: entry.original.protocol)
    original = ConntrackTupleRecord(
      entry.original,
      packets: account.packets.0,
      bytes: account.bytes.0
    )
    reply = ConntrackTupleRecord(
      entry.reply,
      packets: account.packets.1,
      bytes: account.bytes.1
    )
    status = entry.status
    mark = entry.mark
    let left = entry.deadline - now.nanoseconds
    timeout = left > 0 ? Int(left / 1_000_000_000) : 0
    tcpState = entry.original.protocol == 6 ? entry.tcp.state : nil
    helper = ConntrackHelper(rawValue: entry.helper)?.name
    id = UInt32(
      truncatingIfNeeded: ConntrackHash.fold(
        UInt64(entry.serial) ^ 0x9e37_79b9_7f4a_7c15,
        UInt64(entry.original.hash) << 32 | 1
      )
    )
    isAccounted = entry.status.contains(.accounted)
  }
}

/// A change in the table, as `conntrack -E` prints it.
public struct ConntrackEvent: Sendable {
  /// What happened.
  public enum Kind: Sendable {
    /// A connection began.
    case new
    /// Its state changed.
    case update
    /// It ended.
    case destroy
  }
  /// What happened.
  public let kind: Kind
  /// The connection after it.
  public let record: ConntrackRecord
  /// Whether a command removed it.
  public let byUserspace: Bool
  /// The process that removed it.
  public let process: Int32
}

/// The counters that `conntrack -S` prints.
public struct ConntrackStatistics: Sendable {
  /// Packets that belong to no connection.
  public var invalid = 0
  /// Entries made.
  public var inserted = 0
  /// Entries that clashed with another.
  public var insertFailed = 0
  /// Packets dropped.
  public var drop = 0
  /// Entries that had to make room.
  public var earlyDrop = 0
  /// Entries for which no room could be made.
  public var earlyDropFailed = 0
  /// Entries removed.
  public var deleted = 0
  /// Entries removed by a command.
  public var deletedByUser = 0
  /// First packets that joined another's entry.
  public var clashResolve = 0

  /// Makes counters at zero.
  public init() {}
}

/// A connection that a helper announced.
public struct ConntrackExpectation: Sendable {
  /// The connection that announced it, as index and generation.
  var master: UInt32
  var masterGeneration: UInt32
  var deadline: Int64
  /// Where it will come from; nil for anywhere.
  public var source: IPv4Address?
  /// Where it will go.
  public var destination: IPv4Address
  /// The port that it will go to.
  public var destinationPort: UInt16
  /// The protocol.
  public var `protocol`: IPProtocol
  /// The announcing connection's original direction.
  public var masterOriginal: ConntrackTupleRecord
  /// The helper's name.
  public var helper: String
  /// Whole seconds until it is forgotten.
  public var timeout: Int
  /// The port before translation.
  var savedPort: UInt16
  /// Whether it is translated as the connection that announced it.
  var followsMaster: Bool
  /// The direction of the announcement.
  var direction: ConntrackDirection
}

extension Conntrack {
  /// The number of entries; those that have expired count until the collector comes, which is
  /// about once a minute.
  public var count: Int {
    let limit = simulation.now.nanoseconds &- Int64.seconds(60)
    for index in table.confirmedIndices() where table.entry(index).pointee.deadline <= limit {
      kill(index)
    }
    return table.count
  }

  /// A connection for people.
  func record(_ entry: UnsafeMutablePointer<Entry>) -> ConntrackRecord {
    ConntrackRecord(entry.pointee, account(of: entry.pointee), at: core.now)
  }

  /// What was counted of a connection.
  func account(of entry: Entry) -> ConntrackAccount {
    guard entry.status.contains(.accounted) else { return ConntrackAccount() }
    return accounts[entry.serial] ?? ConntrackAccount()
  }

  /// The connections in order of their beginning.
  public func records() -> [ConntrackRecord] {
    expire()
    return table.confirmedIndices().map { record(table.entry($0)) }
  }

  /// Removes the connections for which `isWanted` is true, and returns them as they were.
  @discardableResult
  public func remove(
    by process: Int32 = 0,
    where isWanted: (ConntrackRecord) -> Bool
  ) -> [ConntrackRecord] {
    expire()
    remover = process
    var removed: [ConntrackRecord] = []
    for index in table.confirmedIndices() {
      let record = record(table.entry(index))
      guard isWanted(record) else { continue }
      removed.append(record)
      kill(index, byUserspace: true)
    }
    return removed
  }

  /// Removes all connections.
  public func flush(by process: Int32 = 0) { remove(by: process) { _ in true } }

  /// Changes connections, as `conntrack -U` does.
  public func update(_ change: (inout ConntrackRecord) -> Bool) -> [ConntrackRecord] {
    expire()
    var changed: [ConntrackRecord] = []
    for index in table.confirmedIndices() {
      let entry = table.entry(index)
      var record = record(entry)
      let before = record
      guard change(&record) else { continue }
      if record.mark != before.mark {
        entry.pointee.mark = record.mark
        entry.pointee.changes.insert(.mark)
      }
      if record.timeout != before.timeout {
        entry.pointee.deadline = (core.now + .seconds(Int64(record.timeout))).nanoseconds
        noteDeadline(entry.pointee.deadline)
      }
      if record.status != before.status {
        entry.pointee.status.formUnion(record.status)
        entry.pointee.changes.insert(.assured)
      }
      if entry.pointee.changes != [] { tell(entry) }
      changed.append(record)
    }
    return changed
  }

  /// The announced connections that have not come yet.
  public func expectedConnections() -> [ConntrackExpectation] {
    expire()
    return expectations.map {
      var copy = $0
      copy.timeout = Int(max(0, $0.deadline - core.now.nanoseconds) / 1_000_000_000)
      return copy
    }
  }

  /// Removes the masqueraded connections of a device that went down or lost an address.
  func removeMasqueraded(by device: UInt32, address: IPv4Address? = nil) {
    for index in table.confirmedIndices() {
      let entry = table.entry(index)
      guard entry.pointee.masqueradeDevice == device else { continue }
      if let address, entry.pointee.reply.destination != address.rawValue { continue }
      kill(index)
    }
  }
}

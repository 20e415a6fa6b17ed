/// An IGMP message of version 1, 2 or 3, without its checksum.
public enum IGMPMessage: WireHeader {
  /// Who listens to the group, or to any if it is 0.0.0.0? (Versions 1 and 2.)
  ///
  /// The time to answer is in tenths of a second and zero in version 1.
  case query(maximumResponse: UInt8, group: IPv4Address)
  /// Who listens to the group, or to these sources of it? (Version 3.)
  case queryV3(
    maximumResponse: UInt8,
    group: IPv4Address,
    suppressRouterSide: Bool,
    robustness: UInt8,
    interval: UInt8,
    sources: [IPv4Address]
  )
  /// I listen to the group. (Version 1.)
  case reportV1(group: IPv4Address)
  /// I listen to the group. (Version 2.)
  case reportV2(group: IPv4Address)
  /// I no longer listen to the group. (Version 2.)
  case leave(group: IPv4Address)
  /// What I listen to, group by group. (Version 3.)
  case reportV3([GroupRecord])

  /// What a version 3 report says of one group.
  public struct GroupRecord: Hashable, Sendable {
    /// What kind of statement a record makes.
    @frozen
    public enum Kind: UInt8, Sendable {
      /// These sources only, as asked.
      case isInclude = 1
      /// All but these sources, as asked.
      case isExclude = 2
      /// From now on these sources only.
      case toInclude = 3
      /// From now on all but these sources.
      case toExclude = 4
      /// These sources too.
      case allow = 5
      /// These sources no more.
      case block = 6
    }

    /// The kind of statement.
    public var kind: Kind
    /// The group.
    public var group: IPv4Address
    /// The sources.
    public var sources: [IPv4Address]

    /// Makes a record; without sources, `toExclude` joins the group and `toInclude` leaves it.
    public init(_ kind: Kind, group: IPv4Address, sources: [IPv4Address] = []) {
      self.kind = kind
      self.group = group
      self.sources = sources
    }
  }

  /// The numbers of messages.
  public enum MessageType {
    /// Membership query, 0x11.
    @inlinable public static var query: UInt8 { 0x11 }
    /// Version 1 report, 0x12.
    @inlinable public static var reportV1: UInt8 { 0x12 }
    /// Version 2 report, 0x16.
    @inlinable public static var reportV2: UInt8 { 0x16 }
    /// Version 2 leave, 0x17.
    @inlinable public static var leave: UInt8 { 0x17 }
    /// Version 3 report, 0x22.
    @inlinable public static var reportV3: UInt8 { 0x22 }
  }

  /// Reads a whole message; the checksum is not checked (``hasValidChecksum(_:)`` does that).
  ///
  /// An unknown message is refused as ``WireError/type(_:)``, an unknown record kind as
  /// ``WireError/option(offset:)``. A query of 12 bytes or more is of version 3.
  public init(parsing bytes: UnsafeRawBufferPointer) throws(WireError) {
    try bytes.require(8)
    let group = IPv4Address(rawValue: bytes.bigEndianUInt32(at: 4))
    switch bytes[0] {
    case MessageType.query where bytes.count < 12:
      self = .query(maximumResponse: bytes[1], group: group)
    case MessageType.query:
      self = .queryV3(
        maximumResponse: bytes[1],
        group: group,
        suppressRouterSide: bytes[8] & 8 != 0,
        robustness: bytes[8] & 7,
        interval: bytes[9],
        sources: try Self.addresses(bytes, at: 12, count: Int(bytes.bigEndianUInt16(at: 10)))
      )
    case MessageType.reportV1: self = .reportV1(group: group)
    case MessageType.reportV2: self = .reportV2(group: group)
    case MessageType.leave: self = .leave(group: group)
    case MessageType.reportV3:
      var records: [GroupRecord] = []
      var offset = 8
      for _ in 0..<bytes.bigEndianUInt16(at: 6) {
        try bytes.require(offset + 8)
        guard let kind = GroupRecord.Kind(rawValue: bytes[offset]) else {
          throw .option(offset: offset)
        }
        let count = Int(bytes.bigEndianUInt16(at: offset + 2))
        let group = IPv4Address(rawValue: bytes.bigEndianUInt32(at: offset + 4))
        let sources = try Self.addresses(bytes, at: offset + 8, count: count)
        records.append(GroupRecord(kind, group: group, sources: sources))
        // Auxiliary data, counted in 32-bit words, is stepped over (RFC 3376 §4.2.6).
        offset += 8 + 4 * (count + Int(bytes[offset + 1]))
      }
      self = .reportV3(records)
    default: throw .type(bytes[0])
    }
  }

  private static func addresses(
    _ bytes: UnsafeRawBufferPointer,
    at offset: Int,
    count: Int
  ) throws(WireError) -> [IPv4Address] {
    try bytes.require(offset + 4 * count)
    return (0..<count).map { IPv4Address(rawValue: bytes.bigEndianUInt32(at: offset + 4 * $0)) }
  }

  /// The number of bytes of the message.
  public var encodedLength: Int {
    switch self {
    case .query, .reportV1, .reportV2, .leave: 8
    case .queryV3(_, _, _, _, _, let sources): 12 + 4 * sources.count
    case .reportV3(let records): records.reduce(8) { $0 + 8 + 4 * $1.sources.count }
    }
  }

  /// Writes the message with its checksum.
  public func write(to buffer: UnsafeMutableRawBufferPointer) {
    let length = encodedLength
    buffer.requireRoom(length)
    let message = UnsafeMutableRawBufferPointer(rebasing: buffer[..<length])
    for offset in 0..<length { message[offset] = 0 }
    func start(_ type: UInt8, _ response: UInt8, _ group: IPv4Address) {
      message[0] = type
      message[1] = response
      message.storeBigEndian(group.rawValue, at: 4)
    }
    func store(_ addresses: [IPv4Address], at offset: Int) {
      for (index, address) in addresses.enumerated() {
        message.storeBigEndian(address.rawValue, at: offset + 4 * index)
      }
    }
    switch self {
    case .query(let response, let group): start(MessageType.query, response, group)
    case .queryV3(let response, let group, let suppress, let robustness, let interval, let sources):
      start(MessageType.query, response, group)
      message[8] = (suppress ? 8 : 0) | robustness & 7
      message[9] = interval
      message.storeBigEndian(UInt16(truncatingIfNeeded: sources.count), at: 10)
      store(sources, at: 12)
    case .reportV1(let group): start(MessageType.reportV1, 0, group)
    case .reportV2(let group): start(MessageType.reportV2, 0, group)
    case .leave(let group): start(MessageType.leave, 0, group)
    case .reportV3(let records):
      message[0] = MessageType.reportV3
      message.storeBigEndian(UInt16(truncatingIfNeeded: records.count), at: 6)
      var offset = 8
      for record in records {
        message[offset] = record.kind.rawValue
        message.storeBigEndian(UInt16(truncatingIfNeeded: record.sources.count), at: offset + 2)
        message.storeBigEndian(record.group.rawValue, at: offset + 4)
        store(record.sources, at: offset + 8)
        offset += 8 + 4 * record.sources.count
      }
    }
    message.storeBigEndian(InternetChecksum.checksum(of: UnsafeRawBufferPointer(message)), at: 2)
  }

  /// Whether a whole message has the right checksum.
  @inlinable
  public static func hasValidChecksum(_ message: UnsafeRawBufferPointer) -> Bool {
    message.count >= 8 && InternetChecksum.isValid(message)
  }

  /// The message as tcpdump prints it.
  public var description: String {
    func list(_ sources: [IPv4Address]) -> String {
      "{ \(sources.map { "\($0) " }.joined())}"
    }
    switch self {
    case .query(let response, let group):
      let version = response == 0 ? "v1" : "v2"
      return "igmp query \(version)" + (group.isAny ? "" : " [gaddr \(group)]")
    case .queryV3(_, let group, _, _, _, let sources):
      let of =
        group.isAny ? "" : " [gaddr \(group)" + (sources.isEmpty ? "]" : " \(list(sources))]")
      return "igmp query v3" + of
    case .reportV1(let group): return "igmp v1 report \(group)"
    case .reportV2(let group): return "igmp v2 report \(group)"
    case .leave(let group): return "igmp leave \(group)"
    case .reportV3(let records):
      let texts = records.map { "[gaddr \($0.group) \($0.kind.word) \(list($0.sources))]" }
      return "igmp v3 report, \(records.count) group record(s) \(texts.joined(separator: " "))"
    }
  }
}

extension IGMPMessage.GroupRecord.Kind {
  /// tcpdump's word for the kind.
  fileprivate var word: String {
    switch self {
    case .isInclude: "is_in"
    case .isExclude: "is_ex"
    case .toInclude: "to_in"
    case .toExclude: "to_ex"
    case .allow: "allow"
    case .block: "block"
    }
  }
}

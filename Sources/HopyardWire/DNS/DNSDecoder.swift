/// Why bytes are not a DNS message.
public enum DNSError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The message ends within something.
  case truncated
  /// A name is longer than 255 bytes.
  case nameTooLong
  /// A pointer leads forward or in a circle.
  case pointer
  /// A label begins with bits that mean nothing.
  case labelType
  /// The data of a record is not what its type asks for.
  case recordData(DNSRecordType)
  /// There is more than one OPT record, or one in the wrong place.
  case extensionRecord

  /// The fault in a few words.
  public var description: String {
    switch self {
    case .truncated: "the message ends too early"
    case .nameTooLong: "a name is too long"
    case .pointer: "a compression pointer is bad"
    case .labelType: "a label type is unknown"
    case .recordData(let type): "the data of a record of type \(type) is malformed"
    case .extensionRecord: "the OPT record is not alone"
    }
  }
}

extension DNSMessage {
  /// Reads a message; what stands behind it is ignored.
  public init(decoding bytes: some Collection<UInt8>) throws(DNSError) {
    var decoder = DNSDecoder(Array(bytes))
    self.init(id: try decoder.u16())
    let flags = try decoder.u16()
    isResponse = flags & 0x8000 != 0
    opcode = UInt8(flags >> 11 & 15)
    isAuthoritative = flags & 0x0400 != 0
    isTruncated = flags & 0x0200 != 0
    wantsRecursion = flags & 0x0100 != 0
    offersRecursion = flags & 0x0080 != 0
    isAuthenticated = flags & 0x0020 != 0
    leavesOutChecks = flags & 0x0010 != 0
    var code = flags & 15
    let counts = (try decoder.u16(), try decoder.u16(), try decoder.u16(), try decoder.u16())
    for _ in 0..<counts.0 {
      let name = try decoder.name()
      questions.append(
        DNSQuestion(
          name,
          DNSRecordType(rawValue: try decoder.u16()),
          DNSClass(rawValue: try decoder.u16())
        )
      )
    }
    answers = try decoder.records(counts.1)
    authorities = try decoder.records(counts.2)
    for _ in 0..<counts.3 {
      switch try decoder.record() {
      case .record(let record): additionals.append(record)
      case .extension(let found, let high):
        if edns != nil { throw .extensionRecord }
        edns = found
        code |= UInt16(high) << 4
      }
    }
    responseCode = DNSResponseCode(rawValue: code)
  }
}

extension DNSName {
  /// Reads a name that stands in a message at an offset, and gives where it ends.
  public static func decode(_ bytes: [UInt8], at offset: Int) throws(DNSError) -> (
    name: DNSName, end: Int
  ) {
    var decoder = DNSDecoder(bytes)
    decoder.offset = offset
    let name = try decoder.name()
    return (name, decoder.offset)
  }
}

private struct DNSDecoder {
  enum Item {
    case record(DNSRecord)
    case `extension`(DNSExtension, UInt8)
  }

  let bytes: [UInt8]
  var offset = 0
  /// Where the present part ends: the message, or the data of a record.
  var limit: Int

  init(_ bytes: [UInt8]) {
    self.bytes = bytes
    limit = bytes.count
  }

  mutating func u8() throws(DNSError) -> UInt8 {
    guard offset >= 0, offset < limit else { throw .truncated }
    defer { offset += 1 }
    return bytes[offset]
  }

  mutating func u16() throws(DNSError) -> UInt16 {
    let high = try u8()
    return UInt16(high) << 8 | UInt16(try u8())
  }

  mutating func u32() throws(DNSError) -> UInt32 {
    let high = try u16()
    return UInt32(high) << 16 | UInt32(try u16())
  }

  mutating func take(_ count: Int) throws(DNSError) -> [UInt8] {
    guard count >= 0, offset >= 0, limit - offset >= count else { throw .truncated }
    defer { offset += count }
    return Array(bytes[offset..<(offset + count)])
  }

  mutating func name() throws(DNSError) -> DNSName {
    var wire: [UInt8] = []
    var end: Int?
    // A pointer leads back; as many as a name can have labels are enough (RFC 1035 §4.1.4).
    var pointers = 0
    while true {
      let length = try u8()
      switch length >> 6 {
      case 0:
        wire.append(length)
        if length == 0 {
          if let end { offset = end }
          if wire.count > 255 { throw .nameTooLong }
          return DNSName(wire: wire)
        }
        // Behind a pointer the data of the present record is no bound.
        let bound = end == nil ? limit : bytes.count
        guard bound - offset >= Int(length) else { throw .truncated }
        wire += bytes[offset..<(offset + Int(length))]
        offset += Int(length)
        if wire.count > 254 { throw .nameTooLong }
      case 3:
        let place = offset - 1
        let target = Int(length & 0x3f) << 8 | Int(try u8())
        if end == nil { end = offset }
        pointers += 1
        guard target < place, pointers <= 126 else { throw .pointer }
        offset = target
      default: throw .labelType
      }
    }
  }

  mutating func records(_ count: UInt16) throws(DNSError) -> [DNSRecord] {
    var records: [DNSRecord] = []
    for _ in 0..<count {
      guard case .record(let record) = try record() else { throw .extensionRecord }
      records.append(record)
    }
    return records
  }

  mutating func record() throws(DNSError) -> Item {
    let name = try name()
    let type = DNSRecordType(rawValue: try u16())
    let dnsClass = try u16()
    let ttl = try u32()
    let length = Int(try u16())
    guard limit - offset >= length else { throw .truncated }
    let end = offset + length
    let outer = limit
    limit = end
    defer { limit = outer }
    if type == .opt {
      var edns = DNSExtension(
        udpSize: dnsClass,
        version: UInt8(ttl >> 16 & 255),
        isDNSSECOK: ttl & 0x8000 != 0
      )
      while offset < end {
        let code = try u16()
        let size = Int(try u16())
        edns.options.append(.init(code: code, bytes: try take(size)))
      }
      return .extension(edns, UInt8(ttl >> 24))
    }
    let data: DNSRecordData
    // An update (RFC 2136) may name a record without its data.
    if length == 0 && type != .txt {
      data = .unknown(type, [])
    } else {
      do {
        data = try self.data(type, length)
      } catch {
        throw error == .truncated ? .recordData(type) : error
      }
    }
    guard offset == end else { throw .recordData(type) }
    var record = DNSRecord(name, ttl: ttl, data, dnsClass: DNSClass(rawValue: dnsClass))
    record.type = type
    return .record(record)
  }

  private mutating func data(_ type: DNSRecordType, _ length: Int) throws(DNSError)
    -> DNSRecordData
  {
    switch type {
    case .a: return .a(IPv4Address(rawValue: try u32()))
    case .aaaa:
      var value: UInt128 = 0
      for _ in 0..<4 { value = value << 32 | UInt128(try u32()) }
      return .aaaa(IPv6Address(rawValue: value))
    case .ns: return .ns(try name())
    case .cname: return .cname(try name())
    case .ptr: return .ptr(try name())
    case .soa:
      let primary = try name()
      let mailbox = try name()
      return .soa(
        DNSStartOfAuthority(
          primary: primary,
          mailbox: mailbox,
          serial: try u32(),
          refresh: try u32(),
          retry: try u32(),
          expire: try u32(),
          minimum: try u32()
        )
      )
    case .mx:
      let preference = try u16()
      return .mx(preference: preference, exchange: try name())
    case .txt:
      var strings: [[UInt8]] = []
      while offset < limit { strings.append(try take(Int(try u8()))) }
      return .txt(strings)
    case .srv:
      let priority = try u16()
      let weight = try u16()
      let port = try u16()
      return .srv(priority: priority, weight: weight, port: port, target: try name())
    case .caa:
      let flags = try u8()
      let tag = try take(Int(try u8()))
      return .caa(flags: flags, tag: tag, value: try take(limit - offset))
    default: return .unknown(type, try take(length))
    }
  }
}

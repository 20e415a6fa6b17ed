/// An option of an IPv4 header.
public enum IPv4Option: Hashable, Sendable {
  /// The end of the options; what follows is padding.
  case end
  /// One byte of padding.
  case noOperation
  /// Each router on the way writes its address: the pointer to the next slot, and the slots.
  case recordRoute(pointer: UInt8, [IPv4Address])
  /// The packet goes by these routers among others.
  case looseSourceRoute(pointer: UInt8, [IPv4Address])
  /// The packet goes by these routers and no others.
  case strictSourceRoute(pointer: UInt8, [IPv4Address])
  /// Each router on the way writes the time.
  ///
  /// The low half of the flags tells the form (0 times, 1 addresses and times, 3 times of given
  /// addresses), the high half counts the routers that found no room; then come the slots.
  case timestamp(pointer: UInt8, overflow: UInt8, form: UInt8, [UInt32])
  /// Routers on the way look at the packet.
  case routerAlert(UInt16)
  /// Any other option with its data.
  case other(type: UInt8, [UInt8])

  /// The numbers of options, copy bit and class included.
  public enum Kind {
    /// End of options, 0.
    @inlinable public static var end: UInt8 { 0 }
    /// No operation, 1.
    @inlinable public static var noOperation: UInt8 { 1 }
    /// Record route, 7.
    @inlinable public static var recordRoute: UInt8 { 7 }
    /// Timestamp, 68.
    @inlinable public static var timestamp: UInt8 { 68 }
    /// Loose source route, 131.
    @inlinable public static var looseSourceRoute: UInt8 { 131 }
    /// Strict source route, 137.
    @inlinable public static var strictSourceRoute: UInt8 { 137 }
    /// Router alert, 148.
    @inlinable public static var routerAlert: UInt8 { 148 }

    /// Whether an option stands in every fragment and not in the first only.
    @inlinable
    public static func isCopied(_ kind: UInt8) -> Bool { kind & 0x80 != 0 }
  }

  /// The number of the option.
  public var kind: UInt8 {
    switch self {
    case .end: Kind.end
    case .noOperation: Kind.noOperation
    case .recordRoute: Kind.recordRoute
    case .looseSourceRoute: Kind.looseSourceRoute
    case .strictSourceRoute: Kind.strictSourceRoute
    case .timestamp: Kind.timestamp
    case .routerAlert: Kind.routerAlert
    case .other(let type, _): type
    }
  }

  /// Reads the options of a header.
  ///
  /// Throws ``WireError/option(offset:)`` where an option's length or form is wrong.
  public static func parse(_ bytes: [UInt8]) throws(WireError) -> [IPv4Option] {
    var options: [IPv4Option] = []
    var offset = 0
    while offset < bytes.count {
      let kind = bytes[offset]
      if kind == Kind.end {
        options.append(.end)
        return options
      }
      if kind == Kind.noOperation {
        options.append(.noOperation)
        offset += 1
        continue
      }
      guard offset + 1 < bytes.count else { throw .option(offset: offset) }
      let length = Int(bytes[offset + 1])
      guard length >= 2, offset + length <= bytes.count else { throw .option(offset: offset + 1) }
      let data = Array(bytes[(offset + 2)..<(offset + length)])
      guard let option = IPv4Option(kind: kind, data: data) else {
        throw .option(offset: offset + 1)
      }
      options.append(option)
      offset += length
    }
    return options
  }

  private init?(kind: UInt8, data: [UInt8]) {
    switch kind {
    case Kind.recordRoute, Kind.looseSourceRoute, Kind.strictSourceRoute:
      guard let pointer = data.first, data.count % 4 == 1 else { return nil }
      let route = Self.words(data, from: 1).map(IPv4Address.init(rawValue:))
      switch kind {
      case Kind.recordRoute: self = .recordRoute(pointer: pointer, route)
      case Kind.looseSourceRoute: self = .looseSourceRoute(pointer: pointer, route)
      default: self = .strictSourceRoute(pointer: pointer, route)
      }
    case Kind.timestamp:
      guard data.count >= 2, data.count % 4 == 2 else { return nil }
      self = .timestamp(
        pointer: data[0],
        overflow: data[1] >> 4,
        form: data[1] & 0xf,
        Self.words(data, from: 2)
      )
    case Kind.routerAlert:
      guard data.count == 2 else { return nil }
      self = .routerAlert(UInt16(data[0]) << 8 | UInt16(data[1]))
    default: self = .other(type: kind, data)
    }
  }

  private static func words(_ data: [UInt8], from start: Int) -> [UInt32] {
    stride(from: start, to: data.count - 3, by: 4).map { index in
      data[index..<(index + 4)].reduce(0) { $0 << 8 | UInt32($1) }
    }
  }

  /// The option as bytes.
  public var encoded: [UInt8] {
    func bytes(_ word: UInt32) -> [UInt8] {
      [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: word >> $0) }
    }
    func option(_ data: [UInt8]) -> [UInt8] {
      [kind, UInt8(truncatingIfNeeded: data.count + 2)] + data
    }
    switch self {
    case .end, .noOperation: return [kind]
    case .recordRoute(let pointer, let route), .looseSourceRoute(let pointer, let route),
      .strictSourceRoute(let pointer, let route):
      return option([pointer] + route.flatMap { bytes($0.rawValue) })
    case .timestamp(let pointer, let overflow, let form, let slots):
      return option([pointer, overflow << 4 | form & 0xf] + slots.flatMap(bytes))
    case .routerAlert(let value): return option(Array(bytes(UInt32(value))[2...]))
    case .other(_, let data): return option(data)
    }
  }

  /// The text of options for the description of a header; what is malformed is called bad.
  static func description(of bytes: [UInt8]) -> String {
    guard let options = try? parse(bytes) else { return "bad" }
    return options.map(\.description).joined(separator: ",")
  }
}

extension IPv4Option: CustomStringConvertible {
  /// The option as tcpdump prints it.
  public var description: String {
    func list(_ name: String, _ pointer: UInt8, _ route: [IPv4Address]) -> String {
      var text = name
      for (index, address) in route.enumerated() {
        // The pointer counts from 1 and from the option's start.
        let mark = index * 4 + 4 == Int(pointer) ? "^" : ""
        text += (index == 0 ? " " : ", ") + mark + address.description
      }
      return text
    }
    switch self {
    case .end: return "EOL"
    case .noOperation: return "NOP"
    case .recordRoute(let pointer, let route): return list("RR", pointer, route)
    case .looseSourceRoute(let pointer, let route): return list("LSRR", pointer, route)
    case .strictSourceRoute(let pointer, let route): return list("SSRR", pointer, route)
    case .timestamp(_, let overflow, let form, let slots):
      let name = form == 0 ? "TSONLY" : form == 1 ? "TS+ADDR" : form == 3 ? "PRESPEC" : "bad"
      let hops = overflow == 0 ? "" : " [\(overflow) hops not recorded]"
      return "TS{\(name) \(slots.map(String.init).joined(separator: " "))}\(hops)"
    case .routerAlert(let value): return value == 0 ? "RA" : "RA value \(value)"
    case .other(let type, _): return "unknown \(type)"
    }
  }
}

import HopyardSimulator
import HopyardWire

/// Reads the options behind a type or an entry.
struct IpsetOptionReader {
  private var words: ArraySlice<String>
  private var seen: Set<String> = []
  /// Options that ipset reads and passes over.
  private(set) var ignored: [(name: String, value: String)] = []

  init(_ words: [String]) {
    self.words = words[...]
  }

  // MARK: create

  /// The names that `create` takes for a type.
  private static func creationNames(_ type: SetType) -> [String] {
    switch type.method {
    case .list: return ["size", "timeout", "counters", "comment", "skbinfo"]
    case .bitmap:
      var names = ["range"]
      if type.name == "bitmap:ip" { names.append("netmask") }
      names += ["timeout", "counters", "comment", "skbinfo", "from", "to"]
      if type.parts.first == .address { names.append("network") }
      return names
    case .hash:
      var names = type.hasFamily ? ["family", "-4", "-6"] : []
      if type.parts.contains(.mark) { names.append("markmask") }
      names += ["hashsize", "maxelem"]
      if ["hash:ip", "hash:ip,port", "hash:net,net"].contains(type.name) {
        names += ["netmask", "bitmask"]
      }
      names += ["timeout", "counters", "comment", "forceadd", "skbinfo", "bucketsize", "initval"]
      names += ["probes", "resize", "gc", "from", "to", "network"]
      return names
    }
  }

  private static let flags: Set<String> = [
    "-4", "-6", "counters", "comment", "forceadd", "skbinfo", "nomatch", "wildcard",
  ]

  /// The next option's name and value; nil at the end.
  private mutating func next(
    _ names: [String],
    hasValue: (String) -> Bool
  ) throws(IpsetFailure) -> (name: String, value: String)? {
    guard let word = words.popFirst() else { return nil }
    let name = word.hasPrefix("--") ? String(word.dropFirst(2)) : word
    guard names.contains(name) else { throw .parameter("Unknown argument: `\(word)'") }
    guard hasValue(name) else { return (name, word) }
    guard let value = words.popFirst() else {
      throw .parameter("Missing mandatory argument of option `\(name)'")
    }
    return (name, value)
  }

  private mutating func once(_ name: String) throws(IpsetFailure) {
    guard seen.insert(name).inserted else { throw .syntax("\(name) already specified") }
  }

  /// Reads the options of `create`.
  mutating func creation(
    _ type: SetType,
    resolve: (String) -> IPv4Address?
  ) throws(IpsetFailure) -> SetOptions {
    let names = Self.creationNames(type)
    var options = SetOptions(
      family: type.hasFamily || type.parts.contains(.address) ? .ipv4 : .none
    )
    let all = words
    // The family comes first: other options are read by it.
    while let (name, value) = try next(names, hasValue: { !Self.flags.contains($0) }) {
      switch name {
      case "-4": options.family = .ipv4
      case "-6": options.family = .ipv6
      case "family":
        try once("family")
        switch value {
        case "inet", "ipv4": options.family = .ipv4
        case "inet6", "ipv6": options.family = .ipv6
        case "any", "unspec": break
        default: throw .syntax("unknown inet family \(value)")
        }
      default: break
      }
    }
    words = all
    var limits: (first: UInt32?, last: UInt32?) = (nil, nil)
    while let (name, value) = try next(names, hasValue: { !Self.flags.contains($0) }) {
      if ["-4", "-6", "family"].contains(name) { continue }
      if type.method == .hash, ["probes", "resize", "gc", "from", "to", "network"].contains(name) {
        ignored.append((name, value))
        continue
      }
      try once(["range": "from", "network": "from"][name] ?? name)
      switch name {
      case "range", "network", "from", "to":
        try readRange(name, value, type, &limits, resolve)
      default: try apply(name, value, &options)
      }
    }
    if type.method == .bitmap {
      guard let first = limits.first else {
        throw .parameter("Mandatory option `range' is missing")
      }
      guard let last = limits.last else { throw .parameter("Mandatory option `to' is missing") }
      options.range = min(first, last)...max(first, last)
    }
    return options
  }

  private func readRange(
    _ name: String,
    _ value: String,
    _ type: SetType,
    _ limits: inout (first: UInt32?, last: UInt32?),
    _ resolve: (String) -> IPv4Address?
  ) throws(IpsetFailure) {
    if type.parts.first == .port {
      let (ports, number) = try IpsetElementParser.ports(value[...], family: .ipv4)
      guard number == 6 || number == 17 else {
        throw .syntax("Only protocols TCP and UDP are valid")
      }
      if name == "to" {
        limits.last = UInt32(ports.first)
      } else {
        limits.first = UInt32(ports.first)
        if let last = ports.last { limits.last = UInt32(last) }
      }
      return
    }
    let isRange = value.contains("/") || value.contains("-")
    if name == "range", !isRange {
      throw .syntax("IP/cidr or IP-IP range must be specified: \(value)")
    }
    if name == "network", !value.contains("/") {
      throw .syntax("IP/netblock must be supplied: \(value)")
    }
    if name == "from" || name == "to", isRange {
      throw .syntax("plain IP address must be supplied: \(value)")
    }
    let read = try IpsetElementParser.addresses(value[...], .ipv4, resolve)
    let first = UInt32(truncatingIfNeeded: read.first)
    if name == "to" {
      limits.last = first
    } else if let prefix = read.prefix {
      let mask = UInt32.max << UInt32(32 - prefix)
      limits = (first & mask, first | ~mask)
    } else {
      limits.first = first
      if let last = read.last { limits.last = UInt32(truncatingIfNeeded: last) }
    }
  }

  private func number(_ value: String, _ maximum: UInt64) throws(IpsetFailure) -> UInt32 {
    UInt32(truncatingIfNeeded: try IpsetNumber.parse(value[...], 0...maximum))
  }

  private func apply(
    _ name: String,
    _ value: String,
    _ options: inout SetOptions
  ) throws(IpsetFailure) {
    let all = UInt64(UInt32.max)
    switch name {
    case "hashsize": options.hashSize = min(try number(value, all), 1 << 30)
    case "maxelem": options.maximumCount = try number(value, all)
    case "size": options.listSize = try number(value, all)
    case "markmask": options.markMask = try number(value, all)
    case "initval": options.seed = try number(value, all)
    case "bucketsize": options.bucketSize = UInt8(truncatingIfNeeded: try number(value, 255))
    case "timeout": options.timeout = try number(value, Self.timeoutLimit)
    case "counters": options.hasCounters = true
    case "comment": options.hasComments = true
    case "skbinfo": options.hasPacketInformation = true
    case "forceadd": options.forcesAdding = true
    case "netmask":
      if options.mask != nil { throw Self.exclusive }
      let bits = options.family.addressBits
      do throws(IpsetFailure) {
        let length = try IpsetNumber.parse(value[...], 0...255)
        guard length >= 1, length <= UInt64(bits) else {
          throw .syntax("'\(value)' is out of range 1-\(bits)")
        }
        options.prefix = UInt8(truncatingIfNeeded: length)
      } catch {
        guard case .session(let text) = error else { throw error }
        throw .session(
          "\(text)\nSyntax error: netmask is out of the inclusive range of 1-\(bits)"
        )
      }
    case "bitmask":
      if options.prefix != nil { throw Self.exclusive }
      let mask =
        options.family == .ipv6
        ? IPv6Address(value)?.rawValue : IPv4Address(value).map { UInt128($0.rawValue) }
      guard let mask, mask != 0 else {
        let family = options.family == .ipv6 ? "inet6" : "inet"
        throw .syntax("bitmask is not valid for family = \(family)")
      }
      options.mask = mask
    default: break
    }
  }

  private static let exclusive = IpsetFailure.syntax(
    "bitmask and netmask are mutually exclusive, provide only one"
  )
  private static let timeoutLimit = UInt64(UInt32.max >> 1) / 1000

  // MARK: add, del, test

  /// Reads the options of `add`, `del` and `test`.
  mutating func information(
    _ type: SetType,
    _ operation: SetOperation,
    _ request: inout SetRequest
  ) throws(IpsetFailure) {
    var names: [String] = []
    if operation == .add {
      names = [
        "timeout", "packets", "bytes", "comment", "skbmark", "skbprio", "skbqueue",
      ]
    }
    if type.method == .list { names += ["before", "after"] }
    if type.hasNoMatch, operation != .delete { names.append("nomatch") }
    if type.hasInterface { names.append("wildcard") }
    while let (name, value) = try next(
      names,
      hasValue: { $0 == "comment" || !Self.flags.contains($0) }
    ) {
      try once(name)
      switch name {
      case "timeout": request.information.timeout = try number(value, Self.timeoutLimit)
      case "packets":
        request.information.packets = try IpsetNumber.parse(value[...], 0...(.max - 1))
      case "bytes": request.information.bytes = try IpsetNumber.parse(value[...], 0...(.max - 1))
      case "comment":
        guard !value.contains("\"") else {
          throw .syntax("\" character is not permitted in comments")
        }
        guard value.utf8.count <= 255 else {
          throw .syntax("Comment is longer than the maximum allowed 255 characters")
        }
        request.information.comment = value
      case "skbmark": request.information.mark = try mark(value)
      case "skbprio": request.information.priority = try priority(value)
      case "skbqueue":
        request.information.queue = UInt16(truncatingIfNeeded: try number(value, 65535))
      case "before", "after":
        if request.reference != nil {
          throw .syntax("mixed syntax, before|after option already used")
        }
        request.reference = try IpsetElementParser.name(value)
        request.isBefore = name == "before"
      case "nomatch": request.isNoMatch = true
      default: request.isWildcard = true
      }
    }
  }

  private func hexadecimal(_ text: Substring) -> UInt32? {
    guard text.hasPrefix("0x") || text.hasPrefix("0X") else { return nil }
    let digits = text.dropFirst(2).prefix { $0.isHexDigit }
    return UInt64(digits.suffix(16), radix: 16).map { UInt32(truncatingIfNeeded: $0) }
  }

  private func mark(_ value: String) throws(IpsetFailure) -> SetExtension.Mark {
    let parts = value.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    guard let mark = hexadecimal(parts[0]) else {
      throw .syntax(
        "Invalid skbmark format, it should be:  MARK/MASK or MARK (see manpage)"
      )
    }
    return .init(mark, mask: parts.count > 1 ? hexadecimal(parts[1]) ?? .max : .max)
  }

  private func priority(_ value: String) throws(IpsetFailure) -> UInt32 {
    let parts = value.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, let major = UInt32(parts[0], radix: 16),
      let minor = UInt32(parts[1], radix: 16)
    else {
      throw .syntax("Invalid skbprio format, it should be:MAJOR:MINOR (see manpage)")
    }
    return major << 16 | minor & 0xffff
  }
}

import HopyardSimulator
import HopyardWire

/// Reads the entries that follow a set's name.
struct IpsetElementParser {
  let type: SetType
  let family: SetFamily
  let operation: SetOperation
  /// Reads the name of a host.
  let resolve: (String) -> IPv4Address?
  /// What was read.
  private(set) var request = SetRequest()

  init(
    _ type: SetType,
    _ family: SetFamily,
    _ operation: SetOperation,
    resolve: @escaping (String) -> IPv4Address?
  ) {
    self.type = type
    self.family = family
    self.operation = operation
    self.resolve = resolve
  }

  // MARK: The whole entry

  private static let counts = ["none", "one", "two", "three", "four"]

  /// Reads an entry, its parts between commas.
  mutating func parse(_ text: String) throws(IpsetFailure) {
    if type.method == .list {
      try parseMember(text)
      return
    }
    let words = Self.split(text)
    let wanted = type.parts.count
    if words.count < wanted, !type.isLastPartOptional {
      let missing = ["", "Second", "Third", "Fourth"][min(words.count, 3)]
      throw .syntax("\(missing) element is missing from \(text).")
    }
    if words.count > wanted {
      let found = ["", "Elem separator", "Two elem separators", "Three elem separators"]
      let supported = ["none", "one", "two", "three"]
      let name = wanted < found.count ? found[wanted] : "Five elem separators"
      let known = wanted - 1 < supported.count ? supported[wanted - 1] : "four"
      throw .syntax("\(name) in \(text), but settype \(type.name) supports \(known).")
    }
    var isSecondAddress = false
    var isSecondPort = false
    for (part, word) in zip(type.parts, words) {
      switch part {
      case .address, .network:
        let addresses = try parseAddresses(word, part, isSecond: isSecondAddress)
        if isSecondAddress {
          request.secondAddresses = addresses
        } else {
          request.addresses = addresses
        }
        isSecondAddress = true
      case .port:
        let ports = try parsePorts(word)
        if isSecondPort { request.secondPorts = ports } else { request.ports = ports }
        isSecondPort = true
      case .hardwareAddress: request.hardwareAddress = try Self.parseHardwareAddress(word)
      case .mark:
        request.mark = UInt32(
          truncatingIfNeeded: try IpsetNumber.parse(word, 0...UInt64(UInt32.max))
        )
      case .interface: try parseInterface(word)
      case .set: break
      }
    }
    try checkRanges()
  }

  /// Commas within brackets are part of a name.
  private static func split(_ text: String) -> [Substring] {
    var words: [Substring] = []
    var start = text.startIndex
    var depth = 0
    for index in text.indices {
      switch text[index] {
      case "[": depth += 1
      case "]": depth = max(0, depth - 1)
      case "," where depth == 0:
        words.append(text[start..<index])
        start = text.index(after: index)
      default: break
      }
    }
    words.append(text[start...])
    return words
  }

  private mutating func parseMember(_ text: String) throws(IpsetFailure) {
    let words = text.split(separator: ",", omittingEmptySubsequences: false)
    if words.count > 1 {
      // The first version's way to say where the entry goes.
      guard words.count == 3, words[1] == "before" || words[1] == "after" else {
        throw .session("you must specify elements as setname,[before|after],setname")
      }
      request.reference = try Self.name(String(words[2]))
      request.isBefore = words[1] == "before"
    }
    request.member = try Self.name(String(words[0]))
  }

  /// A name that is not too long.
  static func name(_ text: String) throws(IpsetFailure) -> String {
    guard text.utf8.count <= IPSets.nameLimit else {
      throw .syntax("setname '\(text)' is longer than \(IPSets.nameLimit) characters")
    }
    return text
  }

  // MARK: Addresses

  private func parseAddresses(
    _ word: Substring,
    _ part: SetPart,
    isSecond: Bool
  ) throws(IpsetFailure) -> SetRequest.Addresses {
    let isIPv6 = family == .ipv6
    let hasSlash = word.contains("/")
    let separator = Self.rangeSeparator(word)
    if part == .address {
      let onlyOne = isIPv6 || isSecond || type.isLastPartOptional
      if onlyOne, separator != nil || hasSlash && !word.hasSuffix(isIPv6 ? "/128" : "/32") {
        throw .syntax("plain IP address must be supplied: \(word)")
      }
    } else if isIPv6, separator != nil {
      throw .syntax("IP address or IP/cidr must be specified: \(word)")
    }
    return try Self.addresses(word, family, resolve)
  }

  /// Where a range is divided; what stands in brackets is whole.
  static func rangeSeparator(_ word: Substring) -> Substring.Index? {
    guard word.first == "[" else { return word.firstIndex(of: "-") }
    guard let end = word.firstIndex(of: "]") else { return nil }
    let next = word.index(after: end)
    return next < word.endIndex && word[next] == "-" ? next : nil
  }

  /// An address, `ADDRESS/LENGTH` or `FROM-TO`.
  static func addresses(
    _ word: Substring,
    _ family: SetFamily,
    _ resolve: (String) -> IPv4Address?
  ) throws(IpsetFailure) -> SetRequest.Addresses {
    if let slash = word.firstIndex(of: "/") {
      let bits = UInt64(family.addressBits)
      let text = word[word.index(after: slash)...]
      let length = try IpsetNumber.parse(text, 0...255)
      guard length <= bits else { throw .syntax("'\(text)' is out of range 0-\(bits)") }
      return SetRequest.Addresses(
        try address(word[..<slash], family, resolve),
        prefix: UInt8(truncatingIfNeeded: length)
      )
    }
    guard let separator = rangeSeparator(word) else {
      return SetRequest.Addresses(try address(word, family, resolve))
    }
    return SetRequest.Addresses(
      try address(word[..<separator], family, resolve),
      last: try address(word[word.index(after: separator)...], family, resolve)
    )
  }

  private static func address(
    _ word: Substring,
    _ family: SetFamily,
    _ resolve: (String) -> IPv4Address?
  ) throws(IpsetFailure) -> UInt128 {
    var name = word
    if name.first == "[" {
      guard name.last == "]" else {
        throw .syntax("cannot find closing escape character ']' in \(word)")
      }
      name = name.dropFirst().dropLast()
    }
    if family == .ipv6 {
      if let address = IPv6Address(String(name)) { return address.rawValue }
      throw .syntax("cannot parse \(name): resolving to IPv6 address failed")
    }
    guard let address = resolve(String(name)) else {
      throw .syntax("cannot parse \(name): resolving to IPv4 address failed")
    }
    return UInt128(address.rawValue)
  }

  // MARK: Ports

  private mutating func parsePorts(_ word: Substring) throws(IpsetFailure) -> SetRequest.Ports {
    if type.method == .bitmap {
      let (ports, number) = try Self.ports(word, family: .ipv4)
      guard number == 6 || number == 17 else {
        throw .syntax("Only protocols TCP and UDP are valid")
      }
      return ports
    }
    let (ports, number) = try Self.ports(word, family: family)
    request.protocol = number
    return ports
  }

  /// `[PROTOCOL:]PORT[-PORT]`.
  static func ports(
    _ word: Substring,
    family: SetFamily
  ) throws(IpsetFailure) -> (SetRequest.Ports, UInt8) {
    guard let colon = separator(of: word) else { return (try range(word, "tcp"), 6) }
    let name = word[..<colon]
    let rest = word[word.index(after: colon)...]
    let number = try protocolNumber(name)
    switch number {
    case 6, 17, 132, 136: return (try range(rest, String(name)), number)
    case 1:
      guard family != .ipv6 else {
        throw .syntax("Protocol ICMP can be used with family inet only")
      }
      return (SetRequest.Ports(try typeAndCode(rest, IpsetICMP.names, "ICMP")), number)
    case 58:
      guard family == .ipv6 else {
        throw .syntax("Protocol ICMPv6 can be used with family inet6 only")
      }
      return (SetRequest.Ports(try typeAndCode(rest, IpsetICMP.namesOfIPv6, "ICMPv6")), number)
    default:
      guard rest == "0" else {
        throw .syntax("Protocol \(name) can be used with pseudo port value 0 only.")
      }
      return (SetRequest.Ports(0), number)
    }
  }

  private static func separator(of word: Substring) -> Substring.Index? {
    guard word.first == "[" else { return word.firstIndex(of: ":") }
    guard let end = word.firstIndex(of: "]") else { return nil }
    return word[end...].firstIndex(of: ":")
  }

  private static func protocolNumber(_ name: Substring) throws(IpsetFailure) -> UInt8 {
    guard let known = IPProtocol(String(name)), known.description != String(known.rawValue) else {
      throw .syntax("cannot parse '\(name)' as a protocol")
    }
    guard known.rawValue != 0 else { throw .syntax("Unsupported protocol '\(name)'") }
    return known.rawValue
  }

  private static func range(
    _ word: Substring,
    _ name: String
  ) throws(IpsetFailure) -> SetRequest.Ports {
    guard let separator = rangeSeparator(word) else {
      return SetRequest.Ports(try port(word, name))
    }
    let last = try port(word[word.index(after: separator)...], name)
    return SetRequest.Ports(try port(word[..<separator], name), last: last)
  }

  private static func port(_ word: Substring, _ name: String) throws(IpsetFailure) -> UInt16 {
    var service = word
    if service.first == "[", service.last == "]" { service = service.dropFirst().dropLast() }
    if let port = ServiceNames.port(String(service), protocol: name) { return port }
    do throws(IpsetFailure) {
      return UInt16(truncatingIfNeeded: try IpsetNumber.parse(word, 0...65535))
    } catch {
      guard case .session(let text) = error else { throw error }
      throw .session(
        "\(text)\nSyntax error: '\(name)' is invalid as number\n"
          + "cannot parse '\(word)' as a \(name) port"
      )
    }
  }

  private static func typeAndCode(
    _ word: Substring,
    _ names: [(name: String, type: UInt8, code: UInt8)],
    _ family: String
  ) throws(IpsetFailure) -> UInt16 {
    if let known = names.first(where: { $0.name.lowercased() == word.lowercased() }) {
      return UInt16(known.type) << 8 | UInt16(known.code)
    }
    guard let slash = word.firstIndex(of: "/") else {
      throw .session("Cannot parse \(word) as an \(family) type/code.")
    }
    let type = try IpsetNumber.parse(word[..<slash], 0...255)
    let code = try IpsetNumber.parse(word[word.index(after: slash)...], 0...255)
    return UInt16(truncatingIfNeeded: type << 8 | code)
  }

  // MARK: The rest

  private static func parseHardwareAddress(_ word: Substring) throws(IpsetFailure) -> UInt64 {
    let groups = word.split(separator: ":", omittingEmptySubsequences: false)
    var address: UInt64 = 0
    guard groups.count == 6, word.utf8.count <= 17 else {
      throw .syntax("cannot parse '\(word)' as ethernet address")
    }
    for group in groups {
      guard let byte = UInt8(group, radix: 16) else {
        throw .syntax("cannot parse '\(word)' as ethernet address")
      }
      address = address << 8 | UInt64(byte)
    }
    return address
  }

  private mutating func parseInterface(_ word: Substring) throws(IpsetFailure) {
    var name = word
    if name.hasPrefix("physdev:") {
      request.isPhysicalDevice = true
      name = name.dropFirst(8)
    }
    guard name.utf8.count <= 15 else {
      throw .syntax("interface name '\(name)' is longer than 15 characters")
    }
    request.interface = String(name)
  }

  /// Refuses ranges where the command takes one value.
  private func checkRanges() throws(IpsetFailure) {
    let command = ["add", "del", "test"][operation == .add ? 0 : operation == .delete ? 1 : 2]
    let end =
      "is not allowed in command \(command) with set type \(type.name) and family "
      + (family == .ipv6 ? "inet6" : "inet")
    let isTest = operation == .test
    let first = type.parts.first
    let takesLast: Bool
    if first == .network {
      takesLast = !isTest
    } else if ["hash:ip", "hash:ip,mark"].contains(type.name) {
      takesLast = true
    } else {
      takesLast = !isTest && !type.parts.contains(.hardwareAddress)
    }
    let takesPrefix = first == .network || takesLast
    if request.addresses?.prefix != nil, !takesPrefix {
      throw .other("IP/CIDR range \(end)")
    }
    if request.addresses?.last != nil, !takesLast { throw .other("FROM-TO IP range \(end)") }
    if isTest, request.ports?.last != nil || request.secondPorts?.last != nil {
      throw .other("FROM-TO port range \(end)")
    }
    if isTest, request.secondAddresses?.last != nil { throw .other("FROM-TO IP range \(end)") }
  }

  /// Takes the options behind the entry.
  mutating func apply(_ change: (inout SetRequest) throws(IpsetFailure) -> Void)
    throws(IpsetFailure)
  {
    try change(&request)
  }
}

/// The names of ICMP types and codes, the first of a pair being the one that is printed.
enum IpsetICMP {
  static let names: [(name: String, type: UInt8, code: UInt8)] = [
    ("echo-reply", 0, 0), ("pong", 0, 0), ("network-unreachable", 3, 0),
    ("host-unreachable", 3, 1), ("protocol-unreachable", 3, 2), ("port-unreachable", 3, 3),
    ("fragmentation-needed", 3, 4), ("source-route-failed", 3, 5), ("network-unknown", 3, 6),
    ("host-unknown", 3, 7), ("network-prohibited", 3, 9), ("host-prohibited", 3, 10),
    ("TOS-network-unreachable", 3, 11), ("TOS-host-unreachable", 3, 12),
    ("communication-prohibited", 3, 13), ("host-precedence-violation", 3, 14),
    ("precedence-cutoff", 3, 15), ("source-quench", 4, 0), ("network-redirect", 5, 0),
    ("host-redirect", 5, 1), ("TOS-network-redirect", 5, 2), ("TOS-host-redirect", 5, 3),
    ("echo-request", 8, 0), ("ping", 8, 0), ("router-advertisement", 9, 0),
    ("router-solicitation", 10, 0), ("ttl-zero-during-transit", 11, 0),
    ("ttl-zero-during-reassembly", 11, 1), ("ip-header-bad", 12, 0),
    ("required-option-missing", 12, 1), ("timestamp-request", 13, 0), ("timestamp-reply", 14, 0),
    ("address-mask-request", 17, 0), ("address-mask-reply", 18, 0),
  ]

  static let namesOfIPv6: [(name: String, type: UInt8, code: UInt8)] = [
    ("no-route", 1, 0), ("communication-prohibited", 1, 1), ("address-unreachable", 1, 3),
    ("port-unreachable", 1, 4), ("packet-too-big", 2, 0), ("ttl-zero-during-transit", 3, 0),
    ("ttl-zero-during-reassembly", 3, 1), ("bad-header", 4, 0), ("unknown-header-type", 4, 1),
    ("unknown-option", 4, 2), ("echo-request", 128, 0), ("ping", 128, 0), ("echo-reply", 129, 0),
    ("pong", 129, 0), ("router-solicitation", 133, 0), ("router-advertisement", 134, 0),
    ("neighbour-solicitation", 135, 0), ("neigbour-solicitation", 135, 0),
    ("neighbour-advertisement", 136, 0), ("neigbour-advertisement", 136, 0), ("redirect", 137, 0),
  ]

  /// The text of a type and code.
  static func text(
    _ typeAndCode: UInt16,
    _ names: [(name: String, type: UInt8, code: UInt8)]
  ) -> String {
    let type = UInt8(typeAndCode >> 8)
    let code = UInt8(truncatingIfNeeded: typeAndCode)
    return names.first { $0.type == type && $0.code == code }?.name ?? "\(type)/\(code)"
  }
}

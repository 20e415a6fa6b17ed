import HopyardSimulator
import HopyardWire

/// The arguments of conntrack(8).
struct ConntrackOptions {
  enum Operation {
    case list, delete, create, event, flush, count, statistics, get, update, help, version
  }

  enum Table: Equatable {
    case conntrack, expect, dying, unconfirmed
  }

  /// An address under a mask.
  struct Network {
    var address: IPv4Address
    var mask: UInt32
    func contains(_ other: IPv4Address) -> Bool {
      other.rawValue & mask == address.rawValue & mask
    }
  }

  /// What is wrong with the arguments.
  enum Failure: Error {
    /// What the command would print after its name.
    case usage(String)
    /// The argument with this index is not modelled.
    case refused(Int, String)
  }

  var operation: Operation?
  var table = Table.conntrack
  var isIPv6 = false
  var ipProtocol: IPProtocol?
  var source: Network?
  var destination: Network?
  var replySource: Network?
  var replyDestination: Network?
  var sourcePort: UInt16?
  var destinationPort: UInt16?
  var replySourcePort: UInt16?
  var replyDestinationPort: UInt16?
  var icmpType: UInt8?
  var icmpCode: UInt8?
  var icmpID: UInt16?
  var state: ConntrackTCPState?
  var status: ConnectionFacts = []
  var mark: (value: UInt32, mask: UInt32)?
  var zone: UInt16?
  var originalZone: UInt16?
  var replyZone: UInt16?
  var wantsUnreplied = false
  var sourceTranslation: IPv4Address?
  var destinationTranslation: IPv4Address?
  var wantsSourceNAT = false
  var wantsDestinationNAT = false
  var wantsAnyNAT = false
  var newTimeout: Int?
  var events: Set<String> = ["NEW", "UPDATE", "DESTROY"]
  var isExtended = false
  var showsID = false
  /// `-o xml` or `-o save`.
  var format = Format.plain
  var showsTime = false

  enum Format {
    case plain, xml, save
  }

  private static let operations: [String: Operation] = [
    "-L": .list, "--dump": .list, "-D": .delete, "--delete": .delete, "-E": .event,
    "--event": .event, "-F": .flush, "--flush": .flush, "-C": .count, "--count": .count,
    "-S": .statistics, "--stats": .statistics, "-G": .get, "--get": .get, "-U": .update,
    "--update": .update, "-I": .create, "--create": .create, "-h": .help, "--help": .help,
    "-V": .version, "--version": .version,
  ]

  /// Options that the real command has and the model lacks.
  private static let refused: Set<String> = [
    "-A", "--add", "-R", "--load-file", "-l", "--label",
    "--label-add", "--label-del", "--tuple-src", "--tuple-dst", "--mask-src", "--mask-dst",
    "-a", "--any-nat-range", "-N",
  ]

  /// Reads arguments; nil stands for one that is not known yet.
  init(_ arguments: [String?]) throws(Failure) {
    var index = 0
    // Options of a protocol are known only once `-p` was read, wherever it stands.
    for (place, text) in arguments.enumerated() {
      guard text == "-p" || text == "--proto", place + 1 < arguments.count,
        let name = arguments[place + 1]
      else { continue }
      ipProtocol = try Self.protocolNamed(name)
    }
    while index < arguments.count {
      guard let text = arguments[index] else {
        index += 1
        continue
      }
      var option = text
      var attached: String?
      if text.hasPrefix("--"), let equals = text.firstIndex(of: "=") {
        option = String(text[..<equals])
        attached = String(text[text.index(after: equals)...])
      } else if text.hasPrefix("-"), !text.hasPrefix("--"), text.utf8.count > 2,
        Self.operations[String(text.prefix(2))] == nil
      {
        option = String(text.prefix(2))
        attached = String(text.dropFirst(2))
      }
      if let operation = Self.operations[option] {
        self.operation = operation
        index += 1
        if index < arguments.count, let word = arguments[index], !word.hasPrefix("-") {
          try setTable(word)
          index += 1
        }
        continue
      }
      if Self.refused.contains(option) {
        throw .refused(index, "the option \(option) of conntrack is not modelled")
      }
      guard option.hasPrefix("-") else {
        throw .usage("unknown argument")
      }
      if try setFlag(option, attached, index < arguments.count - 1 ? arguments[index + 1] : nil) {
        // The address of a translation is optional.
        index += 1
        if attached == nil, index < arguments.count, let word = arguments[index],
          !word.hasPrefix("-")
        {
          setTranslation(option, word)
          index += 1
        }
        continue
      }
      let place = index
      let value: String
      if let attached {
        value = attached
        index += 1
      } else {
        guard Self.takesValue(option, ipProtocol) else {
          throw .usage("unknown option `\(option)'")
        }
        guard index + 1 < arguments.count else {
          throw .usage("option `\(option)' requires an argument")
        }
        guard let next = arguments[index + 1] else {
          index += 2
          continue
        }
        value = next
        index += 2
      }
      try set(option, to: value, at: place)
    }
  }

  /// Whether all parts of a tuple are given.
  var isExact: Bool {
    guard let source, let destination, source.mask == .max, destination.mask == .max,
      let ipProtocol
    else { return false }
    if ipProtocol.hasPorts { return sourcePort != nil && destinationPort != nil }
    if ipProtocol == .icmp { return icmpType != nil && icmpCode != nil && icmpID != nil }
    return true
  }

  private mutating func setTable(_ word: String) throws(Failure) {
    switch word {
    case "conntrack": table = .conntrack
    case "expect", "expectation": table = .expect
    case "dying": table = .dying
    case "unconfirmed": table = .unconfirmed
    default: throw .usage("unknown type `\(word)'")
    }
  }

  /// Sets an option whose value may be missing; true if it was one.
  private mutating func setFlag(
    _ option: String,
    _ attached: String?,
    _ next: String?
  ) throws(Failure) -> Bool {
    switch option {
    case "-n", "--src-nat": wantsSourceNAT = true
    case "-g", "--dst-nat": wantsDestinationNAT = true
    case "-j", "--any-nat": wantsAnyNAT = true
    // Counters are only there where they are counted; setting them to zero shows nothing else.
    case "-z", "--zero": break
    default: return false
    }
    return true
  }

  private mutating func setTranslation(_ option: String, _ word: String) {
    guard let address = IPv4Address(word.split(separator: ":").first.map(String.init) ?? "") else {
      return
    }
    switch option {
    case "-n", "--src-nat": sourceTranslation = address
    case "-g", "--dst-nat": destinationTranslation = address
    case "-j", "--any-nat":
      sourceTranslation = address
      destinationTranslation = address
    default: break
    }
  }

  private static func takesValue(_ option: String, _ ipProtocol: IPProtocol?) -> Bool {
    switch option {
    case "-s", "--src", "--orig-src", "-d", "--dst", "--orig-dst", "-r", "--reply-src", "-q",
      "--reply-dst", "-p", "--proto", "-f", "--family", "-t", "--timeout", "-u", "--status", "-m",
      "--mark", "-e", "--event-mask", "-o", "--output", "-w", "--zone", "--orig-zone",
      "--reply-zone", "-b", "--buffer-size", "-i", "--id":
      return true
    case "--sport", "--orig-port-src", "--dport", "--orig-port-dst", "--reply-port-src",
      "--reply-port-dst":
      return ipProtocol?.hasPorts ?? false
    case "--state": return ipProtocol == .tcp
    case "--icmp-type", "--icmp-code", "--icmp-id": return ipProtocol == .icmp
    default: return false
    }
  }

  private mutating func set(_ option: String, to value: String, at place: Int) throws(Failure) {
    guard Self.takesValue(option, ipProtocol) else { throw .usage("unknown option `\(option)'") }
    switch option {
    case "-s", "--src", "--orig-src": source = try Self.network(value)
    case "-d", "--dst", "--orig-dst": destination = try Self.network(value)
    case "-r", "--reply-src": replySource = try Self.network(value)
    case "-q", "--reply-dst": replyDestination = try Self.network(value)
    case "-p", "--proto": ipProtocol = try Self.protocolNamed(value)
    case "-f", "--family":
      switch value {
      case "ipv4": isIPv6 = false
      case "ipv6": isIPv6 = true
      default: throw .usage("`\(value)' unsupported protocol")
      }
    case "-t", "--timeout": newTimeout = Int(try Self.number(value))
    case "-u", "--status": try setStatus(value)
    case "-m", "--mark": mark = try Self.markAndMask(value)
    case "-e", "--event-mask": try setEvents(value)
    case "-o", "--output": try setOutput(value, at: place)
    case "-w", "--zone": zone = Self.port(value)
    case "--orig-zone": originalZone = Self.port(value)
    case "--reply-zone": replyZone = Self.port(value)
    case "-b", "--buffer-size", "-i", "--id": _ = try Self.number(value)
    case "--sport", "--orig-port-src": sourcePort = Self.port(value)
    case "--dport", "--orig-port-dst": destinationPort = Self.port(value)
    case "--reply-port-src": replySourcePort = Self.port(value)
    case "--reply-port-dst": replyDestinationPort = Self.port(value)
    case "--icmp-type": icmpType = UInt8(truncatingIfNeeded: Self.port(value))
    case "--icmp-code": icmpCode = UInt8(truncatingIfNeeded: Self.port(value))
    case "--icmp-id": icmpID = Self.port(value)
    case "--state":
      guard let found = ConntrackTCPState.allCases.first(where: { $0.name == value }) else {
        throw .usage("unknown TCP state `\(value)'")
      }
      state = found
    default: break
    }
  }

  private mutating func setStatus(_ text: String) throws(Failure) {
    for word in text.split(separator: ",", omittingEmptySubsequences: false) {
      switch word {
      case "ASSURED": status.insert(.assured)
      case "SEEN_REPLY": status.insert(.seenReply)
      case "FIXED_TIMEOUT": status.insert(.fixedTimeout)
      case "EXPECTED": status.insert(.expected)
      case "SRC_NAT": status.insert(.sourceNAT)
      case "DST_NAT": status.insert(.destinationNAT)
      case "CONFIRMED": status.insert(.confirmed)
      case "UNSET": break
      case "UNREPLIED": wantsUnreplied = true
      default: throw .usage("Bad parameter `\(word)'")
      }
    }
  }

  private mutating func setEvents(_ text: String) throws(Failure) {
    events = []
    for word in text.split(separator: ",", omittingEmptySubsequences: false) {
      switch word {
      case "ALL": events.formUnion(["NEW", "UPDATE", "DESTROY"])
      case "NEW", "DESTROY": events.insert(String(word))
      case "UPDATE", "UPDATES": events.insert("UPDATE")
      default: throw .usage("Bad parameter `\(word)'")
      }
    }
  }

  private mutating func setOutput(_ text: String, at place: Int) throws(Failure) {
    for word in text.split(separator: ",", omittingEmptySubsequences: false) {
      switch word {
      case "extended": isExtended = true
      case "id": showsID = true
      case "xml": format = .xml
      case "save": format = .save
      case "timestamp": showsTime = true
      case "ktimestamp", "labels", "userspace":
        throw .refused(place, "the output format `\(word)' of conntrack is not modelled")
      default: throw .usage("Bad parameter `\(word)'")
      }
    }
  }

  private static func network(_ text: String) throws(Failure) -> Network {
    let parts = text.split(separator: "/", maxSplits: 1).map(String.init)
    guard let first = parts.first, let address = IPv4Address(first) else {
      throw .usage("Invalid IP address `\(text)'")
    }
    guard parts.count > 1 else { return Network(address: address, mask: .max) }
    if let length = UInt32(parts[1]), length <= 32 {
      return Network(address: address, mask: length == 0 ? 0 : .max << (32 - length))
    }
    guard let mask = IPv4Address(parts[1]) else {
      throw .usage("Invalid netmask")
    }
    return Network(address: address, mask: mask.rawValue)
  }

  private static func protocolNamed(_ name: String) throws(Failure) -> IPProtocol {
    let known = ["tcp", "udp", "udplite", "sctp", "dccp", "icmp", "icmpv6", "gre"]
    if known.contains(name), let found = IPProtocol(name) { return found }
    if let number = UInt8(name) { return IPProtocol(rawValue: number) }
    throw .usage("`\(name)' unsupported protocol")
  }

  private static func number(_ text: String) throws(Failure) -> UInt32 {
    let value =
      text.hasPrefix("0x") || text.hasPrefix("0X")
      ? UInt32(text.dropFirst(2), radix: 16) : UInt32(text)
    guard let value else { throw .usage("Invalid number `\(text)'") }
    return value
  }

  private static func port(_ text: String) -> UInt16 {
    // atoi: what is no number is 0.
    let digits = text.drop { $0 == " " }.prefix { ("0"..."9").contains($0) }
    return UInt16(truncatingIfNeeded: UInt64(digits) ?? 0)
  }

  private static func markAndMask(_ text: String) throws(Failure) -> (UInt32, UInt32) {
    let parts = text.split(separator: "/", maxSplits: 1).map(String.init)
    let value = try number(parts.first ?? "")
    return (value, parts.count > 1 ? try number(parts[1]) : .max)
  }
}

extension ConntrackOptions {
  /// Whether a connection is one of those that were asked for.
  func accepts(_ record: ConntrackRecord) -> Bool {
    if isIPv6 { return false }
    if let ipProtocol, record.protocol != ipProtocol { return false }
    if let source, !source.contains(record.original.source) { return false }
    if let destination, !destination.contains(record.original.destination) { return false }
    if let replySource, !replySource.contains(record.reply.source) { return false }
    if let replyDestination, !replyDestination.contains(record.reply.destination) { return false }
    if let sourcePort, record.original.sourcePort != sourcePort { return false }
    if let destinationPort, record.original.destinationPort != destinationPort { return false }
    if let replySourcePort, record.reply.sourcePort != replySourcePort { return false }
    if let replyDestinationPort, record.reply.destinationPort != replyDestinationPort {
      return false
    }
    if let icmpType, record.original.icmpType != icmpType { return false }
    if let icmpCode, record.original.icmpCode != icmpCode { return false }
    if let icmpID, record.original.icmpID != icmpID { return false }
    if let state, record.tcpState != state { return false }
    if !record.status.isSuperset(of: status) { return false }
    if let mark, record.mark & mark.mask != mark.value { return false }
    let isOneZone = record.original.zone == record.reply.zone
    if let zone, !isOneZone || record.original.zone != zone { return false }
    if let originalZone, isOneZone || record.original.zone != originalZone { return false }
    if let replyZone, isOneZone || record.reply.zone != replyZone { return false }
    if wantsUnreplied, record.status.contains(.seenReply) { return false }
    if wantsSourceNAT, !Self.showsSourceNAT(record, sourceTranslation) { return false }
    if wantsDestinationNAT, !Self.showsDestinationNAT(record, destinationTranslation) {
      return false
    }
    if wantsAnyNAT, !Self.showsSourceNAT(record, sourceTranslation),
      !Self.showsDestinationNAT(record, destinationTranslation)
    {
      return false
    }
    return true
  }

  /// Whether the tool takes the source for translated: it compares the two directions once
  /// translation was decided, and with ICMP it compares an identifier with a type.
  private static func showsSourceNAT(
    _ record: ConntrackRecord,
    _ address: IPv4Address?
  ) -> Bool {
    guard record.status.contains(.sourceNATDone) else { return false }
    if let address {
      return record.reply.destination == address && address != record.original.source
    }
    if record.reply.destination != record.original.source { return true }
    return record.protocol == .icmp
      ? record.original.icmpID != UInt16(record.reply.icmpType) << 8 | UInt16(record.reply.icmpCode)
      : record.reply.destinationPort != record.original.sourcePort
  }

  private static func showsDestinationNAT(
    _ record: ConntrackRecord,
    _ address: IPv4Address?
  ) -> Bool {
    guard record.status.contains(.destinationNATDone) else { return false }
    if let address {
      return record.reply.source == address && address != record.original.destination
    }
    if record.reply.source != record.original.destination { return true }
    return record.protocol == .icmp
      ? record.reply.icmpID
        != UInt16(record.original.icmpType) << 8 | UInt16(record.original.icmpCode)
      : record.reply.sourcePort != record.original.destinationPort
  }
}

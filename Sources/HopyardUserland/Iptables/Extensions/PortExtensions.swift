import HopyardSimulator
import HopyardWire

/// Ports in the text of rules.
enum PortText {
  /// A port number or the name of a service.
  static func parse(_ text: Substring, protocol: String?) throws(IptablesFailure) -> UInt16 {
    if let number = IptablesNumber.parse(String(text)), let port = UInt16(exactly: number) {
      return port
    }
    guard let port = ServiceNames.port(String(text), protocol: `protocol`) else {
      throw .parameter("invalid port/service `\(text)' specified")
    }
    return port
  }

  /// `PORT[:PORT]` as tcp and sctp take it.
  static func range(
    _ text: String,
    protocol: String,
    inverted: Bool
  ) throws(IptablesFailure) -> PortMatch {
    guard let colon = text.firstIndex(of: ":") else {
      return PortMatch(try parse(text[...], protocol: `protocol`), inverted: inverted)
    }
    let (low, high) = (text[..<colon], text[text.index(after: colon)...])
    let match = PortMatch(
      low.isEmpty ? 0 : try parse(low, protocol: `protocol`),
      high.isEmpty ? .max : try parse(high, protocol: `protocol`),
      inverted: inverted
    )
    guard match.first <= match.last else { throw .parameter("invalid portrange (min > max)") }
    return match
  }
}

extension ExtensionContext {
  /// A range of all ports is no restriction, unless it is inverted.
  func restriction(_ ports: PortMatch?) -> PortMatch? {
    ports.flatMap { $0 == PortMatch(0, .max) ? nil : $0 }
  }

  /// Older releases lose a match on its way to nf_tables if a range of all ports is inverted.
  func forgetsInverted(_ source: PortMatch?, _ destination: PortMatch?) -> Bool {
    variant == .nft && release < .version1811
      && [source, destination].contains(PortMatch(0, .max, inverted: true))
  }
}

/// `-m tcp`.
final class TCPExtension: RuleExtension {
  private var result = TCPMatch()

  init() {
    super.init(
      "tcp",
      [
        ExtensionOption("source-port", 0), ExtensionOption("sport", 0),
        ExtensionOption("destination-port", 1), ExtensionOption("dport", 1),
        ExtensionOption("syn", 2, flag: true), ExtensionOption("tcp-flags", 3),
        ExtensionOption("tcp-option", 4),
      ]
    )
  }

  override var isGuided: Bool { false }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    switch option.id {
    case 0:
      guard result.source == nil else { throw .parameter("Only one `--source-port' allowed") }
      result.source = try PortText.range(value, protocol: "tcp", inverted: inverted)
    case 1:
      guard result.destination == nil else {
        throw .parameter("Only one `--destination-port' allowed")
      }
      result.destination = try PortText.range(value, protocol: "tcp", inverted: inverted)
    case 4:
      guard result.option == nil else { throw .parameter("Only one `--tcp-option' allowed") }
      guard let number = IptablesNumber.parse(value), (1...255).contains(number) else {
        throw .parameter("Bad TCP option \"\(value)\"")
      }
      result.option = ValueMatch(UInt8(truncatingIfNeeded: number), inverted: inverted)
    default:
      guard result.flags == nil else {
        throw .parameter("Only one of `--syn' or `--tcp-flags'  allowed")
      }
      if option.id == 2 {
        result.flags = .syn(inverted: inverted)
        return
      }
      guard let second else { throw .parameter("--tcp-flags requires two args.") }
      self.second = nil
      result.flags = TCPFlagsMatch(
        mask: try Self.flags(value),
        set: try Self.flags(second),
        inverted: inverted
      )
    }
  }

  static let names: [(String, TCPFlags)] = [
    ("FIN", .fin), ("SYN", .syn), ("RST", .rst), ("PSH", .psh), ("ACK", .ack), ("URG", .urg),
  ]

  private static func flags(_ text: String) throws(IptablesFailure) -> TCPFlags {
    var flags: TCPFlags = []
    for word in text.split(separator: ",") {
      switch word.uppercased() {
      case "ALL": flags.formUnion([.fin, .syn, .rst, .psh, .ack, .urg])
      case "NONE": break
      case let upper:
        guard let known = names.first(where: { $0.0 == upper }) else {
          throw .parameter("Unknown TCP flag `\(word)'")
        }
        flags.formUnion(known.1)
      }
    }
    return flags
  }

  override func match(_ context: ExtensionContext) -> Match? {
    if context.forgetsInverted(result.source, result.destination) { return nil }
    result.source = context.restriction(result.source)
    result.destination = context.restriction(result.destination)
    return .tcp(result)
  }
}

/// `-m udp`.
final class UDPExtension: RuleExtension {
  private var result = UDPMatch()

  init() {
    super.init(
      "udp",
      [
        ExtensionOption("source-port", 0, invert: true), ExtensionOption("sport", 0),
        ExtensionOption("destination-port", 1, invert: true), ExtensionOption("dport", 1),
      ]
    )
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    if value.split(separator: ":", omittingEmptySubsequences: false).count > 2 {
      throw .parameter("udp: Too many components for option \"--\(option.name)\" (max: 2)\n")
    }
    let ports =
      value.isEmpty ? PortMatch(0, inverted: inverted) : try ports(value, inverted: inverted)
    try context.checkOrder(ports.first <= ports.last, option, self)
    if option.id == 0 { result.source = ports } else { result.destination = ports }
  }

  override func match(_ context: ExtensionContext) -> Match? {
    if context.forgetsInverted(result.source, result.destination) { return nil }
    return .udp(
      UDPMatch(
        source: context.restriction(result.source),
        destination: context.restriction(result.destination)
      )
    )
  }
}

/// `-m multiport`.
final class MultiportExtension: RuleExtension {
  private var result: MultiportMatch?

  init() {
    super.init(
      "multiport",
      [
        ExtensionOption("source-ports", 0, invert: true, excludes: [1, 2]),
        ExtensionOption("sports", 0),
        ExtensionOption("destination-ports", 1, invert: true, excludes: [0, 2]),
        ExtensionOption("dports", 1), ExtensionOption("ports", 2, invert: true, excludes: [0, 1]),
      ]
    )
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    guard let match = context.protocol else {
      throw .parameter(
        "multiport needs `-p tcp', `-p udp', `-p udplite', `-p sctp' or `-p dccp'"
      )
    }
    guard !match.inverted, [6, 17, 136, 132, 33].contains(match.value.rawValue) else {
      throw .parameter("multiport only works with TCP, UDP, UDPLITE, SCTP and DCCP")
    }
    let name = match.value.description
    var ports: [ClosedRange<UInt16>] = []
    var room = 15
    for part in value.split(separator: ",", omittingEmptySubsequences: false) {
      let ends = part.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      guard room >= ends.count else { throw .parameter("too many ports specified") }
      room -= ends.count
      let first = try PortText.parse(ends[0], protocol: name)
      let last = ends.count == 1 ? first : try PortText.parse(ends[1], protocol: name)
      if ends.count == 2, first >= last { throw .parameter("invalid portrange specified") }
      ports.append(first...max(first, last))
    }
    let side: MultiportMatch.Side =
      option.id == 0 ? .source : option.id == 1 ? .destination : .either
    result = MultiportMatch(side, ports, inverted: inverted)
  }

  override func check(_ context: ExtensionContext) throws(IptablesFailure) {
    guard result != nil else { throw .parameter("multiport expection an option") }
  }

  override func match(_ context: ExtensionContext) -> Match? { result.map { .multiport($0) } }
}

import HopyardSimulator

/// A named type of ICMP message, or a type with one code.
struct ICMPName {
  var name: String
  var type: UInt8
  var codes: ClosedRange<UInt8>

  init(_ name: String, _ type: UInt8, _ code: UInt8? = nil) {
    self.name = name
    self.type = type
    codes = code.map { $0...$0 } ?? 0...255
  }

  /// The names for IPv4; of two with the same meaning the first is printed.
  static let version4: [ICMPName] = [
    ICMPName("any", 255), ICMPName("echo-reply", 0), ICMPName("pong", 0),
    ICMPName("destination-unreachable", 3), ICMPName("network-unreachable", 3, 0),
    ICMPName("host-unreachable", 3, 1), ICMPName("protocol-unreachable", 3, 2),
    ICMPName("port-unreachable", 3, 3), ICMPName("fragmentation-needed", 3, 4),
    ICMPName("source-route-failed", 3, 5), ICMPName("network-unknown", 3, 6),
    ICMPName("host-unknown", 3, 7), ICMPName("network-prohibited", 3, 9),
    ICMPName("host-prohibited", 3, 10), ICMPName("TOS-network-unreachable", 3, 11),
    ICMPName("TOS-host-unreachable", 3, 12), ICMPName("communication-prohibited", 3, 13),
    ICMPName("host-precedence-violation", 3, 14), ICMPName("precedence-cutoff", 3, 15),
    ICMPName("source-quench", 4), ICMPName("redirect", 5), ICMPName("network-redirect", 5, 0),
    ICMPName("host-redirect", 5, 1), ICMPName("TOS-network-redirect", 5, 2),
    ICMPName("TOS-host-redirect", 5, 3), ICMPName("echo-request", 8), ICMPName("ping", 8),
    ICMPName("router-advertisement", 9), ICMPName("router-solicitation", 10),
    ICMPName("time-exceeded", 11), ICMPName("ttl-exceeded", 11),
    ICMPName("ttl-zero-during-transit", 11, 0), ICMPName("ttl-zero-during-reassembly", 11, 1),
    ICMPName("parameter-problem", 12), ICMPName("ip-header-bad", 12, 0),
    ICMPName("required-option-missing", 12, 1), ICMPName("timestamp-request", 13),
    ICMPName("timestamp-reply", 14), ICMPName("address-mask-request", 17),
    ICMPName("address-mask-reply", 18),
  ]

  /// Names for IPv6 that releases before 1.8.11 do not know.
  static let listeners6: [ICMPName] = [
    ICMPName("mld-listener-query", 130), ICMPName("mld-listener-report", 131),
    ICMPName("mld-listener-done", 132), ICMPName("mld-listener-reduction", 132),
  ]

  /// The names for IPv6.
  static let version6: [ICMPName] = [
    ICMPName("destination-unreachable", 1), ICMPName("no-route", 1, 0),
    ICMPName("communication-prohibited", 1, 1), ICMPName("beyond-scope", 1, 2),
    ICMPName("address-unreachable", 1, 3), ICMPName("port-unreachable", 1, 4),
    ICMPName("failed-policy", 1, 5), ICMPName("reject-route", 1, 6),
    ICMPName("packet-too-big", 2), ICMPName("time-exceeded", 3), ICMPName("ttl-exceeded", 3),
    ICMPName("ttl-zero-during-transit", 3, 0), ICMPName("ttl-zero-during-reassembly", 3, 1),
    ICMPName("parameter-problem", 4), ICMPName("bad-header", 4, 0),
    ICMPName("unknown-header-type", 4, 1), ICMPName("unknown-option", 4, 2),
    ICMPName("echo-request", 128), ICMPName("ping", 128), ICMPName("echo-reply", 129),
    ICMPName("pong", 129), ICMPName("router-solicitation", 133),
    ICMPName("router-advertisement", 134), ICMPName("neighbour-solicitation", 135),
    ICMPName("neighbor-solicitation", 135), ICMPName("neighbour-advertisement", 136),
    ICMPName("neighbor-advertisement", 136), ICMPName("redirect", 137),
  ]
}

/// `-m icmp` and `-m icmp6`.
final class ICMPExtension: RuleExtension {
  private let family: RuleFamily
  private var result = ICMPMatch(type: 255)

  init(_ family: RuleFamily) {
    self.family = family
    super.init(
      family == .ipv4 ? "icmp" : "icmp6",
      [
        ExtensionOption(
          family == .ipv4 ? "icmp-type" : "icmpv6-type",
          0,
          mandatory: true,
          invert: true
        )
      ]
    )
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    let label = family == .ipv4 ? "ICMP" : "ICMPv6"
    var names = family == .ipv4 ? ICMPName.version4 : ICMPName.version6
    if family == .ipv6, context.release >= .version1811 { names += ICMPName.listeners6 }
    let lower = value.lowercased()
    let similar =
      value.isEmpty ? [] : names.filter { $0.name.lowercased().hasPrefix(lower) }
    if let exact = similar.first(where: { $0.name.utf8.count == value.utf8.count }) {
      result = ICMPMatch(type: exact.type, codes: exact.codes, inverted: inverted)
      return
    }
    if similar.count > 1 {
      throw .parameter(
        "Ambiguous \(label) type `\(value)': `\(similar[0].name)' or `\(similar[1].name)'?"
      )
    }
    if let only = similar.first {
      result = ICMPMatch(type: only.type, codes: only.codes, inverted: inverted)
      return
    }
    let parts = value.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    guard let type = IptablesNumber.parse(String(parts[0])).flatMap({ UInt8(exactly: $0) }) else {
      throw .parameter("Unknown \(label) type `\(value)'")
    }
    var codes: ClosedRange<UInt8> = 0...255
    if parts.count == 2 {
      var rest = parts[1]
      var numbers: [UInt8] = []
      repeat {
        if !numbers.isEmpty { rest = rest.dropFirst() }
        guard let (number, length) = IptablesNumber.prefix(rest), let code = UInt8(exactly: number)
        else { throw .parameter("Unknown \(label) code `\(value)'") }
        numbers.append(code)
        rest = rest.dropFirst(length)
      } while rest.first == ":" && numbers.count < 2
      if let garbage = rest.first { throw .parameter("unknown character \(garbage)") }
      codes = numbers[0]...max(numbers[0], numbers.last ?? numbers[0])
    }
    result = ICMPMatch(type: type, codes: codes, inverted: inverted)
  }

  override func match(_ context: ExtensionContext) -> Match? {
    if family == .ipv6 { return .icmpv6(result) }
    // Type 255 stands for any message, whatever the code; newer releases print the code.
    if result.type == 255, context.release < .version1811 { result.codes = 0...255 }
    return .icmp(result)
  }
}

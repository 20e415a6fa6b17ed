public import HopyardSimulator
import HopyardWire

/// Protocols in the text of rules.
enum ProtocolText {
  /// Words for protocols that other commands know and iptables does not.
  private static let unknown: Set<String> = ["icmp6", "ip-encap", "ospfigp"]

  /// Reads a name or number; `all` is 0.
  static func parse(
    _ text: String,
    _ family: RuleFamily,
    original: String? = nil
  ) throws(IptablesFailure) -> IPProtocol {
    let original = original ?? text
    if let number = IptablesNumber.parse(text) {
      guard let value = UInt8(exactly: number) else {
        throw .parameter("unknown protocol \"\(original)\" specified")
      }
      return IPProtocol(rawValue: value)
    }
    if text == "all" { return IPProtocol(rawValue: 0) }
    if text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) || text.isEmpty {
      throw .parameter("unknown protocol \"\(original)\" specified")
    }
    guard !unknown.contains(text), let value = IPProtocol(text) else {
      throw .parameter("unknown protocol \"\(original)\" specified")
    }
    return value
  }

  /// The name, or the number if there is no name.
  static func name(_ value: IPProtocol) -> String {
    // The kernel calls the protocol of ICMPv6 by a name of its own in neither place.
    value.description
  }
}

/// Interfaces in the text of rules.
enum InterfaceText {
  /// Reads a name, perhaps with a `+` at the end.
  static func parse(
    _ text: String,
    inverted: Bool,
    warnings: inout String
  ) throws(IptablesFailure) -> InterfaceMatch {
    guard text.utf8.count < 16 else {
      throw .parameter("interface name `\(text)' must be shorter than IFNAMSIZ (15)")
    }
    if text.utf8.contains(where: { $0 == 0x2f || $0 == 0x20 }) {
      warnings +=
        "Warning: weird character in interface `\(text)' ('/' and ' ' are not allowed by the "
        + "kernel).\n"
    }
    let isPrefix = text.hasSuffix("+")
    return InterfaceMatch(
      isPrefix ? String(text.dropLast()) : text,
      isPrefix: isPrefix,
      inverted: inverted
    )
  }
}

/// Texts with spaces or quotes in them.
enum QuotedText {
  private static let plain = Set(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-".utf8
  )

  /// The text as `iptables-save` prints a value: in quotes if it has to be.
  static func saved(_ text: String) -> String {
    if !text.isEmpty, text.utf8.allSatisfy({ isPlain($0) }) { return text }
    return "\"" + escaped(text) + "\""
  }

  /// Bytes that need no quotes; all beyond ASCII do.
  private static func isPlain(_ byte: UInt8) -> Bool {
    plain.contains(byte)
  }

  /// The text with a backslash before quotes and backslashes.
  static func escaped(_ text: String) -> String {
    var result = ""
    for character in text {
      if character == "\"" || character == "\\" || character == "'" { result.append("\\") }
      result.append(character)
    }
    return result
  }
}

/// The text of a rule as `-S` and `iptables-save` print it.
struct RuleText {
  let family: RuleFamily
  let variant: RulesetVariant
  var release = IptablesRelease.version189

  /// The rule after `-A CHAIN`, with a space before each word; `middle` stands before the target.
  func text(_ rule: Rule, middle: String = "") -> String {
    var text = ""
    if let source = rule.source { text += address("-s", source) }
    if let destination = rule.destination { text += address("-d", destination) }
    if let interface = rule.inInterface { text += self.interface("-i", interface) }
    if let interface = rule.outInterface { text += self.interface("-o", interface) }
    if let match = rule.protocol {
      text += (match.inverted ? " !" : "") + " -p " + ProtocolText.name(match.value)
    }
    if let fragment = rule.fragment { text += fragment ? " -f" : " ! -f" }
    for match in rule.matches { text += " -m \(match.name)" + match.saved(family) }
    text += middle
    switch rule.target {
    case nil: break
    case .goto(let chain): text += " -g \(chain)"
    case .some(let target): text += " -j \(target.name)" + target.saved(family)
    }
    return text
  }

  private func address(_ option: String, _ match: AddressMatch) -> String {
    if match.mask == 0, match.address == 0, !match.inverted { return "" }
    return (match.inverted ? " !" : "") + " \(option) "
      + IptablesAddress.prefixText(match, family)
  }

  private func interface(_ option: String, _ match: InterfaceMatch) -> String {
    // A wildcard of no characters is no restriction.
    let isForgotten = variant == .legacy && release < .version1811
    if match.isPrefix, match.name.isEmpty, !match.inverted || isForgotten { return "" }
    return (match.inverted ? " !" : "") + " \(option) " + match.pattern
  }
}

extension Simulation {
  /// Lets journeys show rules as `iptables -S` prints them.
  public func describeRules() {
    let text = RuleText(family: .ipv4, variant: .nft)
    netfilter.describe = { String(text.text($0).dropFirst()) }
  }
}

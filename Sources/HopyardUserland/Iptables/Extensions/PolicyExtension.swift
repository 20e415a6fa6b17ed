import HopyardSimulator
import HopyardWire

/// `-m policy`.
final class PolicyExtension: RuleExtension {
  private var result = PolicyMatch(isIn: false, isNone: false)
  private var element = PolicyMatch.Element()
  private var isOut = false

  /// How many transformations can be named.
  private static let depth = 4

  init() {
    super.init(
      "policy",
      [
        ExtensionOption("dir", 0), ExtensionOption("pol", 1),
        ExtensionOption("strict", 2, flag: true),
        ExtensionOption("reqid", 3, invert: true, repeats: true),
        ExtensionOption("spi", 4, invert: true, repeats: true),
        ExtensionOption("proto", 5, invert: true, repeats: true),
        ExtensionOption("mode", 6, invert: true, repeats: true),
        ExtensionOption("tunnel-src", 7, invert: true, repeats: true),
        ExtensionOption("tunnel-dst", 8, invert: true, repeats: true),
        ExtensionOption("next", 9, flag: true, repeats: true, requires: [2]),
      ]
    )
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    func once(_ isThere: Bool) throws(IptablesFailure) {
      if isThere { throw .parameter("policy match: double --\(option.name) option") }
    }
    switch option.id {
    case 0:
      switch value {
      case "in": result.isIn = true
      case "out": isOut = true
      default: throw .parameter("policy_match: invalid dir \"\(value)\"")
      }
    case 1:
      switch value {
      case "none": result.isNone = true
      case "ipsec": break
      default: throw .parameter("policy match: invalid policy \"\(value)\"")
      }
    case 2: result.isStrict = true
    case 3:
      try once(element.requestID != nil)
      element.requestID = .init(try number32(value, option), inverted: inverted)
    case 4:
      try once(element.spi != nil)
      element.spi = .init(try number32(value, option), inverted: inverted)
    case 5:
      try once(element.protocol != nil)
      let number = try ProtocolText.parse(value, context.family).rawValue
      guard [50, 51, 108].contains(number) else {
        throw .parameter("policy match: protocol must be ah/esp/ipcomp")
      }
      element.protocol = .init(UInt32(number), inverted: inverted)
    case 6:
      try once(element.mode != nil)
      switch value {
      case "transport": element.mode = .init(0, inverted: inverted)
      case "tunnel": element.mode = .init(1, inverted: inverted)
      default: throw .parameter("policy match: invalid mode \"\(value)\"")
      }
    case 7, 8:
      try once((option.id == 7 ? element.source : element.destination) != nil)
      let match = try network(value, inverted, option, context)
      if option.id == 7 { element.source = match } else { element.destination = match }
    default:
      guard result.elements.count + 1 < Self.depth else {
        throw .parameter("policy match: maximum policy depth reached")
      }
      result.elements.append(element)
      element = PolicyMatch.Element()
    }
  }

  private func network(
    _ value: String,
    _ inverted: Bool,
    _ option: ExtensionOption,
    _ context: ExtensionContext
  ) throws(IptablesFailure) -> AddressMatch {
    let parts = value.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
    var mask = context.family.fullMask
    if parts.count == 2 {
      guard let read = IptablesAddress.parseMask(String(parts[1]), context.family) else {
        throw .parameter("invalid mask `\(parts[1])' specified")
      }
      mask = read
    }
    var match = AddressMatch(address: 0, mask: mask, inverted: inverted)
    match.address = try host(String(parts[0]), option, context)
    return match
  }

  override func check(_ context: ExtensionContext) throws(IptablesFailure) {
    guard result.isIn || isOut else {
      throw .parameter("policy match: neither --dir in nor --dir out specified")
    }
    result.elements.append(element)
    if result.isNone {
      if result.isStrict { throw .parameter("policy match: policy none but --strict given") }
      // What it would be like does not matter of a policy that must not be there.
      result.elements = []
      return
    }
    for (index, element) in result.elements.enumerated() {
      if result.isStrict, element == PolicyMatch.Element() {
        throw .parameter(
          "policy match: empty policy element \(index). --strict is in effect, but at least one "
            + "of reqid, spi, tunnel-src, tunnel-dst, proto or mode is required."
        )
      }
      let isTunnel = element.mode.map { ($0.value == 1) != $0.inverted } ?? false
      if element.source != nil || element.destination != nil, !isTunnel {
        throw .parameter(
          "policy match: --tunnel-src/--tunnel-dst is only valid in tunnel mode"
        )
      }
    }
    if !result.isStrict, result.elements == [PolicyMatch.Element()] { result.elements = [] }
  }

  override func match(_ context: ExtensionContext) -> Match? { .policy(result) }
}

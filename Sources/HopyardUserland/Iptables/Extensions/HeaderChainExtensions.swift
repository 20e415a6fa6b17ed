import HopyardSimulator
import HopyardWire

/// `-m frag`.
final class FragmentExtension: RuleExtension {
  private var result = FragmentMatch()

  init() {
    super.init(
      "frag",
      [
        ExtensionOption("fragid", 0, invert: true), ExtensionOption("fraglen", 1, invert: true),
        ExtensionOption("fragres", 2, flag: true), ExtensionOption("fragfirst", 3, flag: true),
        ExtensionOption("fragmore", 4, flag: true, excludes: [5]),
        ExtensionOption("fraglast", 5, flag: true, excludes: [4]),
      ]
    )
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    switch option.id {
    case 0: result.id = try range32(value, option, inverted, context)
    case 1: result.length = NumberMatch(try number32(value, option), inverted: inverted)
    case 2: result.checksReserved = true
    case 3: result.isFirst = true
    default: result.hasMore = option.id == 4
    }
  }

  override func match(_ context: ExtensionContext) -> Match? {
    result.id = result.id.flatMap { context.keptRange($0, maximum: .max) }
    return .fragment(result)
  }
}

/// `-m hbh` and `-m dst`.
final class OptionsHeaderExtension: RuleExtension {
  private var result = OptionsHeaderMatch()

  init(_ name: String) {
    super.init(
      name,
      [ExtensionOption(name + "-len", 0, invert: true), ExtensionOption(name + "-opts", 1)]
    )
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    if option.id == 0 {
      result.length = NumberMatch(try number32(value, option), inverted: inverted)
      return
    }
    for word in value.split(separator: ",") {
      guard result.options.count < 16 else { throw .parameter("too many addresses specified") }
      let parts = word.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
      let kind = try number(parts[0], "opt", "type")
      let length = parts.count == 2 ? try number(parts[1], "length", "length") : nil
      result.options.append(.init(kind, length: length))
    }
  }

  /// A number, of which the lowest byte is kept.
  private func number(
    _ text: Substring,
    _ what: String,
    _ short: String
  ) throws(IptablesFailure) -> UInt8 {
    guard let (value, length) = IptablesNumber.prefix(text) else {
      throw .parameter("\(name): no valid digits in \(what) `\(text)'")
    }
    guard length == text.count else {
      throw .parameter("\(name): error parsing \(short) `\(text)'")
    }
    guard value <= UInt64(UInt32.max) else {
      throw .parameter("\(name): \(what) `\(text)' specified too big: would overflow")
    }
    return UInt8(truncatingIfNeeded: value)
  }

  override func match(_ context: ExtensionContext) -> Match? {
    name == "hbh" ? .hopByHop(result) : .destinationOptions(result)
  }
}

/// `-m rt`.
final class RoutingHeaderExtension: RuleExtension {
  private var result = RoutingHeaderMatch()

  init() {
    super.init(
      "rt",
      [
        ExtensionOption("rt-type", 0, invert: true),
        ExtensionOption("rt-segsleft", 1, invert: true), ExtensionOption("rt-len", 2, invert: true),
        ExtensionOption("rt-0-res", 3, flag: true), ExtensionOption("rt-0-addrs", 4),
        ExtensionOption("rt-0-not-strict", 5, flag: true),
      ]
    )
  }

  private func needsTypeZero(_ option: ExtensionOption) throws(IptablesFailure) {
    guard result.type == NumberMatch(0) else {
      throw .parameter("`--rt-type 0' required before `--\(option.name)'")
    }
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    switch option.id {
    case 0: result.type = NumberMatch(try number32(value, option), inverted: inverted)
    case 1: result.segmentsLeft = try range32(value, option, inverted, context)
    case 2: result.length = NumberMatch(try number32(value, option), inverted: inverted)
    case 3:
      try needsTypeZero(option)
      result.checksReserved = true
    case 4:
      try needsTypeZero(option)
      for word in value.split(separator: ",") {
        guard result.addresses.count < 16 else { throw .parameter("too many addresses specified") }
        guard let address = IptablesAddress.parse(String(word), .ipv6) else {
          throw .parameter("bad address: \(word)")
        }
        result.addresses.append(address)
      }
    default:
      guard !result.addresses.isEmpty else {
        throw .parameter("`--rt-0-addr ...' required before `--rt-0-not-strict'")
      }
      result.isLoose = true
    }
  }

  override func match(_ context: ExtensionContext) -> Match? {
    result.segmentsLeft = result.segmentsLeft.flatMap {
      context.keptRange($0, maximum: .max)
    }
    return .routingHeader(result)
  }
}

/// `-m ipv6header`.
final class HeaderListExtension: RuleExtension {
  private var result = HeaderListMatch([])

  init() {
    super.init(
      "ipv6header",
      [
        ExtensionOption("header", 0, mandatory: true, invert: true),
        ExtensionOption("soft", 1, flag: true),
      ]
    )
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    if option.id == 1 {
      result.isSoft = true
      return
    }
    for word in value.split(separator: ",") {
      let known = HeaderListMatch.names.first {
        $0.name == word || $0.short == word || $0.number != 255 && "\($0.number)" == word
      }
      guard let known else {
        let number = IPProtocol(String(word)).map { "\($0.rawValue)" } ?? String(word)
        throw .parameter("unknown header `\(number)' specified")
      }
      result.headers.formUnion(known.header)
    }
    guard !result.headers.isEmpty else {
      throw .parameter("ip6t_ipv6header: cannot parse header names")
    }
    result.inverted = inverted
  }

  override func match(_ context: ExtensionContext) -> Match? { .headerList(result) }
}

/// `-m mh`.
final class MobilityExtension: RuleExtension {
  private var types: RangeMatch?

  init() {
    super.init("mh", [ExtensionOption("mh-type", 0, invert: true)])
  }

  private static func type(_ text: Substring) throws(IptablesFailure) -> UInt32 {
    let lower = text.lowercased()
    let similar = MobilityMatch.names.indices.filter {
      MobilityMatch.names[$0].0.hasPrefix(lower) || MobilityMatch.names[$0].1.hasPrefix(lower)
    }
    if let exact = similar.first(where: {
      MobilityMatch.names[$0].0 == lower || MobilityMatch.names[$0].1 == lower
    }) {
      return UInt32(exact)
    }
    if let first = similar.first, !lower.isEmpty { return UInt32(first) }
    guard let number = IptablesNumber.parse(String(text)), number <= 255 else {
      throw .parameter("Invalid MH type `\(text)'")
    }
    return UInt32(number)
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    let parts = value.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    let first = parts[0].isEmpty && parts.count == 2 ? 0 : try Self.type(parts[0])
    var last = first
    if parts.count == 2 { last = parts[1].isEmpty ? 255 : try Self.type(parts[1]) }
    guard first <= last else { throw .parameter("Invalid MH type range (min > max)") }
    types = RangeMatch(first, last, inverted: inverted)
  }

  override func match(_ context: ExtensionContext) -> Match? {
    .mobility(MobilityMatch(types.flatMap { context.keptRange($0, maximum: 255) }))
  }
}

/// `-m eui64`.
final class EUI64Extension: RuleExtension {
  init() { super.init("eui64", []) }

  override func match(_ context: ExtensionContext) -> Match? { .eui64 }
}

/// `-m srh`.
final class SegmentRoutingExtension: RuleExtension {
  private var result = SegmentRoutingMatch()

  init() {
    var options = [ExtensionOption("srh-next-hdr", 0, invert: true)]
    var id = 1
    for field in ["hdr-len", "segs-left", "last-entry"] {
      for comparison in ["eq", "gt", "lt"] {
        options.append(ExtensionOption("srh-\(field)-\(comparison)", id, invert: true))
        id += 1
      }
    }
    options += [
      ExtensionOption("srh-tag", 10, invert: true), ExtensionOption("srh-psid", 11, invert: true),
      ExtensionOption("srh-nsid", 12, invert: true), ExtensionOption("srh-lsid", 13, invert: true),
    ]
    super.init("srh", options)
  }

  override func read(
    _ option: ExtensionOption,
    _ value: String,
    _ inverted: Bool,
    _ context: ExtensionContext
  ) throws(IptablesFailure) {
    switch option.id {
    case 0:
      let number = UInt32(truncatingIfNeeded: try number(value, option, 0...255))
      result.nextHeader = NumberMatch(number, inverted: inverted)
    case 1...9:
      let number = UInt8(truncatingIfNeeded: try number(value, option, 0...255))
      let test = SegmentRoutingMatch.Field.Test(inverted: inverted)
      let field: WritableKeyPath<SegmentRoutingMatch, SegmentRoutingMatch.Field> =
        option.id <= 3 ? \.headerLength : option.id <= 6 ? \.segmentsLeft : \.lastEntry
      result[keyPath: field].value = number
      switch (option.id - 1) % 3 {
      case 0: result[keyPath: field].equal = test
      case 1: result[keyPath: field].greater = test
      default: result[keyPath: field].less = test
      }
    case 10:
      let number = UInt32(truncatingIfNeeded: try number(value, option, 0...65535))
      result.tag = NumberMatch(number, inverted: inverted)
    default:
      let parts = value.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
      var mask = UInt128.max
      if parts.count == 2 {
        guard let read = IptablesAddress.parseMask(String(parts[1]), .ipv6) else {
          throw .parameter("srh: bad value for option \"--\(option.name)\"")
        }
        mask = read
      }
      // The address is kept as it was written, beyond its mask too.
      var match = AddressMatch(address: 0, mask: mask, inverted: inverted)
      match.address = try host(String(parts[0]), option, context)
      switch option.id {
      case 11: result.previous = match
      case 12: result.next = match
      default: result.last = match
      }
    }
  }

  override func match(_ context: ExtensionContext) -> Match? { .segmentRouting(result) }
}

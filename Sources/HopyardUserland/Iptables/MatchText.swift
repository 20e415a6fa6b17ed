import HopyardSimulator
import HopyardWire

private func not(_ inverted: Bool) -> String { inverted ? " !" : "" }

/// A number in hexadecimal with `0x`, and zeros before it up to a width.
func hexadecimal(_ number: some BinaryInteger, width: Int = 1) -> String {
  let digits = String(number, radix: 16)
  return "0x" + String(repeating: "0", count: max(0, width - digits.count)) + digits
}

extension PortMatch {
  fileprivate var text: String { first == last ? "\(first)" : "\(first):\(last)" }
}

extension RangeMatch {
  fileprivate var text: String { lower == upper ? "\(lower)" : "\(lower):\(upper)" }
}

extension MarkMatch {
  fileprivate var text: String {
    hexadecimal(mark) + (mask == .max ? "" : "/" + hexadecimal(mask))
  }
}

extension Match {
  /// The options as `iptables-save` prints them, with a space before each word.
  func saved(_ family: RuleFamily) -> String {
    switch self {
    case .addressType(let match):
      func types(_ option: String, _ match: AddressTypeMatch.Types?) -> String {
        guard let match else { return "" }
        return not(match.inverted) + " \(option) " + match.text
      }
      let interface: String =
        switch match.interface {
        case nil: ""
        case .incoming: " --limit-iface-in"
        case .outgoing: " --limit-iface-out"
        }
      return types("--src-type", match.source) + types("--dst-type", match.destination)
        + interface
    case .ah(let match): return spi("--ahspi", match) + match.savedRest
    case .esp(let match): return spi("--espspi", match)
    case .comment(let text): return " --comment " + QuotedText.saved(text)
    case .connectionBytes(let match):
      return not(match.inverted) + " --connbytes \(match.text) --connbytes-mode "
        + "\(match.unit.rawValue) --connbytes-dir \(match.direction.rawValue)"
    case .connectionLimit(let match):
      return " --connlimit-\(match.isUpTo ? "upto" : "above") \(match.limit)"
        + " --connlimit-mask \(match.prefixLength)"
        + " --connlimit-\(match.countsDestination ? "daddr" : "saddr")"
    case .connectionMark(let match), .mark(let match):
      return not(match.inverted) + " --mark " + match.text
    case .conntrack(let match): return match.text(family, prefix: " --")
    case .dscp(let match):
      return not(match.inverted) + " --dscp " + hexadecimal(match.value, width: 2)
    case .hashLimit(let match): return match.saved(family)
    case .helper(let match):
      return not(match.inverted) + " --helper " + QuotedText.saved(match.name)
    case .hopLimit(let match): return match.saved("hl")
    case .ttl(let match): return match.saved("ttl")
    case .icmp(let match):
      let text = match.type == 255 && match.codes == 0...255 ? "any" : match.text
      return not(match.inverted) + " --icmp-type " + text
    case .icmpv6(let match): return not(match.inverted) + " --icmpv6-type " + match.text
    case .addressRange(let match):
      func range(_ option: String, _ bounds: AddressRangeMatch.Bounds?) -> String {
        guard let bounds else { return "" }
        return not(bounds.inverted) + " \(option) " + bounds.text(family)
      }
      return range("--src-range", match.source) + range("--dst-range", match.destination)
    case .length(let match): return not(match.inverted) + " --length " + match.text
    case .tcpMSS(let match): return not(match.inverted) + " --mss " + match.text
    case .limit(let match):
      return " --limit " + RateText.text(UInt64(match.interval), scale: 10000)
        + (match.burst == 5 ? "" : " --limit-burst \(match.burst)")
    case .mac(let match): return not(match.inverted) + " --mac-source \(match.address)"
    case .multiport(let match):
      return not(match.inverted) + " --\(match.word) "
        + match.ports.map { portRange($0) }.joined(separator: ",")
    case .owner(let match): return match.text(prefix: " --", names: false)
    case .physicalDevice(let match): return match.text
    case .packetType(let match): return not(match.inverted) + " --pkt-type " + match.word
    case .quota(let match): return not(match.inverted) + " --quota \(match.bytes)"
    case .recent(let match): return match.saved(family)
    case .reversePath(let match): return match.text(prefix: " --")
    case .sctp(let match): return match.saved
    case .udp(let match): return ports(match.source, match.destination)
    case .set(let match):
      var text =
        not(match.inverted) + " --match-set \(match.name) " + SetText.text(match.sources)
      if match.returnsNoMatch { text += " --return-nomatch" }
      if match.skipsCounters { text += " ! --update-counters" }
      if match.skipsSubcounters { text += " ! --update-subcounters" }
      return text + match.counterText
    case .socket(let match):
      return (match.isTransparent ? " --transparent" : "")
        + (match.noWildcard ? " --nowildcard" : "")
        + (match.restoresMark ? " --restore-skmark" : "")
    case .state(let match):
      return not(match.inverted) + " --state "
        + ConntrackWords.text(match.states, ConntrackWords.states)
    case .statistic(let match):
      switch match.mode {
      case .random(let probability):
        return " --mode random" + not(match.inverted) + " --probability "
          + StatisticText.probability(probability)
      case .nth(let every, let packet):
        return " --mode nth" + not(match.inverted) + " --every \(every) --packet \(packet)"
      }
    case .string(let match): return match.saved
    case .tcp(let match):
      var text = ports(match.source, match.destination)
      if let option = match.option {
        text += not(option.inverted) + " --tcp-option \(option.value)"
      }
      if let flags = match.flags {
        text +=
          not(flags.inverted) + " --tcp-flags " + flagWords(flags.mask) + " "
          + flagWords(flags.set)
      }
      return text
    case .tos(let match):
      return not(match.inverted) + " --tos " + hexadecimal(match.value, width: 2) + "/"
        + hexadecimal(match.mask, width: 2)
    case .u32(let match): return not(match.inverted) + " --u32 " + "\"\(match.text)\""
    case .accounting(let name): return " --nfacct-name  \(name)"
    case .bpf(let program): return program.saved
    case .cluster(let match): return match.saved
    case .compression(let match): return match.saved
    case .connectionLabel(let match): return match.saved
    case .controlGroup(let match): return match.saved
    case .cpu(let match): return match.saved("--cpu")
    case .dccp(let match): return match.saved
    case .destinationOptions(let match): return match.saved("dst")
    case .deviceGroup(let match): return match.saved
    case .ecn(let match): return match.saved
    case .eui64: return ""
    case .fingerprint(let match): return match.saved
    case .fragment(let match): return match.saved
    case .headerList(let match): return match.saved
    case .hopByHop(let match): return match.saved("hbh")
    case .ipvs(let match): return match.saved(family)
    case .mobility(let match): return match.saved
    case .policy(let match): return match.saved(family)
    case .rate(let match): return match.saved
    case .realm(let match): return match.savedRealm
    case .routingHeader(let match): return match.saved
    case .segmentRouting(let match): return match.saved
    case .time(let match): return match.saved
    }
  }

  private func ports(_ source: PortMatch?, _ destination: PortMatch?) -> String {
    var text = ""
    if let source { text += not(source.inverted) + " --sport " + source.text }
    if let destination { text += not(destination.inverted) + " --dport " + destination.text }
    return text
  }

  private func spi(_ option: String, _ match: SPIMatch) -> String {
    match.range.map { not($0.inverted) + " \(option) " + $0.text } ?? ""
  }

  private func flagWords(_ flags: TCPFlags) -> String {
    if flags.isEmpty { return "NONE" }
    return TCPExtension.names.filter { flags.contains($0.1) }.map(\.0).joined(separator: ",")
  }
}

/// A range of ports with a colon between.
func portRange(_ range: ClosedRange<UInt16>) -> String {
  range.count == 1 ? "\(range.lowerBound)" : "\(range.lowerBound):\(range.upperBound)"
}

extension AddressTypeMatch.Types {
  var text: String {
    AddressTypeExtension.names.filter { types.contains($0.1) }.map(\.0).joined(separator: ",")
  }
}

extension ConnectionBytesMatch {
  var text: String { to == .max ? "\(from)" : "\(from):\(to)" }
}

extension HopMatch {
  func saved(_ word: String) -> String {
    switch comparison {
    case .equal: " --\(word)-eq \(value)"
    case .notEqual: " ! --\(word)-eq \(value)"
    case .less: " --\(word)-lt \(value)"
    case .greater: " --\(word)-gt \(value)"
    }
  }
}

extension ICMPMatch {
  var text: String {
    codes == 0...255
      ? "\(type)"
      : codes.count == 1
        ? "\(type)/\(codes.lowerBound)" : "\(type)/\(codes.lowerBound):\(codes.upperBound)"
  }
}

extension AddressRangeMatch.Bounds {
  func text(_ family: RuleFamily) -> String {
    IptablesAddress.text(first, family) + "-" + IptablesAddress.text(last, family)
  }
}

extension MultiportMatch {
  var word: String {
    switch side {
    case .source: "sports"
    case .destination: "dports"
    case .either: "ports"
    }
  }
}

extension PacketTypeMatch {
  var word: String {
    PacketTypeExtension.names.first { $0.1 == kind }?.0 ?? "unicast"
  }
}

extension PhysicalDeviceMatch {
  var text: String {
    var text = ""
    if isIn == true { text += " --physdev-is-in" }
    if isIn == false { text += " ! --physdev-is-in" }
    if let inInterface {
      text += not(inInterface.inverted) + " --physdev-in " + inInterface.pattern
    }
    if isOut == true { text += " --physdev-is-out" }
    if isOut == false { text += " ! --physdev-is-out" }
    if let outInterface {
      text += not(outInterface.inverted) + " --physdev-out " + outInterface.pattern
    }
    if isBridged == true { text += " --physdev-is-bridged" }
    if isBridged == false { text += " ! --physdev-is-bridged" }
    return text
  }
}

extension ReversePathMatch {
  func text(prefix: String) -> String {
    (isLoose ? prefix + "loose" : "") + (usesMark ? prefix + "validmark" : "")
      + (acceptsLocal ? prefix + "accept-local" : "") + (inverted ? prefix + "invert" : "")
  }
}

extension SetMatch {
  /// The comparisons with counters.
  var counterText: String {
    func text(_ word: String, _ match: CounterMatch?) -> String {
      guard let match else { return "" }
      switch match.comparison {
      case .equal: return " --\(word)-eq \(match.value)"
      case .notEqual: return " ! --\(word)-eq \(match.value)"
      case .less: return " --\(word)-lt \(match.value)"
      case .greater: return " --\(word)-gt \(match.value)"
      }
    }
    return text("packets", packets) + text("bytes", bytes)
  }
}

enum StatisticText {
  /// A probability with eleven digits.
  static func probability(_ value: UInt32) -> String {
    // Rounded half to even in exact arithmetic, as printf does with the fraction value / 2^31.
    let scale: UInt128 = 100_000_000_000
    let product = UInt128(value) * scale
    var quotient = product >> 31
    let rest = product & 0x7fff_ffff
    if rest > 0x4000_0000 || rest == 0x4000_0000 && quotient & 1 == 1 { quotient += 1 }
    let digits = String(quotient % scale)
    return "\(quotient / scale)." + String(repeating: "0", count: 11 - digits.count) + digits
  }
}

extension RecentMatch {
  func saved(_ family: RuleFamily) -> String {
    var text = not(inverted) + " --\(action.rawValue)"
    if seconds > 0 { text += " --seconds \(seconds)" }
    if reaps { text += " --reap" }
    if hitCount > 0 { text += " --hitcount \(hitCount)" }
    if comparesTTL { text += " --rttl" }
    text += " --name \(name) --mask \(IptablesAddress.text(mask, family))"
    return text + (usesDestination ? " --rdest" : " --rsource")
  }

  func listed(_ family: RuleFamily) -> String {
    var text = not(inverted) + " recent:"
    switch action {
    case .set: text += " SET"
    case .check: text += " CHECK"
    case .update: text += " UPDATE"
    case .remove: text += " REMOVE"
    }
    if seconds > 0 { text += " seconds: \(seconds)" }
    if reaps { text += " reap" }
    if hitCount > 0 { text += " hit_count: \(hitCount)" }
    if comparesTTL { text += " TTL-Match" }
    text += " name: \(name)"
    text += usesDestination ? " side: dest" : " side: source"
    return text + " mask: \(IptablesAddress.text(mask, family))"
  }
}

extension HashLimitMatch {
  private var rate: String {
    guard countsBytes else { return RateText.text(average, scale: HashLimitExtension.scale) }
    return Self.size(average) + "/s"
  }

  /// In the greatest unit whose multiple costs as much.
  private static func size(_ bytes: UInt64) -> String {
    for (unit, size) in [("mb", UInt64(1024 * 1024)), ("kb", 1024)] where bytes >= size {
      let rounded = bytes / size * size
      if HashLimitExtension.cost(ofBytes: rounded) == HashLimitExtension.cost(ofBytes: bytes) {
        return "\(bytes / size)\(unit)"
      }
    }
    return "\(bytes)b"
  }

  private var burstText: String? {
    guard countsBytes else { return "\(burst)" }
    guard burst > 0 else { return nil }
    let bytes = burst &* average
    if bytes >= 1024 * 1024 { return "\(bytes / (1024 * 1024))mb" }
    return bytes >= 1024 ? "\(bytes / 1024)kb" : "\(bytes)b"
  }

  /// How long an idle bucket is kept if nothing is said: it depends on the rate.
  private var usualExpiry: UInt64 {
    if countsBytes { return burst == 0 ? 15_000 : 60_000 }
    guard average > 0 else { return 1000 }
    return RateText.unit(of: average, scale: HashLimitExtension.scale).seconds * 1000
  }

  private func mode(separator: String) -> String? {
    keys.isEmpty
      ? nil
      : HashLimitExtension.keys.filter { keys.contains($0.1) }.map(\.0)
        .joined(separator: separator)
  }

  /// The parts that are printed only if they are not the usual, with a word for each.
  private func extras(_ family: RuleFamily) -> [(String, String)] {
    var list: [(String, String)] = []
    if size != 0 { list.append(("htable-size", "\(size)")) }
    if maximum != 0 { list.append(("htable-max", "\(maximum)")) }
    if collectionInterval != 1000 { list.append(("htable-gcinterval", "\(collectionInterval)")) }
    if UInt64(expiry) != usualExpiry { list.append(("htable-expire", "\(expiry)")) }
    if Int(sourcePrefixLength) != family.addressBits {
      list.append(("srcmask", "\(sourcePrefixLength)"))
    }
    if Int(destinationPrefixLength) != family.addressBits {
      list.append(("dstmask", "\(destinationPrefixLength)"))
    }
    return list
  }

  private func rateText(_ prefix: String) -> String {
    guard comparesRate else { return "" }
    return prefix + "rate-match"
      + (rateInterval > 1 ? "\(prefix)rate-interval \(rateInterval)" : "")
  }

  func saved(_ family: RuleFamily) -> String {
    var text = " --hashlimit-\(isAbove ? "above" : "upto") \(rate)"
    if let burstText { text += " --hashlimit-burst \(burstText)" }
    if let mode = mode(separator: ",") { text += " --hashlimit-mode \(mode)" }
    text += " --hashlimit-name \(name)"
    for (word, value) in extras(family) { text += " --hashlimit-\(word) \(value)" }
    return text + rateText(" --hashlimit-")
  }

  func listed(_ family: RuleFamily) -> String {
    var text = " limit: \(isAbove ? "above" : "up to") \(rate)"
    if let burstText { text += " burst \(burstText)" }
    if let mode = mode(separator: "-") { text += " mode \(mode)" }
    for (word, value) in extras(family) { text += " \(word) \(value)" }
    return text + rateText(" ")
  }
}

extension OwnerMatch {
  func text(prefix: String, names: Bool) -> String {
    var text = ""
    if let socketExists { text += not(!socketExists) + " --socket-exists" }
    if let user {
      text += not(user.inverted) + " --uid-owner " + Self.range(user)
    }
    if let group {
      text += not(group.inverted) + " --gid-owner " + Self.range(group)
    }
    return text + (usesSupplementaryGroups ? " --suppl-groups" : "")
  }

  static func range(_ range: RangeMatch) -> String {
    range.lower == range.upper ? "\(range.lower)" : "\(range.lower)-\(range.upper)"
  }
}

extension StringMatch {
  /// The pattern as it is printed: in hexadecimal if a byte of it cannot be printed.
  var quoted: String {
    if needsHexadecimal {
      let digits = pattern.map { byte in
        let text = String(byte, radix: 16)
        return text.count == 1 ? "0" + text : text
      }
      return "\"|" + digits.joined() + "|\""
    }
    var text = "\""
    for byte in pattern {
      if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { text += "\\" }
      text += String(decoding: [byte], as: UTF8.self)
    }
    return text + "\""
  }

  private var needsHexadecimal: Bool {
    if pattern.last == UInt8(ascii: "\\") { return true }
    return pattern.contains { !(0x20...0x7e).contains($0) }
  }

  var saved: String {
    var text = not(inverted) + (needsHexadecimal ? " --hex-string " : " --string ") + quoted
    text += " --algo \(algorithm.rawValue)"
    if from != 0 { text += " --from \(from)" }
    if to != 0, to != .max { text += " --to \(to)" }
    return text + (ignoresCase ? " --icase" : "")
  }
}

extension U32Match {
  var text: String {
    tests.map { test in
      var text = hexadecimal(test.offset)
      for step in test.steps {
        let symbol =
          switch step.operation {
          case .and: "&"
          case .leftShift: "<<"
          case .rightShift: ">>"
          case .at: "@"
          }
        text += symbol + hexadecimal(step.operand)
      }
      let values = test.values.map { range in
        range.lower == range.upper
          ? hexadecimal(range.lower) : hexadecimal(range.lower) + ":" + hexadecimal(range.upper)
      }
      return text + "=" + values.joined(separator: ",")
    }.joined(separator: "&&")
  }
}

extension ConntrackMatch {
  /// The parts of the match, each after a prefix; `--` for saving and none for listing.
  func text(_ family: RuleFamily, prefix: String) -> String {
    var text = ""
    func add(_ word: String, _ inverted: Bool, _ value: String) {
      text += not(inverted) + prefix + word + " " + value
    }
    func address(_ word: String, _ match: AddressMatch?) {
      guard let match else { return }
      add(
        word,
        match.inverted,
        IptablesAddress.text(match.address, family)
          + IptablesAddress.maskSuffix(match.mask, family)
      )
    }
    func ports(_ word: String, _ match: PortMatch?) {
      if let match { add(word, match.inverted, match.text) }
    }
    if let states {
      add("ctstate", states.inverted, ConntrackWords.text(states.states, ConntrackWords.states))
    }
    if let `protocol` { add("ctproto", `protocol`.inverted, "\(`protocol`.value.rawValue)") }
    address("ctorigsrc", originalSource)
    address("ctorigdst", originalDestination)
    address("ctreplsrc", replySource)
    address("ctrepldst", replyDestination)
    ports("ctorigsrcport", originalSourcePort)
    ports("ctorigdstport", originalDestinationPort)
    ports("ctreplsrcport", replySourcePort)
    ports("ctrepldstport", replyDestinationPort)
    if let status {
      add(
        "ctstatus",
        status.inverted,
        status.status.isEmpty
          ? "NONE" : ConntrackWords.text(status.status, ConntrackWords.status)
      )
    }
    if let expiry { add("ctexpire", expiry.inverted, expiry.text) }
    if let direction { text += prefix + "ctdir " + (direction == .original ? "ORIGINAL" : "REPLY") }
    return text
  }
}

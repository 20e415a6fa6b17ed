import HopyardSimulator
import HopyardWire

/// Rules of iptables-nft as nft(8) 1.0.6 lists them.
///
/// What nft has no words for it shows by name, as `xt match recent`.
struct NftRuleText {
  let family: RuleFamily
  /// Whether counters show their numbers (without `-s`).
  var showsCounters = true

  /// The text of a rule.
  func text(_ rule: Rule, _ counters: RuleCounters) -> String {
    var words: [String] = []
    words += header(rule)
    for match in rule.matches { words.append(text(match, rule)) }
    words.append(
      showsCounters ? "counter packets \(counters.packets) bytes \(counters.bytes)" : "counter"
    )
    if let target = rule.target { words.append(text(target, rule)) }
    return words.joined(separator: " ")
  }

  // MARK: What every rule can have

  private var ip: String { family == .ipv4 ? "ip" : "ip6" }

  private func header(_ rule: Rule) -> [String] {
    var words: [String] = []
    if let name = rule.inInterface { words.append("iifname " + interface(name)) }
    if let name = rule.outInterface { words.append("oifname " + interface(name)) }
    if let wanted = rule.protocol, wanted.value.rawValue != 0, !nativePorts(rule) {
      words.append("meta l4proto \(wanted.inverted ? "!= " : "")\(wanted.value)")
    }
    if let address = rule.source { words.append(text(address, "\(ip) saddr")) }
    if let address = rule.destination { words.append(text(address, "\(ip) daddr")) }
    if let isFragment = rule.fragment {
      words.append("ip frag-off & 8191 \(isFragment ? "!=" : "==") 0")
    }
    return words
  }

  /// Whether a rule names ports or flags by itself, which says the protocol too.
  private func nativePorts(_ rule: Rule) -> Bool {
    guard rule.protocol?.inverted == false else { return false }
    return rule.matches.contains { match in
      switch match {
      case .tcp(let wanted):
        wanted.option == nil
          && (wanted.source != nil || wanted.destination != nil || wanted.flags != nil)
      case .udp(let wanted): wanted.source != nil || wanted.destination != nil
      default: false
      }
    }
  }

  private func interface(_ name: InterfaceMatch) -> String {
    "\(name.inverted ? "!= " : "")\"\(name.name)\(name.isPrefix ? "*" : "")\""
  }

  private func text(_ address: AddressMatch, _ field: String) -> String {
    let relation = address.inverted ? "!= " : ""
    let value = IptablesAddress.text(address.address, family)
    guard let length = IptablesAddress.prefixLength(address.mask, family) else {
      let mask = IptablesAddress.text(address.mask, family)
      return "\(field) & \(mask) \(address.inverted ? "!=" : "==") \(value)"
    }
    return "\(field) \(relation)\(value)" + (length == family.addressBits ? "" : "/\(length)")
  }

  private func text(_ ports: PortMatch?, _ field: String) -> String? {
    guard let ports else { return nil }
    let relation = ports.inverted ? "!= " : ""
    if ports.first == ports.last { return "\(field) \(relation)\(ports.first)" }
    if ports.first == 0, !ports.inverted { return "\(field) <= \(ports.last)" }
    if ports.last == .max, !ports.inverted { return "\(field) >= \(ports.first)" }
    return "\(field) \(relation)\(ports.first)-\(ports.last)"
  }

  private func hex(_ value: UInt32, width: Int = 0) -> String {
    let digits = String(value, radix: 16)
    return "0x" + String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
  }

  // MARK: Matches

  private func text(_ match: Match, _ rule: Rule) -> String {
    switch match {
    case .comment: return ""
    case .tcp(let wanted):
      var words = [text(wanted.source, "tcp sport"), text(wanted.destination, "tcp dport")]
        .compactMap { $0 }
      if let flags = wanted.flags {
        let relation = flags.inverted ? "!= " : ""
        words.append("tcp flags \(relation)\(names(flags.set)) / \(names(flags.mask))")
      }
      if let option = wanted.option {
        words.append("tcp option \(option.value) \(option.inverted ? "missing" : "exists")")
      }
      return words.joined(separator: " ")
    case .udp(let wanted):
      return [text(wanted.source, "udp sport"), text(wanted.destination, "udp dport")]
        .compactMap { $0 }.joined(separator: " ")
    case .sctp(let wanted):
      return [text(wanted.source, "sctp sport"), text(wanted.destination, "sctp dport")]
        .compactMap { $0 }.joined(separator: " ")
    case .icmp(let wanted):
      if wanted.type == 0xff { return "ip protocol icmp" }
      guard wanted.codes == 0...255, let name = Self.icmpNames[wanted.type] else {
        return "xt match icmp"
      }
      return "icmp type \(wanted.inverted ? "!= " : "")\(name)"
    case .state(let states): return text(states)
    case .conntrack(let wanted): return text(wanted)
    case .multiport(let wanted): return text(wanted, rule)
    case .mark(let mark):
      if mark.mask == .max {
        return "meta mark \(mark.inverted ? "!= " : "")\(hex(mark.mark, width: 8))"
      }
      return "meta mark & \(hex(mark.mask, width: 8)) \(mark.inverted ? "!=" : "==") "
        + hex(mark.mark, width: 8)
    case .connectionMark(let mark):
      if mark.mask == .max { return "ct mark \(mark.inverted ? "!= " : "")\(hex(mark.mark))" }
      return "ct mark and \(hex(mark.mask)) \(mark.inverted ? "!=" : "==") \(hex(mark.mark))"
    case .limit(let limit): return text(limit)
    case .addressType(let wanted): return text(wanted)
    case .mac(let wanted):
      return "ether saddr \(wanted.inverted ? "!= " : "")\(wanted.address)"
    case .length(let range): return text(range, "meta length")
    case .ttl(let wanted): return text(wanted, "ip ttl")
    case .hopLimit(let wanted): return text(wanted, "ip6 hoplimit")
    case .addressRange(let wanted):
      var words: [String] = []
      if let range = wanted.source { words.append(text(range, "\(ip) saddr")) }
      if let range = wanted.destination { words.append(text(range, "\(ip) daddr")) }
      return words.joined(separator: " ")
    case .packetType(let wanted):
      let name = ["unicast", "broadcast", "multicast"][min(Int(wanted.kind.rawValue), 2)]
      return "pkttype \(wanted.inverted ? "!= " : "")\(name)"
    case .dscp(let wanted):
      return "\(ip) dscp \(wanted.inverted ? "!= " : "")0x"
        + (wanted.value < 16 ? "0" : "") + String(wanted.value, radix: 16)
    case .statistic(let wanted): return text(wanted)
    case .quota(let quota): return "quota \(quota.inverted ? "over " : "")\(quota.bytes) bytes"
    case .helper(let wanted):
      return "ct helper \(wanted.inverted ? "!= " : "")\"\(wanted.name)\""
    case .owner(let wanted):
      var words: [String] = []
      if let user = wanted.user { words.append(text(user, "skuid")) }
      if let group = wanted.group { words.append(text(group, "skgid")) }
      return words.joined(separator: " ")
    default: return "xt match \(match.name)"
    }
  }

  static let icmpNames: [UInt8: String] = [
    0: "echo-reply", 3: "destination-unreachable", 4: "source-quench", 5: "redirect",
    8: "echo-request", 9: "router-advertisement", 10: "router-solicitation", 11: "time-exceeded",
    12: "parameter-problem", 13: "timestamp-request", 14: "timestamp-reply", 15: "info-request",
    16: "info-reply", 17: "address-mask-request", 18: "address-mask-reply",
  ]

  private func names(_ flags: TCPFlags) -> String {
    let all = ["fin", "syn", "rst", "psh", "ack", "urg"]
    let set = all.indices.filter { flags.rawValue >> $0 & 1 != 0 }.map { all[$0] }
    return set.isEmpty ? "none" : set.joined(separator: ",")
  }

  private func text(_ states: StateMatch) -> String {
    let names: [(ConntrackStates, String)] = [
      (.invalid, "invalid"), (.new, "new"), (.related, "related"), (.established, "established"),
      (.untracked, "untracked"),
    ]
    let set = names.filter { states.states.contains($0.0) }.map(\.1)
    var words: [String] = []
    let relation = states.inverted ? "! " : ""
    if !set.isEmpty { words.append("ct state \(relation)\(set.joined(separator: ","))") }
    let kinds: [(ConntrackStates, String)] = [(.snat, "snat"), (.dnat, "dnat")]
    let status = kinds.filter { states.states.contains($0.0) }.map(\.1)
    if !status.isEmpty { words.append("ct status \(relation)\(status.joined(separator: ","))") }
    return words.joined(separator: " ")
  }

  private func text(_ wanted: ConntrackMatch) -> String {
    var words: [String] = []
    if let states = wanted.states { words.append(text(states)) }
    if let number = wanted.protocol {
      words.append("ct original protocol \(number.inverted ? "!= " : "")\(number.value)")
    }
    let addresses: [(AddressMatch?, String)] = [
      (wanted.originalSource, "ct original saddr"),
      (wanted.originalDestination, "ct original daddr"), (wanted.replySource, "ct reply saddr"),
      (wanted.replyDestination, "ct reply daddr"),
    ]
    for (address, field) in addresses {
      if let address { words.append(text(address, field)) }
    }
    let ports: [(PortMatch?, String)] = [
      (wanted.originalSourcePort, "ct original proto-src"),
      (wanted.originalDestinationPort, "ct original proto-dst"),
      (wanted.replySourcePort, "ct reply proto-src"),
      (wanted.replyDestinationPort, "ct reply proto-dst"),
    ]
    words += ports.compactMap { text($0.0, $0.1) }
    if let direction = wanted.direction {
      words.append("ct direction " + (direction.rawValue == 0 ? "original" : "reply"))
    }
    return words.isEmpty ? "xt match conntrack" : words.joined(separator: " ")
  }

  private func text(_ wanted: MultiportMatch, _ rule: Rule) -> String {
    let name = rule.protocol.map { $0.value.description } ?? "th"
    let ports = wanted.ports.map { port in
      port.count == 1 ? "\(port.lowerBound)" : "\(port.lowerBound)-\(port.upperBound)"
    }
    if wanted.side == .either {
      let pairs = ports.flatMap { ["0-65535 . \($0)", "\($0) . 0-65535"] }
      let relation = wanted.inverted ? "!= " : ""
      return "\(name) sport . \(name) dport \(relation){ \(pairs.joined(separator: ", ")) }"
    }
    let field = wanted.side == .source ? "sport" : "dport"
    let list = ports.count == 1 ? ports[0] : "{ \(ports.joined(separator: ", ")) }"
    return "\(name) \(field) \(wanted.inverted ? "!= " : "")\(list)"
  }

  private func text(_ limit: LimitMatch) -> String {
    // The largest unit in which the rate is a whole number.
    let units: [(String, UInt64)] = [
      ("second", 10_000), ("minute", 600_000), ("hour", 36_000_000), ("day", 864_000_000),
    ]
    let interval = UInt64(max(1, limit.interval))
    let unit = units.first { $0.1 >= interval && $0.1 % interval < $0.1 / 10 } ?? units[0]
    let text = "limit rate \(unit.1 / interval)/\(unit.0)"
    return limit.burst == 5 ? text : text + " burst \(limit.burst) packets"
  }

  private func text(_ wanted: AddressTypeMatch) -> String {
    var words: [String] = []
    func add(_ types: AddressTypeMatch.Types?, _ field: String, _ device: String) {
      guard let types else { return }
      let names = AddressTypeExtension.names.filter { types.types.contains($0.1) }
        .map { $0.0.lowercased() }
      let list = names.count == 1 ? names[0] : "{ \(names.joined(separator: ", ")) }"
      let key = wanted.interface == nil ? field : "\(field) . \(device)"
      words.append("fib \(key) type \(types.inverted ? "!= " : "")\(list)")
    }
    let device = wanted.interface == .outgoing ? "oif" : "iif"
    add(wanted.source, "saddr", device)
    add(wanted.destination, "daddr", device)
    return words.joined(separator: " ")
  }

  private func text(_ range: RangeMatch, _ field: String) -> String {
    let value = range.lower == range.upper ? "\(range.lower)" : "\(range.lower)-\(range.upper)"
    return "\(field) \(range.inverted ? "!= " : "")\(value)"
  }

  private func text(_ wanted: HopMatch, _ field: String) -> String {
    switch wanted.comparison {
    case .equal: "\(field) \(wanted.value)"
    case .notEqual: "\(field) != \(wanted.value)"
    case .less: "\(field) lt \(wanted.value)"
    case .greater: "\(field) gt \(wanted.value)"
    }
  }

  private func text(_ range: AddressRangeMatch.Bounds, _ field: String) -> String {
    let first = IptablesAddress.text(range.first, family)
    let last = IptablesAddress.text(range.last, family)
    return "\(field) \(range.inverted ? "!= " : "")\(first)-\(last)"
  }

  private func text(_ wanted: StatisticMatch) -> String {
    switch wanted.mode {
    case .random(let threshold):
      return "meta random & 2147483647 \(wanted.inverted ? ">=" : "<") \(threshold)"
    case .nth(let every, let first):
      return "numgen inc mod \(every) \(wanted.inverted ? "!= " : "")\(first)"
    }
  }

  // MARK: Targets

  private func text(_ target: Target, _ rule: Rule) -> String {
    switch target {
    case .accept: return "accept"
    case .drop: return "drop"
    case .return: return "return"
    case .jump(let name): return "jump \(name)"
    case .goto(let name): return "goto \(name)"
    case .queue: return "queue"
    case .log(let log): return text(log)
    case .nflog(let log):
      let prefix = log.prefix.isEmpty ? "" : " prefix \"\(log.prefix)\""
      return "log\(prefix) group \(log.group)"
    case .nfqueue(let queue):
      let last = Int(queue.queue) + Int(queue.total) - 1
      let numbers = queue.total > 1 ? "\(queue.queue)-\(last)" : "\(queue.queue)"
      var flags: [String] = []
      if queue.bypasses { flags.append("bypass") }
      if queue.fansOutByCPU { flags.append("fanout") }
      let suffix = flags.isEmpty ? "" : " flags " + flags.joined(separator: ",")
      return "queue\(suffix) num \(numbers)"
    case .reject(let reason): return text(reason)
    case .mark(let mark): return "meta mark set " + change(mark, "mark")
    case .connectionMark(let mark): return text(mark)
    case .masquerade(let ports): return "masquerade" + text(ports, "to")
    case .redirect(let ports): return "redirect" + text(ports, "to")
    case .snat(let nat): return "snat" + text(nat)
    case .dnat(let nat): return "dnat" + text(nat)
    case .notrack: return "notrack"
    case .conntrack(let wanted) where wanted.isUntracked: return "notrack"
    case .trace: return "meta nftrace set 1"
    case .tee(let copy):
      let device = copy.outInterface.map { " device \"\($0)\"" } ?? ""
      return "dup to " + IptablesAddress.text(copy.gateway, family) + device
    case .tcpMSS(.set(let size)): return "tcp option maxseg size set \(size)"
    case .tcpMSS(.clampToPMTU): return "tcp option maxseg size set rt mtu"
    case .dscp(let value):
      return "\(ip) dscp set 0x" + (value < 16 ? "0" : "") + String(value, radix: 16)
    case .classify(let number):
      return "meta priority set \(String(number >> 16, radix: 16)):"
        + String(number & 0xffff, radix: 16)
    default: return "xt target \(target.name)"
    }
  }

  private func text(_ log: LogTarget) -> String {
    let levels = ["emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"]
    var text = "log"
    if !log.prefix.isEmpty { text += " prefix \"\(log.prefix)\"" }
    if log.level != 4 { text += " level \(levels[min(Int(log.level), 7)])" }
    var flags: [String] = []
    if log.flags.contains(.tcpSequence), log.flags.contains(.tcpOptions) {
      flags.append("tcp sequence,options")
    } else if log.flags.contains(.tcpSequence) {
      flags.append("tcp sequence")
    } else if log.flags.contains(.tcpOptions) {
      flags.append("tcp options")
    }
    if log.flags.contains(.ipOptions) { flags.append("ip options") }
    if log.flags.contains(.userID) { flags.append("skuid") }
    if log.flags.contains(.macDecode) { flags.append("ether") }
    return flags.reduce(text) { $0 + " flags " + $1 }
  }

  private func text(_ reason: RejectReason) -> String {
    switch reason {
    case .portUnreachable, .portUnreachableV6: return "reject"
    case .tcpReset: return "reject with tcp reset"
    case .networkUnreachable: return "reject with icmp type net-unreachable"
    case .hostUnreachable: return "reject with icmp type host-unreachable"
    case .protocolUnreachable: return "reject with icmp type prot-unreachable"
    case .networkProhibited: return "reject with icmp type net-prohibited"
    case .hostProhibited: return "reject with icmp type host-prohibited"
    case .adminProhibited: return "reject with icmp type admin-prohibited"
    default:
      return "reject with icmpv6 type " + reason.rawValue.replacing("icmp6-", with: "")
    }
  }

  private func change(_ mark: MarkTarget, _ name: String) -> String {
    if mark.mask == .max { return hex(mark.value) }
    if mark.mask == mark.value { return "\(name) or \(hex(mark.value))" }
    if mark.value == 0 { return "\(name) and \(hex(~mark.mask))" }
    if mark.mask == 0 { return "\(name) xor \(hex(mark.value))" }
    return "\(name) and \(hex(~mark.mask)) xor \(hex(mark.value))"
  }

  private func text(_ mark: ConnectionMarkTarget) -> String {
    switch mark {
    case .set(let value): return "ct mark set " + change(value, "ct mark")
    case .save(.max, .max): return "ct mark set mark"
    case .restore(.max, .max): return "meta mark set ct mark"
    default: return "xt target CONNMARK"
    }
  }

  private func text(_ ports: NATPorts?) -> String {
    guard let ports else { return "" }
    return ports.first == ports.last ? ":\(ports.first)" : ":\(ports.first)-\(ports.last)"
  }

  private func text(_ options: NATOptions) -> String {
    var words: [String] = []
    if options.contains(.random) { words.append("random") }
    if options.contains(.randomFully) { words.append("fully-random") }
    if options.contains(.persistent) { words.append("persistent") }
    return words.isEmpty ? "" : " " + words.joined(separator: ",")
  }

  private func text(_ target: PortTarget, _ word: String) -> String {
    (target.ports == nil ? "" : " \(word) " + text(target.ports)) + text(target.options)
  }

  private func text(_ target: NATTarget) -> String {
    var value = ""
    if let addresses = target.addresses {
      value = IptablesAddress.text(addresses.first, family)
      if addresses.last != addresses.first {
        value += "-" + IptablesAddress.text(addresses.last, family)
      }
      if family == .ipv6, target.ports != nil { value = "[\(value)]" }
    }
    return " to " + value + text(target.ports) + text(target.options)
  }
}

import HopyardSimulator
import HopyardWire

private func not(_ inverted: Bool) -> String { inverted ? "!" : "" }

extension Match {
  /// The match as `-L` prints it, with a space before it.
  func listed(
    numeric: Bool,
    family: RuleFamily,
    variant: RulesetVariant,
    protocol: ProtocolMatch?
  ) -> String {
    switch self {
    case .addressType(let match):
      var text = " ADDRTYPE match"
      if let source = match.source { text += " src-type \(not(source.inverted))\(source.text)" }
      if let destination = match.destination {
        text += " dst-type \(not(destination.inverted))\(destination.text)"
      }
      switch match.interface {
      case nil: return text
      case .incoming: return text + " limit-in"
      case .outgoing: return text + " limit-out"
      }
    case .ah(let match): return family == .ipv6 ? match.listed6 : spi("ah ", match)
    case .esp(let match): return spi("esp", match)
    case .comment(let text): return " /* \(text) */"
    case .connectionBytes(let match):
      return (match.inverted ? " !" : "") + " connbytes \(match.text) connbytes mode "
        + "\(match.unit.rawValue) connbytes direction \(match.direction.rawValue)"
    case .connectionLimit(let match):
      return " #conn \(match.countsDestination ? "dst" : "src")/\(match.prefixLength) "
        + "\(match.isUpTo ? "<=" : ">") \(match.limit)"
    case .connectionMark(let match):
      return mark(" connmark match" + (match.inverted ? " " : "  "), match)
    case .mark(let match): return mark(" mark match ", match)
    case .conntrack(let match): return match.text(family, prefix: " ")
    case .dscp(let match):
      return " DSCP match \(not(match.inverted))" + hexadecimal(match.value, width: 2)
    case .hashLimit(let match): return match.listed(family)
    case .helper(let match):
      return " helper match\(match.inverted ? " !" : "") \"\(match.name)\""
    case .hopLimit(let match): return hop(match, " HL match HL")
    case .ttl(let match): return hop(match, " TTL match TTL")
    case .icmp(let match): return icmp(match, numeric, "icmp", ICMPName.version4)
    case .icmpv6(let match): return icmp(match, numeric, "ipv6-icmp", ICMPName.version6)
    case .addressRange(let match):
      func range(_ word: String, _ bounds: AddressRangeMatch.Bounds?) -> String {
        guard let bounds else { return "" }
        return " \(word) IP range\(bounds.inverted ? " !" : "") " + bounds.text(family)
      }
      return range("source", match.source) + range("destination", match.destination)
    case .length(let match): return " length \(not(match.inverted))" + rangeText(match)
    case .tcpMSS(let match): return " tcpmss match \(not(match.inverted))" + rangeText(match)
    case .limit(let match):
      return " limit: avg " + RateText.text(UInt64(match.interval), scale: 10000)
        + " burst \(match.burst)"
    case .mac(let match): return " MAC\(match.inverted ? " !" : "") \(match.address)"
    case .multiport(let match):
      let name = `protocol`?.value.description ?? ""
      let ports = match.ports.map { range in
        let ends =
          range.count == 1 ? [range.lowerBound] : [range.lowerBound, range.upperBound]
        return ends.map { port($0, name, numeric) }.joined(separator: ":")
      }
      return " multiport \(match.word) \(match.inverted ? " !" : "")" + ports.joined(separator: ",")
    case .owner(let match): return owner(match, numeric)
    case .physicalDevice(let match): return " PHYSDEV match" + match.text
    case .packetType(let match):
      return " PKTTYPE \(match.inverted ? "!= " : "= ")" + match.word
    case .quota(let match): return " quota: \(match.bytes) bytes"
    case .recent(let match): return match.listed(family)
    case .reversePath(let match): return " rpfilter" + match.text(prefix: " ")
    case .sctp(let match):
      return " sctp" + ports(match.source, match.destination, "sctp", numeric)
        + match.listedChunks(numeric: numeric)
    case .udp(let match): return " udp" + ports(match.source, match.destination, "udp", numeric)
    case .set(let match):
      var text = (match.inverted ? " !" : "") + " match-set \(match.name) "
      text += SetText.text(match.sources)
      if match.returnsNoMatch { text += " return-nomatch" }
      if match.skipsCounters { text += " ! update-counters" }
      if match.skipsSubcounters { text += " ! update-subcounters" }
      return text + match.counterText.replacing(" --", with: " ")
    case .socket: return " socket" + saved(family)
    case .state(let match):
      return (match.inverted ? " !" : "") + " state "
        + ConntrackWords.text(match.states, ConntrackWords.states)
    case .statistic(let match):
      switch match.mode {
      case .random(let probability):
        return " statistic mode random\(match.inverted ? " !" : "") probability "
          + StatisticText.probability(probability)
      case .nth(let every, let packet):
        return " statistic mode nth\(match.inverted ? " !" : "") every \(every)"
          + (packet == 0 ? "" : " packet \(packet)")
      }
    case .string(let match):
      var text = " STRING match \(not(match.inverted)) \(match.quoted)"
      text += " ALGO name \(match.algorithm.rawValue)"
      if match.from != 0 { text += " FROM \(match.from)" }
      if match.to != 0, match.to != .max { text += " TO \(match.to)" }
      return text + (match.ignoresCase ? " ICASE" : "")
    case .tcp(let match):
      var text = " tcp" + ports(match.source, match.destination, "tcp", numeric)
      if let option = match.option { text += " option=\(not(option.inverted))\(option.value)" }
      if let flags = match.flags { text += tcpFlags(flags, numeric) }
      return text
    case .tos(let match):
      if !numeric, match.mask == 0x3f,
        let known = TOSText.names.first(where: { $0.1 == match.value })
      {
        return " tos match\(not(match.inverted)) " + known.0
      }
      return " tos match\(not(match.inverted))" + hexadecimal(match.value, width: 2) + "/"
        + hexadecimal(match.mask, width: 2)
    case .u32(let match): return " u32\(match.inverted ? " !" : "") \"\(match.text)\""
    case .accounting(let name): return " nfacct-name  \(name)"
    case .bpf(let program): return program.listed
    case .cluster(let match): return match.listed
    case .compression(let match): return match.listed
    case .connectionLabel(let match): return match.listed
    case .controlGroup(let match): return match.listed
    case .cpu(let match): return " cpu" + (match.inverted ? " !" : "") + " \(match.value)"
    case .dccp(let match):
      return " dccp" + ports(match.source, match.destination, "dccp", true)
        + match.listedRest(numeric: numeric)
    case .destinationOptions(let match): return match.listed("dst")
    case .deviceGroup(let match): return match.listed(numeric: numeric)
    case .ecn(let match): return match.listed
    // The program of nf_tables has no match without options to print.
    case .eui64: return variant == .legacy ? "eui64 " : ""
    case .fingerprint(let match): return match.listed
    case .fragment(let match): return match.listed
    case .headerList(let match): return match.listed(numeric: numeric)
    case .hopByHop(let match): return match.listed("hbh")
    case .ipvs(let match): return match.listed(family)
    case .mobility(let match): return match.listed(numeric: numeric)
    case .policy(let match): return match.listed(family, numeric: numeric)
    case .rate(let match): return match.listed(numeric: numeric)
    case .realm(let match): return match.listedRealm(numeric: numeric)
    case .routingHeader(let match): return match.listed
    case .segmentRouting(let match): return match.listed
    case .time(let match): return match.listed
    }
  }

  private func rangeText(_ match: RangeMatch) -> String {
    match.lower == match.upper ? "\(match.lower)" : "\(match.lower):\(match.upper)"
  }

  private func port(_ port: UInt16, _ name: String, _ numeric: Bool) -> String {
    (numeric ? nil : ServiceNames.name(port, protocol: name)) ?? "\(port)"
  }

  private func ports(
    _ source: PortMatch?,
    _ destination: PortMatch?,
    _ name: String,
    _ numeric: Bool
  ) -> String {
    func text(_ word: String, _ match: PortMatch?) -> String {
      guard let match else { return "" }
      let isRange = match.first != match.last
      let ports = isRange ? [match.first, match.last] : [match.first]
      return " \(word)\(isRange ? "s" : ""):\(not(match.inverted))"
        + ports.map { port($0, name, numeric) }.joined(separator: ":")
    }
    return text("spt", source) + text("dpt", destination)
  }

  private func tcpFlags(_ flags: TCPFlagsMatch, _ numeric: Bool) -> String {
    func words(_ set: TCPFlags) -> String {
      if numeric { return "0x" + hexadecimal(set.rawValue, width: 2).dropFirst(2).uppercased() }
      if set.isEmpty { return "NONE" }
      return TCPExtension.names.filter { set.contains($0.1) }.map(\.0).joined(separator: ",")
    }
    return " flags:\(not(flags.inverted))\(words(flags.mask))/\(words(flags.set))"
  }

  private func mark(_ words: String, _ match: MarkMatch) -> String {
    words + (match.inverted ? "! " : "") + hexadecimal(match.mark)
      + (match.mask == .max ? "" : "/" + hexadecimal(match.mask))
  }

  private func spi(_ word: String, _ match: SPIMatch) -> String {
    guard let range = match.range else { return " " + word }
    let text = rangeText(range)
    let plural = range.lower == range.upper ? "" : "s"
    return " \(word.trimmingSpace) spi\(plural):\(not(range.inverted))\(text)"
  }

  private func hop(_ match: HopMatch, _ words: String) -> String {
    switch match.comparison {
    case .equal: "\(words) == \(match.value)"
    case .notEqual: "\(words) != \(match.value)"
    case .less: "\(words) < \(match.value)"
    case .greater: "\(words) > \(match.value)"
    }
  }

  private func icmp(
    _ match: ICMPMatch,
    _ numeric: Bool,
    _ word: String,
    _ names: [ICMPName]
  ) -> String {
    if !numeric,
      let known = names.first(where: { $0.type == match.type && $0.codes == match.codes })
    {
      return " \(word) \(not(match.inverted))\(known.name)"
    }
    var text =
      match.inverted ? " \(word) !type \(match.type)" : " \(word)type \(match.type)"
    if match.codes.count == 1 {
      text += " code \(match.codes.lowerBound)"
    } else if match.codes != 0...255 {
      text += " codes \(match.codes.lowerBound)-\(match.codes.upperBound)"
    }
    return text
  }

  private func owner(_ match: OwnerMatch, _ numeric: Bool) -> String {
    var text = ""
    if let socketExists = match.socketExists {
      text += (socketExists ? "" : " !") + " owner socket exists"
    }
    if let user = match.user {
      text +=
        (user.inverted ? " !" : "") + " owner UID match "
        + (numeric ? nil : OwnerExtension.userName(user)).orRange(user)
    }
    if let group = match.group {
      text +=
        (group.inverted ? " !" : "") + " owner GID match "
        + (numeric ? nil : OwnerExtension.groupName(group)).orRange(group)
    }
    return text + (match.usesSupplementaryGroups ? " incl. suppl. groups" : "")
  }
}

extension String {
  fileprivate var trimmingSpace: String {
    hasSuffix(" ") ? String(dropLast()) : self
  }
}

extension String? {
  fileprivate func orRange(_ range: RangeMatch) -> String {
    self ?? OwnerMatch.range(range)
  }
}

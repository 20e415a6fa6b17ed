import HopyardSimulator
import HopyardWire

extension Target {
  /// The options as `iptables-save` prints them, with a space before each word.
  func saved(_ family: RuleFamily) -> String {
    switch self {
    case .accept, .drop, .queue, .return, .jump, .goto, .notrack, .trace: return ""
    case .checksumFill: return " --checksum-fill"
    case .classify(let value):
      return " --set-class \(Self.hex4(value >> 16)):\(Self.hex4(value & 0xffff))"
    case .connectionMark(let target):
      switch target {
      case .shifted(let change, let left, let bits):
        return Target.connectionMark(change).saved(family)
          + " --\(left ? "left" : "right")-shift-mark \(bits)"
      case .set(let mark): return " --set-xmark " + mark.text
      case .save(let packetMask, let mask):
        return " --save-mark --nfmask \(hexadecimal(packetMask)) --ctmask \(hexadecimal(mask))"
      case .restore(let packetMask, let mask):
        return " --restore-mark --nfmask \(hexadecimal(packetMask)) --ctmask \(hexadecimal(mask))"
      }
    case .conntrack(let target): return target.text(prefix: " --")
    case .dnat(let target):
      return " --to-destination " + NATText.targetText(target, family)
        + target.options.text(prefix: " --")
    case .snat(let target):
      return " --to-source " + NATText.targetText(target, family)
        + target.options.text(prefix: " --")
    case .dscp(let value): return " --set-dscp " + hexadecimal(value, width: 2)
    case .hopLimit(let target): return target.saved("hl")
    case .ttl(let target): return target.saved("ttl")
    case .log(let target):
      return (target.prefix.isEmpty ? "" : " --log-prefix \(target.savedPrefix)")
        + (target.level == 4 ? "" : " --log-level \(target.level)") + target.flags.text
    case .mark(let mark): return " --set-xmark " + mark.text
    case .masquerade(let target), .redirect(let target):
      return (target.ports.map { " --to-ports " + NATText.portsText($0) } ?? "")
        + target.options.text(prefix: " --")
    case .netmap(let match):
      let length = IptablesAddress.prefixLength(match.mask, family)
      return " --to " + IptablesAddress.text(match.address, family)
        + (length.map { "/\($0)" } ?? "/" + IptablesAddress.text(match.mask, family))
    case .nflog(let target): return target.text(prefix: " --")
    case .nfqueue(let target):
      return
        (target.total > 1
        ? " --queue-balance \(target.queue):\(UInt32(target.queue) + UInt32(target.total) - 1)"
        : " --queue-num \(target.queue)") + (target.bypasses ? " --queue-bypass" : "")
        + (target.fansOutByCPU ? " --queue-cpu-fanout" : "")
    case .reject(let reason): return " --reject-with " + reason.rawValue
    case .set(let target): return target.text(prefix: " --")
    case .tcpMSS(.set(let size)): return " --set-mss \(size)"
    case .tcpMSS(.clampToPMTU): return " --clamp-mss-to-pmtu"
    case .tee(let target):
      return " --gateway " + IptablesAddress.text(target.gateway, family)
        + (target.outInterface.map { " --oif \($0)" } ?? "")
    case .tos(let target): return " --set-tos " + target.text
    case .audit(let kind): return " --type \(kind.rawValue)"
    case .connectionSecurityMark(let saves): return saves ? " --save" : " --restore"
    case .ecn(let target): return target.saved
    case .hashMark(let target): return target.saved
    case .idleTimer(let target): return target.saved
    case .led(let target): return target.saved
    case .rateEstimator(let target): return target.saved
    case .securityMark(let context): return " --selctx \(context)"
    case .sourcePrefix(let target), .destinationPrefix(let target): return target.saved
    case .stripTCPOptions(let options): return options.saved
    case .synproxy(let target): return target.saved
    case .tproxy(let target):
      return " --on-port \(target.port) --on-ip \(IptablesAddress.text(target.address, family))"
        + " --tproxy-mark \(hexadecimal(target.mark))/\(hexadecimal(target.mask))"
    }
  }

  /// The target as `-L` prints it after its name's column, with a space before it.
  func listed(numeric: Bool, family: RuleFamily) -> String {
    switch self {
    case .accept, .drop, .queue, .return, .jump, .goto, .trace: return ""
    case .notrack: return " NOTRACK"
    case .checksumFill: return " CHECKSUM fill"
    case .classify(let value):
      return " CLASSIFY set \(String(value >> 16, radix: 16)):\(String(value & 0xffff, radix: 16))"
    case .connectionMark(let target):
      switch target {
      case .shifted(let change, let left, let bits):
        return Target.connectionMark(change).listed(numeric: numeric, family: family)
          + " \(left ? "left" : "right")-shift-mark \(bits)"
      case .set(let mark): return " CONNMARK" + mark.listed
      case .save(let packetMask, let mask):
        return " CONNMARK save"
          + Self.masks(
            packetMask,
            mask,
            " nfmask \(hexadecimal(packetMask)) ctmask ~\(hexadecimal(mask))"
          )
      case .restore(let packetMask, let mask):
        return " CONNMARK restore"
          + Self.masks(
            packetMask,
            mask,
            " ctmask \(hexadecimal(mask)) nfmask ~\(hexadecimal(packetMask))"
          )
      }
    case .conntrack(let target): return " CT" + target.text(prefix: " ")
    case .dnat(let target), .snat(let target):
      return " to:" + NATText.targetText(target, family) + target.options.text(prefix: " ")
    case .dscp(let value): return " DSCP set " + hexadecimal(value, width: 2)
    case .hopLimit(let target): return " HL " + target.listed
    case .ttl(let target): return " TTL " + target.listed
    case .log(let target):
      let level =
        numeric
        ? "flags \(target.flags.rawValue) level \(target.level)"
        : "level " + Self.levelName(target.level) + target.flags.listed
      return " LOG \(level)" + (target.prefix.isEmpty ? "" : " prefix \"\(target.prefix)\"")
    case .mark(let mark): return " MARK" + mark.listed
    case .masquerade(let target):
      return (target.ports.map { " masq ports: " + NATText.portsText($0) } ?? "")
        + target.options.text(prefix: " ")
    case .redirect(let target):
      return (target.ports.map { " redir ports " + NATText.portsText($0) } ?? "")
        + target.options.text(prefix: " ")
    case .netmap: return " to:" + saved(family).dropFirst(6)
    case .nflog(let target): return target.text(prefix: " ")
    case .nfqueue(let target):
      return " NFQUEUE "
        + (target.total > 1
          ? "balance \(target.queue):\(UInt32(target.queue) + UInt32(target.total) - 1)"
          : "num \(target.queue)") + (target.bypasses ? " bypass" : "")
        + (target.fansOutByCPU ? " cpu-fanout" : "")
    case .reject(let reason): return " reject-with " + reason.rawValue
    case .set(let target): return target.text(prefix: " ")
    case .tcpMSS(.set(let size)): return " TCPMSS set \(size)"
    case .tcpMSS(.clampToPMTU): return " TCPMSS clamp to PMTU"
    case .tee(let target):
      return " TEE gw:" + IptablesAddress.text(target.gateway, family)
        + (target.outInterface.map { " oif=\($0)" } ?? "")
    case .tos(let target): return target.listed(numeric: numeric)
    case .audit(let kind): return " AUDIT \(kind.rawValue)"
    case .connectionSecurityMark(let saves): return " CONNSECMARK " + (saves ? "save" : "restore")
    case .ecn(let target): return target.listed
    case .hashMark(let target): return target.listed
    case .idleTimer(let target): return target.listed
    case .led(let target): return target.listed
    case .rateEstimator(let target): return target.listed
    case .securityMark(let context): return " SECMARK selctx \(context)"
    case .sourcePrefix(let target): return target.listed("SNPT")
    case .destinationPrefix(let target): return target.listed("DNPT")
    case .stripTCPOptions(let options): return options.listed(numeric: numeric)
    case .synproxy(let target): return target.listed
    case .tproxy(let target):
      return " TPROXY redirect \(IptablesAddress.text(target.address, family)):\(target.port)"
        + " mark \(hexadecimal(target.mark))/\(hexadecimal(target.mask))"
    }
  }

  private static func hex4(_ value: UInt32) -> String {
    String(hexadecimal(value, width: 4).dropFirst(2))
  }

  private static func masks(_ packetMask: UInt32, _ mask: UInt32, _ both: String) -> String {
    if packetMask == .max, mask == .max { return "" }
    if packetMask == mask { return " mask " + hexadecimal(mask) }
    return both
  }

  /// Names of log levels in listings.
  private static func levelName(_ level: UInt8) -> String {
    level == 4 ? "warn" : level == 3 ? "err" : LogExtension.levels.last { $0.1 == level }?.0 ?? ""
  }
}

extension MarkTarget {
  fileprivate var text: String { hexadecimal(value) + "/" + hexadecimal(mask) }

  /// The change in the shortest words that say it.
  fileprivate var listed: String {
    if value == 0 { return " and " + hexadecimal(~mask) }
    if value == mask { return " or " + hexadecimal(value) }
    if mask == 0 { return " xor " + hexadecimal(value) }
    if mask == .max { return " set " + hexadecimal(value) }
    return " xset \(hexadecimal(value))/\(hexadecimal(mask))"
  }
}

extension NATOptions {
  fileprivate func text(prefix: String) -> String {
    (contains(.random) ? prefix + "random" : "")
      + (contains(.randomFully) ? prefix + "random-fully" : "")
      + (contains(.persistent) ? prefix + "persistent" : "")
  }
}

extension HopTarget {
  fileprivate func saved(_ word: String) -> String {
    switch operation {
    case .set: " --\(word)-set \(value)"
    case .increase: " --\(word)-inc \(value)"
    case .decrease: " --\(word)-dec \(value)"
    }
  }

  fileprivate var listed: String {
    switch operation {
    case .set: "set to \(value)"
    case .increase: "increment by \(value)"
    case .decrease: "decrement by \(value)"
    }
  }
}

extension LogTarget {
  /// The prefix in quotes, unless all of it can stand without.
  fileprivate var savedPrefix: String { QuotedText.saved(prefix) }
}

extension LogTarget.Flags {
  private static let words: [(LogTarget.Flags, String)] = [
    (.tcpSequence, "tcp-sequence"), (.tcpOptions, "tcp-options"), (.ipOptions, "ip-options"),
    (.userID, "uid"), (.macDecode, "macdecode"),
  ]

  fileprivate var text: String {
    Self.words.filter { contains($0.0) }.map { " --log-" + $0.1 }.joined()
  }

  fileprivate var listed: String {
    Self.words.filter { contains($0.0) }.map { " " + $0.1 }.joined()
  }
}

extension NFLogTarget {
  fileprivate func text(prefix: String) -> String {
    var text = ""
    if !self.prefix.isEmpty { text += prefix + "nflog-prefix " + QuotedText.saved(self.prefix) }
    if group != 0 { text += prefix + "nflog-group \(group)" }
    if let size { text += prefix + "nflog-size \(size)" }
    if let range { text += prefix + "nflog-range \(range)" }
    if let threshold { text += prefix + "nflog-threshold \(threshold)" }
    return text
  }
}

extension TOSTarget {
  fileprivate func listed(numeric: Bool) -> String {
    if !numeric {
      if mask == 0x3f, let known = TOSText.names.first(where: { $0.1 == value }) {
        return "  TOS set" + known.0
      }
      if value == 0 { return " TOS and " + hexadecimal(~mask, width: 2) }
      if value == mask { return " TOS or " + hexadecimal(value, width: 2) }
      if mask == 0 { return " TOS xor " + hexadecimal(value, width: 2) }
    }
    return " TOS set " + text
  }

  fileprivate var text: String {
    hexadecimal(value, width: 2) + "/" + hexadecimal(mask, width: 2)
  }
}

extension SetTarget {
  fileprivate func text(prefix: String) -> String {
    func reference(_ word: String, _ reference: Reference?) -> String {
      guard let reference else { return "" }
      return "\(prefix)\(word) \(reference.name) " + SetText.text(reference.sources)
    }
    var text = reference("add-set", add)
    if exists { text += prefix + "exist" }
    if let timeout { text += prefix + "timeout \(timeout)" }
    text += reference("del-set", delete) + reference("map-set", map)
    if mapsMark { text += prefix + "map-mark" }
    if mapsPriority { text += prefix + "map-prio" }
    if mapsQueue { text += prefix + "map-queue" }
    return text
  }
}

extension ConntrackTarget {
  fileprivate func text(prefix: String) -> String {
    var text = ""
    func words(_ set: UInt32, _ names: [(String, UInt32)]) -> String {
      names.filter { set & $0.1 != 0 }.map(\.0).joined(separator: ",")
    }
    if isUntracked { text += prefix + "notrack" }
    if let helper { text += prefix + "helper \(helper)" }
    if let timeout { text += prefix + "timeout \(timeout)" }
    if let events {
      text += prefix + "ctevents " + words(events, ConntrackTargetExtension.events)
    }
    if let expectationEvents {
      text +=
        prefix + "expevents "
        + words(expectationEvents, ConntrackTargetExtension.expectationEvents)
    }
    let suffix: String =
      switch zoneDirection {
      case .both: ""
      case .original: "-orig"
      case .reply: "-reply"
      }
    if zoneIsMark {
      text += prefix + "zone\(suffix) mark"
    } else if let zone, zone != 0 {
      text += prefix + "zone\(suffix) \(zone)"
    }
    return text
  }
}

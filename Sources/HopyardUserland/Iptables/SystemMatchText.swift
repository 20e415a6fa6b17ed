import HopyardSimulator

private func not(_ inverted: Bool) -> String { inverted ? " !" : "" }

extension ControlGroupMatch {
  var saved: String {
    switch group {
    case .classID(let id): not(inverted) + " --cgroup \(id)"
    case .path(let path): not(inverted) + " --path \"\(QuotedText.escaped(path))\""
    }
  }

  var listed: String {
    switch group {
    case .classID(let id): " cgroup" + not(inverted) + " \(id)"
    case .path(let path): " cgroup" + not(inverted) + " \(path)"
    }
  }
}

extension ClusterMatch {
  var saved: String {
    not(inverted) + " --cluster-local-nodemask " + hexadecimal(nodes, width: 8)
      + " --cluster-total-nodes \(nodeCount) --cluster-hash-seed " + hexadecimal(seed, width: 8)
  }

  var listed: String {
    " cluster \(inverted ? "!" : "")node_mask=" + hexadecimal(nodes, width: 8)
      + " total_nodes=\(nodeCount) hash_seed=" + hexadecimal(seed, width: 8)
  }
}

extension ConnectionLabelMatch {
  var saved: String { not(inverted) + " --label \"\(label)\"" + (sets ? " --set" : "") }

  var listed: String { " connlabel" + not(inverted) + " \(label)" + (sets ? " set" : "") }
}

/// Names that numbers have in the tables of iproute2.
enum NumberNames {
  /// Realms, as `/etc/iproute2/rt_realms` has them.
  static let realms: [(String, UInt32)] = [("cosmos", 0)]
  /// Device groups, as `/etc/iproute2/group` has them.
  static let groups: [(String, UInt32)] = [("default", 0)]

  /// A number with its mask, or its name if it has one and no mask.
  static func text(_ match: MarkMatch, _ names: [(String, UInt32)], numeric: Bool) -> String {
    guard match.mask == .max else { return hexadecimal(match.mark) + "/" + hexadecimal(match.mask) }
    if !numeric, let known = names.first(where: { $0.1 == match.mark }) { return known.0 }
    return hexadecimal(match.mark)
  }
}

extension DeviceGroupMatch {
  private func text(_ word: String, _ match: MarkMatch?, numeric: Bool) -> String {
    guard let match else { return "" }
    return not(match.inverted) + " \(word) "
      + NumberNames.text(match, NumberNames.groups, numeric: numeric)
  }

  var saved: String {
    text("--src-group", source, numeric: false)
      + text("--dst-group", destination, numeric: false)
  }

  func listed(numeric: Bool) -> String {
    text("src-group", source, numeric: numeric)
      + text("dst-group", destination, numeric: numeric)
  }
}

extension MarkMatch {
  var savedRealm: String {
    not(inverted) + " --realm " + NumberNames.text(self, NumberNames.realms, numeric: false)
  }

  func listedRealm(numeric: Bool) -> String {
    not(inverted) + " realm " + NumberNames.text(self, NumberNames.realms, numeric: numeric)
  }
}

extension FingerprintMatch {
  var saved: String {
    not(inverted) + " --genre \(genre)" + (ttl.map { " --ttl \($0)" } ?? "")
      + (log.map { " --log \($0)" } ?? "")
  }

  var listed: String { " OS fingerprint match" + not(inverted) + " \(genre)" }
}

extension IPVSMatch {
  private func text(_ family: RuleFamily, prefix: String, numeric: Bool) -> String {
    var text = ""
    if let isServed { text += not(!isServed) + prefix + "ipvs" }
    if let `protocol` { text += not(`protocol`.inverted) + prefix + "vproto \(`protocol`.value)" }
    if let address {
      text +=
        not(address.inverted) + prefix + "vaddr " + IptablesAddress.text(address.address, family)
      if address.mask != family.fullMask {
        text += IptablesAddress.maskSuffix(address.mask, family)
      }
    }
    if let port { text += not(port.inverted) + prefix + "vport \(port.value)" }
    if let direction {
      let word = direction.value != direction.inverted ? "ORIGINAL" : "REPLY"
      text += prefix + "vdir " + word
    }
    if let method {
      let word: String =
        switch method.value {
        case .gateway: "GATE"
        case .tunnel: "IPIP"
        case .masquerade: "MASQ"
        }
      text += not(method.inverted) + prefix + "vmethod " + word
    }
    if let controlPort {
      text += not(controlPort.inverted) + prefix + "vportctl \(controlPort.value)"
    }
    return text
  }

  func saved(_ family: RuleFamily) -> String { text(family, prefix: " --", numeric: true) }

  func listed(_ family: RuleFamily) -> String { text(family, prefix: " ", numeric: true) }
}

extension PolicyMatch {
  private static let protocols: [(String, UInt32)] = [("esp", 50), ("ah", 51), ("ipcomp", 108)]

  private func text(
    _ element: Element,
    _ family: RuleFamily,
    _ prefix: String,
    numeric: Bool
  ) -> String {
    var text = ""
    func add(_ word: String, _ number: Element.Number?, _ value: (UInt32) -> String) {
      guard let number else { return }
      text += not(number.inverted) + prefix + word + " " + value(number.value)
    }
    add("reqid", element.requestID) { "\($0)" }
    add("spi", element.spi) { hexadecimal($0) }
    add("proto", element.protocol) { value in
      (numeric ? nil : Self.protocols.first { $0.1 == value }?.0) ?? "\(value)"
    }
    add("mode", element.mode) { $0 == 1 ? "tunnel" : "transport" }
    for (word, match) in [
      ("tunnel-dst", element.destination), ("tunnel-src", element.source),
    ] {
      guard let match else { continue }
      text += not(match.inverted) + prefix + word + " "
      text += IptablesAddress.text(match.address, family)
      text += IptablesAddress.maskSuffix(match.mask, family)
    }
    return text
  }

  func saved(_ family: RuleFamily) -> String {
    var text = " --dir \(isIn ? "in" : "out") --pol \(isNone ? "none" : "ipsec")"
    if isStrict { text += " --strict" }
    for (index, element) in elements.enumerated() {
      if index > 0 { text += " --next" }
      text += self.text(element, family, " --", numeric: false)
    }
    return text
  }

  func listed(_ family: RuleFamily, numeric: Bool) -> String {
    var text = " policy match dir \(isIn ? "in" : "out") pol \(isNone ? "none" : "ipsec")"
    if isStrict { text += " strict" }
    for (index, element) in elements.enumerated() {
      if elements.count > 1 { text += " [\(index)]" }
      text += self.text(element, family, " ", numeric: numeric)
    }
    return text
  }
}

extension RateMatch {
  private static func bits(_ rate: UInt32, numeric: Bool) -> String {
    if numeric { return "\(rate)" }
    let bits = Double(rate) * 8
    func whole(_ number: Double) -> String { "\(Int64(number.rounded(.toNearestOrEven)))" }
    if bits >= 1e9 { return whole(bits / 1e6) + "Mbit" }
    if bits >= 1e6 { return whole(bits / 1e3) + "Kbit" }
    return whole(bits) + "bit"
  }

  private var word: String {
    switch comparison {
    case .equal: "eq"
    case .less: "lt"
    case .greater: "gt"
    }
  }

  var saved: String {
    let compare = not(inverted) + " --rateest-\(word)"
    var text = isDelta ? " --rateest-delta" : ""
    if let second {
      text += " --rateest1 \(first)"
      if isDelta {
        if let bytes { text += " --rateest-bps1 " + Self.bits(bytes, numeric: false) }
        if let packets { text += " --rateest-pps1 \(packets)" }
        text += compare
        if bytes != nil {
          text += " --rateest-bps2 " + Self.bits(secondBytes ?? 0, numeric: false)
        }
        if packets != nil { text += " --rateest-pps2 \(secondPackets ?? 0)" }
      } else {
        text += compare
        if bytes != nil { text += " --rateest-bps" }
        if packets != nil { text += " --rateest-pps" }
      }
      return text + " --rateest2 \(second)"
    }
    text += " --rateest \(first)"
    if isDelta {
      if let bytes {
        text += " --rateest-bps1 " + Self.bits(bytes, numeric: false) + compare
        text += " --rateest-bps2 " + Self.bits(secondBytes ?? 0, numeric: false)
      }
      if let packets {
        text += " --rateest-pps1 \(packets)" + compare
        text += " --rateest-pps2 \(secondPackets ?? 0)"
      }
      return text
    }
    if let bytes { text += compare + " --rateest-bps " + Self.bits(bytes, numeric: false) }
    if let packets { text += compare + " --rateest-pps \(packets)" }
    return text
  }

  func listed(numeric: Bool) -> String {
    let compare = not(inverted) + " \(word)"
    var text = " rateest match \(first)" + (isDelta ? " delta" : "")
    if let second {
      if bytes != nil {
        text += " bps" + (isDelta ? " " + Self.bits(bytes ?? 0, numeric: numeric) : "")
      }
      if packets != nil { text += " pps" + (isDelta ? " \(packets ?? 0)" : "") }
      text += compare + " \(second)"
      if bytes != nil {
        text += " bps" + (isDelta ? " " + Self.bits(secondBytes ?? 0, numeric: numeric) : "")
      }
      if packets != nil { text += " pps" + (isDelta ? " \(secondPackets ?? 0)" : "") }
      return text
    }
    if let bytes {
      text += " bps"
      if isDelta {
        text += " " + Self.bits(bytes, numeric: numeric)
        text += " " + Self.bits(secondBytes ?? 0, numeric: numeric) + compare
      } else {
        text += " " + Self.bits(bytes, numeric: numeric) + compare
      }
    }
    if let packets {
      text += " pps"
      text += isDelta ? " \(packets) \(secondPackets ?? 0)" + compare : compare + " \(packets)"
    }
    return text
  }
}

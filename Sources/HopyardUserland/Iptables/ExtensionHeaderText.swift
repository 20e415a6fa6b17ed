import HopyardSimulator

private func not(_ inverted: Bool) -> String { inverted ? " !" : "" }
private func sign(_ inverted: Bool) -> String { inverted ? "!" : "" }

extension NumberMatch {
  func saved(_ option: String) -> String { not(inverted) + " \(option) \(value)" }

  func listed(_ word: String) -> String { " \(word):\(sign(inverted))\(value)" }
}

extension SPIMatch {
  /// The options of `ah` in IPv6, which looks at more than the SPI.
  var savedRest: String {
    (length?.saved("--ahlen") ?? "") + (checksReserved ? " --ahres" : "")
  }

  /// As the listing has it, without spaces where the real one forgets them.
  var listed6: String {
    " ah" + (range == nil ? " " : " ")
      + (range?.listed("spi") ?? "")
      + (length.map { "length:\(sign($0.inverted))\($0.value)" } ?? "")
      + (checksReserved ? " reserved" : "")
  }
}

extension FragmentMatch {
  var saved: String {
    (id.map { not($0.inverted) + " --fragid \($0.numbers)" } ?? "")
      + (length?.saved("--fraglen") ?? "") + (checksReserved ? " --fragres" : "")
      + (isFirst ? " --fragfirst" : "")
      + (hasMore.map { $0 ? " --fragmore" : " --fraglast" } ?? "")
  }

  var listed: String {
    self == FragmentMatch()
      ? " frag "
      : " frag" + (id.map { " " + $0.listed("id") } ?? "") + (length?.listed("length") ?? "")
        + (checksReserved ? " reserved" : "") + (isFirst ? " first" : "")
        + (hasMore.map { $0 ? " more" : " last" } ?? "")
  }
}

extension OptionsHeaderMatch {
  private var list: String {
    options.map { option in
      "\(option.kind)" + (option.length.map { ":\($0)" } ?? "")
    }.joined(separator: ",")
  }

  func saved(_ word: String) -> String {
    (length?.saved("--\(word)-len") ?? "") + (options.isEmpty ? "" : " --\(word)-opts " + list)
  }

  func listed(_ word: String) -> String {
    " \(word)" + (length?.listed("length") ?? "") + (options.isEmpty ? "" : " opts " + list)
  }
}

extension RoutingHeaderMatch {
  private var list: String {
    addresses.map { IptablesAddress.text($0, .ipv6) }.joined(separator: ",")
  }

  var saved: String {
    (type?.saved("--rt-type") ?? "")
      + (segmentsLeft.map { not($0.inverted) + " --rt-segsleft \($0.numbers)" } ?? "")
      + (length?.saved("--rt-len") ?? "") + (checksReserved ? " --rt-0-res" : "")
      + (addresses.isEmpty ? "" : " --rt-0-addrs " + list) + (isLoose ? " --rt-0-not-strict" : "")
  }

  var listed: String {
    " rt" + (type?.listed("type") ?? "")
      + (segmentsLeft.map { " " + $0.listed("segsleft") } ?? "")
      + (length?.listed("length") ?? "") + (checksReserved ? " reserved" : "")
      + (addresses.isEmpty ? "" : " 0-addrs " + list) + (isLoose ? " 0-not-strict" : "")
  }
}

extension HeaderListMatch {
  /// The long names of headers, in the order in which they are printed.
  static let names: [(name: String, short: String, number: UInt8, header: Headers)] = [
    ("hop-by-hop", "hop", 0, .hopByHop), ("ipv6-opts", "dst", 60, .destination),
    ("ipv6-route", "route", 43, .routing), ("ipv6-frag", "frag", 44, .fragment),
    ("ah", "auth", 51, .authentication), ("esp", "esp", 50, .payload),
    ("ipv6-nonxt", "none", 59, .none), ("protocol", "prot", 255, .transport),
  ]

  private var words: String {
    Self.names.filter { headers.contains($0.header) }.map(\.name).joined(separator: ",")
  }

  var saved: String {
    not(inverted) + " --header " + words + (isSoft ? " --soft" : "")
  }

  func listed(numeric: Bool) -> String {
    let flags =
      numeric
      ? "0x" + hexadecimal(headers.rawValue, width: 2).dropFirst(2).uppercased() : words
    return " ipv6header flags:" + sign(inverted) + flags + (isSoft ? " soft" : "")
  }
}

extension MobilityMatch {
  /// The names of mobility messages by their numbers, with their short forms.
  static let names = [
    ("binding-refresh-request", "brr"), ("home-test-init", "hoti"),
    ("careof-test-init", "coti"), ("home-test", "hot"), ("careof-test", "cot"),
    ("binding-update", "bu"), ("binding-acknowledgement", "ba"), ("binding-error", "be"),
  ]

  var saved: String {
    types.map { not($0.inverted) + " --mh-type \($0.numbers)" } ?? ""
  }

  func listed(numeric: Bool) -> String {
    guard let types else { return " mh" }
    func name(_ number: UInt32) -> String {
      guard !numeric, number < Self.names.count else { return "\(number)" }
      return Self.names[Int(number)].0
    }
    let ends = types.lower == types.upper ? [types.lower] : [types.lower, types.upper]
    return " mh \(sign(types.inverted))" + ends.map(name).joined(separator: ":")
  }
}

extension SegmentRoutingMatch {
  private func field(_ word: String, _ field: Field, listed: Bool) -> String {
    var text = ""
    for (test, suffix) in [(field.equal, "eq"), (field.greater, "gt"), (field.less, "lt")] {
      guard let test else { continue }
      text +=
        listed
        ? " \(word)-\(suffix):\(sign(test.inverted))\(field.value)"
        : not(test.inverted) + " --srh-\(word)-\(suffix) \(field.value)"
    }
    return text
  }

  private func address(_ word: String, _ match: AddressMatch?, listed: Bool) -> String {
    guard let match else { return "" }
    let length = IptablesAddress.prefixLength(match.mask, .ipv6) ?? 128
    let text = IptablesAddress.text(match.address, .ipv6) + "/\(length)"
    return listed
      ? " \(word) \(match.inverted ? "!" : "") \(text)"
      : not(match.inverted) + " --srh-\(word) \(text)"
  }

  private func text(listed: Bool) -> String {
    func number(_ word: String, _ match: NumberMatch?) -> String {
      guard let match else { return "" }
      return listed ? match.listed(word) : match.saved("--srh-\(word)")
    }
    return number("next-hdr", nextHeader) + field("hdr-len", headerLength, listed: listed)
      + field("segs-left", segmentsLeft, listed: listed)
      + field("last-entry", lastEntry, listed: listed) + number("tag", tag)
      + address("psid", previous, listed: listed) + address("nsid", next, listed: listed)
      + address("lsid", last, listed: listed)
  }

  var saved: String { text(listed: false) }

  var listed: String { " srh" + text(listed: true) }
}

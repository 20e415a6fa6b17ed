import HopyardWire

/// Messages and records as BIND's tools print them.
struct DNSText {
  /// What of a record is shown, and how.
  struct Style {
    var showsTTL = true
    var showsClass = true
    var usesTimeUnits = false
  }

  var style = Style()

  /// Tabs, or at least one blank, up to a column.
  static func indent(_ text: inout String, _ column: inout Int, to target: Int) {
    let target = max(target, column + 1)
    let tabs = target / 8 - column / 8
    if tabs > 0 {
      text += String(repeating: "\t", count: tabs)
      column = target / 8 * 8
    }
    text += String(repeating: " ", count: target - column)
    column = target
  }

  /// A record as a line.
  func line(_ record: DNSRecord) -> String {
    var text = record.name.description
    var column = text.utf8.count
    func put(_ word: String) {
      text += word
      column += word.utf8.count
    }
    let columns: (ttl: Int, dnsClass: Int, type: Int, data: Int) =
      switch (style.showsTTL, style.showsClass) {
      case (true, true): (24, 32, 40, 48)
      case (true, false): (24, 24, 32, 40)
      case (false, true): (24, 24, 32, 40)
      case (false, false): (24, 24, 24, 32)
      }
    if style.showsTTL {
      Self.indent(&text, &column, to: columns.ttl)
      put(style.usesTimeUnits ? Self.time(record.ttl) : String(record.ttl))
    }
    if style.showsClass {
      Self.indent(&text, &column, to: columns.dnsClass)
      put(record.dnsClass.description)
    }
    Self.indent(&text, &column, to: columns.type)
    put(record.type.description)
    Self.indent(&text, &column, to: columns.data)
    return text + record.data.description + "\n"
  }

  /// A question as a line.
  func line(_ question: DNSQuestion) -> String {
    var text = ";" + question.name.description
    // The semicolon does not count.
    var column = text.utf8.count - 1
    if style.showsClass {
      if style.showsTTL { Self.indent(&text, &column, to: 24) }
      Self.indent(&text, &column, to: style.showsTTL ? 32 : 24)
      text += question.dnsClass.description
      column += question.dnsClass.description.utf8.count
    }
    Self.indent(&text, &column, to: style.showsTTL && style.showsClass ? 40 : 32)
    return text + question.type.description + "\n"
  }

  /// Seconds as `1d2h3m4s`.
  static func time(_ seconds: UInt32) -> String {
    var text = ""
    var rest = seconds
    for (unit, length) in [("w", UInt32(604_800)), ("d", 86_400), ("h", 3600), ("m", 60)]
    where rest >= length {
      text += "\(rest / length)\(unit)"
      rest %= length
    }
    return rest > 0 || text.isEmpty ? text + "\(rest)s" : text
  }

  /// The flags in the order in which they are printed.
  static func flags(_ message: DNSMessage) -> String {
    let flags: [(Bool, String)] = [
      (message.isResponse, "qr"), (message.isAuthoritative, "aa"), (message.isTruncated, "tc"),
      (message.wantsRecursion, "rd"), (message.offersRecursion, "ra"),
      (message.isAuthenticated, "ad"), (message.leavesOutChecks, "cd"),
    ]
    return flags.filter(\.0).map { " " + $0.1 }.joined()
  }

  /// The two lines of the header.
  static func header(_ message: DNSMessage) -> String {
    let opcodes = ["QUERY", "IQUERY", "STATUS", "RESERVED3", "NOTIFY", "UPDATE"]
    let opcode =
      Int(message.opcode) < opcodes.count
      ? opcodes[Int(message.opcode)] : "RESERVED\(message.opcode)"
    let additional = message.additionals.count + (message.edns == nil ? 0 : 1)
    return ";; ->>HEADER<<- opcode: \(opcode), status: \(message.responseCode), "
      + "id: \(message.id)\n;; flags:\(flags(message)); QUERY: \(message.questions.count), "
      + "ANSWER: \(message.answers.count), AUTHORITY: \(message.authorities.count), "
      + "ADDITIONAL: \(additional)\n"
  }

  /// The lines of the OPT pseudo-record; `cookie` is what the client sent.
  static func pseudosection(_ edns: DNSExtension, cookie: [UInt8]?, isResponse: Bool) -> String {
    var text = ";; OPT PSEUDOSECTION:\n; EDNS: version: \(edns.version), flags:"
    text += edns.isDNSSECOK ? " do" : ""
    text += "; udp: \(edns.udpSize)\n"
    for option in edns.options {
      switch option.code {
      case 3:
        text += "; NSID: \(spaced(option.bytes)) (\"\(printable(option.bytes))\")\n"
      case 8: text += "; CLIENT-SUBNET: \(subnet(option.bytes))\n"
      case 10:
        text += "; COOKIE: \(hexadecimal(option.bytes))"
        if isResponse, let cookie {
          text +=
            option.bytes.starts(with: cookie)
            ? option.bytes.count > 8 ? " (good)" : " (echoed)" : " (bad)"
        }
        text += "\n"
      case 15 where option.bytes.count >= 2:
        let code = Int(option.bytes[0]) << 8 | Int(option.bytes[1])
        text += "; EDE: \(code)"
        if code < errors.count { text += " (\(errors[code]))" }
        if option.bytes.count > 2 { text += ": (\(printable(Array(option.bytes.dropFirst(2)))))" }
        text += "\n"
      default:
        text += "; OPT=\(option.code): \(spaced(option.bytes)) (\"\(printable(option.bytes))\")\n"
      }
    }
    return text
  }

  /// Extended errors (RFC 8914).
  private static let errors = [
    "Other", "Unsupported DNSKEY Algorithm", "Unsupported DS Digest Type", "Stale Answer",
    "Forged Answer", "DNSSEC Indeterminate", "DNSSEC Bogus", "Signature Expired",
    "Signature Not Yet Valid", "DNSKEY Missing", "RRSIGs Missing", "No Zone Key Bit Set",
    "NSEC Missing", "Cached Error", "Not Ready", "Blocked", "Censored", "Filtered", "Prohibited",
    "Stale NXDOMAIN Answer", "Not Authoritative", "Not Supported", "No Reachable Authority",
    "Network Error", "Invalid Data",
  ]

  private static func hexadecimal(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }

  private static func spaced(_ bytes: [UInt8]) -> String {
    bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
  }

  private static func printable(_ bytes: [UInt8]) -> String {
    String(decoding: bytes.map { (0x20...0x7e).contains($0) ? $0 : 0x2e }, as: UTF8.self)
  }

  private static func subnet(_ bytes: [UInt8]) -> String {
    guard bytes.count >= 4, bytes[1] == 1 else { return hexadecimal(bytes) }
    var octets = Array(bytes.dropFirst(4).prefix(4))
    while octets.count < 4 { octets.append(0) }
    let text = octets.map { String($0) }.joined(separator: ".")
    return "\(text)/\(bytes[2])/\(bytes[3])"
  }
}

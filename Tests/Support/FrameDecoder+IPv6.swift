extension FrameDecoder {
  private enum NextHeader {
    static let hopOptions = 0
    static let routing = 43
    static let fragment = 44
    static let destinationOptions = 60
    static let none = 59
    static let icmp = 58
  }

  func ipv6(_ data: Bytes, isQuoted: Bool = false) throws(Bytes.Malformed) -> String {
    if data.count < 40 { return "ip6 short" }
    let (size, hops) = try (data.u16(4), data.u8(7))
    var next = try data.u8(6)
    let (source, destination) = (data.slice(8, 24), data.slice(24, 40))
    let key = source.hex() + " " + destination.hex()
    var text =
      "ip6 \(names.ipv6(source.array)) > \(names.ipv6(destination.array))"
      + " hlim=\(hops) len=\(size)"
    let trafficClass = try data.u16(0) >> 4 & 0xff
    if trafficClass != 0 { text += " tc=0x" + TextForm.hex(trafficClass, width: 2) }
    var body = data.slice(40, 40 + size)
    var isWhole = body.count == size

    extensions: while body.count >= 8 {
      let header = next
      var length = try (body.u8(1) + 1) * 8
      switch header {
      case NextHeader.hopOptions: text += " hopopts"
      case NextHeader.routing: text += " routing"
      case NextHeader.destinationOptions: text += " dstopts"
      case NextHeader.fragment:
        let (place, id) = try (body.u16(2), body.u32(4))
        text += " frag=\(names.fragment("\(key) \(id)"))+\(place & 0xfff8)"
        if place & 1 != 0 { text += " mf" }
        (length, isWhole) = (8, false)
        if place & 0xfff8 != 0 {
          let inner = try body.u8(0)
          let word = inner == NextHeader.icmp ? "icmp6" : WellKnown.ipProtocol(inner)
          return text + " | \(word) fragment"
        }
      default: break extensions
      }
      next = try body.u8(0)
      body = body.slice(length)
    }

    let verifies = verifiesChecksums && isWhole
    let length = body.count
    let pseudo = Bytes(
      data.slice(8, 40).array
        + [0, 0, UInt8(length >> 8), UInt8(length & 0xff), 0, 0, 0, UInt8(next)]
    )
    let envelope = Envelope(
      source: source.hex(),
      destination: destination.hex(),
      pseudoHeader: verifies ? pseudo : nil,
      isQuoted: isQuoted
    )
    switch next {
    case NextHeader.icmp where length >= 8: return try text + " | " + icmp6(body, in: envelope)
    case 17 where length >= 8: return try text + " | " + udp(body, in: envelope)
    case 6 where length >= 8: return try text + " | " + tcp(body, in: envelope)
    case 4: return try text + " | ipip [" + ipv4(body, isQuoted: isQuoted) + "]"
    case 41: return try text + " | ip6ip6 [" + ipv6(body, isQuoted: isQuoted) + "]"
    case 47 where length >= 4:
      return try text + " | " + gre(body, isQuoted: isQuoted, verifies: false)
    default:
      let word = next == NextHeader.none ? "nothing" : "proto=\(next)"
      return text + " | \(word) " + body.slice(0, 8).hex()
    }
  }

  private func icmp6(_ body: Bytes, in envelope: Envelope) throws(Bytes.Malformed) -> String {
    let (type, code) = try (body.u8(0), body.u8(1))
    var bad = ""
    if let pseudo = envelope.pseudoHeader, internetChecksum(pseudo, body) != 0 { bad = " badsum" }
    var text: String
    switch type {
    case 128, 129:
      return try "icmp6 echo-\(type == 128 ? "request" : "reply") id=\(names.echoID(body.u16(4)))"
        + " seq=\(body.u16(6)) len=\(body.count - 8)\(bad)"
    case 133...137: return try neighbourDiscovery(type, body, bad: bad)
    case 1: text = "icmp6 unreachable " + (WellKnown.unreachable6[code] ?? String(code))
    case 2: text = try "icmp6 too-big mtu=\(body.u32(4))"
    case 3: text = "icmp6 time-exceeded " + exceeded(code)
    case 4: text = try "icmp6 parameter-problem code=\(code) pointer=\(body.u32(4))"
    default: return "icmp6 type=\(type) code=\(code) len=\(body.count)\(bad)"
    }
    text += "\(bad) quotes \(body.count - 8)B ["
    return try text + ipv6(body.slice(8), isQuoted: true) + "]"
  }

  private func neighbourDiscovery(
    _ type: Int,
    _ body: Bytes,
    bad: String
  ) throws(Bytes.Malformed) -> String {
    var text = "icmp6 "
    var at: Int
    switch type {
    case 133:
      text += "router-solicitation" + bad
      at = 8
    case 134:
      text += "router-advertisement" + bad
      text += try
        " hlim=\(body.u8(4)) flags=0x\(TextForm.hex(body.u8(5), width: 2)) life=\(body.u16(6))"
      at = 16
    case 135:
      text += "neighbour-solicitation" + bad
      at = 24
    case 136:
      text += "neighbour-advertisement" + bad
      at = 24
    default:
      text += "redirect" + bad
      at = 40
    }
    if type >= 135 { text += " target=" + names.ipv6(body.slice(8, 24).array) }
    if type == 136 {
      let flags = try body.u8(4)
      let letters = [(0x80, "R"), (0x40, "S"), (0x20, "O")].filter { flags & $0.0 != 0 }.map(\.1)
      text += " [\(letters.joined())]"
    }
    if type == 137 { text += " dst=" + names.ipv6(body.slice(24, 40).array) }
    while at + 8 <= body.count {
      let length = try body.u8(at + 1) * 8
      if length == 0 { break }
      text += try discoveryOption(body.u8(at), body.slice(at + 2, at + length))
      at += length
    }
    return text
  }

  private func discoveryOption(_ type: Int, _ value: Bytes) throws(Bytes.Malformed) -> String {
    switch type {
    case 1: return " slla=" + names.mac(value.slice(0, 6))
    case 2: return " tlla=" + names.mac(value.slice(0, 6))
    case 3:
      return try " prefix=\(names.ipv6(value.slice(14, 30).array))/\(value.u8(0))"
        + " flags=0x\(TextForm.hex(value.u8(1), width: 2)) valid=\(value.u32(2))"
        + " preferred=\(value.u32(6))"
    case 5: return try " mtu=\(value.u32(2))"
    case 25:
      let servers = stride(from: 6, to: value.count, by: 16).map {
        names.ipv6(value.slice($0, $0 + 16).array)
      }
      return " rdnss=" + servers.joined(separator: ",")
    case 14: return ""  // a nonce is random
    default: return " opt\(type)"
    }
  }
}

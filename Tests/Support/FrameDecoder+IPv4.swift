extension FrameDecoder {
  /// What stands around a transport header: needed for its checksum and for naming its connection.
  struct Envelope {
    /// Addresses in a form that is told apart from every other.
    var source: String
    var destination: String
    /// The pseudo header, nil when the checksum is not to be looked at.
    var pseudoHeader: Bytes?
    /// Whether an ICMP error quotes the packet.
    var isQuoted: Bool
  }

  func ipv4(_ data: Bytes, isQuoted: Bool = false) throws(Bytes.Malformed) -> String {
    if data.count < 20 { return "ip short" }
    let header = try (data.u8(0) & 15) * 4
    let (service, total, id) = try (data.u8(1), data.u16(2), data.u16(4))
    let (fragment, ttl, number) = try (data.u16(6), data.u8(8), data.u8(9))
    let source = ipv4Address(data.slice(12, 16))
    let destination = ipv4Address(data.slice(16, 20))
    let offset = (fragment & 0x1fff) * 8
    let hasMore = fragment & 0x2000 != 0

    var text = "ip \(source) > \(destination) ttl=\(ttl) len=\(total)"
    if service != 0 { text += " tos=0x" + TextForm.hex(service, width: 2) }
    if fragment & 0x4000 != 0 { text += " df" }
    if header > 20 { text += " ipopts=" + data.slice(20, header).hex() }
    if verifiesChecksums, internetChecksum(data.slice(0, header)) != 0 { text += " badsum" }
    let body = data.slice(header, total)
    var isWhole = body.count == total - header
    if offset != 0 || hasMore {
      let name = names.fragment("\(source) \(destination) \(number) \(id)")
      text += " frag=\(name)+\(offset)" + (hasMore ? " mf" : "")
      isWhole = false
    }
    if offset != 0 { return text + " | \(WellKnown.ipProtocol(number)) fragment" }

    let verifies = verifiesChecksums && isWhole
    let length = max(total - header, 0)
    let pseudo = Bytes(
      data.slice(12, 20).array + [
        0, UInt8(number), UInt8(length >> 8 & 0xff), UInt8(length & 0xff),
      ]
    )
    let envelope = Envelope(
      source: source,
      destination: destination,
      pseudoHeader: verifies ? pseudo : nil,
      isQuoted: isQuoted
    )
    switch number {
    case 1 where body.count >= 8: return try text + " | " + icmp(body, verifies: verifies)
    case 17 where body.count >= 8: return try text + " | " + udp(body, in: envelope)
    case 6 where body.count >= 8: return try text + " | " + tcp(body, in: envelope)
    case 4: return try text + " | ipip [" + ipv4(body, isQuoted: isQuoted) + "]"
    case 41: return try text + " | sit [" + ipv6(body, isQuoted: isQuoted) + "]"
    case 47 where body.count >= 4:
      return try text + " | " + gre(body, isQuoted: isQuoted, verifies: verifies)
    default: return text + " | \(WellKnown.ipProtocol(number)) " + body.slice(0, 8).hex()
    }
  }

  private func icmp(_ body: Bytes, verifies: Bool) throws(Bytes.Malformed) -> String {
    let (type, code) = try (body.u8(0), body.u8(1))
    let bad = verifies && internetChecksum(body) != 0 ? " badsum" : ""
    var text: String
    switch type {
    case 0, 8:
      return try "icmp echo-\(type == 8 ? "request" : "reply") id=\(names.echoID(body.u16(4)))"
        + " seq=\(body.u16(6)) len=\(body.count - 8)\(bad)"
    case 3:
      text = "icmp unreachable " + (WellKnown.unreachable[code] ?? String(code))
      if code == 4 { text += try " mtu=\(body.u16(6))" }
    case 5:
      let word = code == 0 ? "net" : code == 1 ? "host" : String(code)
      text = "icmp redirect \(word) gw=" + ipv4Address(body.slice(4, 8))
    case 11: text = "icmp time-exceeded " + exceeded(code)
    case 12: text = try "icmp parameter-problem pointer=\(body.u8(4))"
    default: return "icmp type=\(type) code=\(code) len=\(body.count)\(bad)"
    }
    text += "\(bad) quotes \(body.count - 8)B ["
    return try text + ipv4(body.slice(8), isQuoted: true) + "]"
  }

  /// What ran out, in a time exceeded message of either version.
  func exceeded(_ code: Int) -> String {
    code == 0 ? "transit" : code == 1 ? "reassembly" : String(code)
  }
}

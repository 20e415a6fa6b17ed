extension FrameDecoder {
  func udp(_ body: Bytes, in envelope: Envelope) throws(Bytes.Malformed) -> String {
    let (source, destination) = try (body.u16(0), body.u16(2))
    let (size, checksum) = try (body.u16(4), body.u16(6))
    var text = "udp \(names.port(source)) > \(names.port(destination)) len=\(size - 8)"
    if checksum == 0 {
      text += " nosum"
    } else if let pseudo = envelope.pseudoHeader, internetChecksum(pseudo, body) != 0 {
      text += " badsum"
    }
    if envelope.isQuoted { return text }
    if let tunnel = try datagramTunnel(from: source, to: destination, body) {
      return text + " | " + tunnel
    }
    return text + application(from: source, to: destination, body.slice(8), isStream: false)
  }

  private enum Flag {
    static let syn = 2
    static let ack = 16
    /// Each flag's bit and letter in the order they are printed.
    static let letters = [
      (2, "S"), (1, "F"), (4, "R"), (8, "P"), (16, "."), (32, "U"), (64, "E"), (128, "W"),
    ]
  }

  func tcp(_ body: Bytes, in envelope: Envelope) throws(Bytes.Malformed) -> String {
    let (source, destination, sequence) = try (body.u16(0), body.u16(2), body.u32(4))
    let here = "\(envelope.source) \(source) \(envelope.destination) \(destination)"
    let there = "\(envelope.destination) \(destination) \(envelope.source) \(source)"
    var text = "tcp \(names.port(source)) > \(names.port(destination))"
    if body.count < 20 {  // the 8 bytes that an ICMP error must quote
      guard let base = names.sequenceBases[here] else { return text }
      return text + " seq=\(relative(sequence, to: base))"
    }
    let acknowledged = try body.u32(8)
    let (offset, flags, window) = try ((body.u8(12) >> 4) * 4, body.u8(13), body.u16(14))
    if !envelope.isQuoted, flags & Flag.syn != 0 || names.sequenceBases[here] == nil {
      names.sequenceBases[here] = sequence
    }
    if !envelope.isQuoted, flags & Flag.ack != 0, names.sequenceBases[there] == nil {
      names.sequenceBases[there] = acknowledged - 1
    }
    let letters = Flag.letters.filter { flags & $0.0 != 0 }.map(\.1).joined()
    let base = names.sequenceBases[here] ?? sequence
    text += " [\(letters)] seq=\(relative(sequence, to: base))"
    if flags & Flag.ack != 0 {
      let base = names.sequenceBases[there] ?? acknowledged - 1
      text += " ack=\(relative(acknowledged, to: base))"
    }
    if flags & Flag.syn != 0 { text += " win=\(window)" }
    let options = try tcpOptions(body.slice(20, offset), base: names.sequenceBases[there] ?? 0)
    if !options.isEmpty { text += " <\(options.joined(separator: ","))>" }
    if let pseudo = envelope.pseudoHeader, internetChecksum(pseudo, body) != 0 { text += " badsum" }
    let data = body.slice(offset)
    text += " len=\(data.count)"
    if envelope.isQuoted { return text }
    return text + application(from: source, to: destination, data, isStream: true)
  }

  /// A sequence number counted from the first of its direction, in 32 bits.
  private func relative(_ sequence: Int, to base: Int) -> Int { (sequence - base) & 0xffff_ffff }

  private func tcpOptions(_ data: Bytes, base: Int) throws(Bytes.Malformed) -> [String] {
    var options: [String] = []
    var at = 0
    while at < data.count {
      let kind = try data.u8(at)
      if kind == 0 { break }
      if kind == 1 {
        options.append("nop")
        at += 1
        continue
      }
      let size = at + 1 < data.count ? try data.u8(at + 1) : 0
      if size < 2 || at + size > data.count {
        options.append("bad")
        break
      }
      let value = data.slice(at + 2, at + size)
      switch kind {
      case 2: options.append(try "mss \(value.u16(0))")
      case 3: options.append(try "wscale \(value.u8(0))")
      case 4: options.append("sackOK")
      case 5:
        var blocks: [String] = []
        for edge in stride(from: 0, to: value.count - 7, by: 8) {
          let (left, right) = try (value.u32(edge), value.u32(edge + 4))
          blocks.append("\(relative(left, to: base))-\(relative(right, to: base))")
        }
        options.append("sack " + blocks.joined(separator: " "))
      case 8: options.append("ts")
      default: options.append("opt\(kind)")
      }
      at += size
    }
    return options
  }

  /// What a datagram or segment carries: a DNS message where a port says so, else the payload.
  private func application(
    from source: Int,
    to destination: Int,
    _ data: Bytes,
    isStream: Bool
  ) -> String {
    if WellKnown.dnsPorts.contains(source) || WellKnown.dnsPorts.contains(destination) {
      let isFramed = data.count > 14 && (try? data.u16(0)) == data.count - 2
      if !isStream || isFramed,
        let text = try? DNSText(isStream ? data.slice(2) : data, names: names).message()
      {
        return " " + text
      }
    }
    return PayloadText.describe(data)
  }
}

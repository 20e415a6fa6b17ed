import HopyardWire

/// TCP segments as `tcpdump` prints them.
extension FramePrinter {
  func tcp(
    _ bytes: ArraySlice<UInt8>,
    _ packet: ArraySlice<UInt8>,
    _ source: String,
    _ destination: String
  ) -> String {
    guard bytes.count >= 20 else { return "\(source) > \(destination): [|tcp]" }
    let ports = (Self.word(bytes, 0), Self.word(bytes, 2))
    let names = (port(ports.0, isUDP: false), port(ports.1, isUDP: false))
    let headerLength = Int(Self.byte(bytes, 12) >> 4) * 4
    guard headerLength >= 20, bytes.count >= headerLength else {
      return "\(source).\(names.0) > \(destination).\(names.1): [bad hdr length \(headerLength)]"
    }
    let length = bytes.count - headerLength
    var text = "\(source).\(names.0) > \(destination).\(names.1): "
    if isQuiet { return text + "tcp \(length)" }
    let flags = Self.byte(bytes, 13)
    var sequence = Self.long(bytes, 4)
    var acknowledgment = Self.long(bytes, 8)
    if !absoluteSequences, flags & 0x10 != 0 {
      let ends = (Self.long(packet, 12), Self.long(packet, 16))
      let isReversed = ports.0 != ports.1 ? ports.0 > ports.1 : ends.0 > ends.1
      let key =
        isReversed
        ? "\(ends.1):\(ports.1) \(ends.0):\(ports.0)" : "\(ends.0):\(ports.0) \(ends.1):\(ports.1)"
      if let known = connections[key], flags & 2 == 0 {
        sequence &-= isReversed ? known.acknowledgment : known.sequence
        acknowledgment &-= isReversed ? known.sequence : known.acknowledgment
      } else {
        if connections.count > 100_000 { connections = [:] }
        connections[key] =
          isReversed ? (acknowledgment &- 1, sequence) : (sequence, acknowledgment &- 1)
      }
    }
    let letters: [(bit: UInt8, letter: String)] = [
      (1, "F"), (2, "S"), (4, "R"), (8, "P"), (0x10, "."), (0x20, "U"), (0x40, "E"), (0x80, "W"),
    ]
    let shown = letters.filter { flags & $0.bit != 0 }.map(\.letter).joined()
    text += "Flags [\(shown.isEmpty ? "none" : shown)]"
    if verbosity > 0 { text += Self.tcpSum(bytes, packet) }
    if verbosity > 1 || length > 0 || flags & 7 != 0 {
      text += ", seq \(sequence)"
      if length > 0 { text += ":\(sequence &+ UInt32(length))" }
    }
    if flags & 0x10 != 0 { text += ", ack \(acknowledgment)" }
    text += ", win \(Self.word(bytes, 14))"
    if flags & 0x20 != 0 { text += ", urg \(Self.word(bytes, 18))" }
    let options = bytes.dropFirst(20).prefix(headerLength - 20)
    if !options.isEmpty {
      text += ", options [" + Self.options(Array(options)) + "]"
    }
    return text + ", length \(length)"
  }

  private static func tcpSum(_ bytes: ArraySlice<UInt8>, _ packet: ArraySlice<UInt8>) -> String {
    let sum = DecimalText.hexadecimal(UInt64(word(bytes, 16)), 4)
    let pseudo = InternetChecksum.pseudoHeader(
      source: IPv4Address(rawValue: long(packet, 12)),
      destination: IPv4Address(rawValue: long(packet, 16)),
      protocol: .tcp,
      length: bytes.count
    )
    if bytes.withUnsafeBytes({ InternetChecksum.isValid($0, initial: pseudo) }) {
      return ", cksum 0x\(sum) (correct)"
    }
    var clean = Array(bytes)
    clean[16] = 0
    clean[17] = 0
    let right = clean.withUnsafeBytes { InternetChecksum.checksum(of: $0, initial: pseudo) }
    return ", cksum 0x\(sum) (incorrect -> 0x\(DecimalText.hexadecimal(UInt64(right), 4)))"
  }

  private static func options(_ bytes: [UInt8]) -> String {
    var parts: [String] = []
    var index = 0
    func long(_ at: Int) -> UInt32 { self.long(bytes[...], at) }
    while index < bytes.count {
      let kind = bytes[index]
      if kind == 0 {
        parts.append("eol")
        break
      }
      if kind == 1 {
        parts.append("nop")
        index += 1
        continue
      }
      guard index + 1 < bytes.count, bytes[index + 1] >= 2,
        index + Int(bytes[index + 1]) <= bytes.count
      else {
        parts.append("[bad opt]")
        break
      }
      let length = Int(bytes[index + 1])
      switch (kind, length) {
      case (2, 4): parts.append("mss \(word(bytes[...], index + 2))")
      case (3, 3): parts.append("wscale \(bytes[index + 2])")
      case (4, 2): parts.append("sackOK")
      case (5, _):
        let blocks = stride(from: index + 2, to: index + length - 7, by: 8)
          .map { "{\(long($0)):\(long($0 + 4))}" }
        parts.append("sack \(blocks.count) " + blocks.joined())
      case (8, 10): parts.append("TS val \(long(index + 2)) ecr \(long(index + 6))")
      default:
        parts.append(
          "unknown-\(kind) 0x"
            + bytes[(index + 2)..<(index + length)].map {
              DecimalText.hexadecimal(UInt64($0), 2)
            }.joined()
        )
      }
      index += length
    }
    return parts.joined(separator: ",")
  }
}

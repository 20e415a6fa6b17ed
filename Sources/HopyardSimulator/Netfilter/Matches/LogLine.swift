import HopyardWire

/// A line of the kernel's log as LOG writes it.
struct LogLine {
  private(set) var text: String

  init(
    _ log: LogTarget,
    _ packet: borrowing Packet,
    _ context: RuleContext,
    _ netfilter: Netfilter
  ) {
    let environment = netfilter.environment
    text = log.prefix
    text += "IN=" + (context.input.map { environment.interfaceName($0.device) } ?? "")
    text += " OUT=" + (context.output.map { environment.interfaceName($0.device) } ?? "")
    if packet.metadata.flags.contains(.bridgeNetfilter) {
      let input = packet.metadata.bridgeInputPort
      let output = packet.metadata.bridgeOutputPort
      if input != 0 { text += " PHYSIN=" + environment.interfaceName(input) }
      if output != 0 { text += " PHYSOUT=" + environment.interfaceName(output) }
    }
    text += " "
    if context.input != nil {
      text += Self.linkHeader(packet, decoded: log.flags.contains(.macDecode)) + " "
    }
    appendPacket(packet, at: 0, end: context.view.totalLength, log.flags, isQuoted: false)
    if packet.metadata.mark != 0 {
      text += "MARK=0x" + String(packet.metadata.mark, radix: 16) + " "
    }
  }

  private static func linkHeader(_ packet: borrowing Packet, decoded: Bool) -> String {
    let length = Int(packet.metadata.linkHeaderLength)
    guard length > 0 else { return "MAC=" }
    let bytes = (0..<length).map { offset in
      Self.hexadecimal(packet.start.load(fromByteOffset: offset - length, as: UInt8.self), 2)
    }
    guard decoded, length == 14 else { return "MAC=" + bytes.joined(separator: ":") }
    return "MACSRC=" + bytes[6..<12].joined(separator: ":") + " MACDST="
      + bytes[..<6].joined(separator: ":") + " MACPROTO=" + bytes[12...].joined()
  }

  private static func hexadecimal(
    _ value: some BinaryInteger,
    _ width: Int,
    uppercase: Bool = false
  ) -> String {
    let digits = String(value, radix: 16, uppercase: uppercase)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }

  private mutating func appendPacket(
    _ packet: borrowing Packet,
    at offset: Int,
    end: Int,
    _ flags: LogTarget.Flags,
    isQuoted: Bool
  ) {
    guard offset + 20 <= end else {
      text += "TRUNCATED"
      return
    }
    let headerLength = Int(packet.u8(at: offset) & 15) * 4
    let tos = packet.u8(at: offset + 1)
    text += "SRC=\(packet.ipv4(at: offset + 12)) DST=\(packet.ipv4(at: offset + 16)) "
    text +=
      "LEN=\(packet.u16(at: offset + 2)) TOS=0x" + Self.hexadecimal(tos & 0x1e, 2, uppercase: true)
    text += " PREC=0x" + Self.hexadecimal(tos & 0xe0, 2, uppercase: true)
    text += " TTL=\(packet.u8(at: offset + 8)) ID=\(packet.u16(at: offset + 4)) "
    let fragment = packet.u16(at: offset + 6)
    if fragment & 0x8000 != 0 { text += "CE " }
    if fragment & 0x4000 != 0 { text += "DF " }
    if fragment & 0x2000 != 0 { text += "MF " }
    if fragment & 0x1fff != 0 { text += "FRAG:\(fragment & 0x1fff) " }
    if flags.contains(.ipOptions), !isQuoted, headerLength > 20, offset + headerLength <= end {
      text += "OPT ("
      for place in (offset + 20)..<(offset + headerLength) {
        text += Self.hexadecimal(packet.u8(at: place), 2, uppercase: true)
      }
      text += ") "
    }
    let start = offset + headerLength
    let isFirst = fragment & 0x1fff == 0
    switch packet.u8(at: offset + 9) {
    case 6: appendTCP(packet, start, end, flags, isFirst, isQuoted)
    case 17, 136:
      text += packet.u8(at: offset + 9) == 17 ? "PROTO=UDP " : "PROTO=UDPLITE "
      guard isFirst else { break }
      guard start + 8 <= end else {
        appendIncomplete(end - start)
        break
      }
      text += "SPT=\(packet.u16(at: start)) DPT=\(packet.u16(at: start + 2)) "
      text += "LEN=\(packet.u16(at: start + 4)) "
    case 1: appendICMP(packet, start, end, flags, isFirst, isQuoted)
    default: text += "PROTO=\(packet.u8(at: offset + 9)) "
    }
    if flags.contains(.userID), !isQuoted, packet.metadata.socket != 0 {
      text += "UID=\(packet.metadata.uid) GID=\(packet.metadata.gid) "
    }
  }

  private mutating func appendIncomplete(_ length: Int) {
    text += "INCOMPLETE [\(max(0, length)) bytes] "
  }

  private mutating func appendTCP(
    _ packet: borrowing Packet,
    _ start: Int,
    _ end: Int,
    _ flags: LogTarget.Flags,
    _ isFirst: Bool,
    _ isQuoted: Bool
  ) {
    text += "PROTO=TCP "
    guard isFirst else { return }
    guard start + 20 <= end else {
      appendIncomplete(end - start)
      return
    }
    text += "SPT=\(packet.u16(at: start)) DPT=\(packet.u16(at: start + 2)) "
    if flags.contains(.tcpSequence) {
      text += "SEQ=\(packet.u32(at: start + 4)) ACK=\(packet.u32(at: start + 8)) "
    }
    text += "WINDOW=\(packet.u16(at: start + 14)) "
    text += "RES=0x" + Self.hexadecimal((packet.u8(at: start + 12) & 15) << 2, 2) + " "
    let bits = packet.u8(at: start + 13)
    for (bit, name) in [
      (0x80, "CWR"), (0x40, "ECE"), (0x20, "URG"), (0x10, "ACK"), (0x08, "PSH"), (0x04, "RST"),
      (0x02, "SYN"), (0x01, "FIN"),
    ] as [(UInt8, String)] where bits & bit != 0 {
      text += name + " "
    }
    text += "URGP=\(packet.u16(at: start + 18)) "
    let length = Int(packet.u8(at: start + 12) >> 4) * 4
    if flags.contains(.tcpOptions), length > 20, start + length <= end {
      text += "OPT ("
      for place in (start + 20)..<(start + length) {
        text += Self.hexadecimal(packet.u8(at: place), 2, uppercase: true)
      }
      text += ") "
    }
  }

  private mutating func appendICMP(
    _ packet: borrowing Packet,
    _ start: Int,
    _ end: Int,
    _ flags: LogTarget.Flags,
    _ isFirst: Bool,
    _ isQuoted: Bool
  ) {
    text += "PROTO=ICMP "
    guard isFirst else { return }
    guard start + 8 <= end else {
      appendIncomplete(end - start)
      return
    }
    let type = packet.u8(at: start)
    let code = packet.u8(at: start + 1)
    text += "TYPE=\(type) CODE=\(code) "
    switch type {
    case 0, 8: text += "ID=\(packet.u16(at: start + 4)) SEQ=\(packet.u16(at: start + 6)) "
    case 12: text += "PARAMETER=\(packet.u8(at: start + 4)) "
    case 5: text += "GATEWAY=\(packet.ipv4(at: start + 4)) "
    default: break
    }
    switch type {
    case 3, 4, 5, 11, 12:
      guard !isQuoted else { return }
      text += "["
      appendPacket(packet, at: start + 8, end: end, flags, isQuoted: true)
      text += "] "
      if type == 3, code == 4 { text += "MTU=\(packet.u16(at: start + 6)) " }
    default: break
    }
  }
}

import HopyardSimulator
import HopyardWire

/// Frames as lines of `tcpdump`.
final class FramePrinter {
  var isNumeric = false
  /// Port numbers stay numbers.
  var keepsPorts = false
  var showsLink = false
  var isQuiet = false
  var verbosity = 0
  var absoluteSequences = false
  private let hostName: (IPv4Address) -> String?
  /// First sequence numbers of TCP connections, by both ends in one order.
  var connections: [String: (sequence: UInt32, acknowledgment: UInt32)] = [:]

  init(hostName: @escaping (IPv4Address) -> String? = { _ in nil }) { self.hostName = hostName }

  static func word(_ bytes: ArraySlice<UInt8>, _ offset: Int) -> UInt16 {
    let index = bytes.startIndex + offset
    guard index + 1 < bytes.endIndex else { return 0 }
    return UInt16(bytes[index]) << 8 | UInt16(bytes[index + 1])
  }

  static func long(_ bytes: ArraySlice<UInt8>, _ offset: Int) -> UInt32 {
    UInt32(word(bytes, offset)) << 16 | UInt32(word(bytes, offset + 2))
  }

  static func byte(_ bytes: ArraySlice<UInt8>, _ offset: Int) -> UInt8 {
    let index = bytes.startIndex + offset
    return index < bytes.endIndex ? bytes[index] : 0
  }

  private static func mac(_ bytes: ArraySlice<UInt8>, _ offset: Int) -> MACAddress {
    MACAddress(
      rawValue: UInt64(word(bytes, offset)) << 32 | UInt64(long(bytes, offset + 2))
    )
  }

  private func host(_ address: UInt32) -> String {
    let address = IPv4Address(rawValue: address)
    return isNumeric ? address.description : hostName(address) ?? address.description
  }

  func port(_ number: UInt16, isUDP: Bool) -> String {
    if isNumeric || keepsPorts { return String(number) }
    return ServiceNames.name(number, isUDP: isUDP) ?? String(number)
  }

  // MARK: Link

  /// The line of a frame that begins with its Ethernet header.
  func ethernet(_ frame: [UInt8]) -> String {
    let bytes = frame[...]
    guard bytes.count >= 14 else { return "[|ether]" }
    var type = Self.word(bytes, 12)
    var offset = 14
    var text = ""
    if showsLink {
      text += "\(Self.mac(bytes, 6)) > \(Self.shownDestination(Self.mac(bytes, 0)))"
      text += isQuiet ? "" : ", \(Self.typeName(type))"
      text += ", length \(bytes.count): "
    }
    while type == 0x8100 || type == 0x88a8, bytes.count >= offset + 4 {
      let tag = Self.word(bytes, offset)
      type = Self.word(bytes, offset + 2)
      offset += 4
      if showsLink {
        text += "vlan \(tag & 0xfff), p \(tag >> 13)\(tag & 0x1000 != 0 ? ", DEI" : ""), "
        if type > 1500 { text += Self.typeName(type) + ", " }
      }
    }
    let rest = bytes[offset...]
    switch type {
    case 0x0800: return text + (showsLink ? "" : "IP ") + ip(rest, prefix: showsLink)
    case 0x0806: return text + (showsLink ? "" : "ARP, ") + arp(rest)
    case 0x86dd: return text + (showsLink ? "" : "IP6 ") + "[IPv6]"
    default:
      if !showsLink {
        text =
          "\(Self.mac(bytes, 6)) > \(Self.shownDestination(Self.mac(bytes, 0))), "
          + "\(Self.typeName(type)), length \(bytes.count): "
      }
      return text + "\n" + Self.hexDump(rest, withText: true)
    }
  }

  private static func shownDestination(_ address: MACAddress) -> String { address.description }

  private static func typeName(_ type: UInt16) -> String {
    let names: [UInt16: String] = [
      0x0800: "IPv4", 0x0806: "ARP", 0x86dd: "IPv6", 0x8100: "802.1Q", 0x88a8: "802.1Q-QinQ",
      0x88cc: "LLDP", 0x8847: "MPLS unicast", 0x8863: "PPPoE D", 0x8864: "PPPoE S",
      0x888e: "EAPOL", 0x9000: "Loopback",
    ]
    let number = DecimalText.hexadecimal(UInt64(type), 4)
    if type <= 1500 { return "802.3" }
    return "ethertype \(names[type] ?? "Unknown") (0x\(number))"
  }

  private func arp(_ bytes: ArraySlice<UInt8>) -> String {
    guard bytes.count >= 28 else { return "[|arp]" }
    let operation = Self.word(bytes, 6)
    let sender = host(Self.long(bytes, 14))
    let target = host(Self.long(bytes, 24))
    let targetMAC = Self.mac(bytes, 18)
    var text = verbosity > 0 ? "Ethernet (len 6), IPv4 (len 4), " : ""
    switch operation {
    case 1:
      text += "Request who-has \(target)"
      if !targetMAC.isZero { text += " (\(targetMAC))" }
      text += " tell \(sender)"
    case 2: text += "Reply \(sender) is-at \(Self.mac(bytes, 8))"
    default: text += "Unknown (\(operation))"
    }
    return text + ", length \(bytes.count)"
  }

  // MARK: IP

  /// The line of a packet that begins with its IPv4 header.
  func ip(_ bytes: ArraySlice<UInt8>, prefix: Bool = false) -> String {
    guard bytes.count >= 20 else { return "[|ip]" }
    let headerLength = Int(Self.byte(bytes, 0) & 15) * 4
    guard headerLength >= 20, bytes.count >= headerLength else {
      return "bad-hlen \(headerLength)"
    }
    let total = min(Int(Self.word(bytes, 2)), bytes.count)
    guard total >= headerLength else { return "bad-len \(total)" }
    let fragment = Self.word(bytes, 6)
    let offset = Int(fragment & 0x1fff) * 8
    let ipProtocol = Self.byte(bytes, 9)
    let payload = bytes[(bytes.startIndex + headerLength)..<(bytes.startIndex + total)]
    var text = ""
    if verbosity > 0 {
      let tos = Self.byte(bytes, 1)
      text += "(tos 0x\(DecimalText.hexadecimal(UInt64(tos)))"
      let marks = ["", ",ECT(1)", ",ECT(0)", ",CE"]
      text += marks[Int(tos & 3)]
      text += ", ttl \(Self.byte(bytes, 8)), id \(Self.word(bytes, 4)), offset \(offset), flags ["
      var flags: [String] = []
      if fragment & 0x2000 != 0 { flags.append("+") }
      if fragment & 0x4000 != 0 { flags.append("DF") }
      if fragment & 0x8000 != 0 { flags.append("rsvd") }
      text += flags.isEmpty ? "none" : flags.joined(separator: ", ")
      text += "], proto \(Self.protocolName(ipProtocol)) (\(ipProtocol)), length "
      text += "\(Self.word(bytes, 2)))\n    "
    }
    let source = host(Self.long(bytes, 12))
    let destination = host(Self.long(bytes, 16))
    if offset > 0 {
      let name =
        (isNumeric ? nil : Self.protocolWord(ipProtocol)) ?? "ip-proto-\(ipProtocol)"
      return text + "\(source) > \(destination): \(name)"
    }
    switch ipProtocol {
    case 1: return text + "\(source) > \(destination): ICMP " + icmp(payload)
    case 2: return text + "\(source) > \(destination): igmp " + igmp(payload)
    case 4: return text + "\(source) > \(destination): IP " + ip(payload)
    case 6: return text + tcp(payload, bytes, source, destination)
    case 17:
      guard payload.count >= 8 else { return text + "\(source) > \(destination): [|udp]" }
      let ports = (Self.word(payload, 0), Self.word(payload, 2))
      var line = "\(source).\(port(ports.0, isUDP: true)) > "
      line += "\(destination).\(port(ports.1, isUDP: true)): "
      if verbosity > 0 && !isQuiet {
        if verbosity > 1 { line += Self.udpSum(payload, bytes, isFragment: fragment & 0x2000 != 0) }
      }
      return text + line + "UDP, length \(max(0, Int(Self.word(payload, 4)) - 8))"
    default:
      let name =
        (isNumeric ? nil : Self.protocolWord(ipProtocol)) ?? "ip-proto-\(ipProtocol)"
      return text + "\(source) > \(destination):  \(name) \(payload.count)"
    }
  }

  private static func protocolName(_ number: UInt8) -> String {
    switch number {
    case 1: "ICMP"
    case 2: "IGMP"
    case 4: "IPIP"
    case 6: "TCP"
    case 17: "UDP"
    case 47: "GRE"
    case 50: "ESP"
    case 51: "AH"
    case 132: "SCTP"
    default: "unknown"
    }
  }

  private static func protocolWord(_ number: UInt8) -> String? {
    switch number {
    case 1: "icmp"
    case 2: "igmp"
    case 4: "ipencap"
    case 6: "tcp"
    case 17: "udp"
    case 47: "gre"
    case 50: "esp"
    case 51: "ah"
    case 103: "pim"
    case 112: "vrrp"
    case 132: "sctp"
    default: nil
    }
  }

  private static func udpSum(
    _ payload: ArraySlice<UInt8>,
    _ packet: ArraySlice<UInt8>,
    isFragment: Bool
  ) -> String {
    if isFragment { return "" }
    let sum = word(payload, 6)
    if sum == 0 { return "[no cksum] " }
    let pseudo = InternetChecksum.pseudoHeader(
      source: IPv4Address(rawValue: long(packet, 12)),
      destination: IPv4Address(rawValue: long(packet, 16)),
      protocol: .udp,
      length: payload.count
    )
    let isRight = payload.withUnsafeBytes { InternetChecksum.isValid($0, initial: pseudo) }
    if isRight { return "[udp sum ok] " }
    var clean = Array(payload)
    clean[6] = 0
    clean[7] = 0
    let right = InternetChecksum.udp(
      clean.withUnsafeBytes { InternetChecksum.checksum(of: $0, initial: pseudo) }
    )
    return "[bad udp cksum 0x\(DecimalText.hexadecimal(UInt64(sum), 4)) -> "
      + "0x\(DecimalText.hexadecimal(UInt64(right), 4))!] "
  }

  // MARK: ICMP and IGMP

  private func icmp(_ bytes: ArraySlice<UInt8>) -> String {
    guard bytes.count >= 8 else { return "[|icmp]" }
    let type = Self.byte(bytes, 0)
    let code = Self.byte(bytes, 1)
    let quoted = bytes.dropFirst(8)
    var text: String
    switch type {
    case 0, 8:
      text = "echo \(type == 8 ? "request" : "reply"), id \(Self.word(bytes, 4)), "
      text += "seq \(Self.word(bytes, 6))"
    case 3: text = unreachable(code, bytes, quoted)
    case 5:
      let target = quoted.count >= 20 ? host(Self.long(quoted, 16)) : "[|icmp]"
      let kinds = [
        "redirect \(target) to net ", "redirect \(target) to host ",
        "redirect-tos \(target) to net ", "redirect-tos \(target) to host ",
      ]
      text = Int(code) < kinds.count ? kinds[Int(code)] : "redirect-#\(code) \(target) to net "
      text += host(Self.long(bytes, 4))
    case 9: text = "router advertisement"
    case 10: text = "router solicitation"
    case 11:
      switch code {
      case 0: text = "time exceeded in-transit"
      case 1: text = "ip reassembly time exceeded"
      default: text = "time exceeded-#\(code)"
      }
    case 12:
      text =
        code != 0
        ? "parameter problem - code \(code)"
        : "parameter problem - octet \(Self.byte(bytes, 4))"
    case 13, 14:
      text = "time stamp \(type == 13 ? "query" : "reply") id \(Self.word(bytes, 4)) "
      text += "seq \(Self.word(bytes, 6))"
    case 17: text = "address mask request"
    case 18: text = "address mask is 0x\(DecimalText.hexadecimal(UInt64(Self.long(bytes, 8)), 8))"
    default: text = "type-#\(type)"
    }
    text += ", length \(bytes.count)"
    if verbosity > 0, [3, 4, 5, 11, 12].contains(type), quoted.count >= 20 {
      text += "\n\tIP " + ip(quoted)
    }
    return text
  }

  private func unreachable(
    _ code: UInt8,
    _ bytes: ArraySlice<UInt8>,
    _ quoted: ArraySlice<UInt8>
  ) -> String {
    guard quoted.count >= 20 else { return "[|icmp]" }
    let target = host(Self.long(quoted, 16))
    let ipProtocol = Self.byte(quoted, 9)
    switch code {
    case 0: return "net \(target) unreachable"
    case 1: return "host \(target) unreachable"
    case 2: return "\(target) protocol \(ipProtocol) unreachable"
    case 3:
      let number = Self.word(quoted.dropFirst(Int(Self.byte(quoted, 0) & 15) * 4), 2)
      switch ipProtocol {
      case 6: return "\(target) tcp port \(port(number, isUDP: false)) unreachable"
      case 17: return "\(target) udp port \(port(number, isUDP: true)) unreachable"
      default: return "\(target) protocol \(ipProtocol) port \(number) unreachable"
      }
    case 4:
      let mtu = Self.word(bytes, 6)
      return "\(target) unreachable - need to frag" + (mtu != 0 ? " (mtu \(mtu))" : "")
    case 5: return "\(target) unreachable - source route failed"
    case 6: return "net \(target) unreachable - unknown"
    case 7: return "host \(target) unreachable - unknown"
    case 8: return "\(target) unreachable - source host isolated"
    case 9: return "net \(target) unreachable - admin prohibited"
    case 10: return "host \(target) unreachable - admin prohibited"
    case 11: return "net \(target) unreachable - tos prohibited"
    case 12: return "host \(target) unreachable - tos prohibited"
    case 13: return "host \(target) unreachable - admin prohibited filter"
    case 14: return "host \(target) unreachable - host precedence violation"
    case 15: return "host \(target) unreachable - precedence cutoff"
    default: return "#\(code) \(target) unreachable"
    }
  }

  private func igmp(_ bytes: ArraySlice<UInt8>) -> String {
    guard bytes.count >= 8 else { return "[|igmp]" }
    let group = Self.long(bytes, 4)
    switch Self.byte(bytes, 0) {
    case 0x11:
      if bytes.count >= 12 { return "query v3" + (group != 0 ? " [gaddr \(host(group))]" : "") }
      var text = Self.byte(bytes, 1) == 0 ? "query v1" : "query v2"
      let time = Self.byte(bytes, 1)
      if time != 0 && time != 100 { text += " [max resp time \(Double(time) / 10)]" }
      if group != 0 { text += " [gaddr \(host(group))]" }
      return text
    case 0x12: return "v1 report \(host(group))"
    case 0x16: return "v2 report \(host(group))"
    case 0x17: return "leave \(host(group))"
    case 0x22:
      let count = Self.word(bytes, 6)
      var text = "v3 report, \(count) group record(s)"
      guard verbosity > 0 else { return text }
      var rest = bytes.dropFirst(8)
      let kinds = ["", "is_in", "is_ex", "to_in", "to_ex", "allow", "block"]
      for _ in 0..<count where rest.count >= 8 {
        let kind = Int(Self.byte(rest, 0))
        let sources = Int(Self.word(rest, 2))
        text += " [gaddr \(host(Self.long(rest, 4))) "
        text += kind > 0 && kind < kinds.count ? kinds[kind] : "[v3-report-#\(kind)]"
        let length = 8 + sources * 4 + Int(Self.byte(rest, 1)) * 4
        guard rest.count >= length else { return text + " [|igmp]" }
        let addresses = (0..<sources).map { host(Self.long(rest, 8 + $0 * 4)) }
        text += " { " + addresses.map { $0 + " " }.joined() + "}]"
        rest = rest.dropFirst(length)
      }
      return text
    default: return "[unknown type \(Self.byte(bytes, 0))]"
    }
  }

  // MARK: Bytes

  /// Bytes in hexadecimal, sixteen on a line, with or without their characters.
  static func hexDump(_ bytes: ArraySlice<UInt8>, withText: Bool) -> String {
    var lines: [String] = []
    for start in stride(from: 0, to: bytes.count, by: 16) {
      let row = Array(bytes.dropFirst(start).prefix(16))
      let pairs = stride(from: 0, to: row.count, by: 2).map { index in
        row[index..<min(index + 2, row.count)].map { DecimalText.hexadecimal(UInt64($0), 2) }
          .joined()
      }
      var line = "\t0x\(DecimalText.hexadecimal(UInt64(start), 4)):  "
      let hex = pairs.joined(separator: " ")
      if withText {
        let text = String(
          decoding: row.map { (0x21...0x7e).contains($0) ? $0 : 0x2e },
          as: UTF8.self
        )
        line += hex.padded(39) + "  " + text
      } else {
        line += hex
      }
      lines.append(line)
    }
    return lines.joined(separator: "\n")
  }

  /// Bytes as text, with points for what cannot be printed.
  static func plainText(_ bytes: ArraySlice<UInt8>) -> String {
    let shown = bytes.map { byte in
      byte == 0x0A || byte == 0x0D || byte == 0x09 || (0x20...0x7e).contains(byte) ? byte : 0x2e
    }
    return String(decoding: shown, as: UTF8.self)
  }
}

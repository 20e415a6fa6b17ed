/// Turns frames into lines of text in which only what a lab decides is left.
///
/// It shares no code with the simulator's parsers, so that a wrong field cannot hide in both.
struct FrameDecoder {
  let names: LabNames
  /// Whether checksums are looked at; on loopback the kernel leaves them out.
  var verifiesChecksums = true
  /// A GRE device without a remote shows its outer header.
  var isMultipoint = false

  init(names: LabNames) { self.names = names }

  /// One whole frame; a frame that breaks off where it must not is told by its length.
  func line(linkType: Int, _ data: Bytes) -> String {
    do {
      return try frame(linkType: linkType, data)
    } catch {
      return "malformed len=\(data.count)"
    }
  }

  enum LinkType {
    static let ethernet = 1
    static let raw = 101
  }

  enum EtherType {
    static let ipv4 = 0x0800
    static let arp = 0x0806
    static let vlan = 0x8100
    static let serviceVLAN = 0x88a8
    static let ipv6 = 0x86dd
    static let transparentEthernet = 0x6558
    static let lowest = 0x0600
  }

  func frame(linkType: Int, _ data: Bytes) throws(Bytes.Malformed) -> String {
    if linkType == LinkType.raw {
      if isMultipoint, data.count >= 24, try data.u8(0) == 0x45, try data.u8(9) == 47 {
        return try multipointGRE(data)
      }
      let isIPv6 = data.isEmpty ? false : try data.u8(0) >= 0x60
      return try "raw " + network(isIPv6 ? EtherType.ipv6 : EtherType.ipv4, data)
    }
    if data.count < 14 { return "short frame" }
    let macs = names.mac(data.slice(6, 12)) + " > " + names.mac(data.slice(0, 6))
    return try macs + " " + network(data.u16(12), data.slice(14))
  }

  func network(_ type: Int, _ data: Bytes) throws(Bytes.Malformed) -> String {
    switch type {
    case EtherType.ipv4: return try ipv4(data)
    case EtherType.arp: return try arp(data)
    case EtherType.ipv6: return try ipv6(data)
    case EtherType.vlan, EtherType.serviceVLAN:
      let tag = try data.u16(0)
      var text = "vlan \(tag & 0xfff)"
      if type == EtherType.serviceVLAN { text += " ad" }
      if tag >> 13 != 0 { text += " pcp=\(tag >> 13)" }
      return try text + " " + network(data.u16(2), data.slice(4))
    case ..<EtherType.lowest: return "llc len=\(type)"
    default: return "ethertype 0x\(TextForm.hex(type, width: 4)) len=\(data.count)"
    }
  }

  private func arp(_ data: Bytes) throws(Bytes.Malformed) -> String {
    let operation = try data.u16(6)
    let word = operation == 1 ? "request" : operation == 2 ? "reply" : String(operation)
    return "arp \(word) spa=\(ipv4Address(data.slice(14, 18))) sha=\(names.mac(data.slice(8, 14)))"
      + " tpa=\(ipv4Address(data.slice(24, 28))) tha=\(names.mac(data.slice(18, 24)))"
  }

  func ipv4Address(_ bytes: Bytes) -> String {
    bytes.array.map { String($0) }.joined(separator: ".")
  }
}

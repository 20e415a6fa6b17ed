import HopyardWire

/// A packet in one line, for traces.
enum PacketSummary {
  static func line(_ packet: borrowing Packet) -> String {
    guard let view = PacketView(packet) else { return "\(packet.count) bytes" }
    let source = IPv4Address(rawValue: view.source)
    let destination = IPv4Address(rawValue: view.destination)
    var text = ""
    let name = IPProtocol(rawValue: view.protocol).description
    if view.isLaterFragment {
      text = "\(name) \(source) > \(destination) fragment at \(Int(view.fragmentOffset) * 8)"
    } else if IPProtocol(rawValue: view.protocol).hasPorts, view.transportLength >= 4 {
      text =
        "\(name) \(source):\(packet.u16(at: view.transport)) > "
        + "\(destination):\(packet.u16(at: view.transport + 2))"
    } else if view.protocol == 1, view.transportLength >= 8 {
      text =
        "icmp \(source) > \(destination) type \(packet.u8(at: view.transport)) "
        + "code \(packet.u8(at: view.transport + 1))"
    } else {
      text = "\(name) \(source) > \(destination)"
    }
    text += " ttl \(view.timeToLive) length \(view.totalLength)"
    let mark = packet.metadata.mark
    if mark != 0 { text += " mark 0x" + String(mark, radix: 16) }
    return text
  }
}

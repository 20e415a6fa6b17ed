import HopyardSimulator
import HopyardWire

/// Connections as conntrack(8) prints them.
public enum ConntrackText {
  /// What else a line shows.
  struct Style {
    /// The network layer's name and number in front.
    var isExtended = false
    var showsID = false
    /// Events show a mark only if there is one, and no count of users.
    var isEvent = false
    var users = 1
    /// `/proc/net/nf_conntrack` shows the zone also where it is 0.
    var showsZone = false
  }

  /// One line, without its end, as in a listing.
  public static func line(_ record: ConntrackRecord) -> String { line(record, Style()) }

  static func line(_ record: ConntrackRecord, _ style: Style) -> String {
    var text = style.isExtended ? "ipv4     2 " : ""
    let name = protocolName(record.protocol)
    text += name + String(repeating: " ", count: max(1, 9 - name.utf8.count))
    text += "\(record.protocol.rawValue) \(record.timeout) "
    if let state = record.tcpState { text += state.name + " " }
    let isOneZone = record.original.zone == record.reply.zone
    text += tuple(record.original, record.protocol)
    if !isOneZone, record.original.zone != 0 { text += "zone-orig=\(record.original.zone) " }
    if record.isAccounted { text += counters(record.original) }
    if !record.status.contains(.seenReply) { text += "[UNREPLIED] " }
    text += tuple(record.reply, record.protocol)
    if !isOneZone, record.reply.zone != 0 { text += "zone-reply=\(record.reply.zone) " }
    if record.isAccounted { text += counters(record.reply) }
    if record.status.contains(.assured) { text += "[ASSURED] " }
    if !style.isEvent || record.mark != 0 { text += "mark=\(record.mark) " }
    if isOneZone, record.original.zone != 0 || style.showsZone {
      text += "zone=\(record.original.zone) "
    }
    if let helper = record.helper { text += "helper=\(helper) " }
    if !style.isEvent { text += "use=\(style.users) " }
    if style.showsID { text += "id=\(record.id) " }
    text.removeLast()
    return text
  }

  /// An announced connection, as `-L expect` prints it.
  static func line(_ expectation: ConntrackExpectation) -> String {
    let port = expectation.destinationPort
    let master = expectation.masterOriginal
    return "\(expectation.timeout) proto=\(expectation.protocol.rawValue) "
      + "src=\(expectation.source ?? .any) dst=\(expectation.destination) sport=0 dport=\(port) "
      + "mask-src=\(expectation.source == nil ? IPv4Address.any : IPv4Address.broadcast) "
      + "mask-dst=255.255.255.255 sport=0 dport=65535 "
      + "master-src=\(master.source) master-dst=\(master.destination) "
      + "sport=\(master.sourcePort) dport=\(master.destinationPort) class=0 "
      + "helper=\(expectation.helper)"
  }

  private static func protocolName(_ value: IPProtocol) -> String {
    switch value {
    case .tcp, .udp, .icmp, .sctp, .dccp, .gre, .udplite: value.description
    case .icmpv6: "icmpv6"
    default: "unknown"
    }
  }

  private static func tuple(_ record: ConntrackTupleRecord, _ proto: IPProtocol) -> String {
    var text = "src=\(record.source) dst=\(record.destination) "
    if proto.hasPorts {
      text += "sport=\(record.sourcePort) dport=\(record.destinationPort) "
    } else if proto == .icmp {
      text += "type=\(record.icmpType) code=\(record.icmpCode) id=\(record.icmpID) "
    }
    return text
  }

  private static func counters(_ record: ConntrackTupleRecord) -> String {
    "packets=\(record.packets) bytes=\(record.bytes) "
  }
}

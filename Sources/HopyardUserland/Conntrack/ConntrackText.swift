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

  // MARK: Other formats

  /// The arguments of conntrack(8) that would make a connection (`-o save`).
  static func command(_ record: ConntrackRecord) -> String {
    var status: [String] = []
    if record.status.contains(.seenReply) { status.append("SEEN_REPLY") }
    if record.status.contains(.assured) { status.append("ASSURED") }
    if status.isEmpty { status = ["UNSET"] }
    var text = "-A -t \(record.timeout) -u \(status.joined(separator: ","))"
    text += " -s \(record.original.source) -d \(record.original.destination)"
    text += " -r \(record.reply.source) -q \(record.reply.destination)"
    text += " -p \(protocolName(record.protocol))"
    if record.protocol.hasPorts {
      text += " --sport \(record.original.sourcePort) --dport \(record.original.destinationPort)"
      text += " --reply-port-src \(record.reply.sourcePort)"
      text += " --reply-port-dst \(record.reply.destinationPort)"
    } else if record.protocol == .icmp {
      text += " --icmp-type \(record.original.icmpType) --icmp-code \(record.original.icmpCode)"
      text += " --icmp-id \(record.original.icmpID)"
    }
    if let state = record.tcpState { text += " --state \(state.name)" }
    return text
  }

  /// The document of `-o xml`.
  static func document(_ records: [ConntrackRecord]) -> String {
    "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<conntrack>\n"
      + records.map { element($0) + "\n" }.joined() + "</conntrack>\n"
  }

  private static func element(_ record: ConntrackRecord) -> String {
    let number = record.protocol.rawValue
    let name = protocolName(record.protocol)
    func direction(_ tuple: ConntrackTupleRecord, _ name: String, _ layer: String) -> String {
      var text = "<meta direction=\"\(name)\"><layer3 protonum=\"2\" protoname=\"ipv4\">"
      text += "<src>\(tuple.source)</src><dst>\(tuple.destination)</dst></layer3>\(layer)"
      if record.protocol.hasPorts {
        text += "<sport>\(tuple.sourcePort)</sport><dport>\(tuple.destinationPort)</dport>"
      }
      text += "</layer4>"
      if record.isAccounted {
        text += "<counters><packets>\(tuple.packets)</packets><bytes>\(tuple.bytes)</bytes>"
        text += "</counters>"
      }
      return text + "</meta>"
    }
    let layer = "<layer4 protonum=\"\(number)\" protoname=\"\(name)\">"
    var text = "<flow>" + direction(record.original, "original", layer)
    text += direction(record.reply, "reply", layer) + "<meta direction=\"independent\">"
    if let state = record.tcpState { text += "<state>\(state.name)</state>" }
    text += "<timeout>\(record.timeout)</timeout><mark>\(record.mark)</mark>"
    if record.original.zone != 0 { text += "<zone>\(record.original.zone)</zone>" }
    text += "<use>1</use><id>\(record.id)</id>"
    if record.status.contains(.assured) { text += "<assured/>" }
    if !record.status.contains(.seenReply) { text += "<unreplied/>" }
    return text + "</meta></flow>"
  }
}

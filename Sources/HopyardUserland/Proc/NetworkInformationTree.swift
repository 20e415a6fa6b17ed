import HopyardSimulator
import HopyardWire

/// `/proc/net`: what the namespace of whoever looks shows of itself.
final class NetworkInformationTree: VirtualTree {
  private static let files: [String: @Sendable (NetworkNamespace) -> String] = [
    "arp": arp, "dev": dev, "route": route,
    "snmp": { NetworkCounters.text(NetworkCounters.basic($0), $0) },
    "snmp6": { _ in NetworkCounters.text6() },
    "netstat": { NetworkCounters.text(NetworkCounters.extended, $0) },
    "sockstat": sockstat, "igmp": igmp, "udp": udp,
  ]

  func read(_ path: String, for process: Process) throws(Errno) -> [UInt8] {
    if path.isEmpty { throw .isDirectory }
    if let text = NetfilterViews.read(path, process.namespace) { return Array(text.utf8) }
    if NetfilterViews.list(path, process.namespace) != nil { throw .isDirectory }
    guard let file = Self.files[path] else { throw .noSuchFile }
    return Array(file(process.namespace).utf8)
  }

  func write(_ path: String, _ bytes: [UInt8], for process: Process) throws(Errno) {
    if path.isEmpty { throw .isDirectory }
    if try NetfilterViews.write(path, bytes, process.namespace) { return }
    guard Self.files[path] != nil || NetfilterViews.read(path, process.namespace) != nil else {
      throw .noSuchFile
    }
    throw .accessDenied
  }

  func list(_ path: String, for process: Process) throws(Errno) -> [String] {
    if path.isEmpty { return (Self.files.keys + NetfilterViews.names).sorted() }
    if let names = NetfilterViews.list(path, process.namespace) { return names }
    guard Self.files[path] != nil || NetfilterViews.read(path, process.namespace) != nil else {
      throw .noSuchFile
    }
    throw .notDirectory
  }

  private static func dev(_ namespace: NetworkNamespace) -> String {
    var text = "Inter-|   Receive                                                |  Transmit\n"
    text += " face |bytes    packets errs drop fifo frame compressed multicast"
    text += "|bytes    packets errs drop fifo colls carrier compressed\n"
    for device in namespace.devices.all {
      let counts = device.statistics
      func field(_ value: UInt64, _ width: Int) -> String { String(value).leftPadded(width) }
      let receive = [
        field(counts.receivedBytes, 7), field(counts.receivedPackets, 7),
        field(counts.receiveErrors, 4), field(counts.receiveDropped, 4), field(0, 4),
        field(0, 5), field(0, 10), field(counts.receivedMulticast, 9),
      ]
      let send = [
        field(counts.sentBytes, 8), field(counts.sentPackets, 7), field(counts.sendErrors, 4),
        field(counts.sendDropped, 4), field(0, 4), field(0, 5), field(0, 7), field(0, 10),
      ]
      text += device.name.leftPadded(6) + ": " + receive.joined(separator: " ") + " "
      text += send.joined(separator: " ") + "\n"
    }
    return text
  }

  private static func arp(_ namespace: NetworkNamespace) -> String {
    var text =
      "IP address       HW type     Flags       HW address            Mask     Device\n"
    for entry in namespace.neighbours where entry.state != .noARP {
      guard let device = namespace.devices[entry.ifindex] else { continue }
      let flags = entry.linkAddress == nil ? 0 : entry.state == .permanent ? 6 : 2
      let mac = entry.linkAddress ?? .zero
      text += entry.address.description.padded(16) + " " + "0x1".padded(12)
      text += "0x\(flags)".padded(12) + mac.description.padded(22)
      text += "*".padded(9) + device.name + "\n"
    }
    return text
  }

  private static func route(_ namespace: NetworkNamespace) -> String {
    let header =
      "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT"
    var text = header.padded(127) + "\n"
    for entry in RoutingTableLine.main(namespace) {
      func hex(_ address: UInt32) -> String {
        DecimalText.hexadecimal(UInt64(address.byteSwapped), 8).uppercased()
      }
      let flags = DecimalText.hexadecimal(UInt64(entry.flags), 4).uppercased()
      let line =
        "\(entry.device ?? "*")\t\(hex(entry.destination))\t\(hex(entry.gateway))\t"
        + "\(flags)\t0\t0\t\(entry.metric)\t\(hex(entry.mask))\t0\t0\t0"
      text += line.padded(127) + "\n"
    }
    return text
  }

  private static func sockstat(_ namespace: NetworkNamespace) -> String {
    let all = namespace.sockets.all
    let tcp = namespace.sockets.connections
    let waiting = tcp.count { $0.state == .timeWait }
    return """
      sockets: used \(all.count)
      TCP: inuse \(tcp.count - waiting) orphan 0 tw \(waiting) alloc \(tcp.count) mem 0
      UDP: inuse \(all.count { $0 is UDPSocket }) mem 0
      UDPLITE: inuse 0
      RAW: inuse \(all.count { $0 is RawSocket })
      FRAG: inuse 0 memory 0

      """
  }

  private static func hexadecimal(_ address: UInt32) -> String {
    DecimalText.hexadecimal(UInt64(address.byteSwapped), 8).uppercased()
  }

  /// The groups that are joined, by device, the last one first.
  private static func igmp(_ namespace: NetworkNamespace) -> String {
    var text = "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n"
    for device in namespace.devices.all {
      var groups = device.inet.groups.reversed().map { ($0.group.rawValue, $0.users) }
      if device.isUp { groups.append((0xe000_0001, 1)) }
      if device.listensForSnoopers { groups.append((0xe000_006a, 1)) }
      guard !groups.isEmpty else { continue }
      text += "\(device.ifindex)\t\(device.name.padded(10)): "
      text += String(groups.count).leftPadded(5) + "      V3\n"
      for (group, users) in groups {
        text += "\t\t\t\t\(hexadecimal(group)) \(String(users).leftPadded(5)) 0:00000000\t\t0\n"
      }
    }
    return text
  }

  /// The UDP sockets; the slot and the addresses in memory are not told.
  private static func udp(_ namespace: NetworkNamespace) -> String {
    var text = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt"
    text += "   uid  timeout inode ref pointer drops            \n"
    let sockets = namespace.sockets.all.compactMap { $0 as? UDPSocket }
    for socket in sockets where socket.localPort != 0 {
      func end(_ address: IPv4Address, _ port: UInt16) -> String {
        "\(hexadecimal(address.rawValue)):"
          + DecimalText.hexadecimal(UInt64(port), 4).uppercased()
      }
      var line = String(Int(socket.localPort)).leftPadded(5)
      line += ": \(end(socket.localAddress, socket.localPort)) "
      line += "\(end(socket.remoteAddress, socket.remotePort)) "
      line += socket.isConnected ? "01" : "07"
      line += " 00000000:"
      line += DecimalText.hexadecimal(UInt64(socket.queuedBytes), 8).uppercased()
      line += " 00:00000000 00000000 \(String(socket.uid).leftPadded(5))        0 0 2 0 0"
      text += line.padded(127) + "\n"
    }
    return text
  }
}

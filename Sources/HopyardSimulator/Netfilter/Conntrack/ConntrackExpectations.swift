import HopyardWire

extension Conntrack {
  /// Makes a new connection RELATED if a helper announced it.
  func meetExpectation(_ entry: UnsafeMutablePointer<Entry>) {
    let tuple = entry.pointee.original
    let now = core.now.nanoseconds
    guard
      let position = expectations.firstIndex(where: { expected in
        expected.deadline > now && expected.protocol.rawValue == tuple.protocol
          && expected.destination.rawValue == tuple.destination
          && expected.destinationPort == tuple.destinationPort
          && (expected.source == nil || expected.source?.rawValue == tuple.source)
      })
    else { return }
    let expected = expectations.remove(at: position)
    let master = table.entry(expected.master)
    guard master.pointee.generation == expected.masterGeneration else { return }
    entry.pointee.status.insert(.expected)
    entry.pointee.master = expected.master &+ 1
    entry.pointee.mark = master.pointee.mark
  }

  func removeExpectations(of index: UInt32) {
    if !expectations.isEmpty { expectations.removeAll { $0.master == index } }
  }

  /// Lets the connection's helper read a packet on its last hook.
  func help(_ packet: borrowing Packet) {
    guard let index = table.index(of: packet.metadata.conntrack) else { return }
    let entry = table.entry(index)
    guard entry.pointee.helper == ConntrackHelper.ftp.rawValue else { return }
    let info = packet.metadata.conntrackInfo
    guard info == ConntrackInfo.established || info == ConntrackInfo.establishedReply else {
      return
    }
    readFTP(packet, index, ConntrackInfo.direction(info))
  }

  /// Finds `PORT a,b,c,d,e,f` of the client or the server's answer 227 to PASV.
  private func readFTP(
    _ packet: borrowing Packet,
    _ index: UInt32,
    _ direction: ConntrackDirection
  ) {
    guard let view = PacketView(packet), view.protocol == 6,
      let segment = TrackedSegment(packet, at: view.transport, end: view.totalLength)
    else { return }
    let start = view.transport + segment.headerLength
    guard start < view.totalLength else { return }
    let text = packet.withBytes { bytes in
      String(decoding: bytes[start..<view.totalLength], as: UTF8.self)
    }
    let numbers: Substring
    if direction == .original, text.lowercased().hasPrefix("port ") {
      numbers = text.dropFirst(5)
    } else if direction == .reply, text.hasPrefix("227 "),
      let first = text.dropFirst(4).firstIndex(where: { $0.isNumber })
    {
      numbers = text[first...]
    } else {
      return
    }
    let fields = numbers.prefix { $0.isNumber || $0 == "," }.split(separator: ",")
    let octets = fields.compactMap { UInt8($0) }
    guard octets.count == 6 else { return }
    let address = IPv4Address(octets[0], octets[1], octets[2], octets[3])
    let entry = table.entry(index)
    let own = entry.pointee.tuple(direction)
    // Only the sender itself may be announced; anything else would be an FTP bounce.
    guard address.rawValue == own.source else { return }
    let port = UInt16(octets[4]) << 8 | UInt16(octets[5])
    let expectation = ConntrackExpectation(
      master: index,
      masterGeneration: entry.pointee.generation,
      deadline: (core.now + .seconds(300)).nanoseconds,
      source: IPv4Address(rawValue: own.destination),
      destination: address,
      destinationPort: port,
      protocol: .tcp,
      masterOriginal: ConntrackTupleRecord(entry.pointee.original, packets: 0, bytes: 0),
      helper: "ftp",
      timeout: 300
    )
    expectations.removeAll {
      $0.master == index && $0.destination == address && $0.destinationPort == port
    }
    expectations.append(expectation)
  }
}

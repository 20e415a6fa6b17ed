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
    ftpLines.forget(index)
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

  /// Finds what the client's PORT or EPRT, or the server's answer to PASV or EPSV announces.
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
    let (text, endsLine) = packet.withBytes { bytes in
      (
        String(decoding: bytes[start..<view.totalLength], as: UTF8.self),
        bytes[view.totalLength - 1] == UInt8(ascii: "\n")
      )
    }
    let entry = table.entry(index)
    let sequence = packet.u32(at: view.transport + 4)
    let startsLine = ftpLines.startsLine(sequence, of: index, entry.pointee.generation, direction)
    if endsLine {
      ftpLines.note(
        end: sequence &+ UInt32(truncatingIfNeeded: view.totalLength - start),
        of: index,
        entry.pointee.generation,
        direction
      )
    }
    // Only at the beginning of a line whose place is known: the first line of a side tells it.
    guard startsLine, let (address, port) = Self.announced(text, direction) else { return }
    let own = entry.pointee.tuple(direction)
    // Only the sender itself may be announced; anything else would be an FTP bounce.
    if let address, address.rawValue != own.source { return }
    let other = entry.pointee.tuple(direction.opposite)
    let expectation = ConntrackExpectation(
      master: index,
      masterGeneration: entry.pointee.generation,
      deadline: (core.now + .seconds(300)).nanoseconds,
      source: IPv4Address(rawValue: other.source),
      destination: IPv4Address(rawValue: other.destination),
      destinationPort: port,
      protocol: .tcp,
      masterOriginal: ConntrackTupleRecord(entry.pointee.original, packets: 0, bytes: 0),
      helper: "ftp",
      timeout: 300
    )
    // A control connection announces one data connection at a time.
    expectations.removeAll { $0.master == index }
    expectations.append(expectation)
  }

  /// The address, where it is told, and the port of a data connection.
  private static func announced(
    _ text: String,
    _ direction: ConntrackDirection
  ) -> (address: IPv4Address?, port: UInt16)? {
    let isCommand = direction == .original
    let lowered = text.lowercased()
    if isCommand, lowered.hasPrefix("eprt ") {
      let fields = text.dropFirst(5).split(separator: "|", omittingEmptySubsequences: false)
      guard fields.count >= 4, fields[1] == "1", let address = IPv4Address(String(fields[2])),
        let port = UInt16(fields[3]), port != 0
      else { return nil }
      return (address, port)
    }
    if !isCommand, text.hasPrefix("229 "), let open = text.firstIndex(of: "(") {
      let fields = text[text.index(after: open)...]
        .split(separator: "|", omittingEmptySubsequences: false)
      guard fields.count >= 4, let port = UInt16(fields[3]), port != 0 else { return nil }
      return (nil, port)
    }
    let numbers: Substring
    if isCommand, lowered.hasPrefix("port ") {
      numbers = text.dropFirst(5)
    } else if !isCommand, text.hasPrefix("227 "),
      let first = text.dropFirst(4).firstIndex(where: { $0.isNumber })
    {
      numbers = text[first...]
    } else {
      return nil
    }
    let octets = numbers.prefix { $0.isNumber || $0 == "," }.split(separator: ",")
      .compactMap { UInt8($0) }
    guard octets.count == 6 else { return nil }
    return (
      IPv4Address(octets[0], octets[1], octets[2], octets[3]),
      UInt16(octets[4]) << 8 | UInt16(octets[5])
    )
  }
}

/// Where the last lines of FTP control connections ended, by connection and direction.
struct FTPLines {
  private struct Ends {
    var generation: UInt32
    var places: [[UInt32]] = [[], []]
  }

  private var connections: [UInt32: Ends] = [:]

  /// Whether a segment begins where a line ended.
  func startsLine(
    _ sequence: UInt32,
    of index: UInt32,
    _ generation: UInt32,
    _ direction: ConntrackDirection
  ) -> Bool {
    guard let known = connections[index], known.generation == generation else { return false }
    return known.places[Int(direction.rawValue)].contains(sequence)
  }

  /// Notes the end of a line; two are remembered for each direction.
  mutating func note(
    end: UInt32,
    of index: UInt32,
    _ generation: UInt32,
    _ direction: ConntrackDirection
  ) {
    var ends = connections[index] ?? Ends(generation: generation)
    if ends.generation != generation { ends = Ends(generation: generation) }
    let side = Int(direction.rawValue)
    guard !ends.places[side].contains(end) else { return }
    if ends.places[side].count < 2 {
      ends.places[side].append(end)
    } else {
      let isFirstOlder = Int32(bitPattern: ends.places[side][0] &- ends.places[side][1]) < 0
      ends.places[side][isFirstOlder ? 0 : 1] = end
    }
    connections[index] = ends
  }

  /// Forgets a connection.
  mutating func forget(_ index: UInt32) {
    if !connections.isEmpty { connections[index] = nil }
  }
}

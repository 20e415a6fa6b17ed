import HopyardWire

/// The FTP helper: it reads the control connection, announces data connections, and rewrites what
/// is said about them where the control connection is translated (nf_conntrack_ftp, nf_nat_ftp).
extension Conntrack {
  /// Lets the connection's helper read a packet on its last hook.
  func help(_ packet: inout Packet) {
    guard let index = table.index(of: packet.metadata.conntrack) else { return }
    let entry = table.entry(index)
    if entry.pointee.helper == ConntrackHelper.ftp.rawValue {
      let info = packet.metadata.conntrackInfo
      if info == ConntrackInfo.established || info == ConntrackInfo.establishedReply {
        readFTP(&packet, index, ConntrackInfo.direction(info))
      }
    }
    if !sequenceShifts.isEmpty { sequenceShifts.apply(to: &packet, index, entry) }
  }

  /// Finds what the client's PORT or EPRT, or the server's answer to PASV or EPSV announces.
  private func readFTP(
    _ packet: inout Packet,
    _ index: UInt32,
    _ direction: ConntrackDirection
  ) {
    guard let view = PacketView(packet), view.protocol == 6,
      let segment = TrackedSegment(packet, at: view.transport, end: view.totalLength)
    else { return }
    let start = view.transport + segment.headerLength
    guard start < view.totalLength else { return }
    let text = packet.withBytes { Array($0[start..<view.totalLength]) }
    let entry = table.entry(index)
    let sequence = packet.u32(at: view.transport + 4)
    let startsLine = ftpLines.startsLine(sequence, of: index, entry.pointee.generation, direction)
    if text.last == UInt8(ascii: "\n") {
      ftpLines.note(
        end: sequence &+ UInt32(truncatingIfNeeded: text.count),
        of: index,
        entry.pointee.generation,
        direction
      )
    }
    // Only at the beginning of a line whose place is known: the first line of a side tells it.
    guard startsLine, let found = FTPAnnouncement(text, direction) else { return }
    let own = entry.pointee.tuple(direction)
    // Only the sender itself may be announced; anything else would be an FTP bounce.
    if let address = found.address, address.rawValue != own.source { return }
    let other = entry.pointee.tuple(direction.opposite)
    let isTranslated = !entry.pointee.status.isDisjoint(with: [.sourceNAT, .destinationNAT])
    let expectation = ConntrackExpectation(
      master: index,
      masterGeneration: entry.pointee.generation,
      deadline: (core.now + .seconds(300)).nanoseconds,
      source: IPv4Address(rawValue: other.source),
      destination: IPv4Address(rawValue: other.destination),
      destinationPort: found.port,
      protocol: .tcp,
      masterOriginal: ConntrackTupleRecord(entry.pointee.original, packets: 0, bytes: 0),
      helper: "ftp",
      timeout: 300,
      savedPort: found.port,
      followsMaster: isTranslated,
      direction: direction
    )
    // A control connection announces one data connection at a time.
    expectations.removeAll { $0.master == index }
    expectations.append(expectation)
    guard isTranslated else { return }
    let replacement = found.text(IPv4Address(rawValue: other.destination), found.port)
    let rewritten = text[..<found.range.lowerBound] + replacement + text[found.range.upperBound...]
    let growth = rewritten.count - text.count
    guard rewritten.elementsEqual(text) == false,
      packet.replaceSegment(Array(rewritten), view, from: start), growth != 0
    else { return }
    sequenceShifts.note(index, entry, direction, at: sequence, growth: growth)
  }
}

/// What a line of an FTP control connection says about a data connection.
struct FTPAnnouncement {
  private enum Form {
    /// `10,0,0,1,31,64`, of PORT and 227.
    case numbers
    /// `|1|10.0.0.1|8000|`, of EPRT.
    case extended
    /// `|||8000|`, of 229.
    case portOnly
  }

  /// The address, where it is told.
  let address: IPv4Address?
  let port: UInt16
  /// Where it stands in the line.
  let range: Range<Int>
  private let form: Form

  init?(_ bytes: [UInt8], _ direction: ConntrackDirection) {
    let isCommand = direction == .original
    let word = String(decoding: bytes.prefix(5), as: UTF8.self).lowercased()
    func end(_ start: Int, _ stop: UInt8) -> Int? {
      bytes[start...].firstIndex { $0 == stop }
    }
    if isCommand, word == "eprt " {
      guard let last = end(5, UInt8(ascii: "\r")) else { return nil }
      let fields = Self.fields(bytes[5..<last])
      guard fields.count >= 4, fields[1] == "1", let address = IPv4Address(fields[2]),
        let port = UInt16(fields[3]), port != 0
      else { return nil }
      (self.address, self.port, range, form) = (address, port, 5..<last, .extended)
      return
    }
    if !isCommand, word.hasPrefix("229 ") {
      guard let open = bytes.firstIndex(of: UInt8(ascii: "(")),
        let last = end(open + 1, UInt8(ascii: ")"))
      else { return nil }
      let fields = Self.fields(bytes[(open + 1)..<last])
      guard fields.count >= 4, let port = UInt16(fields[3]), port != 0 else { return nil }
      (self.address, self.port, range, form) = (nil, port, (open + 1)..<last, .portOnly)
      return
    }
    let isDigit = { (byte: UInt8) in (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
    let first: Int
    if isCommand, word == "port " {
      first = 5
    } else if !isCommand, word.hasPrefix("227 "),
      let found = bytes[4...].firstIndex(where: isDigit)
    {
      first = found
    } else {
      return nil
    }
    let last = bytes[first...].firstIndex { !isDigit($0) && $0 != UInt8(ascii: ",") }
    let numbers = bytes[first..<(last ?? bytes.count)].split(separator: UInt8(ascii: ","))
      .compactMap { UInt8(String(decoding: $0, as: UTF8.self)) }
    guard numbers.count == 6 else { return nil }
    address = IPv4Address(numbers[0], numbers[1], numbers[2], numbers[3])
    port = UInt16(numbers[4]) << 8 | UInt16(numbers[5])
    range = first..<(last ?? bytes.count)
    form = .numbers
  }

  private static func fields(_ bytes: ArraySlice<UInt8>) -> [String] {
    bytes.split(separator: UInt8(ascii: "|"), omittingEmptySubsequences: false)
      .map { String(decoding: $0, as: UTF8.self) }
  }

  /// The same said of another address and port.
  func text(_ address: IPv4Address, _ port: UInt16) -> [UInt8] {
    let text =
      switch form {
      case .numbers:
        address.description.split(separator: ".").joined(separator: ",")
          + ",\(port >> 8),\(port & 255)"
      case .extended: "|1|\(address)|\(port)|"
      case .portOnly: "|||\(port)|"
      }
    return Array(text.utf8)
  }
}

extension Packet {
  /// Replaces the data of a segment, and makes lengths and checksums right; false if it has no room.
  fileprivate mutating func replaceSegment(
    _ data: [UInt8],
    _ view: PacketView,
    from start: Int
  ) -> Bool {
    guard data.withUnsafeBytes({ replaceTail(from: start, with: $0) }) else { return false }
    let length = start + data.count
    let before = u16(at: 2)
    let after = UInt16(truncatingIfNeeded: length)
    setU16(after, at: 2)
    setU16(InternetChecksum.adjust(u16(at: 10), from: before, to: after), at: 10)
    setU16(0, at: view.transport + 16)
    let checksum = withBytes { bytes in
      InternetChecksum.checksum(
        of: UnsafeRawBufferPointer(rebasing: bytes[view.transport..<length]),
        initial: InternetChecksum.pseudoHeader(
          source: IPv4Address(rawValue: view.source),
          destination: IPv4Address(rawValue: view.destination),
          protocol: .tcp,
          length: length - view.transport
        )
      )
    }
    setU16(checksum, at: view.transport + 16)
    return true
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

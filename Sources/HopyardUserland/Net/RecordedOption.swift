import HopyardWire

/// An IP option of an answer that tells of the way, as ping shows it.
enum RecordedOption {
  /// A no-operation.
  case nothing
  /// Record route.
  case route([IPv4Address])
  /// Timestamps, some with the address that gave them, and how many found no room.
  case times([(address: IPv4Address?, time: UInt32?)], unrecorded: Int)

  /// The options of a packet that begins with its IP header.
  static func options(of packet: [UInt8]) -> [RecordedOption] {
    guard let first = packet.first else { return [] }
    let end = min(packet.count, Int(first & 15) * 4)
    var found: [RecordedOption] = []
    var at = 20
    while at < end {
      if packet[at] == 0 { break }
      if packet[at] == 1 {
        found.append(.nothing)
        at += 1
        continue
      }
      guard at + 2 < end else { break }
      let length = Int(packet[at + 1])
      guard length >= 2, at + length <= end else { break }
      let pointer = min(Int(packet[at + 2]), length)
      func word(_ offset: Int) -> UInt32 {
        (0..<4).reduce(0) { sum, index in
          let place = at + offset + index
          return sum << 8 | UInt32(place < end ? packet[place] : 0)
        }
      }
      if packet[at] == 7, pointer > 4 {
        found.append(
          .route(
            stride(from: 0, to: pointer - 4, by: 4).map { IPv4Address(rawValue: word(3 + $0)) }
          )
        )
      } else if packet[at] == 68, pointer > 5, length > 4 {
        found.append(times(pointer - 5, packet[at + 3], word))
      }
      at += length
    }
    return found
  }

  private static func times(
    _ count: Int,
    _ flags: UInt8,
    _ word: (Int) -> UInt32
  ) -> RecordedOption {
    var entries: [(address: IPv4Address?, time: UInt32?)] = []
    var left = count
    var offset = 4
    while left > 0 {
      var address: IPv4Address?
      if flags & 15 != 0 {
        address = IPv4Address(rawValue: word(offset))
        offset += 4
        left -= 4
        if left <= 0 {
          entries.append((address, nil))
          break
        }
      }
      entries.append((address, word(offset)))
      offset += 4
      left -= 4
    }
    return .times(entries, unrecorded: Int(flags >> 4))
  }

  /// The text behind an answer.
  func text(
    _ name: (IPv4Address) async throws(ProcessExit) -> String
  ) async throws(ProcessExit) -> String {
    switch self {
    case .nothing: return "\nNOP"
    case .route(let addresses):
      var text = "\nRR: "
      for address in addresses {
        text += "\t" + (address == .any ? "0.0.0.0" : try await name(address)) + "\n"
      }
      return text
    case .times(let entries, let unrecorded):
      var text = "\nTS: "
      var last: UInt32 = 0
      var lastOdd: UInt32 = 0
      for entry in entries {
        if let address = entry.address {
          text += "\t" + (address == .any ? "0.0.0.0" : try await name(address))
        }
        guard let time = entry.time else { break }
        if time & 0x8000_0000 != 0 {
          let value = time & 0x7fff_ffff
          text +=
            lastOdd == 0
            ? "\t\(value) absolute not-standard"
            : "\t\(Int64(value) - Int64(lastOdd)) not-standard"
          lastOdd = value
        } else {
          text += last == 0 ? "\t\(time) absolute" : "\t\(Int64(time) - Int64(last))"
          last = time
        }
        text += "\n"
      }
      if unrecorded > 0 { text += "Unrecorded hops: \(unrecorded)\n" }
      return text
    }
  }
}

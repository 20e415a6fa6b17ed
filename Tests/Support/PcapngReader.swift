/// A packet of a capture file, with the interface it was seen on.
struct CapturedPacket {
  /// Nanoseconds.
  var time: Int
  var interface: String
  var isOutgoing: Bool
  var linkType: Int
  var frame: Bytes
}

/// Reads the pcapng files of recordings: little-endian, interface and enhanced packet blocks.
enum PcapngReader {
  private struct Interface {
    var name: String
    var linkType: Int
    var nanoseconds: Int
  }

  private enum BlockType {
    static let sectionHeader = 0x0a0d_0d0a
    static let interface = 1
    static let enhancedPacket = 6
  }

  private enum OptionCode {
    static let interfaceName = 2
    static let packetFlags = 2
    static let timeResolution = 9
  }

  static func packets(in file: [UInt8]) throws -> [CapturedPacket] {
    var packets: [CapturedPacket] = []
    var interfaces: [Interface] = []
    let all = Bytes(file)
    var at = 0
    while at + 12 <= all.count {
      let type = try all.littleEndian32(at)
      let size = try all.littleEndian32(at + 4)
      guard size >= 12 else { throw Bytes.Malformed() }
      let body = all.slice(at + 8, at + size - 4)
      at += size
      switch type {
      case BlockType.sectionHeader:
        interfaces = []
      case BlockType.interface:
        interfaces.append(try interface(body))
      case BlockType.enhancedPacket:
        let index = try body.littleEndian32(0)
        guard index < interfaces.count else { throw Bytes.Malformed() }
        packets.append(try packet(body, on: interfaces[index]))
      default:
        break
      }
    }
    return packets
  }

  private static func interface(_ body: Bytes) throws -> Interface {
    let options = try options(body.slice(8))
    let name = options[OptionCode.interfaceName]?.array ?? []
    let resolution = try options[OptionCode.timeResolution]?.u8(0) ?? 6
    guard resolution <= 9 else { throw Bytes.Malformed() }
    return Interface(
      name: String(decoding: name.filter { $0 != 0 }, as: UTF8.self),
      linkType: try body.littleEndian16(0),
      nanoseconds: (resolution..<9).reduce(1) { scale, _ in scale * 10 }
    )
  }

  private static func packet(_ body: Bytes, on interface: Interface) throws -> CapturedPacket {
    let ticks = try body.littleEndian32(4) << 32 | body.littleEndian32(8)
    let captured = try body.littleEndian32(12)
    let options = try options(body.slice(20 + (captured + 3) / 4 * 4))
    let flags = try options[OptionCode.packetFlags]?.littleEndian32(0) ?? 0
    return CapturedPacket(
      time: ticks &* interface.nanoseconds,
      interface: interface.name,
      isOutgoing: flags & 3 == 2,
      linkType: interface.linkType,
      frame: body.slice(20, 20 + captured)
    )
  }

  private static func options(_ list: Bytes) throws -> [Int: Bytes] {
    var options: [Int: Bytes] = [:]
    var at = 0
    while at + 4 <= list.count {
      let code = try list.littleEndian16(at)
      let size = try list.littleEndian16(at + 2)
      if code == 0 { break }
      options[code] = list.slice(at + 4, at + 4 + size)
      at += 4 + (size + 3) / 4 * 4
    }
    return options
  }
}

extension Bytes {
  fileprivate func littleEndian16(_ at: Int) throws(Malformed) -> Int {
    try u8(at) | u8(at + 1) << 8
  }

  fileprivate func littleEndian32(_ at: Int) throws(Malformed) -> Int {
    try littleEndian16(at) | littleEndian16(at + 2) << 16
  }
}

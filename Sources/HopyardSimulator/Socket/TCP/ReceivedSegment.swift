import HopyardWire

/// The flags of a TCP segment.
struct SegmentFlags: OptionSet {
  let rawValue: UInt8
  static let fin = SegmentFlags(rawValue: 1)
  static let syn = SegmentFlags(rawValue: 2)
  static let rst = SegmentFlags(rawValue: 4)
  static let psh = SegmentFlags(rawValue: 8)
  static let ack = SegmentFlags(rawValue: 16)
}

/// A received segment, as far as the connection looks at it.
struct ReceivedSegment {
  var sequence: UInt32
  var acknowledgement: UInt32
  var flags: SegmentFlags
  var window: Int
  /// Where the payload stands in the packet.
  var payload: Range<Int>
  /// The MSS option; 0 if absent.
  var mss = 0
  /// The window scale option; nil if absent.
  var windowScale: UInt8?
  var permitsSACK = false
  var timestamp: (value: UInt32, echo: UInt32)?
  var sackBlocks: [(start: UInt32, end: UInt32)] = []
  var tos: UInt8

  /// How much of the sequence space it takes.
  var length: UInt32 {
    UInt32(payload.count) &+ (flags.contains(.syn) ? 1 : 0) &+ (flags.contains(.fin) ? 1 : 0)
  }

  /// Reads a segment; nil for a header that cannot be right.
  init?(_ packet: borrowing Packet, headerLength: Int) {
    guard packet.count >= headerLength + 20 else { return nil }
    let dataOffset = Int(packet.u8(at: headerLength + 12) >> 4) * 4
    guard dataOffset >= 20, packet.count >= headerLength + dataOffset else { return nil }
    sequence = packet.u32(at: headerLength + 4)
    acknowledgement = packet.u32(at: headerLength + 8)
    flags = SegmentFlags(rawValue: packet.u8(at: headerLength + 13))
    window = Int(packet.u16(at: headerLength + 14))
    payload = headerLength + dataOffset..<packet.count
    tos = packet.u8(at: 1)
    var at = headerLength + 20
    let end = headerLength + dataOffset
    while at < end {
      let kind = packet.u8(at: at)
      if kind == 0 { break }
      if kind == 1 {
        at += 1
        continue
      }
      guard at + 1 < end else { break }
      let size = Int(packet.u8(at: at + 1))
      guard size >= 2, at + size <= end else { break }
      switch (kind, size) {
      case (2, 4): mss = Int(packet.u16(at: at + 2))
      case (3, 3): windowScale = min(packet.u8(at: at + 2), 14)
      case (4, 2): permitsSACK = true
      case (5, _) where (size - 2) % 8 == 0:
        for block in 0..<(size - 2) / 8 {
          sackBlocks.append(
            (packet.u32(at: at + 2 + block * 8), packet.u32(at: at + 6 + block * 8))
          )
        }
      case (8, 10): timestamp = (packet.u32(at: at + 2), packet.u32(at: at + 6))
      default: break
      }
      at += size
    }
  }
}

/// Comparisons in the circle of sequence numbers (RFC 9293 §3.4).
extension UInt32 {
  @inline(__always)
  func isBefore(_ other: UInt32) -> Bool { Int32(bitPattern: self &- other) < 0 }
  @inline(__always)
  func isAfter(_ other: UInt32) -> Bool { Int32(bitPattern: self &- other) > 0 }
}

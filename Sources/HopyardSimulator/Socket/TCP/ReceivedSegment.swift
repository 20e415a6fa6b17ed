import HopyardWire

/// The flags of a TCP segment.
struct SegmentFlags: OptionSet {
  let rawValue: UInt8
  static let fin = SegmentFlags(rawValue: 1)
  static let syn = SegmentFlags(rawValue: 2)
  static let rst = SegmentFlags(rawValue: 4)
  static let psh = SegmentFlags(rawValue: 8)
  static let ack = SegmentFlags(rawValue: 16)
  static let urg = SegmentFlags(rawValue: 32)
  static let ece = SegmentFlags(rawValue: 64)
  static let cwr = SegmentFlags(rawValue: 128)
}

/// A stretch of sequence numbers.
struct SequenceRange: Equatable {
  var start: UInt32
  var end: UInt32
}

/// A received segment, as far as the connection looks at it.
struct ReceivedSegment {
  var sequence: UInt32
  var acknowledgement: UInt32
  var flags: SegmentFlags
  /// The window field, not scaled.
  var window: Int
  /// Where the payload stands in the packet.
  var payload: Range<Int>
  /// The MSS option; 0 if absent.
  var mss = 0
  /// The window scale option; nil if absent.
  var windowScale: UInt8?
  var permitsSACK = false
  var hasTimestamp = false
  var timestamp: UInt32 = 0
  var echo: UInt32 = 0
  /// How many SACK blocks it carries.
  var sackCount = 0
  private var sacks: (SequenceRange, SequenceRange, SequenceRange, SequenceRange) = (
    SequenceRange(start: 0, end: 0), SequenceRange(start: 0, end: 0),
    SequenceRange(start: 0, end: 0), SequenceRange(start: 0, end: 0)
  )
  var tos: UInt8
  /// The bytes that the segment takes in memory, as Linux charges them.
  var charge: Int

  /// How much of the sequence space it takes.
  @inline(__always)
  var length: UInt32 {
    UInt32(truncatingIfNeeded: payload.count) &+ (flags.contains(.syn) ? 1 : 0)
      &+ (flags.contains(.fin) ? 1 : 0)
  }

  /// The sequence number behind it.
  @inline(__always)
  var end: UInt32 { sequence &+ length }

  /// Whether a router marked the packet that it met congestion (RFC 3168 §5).
  var isCongestionMarked: Bool { tos & 3 == 3 }

  func sackBlock(_ index: Int) -> SequenceRange {
    switch index {
    case 0: sacks.0
    case 1: sacks.1
    case 2: sacks.2
    default: sacks.3
    }
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
    charge = Self.charge(payload.count)
    guard dataOffset > 20 else { return }
    let options = headerLength + 20
    // The usual options of a segment of a connection (RFC 7323 appendix A).
    if dataOffset == 32, packet.u32(at: options) == 0x0101_080a {
      hasTimestamp = true
      timestamp = packet.u32(at: options + 4)
      echo = packet.u32(at: options + 8)
      return
    }
    readOptions(packet, from: options, to: headerLength + dataOffset)
  }

  private mutating func readOptions(_ packet: borrowing Packet, from start: Int, to end: Int) {
    var at = start
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
      case (5, _) where (size - 2) % 8 == 0 && size > 2:
        for block in 0..<min((size - 2) / 8, 4) {
          let range = SequenceRange(
            start: packet.u32(at: at + 2 + block * 8),
            end: packet.u32(at: at + 6 + block * 8)
          )
          switch block {
          case 0: sacks.0 = range
          case 1: sacks.1 = range
          case 2: sacks.2 = range
          default: sacks.3 = range
          }
          sackCount = block + 1
        }
      case (8, 10):
        hasTimestamp = true
        timestamp = packet.u32(at: at + 2)
        echo = packet.u32(at: at + 6)
      default: break
      }
      at += size
    }
  }

  /// What Linux charges a receiver for a segment: its buffer, rounded up as the allocator does, and
  /// the administration of it.
  @inline(__always)
  static func charge(_ bytes: Int) -> Int {
    let needed = bytes &+ 450
    if needed <= 512 { return 768 }
    if needed <= 1024 { return 1280 }
    if needed <= 2048 { return 2304 }
    return ((needed &+ 4095) & ~4095) &+ 256
  }
}

/// Comparisons in the circle of sequence numbers (RFC 9293 §3.4).
extension UInt32 {
  @inline(__always)
  func isBefore(_ other: UInt32) -> Bool { Int32(bitPattern: self &- other) < 0 }
  @inline(__always)
  func isAfter(_ other: UInt32) -> Bool { Int32(bitPattern: self &- other) > 0 }
  /// How far it lies beyond another; negative before it.
  @inline(__always)
  func distance(from other: UInt32) -> Int { Int(Int32(bitPattern: self &- other)) }
}

/// What conntrack reads of a TCP header.
struct TrackedSegment {
  var sequence: UInt32
  var acknowledgement: UInt32
  /// The window field, not scaled.
  var window: UInt16
  var flags: UInt8
  /// The sequence number after the last byte, SYN and FIN counted.
  var end: UInt32
  /// The offset of the TCP header in the packet, and its length.
  var offset: Int
  var headerLength: Int

  static let fin: UInt8 = 1
  static let syn: UInt8 = 2
  static let rst: UInt8 = 4
  static let ack: UInt8 = 16

  @inline(__always) var isSYN: Bool { flags & Self.syn != 0 }
  @inline(__always) var isFIN: Bool { flags & Self.fin != 0 }
  @inline(__always) var isRST: Bool { flags & Self.rst != 0 }
  @inline(__always) var isACK: Bool { flags & Self.ack != 0 }

  @inline(__always)
  var kind: TCPSegmentKind {
    if isRST { return .rst }
    if isSYN { return isACK ? .synAck : .syn }
    if isFIN { return .fin }
    return isACK ? .ack : .none
  }

  /// Reads a header; nil if it is cut off, too short or has an impossible set of flags.
  @inline(__always)
  init?(_ packet: borrowing Packet, at offset: Int, end packetEnd: Int) {
    guard offset &+ 20 <= packetEnd else { return nil }
    headerLength = Int(packet.u8(at: offset &+ 12) &>> 4) &* 4
    guard headerLength >= 20, offset &+ headerLength <= packetEnd else { return nil }
    self.offset = offset
    sequence = packet.u32(at: offset &+ 4)
    acknowledgement = packet.u32(at: offset &+ 8)
    window = packet.u16(at: offset &+ 14)
    flags = packet.u8(at: offset &+ 13) & 0x3f
    let length = packetEnd &- offset &- headerLength
    end =
      sequence &+ UInt32(truncatingIfNeeded: length) &+ (flags & Self.syn != 0 ? 1 : 0)
      &+ (flags & Self.fin != 0 ? 1 : 0)
    // PSH does not matter; URG may stand with SYN, FIN|ACK and ACK.
    switch flags & 0x37 {
    case 0x02, 0x22, 0x12, 0x04, 0x14, 0x11, 0x31, 0x10, 0x30: break
    default: return nil
    }
  }

  /// The options that a SYN offers: window scale and selective acknowledgements.
  func readOptions(_ packet: borrowing Packet, into side: inout TCPSide) {
    side.scale = 0
    side.flags = []
    var position = offset + 20
    let end = offset + headerLength
    while position < end {
      let kind = packet.u8(at: position)
      if kind == 0 { return }
      if kind == 1 {
        position += 1
        continue
      }
      guard position + 1 < end else { return }
      let length = Int(packet.u8(at: position + 1))
      guard length >= 2, position + length <= end else { return }
      if kind == 4 && length == 2 {
        side.flags.insert(.selectiveAck)
      } else if kind == 3 && length == 3 {
        side.scale = min(packet.u8(at: position + 2), 14)
        side.flags.insert(.windowScale)
      }
      position += length
    }
  }

  /// The highest end of a selective acknowledgement, or `acknowledgement`.
  func highestSelectiveAck(_ packet: borrowing Packet, acknowledgement: UInt32) -> UInt32 {
    // Nearly all segments have time stamps only.
    if headerLength == 32, packet.u32(at: offset + 20) == 0x0101_080a { return acknowledgement }
    var result = acknowledgement
    var position = offset + 20
    let end = offset + headerLength
    while position < end {
      let kind = packet.u8(at: position)
      if kind == 0 { break }
      if kind == 1 {
        position += 1
        continue
      }
      guard position + 1 < end else { break }
      let length = Int(packet.u8(at: position + 1))
      guard length >= 2, position + length <= end else { break }
      if kind == 5, length >= 10, (length - 2) % 8 == 0 {
        for block in stride(from: position + 6, to: position + length, by: 8) {
          let right = packet.u32(at: block)
          if Int32(bitPattern: right &- result) > 0 { result = right }
        }
      }
      position += length
    }
    return result
  }
}

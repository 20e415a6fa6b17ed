import HopyardWire

/// The fields of an IPv4 packet that conntrack and rules look at.
struct PacketView {
  var source: UInt32
  var destination: UInt32
  /// The length of the IP packet in bytes, as it is counted.
  var totalLength: Int
  /// Where the transport header begins.
  var transport: Int
  /// In units of eight bytes.
  var fragmentOffset: UInt16
  var typeOfService: UInt8
  var timeToLive: UInt8
  var `protocol`: UInt8
  var moreFragments: Bool

  /// Reads the header; nil if it is not whole.
  @inline(__always)
  init?(_ packet: borrowing Packet) {
    let count = packet.count
    guard count >= 20 else { return nil }
    let first = packet.u32(at: 0)
    let length = Int(first &>> 24 & 15) &* 4
    guard first &>> 28 == 4, length >= 20, length <= count else { return nil }
    totalLength = min(Int(first & 0xffff), count)
    guard totalLength >= length else { return nil }
    typeOfService = UInt8(truncatingIfNeeded: first &>> 16)
    let fragment = packet.u16(at: 6)
    fragmentOffset = fragment & 0x1fff
    moreFragments = fragment & 0x2000 != 0
    let third = packet.u32(at: 8)
    timeToLive = UInt8(truncatingIfNeeded: third &>> 24)
    `protocol` = UInt8(truncatingIfNeeded: third &>> 16)
    source = packet.u32(at: 12)
    destination = packet.u32(at: 16)
    transport = length
  }

  /// Whether the packet has no transport header because it is a later fragment.
  @inline(__always)
  var isLaterFragment: Bool { fragmentOffset != 0 }

  /// How many bytes follow the IP header.
  @inline(__always)
  var transportLength: Int { totalLength &- transport }
}

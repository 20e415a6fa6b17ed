import HopyardWire

/// Explicit congestion notification through tunnels (RFC 6040).
enum TunnelECN {
  /// The outer type of service: the tunnel's, with the inner packet's ECN bits.
  static func encapsulate(tos: UInt8, inner: UInt8) -> UInt8 {
    let bits = inner & 3
    // Congestion already met is not carried in the outer header.
    return (tos & 0xfc) | (bits == 3 ? 2 : bits)
  }

  /// Writes what the outer header met into the inner IPv4 header, which begins at `offset`; false
  /// if the packet must be dropped.
  static func decapsulate(outer: UInt8, _ packet: inout Packet, at offset: Int) -> Bool {
    guard outer & 3 == 3, packet.count >= offset + 20, packet.u8(at: offset) >> 4 == 4 else {
      return true
    }
    let inner = packet.u8(at: offset + 1)
    if inner & 3 == 0 { return false }
    guard inner & 3 != 3 else { return true }
    let old = packet.u16(at: offset)
    let new = old | 3
    packet.setU16(new, at: offset)
    let sum = packet.u16(at: offset + 10)
    packet.setU16(InternetChecksum.adjust(sum, from: old, to: new), at: offset + 10)
    return true
  }
}

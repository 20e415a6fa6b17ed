import HopyardWire

/// Rewriting packets in place, with incremental checksums (RFC 1624).
enum NATTranslation {
  /// Writes a tuple's source or destination into a packet and its transport header.
  static func rewrite(
    _ packet: inout Packet,
    to target: ConntrackTuple<UInt32>,
    _ manipulation: NATManipulation
  ) {
    guard let view = PacketView(packet) else { return }
    let offset = manipulation == .source ? 12 : 16
    let old = manipulation == .source ? view.source : view.destination
    let new = manipulation == .source ? target.source : target.destination
    if !view.isLaterFragment {
      rewriteTransport(
        &packet,
        at: view.transport,
        end: view.totalLength,
        view.protocol,
        old,
        new,
        target,
        manipulation
      )
    }
    if old != new {
      packet.setU32(new, at: offset)
      packet.setU16(InternetChecksum.adjust(packet.u16(at: 10), from: old, to: new), at: 10)
    }
    packet.metadata.flags.insert(.translated)
  }

  /// Writes an address into the IP header only.
  static func rewriteAddress(
    _ packet: inout Packet,
    _ new: UInt32,
    _ manipulation: NATManipulation
  ) {
    let offset = manipulation == .source ? 12 : 16
    let old = packet.u32(at: offset)
    packet.setU32(new, at: offset)
    packet.setU16(InternetChecksum.adjust(packet.u16(at: 10), from: old, to: new), at: 10)
    packet.metadata.flags.insert(.translated)
  }

  private static func rewriteTransport(
    _ packet: inout Packet,
    at transport: Int,
    end: Int,
    _ proto: UInt8,
    _ old: UInt32,
    _ new: UInt32,
    _ target: ConntrackTuple<UInt32>,
    _ manipulation: NATManipulation
  ) {
    switch proto {
    case 6, 17, 33, 132, 136:
      let portOffset = transport + (manipulation == .source ? 0 : 2)
      guard portOffset + 2 <= end else { return }
      let oldPort = packet.u16(at: portOffset)
      let newPort = manipulation == .source ? target.sourcePort : target.destinationPort
      packet.setU16(newPort, at: portOffset)
      let checksumOffset: Int
      switch proto {
      case 6: checksumOffset = transport + 16
      case 33: checksumOffset = transport + 6
      case 17, 136: checksumOffset = transport + 6
      default: return
      }
      guard checksumOffset + 2 <= end else { return }
      let checksum = packet.u16(at: checksumOffset)
      if proto == 17, checksum == 0 { return }
      var adjusted = InternetChecksum.adjust(checksum, from: old, to: new)
      adjusted = InternetChecksum.adjust(adjusted, from: oldPort, to: newPort)
      packet.setU16(proto == 17 ? InternetChecksum.udp(adjusted) : adjusted, at: checksumOffset)
    case 1:
      guard transport + 8 <= end else { return }
      switch packet.u8(at: transport) {
      case 0, 8, 13, 14, 15, 16, 17, 18: break
      default: return
      }
      let oldID = packet.u16(at: transport + 4)
      guard oldID != target.sourcePort else { return }
      packet.setU16(target.sourcePort, at: transport + 4)
      packet.setU16(
        InternetChecksum.adjust(
          packet.u16(at: transport + 2),
          from: oldID,
          to: target.sourcePort
        ),
        at: transport + 2
      )
    default: break
    }
  }

  /// Translates the packet that an ICMP error quotes; false if the error must be dropped.
  static func rewriteQuoted(
    _ packet: inout Packet,
    _ view: PacketView,
    to target: ConntrackTuple<UInt32>,
    _ manipulation: NATManipulation
  ) -> Bool {
    guard let quoted = QuotedPacket(packet, at: view.transport + 8, end: view.totalLength) else {
      return false
    }
    let addressOffset = quoted.offset + (manipulation == .source ? 12 : 16)
    let old = packet.u32(at: addressOffset)
    let new = manipulation == .source ? target.source : target.destination
    if quoted.tuple != nil {
      // The quoted transport checksum may lie within what is quoted.
      rewriteTransport(
        &packet,
        at: quoted.transport,
        end: view.totalLength,
        quoted.protocol,
        old,
        new,
        target,
        manipulation
      )
    }
    packet.setU32(new, at: addressOffset)
    packet.setU16(
      InternetChecksum.adjust(packet.u16(at: quoted.offset + 10), from: old, to: new),
      at: quoted.offset + 10
    )
    recomputeICMPChecksum(&packet, view)
    return true
  }

  static func recomputeICMPChecksum(_ packet: inout Packet, _ view: PacketView) {
    packet.setU16(0, at: view.transport + 2)
    let checksum = packet.withBytes { bytes in
      InternetChecksum.checksum(
        of: UnsafeRawBufferPointer(rebasing: bytes[view.transport..<view.totalLength])
      )
    }
    packet.setU16(checksum, at: view.transport + 2)
  }
}

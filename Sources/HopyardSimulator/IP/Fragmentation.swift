import HopyardWire

/// Cutting packets up that are too long for the next link (`ip_fragment`).
extension IPv4Stack {
  /// Sends a packet in fragments that fit `mtu`, or refuses where DF forbids it.
  func outputFragments(
    _ packet: consuming Packet,
    _ route: RouteDecision,
    mtu: Int,
    from input: NetworkDevice?
  ) -> TransmitResult {
    var mtu = mtu
    let largest = Int(packet.metadata.largestFragment)
    let hasDF = packet.u16(at: 6) & 0x4000 != 0
    if hasDF && packet.count > mtu && (largest == 0 || largest > mtu)
      && packet.metadata.flags.isDisjoint(with: .fragmentHere)
    {
      counters.count(.ipFragFails)
      sendICMPError(
        about: packet,
        type: .destinationUnreachable,
        code: ICMPv4Header.Unreachable.fragmentationNeeded,
        info: UInt32(mtu),
        received: input
      )
      drop(packet, .fragmentationNeeded, on: route.device)
      return .discarded
    }
    if largest > 0 && largest < mtu { mtu = largest }
    if packet.count <= mtu && largest == 0 { return finish(packet, route) }
    let headerLength = Int(packet.u8(at: 0) & 15) &* 4
    let room = (mtu - headerLength) & ~7
    guard room >= 8 else {
      counters.count(.ipFragFails)
      drop(packet, .fragmentationNeeded, on: route.device)
      return .discarded
    }
    if packet.count <= mtu { return finish(packet, route) }
    var result = TransmitResult.sent
    cut(packet, mtu: mtu) { fragment in
      result = finish(fragment, route)
      return result != .dropped
    }
    return result
  }

  /// Cuts a packet into pieces that fit `mtu`, which leaves room for eight bytes or more.
  ///
  /// A piece that cannot be sent (false) makes the rest useless: the others are not made.
  func cut(_ packet: borrowing Packet, mtu: Int, _ body: (consuming Packet) -> Bool) {
    let headerLength = Int(packet.u8(at: 0) & 15) &* 4
    let room = (mtu - headerLength) & ~7
    guard room >= 8 else { return }
    let flags = packet.u16(at: 6)
    let firstOffset = Int(flags & 0x1fff)
    let wasMore = flags & 0x2000 != 0
    let keepsDF = packet.metadata.flags.contains(.reassembledDF)
    let total = packet.count - headerLength
    var done = 0
    while done < total {
      let isLast = total - done <= mtu - headerLength
      let size = isLast ? total - done : min(room, total - done)
      // Later fragments carry only the options that are to be copied.
      let isFirst = done == 0 && firstOffset == 0
      var fragment = simulation.pool.make(count: headerLength + size)
      fragment.metadata = packet.metadata
      fragment.metadata.largestFragment = 0
      fragment.metadata.linkHeaderLength = 0
      fragment.copyBytes(from: packet, range: 0..<headerLength, to: 0)
      fragment.copyBytes(
        from: packet,
        range: headerLength + done..<headerLength + done + size,
        to: headerLength
      )
      if !isFirst && headerLength > 20 { Self.blankUncopiedOptions(&fragment, headerLength) }
      fragment.setU16(UInt16(headerLength + size), at: 2)
      let more: UInt16 = !isLast || wasMore ? 0x2000 : 0
      fragment.setU16(
        (keepsDF || flags & 0x4000 != 0 ? flags & 0x4000 : 0) | more
          | UInt16((firstOffset + done / 8) & 0x1fff),
        at: 6
      )
      setHeaderChecksum(&fragment)
      done += size
      guard body(fragment) else { return counters.count(.ipFragFails) }
      counters.count(.ipFragCreates)
    }
    counters.count(.ipFragOKs)
  }

  /// Replaces the options that only the first fragment carries by no-operations.
  private static func blankUncopiedOptions(_ fragment: inout Packet, _ headerLength: Int) {
    var at = 20
    while at < headerLength {
      let kind = fragment.u8(at: at)
      if kind == 0 { return }
      if kind == 1 {
        at += 1
        continue
      }
      guard at + 1 < headerLength else { return }
      let length = Int(fragment.u8(at: at + 1))
      guard length >= 2, at + length <= headerLength else { return }
      if kind & 0x80 == 0 {
        for offset in at..<at + length { fragment.setU8(1, at: offset) }
      }
      at += length
    }
  }
}

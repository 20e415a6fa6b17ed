import HopyardWire

extension Netfilter {
  /// Sets the MSS option of a segment, or adds one; false if the packet must be dropped.
  func changeMSS(
    _ change: MSSTarget,
    _ packet: inout Packet,
    _ context: inout RuleContext
  ) -> Bool {
    let view = context.view
    guard view.protocol == 6, !view.isLaterFragment else { return true }
    guard let options = TCPOptionRange(packet, view) else { return false }
    let headerLength = options.end - view.transport
    let wanted: UInt16
    switch change {
    case .set(let value): wanted = value
    case .clampToPMTU:
      let mtu = environment.smallestPathMTU(of: packet, output: context.output)
      guard mtu > 40 else { return false }
      wanted = UInt16(clamping: mtu - 40)
    }
    if let option = options.first(2, packet), packet.u8(at: option + 1) == 4 {
      let old = packet.u16(at: option + 2)
      // The option only ever becomes smaller.
      if old <= wanted { return true }
      setWord(wanted, at: option + 2, &packet, view)
      return true
    }
    // Data would have to be moved to make room in a segment that carries some.
    guard view.totalLength == options.end, headerLength + 4 <= 60 else { return true }
    // Without the option the other end assumes 536 (RFC 9293 §3.7.1): never promise more.
    let value = min(wanted, 536)
    return insertOption(value, &packet, &context, headerLength)
  }

  private func setWord(_ value: UInt16, at offset: Int, _ packet: inout Packet, _ view: PacketView)
  {
    let checksum = view.transport + 16
    // An option may begin at an odd place; then its bytes belong to two words of the sum.
    if (offset - view.transport) % 2 == 0 {
      let old = packet.u16(at: offset)
      packet.setU16(value, at: offset)
      packet.setU16(
        InternetChecksum.adjust(packet.u16(at: checksum), from: old, to: value),
        at: checksum
      )
      return
    }
    let old = packet.u32(at: offset - 1)
    packet.setU16(value, at: offset)
    packet.setU16(
      InternetChecksum.adjust(
        packet.u16(at: checksum),
        from: old,
        to: packet.u32(at: offset - 1)
      ),
      at: checksum
    )
  }

  private func insertOption(
    _ value: UInt16,
    _ packet: inout Packet,
    _ context: inout RuleContext,
    _ headerLength: Int
  ) -> Bool {
    let view = context.view
    let start = view.transport + 20
    var tail: [UInt8] = [2, 4, UInt8(value >> 8), UInt8(value & 0xff)]
    tail += packet.withBytes { [UInt8]($0[start..<view.totalLength]) }
    let fits = tail.withUnsafeBytes { packet.replaceTail(from: start, with: $0) }
    guard fits else { return false }
    let length = view.totalLength + 4
    let oldLength = packet.u16(at: 2)
    packet.setU16(UInt16(truncatingIfNeeded: length), at: 2)
    packet.setU16(
      InternetChecksum.adjust(
        packet.u16(at: 10),
        from: oldLength,
        to: UInt16(truncatingIfNeeded: length)
      ),
      at: 10
    )
    packet.setU8(
      UInt8((headerLength + 4) / 4) << 4 | packet.u8(at: view.transport + 12) & 15,
      at: view.transport + 12
    )
    packet.setU16(0, at: view.transport + 16)
    let checksum = packet.withBytes { bytes in
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
    packet.setU16(checksum, at: view.transport + 16)
    context.reread(packet)
    return true
  }
}

import HopyardWire

/// Targets that change bits of headers, or make marks of them.
extension Netfilter {
  // MARK: Congestion notification

  /// Carries out ECN; false if the packet must be dropped.
  func change(_ target: ECNTarget, _ packet: inout Packet, _ context: inout RuleContext) -> Bool {
    if let codepoint = target.codepoint {
      setTypeOfService(context.view.typeOfService & ~3 | codepoint & 3, &packet, &context)
    }
    let echo = target.removesTCP ? false : target.echo
    let reduced = target.removesTCP ? false : target.reduced
    guard echo != nil || reduced != nil else { return true }
    let view = context.view
    guard view.protocol == 6, !view.isLaterFragment else { return true }
    guard view.transportLength >= 20 else { return false }
    let old = packet.u8(at: view.transport + 13)
    var new = old
    if let echo { new = echo ? new | 0x40 : new & ~0x40 }
    if let reduced { new = reduced ? new | 0x80 : new & ~0x80 }
    guard new != old else { return true }
    let before = packet.u16(at: view.transport + 12)
    packet.setU8(new, at: view.transport + 13)
    adjustTCP(&packet, view, from: before, to: packet.u16(at: view.transport + 12))
    return true
  }

  private func adjustTCP(
    _ packet: inout Packet,
    _ view: PacketView,
    from old: UInt16,
    to new: UInt16
  ) {
    let place = view.transport + 16
    packet.setU16(InternetChecksum.adjust(packet.u16(at: place), from: old, to: new), at: place)
  }

  // MARK: TCP options

  /// Overwrites options with NOP; false if the packet must be dropped.
  func strip(_ options: TCPOptionSet, _ packet: inout Packet, _ context: RuleContext) -> Bool {
    let view = context.view
    guard view.protocol == 6, !view.isLaterFragment else { return true }
    guard view.transportLength >= 20 else { return false }
    let length = Int(packet.u8(at: view.transport + 12) >> 4) * 4
    guard length >= 20, length <= view.transportLength else { return false }
    var offset = 20
    while offset < length - 1 {
      let kind = packet.u8(at: view.transport + offset)
      let given = packet.u8(at: view.transport + offset + 1)
      let size = kind <= 1 || given == 0 ? 1 : Int(given)
      guard offset + size <= length else { break }
      if options.contains(kind) {
        for place in offset..<(offset + size) {
          let old = packet.u8(at: view.transport + place)
          packet.setU8(1, at: view.transport + place)
          // The sum is one of words: an odd byte is the lower half of its word.
          let shift: UInt16 = place % 2 == 0 ? 8 : 0
          adjustTCP(&packet, view, from: UInt16(old) << shift, to: 1 << shift)
        }
      }
      offset += size
    }
    return true
  }

  // MARK: Marks

  /// The mark that HMARK makes; nil if the packet has none.
  func hashMark(
    _ target: HashMarkTarget,
    _ packet: borrowing Packet,
    _ context: RuleContext
  ) -> UInt32? {
    func mask(_ length: UInt8) -> UInt32 {
      length == 0 ? 0 : UInt32.max << (32 - UInt32(min(length, 32)))
    }
    var tuple = HashTuple()
    if target.fields.contains(.connection) {
      guard let entry = entry(of: packet) else { return nil }
      tuple.source = entry.pointee.original.source & mask(target.sourceLength)
      tuple.destination = entry.pointee.reply.source & mask(target.destinationLength)
      tuple.protocol = entry.pointee.original.protocol
      if tuple.protocol != 1 {
        tuple.setPorts(
          entry.pointee.original.sourcePort,
          entry.pointee.reply.sourcePort,
          target
        )
      }
      return tuple.mark(target)
    }
    return packet.withBytes { bytes in
      var start = 0
      var view = TransportBytes(bytes, from: 0, to: context.view.totalLength)
      // An error is marked like the packet that it is about.
      if context.view.protocol == 1, !context.view.isLaterFragment,
        let type = view.u8(context.view.transport), [3, 4, 5, 11, 12].contains(type)
      {
        start = context.view.transport + 8
        view = TransportBytes(bytes, from: start, to: context.view.totalLength)
      }
      guard let first = view.u8(0), let source = view.u32(12), let destination = view.u32(16),
        let number = view.u8(9), let fragment = view.u16(6)
      else { return nil }
      tuple.source = source & mask(target.sourceLength)
      tuple.destination = destination & mask(target.destinationLength)
      tuple.protocol = number
      let ports = Int(first & 15) * 4 + (number == 51 ? 4 : 0)
      if fragment & 0x3fff == 0, [6, 17, 33, 50, 51, 132, 136].contains(number),
        let both = view.u32(ports)
      {
        tuple.setPorts(
          UInt16(truncatingIfNeeded: both >> 16),
          UInt16(truncatingIfNeeded: both),
          target
        )
      }
      return tuple.mark(target)
    }
  }
}

/// What HMARK hashes.
struct HashTuple {
  var source: UInt32 = 0
  var destination: UInt32 = 0
  var ports: UInt32 = 0
  var `protocol`: UInt8 = 0

  /// Takes ports, or an SPI in their place; the greater half comes first.
  mutating func setPorts(_ source: UInt16, _ destination: UInt16, _ target: HashMarkTarget) {
    let given = UInt32(source) << 16 | UInt32(destination)
    let mask =
      target.fields.contains(.spiMask)
      ? target.spiMask
      : UInt32(target.sourcePortMask) << 16 | UInt32(target.destinationPortMask)
    let set =
      target.fields.contains(.spi)
      ? target.spi : UInt32(target.sourcePort) << 16 | UInt32(target.destinationPort)
    let kept = given & mask | set
    let high = kept >> 16
    let low = kept & 0xffff
    ports = max(high, low) << 16 | min(high, low)
  }

  func mark(_ target: HashMarkTarget) -> UInt32 {
    let hash =
      WordHash.hash(
        min(source, destination),
        max(source, destination),
        ports,
        seed: target.seed
      ) ^ (UInt32(`protocol`) & UInt32(target.protocolMask))
    return WordHash.scaled(hash, below: target.modulus) &+ target.offset
  }
}

/// What conditions that remember ask of a packet of either family.
struct FlowFacts {
  let family: RuleFamily
  /// The addresses as integers in host order.
  let source: UInt128
  let destination: UInt128
  let sourcePort: UInt16
  let destinationPort: UInt16
  /// The length of the IP packet in bytes, as it is counted.
  let length: Int
  /// The TTL or hop limit with which it arrived.
  let hops: UInt8

  /// The leading bits of an address of this family.
  func mask(_ length: UInt8) -> UInt128 {
    let bits = UInt128(family.addressBits)
    let kept = min(UInt128(length), bits)
    let all: UInt128 = bits == 128 ? .max : (1 << bits) - 1
    return kept == 0 ? 0 : all & ~(kept == bits ? 0 : (1 << (bits - kept)) - 1)
  }
}

extension RuleContext {
  /// The packet as conditions that remember see it.
  func flow(_ packet: borrowing Packet) -> FlowFacts {
    let isForwarded =
      hook == .forward || hook == .postrouting && packet.metadata.flags.contains(.forwarded)
    return FlowFacts(
      family: .ipv4,
      source: UInt128(view.source),
      destination: UInt128(view.destination),
      sourcePort: sourcePort,
      destinationPort: destinationPort,
      length: view.totalLength,
      // As it was when the packet arrived: forwarding has lowered it already.
      hops: view.timeToLive &+ (isForwarded ? 1 : 0)
    )
  }
}

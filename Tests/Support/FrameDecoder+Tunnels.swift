extension FrameDecoder {
  private enum GREFlag {
    static let checksum = 0x8000
    static let key = 0x2000
    static let sequence = 0x1000
  }

  /// Generic routing encapsulation with what it carries; a quoted one with its type only.
  func gre(_ body: Bytes, isQuoted: Bool, verifies: Bool) throws(Bytes.Malformed) -> String {
    let (flags, type) = try (body.u16(0), body.u16(2))
    var text = "gre"
    var at = 4
    if flags & GREFlag.checksum != 0 {
      text += " csum"
      if verifies, internetChecksum(body) != 0 { text += " badsum" }
      at += 4
    }
    if flags & GREFlag.key != 0, body.count >= at + 4 {
      text += try " key=\(body.u32(at))"
      at += 4
    }
    if flags & GREFlag.sequence != 0, body.count >= at + 4 {
      text += try " seq=\(body.u32(at))"
      at += 4
    }
    if isQuoted { return text + " type=0x" + TextForm.hex(type, width: 4) }
    return try text + " [" + carried(type, body.slice(at)) + "]"
  }

  /// A packet on a GRE device without a remote, whose captures hold the outer header.
  func multipointGRE(_ data: Bytes) throws(Bytes.Malformed) -> String {
    let (flags, type) = try (data.u16(20), data.u16(22))
    let parts = [GREFlag.checksum, GREFlag.key, GREFlag.sequence].filter { flags & $0 != 0 }
    // The kernel fills in the length after the capture on the way out.
    let isOutgoing = try data.u16(2) == 0
    let side =
      isOutgoing
      ? "to=" + ipv4Address(data.slice(16, 20)) : "from=" + ipv4Address(data.slice(12, 16))
    return try "raw \(side) " + network(type, data.slice(24 + 4 * parts.count))
  }

  /// The tunnels that run over UDP, nil for a datagram that is none of them.
  func datagramTunnel(
    from source: Int,
    to destination: Int,
    _ body: Bytes
  ) throws(Bytes.Malformed) -> String? {
    if WellKnown.vxlanPorts.contains(destination), body.count >= 30 {
      let inner = try frame(linkType: LinkType.ethernet, body.slice(16))
      return try "vxlan vni=\(body.u32(12) >> 8) [\(inner)]"
    }
    if destination == WellKnown.genevePort, body.count >= 16 {
      let size = try (body.u8(8) & 0x3f) * 4
      let options = size > 0 ? " opts=" + body.slice(16, 16 + size).hex() : ""
      let inner = try carried(body.u16(10), body.slice(16 + size))
      return try "geneve vni=\(body.u32(12) >> 8)\(options) [\(inner)]"
    }
    let isWireGuard =
      WellKnown.wireGuardPorts.contains(source) || WellKnown.wireGuardPorts.contains(destination)
    if isWireGuard, body.count >= 12, let word = try WellKnown.wireGuardMessages[body.u8(8)] {
      return "wireguard " + word
    }
    let inner = body.slice(8)
    // A tun device whose packets a program carries.
    if inner.count >= 28, try inner.u8(0) == 0x45, try inner.u16(2) == inner.count,
      internetChecksum(inner.slice(0, 20)) == 0
    {
      return try "raw [" + ipv4(inner) + "]"
    }
    return nil
  }

  private func carried(_ type: Int, _ data: Bytes) throws(Bytes.Malformed) -> String {
    type == EtherType.transparentEthernet
      ? try frame(linkType: LinkType.ethernet, data) : try network(type, data)
  }
}

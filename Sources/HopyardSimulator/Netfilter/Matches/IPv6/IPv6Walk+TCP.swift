import HopyardWire

/// What targets do with the TCP header of an IPv6 packet.
extension IPv6Walk {
  /// The first and last places of the options of a segment; nil if its header is not whole.
  private func options(_ view: IPv6View, _ probe: IPv6Probe) -> Range<Int>? {
    guard view.transport + 20 <= view.totalLength else { return nil }
    let length = Int(probe.bytes[view.transport + 12] >> 4) * 4
    guard length >= 20, view.transport + length <= view.totalLength else { return nil }
    return view.transport + 20..<view.transport + length
  }

  /// Sets the MSS option of a segment, or adds one; false if the packet must be dropped.
  func changeMSS(_ change: MSSTarget, _ view: IPv6View, _ probe: inout IPv6Probe) -> Bool {
    guard view.protocol == 6, !view.isLaterFragment else { return true }
    guard let options = options(view, probe) else { return false }
    let wanted: UInt16
    switch change {
    case .set(let value): wanted = value
    case .clampToPMTU:
      guard probe.pathMTU > 60 else { return false }
      wanted = UInt16(clamping: probe.pathMTU - 60)
    }
    var place = options.lowerBound
    while place + 4 <= options.upperBound {
      if probe.bytes[place] == 2, probe.bytes[place + 1] == 4 {
        let old = UInt16(probe.bytes[place + 2]) << 8 | UInt16(probe.bytes[place + 3])
        // The option only ever becomes smaller.
        if old > wanted {
          probe.bytes[place + 2] = UInt8(wanted >> 8)
          probe.bytes[place + 3] = UInt8(truncatingIfNeeded: wanted)
          writeChecksum(view, &probe)
        }
        return true
      }
      let size = probe.bytes[place] <= 1 ? 1 : max(1, Int(probe.bytes[place + 1]))
      place += size
    }
    // Data would have to be moved to make room in a segment that carries some.
    let words = probe.bytes[view.transport + 12] >> 4
    guard view.totalLength == options.upperBound, words < 15 else { return true }
    // Without the option the other end assumes 1220 (RFC 9293 §3.7.1): never promise more.
    let value = min(wanted, 1220)
    probe.bytes.insert(
      contentsOf: [2, 4, UInt8(value >> 8), UInt8(truncatingIfNeeded: value)],
      at: options.lowerBound
    )
    probe.bytes[view.transport + 12] += 16
    let length = view.totalLength - 40 + 4
    probe.bytes[4] = UInt8(truncatingIfNeeded: length >> 8)
    probe.bytes[5] = UInt8(truncatingIfNeeded: length)
    if let changed = IPv6View(probe.bytes) { writeChecksum(changed, &probe) }
    return true
  }

  /// Overwrites options with NOP; false if the packet must be dropped.
  func strip(_ kinds: TCPOptionSet, _ view: IPv6View, _ probe: inout IPv6Probe) -> Bool {
    guard view.protocol == 6, !view.isLaterFragment else { return true }
    guard let options = options(view, probe) else { return false }
    var place = options.lowerBound
    while place < options.upperBound - 1 {
      let kind = probe.bytes[place]
      let given = probe.bytes[place + 1]
      let size = kind <= 1 || given == 0 ? 1 : Int(given)
      guard place + size <= options.upperBound else { break }
      if kinds.contains(kind) {
        for offset in 0..<size { probe.bytes[place + offset] = 1 }
      }
      place += size
    }
    writeChecksum(view, &probe)
    return true
  }

  /// Computes the checksum of a segment anew.
  private func writeChecksum(_ view: IPv6View, _ probe: inout IPv6Probe) {
    let place = view.transport + 16
    probe.bytes[place] = 0
    probe.bytes[place + 1] = 0
    let initial = InternetChecksum.pseudoHeader(
      source: IPv6Address(rawValue: view.source),
      destination: IPv6Address(rawValue: view.destination),
      protocol: .tcp,
      length: view.totalLength - view.transport
    )
    let sum = probe.bytes[view.transport..<view.totalLength].withUnsafeBytes {
      InternetChecksum.checksum(of: $0, initial: initial)
    }
    probe.bytes[place] = UInt8(sum >> 8)
    probe.bytes[place + 1] = UInt8(sum & 255)
  }
}

import HopyardWire

/// What targets do with an IPv6 packet.
extension IPv6Walk {
  /// Carries out a target; nil if the next rule is asked.
  func carryOut(
    _ target: Target?,
    _ place: RuleReference,
    _ view: IPv6View,
    _ probe: inout IPv6Probe
  ) throws(IPv6RuleError) -> IPv6Verdict? {
    switch target {
    case nil, .jump, .goto, .return: return nil
    case .accept: return .accepted
    case .drop: return .dropped(place)
    case .queue: return .queued(place)
    case .nfqueue(let queue): return queue.bypasses ? .accepted : .queued(place)
    case .reject(let reason): return .rejected(reason, place)
    case .mark(let change): probe.mark = change.applied(to: probe.mark)
    case .connectionMark(let change): changeConnectionMark(change, &probe)
    case .notrack: probe.states = .untracked
    case .conntrack(let wanted):
      if wanted.isUntracked { probe.states = .untracked }
    case .hopLimit(let change): changeHopLimit(change, view, &probe)
    case .tos(let change):
      setTrafficClass((view.trafficClass & ~change.mask) ^ change.value, &probe)
    case .dscp(let value): setTrafficClass(view.trafficClass & 3 | value << 2, &probe)
    case .dnat(let nat):
      try translate(nat.addresses?.first, nat.ports?.first, isSource: false, view, &probe)
      return .accepted
    case .snat(let nat):
      try translate(nat.addresses?.first, nat.ports?.first, isSource: true, view, &probe)
      return .accepted
    case .netmap(let network):
      let isSource = hook == .postrouting || hook == .input
      let old = isSource ? view.source : view.destination
      try translate(
        old & ~network.mask | network.address & network.mask,
        nil,
        isSource: isSource,
        view,
        &probe
      )
      return .accepted
    case .redirect(let ports):
      // Towards the host itself: the loopback address at OUTPUT, else one of its own.
      let own = hook == .output ? 1 : probe.localAddresses.map(\.rawValue).min()
      guard let own else { throw IPv6RuleError(part: "-j REDIRECT without addresses", rule: place) }
      try translate(own, ports.ports?.first, isSource: false, view, &probe)
      return .accepted
    case .masquerade(let wanted):
      // Without an address of the device the packet passes as it is.
      if let own = probe.sourceAddress {
        try translate(own.rawValue, wanted.ports?.first, isSource: true, view, &probe)
      }
      return .accepted
    case .sourcePrefix(let prefix):
      guard setAddress(prefix.translated(view.source), isSource: true, view, &probe) else {
        return .dropped(place)
      }
    case .destinationPrefix(let prefix):
      guard setAddress(prefix.translated(view.destination), isSource: false, view, &probe) else {
        return .dropped(place)
      }
    case .rateEstimator(let estimator): netfilter.count(estimator, bytes: view.totalLength)
    // What these do is seen outside the packet.
    case .audit, .checksumFill, .classify, .connectionSecurityMark, .idleTimer, .led, .log, .nflog,
      .tee, .trace:
      break
    case .set(let wanted):
      let subject = SetSubject(probe, view, in: netfilter.simulation)
      if let entry = netfilter.change(wanted, subject), wanted.mapsMark {
        probe.mark = (probe.mark & ~entry.markMask) ^ entry.mark
      }
    case .tproxy(let proxy):
      // The packet is for the proxy's socket, or goes nowhere.
      guard view.ports(probe.bytes) != nil, probe.socket != nil else { return .dropped(place) }
      probe.mark = (probe.mark & ~proxy.mask) ^ proxy.mark
      return .accepted
    case .tcpMSS(let change):
      guard changeMSS(change, view, &probe) else { return .dropped(place) }
    case .stripTCPOptions(let options):
      guard strip(options, view, &probe) else { return .dropped(place) }
    case .hashMark, .securityMark, .synproxy, .ecn, .ttl:
      throw IPv6RuleError(part: "-j \(target?.name ?? "")", rule: place)
    }
    return nil
  }

  private func changeConnectionMark(_ change: ConnectionMarkTarget, _ probe: inout IPv6Probe) {
    guard probe.states.isDisjoint(with: [.invalid, .untracked]) else { return }
    switch change {
    case .set(let mark): probe.connectionMark = mark.applied(to: probe.connectionMark)
    case .save(let packetMask, let mask):
      probe.connectionMark = (probe.connectionMark & ~mask) ^ (probe.mark & packetMask)
    case .restore(let packetMask, let mask):
      probe.mark = (probe.mark & ~packetMask) ^ (probe.connectionMark & mask)
    case .shifted(let change, let left, let bits):
      func shifted(_ mark: UInt32) -> UInt32 { left ? mark << bits : mark >> bits }
      switch change {
      case .set(let mark): probe.connectionMark = shifted(mark.applied(to: probe.connectionMark))
      case .save(let packetMask, let mask):
        probe.connectionMark = (probe.connectionMark & ~mask) ^ shifted(probe.mark & packetMask)
      case .restore(let packetMask, let mask):
        probe.mark = (probe.mark & ~packetMask) ^ shifted(probe.connectionMark & mask)
      // A shift is of one of the others.
      case .shifted: break
      }
    }
  }

  // MARK: The header

  private func changeHopLimit(_ change: HopTarget, _ view: IPv6View, _ probe: inout IPv6Probe) {
    switch change.operation {
    case .set: probe.bytes[7] = change.value
    case .increase: probe.bytes[7] = UInt8(clamping: Int(view.hopLimit) + Int(change.value))
    case .decrease: probe.bytes[7] = UInt8(clamping: Int(view.hopLimit) - Int(change.value))
    }
  }

  private func setTrafficClass(_ value: UInt8, _ probe: inout IPv6Probe) {
    probe.bytes[0] = 0x60 | value >> 4
    probe.bytes[1] = value << 4 | probe.bytes[1] & 15
  }

  /// Replaces an address without the checksum of the transport; false if there is no address.
  private func setAddress(
    _ address: UInt128?,
    isSource: Bool,
    _ view: IPv6View,
    _ probe: inout IPv6Probe
  ) -> Bool {
    guard let address else { return false }
    let start = isSource ? 8 : 24
    for place in 0..<16 {
      probe.bytes[start + place] = UInt8(truncatingIfNeeded: address >> UInt128(120 - 8 * place))
    }
    return true
  }

  /// Replaces an address and a port, and keeps the transport's checksum right.
  private func translate(
    _ address: UInt128?,
    _ port: UInt16?,
    isSource: Bool,
    _ view: IPv6View,
    _ probe: inout IPv6Probe
  ) throws(IPv6RuleError) {
    let checksumPlace: Int? =
      switch view.protocol {
      case 6: 16
      case 17: 6
      case 58: 2
      default: nil
      }
    var checksum: UInt16?
    if let checksumPlace, !view.isLaterFragment,
      view.transport + checksumPlace + 2 <= view.totalLength
    {
      let at = view.transport + checksumPlace
      checksum = UInt16(probe.bytes[at]) << 8 | UInt16(probe.bytes[at + 1])
    }
    if let address {
      let old = isSource ? view.source : view.destination
      checksum = checksum.map {
        InternetChecksum.adjust(
          $0,
          from: IPv6Address(rawValue: old),
          to: IPv6Address(rawValue: address)
        )
      }
      _ = setAddress(address, isSource: isSource, view, &probe)
    }
    let portPlace = view.transport + (isSource ? 0 : 2)
    if let port, [6, 17, 33, 132, 136].contains(view.protocol), !view.isLaterFragment,
      portPlace + 2 <= view.totalLength
    {
      let old = UInt16(probe.bytes[portPlace]) << 8 | UInt16(probe.bytes[portPlace + 1])
      checksum = checksum.map { InternetChecksum.adjust($0, from: old, to: port) }
      probe.bytes[portPlace] = UInt8(port >> 8)
      probe.bytes[portPlace + 1] = UInt8(truncatingIfNeeded: port)
    }
    if let checksum, let checksumPlace {
      probe.bytes[view.transport + checksumPlace] = UInt8(checksum >> 8)
      probe.bytes[view.transport + checksumPlace + 1] = UInt8(truncatingIfNeeded: checksum)
    }
  }
}

extension PrefixTarget {
  /// The address with the other prefix and the same sum of its words (RFC 6296 §3); nil if no
  /// word is left that could balance the sum.
  func translated(_ address: UInt128) -> UInt128? {
    let length = Int(max(sourceLength, destinationLength))
    let mask = length == 0 ? 0 : UInt128.max << UInt128(128 - length)
    var result = address & ~mask | destination & mask
    func word(_ value: UInt128, _ index: Int) -> UInt32 {
      UInt32(truncatingIfNeeded: value >> UInt128(112 - 16 * index) & 0xffff)
    }
    func sum(_ value: UInt128) -> UInt32 {
      fold((0..<8).reduce(0) { $0 + word(value, $1) })
    }
    func fold(_ value: UInt32) -> UInt32 {
      var value = value
      while value > 0xffff { value = (value & 0xffff) + (value >> 16) }
      return value
    }
    var index = 3
    if length > 48 {
      guard let free = (4..<8).first(where: { word(result, $0) != 0xffff }) else { return nil }
      index = free
    }
    let adjustment = fold(sum(source) + (~sum(destination) & 0xffff))
    var balanced = fold(word(result, index) + adjustment)
    if balanced == 0xffff { balanced = 0 }
    let shift = UInt128(112 - 16 * index)
    result = result & ~(0xffff << shift) | UInt128(balanced) << shift
    return result
  }
}

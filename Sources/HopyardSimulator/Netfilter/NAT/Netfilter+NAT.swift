import HopyardWire

extension Netfilter {
  /// The nat table and the translation at one hook, as Linux's `nf_nat_inet_fn`.
  func translate(
    _ packet: inout Packet,
    at hook: Hook,
    input: InterfaceReference?,
    firstOutput: InterfaceReference?,
    output: inout InterfaceReference?
  ) -> HookOutcome {
    guard let conntrackReference else { return .accept }
    return conntrackReference._withUnsafeGuaranteedRef {
      translate($0, &packet, at: hook, input: input, firstOutput: firstOutput, output: &output)
    }
  }

  private func translate(
    _ conntrack: Conntrack,
    _ packet: inout Packet,
    at hook: Hook,
    input: InterfaceReference?,
    firstOutput: InterfaceReference?,
    output: inout InterfaceReference?
  ) -> HookOutcome {
    guard let index = conntrack.table.index(of: packet.metadata.conntrack) else { return .accept }
    let info = packet.metadata.conntrackInfo
    let manipulation = hook.manipulation
    let entry = conntrack.table.entry(index)
    if info == ConntrackInfo.related || info == ConntrackInfo.relatedReply,
      packet.count > 9, packet.u8(at: 9) == 1
    {
      let outcome = translateError(&packet, entry, info, at: hook)
      return outcome == .accept && hook == .output && changesDestination(entry, info)
        ? rerouted(&packet, &output) : outcome
    }
    let isDecided = entry.pointee.status.contains(
      manipulation == .source ? .sourceNATDone : .destinationNATDone
    )
    switch info {
    case ConntrackInfo.new, ConntrackInfo.related, ConntrackInfo.relatedReply:
      if !isDecided {
        if !entry.pointee.status.contains(.confirmed) {
          for place in natBounds[Int(hook.rawValue)]..<natBounds[Int(hook.rawValue) + 1] {
            let outcome = evaluate(
              natChains.unsafelyUnwrapped[place],
              &packet,
              at: hook,
              input: input,
              output: firstOutput
            )
            if outcome != .accept { return outcome }
            if entry.pointee.status.contains(
              manipulation == .source ? .sourceNATDone : .destinationNATDone
            ) {
              break
            }
          }
          if !entry.pointee.status.contains(
            manipulation == .source ? .sourceNATDone : .destinationNATDone
          ) {
            conntrack.setUpNullNAT(index, manipulation)
          }
        }
      } else if hasOutputChanged(entry, info, hook, output) {
        conntrack.kill(index)
        return drop(.natExhausted)
      }
    default:
      if hasOutputChanged(entry, info, hook, output) {
        conntrack.kill(index)
        return drop(.natExhausted)
      }
    }
    return apply(entry, info, &packet, at: hook, output: &output)
  }

  /// Whether a masqueraded connection now leaves by another device.
  @inline(__always)
  private func hasOutputChanged(
    _ entry: UnsafeMutablePointer<Conntrack.Entry>,
    _ info: UInt8,
    _ hook: Hook,
    _ output: InterfaceReference?
  ) -> Bool {
    let device = entry.pointee.masqueradeDevice
    return device != 0 && hook == .postrouting && ConntrackInfo.direction(info) == .original
      && output != nil && output?.device != device
  }

  /// Rewrites the packet if its connection is translated at this hook.
  @inline(__always)
  private func apply(
    _ entry: UnsafeMutablePointer<Conntrack.Entry>,
    _ info: UInt8,
    _ packet: inout Packet,
    at hook: Hook,
    output: inout InterfaceReference?
  ) -> HookOutcome {
    let manipulation = hook.manipulation
    let direction = ConntrackInfo.direction(info)
    let changesSource = (manipulation == .source) == (direction == .original)
    guard entry.pointee.status.contains(changesSource ? .sourceNAT : .destinationNAT),
      let target = entry.pointee.tuple(direction.opposite).inverted
    else { return .accept }
    let before = tracedSummary(packet)
    NATTranslation.rewrite(&packet, to: target, manipulation)
    if let before { traceTranslation(packet, hook, before) }
    // A local packet whose destination changed needs another route.
    if hook == .output, changesDestination(entry, info) { return rerouted(&packet, &output) }
    return .accept
  }

  /// Whether a connection's packets of one direction go elsewhere than they are sent.
  @inline(__always)
  private func changesDestination(
    _ entry: UnsafeMutablePointer<Conntrack.Entry>,
    _ info: UInt8
  ) -> Bool {
    let direction = ConntrackInfo.direction(info)
    return entry.pointee.tuple(direction).destination
      != entry.pointee.tuple(direction.opposite).source
  }

  /// Finds a local packet's route anew.
  func rerouted(
    _ packet: inout Packet,
    _ output: inout InterfaceReference?
  ) -> HookOutcome {
    guard let new = environment.reroute(&packet) else { return drop(.noRoute) }
    output = new
    return .accept
  }

  /// Translates an ICMP error and the packet that it quotes.
  private func translateError(
    _ packet: inout Packet,
    _ entry: UnsafeMutablePointer<Conntrack.Entry>,
    _ info: UInt8,
    at hook: Hook
  ) -> HookOutcome {
    guard let view = PacketView(packet), view.transportLength >= 8 else {
      return drop(.malformed)
    }
    let manipulation = hook.manipulation
    let direction = ConntrackInfo.direction(info)
    let changesSource = (manipulation == .source) == (direction == .original)
    // A redirect is meant for the sender on its own link, which translation hides.
    if packet.u8(at: view.transport) == 5,
      !entry.pointee.status.isDisjoint(with: [.sourceNAT, .destinationNAT])
    {
      return drop(.ignored)
    }
    guard entry.pointee.status.contains(changesSource ? .sourceNAT : .destinationNAT) else {
      return .accept
    }
    let before = tracedSummary(packet)
    // The quoted packet went the other way: where the error's source changes, its destination does.
    let inner = entry.pointee.tuple(direction.opposite)
    guard
      NATTranslation.rewriteQuoted(
        &packet,
        view,
        to: inner,
        manipulation == .source ? .destination : .source
      )
    else { return drop(.malformed) }
    if let outer = entry.pointee.tuple(direction.opposite).inverted {
      NATTranslation.rewriteAddress(
        &packet,
        manipulation == .source ? outer.source : outer.destination,
        manipulation
      )
    }
    if let before { traceTranslation(packet, hook, before) }
    return .accept
  }

  /// Of an answer in a connection whose source is translated: the source before that.
  func originalSource(
    ofAnswer packet: borrowing Packet
  ) -> (address: IPv4Address, port: UInt16)? {
    guard packet.metadata.conntrackInfo == ConntrackInfo.establishedReply,
      let conntrack, let index = conntrack.table.index(of: packet.metadata.conntrack)
    else { return nil }
    let entry = conntrack.table.entry(index)
    guard entry.pointee.status.contains(.sourceNATDone) else { return nil }
    let original = entry.pointee.original
    return (IPv4Address(rawValue: original.source), original.sourcePort)
  }

  // MARK: Targets

  /// Applies a translating target to a new connection.
  func bind(
    _ packet: borrowing Packet,
    _ range: NATRange,
    _ manipulation: NATManipulation,
    masqueradeDevice: UInt32 = 0
  ) {
    guard let conntrack, let index = conntrack.table.index(of: packet.metadata.conntrack) else {
      return
    }
    let entry = conntrack.table.entry(index)
    let done: ConnectionFacts = manipulation == .source ? .sourceNATDone : .destinationNATDone
    guard !entry.pointee.status.contains(.confirmed), !entry.pointee.status.contains(done) else {
      return
    }
    conntrack.setUpNAT(index, range, manipulation)
    if masqueradeDevice != 0 { entry.pointee.masqueradeDevice = masqueradeDevice }
  }
}

import HopyardWire

extension Conntrack {
  // MARK: UDP

  @inline(__always)
  func trackUDP(
    _ entry: UnsafeMutablePointer<Entry>,
    _ handle: ConntrackTable<UInt32>.Handle,
    _ packet: borrowing Packet,
    _ view: PacketView,
    _ hook: Hook
  ) -> Judgement {
    let length = Int(packet.u16(at: view.transport &+ 4))
    guard length >= 8, length <= view.transportLength else { return .invalid }
    if hook == .prerouting, settings.checksum != 0, packet.u16(at: view.transport &+ 6) != 0,
      !isChecksumRight(packet, view, length: length)
    {
      return .invalid
    }
    let now = core.now.nanoseconds
    if !entry.pointee.status.contains(.confirmed) {
      entry.pointee.streamStart = now &+ .seconds(2)
    }
    guard entry.pointee.status.contains(.seenReply) else {
      refresh(entry, handle.direction, settings.udpTimeout, view.totalLength)
      return .valid
    }
    // A flow that still talks after two seconds is a stream, and worth keeping.
    let isStream = now > entry.pointee.streamStart
    refresh(
      entry,
      handle.direction,
      isStream ? settings.udpStreamTimeout : settings.udpTimeout,
      view.totalLength
    )
    if isStream, !entry.pointee.status.contains(.assured) {
      entry.pointee.status.insert(.assured)
      entry.pointee.changes.insert(.assured)
    }
    return .valid
  }

  // MARK: ICMP

  @inline(__always)
  func trackICMP(
    _ entry: UnsafeMutablePointer<Entry>,
    _ handle: ConntrackTable<UInt32>.Handle,
    _ packet: borrowing Packet,
    _ view: PacketView
  ) -> Judgement {
    if !entry.pointee.status.contains(.confirmed) {
      switch packet.u8(at: view.transport) {
      case 8, 13, 15, 17: break
      default: return .invalid
      }
    }
    refresh(entry, handle.direction, settings.icmpTimeout, view.totalLength)
    return .valid
  }

  /// Relates an ICMP error to the connection of the packet that it quotes.
  ///
  /// Valid without a connection in the packet's metadata means that the message is no error.
  func icmpError(
    _ packet: inout Packet,
    _ view: PacketView,
    _ template: ConntrackTemplate?,
    at hook: Hook
  ) -> Judgement {
    guard view.transportLength >= 8 else { return .invalid }
    if hook == .prerouting, settings.checksum != 0, !view.moreFragments {
      let isRight = packet.withBytes { bytes in
        InternetChecksum.isValid(
          UnsafeRawBufferPointer(rebasing: bytes[view.transport..<view.totalLength])
        )
      }
      guard isRight else { return .invalid }
    }
    let type = packet.u8(at: view.transport)
    guard type <= 18 else { return .invalid }
    switch type {
    case 3, 4, 5, 11, 12: break
    default: return .valid
    }
    guard let quoted = QuotedPacket(packet, at: view.transport + 8, end: view.totalLength),
      let tuple = quoted.tuple, var answer = tuple.inverted
    else { return .invalid }
    if let template {
      answer.zone = template.zoneInReply || template.zoneInOriginal ? template.zone : 0
    }
    guard let handle = lookup(answer) else { return .invalid }
    // The error must come to whom the connection's packets in this direction go.
    let entry = table.entry(handle.index)
    guard entry.pointee.tuple(handle.direction).destination == view.destination else {
      return .invalid
    }
    packet.metadata.conntrack = table.reference(handle.index)
    packet.metadata.conntrackInfo =
      handle.direction == .reply ? ConntrackInfo.relatedReply : ConntrackInfo.related
    return .valid
  }

  // MARK: TCP

  func trackTCP(
    _ entry: UnsafeMutablePointer<Entry>,
    _ handle: ConntrackTable<UInt32>.Handle,
    _ packet: borrowing Packet,
    _ view: PacketView,
    _ hook: Hook
  ) -> Judgement {
    guard let segment = TrackedSegment(packet, at: view.transport, end: view.totalLength) else {
      return .invalid
    }
    if hook == .prerouting, settings.checksum != 0,
      !isChecksumRight(packet, view, length: view.transportLength)
    {
      return .invalid
    }
    if !entry.pointee.status.contains(.confirmed),
      !entry.pointee.tcp.begin(segment, packet, loose: settings.tcpLoose != 0)
    {
      return .invalid
    }
    let direction = handle.direction
    let kind = segment.kind
    var oldState = entry.pointee.tcp.state
    let next = TCPTransition.next(oldState, direction, kind)
    guard next != TCPTransition.invalid else { return .invalid }
    var checksWindow = true
    var newState = ConntrackTCPState(rawValue: next) ?? .none
    if next == TCPTransition.ignore {
      guard let synchronized = ignore(entry, segment, packet, direction, oldState) else {
        return .valid
      }
      oldState = .synSent
      newState = synchronized
    } else {
      switch newState {
      case .synSent where oldState.rawValue >= ConntrackTCPState.timeWait.rawValue:
        let flags = entry.pointee.tcp.original.flags.union(entry.pointee.tcp.reply.flags)
        if flags.contains(.closeInitiated)
          || (entry.pointee.tcp.lastDirection == direction && entry.pointee.tcp.lastKind == .rst)
        {
          // A new connection between the same ports.
          kill(handle.index)
          return .again
        }
        guard let synchronized = ignore(entry, segment, packet, direction, oldState) else {
          return .valid
        }
        oldState = .synSent
        newState = synchronized
      case .timeWait
      where oldState == .lastAck && kind == .ack && entry.pointee.tcp.lastDirection != direction
        && entry.pointee.tcp.lastKind == .syn
        && entry.pointee.tcp.lastFlags.contains(.challengeAck):
        // RFC 5961 §4: an answer to an unexpected SYN, not to the last FIN.
        entry.pointee.tcp.lastFlags.remove(.challengeAck)
        return .valid
      case .synSent2:
        entry.pointee.tcp.lastFlags.insert(.simultaneousOpen)
      case .synReceived
      where direction == .reply && kind == .ack
        && entry.pointee.tcp.lastFlags.contains(.simultaneousOpen):
        newState = .established
      case .close where kind == .rst:
        switch judgeReset(entry, segment, direction, oldState) {
        case .invalid: return .invalid
        case .keepState: newState = oldState
        case .skipWindow: checksWindow = false
        case .close: break
        }
      default: break
      }
    }
    if checksWindow {
      let shift =
        sequenceShifts.isEmpty
        ? 0
        : sequenceShifts.offset(
          handle.index,
          entry.pointee.generation,
          direction.opposite,
          at: segment.acknowledgement &- 1
        )
      switch entry.pointee.tcp.checkWindow(
        segment,
        packet,
        direction,
        shift: shift,
        beLiberal: settings.tcpBeLiberal != 0
      )
      {
      case .inWindow: break
      case .ignore: return .valid
      case .invalid: return .invalid
      }
    }
    entry.pointee.tcp.lastKind = kind
    entry.pointee.tcp.lastDirection = direction
    entry.pointee.tcp.state = newState
    if oldState != newState {
      entry.pointee.changes.insert(.protocolInfo)
      if newState == .finWait {
        var side = entry.pointee.tcp.side(direction)
        side.flags.insert(.closeInitiated)
        entry.pointee.tcp.setSide(direction, side)
      }
    }
    var timeout = tcpTimeout(entry.pointee.tcp, kind)
    if !entry.pointee.status.contains(.seenReply) {
      if segment.isRST, entry.pointee.status.contains(.confirmed) {
        // Refused: there was no connection.
        if entry.pointee.status.contains(.accounted) {
          account(entry, direction, bytes: view.totalLength)
        }
        kill(handle.index)
        return .valid
      }
      if kind == .syn, oldState == .synSent, newState == .synSent {
        // A repeated SYN does not prolong the entry.
        if entry.pointee.status.contains(.accounted) {
          account(entry, direction, bytes: view.totalLength)
        }
        return .valid
      }
      let unacknowledged = settings.tcpTimeouts[11]
      if newState == .established, timeout > unacknowledged { timeout = unacknowledged }
    } else if !entry.pointee.status.contains(.assured),
      oldState == .synReceived || oldState == .established, newState == .established
    {
      entry.pointee.status.insert(.assured)
      entry.pointee.changes.insert(.assured)
    }
    refresh(entry, direction, timeout, view.totalLength)
    return .valid
  }

  @inline(__always)
  private func tcpTimeout(_ tcp: TCPTracking, _ kind: TCPSegmentKind) -> Int {
    let timeout = settings.tcpTimeouts[Int(tcp.state.rawValue)]
    let retransmission = settings.tcpTimeouts[10]
    if Int(tcp.retransmissions) >= settings.tcpMaxRetrans, timeout > retransmission {
      return retransmission
    }
    if kind == .rst { return settings.tcpTimeouts[Int(ConntrackTCPState.close.rawValue)] }
    if tcp.original.flags.contains(.unacknowledged) || tcp.reply.flags.contains(.unacknowledged),
      timeout > settings.tcpTimeouts[11]
    {
      return settings.tcpTimeouts[11]
    }
    if tcp.lastWindow == 0, timeout > retransmission { return retransmission }
    return timeout
  }

  /// Lets a packet pass that may show that the two ends know more than conntrack does.
  ///
  /// Returns the state to go on with if the packet proves that a SYN which was ignored was good.
  private func ignore(
    _ entry: UnsafeMutablePointer<Entry>,
    _ segment: TrackedSegment,
    _ packet: borrowing Packet,
    _ direction: ConntrackDirection,
    _ oldState: ConntrackTCPState
  ) -> ConntrackTCPState? {
    var tcp = entry.pointee.tcp
    defer { entry.pointee.tcp = tcp }
    let kind = segment.kind
    if kind == .synAck, tcp.lastKind == .syn, tcp.lastDirection != direction,
      segment.acknowledgement == tcp.lastEnd
    {
      var side = TCPSide()
      side.end = tcp.lastEnd
      side.maximumEnd = tcp.lastEnd
      side.maximumWindow = max(UInt32(tcp.lastWindow), 1)
      side.scale = tcp.lastScale
      tcp.lastFlags.remove(.challengeAck)
      side.flags = tcp.lastFlags
      tcp.setSide(tcp.lastDirection, side)
      tcp.setSide(direction, TCPSide())
      tcp.state = .synSent
      return .synReceived
    }
    tcp.lastKind = kind
    tcp.lastDirection = direction
    tcp.lastSequence = segment.sequence
    tcp.lastEnd = segment.end
    tcp.lastWindow = segment.window
    if kind == .syn, direction == .original {
      tcp.lastFlags = []
      tcp.lastScale = 0
      var side = TCPSide()
      segment.readOptions(packet, into: &side)
      if side.flags.contains(.windowScale) { tcp.lastScale = side.scale }
      tcp.lastFlags = side.flags
      if oldState == .lastAck { tcp.lastFlags.insert(.challengeAck) }
    }
    if oldState == .synSent, kind == .ack, direction == .reply {
      tcp.lastAck = segment.acknowledgement
    }
    return nil
  }

  private enum ResetJudgement {
    case close, keepState, skipWindow, invalid
  }

  private func judgeReset(
    _ entry: UnsafeMutablePointer<Entry>,
    _ segment: TrackedSegment,
    _ direction: ConntrackDirection,
    _ oldState: ConntrackTCPState
  ) -> ResetJudgement {
    let tcp = entry.pointee.tcp
    let other = tcp.side(direction.opposite)
    var result = ResetJudgement.close
    if other.flags.contains(.maximumAckSet) {
      let sequence = segment.sequence
      if sequence == 0, !tcp.isEstablished { return .close }
      if Int32(bitPattern: sequence &- other.maximumAck) < 0, settings.tcpIgnoreInvalidRST == 0 {
        return .invalid
      }
      if !tcp.isEstablished || sequence == other.maximumAck { return .close }
      if tcp.lastKind == .ack, tcp.lastDirection == direction, sequence == tcp.lastEnd {
        return .close
      }
      // RFC 5961 §3: the other end may answer with a challenge ACK and live on.
      result = .keepState
    }
    let status = entry.pointee.status
    if (status.contains(.seenReply) && tcp.lastKind == .syn)
      || (!status.contains(.assured) && tcp.lastKind == .ack),
      segment.acknowledgement == tcp.lastEnd
    {
      return .skipWindow
    }
    return result
  }

  @inline(__always)
  private func isChecksumRight(
    _ packet: borrowing Packet,
    _ view: PacketView,
    length: Int
  ) -> Bool {
    // A first fragment cannot be verified.
    if view.moreFragments { return true }
    return packet.withBytes { bytes in
      InternetChecksum.isValid(
        UnsafeRawBufferPointer(
          rebasing: bytes[view.transport..<(view.transport &+ length)]
        ),
        initial: InternetChecksum.pseudoHeader(
          source: IPv4Address(rawValue: view.source),
          destination: IPv4Address(rawValue: view.destination),
          protocol: IPProtocol(rawValue: view.protocol),
          length: length
        )
      )
    }
  }
}

/// The packet inside an ICMP error.
struct QuotedPacket {
  /// Where its IP header and its transport header begin.
  let offset: Int
  let transport: Int
  let `protocol`: UInt8
  /// Its tuple as it stands there; nil for a later fragment or a cut header.
  let tuple: ConntrackTuple<UInt32>?

  init?(_ packet: borrowing Packet, at offset: Int, end: Int) {
    guard offset + 20 <= end else { return nil }
    let length = Int(packet.u8(at: offset) & 15) * 4
    guard packet.u8(at: offset) >> 4 == 4, length >= 20, offset + length <= end else { return nil }
    self.offset = offset
    transport = offset + length
    `protocol` = packet.u8(at: offset + 9)
    guard packet.u16(at: offset + 6) & 0x1fff == 0 else {
      tuple = nil
      return
    }
    var first: UInt16 = 0
    var second: UInt16 = 0
    switch `protocol` {
    case 6, 17, 33, 132, 136:
      guard transport + 8 <= end else {
        tuple = nil
        return
      }
      first = packet.u16(at: transport)
      second = packet.u16(at: transport + 2)
    case 1:
      guard transport + 8 <= end else {
        tuple = nil
        return
      }
      first = packet.u16(at: transport + 4)
      second = packet.u16(at: transport)
    default: break
    }
    tuple = ConntrackTuple(
      source: packet.u32(at: offset + 12),
      destination: packet.u32(at: offset + 16),
      sourcePort: first,
      destinationPort: second,
      protocol: `protocol`
    )
  }
}

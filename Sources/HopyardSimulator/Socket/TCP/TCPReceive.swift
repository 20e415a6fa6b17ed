/// Data that a connection receives: in order, out of order, and the end of the stream.
extension TCPSocket {
  /// Takes the payload and FIN of a segment (`tcp_data_queue`).
  func takePayload(_ segment: ReceivedSegment, _ packet: borrowing Packet) {
    guard segment.length > 0 else { return }
    switch state {
    case .closeWait, .closing, .lastAck:
      // Nothing new can come after the peer's FIN.
      guard segment.sequence.isBefore(receiveNext) else { return }
    case .finWait1, .finWait2:
      if isOrphan || isReadShut, !segment.payload.isEmpty,
        (segment.sequence &+ UInt32(truncatingIfNeeded: segment.payload.count))
          .isAfter(receiveNext)
      {
        // Nobody will read it (RFC 1122 §4.2.2.13).
        wire.sendReset(answering: segment, for: self)
        return finish()
      }
    default: break
    }
    let tellsDuplicates = usesSACK && settings.dsack != 0
    if segment.sequence == receiveNext {
      if windowLeft == 0 { return refuse() }
      return queueInOrder(segment, packet, skipping: 0)
    }
    if !segment.end.isAfter(receiveNext) {
      if tellsDuplicates { outOfOrder.noteDuplicate(segment.sequence, segment.end) }
      return refuse()
    }
    let edge = receiveNext &+ UInt32(truncatingIfNeeded: windowLeft)
    if !segment.sequence.isBefore(edge) { return refuse() }
    if segment.sequence.isBefore(receiveNext) {
      if tellsDuplicates { outOfOrder.noteDuplicate(segment.sequence, receiveNext) }
      if windowLeft == 0 { return refuse() }
      return queueInOrder(
        segment,
        packet,
        skipping: receiveNext.distance(from: segment.sequence)
      )
    }
    queueOutOfOrder(segment, packet, tellsDuplicates)
  }

  /// Data that is not wanted is answered at once.
  private func refuse() {
    enterQuickAcks(ReceiveState.mostQuick)
    receiver.isScheduled = true
  }

  private func queueInOrder(
    _ segment: ReceivedSegment,
    _ packet: borrowing Packet,
    skipping known: Int
  ) {
    let payload = segment.payload
    let start = min(payload.lowerBound + known, payload.upperBound)
    if start < payload.upperBound {
      packet.withBytes {
        receiveBytes.append(UnsafeRawBufferPointer(rebasing: $0[start..<payload.upperBound]))
      }
      receiver.charge += segment.charge
    }
    accounts.bytesReceived &+= UInt64(max(segment.end.distance(from: receiveNext), 0))
    receiveNext = segment.end
    if !payload.isEmpty { noteReceived(segment) }
    if segment.flags.contains(.fin) { takeFin() }
    guard state != .closed else { return }
    if !outOfOrder.isEmpty {
      joinOutOfOrder()
      // The gap is closed: the sender should know at once (RFC 5681 §4.2).
      if outOfOrder.isEmpty { receiver.ackNow = true }
    }
    if !outOfOrder.blocks.isEmpty { outOfOrder.advance(to: receiveNext) }
    readable.wakeAll()
  }

  private func joinOutOfOrder() {
    while let piece = outOfOrder.takeFirst(at: receiveNext) {
      let known = receiveNext.distance(from: piece.start)
      if known < piece.bytes.count {
        piece.bytes.withUnsafeBytes {
          receiveBytes.append(UnsafeRawBufferPointer(rebasing: $0[max(known, 0)...]))
        }
        receiver.charge += piece.charge
        accounts.bytesReceived &+= UInt64(piece.bytes.count - max(known, 0))
        receiveNext = piece.start &+ UInt32(truncatingIfNeeded: piece.bytes.count)
      }
      if piece.isFin && !isFinReceived
        && receiveNext == piece.start &+ UInt32(truncatingIfNeeded: piece.bytes.count)
      {
        accounts.bytesReceived &+= 1
        receiveNext = receiveNext &+ 1
        takeFin()
        if state == .closed { return }
      }
    }
  }

  private func queueOutOfOrder(
    _ segment: ReceivedSegment,
    _ packet: borrowing Packet,
    _ tellsDuplicates: Bool
  ) {
    accounts.outOfOrder &+= 1
    noteCongestionMark(segment)
    receiver.isScheduled = true
    if receiver.charge + outOfOrder.charge + segment.charge > receiver.limit {
      // No memory: what is in order comes first.
      outOfOrder.prune(to: max(receiver.limit - receiver.charge - segment.charge, 0) / 2)
      if receiver.charge + outOfOrder.charge + segment.charge > receiver.limit { return }
    }
    let payload = segment.payload
    let bytes = packet.withBytes { [UInt8](UnsafeRawBufferPointer(rebasing: $0[payload])) }
    _ = outOfOrder.insert(
      segment.sequence,
      bytes,
      isFin: segment.flags.contains(.fin),
      charge: segment.charge,
      tellsDuplicates: tellsDuplicates
    )
  }

  /// The peer ended its stream (`tcp_fin`).
  private func takeFin() {
    guard !isFinReceived else { return }
    isFinReceived = true
    receiver.isScheduled = true
    switch state {
    case .established, .synReceived:
      state = .closeWait
      // The program will probably close too, and its FIN carries the acknowledgement.
      receiver.interactions = max(receiver.interactions, Int(settings.interactiveThreshold))
    case .finWait1:
      sendAck()
      state = .closing
    case .finWait2:
      sendAck()
      startTimeWait()
    default: break
    }
    readable.wakeAll()
    writable.wakeAll()
  }
}

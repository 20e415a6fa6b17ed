import HopyardWire

/// Makes segments and sends them.
extension TCPSocket {
  /// The clock of the timestamp option: milliseconds from a start of the connection's own.
  var clockMilliseconds: UInt32 {
    UInt32(truncatingIfNeeded: now / 1_000_000) &+ timestampOffset
  }

  private func clock(at time: Int64) -> UInt32 {
    UInt32(truncatingIfNeeded: time / 1_000_000) &+ timestampOffset
  }

  /// The bytes that SACK blocks would take now.
  var sackOptionSize: Int {
    guard usesSACK, !outOfOrder.blocks.isEmpty || outOfOrder.duplicate != nil else { return 0 }
    return 4 + 8 * sackBlockCount
  }

  private var sackBlockCount: Int {
    let count = outOfOrder.blocks.count + (outOfOrder.duplicate == nil ? 0 : 1)
    return min(count, usesTimestamps ? 3 : 4)
  }

  /// Sends a segment of the queue, or several bytes of it.
  func sendData(
    _ segment: SendSegment,
    at time: Int64,
    isNew: Bool,
    pushes: Bool = false
  ) -> Bool {
    var flags: SegmentFlags = .ack
    if pushes || segment.marks.contains(.push) { flags.insert(.psh) }
    if segment.marks.contains(.fin) { flags.insert(.fin) }
    if isNew && segment.count > 0 {
      lastSent = time
      if now &- receiver.lastData < receiver.patience { receiver.interactions += 1 }
    }
    let front = queue[0].start
    return send(
      flags,
      sequence: segment.start,
      offset: segment.start.distance(from: front),
      count: Int(segment.count),
      at: time,
      isNew: isNew
    )
  }

  /// Sends a segment without data at the present end of what was sent.
  @discardableResult
  func sendControl(_ flags: SegmentFlags, sequence: UInt32) -> Bool {
    send(flags, sequence: sequence, offset: 0, count: 0, at: beginBurst(), isNew: false)
  }

  /// Sends an acknowledgement.
  func sendAck() { sendControl(.ack, sequence: acceptableSequence) }

  /// A sequence number within the peer's window, even if that shrank.
  var acceptableSequence: UInt32 {
    let edge = sendUnacknowledged &+ UInt32(truncatingIfNeeded: sendWindow)
    if !sendNext.isAfter(edge) { return sendNext }
    return sendScale > 0 && sendNext.distance(from: edge) < 1 << Int(sendScale) ? sendNext : edge
  }

  func sendReset() {
    stack.counters.count(.tcpOutRsts)
    sendControl([.rst, .ack], sequence: acceptableSequence)
  }

  private func send(
    _ requested: SegmentFlags,
    sequence: UInt32,
    offset: Int,
    count: Int,
    at time: Int64,
    isNew: Bool
  ) -> Bool {
    var flags = requested
    var tos = options.tos
    if ecn.isOn && !flags.contains(.rst) {
      if isNew && count > 0 {
        tos = tos & ~3 | 2
        if ecn.owesReduced {
          ecn.owesReduced = false
          flags.insert(.cwr)
        }
      } else {
        tos &= ~3
      }
      if ecn.demandsReduction { flags.insert(.ece) }
    }
    let isReset = flags.contains(.rst)
    let blocks = isReset || sackOptionSize == 0 ? 0 : sackBlockCount
    let optionSize = (usesTimestamps ? 12 : 0) + (blocks > 0 ? 4 + 8 * blocks : 0)
    let window = windowToOffer()
    var packet = stack.simulation.pool.make(count: 20 &+ optionSize &+ count)
    packet.setU16(localPort, at: 0)
    packet.setU16(remotePort, at: 2)
    packet.setU32(sequence, at: 4)
    packet.setU32(flags.contains(.ack) ? receiveNext : 0, at: 8)
    packet.setU8(UInt8((20 &+ optionSize) >> 2) << 4, at: 12)
    packet.setU8(flags.rawValue, at: 13)
    packet.setU16(window, at: 14)
    packet.setU32(0, at: 16)
    var place = 20
    if usesTimestamps {
      packet.setU32(0x0101_080a, at: 20)
      packet.setU32(clock(at: time), at: 24)
      packet.setU32(recentTimestamp, at: 28)
      place = 32
    }
    if blocks > 0 { writeBlocks(&packet, blocks, at: place) }
    if count > 0 {
      packet.withMutableBytes { target in
        if let base = target.baseAddress {
          sendBytes.copy(from: offset, into: base + 20 + optionSize, count: count)
        }
      }
    }
    if flags.contains(.ack) { acknowledgementSent() }
    accounts.segmentsOut &+= 1
    if count > 0 {
      accounts.dataSegmentsOut &+= 1
      accounts.bytesSent &+= UInt64(count)
    }
    return emit(packet, tos: tos)
  }

  private func writeBlocks(_ packet: inout Packet, _ count: Int, at start: Int) {
    packet.setU32(0x0101_0500 | UInt32(2 + 8 * count), at: start)
    var place = start + 4
    var left = count
    if let duplicate = outOfOrder.duplicate {
      packet.setU32(duplicate.start, at: place)
      packet.setU32(duplicate.end, at: place + 4)
      place += 8
      left -= 1
      outOfOrder.duplicateTold()
    }
    for block in outOfOrder.blocks.prefix(left) {
      packet.setU32(block.start, at: place)
      packet.setU32(block.end, at: place + 4)
      place += 8
    }
  }

  // MARK: Opening

  /// Sends a SYN, or a SYN with an acknowledgement.
  func sendSyn() -> Bool {
    let isAnswer = state == .synReceived
    var flags: SegmentFlags = isAnswer ? [.syn, .ack] : .syn
    if isAnswer {
      if ecn.isOn { flags.insert(.ece) }
    } else if ecn.isOn {
      flags.formUnion([.ece, .cwr])
    }
    let segment = advertisedSegment
    var bytes: [UInt8] = [2, 4, UInt8(segment >> 8 & 255), UInt8(segment & 255)]
    let wantsSACK = isAnswer ? usesSACK : settings.sack != 0
    let wantsTimestamps = isAnswer ? usesTimestamps : settings.timestamps != 0
    if wantsTimestamps {
      bytes += wantsSACK ? [4, 2, 8, 10] : [1, 1, 8, 10]
      for value in [clockMilliseconds, isAnswer || recentTimestampAt >= 0 ? recentTimestamp : 0] {
        for shift in [24, 16, 8, 0] as [UInt32] {
          bytes.append(UInt8(truncatingIfNeeded: value >> shift))
        }
      }
    } else if wantsSACK {
      bytes += [1, 1, 4, 2]
    }
    if isAnswer ? loss.scalesWindow : settings.windowScaling != 0 {
      bytes += [1, 3, 3, receiveScale]
    }
    var packet = stack.simulation.pool.make(count: 20 + bytes.count)
    packet.setU16(localPort, at: 0)
    packet.setU16(remotePort, at: 2)
    packet.setU32(initialSend, at: 4)
    packet.setU32(isAnswer ? receiveNext : 0, at: 8)
    packet.setU8(UInt8((20 + bytes.count) / 4) << 4, at: 12)
    packet.setU8(flags.rawValue, at: 13)
    packet.setU16(UInt16(min(offeredWindow, 65_535)), at: 14)
    packet.setU32(0, at: 16)
    packet.write(bytes, at: 20)
    _ = beginBurst()
    if !isAnswer { accounts.segmentsOut &+= 1 }
    var tos = options.tos & ~3
    if isAnswer { tos = settings.reflectsTOS != 0 ? loss.synTOS & ~3 : options.tos & ~3 }
    return emit(packet, tos: tos)
  }
}

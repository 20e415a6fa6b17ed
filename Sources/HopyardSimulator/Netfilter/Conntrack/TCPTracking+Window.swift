/// What window tracking says of a segment.
enum TCPWindowVerdict {
  case inWindow
  /// It passes, but nothing is learnt from it.
  case ignore
  case invalid
}

extension TCPTracking {
  @inline(__always)
  private static func isBefore(_ a: UInt32, _ b: UInt32) -> Bool {
    Int32(bitPattern: a &- b) < 0
  }

  @inline(__always)
  private static func isAfter(_ a: UInt32, _ b: UInt32) -> Bool {
    Int32(bitPattern: a &- b) > 0
  }

  /// Begins tracking with a connection's first segment; false if it cannot be one.
  mutating func begin(
    _ segment: TrackedSegment,
    _ packet: borrowing Packet,
    loose: Bool
  ) -> Bool {
    self = TCPTracking()
    let next = TCPTransition.next(.none, .original, segment.kind)
    guard next < TCPTransition.ignore else { return false }
    var side = TCPSide()
    side.end = segment.end
    side.maximumWindow = max(UInt32(segment.window), 1)
    if next == ConntrackTCPState.synSent.rawValue {
      side.maximumEnd = side.end
      segment.readOptions(packet, into: &side)
    } else {
      guard loose else { return false }
      // Picked up in the middle: the scale is unknown, so the windows are not held against it.
      side.maximumEnd = side.end &+ side.maximumWindow
      side.flags = [.selectiveAck, .beLiberal]
      reply.flags = [.selectiveAck, .beLiberal]
    }
    original = side
    return true
  }

  /// Remembers a SYN's data for a side that is (again) at its beginning.
  private static func begin(
    _ sender: inout TCPSide,
    _ receiver: inout TCPSide,
    _ segment: TrackedSegment,
    _ packet: borrowing Packet,
    _ direction: ConntrackDirection
  ) {
    segment.readOptions(packet, into: &sender)
    sender.end = segment.end
    sender.maximumEnd = segment.end
    sender.maximumWindow = max(UInt32(segment.window), 1)
    // RFC 7323 §2.2: windows are scaled only if both SYNs carried the option.
    if direction == .reply,
      !(sender.flags.contains(.windowScale) && receiver.flags.contains(.windowScale))
    {
      sender.scale = 0
      receiver.scale = 0
    }
  }

  /// Compares a segment with the windows, and learns from it.
  ///
  /// `shift` says how far translation moved the numbers that the segment acknowledges.
  mutating func checkWindow(
    _ segment: TrackedSegment,
    _ packet: borrowing Packet,
    _ direction: ConntrackDirection,
    shift: UInt32,
    beLiberal: Bool
  ) -> TCPWindowVerdict {
    var sender = side(direction)
    var receiver = side(direction.opposite)
    defer {
      setSide(direction, sender)
      setSide(direction.opposite, receiver)
    }
    var sequence = segment.sequence
    var end = segment.end
    var ack = segment.acknowledgement
    var selective = ack
    if receiver.flags.contains(.selectiveAck), segment.headerLength > 20 {
      selective = segment.highestSelectiveAck(packet, acknowledgement: ack)
    }
    ack &-= shift
    selective &-= shift
    if sender.maximumWindow == 0 {
      if segment.isSYN {
        Self.begin(&sender, &receiver, segment, packet, direction)
        if !segment.isACK { return .inWindow }
      } else {
        let window = UInt32(segment.window) &<< UInt32(sender.scale)
        sender.end = end
        sender.maximumWindow = max(window, 1)
        sender.maximumEnd = end &+ sender.maximumWindow
        if receiver.maximumWindow == 0 {
          receiver.end = selective
          receiver.maximumEnd = selective
        } else if selective == receiver.end &+ 1 {
          // A reply to a keep-alive.
          receiver.end &+= 1
        }
      }
    } else if segment.isSYN, Self.isAfter(end, sender.end),
      state == .synSent || state == .synReceived
    {
      // RFC 9293 §3.4.1: a SYN that begins anew uses higher sequence numbers.
      Self.begin(&sender, &receiver, segment, packet, direction)
      if direction == .reply && !segment.isACK { return .inWindow }
    }
    if !segment.isACK || (segment.isRST && ack == 0) {
      ack = receiver.end
      selective = ack
    }
    if segment.isRST, sequence == 0, state == .synSent {
      sequence = sender.end
      end = sender.end
    }

    let fitsReceiver =
      receiver.maximumWindow == 0
      || Self.isAfter(end, sender.end &- receiver.maximumWindow &- 1)
    let maximumAckWindow = max(66_000, sender.maximumWindow)
    let isRecentAck = Self.isAfter(selective, receiver.end &- maximumAckWindow &- 1)
    let isBelowBound = Self.isBefore(sequence, sender.maximumEnd &+ 1)
    let acksKnownData = Self.isBefore(selective, receiver.end &+ 1)
    guard isBelowBound, fitsReceiver, acksKnownData, isRecentAck else {
      if beLiberal || sender.flags.contains(.beLiberal) || receiver.flags.contains(.beLiberal) {
        return .inWindow
      }
      if !isBelowBound {
        let overshot = end &- sender.maximumEnd &+ 1
        if fitsReceiver, isRecentAck, overshot <= receiver.maximumWindow, acksKnownData {
          sender.end = end
          sender.maximumEnd = end
          return .ignore
        }
        return .invalid
      }
      return acksKnownData ? .ignore : .invalid
    }

    var window = UInt32(segment.window)
    if !segment.isSYN { window = window &<< UInt32(sender.scale) }
    let offered = window &+ (selective &- ack)
    if sender.maximumWindow < offered { sender.maximumWindow = offered }
    if Self.isAfter(end, sender.end) {
      sender.end = end
      sender.flags.insert(.unacknowledged)
    }
    if segment.isACK {
      if !sender.flags.contains(.maximumAckSet) {
        sender.maximumAck = ack
        sender.flags.insert(.maximumAckSet)
      } else if Self.isAfter(ack, sender.maximumAck) {
        sender.maximumAck = ack
      }
    }
    if receiver.maximumWindow != 0, Self.isAfter(end, sender.maximumEnd) {
      receiver.maximumWindow &+= end &- sender.maximumEnd
    }
    if Self.isAfter(selective &+ window, receiver.maximumEnd &- 1) {
      receiver.maximumEnd = selective &+ window
      if window == 0 { receiver.maximumEnd &+= 1 }
    }
    if ack == receiver.end { receiver.flags.remove(.unacknowledged) }
    if segment.kind == .ack {
      if lastDirection == direction, lastSequence == segment.sequence, lastAck == ack,
        lastEnd == end, lastWindow == segment.window
      {
        retransmissions = retransmissions == .max ? .max : retransmissions + 1
      } else {
        lastDirection = direction
        lastSequence = segment.sequence
        lastAck = ack
        lastEnd = end
        lastWindow = segment.window
        retransmissions = 0
      }
    }
    return .inWindow
  }
}

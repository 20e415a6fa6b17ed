/// What a connection sends while a program's call runs.
///
/// Linux lets the network work between the bursts that one call sends, on the same processor and
/// before the call goes on; segments that arrive meanwhile wait until the call ends (the backlog of
/// a socket that is owned by its user). Here the bursts after the first leave a moment later each.
struct ProgramWork: ~Copyable {
  /// How long the network has between two bursts.
  static let gap: Int64 = .microseconds(15)

  /// A program's call, or what it left, runs right now.
  var isRunning = false
  /// Segments that arrive wait.
  var isHeld = false
  /// Whether the present call sent something.
  var hasSent = false
  /// When the present burst leaves.
  var time: Int64 = 0
  /// Bursts that leave later.
  var packets = PacketQueue()
  /// Segments that wait.
  var received = PacketQueue()
  /// What the program wrote since, in order, and whether it ended the stream then.
  var writes: [HeldWrite] = []
  var writtenBytes = 0
  var endsStream = false
  /// The MTU that a router told of meanwhile.
  var smallerPath: UInt32?
  /// What it wrote has waited once more, for what the end of the call before it sent.
  var hasWaited = false

  /// A write that waits until the call before it is over.
  struct HeldWrite {
    var bytes: [UInt8]
    var hasMore: Bool
    var endsRecord: Bool
  }
}

extension TCPSocket {
  /// Runs what a program's call does.
  func whileProgramRuns(_ body: () -> Void) {
    guard !work.isRunning else { return body() }
    work.isRunning = true
    if work.packets.isEmpty {
      work.hasSent = false
      work.time = now
    }
    body()
    work.isRunning = false
    if !work.packets.isEmpty && !work.isHeld {
      work.isHeld = true
      scheduleBursts()
    }
  }

  /// A burst begins; gives the time at which it leaves.
  func beginBurst() -> Int64 {
    if work.packets.isEmpty {
      if work.isRunning && work.hasSent && work.time >= now {
        work.time = work.time &+ ProgramWork.gap
      } else {
        work.time = now
      }
    } else {
      work.time = work.time &+ ProgramWork.gap
    }
    work.hasSent = true
    return work.time
  }

  /// Sends a packet with the present burst.
  func emit(_ packet: consuming Packet, tos: UInt8) -> Bool {
    if work.time > now {
      packet.metadata.due = work.time
      packet.metadata.realm = UInt32(tos)
      work.packets.append(packet)
      return true
    }
    return wire.send(packet, for: self, tos: tos)
  }

  private func scheduleBursts() {
    guard let due = work.packets.nextDue else { return }
    stack.simulation.schedule(after: due &- now) { [self] in sendBursts() }
  }

  private func sendBursts() {
    while let due = work.packets.nextDue, due <= now, let packet = work.packets.popFirst() {
      let tos = UInt8(truncatingIfNeeded: packet.metadata.realm)
      packet.metadata.realm = 0
      _ = wire.send(packet, for: self, tos: tos)
    }
    if work.packets.isEmpty {
      stack.simulation.schedule(after: ProgramWork.gap) { [self] in release() }
    } else {
      scheduleBursts()
    }
  }

  /// The call is over: what arrived meanwhile is received.
  private func release() {
    guard work.packets.isEmpty else { return scheduleBursts() }
    work.isRunning = true
    work.hasSent = false
    work.time = now
    while let packet = work.received.popFirst() { wire.receiveHeld(packet, self) }
    if let mtu = work.smallerPath {
      work.smallerPath = nil
      if state != .closed, state != .timeWait { takePathMTU(mtu) }
    }
    if work.packets.isEmpty, work.hasSent, !work.hasWaited,
      !work.writes.isEmpty || work.endsStream
    {
      // The next call begins after the network had its time.
      work.hasWaited = true
      work.isRunning = false
      stack.simulation.schedule(after: ProgramWork.gap) { [self] in release() }
      return
    }
    work.hasWaited = false
    if work.packets.isEmpty { runHeldWrites() }
    work.isRunning = false
    if work.packets.isEmpty {
      work.isHeld = false
    } else {
      scheduleBursts()
    }
  }

  /// What the program wrote meanwhile goes the same way, one write after the other.
  private func runHeldWrites() {
    while !work.writes.isEmpty, work.packets.isEmpty {
      let write = work.writes.removeFirst()
      work.writtenBytes -= write.bytes.count
      guard isFinQueued == false, state != .closed else { continue }
      work.hasSent = false
      work.time = now
      write.bytes.withUnsafeBytes {
        _ = enqueue($0, hasMore: write.hasMore, endsRecord: write.endsRecord, isHeld: true)
      }
    }
    if work.endsStream, work.writes.isEmpty, work.packets.isEmpty {
      work.endsStream = false
      if state != .closed { queueFin() }
    }
  }
}

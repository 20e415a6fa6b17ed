import HopyardWire

/// The TCP side of a namespace's sockets: which connection a segment belongs to, and resets.
final class TCPLayer {
  private struct Key: Hashable {
    var local: UInt32
    var remote: UInt32
    var ports: UInt32
  }

  unowned let table: SocketTable
  @exclusivity(unchecked) var random: RandomSource
  /// Why the last segment could not be sent.
  @exclusivity(unchecked) var lastError: SocketError?
  @exclusivity(unchecked) private var connections: [Key: TCPSocket] = [:]
  @exclusivity(unchecked) var listeners: [UInt16: [TCPSocket]] = [:]
  /// Bound sockets by port and number, connections included.
  var ports: [UInt16: [UInt32: TCPSocket]] = [:]
  /// What the last port that was chosen takes over.
  var reused: ReusedConnection?
  /// How many connections are in TIME_WAIT.
  private var waiting = 0
  let cookies: SynCookies
  private var challenges = 0
  private var challengeSecond: Int64 = -1

  init(table: SocketTable, name: String) {
    self.table = table
    random = table.stack.simulation.randomSource("tcp/\(name)")
    var secret = table.stack.simulation.randomSource("syncookies/\(name)")
    cookies = SynCookies(secret: secret.next())
  }

  var stack: IPv4Stack { table.stack }

  private func key(_ socket: TCPSocket) -> Key {
    Key(
      local: socket.localAddress.rawValue,
      remote: socket.remoteAddress.rawValue,
      ports: UInt32(socket.localPort) << 16 | UInt32(socket.remotePort)
    )
  }

  /// Every connection, also those without a program any more.
  var all: [TCPSocket] {
    (listeners.values.flatMap { $0 } + connections.values).sorted { $0.number < $1.number }
  }

  func connection(of socket: TCPSocket) -> TCPSocket? { connections[key(socket)] }

  func connected(_ socket: TCPSocket) { connections[key(socket)] = socket }

  func stopListening(_ socket: TCPSocket) {
    listeners[socket.localPort]?.removeAll { $0 === socket }
    if listeners[socket.localPort]?.isEmpty == true { listeners[socket.localPort] = nil }
    guard socket.halfOpen > 0 else { return }
    for child in connections.values.filter({ $0.listener === socket })
      .sorted(by: { $0.number < $1.number })
    {
      child.isOrphan = true
      child.finish()
    }
  }

  func disconnected(_ socket: TCPSocket) {
    if connections[key(socket)] === socket {
      connections[key(socket)] = nil
      if socket.isCountedWaiting {
        socket.isCountedWaiting = false
        waiting -= 1
      }
    }
    if socket.state == .listen {
      listeners[socket.localPort]?.removeAll { $0 === socket }
      if listeners[socket.localPort]?.isEmpty == true { listeners[socket.localPort] = nil }
    }
    if socket.isOrphan || socket.remotePort != 0 { unbind(socket) }
  }

  /// The first number of a connection: a function of its addresses, and a clock (RFC 6528).
  func initialSequence(of socket: TCPSocket) -> UInt32 {
    let hash = cookies.hash(
      socket.localAddress,
      socket.remoteAddress,
      UInt32(socket.localPort) << 16 | UInt32(socket.remotePort),
      0,
      3
    )
    let clock = stack.simulation.now.nanoseconds >> 6
    return hash &+ UInt32(truncatingIfNeeded: clock)
  }

  /// Where the clock of the timestamp option starts between two hosts, the same for all their
  /// connections; `tcp_timestamps` 2 starts it at zero.
  func timestampOffset(of socket: TCPSocket) -> UInt32 {
    if stack.settings.tcp.timestamps > 1 { return 0 }
    return cookies.hash(socket.localAddress, socket.remoteAddress, 0, 0, 4)
  }

  /// Whether one more connection may wait (`tcp_max_tw_buckets`).
  var mayWait: Bool { waiting < Int(stack.settings.tcp.maximumTimeWait) }

  /// A connection begins to wait.
  func waits(_ socket: TCPSocket) {
    if !socket.isCountedWaiting {
      socket.isCountedWaiting = true
      waiting += 1
    }
  }

  /// Whether one more challenge ACK may be sent in this second (`tcp_challenge_ack_limit`).
  func mayChallenge() -> Bool {
    let limit = Int(stack.settings.tcp.challengeAckLimit)
    if limit == Int(Int32.max) { return true }
    let second = stack.simulation.now.nanoseconds / 1_000_000_000
    if second != challengeSecond {
      challengeSecond = second
      challenges = limit / 2 + Int(random.below(UInt64(max(limit, 1))))
    }
    guard challenges > 0 else { return false }
    challenges -= 1
    return true
  }

  // MARK: Receiving

  func find(local: IPv4Address, localPort: UInt16, remote: IPv4Address, remotePort: UInt16)
    -> TCPSocket?
  {
    connections[
      Key(
        local: local.rawValue,
        remote: remote.rawValue,
        ports: UInt32(localPort) << 16 | UInt32(remotePort)
      )
    ]
  }

  func deliver(_ packet: consuming Packet, on device: NetworkDevice, route: RouteType)
    -> TransportResult
  {
    stack.counters.count(.tcpInSegs)
    let headerLength = Int(packet.u8(at: 0) & 15) &* 4
    guard route == .local, let segment = ReceivedSegment(packet, headerLength: headerLength) else {
      stack.counters.count(.tcpInErrs)
      stack.drop(packet, .malformed, on: device)
      return .taken
    }
    let source = packet.ipv4(at: 12)
    let destination = packet.ipv4(at: 16)
    let pseudo = InternetChecksum.pseudoHeader(
      source: source,
      destination: destination,
      protocol: .tcp,
      length: packet.count - headerLength
    )
    let isRight = packet.withBytes {
      InternetChecksum.isValid(
        UnsafeRawBufferPointer(rebasing: $0[headerLength...]),
        initial: pseudo
      )
    }
    guard isRight else {
      stack.counters.count(.tcpInCsumErrors)
      stack.counters.count(.tcpInErrs)
      stack.drop(packet, .badChecksum, on: device)
      return .taken
    }
    let sourcePort = packet.u16(at: headerLength)
    let destinationPort = packet.u16(at: headerLength + 2)
    let found = find(
      local: destination,
      localPort: destinationPort,
      remote: source,
      remotePort: sourcePort
    )
    if let socket = found,
      socket.options.boundIfindex == 0
        || socket.options.boundIfindex == table.incomingIfindex(device, destination)
    {
      if socket.work.isHeld {
        socket.work.received.append(packet)
        return .taken
      }
      if reopens(socket, segment),
        let listener = assignedListener(packet)
          ?? findListener(
            destination,
            destinationPort,
            source: source,
            sourcePort: sourcePort,
            ifindex: table.incomingIfindex(device, destination)
          )
      {
        // A new connection from the same addresses ends the wait (RFC 6191).
        let sequence = socket.sendNext &+ 65_537
        socket.finish()
        open(listener, segment, packet, from: sourcePort, sequence: sequence)
      } else {
        socket.receive(segment, packet)
      }
      stack.drop(packet, .delivered, on: device)
      return .taken
    }
    if let listener = assignedListener(packet)
      ?? findListener(
        destination,
        destinationPort,
        source: source,
        sourcePort: sourcePort,
        ifindex: table.incomingIfindex(device, destination)
      )
    {
      if segment.flags.contains(.rst) {
        stack.drop(packet, .ignored, on: device)
        return .taken
      }
      if segment.flags.contains(.ack) {
        if !segment.flags.contains(.syn),
          acceptCookie(listener, segment, packet, from: sourcePort)
        {
          stack.drop(packet, .delivered, on: device)
          return .taken
        }
        reset(segment, packet, headerLength: headerLength)
        stack.drop(packet, .noSocket, on: device)
        return .taken
      }
      if segment.flags.contains(.syn) && !segment.flags.contains(.fin) {
        open(listener, segment, packet, from: sourcePort, sequence: nil)
      }
      stack.drop(packet, .delivered, on: device)
      return .taken
    }
    if !segment.flags.contains(.rst) {
      reset(segment, packet, headerLength: headerLength)
    }
    stack.drop(packet, .noSocket, on: device)
    return .taken
  }

  /// The listener that TPROXY gave a packet to.
  private func assignedListener(_ packet: borrowing Packet) -> TCPSocket? {
    guard packet.metadata.flags.contains(.assigned) else { return nil }
    let socket = table.socket(packet.metadata.socket) as? TCPSocket
    return socket?.state == .listen ? socket : nil
  }

  /// A segment that waited while a program's call ran.
  func receiveHeld(_ packet: consuming Packet, _ socket: TCPSocket) {
    let headerLength = Int(packet.u8(at: 0) & 15) &* 4
    let device = stack.host.backlog.device(packet.metadata.inputDevice) ?? stack.devices.all.first
    if let segment = ReceivedSegment(packet, headerLength: headerLength) {
      socket.receive(segment, packet)
    }
    if let device { stack.drop(packet, .delivered, on: device) }
  }

  /// Whether a SYN may begin a new connection where an old one waits.
  private func reopens(_ socket: TCPSocket, _ segment: ReceivedSegment) -> Bool {
    guard socket.state == .timeWait, segment.flags.contains(.syn),
      segment.flags.isDisjoint(with: [.ack, .rst])
    else { return false }
    let stamps = socket.usesTimestamps && segment.hasTimestamp
    if stamps && segment.timestamp.isBefore(socket.recentTimestamp) { return false }
    return segment.sequence.isAfter(socket.receiveNext)
      || stamps && segment.timestamp.isAfter(socket.recentTimestamp)
  }

  // MARK: Sending

  /// Sends a segment whose header is filled in but for the checksum.
  func send(_ packet: consuming Packet, for socket: TCPSocket, tos: UInt8) -> Bool {
    var packet = packet
    Self.setChecksum(&packet, source: socket.localAddress, destination: socket.remoteAddress)
    stack.counters.count(.tcpOutSegs)
    packet.metadata.flags.insert(.datedByTCP)
    lastError = nil
    do throws(SocketError) {
      let way = try socket.findWay()
      var output = way.output
      output.tos = tos
      output.confirmsNeighbour = socket.isEstablished
      if packet.count + 20 > way.route.mtu { output.dontFragment = false }
      try stack.send(payload: packet, output, route: way.route)
      return true
    } catch {
      lastError = error
      return false
    }
  }

  static func setChecksum(_ packet: inout Packet, source: IPv4Address, destination: IPv4Address) {
    packet.setU16(0, at: 16)
    let pseudo = InternetChecksum.pseudoHeader(
      source: source,
      destination: destination,
      protocol: .tcp,
      length: packet.count
    )
    packet.setU16(packet.withBytes { InternetChecksum.checksum(of: $0, initial: pseudo) }, at: 16)
  }

  /// Answers a segment that belongs to nothing (RFC 9293 §3.5.2).
  func reset(
    _ segment: ReceivedSegment,
    _ packet: borrowing Packet,
    headerLength: Int
  ) {
    var answer = stack.simulation.pool.make(count: 20)
    answer.setU16(packet.u16(at: headerLength + 2), at: 0)
    answer.setU16(packet.u16(at: headerLength), at: 2)
    if segment.flags.contains(.ack) {
      answer.setU32(segment.acknowledgement, at: 4)
      answer.setU32(0, at: 8)
      answer.setU8(SegmentFlags.rst.rawValue, at: 13)
    } else {
      answer.setU32(0, at: 4)
      answer.setU32(segment.end, at: 8)
      answer.setU8(SegmentFlags([.rst, .ack]).rawValue, at: 13)
    }
    answer.setU8(5 << 4, at: 12)
    answer.setU16(0, at: 14)
    answer.setU32(0, at: 16)
    let source = packet.ipv4(at: 16)
    let destination = packet.ipv4(at: 12)
    Self.setChecksum(&answer, source: source, destination: destination)
    answer.metadata.flags.insert(.datedByTCP)
    var output = OutputOptions(destination: destination.rawValue, ipProtocol: .tcp)
    output.source = source.rawValue
    output.tos = segment.tos
    output.dontFragment = true
    output.journey = packet.metadata.journey
    output.mark = stack.settings.reflectMark != 0 ? packet.metadata.mark : 0
    stack.counters.count(.tcpOutSegs)
    stack.counters.count(.tcpOutRsts)
    guard let route = try? stack.routeOutput(output) else { return }
    try? stack.send(payload: answer, output, route: route)
  }

  /// Answers a segment that does not fit a half-open connection.
  func resetHalfOpen(answering segment: ReceivedSegment, _ packet: borrowing Packet) {
    reset(segment, packet, headerLength: Int(packet.u8(at: 0) & 15) &* 4)
  }

  /// Answers a segment that does not fit a connection that is being opened or was closed.
  func sendReset(answering segment: ReceivedSegment, for socket: TCPSocket) {
    var answer = stack.simulation.pool.make(count: 20)
    answer.setU16(socket.localPort, at: 0)
    answer.setU16(socket.remotePort, at: 2)
    if segment.flags.contains(.ack) {
      answer.setU32(segment.acknowledgement, at: 4)
      answer.setU32(0, at: 8)
      answer.setU8(SegmentFlags.rst.rawValue, at: 13)
    } else {
      answer.setU32(0, at: 4)
      answer.setU32(segment.end, at: 8)
      answer.setU8(SegmentFlags([.rst, .ack]).rawValue, at: 13)
    }
    answer.setU8(5 << 4, at: 12)
    answer.setU16(0, at: 14)
    answer.setU32(0, at: 16)
    stack.counters.count(.tcpOutRsts)
    _ = send(answer, for: socket, tos: socket.options.tos & ~3)
  }
}

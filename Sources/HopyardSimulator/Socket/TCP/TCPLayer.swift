import HopyardWire

/// The TCP side of a namespace's sockets: which connection a segment belongs to, and resets.
final class TCPLayer {
  private struct Key: Hashable {
    var local: UInt32
    var remote: UInt32
    var ports: UInt32
  }

  unowned let table: SocketTable
  var random: RandomSource
  /// Why the last segment could not be sent.
  var lastError: SocketError?
  private var connections: [Key: TCPSocket] = [:]
  private var listeners: [UInt16: [TCPSocket]] = [:]
  /// Bound sockets by port, connections included.
  private var bound: [UInt16: [TCPSocket]] = [:]

  init(table: SocketTable, name: String) {
    self.table = table
    random = table.stack.simulation.randomSource("tcp/\(name)")
  }

  private var stack: IPv4Stack { table.stack }

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

  // MARK: Ports

  func choosePort(for socket: TCPSocket, address: IPv4Address, port: UInt16) throws(SocketError)
    -> UInt16
  {
    if port != 0 {
      guard !conflicts(socket, address, port) else { throw .addressInUse }
      return port
    }
    let range = stack.settings.localPorts
    let count = UInt64(range.count)
    let first = random.below(count)
    for step in 0..<count {
      let candidate = UInt16(UInt64(range.lowerBound) + (first + step) % count)
      if !conflicts(socket, address, candidate) { return candidate }
    }
    throw .addressInUse
  }

  private func conflicts(_ socket: TCPSocket, _ address: IPv4Address, _ port: UInt16) -> Bool {
    (bound[port] ?? []).contains { other in
      guard other !== socket else { return false }
      guard
        other.options.boundIfindex == 0 || socket.options.boundIfindex == 0
          || other.options.boundIfindex == socket.options.boundIfindex
      else { return false }
      guard
        other.localAddress == .any || address == .any || other.localAddress == address
          || !other.isBoundToAddress && other.state == .listen
      else { return false }
      if other.options.reusesAddress && socket.options.reusesAddress && other.state != .listen {
        return false
      }
      if other.options.reusesPort && socket.options.reusesPort && other.uid == socket.uid {
        return false
      }
      return true
    }
  }

  func choosePortToConnect(_ socket: TCPSocket) throws(SocketError) -> UInt16 {
    let range = stack.settings.localPorts
    let count = UInt64(range.count)
    // Linux leaves odd ports to bind.
    let first = random.below(count) & ~1
    for parity in 0..<2 as Range<UInt64> {
      for step in stride(from: parity, to: count, by: 2) {
        let candidate = UInt16(UInt64(range.lowerBound) + (first + step) % count)
        let isBound = (bound[candidate] ?? []).contains {
          $0.state == .listen || $0.state == .closed
        }
        if isBound { continue }
        socket.localPort = candidate
        if !isTaken(socket) {
          bound[candidate, default: []].append(socket)
          return candidate
        }
        socket.localPort = 0
      }
    }
    throw .addressNotAvailable
  }

  func bound(_ socket: TCPSocket) { bound[socket.localPort, default: []].append(socket) }

  func isTaken(_ socket: TCPSocket) -> Bool {
    guard let other = connections[key(socket)] else { return false }
    return other !== socket
  }

  func mayListen(_ socket: TCPSocket) -> Bool {
    !(listeners[socket.localPort] ?? []).contains { other in
      other !== socket
        && (other.localAddress == .any || socket.localAddress == .any
          || other.localAddress == socket.localAddress)
        && !(other.options.reusesPort && socket.options.reusesPort)
        && (other.options.boundIfindex == socket.options.boundIfindex)
    }
  }

  func listening(_ socket: TCPSocket) {
    if listeners[socket.localPort]?.contains(where: { $0 === socket }) == true { return }
    listeners[socket.localPort, default: []].insert(socket, at: 0)
  }

  func stopListening(_ socket: TCPSocket) {
    listeners[socket.localPort]?.removeAll { $0 === socket }
    for child in connections.values.filter({ $0.listener === socket })
      .sorted(by: { $0.number < $1.number })
    {
      child.isOrphan = true
      child.finish()
    }
  }

  func connected(_ socket: TCPSocket) { connections[key(socket)] = socket }

  func disconnected(_ socket: TCPSocket) {
    if connections[key(socket)] === socket { connections[key(socket)] = nil }
    listeners[socket.localPort]?.removeAll { $0 === socket }
    if listeners[socket.localPort]?.isEmpty == true { listeners[socket.localPort] = nil }
    if socket.isOrphan || socket.remotePort != 0 { unbind(socket) }
  }

  func unbind(_ socket: TCPSocket) {
    bound[socket.localPort]?.removeAll { $0 === socket }
    if bound[socket.localPort]?.isEmpty == true { bound[socket.localPort] = nil }
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

  func findListener(_ address: IPv4Address, _ port: UInt16, ifindex: Int32) -> TCPSocket? {
    var best: TCPSocket?
    var bestScore = 0
    for socket in listeners[port] ?? [] {
      var score = 1
      if socket.localAddress != .any {
        guard socket.localAddress == address else { continue }
        score += 4
      }
      if socket.options.boundIfindex != 0 {
        guard socket.options.boundIfindex == ifindex else { continue }
        score += 2
      }
      if score > bestScore {
        best = socket
        bestScore = score
      }
    }
    return best
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
    if let socket = find(
      local: destination,
      localPort: destinationPort,
      remote: source,
      remotePort: sourcePort
    ) {
      if socket.state == .timeWait, segment.flags.contains(.syn), !segment.flags.contains(.ack),
        let listener = assignedListener(packet)
          ?? findListener(destination, destinationPort, ifindex: device.ifindex)
      {
        // A new connection from the same addresses ends the wait (RFC 6191).
        socket.isOrphan = true
        socket.finish()
        open(listener, segment, source, sourcePort, destination, destinationPort, on: device)
      } else {
        socket.receive(segment, packet)
      }
      stack.drop(packet, .delivered, on: device)
      return .taken
    }
    if let listener = assignedListener(packet)
      ?? findListener(destination, destinationPort, ifindex: device.ifindex)
    {
      if segment.flags.contains(.rst) {
        stack.drop(packet, .ignored, on: device)
        return .taken
      }
      if segment.flags.contains(.syn) && !segment.flags.contains(.ack) {
        open(listener, segment, source, sourcePort, destination, destinationPort, on: device)
        stack.drop(packet, .delivered, on: device)
        return .taken
      }
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

  /// A SYN for a listener: a connection that waits for the third segment.
  private func open(
    _ listener: TCPSocket,
    _ segment: ReceivedSegment,
    _ source: IPv4Address,
    _ sourcePort: UInt16,
    _ destination: IPv4Address,
    _ destinationPort: UInt16,
    on device: NetworkDevice
  ) {
    guard listener.acceptQueue.count <= listener.backlog, listener.halfOpen <= 256 else { return }
    let child = TCPSocket(number: table.makeNumber(), table: table)
    child.options = listener.options
    child.uid = listener.uid
    child.gid = listener.gid
    child.listener = listener
    child.localAddress = destination
    // TPROXY brings segments for other ports than the listener's own.
    child.localPort = destinationPort
    child.remoteAddress = source
    child.remotePort = sourcePort
    child.state = .synReceived
    child.chooseInitialSequence()
    var output = child.outputOptions(to: source.rawValue, .tcp)
    output.source = destination.rawValue
    output.acceptsAnySource = listener.options.isTransparent
    guard let route = try? stack.routeOutput(output) else { return }
    child.maximumSegment = min(max(route.mtu - 40, 48), 65_495)
    child.takeOptions(of: segment)
    child.initialReceive = segment.sequence
    child.receiveNext = segment.sequence &+ 1
    child.sendNext = child.initialSend &+ 1
    child.sendMaximum = child.sendNext
    child.opened = stack.simulation.now
    listener.halfOpen += 1
    connections[key(child)] = child
    bound[child.localPort, default: []].append(child)
    child.startRetransmitTimer()
    child.send([.syn, .ack], sequence: child.initialSend)
  }

  // MARK: Sending

  /// Sends a segment whose header is filled in but for the checksum.
  func send(_ packet: consuming Packet, for socket: TCPSocket) -> Bool {
    var packet = packet
    var output = socket.outputOptions(to: socket.remoteAddress.rawValue, .tcp)
    output.source = socket.localAddress.rawValue
    output.sourcePort = socket.localPort
    output.destinationPort = socket.remotePort
    output.acceptsAnySource = socket.options.isTransparent
    output.confirmsNeighbour = socket.isEstablished
    Self.setChecksum(&packet, source: socket.localAddress, destination: socket.remoteAddress)
    stack.counters.count(.tcpOutSegs)
    do throws(SocketError) {
      let route = try stack.routeOutput(output)
      if packet.count + 20 > route.mtu { output.dontFragment = false }
      try stack.send(payload: packet, output, route: route)
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
  private func reset(_ segment: ReceivedSegment, _ packet: borrowing Packet, headerLength: Int) {
    var answer = stack.simulation.pool.make(count: 20)
    answer.setU16(packet.u16(at: headerLength + 2), at: 0)
    answer.setU16(packet.u16(at: headerLength), at: 2)
    if segment.flags.contains(.ack) {
      answer.setU32(segment.acknowledgement, at: 4)
      answer.setU32(0, at: 8)
      answer.setU8(SegmentFlags.rst.rawValue, at: 13)
    } else {
      answer.setU32(0, at: 4)
      answer.setU32(segment.sequence &+ segment.length, at: 8)
      answer.setU8(SegmentFlags([.rst, .ack]).rawValue, at: 13)
    }
    answer.setU8(5 << 4, at: 12)
    answer.setU16(0, at: 14)
    answer.setU32(0, at: 16)
    let source = packet.ipv4(at: 16)
    let destination = packet.ipv4(at: 12)
    Self.setChecksum(&answer, source: source, destination: destination)
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

  /// Answers a segment that does not fit a connection that is being opened.
  func sendReset(answering segment: ReceivedSegment, for socket: TCPSocket) {
    var answer = stack.simulation.pool.make(count: 20)
    answer.setU16(socket.localPort, at: 0)
    answer.setU16(socket.remotePort, at: 2)
    answer.setU32(segment.acknowledgement, at: 4)
    answer.setU32(0, at: 8)
    answer.setU8(5 << 4, at: 12)
    answer.setU8(SegmentFlags.rst.rawValue, at: 13)
    answer.setU16(0, at: 14)
    answer.setU32(0, at: 16)
    stack.counters.count(.tcpOutRsts)
    _ = send(answer, for: socket)
  }

  // MARK: Errors

  func deliverError(_ report: ICMPErrorReport) {
    guard report.transport.count >= 8 else { return }
    let bytes = report.transport
    let localPort = UInt16(bytes[0]) << 8 | UInt16(bytes[1])
    let remotePort = UInt16(bytes[2]) << 8 | UInt16(bytes[3])
    let sequence =
      UInt32(bytes[4]) << 24 | UInt32(bytes[5]) << 16 | UInt32(bytes[6]) << 8 | UInt32(bytes[7])
    guard
      let socket = find(
        local: report.source,
        localPort: localPort,
        remote: report.destination,
        remotePort: remotePort
      )
    else { return }
    // Only errors about something that is on its way are believed (RFC 5927 §4).
    guard
      !sequence.isBefore(socket.sendUnacknowledged) && !sequence.isAfter(socket.sendMaximum)
    else { return }
    if report.type == 5 {
      var options = socket.outputOptions(to: report.destination.rawValue, .tcp)
      options.source = 0
      if let offender = report.offender {
        stack.followRedirect(to: report.info, from: offender, for: options, on: report.device)
      }
      return
    }
    if report.type == 3 && report.code == 4 {
      let options = socket.outputOptions(to: report.destination.rawValue, .tcp)
      if report.info > 0 { stack.updatePathMTU(report.info, for: options) }
      socket.pathMTUChanged()
      return
    }
    guard let (error, _) = SocketError.converted(type: report.type, code: report.code) else {
      return
    }
    switch socket.state {
    case .synSent, .synReceived:
      socket.finish(error)
    default:
      // A connection that is made lives on; the error is only kept for getsockopt.
      break
    }
  }
}

extension TCPSocket {
  /// The path takes less than it seemed: smaller segments from now on, and the lost one again.
  func pathMTUChanged() {
    var output = outputOptions(to: remoteAddress.rawValue, .tcp)
    output.source = localAddress.rawValue
    guard let route = try? stack.routeOutput(output) else { return }
    let limit = route.mtu - 40 - (usesTimestamps ? 12 : 0)
    guard limit < maximumSegment, limit >= 48 else { return }
    maximumSegment = limit
    if state == .established || state == .closeWait || state == .finWait1 {
      retransmitAll()
    }
  }

  /// Sends everything that is not acknowledged again, in segments of the present size.
  private func retransmitAll() {
    sendNext = sendUnacknowledged
    if isFinSent {
      isFinSent = false
      state = state == .finWait1 ? .established : state == .lastAck ? .closeWait : state
    }
    transmitPending()
  }
}

import HopyardWire

/// Which ports the TCP sockets of a namespace have (`inet_connection_sock.c`, `inet_hashtables.c`).
extension TCPLayer {
  func bound(_ socket: TCPSocket) { ports[socket.localPort, default: [:]][socket.number] = socket }

  func unbind(_ socket: TCPSocket) {
    guard ports[socket.localPort]?.removeValue(forKey: socket.number) != nil else { return }
    if ports[socket.localPort]?.isEmpty == true { ports[socket.localPort] = nil }
  }

  /// The port that `bind` gives; port 0 asks for a free one, odd ones first.
  func choosePort(for socket: TCPSocket, address: IPv4Address, port: UInt16) throws(SocketError)
    -> UInt16
  {
    if port != 0 {
      guard !conflicts(socket, address, port) else { throw .addressInUse }
      return port
    }
    let range = table.stack.settings.localPorts
    let low = UInt64(range.lowerBound)
    let count = UInt64(range.upperBound) - low + 1
    let even = count > 1 ? count & ~1 : count
    // Even ports are left to `connect`.
    var first = random.below(even) | 1
    for _ in 0..<2 {
      for step in stride(from: UInt64(0), to: even, by: 2) {
        let candidate = UInt16(low + (first + step) % even)
        if isReserved(candidate) { continue }
        if !conflicts(socket, address, candidate) { return candidate }
      }
      if even <= 1 { break }
      first = first &- 1
    }
    throw .addressInUse
  }

  private func isReserved(_ port: UInt16) -> Bool {
    let reserved = table.stack.settings.tcp.reservedPorts
    return !reserved.isEmpty && reserved.contains { $0.contains(port) }
  }

  private func conflicts(_ socket: TCPSocket, _ address: IPv4Address, _ port: UInt16) -> Bool {
    guard let others = ports[port] else { return false }
    return others.values.contains { other in
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
      if other.options.reusesPort && socket.options.reusesPort
        && (other.state == .timeWait || other.uid == socket.uid)
      {
        return false
      }
      return true
    }
  }

  /// The port that `connect` gives: even ones first, none that somebody bound.
  func choosePortToConnect(_ socket: TCPSocket) throws(SocketError) -> UInt16 {
    let range = table.stack.settings.localPorts
    let low = UInt64(range.lowerBound)
    let count = UInt64(range.upperBound) - low + 1
    let even = count > 1 ? count & ~1 : count
    let first = random.below(even) & ~1
    for parity in 0..<2 as Range<UInt64> where parity < even {
      for step in stride(from: UInt64(0), to: even, by: 2) {
        let candidate = UInt16(low + (first + step + parity) % even)
        if isReserved(candidate) { continue }
        if ports[candidate]?.values.contains(where: \.isBoundToPort) == true { continue }
        socket.localPort = candidate
        if mayConnect(socket) {
          bound(socket)
          return candidate
        }
        socket.localPort = 0
      }
    }
    throw .addressNotAvailable
  }

  /// Whether a socket may have the addresses that it would connect with; a connection in TIME_WAIT
  /// may give them up (`tcp_twsk_unique`).
  func mayConnect(_ socket: TCPSocket) -> Bool {
    reused = nil
    guard let other = connection(of: socket) else { return true }
    guard other !== socket else { return true }
    guard other.state == .timeWait || other.waitsInFinWait2, other.usesTimestamps,
      other.recentTimestampAt >= 0
    else { return false }
    let settings = table.stack.settings.tcp
    let isLoopback =
      other.localAddress.rawValue >> 24 == 127 || other.remoteAddress.rawValue >> 24 == 127
    guard settings.timeWaitReuse == 1 || settings.timeWaitReuse == 2 && isLoopback else {
      return false
    }
    let age = table.stack.simulation.now.nanoseconds &- other.recentTimestampAt
    guard age > Int64(settings.timeWaitReuseDelay) * 1_000_000 else { return false }
    let sequence = other.sendNext &+ 65_537
    reused = ReusedConnection(
      sequence: sequence == 0 ? 1 : sequence,
      timestamp: other.recentTimestamp,
      heardAt: other.recentTimestampAt,
      offset: other.timestampOffset
    )
    other.finish()
    return true
  }

  /// What a connection takes over from one in TIME_WAIT.
  struct ReusedConnection {
    var sequence: UInt32
    var timestamp: UInt32
    var heardAt: Int64
    var offset: UInt32
  }

  func takeReused(_ socket: TCPSocket) -> ReusedConnection? {
    defer { reused = nil }
    return reused
  }

  // MARK: Listeners

  func mayListen(_ socket: TCPSocket) -> Bool {
    !(listeners[socket.localPort] ?? []).contains { other in
      other !== socket
        && (other.localAddress == .any || socket.localAddress == .any
          || other.localAddress == socket.localAddress)
        && !(other.options.reusesPort && socket.options.reusesPort && other.uid == socket.uid)
        && (other.options.boundIfindex == socket.options.boundIfindex)
    }
  }

  func listening(_ socket: TCPSocket) {
    if listeners[socket.localPort]?.contains(where: { $0 === socket }) == true { return }
    listeners[socket.localPort, default: []].insert(socket, at: 0)
  }

  /// The listener that fits a connection best; those that share a port share the load by a hash.
  func findListener(
    _ address: IPv4Address,
    _ port: UInt16,
    source: IPv4Address = .any,
    sourcePort: UInt16 = 0,
    ifindex: Int32
  ) -> TCPSocket? {
    guard let candidates = listeners[port] else { return nil }
    var best: TCPSocket?
    var bestScore = 0
    for socket in candidates {
      let score = fitness(socket, address, ifindex)
      if score > bestScore {
        best = socket
        bestScore = score
      }
    }
    guard let found = best, found.options.reusesPort else { return best }
    let group = candidates.filter {
      $0.options.reusesPort && fitness($0, address, ifindex) == bestScore
    }
    guard group.count > 1 else { return best }
    var hash = UInt64(source.rawValue) << 32 | UInt64(address.rawValue)
    hash ^= UInt64(sourcePort) << 16 | UInt64(port)
    hash = (hash ^ hash >> 29) &* 0xbf58_476d_1ce4_e5b9
    hash = (hash ^ hash >> 32) &* 0x94d0_49bb_1331_11eb
    let index = ((hash >> 32) &* UInt64(group.count)) >> 32
    return group[Int(index)]
  }

  private func fitness(_ socket: TCPSocket, _ address: IPv4Address, _ ifindex: Int32) -> Int {
    var score = 1
    if socket.localAddress != .any {
      guard socket.localAddress == address else { return 0 }
      score += 4
    }
    if socket.options.boundIfindex != 0 {
      guard socket.options.boundIfindex == ifindex else { return 0 }
      score += 2
    }
    return score
  }
}

import HopyardWire

/// The calls that programs make (`tcp(7)`).
extension TCPSocket {
  // MARK: Opening

  /// Binds to an address and port; port 0 takes a free one.
  public func bind(address: IPv4Address = .any, port: UInt16) throws(SocketError) {
    guard localPort == 0, state == .closed else { throw .invalidArgument }
    if address != .any && !options.isTransparent && stack.settings.nonlocalBind == 0 {
      guard table.isBindable(address), !address.isMulticast, address != .broadcast else {
        throw .addressNotAvailable
      }
    }
    if port != 0 && Int32(port) < stack.settings.unprivilegedPortStart && uid != 0 {
      throw .accessDenied
    }
    localPort = try wire.choosePort(for: self, address: address, port: port)
    localAddress = address
    isBoundToAddress = address != .any
    isBoundToPort = true
    wire.bound(self)
  }

  /// Listens for connections.
  public func listen(backlog: Int = 128) throws(SocketError) {
    guard state == .closed || state == .listen, remotePort == 0 else { throw .invalidArgument }
    let most = Int(settings.maximumBacklog)
    if state == .listen {
      self.backlog = backlog < 0 ? most : min(backlog, most)
      return
    }
    if localPort == 0 { try bind(port: 0) }
    guard wire.mayListen(self) else { throw .addressInUse }
    self.backlog = backlog < 0 ? most : min(backlog, most)
    state = .listen
    wire.listening(self)
  }

  /// The next connection that is complete.
  public func accept() -> TCPSocket? {
    guard !acceptQueue.isEmpty else { return nil }
    let child = acceptQueue.removeFirst()
    table.list(child)
    return child
  }

  /// Whether a complete connection waits.
  public var hasConnection: Bool { !acceptQueue.isEmpty }

  /// Begins to connect.
  ///
  /// `writable` is woken when the connection is made or failed; then `isEstablished` or
  /// `takeError()` tell.
  public func connect(to address: IPv4Address, port: UInt16) throws(SocketError) {
    switch state {
    case .closed: break
    case .synSent, .synReceived: throw .alreadyInProgress
    default: throw .alreadyConnected
    }
    if let error = takeError() { throw error }
    let target = address == .any ? IPv4Address.loopback : address
    var output = outputOptions(to: target.rawValue, .tcp)
    output.source = localAddress.rawValue
    output.destinationPort = port
    output.sourcePort = localPort
    output.acceptsAnySource = options.isTransparent
    let route: RouteDecision
    do throws(SocketError) {
      route = try stack.routeOutput(output)
    } catch {
      if error == .networkUnreachable { stack.counters.count(.ipOutNoRoutes) }
      throw error
    }
    guard route.type == .unicast || route.type == .local else { throw .networkUnreachable }
    resetConnection()
    if localAddress == .any { localAddress = IPv4Address(rawValue: route.source) }
    remoteAddress = target
    remotePort = port
    do throws(SocketError) {
      if localPort == 0 {
        localPort = try wire.choosePortToConnect(self)
      } else if !wire.mayConnect(self) {
        throw .addressNotAvailable
      }
    } catch {
      remoteAddress = .any
      remotePort = 0
      if !isBoundToAddress { localAddress = .any }
      throw error
    }
    whileProgramRuns { beginConnecting(route) }
  }

  /// Forgets an earlier connection of the socket.
  private func resetConnection() {
    queue.removeAll()
    sendBytes.removeAll()
    receiveBytes.removeAll()
    outOfOrder.removeAll()
    isFinQueued = false
    isFinReceived = false
    isReadShut = false
    usesTimestamps = false
    usesSACK = false
    isCountedWaiting = false
    waitsInFinWait2 = false
    loss = LossRecovery()
    rtt = RoundTripEstimator()
    recoveryState = .open
    slowStartThreshold = .max
    retransmissions = 0
    totalRetransmissions = 0
    backoff = 0
    accounts = TCPAccounts()
    way = nil
  }

  private func beginConnecting(_ route: RouteDecision) {
    stack.counters.count(.tcpActiveOpens)
    state = .synSent
    let metrics = routeMetrics
    let reused = wire.takeReused(self)
    if let reused {
      initialSend = reused.sequence
      recentTimestamp = reused.timestamp
      recentTimestampAt = reused.heardAt
      timestampOffset = reused.offset
    } else {
      initialSend = wire.initialSequence(of: self)
      timestampOffset = wire.timestampOffset(of: self)
      recentTimestampAt = -1
      recentTimestamp = 0
    }
    beginSequence(initialSend)
    peerSegment = tcpOptions.maximumSegment > 0 ? tcpOptions.maximumSegment : 65_535
    followPathMTU(route.mtu)
    advertisedSegment = announcedSegment(route, metrics)
    if tcpOptions.windowClamp > 0 { receiver.clamp = tcpOptions.windowClamp }
    if metrics.window > 0 { receiver.clamp = Int(metrics.window) }
    if tcpOptions.receiveBuffer > 0 {
      let most = receiver.window(from: receiver.limit)
      if receiver.clamp == 0 || receiver.clamp > most { receiver.clamp = most }
    }
    chooseInitialWindow(
      segment: advertisedSegment - (recentTimestampAt >= 0 ? 12 : 0),
      mayScale: settings.windowScaling != 0,
      initialSegments: Int(metrics.initrwnd)
    )
    ecn = CongestionNotification()
    ecn.isOn = settings.ecn == 1 || metrics.features & 1 != 0
    wire.connected(self)
    opened = stack.simulation.now
    rtt.timeout = 1_000_000
    setSynTimer()
    // Of the errors of the first SYN only a refusal counts (`tcp_connect`); it is sent again.
    if !sendSyn(), wire.lastError == .connectionRefused { finish(.connectionRefused) }
  }

  /// Begins the stream behind a SYN.
  func beginSequence(_ sequence: UInt32) {
    initialSend = sequence
    sendUnacknowledged = sequence
    sendNext = sequence &+ 1
    writeSequence = sequence &+ 1
    pushedSequence = sequence &+ 1
    lastSmallEnd = sequence
    roundEnd = sequence
    loss.highestRetransmitted = sequence
  }

  // MARK: Data

  /// Takes bytes to send; gives how many were taken, 0 if there is no room.
  ///
  /// `hasMore` says that more follows at once (`MSG_MORE`), `endsRecord` that later bytes go into
  /// segments of their own (`MSG_EOR`).
  public func write(_ bytes: [UInt8], hasMore: Bool = false, endsRecord: Bool = false)
    throws(SocketError) -> Int
  {
    if let error = takeError() { throw error }
    switch state {
    case .established, .closeWait, .synSent, .synReceived:
      if isFinQueued || work.endsStream { throw .brokenPipe }
    case .listen: throw .brokenPipe
    case .closed: throw .brokenPipe
    default: throw .brokenPipe
    }
    guard !bytes.isEmpty else { return 0 }
    if work.isHeld {
      // The call before this one is not over yet.
      guard sendMemory + work.writtenBytes < sendLimit,
        notSentLimit == .max || notSent + work.writtenBytes < notSentLimit
      else {
        lacksSpace = true
        return 0
      }
      let room = max(sendLimit - sendMemory - work.writtenBytes, 1)
      let held = bytes.count <= room ? bytes : Array(bytes.prefix(room))
      work.writes.append(
        ProgramWork.HeldWrite(
          bytes: held,
          hasMore: hasMore || held.count < bytes.count,
          endsRecord: endsRecord
        )
      )
      work.writtenBytes += held.count
      return held.count
    }
    var taken = 0
    let isOpening = state == .synSent || state == .synReceived
    bytes.withUnsafeBytes { source in
      if isOpening {
        taken = enqueueWhileOpening(source)
      } else {
        whileProgramRuns {
          taken = enqueue(source, hasMore: hasMore, endsRecord: endsRecord)
        }
      }
    }
    return taken
  }

  private func enqueueWhileOpening(_ bytes: UnsafeRawBufferPointer) -> Int {
    guard sendMemory < sendLimit else { return 0 }
    let count = min(bytes.count, max(sendLimit - sendMemory, 0))
    if queue.isEmpty {
      queue.append(SendSegment(start: writeSequence, count: 0, marks: [.buffer, .push]))
    }
    sendBytes.append(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
    queue.extendLast(by: count)
    writeSequence = writeSequence &+ UInt32(truncatingIfNeeded: count)
    return count
  }

  /// Whether `write` would take something (`POLLOUT`).
  public var isWritable: Bool {
    if pendingError != nil || state == .closed && remotePort != 0 || isFinQueued { return true }
    switch state {
    case .established, .closeWait: return hasRoom
    default: return false
    }
  }

  /// Whether a third of the send buffer is free, and less than half of what may wait is unsent.
  private var hasRoom: Bool {
    let used = sendMemory
    guard sendLimit - used >= used >> 1, used < sendLimit else { return false }
    return notSent << 1 < notSentLimit
  }

  /// Wakes writers once there is room again (`tcp_check_space`).
  func wakeWriters() {
    if shouldExpandSendBuffer { expandSendBuffer() }
    if hasRoom {
      lacksSpace = false
      accounts.limited(.buffer, false, isIdle: queue.isEmpty, now)
      writable.wakeAll()
    }
  }

  private var shouldExpandSendBuffer: Bool {
    tcpOptions.sendBuffer == 0 && lacksSpace && inFlight < congestionWindow
  }

  /// Lets the send buffer follow the window (`tcp_sndbuf_expand`).
  func expandSendBuffer() {
    guard tcpOptions.sendBuffer == 0 else { return }
    var each = 256
    let needed = max(peerSegment, maximumSegment) + 320 + 320
    while each < needed { each *= 2 }
    each += 256
    let segments = max(10, congestionWindow, loss.reordering + 1)
    sendLimit = max(sendLimit, min(2 * segments * each, Int(settings.sendMemory.most)))
  }

  /// Bytes that came in order; nil if there are none yet, empty at the peer's end of the stream.
  public func read(_ maximum: Int = 65_536) throws(SocketError) -> [UInt8]? {
    if !receiveBytes.isEmpty {
      let bytes = receiveBytes.prefix(max(maximum, 1))
      let before = receiveBytes.count
      receiveBytes.removeFirst(bytes.count)
      receiver.charge =
        receiveBytes.isEmpty ? 0 : receiver.charge - receiver.charge * bytes.count / before
      copiedSequence = copiedSequence &+ UInt32(truncatingIfNeeded: bytes.count)
      if isEstablished {
        adjustReceiveBuffer()
        acknowledgeAfterReading(bytes.count)
      }
      return bytes
    }
    if let error = takeError() { throw error }
    if isFinReceived || isReadShut {
      copiedSequence = receiveNext
      return []
    }
    switch state {
    case .closed:
      if remotePort == 0 { throw .notConnected }
      return []
    case .listen: throw .notConnected
    case .timeWait, .lastAck, .closing: return []
    default: return nil
    }
  }

  /// The bytes that wait, without taking them (`MSG_PEEK`).
  public func peek(_ maximum: Int = 65_536) -> [UInt8] { receiveBytes.prefix(maximum) }

  /// Whether `read` or `accept` would give something (`POLLIN`).
  public var isReadable: Bool {
    if state == .listen { return hasConnection }
    return !receiveBytes.isEmpty || isFinReceived || isReadShut || pendingError != nil
      || (state == .closed && remotePort != 0)
  }

  /// Whether everything that was written was acknowledged.
  public var isDrained: Bool { queue.isEmpty && work.writes.isEmpty }

  /// How many received bytes wait; for a listener, how many connections (`ss`'s Recv-Q).
  public var receivedCount: Int {
    switch state {
    case .listen: acceptQueue.count
    case .established, .closeWait, .finWait1, .finWait2, .closing, .lastAck:
      max(receiveNext.distance(from: copiedSequence), receiveBytes.count)
    default: receiveBytes.count
    }
  }

  /// How many written bytes are not yet acknowledged; for a listener its backlog (`ss`'s Send-Q).
  public var unsentCount: Int {
    switch state {
    case .listen: backlog
    case .synSent: writeSequence.distance(from: sendUnacknowledged)
    case .closed, .timeWait, .synReceived: 0
    case .finWait2 where waitsInFinWait2: 0
    default: max(writeSequence.distance(from: sendUnacknowledged), 0)
    }
  }

  // MARK: Closing

  /// Ends the stream towards the peer (`SHUT_WR`).
  public func shutdownWrite() throws(SocketError) {
    switch state {
    case .established, .closeWait:
      guard !isFinQueued else { return }
      state = state == .established ? .finWait1 : .lastAck
      whileProgramRuns { queueFin() }
    case .synReceived:
      state = .finWait1
      whileProgramRuns { queueFin() }
    case .synSent: finish()
    case .closed: throw .notConnected
    case .listen: stopListening()
    default: break
    }
  }

  /// Reads nothing more (`SHUT_RD`); what the peer sends is acknowledged and thrown away.
  public func shutdownRead() throws(SocketError) {
    switch state {
    case .closed: throw .notConnected
    case .listen: stopListening()
    default:
      isReadShut = true
      readable.wakeAll()
    }
  }

  private func stopListening() {
    wire.stopListening(self)
    for child in acceptQueue { child.abort() }
    acceptQueue = []
    finish()
  }

  /// What closing a socket begins.
  func beginClosing() {
    guard !isOrphan, !isClosed else { return }
    isOrphan = true
    switch state {
    case .listen: stopListening()
    case .closed, .synSent: finish()
    case .timeWait: break
    default: closeConnection()
    }
    table.forget(self)
  }

  private func closeConnection() {
    if !receiveBytes.isEmpty {
      // Data that nobody will read means that the connection is broken (RFC 1122 §4.2.2.13).
      whileProgramRuns { sendReset() }
      receiveBytes.removeAll()
      return finish()
    }
    if tcpOptions.linger == 0 {
      whileProgramRuns { sendReset() }
      return finish()
    }
    switch state {
    case .established, .synReceived: state = .finWait1
    case .closeWait: state = .lastAck
    default: break
    }
    if !isFinQueued {
      whileProgramRuns { queueFin() }
    } else if state == .finWait2 && !waitsInFinWait2 {
      beginFinWait2()
    }
  }

  /// Breaks the connection with a reset.
  public func abort() {
    switch state {
    case .closed, .timeWait, .synSent: break
    case .listen: return close()
    case .finWait2 where waitsInFinWait2: break
    default: whileProgramRuns { sendReset() }
    }
    isOrphan = true
    finish()
    table.forget(self)
  }

  // MARK: Options

  /// Sets `SO_RCVBUF`; the kernel doubles what is asked for.
  func optionsChanged(from old: TCPOptions) {
    if tcpOptions.receiveBuffer != old.receiveBuffer {
      let asked = min(max(tcpOptions.receiveBuffer, 0), Int(settings.maximumReceiveBuffer))
      receiver.limit = max(asked * 2, 2304)
    }
    if tcpOptions.sendBuffer != old.sendBuffer {
      let asked = min(max(tcpOptions.sendBuffer, 0), Int(settings.maximumSendBuffer))
      sendLimit = max(asked * 2, 4608)
    }
    if tcpOptions.keepsAlive && !old.keepsAlive
      || tcpOptions.keepsAlive && tcpOptions.keepaliveIdle != old.keepaliveIdle
    {
      if state == .established || state == .closeWait { startKeepalive() }
    }
    if tcpOptions.isNoDelay && !old.isNoDelay || old.isCorked && !tcpOptions.isCorked {
      guard queue.hasUnsent, isEstablished || state == .lastAck || state == .closing else {
        return
      }
      whileProgramRuns {
        if !tcpOptions.isCorked { queue.markLast(.push) }
        pushPending(currentSegment(), tcpOptions.isCorked ? .corked : [.off, .push])
      }
    }
    if let chosen = tcpOptions.congestionControl, chosen != old.congestionControl {
      congestion = CongestionControl(chosen)
    }
  }
}

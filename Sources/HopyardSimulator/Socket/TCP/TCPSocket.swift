import HopyardWire

/// The state of a connection (RFC 9293 §3.3.2).
public enum TCPSocketState: String, Sendable {
  case closed = "CLOSE"
  case listen = "LISTEN"
  case synSent = "SYN-SENT"
  case synReceived = "SYN-RECV"
  case established = "ESTAB"
  case finWait1 = "FIN-WAIT-1"
  case finWait2 = "FIN-WAIT-2"
  case closeWait = "CLOSE-WAIT"
  case closing = "CLOSING"
  case lastAck = "LAST-ACK"
  case timeWait = "TIME-WAIT"
}

/// A TCP socket (RFC 9293) as Linux speaks it.
public final class TCPSocket: Socket {
  /// Its state.
  public internal(set) var state = TCPSocketState.closed
  /// The local address.
  public internal(set) var localAddress = IPv4Address.any
  /// The local port; 0 before it is bound.
  public internal(set) var localPort: UInt16 = 0
  /// The peer's address.
  public internal(set) var remoteAddress = IPv4Address.any
  /// The peer's port.
  public internal(set) var remotePort: UInt16 = 0
  /// `TCP_NODELAY`.
  public var isNoDelay = false
  /// `TCP_MAXSEG`, set before connecting; 0 for what the route allows.
  public var maximumSegmentLimit = 0
  /// Whether the program bound it to an address.
  var isBoundToAddress = false

  // Listening
  var backlog = 0
  var acceptQueue: [TCPSocket] = []
  var halfOpen = 0
  weak var listener: TCPSocket?

  // Sending
  var initialSend: UInt32 = 0
  var sendUnacknowledged: UInt32 = 0
  var sendNext: UInt32 = 0
  /// The highest sequence number sent so far.
  var sendMaximum: UInt32 = 0
  /// Where the last segment shorter than the maximum ended.
  var lastSmallEnd: UInt32 = 0
  var sendWindow = 0
  var sendWindowUpdate: UInt32 = 0
  var sendScale: UInt8 = 0
  /// What was written and not yet acknowledged; the first byte is at `sendUnacknowledged`.
  var sendBuffer: [UInt8] = []
  var sendHead = 0
  /// Ends of writes, so that PSH goes with the last segment of each.
  var isFinQueued = false
  var isFinSent = false
  var maximumSegment = 536
  var congestionWindow = 10
  var congestionCredit = 0
  var slowStartThreshold = Int.max
  var duplicateAcks = 0
  var recoveryPoint: UInt32?
  var sacked: [(start: UInt32, end: UInt32)] = []
  /// Sequence number up to which lost data was sent again in this recovery.
  var retransmitNext: UInt32 = 0

  // Receiving
  var initialReceive: UInt32 = 0
  var receiveNext: UInt32 = 0
  var receiveScale: UInt8 = 0
  var advertisedEdge: UInt32 = 0
  var receiveBuffer: [UInt8] = []
  var receiveHead = 0
  var outOfOrder: [(sequence: UInt32, bytes: [UInt8], isFin: Bool)] = []
  var isFinReceived = false

  // Options
  var usesTimestamps = false
  var usesSACK = false
  var recentTimestamp: UInt32 = 0
  var timestampOffset: UInt32 = 0

  // Timers
  var retransmitTimer: TimerToken?
  var delayedAckTimer: TimerToken?
  var timeWaitTimer: TimerToken?
  var retransmissions = 0
  var smoothedRTT: Int64 = 0
  var rttVariation: Int64 = 0
  var retransmissionTimeout: Int64 = .seconds(1)
  var opened = Instant.zero
  var isProbe = false
  var quickAcks = 16
  var hasUnacknowledged = false
  var lastAcknowledged: UInt32 = 0
  var isInteractive = false
  var lastReceived = Instant.zero

  /// The program closed it; the kernel finishes the connection.
  var isOrphan = false
  var isReadShut = false

  /// How many bytes the send buffer takes.
  static let sendBufferLimit = 2_626_560

  var wire: TCPLayer { table.tcp }

  /// Whether the connection is made.
  public var isEstablished: Bool {
    switch state {
    case .established, .closeWait, .finWait1, .finWait2: true
    default: false
    }
  }

  // MARK: Calls

  /// Binds to an address and port; port 0 takes a free one.
  public func bind(address: IPv4Address = .any, port: UInt16) throws(SocketError) {
    guard localPort == 0 else { throw .invalidArgument }
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
    wire.bound(self)
  }

  /// Listens for connections.
  public func listen(backlog: Int = 128) throws(SocketError) {
    guard state == .closed || state == .listen else { throw .invalidArgument }
    if localPort == 0 { try bind(port: 0) }
    guard wire.mayListen(self) else { throw .addressInUse }
    self.backlog = min(max(backlog, 0), 4096)
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
    guard state == .closed else { throw state == .synSent ? .alreadyInProgress : .alreadyConnected }
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
    if localAddress == .any { localAddress = IPv4Address(rawValue: route.source) }
    remoteAddress = target
    remotePort = port
    if localPort == 0 {
      localPort = try wire.choosePortToConnect(self)
    } else if wire.isTaken(self) {
      throw .addressNotAvailable
    }
    beginConnecting(route)
  }

  /// Takes bytes to send; gives how many were taken, 0 if there is no room.
  public func write(_ bytes: [UInt8]) throws(SocketError) -> Int {
    if let error = takeError() { throw error }
    switch state {
    case .established, .closeWait, .synSent, .synReceived:
      if isFinQueued { throw .brokenPipe }
    case .listen: throw .notConnected
    case .closed:
      throw remotePort == 0 ? .notConnected : .brokenPipe
    default: throw .brokenPipe
    }
    let room = Self.sendBufferLimit - (sendBuffer.count - sendHead)
    let count = min(max(room, 0), bytes.count)
    sendBuffer.append(contentsOf: bytes[..<count])
    if state == .established || state == .closeWait { transmitPending() }
    return count
  }

  /// Bytes that came in order; nil if there are none yet, empty at the peer's end of the stream.
  public func read(_ maximum: Int = 65_536) throws(SocketError) -> [UInt8]? {
    if receiveHead < receiveBuffer.count {
      let end = min(receiveBuffer.count, receiveHead + max(maximum, 1))
      let bytes = [UInt8](receiveBuffer[receiveHead..<end])
      receiveHead = end
      if receiveHead == receiveBuffer.count {
        receiveBuffer.removeAll(keepingCapacity: true)
        receiveHead = 0
      }
      windowMayHaveOpened()
      return bytes
    }
    if let error = takeError() { throw error }
    if isFinReceived || isReadShut { return [] }
    switch state {
    case .closed: return remotePort == 0 ? nil : []
    case .listen: throw .notConnected
    case .timeWait, .lastAck, .closing: return []
    default: return nil
    }
  }

  /// Whether `read` would give something.
  public var isReadable: Bool {
    receiveHead < receiveBuffer.count || isFinReceived || pendingError != nil
      || (state == .closed && remotePort != 0) || hasConnection
  }

  /// Whether everything that was written was acknowledged.
  public var isDrained: Bool { sendHead == sendBuffer.count }

  /// How many received bytes wait.
  public var receivedCount: Int {
    state == .listen ? acceptQueue.count : receiveBuffer.count - receiveHead
  }

  /// How many written bytes are not yet acknowledged.
  public var unsentCount: Int { state == .listen ? backlog : sendBuffer.count - sendHead }

  /// Ends the stream towards the peer (`SHUT_WR`).
  public func shutdownWrite() throws(SocketError) {
    switch state {
    case .established, .closeWait, .synReceived:
      guard !isFinQueued else { return }
      isFinQueued = true
      transmitPending()
    case .synSent: isFinQueued = true
    case .closed, .listen: throw .notConnected
    default: break
    }
  }

  public override func close() {
    guard !isOrphan, !isClosed else { return }
    isOrphan = true
    switch state {
    case .listen:
      wire.stopListening(self)
      for child in acceptQueue { child.abort() }
      acceptQueue = []
      finish()
    case .closed, .synSent: finish()
    case .timeWait: break
    default:
      if receiveHead < receiveBuffer.count {
        // RFC 1122 §4.2.2.13: data that nobody will read means that the connection is broken.
        sendReset()
        finish()
      } else if !isFinQueued {
        isFinQueued = true
        transmitPending()
      } else if state == .finWait2 {
        startTimeWait(.seconds(60), in: .finWait2)
      }
    }
    table.forget(self)
  }

  /// Breaks the connection with a reset.
  public func abort() {
    switch state {
    case .closed, .listen, .timeWait: break
    default: sendReset()
    }
    isOrphan = true
    finish()
    table.forget(self)
  }

  /// The end of the connection: timers stop and the addresses are free.
  func finish(_ error: SocketError? = nil) {
    for timer in [retransmitTimer, delayedAckTimer, timeWaitTimer] {
      if let timer { stack.simulation.cancel(timer) }
    }
    retransmitTimer = nil
    delayedAckTimer = nil
    timeWaitTimer = nil
    if state != .closed { wire.disconnected(self) }
    state = .closed
    if isOrphan { isClosed = true }
    if let error { pendingError = error }
    readable.wakeAll()
    writable.wakeAll()
    if isOrphan { table.forget(self) }
  }
}

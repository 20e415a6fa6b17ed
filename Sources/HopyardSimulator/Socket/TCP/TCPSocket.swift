import HopyardWire

/// A TCP socket (RFC 9293) as Linux speaks it.
///
/// Operations never block; programs wait on the wait queues. What a connection knows is kept here;
/// what it does stands in extensions, one file for each part.
public final class TCPSocket: Socket {
  /// Its state.
  @exclusivity(unchecked) public internal(set) var state = TCPSocketState.closed
  /// The local address.
  @exclusivity(unchecked) public internal(set) var localAddress = IPv4Address.any
  /// The local port; 0 before it is bound.
  @exclusivity(unchecked) public internal(set) var localPort: UInt16 = 0
  /// The peer's address.
  @exclusivity(unchecked) public internal(set) var remoteAddress = IPv4Address.any
  /// The peer's port.
  @exclusivity(unchecked) public internal(set) var remotePort: UInt16 = 0
  /// The TCP options.
  @exclusivity(unchecked) public var tcpOptions = TCPOptions() {
    didSet { optionsChanged(from: oldValue) }
  }
  /// Whether the program bound it to an address.
  var isBoundToAddress = false
  /// Whether the program bound it to a port.
  var isBoundToPort = false

  // Listening
  var backlog = 0
  var acceptQueue: [TCPSocket] = []
  /// Connections that wait for the third segment.
  var halfOpen = 0
  /// When a SYN was last dropped or answered by a cookie.
  var lastOverflow = Int64.min
  weak var listener: TCPSocket?
  /// A half-open connection got its ACK, but there was no room or no data (`inet_rsk(req)->acked`).
  var isAcknowledgedEarly = false

  // Sending
  @exclusivity(unchecked) var initialSend: UInt32 = 0
  @exclusivity(unchecked) var sendUnacknowledged: UInt32 = 0
  @exclusivity(unchecked) var sendNext: UInt32 = 0
  /// The end of what was written.
  @exclusivity(unchecked) var writeSequence: UInt32 = 0
  /// Up to where PSH was set (`pushed_seq`).
  @exclusivity(unchecked) var pushedSequence: UInt32 = 0
  /// Where the last segment shorter than the maximum ended (`snd_sml`).
  @exclusivity(unchecked) var lastSmallEnd: UInt32 = 0
  @exclusivity(unchecked) var sendWindow = 0
  @exclusivity(unchecked) var sendWindowUpdate: UInt32 = 0
  /// The largest window that the peer offered.
  @exclusivity(unchecked) var maximumWindow = 0
  @exclusivity(unchecked) var sendScale: UInt8 = 0
  /// The bytes of `queue`; the first is that of the first segment.
  @exclusivity(unchecked) var sendBytes = ByteRing()
  @exclusivity(unchecked) var queue = SendQueue()
  /// Whether the program ended the stream.
  var isFinQueued = false
  /// The payload that a segment takes, options deducted (`mss_cache`).
  @exclusivity(unchecked) var maximumSegment = 536
  /// The peer's MSS option, or the default (`mss_clamp`).
  var peerSegment = 536
  /// `SO_SNDBUF`, as Linux accounts it.
  @exclusivity(unchecked) var sendLimit = 16_384
  /// A writer found no room since the last time that there was room (`SOCK_NOSPACE`).
  @exclusivity(unchecked) var lacksSpace = false

  // Congestion
  @exclusivity(unchecked) var recoveryState = RecoveryState.open
  @exclusivity(unchecked) var congestion = CongestionControl(.cubic)
  @exclusivity(unchecked) var congestionWindow = 10
  @exclusivity(unchecked) var slowStartThreshold = Int.max
  /// Segments counted towards the next growth (`snd_cwnd_cnt`).
  @exclusivity(unchecked) var congestionCount = 0
  var congestionClamp = Int.max
  /// When the window was last changed or found to be used up, in nanoseconds.
  @exclusivity(unchecked) var congestionStamp: Int64 = 0
  /// The most segments that were on their way in this round, and where the round ends.
  @exclusivity(unchecked) var mostInFlight = 0
  @exclusivity(unchecked) var roundEnd: UInt32 = 0
  @exclusivity(unchecked) var isWindowLimited = false
  @exclusivity(unchecked) var loss = LossRecovery()

  // Receiving
  @exclusivity(unchecked) var initialReceive: UInt32 = 0
  @exclusivity(unchecked) var receiveNext: UInt32 = 0
  /// Where the stream stood that the program has read (`copied_seq`).
  @exclusivity(unchecked) var copiedSequence: UInt32 = 0
  /// What was acknowledged last (`rcv_wup`), and the window that was offered with it.
  @exclusivity(unchecked) var lastAcknowledged: UInt32 = 0
  @exclusivity(unchecked) var offeredWindow = 0
  @exclusivity(unchecked) var receiveScale: UInt8 = 0
  @exclusivity(unchecked) var receiveBytes = ByteRing()
  @exclusivity(unchecked) var receiver = ReceiveState()
  @exclusivity(unchecked) var outOfOrder = OutOfOrderQueue()
  var isFinReceived = false

  // Options
  @exclusivity(unchecked) var usesTimestamps = false
  @exclusivity(unchecked) var usesSACK = false
  @exclusivity(unchecked) var recentTimestamp: UInt32 = 0
  /// When that was heard, in nanoseconds; negative if never.
  @exclusivity(unchecked) var recentTimestampAt: Int64 = -1
  var timestampOffset: UInt32 = 0
  @exclusivity(unchecked) var ecn = CongestionNotification()
  /// The MSS that this end announces.
  var advertisedSegment = 536
  /// The payload that fits that MSS, options deducted.
  var advertisedForData = 536

  // Timers
  @exclusivity(unchecked) var sendTimer = LazyTimer()
  @exclusivity(unchecked) var sendTimerKind = SendTimerKind.none
  @exclusivity(unchecked) var ackTimer = LazyTimer()
  /// Keepalive, FIN_WAIT2 and TIME_WAIT.
  @exclusivity(unchecked) var idleTimer = LazyTimer()
  /// When the two expire but for the coarseness of the kernel's timers, as `ss` shows it.
  @exclusivity(unchecked) var sendDue: Int64 = 0
  @exclusivity(unchecked) var idleDue: Int64 = 0
  @exclusivity(unchecked) var retransmissions = 0
  @exclusivity(unchecked) var totalRetransmissions = 0
  @exclusivity(unchecked) var timeouts = 0
  @exclusivity(unchecked) var backoff = 0
  @exclusivity(unchecked) var probesOut = 0
  @exclusivity(unchecked) var probesBegan: Int64 = -1
  @exclusivity(unchecked) var rtt = RoundTripEstimator()
  @exclusivity(unchecked) var opened = Instant.zero
  /// When an acknowledgement was last received.
  @exclusivity(unchecked) var lastHeard: Int64 = 0
  /// When data was last sent.
  @exclusivity(unchecked) var lastSent: Int64 = 0
  @exclusivity(unchecked) var lastInvalidAnswer = Int64.min / 2

  /// What `TCP_INFO` counts.
  @exclusivity(unchecked) var accounts = TCPAccounts()

  // The program's side
  /// The program closed it; the kernel finishes the connection.
  @exclusivity(unchecked) var isOrphan = false
  var isReadShut = false
  /// What the program does runs (`sock_owned_by_user`), and what it sends in this run.
  @exclusivity(unchecked) var work = ProgramWork()
  /// Where a connection's packets go, while that stays right.
  @exclusivity(unchecked) var way: ConnectionWay?
  /// What a connection in TIME_WAIT or FIN_WAIT2 without a program still knows.
  var waitsInFinWait2 = false
  /// Whether the layer counts it among those that wait.
  var isCountedWaiting = false
  /// An error that is told only when the connection fails (`sk_err_soft`).
  var softError: SocketError?

  var wire: TCPLayer { table.tcp }
  var settings: TCPSettings { stack.settings.tcp }
  @inline(__always)
  var now: Int64 { stack.simulation.now.nanoseconds }

  override init(number: UInt32, table: SocketTable) {
    super.init(number: number, table: table)
    let settings = table.stack.settings.tcp
    sendLimit = Int(settings.sendMemory.initial)
    receiver.limit = Int(settings.receiveMemory.initial)
  }

  /// `TCP_NODELAY`.
  public var isNoDelay: Bool {
    get { tcpOptions.isNoDelay }
    set { tcpOptions.isNoDelay = newValue }
  }

  /// `TCP_MAXSEG`, set before connecting; 0 for what the route allows.
  public var maximumSegmentLimit: Int {
    get { tcpOptions.maximumSegment }
    set { tcpOptions.maximumSegment = newValue }
  }

  /// Whether the connection is made.
  public var isEstablished: Bool {
    switch state {
    case .established, .closeWait, .finWait1, .finWait2: true
    default: false
    }
  }

  public override func close() { beginClosing() }

  /// The end of the connection: timers stop and the addresses are free.
  func finish(_ error: SocketError? = nil) {
    sendTimer.cancel(stack.simulation)
    ackTimer.cancel(stack.simulation)
    idleTimer.cancel(stack.simulation)
    sendTimerKind = .none
    if state == .synReceived, let listener {
      listener.halfOpen -= 1
      self.listener = nil
    }
    if state != .closed { wire.disconnected(self) }
    state = .closed
    queue.removeAll()
    sendBytes.removeAll()
    outOfOrder.removeAll()
    work.writes = []
    work.writtenBytes = 0
    work.endsStream = false
    way = nil
    if isOrphan { isClosed = true }
    if let error { pendingError = error }
    readable.wakeAll()
    writable.wakeAll()
    if isOrphan { table.forget(self) }
  }
}

/// The options of a TCP socket (`tcp(7)`, and `SO_KEEPALIVE` and `SO_LINGER` of `socket(7)`).
public struct TCPOptions: Sendable {
  /// `TCP_NODELAY`.
  public var isNoDelay = false
  /// `TCP_CORK`.
  public var isCorked = false
  /// `SO_KEEPALIVE`.
  public var keepsAlive = false
  /// `TCP_KEEPIDLE` in seconds; 0 takes `tcp_keepalive_time`.
  public var keepaliveIdle = 0
  /// `TCP_KEEPINTVL` in seconds; 0 takes `tcp_keepalive_intvl`.
  public var keepaliveInterval = 0
  /// `TCP_KEEPCNT`; 0 takes `tcp_keepalive_probes`.
  public var keepaliveCount = 0
  /// `TCP_USER_TIMEOUT` in milliseconds; 0 for none.
  public var userTimeout = 0
  /// `TCP_LINGER2` in seconds; 0 takes `tcp_fin_timeout`, a negative one ends FIN_WAIT2 at once.
  public var finTimeout = 0
  /// `SO_LINGER` in seconds; nil while it is off.
  public var linger: Int?
  /// `TCP_MAXSEG`; 0 for none.
  public var maximumSegment = 0
  /// `TCP_SYNCNT`; 0 takes `tcp_syn_retries`.
  public var synCount = 0
  /// `TCP_DEFER_ACCEPT` in seconds; 0 for none.
  public var deferAccept = 0
  /// `TCP_WINDOW_CLAMP`; 0 for none.
  public var windowClamp = 0
  /// `TCP_NOTSENT_LOWAT`; 0 takes `tcp_notsent_lowat`.
  public var notSentLowWater: UInt32 = 0
  /// `TCP_CONGESTION`; nil takes the route's or the namespace's.
  public var congestionControl: CongestionAlgorithm?
  /// `SO_RCVBUF` as given to `setsockopt`; 0 lets the kernel tune it.
  public var receiveBuffer = 0
  /// `SO_SNDBUF` as given to `setsockopt`; 0 lets the kernel tune it.
  public var sendBuffer = 0
  /// `SO_RCVLOWAT`.
  public var receiveLowWater = 1

  /// The defaults.
  public init() {}
}

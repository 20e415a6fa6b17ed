/// The metrics that a route gives to the packets and connections that use it, as `RTAX_*`.
///
/// A metric that is not set is 0, as in the kernel.
public struct RouteMetrics: Hashable, Sendable {
  /// The bits of the metrics that are locked, `1 << RTAX_*`.
  public var lock: UInt32 = 0
  /// The largest packet (`mtu`).
  public var mtu: UInt32 = 0
  /// The largest receive window to announce.
  public var window: UInt32 = 0
  /// The initial round-trip time, in eighths of a millisecond.
  public var rtt: UInt32 = 0
  /// Its variance, in quarters of a millisecond.
  public var rttvar: UInt32 = 0
  /// The initial slow-start threshold.
  public var ssthresh: UInt32 = 0
  /// The largest congestion window.
  public var cwnd: UInt32 = 0
  /// The segment size to announce.
  public var advmss: UInt32 = 0
  /// How far segments may be reordered.
  public var reordering: UInt32 = 0
  /// The initial TTL.
  public var hoplimit: UInt32 = 0
  /// The initial congestion window.
  public var initcwnd: UInt32 = 0
  /// The features, of which bit 0 is ECN.
  public var features: UInt32 = 0
  /// The smallest retransmission timeout, in milliseconds.
  public var rtoMin: UInt32 = 0
  /// The initial receive window.
  public var initrwnd: UInt32 = 0
  /// Whether ACKs are sent at once.
  public var quickack: UInt32 = 0
  /// Whether fast open works without a cookie.
  public var fastopenNoCookie: UInt32 = 0
  /// The congestion control algorithm; empty for the default.
  public var congestionControl: String = ""

  /// Makes metrics of which none is set.
  public init() {}

  /// Metrics of which none is set.
  public static let none = RouteMetrics()

  /// Whether path MTU discovery may not change the MTU (`mtu lock`).
  public var isMTULocked: Bool { lock & 1 << 2 != 0 }
}

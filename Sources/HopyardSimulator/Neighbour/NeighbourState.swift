/// The state of a neighbour entry, as Linux's `NUD_*` bits.
public enum NeighbourState: UInt16, Sendable, CaseIterable {
  /// Nothing is known and nothing was tried.
  case none = 0x00
  /// Asked, no answer yet.
  case incomplete = 0x01
  /// Confirmed recently.
  case reachable = 0x02
  /// Known, but not confirmed lately.
  case stale = 0x04
  /// Used while stale; a confirmation by upper layers is waited for.
  case delay = 0x08
  /// Being asked by unicast.
  case probe = 0x10
  /// Nobody answered.
  case failed = 0x20
  /// Needs no resolution.
  case noARP = 0x40
  /// Set by hand for good.
  case permanent = 0x80

  /// The name that `ip neigh` prints.
  public var name: String {
    switch self {
    case .none: "NONE"
    case .incomplete: "INCOMPLETE"
    case .reachable: "REACHABLE"
    case .stale: "STALE"
    case .delay: "DELAY"
    case .probe: "PROBE"
    case .failed: "FAILED"
    case .noARP: "NOARP"
    case .permanent: "PERMANENT"
    }
  }

  private static func bits(_ states: NeighbourState...) -> UInt16 {
    states.reduce(0) { $0 | $1.rawValue }
  }

  /// Its address may be used without asking (`NUD_CONNECTED`).
  var isConnected: Bool { rawValue & 0xc2 != 0 }
  /// It has a link-layer address (`NUD_VALID`).
  var isValid: Bool { rawValue & 0xde != 0 }
  /// A timer runs (`NUD_IN_TIMER`).
  var isTimed: Bool { rawValue & 0x1b != 0 }
}

/// The neighbour timers and limits of a device, as in `/proc/sys/net/ipv4/neigh/DEVICE`.
///
/// Times are in milliseconds where the kernel's file is, or kept in nanoseconds here.
public struct NeighbourParameters: Equatable, Sendable {
  /// `base_reachable_time_ms`.
  public var baseReachableTime: Int64 = .seconds(30)
  /// `retrans_time_ms`.
  public var retransmitTime: Int64 = .seconds(1)
  /// `delay_first_probe_time`.
  public var delayProbeTime: Int64 = .seconds(5)
  /// `interval_probe_time_ms`.
  public var intervalProbeTime: Int64 = .seconds(5)
  /// `gc_stale_time`.
  public var gcStaleTime: Int64 = .seconds(60)
  /// `locktime`, in nanoseconds.
  public var lockTime: Int64 = .seconds(1)
  /// `proxy_delay`, in nanoseconds.
  public var proxyDelay: Int64 = .milliseconds(800)
  /// `anycast_delay`, in nanoseconds.
  public var anycastDelay: Int64 = .seconds(1)
  /// `proxy_qlen`.
  public var proxyQueueLength = 64
  /// `unres_qlen_bytes`.
  public var queueBytes = 212_992
  /// `ucast_solicit`.
  public var unicastProbes = 3
  /// `mcast_solicit`.
  public var multicastProbes = 3
  /// `mcast_resolicit`.
  public var multicastReprobes = 0
  /// `app_solicit`.
  public var applicationProbes = 0

  /// Makes the kernel's defaults for IPv4.
  public init() {}
}

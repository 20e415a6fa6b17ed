/// The IPv4 settings of a whole namespace, as in `/proc/sys/net/ipv4`.
public struct NamespaceSettings: Sendable {
  /// `ip_forward`.
  public internal(set) var forwarding = false
  /// `ip_default_ttl`.
  public var defaultTTL: Int32 = 64
  /// `ip_no_pmtu_disc`.
  public var noPathMTUDiscovery: Int32 = 0
  /// `ip_forward_use_pmtu`.
  public var forwardUsesPathMTU: Int32 = 0
  /// `ip_nonlocal_bind`.
  public var nonlocalBind: Int32 = 0
  /// `ip_local_port_range`.
  public var localPorts: ClosedRange<UInt16> = 32768...60999
  /// `ip_unprivileged_port_start`.
  public var unprivilegedPortStart: Int32 = 1024
  /// `ipfrag_time` in seconds.
  public var fragmentTime: Int32 = 30
  /// `ipfrag_high_thresh`.
  public var fragmentHighThreshold: Int32 = 4_194_304
  /// `ipfrag_low_thresh`.
  public var fragmentLowThreshold: Int32 = 3_145_728
  /// `icmp_echo_ignore_all`.
  public var echoIgnoreAll: Int32 = 0
  /// `icmp_echo_ignore_broadcasts`.
  public var echoIgnoreBroadcasts: Int32 = 1
  /// `icmp_ratelimit` in milliseconds.
  public var icmpRateLimit: Int32 = 1000
  /// `icmp_ratemask`.
  public var icmpRateMask: Int32 = 6168
  /// `icmp_msgs_per_sec`.
  public var icmpMessagesPerSecond: Int32 = 1000
  /// `icmp_msgs_burst`.
  public var icmpMessagesBurst: Int32 = 50
  /// `icmp_errors_use_inbound_ifaddr`.
  public var errorsUseInboundAddress: Int32 = 0
  /// `icmp_ignore_bogus_error_responses`.
  public var ignoreBogusErrors: Int32 = 1
  /// `fwmark_reflect`.
  public var reflectMark: Int32 = 0
  /// `route/min_pmtu`.
  public var minimumPathMTU: Int32 = 552
  /// `route/mtu_expires` in seconds.
  public var pathMTUExpires: Int32 = 600
  /// `ping_group_range`; the baseline of labs allows nobody.
  public var pingGroups: (low: Int32, high: Int32) = (1, 0)
  /// `igmp_link_local_mcast_reports`.
  public var reportLinkLocalGroups: Int32 = 0
  /// `igmp_max_memberships`.
  public var maximumMemberships: Int32 = 20
  /// `fib_multipath_hash_policy`.
  public var multipathHashPolicy: Int32 = 0
  /// `fib_multipath_use_neigh`.
  public var multipathUsesNeighbours: Int32 = 0
  /// The settings of TCP.
  public var tcp: TCPSettings {
    get { sharedTCP.value }
    _modify { yield &sharedTCP.value }
  }
  private var sharedTCP = Self.standardTCP
  private static let standardTCP = SharedValue(TCPSettings())
  /// `udp_early_demux`, `tcp_early_demux` and others that change nothing here.
  public var inert: [String: String] = [:]

  /// The kernel's defaults.
  public init() {}
}

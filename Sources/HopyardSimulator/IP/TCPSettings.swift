/// The TCP settings of a namespace, as `/proc/sys/net/ipv4/tcp_*` (`tcp(7)`, `ip-sysctl.rst`).
public struct TCPSettings: Sendable {
  /// `tcp_syn_retries`.
  public var synRetries: Int32 = 6
  /// `tcp_synack_retries`.
  public var synAckRetries: Int32 = 5
  /// `tcp_syn_linear_timeouts`.
  public var synLinearTimeouts: Int32 = 4
  /// `tcp_sack`.
  public var sack: Int32 = 1
  /// `tcp_dsack`.
  public var dsack: Int32 = 1
  /// `tcp_timestamps`.
  public var timestamps: Int32 = 1
  /// `tcp_window_scaling`.
  public var windowScaling: Int32 = 1
  /// `tcp_ecn`: 0 never, 1 asks and answers, 2 only answers.
  public var ecn: Int32 = 2
  /// `tcp_ecn_fallback`.
  public var ecnFallback: Int32 = 1
  /// `tcp_fin_timeout` in seconds.
  public var finTimeout: Int32 = 60
  /// `tcp_keepalive_time` in seconds.
  public var keepaliveTime: Int32 = 7200
  /// `tcp_keepalive_intvl` in seconds.
  public var keepaliveInterval: Int32 = 75
  /// `tcp_keepalive_probes`.
  public var keepaliveProbes: Int32 = 9
  /// `tcp_retries1`.
  public var retries1: Int32 = 3
  /// `tcp_retries2`.
  public var retries2: Int32 = 15
  /// `tcp_orphan_retries`.
  public var orphanRetries: Int32 = 0
  /// `tcp_tw_reuse`: 0 never, 1 always, 2 on loopback only.
  public var timeWaitReuse: Int32 = 2
  /// `tcp_tw_reuse_delay` in milliseconds.
  public var timeWaitReuseDelay: Int32 = 1000
  /// `tcp_max_tw_buckets`.
  public var maximumTimeWait: Int32 = 131_072
  /// `tcp_rfc1337`.
  public var rfc1337: Int32 = 0
  /// `tcp_max_syn_backlog`.
  public var maximumSynBacklog: Int32 = 2048
  /// `tcp_syncookies`.
  public var synCookies: Int32 = 1
  /// `tcp_abort_on_overflow`.
  public var abortOnOverflow: Int32 = 0
  /// `net.core.somaxconn`.
  public var maximumBacklog: Int32 = 4096
  /// `tcp_rmem`: least, default and largest receive buffer.
  public var receiveMemory: (least: Int32, initial: Int32, most: Int32) =
    (4096, 131_072, 33_554_432)
  /// `tcp_wmem`: least, default and largest send buffer.
  public var sendMemory: (least: Int32, initial: Int32, most: Int32) = (4096, 16_384, 4_194_304)
  /// `net.core.rmem_max`.
  public var maximumReceiveBuffer: Int32 = 4_194_304
  /// `net.core.wmem_max`.
  public var maximumSendBuffer: Int32 = 4_194_304
  /// `tcp_moderate_rcvbuf`.
  public var moderateReceiveBuffer: Int32 = 1
  /// `tcp_slow_start_after_idle`.
  public var slowStartAfterIdle: Int32 = 1
  /// `tcp_reordering`.
  public var reordering: Int32 = 3
  /// `tcp_max_reordering`.
  public var maximumReordering: Int32 = 300
  /// `tcp_recovery`: bit 0 is RACK, bit 1 a fixed reordering window, bit 2 no duplicate threshold.
  public var recovery: Int32 = 1
  /// `tcp_early_retrans`: 3 and 4 use tail loss probes.
  public var earlyRetransmit: Int32 = 3
  /// `tcp_frto`.
  public var frto: Int32 = 2
  /// `tcp_min_tso_segs`.
  public var leastBurst: Int32 = 2
  /// `tcp_tso_win_divisor`.
  public var burstWindowDivisor: Int32 = 3
  /// `tcp_pacing_ss_ratio` in percent.
  public var pacingSlowStart: Int32 = 200
  /// `tcp_pacing_ca_ratio` in percent.
  public var pacingAvoidance: Int32 = 120
  /// `tcp_notsent_lowat`.
  public var notSentLowWater: UInt32 = .max
  /// `tcp_invalid_ratelimit` in milliseconds.
  public var invalidRateLimit: Int32 = 500
  /// `tcp_challenge_ack_limit`.
  public var challengeAckLimit: Int32 = .max
  /// `tcp_rto_min_us`.
  public var leastTimeout: Int32 = 200_000
  /// `tcp_rto_max_ms`.
  public var mostTimeout: Int32 = 120_000
  /// `tcp_comp_sack_delay_ns`.
  public var compressedAckDelay: Int32 = 1_000_000
  /// `tcp_comp_sack_nr`.
  public var compressedAcks: Int32 = 44
  /// `tcp_min_snd_mss`.
  public var leastSegment: Int32 = 48
  /// `tcp_pingpong_thresh`.
  public var interactiveThreshold: Int32 = 1
  /// `tcp_reflect_tos`.
  public var reflectsTOS: Int32 = 0
  /// `tcp_fwmark_accept`.
  public var acceptsMark: Int32 = 0
  /// `tcp_workaround_signed_windows`.
  public var signedWindows: Int32 = 0
  /// `tcp_thin_linear_timeouts`.
  public var thinLinearTimeouts: Int32 = 0
  /// `tcp_congestion_control`.
  public var congestionControl = CongestionAlgorithm.cubic
  /// `ip_local_reserved_ports`.
  public var reservedPorts: [ClosedRange<UInt16>] = []

  /// The kernel's defaults.
  public init() {}
}

/// The congestion control algorithms that are modelled (`tcp_available_congestion_control`).
public enum CongestionAlgorithm: String, Sendable, CaseIterable {
  /// NewReno (RFC 5681, RFC 6582).
  case reno
  /// CUBIC (RFC 9438).
  case cubic
}

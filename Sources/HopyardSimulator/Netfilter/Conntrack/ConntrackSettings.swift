/// The sysctls `net.netfilter.nf_conntrack_*` of a namespace; times are seconds.
public struct ConntrackSettings: Sendable {
  /// How many entries the table takes.
  public var max = 262_144
  /// Whether packets and bytes of new connections are counted.
  public var acct = 0
  /// Whether transport checksums are verified.
  public var checksum = 1
  /// Whether listeners are told of changes.
  public var events = 2
  /// Whether helpers attach by port.
  public var helper = 0
  /// Whether invalid packets are logged, by protocol.
  public var logInvalid = 0
  /// Whether start times are kept.
  public var timestamp = 0
  var genericTimeout = 600
  var icmpTimeout = 30
  var udpTimeout = 30
  var udpStreamTimeout = 120
  var greTimeout = 30
  var greStreamTimeout = 180
  var tcpBeLiberal = 0
  var tcpIgnoreInvalidRST = 0
  var tcpLoose = 1
  var tcpMaxRetrans = 3
  /// By state, as `ConntrackTCPState` numbers them; then the two of unanswered data.
  var tcpTimeouts: InlineArray<12, Int> = [
    0, 120, 60, 432_000, 120, 60, 30, 120, 10, 120, 300, 300,
  ]

  /// Makes the kernel's defaults.
  public init() {}

  /// The sysctls' names, without their common prefix, in the order of the directory.
  public static let names = [
    "acct", "buckets", "checksum", "count", "dccp_loose", "dccp_timeout_closereq",
    "dccp_timeout_closing", "dccp_timeout_open", "dccp_timeout_partopen", "dccp_timeout_request",
    "dccp_timeout_respond", "dccp_timeout_timewait", "events", "expect_max", "frag6_high_thresh",
    "frag6_low_thresh", "frag6_timeout", "generic_timeout", "gre_timeout", "gre_timeout_stream",
    "helper", "icmp_timeout", "icmpv6_timeout", "log_invalid", "max", "sctp_timeout_closed",
    "sctp_timeout_cookie_echoed", "sctp_timeout_cookie_wait", "sctp_timeout_established",
    "sctp_timeout_heartbeat_sent", "sctp_timeout_shutdown_ack_sent",
    "sctp_timeout_shutdown_recd", "sctp_timeout_shutdown_sent", "tcp_be_liberal",
    "tcp_ignore_invalid_rst", "tcp_loose", "tcp_max_retrans", "tcp_timeout_close",
    "tcp_timeout_close_wait", "tcp_timeout_established", "tcp_timeout_fin_wait",
    "tcp_timeout_last_ack", "tcp_timeout_max_retrans", "tcp_timeout_syn_recv",
    "tcp_timeout_syn_sent", "tcp_timeout_time_wait", "tcp_timeout_unacknowledged", "timestamp",
    "udp_timeout", "udp_timeout_stream",
  ]

  /// The value of a sysctl, named without `nf_conntrack_`; nil if it is not kept here.
  public subscript(name: String) -> Int? {
    get {
      switch name {
      case "max": max
      case "acct": acct
      case "checksum": checksum
      case "events": events
      case "helper": helper
      case "log_invalid": logInvalid
      case "timestamp": timestamp
      case "buckets": 262_144
      case "expect_max": 4096
      case "generic_timeout": genericTimeout
      case "icmp_timeout": icmpTimeout
      case "udp_timeout": udpTimeout
      case "udp_timeout_stream": udpStreamTimeout
      case "gre_timeout": greTimeout
      case "gre_timeout_stream": greStreamTimeout
      case "tcp_be_liberal": tcpBeLiberal
      case "tcp_ignore_invalid_rst": tcpIgnoreInvalidRST
      case "tcp_loose": tcpLoose
      case "tcp_max_retrans": tcpMaxRetrans
      default: Self.tcpTimeout(name).map { tcpTimeouts[$0] }
      }
    }
    set {
      guard let newValue else { return }
      switch name {
      case "max": max = newValue
      case "acct": acct = newValue
      case "checksum": checksum = newValue
      case "events": events = newValue
      case "helper": helper = newValue
      case "log_invalid": logInvalid = newValue
      case "timestamp": timestamp = newValue
      case "generic_timeout": genericTimeout = newValue
      case "icmp_timeout": icmpTimeout = newValue
      case "udp_timeout": udpTimeout = newValue
      case "udp_timeout_stream": udpStreamTimeout = newValue
      case "gre_timeout": greTimeout = newValue
      case "gre_timeout_stream": greStreamTimeout = newValue
      case "tcp_be_liberal": tcpBeLiberal = newValue
      case "tcp_ignore_invalid_rst": tcpIgnoreInvalidRST = newValue
      case "tcp_loose": tcpLoose = newValue
      case "tcp_max_retrans": tcpMaxRetrans = newValue
      default:
        if let index = Self.tcpTimeout(name) { tcpTimeouts[index] = newValue }
      }
    }
  }

  private static func tcpTimeout(_ name: String) -> Int? {
    switch name {
    case "tcp_timeout_syn_sent": 1
    case "tcp_timeout_syn_recv": 2
    case "tcp_timeout_established": 3
    case "tcp_timeout_fin_wait": 4
    case "tcp_timeout_close_wait": 5
    case "tcp_timeout_last_ack": 6
    case "tcp_timeout_time_wait": 7
    case "tcp_timeout_close": 8
    case "tcp_timeout_max_retrans": 10
    case "tcp_timeout_unacknowledged": 11
    default: nil
    }
  }
}

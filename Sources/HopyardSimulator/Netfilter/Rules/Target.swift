public import HopyardWire

/// What a rule does with a packet (`-j` or `-g`).
public enum Target: Hashable, Sendable {
  /// The packet passes this hook's table.
  case accept
  /// The packet vanishes.
  case drop
  /// The packet goes to a program; without one it is dropped (`QUEUE`).
  case queue
  /// The chain ends here.
  case `return`
  /// Another chain is asked, then the next rule (`-j CHAIN`).
  case jump(String)
  /// Another chain is asked instead of this one (`-g CHAIN`).
  case goto(String)
  /// `CHECKSUM --checksum-fill`.
  case checksumFill
  /// `CLASSIFY`: the packet's class for traffic control, major and minor number.
  case classify(UInt32)
  /// `CONNMARK`: sets, saves or restores the connection's mark.
  case connectionMark(ConnectionMarkTarget)
  /// `CT`: how conntrack treats the packet.
  case conntrack(ConntrackTarget)
  /// `DNAT`.
  case dnat(NATTarget)
  /// `DSCP`: the upper six bits of the TOS field.
  case dscp(UInt8)
  /// `HL` (IPv6): the hop limit.
  case hopLimit(HopTarget)
  /// `LOG`: a line in the kernel's log.
  case log(LogTarget)
  /// `MARK`: the packet's mark.
  case mark(MarkTarget)
  /// `MASQUERADE`: SNAT to the address of the outgoing interface.
  case masquerade(PortTarget)
  /// `NETMAP`: one network onto another.
  case netmap(AddressMatch)
  /// `NFLOG`: the packet goes to a program as a copy.
  case nflog(NFLogTarget)
  /// `NFQUEUE`: the packet goes to a program.
  case nfqueue(NFQueueTarget)
  /// `NOTRACK`: conntrack leaves the packet alone.
  case notrack
  /// `REDIRECT`: DNAT to this host.
  case redirect(PortTarget)
  /// `REJECT`: the packet is dropped and answered.
  case reject(RejectReason)
  /// `SET`: entries of ipsets are added or removed.
  case set(SetTarget)
  /// `SNAT`.
  case snat(NATTarget)
  /// `TCPMSS`: the MSS option of a SYN.
  case tcpMSS(MSSTarget)
  /// `TEE`: a copy goes to another host.
  case tee(TeeTarget)
  /// `TOS`: the TOS field.
  case tos(TOSTarget)
  /// `TPROXY`: the packet goes to a local socket without translation.
  case tproxy(TProxyTarget)
  /// `TRACE`: the packet's way through the tables is logged.
  case trace
  /// `TTL` (IPv4): the time to live.
  case ttl(HopTarget)
  /// `AUDIT`: a line in the audit log, which is outside the model.
  case audit(AuditKind)
  /// `CONNSECMARK`: saves (true) or restores the security mark, which nothing here sets.
  case connectionSecurityMark(Bool)
  /// `ECN` (IPv4): the bits of congestion notification.
  case ecn(ECNTarget)
  /// `HMARK`: a mark made from addresses and ports.
  case hashMark(HashMarkTarget)
  /// `IDLETIMER`: a timer that programs outside the network see.
  case idleTimer(IdleTimerTarget)
  /// `LED`: a light.
  case led(LEDTarget)
  /// `RATEEST`: the packet is counted by a rate estimator.
  case rateEstimator(RateEstimatorTarget)
  /// `SECMARK`: a security context.
  case securityMark(String)
  /// `SNPT` (IPv6): the prefix of the source.
  case sourcePrefix(PrefixTarget)
  /// `DNPT` (IPv6): the prefix of the destination.
  case destinationPrefix(PrefixTarget)
  /// `SYNPROXY`: handshakes are made in place of a server.
  case synproxy(SynproxyTarget)
  /// `TCPOPTSTRIP`: TCP options are overwritten.
  case stripTCPOptions(TCPOptionSet)

  /// The name after `-j` or `-g`.
  public var name: String {
    switch self {
    case .accept: "ACCEPT"
    case .drop: "DROP"
    case .queue: "QUEUE"
    case .return: "RETURN"
    case .jump(let name), .goto(let name): name
    case .checksumFill: "CHECKSUM"
    case .classify: "CLASSIFY"
    case .connectionMark: "CONNMARK"
    case .conntrack: "CT"
    case .dnat: "DNAT"
    case .dscp: "DSCP"
    case .hopLimit: "HL"
    case .log: "LOG"
    case .mark: "MARK"
    case .masquerade: "MASQUERADE"
    case .netmap: "NETMAP"
    case .nflog: "NFLOG"
    case .nfqueue: "NFQUEUE"
    case .notrack: "NOTRACK"
    case .redirect: "REDIRECT"
    case .reject: "REJECT"
    case .set: "SET"
    case .snat: "SNAT"
    case .tcpMSS: "TCPMSS"
    case .tee: "TEE"
    case .tos: "TOS"
    case .tproxy: "TPROXY"
    case .trace: "TRACE"
    case .ttl: "TTL"
    case .audit: "AUDIT"
    case .connectionSecurityMark: "CONNSECMARK"
    case .ecn: "ECN"
    case .hashMark: "HMARK"
    case .idleTimer: "IDLETIMER"
    case .led: "LED"
    case .rateEstimator: "RATEEST"
    case .securityMark: "SECMARK"
    case .sourcePrefix: "SNPT"
    case .destinationPrefix: "DNPT"
    case .synproxy: "SYNPROXY"
    case .stripTCPOptions: "TCPOPTSTRIP"
    }
  }

  /// Whether conntrack must run while a rule with this target is in a table.
  public var needsConntrack: Bool {
    switch self {
    // Leaving packets alone needs nobody who would not.
    case .conntrack(let wanted): !wanted.isUntracked
    case .hashMark(let wanted): wanted.fields.contains(.connection)
    case .connectionMark, .connectionSecurityMark, .dnat, .masquerade, .netmap, .redirect, .snat,
      .synproxy:
      true
    default: false
    }
  }
}

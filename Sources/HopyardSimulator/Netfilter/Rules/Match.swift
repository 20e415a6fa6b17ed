public import HopyardWire

/// A match (`-m`) with its options.
public enum Match: Hashable, Sendable {
  /// `addrtype`: the kind of an address, as the routing table sees it.
  case addressType(AddressTypeMatch)
  /// `ah`: the SPI of an authentication header.
  case ah(SPIMatch)
  /// `comment`: always true.
  case comment(String)
  /// `connbytes`: how much a connection has carried.
  case connectionBytes(ConnectionBytesMatch)
  /// `connlimit`: how many connections a client has.
  case connectionLimit(ConnectionLimitMatch)
  /// `connmark`: the mark of the connection.
  case connectionMark(MarkMatch)
  /// `conntrack`: the connection.
  case conntrack(ConntrackMatch)
  /// `dscp`: the upper six bits of the TOS field.
  case dscp(ValueMatch)
  /// `esp`: the SPI of an encapsulating security payload.
  case esp(SPIMatch)
  /// `hashlimit`: a limit for each address or port.
  case hashLimit(HashLimitMatch)
  /// `helper`: the conntrack helper of the connection's master.
  case helper(HelperMatch)
  /// `hl` (IPv6): the hop limit.
  case hopLimit(HopMatch)
  /// `icmp` (IPv4): type and code.
  case icmp(ICMPMatch)
  /// `icmp6` (IPv6): type and code.
  case icmpv6(ICMPMatch)
  /// `iprange`: first and last address.
  case addressRange(AddressRangeMatch)
  /// `length`: the length of the IP packet.
  case length(RangeMatch)
  /// `limit`: a token bucket.
  case limit(LimitMatch)
  /// `mac`: the source address of the frame.
  case mac(MACMatch)
  /// `mark`: the mark of the packet.
  case mark(MarkMatch)
  /// `multiport`: up to fifteen ports.
  case multiport(MultiportMatch)
  /// `owner`: who owns the sending socket.
  case owner(OwnerMatch)
  /// `physdev`: the bridge ports.
  case physicalDevice(PhysicalDeviceMatch)
  /// `pkttype`: how the frame was addressed.
  case packetType(PacketTypeMatch)
  /// `quota`: a number of bytes that is used up.
  case quota(QuotaMatch)
  /// `recent`: a list of addresses that rules write.
  case recent(RecentMatch)
  /// `rpfilter`: whether the reply would leave where the packet came in.
  case reversePath(ReversePathMatch)
  /// `sctp`: ports and kinds of chunks.
  case sctp(SCTPMatch)
  /// `set`: membership of an ipset.
  case set(SetMatch)
  /// `socket`: whether a local socket is there for the packet.
  case socket(SocketMatch)
  /// `state`: the old form of `conntrack --ctstate`.
  case state(StateMatch)
  /// `statistic`: chance, or every n-th packet.
  case statistic(StatisticMatch)
  /// `string`: bytes in the packet.
  case string(StringMatch)
  /// `tcp`: ports, flags and options.
  case tcp(TCPMatch)
  /// `tcpmss`: the MSS option of a SYN.
  case tcpMSS(RangeMatch)
  /// `tos`: the TOS field.
  case tos(TOSMatch)
  /// `ttl` (IPv4): the time to live.
  case ttl(HopMatch)
  /// `u32`: tests of words of the packet.
  case u32(U32Match)
  /// `udp`: ports.
  case udp(UDPMatch)
  /// `nfacct`: counts the packet in an accounting object and always holds.
  case accounting(String)
  /// `bpf`: a program of the Berkeley packet filter.
  case bpf(FilterProgram)
  /// `cluster`: whether the connection belongs to this node.
  case cluster(ClusterMatch)
  /// `ipcomp`: the compression parameter index.
  case compression(CompressionMatch)
  /// `connlabel`: a label of the connection.
  case connectionLabel(ConnectionLabelMatch)
  /// `cgroup`: the control group of the sending socket.
  case controlGroup(ControlGroupMatch)
  /// `cpu`: the processor that handles the packet; the model has one, number 0.
  case cpu(NumberMatch)
  /// `dccp`: ports, types and options.
  case dccp(DCCPMatch)
  /// `dst` (IPv6): destination options.
  case destinationOptions(OptionsHeaderMatch)
  /// `devgroup`: the groups of devices.
  case deviceGroup(DeviceGroupMatch)
  /// `ecn`: the bits of congestion notification.
  case ecn(ECNMatch)
  /// `eui64` (IPv6): whether the source address was made from the MAC address.
  case eui64
  /// `osf`: the sender's operating system.
  case fingerprint(FingerprintMatch)
  /// `frag` (IPv6): the fragment header.
  case fragment(FragmentMatch)
  /// `ipv6header` (IPv6): which extension headers there are.
  case headerList(HeaderListMatch)
  /// `hbh` (IPv6): hop-by-hop options.
  case hopByHop(OptionsHeaderMatch)
  /// `ipvs`: what IPVS does with the packet.
  case ipvs(IPVSMatch)
  /// `mh` (IPv6): the type of a mobility message.
  case mobility(MobilityMatch)
  /// `policy`: what IPsec does with the packet.
  case policy(PolicyMatch)
  /// `rateest`: a rate that was measured.
  case rate(RateMatch)
  /// `realm`: the realm of the route.
  case realm(MarkMatch)
  /// `rt` (IPv6): the routing header.
  case routingHeader(RoutingHeaderMatch)
  /// `srh` (IPv6): the segment routing header.
  case segmentRouting(SegmentRoutingMatch)
  /// `time`: when the packet comes.
  case time(TimeMatch)

  /// The name after `-m`.
  public var name: String {
    switch self {
    case .addressType: "addrtype"
    case .ah: "ah"
    case .comment: "comment"
    case .connectionBytes: "connbytes"
    case .connectionLimit: "connlimit"
    case .connectionMark: "connmark"
    case .conntrack: "conntrack"
    case .dscp: "dscp"
    case .esp: "esp"
    case .hashLimit: "hashlimit"
    case .helper: "helper"
    case .hopLimit: "hl"
    case .icmp: "icmp"
    case .icmpv6: "icmp6"
    case .addressRange: "iprange"
    case .length: "length"
    case .limit: "limit"
    case .mac: "mac"
    case .mark: "mark"
    case .multiport: "multiport"
    case .owner: "owner"
    case .physicalDevice: "physdev"
    case .packetType: "pkttype"
    case .quota: "quota"
    case .recent: "recent"
    case .reversePath: "rpfilter"
    case .sctp: "sctp"
    case .set: "set"
    case .socket: "socket"
    case .state: "state"
    case .statistic: "statistic"
    case .string: "string"
    case .tcp: "tcp"
    case .tcpMSS: "tcpmss"
    case .tos: "tos"
    case .ttl: "ttl"
    case .u32: "u32"
    case .udp: "udp"
    case .accounting: "nfacct"
    case .bpf: "bpf"
    case .cluster: "cluster"
    case .compression: "ipcomp"
    case .connectionLabel: "connlabel"
    case .controlGroup: "cgroup"
    case .cpu: "cpu"
    case .dccp: "dccp"
    case .destinationOptions: "dst"
    case .deviceGroup: "devgroup"
    case .ecn: "ecn"
    case .eui64: "eui64"
    case .fingerprint: "osf"
    case .fragment: "frag"
    case .headerList: "ipv6header"
    case .hopByHop: "hbh"
    case .ipvs: "ipvs"
    case .mobility: "mh"
    case .policy: "policy"
    case .rate: "rateest"
    case .realm: "realm"
    case .routingHeader: "rt"
    case .segmentRouting: "srh"
    case .time: "time"
    }
  }

  /// Whether conntrack must run while a rule with this match is in a table.
  public var needsConntrack: Bool {
    switch self {
    case .cluster, .connectionBytes, .connectionLabel, .connectionLimit, .connectionMark,
      .conntrack, .helper, .state:
      true
    default: false
    }
  }

  /// Whether the match keeps state of its own between packets.
  public var isStateful: Bool {
    switch self {
    case .limit, .quota, .connectionLimit, .hashLimit, .recent: true
    case .statistic(let match): match.isStateful
    default: false
    }
  }
}

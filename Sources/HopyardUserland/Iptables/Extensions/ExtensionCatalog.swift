import HopyardSimulator

/// Finds the reader of a match or target by its name.
enum ExtensionCatalog {
  /// The reader of a match; nil if there is none of the name.
  static func match(_ name: String, _ family: RuleFamily) -> RuleExtension? {
    switch name {
    case "addrtype": AddressTypeExtension()
    case "ah" where family == .ipv4: SPIExtension("ah")
    case "comment": CommentExtension()
    case "connbytes": ConnectionBytesExtension()
    case "connlimit": ConnectionLimitExtension(family)
    case "connmark": MarkExtension("connmark")
    case "conntrack": ConntrackExtension()
    case "dscp": DSCPExtension()
    case "esp": SPIExtension("esp")
    case "hashlimit": HashLimitExtension(family)
    case "helper": HelperExtension()
    case "hl" where family == .ipv6: HopMatchExtension(family)
    case "icmp" where family == .ipv4: ICMPExtension(family)
    case "icmp6" where family == .ipv6: ICMPExtension(family)
    case "iprange": AddressRangeExtension()
    case "length": LengthExtension("length")
    case "limit": LimitExtension()
    case "mac": MACExtension()
    case "mark": MarkExtension("mark")
    case "multiport": MultiportExtension()
    case "owner": OwnerExtension()
    case "physdev": PhysicalDeviceExtension()
    case "pkttype": PacketTypeExtension()
    case "quota": QuotaExtension()
    case "recent": RecentExtension(family)
    case "rpfilter": ReversePathExtension()
    case "sctp": SCTPExtension()
    case "set": SetMatchExtension()
    case "socket": SocketExtension()
    case "state": StateExtension()
    case "statistic": StatisticExtension()
    case "string": StringExtension()
    case "tcp": TCPExtension()
    case "tcpmss": LengthExtension("tcpmss")
    case "tos": TOSExtension()
    case "ttl" where family == .ipv4: HopMatchExtension(family)
    case "u32": U32Extension()
    case "udp": UDPExtension()
    default: nil
    }
  }

  /// The reader of a target; nil if there is none of the name.
  static func target(_ name: String, _ family: RuleFamily) -> RuleExtension? {
    switch name {
    case "ACCEPT": PlainTargetExtension(name, .accept)
    case "DROP": PlainTargetExtension(name, .drop)
    case "QUEUE": PlainTargetExtension(name, .queue)
    case "RETURN": PlainTargetExtension(name, .return)
    case "CHECKSUM": ChecksumExtension()
    case "CLASSIFY": ClassifyExtension()
    case "CONNMARK": ConnectionMarkExtension()
    case "CT": ConntrackTargetExtension()
    case "DNAT": NATExtension(isSource: false)
    case "DSCP": DSCPTargetExtension()
    case "HL" where family == .ipv6: HopTargetExtension(family)
    case "LOG": LogExtension()
    case "MARK": MarkTargetExtension()
    case "MASQUERADE": PortTargetExtension(isRedirect: false)
    case "NETMAP": NetmapExtension()
    case "NFLOG": NFLogExtension()
    case "NFQUEUE": NFQueueExtension()
    case "NOTRACK": PlainTargetExtension(name, .notrack)
    case "REDIRECT": PortTargetExtension(isRedirect: true)
    case "REJECT": RejectExtension(family)
    case "SET": SetTargetExtension()
    case "SNAT": NATExtension(isSource: true)
    case "TCPMSS": MSSExtension()
    case "TEE": TeeExtension()
    case "TOS": TOSTargetExtension()
    case "TPROXY": TProxyExtension()
    case "TRACE": PlainTargetExtension(name, .trace)
    case "TTL" where family == .ipv4: HopTargetExtension(family)
    default: nil
    }
  }

  /// Matches that real systems have and the model lacks.
  static let unmodelledMatches: Set<String> = [
    "bpf", "cgroup", "cluster", "connlabel", "cpu", "dccp", "devgroup", "dst", "ecn", "eui64",
    "frag", "hbh", "ipcomp", "ipv6header", "ipvs", "mh", "nfacct", "osf", "policy", "rateest",
    "realm", "rt", "srh", "time",
  ]

  /// Targets that real systems have and the model lacks.
  static let unmodelledTargets: Set<String> = [
    "AUDIT", "CLUSTERIP", "CONNSECMARK", "DNPT", "ECN", "HMARK", "IDLETIMER", "LED", "RATEEST",
    "SECMARK", "SNPT", "SYNPROXY", "TCPOPTSTRIP", "ULOG",
  ]
}

/// Says which matches and targets the evaluation carries out.
///
/// Text that names another is read and then refused, so that no rule is kept that would do
/// nothing. This is the one place to change when the evaluation learns more.
public enum ModelledRules {
  /// Names after `-m` that the evaluation knows.
  public static let matches: Set<String> = [
    "addrtype", "ah", "bpf", "cgroup", "cluster", "comment", "connbytes", "connlabel",
    "connlimit", "connmark", "conntrack", "cpu", "dccp", "devgroup", "dscp", "ecn", "esp",
    "hashlimit", "helper", "icmp", "ipcomp", "iprange", "ipvs", "length", "limit", "mac", "mark",
    "multiport", "nfacct", "osf", "owner", "physdev", "pkttype", "policy", "quota", "rateest",
    "realm", "recent", "rpfilter", "sctp", "set", "socket", "state", "statistic", "string", "tcp",
    "tcpmss", "time", "tos", "ttl", "u32", "udp",
  ]

  /// Names after `-m` that are evaluated on IPv6 packets only.
  public static let matches6: Set<String> = [
    "dst", "eui64", "frag", "hbh", "hl", "icmp6", "ipv6header", "mh", "rt", "srh",
  ]

  /// Names after `-j` that the evaluation knows, jumps to chains aside.
  public static let targets: Set<String> = [
    "ACCEPT", "AUDIT", "CHECKSUM", "CLASSIFY", "CONNMARK", "CONNSECMARK", "CT", "DNAT", "DROP",
    "DSCP", "ECN", "HMARK", "IDLETIMER", "LED", "LOG", "MARK", "MASQUERADE", "NETMAP", "NFLOG",
    "NFQUEUE", "NOTRACK", "QUEUE", "RATEEST", "REDIRECT", "REJECT", "RETURN", "SET", "SNAT",
    "TCPMSS", "TCPOPTSTRIP", "TEE", "TOS", "TPROXY", "TRACE", "TTL",
  ]

  /// Names after `-j` that are evaluated on IPv6 packets only.
  public static let targets6: Set<String> = ["DNPT", "HL", "SNPT"]

  /// The first part of a rule that the evaluation does not carry out, as `-m limit`, or nil.
  public static func firstUnmodelled(in rule: Rule) -> String? {
    if let match = rule.matches.first(where: {
      !matches.contains($0.name) && !matches6.contains($0.name)
    }) {
      return "-m \(match.name)"
    }
    switch rule.target {
    case nil, .jump, .goto: return nil
    case .conntrack(let wanted):
      if wanted.timeout != nil { return "-j CT --timeout" }
      // The helpers that read what applications say to each other.
      if let helper = wanted.helper, helper != "ftp" { return "-j CT --helper \(helper)" }
      return nil
    case .some(let target):
      let name = target.name
      return targets.contains(name) || targets6.contains(name) ? nil : "-j \(name)"
    }
  }
}

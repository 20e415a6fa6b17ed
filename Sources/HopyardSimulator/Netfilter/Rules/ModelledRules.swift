/// Says which matches and targets the evaluation carries out.
///
/// Text that names another is read and then refused, so that no rule is kept that would do
/// nothing. This is the one place to change when the evaluation learns more.
public enum ModelledRules {
  /// Names after `-m` that the evaluation knows.
  public static let matches: Set<String> = [
    "addrtype", "ah", "comment", "connbytes", "connlimit", "connmark", "conntrack", "dscp", "esp",
    "hashlimit", "helper", "icmp", "iprange", "length", "limit", "mac", "mark", "multiport",
    "owner", "physdev", "pkttype", "quota", "recent", "rpfilter", "sctp", "set",
    "socket", "state",
    "statistic", "string", "tcp", "tcpmss", "tos", "ttl", "u32", "udp",
  ]

  /// Names after `-j` that the evaluation knows, jumps to chains aside.
  public static let targets: Set<String> = [
    "ACCEPT", "CHECKSUM", "CLASSIFY", "CONNMARK", "CT", "DNAT", "DROP", "DSCP", "LOG", "MARK",
    "MASQUERADE", "NETMAP", "NFLOG", "NFQUEUE", "NOTRACK", "QUEUE", "REDIRECT", "REJECT", "RETURN",
    "SET", "SNAT", "TCPMSS", "TEE", "TOS", "TPROXY",
    "TRACE", "TTL",
  ]

  /// The first part of a rule that the evaluation does not carry out, as `-m limit`, or nil.
  public static func firstUnmodelled(in rule: Rule) -> String? {
    if let match = rule.matches.first(where: { !matches.contains($0.name) }) {
      return "-m \(match.name)"
    }
    switch rule.target {
    case nil, .jump, .goto: return nil
    case .conntrack(let wanted):
      if wanted.timeout != nil { return "-j CT --timeout" }
      // The helpers that read what applications say to each other.
      if let helper = wanted.helper, helper != "ftp" { return "-j CT --helper \(helper)" }
      return nil
    case .some(let target): return targets.contains(target.name) ? nil : "-j \(target.name)"
    }
  }
}

/// Says which matches and targets the evaluation carries out.
///
/// Text that names another is read and then refused, so that no rule is kept that would do
/// nothing. This is the one place to change when the evaluation learns more.
public enum ModelledRules {
  /// Names after `-m` that the evaluation knows.
  public static let matches: Set<String> = [
    "addrtype", "comment", "connmark", "conntrack", "icmp", "mark", "multiport", "state", "tcp",
    "udp",
  ]

  /// Names after `-j` that the evaluation knows, jumps to chains aside.
  public static let targets: Set<String> = [
    "ACCEPT", "CONNMARK", "CT", "DNAT", "DROP", "MARK", "MASQUERADE", "NETMAP", "NOTRACK",
    "REDIRECT", "REJECT", "RETURN", "SNAT",
  ]

  /// The first part of a rule that the evaluation does not carry out, as `-m limit`, or nil.
  public static func firstUnmodelled(in rule: Rule) -> String? {
    if let match = rule.matches.first(where: { !matches.contains($0.name) }) {
      return "-m \(match.name)"
    }
    switch rule.target {
    case nil, .jump, .goto: return nil
    case .some(let target): return targets.contains(target.name) ? nil : "-j \(target.name)"
    }
  }
}

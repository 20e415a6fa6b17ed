import HopyardSimulator
import HopyardWire

/// Edits a namespace's rules the way dockerd calls iptables: what is there is not added again, and
/// what is not there is not an error to delete.
struct RulesetWriter {
  let ruleset: Ruleset

  init(_ namespace: NetworkNamespace, _ family: RuleFamily, _ variant: RulesetVariant) {
    ruleset = namespace.netfilter.ruleset(family, variant)
  }

  func makeChain(_ name: String, _ table: RuleTable) {
    let table = ruleset.table(table)
    if !table.hasChain(name) { try? table.makeChain(name) }
  }

  /// Adds a rule behind the others; `isNew` says that it cannot be there yet.
  func append(_ rule: Rule, to chain: String, _ table: RuleTable, isNew: Bool = false) {
    let table = ruleset.table(table)
    if !isNew, table.firstIndex(of: rule, inChain: chain) != nil { return }
    try? table.insert(rule, inChain: chain)
  }

  /// Adds a rule before the others.
  func insert(_ rule: Rule, in chain: String, _ table: RuleTable, isNew: Bool = false) {
    let table = ruleset.table(table)
    if !isNew, table.firstIndex(of: rule, inChain: chain) != nil { return }
    try? table.insert(rule, at: 0, inChain: chain)
  }

  func delete(_ rule: Rule, from chain: String, _ table: RuleTable) {
    guard let table = ruleset.existing(table),
      let index = table.firstIndex(of: rule, inChain: chain)
    else { return }
    try? table.remove(index, inChain: chain)
  }

  /// Puts a jump before all other rules of a chain, taking it away where it stood.
  func ensureFirst(_ rule: Rule, in chain: String, _ table: RuleTable) {
    delete(rule, from: chain, table)
    insert(rule, in: chain, table, isNew: true)
  }

  func setPolicy(_ policy: ChainPolicy, of chain: String, _ table: RuleTable) {
    try? ruleset.table(table).setPolicy(ofChain: chain, to: policy)
  }
}

extension Rule {
  /// A rule by its interfaces: a name with `!` before it stands for all others.
  init(from input: String? = nil, to output: String? = nil, _ target: Target) {
    self.init(
      inInterface: input.map(Self.interface),
      outInterface: output.map(Self.interface),
      target: target
    )
  }

  private static func interface(_ text: String) -> InterfaceMatch {
    text.hasPrefix("!")
      ? InterfaceMatch(String(text.dropFirst()), inverted: true) : InterfaceMatch(text)
  }

  /// The same rule for packets to a port.
  func toPort(_ port: UInt16, _ ipProtocol: IPProtocol) -> Rule {
    var rule = self
    rule.protocol = ProtocolMatch(ipProtocol)
    rule.matches.append(PortRules.destination(port, ipProtocol))
    return rule
  }

  /// The same rule for packets from a port.
  func fromPort(_ port: UInt16, _ ipProtocol: IPProtocol) -> Rule {
    var rule = self
    rule.protocol = ProtocolMatch(ipProtocol)
    rule.matches.append(PortRules.source(port, ipProtocol))
    return rule
  }

  /// The same rule for packets to an address or network.
  func to(_ destination: AddressMatch?) -> Rule {
    var rule = self
    rule.destination = destination
    return rule
  }

  /// The same rule for packets from an address or network.
  func from(_ source: AddressMatch?) -> Rule {
    var rule = self
    rule.source = source
    return rule
  }

  /// The same rule with one more match.
  func matching(_ match: Match) -> Rule {
    var rule = self
    rule.matches.append(match)
    return rule
  }
}

enum PortRules {
  static func destination(_ port: UInt16, _ ipProtocol: IPProtocol) -> Match {
    switch ipProtocol {
    case .tcp: .tcp(TCPMatch(destination: PortMatch(port)))
    case .sctp: .sctp(SCTPMatch(destination: PortMatch(port)))
    default: .udp(UDPMatch(destination: PortMatch(port)))
    }
  }

  static func source(_ port: UInt16, _ ipProtocol: IPProtocol) -> Match {
    switch ipProtocol {
    case .tcp: .tcp(TCPMatch(source: PortMatch(port)))
    case .sctp: .sctp(SCTPMatch(source: PortMatch(port)))
    default: .udp(UDPMatch(source: PortMatch(port)))
    }
  }
}

extension AddressMatch {
  /// The match of one address of either family.
  init(_ address: IPAddress) {
    switch address {
    case .v4(let address): self.init(address)
    case .v6(let address): self.init(address)
    }
  }

  /// The same match the other way round.
  var not: AddressMatch {
    AddressMatch(address: address, mask: mask, inverted: !inverted)
  }
}

extension Match {
  /// `-m addrtype --dst-type LOCAL`.
  static let toLocal = Match.addressType(AddressTypeMatch(destination: .init(.local)))
  /// `-m addrtype --src-type LOCAL`.
  static let fromLocal = Match.addressType(AddressTypeMatch(source: .init(.local)))
  /// `-m conntrack --ctstate RELATED,ESTABLISHED`.
  static let isKnown = Match.conntrack(
    ConntrackMatch(states: StateMatch([.related, .established]))
  )
}

public import HopyardSimulator
public import HopyardWire

/// A rule of kube-proxy, which it writes as text for iptables-restore and which is installed here
/// as a typed rule.
public struct ProxyRule: Hashable, Sendable {
  /// A part of a rule, in the order in which kube-proxy writes it.
  public enum Part: Hashable, Sendable {
    case comment(String)
    case ipProtocol(IPProtocol)
    case destination(KubePrefix, inverted: Bool = false)
    case source(KubePrefix, inverted: Bool = false)
    case inInterface(String, isPrefix: Bool, inverted: Bool)
    case destinationPort(UInt16)
    case localDestination
    case localSource
    case states(ConntrackStates, inverted: Bool)
    case mark(UInt32, inverted: Bool)
    case recentSet(String)
    case recentCheck(String, seconds: UInt32)
    /// One of so many endpoints, by chance.
    case oneOf(Int)
    /// An accounting object of the kernel; it counts and always holds.
    case accounting(String)
  }

  /// What happens.
  public enum Action: Hashable, Sendable {
    case jump(String)
    case accept
    case drop
    case reject
    case `return`
    case orMark(UInt32)
    case xorMark(UInt32)
    case masquerade(randomFully: Bool)
    case dnat(IPAddress, UInt16)
  }

  /// Its parts.
  public var parts: [Part]
  /// What happens; nil for a rule that only stands there.
  public var action: Action?

  /// Makes a rule.
  public init(_ parts: [Part], _ action: Action?) {
    self.parts = parts
    self.action = action
  }

  /// The probability of one endpoint of `count`, to ten digits.
  public static func probability(_ count: Int) -> String {
    guard count > 0 else { return "1.0000000000" }
    // Rounded as printf does with the double 1/count.
    let billionths = (1.0 / Double(count) * 1e10).rounded(.toNearestOrEven)
    let whole = UInt64(billionths)
    let digits = String(whole % 10_000_000_000)
    return "\(whole / 10_000_000_000)."
      + String(repeating: "0", count: 10 - digits.count) + digits
  }

  // MARK: Text

  /// The rule as a line for iptables-restore.
  public func text(chain: String) -> String {
    var words = ["-A \(chain)"]
    for part in parts { words.append(Self.text(part)) }
    switch action {
    case .jump(let chain): words.append("-j \(chain)")
    case .accept: words.append("-j ACCEPT")
    case .drop: words.append("-j DROP")
    case .reject: words.append("-j REJECT")
    case .return: words.append("-j RETURN")
    case .orMark(let mark): words.append("-j MARK --or-mark \(Self.hex(mark))")
    case .xorMark(let mark): words.append("-j MARK --xor-mark \(Self.hex(mark))")
    case .masquerade(let random):
      words.append("-j MASQUERADE" + (random ? " --random-fully" : ""))
    case .dnat(let address, let port):
      words.append("-j DNAT --to-destination \(Self.endpoint(address, port))")
    case nil: break
    }
    return words.joined(separator: " ")
  }

  /// `ADDRESS:PORT`, with brackets around IPv6.
  public static func endpoint(_ address: IPAddress, _ port: UInt16) -> String {
    address.v4 != nil ? "\(address):\(port)" : "[\(address)]:\(port)"
  }

  private static func hex(_ mark: UInt32) -> String { "0x" + String(mark, radix: 16) }

  private static func address(_ prefix: KubePrefix) -> String {
    let full = prefix.address.v4 != nil ? 32 : 128
    return prefix.length == full ? prefix.address.description : prefix.text
  }

  private static func text(_ part: Part) -> String {
    switch part {
    case .comment(let text):
      text.contains(" ") ? "-m comment --comment \"\(text)\"" : "-m comment --comment \(text)"
    case .ipProtocol(let value): "-m \(value) -p \(value)"
    case .destination(let prefix, let inverted): (inverted ? "! " : "") + "-d \(address(prefix))"
    case .source(let prefix, let inverted): (inverted ? "! " : "") + "-s \(address(prefix))"
    case .inInterface(let name, let isPrefix, let inverted):
      (inverted ? "! " : "") + "-i \(name)\(isPrefix ? "+" : "")"
    case .destinationPort(let port): "--dport \(port)"
    case .localDestination: "-m addrtype --dst-type LOCAL"
    case .localSource: "-m addrtype --src-type LOCAL"
    case .states(let states, let inverted):
      "-m conntrack " + (inverted ? "! " : "") + "--ctstate \(names(states))"
    case .mark(let mark, let inverted):
      "-m mark " + (inverted ? "! " : "") + "--mark \(hex(mark))/\(hex(mark))"
    case .recentSet(let name): "-m recent --name \(name) --set"
    case .recentCheck(let name, let seconds):
      "-m recent --name \(name) --rcheck --seconds \(seconds) --reap"
    case .oneOf(let count):
      "-m statistic --mode random --probability \(probability(count))"
    case .accounting(let name): "-m nfacct --nfacct-name \(name)"
    }
  }

  private static func names(_ states: ConntrackStates) -> String {
    let all: [(ConntrackStates, String)] = [
      (.invalid, "INVALID"), (.new, "NEW"), (.related, "RELATED"), (.established, "ESTABLISHED"),
      (.dnat, "DNAT"),
    ]
    return all.filter { states.contains($0.0) }.map(\.1).joined(separator: ",")
  }

  // MARK: Typed

  /// The rule as the modelled kernel takes it.
  public func rule(_ family: RuleFamily) -> Rule {
    var rule = Rule()
    var ipProtocol = IPProtocol.tcp
    for part in parts {
      switch part {
      case .comment(let text): rule.matches.append(.comment(text))
      case .ipProtocol(let value):
        ipProtocol = value
        rule.protocol = ProtocolMatch(value)
        switch value {
        case .udp: rule.matches.append(.udp(UDPMatch()))
        case .sctp: rule.matches.append(.sctp(SCTPMatch()))
        default: rule.matches.append(.tcp(TCPMatch()))
        }
      case .destination(let prefix, let inverted):
        rule.destination = prefix.match(inverted: inverted)
      case .source(let prefix, let inverted): rule.source = prefix.match(inverted: inverted)
      case .inInterface(let name, let isPrefix, let inverted):
        rule.inInterface = InterfaceMatch(name, isPrefix: isPrefix, inverted: inverted)
      case .destinationPort(let port): Self.setPort(port, ipProtocol, &rule)
      case .localDestination:
        rule.matches.append(.addressType(AddressTypeMatch(destination: .init(.local))))
      case .localSource:
        rule.matches.append(.addressType(AddressTypeMatch(source: .init(.local))))
      case .states(let states, let inverted):
        rule.matches.append(
          .conntrack(ConntrackMatch(states: StateMatch(states, inverted: inverted)))
        )
      case .mark(let mark, let inverted):
        rule.matches.append(.mark(MarkMatch(mark, mask: mark, inverted: inverted)))
      case .recentSet(let name):
        rule.matches.append(.recent(RecentMatch(name: name, action: .set, mask: family.fullMask)))
      case .recentCheck(let name, let seconds):
        rule.matches.append(
          .recent(
            RecentMatch(
              name: name,
              action: .check,
              seconds: seconds,
              reaps: true,
              mask: family.fullMask
            )
          )
        )
      case .oneOf(let count):
        rule.matches.append(.statistic(StatisticMatch(.random(Self.threshold(count)))))
      case .accounting: break
      }
    }
    rule.target = target(family)
    return rule
  }

  private static func setPort(_ port: UInt16, _ ipProtocol: IPProtocol, _ rule: inout Rule) {
    for (index, match) in rule.matches.enumerated() {
      switch match {
      case .tcp: rule.matches[index] = .tcp(TCPMatch(destination: PortMatch(port)))
      case .udp: rule.matches[index] = .udp(UDPMatch(destination: PortMatch(port)))
      case .sctp: rule.matches[index] = .sctp(SCTPMatch(destination: PortMatch(port)))
      default: continue
      }
    }
  }

  /// What iptables makes of the probability's text.
  private static func threshold(_ count: Int) -> UInt32 {
    let value = Double(probability(count)) ?? 1
    return UInt32(min(2_147_483_648.0, (value * 2_147_483_648.0).rounded()))
  }

  private func target(_ family: RuleFamily) -> Target? {
    switch action {
    case .jump(let chain): .jump(chain)
    case .accept: .accept
    case .drop: .drop
    case .reject: .reject(family == .ipv4 ? .portUnreachable : .portUnreachableV6)
    case .return: .return
    case .orMark(let mark): .mark(MarkTarget(mark, mask: mark))
    case .xorMark(let mark): .mark(MarkTarget(mark, mask: 0))
    case .masquerade(let random):
      .masquerade(PortTarget(options: random ? .randomFully : []))
    case .dnat(let address, let port): .dnat(NATTarget(address, port: port))
    case nil: nil
    }
  }
}

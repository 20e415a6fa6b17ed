public import HopyardSimulator

/// A rule, named by what is known of it: table, chain, number, text.
///
/// Written as text: `"filter FORWARD 3"`, `"FORWARD policy"`, or the rule itself as `iptables -S`
/// prints it (`"-s 10.0.0.0/8 -j DROP"`). Two places are equal if all that both name is equal.
public struct RulePlace: Equatable, Sendable {
  /// The table, or nil for any.
  public var table: String?
  /// The chain, or nil for any.
  public var chain: String?
  /// The rule's number from 1, 0 for the chain's policy; nil for any.
  public var number: Int?
  /// The rule as `iptables -S` prints it, without `-A CHAIN`; nil for any.
  public var text: String?

  /// Names a rule.
  public init(
    table: String? = nil,
    chain: String? = nil,
    number: Int? = nil,
    text: String? = nil
  ) {
    self.table = table
    self.chain = chain
    self.number = number
    self.text = text
  }

  /// Any rule.
  public static let any = RulePlace()

  /// A chain's policy.
  public static func policy(of chain: String, in table: String? = nil) -> RulePlace {
    RulePlace(table: table, chain: chain, number: 0)
  }

  /// Whether all that both places name is equal.
  public static func == (left: RulePlace, right: RulePlace) -> Bool {
    func agree<T: Equatable>(_ one: T?, _ other: T?) -> Bool {
      one == nil || other == nil || one == other
    }
    return agree(left.table, right.table) && agree(left.chain, right.chain)
      && agree(left.number, right.number) && agree(left.text, right.text)
  }
}

extension RulePlace: ExpressibleByStringLiteral, CustomStringConvertible {
  /// Reads a rule's text, or `[TABLE] CHAIN [NUMBER|policy]`.
  public init(stringLiteral value: String) {
    self.init()
    if value.hasPrefix("-") || value.hasPrefix("!") {
      text = value
      return
    }
    var words = value.split(separator: " ").map(String.init)
    if let first = words.first, RuleTable(name: first) != nil {
      table = first
      words.removeFirst()
    }
    if let last = words.last, words.count > 1 {
      if last == "policy" { number = 0 } else { number = Int(last) }
      if number != nil { words.removeLast() }
    }
    chain = words.isEmpty ? nil : words.joined(separator: " ")
  }

  /// The place in words, such as `filter FORWARD 3: -s 10.0.0.0/8 -j DROP`.
  public var description: String {
    var words = [table, chain].compactMap { $0 }
    if let number { words.append(number == 0 ? "policy" : "\(number)") }
    let place = words.joined(separator: " ")
    guard let text, number != 0 else { return place.isEmpty ? "any rule" : place }
    return place.isEmpty ? text : "\(place): \(text)"
  }
}

/// A rule that a packet met, in the order in which it met them.
public struct RuleStep: Hashable, Sendable {
  /// The hook at which it was, such as `prerouting`.
  public var hook: String
  /// The table.
  public var table: String
  /// The chain.
  public var chain: String
  /// The rule's number from 1; 0 for the chain's policy.
  public var number: Int
  /// The rule as `iptables -S` prints it, or `policy`.
  public var text: String
  /// What it said: `accept`, `drop`, `jump`, `continue`, ….
  public var verdict: String
  /// The packet before and after, in one line, where the rule changed it.
  public var change: String
  /// The rule's counters after this packet.
  public var counters: RuleCounters

  /// The rule's place.
  public var place: RulePlace {
    RulePlace(table: table, chain: chain, number: number, text: text)
  }
}

/// What rules did with a packet.
///
/// Two verdicts are equal if the packet ends in the same way, by the same rule as far as both name
/// one; so a test writes `#expect(verdict == .dropped(by: "filter INPUT 2"))`.
public struct RuleVerdict: Sendable {
  /// How the packet ended.
  public enum Outcome: Hashable, Sendable {
    /// All chains let it pass; for a single chain, the chain did.
    case accepted
    /// A rule or policy dropped it without an answer.
    case dropped
    /// A rule dropped it and answered, as `iptables` spells the answer.
    case rejected(String)
    /// A rule gave it to a program (`NFQUEUE`), and none is there.
    case queued
    /// The chain came to its end without a verdict.
    case returned
    /// It ended for another reason than a rule, such as `no-route`.
    case lost(Fate)
  }

  /// How the packet ended.
  public var outcome: Outcome
  /// The rule that ended it, or whose verdict was the last one.
  public var by: RulePlace
  /// Every rule that it met, in order.
  public var matched: [RuleStep] = []
  /// The packet afterwards: translated addresses, mark, ….
  public var packet: RulePacket?
  /// How it went on: `input`, `forward` or `output`; nil if it did not come so far.
  public var path: String?
  /// The interface by which it leaves.
  public var output: String?
  /// What had to be assumed, each once.
  public var assumptions: [String] = []

  /// Makes a verdict.
  public init(_ outcome: Outcome, by: RulePlace = .any) {
    self.outcome = outcome
    self.by = by
  }

  /// It passed.
  public static let accepted = RuleVerdict(.accepted)
  /// A chain came to its end without a verdict.
  public static let returned = RuleVerdict(.returned)

  /// It passed, and this rule had the last word.
  public static func accepted(by place: RulePlace) -> RuleVerdict {
    RuleVerdict(.accepted, by: place)
  }

  /// A rule dropped it.
  public static func dropped(by place: RulePlace = .any) -> RuleVerdict {
    RuleVerdict(.dropped, by: place)
  }

  /// A rule dropped it and answered.
  public static func rejected(
    with reason: RejectReason = .portUnreachable,
    by place: RulePlace = .any
  ) -> RuleVerdict {
    RuleVerdict(.rejected(reason.rawValue), by: place)
  }

  /// It ended for another reason than a rule.
  public static func lost(_ fate: Fate) -> RuleVerdict { RuleVerdict(.lost(fate)) }
}

extension RuleVerdict: Equatable, CustomStringConvertible {
  /// Whether the packets end in the same way, by the same rule as far as both name one.
  public static func == (left: RuleVerdict, right: RuleVerdict) -> Bool {
    left.outcome == right.outcome && left.by == right.by
  }

  /// The outcome in words.
  public var summary: String {
    let rule = by == .any && "\(by)" == "any rule" ? "" : " by \(by)"
    switch outcome {
    case .accepted: return "accepted" + rule
    case .dropped: return "dropped" + rule
    case .rejected(let reason): return "rejected with \(reason)" + rule
    case .queued: return "queued" + rule
    case .returned: return "returned"
    case .lost(let fate): return "lost: \(fate.name)"
    }
  }

  /// The outcome and every rule on the way, one a line.
  public var description: String {
    ([summary]
      + matched.map { step in
        "  \(step.hook): \(step.place) => \(step.verdict)"
          + (step.change.isEmpty ? "" : " [\(step.change)]")
      }).joined(separator: "\n")
  }
}

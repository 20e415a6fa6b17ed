import HopyardSimulator
public import HopyardUserland

/// Finds rules that do nothing.
///
/// Only what holds for every packet is reported: a rule is called unreachable when no packet at
/// all, of any protocol, address, port, state, interface or mark, can meet it where it stands.
public enum RuleLint {
  /// Reports what does nothing, in the order of the dump; `text` gives the places.
  ///
  /// Nothing is reported of a ruleset that takes too much work to play.
  public static func problems(in firewall: Firewall, text: String) -> [Problem] {
    let space = RulesetDiff.space(of: [firewall], nodes: 2_000_000)
    var met: [RuleReference: PacketSet] = [:]
    for path in RuleJourney.Path.allCases {
      let journey = RuleJourney(firewall.ruleset, in: space, path: path, stepLimit: 1_000_000)
      journey.keepsMet = true
      do {
        try journey.run()
      } catch {
        return []
      }
      for (rule, packets) in journey.met {
        met[rule] = space.decisions.or(met[rule] ?? .none, packets)
      }
    }
    if space.decisions.isExhausted { return [] }
    let places = DumpPlaces(text)
    var problems: [Problem] = []
    for name in RuleTable.allCases {
      guard let table = firewall.ruleset.existing(name)?.table else { continue }
      for chain in table.chains {
        problems += findings(chain, table, met, space).map { number, message in
          Problem(
            file: firewall.name,
            location: places.location(name.name, chain.name, number),
            message: "\(name.name) \(chain.name)" + (number > 0 ? " \(number)" : "") + ": "
              + message
          )
        }
      }
    }
    return problems.sorted { ($0.location, $0.message) < ($1.location, $1.message) }
  }

  private static func findings(
    _ chain: Chain,
    _ table: ChainTable,
    _ met: [RuleReference: PacketSet],
    _ space: PacketSpace
  ) -> [(Int, String)] {
    let isUsed =
      chain.hook != nil || table.chains.contains { $0.destinations.contains(chain.name) }
    guard isUsed else { return [(0, "no rule jumps to this chain")] }
    // A chain that no packet enters is explained where packets turn away.
    let references = chain.rules.indices.map {
      RuleReference(table: table.name.name, chain: chain.name, rule: $0 + 1)
    }
    var findings: [(Int, String)] = []
    let isEntered =
      chain.hook != nil || references.contains { !(met[$0] ?? .none).isEmpty }
      || isReached(chain, table, met)
    for (index, rule) in chain.rules.enumerated() {
      if let name = rule.destinationChain, let next = table.index(of: name),
        table.chains[next].rules.isEmpty
      {
        findings.append((index + 1, "jumps to \(name), which is empty"))
      }
      guard isEntered, (met[references[index]] ?? .none).isEmpty else { continue }
      findings.append((index + 1, reason(index, chain, table, space)))
    }
    return findings
  }

  /// Whether a rule that some packet meets jumps to a chain.
  private static func isReached(
    _ chain: Chain,
    _ table: ChainTable,
    _ met: [RuleReference: PacketSet]
  ) -> Bool {
    table.chains.contains { other in
      other.rules.enumerated().contains { index, rule in
        rule.destinationChain == chain.name
          && !(met[RuleReference(table: table.name.name, chain: other.name, rule: index + 1)]
            ?? .none).isEmpty
      }
    }
  }

  /// Why no packet meets a rule.
  private static func reason(
    _ index: Int,
    _ chain: Chain,
    _ table: ChainTable,
    _ space: PacketSpace
  ) -> String {
    let conditions = RuleConditions(space)
    var position = RulePosition(
      hook: chain.hook ?? .forward,
      hasInput: true,
      hasOutput: true,
      table: table.name,
      chain: chain.name
    )
    let d = space.decisions
    var earlier: [(Int, PacketSet)] = []
    for (number, rule) in chain.rules.enumerated() {
      let packets = d.and(space.possible, conditions.packets(rule, at: &position))
      if number == index {
        if packets.isEmpty { return "no packet can meet all its conditions" }
        if let first = earlier.first(where: { d.without(packets, $0.1).isEmpty }) {
          return "never reached: rule \(first.0) takes all its packets"
        }
        let taken = earlier.reduce(PacketSet.none) { d.or($0, $1.1) }
        if d.without(packets, taken).isEmpty {
          return "never reached: the rules before it take all its packets"
        }
        return "never met by any packet that comes here"
      }
      if isFinal(rule.target) { earlier.append((number + 1, packets)) }
    }
    return "never met by any packet that comes here"
  }

  /// Whether packets that meet a rule with this target never come to the next one.
  private static func isFinal(_ target: Target?) -> Bool {
    switch target {
    case .accept, .drop, .reject, .return, .goto, .queue, .nfqueue, .dnat, .snat, .masquerade,
      .redirect, .netmap, .tproxy:
      true
    default: false
    }
  }
}

/// Where a dump's rules stand in its text.
struct DumpPlaces {
  private var rules: [RuleReference: SourceLocation] = [:]

  init(_ text: String) {
    var table = ""
    var counts: [String: Int] = [:]
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
    {
      let location = SourceLocation(line: index + 1, column: 1)
      if line.hasPrefix("*") {
        table = String(line.dropFirst().split(separator: " ").first ?? "")
        counts = [:]
      } else if line.hasPrefix(":") {
        let chain = String(line.dropFirst().split(separator: " ").first ?? "")
        rules[RuleReference(table: table, chain: chain, rule: 0)] = location
      } else if let start = line.firstRange(of: "-A ") {
        guard let chain = line[start.upperBound...].split(separator: " ").first.map(String.init)
        else { continue }
        counts[chain, default: 0] += 1
        let column = line.utf8.distance(from: line.startIndex, to: start.lowerBound) + 1
        rules[RuleReference(table: table, chain: chain, rule: counts[chain, default: 0])] =
          SourceLocation(line: index + 1, column: column)
      }
    }
  }

  /// The place of a rule, or of a chain's declaration, number 0.
  func location(_ table: String, _ chain: String, _ number: Int) -> SourceLocation {
    rules[RuleReference(table: table, chain: chain, rule: number)]
      ?? rules[RuleReference(table: table, chain: chain, rule: 0)]
      ?? SourceLocation(line: 1, column: 1)
  }
}

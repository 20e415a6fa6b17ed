import HopyardWire

@testable import HopyardSimulator

/// Rules read one after the other, in the words of the rules themselves: what the compiled chains
/// must agree with.
struct PlainWalk {
  /// A packet as the rules see it.
  struct Subject {
    var source: UInt32
    var destination: UInt32
    var proto: IPProtocol
    /// Source and destination port, of a protocol that has them.
    var ports: (source: UInt16, destination: UInt16)?
    var length: Int
    var mark: UInt32
    var input: String
    var output: String
  }

  var chains: [String: [Rule]]
  var policyIsDrop = false
  private(set) var counters: [String: [RuleCounters]]
  private(set) var policy = RuleCounters()
  private var turns: [String: UInt32] = [:]

  init(_ chains: [String: [Rule]]) {
    self.chains = chains
    counters = chains.mapValues { Array(repeating: RuleCounters(), count: $0.count) }
  }

  /// Walks through a base chain; nil for ACCEPT, or the chain and number of the rule that dropped.
  mutating func walk(_ base: String, _ subject: Subject) -> RuleReference? {
    var subject = subject
    var frames: [(chain: String, next: Int)] = []
    var chain = base
    var index = 0
    while true {
      let rules = chains[chain] ?? []
      guard index < rules.count else {
        guard let frame = frames.popLast() else { break }
        (chain, index) = frame
        continue
      }
      let rule = rules[index]
      let here = index
      index += 1
      guard matches(rule, subject, in: chain, at: here) else { continue }
      counters[chain]?[here].count(bytes: subject.length)
      switch rule.target {
      case .accept: return nil
      case .drop: return RuleReference(table: "filter", chain: chain, rule: here + 1)
      case .return: index = rules.count
      case .jump(let name):
        frames.append((chain, index))
        (chain, index) = (name, 0)
      case .goto(let name): (chain, index) = (name, 0)
      case .mark(let target): subject.mark = subject.mark & ~target.mask ^ target.value
      default: break
      }
    }
    policy.count(bytes: subject.length)
    return policyIsDrop ? RuleReference(table: "filter", chain: base, rule: 0) : nil
  }

  private mutating func matches(
    _ rule: Rule,
    _ subject: Subject,
    in chain: String,
    at index: Int
  ) -> Bool {
    if let source = rule.source, !source.matches(subject.source) { return false }
    if let destination = rule.destination, !destination.matches(subject.destination) {
      return false
    }
    if let proto = rule.protocol, (proto.value == subject.proto) == proto.inverted { return false }
    if let name = rule.inInterface, !name.matches(subject.input) { return false }
    if let name = rule.outInterface, !name.matches(subject.output) { return false }
    for (number, match) in rule.matches.enumerated() {
      guard matches(match, subject, state: "\(chain) \(index) \(number)") else { return false }
    }
    return true
  }

  private mutating func matches(_ match: Match, _ subject: Subject, state: String) -> Bool {
    switch match {
    case .tcp(let wanted): return matches(wanted.source, wanted.destination, subject)
    case .udp(let wanted): return matches(wanted.source, wanted.destination, subject)
    case .multiport(let wanted):
      guard let ports = subject.ports else { return false }
      let found = wanted.ports.contains { range in
        wanted.side != .destination && range.contains(ports.source)
          || wanted.side != .source && range.contains(ports.destination)
      }
      return found != wanted.inverted
    case .mark(let wanted):
      return (subject.mark & wanted.mask == wanted.mark) != wanted.inverted
    case .length(let wanted): return wanted.matches(UInt32(subject.length))
    case .state(let wanted):
      // Conntrack has seen none of these packets.
      return wanted.states.contains(.invalid) != wanted.inverted
    case .statistic(let wanted):
      guard case .nth(let every, let first) = wanted.mode else { return true }
      let turn = turns[state] ?? every - 1 - first
      turns[state] = turn == every - 1 ? 0 : turn + 1
      return (turn == every - 1) != wanted.inverted
    default: return true
    }
  }

  private func matches(
    _ source: PortMatch?,
    _ destination: PortMatch?,
    _ subject: Subject
  ) -> Bool {
    guard let ports = subject.ports else { return false }
    return source?.matches(ports.source) ?? true
      && destination?.matches(ports.destination) ?? true
  }
}

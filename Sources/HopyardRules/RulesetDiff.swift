public import HopyardSimulator
public import HopyardUserland
import HopyardWire

/// Finds out whether two rulesets treat every packet alike.
///
///     switch try RulesetDiff.compare(old, new) {
///     case .equal(let coverage): …          // no packet is treated differently
///     case .differs(let difference, _): …   // difference.packet is one that is
///     case .undecided(let coverage): …      // none was found among coverage.tried packets
///     }
///
/// All packets are played at once, as sets: addresses, ports, protocols, flags, interfaces, marks,
/// connection states and all other fields that rules can name. Only if that takes too much work,
/// packets from the boundary values of the rules are tried one by one.
///
/// Alike means: passed, dropped or answered in the same way, with the same translation, marks and
/// header fields. What is logged and which rule decided is not compared. A condition that depends
/// on more than the packet (`limit`, `recent`, `set`, …) may be met or not, in both rulesets alike
/// where it has the same words.
public enum RulesetDiff {
  /// How much of all packets the answer covers.
  public struct Coverage: Hashable, Sendable {
    /// Whether all packets were compared.
    public var isExhaustive: Bool
    /// How many bits tell packets apart, as far as rules can name them.
    public var bits: Int
    /// How many packets were sent through both rulesets one by one.
    public var tried: Int

    /// The coverage in words.
    public var description: String {
      isExhaustive
        ? "exhaustive: all packets of \(bits) bits of header fields, state and interfaces"
        : "not exhaustive: \(tried) packets at the boundary values of the rules"
    }
  }

  /// A packet that is treated differently.
  public struct Difference: Sendable {
    /// How it goes: `input`, `forward` or `output`.
    public var path: String
    /// The packet.
    public var packet: RulePacket
    /// What differs, in words.
    public var aspects: [String]
    /// Conditions that are met, beside what the packet says.
    public var assumptions: [String]
    /// What the first ruleset does with it, where it can be played.
    public var first: RuleVerdict?
    /// What the second ruleset does with it.
    public var second: RuleVerdict?
    /// Whether sending the packet through both showed the difference.
    public var isConfirmed: Bool
  }

  /// The answer.
  public enum Result: Sendable {
    /// No packet is treated differently.
    case equal(Coverage)
    /// This one is.
    case differs(Difference, Coverage)
    /// None was found, but not all were compared.
    case undecided(Coverage)
  }

  /// How much work a comparison may take.
  public struct Limits: Sendable {
    /// How many nodes the sets of packets may need.
    public var nodes = 3_000_000
    /// How many rules may be asked, each time that a chain is entered.
    public var steps = 2_000_000
    /// How many packets are tried where sets take too much.
    public var packets = 20_000

    /// The usual limits.
    public init() {}
  }

  /// Compares two rulesets of one family, on the same host.
  public static func compare(
    _ first: Firewall,
    _ second: Firewall,
    limits: Limits = Limits()
  ) throws(Problem) -> Result {
    guard first.family == second.family else {
      throw Problem(
        file: second.name,
        location: SourceLocation(line: 1, column: 1),
        message: "the rulesets are of different families"
      )
    }
    let space = space(of: [first, second], nodes: limits.nodes)
    let bits = space.decisions.variableCount
    var tried = 0
    do {
      for path in RuleJourney.Path.allCases {
        let one = RuleJourney(first.ruleset, in: space, path: path, stepLimit: limits.steps)
        let other = RuleJourney(second.ruleset, in: space, path: path, stepLimit: limits.steps)
        try one.run()
        try other.run()
        let comparison = JourneyComparison(one, other, path)
        if space.decisions.isExhausted { throw RuleJourney.Exhausted() }
        guard let difference = comparison.difference(first, second, &tried) else { continue }
        return .differs(difference, Coverage(isExhaustive: true, bits: bits, tried: tried))
      }
      if space.decisions.isExhausted { throw RuleJourney.Exhausted() }
      return .equal(Coverage(isExhaustive: true, bits: bits, tried: tried))
    } catch {
      var sampler = PacketSampler(first, second, seed: 1)
      for number in 1...max(1, limits.packets) {
        guard let difference = try sampler.next() else { continue }
        return .differs(difference, Coverage(isExhaustive: false, bits: bits, tried: number))
      }
      return .undecided(Coverage(isExhaustive: false, bits: bits, tried: limits.packets))
    }
  }

  /// The space of the packets that rulesets can tell apart.
  static func space(of firewalls: [Firewall], nodes: Int) -> PacketSpace {
    var names: [String] = []
    var addresses: [(local: UInt128, broadcast: UInt128?)]?
    if let first = firewalls.first, first.host.isKnown, first.family == .ipv4 {
      names = first.namespace.devices.all.map(\.name)
      addresses = first.namespace.devices.all.flatMap { device in
        device.inet.addresses.map { (UInt128($0.local), $0.broadcast.map { UInt128($0) }) }
      }
    } else {
      var patterns: [InterfaceMatch] = []
      for firewall in firewalls {
        for pattern in InterfaceNames.patterns(in: firewall.ruleset)
        where !patterns.contains(pattern) { patterns.append(pattern) }
      }
      // First the names that no rule knows: the usual packet is an unusual one for rules.
      names = [InterfaceNames.other(than: patterns)] + InterfaceNames.samples(of: patterns)
    }
    return PacketSpace(
      family: firewalls.first?.family ?? .ipv4,
      interfaces: names,
      addresses: addresses,
      limit: nodes
    )
  }
}

public import HopyardSimulator
public import HopyardUserland
import HopyardWire

/// The rules of one host, to which packets are sent.
///
///     let firewall = try Firewall(dump: text)
///     let verdict = try firewall.send("tcp 10.0.0.1:1234 > 10.96.0.1:443 in eth0")
///     #expect(verdict == .dropped(by: "filter INPUT 2"))
///
/// Each packet goes through the modelled kernel's own hooks: connection tracking, translation and
/// counters are kept from one packet to the next, as on the host.
public final class Firewall {
  /// The dump's name, for errors.
  public let name: String
  /// IPv4 or IPv6.
  public let family: RuleFamily
  /// What is known of the host.
  public let host: RuleHost
  /// The host's network namespace.
  public let namespace: NetworkNamespace
  let lab: Lab
  let variant: RulesetVariant

  /// Reads an `iptables-save` or `ip6tables-save` dump; what the real tool would refuse, or the
  /// model lacks, is refused with its place.
  public init(
    dump: String,
    name: String = "rules.save",
    family: RuleFamily? = nil,
    variant: RulesetVariant = .nft,
    host: RuleHost = .unknown
  ) throws(Problem) {
    let family = family ?? Self.family(of: dump)
    // What interfaces the host has, the rules tell.
    let scratch = Machine(simulation: Simulation())
    let further: [String]
    if host.isKnown {
      further = []
    } else {
      try RuleDump.load(
        dump,
        name: name,
        family: family,
        variant: variant,
        into: scratch.root.netfilter,
        assumesSets: true
      )
      further = InterfaceNames.samples(of: scratch.root.netfilter.ruleset(family, variant))
    }
    lab = Lab(name: "host", text: host.setup(further: further))
    if let problem = lab.problems.first { throw problem }
    let ending = lab.run()
    if case .refused(let problem) = ending { throw problem }
    for line in lab.runner.session.lines.enumerated() where line.element.status != 0 {
      let output = String(decoding: lab.runner.session.output(of: line.offset), as: UTF8.self)
      throw Problem(
        file: "host",
        location: SourceLocation(line: line.element.number, column: 1),
        message: "\(line.element.text): \(output.split(separator: "\n").first ?? "failed")"
      )
    }
    namespace = lab.machine.root
    self.name = name
    self.family = family
    self.variant = variant
    self.host = host
    try RuleDump.load(dump, name: name, family: family, variant: variant, into: namespace.netfilter)
    if !host.isKnown { giveAddresses() }
  }

  deinit { lab.close() }

  /// IPv6 if the dump says that `ip6tables-save` wrote it.
  static func family(of dump: String) -> RuleFamily {
    dump.prefix(4096).contains("ip6tables") ? .ipv6 : .ipv4
  }

  /// The rules.
  public var ruleset: Ruleset { namespace.netfilter.ruleset(family, variant) }

  /// The rules as `iptables-save` prints them.
  public func save(showsCounters: Bool = false) -> String {
    RuleDump.text(
      of: namespace.netfilter,
      family: family,
      variant: variant,
      showsCounters: showsCounters
    )
  }

  /// What the host logged (`-j LOG`), in order.
  public var log: [String] { lab.machine.kernelLog }

  /// The counters of a rule, numbered from 1, or of a chain's policy, number 0.
  public func counters(_ table: RuleTable, _ chain: String, _ number: Int) -> RuleCounters? {
    guard let live = ruleset.existing(table), let index = live.table.index(of: chain),
      number >= 0, number <= live.table.chains[index].rules.count
    else { return nil }
    let activity = live.activity(ofChain: index)
    return number == 0 ? activity.policyCounters(.legacy) : activity.counters(of: number - 1)
  }

  /// The rule at a place that the evaluation names.
  func rule(_ reference: RuleReference) -> Rule? {
    guard let table = RuleTable(name: reference.table), let live = ruleset.existing(table),
      let index = live.table.index(of: reference.chain)
    else { return nil }
    let rules = live.table.chains[index].rules
    return reference.rule >= 1 && reference.rule <= rules.count ? rules[reference.rule - 1] : nil
  }

  // MARK: Interfaces of a host that is not known

  /// Gives each interface an address, so that MASQUERADE and REDIRECT have one to use.
  private func giveAddresses() {
    for (number, device) in namespace.devices.all.enumerated() where !device.isLoopback {
      giveAddress(to: device, number)
    }
  }

  private func giveAddress(to device: NetworkDevice, _ number: Int) {
    // RFC 2544: nobody uses these outside a laboratory.
    let address = 0xc612_0001 + UInt32(truncatingIfNeeded: number & 0xff) << 8
    try? namespace.addAddress(InterfaceAddress(local: address, prefixLength: 32), to: device)
  }

  /// Makes an interface that only a packet names, if nothing is known of the host.
  func require(_ name: String) throws(Problem) {
    if namespace.devices[name] != nil { return }
    guard !host.isKnown else {
      let names = namespace.devices.all.map(\.name).joined(separator: ", ")
      throw PacketText.problem(0, "the host has no interface \"\(name)\", only \(names)")
    }
    do {
      let device = try namespace.makeDummy(NewLink(name))
      try namespace.setLinkUp(device)
      giveAddress(to: device, namespace.devices.all.count)
    } catch {
      throw PacketText.problem(0, "\"\(name)\" is no name of an interface")
    }
  }
}

/// The interfaces that rules name.
enum InterfaceNames {
  /// Names, each once and in order, with an example for each beginning (`cali+`).
  static func samples(of ruleset: Ruleset) -> [String] {
    let patterns = patterns(in: ruleset)
    return samples(of: patterns)
  }

  /// The patterns of `-i`, `-o` and physdev in all tables.
  static func patterns(in ruleset: Ruleset) -> [InterfaceMatch] {
    var seen: Set<InterfaceMatch> = []
    var patterns: [InterfaceMatch] = []
    func note(_ match: InterfaceMatch?) {
      guard var match else { return }
      match.inverted = false
      if seen.insert(match).inserted { patterns.append(match) }
    }
    for name in RuleTable.allCases {
      guard let live = ruleset.existing(name) else { continue }
      for chain in live.table.chains {
        for rule in chain.rules {
          note(rule.inInterface)
          note(rule.outInterface)
        }
      }
    }
    return patterns
  }

  /// One name for each way in which a name can meet the patterns.
  static func samples(of patterns: [InterfaceMatch]) -> [String] {
    var names: [String] = []
    for pattern in patterns where !pattern.isPrefix && isName(pattern.name) {
      if !names.contains(pattern.name) { names.append(pattern.name) }
    }
    let prefixes = patterns.filter(\.isPrefix).map(\.name)
    let exact = Set(names)
    for prefix in prefixes where !prefix.isEmpty {
      let longer = prefixes.filter { $0 != prefix && $0.hasPrefix(prefix) }
      let candidates = ["0", "9", "x", "q7", "z_8"].map { prefix + $0 } + [prefix]
      if let name = candidates.first(where: { candidate in
        isName(candidate) && !exact.contains(candidate)
          && !longer.contains { candidate.hasPrefix($0) }
      }) {
        if !names.contains(name) { names.append(name) }
      }
    }
    return names
  }

  /// A name that meets none of the patterns but the empty beginning.
  static func other(than patterns: [InterfaceMatch]) -> String {
    let prefixes = patterns.filter { $0.isPrefix && !$0.name.isEmpty }.map(\.name)
    let exact = Set(patterns.filter { !$0.isPrefix }.map(\.name))
    for letter in ["other", "else", "any", "nic", "port", "q", "z", "y", "x_", "w_", "_"] {
      let name = letter + "0"
      if !exact.contains(name), !prefixes.contains(where: { name.hasPrefix($0) }) { return name }
    }
    return "~0"
  }

  private static func isName(_ name: String) -> Bool {
    !name.isEmpty && name.utf8.count < 16 && name != "." && name != ".."
      && name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != 0x2f && $0 != 0x3a }
  }
}

import HopyardSimulator
import LabSupport
import Testing

@testable import HopyardUserland

/// The iptables project's one-line tests of every match and target.
@Suite(.oracle("iptables_ext")) struct IptablesExtensionOracle {
  /// One rule, and what the two programs must make of it.
  private struct Case {
    let id: String
    let families: [String]
    let tables: [String]
    let chains: [String]
    let rule: String
    let isAccepted: Bool
    let saved: String?
    let variant: String?
    let otherResult: String
    let external: [String]

    init?(_ value: JSONValue) {
      guard let id = value["id"]?.string, let rule = value["rule"]?.string,
        let expect = value["expect"]?.string
      else { return nil }
      func words(_ name: String) -> [String] {
        (value[name]?.elements ?? []).compactMap(\.string)
      }
      self.id = id
      self.rule = rule
      families = words("families")
      tables = words("tables")
      chains = words("chains")
      external = words("external")
      isAccepted = expect == "OK"
      saved = value["saved_as"]?.string
      variant = value["variant"]?.string
      otherResult = value["variant_expect"]?.string ?? ""
    }
  }

  @Test func `rules are accepted, printed and refused as the project's tests say`() throws {
    var tally = OracleTally("iptables_ext/cases.json")
    var core = OracleTally("iptables_ext/core_ids.json")
    let coreIDs = Set(
      Oracles.has("iptables_ext/core_ids.json")
        ? try Oracles.json("iptables_ext/core_ids.json").elements.compactMap(\.string) : []
    )
    for value in try Oracles.json("iptables_ext/cases.json")["cases"]?.elements ?? [] {
      guard let entry = Case(value) else {
        tally.note("\(value["id"]?.string ?? "?")", .fail("not a case"))
        continue
      }
      let outcome = self.outcome(entry)
      tally.note(entry.id, outcome)
      if coreIDs.contains(entry.id) { core.note(entry.id, outcome) }
    }
    tally.finish()
    core.finish()
  }

  private func outcome(_ entry: Case) -> OracleTally.Outcome {
    let families = entry.families.compactMap { name -> RuleFamily? in
      name == "ipv4" ? .ipv4 : name == "ipv6" ? .ipv6 : nil
    }
    guard families.count == entry.families.count else {
      return .skip("ebtables and arptables are not modelled")
    }
    for family in families {
      for variant in RulesetVariant.allCases {
        if let wrong = wrong(entry, family, variant) { return .fail(wrong) }
      }
    }
    return .pass
  }

  /// What a variant must do: a result that is scoped to one variant is another one's reverse,
  /// unless the case names it.
  private func expectation(_ entry: Case, _ variant: RulesetVariant) -> (Bool, saved: String?) {
    guard let scoped = entry.variant, (scoped == "NFT") != (variant == .nft) else {
      return (entry.isAccepted, entry.saved ?? entry.rule)
    }
    switch entry.otherResult {
    case "OK": return (true, entry.saved)
    case "FAIL": return (false, nil)
    case "NOMATCH": return (true, nil)
    case "=": return (true, entry.rule)
    case "": return (!entry.isAccepted, entry.saved)
    default: return (true, entry.otherResult)
    }
  }

  private func wrong(_ entry: Case, _ family: RuleFamily, _ variant: RulesetVariant) -> String? {
    let program = (family == .ipv4 ? "iptables-" : "ip6tables-") + "\(variant)"
    let (isAccepted, saved) = expectation(entry, variant)
    for table in entry.tables {
      for chain in entry.chains {
        let bench = RuleBench()
        for command in entry.external {
          if command.hasPrefix("@nfacct add ") {
            bench.accounts.insert(String(command.dropFirst("@nfacct add ".count)))
          } else if command.hasPrefix("@ipset create ") {
            let name = command.dropFirst("@ipset create ".count).prefix { $0 != " " }
            bench.sets.insert(String(name))
          } else if command.hasPrefix("%iptables") {
            let words = RuleBench.words(command).dropFirst()
            _ = bench.run([program] + words)
          }
        }
        let words = [program, "-t", table, "-A", chain] + RuleBench.words(entry.rule)
        let result = bench.run(words)
        let place = "\(program) -t \(table) -A \(chain): "
        if let refusal = result.refusal { return place + "refused: \(refusal)" }
        if (result.status == 0) != isAccepted {
          let said = result.errors.split(separator: "\n").first ?? ""
          return place + (isAccepted ? "not accepted: \(said)" : "not refused")
        }
        guard isAccepted else { continue }
        let first = printed(bench, program, table, chain)
        if let saved, !first.contains(saved) {
          return place + "printed \(first), not [\(saved)]"
        }
        let dump = bench.run([program + "-save"]).output
        let second = RuleBench()
        second.accounts = bench.accounts
        second.sets = bench.sets
        _ = second.run([program + "-restore"], input: dump)
        let again = printed(second, program, table, chain)
        if again != first { return place + "printed \(first), and read again \(again)" }
      }
    }
    return nil
  }

  /// The rules of a chain as they are saved, without the chain's name.
  private func printed(
    _ bench: RuleBench,
    _ program: String,
    _ table: String,
    _ chain: String
  ) -> [String] {
    bench.run([program + "-save", "-t", table]).output.split(separator: "\n").compactMap { line in
      let start = "-A \(chain)"
      guard line == start || line.hasPrefix(start + " ") else { return nil }
      // One match prints two spaces; how many there are does not matter.
      return line.dropFirst(start.count + 1).replacing("  ", with: " ").trimmingSpaces
    }
  }
}

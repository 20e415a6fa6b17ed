import HopyardSimulator
import LabSupport
import Testing

@testable import HopyardUserland

/// Dumps and rules that real programs wrote: each is loaded, printed and loaded again.
@Suite struct IptablesDumpOracle {
  // MARK: Loading

  private static let tables = ["filter", "nat", "mangle", "raw", "security"]

  /// A bench on which everything that a text names is there.
  private func bench(for text: String) -> RuleBench {
    let bench = RuleBench()
    let words = RuleBench.words(text.replacing("\n", with: " "))
    for (word, next) in zip(words, words.dropFirst()) {
      switch word {
      case "--match-set", "--add-set", "--del-set", "--map-set": bench.sets.insert(next)
      case "--nfacct-name": bench.accounts.insert(next)
      default: break
      }
    }
    return bench
  }

  private static func isRule(_ line: Substring) -> Bool {
    line.hasPrefix("-A ") || line.hasPrefix("-I ") || line.hasPrefix("[")
  }

  /// Loads a dump and says what is wrong with it; nil if it comes back as it was loaded.
  private func wrong(_ dump: String, _ family: String, options: [String] = []) -> String? {
    let bench = bench(for: dump)
    let first = bench.run([family + "-restore", "-c"] + options, input: dump)
    if let refusal = first.refusal { return "refused: \(refusal)" }
    if first.status != 0 { return first.errors.replacing("\n", with: " | ") }
    let saved = bench.run([family + "-save", "-c"]).output
    let wanted = dump.split(separator: "\n").filter(Self.isRule).count
    let kept = saved.split(separator: "\n").filter(Self.isRule).count
    if kept < wanted { return "\(wanted) rules, of which \(kept) are kept" }
    let other = self.bench(for: saved)
    let second = other.run([family + "-restore", "-c"], input: saved)
    if second.status != 0 { return "again: " + second.errors.replacing("\n", with: " | ") }
    let again = other.run([family + "-save", "-c"]).output
    if again != saved { return "printed differently the second time" }
    return nil
  }

  /// The lines of `iptables -S` as a dump.
  private func dump(_ listing: [Substring], table: String) -> String {
    var chains: [String] = []
    var rules: [String] = []
    for line in listing {
      if line.hasPrefix("-P ") {
        chains.append(":" + line.dropFirst(3) + " [0:0]")
      } else if line.hasPrefix("-N ") {
        chains.append(":" + line.dropFirst(3) + " - [0:0]")
      } else if line.hasPrefix("-A ") {
        rules.append(String(line))
      }
    }
    return (["*\(table)"] + chains + rules + ["COMMIT", ""]).joined(separator: "\n")
  }

  private static func usesIPv6(_ name: String) -> Bool {
    name.contains("ip6") || name.contains("v6")
  }

  // MARK: Tests

  @Test(.oracle("iptables_dumps/index.json"))
  func `real dumps load and come back as they were`() throws {
    var tally = OracleTally("iptables_dumps/index.json")
    for entry in try Oracles.json("iptables_dumps/index.json").elements {
      guard let file = entry["file"]?.string else { continue }
      let text = try Oracles.text("iptables_dumps/" + file)
      let lines = text.split(separator: "\n")
      let family = Self.usesIPv6(file) ? "ip6tables" : "iptables"
      if entry["pure_iptables_S"]?.isTrue == true
        || lines.contains(where: { $0.hasPrefix("-P ") || $0.hasPrefix("-A ") })
          && !lines.contains(where: { $0.hasPrefix("*") })
      {
        let table = Self.tables.first { file.contains("-\($0)-") } ?? "filter"
        tally.check(file) { wrong(dump(lines, table: table), family) }
      } else if lines.contains(where: { $0.hasPrefix("*") || $0.hasPrefix("#") }) {
        tally.check(file) { wrong(text, family) }
      } else {
        tally.note(file, .skip("neither a dump nor a listing"))
      }
    }
    tally.finish()
  }

  @Test(.oracle("iptables_dumps/rule_lines.tsv"))
  func `single rules load and come back as they were`() throws {
    var tally = OracleTally("iptables_dumps/rule_lines.tsv")
    var refused: [String] = []
    var number = 0
    for line in try Oracles.text("iptables_dumps/rule_lines.tsv").split(separator: "\n") {
      guard let tab = line.firstIndex(of: "\t") else { continue }
      number += 1
      let rule = line[line.index(after: tab)...]
      // Some are parts of rules, which the real program refuses too; ours says why.
      tally.check("\(number) \(rule)") {
        guard let wrong = wrongRule(String(rule)) else { return nil }
        if wrong.contains("v1.8.11") || wrong.contains("Bad argument") {
          refused.append("\(number): \(wrong)")
          return nil
        }
        return wrong
      }
    }
    tally.finish()
    for line in refused { print("  refused \(line)") }
  }

  /// Tries a rule in each table and family, with the chains that it names.
  private func wrongRule(_ rule: String) -> String? {
    let words = RuleBench.words(rule)
    let named = zip(words, words.dropFirst()).compactMap { word, next in
      ["-A", "-j", "-g", "--jump", "--goto"].contains(word) ? next : nil
    }
    var reasons: [String] = []
    for family in [RuleFamily.ipv4, .ipv6] {
      for table in Self.tables {
        let base = RuleTable(name: table)?.hooks.map(\.chainName) ?? []
        let chains = named.filter { name in
          !base.contains(name) && ExtensionCatalog.target(name, family) == nil
        }
        var seen: Set<String> = []
        let declared = chains.filter { seen.insert($0).inserted }.map { ":\($0) - [0:0]" }
        let lines = ["*\(table)"] + declared + [rule, "COMMIT", ""]
        let name = family == .ipv4 ? "iptables" : "ip6tables"
        guard let reason = wrong(lines.joined(separator: "\n"), name) else { return nil }
        reasons.append(reason)
      }
    }
    return reasons.first
  }

  @Test(.oracle("docker/iptabler/expected"))
  func `the rules that Docker makes load and come back unchanged`() throws {
    var tally = OracleTally("docker/iptabler/expected")
    for name in try Oracles.names(in: "docker/iptabler/expected") where name.hasSuffix(".rules") {
      let text = try Oracles.text("docker/iptabler/expected/" + name)
      let family = Self.usesIPv6(name) ? "ip6tables" : "iptables"
      tally.check(name) {
        if let wrong = wrong(text, family) { return wrong }
        return firstDifference(text, family)
      }
    }
    tally.finish()
  }

  /// The first line of a dump that is not printed as it was loaded, table by table.
  private func firstDifference(_ dump: String, _ family: String) -> String? {
    let bench = bench(for: dump)
    _ = bench.run([family + "-restore", "-c"], input: dump)
    var table = ""
    var rules: [String: [String]] = [:]
    for line in dump.split(separator: "\n") {
      if line.hasPrefix("*") { table = String(line.dropFirst()) }
      if line.hasPrefix("-A ") { rules[table, default: []].append(String(line)) }
    }
    for (table, wanted) in rules.sorted(by: { $0.key < $1.key }) {
      let saved = bench.run([family + "-save", "-t", table]).output
      let kept = saved.split(separator: "\n").filter { $0.hasPrefix("-A ") }.map(String.init)
      // Dumps list chains in the order of their names or of their making.
      for line in wanted where !kept.contains(line) { return "\(table): lost \(line)" }
      if kept.count != wanted.count {
        return "\(table): \(wanted.count) rules became \(kept.count)"
      }
    }
    return nil
  }

  @Test(.oracle("docker/iptablesdoc/generated"))
  func `the rules in Docker's documents load, and are listed as the documents show`() throws {
    var tally = OracleTally("docker/iptablesdoc/generated")
    for name in try Oracles.names(in: "docker/iptablesdoc/generated") where name.hasSuffix(".md") {
      let text = try Oracles.text("docker/iptablesdoc/generated/" + name)
      for (number, block) in Self.blocks(text).enumerated() {
        tally.check("\(name) block \(number + 1)") { wrongBlock(block) }
      }
    }
    tally.finish()
  }

  /// A listing and the commands that a document gives for it.
  private struct Block {
    var listing: [String] = []
    var commands: [Substring] = []
  }

  /// The indented parts of a document: listings, and commands in their details.
  private static func blocks(_ text: String) -> [Block] {
    var blocks: [Block] = []
    var listing: [String] = []
    var commands: [Substring] = []
    func close() {
      guard !commands.isEmpty else { return }
      blocks.append(Block(listing: listing, commands: commands))
      listing = []
      commands = []
    }
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      guard line.hasPrefix("    ") else {
        close()
        if !line.isEmpty, !line.hasPrefix("<") { listing = [] }
        continue
      }
      let body = line.dropFirst(4)
      if body.hasPrefix("-P ") || body.hasPrefix("-N ") || body.hasPrefix("-A ") {
        commands.append(body)
      } else {
        listing.append(String(body))
      }
    }
    close()
    return blocks
  }

  private func wrongBlock(_ block: Block) -> String? {
    // The built-in chains tell which table it is.
    let policies = Set(block.commands.filter { $0.hasPrefix("-P ") }.map { String($0) })
    let table =
      policies.contains("-P FORWARD ACCEPT") || policies.contains("-P FORWARD DROP")
      ? "filter" : policies.contains("-P POSTROUTING ACCEPT") ? "nat" : "raw"
    let text = dump(block.commands, table: table)
    if let wrong = wrong(text, "iptables") { return wrong }
    let bench = bench(for: text)
    _ = bench.run(["iptables-restore"], input: text)
    let kept = bench.run(["iptables", "-t", table, "-S"]).output.split(separator: "\n")
    for line in block.commands where !kept.contains(line) { return "lost \(line)" }
    // Where built-in chains are left out the listing is of one chain.
    let others = policies.isEmpty ? kept.filter { !$0.hasPrefix("-P ") } : kept
    if others.count != block.commands.count {
      return "\(block.commands.count) lines became \(others.count)"
    }
    guard block.listing.first?.hasPrefix("Chain ") == true else { return nil }
    let listed = bench.run(["iptables", "-t", table, "-vL", "--line-numbers"]).output
      .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    for line in block.listing where !line.trimmingSpaces.isEmpty && !listed.contains(line) {
      // The rules that refer to a chain stand in others, which are left out.
      if policies.isEmpty, line.hasPrefix("Chain ") { continue }
      return "not listed: \(line)"
    }
    return nil
  }

  @Test(.oracle("kube-proxy"))
  func `the rules that kube-proxy makes load and come back as they were`() throws {
    var tally = OracleTally("kube-proxy/*.rules")
    for name in try Oracles.names(in: "kube-proxy") where name.hasSuffix(".rules") {
      let text = try Oracles.text("kube-proxy/" + name)
      tally.check(name) { wrong(text, "iptables", options: ["--noflush"]) }
    }
    tally.finish()
  }

  @Test(.oracle("cni/calico_chains.json"))
  func `the rules that Calico makes load and come back as they were`() throws {
    var tally = OracleTally("cni/calico_chains.json rules")
    for entry in try Oracles.json("cni/calico_chains.json")["cases"]?.elements ?? [] {
      let id = entry["id"]?.string ?? "?"
      for (place, chain) in (entry["chains"]?.elements ?? []).enumerated() {
        for (number, rule) in (chain["rules"]?.elements ?? []).enumerated() {
          guard let text = rule["rule"]?.string else { continue }
          tally.check("\(id) \(place + 1) \(number + 1)") {
            wrongRule("-A \(chain["chain"]?.string ?? "chain") \(text)").map { "\(text): \($0)" }
          }
        }
      }
    }
    tally.finish()
  }
}

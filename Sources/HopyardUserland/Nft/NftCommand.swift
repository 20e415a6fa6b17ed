import HopyardSimulator

/// nft(8), as far as it shows what iptables-nft has made.
enum NftCommand {
  /// The command for the table.
  static let command = Command("nft", check: { check($0) }) {
    process,
    arguments throws(ProcessExit) in
    try await run(process, arguments)
  }

  /// Options and what they ask for.
  private struct Options {
    var isStateless = false
    var isNumeric = false
    var words: [String] = []
  }

  private static let unmodelled =
    "only `nft list' of the tables that iptables makes is modelled"

  private static func check(_ check: CommandCheck) {
    let words = check.texts.compactMap { $0 }.filter { !$0.hasPrefix("-") }
    guard check.texts.allSatisfy({ $0 != nil }), let first = words.first else { return }
    if ["add", "insert", "create", "delete", "flush", "replace", "reset", "rename", "monitor"]
      .contains(first)
    {
      check.report(nil, unmodelled)
    }
  }

  private static func run(
    _ process: Process,
    _ arguments: [String]
  ) async throws(ProcessExit) -> Int32 {
    var options = Options()
    for argument in arguments {
      switch argument {
      case "-s", "--stateless": options.isStateless = true
      case "-n", "--numeric", "-nn": options.isNumeric = true
      case "-v", "--version":
        try await process.print("nftables v1.0.6 (Lester Gooch #5)\n")
        return 0
      default:
        if argument.hasPrefix("-") {
          throw .refused("the option \(argument) of nft is not modelled")
        }
        options.words += argument.split(separator: " ").map(String.init)
      }
    }
    guard let first = options.words.first else {
      try await process.printError("nft: no command specified\n")
      return 1
    }
    guard first == "list" else { throw .refused(unmodelled) }
    guard options.words.count > 1 else {
      try await process.printError(
        "Error: syntax error, unexpected newline\nlist\n    ^\n"
      )
      return 1
    }
    return try await list(process, options)
  }

  private static func list(
    _ process: Process,
    _ options: Options
  ) async throws(ProcessExit) -> Int32 {
    guard let netfilter = process.namespace.netfilter else { return 1 }
    var words = Array(options.words.dropFirst(2))
    let tables = self.tables(netfilter)
    switch options.words[1] {
    case "tables":
      let family = words.first
      try await process.print(
        tables.filter { family == nil || $0.family == family }
          .map { "table \($0.family) \($0.live.name.name)\n" }.joined()
      )
      return 0
    case "ruleset":
      let family = words.first
      for table in tables where family == nil || table.family == family {
        try await show(process, table, options)
      }
      return 0
    case "table", "chain": break
    default: throw .refused(unmodelled)
    }
    let isChain = options.words[1] == "chain"
    var family = "ip"
    if let word = words.first, ["ip", "ip6", "inet", "arp", "bridge", "netdev"].contains(word) {
      family = word
      words.removeFirst()
    }
    guard words.count == (isChain ? 2 : 1) else { throw .refused(unmodelled) }
    let table = tables.first { $0.family == family && $0.live.name.name == words[0] }
    let isThere =
      table.map { !isChain || $0.live.chainsByAge.contains(words[1]) } ?? false
    guard let table, isThere else {
      let line = options.words.joined(separator: " ")
      let name = words[table == nil ? 0 : words.count - 1]
      let before = line.utf8.count - (table == nil && isChain ? words[1].utf8.count + 1 : 0)
      let place = String(repeating: " ", count: max(0, before - name.utf8.count))
      try await process.printError(
        "Error: No such file or directory\n\(line)\n\(place)"
          + String(repeating: "^", count: name.utf8.count) + "\n"
      )
      return 1
    }
    try await show(process, table, options, only: isChain ? words[1] : nil)
    return 0
  }

  private struct Table {
    var family: String
    var rules: RuleFamily
    var live: LiveTable
  }

  private static func tables(_ netfilter: Netfilter) -> [Table] {
    var tables: [Table] = []
    for family in RuleFamily.allCases {
      let ruleset = netfilter.ruleset(family, .nft)
      for name in ruleset.tablesByAge {
        guard let live = ruleset.existing(name), !live.chainsByAge.isEmpty else { continue }
        tables.append(Table(family: family == .ipv4 ? "ip" : "ip6", rules: family, live: live))
      }
    }
    return tables
  }

  private static func show(
    _ process: Process,
    _ table: Table,
    _ options: Options,
    only: String? = nil
  ) async throws(ProcessExit) {
    let name = table.live.name.name
    try await process.printError(
      "# Warning: table \(table.family) \(name) is managed by iptables-nft, do not touch!\n"
    )
    var rules = NftRuleText(family: table.rules)
    rules.showsCounters = !options.isStateless
    let chains = table.live.table.chains
    var blocks: [String] = []
    for chainName in table.live.chainsByAge where only == nil || chainName == only {
      guard let index = chains.firstIndex(where: { $0.name == chainName }) else { continue }
      let chain = chains[index]
      let activity = table.live.existingActivity(ofChain: index)
      var text = "\tchain \(chainName) {\n"
      if let hook = chain.hook {
        let kind =
          table.live.name == .nat
          ? "nat" : table.live.name == .mangle && hook == .output ? "route" : "filter"
        let priority = priority(table.live.name.priority(at: hook), hook, options)
        text += "\t\ttype \(kind) hook \(hook) priority \(priority); "
        text += "policy \(chain.policy == .drop ? "drop" : "accept");\n"
      }
      for (number, rule) in chain.rules.enumerated() {
        let counters = activity?.counters(of: number) ?? RuleCounters()
        text += "\t\t" + rules.text(rule, counters) + "\n"
      }
      blocks.append(text + "\t}\n")
    }
    try await process.print(
      "table \(table.family) \(name) {\n" + blocks.joined(separator: "\n") + "}\n"
    )
  }

  private static func priority(_ number: Int32, _ hook: RuleHook, _ options: Options) -> String {
    if options.isNumeric { return "\(number)" }
    switch number {
    case -300: return "raw"
    case -150: return "mangle"
    case -100: return hook == .prerouting ? "dstnat" : "\(number)"
    case 0: return "filter"
    case 50: return "150"
    case 100: return hook == .postrouting ? "srcnat" : "\(number)"
    default: return "\(number)"
    }
  }
}

extension CommandTable {
  /// Adds nft(8), which only lists.
  public func addNftCommand() { add(NftCommand.command) }
}

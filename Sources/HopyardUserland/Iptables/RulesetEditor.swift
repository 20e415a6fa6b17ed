import HopyardSimulator
import HopyardWire

/// Carries out what a line asks for, as one of the two back ends does.
struct RulesetEditor {
  let program: IptablesProgram
  let environment: IptablesEnvironment
  let name: RuleTable
  /// Whether the table as a whole is checked after each edit, to find the one that broke it.
  var validatesEach = false
  /// What the kernel refused so far.
  private(set) var failures: [(line: Int, text: String)] = []
  /// Whether an edit may have made the table as a whole invalid.
  private(set) var needsValidation = false
  /// Chains that the lines before made.
  private var made: Set<String> = []
  /// Chains of nf_tables that get another name once all lines were read: until then lines know them
  /// by the old one.
  private var renames: [(line: Int, chain: String, name: String)] = []

  init(_ program: IptablesProgram, _ environment: IptablesEnvironment, _ name: RuleTable) {
    self.program = program
    self.environment = environment
    self.name = name
  }

  private var isNFT: Bool { program.variant == .nft }
  private var ruleset: Ruleset { environment.ruleset(program.variant) }
  private var table: LiveTable? { ruleset.existing(name) }

  /// Carries out one line.
  mutating func perform(_ request: IptablesRequest, line: Int = 0) throws(IptablesFailure) {
    guard let command = request.command else { return }
    if !isNFT { _ = ruleset.table(name) }
    switch command {
    case .append, .insert, .replace, .check, .delete: try editRules(request, command, line)
    case .list: try list(request)
    case .listRules: try listRules(request)
    case .flush: try flush(request)
    case .zero: try zero(request)
    case .newChain: try newChain(request)
    case .deleteChain: try deleteChain(request, line)
    case .renameChain: try renameChain(request, line)
    case .policy: try setPolicy(request)
    }
    if request.alsoZeroes { try zero(request) }
  }

  // MARK: Rules

  private mutating func editRules(
    _ request: IptablesRequest,
    _ command: IptablesRequest.Command,
    _ line: Int
  ) throws(IptablesFailure) {
    let chain = request.chain ?? ""
    if let jump = request.jump, !request.hasTargetExtension { try checkJump(jump, request) }
    if command == .append || command == .insert { _ = ruleset.table(name) }
    guard let table, table.hasChain(chain) else {
      if command == .check || command == .delete && request.number == nil {
        throw .kernel(.badRule)
      }
      throw .kernel(.noSuchChain)
    }
    if command == .delete, let number = request.number {
      do { try table.remove(number - 1, inChain: chain) } catch { throw .kernel(.deletionTooBig) }
      return
    }
    try checkSets(request)
    for rule in request.rules {
      // nf_tables shows a rule that is looked for only once it is found.
      let isSearch = command == .check || command == .delete
      let isShown =
        !isSearch || !isNFT || table.firstIndex(of: rule, inChain: chain) != nil
      if request.verbosity > 0, isShown {
        environment.print(listing(request, edits: true).edited(rule))
      }
      switch command {
      case .check:
        guard table.firstIndex(of: rule, inChain: chain) != nil else { throw .kernel(.badRule) }
      case .delete:
        guard let index = table.firstIndex(of: rule, inChain: chain) else {
          throw .kernel(.badRule)
        }
        try attempt { () throws(TableEditError) in try table.remove(index, inChain: chain) }
      default: try add(rule, request, command, table, line)
      }
    }
  }

  private mutating func add(
    _ rule: Rule,
    _ request: IptablesRequest,
    _ command: IptablesRequest.Command,
    _ table: LiveTable,
    _ line: Int
  ) throws(IptablesFailure) {
    let chain = request.chain ?? ""
    let index = (request.number ?? 1) - 1
    let count = table.ruleCount(ofChain: chain) ?? 0
    let operation =
      command == .append ? "RULE_APPEND" : command == .insert ? "RULE_INSERT" : "RULE_REPLACE"
    if command == .insert, index > count { throw .kernel(.insertionTooBig) }
    if command == .replace, index >= count { throw .kernel(.replacementTooBig) }
    var request = request
    if request.deferredFailure == nil, namesMissingObject(rule) {
      request.deferredFailure = "No such file or directory"
    }
    if isNFT {
      if let problem = immediateProblem(rule, request, table) {
        failures.append((line, "\(operation) failed (\(problem)): rule in chain \(chain)"))
        return
      }
    } else if request.deferredFailure != nil
      || RuleValidation.problem(rule, name, program.family, .legacy) != nil
    {
      // The kernel says so only when the whole table is handed to it.
      failures.append((line, request.deferredFailure ?? "Invalid argument"))
      return
    }
    try refuseUnmodelled(rule)
    try attempt { () throws(TableEditError) in
      switch command {
      case .append: try table.insert(rule, inChain: chain, counters: request.counters)
      case .insert: try table.insert(rule, at: index, inChain: chain, counters: request.counters)
      default: try table.replace(index, with: rule, inChain: chain, counters: request.counters)
      }
    }
    needsValidation = needsValidation || RuleValidation.mayMatterElsewhere(rule)
    if validatesEach, let problem = RuleValidation.problem(table, .nft) {
      failures.append((line, "\(operation) failed (\(problem.rawValue)): rule in chain \(chain)"))
    }
  }

  /// Whether a rule counts in or reads an object of the namespace that is not there.
  private func namesMissingObject(_ rule: Rule) -> Bool {
    for match in rule.matches {
      switch match {
      case .accounting(let name) where !environment.hasAccount(name): return true
      case .rate(let match):
        for name in [match.first, match.second] {
          if let name, !hasEstimator(name) { return true }
        }
      default: break
      }
    }
    return false
  }

  /// Whether a rule of the ruleset feeds a rate estimator of a name.
  private func hasEstimator(_ name: String) -> Bool {
    let ruleset = environment.ruleset(program.variant)
    return RuleTable.allCases.contains { table in
      guard let live = ruleset.existing(table) else { return false }
      return live.chainNames.contains { chain in
        (live.rules(ofChain: chain) ?? []).contains { rule in
          if case .rateEstimator(let target) = rule.target { target.name == name } else { false }
        }
      }
    }
  }

  private func immediateProblem(
    _ rule: Rule,
    _ request: IptablesRequest,
    _ table: LiveTable
  ) -> String? {
    if let words = request.deferredFailure { return words }
    if let jump = rule.destinationChain, table.hook(ofChain: jump) != nil {
      // nf_tables makes a base chain only when it is first written to.
      let isThere = jump == request.chain || (table.ruleCount(ofChain: jump) ?? 0) > 0
      return isThere ? "Operation not supported" : "No such file or directory"
    }
    if let problem = RuleValidation.problem(rule, name, program.family, .nft) {
      return problem.rawValue
    }
    if let hook = table.hook(ofChain: request.chain ?? ""),
      !RuleValidation.allowedHooks(rule).contains(RuleHooks(hook))
    {
      return "Invalid argument"
    }
    return nil
  }

  private func checkJump(_ jump: String, _ request: IptablesRequest) throws(IptablesFailure) {
    let isThere = table?.hasChain(jump) ?? isBase(jump)
    if isThere {
      if !isNFT, isBase(jump) {
        throw .kernel(.invalid)
      }
      return
    }
    if isNFT { throw .parameter("Chain '\(jump)' does not exist") }
    throw .parameter(
      request.isGoto
        ? "goto '\(jump)' is not a chain"
        : "Couldn't load target `\(jump)':No such file or directory\n"
    )
  }

  private func checkSets(_ request: IptablesRequest) throws(IptablesFailure) {
    let rule = request.rule
    for case .set(let match) in rule.matches { try checkSet(match.name) }
    if case .set(let target) = rule.target {
      for reference in [target.add, target.delete, target.map] {
        if let reference { try checkSet(reference.name) }
      }
    }
  }

  /// Refuses a rule that the kernel would take and the model does not carry out.
  private func refuseUnmodelled(_ rule: Rule) throws(IptablesFailure) {
    guard !environment.keepsUnmodelled else { return }
    if let part = ModelledRules.firstUnmodelled(in: rule) {
      throw .unmodelled("\(part) of \(program.stem)")
    }
  }

  private func checkSet(_ name: String) throws(IptablesFailure) {
    if environment.hasSet(name) == false { throw .parameter("Set \(name) doesn't exist.\n") }
  }

  private func isBase(_ chain: String) -> Bool {
    name.hooks.contains { $0.chainName == chain }
  }

  // MARK: Chains

  private mutating func newChain(_ request: IptablesRequest) throws(IptablesFailure) {
    try attempt { () throws(TableEditError) in
      try ruleset.table(name).makeChain(request.chain ?? "")
    }
    made.insert(request.chain ?? "")
  }

  private mutating func deleteChain(
    _ request: IptablesRequest,
    _ line: Int
  ) throws(IptablesFailure) {
    guard let table else {
      if request.chain == nil { return }
      throw .kernel(.noSuchChain)
    }
    if let chain = request.chain {
      if request.verbosity > 0, table.hasChain(chain) || !isNFT {
        environment.print("Deleting chain `\(chain)'\n")
      }
      do {
        try table.removeChain(chain)
      } catch {
        switch error {
        case .noSuchChain: throw .kernel(.noSuchChain)
        case .wrongKind where isNFT && isUnusedBase(chain, table): return
        default:
          if isNFT {
            failures.append(
              (line, "CHAIN_DEL failed (Device or resource busy): chain \(chain)")
            )
            return
          }
          throw .kernel(
            error == .wrongKind ? .invalid : error == .inUse ? .tooManyLinks : .notEmpty
          )
        }
      }
      return
    }
    let names = table.chainNames.filter { table.hook(ofChain: $0) == nil }
    for chain in names where request.verbosity > 0 {
      environment.print("Deleting chain `\(chain)'\n")
    }
    let busy = names.filter { chain in
      (table.ruleCount(ofChain: chain) ?? 0) > 0
        || table.chainNames.contains { table.destinations(ofChain: $0).contains(chain) }
    }
    if !busy.isEmpty {
      if isNFT {
        for chain in busy {
          failures.append((line, "CHAIN_DEL failed (Device or resource busy): chain \(chain)"))
        }
        return
      }
      let isNotEmpty = busy.contains { (table.ruleCount(ofChain: $0) ?? 0) > 0 }
      throw .kernel(isNotEmpty ? .notEmpty : .tooManyLinks)
    }
    table.removeChains(names)
  }

  /// Whether a base chain is as it was when it was made, so that nf_tables can forget it.
  private func isUnusedBase(_ chain: String, _ table: LiveTable) -> Bool {
    guard table.ruleCount(ofChain: chain) == 0 else { return false }
    let sealed = table.table
    return sealed.index(of: chain).map { sealed.chains[$0].policy == .accept } ?? false
  }

  private mutating func renameChain(
    _ request: IptablesRequest,
    _ line: Int
  ) throws(IptablesFailure) {
    guard let table else { throw .kernel(.noSuchChain) }
    if isNFT, line > 0 {
      let (chain, name) = (request.chain ?? "", request.argument ?? "")
      guard !table.hasChain(name) else { throw .kernel(.fileExists) }
      guard table.hasChain(chain) else { throw .kernel(.noSuchChain) }
      renames.append((line, chain, name))
      return
    }
    do {
      try table.renameChain(request.chain ?? "", to: request.argument ?? "")
    } catch {
      throw .kernel(error == .chainExists ? .fileExists : .noSuchChain)
    }
  }

  /// Carries out what waits for the end of the lines.
  mutating func finish() {
    for (line, chain, name) in renames {
      // A chain that the same dump made has no handle yet by which the kernel would find it.
      let isKnown = !made.contains(chain)
      if !isKnown || (try? table?.renameChain(chain, to: name)) == nil {
        failures.append((line, "CHAIN_RENAME failed (No such file or directory): chain \(name)"))
      }
    }
    renames = []
  }

  /// Carries out the line `:CHAIN POLICY [COUNTERS]` of a dump.
  mutating func declare(
    _ chain: String,
    policy: String,
    counters: RuleCounters?
  ) throws(IptablesFailure) {
    let table = ruleset.table(name)
    if isBase(chain) {
      switch policy {
      case "-": return
      case "ACCEPT", "DROP":
        try attempt { () throws(TableEditError) in
          try table.setPolicy(
            ofChain: chain,
            to: policy == "ACCEPT" ? .accept : .drop,
            counters: counters
          )
        }
      default: throw .kernel(.badPolicy)
      }
    } else if table.hasChain(chain) {
      // A user's chain that a dump names anew is emptied, even if the table is not.
      try attempt { () throws(TableEditError) in try table.flush(chain: chain) }
    } else {
      try attempt { () throws(TableEditError) in try table.makeChain(chain) }
      made.insert(chain)
    }
  }

  private func setPolicy(_ request: IptablesRequest) throws(IptablesFailure) {
    let policy: ChainPolicy
    switch request.argument {
    case "ACCEPT": policy = .accept
    case "DROP": policy = .drop
    default:
      throw .kernel(isBase(request.chain ?? "") ? .badPolicy : .badBuiltin)
    }
    guard isBase(request.chain ?? "") else { throw .kernel(.badBuiltin) }
    try attempt { () throws(TableEditError) in
      try ruleset.table(name).setPolicy(
        ofChain: request.chain ?? "",
        to: policy,
        counters: request.counters
      )
    }
  }

  private func flush(_ request: IptablesRequest) throws(IptablesFailure) {
    if request.chain != nil || request.verbosity > 0 { _ = ruleset.table(name) }
    guard let table else { return }
    if let chain = request.chain {
      try attempt { () throws(TableEditError) in try table.flush(chain: chain) }
      if request.verbosity > 0 { environment.print("Flushing chain `\(chain)'\n") }
      return
    }
    if request.verbosity > 0 {
      for chain in table.chainNames { environment.print("Flushing chain `\(chain)'\n") }
    }
    table.flush()
  }

  private func zero(_ request: IptablesRequest) throws(IptablesFailure) {
    guard let table else {
      guard isNFT, let chain = request.chain, request.command == .zero else { return }
      throw .kernel(request.number != nil && isBase(chain) ? .badRule : .noSuchChain)
    }
    if let chain = request.chain, let number = request.number {
      do {
        try table.setCounters(ofRule: number - 1, inChain: chain, to: RuleCounters())
      } catch {
        if error == .noSuchChain { throw .kernel(.noSuchChain) }
        if !isNFT { throw .kernel(.counterTooBig) }
      }
      return
    }
    if request.verbosity > 0 {
      for chain in request.chain.map({ [$0] }) ?? table.chainNames where table.hasChain(chain) {
        environment.print("Zeroing chain `\(chain)'\n")
      }
    }
    try attempt { () throws(TableEditError) in try table.zero(chain: request.chain) }
  }

  /// Does an edit; what goes wrong is told in the words of iptables.
  private func attempt(
    _ body: () throws(TableEditError) -> Void
  ) throws(IptablesFailure) {
    do {
      try body()
    } catch {
      switch error {
      case .noSuchChain, .noSuchRule: throw .kernel(.noSuchChain)
      case .chainExists: throw .kernel(.chainExists)
      case .inUse: throw .kernel(.tooManyLinks)
      case .notEmpty: throw .kernel(.notEmpty)
      case .wrongKind: throw .kernel(.invalid)
      }
    }
  }

  // MARK: Listings

  /// The table, or an empty one that is not kept.
  private func reading<Result>(
    _ body: (LiveTable) throws(IptablesFailure) -> Result
  ) throws(IptablesFailure) -> Result {
    let isThere = table != nil
    let live = ruleset.table(name)
    defer { if !isThere, isNFT { ruleset.discard(name) } }
    return try body(live)
  }

  private func warnOfLegacy() {
    if isNFT, !environment.ruleset(.legacy).isEmpty {
      environment.warn(
        "# Warning: \(program.stem)-legacy tables present, use \(program.stem)-legacy to see "
          + "them\n"
      )
    }
  }

  private func checkListed(_ chain: String?, _ table: LiveTable) throws(IptablesFailure) {
    guard let chain, !table.hasChain(chain) else { return }
    if isNFT {
      throw .other(
        "chain `\(chain)' in table `\(name.name)' is incompatible, use 'nft' tool.\n"
      )
    }
    throw .kernel(.noSuchChain)
  }

  private func listing(_ request: IptablesRequest, edits: Bool = false) -> RuleListing {
    var listing = RuleListing(family: program.family, variant: program.variant)
    listing.isNumeric = request.isNumeric
    listing.isVerbose = request.verbosity > 0
    listing.isExact = request.isExact
    listing.numbersLines = request.numbersLines
    listing.isEditing = edits
    return listing
  }

  private func list(_ request: IptablesRequest) throws(IptablesFailure) {
    warnOfLegacy()
    let listing = listing(request)
    try reading { table throws(IptablesFailure) in
      try checkListed(request.chain, table)
      var references: [String: Int] = [:]
      if request.number == nil {
        for chain in table.table.chains {
          for rule in chain.rules {
            if let name = rule.destinationChain { references[name, default: 0] += 1 }
          }
        }
      }
      var isFirst = true
      for (index, chain) in table.table.chains.enumerated()
      where request.chain == nil || request.chain == chain.name {
        let activity = table.existingActivity(ofChain: index)
        if request.number == nil {
          if !isFirst { environment.print("\n") }
          isFirst = false
          environment.print(
            listing.header(
              chain,
              counters: activity?.shownPolicy(program.variant) ?? RuleCounters(),
              references: references[chain.name] ?? 0
            )
          )
        }
        for (number, rule) in chain.rules.enumerated()
        where request.number == nil || request.number == number + 1 {
          environment.print(
            listing.line(
              rule,
              number: number + 1,
              counters: activity?.counters(of: number) ?? .init()
            )
          )
        }
      }
    }
  }

  private func listRules(_ request: IptablesRequest) throws(IptablesFailure) {
    warnOfLegacy()
    let text = RuleText(
      family: program.family,
      variant: program.variant,
      release: program.release
    )
    let isVerbose = request.verbosity > 0
    try reading { table throws(IptablesFailure) in
      try checkListed(request.chain, table)
      let chosen = table.table.chains.enumerated().filter {
        request.chain == nil || request.chain == $0.element.name
      }
      func counters(_ counters: RuleCounters?) -> String {
        isVerbose ? " -c \(counters?.packets ?? 0) \(counters?.bytes ?? 0)" : ""
      }
      if request.number == nil {
        for (index, chain) in chosen {
          if let policy = chain.policy {
            environment.print(
              "-P \(chain.name) \(policy == .accept ? "ACCEPT" : "DROP")"
                + counters(
                  table.existingActivity(ofChain: index)?.shownPolicy(program.variant)
                ) + "\n"
            )
          } else {
            environment.print("-N \(chain.name)\n")
          }
        }
      }
      for (index, chain) in chosen {
        let activity = table.existingActivity(ofChain: index)
        for (number, rule) in chain.rules.enumerated()
        where request.number == nil || request.number == number + 1 {
          environment.print(
            "-A \(chain.name)" + text.text(rule, middle: counters(activity?.counters(of: number)))
              + "\n"
          )
        }
      }
    }
  }
}

extension ChainActivity {
  /// The policy's counters as a listing shows them: nf_tables counts only where it was told to.
  func shownPolicy(_ variant: RulesetVariant) -> RuleCounters {
    policyCounters(variant)
  }
}

import HopyardSimulator

/// Steps that a table takes all or not at all.
struct RulesetTransaction {
  /// One step.
  enum Step {
    /// Everything goes, as at the beginning of a dump.
    case clear(isVerbose: Bool)
    /// `:CHAIN POLICY [COUNTERS]`.
    case declare(String, policy: String, counters: RuleCounters?)
    /// A line with a command.
    case request(IptablesRequest)
  }

  /// A failure and the line that it belongs to.
  struct Failure: Error {
    var line: Int
    var cause: IptablesFailure
  }

  let program: IptablesProgram
  let environment: IptablesEnvironment
  let name: RuleTable

  private var ruleset: Ruleset { environment.ruleset(program.variant) }

  /// Takes the steps; if one fails, the table is as it was.
  func run(_ steps: [(line: Int, step: Step)]) throws(Failure) {
    let wasThere = ruleset.existing(name) != nil
    let before = Self.mayFailHalfway(steps) ? ruleset.existing(name)?.snapshot() : nil
    do throws(Failure) {
      var editor = RulesetEditor(program, environment, name)
      try take(steps, &editor)
      var failures = editor.failures
      if editor.needsValidation, let table = ruleset.existing(name),
        let problem = RuleValidation.problem(table, program.variant)
      {
        failures = problemFailures(problem, steps, before)
      }
      guard failures.isEmpty else { throw failure(failures) }
      // nf_tables forgets a table that is emptied and not written to again.
      if program.variant == .nft, steps.count == 1, case .clear(false) = steps[0].step {
        ruleset.discard(name)
      }
    } catch {
      if !wasThere || before != nil { undo(before) }
      throw error
    }
  }

  /// Whether something may have been changed when a step turns out to be impossible.
  ///
  /// Most single commands are looked at before they change anything; they need no snapshot, which
  /// would make each of many commands copy the chain that it edits.
  private static func mayFailHalfway(_ steps: [(line: Int, step: Step)]) -> Bool {
    guard steps.count == 1, case .request(let request) = steps[0].step else { return true }
    guard request.command?.editsRules == true else { return false }
    let rules = request.rules
    return rules.count > 1 || rules.contains { RuleValidation.mayMatterElsewhere($0) }
  }

  /// What would go wrong if the steps were taken, before the kernel sees the table.
  func rehearse(_ steps: [(line: Int, step: Step)]) -> Failure? {
    let before = ruleset.existing(name)?.snapshot()
    environment.isMuted = true
    defer {
      environment.isMuted = false
      undo(before)
    }
    var editor = RulesetEditor(program, environment, name)
    do {
      try take(steps, &editor)
      return nil
    } catch {
      return error
    }
  }

  private func take(
    _ steps: [(line: Int, step: Step)],
    _ editor: inout RulesetEditor
  ) throws(Failure) {
    for (line, step) in steps {
      do throws(IptablesFailure) {
        switch step {
        case .clear(let isVerbose):
          let table = ruleset.table(name)
          if isVerbose {
            for hook in name.hooks { environment.print("Flushing chain `\(hook.chainName)'\n") }
          }
          // The legacy kernel interface has no way to forget a policy.
          table.clear(keepingPolicies: program.variant == .legacy)
        case .declare(let chain, let policy, let counters):
          try editor.declare(chain, policy: policy, counters: counters)
        case .request(let request): try editor.perform(request, line: line)
        }
      } catch {
        throw Failure(line: line, cause: error)
      }
    }
    editor.finish()
  }

  /// Finds out which edits nf_tables refuses when the table as a whole is wrong.
  private func problemFailures(
    _ problem: RuleValidation.Problem,
    _ steps: [(line: Int, step: Step)],
    _ before: LiveTable.Snapshot?
  ) -> [(line: Int, text: String)] {
    guard program.variant == .nft else {
      return [(0, problem == .tooManyLinks ? "loop" : "Invalid argument")]
    }
    undo(before)
    environment.isMuted = true
    defer { environment.isMuted = false }
    var editor = RulesetEditor(program, environment, name)
    editor.validatesEach = true
    try? take(steps, &editor)
    return editor.failures
  }

  private func failure(_ failures: [(line: Int, text: String)]) -> Failure {
    let line = failures.first?.line ?? 0
    if program.variant == .legacy {
      let errno: IptablesErrno =
        switch failures.first?.text {
        case "loop": .loop
        case "No such file or directory": .noSuchChain
        case "Numerical result out of range": .outOfRange
        default: .invalid
        }
      return Failure(line: line, cause: .kernel(errno))
    }
    // One command has no line to tell, and tells of its first failure only.
    let texts =
      line == 0
      ? failures.prefix(1).map { " \($0.text)" }
      : failures.map { "line \($0.line): \($0.text)" }
    return Failure(line: line, cause: .batch(texts))
  }

  private func undo(_ before: LiveTable.Snapshot?) {
    if let before {
      ruleset.existing(name)?.restore(before)
    } else if program.variant == .nft {
      ruleset.discard(name)
    } else {
      // A legacy table stays once it has been looked at.
      ruleset.existing(name)?.clear()
    }
  }
}

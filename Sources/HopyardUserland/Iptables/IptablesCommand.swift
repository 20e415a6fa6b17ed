import HopyardSimulator

/// `iptables`, `iptables-save` and `iptables-restore`, in both families and variants.
struct IptablesCommand {
  let program: IptablesProgram
  let environment: IptablesEnvironment

  /// Runs the command on a namespace's rulesets.
  static func run(
    _ program: IptablesProgram,
    arguments: [String],
    input: () -> String,
    environment: IptablesEnvironment
  ) -> IptablesResult {
    let command = IptablesCommand(program: program, environment: environment)
    var status: Int32 = 0
    var refusal: String?
    do {
      switch program.role {
      case .edit: try command.edit(arguments)
      case .save: try command.save(arguments)
      case .restore: status = try command.restore(arguments, input)
      }
    } catch {
      (status, refusal) = command.report(error)
    }
    return IptablesResult(
      output: environment.output,
      errors: environment.errors,
      status: status,
      refusal: refusal ?? environment.refusal
    )
  }

  // MARK: One command

  private func edit(_ arguments: [String]) throws(IptablesFailure) {
    var parser = IptablesParser(arguments, program, environment)
    guard let request = try parser.parse() else { return }
    if request.asksVersion {
      environment.print("\(program.stem) \(program.version)\n")
      return
    }
    environment.warn(request.warnings)
    let table = try table(named: request.table)
    if request.verbosity > 1, request.command != .list, request.command != .listRules {
      throw .unmodelled("the option -v given twice")
    }
    let transaction = RulesetTransaction(
      program: program,
      environment: environment,
      name: table
    )
    do {
      try transaction.run([(0, .request(request))])
    } catch {
      throw error.cause
    }
  }

  private func table(named name: String) throws(IptablesFailure) -> RuleTable {
    if let table = RuleTable(name: name) { return table }
    throw .version(
      program.variant == .nft
        ? "table '\(name)' does not exist"
        : "can't initialize \(program.stem) table `\(name)': Table does not exist (do you need to "
          + "insmod?)"
    )
  }

  // MARK: Failures

  /// Tells of a failure; gives the exit status, and what the model lacks if that is the reason.
  func report(_ failure: IptablesFailure, line: Int? = nil) -> (Int32, String?) {
    let own = program.ownName
    let title = "\(own) \(program.version): "
    var lineText = ""
    if let line { lineText = "Error occurred at line: \(line)\n" }
    let hint = lineText + "Try `\(own) -h' or '\(own) --help' for more information.\n"
    switch failure {
    case .parameter(let text):
      environment.warn(title + text + "\n" + hint)
      return (2, nil)
    case .badArgument(let text):
      environment.warn("Bad argument `\(text)'\n" + hint)
      return (2, nil)
    case .hint:
      environment.warn(hint)
      return (2, nil)
    case .version(let text):
      environment.warn(
        title + text + "\nPerhaps \(program.stem) or your kernel needs to be upgraded.\n"
      )
      return (3, nil)
    case .other(let text):
      environment.warn(title + text)
      return (1, nil)
    case .kernel(let errno):
      environment.warn("\(own): \(errno.rawValue)\n")
      return (1, nil)
    case .plain(let text):
      environment.warn(text)
      return (1, nil)
    case .batch(let texts):
      environment.warn(title + (line == nil ? "" : "\n") + texts.joined(separator: "\n") + "\n")
      return (4, nil)
    case .refused(let text): return (2, text)
    }
  }
}

import HopyardSimulator

/// Checks and runs a lab: a script in the shell's language, one logical line after the other.
public final class LabRunner {
  /// The shell that runs it.
  public let session: LabSession
  /// Runs after each line: what has to settle before the next one.
  public var afterLine: () -> Void = {}
  /// When the run ends at the latest.
  public var limit: Instant?
  /// How many events one line may take.
  public var eventBudget: Int?

  /// The time between the end of the last line and the final state.
  public static let settlingTime: Int64 = .milliseconds(250)
  /// What passes between two lines: a person, or a shell that starts programs, is never quicker.
  public static let linePause: Int64 = .milliseconds(5)

  private let source: ShellSource

  /// Makes a runner for a lab.
  public init(source: ShellSource, userland: Userland) {
    self.source = source
    session = LabSession(source: source, userland: userland)
  }

  /// Everything in a lab that is wrong or not modelled, found without running it.
  public static func check(_ source: ShellSource, commands: CommandTable) -> [Problem] {
    var problems: [Problem] = []
    if let offset = source.bytes.firstIndex(of: 0x0D) {
      problems.append(source.problem(at: offset, "a carriage return, expected Unix line ends"))
    }
    if let offset = source.bytes.firstIndex(of: 0) {
      problems.append(source.problem(at: offset, "a zero byte, expected text"))
    }
    var lists: [CommandList] = []
    for line in source.logicalLines() {
      do {
        lists.append(try ShellParser.parse(ShellText(source, line.range)))
      } catch {
        problems.append(source.problem(at: error.offset, error.message))
      }
    }
    // Functions may be used, in other functions, before they are defined.
    let names = ShellChecker(source: source, table: commands)
    for list in lists { names.collectFunctions(list) }
    let checker = ShellChecker(source: source, table: commands)
    checker.functions = names.functions
    for list in lists { checker.check(list) }
    return (problems + checker.problems).sorted { $0.location < $1.location }
  }

  /// Runs the lab to its end.
  public func run() -> LabEnding {
    for line in source.logicalLines() {
      let ending = session.run(line, of: source, until: limit, eventBudget: eventBudget)
      afterLine()
      if let ending { return ending }
      if let ending = pause() { return ending }
    }
    return session.pass(nanoseconds: Self.settlingTime, eventBudget: eventBudget) ?? .finished
  }

  /// Lets the time between two lines pass, as far as the limit allows.
  private func pause() -> LabEnding? {
    let now = session.userland.simulation.now
    let left = limit.map { $0 - now } ?? Self.linePause
    guard left > 0 else { return nil }
    return session.pass(nanoseconds: min(left, Self.linePause), eventBudget: eventBudget)
  }
}

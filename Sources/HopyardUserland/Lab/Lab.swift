public import HopyardCapture
public import HopyardSimulator

/// A lab and the simulated machine on which it runs.
///
///     let lab = Lab(name: "two.lab", text: "ip netns add a\nip -n a link")
///     guard lab.problems.isEmpty else { … }
///     let ending = lab.run()
public final class Lab {
  /// How a lab is run.
  public struct Options: Sendable {
    /// The seed of all random choices.
    public var seed: UInt64 = 1
    /// Which variant plain `iptables` is.
    public var iptables = IptablesVariant.nft
    /// When the run ends at the latest, in virtual time.
    public var limit: Instant?
    /// How many events one line may take.
    public var eventBudget = 200_000_000

    /// The defaults.
    public init() {}
  }

  /// The simulation.
  public let simulation: Simulation
  /// The machine.
  public let machine: Machine
  /// The machine's programs.
  public let userland: Userland
  /// The lab's text.
  public let source: ShellSource
  /// The shell that runs it.
  public let runner: LabRunner
  /// How it is run.
  public let options: Options

  /// Prepares a lab; nothing runs yet.
  public init(source: ShellSource, options: Options = Options()) {
    self.source = source
    self.options = options
    simulation = Simulation(seed: options.seed)
    machine = Machine(simulation: simulation)
    machine.keepsInterfaceRecords = true
    let commands = CommandTable.labCommands(iptables: options.iptables)
    userland = Userland(machine: machine, commands: commands)
    userland.mountNetworkTrees()
    simulation.describeRules()
    runner = LabRunner(source: source, userland: userland)
    runner.limit = options.limit
    runner.eventBudget = options.eventBudget
  }

  /// Prepares a lab from its text.
  public convenience init(name: String, text: String, options: Options = Options()) {
    self.init(source: ShellSource(name: name, text: text), options: options)
  }

  /// Everything in the lab that is wrong or not modelled, found without running it.
  public var problems: [Problem] { LabRunner.check(source, commands: userland.commands) }

  /// Runs the lab to its end.
  public func run() -> LabEnding { runner.run() }

  /// Writes what the run left behind into a record's directory.
  public func write(to record: RecordDirectory) throws(RecordError) {
    try record.write(runner.session, of: source, iptables: options.iptables.rawValue)
  }

  /// Writes each namespace's final state into `directory`, as its own commands print it.
  public func writeState(to directory: String) throws(RecordError) {
    for namespace in machine.namespaces {
      try RecordDirectory.writeState(
        runner.session,
        namespace: namespace,
        to: directory + "/" + CapturePath.component(namespace.name)
      )
    }
  }

  /// Ends what still runs.
  public func close() { runner.session.close() }
}

import ArgumentParser
import Hopyard

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// `hopyard run`.
struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract: "Run a lab or a scenario in virtual time.",
    discussion: """
      The whole file is checked first: unknown commands, options and syntax are
      refused before anything runs. Standard output is what the commands print. A
      scenario (NAME.yaml) also has expectations: exit status 1 if one does not hold.
      """
  )

  @Argument(
    help: "The lab or scenario; - reads a lab from standard input.",
    completion: .file(extensions: ["lab", "yaml"])
  )
  var file: String

  @OptionGroup var lab: LabArguments

  @Option(help: "Write a pcap for each interface into this folder.", completion: .directory)
  var pcap: String?

  @Option(help: "Write one pcapng with every interface.", completion: .file())
  var pcapng: String?

  @Option(
    help: "Write a record (captures, outputs, final state) into this folder.",
    completion: .directory
  )
  var record: String?

  @Option(help: "Write the final state of each namespace into this folder.", completion: .directory)
  var state: String?

  @Option(help: "Write a scenario's results as JUnit XML.", completion: .file())
  var junit: String?

  @Flag(help: "Print each packet's journey.")
  var explain = false

  @Flag(help: "Print each packet's journey as JSON lines in place of the commands' output.")
  var json = false

  @Flag(help: "Bring a compose file or manifests up without trying ports and names.")
  var noProbes = false

  func run() throws {
    if file != "-", Folder.isFolder(file) { return try manifestsRun.run(file) }
    let source = try LabFile.read(file)
    switch InputKind(source) {
    case .lab: try runLab(source)
    case .manifests: try manifestsRun.run(file)
    case .compose:
      var run = ComposeFileRun(seed: lab.seed, pcap: pcap, pcapng: pcapng, json: json)
      run.probes = !noProbes
      try run.run(source)
    case .scenario: try scenarioRun.run(source)
    case .rules: try RulesCheckCommand.parse([file]).run()
    }
  }

  private var manifestsRun: ManifestsRun {
    ManifestsRun(seed: lab.seed, pcap: pcap, pcapng: pcapng, json: json, probes: !noProbes)
  }

  private var scenarioRun: ScenarioRun {
    var run = ScenarioRun()
    run.seed = lab.seed == 1 ? nil : lab.seed
    run.limit = lab.until?.nanoseconds
    run.iptables = lab.iptables == .nft ? nil : lab.iptables
    run.pcap = pcap
    run.pcapng = pcapng
    run.explain = explain
    run.json = json
    run.junit = junit
    run.state = state
    return run
  }

  private func runLab(_ source: ShellSource) throws {
    let lab = Lab(source: source, options: self.lab.options)
    lab.userland.commands.addDocker()
    let problems = lab.problems
    guard problems.isEmpty else {
      for problem in problems { Standard.error("\(problem)\n") }
      throw ExitCode(2)
    }
    var sinks: [any CaptureSink] = []
    if let pcap { sinks.append(PcapDirectoryTap(directory: pcap)) }
    if let pcapng { sinks.append(PcapngTap(file: pcapng)) }
    var recording: RecordDirectory?
    if let record {
      let directory = try refusing { () throws(RecordError) in try RecordDirectory(path: record) }
      sinks.append(directory.tap)
      recording = directory
    }
    let captures = CaptureFanout(sinks)
    if !sinks.isEmpty { lab.simulation.tap = captures }
    if explain {
      lab.simulation.tracer = ExplanationText { Standard.output($0) }
    } else if json {
      lab.simulation.tracer = ExplanationJSON { Standard.output($0) }
    }
    if !json { lab.runner.session.onOutput = { Standard.output($0) } }
    let watch = RunWatch(simulation: lab.simulation, captures: captures)
    watch.start()
    let ending = lab.run()
    watch.end()
    // What was recorded ends with the lab, not with the commands that show the state.
    lab.simulation.tap = nil
    lab.simulation.tracer = nil
    captures.finish()
    Standard.flush()
    try refusing { () throws(RecordError) in
      if let recording { try lab.write(to: recording) }
      if let state { try lab.writeState(to: state) }
    }
    lab.close()
    if let failure = captures.failure {
      Standard.error("\(failure)\n")
      throw ExitCode(2)
    }
    Standard.flush()
    if let error = Standard.failure {
      Standard.error("standard output: \(String(cString: strerror(error)))\n")
      throw ExitCode(2)
    }
    try report(ending, at: lab)
  }

  /// Says on standard error why a run ended early, and exits accordingly.
  private func report(_ ending: LabEnding, at lab: Lab) throws {
    let line = lab.runner.session.lines.last
    let place = line.map { "\(lab.source.name):\($0.number): " } ?? ""
    switch ending {
    case .finished: return
    case .exited(let status):
      if status != 0 { Standard.error("\(place)the lab ended with status \(status)\n") }
    case .refused(let problem): Standard.error("\(problem)\n")
    case .timeLimit: Standard.error("\(place)the time limit was reached\n")
    case .eventBudget:
      Standard.error(
        "\(place)more than \(lab.options.eventBudget) events for one line: a forwarding loop?\n"
      )
    case .stuck: Standard.error("\(place)the command waits for what can never come\n")
    case .foreignThread(let text): Standard.error("\(place)\(text)\n")
    case .interrupted:
      Standard.error("\(place)interrupted\n")
      throw ExitCode(130)
    }
    if ending.exitStatus != 0 { throw ExitCode(ending.exitStatus) }
  }
}

/// The options that `run` and `shell` share.
struct LabArguments: ParsableArguments {
  @Option(help: "The seed of all random choices.")
  var seed: UInt64 = 1

  @Option(help: "End the run at this virtual time: 90, 1.5s, 20ms, 3m.")
  var until: VirtualTime?

  @Option(help: "Which variant plain iptables is: nft or legacy.")
  var iptables = IptablesVariant.nft

  var options: Lab.Options {
    var options = Lab.Options()
    options.seed = seed
    options.iptables = iptables
    options.limit = until.map { Instant(nanoseconds: $0.nanoseconds) }
    return options
  }
}

/// Prints an error about a file that could not be written and exits with 2.
func refusing<R>(_ body: () throws(RecordError) -> R) throws -> R {
  do {
    return try body()
  } catch {
    Standard.error("\(error)\n")
    throw ExitCode(2)
  }
}

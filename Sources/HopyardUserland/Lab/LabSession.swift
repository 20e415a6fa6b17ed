import HopyardSimulator

/// What became of a line of a lab.
public struct LabLine: Sendable {
  /// The number of its first line in the file.
  public var number: Int
  /// Its text.
  public var text: String
  /// Its exit status.
  public var status: Int32
}

/// Why a lab does not go on.
public enum LabEnding: Equatable, Sendable {
  /// All its lines have run.
  case finished
  /// `exit`, or a failing command under `set -e`, ended the shell.
  case exited(Int32)
  /// Something that is not modelled was asked for while it ran.
  case refused(Problem)
  /// The time limit was reached while a command ran.
  case timeLimit
  /// The budget of events was used up, as by a forwarding loop.
  case eventBudget
  /// A command waits for what can never come.
  case stuck
  /// The run was interrupted from outside.
  case interrupted
  /// A program left the simulation's clock; the text names the cause.
  case foreignThread(String)

  /// The exit status of `hopyard run`.
  public var exitStatus: Int32 {
    switch self {
    case .finished: 0
    case .exited(let status): status == 0 ? 0 : 1
    case .refused: 2
    case .timeLimit, .eventBudget, .stuck, .foreignThread, .interrupted: 1
    }
  }
}

/// A shell on a simulated machine that runs text line by line, so that variables and `$!` last.
public final class LabSession {
  /// The machine's programs.
  public let userland: Userland
  /// Sees all output as it is written.
  public var onOutput: ((ArraySlice<UInt8>) -> Void)?
  /// The lines run so far, each with all that it, and what it left running, has printed.
  public private(set) var lines: [LabLine] = []

  let process: Process
  private var shell: Shell
  private var sinks: [OutputSink] = []

  /// Opens a shell in the machine's root namespace, in an empty directory; `prepare` may put its
  /// process into another namespace.
  public init(
    source: ShellSource,
    userland: Userland,
    prepare: (Process) -> Void = { _ in }
  ) {
    self.userland = userland
    process = userland.makeProcess()
    prepare(process)
    shell = Shell(process: process, source: source)
    try? userland.files.makeDirectory("/run/lab-cwd", withParents: true)
    process.directory = "/run/lab-cwd"
    process.place = (source, 0)
  }

  /// The output of a line.
  public func output(of index: Int) -> [UInt8] { sinks[index].bytes }

  /// The exit status of the last command.
  public var status: Int32 { shell.status }

  /// Runs one line to its end in virtual time; nil when the next may follow.
  public func run(
    _ line: LogicalLine,
    of source: ShellSource,
    until limit: Instant? = nil,
    eventBudget: Int? = nil
  ) -> LabEnding? {
    let list: CommandList
    do {
      list = try ShellParser.parse(ShellText(source, line.range))
    } catch {
      return .refused(source.problem(at: error.offset, error.message))
    }
    if shell.source !== source { shell = shell.continued(in: source) }
    let sink = OutputSink { [weak self] bytes in self?.onOutput?(bytes) }
    let null = try? process.open("/dev/null", .read)
    process.setDescriptor(0, null)
    process.setDescriptor(1, sink)
    process.setDescriptor(2, sink)
    sinks.append(sink)
    lines.append(LabLine(number: line.number, text: line.text, status: 0))
    let index = lines.count - 1
    var ending: LabEnding?
    var isDone = false
    let simulation = userland.simulation
    simulation.spawn { [self] in
      do throws(ShellUnwind) {
        lines[index].status = try await shell.run(list)
      } catch {
        switch error {
        case .break, .continue: break
        case .return(let status), .discard(let status):
          shell.status = status
          lines[index].status = status
        case .exit(let status):
          lines[index].status = status
          ending = .exited(status)
        case .process(let exit):
          switch exit {
          case .status(let status): ending = .exited(status)
          case .killed(let signal): ending = .exited(128 + signal.rawValue)
          case .failed: lines[index].status = 1
          case .refused(let message):
            process.refuse(message)
            lines[index].status = 2
          }
        }
      }
      isDone = true
      simulation.stop()
    }
    while true {
      let reason = simulation.run(until: limit, eventBudget: eventBudget)
      if let refusal = userland.refusal { return .refused(refusal) }
      if isDone { return ending }
      switch reason {
      case .stopped: continue
      case .interrupted: return .interrupted
      case .idle: return .stuck
      case .timeLimit: return .timeLimit
      case .eventBudget: return .eventBudget
      case .foreignThread(let text): return .foreignThread(text)
      }
    }
  }

  /// Lets virtual time pass.
  public func pass(nanoseconds: Int64, eventBudget: Int? = nil) -> LabEnding? {
    let end = userland.simulation.now + nanoseconds
    while true {
      let reason = userland.simulation.run(until: end, eventBudget: eventBudget)
      if let refusal = userland.refusal { return .refused(refusal) }
      switch reason {
      case .idle, .timeLimit: return nil
      case .stopped: continue
      case .interrupted: return .interrupted
      case .eventBudget: return .eventBudget
      case .foreignThread(let text): return .foreignThread(text)
      }
    }
  }

  /// What a command prints to standard output in a namespace, for reports; nil when it is not
  /// modelled.
  public func report(_ arguments: [String], in namespace: NetworkNamespace) -> [UInt8]? {
    guard let name = arguments.first, userland.commands[name] != nil else { return nil }
    let child = userland.makeProcess()
    let sink = OutputSink()
    child.namespace = namespace
    child.place = process.place
    child.setDescriptor(0, try? child.open("/dev/null", .read))
    child.setDescriptor(1, sink)
    child.setDescriptor(2, try? child.open("/dev/null", .write))
    var isDone = false
    var isModelled = true
    let simulation = userland.simulation
    simulation.spawn {
      do throws(ProcessExit) {
        _ = try await child.execute(arguments)
      } catch {
        if case .refused = error { isModelled = false }
      }
      child.end(0)
      isDone = true
      simulation.stop()
    }
    while !isDone {
      guard case .stopped = simulation.run(eventBudget: 10_000_000) else { break }
    }
    return isModelled ? sink.bytes : nil
  }

  /// Kills what still runs and lets it end.
  public func close() {
    userland.killAll()
    process.end(0)
    _ = userland.simulation.run(
      until: userland.simulation.now + .milliseconds(1),
      eventBudget: 1_000_000
    )
  }
}

extension Shell {
  /// The same shell for text of another file.
  func continued(in source: ShellSource) -> Shell {
    let shell = Shell(process: process, source: source, flavour: flavour)
    shell.variables = variables
    shell.positional = positional
    shell.name = name
    shell.functions = functions
    shell.options = options
    shell.status = status
    shell.lastBackground = lastBackground
    shell.jobs = jobs
    return shell
  }
}

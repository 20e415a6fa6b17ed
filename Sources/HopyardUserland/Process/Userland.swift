import HopyardSimulator

/// The programs of one machine: its files, its processes and the commands it knows.
public final class Userland {
  /// The clock that everything runs on.
  public let simulation: Simulation
  /// The machine's files.
  public let files: FileSystem
  /// The commands that can be run.
  public let commands: CommandTable
  /// The kernel, with the namespaces.
  public let machine: Machine
  /// What `hostname` prints.
  public var hostname = "host"
  /// Programs of upper floors that run on the machine, by name.
  public var daemons: [String: AnyObject] = [:]
  /// The first thing asked for that is not modelled; it ends the run.
  public private(set) var refusal: Problem?

  private var attachments: [ObjectIdentifier: AnyObject] = [:]
  private var processes: [Int32: Process] = [:]
  private var nextProcess: Int32 = 1000
  static let processLimit = 4000

  /// Makes a machine without processes.
  public init(machine: Machine, commands: CommandTable) {
    simulation = machine.simulation
    self.machine = machine
    self.commands = commands
    files = FileSystem(random: simulation.randomSource("urandom"))
  }

  /// Keeps what a higher layer runs on this machine, such as a container engine, where its commands
  /// find it.
  public func attach<T: AnyObject>(_ value: T) { attachments[ObjectIdentifier(T.self)] = value }

  /// What was attached of a type.
  public func attachment<T: AnyObject>(_ type: T.Type) -> T? {
    attachments[ObjectIdentifier(type)] as? T
  }

  /// The namespace in which processes start.
  public var rootNamespace: NetworkNamespace { machine.root }

  /// A process without a parent, in the root namespace, with nothing but `/dev/null` open.
  public func makeProcess() -> Process {
    let process = Process(userland: self, parent: nil, pid: takeNumber())
    processes[process.pid] = process
    return process
  }

  func makeChild(of parent: Process) throws(ProcessExit) -> Process {
    if processes.count >= Self.processLimit {
      throw .refused("more than \(Self.processLimit) processes at once are not modelled")
    }
    let process = Process(userland: self, parent: parent, pid: takeNumber())
    processes[process.pid] = process
    return process
  }

  private func takeNumber() -> Int32 {
    nextProcess &+= 1
    if nextProcess > 4_000_000 { nextProcess = 1001 }
    while processes[nextProcess] != nil { nextProcess += 1 }
    return nextProcess
  }

  func remove(_ process: Process) { processes[process.pid] = nil }

  /// The process with a number, if it has not ended.
  public func process(_ pid: Int32) -> Process? { processes[pid] }

  /// The processes that have not ended, in order of their numbers.
  public var running: [Process] {
    processes.keys.sorted().compactMap { processes[$0] }
  }

  /// Notes that something is not modelled, and ends the run.
  public func refuse(_ problem: Problem) {
    if refusal == nil { refusal = problem }
    simulation.stop()
  }

  /// Ends every process at once.
  public func killAll() {
    for process in running { process.send(.kill) }
  }
}

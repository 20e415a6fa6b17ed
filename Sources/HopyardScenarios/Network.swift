public import HopyardCapture
import HopyardContainers
public import HopyardServices
public import HopyardSimulator
public import HopyardUserland
import HopyardWire

/// A scenario's network, built and ready to be used.
///
///     let net = try Network(file: "two.yaml")
///     try net.run()
///     #expect(net.curl("web", from: "client").status == 200)
public final class Network {
  /// The scenario.
  public let scenario: Scenario
  /// The clock that everything runs on.
  public let simulation: Simulation
  /// The machines by name, in the order of the file.
  public private(set) var machines: [NetworkPlace] = []
  /// Docker hosts and clusters.
  public private(set) var parts: [any NetworkPart] = []
  /// What the steps print, as they print it.
  public var onOutput: ((ArraySlice<UInt8>) -> Void)?
  /// What had to be assumed, each once.
  public var assumptions: [String] { parts.flatMap(\.assumptions) }

  /// What does not run though it should, and why.
  public var complaints: [String] { parts.flatMap(\.complaints) }

  let watch: FrameWatch
  var sessions: [String: LabSession] = [:]
  var records: [StepRecord] = []
  /// Counters of frames for expectations, by the number of the expectation.
  var frameCounters: [Int: FrameWatch.Counter] = [:]
  private var keepAlive: [AnyObject] = []

  /// Builds a scenario's network; `captures` sees every frame from the beginning.
  public init(_ scenario: Scenario, captures: (any PacketTap)? = nil) throws(Problem) {
    self.scenario = scenario
    simulation = Simulation(seed: scenario.seed)
    watch = FrameWatch(next: captures)
    let needsTap =
      captures != nil
      || scenario.expectations.contains {
        switch $0.claim {
        case .seen, .never: true
        default: false
        }
      }
    if needsTap { simulation.tap = watch }
    simulation.describeRules()
    let builder = NetworkBuilder(self)
    try builder.build()
  }

  /// Reads a scenario file and builds its network.
  public convenience init(file: String) throws(Problem) {
    try self.init(Scenario(file: file))
  }

  /// Builds the network of a scenario given as text.
  public convenience init(text: String, file: String = "scenario.yaml") throws(Problem) {
    try self.init(Scenario(text: text, file: file))
  }

  deinit { close() }

  func add(_ machine: NetworkPlace) { machines.append(machine) }

  func add(_ part: any NetworkPart) { parts.append(part) }

  func keep(_ object: AnyObject) { keepAlive.append(object) }

  /// Ends what still runs.
  public func close() {
    for name in sessions.keys.sorted() { sessions[name]?.close() }
    sessions = [:]
  }

  // MARK: Names

  /// The place of a name: `machine`, `machine/namespace`, `machine/container` or
  /// `cluster/namespace/pod`.
  public func endpoint(_ name: String, in namespace: String? = nil) -> NetworkPlace? {
    var path = name.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    if let namespace, !namespace.isEmpty { path.append(namespace) }
    guard let first = path.first else { return nil }
    let rest = Array(path.dropFirst())
    if let part = parts.first(where: { $0.name == first }), !rest.isEmpty,
      let found = part.endpoint(rest)
    {
      return found
    }
    if let machine = machines.first(where: { $0.name == first }) {
      if rest.isEmpty { return machine }
      guard rest.count == 1, let found = machine.userland.machine.namespace(named: rest[0]) else {
        return nil
      }
      return NetworkPlace(
        name: path.joined(separator: "/"),
        userland: machine.userland,
        namespace: found
      )
    }
    // A container, pod, service or workload may be named alone where only one has the name.
    guard rest.isEmpty else { return nil }
    let found = parts.flatMap(\.endpoints).filter { $0.name.hasSuffix("/" + first) }
    if !found.isEmpty { return found.count == 1 ? found[0] : nil }
    let named = parts.compactMap { $0.endpoint([first]) }
    return named.count == 1 ? named[0] : nil
  }

  /// All names, for errors.
  public var names: [String] { machines.map(\.name) + parts.flatMap { $0.endpoints.map(\.name) } }

  func require(_ text: Scenario.Text, in namespace: Scenario.Text?) throws(Problem) -> NetworkPlace
  {
    if let found = endpoint(text.text, in: namespace?.text) { return found }
    if endpoint(text.text) != nil, let namespace {
      throw namespace.node.problem("`\(text.text)' has no namespace `\(namespace.text)'")
    }
    let near = names.min {
      EditDistance.between($0, text.text) < EditDistance.between($1, text.text)
    }
    throw text.node.problem(
      "there is no `\(text.text)'" + (near.map { "; did you mean `\($0)'?" } ?? "")
    )
  }

  // MARK: Time

  /// Runs a program to its end; nil if it does not end before the scenario's limit.
  func perform<T>(_ body: @escaping () async -> T) -> T? {
    let simulation = simulation
    var result: T?
    var isDone = false
    simulation.spawn {
      result = await body()
      isDone = true
      simulation.stop()
    }
    let limit = max(simulation.now, Instant(nanoseconds: scenario.limit)) + .seconds(600)
    while !isDone {
      guard case .stopped = simulation.run(until: limit, eventBudget: 500_000_000) else { break }
    }
    return result
  }

  /// Lets virtual time pass.
  public func pass(nanoseconds: Int64) {
    let end = simulation.now + nanoseconds
    while simulation.now < end {
      guard case .stopped = simulation.run(until: end, eventBudget: 500_000_000) else { break }
    }
  }

  /// Runs the commands of a text on a machine, container or pod, and gives what they print.
  public func execute(_ text: String, on name: String) throws(Problem) -> CommandResult {
    guard let endpoint = endpoint(name) else {
      throw Problem(
        file: scenario.file,
        location: SourceLocation(line: 1, column: 1),
        message: "there is no `\(name)', only " + names.joined(separator: ", ")
      )
    }
    let source = ShellSource(name: "command", text: text)
    return try run(source, at: endpoint)
  }

  /// The shell of an endpoint, made on first use.
  func session(_ endpoint: NetworkPlace, _ source: ShellSource) -> LabSession {
    if let known = sessions[endpoint.name] { return known }
    let session = LabSession(source: source, userland: endpoint.userland, prepare: endpoint.enter)
    session.onOutput = { [weak self] in self?.onOutput?($0) }
    sessions[endpoint.name] = session
    return session
  }

  /// Runs commands to their end.
  func run(_ source: ShellSource, at endpoint: NetworkPlace) throws(Problem) -> CommandResult {
    let problems = LabRunner.check(source, commands: endpoint.userland.commands)
    if let problem = problems.first { throw problem }
    let session = session(endpoint, source)
    let first = session.lines.count
    var failure: String?
    for line in source.logicalLines() {
      let ending = session.run(
        line,
        of: source,
        until: Instant(nanoseconds: scenario.limit),
        eventBudget: 500_000_000
      )
      guard let ending else { continue }
      switch ending {
      case .finished, .exited: break
      case .refused(let problem): throw problem
      case .timeLimit: failure = "the time limit was reached"
      case .eventBudget: failure = "too many events: a forwarding loop?"
      case .stuck: failure = "the command waits for what can never come"
      case .interrupted: failure = "interrupted"
      case .foreignThread(let text): failure = text
      }
      if failure != nil { break }
    }
    return CommandResult(session: session, lines: first..<session.lines.count, failure: failure)
  }
}

/// What commands did.
public struct CommandResult {
  private let session: LabSession
  private let lines: Range<Int>
  /// Why they did not come to their end, or nil.
  public let failure: String?

  init(session: LabSession, lines: Range<Int>, failure: String?) {
    self.session = session
    self.lines = lines
    self.failure = failure
  }

  /// The exit status of the last one.
  public var status: Int { lines.last.map { Int(session.lines[$0].status) } ?? 0 }

  /// What they, and what they left running, have printed so far.
  public var output: String {
    String(decoding: lines.flatMap { session.output(of: $0) }, as: UTF8.self)
  }
}

/// How a step went.
struct StepRecord {
  var step: Scenario.Step
  var result: CommandResult
  var start: Instant
  var end: Instant
}

import HopyardSimulator

/// A simulated process: what a command runs as.
public final class Process {
  /// The machine it runs on.
  public let userland: Userland
  /// Its process number, as `kill` takes it.
  public let pid: Int32
  /// The process that started it; nil for the first.
  public private(set) var parent: Process?
  /// The namespace whose network it sees.
  public var namespace: NetworkNamespace
  /// The user, as `-m owner` and `id` see it.
  public var uid: UInt32 = 0
  /// The exported variables.
  public var environment: [String: String] = [:]
  /// The current directory.
  public var directory = "/"
  /// Where `/etc/netns/NAME` takes the place of `/etc`.
  public var etcDirectory: String?
  /// The name of the host as this process sees it, where it is not the machine's
  /// (`uts_namespaces(7)`).
  public var ownHostname: String?
  /// The command's name, for its messages.
  public var name = "bash"
  /// Signals that do not end it: `wait` reports them.
  public var handledSignals: Set<Signal> = []
  /// Signals that do nothing.
  public var ignoredSignals: Set<Signal> = []
  /// The exit status once it ended; 128 and the signal's number when a signal ended it.
  public private(set) var exitStatus: Int32?
  /// The signal that ended it.
  public private(set) var endSignal: Signal?
  /// Woken when it ends.
  public let exited = WaitQueue()
  /// The place in the lab of the command that it runs, for refusals.
  public var place: (source: ShellSource, offset: Int)?

  private var descriptors: [Int32: OpenFile] = [:]
  private let signals = WaitQueue()
  private var pendingEnd: Signal?
  private var pendingSignals: [Signal] = []
  private var busyInstant = Instant.zero
  private var busySteps = 0
  private var busyPause: Int64 = .milliseconds(1)

  init(userland: Userland, parent: Process?, pid: Int32) {
    self.userland = userland
    self.parent = parent
    self.pid = pid
    namespace = parent?.namespace ?? userland.rootNamespace
    if let parent {
      uid = parent.uid
      environment = parent.environment
      directory = parent.directory
      etcDirectory = parent.etcDirectory
      ownHostname = parent.ownHostname
      name = parent.name
      ignoredSignals = parent.ignoredSignals
      place = parent.place
      for (number, file) in parent.descriptors { setDescriptor(number, file) }
    }
  }

  /// The clock.
  public var simulation: Simulation { userland.simulation }

  /// What `hostname` prints.
  public var hostname: String {
    get { ownHostname ?? userland.hostname }
    set { if ownHostname == nil { userland.hostname = newValue } else { ownHostname = newValue } }
  }

  /// A copy of this process, which shares its open files.
  public func fork() throws(ProcessExit) -> Process {
    try userland.makeChild(of: self)
  }

  /// Ends the process: closes its files and tells who waits.
  public func end(_ status: Int32, signal: Signal? = nil) {
    guard exitStatus == nil else { return }
    exitStatus = status
    endSignal = signal
    for number in descriptors.keys.sorted() { setDescriptor(number, nil) }
    userland.remove(self)
    parent = nil
    exited.wakeAll()
  }

  // MARK: Descriptors

  /// The open file of a descriptor.
  public func descriptor(_ number: Int32) -> OpenFile? { descriptors[number] }

  /// Makes a descriptor name another file, or none.
  public func setDescriptor(_ number: Int32, _ file: OpenFile?) {
    file?.retain()
    let old = descriptors[number]
    descriptors[number] = file
    old?.release()
  }

  /// The descriptors and their files, in order.
  var openDescriptors: [(number: Int32, file: OpenFile)] {
    descriptors.keys.sorted().compactMap { number in descriptors[number].map { (number, $0) } }
  }

  /// A number, from 10 on, that names no file.
  var freeDescriptor: Int32 {
    var number: Int32 = 10
    while descriptors[number] != nil { number += 1 }
    return number
  }

  // MARK: Waiting and signals

  /// How a wait ended.
  public enum WaitResult: Equatable, Sendable {
    /// The queue with this index was woken.
    case woken(Int)
    /// The deadline passed.
    case timedOut
    /// One of `handledSignals` came.
    case interrupted(Signal)
  }

  /// Suspends the process until a queue is woken, the deadline passes or a signal comes; a signal
  /// that is not handled ends it.
  public func wait(on queues: [WaitQueue], until deadline: Instant? = nil) async throws(ProcessExit)
    -> WaitResult
  {
    if let signal = try takeSignal() { return .interrupted(signal) }
    let outcome = await simulation.wait(on: [signals] + queues, until: deadline)
    if let signal = try takeSignal() { return .interrupted(signal) }
    switch outcome {
    case .timedOut: return .timedOut
    case .woken(let index): return .woken(max(index - 1, 0))
    }
  }

  /// Woken when a signal comes, for waits that are not this type's own.
  var interruptions: WaitQueue { signals }

  /// Whether a signal waits to be looked at.
  var isInterrupted: Bool { pendingEnd != nil || !pendingSignals.isEmpty }

  /// Looks at a signal that interrupted a system call; one that is not handled ends the process.
  func takeInterruption() throws(ProcessExit) {
    _ = try takeSignal()
  }

  private func takeSignal() throws(ProcessExit) -> Signal? {
    if let pendingEnd { throw .killed(pendingEnd) }
    return pendingSignals.isEmpty ? nil : pendingSignals.removeFirst()
  }

  /// Suspends the process for some virtual time, signals that it handles or not.
  public func sleep(nanoseconds: Int64) async throws(ProcessExit) {
    let deadline = simulation.now + max(nanoseconds, 0)
    while simulation.now < deadline {
      if case .timedOut = try await wait(on: [], until: deadline) { return }
    }
  }

  /// Delivers a signal.
  public func send(_ signal: Signal) {
    guard exitStatus == nil, signal.rawValue != 0 else { return }
    if signal != .kill {
      if ignoredSignals.contains(signal) { return }
      if handledSignals.contains(signal) {
        pendingSignals.append(signal)
        signals.wakeAll()
        return
      }
      if signal.isIgnoredByDefault { return }
    }
    if pendingEnd == nil || signal == .kill { pendingEnd = signal }
    signals.wakeAll()
  }

  /// Waits until another process has ended, and gives its exit status.
  public func wait(for child: Process) async throws(ProcessExit) -> Int32 {
    while true {
      if let status = child.exitStatus { return status }
      _ = try await wait(on: [child.exited])
    }
  }

  /// Counts a step that takes no virtual time, so that a loop of such steps cannot stop the clock:
  /// after many at one instant some time passes.
  public func step() async throws(ProcessExit) {
    if let pendingEnd { throw .killed(pendingEnd) }
    if simulation.now != busyInstant {
      busyInstant = simulation.now
      busySteps = 0
      busyPause = .milliseconds(1)
      return
    }
    busySteps += 1
    guard busySteps > 2_000 else { return }
    busySteps = 0
    try await sleep(nanoseconds: busyPause)
    busyPause = min(busyPause * 2, .seconds(100))
    busyInstant = simulation.now
  }

  // MARK: Reading and writing

  /// Reads up to `limit` bytes, waiting for the first; none at the end of the file.
  public func read(_ limit: Int = 65_536, from number: Int32 = 0) async throws(ProcessExit)
    -> [UInt8]
  {
    try await step()
    while true {
      guard let file = descriptors[number] else { throw .failed(.badDescriptor) }
      let bytes: [UInt8]?
      do {
        bytes = try file.receive(limit)
      } catch {
        throw .failed(error)
      }
      if let bytes { return bytes }
      _ = try await wait(on: file.readable.map { [$0] } ?? [])
    }
  }

  /// Everything up to the end of the file.
  public func readAll(from number: Int32 = 0, limit: Int = 1 << 26) async throws(ProcessExit)
    -> [UInt8]
  {
    var all: [UInt8] = []
    while true {
      let bytes = try await read(from: number)
      if bytes.isEmpty { return all }
      all += bytes
      if all.count > limit {
        throw .refused("more than \(limit >> 20) MiB of input is not modelled")
      }
    }
  }

  /// The next line with its line end (the last may lack it); nil at the end of the file.
  ///
  /// What was read beyond the line is kept for the next read from the descriptor.
  public func readLine(from number: Int32 = 0, delimiter: UInt8 = 0x0A) async throws(ProcessExit)
    -> [UInt8]?
  {
    var line: [UInt8] = []
    var searched = 0
    while true {
      if let end = line[searched...].firstIndex(of: delimiter) {
        if end + 1 < line.count { descriptors[number]?.pushBack(line[(end + 1)...]) }
        return Array(line[...end])
      }
      searched = line.count
      let more = try await read(4096, from: number)
      if more.isEmpty { return line.isEmpty ? nil : line }
      line += more
      if line.count > 1 << 26 { throw .refused("a line of more than 64 MiB is not modelled") }
    }
  }

  /// Writes all the bytes, waiting for room; a broken pipe ends the process as SIGPIPE does.
  public func write(_ bytes: some Sequence<UInt8>, to number: Int32 = 1) async throws(ProcessExit) {
    let all = Array(bytes)
    var rest = all[...]
    try await step()
    while !rest.isEmpty {
      guard let file = descriptors[number] else { throw .failed(.badDescriptor) }
      let count: Int
      do {
        count = try file.tryWrite(rest)
      } catch {
        if error == .brokenPipe, !ignoredSignals.contains(.pipe) { throw .killed(.pipe) }
        throw .failed(error)
      }
      rest = rest.dropFirst(count)
      if count == 0 { _ = try await wait(on: file.writable.map { [$0] } ?? []) }
    }
  }

  /// Writes text to standard output.
  public func print(_ text: String) async throws(ProcessExit) {
    try await write(text.utf8, to: 1)
  }

  /// Writes text to standard error.
  public func printError(_ text: String) async throws(ProcessExit) {
    if descriptors[2] == nil { return }
    try await write(text.utf8, to: 2)
  }

  // MARK: Files

  /// The full path of a file as this process names it.
  public func path(_ path: String) -> String {
    let full = FileSystem.normal(path, in: directory)
    if let etcDirectory, full.hasPrefix("/etc/") {
      let own = etcDirectory + full.dropFirst(4)
      if userland.files.kind(own) != nil { return own }
    }
    return full
  }

  /// Opens a file.
  public func open(_ path: String, _ mode: OpenMode) throws(Errno) -> OpenFile {
    if path.isEmpty { throw .noSuchFile }
    return try userland.files.open(self.path(path), mode, for: self)
  }

  /// The whole content of a file.
  public func contents(of path: String) throws(Errno) -> [UInt8] {
    if path.isEmpty { throw .noSuchFile }
    return try userland.files.read(self.path(path), for: self)
  }

  /// What a path names.
  public func kind(of path: String) -> FileKind? {
    path.isEmpty ? nil : userland.files.kind(self.path(path), for: self)
  }

  // MARK: Other commands

  /// Becomes another command, as `exec` does: runs it in this process and gives its exit status.
  public func execute(_ arguments: [String]) async throws(ProcessExit) -> Int32 {
    guard let first = arguments.first else { return 0 }
    let base = first.split(separator: "/").last.map(String.init) ?? first
    guard let command = userland.commands[first.contains("/") ? base : first] else {
      throw .refused("the command `\(first)' is not modelled")
    }
    name = base
    return try await command.run(self, Array(arguments.dropFirst()))
  }

  /// Starts a command in a new process, prepared by `prepare` before it runs.
  @discardableResult
  public func spawn(_ arguments: [String], prepare: (Process) -> Void = { _ in })
    throws(ProcessExit) -> Process
  {
    let child = try fork()
    prepare(child)
    child.start { process async throws(ProcessExit) in try await process.execute(arguments) }
    return child
  }

  /// Runs `body` as this process's program; the process ends when it returns or throws.
  public func start(
    after delay: Int64 = 0,
    _ body: @escaping (Process) async throws(ProcessExit) -> Int32
  ) {
    simulation.spawn(after: delay) { await self.finish(body) }
  }

  /// Runs `body` to its end here and now, and ends the process.
  func finish(_ body: (Process) async throws(ProcessExit) -> Int32) async {
    do {
      end(try await body(self) & 0xFF)
    } catch {
      switch error {
      case .status(let status): end(status & 0xFF)
      case .killed(let signal): end(128 + signal.rawValue, signal: signal)
      case .failed(let errno):
        try? await printError("\(name): \(errno)\n")
        end(1)
      case .refused(let message):
        refuse(message)
        end(2)
      }
    }
  }

  /// Ends the run because of something that is not modelled.
  func refuse(_ message: String) {
    if let place {
      userland.refuse(place.source.problem(at: place.offset, message))
    } else {
      userland.refuse(
        Problem(file: name, location: SourceLocation(line: 1, column: 1), message: message)
      )
    }
  }
}

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Runs programs, which are `async` functions, in virtual time on the thread that drives the
/// simulation.
///
/// Each resumption of a program is an event of its own, a fixed time after what woke it. What
/// resumes a program from another thread (`Task.sleep`, `Task.detached`) cannot keep the order of
/// events; it is noted and ends the run.
final class ProgramExecutor: TaskExecutor, EventHandler, @unchecked Sendable {
  /// How long after what woke it a program takes its next step.
  static let step: Int64 = .microseconds(20)

  private unowned(unsafe) var simulation: Simulation!
  private var handler: UInt32 = 0
  @exclusivity(unchecked) private var jobs: [UnownedJob] = []
  @exclusivity(unchecked) private var firstJob = 0
  private var thread = pthread_self()
  private var lock = pthread_mutex_t()
  private var foreign: String?
  private var draining = false

  init() { pthread_mutex_init(&lock, nil) }

  func attach(to simulation: Simulation, handler: UInt32) {
    self.simulation = simulation
    self.handler = handler
  }

  func adoptCurrentThread() { thread = pthread_self() }

  /// What left the executor, if something did.
  var foreignUse: String? {
    pthread_mutex_lock(&lock)
    defer { pthread_mutex_unlock(&lock) }
    return foreign
  }

  func enqueue(_ job: consuming ExecutorJob) {
    guard pthread_equal(pthread_self(), thread) != 0 else {
      pthread_mutex_lock(&lock)
      foreign =
        "a program was resumed by another thread: use the simulation's clock, spawn and wait queues "
        + "instead of Task.sleep, Task {} or Task.detached"
      pthread_mutex_unlock(&lock)
      return
    }
    jobs.append(UnownedJob(job))
    simulation.post(after: Self.step, handler: handler, tag: 0)
  }

  func handle(_ tag: UInt32) {
    guard firstJob < jobs.count else { return }
    let job = jobs[firstJob]
    firstJob += 1
    if firstJob == jobs.count {
      jobs.removeAll(keepingCapacity: true)
      firstJob = 0
    }
    job.runSynchronously(on: asUnownedTaskExecutor())
  }
}

/// Carries a value into a task that runs on the same thread.
private struct SameThread<Value>: @unchecked Sendable {
  let value: Value
}

extension Simulation {
  /// Starts a program: an `async` function whose first step is an event `delay` nanoseconds from
  /// now and which runs in virtual time.
  public func spawn(after delay: Int64 = 0, _ body: @escaping () async -> Void) {
    let carried = SameThread(value: body)
    let executor = self.executor
    if delay <= 0 {
      Task(executorPreference: executor) { await carried.value() }
    } else {
      schedule(after: delay) { Task(executorPreference: executor) { await carried.value() } }
    }
  }

  /// Suspends a program for some nanoseconds of virtual time.
  public func sleep(nanoseconds: Int64) async {
    _ = await wait(on: [], until: now + max(nanoseconds, 0))
  }

  /// Suspends a program until one of `queues` is woken or the deadline passes.
  ///
  /// Without a deadline and without a wake-up the program stays suspended.
  public func wait(on queues: [WaitQueue], until deadline: Instant? = nil) async -> WaitOutcome {
    let waiter = Waiter()
    return await withUnsafeContinuation { continuation in
      waiter.continuation = continuation
      for (index, queue) in queues.enumerated() { queue.add(waiter, index) }
      if let deadline {
        waiter.timer = schedule(after: max(deadline - now, 0)) { [self] in
          waiter.timer = nil
          waiter.finish(.timedOut, self)
        }
        waiter.simulation = self
      }
    }
  }
}

/// How a wait ended.
public enum WaitOutcome: Equatable, Sendable {
  /// The queue with this index was woken.
  case woken(Int)
  /// The deadline passed.
  case timedOut
}

/// One suspended program.
final class Waiter {
  var continuation: UnsafeContinuation<WaitOutcome, Never>?
  var timer: TimerToken?
  weak var simulation: Simulation?

  var isDone: Bool { continuation == nil }

  func finish(_ outcome: WaitOutcome, _ simulation: Simulation?) {
    guard let continuation else { return }
    self.continuation = nil
    if let timer { (simulation ?? self.simulation)?.cancel(timer) }
    timer = nil
    continuation.resume(returning: outcome)
  }
}

/// Programs that wait for the same thing, as in the kernel's wait queues.
public final class WaitQueue {
  @exclusivity(unchecked) private var waiters: [(waiter: Waiter, index: Int)] = []

  /// Makes a queue on which nobody waits.
  public init() {}

  func add(_ waiter: Waiter, _ index: Int) {
    if waiters.count > 8 { waiters.removeAll { $0.waiter.isDone } }
    waiters.append((waiter, index))
  }

  /// Resumes every program that waits here, in the order in which they began to wait.
  public func wakeAll() {
    guard !waiters.isEmpty else { return }
    let woken = waiters
    waiters.removeAll(keepingCapacity: true)
    for (waiter, index) in woken { waiter.finish(.woken(index), nil) }
  }
}

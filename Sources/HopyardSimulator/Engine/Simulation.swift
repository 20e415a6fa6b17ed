/// Something that events are delivered to.
///
/// Handlers are registered once and named by a dense number in events, so that an event is a plain
/// value of eight bytes.
protocol EventHandler: AnyObject {
  func handle(_ tag: UInt32)
}

/// Holds a handler so that it can be called without a reference count.
private final class HandlerSlot {
  let handler: any EventHandler
  init(_ handler: any EventHandler) { self.handler = handler }
}

/// Why a run ended.
public enum StopReason: Equatable, Sendable {
  /// Nothing is pending any more.
  case idle
  /// The time limit was reached; later events stay pending.
  case timeLimit
  /// The budget of events is used up, as by a forwarding loop.
  case eventBudget
  /// `stop()` was called.
  case stopped
  /// The heartbeat said so.
  case interrupted
  /// A program used a facility that leaves the simulation's executor; the text names it.
  case foreignThread(String)
}

/// A virtual clock with everything that happens on it.
///
/// A simulation owns the pending events, the packet pool, the random streams, the captures and the
/// programs of one network. It is used by one thread at a time. The same inputs and the same seed
/// give the same events in the same order.
public final class Simulation {
  /// The present instant.
  public internal(set) var now: Instant {
    @inline(__always) get { core.pointee.now }
    set { core.pointee.now = newValue }
  }
  /// What each packet reads.
  let core: UnsafeMutablePointer<SimulationCore>
  /// How many events have been run.
  @exclusivity(unchecked) public private(set) var eventCount = 0
  /// The seed of all random streams.
  public let seed: UInt64
  /// The simulation's own random stream; named consumers use `randomSource(_:)`.
  public var random: RandomSource {
    get { core.pointee.random }
    _modify { yield &core.pointee.random }
  }
  /// Where captured frames go; nil when nobody watches.
  @exclusivity(unchecked) public var tap: (any PacketTap)? {
    didSet {
      core.pointee.isTapped = tap != nil
      registerCapturePoints()
    }
  }
  /// Where the steps of packets' journeys go; nil when nobody asks.
  @exclusivity(unchecked) public var tracer: (any Tracer)? {
    didSet { core.pointee.isTraced = tracer != nil }
  }
  /// Called every 65,536 events of a run; the run ends when it gives false.
  ///
  /// For interrupts and progress.
  public var heartbeat: (() -> Bool)?
  /// The packets' memory.
  public let pool = PacketPool()

  /// What later floors keep once for the whole simulation, by type.
  var shared: [ObjectIdentifier: AnyObject] = [:]

  @exclusivity(unchecked) let wheel = TimingWheel()
  private var handlers: [HandlerSlot] = []
  /// The same without reference counts, for each event.
  @exclusivity(unchecked) private var handlerTable: ContiguousArray<Unmanaged<HandlerSlot>> = []
  @exclusivity(unchecked) private var stopRequested = false
  private let timers: TimerTable
  private(set) var executor: ProgramExecutor
  /// Interfaces that captures know, by number; kept so that a tap set later learns them all.
  var capturePoints: [CapturePoint] = []
  @exclusivity(unchecked) private var interfaceNames: [String] = []
  private var interfaceNameIDs: [String: UInt32] = [:]
  private var lastCaptureTime: Int64 = -1
  @exclusivity(unchecked) private var lastJourney: UInt64 = 0

  /// Makes an empty simulation.
  public init(seed: UInt64 = 1) {
    self.seed = seed
    core = .allocate(capacity: 1)
    core.initialize(
      to: SimulationCore(
        random: RandomSource(seed: seed),
        wheel: .passUnretained(wheel)
      )
    )
    timers = TimerTable()
    executor = ProgramExecutor()
    timers.wheel = wheel
    timers.handler = register(timers)
    executor.attach(to: self, handler: register(executor))
  }

  deinit {
    // What still holds packets goes before their memory does.
    handlers.removeAll()
    timers.removeAll()
    // A packet that somebody keeps all the same must find its pool.
    if pool.outstanding > 0 { _ = Unmanaged.passRetained(pool) }
    core.deallocate()
  }

  /// The random stream of a named consumer.
  public func randomSource(_ name: String) -> RandomSource {
    RandomSource(seed: seed, stream: name)
  }

  /// Gives a handler its number.
  func register(_ handler: any EventHandler) -> UInt32 {
    let slot = HandlerSlot(handler)
    handlers.append(slot)
    handlerTable.append(.passUnretained(slot))
    return UInt32(handlers.count - 1)
  }

  /// Schedules an event for a handler.
  @inline(__always)
  func post(after delay: Int64, handler: UInt32, tag: UInt32) {
    core.post(after: delay, handler: handler, tag: tag)
  }

  /// Runs `body` once, `delay` nanoseconds from now.
  ///
  /// For set-up, timers and rare events; packets travel as plain events.
  @discardableResult
  public func schedule(after delay: Int64, _ body: @escaping () -> Void) -> TimerToken {
    timers.add(at: (now + max(delay, 0)).nanoseconds, body)
  }

  /// Cancels a scheduled closure that has not run yet.
  public func cancel(_ token: TimerToken) {
    timers.cancel(token)
  }

  /// Makes `run` return after the present event.
  public func stop() { stopRequested = true }

  /// Runs events in order until nothing is pending, `limit` is reached, or `eventBudget` is used up.
  ///
  /// After a time limit the clock stands at the limit.
  @discardableResult
  public func run(until limit: Instant? = nil, eventBudget: Int? = nil) -> StopReason {
    executor.adoptCurrentThread()
    stopRequested = false
    let end = limit?.nanoseconds ?? .max
    var left = eventBudget ?? .max
    while true {
      if stopRequested { return .stopped }
      if left == 0 { return .eventBudget }
      guard let (time, event) = wheel.pop(until: end) else { break }
      // The lock behind it is too dear for each event.
      if eventCount & 1023 == 0, let problem = executor.foreignUse {
        return .foreignThread(problem)
      }
      if eventCount & 0xffff == 0, let heartbeat, !heartbeat() { return .interrupted }
      left &-= 1
      eventCount &+= 1
      core.pointee.now.nanoseconds = time
      handlerTable[Int(event.handler)]._withUnsafeGuaranteedRef { $0.handler.handle(event.tag) }
    }
    if let problem = executor.foreignUse { return .foreignThread(problem) }
    if let problem = executor.foreignUse { return .foreignThread(problem) }
    if wheel.count == 0 && limit == nil { return .idle }
    if let limit, now < limit { now = limit }
    return wheel.count == 0 ? .idle : .timeLimit
  }

  /// A new number for a packet's journey; one number follows a packet through NAT and tunnels.
  @inline(__always)
  func nextJourney() -> UInt64 {
    lastJourney &+= 1
    return lastJourney
  }

  /// The number that stands for an interface's name in rules and references; equal names, equal
  /// numbers.
  public func interfaceNameID(_ name: String) -> UInt32 {
    if let known = interfaceNameIDs[name] { return known }
    interfaceNames.append(name)
    let id = UInt32(interfaceNames.count)
    interfaceNameIDs[name] = id
    return id
  }

  /// The number of an interface's name, if any interface or rule ever had the name.
  func knownInterfaceNameID(_ name: String) -> UInt32? { interfaceNameIDs[name] }

  /// The interface name with a number, or an empty text for 0.
  public func interfaceName(_ id: UInt32) -> String {
    id > 0 && Int(id) <= interfaceNames.count ? interfaceNames[Int(id) - 1] : ""
  }

  // MARK: Captures

  /// Adds an interface that captures can name, and gives its number.
  func addCapturePoint(
    machine: String?,
    namespace: String,
    interface: String,
    ifindex: Int,
    linkType: LinkType
  ) -> Int {
    let point = CapturePoint(
      id: capturePoints.count,
      machine: machine,
      namespace: namespace,
      interface: interface,
      ifindex: ifindex,
      linkType: linkType
    )
    capturePoints.append(point)
    tap?.register(point)
    return point.id
  }

  /// Tells captures the new name of an interface.
  func renameCapturePoint(_ id: Int, to name: String) {
    capturePoints[id].interface = name
    tap?.rename(point: id, to: name)
  }

  /// The time stamp of the next captured frame; stamps grow strictly over the whole run.
  func captureTime() -> Instant {
    lastCaptureTime = max(now.nanoseconds, lastCaptureTime &+ 1)
    return Instant(nanoseconds: lastCaptureTime)
  }

  private func registerCapturePoints() {
    guard let tap else { return }
    for point in capturePoints { tap.register(point) }
  }
}

/// Names a scheduled closure so that it can be cancelled.
public struct TimerToken: Hashable, Sendable {
  let slot: UInt32
  let generation: UInt32
}

/// The closures that wait for their instant.
final class TimerTable: EventHandler {
  private struct Slot {
    var body: (() -> Void)?
    var generation: UInt32
  }

  @exclusivity(unchecked) var wheel: TimingWheel?
  @exclusivity(unchecked) var handler: UInt32 = 0
  @exclusivity(unchecked) private var slots: [Slot] = []
  @exclusivity(unchecked) private var free: [UInt32] = []

  func add(at time: Int64, _ body: @escaping () -> Void) -> TimerToken {
    let index: UInt32
    if let reused = free.popLast() {
      index = reused
      slots[Int(index)].body = body
    } else {
      index = UInt32(slots.count)
      slots.append(Slot(body: body, generation: 0))
    }
    wheel?.push(at: time, Event(handler: handler, tag: index))
    return TimerToken(slot: index, generation: slots[Int(index)].generation)
  }

  /// Forgets every closure; nothing runs afterwards.
  func removeAll() { slots = [] }

  /// The slot stays taken until its event comes by, so an event never meets a later owner.
  func cancel(_ token: TimerToken) {
    guard slots[Int(token.slot)].generation == token.generation else { return }
    slots[Int(token.slot)].body = nil
  }

  func handle(_ tag: UInt32) {
    let body = slots[Int(tag)].body
    slots[Int(tag)].body = nil
    slots[Int(tag)].generation &+= 1
    free.append(tag)
    body?()
  }
}

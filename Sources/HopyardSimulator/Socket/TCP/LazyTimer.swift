/// A timer of a connection that is set anew with nearly every segment.
///
/// As in Linux's timer wheel a later deadline costs nothing: the event that is already scheduled
/// finds the new deadline when it comes.
struct LazyTimer {
  /// When it is due, in nanoseconds; `Int64.max` while it is off.
  private(set) var deadline = Int64.max
  private var scheduledAt = Int64.max
  private var token: TimerToken?

  var isSet: Bool { deadline != .max }

  /// Sets it; `body` runs when an event of the timer comes, and asks ``fires(_:_:)``.
  mutating func set(
    at time: Int64,
    _ simulation: Simulation,
    _ body: @autoclosure () -> () -> Void
  ) {
    deadline = time
    if token != nil, scheduledAt <= time { return }
    if let token { simulation.cancel(token) }
    scheduledAt = time
    token = simulation.schedule(after: time &- simulation.now.nanoseconds, body())
  }

  mutating func clear() { deadline = .max }

  /// Forgets the event too, when the connection is gone.
  mutating func cancel(_ simulation: Simulation) {
    deadline = .max
    if let token { simulation.cancel(token) }
    token = nil
    scheduledAt = .max
  }

  /// An event came: whether the timer is due now.
  ///
  /// One that is due later is scheduled again.
  mutating func fires(_ simulation: Simulation, _ body: @autoclosure () -> () -> Void) -> Bool {
    token = nil
    scheduledAt = .max
    guard deadline != .max else { return false }
    if deadline <= simulation.now.nanoseconds {
      deadline = .max
      return true
    }
    set(at: deadline, simulation, body())
    return false
  }
}

/// What the way of each packet reads of its simulation: plain memory, so that looking at the clock,
/// or whether anybody watches, counts no references.
struct SimulationCore {
  /// The present instant.
  var now = Instant.zero
  /// Whether captures watch.
  var isTapped = false
  /// Whether explanations are asked for.
  var isTraced = false
  /// The simulation's own random stream.
  var random: RandomSource
  let wheel: Unmanaged<TimingWheel>
}

extension UnsafeMutablePointer where Pointee == SimulationCore {
  /// The present instant.
  @inline(__always)
  var now: Instant { pointee.now }

  /// Schedules an event for a handler.
  @inline(__always)
  func post(after delay: Int64, handler: UInt32, tag: UInt32) {
    let time = pointee.now.nanoseconds &+ delay
    pointee.wheel._withUnsafeGuaranteedRef {
      $0.push(at: time, Event(handler: handler, tag: tag))
    }
  }

  /// A random number below 2^31.
  @inline(__always)
  func drawLot() -> UInt32 { UInt32(truncatingIfNeeded: pointee.random.next() &>> 33) }
}

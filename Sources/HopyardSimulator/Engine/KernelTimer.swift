/// When a kernel timer runs out: never early, and the later the longer it was set for.
///
/// Linux counts time in jiffies, here of 4 ms (`CONFIG_HZ=250`), and keeps its timers in a wheel whose
/// levels of 64 slots get coarser eightfold (kernel/time/timer.c). A timer of 1 s is up to 36 ms
/// late; a program's own time-out of 1 s, which the kernel keeps with a high-resolution timer, is
/// therefore over before it.
enum KernelTimer {
  /// The length of a jiffy in nanoseconds.
  static let jiffy: Int64 = 4_000_000

  private static let levels = 8

  /// The jiffy that a timer set at `now` for `delay` jiffies waits for.
  @inline(__always)
  static func expiry(now: Int64, delay: Int64) -> Int64 {
    var level: Int64 = 0
    var limit: Int64 = 63
    while delay >= limit, level < levels {
      level &+= 1
      limit &<<= 3
    }
    let shift = 3 &* level
    return (((now &+ delay) &>> shift) &+ 1) &<< shift
  }

  /// The time that passes until a timer set at `now` for `delay` nanoseconds runs out.
  @inline(__always)
  static func wait(at now: Instant, for delay: Int64) -> Int64 {
    let asked = min(max(delay, 0), Int64.max / 4)
    let jiffies = (asked &+ jiffy &- 1) / jiffy
    let start = now.nanoseconds / jiffy
    return max(expiry(now: start, delay: jiffies) &* jiffy &- now.nanoseconds, 0)
  }
}

extension Simulation {
  /// Runs `body` once, when a kernel timer set now for `delay` nanoseconds runs out.
  @discardableResult
  func scheduleKernelTimer(after delay: Int64, _ body: @escaping () -> Void) -> TimerToken {
    schedule(after: KernelTimer.wait(at: now, for: delay), body)
  }
}

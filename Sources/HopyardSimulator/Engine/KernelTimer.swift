/// When a kernel timer runs out: never early, and the later the longer it was set for.
///
/// Linux counts time in jiffies, here of 4 ms (`CONFIG_HZ=250`), and keeps its timers in a wheel whose
/// levels of 64 slots get coarser eightfold (kernel/time/timer.c). A timer of 1 s is 4 to 36 ms late;
/// a program's own time-out of 1 s, which the kernel keeps with a high-resolution timer, is therefore
/// over before it. Where in its jiffy and slot a timer is set is chance on Linux; here each is late
/// by half a slot.
enum KernelTimer {
  /// The length of a jiffy in nanoseconds.
  static let jiffy: Int64 = 4_000_000

  private static let levels = 8

  /// The time that passes until a timer set for `delay` nanoseconds runs out.
  @inline(__always)
  static func wait(for delay: Int64) -> Int64 {
    let asked = min(max(delay, 0), Int64.max / 4)
    let jiffies = (asked &+ jiffy &- 1) / jiffy
    var slot: Int64 = 1
    var limit: Int64 = 63
    var level = 0
    while jiffies >= limit, level < levels {
      level &+= 1
      slot &<<= 3
      limit &<<= 3
    }
    return jiffies &* jiffy &+ slot &* jiffy / 2
  }
}

extension Simulation {
  /// Runs `body` once, when a kernel timer set now for `delay` nanoseconds runs out.
  @discardableResult
  func scheduleKernelTimer(after delay: Int64, _ body: @escaping () -> Void) -> TimerToken {
    schedule(after: KernelTimer.wait(for: delay), body)
  }
}

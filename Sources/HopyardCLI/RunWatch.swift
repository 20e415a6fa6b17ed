import Hopyard

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Set by the handler of SIGINT and SIGTERM.
nonisolated(unsafe) private var interruptCount: sig_atomic_t = 0

/// Watches a run: ends it in good order on an interrupt, and shows on a terminal how far it is.
final class RunWatch {
  private let simulation: Simulation
  private let captures: CaptureFanout
  private var beats = 0
  private var hasLine = false

  init(simulation: Simulation, captures: CaptureFanout) {
    self.simulation = simulation
    self.captures = captures
  }

  func start() {
    signal(SIGINT) { _ in interruptCount += 1 }
    signal(SIGTERM) { _ in interruptCount += 1 }
    signal(SIGPIPE, SIG_IGN)
    let showsProgress = Standard.isErrorTerminal
    simulation.heartbeat = { [unowned self] in
      if interruptCount > 0 || captures.failure != nil || Standard.failure != nil { return false }
      beats += 1
      // About every 16 million events, which is some seconds.
      if showsProgress && beats % 256 == 0 { showProgress() }
      return true
    }
  }

  private func showProgress() {
    hasLine = true
    let seconds = simulation.now.nanoseconds / 1_000_000_000
    Standard.error("\r\(seconds) s simulated, \(simulation.eventCount / 1_000_000) million events ")
  }

  func end() {
    simulation.heartbeat = nil
    if hasLine { Standard.error("\n") }
    signal(SIGINT, SIG_DFL)
    signal(SIGTERM, SIG_DFL)
  }
}

import HopyardSimulator

/// Keys that wait to be looked at, each once, a moment after the first one came.
final class WorkQueue {
  private let simulation: Simulation
  private let delay: Int64
  private var waiting: [ObjectKey] = []
  private var known: Set<ObjectKey> = []
  private var isScheduled = false
  private let body: (ObjectKey) -> Void

  init(_ simulation: Simulation, delay: Int64, _ body: @escaping (ObjectKey) -> Void) {
    self.simulation = simulation
    self.delay = delay
    self.body = body
  }

  func add(_ key: ObjectKey) {
    guard known.insert(key).inserted else { return }
    waiting.append(key)
    guard !isScheduled else { return }
    isScheduled = true
    simulation.schedule(after: delay) { [weak self] in self?.run() }
  }

  private func run() {
    isScheduled = false
    let keys = waiting
    waiting = []
    known = []
    for key in keys { body(key) }
  }
}

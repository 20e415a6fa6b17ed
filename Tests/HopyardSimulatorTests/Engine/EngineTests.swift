import Foundation
import Testing

@testable import HopyardSimulator

@Suite struct EngineTests {
  @Test func `events leave in order of time and then of scheduling`() {
    final class Recorder: EventHandler {
      var seen: [UInt32] = []
      func handle(_ tag: UInt32) { seen.append(tag) }
    }
    let simulation = Simulation()
    let recorder = Recorder()
    let handler = simulation.register(recorder)
    var random = RandomSource(seed: 7)
    var expected: [(Int64, UInt32)] = []
    for tag in 0..<20_000 {
      let magnitude = random.below(34)
      let time = Int64(random.below(1 << magnitude)) & ~7
      simulation.post(after: time, handler: handler, tag: UInt32(tag))
      expected.append((time, UInt32(tag)))
    }
    #expect(simulation.run() == .idle)
    let order = expected.sorted { $0.0 != $1.0 ? $0.0 < $1.0 : $0.1 < $1.1 }.map(\.1)
    #expect(recorder.seen == order)
  }

  @Test func `a run stops before a later event and can go on`() {
    let simulation = Simulation()
    var ran: [Int64] = []
    for delay in [5, 100_000, 7_000_000_000] as [Int64] {
      simulation.schedule(after: delay) { ran.append(simulation.now.nanoseconds) }
    }
    #expect(simulation.run(until: Instant(nanoseconds: 50_000)) == .timeLimit)
    #expect(ran == [5])
    simulation.schedule(after: 10) { ran.append(simulation.now.nanoseconds) }
    #expect(simulation.run() == .idle)
    #expect(ran == [5, 50_010, 100_000, 7_000_000_000])
  }

  @Test func `a budget ends an endless run`() {
    let simulation = Simulation()
    func again() { simulation.schedule(after: 1, again) }
    again()
    #expect(simulation.run(eventBudget: 1000) == .eventBudget)
  }

  @Test func `programs sleep, wait and wake in virtual time`() {
    let simulation = Simulation()
    var log: [String] = []
    let queue = WaitQueue()
    simulation.spawn {
      let outcome = await simulation.wait(on: [queue])
      log.append("a \(outcome) \(simulation.now.nanoseconds)")
    }
    simulation.spawn {
      let outcome = await simulation.wait(on: [queue], until: Instant(nanoseconds: 500_000))
      log.append("b \(outcome) \(simulation.now.nanoseconds)")
    }
    simulation.spawn {
      await simulation.sleep(nanoseconds: 1_000_000)
      queue.wakeAll()
      log.append("c \(simulation.now.nanoseconds)")
    }
    #expect(simulation.run() == .idle)
    #expect(
      log == ["b timedOut 520000", "c 1040000", "a woken(0) 1060000"]
    )
  }

  @Test func `a program that leaves the executor ends the run`() {
    let simulation = Simulation()
    simulation.spawn {
      try? await Task.sleep(nanoseconds: 1_000)
      await simulation.sleep(nanoseconds: 1)
    }
    var reason = simulation.run()
    // The other thread needs some real time.
    for _ in 0..<5_000 where reason == .idle {
      usleep(1_000)
      reason = simulation.run()
    }
    guard case .foreignThread = reason else {
      Issue.record("ended with \(reason)")
      return
    }
  }
}

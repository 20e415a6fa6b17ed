import Hopyard

/// What single parts of the engine cost.
enum MicroWorkloads {
  /// A closure that schedules its successor, with `pending` others of its kind in the queue.
  static func closureEvent(_ parameters: Workload.Parameters) -> Measurement {
    let simulation = Simulation()
    let chains = max(1, parameters.pending)
    var left = parameters.packets
    var random = RandomSource(seed: 1)
    var next: () -> Void = {}
    next = { [unowned simulation] in
      left -= 1
      if left <= 0 { return simulation.stop() }
      simulation.schedule(after: Int64(random.below(1_000_000)), next)
    }
    for _ in 0..<chains { simulation.schedule(after: Int64(random.below(1_000_000)), next) }
    let start = Usage.now()
    simulation.run()
    return perOperation(start, parameters.packets)
  }

  /// A program that sleeps and wakes again and again.
  static func programStep(_ parameters: Workload.Parameters) -> Measurement {
    let simulation = Simulation()
    simulation.spawn {
      for _ in 0..<parameters.packets { await simulation.sleep(nanoseconds: 1000) }
    }
    let start = Usage.now()
    simulation.run()
    return perOperation(start, parameters.packets)
  }

  private static func perOperation(_ start: Usage, _ count: Int) -> Measurement {
    let seconds = Usage.now().cpuSeconds - start.cpuSeconds
    var measurement = Measurement()
    measurement.record("operations", Double(count))
    measurement.record("run_cpu_s", seconds)
    measurement.record("ns_per_operation", seconds * 1e9 / Double(max(1, count)))
    return measurement
  }
}

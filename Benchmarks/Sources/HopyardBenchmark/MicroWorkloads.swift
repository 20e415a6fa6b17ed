import Glibc
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

  /// A frame of 142 bytes written to one of 18 capture files, as in a chain of eight routers.
  static func pcapRecord(_ parameters: Workload.Parameters) -> Measurement {
    let directory = parameters.captureDirectory ?? "/tmp/hopyard-bench-\(getpid())"
    let tap = PcapDirectoryTap(directory: directory)
    let points = 18
    for id in 0..<points {
      tap.register(
        CapturePoint(
          id: id,
          machine: nil,
          namespace: "r\(id / 2)",
          interface: "eth\(id % 2)",
          ifindex: 2,
          linkType: .ethernet
        )
      )
    }
    let frame = [UInt8](repeating: 0x42, count: 142)
    let start = Usage.now()
    frame.withUnsafeBytes { bytes in
      for index in 0..<parameters.packets {
        tap.capture(
          bytes,
          at: Instant(nanoseconds: Int64(index)),
          on: index % points,
          direction: index & 1 == 0 ? .outgoing : .incoming
        )
      }
    }
    tap.finish()
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

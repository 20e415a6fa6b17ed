import HopyardCapture
import HopyardContainers
import HopyardSimulator
import HopyardUserland

/// Makes the counters of frames that expectations ask for.
enum FrameCounters {
  static func make(
    _ frames: Scenario.Frames,
    in network: Network
  ) throws(Problem) -> FrameWatch.Counter {
    let endpoint = try network.require(frames.on, in: frames.namespace)
    let device = endpoint.namespace.devices[frames.interface.text]
    let isRaw = device.map { !$0.isEthernet && !$0.isLoopback } ?? false
    let filter: CaptureFilter
    do {
      filter = try CaptureFilter(frames.filter.text, linkType: isRaw ? .raw : .ethernet)
    } catch {
      throw frames.filter.node.problem("the filter `\(frames.filter.text)' is wrong: \(error)")
    }
    var direction: CaptureDirection?
    if let wanted = frames.direction { direction = wanted == "in" ? .incoming : .outgoing }
    let counter = FrameWatch.Counter(
      machine: endpoint.userland.machine.name,
      namespace: endpoint.namespace.name,
      interface: frames.interface.text,
      filter: filter,
      direction: direction
    )
    network.watch.add(counter)
    return counter
  }
}

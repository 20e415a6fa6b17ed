import HopyardCapture
import HopyardSimulator

/// Counts the frames that expectations ask for, and hands all frames on.
final class FrameWatch: PacketTap {
  /// Frames at one interface that meet a filter.
  final class Counter {
    let machine: String
    let namespace: String
    let interface: String
    let filter: CaptureFilter
    let direction: CaptureDirection?
    fileprivate(set) var count = 0
    /// Whether the interface was ever there.
    fileprivate(set) var isKnown = false

    init(
      machine: String,
      namespace: String,
      interface: String,
      filter: CaptureFilter,
      direction: CaptureDirection?
    ) {
      self.machine = machine
      self.namespace = namespace
      self.interface = interface
      self.filter = filter
      self.direction = direction
    }

    fileprivate func isAt(_ point: CapturePoint) -> Bool {
      point.machine ?? "" == machine && point.namespace == namespace
        && point.interface == interface && point.linkType == filter.linkType
    }
  }

  private let next: (any PacketTap)?
  private var counters: [Counter] = []
  private var points: [CapturePoint?] = []
  /// For each point, the counters that count there.
  private var watched: [[Counter]] = []

  init(next: (any PacketTap)?) { self.next = next }

  func add(_ counter: Counter) {
    counters.append(counter)
    for point in points { if let point { watch(point) } }
  }

  private func watch(_ point: CapturePoint) {
    while watched.count <= point.id { watched.append([]) }
    watched[point.id] = counters.filter { $0.isAt(point) }
    for counter in watched[point.id] { counter.isKnown = true }
  }

  func register(_ point: CapturePoint) {
    while points.count <= point.id { points.append(nil) }
    points[point.id] = point
    watch(point)
    next?.register(point)
  }

  func rename(point id: Int, to name: String) {
    if points.indices.contains(id), var point = points[id] {
      point.interface = name
      points[id] = point
      watch(point)
    }
    next?.rename(point: id, to: name)
  }

  func capture(
    _ frame: UnsafeRawBufferPointer,
    at time: Instant,
    on point: Int,
    direction: CaptureDirection
  ) {
    if watched.indices.contains(point) {
      for counter in watched[point] {
        if let wanted = counter.direction, wanted != direction { continue }
        if counter.filter.matches(frame) { counter.count += 1 }
      }
    }
    next?.capture(frame, at: time, on: point, direction: direction)
  }
}

public import HopyardSimulator

/// Hands every frame to several sinks.
public final class CaptureFanout: CaptureSink {
  private let sinks: [any CaptureSink]

  /// Makes a tap that feeds the sinks in this order.
  public init(_ sinks: [any CaptureSink]) { self.sinks = sinks }

  /// The first failure among the sinks; the others go on.
  public var failure: CaptureError? {
    for sink in sinks {
      if let failure = sink.failure { return failure }
    }
    return nil
  }

  /// Tells every sink of an interface.
  public func register(_ point: CapturePoint) {
    for sink in sinks { sink.register(point) }
  }

  /// Tells every sink an interface's new name.
  public func rename(point id: Int, to name: String) {
    for sink in sinks { sink.rename(point: id, to: name) }
  }

  /// Hands a frame to every sink.
  public func capture(
    _ frame: UnsafeRawBufferPointer,
    at time: Instant,
    on point: Int,
    direction: CaptureDirection
  ) {
    for sink in sinks { sink.capture(frame, at: time, on: point, direction: direction) }
  }

  /// Writes what is still buffered anywhere.
  public func flush() {
    for sink in sinks { sink.flush() }
  }

  /// Finishes every sink.
  public func finish() {
    for sink in sinks { sink.finish() }
  }
}

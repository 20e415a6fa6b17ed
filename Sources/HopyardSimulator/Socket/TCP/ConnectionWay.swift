import HopyardWire

/// Where a connection's packets go, kept as Linux keeps it in the socket (`sk_dst_cache`); good
/// until something that decides about it changes.
final class ConnectionWay {
  let output: OutputOptions
  let route: RouteDecision
  private let generation: UInt32
  private let epoch: UInt64
  private let optionEdits: UInt64

  init(_ output: OutputOptions, _ route: RouteDecision, _ stack: IPv4Stack, _ edits: UInt64) {
    self.output = output
    self.route = route
    generation = stack.routes.generation
    epoch = stack.flows.epoch
    optionEdits = edits
  }

  @inline(__always)
  func isGood(_ stack: IPv4Stack, _ edits: UInt64) -> Bool {
    generation == stack.routes.generation && epoch == stack.flows.epoch && optionEdits == edits
      && stack.exceptions.isEmpty && !stack.routes.multipathUsesNeighbours
  }
}

extension TCPSocket {
  /// How the connection's packets are sent.
  var connectionOutput: OutputOptions {
    var output = outputOptions(to: remoteAddress.rawValue, .tcp)
    output.source = localAddress.rawValue
    output.sourcePort = localPort
    output.destinationPort = remotePort
    output.acceptsAnySource = options.isTransparent
    return output
  }

  /// The way of the connection's packets.
  func findWay() throws(SocketError) -> ConnectionWay {
    if let way, way.isGood(stack, optionEdits) { return way }
    let output = connectionOutput
    let route = try stack.routeOutput(output)
    let found = ConnectionWay(output, route, stack, optionEdits)
    way = found
    return found
  }

  /// The metrics of the connection's route.
  var routeMetrics: RouteMetrics { stack.routeMetrics(connectionOutput) }

  // MARK: Segment size

  /// The MSS that this end announces (`dst_metric_advmss`).
  func announcedSegment(_ route: RouteDecision, _ metrics: RouteMetrics) -> Int {
    var segment = max(route.mtu - 40, 256)
    if metrics.advmss > 0 { segment = Int(metrics.advmss) }
    segment = min(segment, 65_535 - 40)
    if tcpOptions.maximumSegment > 0 { segment = min(segment, tcpOptions.maximumSegment) }
    return segment
  }

  /// Follows the path MTU (`tcp_sync_mss`).
  func followPathMTU(_ mtu: Int) {
    var segment = min(mtu - 40, peerSegment)
    segment = max(segment, Int(settings.leastSegment))
    if usesTimestamps { segment -= 12 }
    maximumSegment = max(boundedToHalfWindow(segment), 1)
    loss.pathMTU = mtu
  }

  /// Never more than half of the largest window that the peer offered (`tcp_bound_to_half_wnd`).
  func boundedToHalfWindow(_ size: Int) -> Int {
    let limit = maximumWindow > 536 ? maximumWindow >> 1 : maximumWindow
    guard limit > 0, size > limit else { return size }
    return max(limit, 68 - (usesTimestamps ? 32 : 20))
  }

  /// The payload of a full segment now (`tcp_current_mss`).
  func currentSegment() -> Int {
    if let way = try? findWay(), way.route.mtu != loss.pathMTU { followPathMTU(way.route.mtu) }
    let blocks = sackOptionSize
    return blocks > 0 ? max(maximumSegment - blocks, 1) : maximumSegment
  }

  /// The most payload that goes out as one burst, in whole segments (`tcp_xmit_size_goal`).
  func burstSize(_ segment: Int) -> Int {
    let size = boundedToHalfWindow(65_215)
    return max(size / segment, 1) * segment
  }
}

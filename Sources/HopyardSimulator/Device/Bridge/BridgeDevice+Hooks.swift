extension BridgeDevice {
  /// Shows a received frame to PREROUTING, then goes on with it.
  @inline(__always)
  func preRouting(_ packet: consuming Packet, from port: BridgePort) -> ReceiveResult {
    inputFinish(packet, from: port)
  }

  /// Shows a frame for the host to the bridge's INPUT, then gives it to the host's stack.
  @inline(__always)
  func localInput(_ packet: consuming Packet, from port: BridgePort) -> ReceiveResult {
    .another(packet, self)
  }

  /// Shows a frame to FORWARD (or OUTPUT, if the host sends it) and POSTROUTING, then sends it.
  @inline(__always)
  func forwardHooks(
    _ packet: consuming Packet,
    to port: BridgePort,
    from source: BridgePort?
  ) {
    push(packet, to: port)
  }
}

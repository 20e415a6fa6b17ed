import HopyardWire

/// The TCP side of a namespace's sockets.
final class TCPLayer {
  unowned(unsafe) let table: SocketTable

  init(table: SocketTable) { self.table = table }

  func deliver(_ packet: consuming Packet, on device: NetworkDevice, route: RouteType)
    -> TransportResult
  {
    .noSocket(packet)
  }

  func deliverError(_ report: ICMPErrorReport) {}
}

/// A namespace's bound UDP sockets in the order of their ports; of one port the newest first.
///
/// The socket table holds the references, so that looking a socket up counts none.
struct UDPPortTable {
  private var ports: ContiguousArray<UInt16> = []
  private var sockets: ContiguousArray<Unmanaged<UDPSocket>> = []

  /// Where the sockets of a port are.
  @inline(__always)
  func range(of port: UInt16) -> Range<Int> {
    let first = place(of: port)
    var end = first
    while end < ports.count, ports[end] == port { end &+= 1 }
    return first..<end
  }

  @inline(__always)
  private func place(of port: UInt16) -> Int {
    var low = 0
    var high = ports.count
    while low < high {
      let middle = (low &+ high) / 2
      if ports[middle] < port { low = middle &+ 1 } else { high = middle }
    }
    return low
  }

  /// A socket by its place.
  @inline(__always)
  subscript(place: Int) -> Unmanaged<UDPSocket> { sockets[place] }

  /// The sockets of a port, the newest first.
  func sockets(on port: UInt16) -> [UDPSocket] {
    range(of: port).map { sockets[$0].takeUnretainedValue() }
  }

  mutating func insert(_ socket: UDPSocket, port: UInt16) {
    let place = place(of: port)
    ports.insert(port, at: place)
    sockets.insert(.passUnretained(socket), at: place)
  }

  mutating func remove(_ socket: UDPSocket) {
    for place in range(of: socket.localPort)
    where sockets[place].toOpaque() == Unmanaged.passUnretained(socket).toOpaque() {
      ports.remove(at: place)
      sockets.remove(at: place)
      return
    }
  }
}

/// The datagrams that wait in a socket: a ring, so that they are moved in and out.
struct DatagramQueue: ~Copyable {
  private var slots: UnsafeMutablePointer<Datagram>?
  private var capacity = 0
  private var first = 0
  private(set) var count = 0

  init() {}

  deinit {
    guard let slots else { return }
    for place in 0..<count {
      (slots + ((first &+ place) & (capacity &- 1))).deinitialize(count: 1)
    }
    slots.deallocate()
  }

  var isEmpty: Bool { count == 0 }

  @inline(__always)
  mutating func append(_ datagram: consuming Datagram) {
    if count == capacity { grow() }
    guard let slots else { return }
    (slots + ((first &+ count) & (capacity &- 1))).initialize(to: datagram)
    count &+= 1
  }

  @inline(__always)
  mutating func popFirst() -> Datagram? {
    guard count > 0, let slots else { return nil }
    let datagram = (slots + first).move()
    first = (first &+ 1) & (capacity &- 1)
    count &-= 1
    return datagram
  }

  /// The next datagram, without taking it.
  var next: Datagram? {
    guard count > 0, let slots else { return nil }
    return slots[first]
  }

  private mutating func grow() {
    let size = max(4, capacity * 2)
    let new = UnsafeMutablePointer<Datagram>.allocate(capacity: size)
    if let slots {
      for place in 0..<count {
        (new + place).moveInitialize(
          from: slots + ((first &+ place) & (capacity &- 1)),
          count: 1
        )
      }
      slots.deallocate()
    }
    slots = new
    first = 0
    capacity = size
  }
}

/// A first-in first-out queue of packets, linked through the packets themselves.
struct PacketQueue: ~Copyable {
  private var first: UnsafeMutablePointer<PacketSlot>?
  private var last: UnsafeMutablePointer<PacketSlot>?

  /// How many packets wait.
  private(set) var count = 0

  init() {}

  fileprivate var firstSlot: UnsafeMutablePointer<PacketSlot>? { first }

  deinit {
    var slot = first
    while let current = slot {
      slot = current.pointee.next
      current.pointee.next = nil
      _ = Packet(slot: current)
    }
  }

  @inline(__always)
  var isEmpty: Bool { first == nil }

  /// The metadata of the packet that is next.
  var nextMetadata: PacketMetadata? {
    @inline(__always) get { first?.pointee.metadata }
  }

  /// When the packet that is next is due.
  var nextDue: Int64? {
    @inline(__always) get { first?.pointee.metadata.due }
  }

  @inline(__always)
  mutating func append(_ packet: consuming Packet) {
    let slot = packet.intoSlot()
    slot.pointee.next = nil
    if let last { last.pointee.next = slot } else { first = slot }
    last = slot
    count &+= 1
  }

  @inline(__always)
  mutating func popFirst() -> Packet? {
    guard let slot = first else { return nil }
    first = slot.pointee.next
    if first == nil { last = nil }
    slot.pointee.next = nil
    count &-= 1
    return Packet(slot: slot)
  }
}

extension PacketQueue {
  /// Whether a packet of a socket waits.
  func contains(socket: UInt32) -> Bool {
    var slot = firstSlot
    while let current = slot {
      if current.pointee.metadata.socket == socket { return true }
      slot = current.pointee.next
    }
    return false
  }

  /// Looks at the packet that is next without taking it.
  func peek<R>(_ body: (borrowing Packet) -> R) -> R? {
    guard let slot = firstSlot else { return nil }
    let packet = Packet(slot: slot)
    let result = body(packet)
    _ = packet.intoSlot()
    return result
  }
}

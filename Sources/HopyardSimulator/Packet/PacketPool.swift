/// The memory of packets: slots with headroom, reused without allocation.
///
/// Three sizes: one for what is short, as requests for addresses and handshakes are, one for frames
/// up to an Ethernet MTU, and one for everything up to 64 KiB and more.
public final class PacketPool {
  /// Free bytes in front of a new packet's first byte, for headers that are pushed later.
  public static let headroom = 192
  static let shortCapacity = 512
  static let smallCapacity = 2048
  static let largeCapacity = 66_560

  @exclusivity(unchecked) private var freeShort: UnsafeMutablePointer<PacketSlot>?
  @exclusivity(unchecked) private var freeSmall: UnsafeMutablePointer<PacketSlot>?
  @exclusivity(unchecked) private var freeLarge: UnsafeMutablePointer<PacketSlot>?
  private var chunks: [UnsafeMutableRawPointer] = []

  /// How many packets exist.
  @exclusivity(unchecked) public private(set) var outstanding = 0

  init() {}

  deinit {
    for chunk in chunks { chunk.deallocate() }
  }

  /// A packet of `count` bytes that are not initialised, with `headroom` before them.
  @inline(__always)
  func make(count: Int, headroom: Int = PacketPool.headroom) -> Packet {
    let needed = headroom &+ count
    let slot: UnsafeMutablePointer<PacketSlot>
    // A short packet may still grow by an option or two.
    if needed <= Self.shortCapacity &- 64 {
      if freeShort == nil { addChunk(Self.shortCapacity) }
      slot = freeShort.unsafelyUnwrapped
      freeShort = slot.pointee.next
    } else if needed <= Self.smallCapacity {
      if freeSmall == nil { addChunk(Self.smallCapacity) }
      slot = freeSmall.unsafelyUnwrapped
      freeSmall = slot.pointee.next
    } else {
      precondition(needed <= Self.largeCapacity, "a packet longer than any slot")
      if freeLarge == nil { addChunk(Self.largeCapacity) }
      slot = freeLarge.unsafelyUnwrapped
      freeLarge = slot.pointee.next
    }
    outstanding &+= 1
    slot.pointee.next = nil
    slot.pointee.head = Int32(truncatingIfNeeded: headroom)
    slot.pointee.count = Int32(truncatingIfNeeded: count)
    slot.pointee.metadata = PacketMetadata()
    return Packet(slot: slot)
  }

  @inline(__always)
  func release(_ slot: UnsafeMutablePointer<PacketSlot>) {
    outstanding &-= 1
    if slot.pointee.capacity == Int32(Self.shortCapacity) {
      slot.pointee.next = freeShort
      freeShort = slot
    } else if slot.pointee.capacity == Int32(Self.smallCapacity) {
      slot.pointee.next = freeSmall
      freeSmall = slot
    } else {
      slot.pointee.next = freeLarge
      freeLarge = slot
    }
  }

  private func addChunk(_ capacity: Int) {
    let stride = (MemoryLayout<PacketSlot>.size + capacity + 63) & ~63
    let number = capacity == Self.largeCapacity ? 8 : 64
    var free: UnsafeMutablePointer<PacketSlot>?
    let chunk = UnsafeMutableRawPointer.allocate(byteCount: stride * number, alignment: 64)
    chunks.append(chunk)
    for index in (0..<number).reversed() {
      let slot = (chunk + index * stride).bindMemory(to: PacketSlot.self, capacity: 1)
      slot.initialize(
        to: PacketSlot(
          pool: self,
          capacity: Int32(capacity),
          next: free
        )
      )
      free = slot
    }
    // Only an empty list comes here.
    switch capacity {
    case Self.shortCapacity: freeShort = free
    case Self.smallCapacity: freeSmall = free
    default: freeLarge = free
    }
  }
}

/// The head of a packet's memory; the bytes follow it.
struct PacketSlot {
  let pool: Unmanaged<PacketPool>
  let capacity: Int32
  var head: Int32 = 0
  var count: Int32 = 0
  var next: UnsafeMutablePointer<PacketSlot>?
  var metadata = PacketMetadata()

  init(pool: PacketPool, capacity: Int32, next: UnsafeMutablePointer<PacketSlot>?) {
    self.pool = .passUnretained(pool)
    self.capacity = capacity
    self.next = next
  }
}

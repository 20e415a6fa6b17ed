/// Connections in a slab, found by either direction's tuple.
///
/// An entry that is not (or no longer) in the hash stays readable for a while, because the packet
/// that caused this is still on its way through the stack; a reference carries a generation, so a
/// packet never meets a later owner of the slot.
final class ConntrackTable<Address: AddressWord> {
  typealias Entry = ConntrackEntry<Address>
  typealias Tuple = ConntrackTuple<Address>

  /// A place in the hash: the entry's index and a direction.
  struct Handle {
    let index: UInt32
    let direction: ConntrackDirection
  }

  private static var chunkShift: UInt32 { 5 }
  private static var chunkSize: Int { 1 << 5 }

  /// How many entries a large table makes room for at once: what huge pages hold, in whole chunks.
  private static var slabSize: Int {
    LargeMemory.pageSize * 2 / MemoryLayout<Entry>.stride & ~(chunkSize - 1)
  }

  @exclusivity(unchecked) private var chunks: ContiguousArray<UnsafeMutablePointer<Entry>> = []
  /// What the chunks were cut from.
  private var slabs: ContiguousArray<UnsafeMutableRawPointer> = []
  @exclusivity(unchecked) private var free: ContiguousArray<UInt32> = []
  @exclusivity(unchecked) private var slots: UnsafeMutablePointer<UInt64>?
  @exclusivity(unchecked) private var mask: UInt32 = 0
  @exclusivity(unchecked) private var used = 0
  /// One more than the highest index that was ever used.
  @exclusivity(unchecked) private(set) var limit: UInt32 = 0
  /// How many entries live, confirmed or not.
  @exclusivity(unchecked) private(set) var count = 0
  @exclusivity(unchecked) private var lastSerial: UInt32 = 0

  deinit {
    for slab in slabs { slab.deallocate() }
    slots?.deallocate()
  }

  // MARK: Entries

  @inline(__always)
  func entry(_ index: UInt32) -> UnsafeMutablePointer<Entry> {
    chunks[Int(index &>> Self.chunkShift)] + Int(index & UInt32(Self.chunkSize - 1))
  }

  /// The number that packets carry.
  @inline(__always)
  func reference(_ index: UInt32) -> UInt64 {
    UInt64(entry(index).pointee.generation) &<< 32 | UInt64(index &+ 1)
  }

  /// The index that a packet's reference still names.
  @inline(__always)
  func index(of reference: UInt64) -> UInt32? {
    let low = UInt32(truncatingIfNeeded: reference)
    guard low != 0, low <= limit else { return nil }
    let index = low &- 1
    guard entry(index).pointee.generation == UInt32(truncatingIfNeeded: reference &>> 32) else {
      return nil
    }
    return index
  }

  /// Takes a slot for a connection that is not in the hash yet.
  func allocate(original: Tuple, reply: Tuple) -> UInt32 {
    let index: UInt32
    var generation: UInt32 = 1
    if let reused = free.popLast() {
      index = reused
      generation = entry(index).pointee.generation
    } else {
      index = limit
      if Int(index >> Self.chunkShift) == chunks.count {
        addChunks()
      }
      limit += 1
    }
    lastSerial &+= 1
    count += 1
    let entry = entry(index)
    entry.initialize(to: Entry(original: original, reply: reply))
    entry.pointee.generation = generation
    entry.pointee.serial = lastSerial
    return index
  }

  private func addChunks() {
    let count = Int(limit) < Self.slabSize ? Self.chunkSize : Self.slabSize
    let slab = LargeMemory.allocate(count * MemoryLayout<Entry>.stride)
    slabs.append(slab)
    let entries = slab.bindMemory(to: Entry.self, capacity: count)
    for first in stride(from: 0, to: count, by: Self.chunkSize) { chunks.append(entries + first) }
  }

  /// Notes that an entry has died; its slot is given back later.
  func markDead(_ index: UInt32) {
    entry(index).pointee.status.insert(.dying)
    count -= 1
  }

  /// Gives a slot back; references to it become void.
  func release(_ index: UInt32) {
    let entry = entry(index)
    // Generation 0xffffffff is kept for templates, 0 for free slots that a zero reference names.
    let next = entry.pointee.generation &+ 1
    entry.pointee.generation = next >= 0xffff_fff0 ? 1 : next
    if !entry.pointee.status.contains(.dying) { count -= 1 }
    entry.pointee.status = .dying
    entry.pointee.serial = 0
    free.append(index)
  }

  /// The entries in the hash in order of creation.
  func confirmedIndices() -> [UInt32] {
    var result: [UInt32] = []
    for index in 0..<limit {
      let status = entry(index).pointee.status
      if status.contains(.confirmed) && !status.contains(.dying) { result.append(index) }
    }
    result.sort { entry($0).pointee.serial < entry($1).pointee.serial }
    return result
  }

  // MARK: Hash

  @inline(__always)
  func find(_ tuple: Tuple) -> Handle? {
    guard let slots else { return nil }
    let hash = tuple.hash
    var position = hash & mask
    while true {
      let slot = slots[Int(position)]
      if slot == 0 { return nil }
      if UInt32(truncatingIfNeeded: slot &>> 32) == hash {
        let value = UInt32(truncatingIfNeeded: slot) &- 1
        let index = value &>> 1
        let isReply = value & 1 == 1
        let entry = entry(index)
        if isReply ? entry.pointee.reply == tuple : entry.pointee.original == tuple {
          return Handle(index: index, direction: isReply ? .reply : .original)
        }
      }
      position = (position &+ 1) & mask
    }
  }

  /// Puts both directions into the hash.
  func insert(_ index: UInt32) {
    if (used + 2) * 4 > Int(mask) * 3 { grow() }
    let entry = entry(index)
    put(entry.pointee.original.hash, index << 1 | 0)
    put(entry.pointee.reply.hash, index << 1 | 1)
    used += 2
  }

  /// Takes both directions out of the hash.
  func remove(_ index: UInt32) {
    let entry = entry(index)
    take(entry.pointee.original.hash, index << 1 | 0)
    take(entry.pointee.reply.hash, index << 1 | 1)
  }

  /// Some entry near a tuple's place that `isVictim` allows to go.
  func victim(near tuple: Tuple, where isVictim: (UInt32) -> Bool) -> UInt32? {
    guard let slots else { return nil }
    var position = tuple.hash & mask
    for _ in 0..<64 {
      let slot = slots[Int(position)]
      if slot != 0 {
        let index = (UInt32(truncatingIfNeeded: slot) &- 1) >> 1
        if isVictim(index) { return index }
      }
      position = (position &+ 1) & mask
    }
    return nil
  }

  private func put(_ hash: UInt32, _ value: UInt32) {
    guard let slots else { return }
    var position = hash & mask
    while slots[Int(position)] != 0 { position = (position &+ 1) & mask }
    slots[Int(position)] = UInt64(hash) << 32 | UInt64(value &+ 1)
  }

  private func take(_ hash: UInt32, _ value: UInt32) {
    guard let slots else { return }
    let wanted = UInt64(hash) << 32 | UInt64(value &+ 1)
    var hole = hash & mask
    while slots[Int(hole)] != wanted {
      if slots[Int(hole)] == 0 { return }
      hole = (hole &+ 1) & mask
    }
    used -= 1
    // Entries behind the hole move forward as far as their own place allows.
    var position = hole
    while true {
      position = (position &+ 1) & mask
      let slot = slots[Int(position)]
      if slot == 0 { break }
      let home = UInt32(truncatingIfNeeded: slot >> 32) & mask
      if (position &- home) & mask >= (position &- hole) & mask {
        slots[Int(hole)] = slot
        hole = position
      }
    }
    slots[Int(hole)] = 0
  }

  private func grow() {
    let oldCount = slots == nil ? 0 : Int(mask) + 1
    let newCount = max(32, oldCount * 2)
    let old = slots
    let new = LargeMemory.allocate(newCount * MemoryLayout<UInt64>.stride)
      .bindMemory(to: UInt64.self, capacity: newCount)
    new.initialize(repeating: 0, count: newCount)
    slots = new
    mask = UInt32(newCount - 1)
    if let old {
      for position in 0..<oldCount where old[position] != 0 {
        let hash = UInt32(truncatingIfNeeded: old[position] >> 32)
        put(hash, UInt32(truncatingIfNeeded: old[position]) &- 1)
      }
      old.deallocate()
    }
  }
}

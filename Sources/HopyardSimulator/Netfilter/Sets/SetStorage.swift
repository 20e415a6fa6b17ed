/// The entries of a set: a hash with open addressing over a slab.
struct SetStorage: ~Copyable {
  private(set) var elements: ContiguousArray<SetElement> = []
  private var slots: ContiguousArray<Int32> = ContiguousArray(repeating: 0, count: 16)
  private var free: ContiguousArray<Int32> = []
  private var lastSerial: UInt64 = 0
  /// How many entries there are, expired ones included.
  private(set) var count = 0

  init() {}

  @inline(__always)
  private func position(of key: SetKey) -> Int {
    Int(truncatingIfNeeded: key.hash) & (slots.count &- 1)
  }

  /// The place of an entry, or a negative number.
  @inline(__always)
  func find(_ key: SetKey) -> Int {
    var place = position(of: key)
    while true {
      let slot = slots[place]
      if slot == 0 { return -1 }
      if elements[Int(slot) &- 1].key == key { return Int(slot) &- 1 }
      place = (place &+ 1) & (slots.count &- 1)
    }
  }

  subscript(index: Int) -> SetElement {
    @inline(__always) _read { yield elements[index] }
    @inline(__always) _modify { yield &elements[index] }
  }

  /// Adds an entry whose key is not there.
  mutating func insert(_ element: SetElement) -> Int {
    if (count + 1) * 2 > slots.count { grow() }
    lastSerial &+= 1
    let index: Int
    if let reused = free.popLast() {
      index = Int(reused)
      elements[index] = element
    } else {
      index = elements.count
      elements.append(element)
    }
    elements[index].serial = lastSerial
    elements[index].isAlive = true
    count += 1
    link(index)
    return index
  }

  private mutating func link(_ index: Int) {
    var place = position(of: elements[index].key)
    while slots[place] != 0 { place = (place &+ 1) & (slots.count &- 1) }
    slots[place] = Int32(truncatingIfNeeded: index &+ 1)
  }

  private mutating func grow() {
    slots = ContiguousArray(repeating: 0, count: slots.count * 2)
    for index in elements.indices where elements[index].isAlive { link(index) }
  }

  /// Takes an entry out.
  mutating func remove(_ index: Int) {
    let mask = slots.count &- 1
    var hole = position(of: elements[index].key)
    while slots[hole] != Int32(truncatingIfNeeded: index &+ 1) { hole = (hole &+ 1) & mask }
    // What stands behind moves up where its own place allows it.
    var place = hole
    while true {
      place = (place &+ 1) & mask
      let slot = slots[place]
      if slot == 0 { break }
      let home = position(of: elements[Int(slot) &- 1].key)
      if (place &- home) & mask >= (place &- hole) & mask {
        slots[hole] = slot
        hole = place
      }
    }
    slots[hole] = 0
    elements[index].isAlive = false
    elements[index].comment = nil
    free.append(Int32(truncatingIfNeeded: index))
    count -= 1
  }

  /// Forgets all entries.
  mutating func removeAll() {
    elements = []
    slots = ContiguousArray(repeating: 0, count: 16)
    free = []
    count = 0
  }

  /// The places of the entries in the order in which they came.
  func indices() -> [Int] {
    elements.indices.filter { elements[$0].isAlive }
      .sorted { elements[$0].serial < elements[$1].serial }
  }
}

/// The prefix lengths that a set's networks have, longest first, with the number of each.
struct PrefixLengths {
  private(set) var lengths: ContiguousArray<UInt8> = []
  private var counts: ContiguousArray<Int> = []

  mutating func add(_ length: UInt8) {
    if let place = lengths.firstIndex(of: length) {
      counts[place] += 1
      return
    }
    let place = lengths.firstIndex { $0 < length } ?? lengths.count
    lengths.insert(length, at: place)
    counts.insert(1, at: place)
  }

  mutating func remove(_ length: UInt8) {
    guard let place = lengths.firstIndex(of: length) else { return }
    counts[place] -= 1
    guard counts[place] == 0 else { return }
    lengths.remove(at: place)
    counts.remove(at: place)
  }
}

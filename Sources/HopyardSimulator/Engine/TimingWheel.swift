/// What happens at an instant: a handler, by its number, and a word for it.
struct Event {
  var handler: UInt32
  var tag: UInt32
}

/// Pending events in order of time and then of scheduling.
///
/// A hierarchical timing wheel: eleven levels of 64 slots. An event is placed by the highest 6-bit
/// digit in which its time differs from `base`; slots are lists that are only appended to and that
/// cascade in order, so events of one instant leave in the order in which they were pushed.
/// Push and pop cost the same however many events are pending.
final class TimingWheel {
  private struct Node {
    var time: Int64
    var event: Event
    var next: Int32
  }

  private static let levels = 11
  private static let none: Int32 = -1

  private var nodes: UnsafeMutablePointer<Node>
  private var capacity: Int
  private var free: Int32
  private let heads: UnsafeMutablePointer<Int32>
  private let tails: UnsafeMutablePointer<Int32>
  private let occupied: UnsafeMutablePointer<UInt64>
  private var levelMask: UInt32 = 0
  private var base: Int64 = 0

  /// How many events are pending.
  private(set) var count = 0

  init() {
    capacity = 256
    nodes = .allocate(capacity: capacity)
    let slots = Self.levels * 64
    heads = .allocate(capacity: slots)
    heads.initialize(repeating: Self.none, count: slots)
    tails = .allocate(capacity: slots)
    tails.initialize(repeating: Self.none, count: slots)
    occupied = .allocate(capacity: Self.levels)
    occupied.initialize(repeating: 0, count: Self.levels)
    free = Self.none
    link(from: 0)
  }

  deinit {
    nodes.deallocate()
    heads.deallocate()
    tails.deallocate()
    occupied.deallocate()
  }

  /// Adds an event at a time that is not before the last one popped.
  @inline(__always)
  func push(at time: Int64, _ event: Event) {
    precondition(time >= base, "an event in the past")
    if free == Self.none { grow() }
    let index = free
    let node = nodes + Int(index)
    free = node.pointee.next
    node.initialize(to: Node(time: time, event: event, next: Self.none))
    place(index, time)
    count &+= 1
  }

  /// Removes and returns the earliest event, unless it is later than `limit`.
  @inline(__always)
  func pop(until limit: Int64) -> (time: Int64, event: Event)? {
    while levelMask != 0 {
      let level = levelMask.trailingZeroBitCount
      let slot = occupied[level].trailingZeroBitCount
      let shift = Int64(level &* 6)
      // Digits above this level are those of base; lower ones are zero at the start of the slot.
      let above = level >= 10 ? 0 : (base >> (shift &+ 6)) << (shift &+ 6)
      let start = above | (Int64(slot) << shift)
      if start > limit { return nil }
      let at = level &* 64 &+ slot
      if level == 0 {
        let index = heads[at]
        let node = nodes + Int(index)
        let next = node.pointee.next
        heads[at] = next
        if next == Self.none { clear(level, slot) }
        let result = (node.pointee.time, node.pointee.event)
        node.pointee.next = free
        free = index
        count &-= 1
        base = start
        return result
      }
      var index = heads[at]
      heads[at] = Self.none
      clear(level, slot)
      base = start
      while index != Self.none {
        let next = nodes[Int(index)].next
        nodes[Int(index)].next = Self.none
        place(index, nodes[Int(index)].time)
        index = next
      }
    }
    return nil
  }

  @inline(__always)
  private func clear(_ level: Int, _ slot: Int) {
    occupied[level] &= ~(1 << UInt64(slot))
    if occupied[level] == 0 { levelMask &= ~(1 << UInt32(level)) }
  }

  @inline(__always)
  private func place(_ index: Int32, _ time: Int64) {
    let difference = UInt64(bitPattern: time ^ base)
    let level = difference == 0 ? 0 : (63 &- difference.leadingZeroBitCount) / 6
    let slot = Int((time >> Int64(level &* 6)) & 63)
    let at = level &* 64 &+ slot
    if heads[at] == Self.none {
      heads[at] = index
      occupied[level] |= 1 << UInt64(slot)
      levelMask |= 1 << UInt32(level)
    } else {
      nodes[Int(tails[at])].next = index
    }
    tails[at] = index
  }

  private func link(from first: Int) {
    for index in first..<capacity {
      (nodes + index).initialize(
        to: Node(
          time: 0,
          event: Event(handler: 0, tag: 0),
          next: index &+ 1 == capacity ? free : Int32(index &+ 1)
        )
      )
    }
    free = Int32(first)
  }

  private func grow() {
    let larger = UnsafeMutablePointer<Node>.allocate(capacity: capacity * 2)
    larger.moveInitialize(from: nodes, count: capacity)
    nodes.deallocate()
    nodes = larger
    let first = capacity
    capacity *= 2
    link(from: first)
  }
}

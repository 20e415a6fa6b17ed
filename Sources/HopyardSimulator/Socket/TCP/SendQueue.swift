/// What the kernel knows of a stretch of the stream that it sends.
struct SegmentMarks: OptionSet {
  let rawValue: UInt16
  /// PSH goes with its last byte.
  static let push = SegmentMarks(rawValue: 1)
  /// FIN follows its last byte.
  static let fin = SegmentMarks(rawValue: 2)
  /// Later bytes may not join it (`MSG_EOR`).
  static let end = SegmentMarks(rawValue: 4)
  /// The peer has it, as a SACK block said.
  static let sacked = SegmentMarks(rawValue: 8)
  /// It is taken to be lost.
  static let lost = SegmentMarks(rawValue: 16)
  /// It was sent again and that is on its way.
  static let retransmitted = SegmentMarks(rawValue: 32)
  /// It was sent again at some time.
  static let everRetransmitted = SegmentMarks(rawValue: 64)
  /// A buffer of its own begins here, for the account of memory.
  static let buffer = SegmentMarks(rawValue: 128)
  /// It left in one burst with the segment before it and is still one buffer with it.
  static let joined = SegmentMarks(rawValue: 256)
}

/// A stretch of the stream that is sent or will be, as one of Linux's socket buffers.
struct SendSegment {
  var start: UInt32
  /// Its payload bytes.
  var count: Int32
  var marks: SegmentMarks
  /// When it was last sent, in nanoseconds.
  var sentAt: Int64 = 0

  /// The sequence number behind it.
  @inline(__always)
  var end: UInt32 {
    start &+ UInt32(bitPattern: count) &+ (marks.contains(.fin) ? 1 : 0)
  }
}

/// The segments of a connection from the first that is not acknowledged on: those that were sent,
/// then those that wait.
struct SendQueue {
  private(set) var items: ContiguousArray<SendSegment> = []
  /// Where the first segment stands in `items`.
  private var first = 0
  /// How many segments were sent and not acknowledged.
  private(set) var sentCount = 0
  /// What the buffers cost besides their bytes.
  private(set) var buffers = 0

  var count: Int { items.count &- first }
  var isEmpty: Bool { items.count == first }
  var hasUnsent: Bool { count > sentCount }

  @inline(__always)
  subscript(_ index: Int) -> SendSegment {
    get { items[first &+ index] }
    _modify { yield &items[first &+ index] }
  }

  /// The first segment that was not sent yet.
  var head: SendSegment? { hasUnsent ? self[sentCount] : nil }
  var last: SendSegment? { items.count == first ? nil : items[items.count &- 1] }

  mutating func append(_ segment: SendSegment) {
    if segment.marks.contains(.buffer) { buffers &+= 1 }
    items.append(segment)
  }

  /// Lets the last, unsent segment grow.
  mutating func extendLast(by bytes: Int) {
    items[items.count &- 1].count &+= Int32(truncatingIfNeeded: bytes)
  }

  mutating func markLast(_ marks: SegmentMarks) { items[items.count &- 1].marks.formUnion(marks) }
  mutating func unmarkLast(_ marks: SegmentMarks) { items[items.count &- 1].marks.subtract(marks) }

  /// Cuts a segment in two; what ends the stretch stays with the second.
  mutating func split(_ index: Int, at bytes: Int, sharesBuffer: Bool) {
    let place = first &+ index
    var rest = items[place]
    rest.start = rest.start &+ UInt32(truncatingIfNeeded: bytes)
    rest.count &-= Int32(truncatingIfNeeded: bytes)
    items[place].count = Int32(truncatingIfNeeded: bytes)
    items[place].marks.subtract([.push, .fin, .end])
    if sharesBuffer {
      rest.marks.remove(.buffer)
    } else {
      rest.marks.insert(.buffer)
      buffers &+= 1
    }
    items.insert(rest, at: place &+ 1)
    if index < sentCount { sentCount &+= 1 }
  }

  /// Joins a segment with the one behind it.
  mutating func merge(_ index: Int) {
    let place = first &+ index
    let rest = items.remove(at: place &+ 1)
    items[place].count &+= rest.count
    items[place].marks.formUnion(
      rest.marks.intersection([.push, .fin, .end, .everRetransmitted])
    )
    if rest.marks.contains(.buffer) { buffers &-= 1 }
    if index &+ 1 < sentCount { sentCount &-= 1 }
  }

  /// Notes that the first unsent segments went out.
  mutating func noteSent(_ number: Int) { sentCount &+= number }

  /// Forgets the first segment, which was acknowledged.
  mutating func removeFirst() {
    if items[first].marks.contains(.buffer) {
      // The buffer is freed with its last segment.
      if first &+ 1 < items.count, !items[first &+ 1].marks.contains(.buffer), sentCount > 1 {
        items[first &+ 1].marks.insert(.buffer)
      } else {
        buffers &-= 1
      }
    }
    first &+= 1
    sentCount &-= 1
    if first == items.count {
      items.removeAll(keepingCapacity: items.capacity <= 256)
      first = 0
    } else if first >= 128 && first &* 2 >= items.count {
      items.removeFirst(first)
      first = 0
    }
  }

  /// Forgets the segments from a place on.
  mutating func removeLast() {
    let segment = items.removeLast()
    if segment.marks.contains(.buffer) { buffers &-= 1 }
  }

  mutating func removeAll() {
    items = []
    first = 0
    sentCount = 0
    buffers = 0
  }

  /// The index of the first sent segment that ends after a sequence number.
  func index(after sequence: UInt32) -> Int {
    var low = 0
    var high = sentCount
    while low < high {
      let middle = (low &+ high) / 2
      if self[middle].end.isAfter(sequence) { high = middle } else { low = middle &+ 1 }
    }
    return low
  }
}

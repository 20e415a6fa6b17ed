/// Data that arrived beyond a gap, and the blocks that tell the peer of it (RFC 2018, RFC 2883).
struct OutOfOrderQueue {
  struct Piece {
    var start: UInt32
    var bytes: [UInt8]
    var isFin: Bool
    var charge: Int
    var end: UInt32 {
      start &+ UInt32(truncatingIfNeeded: bytes.count) &+ (isFin ? 1 : 0)
    }
  }

  private(set) var pieces: [Piece] = []
  /// The blocks in the order of news, the latest first.
  private(set) var blocks: [SequenceRange] = []
  /// What arrived twice; told once.
  private(set) var duplicate: SequenceRange?
  /// What the pieces cost.
  private(set) var charge = 0

  var isEmpty: Bool { pieces.isEmpty }

  mutating func removeAll() {
    pieces = []
    blocks = []
    duplicate = nil
    charge = 0
  }

  /// Notes that a stretch came twice.
  mutating func noteDuplicate(_ start: UInt32, _ end: UInt32) {
    duplicate = SequenceRange(start: start, end: end)
  }

  /// The same, growing a note that was not told yet and touches it.
  mutating func extendDuplicate(_ start: UInt32, _ end: UInt32) {
    guard let known = duplicate, !start.isAfter(known.end), !known.start.isAfter(end) else {
      return noteDuplicate(start, end)
    }
    duplicate = SequenceRange(
      start: start.isBefore(known.start) ? start : known.start,
      end: end.isAfter(known.end) ? end : known.end
    )
  }

  mutating func duplicateTold() { duplicate = nil }

  /// Puts data in; false if all of it was there.
  mutating func insert(
    _ segmentStart: UInt32,
    _ segmentBytes: [UInt8],
    isFin: Bool,
    charge cost: Int,
    tellsDuplicates: Bool
  ) -> Bool {
    var piece = Piece(start: segmentStart, bytes: segmentBytes, isFin: isFin, charge: cost)
    let end = piece.end
    // The usual place is the end.
    var place = pieces.count
    while place > 0, !pieces[place - 1].start.isBefore(piece.start) { place -= 1 }
    if place > 0 {
      let before = pieces[place - 1]
      if !before.end.isBefore(end) {
        if tellsDuplicates { noteDuplicate(segmentStart, end) }
        return false
      }
      if before.end.isAfter(piece.start) {
        if tellsDuplicates { noteDuplicate(piece.start, before.end) }
        let known = before.end.distance(from: piece.start)
        piece.bytes.removeFirst(min(known, piece.bytes.count))
        piece.start = before.end
      }
    }
    while place < pieces.count {
      let after = pieces[place]
      guard after.start.isBefore(end) else { break }
      if after.end.isAfter(end) {
        if tellsDuplicates { extendDuplicate(after.start, end) }
        let kept = after.start.distance(from: piece.start)
        if kept <= 0 { return false }
        piece.bytes.removeLast(max(piece.bytes.count - kept, 0))
        piece.isFin = false
        break
      }
      if after.start == piece.start && after.end == end {
        if tellsDuplicates { noteDuplicate(segmentStart, end) }
        return false
      }
      if tellsDuplicates { extendDuplicate(after.start, after.end) }
      charge -= after.charge
      pieces.remove(at: place)
    }
    charge += piece.charge
    pieces.insert(piece, at: place)
    noteBlock(segmentStart, end)
    return true
  }

  /// Tells of new data in a block, the first of all (`tcp_sack_new_ofo_skb`).
  private mutating func noteBlock(_ start: UInt32, _ end: UInt32) {
    var block = SequenceRange(start: start, end: end)
    if let index = blocks.firstIndex(where: {
      !block.start.isAfter($0.end) && !$0.start.isAfter(block.end)
    }) {
      let known = blocks.remove(at: index)
      if known.start.isBefore(block.start) { block.start = known.start }
      if known.end.isAfter(block.end) { block.end = known.end }
      // The gap to another block may be closed now.
      while let other = blocks.firstIndex(where: {
        !block.start.isAfter($0.end) && !$0.start.isAfter(block.end)
      }) {
        let touched = blocks.remove(at: other)
        if touched.start.isBefore(block.start) { block.start = touched.start }
        if touched.end.isAfter(block.end) { block.end = touched.end }
      }
    }
    blocks.insert(block, at: 0)
    if blocks.count > 4 { blocks.removeLast() }
  }

  /// Takes the first piece if it joins what was received.
  mutating func takeFirst(at next: UInt32) -> Piece? {
    guard let first = pieces.first, !first.start.isAfter(next) else { return nil }
    pieces.removeFirst()
    charge -= first.charge
    return first
  }

  /// Forgets blocks below what was received.
  mutating func advance(to next: UInt32) {
    if pieces.isEmpty {
      blocks = []
    } else {
      blocks.removeAll { !$0.start.isAfter(next) }
    }
  }

  /// Throws the newest pieces away until they cost no more than a limit (RFC 2018 allows it).
  mutating func prune(to limit: Int) {
    while charge > limit, let last = pieces.popLast() { charge -= last.charge }
    blocks.removeAll { block in
      !pieces.contains { !$0.start.isBefore(block.start) && $0.start.isBefore(block.end) }
    }
    for index in blocks.indices {
      if let last = pieces.last, blocks[index].end.isAfter(last.end) {
        blocks[index].end = last.end
      }
    }
  }
}

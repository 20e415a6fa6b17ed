/// A piece of memory in which what packets read of many chains lies close together.
///
/// Its users hold it; it goes with the last of them.
final class ChainMemory {
  private static let firstSize = 1 << 16
  private static let nextSize = 2 << 20
  private let start: UnsafeMutableRawPointer
  private let size: Int
  private var used = 0

  init(size: Int) {
    self.size = size
    start = LargeMemory.allocate(size)
  }

  deinit { start.deallocate() }

  /// Takes a part that begins with a cache line; nil if the rest is too small.
  func take(_ count: Int) -> UnsafeMutableRawPointer? {
    guard count <= size - used else { return nil }
    let part = start + used
    used += (count + 63) & ~63
    return part
  }

  /// Takes a part of `memory`, or of a new piece that takes its place.
  static func take(_ count: Int, from memory: inout ChainMemory?)
    -> (part: UnsafeMutableRawPointer, owner: ChainMemory)
  {
    if let memory, let part = memory.take(count) { return (part, memory) }
    let new = ChainMemory(size: max(count, memory == nil ? firstSize : nextSize))
    // What is longer than a piece has one to itself.
    if count < new.size { memory = new }
    return (new.take(count) ?? new.start, new)
  }
}

/// Bytes in a ring: written at the end, read from the front or from any place in between.
struct ByteRing {
  private var storage: [UInt8] = []
  private var head = 0
  /// How many bytes it holds.
  private(set) var count = 0

  var isEmpty: Bool { count == 0 }

  /// Adds bytes at the end.
  mutating func append(_ bytes: UnsafeRawBufferPointer) {
    guard let base = bytes.baseAddress, bytes.count > 0 else { return }
    if count &+ bytes.count > storage.count { grow(count &+ bytes.count) }
    let size = storage.count
    var tail = head &+ count
    if tail >= size { tail &-= size }
    let first = min(bytes.count, size &- tail)
    let rest = bytes.count &- first
    storage.withUnsafeMutableBytes { target in
      guard let start = target.baseAddress else { return }
      (start + tail).copyMemory(from: base, byteCount: first)
      if rest > 0 { start.copyMemory(from: base + first, byteCount: rest) }
    }
    count &+= bytes.count
  }

  /// Copies bytes from a place after the front.
  func copy(from offset: Int, into target: UnsafeMutableRawPointer, count wanted: Int) {
    guard wanted > 0, offset >= 0, offset &+ wanted <= count else { return }
    let size = storage.count
    var start = head &+ offset
    if start >= size { start &-= size }
    let first = min(wanted, size &- start)
    storage.withUnsafeBytes { source in
      guard let base = source.baseAddress else { return }
      target.copyMemory(from: base + start, byteCount: first)
      if wanted > first {
        (target + first).copyMemory(from: base, byteCount: wanted &- first)
      }
    }
  }

  /// Copies bytes from the front without taking them.
  func prefix(_ wanted: Int) -> [UInt8] {
    let size = min(max(wanted, 0), count)
    return [UInt8](unsafeUninitializedCapacity: size) { target, filled in
      if let base = target.baseAddress { copy(from: 0, into: base, count: size) }
      filled = size
    }
  }

  /// Takes bytes off the front.
  mutating func removeFirst(_ number: Int) {
    let number = min(max(number, 0), count)
    count &-= number
    if count == 0 {
      head = 0
      // A large ring that ran empty gives its memory back.
      if storage.count > 16_384 { storage = [] }
      return
    }
    head &+= number
    if head >= storage.count { head &-= storage.count }
  }

  mutating func removeAll() {
    storage = []
    head = 0
    count = 0
  }

  private mutating func grow(_ needed: Int) {
    var size = max(storage.count * 2, 256)
    while size < needed { size *= 2 }
    var larger = [UInt8](repeating: 0, count: size)
    let kept = count
    larger.withUnsafeMutableBytes { target in
      if let base = target.baseAddress { copy(from: 0, into: base, count: kept) }
    }
    storage = larger
    head = 0
  }
}

/// The hash of Bob Jenkins (lookup3) in the form in which Linux uses it.
enum WordHash {
  private static let start: UInt32 = 0xdead_beef

  private static func rotate(_ value: UInt32, _ count: UInt32) -> UInt32 {
    value << count | value >> (32 - count)
  }

  private static func finish(_ a: UInt32, _ b: UInt32, _ c: UInt32) -> UInt32 {
    var (a, b, c) = (a, b, c)
    c ^= b
    c = c &- rotate(b, 14)
    a ^= c
    a = a &- rotate(c, 11)
    b ^= a
    b = b &- rotate(a, 25)
    c ^= b
    c = c &- rotate(b, 16)
    a ^= c
    a = a &- rotate(c, 4)
    b ^= a
    b = b &- rotate(a, 14)
    c ^= b
    return c &- rotate(b, 24)
  }

  private static func mix(_ a: inout UInt32, _ b: inout UInt32, _ c: inout UInt32) {
    a = (a &- c) ^ rotate(c, 4)
    c = c &+ b
    b = (b &- a) ^ rotate(a, 6)
    a = a &+ c
    c = (c &- b) ^ rotate(b, 8)
    b = b &+ a
    a = (a &- c) ^ rotate(c, 16)
    c = c &+ b
    b = (b &- a) ^ rotate(a, 19)
    a = a &+ c
    c = (c &- b) ^ rotate(b, 4)
    b = b &+ a
  }

  /// The hash of one word.
  static func hash(_ word: UInt32, seed: UInt32) -> UInt32 {
    let value = seed &+ start &+ 4
    return finish(word &+ value, value, value)
  }

  /// The hash of three words.
  static func hash(_ a: UInt32, _ b: UInt32, _ c: UInt32, seed: UInt32) -> UInt32 {
    let value = seed &+ start &+ 12
    return finish(a &+ value, b &+ value, c &+ value)
  }

  /// The hash of any number of words.
  static func hash(_ words: [UInt32], seed: UInt32) -> UInt32 {
    var a = start &+ UInt32(truncatingIfNeeded: words.count << 2) &+ seed
    var b = a
    var c = a
    var rest = words[...]
    while rest.count > 3 {
      a = a &+ rest.removeFirst()
      b = b &+ rest.removeFirst()
      c = c &+ rest.removeFirst()
      mix(&a, &b, &c)
    }
    guard !rest.isEmpty else { return c }
    a = a &+ rest.removeFirst()
    if let word = rest.popFirst() { b = b &+ word }
    if let word = rest.popFirst() { c = c &+ word }
    return finish(a, b, c)
  }

  /// A hash brought into the range from 0 up to a bound.
  static func scaled(_ hash: UInt32, below bound: UInt32) -> UInt32 {
    UInt32(truncatingIfNeeded: (UInt64(hash) &* UInt64(bound)) >> 32)
  }
}

extension ClusterMatch {
  /// Whether the connection of this source belongs to the nodes.
  ///
  /// Linux hashes the address as it stands in the packet, read as a number of the processor's own
  /// byte order; that order is little here as on nearly all hosts.
  func accepts(_ words: [UInt32]) -> Bool {
    let swapped = words.map(\.byteSwapped)
    let hash =
      swapped.count == 1
      ? WordHash.hash(swapped[0], seed: seed) : WordHash.hash(swapped, seed: seed)
    let node = WordHash.scaled(hash, below: nodeCount)
    return (nodes >> node & 1 == 1) != inverted
  }
}

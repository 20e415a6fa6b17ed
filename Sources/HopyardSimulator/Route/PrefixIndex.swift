/// A level-compressed form of a ``PrefixTree``, made for look-ups in large tables.
///
/// Each step reads as many bits as the branches below a node fill well, and skips those that all
/// have in common: ten thousand prefixes take two or three steps instead of fifteen. It is made
/// from the tree as it is and never changed.
struct PrefixIndex<Address: RoutableAddress> {
  /// Tables with fewer prefixes are walked bit by bit.
  static var minimumCount: Int { 64 }

  /// A node of the tree, and how many bits behind its prefix choose where to go on.
  private struct Jump {
    var prefix: Address
    var mask: Address
    var node: Int32
    var offset: Int32
    var length: UInt8
    var bits: UInt8
  }

  /// The deepest node that the bits tell, and the next jump, or -1.
  private struct Entry {
    var node: Int32
    var next: Int32
  }

  private var jumps: ContiguousArray<Jump> = []
  private var entries: ContiguousArray<Entry> = []

  /// Makes the index of a tree.
  init(_ tree: PrefixTree<Address>) {
    guard tree.root >= 0 else { return }
    var sizes = [Int32](repeating: 0, count: tree.nodes.count)
    _ = Self.measure(tree.root, tree, &sizes)
    _ = makeJump(tree.root, tree, sizes)
  }

  /// The deepest node whose prefix holds an address, or -1.
  @inline(__always)
  func deepest(_ address: Address) -> Int32 {
    var last: Int32 = -1
    var current = jumps.isEmpty ? -1 : 0
    while current >= 0 {
      let jump = jumps[current]
      if (address ^ jump.prefix) & jump.mask != 0 { break }
      last = jump.node
      if jump.bits == 0 { break }
      let entry = entries[Int(jump.offset) &+ Self.place(address, jump.length, jump.bits)]
      last = entry.node
      current = Int(entry.next)
    }
    return last
  }

  /// The number that `bits` bits behind the first `length` make.
  @inline(__always)
  private static func place(_ address: Address, _ length: UInt8, _ bits: UInt8) -> Int {
    let rest = address &<< Address(truncatingIfNeeded: length)
    return Int(
      truncatingIfNeeded: rest &>> Address(truncatingIfNeeded: Address.bitWidth &- Int(bits))
    )
  }

  // MARK: Making

  private static func measure(
    _ node: Int32,
    _ tree: PrefixTree<Address>,
    _ sizes: inout [Int32]
  ) -> Int32 {
    guard node >= 0 else { return 0 }
    let children = tree.nodes[Int(node)]
    let size = 1 + measure(children.left, tree, &sizes) + measure(children.right, tree, &sizes)
    sizes[Int(node)] = size
    return size
  }

  private mutating func makeJump(
    _ index: Int32,
    _ tree: PrefixTree<Address>,
    _ sizes: [Int32]
  ) -> Int32 {
    let node = tree.nodes[Int(index)]
    let place = jumps.count
    jumps.append(
      Jump(
        prefix: node.prefix,
        mask: node.mask,
        node: index,
        offset: Int32(entries.count),
        length: UInt8(truncatingIfNeeded: node.length),
        bits: 0
      )
    )
    guard node.left >= 0 || node.right >= 0 else { return Int32(place) }
    let bits = Self.bits(below: index, tree, size: sizes[Int(index)])
    jumps[place].bits = bits
    let offset = entries.count
    for _ in 0..<(1 << Int(bits)) { entries.append(Entry(node: index, next: -1)) }
    for child in [node.left, node.right] where child >= 0 {
      distribute(child, behind: UInt8(truncatingIfNeeded: node.length), bits, offset, tree, sizes)
    }
    return Int32(place)
  }

  /// Puts a node, and what is below it, into the entries of a jump above it.
  private mutating func distribute(
    _ index: Int32,
    behind length: UInt8,
    _ bits: UInt8,
    _ offset: Int,
    _ tree: PrefixTree<Address>,
    _ sizes: [Int32]
  ) {
    let node = tree.nodes[Int(index)]
    let first = offset + Self.place(node.prefix, length, bits)
    let excess = Int(node.length) - Int(length) - Int(bits)
    let isLeaf = node.left < 0 && node.right < 0
    // Where the bits end at a branch, both sides go on from the same entry.
    guard excess < 0 || excess == 0 && isLeaf else {
      let next = makeJump(index, tree, sizes)
      entries[first].next = next
      return
    }
    for place in first..<(first + 1 << -excess) { entries[place].node = index }
    for child in [node.left, node.right] where child >= 0 {
      distribute(child, behind: length, bits, offset, tree, sizes)
    }
  }

  /// How many bits to read below a node: the most for which a quarter of the entries differ.
  private static func bits(
    below index: Int32,
    _ tree: PrefixTree<Address>,
    size: Int32
  ) -> UInt8 {
    let length = Int(tree.nodes[Int(index)].length)
    var bits = min(16, Int32.bitWidth - size.leadingZeroBitCount, Address.bitWidth - length)
    while bits > 1 {
      if occupied(index, length + bits, tree) * 4 >= 1 << bits { break }
      bits -= 1
    }
    return UInt8(bits)
  }

  /// How many branches there are at a depth.
  private static func occupied(_ index: Int32, _ depth: Int, _ tree: PrefixTree<Address>) -> Int {
    guard index >= 0 else { return 0 }
    let node = tree.nodes[Int(index)]
    if Int(node.length) >= depth || (node.left < 0 && node.right < 0) { return 1 }
    return occupied(node.left, depth, tree) + occupied(node.right, depth, tree)
  }
}

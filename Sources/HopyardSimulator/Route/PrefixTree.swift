/// A set of prefixes, each with the head of its list of routes, that finds the longest match.
///
/// A path-compressed binary trie in one dense array. Up to 16 prefixes are also kept as a list,
/// longest first, which is quicker to walk (12 ns for 8 prefixes against about 30 ns).
struct PrefixTree<Address: RoutableAddress> {
  /// One branch, and perhaps one prefix.
  struct Node {
    var prefix: Address
    var mask: Address
    var left: Int32 = -1
    var right: Int32 = -1
    var parent: Int32
    /// The first route, or -1 for a mere branch.
    var head: Int32 = -1
    var length: Int32
  }

  /// One prefix of the list.
  struct Slot {
    var prefix: Address
    var mask: Address
    var node: Int32
  }

  /// How many prefixes the list takes.
  static var listLimit: Int { 16 }

  private(set) var nodes: ContiguousArray<Node> = []
  private(set) var root: Int32 = -1
  private var free: [Int32] = []
  /// How many nodes have routes.
  private(set) var count = 0
  /// The prefixes, longest first; used while ``count`` allows it.
  private(set) var list: ContiguousArray<Slot> = []

  /// Whether the list is complete.
  @inline(__always) var usesList: Bool { count <= Self.listLimit }

  @inline(__always)
  private static func bit(_ address: Address, _ position: Int32) -> Bool {
    address & (1 &<< Address(truncatingIfNeeded: Int32(Address.bitWidth) &- 1 &- position)) != 0
  }

  /// The first route of exactly this prefix, or -1.
  func head(_ prefix: Address, _ length: Int) -> Int32 {
    let node = find(prefix, length)
    return node < 0 ? -1 : nodes[Int(node)].head
  }

  /// The node of exactly this prefix, or -1.
  func find(_ prefix: Address, _ length: Int) -> Int32 {
    var current = root
    while current >= 0 {
      let node = nodes[Int(current)]
      guard node.length <= length, (prefix ^ node.prefix) & node.mask == 0 else { return -1 }
      if node.length == length { return current }
      current = Self.bit(prefix, node.length) ? node.right : node.left
    }
    return -1
  }

  /// The deepest node whose prefix holds an address, or -1.
  @inline(__always)
  func deepest(_ address: Address) -> Int32 {
    nodes.withUnsafeBufferPointer { nodes in
      var last: Int32 = -1
      var current = root
      while current >= 0 {
        let node = nodes[Int(current)]
        if (address ^ node.prefix) & node.mask != 0 { break }
        last = current
        if node.length == Int32(Address.bitWidth) { break }
        current = Self.bit(address, node.length) ? node.right : node.left
      }
      return last
    }
  }

  /// Sets the first route of a prefix; -1 takes the prefix out.
  mutating func setHead(_ head: Int32, _ prefix: Address, _ length: Int) {
    if head >= 0 {
      let node = insert(prefix, length)
      if nodes[Int(node)].head < 0 {
        nodes[Int(node)].head = head
        count += 1
        rebuildList()
      } else {
        nodes[Int(node)].head = head
      }
    } else {
      let node = find(prefix, length)
      guard node >= 0, nodes[Int(node)].head >= 0 else { return }
      nodes[Int(node)].head = -1
      count -= 1
      prune(node)
      rebuildList()
    }
  }

  /// The heads of all prefixes that are within the given one, shorter ones first.
  func heads(within prefix: Address = 0, length: Int = 0) -> [Int32] {
    var found: [Int32] = []
    var stack: [Int32] = root >= 0 ? [root] : []
    let mask = InterfaceAddress<Address>.mask(length)
    while let current = stack.popLast() {
      let node = nodes[Int(current)]
      if (node.prefix ^ prefix) & node.mask & mask != 0 { continue }
      if node.head >= 0, node.length >= length { found.append(node.head) }
      if node.right >= 0 { stack.append(node.right) }
      if node.left >= 0 { stack.append(node.left) }
    }
    return found
  }

  private mutating func allocate(_ prefix: Address, _ length: Int, parent: Int32) -> Int32 {
    let mask = InterfaceAddress<Address>.mask(length)
    let node = Node(prefix: prefix & mask, mask: mask, parent: parent, length: Int32(length))
    if let index = free.popLast() {
      nodes[Int(index)] = node
      return index
    }
    nodes.append(node)
    return Int32(nodes.count - 1)
  }

  /// Puts `child` where `old` was below `parent`.
  private mutating func attach(_ child: Int32, replacing old: Int32, below parent: Int32) {
    if child >= 0 { nodes[Int(child)].parent = parent }
    if parent < 0 {
      root = child
    } else if nodes[Int(parent)].left == old, old >= 0 {
      nodes[Int(parent)].left = child
    } else if nodes[Int(parent)].right == old, old >= 0 {
      nodes[Int(parent)].right = child
    } else if child >= 0 {
      if Self.bit(nodes[Int(child)].prefix, nodes[Int(parent)].length) {
        nodes[Int(parent)].right = child
      } else {
        nodes[Int(parent)].left = child
      }
    }
  }

  private mutating func adopt(_ child: Int32, below parent: Int32) {
    nodes[Int(child)].parent = parent
    if Self.bit(nodes[Int(child)].prefix, nodes[Int(parent)].length) {
      nodes[Int(parent)].right = child
    } else {
      nodes[Int(parent)].left = child
    }
  }

  private mutating func insert(_ prefix: Address, _ length: Int) -> Int32 {
    var parent: Int32 = -1
    var current = root
    var common = 0
    while current >= 0 {
      let node = nodes[Int(current)]
      common = min(Int(node.length), length, (node.prefix ^ prefix).leadingZeroBitCount)
      if common < Int(node.length) { break }
      if Int(node.length) == length { return current }
      parent = current
      current = Self.bit(prefix, node.length) ? node.right : node.left
    }
    let made = allocate(prefix, length, parent: parent)
    if current < 0 {
      attach(made, replacing: -1, below: parent)
    } else if common == length {
      attach(made, replacing: current, below: parent)
      adopt(current, below: made)
    } else {
      let branch = allocate(prefix, common, parent: parent)
      attach(branch, replacing: current, below: parent)
      adopt(made, below: branch)
      adopt(current, below: branch)
    }
    return made
  }

  /// Takes out a node that holds nothing, and its parent if that is left with one child.
  private mutating func prune(_ start: Int32) {
    var index = start
    while index >= 0 {
      let node = nodes[Int(index)]
      if node.head >= 0 || (node.left >= 0 && node.right >= 0) { return }
      let child = node.left >= 0 ? node.left : node.right
      attach(child, replacing: index, below: node.parent)
      if node.parent < 0, child < 0 { root = -1 }
      free.append(index)
      index = node.parent
    }
  }

  private mutating func rebuildList() {
    list.removeAll(keepingCapacity: true)
    guard usesList else { return }
    var stack: [Int32] = root >= 0 ? [root] : []
    while let current = stack.popLast() {
      let node = nodes[Int(current)]
      if node.head >= 0 {
        list.append(Slot(prefix: node.prefix, mask: node.mask, node: current))
      }
      if node.right >= 0 { stack.append(node.right) }
      if node.left >= 0 { stack.append(node.left) }
    }
    list.sort { $0.mask > $1.mask }
  }
}

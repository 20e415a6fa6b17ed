import Testing

@testable import HopyardSimulator

/// The trie finds what a walk over all prefixes finds.
@Suite struct PrefixTreeTests {
  @Test(arguments: [3, 16, 17, 400])
  func `the longest prefix is found among any number of prefixes`(_ size: Int) {
    var random = RandomSource(seed: 7, stream: "prefixes/\(size)")
    var tree = PrefixTree<UInt32>()
    var reference: [(prefix: UInt32, length: Int, head: Int32)] = []
    for round in 0..<(size * 3) {
      if reference.count >= size || (round % 5 == 4 && !reference.isEmpty) {
        let place = Int(random.next() % UInt64(reference.count))
        let gone = reference.remove(at: place)
        tree.setHead(-1, gone.prefix, gone.length)
      } else {
        let length = Int(random.next() % 33)
        // Few different addresses, so that prefixes hold each other.
        let prefix =
          UInt32(truncatingIfNeeded: random.next() & 0x0303_0303_0303_0303)
          & InterfaceAddress<UInt32>.mask(length)
        reference.removeAll { $0.prefix == prefix && $0.length == length }
        reference.append((prefix, length, Int32(round)))
        tree.setHead(Int32(round), prefix, length)
      }
      #expect(tree.count == reference.count)
      for _ in 0..<20 {
        let address = UInt32(truncatingIfNeeded: random.next() & 0x0303_0303_0303_0303)
        let expected = reference.filter {
          ($0.prefix ^ address) & InterfaceAddress<UInt32>.mask($0.length) == 0
        }.max { $0.length < $1.length }
        #expect(find(address, in: tree) == expected?.head ?? -1)
      }
    }
    #expect(Set(tree.heads()) == Set(reference.map(\.head)))
    for entry in reference {
      #expect(tree.head(entry.prefix, entry.length) == entry.head)
      tree.setHead(-1, entry.prefix, entry.length)
    }
    #expect(tree.count == 0)
    #expect(tree.root == -1)
  }

  @Test(arguments: [1, 2, 40, 500, 5000])
  func `the level-compressed form finds the same nodes`(_ size: Int) {
    var random = RandomSource(seed: 3, stream: "index/\(size)")
    var tree = PrefixTree<UInt32>()
    var wide = PrefixTree<UInt128>()
    for number in 0..<Int32(size) {
      let length = number % 7 == 0 ? Int(random.next() % 33) : 16 + Int(random.next() % 17)
      // Some prefixes are close together, others anywhere.
      let value = UInt32(truncatingIfNeeded: random.next())
      let address = number % 3 == 0 ? value : 0x0a00_0000 | value & 0x00ff_ff0f
      tree.setHead(number, address & InterfaceAddress<UInt32>.mask(length), length)
      let long = UInt128(address) << 96 | UInt128(random.next())
      wide.setHead(number, long & InterfaceAddress<UInt128>.mask(length * 4), length * 4)
    }
    let index = PrefixIndex(tree)
    let wideIndex = PrefixIndex(wide)
    for number in 0..<4000 {
      let value = UInt32(truncatingIfNeeded: random.next())
      let address = number % 3 == 0 ? value : 0x0a00_0000 | value & 0x00ff_ff0f
      #expect(index.deepest(address) == tree.deepest(address))
      let long = UInt128(address) << 96 | UInt128(random.next())
      #expect(wideIndex.deepest(long) == wide.deepest(long))
    }
    for node in tree.nodes {
      #expect(index.deepest(node.prefix) == tree.deepest(node.prefix))
    }
  }

  private func find(_ address: UInt32, in tree: PrefixTree<UInt32>) -> Int32 {
    if tree.usesList {
      for slot in tree.list where (address ^ slot.prefix) & slot.mask == 0 {
        return tree.nodes[Int(slot.node)].head
      }
      return -1
    }
    var node = tree.deepest(address)
    while node >= 0 {
      if tree.nodes[Int(node)].head >= 0 { return tree.nodes[Int(node)].head }
      node = tree.nodes[Int(node)].parent
    }
    return -1
  }
}

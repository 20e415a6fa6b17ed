/// A set of packets: a node of a ``BinaryDecisions`` diagram.
struct PacketSet: Hashable {
  let node: Int32

  /// No packet.
  static let none = PacketSet(node: 0)
  /// All packets.
  static let all = PacketSet(node: 1)

  var isEmpty: Bool { node == 0 }
}

/// Sets of packets as reduced ordered binary decision diagrams.
///
/// They are those of Bryant, "Graph-Based Algorithms for Boolean Function Manipulation" (1986). Each bit of a packet's fields is a variable. Equal sets are the same node, so that two
/// rulesets can be compared over all packets without trying any.
final class BinaryDecisions {
  private struct Node: Hashable {
    var variable: Int32
    var low: Int32
    var high: Int32
  }

  private struct Question: Hashable {
    var condition: Int32
    var then: Int32
    var otherwise: Int32
  }

  private var nodes: [Node] = [
    Node(variable: .max, low: 0, high: 0), Node(variable: .max, low: 1, high: 1),
  ]
  private var unique: [Node: Int32] = [:]
  private var answers: [Question: Int32] = [:]
  /// The number of variables that were made.
  private(set) var variableCount = 0
  /// The number of nodes that may be made.
  let limit: Int
  /// Whether the limit was reached: results no longer mean anything.
  private(set) var isExhausted = false

  init(limit: Int = 3_000_000) { self.limit = limit }

  /// A new variable, after all others in the order.
  func makeVariable() -> PacketSet {
    variableCount += 1
    return PacketSet(node: node(Int32(variableCount - 1), 0, 1))
  }

  private func node(_ variable: Int32, _ low: Int32, _ high: Int32) -> Int32 {
    if low == high { return low }
    let key = Node(variable: variable, low: low, high: high)
    if let known = unique[key] { return known }
    guard nodes.count < limit else {
      isExhausted = true
      return 0
    }
    let index = Int32(nodes.count)
    nodes.append(key)
    unique[key] = index
    return index
  }

  /// The packets of `then` that are in `condition`, and those of `otherwise` that are not.
  func choose(_ condition: PacketSet, _ then: PacketSet, _ otherwise: PacketSet) -> PacketSet {
    PacketSet(node: choose(condition.node, then.node, otherwise.node))
  }

  private func choose(_ condition: Int32, _ then: Int32, _ otherwise: Int32) -> Int32 {
    if condition == 1 || then == otherwise { return then }
    if condition == 0 { return otherwise }
    if then == 1, otherwise == 0 { return condition }
    if isExhausted { return 0 }
    let question = Question(condition: condition, then: then, otherwise: otherwise)
    if let known = answers[question] { return known }
    let a = nodes[Int(condition)]
    let b = nodes[Int(then)]
    let c = nodes[Int(otherwise)]
    let top = min(a.variable, b.variable, c.variable)
    func part(_ node: Node, _ index: Int32, _ high: Bool) -> Int32 {
      node.variable != top ? index : high ? node.high : node.low
    }
    let low = choose(part(a, condition, false), part(b, then, false), part(c, otherwise, false))
    let high = choose(part(a, condition, true), part(b, then, true), part(c, otherwise, true))
    let result = node(top, low, high)
    answers[question] = result
    return result
  }

  func not(_ set: PacketSet) -> PacketSet { choose(set, .none, .all) }

  func and(_ one: PacketSet, _ other: PacketSet) -> PacketSet {
    // The order of the operands does not matter: one answer serves both.
    one.node < other.node ? choose(one, other, .none) : choose(other, one, .none)
  }

  func or(_ one: PacketSet, _ other: PacketSet) -> PacketSet {
    one.node < other.node ? choose(one, .all, other) : choose(other, .all, one)
  }

  func differ(_ one: PacketSet, _ other: PacketSet) -> PacketSet {
    one == other ? .none : choose(one, not(other), other)
  }

  func without(_ one: PacketSet, _ other: PacketSet) -> PacketSet { and(one, not(other)) }

  // MARK: Numbers

  /// The packets in which some bits, most significant first, have a value under a mask.
  func equals(_ bits: [PacketSet], _ value: UInt128, mask: UInt128 = .max) -> PacketSet {
    var result = PacketSet.all
    for (offset, bit) in bits.reversed().enumerated() where mask >> UInt128(offset) & 1 != 0 {
      result = and(value >> UInt128(offset) & 1 != 0 ? bit : not(bit), result)
      if result.isEmpty { break }
    }
    return result
  }

  /// The packets in which some bits are a number of at most `bound`.
  func atMost(_ bits: [PacketSet], _ bound: UInt128) -> PacketSet {
    if bits.count < 128, bound >> UInt128(bits.count) != 0 { return .all }
    var result = PacketSet.all
    for (offset, bit) in bits.reversed().enumerated() {
      // From the least significant bit: smaller here, or equal here and at most so below.
      result =
        bound >> UInt128(offset) & 1 != 0 ? choose(bit, result, .all) : choose(bit, .none, result)
    }
    return result
  }

  /// The packets in which some bits are a number within bounds.
  func within(_ bits: [PacketSet], _ first: UInt128, _ last: UInt128) -> PacketSet {
    guard first <= last else { return .none }
    let upper = atMost(bits, last)
    return first == 0 ? upper : without(upper, atMost(bits, first - 1))
  }

  /// A number that is the same in all packets.
  func constant(_ value: UInt128, width: Int) -> [PacketSet] {
    (0..<width).map { offset in
      value >> UInt128(width - 1 - offset) & 1 != 0 ? .all : .none
    }
  }

  /// One of two numbers.
  func choose(_ condition: PacketSet, _ then: [PacketSet], _ otherwise: [PacketSet]) -> [PacketSet]
  {
    zip(then, otherwise).map { choose(condition, $0, $1) }
  }

  /// The packets in which two numbers differ.
  func differ(_ one: [PacketSet], _ other: [PacketSet]) -> PacketSet {
    zip(one, other).reduce(.none) { or($0, differ($1.0, $1.1)) }
  }

  // MARK: Examples

  /// A packet of a set, as near to the wished one as the set allows: the value of each variable.
  func example(of set: PacketSet, near wish: [Bool]) -> [Bool]? {
    guard !set.isEmpty, !isExhausted else { return nil }
    var values = wish + [Bool](repeating: false, count: max(0, variableCount - wish.count))
    var index = set.node
    while index > 1 {
      let node = nodes[Int(index)]
      let place = Int(node.variable)
      // A node that is not the empty set always has a packet on one side.
      if values[place] ? node.high == 0 : node.low == 0 { values[place].toggle() }
      index = values[place] ? node.high : node.low
    }
    return values
  }

  /// Whether a set's packets depend on a variable.
  func variables(of set: PacketSet) -> Set<Int> {
    var seen: Set<Int32> = []
    var result: Set<Int> = []
    var stack = [set.node]
    while let index = stack.popLast() {
      guard index > 1, seen.insert(index).inserted else { continue }
      let node = nodes[Int(index)]
      result.insert(Int(node.variable))
      stack += [node.low, node.high]
    }
    return result
  }

  /// The number of nodes, as a measure of work.
  var nodeCount: Int { nodes.count }
}

import HopyardSimulator
import Testing

@testable import HopyardUserland

@Suite struct LiveTableTests {
  private let ruleset = Ruleset(family: .ipv4, variant: .nft, pool: ChainPool())

  private func rule(_ mark: UInt32) -> Rule {
    Rule(matches: [.mark(MarkMatch(mark))], target: .accept)
  }

  @Test func `counters follow their rule through edits`() throws {
    let table = ruleset.table(.filter)
    for mark in 0..<3 { try table.insert(rule(UInt32(mark)), inChain: "INPUT") }
    let index = try #require(table.table.index(of: "INPUT"))
    for (number, count) in [5, 6, 7].enumerated() {
      for _ in 0..<count { table.activity(ofChain: index).count(rule: number, bytes: 100) }
    }
    try table.remove(0, inChain: "INPUT")
    try table.insert(rule(9), at: 0, inChain: "INPUT")
    try table.insert(rule(10), inChain: "INPUT")
    try table.makeChain("a")
    let after = try #require(table.table.index(of: "INPUT"))
    let activity = table.activity(ofChain: after)
    #expect((0..<4).map { activity.counters(of: $0).packets } == [0, 6, 7, 0])
    #expect(activity.counters(of: 2).bytes == 700)
  }

  @Test func `state follows its rule, and goes with it`() throws {
    let table = ruleset.table(.filter)
    for mark in 0..<2 { try table.insert(rule(UInt32(mark)), inChain: "INPUT") }
    let state = RuleState()
    let index = try #require(table.table.index(of: "INPUT"))
    table.activity(ofChain: index).setState(of: 1, to: state)
    try table.remove(0, inChain: "INPUT")
    #expect(table.activity(ofChain: index).state(of: 0) === state)
    try table.replace(0, with: rule(1), inChain: "INPUT")
    #expect(table.activity(ofChain: index).state(of: 0) == nil)
  }

  @Test func `equal chains of two namespaces are one`() throws {
    let pool = ChainPool()
    let tables = (0..<2).map { _ in
      Ruleset(family: .ipv4, variant: .nft, pool: pool).table(.filter)
    }
    for table in tables {
      try table.makeChain("DOCKER")
      try table.insert(rule(1), inChain: "DOCKER")
    }
    #expect(tables[0].table === tables[1].table)
    try tables[1].insert(rule(2), inChain: "INPUT")
    #expect(tables[0].table !== tables[1].table)
    #expect(tables[0].table.chains.last === tables[1].table.chains.last)
  }

  @Test func `a renamed chain is found by the rules that jump to it`() throws {
    let table = ruleset.table(.filter)
    try table.makeChain("old")
    try table.insert(Rule(target: .jump("old")), inChain: "INPUT")
    try table.insert(Rule(target: .goto("old")), inChain: "INPUT")
    try table.renameChain("old", to: "new")
    #expect(table.rules(ofChain: "INPUT")?.map(\.destinationChain) == ["new", "new"])
    #expect(throws: TableEditError.inUse) { try table.removeChain("new") }
    #expect(table.referenceCount(ofChain: "new") == 2)
  }

  @Test func `going back to a snapshot undoes edits that were sealed`() throws {
    let table = ruleset.table(.filter)
    try table.makeChain("a")
    try table.insert(rule(1), inChain: "a")
    let before = table.table
    let snapshot = table.snapshot()
    try table.flush(chain: "a")
    try table.removeChain("a")
    #expect(table.table.index(of: "a") == nil)
    table.restore(snapshot)
    #expect(table.table === before)
  }
}

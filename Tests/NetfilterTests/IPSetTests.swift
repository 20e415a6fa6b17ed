import HopyardWire
import Testing

@testable import HopyardSimulator

/// Sets of addresses and the like, without packets.
@Suite struct IPSetTests {
  private let simulation = Simulation(seed: 1)

  private func make(_ type: String, _ change: (inout SetOptions) -> Void = { _ in }) throws
    -> IPSets
  {
    let sets = IPSets(simulation: simulation)
    let type = try #require(SetType.named(type))
    var options = SetOptions(family: type.hasFamily ? .ipv4 : .none)
    change(&options)
    try sets.create("s", type, options)
    return sets
  }

  private func address(_ text: String, last: String? = nil, prefix: UInt8? = nil) throws
    -> SetRequest
  {
    func number(_ text: String) throws -> UInt128 {
      UInt128(try #require(IPv4Address(text)).rawValue)
    }
    var request = SetRequest()
    request.addresses = SetRequest.Addresses(
      try number(text),
      last: try last.map { try number($0) },
      prefix: prefix
    )
    return request
  }

  @Test func anAddressIsFoundUntilItIsRemoved() throws {
    let sets = try make("hash:ip")
    _ = try sets.perform(.add, in: "s", try address("10.0.0.1"))
    #expect(try sets.perform(.test, in: "s", try address("10.0.0.1")))
    #expect(try !sets.perform(.test, in: "s", try address("10.0.0.2")))
    #expect(throws: SetError.alreadyAdded) {
      try sets.perform(.add, in: "s", try address("10.0.0.1"))
    }
    _ = try sets.perform(.delete, in: "s", try address("10.0.0.1"))
    #expect(try !sets.perform(.test, in: "s", try address("10.0.0.1")))
    #expect(throws: SetError.notAdded) {
      try sets.perform(.delete, in: "s", try address("10.0.0.1"))
    }
  }

  @Test func manyEntriesComeAndGo() throws {
    let sets = try make("hash:ip")
    _ = try sets.perform(.add, in: "s", try address("10.1.0.0", prefix: 19))
    let set = try #require(sets["s"])
    #expect(set.entries().count == 8192)
    _ = try sets.perform(.delete, in: "s", try address("10.1.0.0", last: "10.1.15.255"))
    #expect(set.entries().count == 4096)
    #expect(try !sets.perform(.test, in: "s", try address("10.1.15.255")))
    #expect(try sets.perform(.test, in: "s", try address("10.1.16.0")))
  }

  @Test func theLongestPrefixDecides() throws {
    let sets = try make("hash:net")
    _ = try sets.perform(.add, in: "s", try address("10.0.0.0", prefix: 8))
    var hole = try address("10.1.0.0", prefix: 16)
    hole.isNoMatch = true
    _ = try sets.perform(.add, in: "s", hole)
    #expect(try sets.perform(.test, in: "s", try address("10.2.0.1")))
    #expect(try !sets.perform(.test, in: "s", try address("10.1.0.1")))
    var asked = try address("10.1.0.1")
    asked.isNoMatch = true
    #expect(try sets.perform(.test, in: "s", asked))
  }

  @Test func aRangeBecomesTheLargestNetworks() throws {
    let sets = try make("hash:net")
    _ = try sets.perform(.add, in: "s", try address("192.168.0.0", last: "192.168.0.9"))
    let prefixes = try #require(sets["s"]).entries().map(\.prefix)
    #expect(prefixes == [29, 31])
    #expect(throws: SetError.wholeRange) {
      try sets.perform(.add, in: "s", try address("0.0.0.0", last: "255.255.255.255"))
    }
  }

  @Test func aFullSetRefuses() throws {
    let sets = try make("hash:ip") { $0.maximumCount = 2 }
    #expect(throws: SetError.full) {
      try sets.perform(.add, in: "s", try address("10.0.0.0", prefix: 24))
    }
  }

  @Test func aBitmapKeepsToItsRange() throws {
    let sets = try make("bitmap:ip") { $0.range = 0x0a00_0000...0x0a00_00ff }
    #expect(throws: SetError.outOfRange) {
      try sets.perform(.add, in: "s", try address("10.0.1.0"))
    }
    #expect(throws: SetError.rangeSize) {
      try make("bitmap:ip") { $0.range = 0...UInt32.max }
    }
  }

  @Test func listsHoldOtherSetsInOrder() throws {
    let sets = try make("hash:ip")
    let list = try #require(SetType.named("list:set"))
    try sets.create("l", list, SetOptions(family: .none))
    try sets.create("t", try #require(SetType.named("hash:net")), SetOptions(family: .ipv4))
    var request = SetRequest()
    request.member = "s"
    _ = try sets.perform(.add, in: "l", request)
    request.member = "t"
    request.reference = "s"
    request.isBefore = true
    _ = try sets.perform(.add, in: "l", request)
    #expect(try #require(sets["l"]).entries().map(\.member) == ["t", "s"])
    #expect(sets.listReferences(to: "s") == 1)
    request.member = "l"
    request.reference = nil
    #expect(throws: SetError.loop) { try sets.perform(.add, in: "l", request) }
    #expect(throws: SetError.busy) {
      try sets.destroy("s", references: { sets.listReferences(to: $0) })
    }
    #expect(throws: SetError.typeMismatch) { try sets.swap("s", "t") }
  }

  @Test func aHugeRangeEnds() throws {
    let sets = try make("hash:net,net")
    var request = try address("1.0.0.1", last: "254.255.255.254")
    request.secondAddresses = request.addresses
    _ = try sets.perform(.add, in: "s", request)
    #expect(try #require(sets["s"]).entries().count > 1000)
  }
}

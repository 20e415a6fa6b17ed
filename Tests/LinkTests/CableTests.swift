import HopyardWire
import Testing

@testable import HopyardSimulator

@Suite struct CableTests {
  /// Machines with a card each.
  struct Cards {
    let simulation = Simulation()
    let log = FrameLog()
    let machines: [Machine]
    let cards: [EthernetDevice]

    init(_ count: Int) throws {
      var machines: [Machine] = []
      var cards: [EthernetDevice] = []
      for number in 1...count {
        let machine = Machine(simulation: simulation, name: "m\(number)")
        machines.append(machine)
        cards.append(
          try machine.root.makeEthernet(
            NewLink("e\(number)", mac: address(UInt64(number)))
          )
        )
      }
      self.machines = machines
      self.cards = cards
      simulation.tap = log
    }

    func setUp() throws {
      for (machine, card) in zip(machines, cards) { try machine.root.setLinkUp(card) }
    }
  }

  @Test func `a frame takes its time on the wire and on the way`() throws {
    let pair = try Cards(2)
    let options = CableOptions(bandwidth: 100_000_000, delay: .milliseconds(5))
    pair.cards[0].connect(to: pair.cards[1], options: options)
    #expect(!pair.cards[0].hasCarrier)
    try pair.setUp()
    #expect(pair.cards[0].hasCarrier)
    for _ in 0..<2 {
      pair.simulation.send(on: pair.cards[0], from: address(1), to: address(2), size: 1226)
    }
    pair.simulation.run(until: Instant(nanoseconds: 100_000_000))
    // 1250 bytes on the wire at 100 Mbit/s take 100 microseconds.
    #expect(pair.log.lines == ["out e1 1 > 2", "out e1 1 > 2", "in e2 1 > 2", "in e2 1 > 2"])
    #expect(Array(pair.log.times.suffix(2)) == [5_100_000, 5_200_000])
  }

  @Test func `a full queue drops and a lossy cable loses`() throws {
    let pair = try Cards(2)
    let cable = pair.cards[0].connect(
      to: pair.cards[1],
      options: CableOptions(bandwidth: 1_000_000, delay: 0, queueLength: 3)
    )
    try pair.setUp()
    for _ in 0..<10 {
      pair.simulation.send(on: pair.cards[0], from: address(1), to: address(2), size: 1000)
    }
    #expect(cable.overflowCount == 6)
    #expect(pair.cards[0].statistics.sendDropped == 6)
    pair.simulation.run(until: Instant(nanoseconds: 1_000_000_000))
    #expect(pair.cards[1].statistics.receivedPackets == 4)

    let lossy = try Cards(2)
    let second = lossy.cards[0].connect(
      to: lossy.cards[1],
      options: CableOptions(bandwidth: 0, delay: 0, loss: 0.25)
    )
    try lossy.setUp()
    for _ in 0..<1000 {
      lossy.simulation.send(on: lossy.cards[0], from: address(1), to: address(2), size: 60)
    }
    lossy.simulation.run(until: Instant(nanoseconds: 1_000_000))
    #expect((200...300).contains(second.lossCount))
    #expect(lossy.cards[1].statistics.receivedPackets == UInt64(1000 - second.lossCount))
  }

  @Test func `a switch learns`() throws {
    let trio = try Cards(3)
    let box = EthernetSwitch(simulation: trio.simulation, name: "sw")
    for card in trio.cards { card.connect(to: box) }
    try trio.setUp()
    trio.simulation.send(on: trio.cards[1], from: address(2), to: .broadcast, size: 60)
    trio.simulation.run(until: Instant(nanoseconds: 1_000_000))
    #expect(trio.log.lines == ["out e2 2 > all", "in e1 2 > all", "in e3 2 > all"])
    trio.log.clear()
    trio.simulation.send(on: trio.cards[0], from: address(1), to: address(2), size: 60)
    trio.simulation.run(until: Instant(nanoseconds: 2_000_000))
    #expect(trio.log.lines == ["out e1 1 > 2", "in e2 1 > 2"])
  }

  @Test func `a card that is set down takes the other end's carrier`() throws {
    let pair = try Cards(2)
    let cable = pair.cards[0].connect(to: pair.cards[1])
    try pair.setUp()
    pair.machines[1].root.setLinkDown(pair.cards[1])
    #expect(!pair.cards[0].hasCarrier)
    try pair.machines[1].root.setLinkUp(pair.cards[1])
    #expect(pair.cards[0].hasCarrier)
    cable.pull()
    #expect(!pair.cards[0].hasCarrier)
  }
}

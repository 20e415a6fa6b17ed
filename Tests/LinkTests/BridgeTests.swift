import HopyardWire
import Testing

@testable import HopyardSimulator

@Suite struct BridgeTests {
  @Test func `a broadcast is flooded newest port first and then passed up`() throws {
    let segment = try Segment()
    segment.send(from: 1, to: .broadcast)
    #expect(
      segment.log.lines == [
        "out h1 1 > all", "in p1 1 > all", "out p3 1 > all", "in h3 1 > all", "out p2 1 > all",
        "in h2 1 > all", "in br0 1 > all",
      ]
    )
  }

  @Test func `a learned address is reached by its port alone until it is too old`() throws {
    let segment = try Segment()
    try segment.bridge.set(.ageingTime, to: 100)
    segment.send(from: 2, to: .broadcast)
    segment.log.clear()
    segment.send(from: 1, to: address(2))
    #expect(
      segment.log.lines == [
        "out h1 1 > 2", "in p1 1 > 2", "out p2 1 > 2", "in h2 1 > 2",
      ]
    )
    segment.simulation.run(until: segment.simulation.now + .seconds(2))
    segment.log.clear()
    segment.send(from: 1, to: address(2))
    #expect(segment.log.lines.contains("out p3 1 > 2"))
    #expect(segment.bridge.entry(address(2)) == nil)
  }

  @Test func `switches of ports hold frames back`() throws {
    let segment = try Segment()
    try segment.port(1).set(.isolated, to: 1)
    try segment.port(2).set(.isolated, to: 1)
    try segment.port(3).set(.flood, to: 0)
    segment.send(from: 1, to: address(9))
    #expect(segment.log.lines == ["out h1 1 > 9", "in p1 1 > 9"])
    try segment.port(1).set(.hairpin, to: 1)
    segment.log.clear()
    // Isolated ports keep even a hairpin's frames apart.
    segment.send(from: 1, to: address(9))
    #expect(segment.log.lines == ["out h1 1 > 9", "in p1 1 > 9"])
    try segment.port(1).set(.isolated, to: 0)
    segment.log.clear()
    segment.send(from: 1, to: address(9))
    #expect(segment.log.lines.contains("out p1 1 > 9"))
    #expect(segment.log.lines.contains("out p2 1 > 9"))
  }

  @Test func `the address is the lowest of the ports' until it is set`() throws {
    let segment = try Segment()
    #expect(segment.bridge.mac == address(0x11))
    let first = try segment.port(1).device
    try segment.host.setLinkMaster(first, nil)
    #expect(segment.bridge.mac == address(0x12))
    try segment.host.setLinkMAC(segment.bridge, address(0xb0))
    try segment.host.setLinkMaster(first, segment.bridge)
    #expect(segment.bridge.mac == address(0xb0))
    let empty = try segment.host.makeBridge(NewLink("br1"))
    try segment.host.setLinkMaster(first, empty)
    try segment.host.setLinkMaster(first, nil)
    #expect(empty.mac.isZero)
  }

  @Test func `the carrier and the MTU follow the ports`() throws {
    let segment = try Segment()
    #expect(segment.bridge.hasCarrier)
    for number in 1...3 { segment.host.setLinkDown(try segment.port(number).device) }
    #expect(!segment.bridge.hasCarrier)
    #expect(segment.bridge.operationalState == "DOWN")
    try segment.host.setLinkMTU(try segment.port(2).device, 1300)
    #expect(segment.bridge.mtu == 1300)
    try segment.host.setLinkMTU(segment.bridge, 1500)
    try segment.host.setLinkMTU(try segment.port(2).device, 1200)
    #expect(segment.bridge.mtu == 1500)
  }

  @Test func `a frame too long for its port vanishes`() throws {
    let segment = try Segment()
    try segment.host.setLinkMTU(try segment.port(2).device, 1000)
    segment.send(from: 2, to: .broadcast)
    segment.log.clear()
    segment.send(from: 1, to: address(2), size: 1018)
    #expect(segment.log.lines.last == "in h2 1 > 2")
    segment.log.clear()
    segment.send(from: 1, to: address(2), size: 1019)
    #expect(segment.log.lines.last == "in p1 1 > 2")
    #expect(segment.simulation.pool.outstanding == 0)
  }

  @Test func `VLAN filtering keeps VLANs apart`() throws {
    let segment = try Segment()
    try segment.bridge.set(.vlanFiltering, to: 1)
    try segment.bridge.addVLANs(10...10, untagged: true, pvid: true, to: try segment.port(1))
    try segment.bridge.addVLANs(10...10, untagged: false, pvid: false, to: try segment.port(2))
    segment.send(from: 1, to: .broadcast)
    #expect(segment.log.lines.contains("out p2 1 > all vlan 10"))
    #expect(!segment.log.lines.contains { $0.hasPrefix("out p3") })
    segment.log.clear()
    segment.send(from: 2, to: .broadcast, tag: 10)
    #expect(segment.log.lines.contains("out p1 2 > all"))
    segment.log.clear()
    segment.send(from: 2, to: .broadcast, tag: 20)
    #expect(segment.log.lines == ["out h2 2 > all vlan 20", "in p2 2 > all vlan 20"])
  }

  @Test func `errors are the kernel's`() throws {
    let segment = try Segment()
    let other = try segment.host.makeBridge(NewLink("br1"))
    #expect(throws: LinkError(.loop, "Can not enslave a bridge to a bridge")) {
      try segment.host.setLinkMaster(other, segment.bridge)
    }
    #expect(throws: LinkError(.fileExists)) { try segment.host.makeDummy(NewLink("br1")) }
    #expect(throws: LinkError(.busy)) {
      try segment.host.makeMacvlan(NewLink("m0"), on: try segment.port(1).device)
    }
    #expect(throws: LinkError(.invalidArgument)) {
      try segment.bridge.set(.groupForwardMask, to: 1)
    }
  }
}

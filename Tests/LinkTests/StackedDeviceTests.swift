import HopyardWire
import Testing

@testable import HopyardSimulator

/// VLAN, macvlan and veth devices and what they take from those under them.
@Suite struct StackedDeviceTests {
  /// Two veth ends in one namespace each, up.
  struct Wire {
    let simulation = Simulation()
    let log = FrameLog()
    let machine: Machine
    let near: VethDevice
    let far: VethDevice
    let there: NetworkNamespace

    init() throws {
      machine = Machine(simulation: simulation)
      there = machine.makeNamespace("there")
      (near, far) = try machine.root.makeVeth(
        NewLink("near", mac: address(1)),
        peer: NewLink("far", mac: address(2)),
        in: there
      )
      try machine.root.setLinkUp(near)
      try there.setLinkUp(far)
      simulation.tap = log
    }
  }

  @Test func `a VLAN device needs its parent up and goes with it`() throws {
    let wire = try Wire()
    let host: NetworkNamespace = wire.machine.root
    host.setLinkDown(wire.near)
    let vlan = try host.makeVLAN(NewLink("v5"), on: wire.near, NewVLAN(identifier: 5))
    #expect(throws: LinkError(.networkDown)) { try host.setLinkUp(vlan) }
    try host.setLinkUp(wire.near)
    #expect(vlan.isUp && vlan.hasCarrier)
    host.setLinkDown(wire.near)
    #expect(!vlan.isUp)
    #expect(throws: LinkError(.outOfRange)) { try host.setLinkMTU(vlan, 1600) }
    try host.setLinkMTU(wire.near, 1400)
    #expect(vlan.mtu == 1400)
    #expect(throws: LinkError(.fileExists, "8021q: VLAN device already exists")) {
      try host.makeVLAN(NewLink("again"), on: wire.near, NewVLAN(identifier: 5))
    }
    try host.removeLink(wire.near)
    #expect(host.devices["v5"] == nil && wire.there.devices["far"] == nil)
  }

  @Test func `a VLAN device tags what it sends and takes its own tags only`() throws {
    let wire = try Wire()
    let host: NetworkNamespace = wire.machine.root
    let mine = try host.makeVLAN(NewLink("v5"), on: wire.near, NewVLAN(identifier: 5))
    let theirs = try wire.there.makeVLAN(NewLink("w5"), on: wire.far, NewVLAN(identifier: 5))
    try host.setLinkUp(mine)
    try wire.there.setLinkUp(theirs)
    wire.simulation.send(on: mine, from: address(1), to: address(2), size: 60)
    wire.simulation.run(until: Instant(nanoseconds: 1_000_000))
    #expect(
      wire.log.lines == [
        "out v5 1 > 2", "out near 1 > 2 vlan 5", "in far 1 > 2 vlan 5", "in w5 1 > 2",
      ]
    )
    wire.log.clear()
    wire.simulation.send(on: wire.near, from: address(1), to: address(2), size: 60, tag: 6)
    wire.simulation.run(until: Instant(nanoseconds: 2_000_000))
    #expect(wire.log.lines == ["out near 1 > 2 vlan 6", "in far 1 > 2 vlan 6"])
  }

  @Test func `macvlan siblings in bridge mode reach each other, the parent and they do not`() throws
  {
    let wire = try Wire()
    let host: NetworkNamespace = wire.machine.root
    let first = try host.makeMacvlan(
      NewLink("m1", mac: address(0x21)),
      on: wire.near,
      mode: .bridge
    )
    let second = try host.makeMacvlan(
      NewLink("m2", mac: address(0x22)),
      on: first,
      mode: .bridge
    )
    #expect(second.parent === wire.near)
    try host.setLinkUp(first)
    try host.setLinkUp(second)
    wire.simulation.send(on: first, from: first.mac, to: second.mac, size: 60)
    wire.simulation.run(until: Instant(nanoseconds: 1_000_000))
    #expect(wire.log.lines == ["out m1 33 > 34", "in near 33 > 34", "in m2 33 > 34"])
    wire.log.clear()
    wire.simulation.send(on: first, from: first.mac, to: wire.near.mac, size: 60)
    wire.simulation.run(until: Instant(nanoseconds: 2_000_000))
    #expect(wire.log.lines == ["out m1 33 > 1", "out near 33 > 1", "in far 33 > 1"])
    let third = try host.makeMacvlan(
      NewLink("m3", mac: address(0x21)),
      on: wire.near,
      mode: .bridge
    )
    #expect(throws: LinkError(.addressInUse)) { try host.setLinkUp(third) }
    #expect(throws: LinkError(.invalidArgument)) {
      try host.makeMacvlan(NewLink("m4"), on: wire.near, mode: .passthru)
    }
  }

  @Test func `a veth end has a carrier while both are up, and goes with the other`() throws {
    let wire = try Wire()
    #expect(wire.near.operationalState == "UP")
    wire.there.setLinkDown(wire.far)
    #expect(!wire.near.hasCarrier)
    try wire.machine.root.moveLink(wire.near, to: wire.there, name: "moved")
    #expect(wire.there.devices["moved"] === wire.near)
    #expect(!wire.near.isUp && wire.near.ifindex != wire.far.ifindex)
    try wire.there.removeLink(wire.far)
    #expect(wire.there.devices["moved"] == nil)
  }
}

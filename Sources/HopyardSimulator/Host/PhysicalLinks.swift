import HopyardWire

extension NetworkNamespace {
  /// Adds a network card.
  @discardableResult
  public func makeEthernet(_ link: NewLink) throws(LinkError) -> EthernetDevice {
    let name = link.name ?? "eth0"
    guard devices[name] == nil else { throw LinkError(.fileExists) }
    let card = EthernetDevice(
      name: name,
      mac: link.mac ?? machine.randomMAC(),
      number: backlog.nextNumber(),
      ifindex: link.ifindex ?? devices.nextIndex(),
      host: self
    )
    if let mtu = link.mtu { card.mtu = mtu }
    add(card)
    return card
  }
}

extension EthernetDevice {
  /// Joins two network cards by a cable.
  @discardableResult
  public func connect(to other: EthernetDevice, options: CableOptions = CableOptions()) -> Cable {
    let cable = Cable(
      simulation: simulation,
      options: options,
      name: "\(mac)-\(other.mac)"
    )
    plug(cable)
    other.plug(cable)
    cable.plug(self, other)
    return cable
  }

  /// Joins a network card and a switch by a cable.
  @discardableResult
  public func connect(
    to box: EthernetSwitch,
    options: CableOptions = CableOptions()
  ) -> Cable {
    let cable = Cable(simulation: simulation, options: options, name: "\(mac)-\(box.name)")
    let port = box.makePort()
    port.cable = cable
    plug(cable)
    cable.plug(self, port)
    return cable
  }
}

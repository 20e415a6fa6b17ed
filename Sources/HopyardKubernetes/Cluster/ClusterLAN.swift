public import HopyardSimulator
public import HopyardUserland
public import HopyardWire

/// A cluster on a LAN of its own: nodes `n1`, `n2`, … and a machine `client`, at one switch.
public final class ClusterLAN {
  /// The clock.
  public let simulation: Simulation
  /// The cluster.
  public let cluster: Cluster
  /// The machine outside the cluster.
  public let client: Userland
  /// The switch.
  public let lan: EthernetSwitch
  /// The nodes' machines, then the client's.
  public private(set) var machines: [Machine] = []

  /// Makes the machines and the cluster; `commands` are those that the machines know.
  public init(
    simulation: Simulation,
    nodes count: Int = 2,
    _ options: Cluster.Options = Cluster.Options(),
    commands: CommandTable,
    network: IPv4Prefix = IPv4Prefix(IPv4Address(192, 168, 56, 0), length: 21)
  ) throws(CNIError) {
    self.simulation = simulation
    let box = EthernetSwitch(simulation: simulation, name: "lan")
    let cluster = Cluster(simulation: simulation, options)
    lan = box
    self.cluster = cluster
    commands.add(KubectlCommand.command)
    var made: [Machine] = []
    func machine(_ name: String, _ host: UInt32) throws(CNIError) -> (Userland, EthernetDevice) {
      let machine = Machine(simulation: simulation, name: name, rootName: "root")
      made.append(machine)
      let userland = Userland(machine: machine, commands: commands)
      userland.hostname = name
      userland.mountNetworkTrees()
      do {
        let card = try machine.root.makeEthernet(NewLink("eth0"))
        card.connect(to: box)
        try machine.root.setLinkUp(machine.root.devices.loopback)
        try machine.root.setLinkUp(card)
        try machine.root.addAddress(
          InterfaceAddress<UInt32>(
            local: network.address.rawValue + host,
            prefixLength: network.length,
            broadcast: network.broadcast.rawValue
          ),
          to: card
        )
        // Every machine has a way to the rest of the world, though none is there: what no rule and
        // no other route takes is forwarded, and so meets the rules that refuse it.
        try machine.root.insertRoute(
          Route<UInt32>(
            prefix: 0,
            length: 0,
            scope: .universe,
            nexthops: [
              Nexthop<UInt32>(ifindex: card.ifindex, gateway: network.address.rawValue + 1)
            ]
          ),
          mode: .create
        )
        return (userland, card)
      } catch {
        throw CNIError("cannot set \(name) up: \(error)")
      }
    }
    for index in 1...max(1, count) {
      let (userland, card) = try machine("n\(index)", UInt32(10 + index))
      userland.attach(cluster)
      try cluster.addNode(
        "n\(index)",
        userland,
        uplink: card,
        address: IPv4Address(rawValue: network.address.rawValue + UInt32(10 + index))
      )
    }
    client = try machine("client", 5).0
    client.attach(cluster)
    // The client sends what is for the cluster by way of the first node, as a static route does.
    machines = made
    cluster.start()
  }
}

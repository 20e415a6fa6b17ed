import HopyardContainers
import HopyardServices
import HopyardSimulator
import HopyardUserland
import HopyardWire

/// Builds the machines, links and services of a scenario.
struct NetworkBuilder {
  private let network: Network
  private var scenario: Scenario { network.scenario }
  private var simulation: Simulation { network.simulation }

  init(_ network: Network) { self.network = network }

  func build() throws(Problem) {
    var machines = scenario.machines
    if let internet = scenario.internet { machines.append(internet.machine) }
    machines += scenario.docker.map(\.machine)
    machines += scenario.clusters.flatMap(\.machines)
    for machine in machines { network.add(try make(machine)) }
    try makeParts()
    for link in scenario.links { try connect(link) }
    for cluster in scenario.clusters { connectNodes(of: cluster) }
    for machine in machines { try configure(machine) }
    if let internet = scenario.internet { try make(internet) }
    try PartBuilder(network).start()
    for machine in machines { try serveAndSetUp(machine) }
    try watchFrames()
  }

  private func makeParts() throws(Problem) { try PartBuilder(network).make() }

  // MARK: Machines

  /// Makes a machine with its network cards, which are not plugged in yet.
  private func make(_ description: Scenario.Machine) throws(Problem) -> NetworkPlace {
    let userland = MachineFactory.make(
      description.name,
      in: simulation,
      iptables: scenario.iptables
    )
    let machine = userland.machine
    for interface in description.interfaces {
      var mac: MACAddress?
      if let text = interface.mac {
        mac = MACAddress(text.text)
        if mac == nil { throw text.node.problem("`\(text.text)' is no MAC address") }
      }
      do {
        try machine.root.makeEthernet(NewLink(interface.name, mac: mac, mtu: interface.mtu))
      } catch {
        throw interface.node.problem("cannot make the interface `\(interface.name)': \(error)")
      }
    }
    for (path, text) in description.files {
      try? userland.files.makeDirectory(
        path.split(separator: "/").dropLast().reduce("") { "\($0)/\($1)" },
        withParents: true
      )
      do {
        try userland.files.write(path, Array(text.utf8))
      } catch {
        throw description.node.problem("cannot write \(path): \(error)")
      }
    }
    return NetworkPlace(name: description.name, userland: userland, namespace: machine.root)
  }

  /// Gives a machine its namespaces, addresses, settings and routes.
  private func configure(_ description: Scenario.Machine) throws(Problem) {
    guard let endpoint = network.endpoint(description.name) else { return }
    try command("ip link set lo up", description.node, endpoint)
    for name in description.namespaces {
      try command("ip netns add \(quoted(name.text))", name.node, endpoint)
      try command("ip -n \(quoted(name.text)) link set lo up", name.node, endpoint)
    }
    if description.forwards {
      try command("sysctl -qw net.ipv4.ip_forward=1", description.node, endpoint)
    }
    for (name, value) in description.settings {
      try command("sysctl -qw \(quoted("\(name)=\(value.text)"))", value.node, endpoint)
    }
    for interface in description.interfaces {
      for address in interface.addresses {
        let text = "ip addr add \(address.text) dev \(quoted(interface.name))"
        try command(text, address.node, endpoint)
      }
      try command("ip link set \(quoted(interface.name)) up", interface.node, endpoint)
    }
    for route in description.routes {
      try command("ip route add \(route.text)", route.node, endpoint)
    }
  }

  /// Starts what a machine serves, and runs its set-up commands.
  private func serveAndSetUp(_ description: Scenario.Machine) throws(Problem) {
    guard let endpoint = network.endpoint(description.name) else { return }
    if description.name != "internet" || scenario.internet == nil {
      for text in description.listens { try listen(text, at: .any, endpoint) }
    }
    for text in description.setup {
      let source = ScenarioShell.source(of: text)
      let result = try network.run(source, at: endpoint)
      if result.status != 0 || result.failure != nil {
        let output = result.output.split(separator: "\n").last.map { ": \($0)" } ?? ""
        throw text.node.problem(
          "a set-up command of `\(description.name)' ended with status \(result.status)\(output)"
        )
      }
    }
  }

  /// Runs one command that the builder makes of a value; what it says goes to the value's place.
  private func command(
    _ text: String,
    _ node: YAMLNode,
    _ endpoint: NetworkPlace
  ) throws(Problem) {
    let source = ShellSource(name: node.file, text: text)
    let result: CommandResult
    do {
      result = try network.run(source, at: endpoint)
    } catch {
      throw node.problem("\(text): \(error.message)")
    }
    guard result.status != 0 else { return }
    let output = result.output.split(separator: "\n").joined(separator: "; ")
    throw node.problem("\(text): \(output)")
  }

  private func quoted(_ text: String) -> String {
    "'" + text.replacing("'", with: "'\\''") + "'"
  }

  /// Serves a port, written `80`, `53/udp` or `5432/tcp postgres`.
  private func listen(
    _ text: Scenario.Text,
    at address: IPv4Address,
    _ endpoint: NetworkPlace
  ) throws(Problem) {
    let words = text.text.split(separator: " ").map(String.init)
    let parts = (words.first ?? "").split(separator: "/").map(String.init)
    guard let first = parts.first, let port = UInt16(first), port > 0, parts.count <= 2,
      words.count <= 2, ["tcp", "udp"].contains(parts.count == 2 ? parts[1] : "tcp")
    else {
      throw text.node.problem(
        "`\(text.text)' is no port, expected 80, 53/udp or `5432/tcp postgres'"
      )
    }
    let number: IPProtocol = parts.count == 2 && parts[1] == "udp" ? .udp : .tcp
    var service = WellKnownServices.guess(port: port, number)
    if words.count == 2 {
      guard let named = ServiceProtocol(rawValue: words[1]) else {
        let known = ServiceProtocol.allCases.map(\.rawValue).joined(separator: ", ")
        throw text.node.problem("no service `\(words[1])', expected one of \(known)")
      }
      service = named
    }
    let server = PortServer(endpoint.makeProcess("server"), name: endpoint.name)
    do {
      try server.listen(on: ServicePort(port, number, service, isAssumed: false), address: address)
    } catch {
      throw text.node.problem("cannot listen on \(text.text): \(error.text)")
    }
    network.keep(server)
  }

  // MARK: Links

  private func connect(_ link: Scenario.Link) throws(Problem) {
    var options = CableOptions()
    if let rate = link.rate { options.bandwidth = rate }
    if let delay = link.delay { options.delay = delay }
    if let loss = link.loss { options.loss = loss }
    if let queue = link.queue { options.queueLength = queue }
    var cards: [EthernetDevice] = []
    for port in link.ports { cards.append(try card(port)) }
    if let name = link.name {
      let box = EthernetSwitch(simulation: simulation, name: name)
      network.keep(box)
      for card in cards { card.connect(to: box, options: options) }
    } else if cards.count == 2 {
      cards[0].connect(to: cards[1], options: options)
    }
  }

  /// The network card that `machine/interface` names; it is made where the machine has none.
  private func card(_ text: Scenario.Text) throws(Problem) -> EthernetDevice {
    let parts = text.text.split(separator: "/").map(String.init)
    guard parts.count == 2 else {
      throw text.node.problem("`\(text.text)' names no card, expected machine/interface")
    }
    guard let machine = network.endpoint(parts[0]) else {
      throw text.node.problem("there is no machine `\(parts[0])'")
    }
    guard let device = machine.namespace.devices[parts[1]] else {
      let known = machine.namespace.devices.all.filter { !$0.isLoopback }.map(\.name)
      let hint = known.isEmpty ? "" : ", only \(known.joined(separator: ", "))"
      throw text.node.problem("`\(parts[0])' has no interface `\(parts[1])'\(hint)")
    }
    guard let card = device as? EthernetDevice else {
      throw text.node.problem("`\(text.text)' is no network card")
    }
    return card
  }

  /// Nodes that no link names are at a switch of their own, with the machines that have a card left
  /// over.
  private func connectNodes(of cluster: Scenario.Cluster) {
    func loose(_ endpoint: NetworkPlace) -> [EthernetDevice] {
      endpoint.namespace.devices.all.compactMap { $0 as? EthernetDevice }.filter { $0.cable == nil }
    }
    let nodes = cluster.machines.compactMap { network.endpoint($0.name) }.flatMap(loose)
    guard !nodes.isEmpty else { return }
    let box = EthernetSwitch(simulation: simulation, name: "\(cluster.name)-lan")
    network.keep(box)
    let others = scenario.machines.compactMap { network.endpoint($0.name) }.flatMap(loose)
    for card in nodes + others { card.connect(to: box) }
  }

  // MARK: The Internet

  private func make(_ description: Scenario.Internet) throws(Problem) {
    guard let endpoint = network.endpoint("internet") else { return }
    let node = description.machine.node
    do throws(SmallInternet.Failure) {
      let internet = try SmallInternet(in: endpoint.namespace)
      for domain in description.domains {
        try internet.addDomain(
          domain.name,
          records: domain.records.text,
          server: domain.server.text
        )
      }
      for resolver in description.resolvers { try internet.addResolver(resolver.text) }
      try internet.start()
      network.keep(internet)
    } catch {
      throw node.problem("the Internet cannot be made: \(error)")
    }
    for host in description.hosts {
      guard let address = IPv4Address(host.text) else {
        throw host.node.problem("`\(host.text)' is no address")
      }
      try command("ip addr add \(address)/32 dev lo", host.node, endpoint)
      for text in description.machine.listens { try listen(text, at: address, endpoint) }
    }
    if description.hosts.isEmpty {
      for text in description.machine.listens { try listen(text, at: .any, endpoint) }
    }
  }

  // MARK: Frames

  /// Compiles the filters of expectations, so that they count from the beginning.
  private func watchFrames() throws(Problem) {
    for (number, expectation) in scenario.expectations.enumerated() {
      let frames: Scenario.Frames
      switch expectation.claim {
      case .seen(let wanted), .never(let wanted): frames = wanted
      default: continue
      }
      network.frameCounters[number] = try FrameCounters.make(frames, in: network)
    }
  }
}

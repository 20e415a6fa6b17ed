import Hopyard

/// A network under measurement: hosts with addresses and routes, joined by veth pairs.
final class BenchmarkNetwork {
  let simulation: Simulation
  let machine: Machine
  private var boxes: [EthernetSwitch] = []
  /// A lab without lines: a machine with its commands, of which rules need `iptables-restore`.
  private let lab: Lab?

  /// Makes an empty network; only one that loads rules needs commands.
  init(hasCommands: Bool = true) {
    let lab = hasCommands ? Lab(name: "benchmark.lab", text: "") : nil
    self.lab = lab
    simulation = lab?.simulation ?? Simulation()
    machine = lab?.machine ?? Machine(simulation: simulation)
  }

  /// A host: a namespace with `lo` up.
  func host(_ name: String) throws -> NetworkNamespace {
    let namespace = machine.makeNamespace(name)
    try namespace.setLinkUp(namespace.devices.loopback)
    return namespace
  }

  /// A veth pair, both ends up, with these addresses.
  @discardableResult
  func link(
    _ a: NetworkNamespace,
    _ nameA: String,
    _ addressA: String?,
    _ b: NetworkNamespace,
    _ nameB: String,
    _ addressB: String?
  ) throws -> (a: NetworkDevice, b: NetworkDevice) {
    let (left, right) = try a.makeVeth(NewLink(nameA), peer: NewLink(nameB), in: b)
    try a.setLinkUp(left)
    try b.setLinkUp(right)
    if let addressA { try add(addressA, to: left, in: a) }
    if let addressB { try add(addressB, to: right, in: b) }
    return (left, right)
  }

  func add(_ text: String, to device: NetworkDevice, in host: NetworkNamespace) throws {
    guard let prefix = IPv4Prefix(text) else { throw Options.Failure(message: "bad \(text)") }
    try host.addAddress(
      InterfaceAddress<UInt32>(
        local: prefix.address.rawValue,
        prefixLength: Int(prefix.length),
        broadcast: prefix.broadcast.rawValue
      ),
      to: device
    )
  }

  /// A route by a gateway.
  func route(_ host: NetworkNamespace, to prefix: String, via gateway: String) throws {
    guard let prefix = IPv4Prefix(prefix), let gateway = IPv4Address(gateway) else {
      throw Options.Failure(message: "bad route \(prefix) via \(gateway)")
    }
    try host.routes.insert(
      Route<UInt32>(
        prefix: prefix.address.rawValue,
        length: Int(prefix.length),
        nexthops: [Nexthop<UInt32>(gateway: gateway.rawValue)]
      ),
      mode: .create
    )
  }

  // MARK: Topologies

  /// Two hosts and what is between them.
  struct Path {
    var from: NetworkNamespace
    var to: NetworkNamespace
    var destination: String
    var hops: Int
  }

  /// Two hosts on one veth pair.
  func veth() throws -> Path {
    let a = try host("a")
    let b = try host("b")
    try link(a, "eth0", "10.0.0.1/24", b, "eth0", "10.0.0.2/24")
    return Path(from: a, to: b, destination: "10.0.0.2", hops: 1)
  }

  /// Two hosts on one bridge.
  func bridge() throws -> Path {
    let a = try host("a")
    let b = try host("b")
    let switchHost = try host("sw")
    let bridge = try switchHost.makeBridge(NewLink("br0"))
    try switchHost.setLinkUp(bridge)
    for (index, end) in [a, b].enumerated() {
      let pair = try link(switchHost, "p\(index)", nil, end, "eth0", "10.0.0.\(index + 1)/24")
      try switchHost.setLinkMaster(pair.a, bridge)
    }
    return Path(from: a, to: b, destination: "10.0.0.2", hops: 2)
  }

  /// Two hosts with network cards, each on a cable of 10 Gbit/s and 500 ns to one switch.
  func ethernetSwitch() throws -> Path {
    let box = EthernetSwitch(simulation: simulation, name: "sw")
    boxes.append(box)
    let options = CableOptions(bandwidth: 10_000_000_000, delay: 500, queueLength: 10_000)
    let ends = try ["a", "b"].map { try host($0) }
    for (index, end) in ends.enumerated() {
      let card = try end.makeEthernet(NewLink("eth0"))
      card.connect(to: box, options: options)
      try end.setLinkUp(card)
      try add("10.0.0.\(index + 1)/24", to: card, in: end)
    }
    return Path(from: ends[0], to: ends[1], destination: "10.0.0.2", hops: 2)
  }

  /// Two hosts with routers between them.
  func chain(routers: Int) throws -> Path {
    let nodes =
      try [host("a")] + (0..<routers).map { try host("r\($0 + 1)") } + [host("b")]
    for index in 0..<(nodes.count - 1) {
      try link(
        nodes[index],
        "right",
        "10.0.\(index).1/30",
        nodes[index + 1],
        "left",
        "10.0.\(index).2/30"
      )
      if index > 0 { nodes[index].setForwarding(true) }
    }
    for index in 0..<(nodes.count - 1) {
      try route(nodes[index], to: "0.0.0.0/0", via: "10.0.\(index).2")
      if index > 0 {
        try route(nodes[index + 1], to: "10.0.0.0/30", via: "10.0.\(index).1")
      }
    }
    return Path(
      from: nodes[0],
      to: nodes[nodes.count - 1],
      destination: "10.0.\(nodes.count - 2).2",
      hops: nodes.count - 1
    )
  }

  /// Runs a line of a lab.
  func run(_ line: String) throws {
    guard let lab else { throw Options.Failure(message: "a network without commands") }
    let source = ShellSource(name: "setup", text: line + "\n")
    for logical in source.logicalLines() {
      let ending = lab.runner.session.run(logical, of: source)
      guard ending == nil, lab.runner.session.status == 0 else {
        throw Options.Failure(message: "refused: \(line)")
      }
    }
  }

  /// Loads rules, in the format of `iptables-save`, into a host.
  func load(_ rules: String, into host: NetworkNamespace) throws {
    guard let lab else { throw Options.Failure(message: "a network without commands") }
    let text = "ip netns exec \(host.name) iptables-restore <<'END'\n\(rules)END\n"
    let source = ShellSource(name: "rules", text: text)
    for line in source.logicalLines() {
      let ending = lab.runner.session.run(line, of: source)
      guard ending == nil, lab.runner.session.status == 0 else {
        throw Options.Failure(message: "the rules of \(host.name) were refused")
      }
    }
  }

  /// Two hosts with eight routers between them, each with conntrack, 100 filter rules and
  /// masquerading; the rule for known connections stands before the others, or after them.
  func firewalledChain(establishedFirst: Bool) throws -> Path {
    let path = try chain(routers: 8)
    let rules = Self.filterRules(establishedFirst: establishedFirst)
    for index in 1...8 {
      if let router = machine.namespace(named: "r\(index)") { try load(rules, into: router) }
    }
    return path
  }

  private static func filterRules(establishedFirst: Bool) -> String {
    let known = "-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
    var text = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n"
    if establishedFirst { text += known }
    for index in 0..<100 {
      text +=
        "-A FORWARD -s 192.168.\(index).0/24 -p udp -m udp --dport \(1000 + index) -j DROP\n"
    }
    text += known + "-A FORWARD -j ACCEPT\nCOMMIT\n"
    return text + "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n"
      + ":POSTROUTING ACCEPT [0:0]\n-A POSTROUTING ! -o lo -j MASQUERADE\nCOMMIT\n"
  }

  /// Switches of a hundred hosts each around one core, all idle.
  func mesh(hosts: Int) throws {
    let core = try host("core")
    var bridge: BridgeDevice?
    for index in 0..<hosts {
      let (group, number) = (index / 100, index % 100)
      if number == 0 {
        let next = try core.makeBridge(NewLink("br\(group)"))
        try core.setLinkUp(next)
        bridge = next
      }
      let end = try host("h\(index)")
      let pair = try link(
        core,
        "p\(index)",
        nil,
        end,
        "eth0",
        "10.\(group).0.\(number + 2)/16"
      )
      if let bridge { try core.setLinkMaster(pair.a, bridge) }
      try route(end, to: "0.0.0.0/0", via: "10.\(group).0.1")
      try end.sockets.makeUDP().bind(port: 9)
    }
  }
}

import Hopyard
import LabSupport
import Testing

/// dockerd's own integration tests as flows through the model: who reaches whom, and how not.
@Suite struct DockerFlowOracleTests {
  @Test(.oracle("docker/flows.json")) func flows() throws {
    var tally = OracleTally("docker/flows.json")
    for item in Given(try Oracles.json("docker/flows.json"))["cases"].items {
      let id = item["id"].text
      if let reason = reasonToSkip(item) {
        tally.note(id, .skip(reason))
        continue
      }
      for (index, flow) in item["flows"].items.enumerated() {
        let name = "\(id)/\(index)"
        if flow["family"].text == "ipv6" {
          tally.note(name, .skip("later: IPv6"))
          continue
        }
        tally.check(name) {
          let scene = try DockerScene(item)
          let result = try scene.send(flow)
          return result == flow["expect"].text
            ? nil : "expected \(flow["expect"].text), is \(result)"
        }
      }
      if !item["expect_state"].isMissing {
        tally.check("\(id)/state") { try DockerScene.state(item) }
      }
    }
    tally.finish()
  }

  private func reasonToSkip(_ item: Given) -> String? {
    let topology = item["topology"]
    if topology["networks"].items.contains(where: { $0["ipv4"].isFalse }) { return "later: IPv6" }
    return nil
  }
}

/// The machines of one flow.
struct DockerScene {
  let simulation = Simulation(seed: 1)
  let host: Userland
  let engine: DockerEngine
  private var remotes: [String: Userland] = [:]
  /// What joins the docker host and the remote ones.
  private let box: EthernetSwitch

  init(_ item: Given) throws {
    let topology = item["topology"]
    host = Self.machine("docker", simulation)
    box = EthernetSwitch(simulation: simulation, name: "segment")
    let segment = topology["segment"]
    if !segment.isMissing {
      let card = topology["segment"]["docker_iface"].text
      try Self.plug(host, card.isEmpty ? "eth-test" : card, box, segment["docker"])
      for (name, value) in segment.fields where name != "docker" && !value.items.isEmpty {
        guard name != "remote_default_route_via" else { continue }
        let remote = Self.machine(name, simulation)
        remotes[name] = remote
        try Self.plug(remote, "eth0", box, value)
      }
    }
    for text in topology["host_addrs"].items.map(\.text) + ["192.0.2.10/24 dev eth0"] {
      let words = text.split(separator: " ").map(String.init)
      guard words.count == 3, !words[0].contains(":") else { continue }
      if host.rootNamespace.devices[words[2]] == nil {
        try Self.run(host, "ip link add \(words[2]) type dummy")
        try Self.run(host, "ip link set \(words[2]) up")
      }
      try Self.run(host, "ip addr add \(words[0]) dev \(words[2])")
    }
    for rule in topology["host_extra_rules_before_dockerd"].items {
      try Self.run(host, "iptables " + rule.text)
    }
    engine = try Self.engine(on: host, topology)
    for rule in topology["host_extra_rules"].items { try Self.run(host, "iptables " + rule.text) }
    let policy = topology["filter_forward_policy"].text
    if !policy.isEmpty { try Self.run(host, "iptables -P FORWARD \(policy)") }
    if let gateway = segment["remote_default_route_via"].items.first?.text {
      try Self.run(remotes["remote"] ?? host, "ip route add default via \(gateway)")
    }
    let extra = segment["attacker_route"].text
    if let attacker = remotes["attacker"], !extra.isEmpty {
      try Self.run(attacker, "ip route add " + extra)
    }
    for network in topology["networks"].items { try Self.addNetwork(network, to: engine) }
    for container in topology["containers"].items { try Self.addContainer(container, to: engine) }
    _ = simulation.run(until: simulation.now + .seconds(1))
  }

  private static func engine(on host: Userland, _ topology: Given) throws -> DockerEngine {
    var arguments = topology["daemon_args"].items.map(\.text)
    if topology["userland_proxy"].isFalse { arguments.append("--userland-proxy=false") }
    return try DockerEngine(on: host, options: DockerOptions(arguments: arguments))
  }

  static func machine(_ name: String, _ simulation: Simulation) -> Userland {
    let machine = Machine(simulation: simulation, name: name, rootName: "root")
    let userland = Userland(machine: machine, commands: .labCommands())
    userland.mountNetworkTrees()
    try? userland.rootNamespace.setLinkUp(userland.rootNamespace.devices.loopback)
    return userland
  }

  private static func plug(_ host: Userland, _ name: String, _ box: EthernetSwitch, _ value: Given)
    throws
  {
    let card = try host.rootNamespace.makeEthernet(NewLink(name))
    card.connect(to: box)
    try host.rootNamespace.setLinkUp(card)
    for address in value.items.map(\.text) where !address.contains(":") {
      try run(host, "ip addr add \(address) dev \(name)")
    }
  }

  /// Runs a command in the root namespace of a machine.
  static func run(_ host: Userland, _ command: String) throws {
    let session = LabSession(source: ShellSource(name: "scene", text: command), userland: host)
    for line in ShellSource(name: "scene", text: command).logicalLines() {
      let ending = session.run(line, of: ShellSource(name: "scene", text: command))
      if let ending { throw OracleError.unreadable(command, "\(ending)") }
    }
    if session.status != 0 {
      let output = session.lines.indices.map {
        String(decoding: session.output(of: $0), as: UTF8.self)
      }
      throw OracleError.unreadable(command, output.joined())
    }
  }

  private static func addNetwork(_ network: Given, to engine: DockerEngine) throws {
    if network["name"].isMissing { return }
    var wanted = NetworkSpecification(name: network["name"].text)
    wanted.isInternal = network["internal"].isTrue
    wanted.hasIPv6 = network["ipv6"].isTrue
    wanted.subnets = network["subnets"].items.compactMap { Subnet($0.text) }
    wanted.gateways = network["gateways"].items.compactMap { IPAddress($0.text) }
    // A subnet of link-local addresses is not one of the pool's.
    func option(_ name: String, _ value: String) {
      if !value.isEmpty { wanted.options.append((name, value)) }
    }
    // Some names in the table are longer than an interface's can be.
    option("com.docker.network.bridge.name", String(network["bridge"].text.prefix(15)))
    option("com.docker.network.bridge.gateway_mode_ipv4", network["gateway_mode"].text)
    option("com.docker.network.bridge.gateway_mode_ipv6", network["gateway_mode"].text)
    option("com.docker.network.bridge.gateway_mode_ipv4", network["gateway_mode4"].text)
    option("com.docker.network.bridge.gateway_mode_ipv6", network["gateway_mode6"].text)
    let trusted = network["trusted_host_interfaces"].items.map(\.text)
    option("com.docker.network.bridge.trusted_host_interfaces", trusted.joined(separator: ":"))
    if network["icc"].isFalse { option("com.docker.network.bridge.enable_icc", "false") }
    try engine.createNetwork(wanted)
  }

  private static func addContainer(_ container: Given, to engine: DockerEngine) throws {
    var wanted = ContainerSpecification(image: "busybox")
    // A name of one letter is made longer: dockerd takes none that short.
    let name = container["name"].text
    wanted.name = name.count == 1 ? name + "1" : name
    let networks = container["networks"].items.map(\.text)
    wanted.endpoints = networks.map { name in
      var endpoint = EndpointSpecification(name)
      endpoint.gatewayPriority = container["gw_priority"][name].integer
      if container["ip"].text == "gateway+1", let gateway = engine.network(name)?.gateway {
        endpoint.address = IPv4Address(rawValue: gateway.rawValue + 1)
      }
      endpoint.links = container["links"].items.map {
        let halves = $0.text.split(separator: ":").map(String.init)
        return (halves[0], halves.last ?? "")
      }
      return endpoint
    }
    if let first = networks.first { wanted.networkMode = NetworkMode(first) }
    func port(_ text: String) -> ServicePort? {
      let halves = text.split(separator: "/")
      guard halves.count == 2, let number = UInt16(halves[1]) else { return nil }
      return ServicePort(number, halves[0] == "udp" ? .udp : .tcp, .echo)
    }
    wanted.services = container["listen"].items.compactMap { port($0.text) }
    wanted.exposed = container["expose"].items.compactMap { port($0.text) }
    wanted.dns = container["dns"].items.compactMap { IPAddress($0.text) }
    for published in container["publish"].items {
      var request = PortRequest(
        UInt16(published["container_port"].integer),
        published["proto"].text == "udp" ? .udp : .tcp,
        hostAddress: IPAddress(published["host_ip"].text)
      )
      request.hostPort = UInt16(published["host_port"].integer)
      wanted.ports.append(request)
    }
    try engine.start(try engine.createContainer(wanted))
  }

  // MARK: Flows

  func send(_ flow: Given) throws -> String {
    let from = flow["from"].text
    let program: Program
    if let container = engine.container(from), let sandbox = container.sandbox {
      let process = sandbox.makeProcess("probe")
      program = Program(in: sandbox.namespace, name: "probe") { try? process.contents(of: $0) }
    } else if let remote = remotes[from] {
      program = Program(in: remote.rootNamespace, name: "probe")
    } else {
      program = Program(in: host.rootNamespace, name: "probe")
    }
    let ipProtocol: IPProtocol =
      flow["proto"].text == "udp" ? .udp : flow["proto"].text == "icmp" ? .icmp : .tcp
    var port = UInt16(flow["port"].integer)
    if flow["port"].text == "published" {
      let ports = engine.containers.flatMap(\.bindings).filter { $0.ipProtocol == ipProtocol }
      port = ports.first?.hostPort ?? 0
    }
    let target = try self.target(of: flow)
    if flow["via_route"].text == "bridge subnet via docker host",
      let remote = remotes[from], let subnet = engine.network("brattacked")?.subnet,
      let gateway = host.rootNamespace.devices["test-eth"]?.inet.addresses.first
    {
      let via = IPv4Address(rawValue: gateway.local)
      try Self.run(remote, "ip route add \(subnet.network) via \(via)")
    }
    var answer: ProbeResult?
    simulation.spawn {
      answer = await NetworkProbe(program).send(to: target, port: port, ipProtocol, .echo)
    }
    let end = simulation.now + .seconds(60)
    while answer == nil, simulation.run(until: end) == .stopped {}
    guard let answer else { return "no end" }
    switch flow["expect"].text {
    case "delivered", "dropped": return answer == .reply ? "delivered" : "dropped"
    case "unreachable" where answer == .refused: return "unreachable"
    default: return answer.rawValue
    }
  }

  private func target(of flow: Given) throws -> String {
    if !flow["to_addr"].isMissing { return flow["to_addr"].text }
    let place = flow["to_host_addr"].text
    if place.hasPrefix("docker0") { return "\(engine.network("bridge")?.gateway ?? .any)" }
    if !place.isEmpty {
      let device = host.rootNamespace.devices[
        place.split(separator: " ").first.map(String.init) ?? ""
      ]
      return "\(IPv4Address(rawValue: device?.inet.addresses.first?.local ?? 0))"
    }
    let by = flow["by"].text
    if by.hasPrefix("name ") { return String(by.dropFirst(5)) }
    let to = flow["to"].text
    guard let container = engine.container(to) else {
      throw OracleError.unreadable("flows.json", "no container \(to)")
    }
    let network = flow["on_network"].text
    let address = container.address(on: network.isEmpty ? nil : network)
    return by == "name" ? container.name : "\(address ?? .any)"
  }

  // MARK: States

  static func state(_ item: Given) throws -> String? {
    let topology = item["topology"]
    let wanted = item["expect_state"]
    let simulation = Simulation(seed: 1)
    let host = machine("docker", simulation)
    if topology["initial_ip_forward"].integer == 1 {
      host.rootNamespace.setForwarding(true)
      for scope in ["all", "default"] {
        host.rootNamespace.inertSettings["net/ipv6/conf/\(scope)/forwarding"] = "1"
      }
    }
    let engine = try engine(on: host, topology)
    func policy(_ family: RuleFamily) -> String {
      let table = host.rootNamespace.netfilter.ruleset(family, .nft).table(.filter).table
      return table.chains.first { $0.name == "FORWARD" }?.policy == .drop ? "DROP" : "ACCEPT"
    }
    var wrong: [String] = []
    func compare(_ key: String, _ value: String) {
      let expected = wanted[key]
      if expected.isMissing { return }
      let text = expected.text.isEmpty ? "\(expected.integer)" : expected.text
      if text != value { wrong.append("\(key): expected \(text), is \(value)") }
    }
    compare("ip_forward", host.rootNamespace.settings.forwarding ? "1" : "0")
    compare("iptables_FORWARD_policy_after_start", policy(.ipv4))
    compare("ip6tables_FORWARD_policy_after_start", policy(.ipv6))
    if !wanted["ip6tables_FORWARD_policy_after_ipv6_network_created"].isMissing {
      var network = NetworkSpecification(name: "six")
      network.hasIPv6 = true
      try engine.createNetwork(network)
      compare("ip6tables_FORWARD_policy_after_ipv6_network_created", policy(.ipv6))
    }
    for network in topology["networks"].items { try addNetwork(network, to: engine) }
    for container in topology["containers"].items { try addContainer(container, to: engine) }
    let ports = wanted["inspect_ports_80_tcp"]
    if !ports.isMissing {
      let given = engine.containers.first?.bindings.map {
        "\($0.hostAddress) \($0.hostPort.map { String($0) } ?? "")"
      }
      let expected = ports.items.map { "\($0["HostIp"].text) \($0["HostPort"].text)" }
      if given?.sorted() != expected.sorted() {
        wrong.append("expected \(expected), are \(given ?? [])")
      }
    }
    if !wanted["nslookup docker.com"].isMissing {
      guard let file = engine.containers.first?.externalServers else { return "no resolver" }
      if !file.contains(where: { $0.address == .v4(IPv4Address(8, 8, 8, 8)) }) {
        wrong.append("8.8.8.8 is not asked")
      }
    }
    return wrong.isEmpty ? nil : wrong.joined(separator: "; ")
  }
}

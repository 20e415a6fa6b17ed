import Hopyard
import LabSupport
import Testing

/// Whole daemons: rules after networks and containers came, DOCKER-USER, hosts files.
@Suite struct DockerDaemonOracleTests {
  // MARK: iptablesdoc

  @Test(.oracle("docker/iptablesdoc")) func documentedSetUps() throws {
    var tally = OracleTally("docker/iptablesdoc/cases.json")
    for item in Given(try Oracles.json("docker/iptablesdoc/cases.json"))["cases"].items {
      let id = item["id"].text
      if item["config"]["swarm"].isTrue {
        tally.note(id, .skip("swarm"))
        continue
      }
      tally.check(id) { try documented(item) }
    }
    tally.finish()
  }

  private func documented(_ item: Given) throws -> String? {
    let host = DockerTestHost()
    host.root.setForwarding(true)
    var options = DockerOptions()
    options.usesProxy = !item["config"]["noUserlandProxy"].isTrue
    let engine = try DockerEngine(on: host.lab.userland, options: options)
    for (index, network) in item["config"]["networks"].items.enumerated() {
      try add(network, index, to: engine)
    }
    for dump in item["dumps"].items {
      let output = try host.output(["iptables", "-t", dump["table"].text, "-S"])
      let given = output.split(separator: "\n").map(String.init)
      let wanted = dump["S"].items.map(\.text)
      if dump["full"].isTrue {
        if given != wanted { return "\(dump["table"].text): \(difference(wanted, given))" }
      } else {
        var rest = given[...]
        for line in wanted {
          guard let index = rest.firstIndex(of: line) else {
            return "no line `\(line)' in its place"
          }
          rest = rest[(index + 1)...]
        }
      }
    }
    return nil
  }

  private func add(_ network: Given, _ index: Int, to engine: DockerEngine) throws {
    let subnets = ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"]
    var wanted = NetworkSpecification(name: network["name"].text)
    wanted.subnets = Subnet(subnets[index % 3]).map { [$0] } ?? []
    wanted.isInternal = network["internal"].isTrue
    wanted.options = [("com.docker.network.bridge.name", wanted.name)]
    if network["noICC"].isTrue {
      wanted.options.append(("com.docker.network.bridge.enable_icc", "false"))
    }
    if !network["gwMode"].isMissing {
      wanted.options.append(
        ("com.docker.network.bridge.gateway_mode_ipv4", network["gwMode"].text)
      )
    }
    try engine.createNetwork(wanted)
    for container in network["containers"].items {
      var specification = ContainerSpecification(image: "busybox")
      specification.name = container["name"].text + "\(index)"
      specification.networkMode = .named(wanted.name)
      for (key, bindings) in container["portMappings"].fields {
        let halves = key.split(separator: "/")
        for binding in bindings.items {
          specification.ports.append(
            PortRequest(
              UInt16(halves.first ?? "") ?? 0,
              halves.last == "udp" ? .udp : .tcp,
              hostAddress: IPAddress(binding["HostIP"].text),
              hostPort: UInt16(binding["HostPort"].text) ?? 0
            )
          )
        }
      }
      try engine.start(try engine.createContainer(specification))
    }
  }

  private func difference(_ wanted: [String], _ given: [String]) -> String {
    for index in 0..<max(wanted.count, given.count) {
      let left = index < wanted.count ? wanted[index] : "(end)"
      let right = index < given.count ? given[index] : "(end)"
      if left != right { return "line \(index + 1): expected `\(left)', is `\(right)'" }
    }
    return "nothing"
  }

  // MARK: userchain

  @Test(.oracle("docker/userchain")) func userChain() throws {
    var tally = OracleTally("docker/userchain")
    let folder = "docker/userchain/TestUserChain"
    for name in try Oracles.names(in: folder) where name.hasSuffix(".golden") {
      tally.check(name) {
        let stem = String(name.dropLast(7))
        let parts = stem.split(separator: "_").map(String.init)
        guard parts.count == 3, let last = parts[2].last else { return "cannot read the name" }
        let isOn = parts[0] == "iptables-true"
        let appends = parts[1] == "append-true"
        let family: RuleFamily = last == "6" ? .ipv6 : .ipv4
        let host = DockerTestHost()
        var options = FirewallOptions()
        if !isOn { options.families = [] }
        let firewall = DockerProfile.docker29.makeFirewall(in: host.root, options)
        firewall.setUp()
        firewall.setUpUserChain()
        let program = family == .ipv4 ? "iptables" : "ip6tables"
        if parts[2].contains("after") {
          if appends { _ = try host.output([program, "-A", "FORWARD", "-j", "DROP"]) }
          firewall.setUpUserChain()
        }
        let chain =
          parts[2].hasPrefix("dockerfwd")
          ? "DOCKER-FORWARD" : parts[2].hasPrefix("usr") ? "DOCKER-USER" : "FORWARD"
        let output = try host.output([program, "-S", chain])
        let wanted = try Oracles.text("\(folder)/\(name)")
        return lines(output) == lines(wanted) ? nil : "is \(output)"
      }
    }
    tally.finish()
  }

  private func lines(_ text: String) -> [Substring] { text.split(separator: "\n") }

  // MARK: misc

  @Test(.oracle("docker/misc")) func rawRulesAndHostsFiles() throws {
    var tally = OracleTally("docker/misc")
    for skip in [false, true] {
      for family in RuleFamily.allCases {
        let name = "skip-\(skip)_\(family == .ipv4 ? "ipv4" : "ipv6").golden"
        guard Oracles.has("docker/misc/TestSkipRawRules/\(name)") else { continue }
        tally.check("TestSkipRawRules/\(name)") { try rawRules(skip, family, name) }
      }
    }
    let texts = try hostsFiles()
    for (index, text) in texts.enumerated() {
      let name = "TestEtcHostsDisconnect\(index + 1).golden"
      guard Oracles.has("docker/misc/\(name)") else { continue }
      tally.check(name) {
        let wanted = try Oracles.text("docker/misc/\(name)")
        return text == wanted ? nil : "is\n\(text)"
      }
    }
    tally.finish()
  }

  private func rawRules(_ skip: Bool, _ family: RuleFamily, _ name: String) throws -> String? {
    let host = DockerTestHost()
    var options = DockerOptions()
    options.skipsRaw = skip
    options.bridgeAddress = Subnet("192.168.0.1/24")
    options.defaultBridgeIPv6 = Subnet("fd30:1159:a755::/64")
    let engine = try DockerEngine(on: host.lab.userland, options: options)
    var wanted = ContainerSpecification(image: "busybox")
    wanted.ports = [
      PortRequest(80, hostAddress: .v4(.loopback), hostPort: 8080)
    ]
    try engine.start(try engine.createContainer(wanted))
    _ = host.root.netfilter.ruleset(family, .nft).table(.raw)
    let program = family == .ipv4 ? "iptables" : "ip6tables"
    let output = try host.output([program, "-t", "raw", "-S"])
    let golden = try Oracles.text("docker/misc/TestSkipRawRules/\(name)")
    return lines(output) == lines(golden) ? nil : "is \(output)"
  }

  /// The hosts file of a container on two networks, as they are taken away and given again.
  private func hostsFiles() throws -> [String] {
    let host = DockerTestHost()
    let engine = try DockerEngine(on: host.lab.userland)
    for (name, subnets) in [
      ("n1", ["192.168.123.0/24", "fde6:be58:aedf::/64"]),
      ("n2", ["192.168.124.0/24", "fdd2:c4e3:c4d5::/64"]),
    ] {
      var network = NetworkSpecification(name: name)
      network.subnets = subnets.compactMap { Subnet($0) }
      network.hasIPv6 = true
      try engine.createNetwork(network)
    }
    var wanted = ContainerSpecification(image: "busybox")
    wanted.name = "c1"
    wanted.hostname = "c1.invalid"
    wanted.extraHosts = [
      ("otherhost.invalid", "192.0.2.3"), ("otherhost.invalid", "2001:db8::1234"),
    ]
    wanted.networkMode = .named("n1")
    wanted.endpoints = [EndpointSpecification("n1"), EndpointSpecification("n2")]
    let container = try engine.createContainer(wanted)
    try engine.start(container)
    func text() throws -> String {
      let bytes = try host.lab.userland.files.read(
        "/var/lib/docker/containers/\(container.id)/hosts",
        for: host.lab.userland.makeProcess()
      )
      return String(decoding: bytes, as: UTF8.self)
    }
    var texts = [try text()]
    func disconnect(_ name: String) throws {
      guard let network = engine.network(name) else { return }
      try engine.disconnect(container, from: network)
      texts.append(try text())
    }
    try disconnect("n1")
    try engine.connect(container, EndpointSpecification("n1"))
    texts.append(try text())
    try disconnect("n1")
    try disconnect("n2")
    return texts
  }
}

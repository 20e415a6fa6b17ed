public import HopyardSimulator
public import HopyardUserland

/// Scenarios around what users have.
public enum ScenarioDraft {
  /// A scenario around a compose file: a Docker host `docker` and a machine `client` on one LAN.
  public static func around(compose path: String) -> String {
    """
    machines:
      client: {interfaces: {eth0: 192.0.2.20/24}}

    docker:
      docker:
        interfaces: {eth0: 192.0.2.10/24}
        compose: \(InlineYAML.quoted(path))

    links:
      - [client/eth0, docker/eth0]

    """
  }

  /// A scenario around manifests: a cluster `cluster` with nodes `n1`, `n2` and a machine `client`
  /// on one LAN; the client sends what is for addresses elsewhere to the first node.
  public static func around(manifests path: String) -> String {
    """
    machines:
      client: {interfaces: {eth0: 192.168.56.5/24}, routes: default via 192.168.56.11}

    clusters:
      cluster: {nodes: 2, manifests: \(InlineYAML.quoted(path))}

    """
  }

  /// A network around a compose file or manifests; paths start from the current folder.
  public static func network(
    _ text: String,
    for path: String,
    seed: UInt64 = 1,
    captures: (any PacketTap)? = nil
  ) throws(Problem) -> Network {
    var scenario = try Scenario(text: text, file: path)
    scenario.directory = "."
    scenario.seed = seed
    return try Network(scenario, captures: captures)
  }

  /// The text of a new scenario around a compose file or manifests, whose expectations say what is
  /// seen now.
  public static func text(around text: String, for path: String) throws(Problem) -> String {
    let network = try network(text, for: path)
    defer { network.close() }
    try network.run()
    var result = "title: What \(path) looks like from outside and inside\n\n" + text
    for assumption in network.assumptions { result += "# assumed: \(assumption)\n" }
    let probes = network.probe().probes
    if !probes.isEmpty { result += "\nexpect:\n" }
    for probe in probes {
      let flow =
        "{from: \(InlineYAML.quoted(probe.from)), to: \(InlineYAML.quoted("\(probe.to):\(probe.port)")), "
        + "proto: \(probe.ipProtocol)}"
      switch probe.result {
      case .reply: result += "  - reachable: \(flow)\n"
      case .refused: result += "  - refused: \(flow)\n"
      case .timeout, .unreachable: result += "  - dropped: \(flow)\n"
      case .nxdomain:
        result +=
          "  - resolves: {from: \(InlineYAML.quoted(probe.from)), "
          + "name: \(InlineYAML.quoted(probe.to)), to: nothing}\n"
      }
    }
    return result
  }
}

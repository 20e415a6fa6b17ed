import HopyardSimulator
import HopyardUserland
import HopyardWire

/// `docker network`.
struct DockerNetworkCommand {
  let docker: DockerCommand
  let engine: DockerEngine

  init(_ docker: DockerCommand, _ engine: DockerEngine) {
    self.docker = docker
    self.engine = engine
  }

  func run(_ arguments: [String]) async throws(CommandFailure) -> Int32 {
    let rest = Array(arguments.dropFirst())
    switch arguments.first ?? "" {
    case "create": return try await create(rest)
    case "ls", "list": return try await list(rest)
    case "inspect": return try await inspect(rest)
    case "rm", "remove": return try await remove(rest)
    case "connect": return try await connect(rest)
    case "disconnect": return try await disconnect(rest)
    case "prune": return try await prune()
    case let verb:
      throw .client("docker: unknown command: docker network \(verb)", 1)
    }
  }

  private func find(_ name: String) throws(CommandFailure) -> DockerNetwork {
    guard let network = engine.network(name) else {
      throw .daemon(DockerError("network \(name) not found"))
    }
    return network
  }

  // MARK: create

  private static let createOptions = OptionSpecification(
    "d:o:",
    long: [
      "driver:=d", "opt:=o", "subnet:", "gateway:", "ip-range:", "aux-address:", "internal",
      "attachable", "ipv6::", "ipv4::", "label:", "ipam-driver:", "scope:",
    ],
    refusedLong: ["ingress", "config-only", "config-from:", "ipam-opt:"]
  )

  private func create(_ arguments: [String]) async throws(CommandFailure) -> Int32 {
    let options = try docker.options(Self.createOptions, arguments, "network create")
    guard let name = options.operands.first, options.operands.count == 1 else {
      throw .client(
        "docker: 'docker network create' requires 1 argument\n\nUsage:  docker network create "
          + "[OPTIONS] NETWORK\n\nSee 'docker network create --help' for more information",
        1
      )
    }
    var wanted = NetworkSpecification(name: name)
    wanted.driver = options.last("d") ?? "bridge"
    wanted.isInternal = options.has("internal")
    wanted.isAttachable = options.has("attachable")
    if options.has("ipv6") { wanted.hasIPv6 = options.last("ipv6") != "false" }
    if options.has("ipv4") { wanted.hasIPv4 = options.last("ipv4") != "false" }
    func subnets(_ key: String) throws(CommandFailure) -> [Subnet] {
      var list: [Subnet] = []
      for text in options.all(key) {
        guard let subnet = Subnet(text) else {
          throw .client("invalid CIDR address: \(text)", 1)
        }
        list.append(subnet)
      }
      return list
    }
    wanted.subnets = try subnets("subnet")
    wanted.ranges = try subnets("ip-range")
    if wanted.subnets.contains(where: \.isIPv6) { wanted.hasIPv6 = true }
    for text in options.all("gateway") {
      guard let address = IPAddress(text) else {
        throw .client("invalid gateway address: \(text)", 1)
      }
      wanted.gateways.append(address)
    }
    for text in options.all("aux-address") {
      let halves = text.split(separator: "=", maxSplits: 1).map(String.init)
      guard let address = halves.last.flatMap({ IPAddress($0) }) else {
        throw .client("invalid auxiliary address: \(text)", 1)
      }
      wanted.reserved.append((halves[0], address))
    }
    func pairs(_ key: String) -> [(name: String, value: String)] {
      options.all(key).map { text in
        let halves = text.split(separator: "=", maxSplits: 1).map(String.init)
        return (halves.first ?? "", halves.count > 1 ? halves[1] : "")
      }
    }
    wanted.options = pairs("o")
    wanted.labels = pairs("label")
    let network = try docker.daemon { () throws(DockerError) in try engine.createNetwork(wanted) }
    try await docker.print(network.id + "\n")
    return 0
  }

  // MARK: Looking

  private static let listOptions = OptionSpecification(
    "qf:",
    long: ["quiet=q", "filter:=f", "format:", "no-trunc"]
  )

  private func list(_ arguments: [String]) async throws(CommandFailure) -> Int32 {
    let options = try docker.options(Self.listOptions, arguments, "network ls")
    var networks = engine.networks.sorted { $0.name < $1.name }
    for filter in options.all("f") {
      let halves = filter.split(separator: "=", maxSplits: 1).map(String.init)
      guard halves.count == 2 else { throw .client("bad format of filter", 125) }
      switch halves[0] {
      case "name": networks.removeAll { !$0.name.contains(halves[1]) }
      case "driver": networks.removeAll { $0.driver != halves[1] }
      case "id": networks.removeAll { !$0.id.hasPrefix(halves[1]) }
      default: throw .exit(.refused("docker network ls: the filter \(halves[0]) is not modelled"))
      }
    }
    func id(_ network: DockerNetwork) -> String {
      options.has("no-trunc") ? network.id : String(network.id.prefix(12))
    }
    if options.has("q") {
      try await docker.print(networks.map { id($0) + "\n" }.joined())
      return 0
    }
    if let format = options.last("format") {
      for network in networks {
        let row = DockerJSON.object([
          ("ID", .string(id(network))), ("Name", .string(network.name)),
          ("Driver", .string(network.driver)), ("Scope", .string("local")),
          ("Internal", .bool(network.isInternal)),
        ])
        try await docker.print(try docker.render(format, row) + "\n")
      }
      return 0
    }
    var rows = [["NETWORK ID", "NAME", "DRIVER", "SCOPE"]]
    for network in networks { rows.append([id(network), network.name, network.driver, "local"]) }
    try await docker.print(DockerTable.text(rows))
    return 0
  }

  private static let inspectOptions = OptionSpecification("f:v", long: ["format:=f", "verbose=v"])

  private func inspect(_ arguments: [String]) async throws(CommandFailure) -> Int32 {
    let options = try docker.options(Self.inspectOptions, arguments, "network inspect")
    var values: [DockerJSON] = []
    for name in options.operands { values.append(DockerInspect.network(try find(name))) }
    if let format = options.last("f") {
      for value in values { try await docker.print(try docker.render(format, value) + "\n") }
    } else {
      try await docker.print(DockerJSON.array(values).text() + "\n")
    }
    return 0
  }

  // MARK: Changing

  private func remove(_ arguments: [String]) async throws(CommandFailure) -> Int32 {
    let options = try docker.options(
      OptionSpecification("f", long: ["force=f"]),
      arguments,
      "network rm"
    )
    for name in options.operands {
      let network = try find(name)
      try docker.daemon { () throws(DockerError) in try engine.removeNetwork(network) }
      try await docker.print(name + "\n")
    }
    return 0
  }

  private static let connectOptions = OptionSpecification(
    "",
    long: ["ip:", "ip6:", "alias:", "link:", "gw-priority:", "driver-opt:", "link-local-ip:"]
  )

  private func connect(_ arguments: [String]) async throws(CommandFailure) -> Int32 {
    let options = try docker.options(Self.connectOptions, arguments, "network connect")
    guard options.operands.count == 2 else {
      throw .client("docker: 'docker network connect' requires 2 arguments", 1)
    }
    let network = try find(options.operands[0])
    let container = try docker.find(options.operands[1], engine)
    var wanted = EndpointSpecification(network.name)
    wanted.aliases = options.all("alias")
    wanted.address = options.last("ip").flatMap { IPv4Address($0) }
    wanted.address6 = options.last("ip6").flatMap { IPv6Address($0) }
    wanted.gatewayPriority = options.last("gw-priority").flatMap { Int($0) } ?? 0
    for text in options.all("link") {
      let halves = text.split(separator: ":", maxSplits: 1).map(String.init)
      if let first = halves.first { wanted.links.append((first, halves.last ?? first)) }
    }
    try docker.daemon { () throws(DockerError) in try engine.connect(container, wanted) }
    return 0
  }

  private func disconnect(_ arguments: [String]) async throws(CommandFailure) -> Int32 {
    let options = try docker.options(
      OptionSpecification("f", long: ["force=f"]),
      arguments,
      "network disconnect"
    )
    guard options.operands.count == 2 else {
      throw .client("docker: 'docker network disconnect' requires 2 arguments", 1)
    }
    let network = try find(options.operands[0])
    let container = try docker.find(options.operands[1], engine)
    try docker.daemon { () throws(DockerError) in try engine.disconnect(container, from: network) }
    return 0
  }

  private func prune() async throws(CommandFailure) -> Int32 {
    var removed: [String] = []
    for network in engine.networks where !network.isPredefined && network.endpoints.isEmpty {
      let isAwaited = engine.containers.contains { container in
        container.specification.endpoints.contains { engine.network($0.network) === network }
      }
      if isAwaited { continue }
      try docker.daemon { () throws(DockerError) in try engine.removeNetwork(network) }
      removed.append(network.name)
    }
    if !removed.isEmpty {
      try await docker.print("Deleted Networks:\n" + removed.map { $0 + "\n" }.joined() + "\n")
    }
    return 0
  }
}

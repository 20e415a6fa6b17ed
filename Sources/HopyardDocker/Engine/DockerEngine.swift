public import HopyardContainers
public import HopyardSimulator
public import HopyardUserland
public import HopyardWire

/// dockerd on one machine: its networks and containers.
///
/// It does to the machine what dockerd does, through the same doors: devices, addresses, routes,
/// sysctls, rules, files and processes.
///
///     let engine = try DockerEngine(on: userland)
///     var web = ContainerSpecification(image: "nginx")
///     web.ports = [PortRequest(80, hostPort: 8080)]
///     let container = try engine.createContainer(web)
///     try engine.start(container)
public final class DockerEngine {
  /// The machine.
  public let userland: Userland
  /// How the daemon was started.
  public let options: DockerOptions
  /// The networks, in the order in which they were made.
  public internal(set) var networks: [DockerNetwork] = []
  /// The containers, in the order in which they were made.
  public internal(set) var containers: [Container] = []
  /// What was assumed about containers' servers, each once.
  public internal(set) var assumptions: [String] = []
  /// What the daemon would write to its log.
  public internal(set) var notes: [String] = []

  let firewall: any DockerFirewall
  var subnets: SubnetAllocator
  var ports = PortAllocator()
  var random: RandomSource
  /// The daemon's own process, which owns the sockets that it holds.
  let daemon: Process
  var setForwardingByItself = false
  var setForwarding6ByItself = false

  /// Starts a daemon.
  public init(on userland: Userland, options: DockerOptions = DockerOptions()) throws(DockerError) {
    self.userland = userland
    self.options = options
    firewall = options.profile.makeFirewall(
      in: userland.rootNamespace,
      options.firewall,
      variant: options.variant
    )
    subnets = SubnetAllocator(
      pools: options.pools + SubnetAllocator.uniqueLocalPools(seed: userland.simulation.seed)
    )
    random = userland.simulation.randomSource("docker/\(userland.machine.name)")
    daemon = userland.makeProcess()
    daemon.name = "dockerd"
    try start()
    userland.daemons["docker"] = self
  }

  /// The daemon that runs on a machine, if one does.
  public static func running(on userland: Userland) -> DockerEngine? {
    userland.daemons["docker"] as? DockerEngine
  }

  var root: NetworkNamespace { userland.rootNamespace }

  private func start() throws(DockerError) {
    // Which ports are handed out is read once, as at the daemon's start.
    firewall.setUp()
    addPredefined("none", driver: "null")
    addPredefined("host", driver: "host")
    if options.hasDefaultBridge {
      var bridge = NetworkSpecification(name: "bridge")
      if let given = options.bridgeAddress {
        bridge.subnets = [given.network]
        bridge.gateways = [given.ipAddress]
      }
      if let range = options.fixedRange {
        bridge.ranges = [range]
        if bridge.subnets.isEmpty { bridge.subnets = [range.network] }
      }
      if let subnet = options.defaultBridgeIPv6 {
        bridge.hasIPv6 = true
        bridge.subnets.append(subnet)
      }
      bridge.options = [
        ("com.docker.network.bridge.default_bridge", "true"),
        ("com.docker.network.bridge.enable_icc", options.icc ? "true" : "false"),
        ("com.docker.network.bridge.enable_ip_masquerade", options.masquerades ? "true" : "false"),
        ("com.docker.network.bridge.host_binding_ipv4", "\(options.hostAddress)"),
        ("com.docker.network.bridge.name", "docker0"),
        ("com.docker.network.driver.mtu", "\(options.mtu)"),
      ]
      try createNetwork(bridge)
    }
    firewall.setUpUserChain()
  }

  private func addPredefined(_ name: String, driver: String) {
    var specification = NetworkSpecification(name: name)
    specification.driver = driver
    networks.append(
      DockerNetwork(id: makeID(), specification, created: userland.simulation.now)
    )
  }

  /// A new id of 64 hexadecimal digits.
  func makeID() -> String {
    var text = ""
    for _ in 0..<4 {
      let digits = String(random.next(), radix: 16)
      text += String(repeating: "0", count: 16 - digits.count) + digits
    }
    return text
  }

  // MARK: Finding

  /// The network of a name or an id, or of the beginning of an id.
  public func network(_ name: String) -> DockerNetwork? {
    if let exact = networks.first(where: { $0.name == name || $0.id == name }) { return exact }
    guard name.count >= 2 else { return nil }
    let close = networks.filter { $0.id.hasPrefix(name) }
    return close.count == 1 ? close[0] : nil
  }

  /// The container of a name or an id, or of the beginning of an id.
  public func container(_ name: String) -> Container? {
    let plain = name.hasPrefix("/") ? String(name.dropFirst()) : name
    if let exact = containers.first(where: { $0.name == plain || $0.id == plain }) { return exact }
    guard plain.count >= 2 else { return nil }
    let close = containers.filter { $0.id.hasPrefix(plain) }
    return close.count == 1 ? close[0] : nil
  }

  func note(_ text: String) {
    notes.append(text)
    if notes.count > 1000 { notes.removeFirst() }
  }

  func assume(_ text: String, _ container: Container) {
    container.assumptions.append(text)
    assume(text)
  }

  func assume(_ text: String) {
    if !assumptions.contains(text) { assumptions.append(text) }
  }
}

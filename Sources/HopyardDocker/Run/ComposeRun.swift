public import HopyardContainers
import HopyardServices
public import HopyardSimulator
public import HopyardUserland
import HopyardWire

/// A compose project with nothing around it: one Docker host `docker` and a machine `client` on a
/// LAN; it is brought up, and every published port and service name is tried.
///
///     let run = try ComposeRun(project)
///     let report = run.run()
///     print(report.json)
public final class ComposeRun {
  /// How the run is made.
  public struct Options: Sendable {
    /// The seed of all random choices.
    public var seed: UInt64 = 1
    /// The daemon's options.
    public var docker = DockerOptions()
    /// How long everything may take to be ready, in nanoseconds of virtual time.
    public var readyTimeout: Int64 = .seconds(3600)
    /// Whether ports and names are tried once it is up.
    public var probes = true

    /// The defaults.
    public init() {}
  }

  /// The simulation.
  public let simulation: Simulation
  /// The Docker host.
  public let host: Userland
  /// The machine on the same LAN.
  public let client: Userland
  /// The daemon.
  public let engine: DockerEngine
  /// The project.
  public let project: ComposeProject
  /// How the run is made.
  public let options: Options

  private var nameServer: DNSServer?

  private static let hostAddress = IPv4Address(192, 0, 2, 10)
  private static let clientAddress = IPv4Address(192, 0, 2, 20)
  private static let lanLength = 24

  /// Puts the machines in place; nothing runs yet.
  public init(_ project: ComposeProject, options: Options = Options()) throws(DockerError) {
    self.project = project
    self.options = options
    simulation = Simulation(seed: options.seed)
    host = Self.machine("docker", simulation)
    client = Self.machine("client", simulation)
    do throws(SandboxFailure) {
      let left = try Self.card(of: host, Self.hostAddress)
      let right = try Self.card(of: client, Self.clientAddress)
      left.connect(to: right)
    } catch {
      throw DockerError(error.description)
    }
    for userland in [host, client] {
      let names =
        "127.0.0.1\tlocalhost\n\(Self.hostAddress)\tdocker\n\(Self.clientAddress)\tclient\n"
      try? userland.files.write("/etc/hosts", Array(names.utf8))
    }
    host.commands.addDocker()
    engine = try DockerEngine(on: host, options: options.docker)
    try startNameServer()
  }

  /// A name server on the LAN that knows no names, so that unknown ones are known to be unknown.
  private func startNameServer() throws(DockerError) {
    let program = Program(in: client.rootNamespace, name: "dnsmasq")
    let responder = DNSHandler { query, _, _ in query.response(.nameError) }
    do throws(SocketError) {
      let server = try DNSServer(program, responder: responder)
      server.start()
      nameServer = server
    } catch {
      throw DockerError("cannot start the LAN's name server: \(error.text)")
    }
    let text = "nameserver \(Self.clientAddress)\n"
    try? host.files.write("/etc/resolv.conf", Array(text.utf8))
  }

  private static func machine(_ name: String, _ simulation: Simulation) -> Userland {
    let machine = Machine(simulation: simulation, name: name, rootName: "root")
    let userland = Userland(machine: machine, commands: .labCommands())
    userland.mountNetworkTrees()
    userland.hostname = name
    try? userland.rootNamespace.setLinkUp(userland.rootNamespace.devices.loopback)
    return userland
  }

  private static func card(of userland: Userland, _ address: IPv4Address) throws(SandboxFailure)
    -> EthernetDevice
  {
    let root = userland.rootNamespace
    let subnet = IPv4Prefix(address, length: lanLength)
    do {
      let card = try root.makeEthernet(NewLink("eth0"))
      try root.setLinkUp(card)
      let entry = InterfaceAddress<UInt32>(
        local: address.rawValue,
        prefixLength: lanLength,
        broadcast: subnet.broadcast.rawValue
      )
      try root.addLinkAddress(entry, to: card, replacing: false)
      return card
    } catch {
      throw SandboxFailure("cannot make the network card of \(userland.hostname): \(error)")
    }
  }

  // MARK: Running

  /// Brings the project up and tries it; gives what came of it.
  public func run(heartbeat: () -> Bool = { true }) -> ComposeReport {
    var report = ComposeReport(project: project.name)
    report.warnings = project.warnings
    let runner = ComposeRunner(engine, project)
    runner.report = { report.steps.append($0) }
    var failure: DockerError?
    var isUp = false
    simulation.spawn { [self] in
      do throws(DockerError) {
        try makeExternalNetworks()
        try await runner.up()
        isUp = true
      } catch {
        failure = error
      }
      simulation.stop()
    }
    let end = simulation.now + options.readyTimeout
    while !isUp, failure == nil {
      guard case .stopped = simulation.run(until: end) else { break }
      if let refusal = host.refusal { failure = DockerError(refusal.description) }
    }
    if !isUp, failure == nil {
      failure = DockerError("not ready after \(options.readyTimeout / 1_000_000_000) seconds")
    }
    report.failure = failure?.description
    report.readyAt = simulation.now
    // Programs that end at once have ended by then.
    if isUp { _ = simulation.run(until: simulation.now + .seconds(1)) }
    for container in runner.containers() where !container.isRunning {
      report.steps.append(" Container \(container.name)  Exited (\(container.exitStatus))")
    }
    if isUp, options.probes { report.probes = probe(runner) }
    report.assumptions = engine.assumptions
    report.notes = engine.notes
    return report
  }

  /// Networks that the file takes for granted are there, as bridges.
  private func makeExternalNetworks() throws(DockerError) {
    let used = Set(project.services.flatMap { $0.networks.map(\.network) })
    for network in project.networks where network.isExternal && used.contains(network.key) {
      let name = network.specification.name
      guard engine.network(name) == nil else { continue }
      var specification = NetworkSpecification(name: name)
      // Addresses that the file gives its services must be in the network.
      let wanted = project.services.flatMap(\.networks).filter { $0.network == network.key }
        .compactMap(\.address)
      if let address = wanted.first,
        let subnet = Subnet("\(IPv4Prefix(address, length: 24).network)")
      {
        specification.subnets = [subnet]
      }
      try engine.createNetwork(specification)
      engine.assume("network \(name) is there already, as a bridge network")
    }
  }

  // MARK: Probes

  private func probe(_ runner: ComposeRunner) -> [ComposeReport.Probe] {
    var results: [Int: [ComposeReport.Probe]] = [:]
    var open = 0
    let jobs = [clientJobs()] + containerJobs(runner)
    open = jobs.count
    for (index, job) in jobs.enumerated() {
      simulation.spawn { [simulation] in
        var done: [ComposeReport.Probe] = []
        for attempt in job.attempts {
          var probe = attempt.probe
          let sender = NetworkProbe(job.program)
          let answer = await sender.send(
            to: attempt.address,
            port: UInt16(probe.port),
            attempt.ipProtocol,
            attempt.service
          )
          probe.result = answer
          done.append(probe)
        }
        results[index] = done
        open -= 1
        if open == 0 { simulation.stop() }
      }
    }
    while open > 0 {
      guard case .stopped = simulation.run(until: simulation.now + .seconds(86_400)) else { break }
    }
    return jobs.indices.flatMap { results[$0] ?? [] }
  }

  private struct Attempt {
    var probe: ComposeReport.Probe
    var address: String
    var ipProtocol: IPProtocol
    var service: ServiceProtocol
  }

  private struct Job {
    var program: Program
    var attempts: [Attempt] = []
  }

  /// Every published port, from the machine beside the Docker host.
  private func clientJobs() -> Job {
    let process = client.makeProcess()
    var job = Job(
      program: Program(in: client.rootNamespace, name: "probe") { try? process.contents(of: $0) }
    )
    for container in engine.containers {
      for binding in container.bindings.sorted(by: DockerText.portOrder) {
        guard let port = binding.hostPort, binding.hostAddress.v4 != nil else { continue }
        let service =
          engine.exposedPorts(of: container).first {
            $0.port == binding.port && $0.ipProtocol == binding.ipProtocol
          }?.service ?? .echo
        job.attempts.append(
          Attempt(
            probe: .init("client", "docker", Int(port), DockerText.name(binding.ipProtocol)),
            address: "\(Self.hostAddress)",
            ipProtocol: binding.ipProtocol,
            service: service
          )
        )
      }
    }
    return job
  }

  /// Every service's name, on each of its ports, from every container.
  private func containerJobs(_ runner: ComposeRunner) -> [Job] {
    var jobs: [Job] = []
    for container in runner.containers() {
      guard let sandbox = container.sandbox, container.isRunning else { continue }
      let process = sandbox.makeProcess("probe")
      var job = Job(
        program: Program(in: sandbox.namespace, name: "probe") { try? process.contents(of: $0) }
      )
      for service in project.services {
        let first = runner.containers(of: service).first
        let ports = first?.server?.ports ?? []
        func attempt(_ port: Int, _ ipProtocol: IPProtocol, _ spoken: ServiceProtocol) {
          let name = ipProtocol == .icmp ? "icmp" : DockerText.name(ipProtocol)
          job.attempts.append(
            Attempt(
              probe: .init("docker/" + container.name, service.name, port, name),
              address: service.name,
              ipProtocol: ipProtocol,
              service: spoken
            )
          )
        }
        if ports.isEmpty { attempt(0, .icmp, .echo) }
        for port in ports { attempt(Int(port.port), port.ipProtocol, port.service) }
      }
      jobs.append(job)
    }
    return jobs
  }
}

/// What came of a compose project that was run by itself.
public struct ComposeReport: Sendable {
  /// One attempt to reach something.
  public struct Probe: Sendable, Hashable {
    /// The machine, or the machine and the container.
    public var from: String
    /// The machine, or the service.
    public var to: String
    /// The port; 0 for an echo request.
    public var port: Int
    /// `tcp`, `udp` or `icmp`.
    public var proto: String
    /// What came back.
    public var result: ProbeResult

    init(_ from: String, _ to: String, _ port: Int, _ proto: String) {
      self.from = from
      self.to = to
      self.port = port
      self.proto = proto
      result = .timeout
    }
  }

  /// The project's name.
  public var project: String
  /// The steps of bringing it up.
  public var steps: [String] = []
  /// What compose would warn of.
  public var warnings: [String] = []
  /// What was assumed about servers.
  public var assumptions: [String] = []
  /// What the daemon noted.
  public var notes: [String] = []
  /// Why it did not come up.
  public var failure: String?
  /// When it was ready.
  public var readyAt = Instant.zero
  /// What was tried, in order.
  public var probes: [Probe] = []

  init(project: String) { self.project = project }

  /// The probes as JSON, one on a line.
  public var json: String {
    let lines = probes.map { probe in
      "  "
        + DockerJSON.object([
          ("from", .string(probe.from)), ("to", .string(probe.to)), ("port", .number(probe.port)),
          ("proto", .string(probe.proto)), ("result", .string(probe.result.rawValue)),
        ]).compact
    }
    return lines.isEmpty
      ? "{\"probes\":[]}\n" : "{\"probes\":[\n" + lines.joined(separator: ",\n") + "\n]}\n"
  }

  /// The report for people.
  public var text: String {
    var text = ""
    for warning in warnings { text += "warning: \(warning)\n" }
    for step in steps { text += step + "\n" }
    for assumption in assumptions { text += "assumed: \(assumption)\n" }
    if let failure { text += "error: \(failure)\n" }
    guard !probes.isEmpty else { return text }
    var rows = [["FROM", "TO", "PORT", "RESULT"]]
    for probe in probes {
      let port = probe.port == 0 ? probe.proto : "\(probe.port)/\(probe.proto)"
      rows.append([probe.from, probe.to, port, probe.result.rawValue])
    }
    return text + DockerTable.text(rows)
  }
}

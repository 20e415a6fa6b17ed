public import HopyardContainers
import HopyardSimulator
import HopyardUserland
import HopyardWire

/// Makes a project's networks and containers, starts them in order, and takes them away.
public final class ComposeRunner {
  /// The daemon.
  public let engine: DockerEngine
  /// The project.
  public let project: ComposeProject
  /// Told of each step, in the words of `docker compose`.
  public var report: (String) -> Void = { _ in }
  /// How long a health check is waited for, in nanoseconds of virtual time.
  public var healthTimeout: Int64 = .seconds(120)

  /// The containers whose health check has passed.
  private var healthy: Set<String> = []

  /// Makes a runner.
  public init(_ engine: DockerEngine, _ project: ComposeProject) {
    self.engine = engine
    self.project = project
  }

  private static let projectLabel = "com.docker.compose.project"
  private static let serviceLabel = "com.docker.compose.service"
  private static let numberLabel = "com.docker.compose.container-number"

  // MARK: Up

  /// `docker compose up -d`: returns when everything that others wait for is there.
  public func up() async throws(DockerError) {
    try makeNetworks()
    for service in try order() {
      for dependency in service.dependencies { try await wait(for: dependency, of: service) }
      try start(service)
    }
  }

  /// Everything at once, without waiting for conditions that take time.
  public func upAtOnce() throws(DockerError) {
    try makeNetworks()
    for service in try order() { try start(service) }
  }

  private func makeNetworks() throws(DockerError) {
    let used = Set(project.services.flatMap { $0.networks.map(\.network) })
    for network in project.networks.sorted(by: { $0.key < $1.key }) where used.contains(network.key)
    {
      let name = network.specification.name
      if network.isExternal {
        guard engine.network(name) != nil else {
          throw DockerError("network \(name) declared as external, but could not be found")
        }
        continue
      }
      if engine.network(name) != nil { continue }
      var wanted = network.specification
      wanted.labels += [
        ("com.docker.compose.network", network.key), (Self.projectLabel, project.name),
      ]
      report(" Network \(name)  Creating")
      try engine.createNetwork(wanted)
      report(" Network \(name)  Created")
    }
  }

  /// The services, each after those that it depends on.
  private func order() throws(DockerError) -> [ComposeService] {
    var done: [ComposeService] = []
    var names: Set<String> = []
    func visit(_ service: ComposeService, _ depth: Int) {
      guard depth < 1000, names.insert(service.name).inserted else { return }
      for dependency in service.dependencies {
        if let other = project.service(dependency.service) { visit(other, depth + 1) }
      }
      done.append(service)
    }
    for service in project.services { visit(service, 0) }
    return done
  }

  private func start(_ service: ComposeService) throws(DockerError) {
    for number in 1...max(1, service.replicas) where service.replicas > 0 {
      let name = containerName(service, number)
      let container: Container
      if let existing = engine.container(name), existing.name == name {
        container = existing
      } else {
        report(" Container \(name)  Creating")
        container = try create(service, number, name)
        report(" Container \(name)  Created")
      }
      if container.isRunning {
        report(" Container \(name)  Running")
        continue
      }
      report(" Container \(name)  Starting")
      try engine.start(container)
      report(" Container \(name)  Started")
    }
  }

  private func containerName(_ service: ComposeService, _ number: Int) -> String {
    service.containerName ?? "\(project.name)-\(service.name)-\(number)"
  }

  private func create(_ service: ComposeService, _ number: Int, _ name: String)
    throws(DockerError) -> Container
  {
    var wanted = service.container
    wanted.name = name
    if wanted.image.isEmpty { wanted.image = "\(project.name)-\(service.name)" }
    wanted.labels += [
      (Self.projectLabel, project.name), (Self.serviceLabel, service.name),
      (Self.numberLabel, "\(number)"),
    ]
    if let mode = service.networkMode {
      if mode.hasPrefix("service:") {
        let other = String(mode.dropFirst(8))
        let target = project.service(other).map { containerName($0, 1) } ?? other
        wanted.networkMode = .container(target)
      } else {
        wanted.networkMode = NetworkMode(mode)
      }
    } else {
      wanted.endpoints = endpoints(service, number)
      if let first = wanted.endpoints.first { wanted.networkMode = .named(first.network) }
    }
    return try engine.createContainer(wanted)
  }

  private func endpoints(_ service: ComposeService, _ number: Int) -> [EndpointSpecification] {
    let indices = service.networks.indices.sorted {
      (service.priorities[$1], service.networks[$0].network)
        < (service.priorities[$0], service.networks[$1].network)
    }
    let links = service.links.map { link -> (container: String, alias: String) in
      let target = link.isExternal ? nil : project.service(link.target)
      return (target.map { containerName($0, 1) } ?? link.target, link.alias)
    }
    return indices.map { index in
      var endpoint = service.networks[index]
      endpoint.network = project.network(endpoint.network)?.specification.name ?? endpoint.network
      endpoint.aliases.append(service.name)
      endpoint.links = links
      if number > 1 {
        endpoint.address = nil
        endpoint.mac = nil
      }
      return endpoint
    }
  }

  // MARK: Conditions

  private func wait(for dependency: ComposeService.Dependency, of service: ComposeService)
    async throws(DockerError)
  {
    guard let other = project.service(dependency.service) else { return }
    for container in containers(of: other) {
      switch dependency.condition {
      case .started: continue
      case .healthy: try await waitForHealth(container, other)
      case .completed: try await waitForEnd(container, other)
      }
    }
  }

  private func waitForHealth(_ container: Container, _ service: ComposeService)
    async throws(DockerError)
  {
    guard let health = service.health, !health.isDisabled else {
      // Images have checks of their own, which the file does not show.
      engine.assume("the health check of \(service.name)'s image passes", container)
      return
    }
    if healthy.contains(container.id) { return }
    report(" Container \(container.name)  Waiting")
    let simulation = engine.userland.simulation
    let deadline = simulation.now + min(healthTimeout, max(health.interval, 1))
    while container.isRunning, simulation.now < deadline {
      _ = await simulation.wait(on: [container.changed], until: deadline)
    }
    guard container.isRunning else {
      report(" Container \(container.name)  Error")
      throw DockerError(
        "dependency failed to start: container \(container.name) exited "
          + "(\(container.exitStatus))"
      )
    }
    healthy.insert(container.id)
    report(" Container \(container.name)  Healthy")
  }

  private func waitForEnd(_ container: Container, _ service: ComposeService)
    async throws(DockerError)
  {
    report(" Container \(container.name)  Waiting")
    let simulation = engine.userland.simulation
    if !engine.runsItsProgram(container), container.isRunning {
      // A job whose program is not modelled is taken to do its work at once.
      engine.assume("\(service.name) completes with status 0", container)
      engine.stop(container)
    }
    let deadline = simulation.now + healthTimeout
    while container.isRunning, simulation.now < deadline {
      _ = await simulation.wait(on: [container.changed], until: deadline)
    }
    guard !container.isRunning, container.exitStatus == 0 else {
      report(" Container \(container.name)  Error")
      throw DockerError(
        "service \"\(service.name)\" didn't complete successfully: exit \(container.exitStatus)"
      )
    }
    report(" Container \(container.name)  Exited")
  }

  // MARK: Looking and ending

  /// The project's containers, of one service or of all.
  public func containers(of service: ComposeService? = nil) -> [Container] {
    engine.containers.filter { container in
      let labels = container.specification.labels
      guard labels.contains(where: { $0.name == Self.projectLabel && $0.value == project.name })
      else { return false }
      guard let service else { return true }
      return labels.contains { $0.name == Self.serviceLabel && $0.value == service.name }
    }
  }

  /// The service of one of the project's containers.
  public static func service(of container: Container) -> String? {
    container.specification.labels.last { $0.name == serviceLabel }?.value
  }

  /// `docker compose down`.
  public func down() throws(DockerError) {
    for container in containers().reversed() {
      if container.isRunning {
        report(" Container \(container.name)  Stopping")
        engine.stop(container)
        report(" Container \(container.name)  Stopped")
      }
      report(" Container \(container.name)  Removing")
      try engine.remove(container, force: true)
      report(" Container \(container.name)  Removed")
    }
    for network in project.networks.sorted(by: { $0.key < $1.key }) where !network.isExternal {
      guard let existing = engine.network(network.specification.name) else { continue }
      report(" Network \(existing.name)  Removing")
      try engine.removeNetwork(existing)
      report(" Network \(existing.name)  Removed")
    }
  }
}

import HopyardContainers
import HopyardDocker
import HopyardSimulator
import HopyardUserland

/// A Docker host of a scenario: its daemon and the project of its compose file.
final class DockerPart: NetworkPart {
  let name: String
  private let description: Scenario.Docker
  private let place: NetworkPlace
  private let options: DockerOptions
  private var engine: DockerEngine?

  init(_ description: Scenario.Docker, _ place: NetworkPlace, _ scenario: Scenario) {
    name = description.machine.name
    self.description = description
    self.place = place
    var options = DockerOptions()
    let profile = description.profile ?? scenario.profile
    options.profile = profile.flatMap(DockerProfile.init) ?? .docker29
    options.variant = scenario.iptables == .nft ? .nft : .legacy
    if let usesProxy = description.usesProxy { options.usesProxy = usesProxy }
    self.options = options
    place.userland.commands.addDocker(options: options)
  }

  // MARK: Starting

  /// Starts the daemon and brings the compose project up.
  func start(in network: Network) throws(Problem) {
    let node = description.machine.node
    let engine: DockerEngine
    do {
      engine = try DockerEngine(on: place.userland, options: options)
    } catch {
      throw node.problem("dockerd on `\(name)': \(error)")
    }
    self.engine = engine
    guard let compose = description.compose else { return }
    var project = try project(compose, in: network.scenario.directory)
    try override(&project)
    let runner = ComposeRunner(engine, project)
    let outcome = network.perform { () -> DockerError? in
      do throws(DockerError) {
        try await runner.up()
        return nil
      } catch {
        return error
      }
    }
    guard let outcome else { throw compose.problem("the project on `\(name)' is never ready") }
    if let failure = outcome { throw compose.problem("\(failure)") }
  }

  private func project(_ node: YAMLNode, in directory: String) throws(Problem) -> ComposeProject {
    var loader = ComposeLoader { path in try? ScenarioFiles.read(path) }
    if node.entries != nil {
      loader.projectName = name
      return try loader.load(node: node, directory: directory)
    }
    let path = try node.string("`compose'")
    let whole = path.hasPrefix("/") || directory.isEmpty ? path : directory + "/" + path
    return try loader.load([whole])
  }

  /// Lets services serve what the scenario says in place of what is assumed.
  private func override(_ project: inout ComposeProject) throws(Problem) {
    for (service, texts) in description.serves {
      guard let index = project.services.firstIndex(where: { $0.name == service.text }) else {
        throw service.node.problem("the project on `\(name)' has no service `\(service.text)'")
      }
      var ports: [ServicePort] = []
      for text in texts {
        guard let port = ServicePort(text.text) else {
          throw text.node.problem(
            "`\(text.text)' is no port, expected 80, 53/udp or `5432/tcp postgres'"
          )
        }
        ports.append(port)
      }
      project.services[index].container.services = ports
    }
  }

  // MARK: Places

  private func view(of container: Container) -> NetworkPlace? {
    guard let sandbox = container.sandbox else { return nil }
    return NetworkPlace(
      name: name + "/" + container.name,
      userland: place.userland,
      namespace: sandbox.namespace,
      enter: sandbox.enter
    )
  }

  /// A container by its name, or by its service's where that has one container.
  func endpoint(_ path: [String]) -> NetworkPlace? {
    guard let engine, path.count == 1, let word = path.first else { return nil }
    if let container = engine.container(word), let place = view(of: container) { return place }
    let found = engine.containers.filter { ComposeRunner.service(of: $0) == word && $0.isRunning }
    return found.count == 1 ? view(of: found[0]) : nil
  }

  var endpoints: [NetworkPlace] { engine?.containers.compactMap(view(of:)) ?? [] }

  var assumptions: [String] { engine?.assumptions ?? [] }

  var isReady: Bool { engine?.containers.allSatisfy { $0.state != .created } ?? false }
}

import HopyardSimulator
import HopyardUserland

/// `docker compose`.
struct DockerComposeCommand {
  let docker: DockerCommand
  let engine: DockerEngine

  init(_ docker: DockerCommand, _ engine: DockerEngine) {
    self.docker = docker
    self.engine = engine
  }

  private static let globalOptions = OptionSpecification(
    "+f:p:",
    long: [
      "file:=f", "project-name:=p", "profile:", "project-directory:", "env-file:", "ansi:",
      "progress:", "compatibility", "parallel:",
    ]
  )

  func run(_ arguments: [String]) async throws(CommandFailure) -> Int32 {
    let options = try docker.options(Self.globalOptions, arguments, "compose")
    guard let verb = options.operands.first else {
      try await docker.print("Usage:  docker compose [OPTIONS] COMMAND\n")
      return 0
    }
    let rest = Array(options.operands.dropFirst())
    let project = try await project(options)
    let runner = ComposeRunner(engine, project)
    let steps = Steps()
    runner.report = { steps.lines.append($0) }
    switch verb {
    case "up": return try await up(runner, rest, steps)
    case "down": return try await down(runner, rest, steps)
    case "ps": return try await list(runner, rest)
    case "exec": return try await execute(runner, rest)
    case "logs": return try await logs(runner, rest)
    case "port": return try await port(runner, rest)
    case "stop", "start", "restart": return try await change(runner, verb, rest)
    case "config":
      try await docker.print("name: \(project.name)\n")
      for service in project.services { try await docker.print("service: \(service.name)\n") }
      return 0
    case "build", "pull": return 0
    default: throw .exit(.refused("docker compose \(verb) is not modelled"))
    }
  }

  /// Steps that were reported while the daemon worked.
  private final class Steps {
    var lines: [String] = []
  }

  private func flush(_ steps: Steps) async throws(CommandFailure) {
    for line in steps.lines { try await docker.printError(line + "\n") }
    steps.lines = []
  }

  private func project(_ options: ParsedOptions) async throws(CommandFailure) -> ComposeProject {
    let process = docker.process
    var loader = ComposeLoader { path in
      (try? process.contents(of: path)).map { String(decoding: $0, as: UTF8.self) }
    }
    loader.environment = process.environment
    loader.profiles = options.all("profile")
    loader.projectName = options.last("p")
    let directory = options.last("project-directory") ?? process.directory
    var files = options.all("f")
    if files.isEmpty { files = loader.defaultFiles(in: directory) }
    if files.isEmpty { throw .client("no configuration file provided: not found", 14) }
    files = files.map { $0.hasPrefix("/") ? $0 : ComposeLoader.join(process.directory, $0) }
    do {
      let project = try loader.load(files)
      for warning in project.warnings {
        try await docker.printError(
          "time=\"\(DockerText.date(process.simulation.now))\" level=warning "
            + "msg=\"\(warning.replacing("\"", with: "\\\""))\"\n"
        )
      }
      return project
    } catch let failure as CommandFailure {
      throw failure
    } catch {
      throw .client("\(error)", 15)
    }
  }

  private func services(_ runner: ComposeRunner, _ names: [String]) throws(CommandFailure)
    -> [ComposeService]
  {
    if names.isEmpty { return runner.project.services }
    var services: [ComposeService] = []
    for name in names {
      guard let service = runner.project.service(name) else {
        throw .client("no such service: \(name)", 1)
      }
      services.append(service)
    }
    return services
  }

  // MARK: up and down

  private static let upOptions = OptionSpecification(
    "dt:",
    long: [
      "detach=d", "wait", "scale:", "build", "no-build", "force-recreate", "no-recreate",
      "remove-orphans", "timeout:=t", "quiet-pull", "no-deps", "pull:", "no-start", "wait-timeout:",
      "renew-anon-volumes",
    ],
    refusedLong: ["abort-on-container-exit", "exit-code-from:", "watch=w"]
  )

  private func up(_ runner: ComposeRunner, _ arguments: [String], _ steps: Steps)
    async throws(CommandFailure) -> Int32
  {
    let options = try docker.options(Self.upOptions, arguments, "compose up")
    var project = runner.project
    for text in options.all("scale") {
      let halves = text.split(separator: "=").map(String.init)
      guard halves.count == 2, let count = Int(halves[1]), (0...1000).contains(count),
        let index = project.services.firstIndex(where: { $0.name == halves[0] })
      else { throw .client("invalid --scale option \"\(text)\"", 1) }
      project.services[index].replicas = count
    }
    if !options.operands.isEmpty {
      var wanted = Set(try services(runner, options.operands).map(\.name))
      var isGrowing = true
      while isGrowing {
        isGrowing = false
        for service in project.services where wanted.contains(service.name) {
          for dependency in service.dependencies
          where wanted.insert(dependency.service).inserted { isGrowing = true }
        }
      }
      project.services.removeAll { !wanted.contains($0.name) }
    }
    let scaled = ComposeRunner(engine, project)
    scaled.report = runner.report
    do throws(DockerError) {
      try await scaled.up()
    } catch {
      try await flush(steps)
      throw .daemonLike(error)
    }
    try await flush(steps)
    if options.has("d") || options.has("wait") { return 0 }
    let containers = scaled.containers()
    do {
      while let running = containers.first(where: \.isRunning) {
        _ = try await docker.process.wait(on: [running.changed])
      }
    } catch {
      throw .exit(error)
    }
    return 0
  }

  private func down(_ runner: ComposeRunner, _ arguments: [String], _ steps: Steps)
    async throws(CommandFailure) -> Int32
  {
    _ = try docker.options(
      OptionSpecification(
        "vt:",
        long: ["volumes=v", "timeout:=t", "remove-orphans", "rmi:"]
      ),
      arguments,
      "compose down"
    )
    do throws(DockerError) {
      try runner.down()
    } catch {
      try await flush(steps)
      throw .daemonLike(error)
    }
    try await flush(steps)
    return 0
  }

  // MARK: Looking

  private func list(_ runner: ComposeRunner, _ arguments: [String]) async throws(CommandFailure)
    -> Int32
  {
    let options = try docker.options(
      OptionSpecification("aq", long: ["all=a", "quiet=q", "services", "format:", "no-trunc"]),
      arguments,
      "compose ps"
    )
    let wanted = Set(try services(runner, options.operands).map(\.name))
    var containers = runner.containers().filter { container in
      ComposeRunner.service(of: container).map { wanted.contains($0) } ?? false
    }
    if !options.has("a") { containers.removeAll { !$0.isRunning } }
    containers.sort { $0.name < $1.name }
    if options.has("services") {
      let names = containers.compactMap { ComposeRunner.service(of: $0) }
      let unique = names.reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
      try await docker.print(unique.map { $0 + "\n" }.joined())
      return 0
    }
    if options.has("q") {
      try await docker.print(containers.map { $0.id + "\n" }.joined())
      return 0
    }
    let now = docker.process.simulation.now
    var rows = [["NAME", "IMAGE", "COMMAND", "SERVICE", "CREATED", "STATUS", "PORTS"]]
    for container in containers {
      rows.append([
        container.name, container.image, DockerText.command(container, isWhole: false),
        ComposeRunner.service(of: container) ?? "",
        DockerText.duration(now - container.created) + " ago",
        DockerText.status(container, now: now), DockerText.ports(container, engine),
      ])
    }
    try await docker.print(DockerTable.text(rows))
    return 0
  }

  private func container(_ runner: ComposeRunner, _ name: String, index: Int = 1)
    throws(CommandFailure) -> Container
  {
    guard let service = runner.project.service(name) else {
      throw .client("no such service: \(name)", 1)
    }
    let running = runner.containers(of: service).filter(\.isRunning)
    guard running.indices.contains(index - 1) else {
      throw .client("service \"\(name)\" is not running", 1)
    }
    return running[index - 1]
  }

  private static let executeOptions = OptionSpecification(
    "+ditTe:w:u:",
    long: [
      "detach=d", "interactive=i", "no-tty=T", "tty=t", "env:=e", "workdir:=w", "user:=u",
      "privileged", "index:", "no-TTY=T",
    ]
  )

  private func execute(_ runner: ComposeRunner, _ arguments: [String]) async throws(CommandFailure)
    -> Int32
  {
    let options = try docker.options(Self.executeOptions, arguments, "compose exec")
    guard options.operands.count >= 2 else {
      throw .client("requires at least 2 arg(s), only received \(options.operands.count)", 1)
    }
    let index = options.last("index").flatMap { Int($0) } ?? 1
    let target = try container(runner, options.operands[0], index: index)
    return try await DockerContainerCommand(docker, engine)
      .execute(options, in: target, Array(options.operands.dropFirst()))
  }

  private func logs(_ runner: ComposeRunner, _ arguments: [String]) async throws(CommandFailure)
    -> Int32
  {
    let options = try docker.options(
      OptionSpecification("n:t", long: ["tail:=n", "no-color", "no-log-prefix"], refused: "f"),
      arguments,
      "compose logs"
    )
    for service in try services(runner, options.operands) {
      for (index, container) in runner.containers(of: service).enumerated() {
        let prefix = options.has("no-log-prefix") ? "" : "\(service.name)-\(index + 1)  | "
        let text = String(decoding: container.log.bytes, as: UTF8.self)
        for line in text.split(separator: "\n") { try await docker.print("\(prefix)\(line)\n") }
      }
    }
    return 0
  }

  private func port(_ runner: ComposeRunner, _ arguments: [String]) async throws(CommandFailure)
    -> Int32
  {
    let options = try docker.options(
      OptionSpecification("", long: ["protocol:", "index:"]),
      arguments,
      "compose port"
    )
    guard options.operands.count == 2, let port = UInt16(options.operands[1]) else {
      throw .client("requires 2 arg(s), only received \(options.operands.count)", 1)
    }
    let target = try container(runner, options.operands[0])
    let name = options.last("protocol") ?? "tcp"
    let binding = target.bindings.sorted(by: DockerText.portOrder).first {
      $0.port == port && DockerText.name($0.ipProtocol) == name && $0.hostPort != nil
    }
    guard let binding, let hostPort = binding.hostPort else {
      throw .client("no port \(port)/\(name) for container \(target.name)", 1)
    }
    try await docker.print("\(DockerText.host(binding.hostAddress)):\(hostPort)\n")
    return 0
  }

  private func change(_ runner: ComposeRunner, _ verb: String, _ arguments: [String])
    async throws(CommandFailure) -> Int32
  {
    let options = try docker.options(
      OptionSpecification("t:", long: ["timeout:=t", "no-deps", "wait"]),
      arguments,
      "compose \(verb)"
    )
    for service in try services(runner, options.operands) {
      for container in runner.containers(of: service) {
        if verb != "start" {
          engine.stop(container, status: engine.stopStatus(of: container))
          try await docker.printError(" Container \(container.name)  Stopped\n")
        }
        if verb != "stop" {
          try docker.daemon { () throws(DockerError) in try engine.start(container) }
          try await docker.printError(" Container \(container.name)  Started\n")
        }
      }
    }
    return 0
  }
}

extension CommandFailure {
  /// The daemon's refusal as compose tells of it.
  static func daemonLike(_ error: DockerError) -> CommandFailure {
    error.description.contains("dependency failed")
      || error.description.contains("didn't complete successfully")
      || error.description.contains("declared as external")
      ? .client("\(error)", 1) : .daemon(error)
  }
}

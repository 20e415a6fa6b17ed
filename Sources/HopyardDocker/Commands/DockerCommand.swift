import HopyardSimulator
public import HopyardUserland

extension CommandTable {
  /// Adds `docker`, with `docker compose`.
  ///
  /// The daemon is the one that runs on the machine; where none does, one is started with the
  /// options given when `docker` is first used.
  public func addDocker(options: DockerOptions = DockerOptions()) {
    add(
      Command("docker", check: { DockerCommand.check($0) }) {
        process,
        arguments async throws(ProcessExit) in
        try await DockerCommand(process, options).run(arguments)
      }
    )
  }
}

/// The docker client: one call of `docker`.
struct DockerCommand {
  let process: Process
  let engine: DockerEngine?
  let startFailure: DockerError?

  init(_ process: Process, _ options: DockerOptions) {
    self.process = process
    process.name = "docker"
    var failure: DockerError?
    var engine = DockerEngine.running(on: process.userland)
    if engine == nil {
      do throws(DockerError) {
        engine = try DockerEngine(on: process.userland, options: options)
      } catch {
        failure = error
      }
    }
    self.engine = engine
    startFailure = failure
  }

  static let verbs = [
    "attach", "build", "commit", "compose", "container", "cp", "create", "events", "exec", "image",
    "images", "info", "inspect", "kill", "logs", "network", "pause", "port", "ps", "pull", "rename",
    "restart", "rm", "rmi", "run", "start", "stats", "stop", "top", "unpause", "version", "volume",
    "wait",
  ]

  static let modelled: Set<String> = [
    "compose", "container", "create", "exec", "inspect", "kill", "logs", "network", "port", "ps",
    "pull", "restart", "rm", "run", "start", "stop", "rename",
  ]

  static func check(_ check: CommandCheck) {
    guard let first = check.texts.first, let verb = first else { return }
    if verbs.contains(verb), !modelled.contains(verb) {
      check.report(0, "docker \(verb) is not modelled")
    }
  }

  func run(_ arguments: [String]) async throws(ProcessExit) -> Int32 {
    guard let verb = arguments.first else {
      try await process.print("Usage:  docker [OPTIONS] COMMAND\n")
      return 0
    }
    if let startFailure {
      try await process.printError("failed to start daemon: \(startFailure)\n")
      return 1
    }
    guard let engine else { return 1 }
    let rest = Array(arguments.dropFirst())
    do throws(CommandFailure) {
      switch verb {
      case "container": return try await container(engine, rest)
      case "network": return try await DockerNetworkCommand(self, engine).run(rest)
      case "compose": return try await DockerComposeCommand(self, engine).run(rest)
      default: return try await container(engine, arguments)
      }
    } catch {
      switch error {
      case .exit(let exit): throw exit
      case .daemon(let error):
        try await process.printError("Error response from daemon: \(error)\n")
        return 1
      case .client(let text, let status):
        try await process.printError(text + "\n")
        return status
      }
    }
  }

  private func container(_ engine: DockerEngine, _ arguments: [String])
    async throws(CommandFailure) -> Int32
  {
    let verb = arguments.first ?? ""
    let rest = Array(arguments.dropFirst())
    let commands = DockerContainerCommand(self, engine)
    switch verb {
    case "run": return try await DockerRunCommand(self, engine).run(rest, starts: true)
    case "create": return try await DockerRunCommand(self, engine).run(rest, starts: false)
    case "ps", "ls", "list": return try await commands.list(rest)
    case "exec": return try await commands.execute(rest)
    case "port": return try await commands.port(rest)
    case "logs": return try await commands.logs(rest)
    case "inspect": return try await commands.inspect(rest)
    case "start": return try await commands.start(rest)
    case "stop": return try await commands.stop(rest, verb: "stop")
    case "kill": return try await commands.stop(rest, verb: "kill")
    case "restart": return try await commands.restart(rest)
    case "rm": return try await commands.remove(rest)
    case "rename": return try await commands.rename(rest)
    case "pull":
      try await print("Using default tag: latest\n")
      return 0
    default:
      if Self.verbs.contains(verb) { throw .exit(.refused("docker \(verb) is not modelled")) }
      throw .client(
        "docker: unknown command: docker \(verb)\n\nRun 'docker --help' for more information",
        1
      )
    }
  }

  // MARK: Help for the commands

  func print(_ text: String) async throws(CommandFailure) {
    do {
      try await process.print(text)
    } catch {
      throw .exit(error)
    }
  }

  func printError(_ text: String) async throws(CommandFailure) {
    do {
      try await process.printError(text)
    } catch {
      throw .exit(error)
    }
  }

  func options(_ specification: OptionSpecification, _ arguments: [String], _ verb: String)
    throws(CommandFailure) -> ParsedOptions
  {
    switch specification.parse(arguments) {
    case .success(let parsed): return parsed
    case .failure(.usage(let text)):
      throw .client("docker: \(text)\n\nRun 'docker \(verb) --help' for more information", 125)
    case .failure(.refused(_, let text)): throw .exit(.refused("docker \(verb): \(text)"))
    }
  }

  func find(_ name: String, _ engine: DockerEngine) throws(CommandFailure) -> Container {
    guard let container = engine.container(name) else {
      throw .daemon(DockerError("No such container: \(name)"))
    }
    return container
  }

  func daemon<Result>(_ body: () throws(DockerError) -> Result) throws(CommandFailure) -> Result {
    do {
      return try body()
    } catch {
      throw .daemon(error)
    }
  }

  func render(_ template: String, _ value: DockerJSON) throws(CommandFailure) -> String {
    do {
      return try DockerTemplate(template).render(value)
    } catch {
      if error.message.hasSuffix("not modelled") { throw .exit(.refused(error.message)) }
      throw .client(error.message, 1)
    }
  }
}

/// Why a call of `docker` ends early.
enum CommandFailure: Error {
  /// The daemon refuses.
  case daemon(DockerError)
  /// The client refuses, with a status.
  case client(String, Int32)
  /// The process ends.
  case exit(ProcessExit)
}

extension ParsedOptions {
  /// The last value of an option.
  func last(_ key: String) -> String? { self[key] }
}

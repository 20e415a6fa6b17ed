import HopyardContainers
import HopyardSimulator
import HopyardUserland

/// The commands about containers.
struct DockerContainerCommand {
  let docker: DockerCommand
  let engine: DockerEngine

  init(_ docker: DockerCommand, _ engine: DockerEngine) {
    self.docker = docker
    self.engine = engine
  }

  private var now: Instant { docker.process.simulation.now }

  private func names(_ options: ParsedOptions, _ verb: String) throws(CommandFailure) -> [String] {
    if options.operands.isEmpty {
      throw .client(
        "docker: 'docker \(verb)' requires at least 1 argument\n\nUsage:  docker \(verb) [OPTIONS] "
          + "CONTAINER [CONTAINER...]\n\nSee 'docker \(verb) --help' for more information",
        1
      )
    }
    return options.operands
  }

  // MARK: ps

  private static let listOptions = OptionSpecification(
    "aqnlsf:",
    long: ["all=a", "quiet=q", "no-trunc", "filter:=f", "format:", "latest=l", "last:=n", "size=s"]
  )

  func list(_ arguments: [String]) async throws(CommandFailure) -> Int32 {
    let options = try docker.options(Self.listOptions, arguments, "ps")
    var containers = Array(engine.containers.reversed())
    let filters = options.all("f")
    let asksState = filters.contains { $0.hasPrefix("status=") }
    if !options.has("a"), !options.has("l"), !asksState {
      containers.removeAll { !$0.isRunning }
    }
    for filter in filters { containers = try self.filter(containers, filter) }
    if options.has("l") { containers = Array(containers.prefix(1)) }
    let isWhole = options.has("no-trunc")
    func id(_ container: Container) -> String { isWhole ? container.id : container.shortID }
    if options.has("q") {
      try await docker.print(containers.map { id($0) + "\n" }.joined())
      return 0
    }
    if let format = options.last("format") {
      let isTable = format.hasPrefix("table ")
      let template = isTable ? String(format.dropFirst(6)) : format
      var rows = isTable ? [Self.heading(template)] : []
      for container in containers {
        rows.append(try docker.render(template, row(container, id(container), isWhole)))
      }
      if isTable {
        let table = DockerTable.text(
          rows.map { $0.split(separator: "\t", omittingEmptySubsequences: false).map(String.init) }
        )
        try await docker.print(table)
      } else {
        try await docker.print(rows.map { $0 + "\n" }.joined())
      }
      return 0
    }
    var rows = [["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"]]
    for container in containers {
      rows.append([
        id(container), container.image, DockerText.command(container, isWhole: isWhole),
        DockerText.duration(now - container.created) + " ago",
        DockerText.status(container, now: now), DockerText.ports(container, engine), container.name,
      ])
    }
    try await docker.print(DockerTable.text(rows))
    return 0
  }

  private static func heading(_ template: String) -> String {
    var text = template
    let names = [
      ("ID", "CONTAINER ID"), ("Names", "NAMES"), ("Image", "IMAGE"), ("Command", "COMMAND"),
      ("CreatedAt", "CREATED AT"), ("RunningFor", "CREATED"), ("Ports", "PORTS"),
      ("Status", "STATUS"), ("State", "STATE"), ("Networks", "NETWORKS"), ("Labels", "LABELS"),
    ]
    for (field, title) in names { text = text.replacing("{{.\(field)}}", with: title) }
    return text.replacing("\\t", with: "\t")
  }

  private func row(_ container: Container, _ id: String, _ isWhole: Bool) -> DockerJSON {
    let networks = container.specification.endpoints.map(\.network)
    let labels = container.specification.labels.map { "\($0.name)=\($0.value)" }
    return .object([
      ("ID", .string(id)), ("Names", .string(container.name)), ("Image", .string(container.image)),
      ("Command", .string(DockerText.command(container, isWhole: isWhole))),
      ("CreatedAt", .string(DockerText.date(container.created))),
      ("RunningFor", .string(DockerText.duration(now - container.created) + " ago")),
      ("Ports", .string(DockerText.ports(container, engine))),
      ("Status", .string(DockerText.status(container, now: now))),
      ("State", .string(container.state.rawValue)),
      ("Networks", .string(networks.joined(separator: ","))),
      ("Labels", .string(labels.joined(separator: ","))),
    ])
  }

  private func filter(_ containers: [Container], _ filter: String) throws(CommandFailure)
    -> [Container]
  {
    let halves = filter.split(separator: "=", maxSplits: 1).map(String.init)
    guard halves.count == 2 else {
      throw .client(
        "invalid argument \"\(filter)\" for \"-f, --filter\" flag: bad format of filter",
        125
      )
    }
    let value = halves[1]
    let network = engine.network(value)
    let matches: (Container) -> Bool
    switch halves[0] {
    case "name": matches = { $0.name.contains(value) }
    case "id": matches = { $0.id.hasPrefix(value) }
    case "status": matches = { $0.state.rawValue == value }
    case "ancestor": matches = { $0.image == value }
    case "network":
      matches = { container in
        network != nil
          && container.specification.endpoints.contains { engine.network($0.network) === network }
      }
    case "label":
      matches = { container in
        container.specification.labels.contains {
          $0.name == value || "\($0.name)=\($0.value)" == value
        }
      }
    default: throw .exit(.refused("docker ps: the filter \(halves[0]) is not modelled"))
    }
    return containers.filter(matches)
  }

  // MARK: exec

  private static let executeOptions = OptionSpecification(
    "+ditTe:w:u:",
    long: [
      "detach=d", "interactive=i", "tty=t", "env:=e", "workdir:=w", "user:=u", "privileged",
      "env-file:", "detach-keys:", "index:",
    ]
  )

  func execute(_ arguments: [String]) async throws(CommandFailure) -> Int32 {
    let options = try docker.options(Self.executeOptions, arguments, "exec")
    guard options.operands.count >= 2 else {
      throw .client(
        "docker: 'docker exec' requires at least 2 arguments\n\nUsage:  docker exec [OPTIONS] "
          + "CONTAINER COMMAND [ARG...]\n\nSee 'docker exec --help' for more information",
        1
      )
    }
    let container = try docker.find(options.operands[0], engine)
    return try await execute(options, in: container, Array(options.operands.dropFirst()))
  }

  func execute(_ options: ParsedOptions, in container: Container, _ words: [String])
    async throws(CommandFailure) -> Int32
  {
    guard let sandbox = container.sandbox, container.isRunning else {
      throw .daemon(DockerError("container \(container.id) is not running"))
    }
    let base = words[0].split(separator: "/").last.map(String.init) ?? words[0]
    guard docker.process.userland.commands[base] != nil else {
      throw .exit(.refused("the command `\(words[0])' is not modelled"))
    }
    do throws(ProcessExit) {
      let child = try docker.process.spawn(words) { child in
        sandbox.enter(child)
        child.directory = options.last("w") ?? "/"
        child.environment = [:]
        for (name, value) in container.specification.environment { child.environment[name] = value }
        for text in options.all("e") {
          let halves = text.split(separator: "=", maxSplits: 1).map(String.init)
          if halves.count == 2 { child.environment[halves[0]] = halves[1] }
        }
        if let user = options.last("u"), let uid = UInt32(user.prefix(while: \.isNumber)) {
          child.uid = uid
        }
        if !options.has("i"), let null = try? child.open("/dev/null", .read) {
          child.setDescriptor(0, null)
        }
      }
      if options.has("d") { return 0 }
      return try await docker.process.wait(for: child)
    } catch {
      throw .exit(error)
    }
  }

  // MARK: port, logs, inspect

  func port(_ arguments: [String]) async throws(CommandFailure) -> Int32 {
    guard let name = arguments.first, arguments.count <= 2 else {
      throw .client("docker: 'docker port' requires at least 1 and at most 2 arguments", 1)
    }
    let container = try docker.find(name, engine)
    let bindings = container.bindings.filter { $0.hostPort != nil }.sorted(by: DockerText.portOrder)
    if arguments.count == 2 {
      let wanted = arguments[1].contains("/") ? arguments[1] : arguments[1] + "/tcp"
      let found = bindings.filter { "\($0.port)/\(DockerText.name($0.ipProtocol))" == wanted }
      if found.isEmpty {
        throw .client("no public port '\(wanted)' published for \(name)", 1)
      }
      let lines = found.map { "\(DockerText.host($0.hostAddress)):\($0.hostPort ?? 0)\n" }
      try await docker.print(lines.joined())
      return 0
    }
    let lines = bindings.map {
      "\($0.port)/\(DockerText.name($0.ipProtocol)) -> "
        + "\(DockerText.host($0.hostAddress)):\($0.hostPort ?? 0)\n"
    }
    try await docker.print(lines.joined())
    return 0
  }

  private static let logOptions = OptionSpecification(
    "n:t",
    long: ["tail:=n", "timestamps=t", "since:", "until:", "details"],
    refused: "f",
    refusedLong: ["follow=f"]
  )

  func logs(_ arguments: [String]) async throws(CommandFailure) -> Int32 {
    let options = try docker.options(Self.logOptions, arguments, "logs")
    for name in try names(options, "logs") {
      let container = try docker.find(name, engine)
      var text = String(decoding: container.log.bytes, as: UTF8.self)
      if let count = options.last("n").flatMap({ Int($0) }) {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
        text = lines.suffix(max(count, 0)).map { $0 + "\n" }.joined()
      }
      try await docker.print(text)
    }
    return 0
  }

  private static let inspectOptions = OptionSpecification(
    "f:s",
    long: ["format:=f", "size=s", "type:"]
  )

  func inspect(_ arguments: [String]) async throws(CommandFailure) -> Int32 {
    let options = try docker.options(Self.inspectOptions, arguments, "inspect")
    var values: [DockerJSON] = []
    var status: Int32 = 0
    for name in try names(options, "inspect") {
      if let container = engine.container(name), options.last("type") != "network" {
        values.append(DockerInspect.container(container, engine))
      } else if let network = engine.network(name), options.last("type") != "container" {
        values.append(DockerInspect.network(network))
      } else {
        try await docker.printError("error: no such object: \(name)\n")
        status = 1
      }
    }
    if let format = options.last("f") {
      for value in values { try await docker.print(try docker.render(format, value) + "\n") }
    } else {
      try await docker.print(DockerJSON.array(values).text() + "\n")
    }
    return status
  }

  // MARK: Life

  private static let plainOptions = OptionSpecification(
    "fait:s:vl",
    long: [
      "force=f", "attach=a", "interactive=i", "timeout:=t", "time:=t", "signal:=s", "volumes=v",
      "link=l",
    ]
  )

  func start(_ arguments: [String]) async throws(CommandFailure) -> Int32 {
    let options = try docker.options(Self.plainOptions, arguments, "start")
    for name in try names(options, "start") {
      let container = try docker.find(name, engine)
      try docker.daemon { () throws(DockerError) in try engine.start(container) }
      try await docker.print(name + "\n")
    }
    return 0
  }

  func stop(_ arguments: [String], verb: String) async throws(CommandFailure) -> Int32 {
    let options = try docker.options(Self.plainOptions, arguments, verb)
    for name in try names(options, verb) {
      let container = try docker.find(name, engine)
      if verb == "kill", !container.isRunning {
        throw .daemon(
          DockerError("cannot kill container: \(name): container \(container.id) is not running")
        )
      }
      engine.stop(container, status: verb == "kill" ? 137 : engine.stopStatus(of: container))
      try await docker.print(name + "\n")
    }
    return 0
  }

  func restart(_ arguments: [String]) async throws(CommandFailure) -> Int32 {
    let options = try docker.options(Self.plainOptions, arguments, "restart")
    for name in try names(options, "restart") {
      let container = try docker.find(name, engine)
      engine.stop(container, status: engine.stopStatus(of: container))
      try docker.daemon { () throws(DockerError) in try engine.start(container) }
      try await docker.print(name + "\n")
    }
    return 0
  }

  func remove(_ arguments: [String]) async throws(CommandFailure) -> Int32 {
    let options = try docker.options(Self.plainOptions, arguments, "rm")
    var status: Int32 = 0
    for name in try names(options, "rm") {
      do throws(CommandFailure) {
        let container = try docker.find(name, engine)
        try docker.daemon { () throws(DockerError) in
          try engine.remove(container, force: options.has("f"))
        }
        try await docker.print(name + "\n")
      } catch {
        guard case .daemon(let refusal) = error else { throw error }
        if options.has("f"), engine.container(name) == nil { continue }
        try await docker.printError("Error response from daemon: \(refusal)\n")
        status = 1
      }
    }
    return status
  }

  func rename(_ arguments: [String]) async throws(CommandFailure) -> Int32 {
    guard arguments.count == 2 else {
      throw .client("docker: 'docker rename' requires 2 arguments", 1)
    }
    let container = try docker.find(arguments[0], engine)
    if engine.containers.contains(where: { $0.name == arguments[1] }) {
      throw .daemon(
        DockerError(
          "Error when allocating new name: Conflict. The container name "
            + "\"/\(arguments[1])\" is already in use"
        )
      )
    }
    container.name = arguments[1]
    return 0
  }
}

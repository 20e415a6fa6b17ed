public import HopyardContainers
import HopyardSimulator
import HopyardUserland
import HopyardWire

extension DockerEngine {
  /// The ports that a container is said to serve: by `--expose`, by its published ports, or by its
  /// image.
  public func exposedPorts(of container: Container) -> [ServicePort] {
    let specification = container.specification
    var ports = specification.exposed
    func add(_ port: ServicePort) {
      if !ports.contains(where: { $0.port == port.port && $0.ipProtocol == port.ipProtocol }) {
        ports.append(port)
      }
    }
    for request in specification.ports {
      add(
        ServicePort(
          request.port,
          request.ipProtocol,
          WellKnownServices.guess(port: request.port, request.ipProtocol, image: container.image)
        )
      )
    }
    for port in WellKnownServices.ports(ofImage: container.image) { add(port) }
    return ports
  }

  /// Runs what the container was started for: its command, where the simulator has it, and servers
  /// on the ports that it is said to serve.
  func runProgram(of container: Container) {
    guard let process = container.process, let sandbox = container.sandbox else { return }
    for (name, value) in container.specification.environment { process.environment[name] = value }
    process.setDescriptor(0, try? process.open("/dev/null", .read))
    process.setDescriptor(1, container.log)
    process.setDescriptor(2, container.log)
    for (number, file) in container.attached.enumerated() where file != nil {
      process.setDescriptor(Int32(number), file)
    }
    container.attached = []
    let command = container.specification.command
    let isRunnable = runsItsProgram(container)
    if !(isRunnable && Self.listensItself(command)) { serve(container, sandbox) }
    guard isRunnable else { return }
    let source = ShellSource(name: container.name, text: command.joined(separator: " "))
    process.place = (source, 0)
    let started = container.started
    process.start { process async throws(ProcessExit) in try await process.execute(command) }
    userland.simulation.spawn { [weak self, weak container] in
      guard let simulation = self?.userland.simulation else { return }
      while process.exitStatus == nil { _ = await simulation.wait(on: [process.exited]) }
      guard let self, let container, container.isRunning, container.started == started,
        container.process === process
      else { return }
      self.stop(container, status: process.exitStatus ?? 0)
    }
  }

  /// The status with which a container's program ends when it is asked to.
  func stopStatus(of container: Container) -> Int32 {
    // The first process of a container has no default action for SIGTERM: what does not handle it
    // is killed after a while.
    guard let word = container.specification.command.first?.split(separator: "/").last else {
      return 0
    }
    return ["sleep", "tail", "sh", "bash", "top", "cat"].contains(String(word)) ? 137 : 0
  }

  /// Whether a container's command is run, and not only its servers are there: all its commands are
  /// modelled, and it needs no files of its image or of a volume.
  func runsItsProgram(_ container: Container) -> Bool {
    let command = container.specification.command
    guard let first = command.first else { return false }
    let base = first.split(separator: "/").last.map(String.init) ?? first
    guard userland.commands[base] != nil, base != "docker" else { return false }
    guard !command.dropFirst().contains(where: Self.namesForeignFile) else { return false }
    let line = command.map { "'" + $0.replacing("'", with: "'\\''") + "'" }.joined(separator: " ")
    let source = ShellSource(name: container.name, text: line)
    return LabRunner.check(source, commands: userland.commands).isEmpty
  }

  /// Whether a text has a path that only the image or a volume can have.
  private static func namesForeignFile(_ text: String) -> Bool {
    let known = ["/dev/", "/proc/", "/sys/", "/tmp", "/etc/hosts", "/etc/resolv.conf", "/bin/"]
    let paths = text.split { character in
      !(character.isLetter || character.isNumber || "/._-".contains(character))
    }
    return paths.contains { path in
      path.hasPrefix("/") && path.count > 1 && !path.hasPrefix("//")
        && !known.contains { path.hasPrefix($0) }
    }
  }

  private static func listensItself(_ command: [String]) -> Bool {
    command.contains { word in
      word == "-l" || word.hasPrefix("-l") && word.count <= 4 || word.contains("LISTEN")
        || word.contains("nc -l") || word == "http.server"
    }
  }

  private func serve(_ container: Container, _ sandbox: Sandbox) {
    guard let process = container.process else { return }
    let ports = container.specification.services ?? exposedPorts(of: container)
    guard !ports.isEmpty else { return }
    let server = PortServer(process, name: container.name)
    container.server = server
    for port in ports {
      do {
        try server.listen(on: port)
      } catch {
        if port.ipProtocol != .sctp {
          note("\(container.name) cannot listen on \(port.port): \(error.text)")
        }
        continue
      }
      if port.isAssumed { assume("\(container.name) serves \(Self.text(port))", container) }
    }
  }

  private static func text(_ port: ServicePort) -> String {
    let transport = port.ipProtocol == .udp ? "/udp" : ""
    return "\(port.service.rawValue) on \(port.port)\(transport)"
  }
}

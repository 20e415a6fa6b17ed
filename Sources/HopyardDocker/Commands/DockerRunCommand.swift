import HopyardContainers
import HopyardSimulator
import HopyardUserland
import HopyardWire

/// `docker run` and `docker create`.
struct DockerRunCommand {
  let docker: DockerCommand
  let engine: DockerEngine

  init(_ docker: DockerCommand, _ engine: DockerEngine) {
    self.docker = docker
    self.engine = engine
  }

  /// Options that mean nothing on the wire.
  private static let silent = [
    "volume:=v", "workdir:=w", "user:=u", "privileged", "cap-add:", "cap-drop:", "init",
    "memory:=m",
    "cpus:", "pull:", "platform:", "read-only", "tmpfs:", "mount:", "health-cmd:",
    "health-interval:", "health-retries:", "health-timeout:", "no-healthcheck", "ulimit:",
    "shm-size:", "security-opt:", "log-driver:", "log-opt:", "pid:", "ipc:", "uts:",
    "stop-timeout:", "stop-signal:", "gpus:", "quiet=q", "group-add:", "device:", "cpu-shares:=c",
    "cpuset-cpus:", "memory-swap:", "pids-limit:", "oom-score-adj:", "runtime:", "cidfile:",
    "annotation:", "attach:=a", "sig-proxy::", "cgroupns:",
  ]

  private static let specification = OptionSpecification(
    "+ditqPp:h:e:l:v:w:u:m:c:a:",
    long: [
      "detach=d", "interactive=i", "tty=t", "name:", "publish:=p", "publish-all=P", "network:",
      "net:=network", "network-alias:", "net-alias:=network-alias", "ip:", "ip6:", "mac-address:",
      "hostname:=h", "domainname:", "add-host:", "dns:", "dns-search:", "dns-option:",
      "dns-opt:=dns-option", "expose:", "link:", "env:=e", "env-file:", "label:=l", "rm",
      "restart:", "sysctl:", "entrypoint:",
    ] + silent
  )

  func run(_ arguments: [String], starts: Bool) async throws(CommandFailure) -> Int32 {
    let verb = starts ? "run" : "create"
    let options = try docker.options(Self.specification, arguments, verb)
    guard let image = options.operands.first else {
      throw .client(
        "docker: 'docker \(verb)' requires at least 1 argument\n\nUsage:  docker \(verb) [OPTIONS] "
          + "IMAGE [COMMAND] [ARG...]\n\nSee 'docker \(verb) --help' for more information",
        125
      )
    }
    var wanted: ContainerSpecification
    do throws(ClientError) {
      wanted = try specification(image, options)
    } catch {
      throw .client(
        "docker: \(error.message)\n\nRun 'docker \(verb) --help' for more information",
        125
      )
    }
    wanted.command += options.operands.dropFirst()
    if let path = options.last("env-file") {
      wanted.environment = try readEnvironment(path) + wanted.environment
    }
    let container: Container
    do throws(DockerError) {
      container = try engine.createContainer(wanted)
    } catch {
      throw failure(error, verb)
    }
    guard starts else {
      try await docker.print(container.id + "\n")
      return 0
    }
    let isDetached = options.has("d")
    if !isDetached { container.attached = [0, 1, 2].map { docker.process.descriptor($0) } }
    do throws(DockerError) {
      try engine.start(container)
    } catch {
      if wanted.isRemovedAtEnd { try? engine.remove(container, force: true) }
      throw failure(error, verb)
    }
    if isDetached {
      try await docker.print(container.id + "\n")
      return 0
    }
    do {
      while container.isRunning { _ = try await docker.process.wait(on: [container.changed]) }
    } catch {
      engine.stop(container, status: 137)
      throw .exit(error)
    }
    return container.exitStatus
  }

  private func failure(_ error: DockerError, _ verb: String) -> CommandFailure {
    .client(
      "docker: Error response from daemon: \(error)\n\nRun 'docker \(verb) --help' for more "
        + "information",
      125
    )
  }

  private struct ClientError: Error {
    var message: String
  }

  private func readEnvironment(_ path: String) throws(CommandFailure) -> [(
    name: String, value: String
  )] {
    guard let bytes = try? docker.process.contents(of: path) else {
      throw .client("docker: open \(path): no such file or directory", 125)
    }
    do {
      return try EnvironmentFile.parse(String(decoding: bytes, as: UTF8.self), file: path)
    } catch {
      throw .client("docker: \(error)", 125)
    }
  }

  private func specification(_ image: String, _ options: ParsedOptions) throws(ClientError)
    -> ContainerSpecification
  {
    var wanted = ContainerSpecification(image: image)
    wanted.name = options.last("name")
    wanted.hostname = options.last("h")
    wanted.domainname = options.last("domainname")
    wanted.publishesAll = options.has("P")
    wanted.isRemovedAtEnd = options.has("rm")
    wanted.restart = options.last("restart") ?? "no"
    wanted.dnsSearch = options.all("dns-search")
    wanted.dnsOptions = options.all("dns-option")
    if let entrypoint = options.last("entrypoint"), !entrypoint.isEmpty {
      wanted.command = [entrypoint]
    }
    func pairs(_ key: String) -> [(name: String, value: String)] {
      options.all(key).map { text in
        guard let mark = text.firstIndex(of: "=") else {
          return (text, docker.process.environment[text] ?? "")
        }
        return (String(text[..<mark]), String(text[text.index(after: mark)...]))
      }
    }
    wanted.environment = pairs("e")
    wanted.labels = pairs("l")
    wanted.sysctls = pairs("sysctl")
    for text in options.all("p") {
      do throws(PortText.Failure) {
        wanted.ports += try PortText.requests(text)
      } catch {
        throw ClientError(message: "invalid publish option: \(error.message)")
      }
    }
    for text in options.all("expose") {
      let halves = text.split(separator: "/")
      let ends = (halves.first ?? "").split(separator: "-").compactMap { UInt16($0) }
      guard let first = ends.first, let last = ends.last, first > 0, first <= last else {
        throw ClientError(message: "invalid range format for --expose: \(text)")
      }
      let ipProtocol: IPProtocol =
        halves.last == "udp" ? .udp : halves.last == "sctp" ? .sctp : .tcp
      for port in first...last {
        let service = WellKnownServices.guess(port: port, ipProtocol, image: image)
        wanted.exposed.append(ServicePort(port, ipProtocol, service))
      }
    }
    for text in options.all("dns") {
      guard let address = IPAddress(text) else {
        throw ClientError(
          message: "invalid argument \"\(text)\" for \"--dns\" flag: \(text) is not "
            + "an ip address"
        )
      }
      wanted.dns.append(address)
    }
    for text in options.all("add-host") {
      guard let mark = text.firstIndex(where: { $0 == ":" || $0 == "=" }) else {
        throw ClientError(
          message: "invalid argument \"\(text)\" for \"--add-host\" flag: bad "
            + "format for add-host: \"\(text)\""
        )
      }
      let value = String(text[text.index(after: mark)...])
      wanted.extraHosts.append((String(text[..<mark]), value))
    }
    try readNetworks(options, &wanted)
    return wanted
  }

  private func readNetworks(_ options: ParsedOptions, _ wanted: inout ContainerSpecification)
    throws(ClientError)
  {
    var endpoints: [EndpointSpecification] = []
    for text in options.all("network") { endpoints.append(try endpoint(text)) }
    var mode = endpoints.first.map { NetworkMode($0.network) } ?? .default
    if case .named(let name) = mode, let network = engine.network(name), network.isPredefined {
      mode = NetworkMode(network.name)
    }
    wanted.networkMode = mode
    if endpoints.isEmpty { endpoints = [EndpointSpecification("bridge")] }
    endpoints[0].aliases += options.all("network-alias")
    if let text = options.last("ip") {
      guard let address = IPv4Address(text) else {
        throw ClientError(message: "invalid IPv4 address: \(text)")
      }
      endpoints[0].address = address
    }
    if let text = options.last("ip6") {
      guard let address = IPv6Address(text) else {
        throw ClientError(message: "invalid IPv6 address: \(text)")
      }
      endpoints[0].address6 = address
    }
    if let text = options.last("mac-address") {
      guard let mac = MACAddress(text) else {
        throw ClientError(message: "invalid mac address: \(text)")
      }
      endpoints[0].mac = mac
    }
    for text in options.all("link") {
      let halves = text.split(separator: ":", maxSplits: 1).map(String.init)
      guard let first = halves.first else { continue }
      endpoints[0].links.append((first, halves.last ?? first))
    }
    switch mode {
    case .default, .named: wanted.endpoints = endpoints
    default:
      if endpoints.count > 1 {
        throw ClientError(
          message: "conflicting options: cannot attach both user-defined and "
            + "non-user-defined network-modes"
        )
      }
    }
  }

  /// `--network NAME` or `--network name=NAME,alias=…,ip=…`.
  private func endpoint(_ text: String) throws(ClientError) -> EndpointSpecification {
    guard text.contains("="), !text.hasPrefix("container:") else {
      return EndpointSpecification(text)
    }
    var endpoint = EndpointSpecification("")
    for part in text.split(separator: ",") {
      let halves = part.split(separator: "=", maxSplits: 1).map(String.init)
      guard halves.count == 2 else { throw ClientError(message: "invalid field \(part)") }
      switch halves[0] {
      case "name": endpoint.network = halves[1]
      case "alias": endpoint.aliases.append(halves[1])
      case "ip": endpoint.address = IPv4Address(halves[1])
      case "ip6": endpoint.address6 = IPv6Address(halves[1])
      case "mac-address": endpoint.mac = MACAddress(halves[1])
      case "gw-priority": endpoint.gatewayPriority = Int(halves[1]) ?? 0
      case "driver-opt": break
      default: throw ClientError(message: "invalid field key \(halves[0])")
      }
    }
    return endpoint
  }
}

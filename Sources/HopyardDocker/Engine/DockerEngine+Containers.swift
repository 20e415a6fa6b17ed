import HopyardContainers
import HopyardSimulator
public import HopyardUserland
import HopyardWire

extension DockerEngine {
  // MARK: Making

  /// `docker create`.
  public func createContainer(_ specification: ContainerSpecification) throws(DockerError)
    -> Container
  {
    let id = makeID()
    let name = specification.name ?? makeName()
    guard name.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || "_.-".contains($0)) }),
      let first = name.first, first.isLetter || first.isNumber, name.count > 1
    else {
      throw DockerError(
        "Invalid container name (\(name)), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
      )
    }
    if let other = containers.first(where: { $0.name == name }) {
      throw DockerError(
        "Conflict. The container name \"/\(name)\" is already in use by container "
          + "\"\(other.id)\". You have to remove (or rename) that container to be able to reuse "
          + "that name."
      )
    }
    var specification = specification
    try settleEndpoints(&specification)
    let container = Container(
      id: id,
      name: name,
      specification,
      created: userland.simulation.now
    )
    containers.append(container)
    return container
  }

  private func settleEndpoints(_ specification: inout ContainerSpecification) throws(DockerError) {
    switch specification.networkMode {
    case .host, .none:
      if !specification.endpoints.isEmpty {
        throw DockerError(
          "conflicting options: cannot attach both user-defined and "
            + "non-user-defined network-modes"
        )
      }
    case .container:
      if specification.hostname != nil {
        throw DockerError("conflicting options: hostname and the network mode")
      }
      if !specification.ports.isEmpty || specification.publishesAll {
        throw DockerError(
          "conflicting options: port publishing and the container type network mode"
        )
      }
      if !specification.dns.isEmpty {
        throw DockerError("conflicting options: dns and the network mode")
      }
      if !specification.extraHosts.isEmpty {
        throw DockerError("conflicting options: custom host-to-IP mapping and the network mode")
      }
    case .default:
      if specification.endpoints.isEmpty {
        specification.endpoints = [EndpointSpecification("bridge")]
      }
    case .named(let name):
      if !specification.endpoints.contains(where: { isSame($0.network, name) }) {
        specification.endpoints.insert(EndpointSpecification(name), at: 0)
      }
      for endpoint in specification.endpoints where network(endpoint.network) == nil {
        throw DockerError("network \(endpoint.network) not found")
      }
    }
    for endpoint in specification.endpoints where endpoint.network == "bridge" {
      if endpoint.address != nil {
        throw DockerError(
          "invalid config for network bridge: invalid endpoint settings:\nuser "
            + "specified IP address is supported on user defined networks only"
        )
      }
      if !endpoint.aliases.isEmpty {
        throw DockerError(
          "invalid config for network bridge: invalid endpoint settings:\n"
            + "network-scoped aliases are only supported for user-defined networks"
        )
      }
    }
  }

  private func isSame(_ a: String, _ b: String) -> Bool {
    a == b || (network(a) != nil && network(a) === network(b))
  }

  private func makeName() -> String {
    while true {
      let left = Self.adjectives[Int(random.below(UInt64(Self.adjectives.count)))]
      let right = Self.gardeners[Int(random.below(UInt64(Self.gardeners.count)))]
      var name = left + "_" + right
      if containers.contains(where: { $0.name == name }) { name += String(random.below(10)) }
      if !containers.contains(where: { $0.name == name }) { return name }
    }
  }

  private static let adjectives = [
    "amber", "brisk", "calm", "dapper", "eager", "fluent", "golden", "hardy", "idle", "jolly",
    "keen", "lively", "mellow", "noble", "quiet", "rustic", "sturdy", "tidy", "upbeat", "witty",
  ]
  private static let gardeners = [
    "baker", "cooper", "dyer", "elm", "fuller", "glover", "hopper", "ivy", "joiner", "kilner",
    "linden", "mason", "nettle", "oat", "porter", "rye", "sower", "thatcher", "weaver", "yeast",
  ]

  // MARK: Starting

  /// `docker start`.
  public func start(_ container: Container) throws(DockerError) {
    guard !container.isRunning else { return }
    do {
      try setUp(container)
    } catch {
      tearDown(container)
      container.state = container.started == nil ? .created : .exited
      throw error
    }
    container.state = .running
    container.started = userland.simulation.now
    container.finished = nil
    container.changed.wakeAll()
    runProgram(of: container)
  }

  private func setUp(_ container: Container) throws(DockerError) {
    let directory = "/var/lib/docker/containers/\(container.id)"
    let specification = container.specification
    container.hostsFile = ContainerHostsFile(extraHosts: try extraHosts(specification))
    var shared: NetworkNamespace?
    var hostname = container.hostname
    switch specification.networkMode {
    case .host:
      shared = root
      if specification.hostname == nil { hostname = userland.hostname }
    case .container(let name):
      guard let other = self.container(name) else {
        throw DockerError("No such container: \(name)")
      }
      guard let sandbox = other.sandbox, other.isRunning, other !== container else {
        throw DockerError(
          "cannot join network namespace of a non running container: container \(other.shortID) "
            + "is \(other.state.rawValue)"
        )
      }
      let own = Sandbox(
        name: container.name,
        hostname: sandbox.hostname,
        on: userland,
        filesDirectory: sandbox.filesDirectory,
        sharing: sandbox.namespace
      )
      container.sandbox = own
      container.process = own.makeProcess(Self.programName(container))
      return
    default: break
    }
    let sandbox = Sandbox(
      name: freeNamespaceName(container.name),
      hostname: hostname,
      on: userland,
      filesDirectory: directory,
      sharing: shared
    )
    container.sandbox = sandbox
    for (name, value) in specification.sysctls {
      if name.hasPrefix("net.ipv6.") {
        note("\(name) of \(container.name) is not set: containers have no IPv6 packets")
      } else {
        try setSysctl(name, value, in: sandbox)
      }
    }
    if shared == nil {
      for wanted in specification.endpoints { try attach(container, wanted) }
      try chooseGateway(container)
    }
    try writeFiles(container)
    container.process = sandbox.makeProcess(Self.programName(container))
  }

  private func freeNamespaceName(_ name: String) -> String {
    guard userland.machine.namespace(named: name) != nil else { return name }
    return name + ".docker"
  }

  private static func programName(_ container: Container) -> String {
    let word = container.specification.command.first.map { $0.split(separator: "/").last ?? "" }
    if let word, !word.isEmpty { return String(word) }
    return WellKnownServices.baseName(ofImage: container.image)
  }

  private func setSysctl(_ name: String, _ value: String, in sandbox: Sandbox) throws(DockerError) {
    let process = userland.makeProcess()
    sandbox.enter(process)
    defer { process.end(0) }
    let path = "/proc/sys/" + name.replacing(".", with: "/")
    do {
      let file = try process.open(path, .write)
      _ = try file.tryWrite(Array((value + "\n").utf8)[...])
    } catch {
      throw DockerError("sysctl \"\(name)\" is not in a separate kernel namespace")
    }
  }

  private func extraHosts(_ specification: ContainerSpecification) throws(DockerError)
    -> [ContainerHostsFile.Entry]
  {
    var entries: [ContainerHostsFile.Entry] = []
    for (name, text) in specification.extraHosts {
      if text == "host-gateway" {
        let gateway = options.hostGateway ?? network("bridge")?.gateway
        guard let gateway else {
          throw DockerError("unable to derive the IP value for host-gateway")
        }
        entries.append(.init("\(gateway)", [name]))
      } else {
        guard IPAddress(text) != nil else {
          throw DockerError("invalid IP address in add-host: \"\(text)\"")
        }
        entries.append(.init(text, [name]))
      }
    }
    return entries
  }

  // MARK: Files

  func writeFiles(_ container: Container) throws(DockerError) {
    guard let sandbox = container.sandbox else { return }
    let specification = container.specification
    if case .host = specification.networkMode {
      let path = "/etc/hosts"
      if let bytes = try? userland.files.read(path, for: daemon) {
        sandbox.write("hosts", String(decoding: bytes, as: UTF8.self))
      }
    } else {
      writeHosts(container)
    }
    let path = "/etc/resolv.conf"
    let text = (try? userland.files.read(path, for: daemon)).map {
      String(decoding: $0, as: UTF8.self)
    }
    var file = ResolverFile(text ?? "", path: path)
    file.header =
      "# Generated by Docker Engine.\n# This file can be edited; Docker Engine will not "
      + "make further changes once it\n# has been modified."
    let dns = specification.dns.isEmpty ? options.dns : specification.dns
    let search = specification.dnsSearch.isEmpty ? options.dnsSearch : specification.dnsSearch
    let dnsOptions =
      specification.dnsOptions.isEmpty ? options.dnsOptions : specification.dnsOptions
    if !dns.isEmpty { file.override(servers: dns) }
    if !search.isEmpty { file.override(search: search) }
    if !dnsOptions.isEmpty { file.override(options: dnsOptions) }
    switch specification.networkMode {
    case .host, .container: break
    default:
      if usesResolver(container) {
        file.transformForEmbeddedResolver(
          at: .v4(EmbeddedResolver.address),
          requiredOptions: ["ndots:0"]
        )
        try startResolver(container, file, hasNdots: dnsOptions.contains { $0.hasPrefix("ndots:") })
      } else if specification.networkMode != .none {
        file.transformForDefaultBridge(ipv6: container.endpoints.contains { $0.address6 != nil })
      }
    }
    container.resolverFile = file
    sandbox.write("resolv.conf", file.text())
  }

  private func usesResolver(_ container: Container) -> Bool {
    container.endpoints.contains { !$0.network.isDefaultBridge }
  }

  private func startResolver(_ container: Container, _ file: ResolverFile, hasNdots: Bool)
    throws(DockerError)
  {
    guard container.resolver == nil, let sandbox = container.sandbox else { return }
    container.resolver = try EmbeddedResolver(
      container,
      in: sandbox.namespace,
      host: root,
      pid: Int(daemon.pid),
      servers: file.externalServers,
      hasNdots: hasNdots,
      variant: options.variant
    )
  }

  func writeHosts(_ container: Container) {
    container.sandbox?.write("hosts", container.hostsFile.text)
  }

  /// The lines by which a container finds its own name on a network.
  func hostsEntries(_ endpoint: DockerEndpoint) -> [ContainerHostsFile.Entry] {
    let container = endpoint.container
    var names: [String] = []
    if let domain = container.specification.domainname {
      names.append(container.hostname + "." + domain)
      names.append(container.hostname)
    } else if let dot = container.hostname.firstIndex(of: ".") {
      names = [container.hostname, String(container.hostname[..<dot])]
    } else {
      names = [container.hostname]
    }
    return EmbeddedResolver.addresses(endpoint).map { .init("\($0)", names) }
  }

  // MARK: Ending

  /// `docker stop` and `docker kill`: its process ends with a status.
  public func stop(_ container: Container, status: Int32 = 0) {
    guard container.isRunning else { return }
    container.exitStatus = status
    tearDown(container)
    container.state = .exited
    container.finished = userland.simulation.now
    container.changed.wakeAll()
    if container.specification.isRemovedAtEnd { forget(container) }
  }

  func tearDown(_ container: Container) {
    container.server?.close()
    container.server = nil
    container.resolver?.close()
    container.resolver = nil
    for endpoint in container.endpoints { detach(endpoint) }
    container.endpoints = []
    container.process?.end(container.exitStatus)
    container.process = nil
    container.sandbox?.remove()
    container.sandbox = nil
  }

  /// `docker rm`.
  public func remove(_ container: Container, force: Bool = false) throws(DockerError) {
    if container.isRunning {
      guard force else {
        throw DockerError(
          "cannot remove container \"\(container.name)\": container is running: stop the container "
            + "before removing or force remove"
        )
      }
      stop(container, status: 137)
    }
    forget(container)
  }

  private func forget(_ container: Container) {
    containers.removeAll { $0 === container }
    try? userland.files.remove("/var/lib/docker/containers/\(container.id)", recursively: true)
  }
}

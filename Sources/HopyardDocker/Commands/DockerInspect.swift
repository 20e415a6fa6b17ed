import HopyardContainers
import HopyardSimulator
import HopyardUserland
import HopyardWire

/// What `docker inspect` shows.
enum DockerInspect {
  static func container(_ container: Container, _ engine: DockerEngine) -> DockerJSON {
    let specification = container.specification
    let directory = "/var/lib/docker/containers/\(container.id)"
    let exposed = engine.exposedPorts(of: container).map {
      "\($0.port)/\(DockerText.name($0.ipProtocol))"
    }
    return .object([
      ("Id", .string(container.id)), ("Created", .string(DockerText.date(container.created))),
      ("Path", .string(specification.command.first ?? "")),
      ("Args", .strings(Array(specification.command.dropFirst()))),
      (
        "State",
        .object([
          ("Status", .string(container.state.rawValue)), ("Running", .bool(container.isRunning)),
          ("Paused", .bool(false)), ("Restarting", .bool(false)), ("OOMKilled", .bool(false)),
          ("Dead", .bool(false)), ("Pid", .number(Int(container.process?.pid ?? 0))),
          ("ExitCode", .number(Int(container.exitStatus))), ("Error", .string("")),
          ("StartedAt", .string(DockerText.date(container.started))),
          ("FinishedAt", .string(DockerText.date(container.finished))),
        ])
      ), ("Image", .string(container.image)),
      ("ResolvConfPath", .string(directory + "/resolv.conf")),
      ("HostnamePath", .string(directory + "/hostname")),
      ("HostsPath", .string(directory + "/hosts")), ("Name", .string("/" + container.name)),
      ("RestartCount", .number(0)), ("Platform", .string("linux")),
      ("HostConfig", hostConfiguration(container)),
      (
        "Config",
        .object([
          ("Hostname", .string(container.hostname)),
          ("Domainname", .string(specification.domainname ?? "")),
          ("ExposedPorts", .object(exposed.sorted().map { ($0, .object([])) })),
          ("Env", .strings(specification.environment.map { "\($0.name)=\($0.value)" })),
          ("Cmd", .strings(specification.command)), ("Image", .string(container.image)),
          ("Labels", .pairs(specification.labels)),
        ])
      ), ("NetworkSettings", networkSettings(container, engine)),
    ])
  }

  private static func hostConfiguration(_ container: Container) -> DockerJSON {
    let specification = container.specification
    let requests = Dictionary(grouping: specification.ports) {
      "\($0.port)/\(DockerText.name($0.ipProtocol))"
    }
    let bindings = requests.keys.sorted().map { key -> (String, DockerJSON) in
      let items = (requests[key] ?? []).map { request -> DockerJSON in
        let last = max(request.hostPort, request.hostPortEnd)
        let port =
          request.hostPort == 0
          ? "" : request.hostPort == last ? "\(request.hostPort)" : "\(request.hostPort)-\(last)"
        return .object([
          ("HostIp", .string(request.hostAddress.map { "\($0)" } ?? "")),
          ("HostPort", .string(port)),
        ])
      }
      return (key, .array(items))
    }
    return .object([
      ("NetworkMode", .string(specification.networkMode.text)), ("PortBindings", .object(bindings)),
      (
        "RestartPolicy",
        .object([("Name", .string(specification.restart)), ("MaximumRetryCount", .number(0))])
      ), ("AutoRemove", .bool(specification.isRemovedAtEnd)),
      ("Dns", .strings(specification.dns.map { "\($0)" })),
      ("DnsOptions", .strings(specification.dnsOptions)),
      ("DnsSearch", .strings(specification.dnsSearch)),
      (
        "ExtraHosts",
        specification.extraHosts.isEmpty
          ? .null : .strings(specification.extraHosts.map { "\($0.name):\($0.address)" })
      ), ("PublishAllPorts", .bool(specification.publishesAll)),
    ])
  }

  private static func networkSettings(_ container: Container, _ engine: DockerEngine) -> DockerJSON
  {
    var ports: [(String, DockerJSON)] = []
    let grouped = Dictionary(grouping: container.bindings) {
      "\($0.port)/\(DockerText.name($0.ipProtocol))"
    }
    var keys = Set(grouped.keys)
    if container.isRunning {
      for port in engine.exposedPorts(of: container) {
        keys.insert("\(port.port)/\(DockerText.name(port.ipProtocol))")
      }
    }
    for key in keys.sorted() {
      let items = (grouped[key] ?? []).sorted(by: DockerText.portOrder).map { binding in
        DockerJSON.object([
          ("HostIp", .string("\(binding.hostAddress)")),
          ("HostPort", .string(binding.hostPort.map { "\($0)" } ?? "")),
        ])
      }
      ports.append((key, items.isEmpty ? .null : .array(items)))
    }
    var members: [(String, DockerJSON)] = [
      ("SandboxID", .string(container.sandbox == nil ? "" : container.id)),
      (
        "SandboxKey",
        .string(container.sandbox == nil ? "" : "/var/run/docker/netns/\(container.shortID)")
      ), ("Ports", .object(container.isRunning ? ports : [])),
    ]
    if engine.options.profile == .docker20 {
      let first = container.endpoints.first { $0.network.isDefaultBridge }
      members += [
        ("Gateway", .string(first?.network.gateway.map { "\($0)" } ?? "")),
        ("IPAddress", .string(first?.address.map { "\($0)" } ?? "")),
        ("IPPrefixLen", .number(first?.network.subnet?.length ?? 0)),
        ("MacAddress", .string(first?.mac.map { "\($0)" } ?? "")),
      ]
    }
    members.append(("Networks", .object(networks(container, engine))))
    return .object(members)
  }

  private static func networks(_ container: Container, _ engine: DockerEngine) -> [(
    String, DockerJSON
  )] {
    if container.isRunning, !container.endpoints.isEmpty {
      return container.endpoints.sorted { $0.network.name < $1.network.name }.map {
        ($0.network.name, endpoint($0))
      }
    }
    return container.specification.endpoints.sorted { $0.network < $1.network }.map { wanted in
      (
        engine.network(wanted.network)?.name ?? wanted.network,
        .object([
          ("IPAddress", .string("")), ("Gateway", .string("")), ("MacAddress", .string("")),
          ("Aliases", wanted.aliases.isEmpty ? .null : .strings(wanted.aliases)),
          ("NetworkID", .string(engine.network(wanted.network)?.id ?? "")),
        ])
      )
    }
  }

  private static func endpoint(_ endpoint: DockerEndpoint) -> DockerJSON {
    let network = endpoint.network
    let wanted = endpoint.specification
    var names = [endpoint.container.name] + wanted.aliases + [endpoint.container.shortID]
    names = names.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
    return .object([
      (
        "IPAMConfig",
        wanted.address.map { .object([("IPv4Address", .string("\($0)"))]) } ?? .null
      ),
      (
        "Links",
        wanted.links.isEmpty ? .null : .strings(wanted.links.map { "\($0.container):\($0.alias)" })
      ),
      ("Aliases", wanted.aliases.isEmpty ? .null : .strings(wanted.aliases)), ("DriverOpts", .null),
      ("GwPriority", .number(wanted.gatewayPriority)), ("NetworkID", .string(network.id)),
      ("EndpointID", .string(endpoint.id)),
      ("Gateway", .string(network.isInternal ? "" : network.gateway.map { "\($0)" } ?? "")),
      ("IPAddress", .string(endpoint.address.map { "\($0)" } ?? "")),
      ("MacAddress", .string(endpoint.mac.map { "\($0)" } ?? "")),
      ("IPPrefixLen", .number(network.subnet?.length ?? 0)),
      ("IPv6Gateway", .string(network.gateway6.map { "\($0)" } ?? "")),
      ("GlobalIPv6Address", .string(endpoint.address6.map { "\($0)" } ?? "")),
      ("GlobalIPv6PrefixLen", .number(network.subnet6?.length ?? 0)),
      ("DNSNames", network.isDefaultBridge ? .null : .strings(names)),
    ])
  }

  static func network(_ network: DockerNetwork) -> DockerJSON {
    let specification = network.specification
    var configurations: [DockerJSON] = []
    if let subnet = network.subnet {
      var members: [(String, DockerJSON)] = [("Subnet", .string("\(subnet.network)"))]
      if let range = specification.ranges.first(where: { !$0.isIPv6 }) {
        members.append(("IPRange", .string("\(range)")))
      }
      if let gateway = network.gateway { members.append(("Gateway", .string("\(gateway)"))) }
      configurations.append(.object(members))
    }
    if let subnet = network.subnet6 {
      var members: [(String, DockerJSON)] = [("Subnet", .string("\(subnet.network)"))]
      if let gateway = network.gateway6 { members.append(("Gateway", .string("\(gateway)"))) }
      configurations.append(.object(members))
    }
    let containers = network.endpoints.sorted { $0.container.id < $1.container.id }
      .map { endpoint -> (String, DockerJSON) in
        (
          endpoint.container.id,
          .object([
            ("Name", .string(endpoint.container.name)), ("EndpointID", .string(endpoint.id)),
            ("MacAddress", .string(endpoint.mac.map { "\($0)" } ?? "")),
            (
              "IPv4Address",
              .string(endpoint.address.map { "\($0)/\(network.subnet?.length ?? 32)" } ?? "")
            ),
            (
              "IPv6Address",
              .string(endpoint.address6.map { "\($0)/\(network.subnet6?.length ?? 128)" } ?? "")
            ),
          ])
        )
      }
    return .object([
      ("Name", .string(network.name)), ("Id", .string(network.id)),
      ("Created", .string(DockerText.date(network.created))), ("Scope", .string("local")),
      ("Driver", .string(network.driver)), ("EnableIPv4", .bool(specification.hasIPv4)),
      ("EnableIPv6", .bool(specification.hasIPv6)),
      (
        "IPAM",
        .object([
          ("Driver", .string("default")), ("Options", .object([])),
          ("Config", .array(configurations)),
        ])
      ), ("Internal", .bool(network.isInternal)), ("Attachable", .bool(specification.isAttachable)),
      ("Ingress", .bool(false)), ("ConfigFrom", .object([("Network", .string(""))])),
      ("ConfigOnly", .bool(false)), ("Options", .pairs(specification.options)),
      ("Labels", .pairs(specification.labels)), ("Containers", .object(containers)),
    ])
  }
}

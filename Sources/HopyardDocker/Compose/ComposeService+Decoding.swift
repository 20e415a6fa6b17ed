import HopyardContainers
import HopyardUserland
import HopyardWire

extension ComposeService {
  /// Reads a service.
  init(_ name: String, _ node: YAMLNode, environment files: [(name: String, value: String)])
    throws(Problem)
  {
    let what = "service `\(name)'"
    let fields = try node.fields(what)
    try fields.refuseUnknown(ComposeKeys.service, prefixes: ["x-"])
    if let build = fields["build"], build.text == nil {
      try build.fields("build of \(what)").refuseUnknown(ComposeKeys.build, prefixes: ["x-"])
    }
    guard fields["image"] != nil || fields["build"] != nil || fields["provider"] != nil else {
      throw node.problem(
        "service \"\(name)\" has neither an image nor a build context specified"
      )
    }
    self.init(name: name, image: try fields["image"]?.string("image") ?? "")
    try readIdentity(fields)
    try readProgram(fields, files)
    try readPorts(fields)
    try readNetworks(fields, node)
    try readNames(fields)
    try readOrder(fields)
  }

  // MARK: Names and programs

  private mutating func readIdentity(_ fields: YAMLFields) throws(Problem) {
    containerName = try fields["container_name"]?.string("container_name")
    container.hostname = try fields["hostname"]?.string("hostname")
    container.domainname = try fields["domainname"]?.string("domainname")
    if let restart = fields["restart"] { container.restart = try restart.string("restart") }
    profiles = try fields["profiles"]?.strings("profiles") ?? []
    if let labels = fields["labels"] {
      for pair in try labels.pairs("labels") {
        container.labels.append((pair.name, pair.value ?? ""))
      }
    }
    if let sysctls = fields["sysctls"] {
      for pair in try sysctls.pairs("sysctls") {
        container.sysctls.append((pair.name, pair.value ?? ""))
      }
    }
    if let scale = fields["scale"] { replicas = try scale.int("scale", in: 0...1000) }
    if let deploy = fields["deploy"] {
      let inner = try deploy.fields("deploy")
      try inner.refuseUnknown(ComposeKeys.deploy, prefixes: ["x-"])
      if let count = inner["replicas"] { replicas = try count.int("replicas", in: 0...1000) }
    }
    if let name = fields["container_name"], replicas > 1 {
      throw name.problem(
        "container_name cannot be given to a service with \(replicas) replicas: names are unique"
      )
    }
  }

  private mutating func readProgram(
    _ fields: YAMLFields,
    _ files: [(name: String, value: String)]
  ) throws(Problem) {
    let command = try fields["command"].map(Self.words) ?? []
    let entrypoint = try fields["entrypoint"].map(Self.words) ?? []
    container.command = entrypoint + command
    container.environment = files
    if let environment = fields["environment"] {
      for pair in try environment.pairs("environment") {
        container.environment.removeAll { $0.name == pair.name }
        if let value = pair.value { container.environment.append((pair.name, value)) }
      }
    }
    guard let check = fields["healthcheck"] else { return }
    let inner = try check.fields("healthcheck")
    try inner.refuseUnknown(ComposeKeys.health, prefixes: ["x-"])
    var health = Health()
    if try inner["disable"]?.bool("disable") == true { health.isDisabled = true }
    for key in ["interval", "timeout", "start_period", "start_interval"] {
      guard let value = inner[key] else { continue }
      let time = try Self.duration(value, key)
      if key == "interval", time > 0 { health.interval = time }
    }
    if let retries = inner["retries"] { _ = try retries.int("retries", in: 0...Int.max) }
    if let test = inner["test"] {
      let words = try test.stringOrStrings("test")
      if words == ["NONE"] { health.isDisabled = true }
      if test.items != nil, let first = words.first, !["CMD", "CMD-SHELL", "NONE"].contains(first) {
        throw test.problem(
          "healthcheck.test must start either by \"CMD\", \"CMD-SHELL\" or \"NONE\""
        )
      }
      for port in Self.localPorts(words.joined(separator: " ")) { expose(port, .tcp) }
    }
    self.health = health
  }

  /// The words of a command: a list, or a line that is split as a shell splits it.
  private static func words(_ node: YAMLNode) throws(Problem) -> [String] {
    if node.items != nil { return try node.strings("a command") }
    let text = try node.string("a command")
    var words: [String] = []
    var word = ""
    var quote: Character?
    var isEscaped = false
    var isWord = false
    for character in text {
      if isEscaped {
        word.append(character)
        isEscaped = false
      } else if character == "\\", quote != "'" {
        isEscaped = true
        isWord = true
      } else if let open = quote {
        if character == open { quote = nil } else { word.append(character) }
      } else if character == "\"" || character == "'" {
        quote = character
        isWord = true
      } else if character.isWhitespace {
        if isWord { words.append(word) }
        word = ""
        isWord = false
      } else {
        word.append(character)
        isWord = true
      }
    }
    if quote != nil { throw node.problem("a quote that is not closed in `\(text)'") }
    if isWord { words.append(word) }
    return words
  }

  /// A time such as `1m30s`, in nanoseconds.
  static func duration(_ node: YAMLNode, _ what: String) throws(Problem) -> Int64 {
    let text = try node.string(what)
    var total: Double = 0
    var number = ""
    var unit = ""
    let sizes: [String: Double] = [
      "ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9, "m": 6e10, "h": 3.6e12, "d": 8.64e13, "w": 6.048e14,
    ]
    func problem() -> Problem {
      node.problem("\(what) is `\(text)', expected a time such as 1m30s")
    }
    for character in text + " " {
      if character.isNumber || character == "." || character == " " {
        if !unit.isEmpty {
          guard let size = sizes[unit], let count = Double(number) else { throw problem() }
          total += size * count
          number = ""
          unit = ""
        }
        if character != " " { number.append(character) }
      } else {
        unit.append(character)
      }
    }
    if !number.isEmpty {
      guard text == "0" else { throw problem() }
    }
    guard total < 9e18 else { throw problem() }
    return Int64(total)
  }

  /// The ports of this container that a health check asks.
  static func localPorts(_ text: String) -> [UInt16] {
    var ports: [UInt16] = []
    for host in ["localhost", "127.0.0.1", "0.0.0.0", "[::1]"] {
      var rest = text[...]
      while let start = rest.firstRange(of: host) {
        let before = text[..<start.lowerBound]
        rest = rest[start.upperBound...]
        var digits = ""
        if rest.first == ":" || rest.first == " " {
          digits = String(rest.dropFirst().prefix(while: \.isNumber))
        }
        if let port = UInt16(digits), port > 0 {
          ports.append(port)
        } else if before.hasSuffix("http://") {
          ports.append(80)
        } else if before.hasSuffix("https://") {
          ports.append(443)
        }
      }
    }
    return ports.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
  }

  // MARK: Ports

  private mutating func expose(_ port: UInt16, _ ipProtocol: IPProtocol) {
    let known = container.exposed.contains { $0.port == port && $0.ipProtocol == ipProtocol }
    guard !known else { return }
    let service = WellKnownServices.guess(port: port, ipProtocol, image: container.image)
    container.exposed.append(ServicePort(port, ipProtocol, service))
  }

  private mutating func readPorts(_ fields: YAMLFields) throws(Problem) {
    for item in try fields["expose"]?.sequence("expose") ?? [] {
      let text = try item.string("an item of expose")
      let (ports, ipProtocol) = try PortText.range(text, item)
      for port in ports { expose(port, ipProtocol) }
    }
    for item in try fields["ports"]?.sequence("ports") ?? [] {
      if item.entries != nil {
        container.ports += try Self.longPort(item)
      } else {
        container.ports += try PortText.requests(try item.string("an item of ports"), item)
      }
    }
    for request in container.ports { expose(request.port, request.ipProtocol) }
  }

  private static func longPort(_ node: YAMLNode) throws(Problem) -> [PortRequest] {
    let fields = try node.fields("a port")
    try fields.refuseUnknown(ComposeKeys.port, prefixes: ["x-"])
    let target = try fields.required("target").port("target")
    var ipProtocol = IPProtocol.tcp
    if let text = fields["protocol"] {
      ipProtocol =
        switch try text.choice("protocol", ["tcp", "udp", "sctp"]) {
        case "udp": .udp
        case "sctp": .sctp
        default: .tcp
        }
    }
    var request = PortRequest(target, ipProtocol)
    if let host = fields["host_ip"] {
      guard let address = IPAddress(try host.string("host_ip")) else {
        throw host.problem("host_ip is `\(host.text ?? "")', expected an IP address")
      }
      request.hostAddress = address
    }
    if let published = fields["published"] {
      let (ports, _) = try PortText.range(try published.string("published"), published)
      request.hostPort = ports.lowerBound
      request.hostPortEnd = ports.upperBound
    }
    return [request]
  }

  // MARK: Networks

  private mutating func readNetworks(_ fields: YAMLFields, _ node: YAMLNode) throws(Problem) {
    if let mode = fields["network_mode"] {
      if let networks = fields["networks"] {
        throw networks.problem(
          "service \(name) declares mutually exclusive `network_mode` and `networks`"
        )
      }
      networkMode = try mode.string("network_mode")
      return
    }
    let networks = try fields["networks"]
    if let items = networks?.items {
      for item in items {
        self.networks.append(EndpointSpecification(try item.string("a network")))
        priorities.append(0)
      }
    } else if let networks {
      for field in try networks.fields("networks of service `\(name)'").entries {
        var endpoint = EndpointSpecification(field.name)
        let inner = try field.value.fields("network `\(field.name)' of service `\(name)'")
        try inner.refuseUnknown(ComposeKeys.serviceNetwork, prefixes: ["x-"])
        endpoint.aliases = try inner["aliases"]?.strings("aliases") ?? []
        endpoint.address = try inner["ipv4_address"].map(Self.ipv4)
        endpoint.address6 = try inner["ipv6_address"].map(Self.ipv6)
        endpoint.mac = try inner["mac_address"].map(Self.mac)
        endpoint.interfaceName = try inner["interface_name"]?.string("interface_name")
        if let value = inner["gw_priority"] {
          endpoint.gatewayPriority = try value.int("gw_priority")
        }
        self.networks.append(endpoint)
        priorities.append(try inner["priority"]?.int("priority") ?? 0)
      }
    }
    if self.networks.isEmpty {
      self.networks = [EndpointSpecification("default")]
      priorities = [0]
    }
    if let address = fields["mac_address"] { self.networks[0].mac = try Self.mac(address) }
  }

  private static func ipv4(_ node: YAMLNode) throws(Problem) -> IPv4Address {
    guard let address = IPv4Address(try node.string("ipv4_address")) else {
      throw node.problem("ipv4_address is `\(node.text ?? "")', expected an IPv4 address")
    }
    return address
  }

  private static func ipv6(_ node: YAMLNode) throws(Problem) -> IPv6Address {
    guard let address = IPv6Address(try node.string("ipv6_address")) else {
      throw node.problem("ipv6_address is `\(node.text ?? "")', expected an IPv6 address")
    }
    return address
  }

  private static func mac(_ node: YAMLNode) throws(Problem) -> MACAddress {
    guard let address = MACAddress(try node.string("mac_address")) else {
      throw node.problem("mac_address is `\(node.text ?? "")', expected a MAC address")
    }
    return address
  }

  // MARK: Name service

  private mutating func readNames(_ fields: YAMLFields) throws(Problem) {
    if let hosts = fields["extra_hosts"] {
      for pair in try hosts.pairs("extra_hosts", separator: ":") {
        var (name, value) = (pair.name, pair.value ?? "")
        if let mark = name.firstIndex(of: "=") {
          // `name=2001:db8::1` is cut at its first colon otherwise.
          value = String(name[name.index(after: mark)...]) + (pair.value.map { ":" + $0 } ?? "")
          name = String(name[..<mark])
        }
        if value.hasPrefix("["), value.hasSuffix("]") {
          value = String(value.dropFirst().dropLast())
        }
        guard value == "host-gateway" || IPAddress(value) != nil else {
          throw pair.node.problem(
            "extra_hosts has `\(value)' for \(name), expected an IP address or host-gateway"
          )
        }
        container.extraHosts.append((name, value))
      }
    }
    if let dns = fields["dns"] {
      for text in try dns.stringOrStrings("dns") {
        guard let address = IPAddress(text) else {
          throw dns.problem("dns has `\(text)', expected IP addresses")
        }
        container.dns.append(address)
      }
    }
    container.dnsSearch = try fields["dns_search"]?.stringOrStrings("dns_search") ?? []
    container.dnsOptions = try fields["dns_opt"]?.stringOrStrings("dns_opt") ?? []
    for (key, isExternal) in [("links", false), ("external_links", true)] {
      for text in try fields[key]?.strings(key) ?? [] {
        let halves = text.split(separator: ":", maxSplits: 1).map(String.init)
        guard let target = halves.first else { continue }
        links.append((target, halves.last ?? target, isExternal))
      }
    }
  }

  // MARK: Order

  private mutating func readOrder(_ fields: YAMLFields) throws(Problem) {
    for link in links where !link.isExternal {
      dependencies.append(Dependency(service: link.target))
    }
    for key in ["network_mode", "ipc", "pid", "uts", "cgroup"] {
      guard let mode = try fields[key]?.string(key), mode.hasPrefix("service:") else { continue }
      add(Dependency(service: String(mode.dropFirst(8))))
    }
    for text in try fields["volumes_from"]?.strings("volumes_from") ?? []
    where !text.hasPrefix("container:") {
      add(Dependency(service: text.split(separator: ":").first.map(String.init) ?? text))
    }
    guard let depends = fields["depends_on"] else { return }
    if depends.items != nil {
      for other in try depends.strings("depends_on") { add(Dependency(service: other)) }
      return
    }
    for field in try depends.fields("depends_on").entries {
      var dependency = Dependency(service: field.name)
      let inner = try field.value.fields("depends_on of `\(field.name)'")
      try inner.refuseUnknown(ComposeKeys.dependency, prefixes: ["x-"])
      if let condition = inner["condition"] {
        let words = Condition.allCases.map(\.rawValue)
        dependency.condition =
          Condition(rawValue: try condition.choice("condition", words)) ?? .started
      }
      if let required = inner["required"] { dependency.isRequired = try required.bool("required") }
      add(dependency)
    }
  }

  private mutating func add(_ dependency: Dependency) {
    dependencies.removeAll { $0.service == dependency.service }
    dependencies.append(dependency)
  }
}

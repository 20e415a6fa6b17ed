import HopyardServices
import HopyardSimulator
import HopyardWire

/// dockerd's name server in a container's namespace: 127.0.0.11, reached by way of NAT rules there.
///
/// It knows the containers of the networks that the container is on, and asks others for the rest:
/// servers of the host's file from the host's namespace, servers of `--dns` from the container's.
final class EmbeddedResolver: DNSResponder {
  /// Where the container's resolv.conf sends queries.
  static let address = IPv4Address(127, 0, 0, 11)
  /// How long names are good for, in seconds.
  private static let lifetime: UInt32 = 600
  /// How many servers are asked at most.
  private static let serverLimit = 3

  private unowned let container: Container
  private let host: Program
  private let program: Program
  private let servers: [ResolverFile.Server]
  /// Whether the user set `ndots`, so that single labels are for the search list.
  private let hasNdots: Bool
  private var server: DNSServer?
  private var random: RandomSource

  init(
    _ container: Container,
    in namespace: NetworkNamespace,
    host: NetworkNamespace,
    pid: Int,
    servers: [ResolverFile.Server],
    hasNdots: Bool,
    variant: RulesetVariant
  ) throws(DockerError) {
    self.container = container
    self.servers = servers
    self.hasNdots = hasNdots
    program = Program(in: namespace, name: "dockerd", pid: pid)
    self.host = Program(in: host, name: "dockerd", pid: pid)
    random = namespace.simulation.randomSource("docker-dns/\(container.id)")
    do throws(SocketError) {
      let server = try DNSServer(program, address: Self.address, port: 0, responder: self)
      self.server = server
      server.start()
      addRules(namespace, server.port, variant)
    } catch {
      throw DockerError("failed to start the embedded resolver: \(error.text)")
    }
  }

  func close() {
    server?.close()
    server = nil
  }

  /// The rules by which port 53 of 127.0.0.11 is that of the server's sockets.
  private func addRules(_ namespace: NetworkNamespace, _ port: UInt16, _ variant: RulesetVariant) {
    let writer = RulesetWriter(namespace, .ipv4, variant)
    let resolver = AddressMatch(Self.address)
    for (chain, hook) in [("DOCKER_OUTPUT", "OUTPUT"), ("DOCKER_POSTROUTING", "POSTROUTING")] {
      writer.makeChain(chain, .nat)
      writer.insert(Rule(target: .jump(chain)).to(resolver), in: hook, .nat)
    }
    for ipProtocol in [IPProtocol.udp, .tcp] {
      writer.insert(
        Rule(target: .dnat(NATTarget(.v4(Self.address), port: port))).to(resolver)
          .toPort(53, ipProtocol),
        in: "DOCKER_OUTPUT",
        .nat,
        isNew: true
      )
      writer.insert(
        Rule(target: .snat(NATTarget(ports: NATPorts(53, 53)))).from(resolver)
          .fromPort(port, ipProtocol),
        in: "DOCKER_POSTROUTING",
        .nat,
        isNew: true
      )
    }
  }

  // MARK: Answers

  func respond(
    to query: DNSMessage,
    from client: SocketAddress,
    over transport: DNSTransport
  ) async -> DNSMessage? {
    guard let question = query.questions.first else { return query.response(.formatError) }
    let name = question.name.text
    switch question.type {
    case .a, .aaaa:
      let found = addresses(of: name)
      if !found.isEmpty {
        let wanted = found.filter { ($0.v4 != nil) == (question.type == .a) }
        return reply(query, shuffled(wanted).map { record(question.name, $0) })
      }
      if hasNdots, question.name.labelCount <= 1 { return reply(query, []) }
    case .mx where !addresses(of: name).isEmpty: return reply(query, [])
    case .ptr:
      if let address = question.name.reversedAddress, let name = self.name(of: address),
        let target = DNSName(name)
      {
        return reply(query, [DNSRecord(question.name, ttl: Self.lifetime, .ptr(target))])
      }
    default: break
    }
    return await forward(query, transport)
  }

  private func record(_ name: DNSName, _ address: IPAddress) -> DNSRecord {
    switch address {
    case .v4(let address): DNSRecord(name, ttl: Self.lifetime, .a(address))
    case .v6(let address): DNSRecord(name, ttl: Self.lifetime, .aaaa(address))
    }
  }

  private func reply(_ query: DNSMessage, _ answers: [DNSRecord]) -> DNSMessage {
    var response = query.response()
    response.offersRecursion = true
    response.answers = answers
    return response
  }

  private func shuffled(_ addresses: [IPAddress]) -> [IPAddress] {
    addresses.count > 1 ? addresses.shuffled(using: &random) : addresses
  }

  /// The addresses of a name on the container's networks, or of `NAME.NETWORK` on that one.
  func addresses(of name: String) -> [IPAddress] {
    let name = name.lowercased()
    for endpoint in container.endpoints {
      for link in endpoint.specification.links where link.alias.lowercased() == name {
        let target = endpoint.network.endpoints.first { $0.container.name == link.container }
        if let target { return Self.addresses(target) }
      }
    }
    for endpoint in container.endpoints where !endpoint.network.isDefaultBridge {
      let found = endpoint.network.addresses(of: name)
      if !found.isEmpty { return found }
    }
    guard let dot = name.lastIndex(of: ".") else { return [] }
    let network = name[name.index(after: dot)...]
    for endpoint in container.endpoints where endpoint.network.name.lowercased() == network {
      return endpoint.network.addresses(of: String(name[..<dot]))
    }
    return []
  }

  static func addresses(_ endpoint: DockerEndpoint) -> [IPAddress] {
    (endpoint.address.map { [.v4($0)] } ?? []) + (endpoint.address6.map { [.v6($0)] } ?? [])
  }

  private func name(of address: IPv4Address) -> String? {
    for endpoint in container.endpoints where !endpoint.network.isDefaultBridge {
      if let other = endpoint.network.endpoints.first(where: { $0.address == address }) {
        return other.container.name + "." + endpoint.network.name
      }
    }
    return nil
  }

  // MARK: Other servers

  private func forward(_ query: DNSMessage, _ transport: DNSTransport) async -> DNSMessage {
    var failure = query.response(.serverFailure)
    failure.offersRecursion = true
    // Containers that have no way out get no answers from outside either.
    guard container.endpoints.contains(where: { !$0.network.isInternal }) else { return failure }
    for server in servers.prefix(Self.serverLimit) {
      guard let address = server.address.v4, address != Self.address else { continue }
      let asker = server.isFromHost ? host : program
      var asked = query
      asked.id = UInt16(truncatingIfNeeded: random.next())
      var options = DNSClient.Options()
      options.timeout = .seconds(4)
      options.usesTCP = transport == .tcp
      guard
        let answer = try? await DNSClient.exchange(asker, asked, with: address, options: options)
      else { continue }
      var response = answer.message
      if response.responseCode == .serverFailure || response.responseCode == .refused { continue }
      response.id = query.id
      response.questions = query.questions
      response.edns = nil
      return response
    }
    return failure
  }
}

extension DockerNetwork {
  /// The addresses of a name: a container's, one of its aliases, or its host name.
  func addresses(of name: String) -> [IPAddress] {
    var found: [IPAddress] = []
    for endpoint in endpoints where endpoint.isCalled(name) {
      found += EmbeddedResolver.addresses(endpoint)
    }
    return found
  }
}

extension DockerEndpoint {
  /// Whether a name, in small letters, is one of its names.
  func isCalled(_ name: String) -> Bool {
    container.name.lowercased() == name || container.shortID == name
      || container.hostname.lowercased() == name
      || specification.aliases.contains { $0.lowercased() == name }
  }
}

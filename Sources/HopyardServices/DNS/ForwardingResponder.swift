import HopyardSimulator
import HopyardWire

/// Hands queries on to other servers, by domain, and keeps their answers.
public final class ForwardingResponder: DNSResponder {
  /// Where queries for a domain go.
  public struct Route: Sendable {
    /// The domain; the longest that fits decides.
    public var domain: DNSName
    /// The servers, in the order to try them.
    public var servers: [SocketAddress]

    /// Makes a route.
    public init(_ domain: DNSName, _ servers: [SocketAddress]) {
      self.domain = domain
      self.servers = servers
    }
  }

  /// The program whose sockets it asks with.
  public let program: Program
  /// Where queries go.
  public var routes: [Route]
  /// What it knows; nil to ask each time.
  public let cache: DNSCache?
  /// How long it waits for a server, in nanoseconds.
  public var timeout: Int64 = .seconds(2)
  /// Codes at which the next server is asked.
  public var triesNextAt: Set<DNSResponseCode> = [.serverFailure, .refused]
  /// How many queries it sent.
  public private(set) var upstreamCount = 0

  /// Makes a forwarder for all names.
  public init(_ program: Program, to servers: [SocketAddress], cache: DNSCache? = DNSCache()) {
    self.program = program
    routes = [Route(.root, servers)]
    self.cache = cache
  }

  /// Responds to a query.
  public func respond(
    to query: DNSMessage,
    from client: SocketAddress,
    over transport: DNSTransport
  ) async -> DNSMessage? {
    guard let question = query.questions.first else { return query.response(.formatError) }
    let now = program.simulation.now
    switch cache?.lookup(question.name, question.type, at: now) {
    case .records(let records)?:
      var response = query.response()
      response.offersRecursion = true
      response.answers = records
      return response
    case .nothing(let code, let start)?:
      var response = query.response(code)
      response.offersRecursion = true
      response.authorities = start.map { [$0] } ?? []
      return response
    case nil: break
    }
    let route = routes.filter { question.name.isWithin($0.domain) }
      .max { $0.domain.labelCount < $1.domain.labelCount }
    guard let route, !route.servers.isEmpty else { return query.response(.refused) }
    var last: DNSMessage?
    for server in route.servers {
      guard let response = await ask(server, query, transport) else { continue }
      if triesNextAt.contains(response.responseCode) {
        last = response
        continue
      }
      store(response, question)
      return reply(to: query, with: response)
    }
    guard let last else {
      var failure = query.response(.serverFailure)
      failure.offersRecursion = true
      return failure
    }
    return reply(to: query, with: last)
  }

  private func reply(to query: DNSMessage, with response: DNSMessage) -> DNSMessage {
    var reply = response
    reply.id = query.id
    reply.questions = query.questions
    reply.edns = nil
    return reply
  }

  private func ask(_ server: SocketAddress, _ query: DNSMessage, _ transport: DNSTransport) async
    -> DNSMessage?
  {
    guard case .v4(let address) = server.address else { return nil }
    upstreamCount += 1
    var asked = query
    asked.id = UInt16(truncatingIfNeeded: program.simulation.random.next())
    if let edns = query.edns {
      asked.edns = DNSExtension(udpSize: max(edns.udpSize, 512), isDNSSECOK: edns.isDNSSECOK)
    }
    var options = DNSClient.Options()
    options.port = server.port
    options.timeout = timeout
    options.usesTCP = transport == .tcp
    do throws(DNSQueryFailure) {
      return try await DNSClient.exchange(program, asked, with: address, options: options).message
    } catch {
      return nil
    }
  }

  private func store(_ response: DNSMessage, _ question: DNSQuestion) {
    guard let cache, !response.isTruncated else { return }
    let now = program.simulation.now
    let wanted = response.answers.filter { $0.name == question.name && $0.type == question.type }
    if !wanted.isEmpty {
      cache.store(wanted, at: now)
    } else if response.answers.isEmpty,
      response.responseCode == .noError || response.responseCode == .nameError
    {
      cache.storeNothing(
        question.name,
        question.type,
        response.responseCode,
        start: response.authorities.first { $0.type == .soa },
        at: now
      )
    }
  }
}

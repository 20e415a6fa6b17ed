import HopyardSimulator
import HopyardWire

extension Resolver {
  /// musl's search: a name with enough dots is never searched for, and a name that exists without
  /// addresses ends the search.
  func muslSearch(_ name: String, _ types: [DNSRecordType]) async throws(ResolutionFailure)
    -> ResolverAnswer
  {
    let dots = name.count { $0 == "." }
    var candidates: [String] = []
    if dots < configuration.ndots && !name.hasSuffix(".") {
      candidates = configuration.search.map { "\(name).\($0)" }
    }
    candidates.append(name)
    for candidate in candidates {
      guard let asked = DNSName(candidate) else { throw .noName }
      switch await muslAsk(asked, types) {
      case .found(let messages): return ResolverAnswer(messages, asked, types)
      case .noName: continue
      case .noData: throw .noData
      case .tryAgain(let code):
        if let code, code != .serverFailure { throw .failure }
        throw .tryAgain
      case .refused: throw .tryAgain
      case .interrupted: throw .interrupted
      }
    }
    throw .noName
  }

  /// All questions go to all servers at once from one socket; the first good answer to each counts.
  private func muslAsk(_ name: DNSName, _ types: [DNSRecordType]) async -> ResolverOutcome {
    let servers = configuration.servers.prefix(ResolverConfiguration.serverLimit)
      .compactMap(\.v4)
    let queries = types.map {
      DNSMessage(query: name, $0, id: UInt16(truncatingIfNeeded: program.simulation.random.next()))
    }
    let attempts = max(configuration.attempts, 1)
    let interval = Int64.seconds(Int64(max(configuration.timeout, 1))) / Int64(attempts)
    var answers: [DNSMessage?] = queries.map { _ in nil }
    var failure: DNSResponseCode?
    var servfailRetries = 2 * queries.count
    do throws(SocketError) {
      let endpoint = try UDPEndpoint(program)
      defer { endpoint.close() }
      try endpoint.socket.bind(port: 0)
      let end = program.simulation.now + .seconds(Int64(max(configuration.timeout, 1)))
      while program.simulation.now < end, answers.contains(where: { $0 == nil }) {
        for (index, query) in queries.enumerated() where answers[index] == nil {
          for server in servers { try? endpoint.send(query.encoded(), to: server, port: 53) }
        }
        let next = min(program.simulation.now + interval, end)
        while answers.contains(where: { $0 == nil }),
          let datagram = try await endpoint.receive(until: next)
        {
          guard datagram.sourcePort == 53, servers.contains(datagram.source),
            let message = try? DNSMessage(decoding: datagram.bytes),
            let index = queries.firstIndex(where: { $0.id == message.id }), answers[index] == nil
          else { continue }
          switch message.responseCode {
          case .noError, .nameError:
            answers[index] = message
            if message.isTruncated {
              let exchange = GlibcExchange(self, [queries[index]], interval)
              if case .answers(let whole) = await exchange.overTCP(.v4(datagram.source)) {
                answers[index] = whole[0]
              }
            }
          case .serverFailure:
            failure = .serverFailure
            if servfailRetries > 0 {
              servfailRetries -= 1
              try? endpoint.send(queries[index].encoded(), to: datagram.source, port: 53)
            }
          default: answers[index] = message
          }
        }
      }
    } catch {
      return error == .interrupted ? .interrupted : .tryAgain(failure)
    }
    let found = answers.compactMap { $0 }
    guard found.count == queries.count else { return .tryAgain(failure) }
    return Self.outcome(found)
  }
}

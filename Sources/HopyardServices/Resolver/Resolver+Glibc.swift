import HopyardSimulator
import HopyardWire

/// What came of asking for one name.
enum ResolverOutcome {
  /// Answers, of which at least one has records.
  case found([DNSMessage])
  /// The name exists without such records.
  case noData
  /// The name does not exist.
  case noName
  /// No server could tell; the code of the last response, if one came.
  case tryAgain(DNSResponseCode?)
  /// Nobody listens at any server.
  case refused
  case interrupted
}

extension Resolver {
  /// `res_search`: the name as it stands and with each domain of the search list.
  func glibcSearch(_ name: String, _ types: [DNSRecordType]) async throws(ResolutionFailure)
    -> ResolverAnswer
  {
    var first: ResolutionFailure?
    var hadNoData = false
    var last = ResolutionFailure.noName
    let dots = name.count { $0 == "." }
    let candidates = configuration.candidates(for: name)
    let isWhole = name.hasSuffix(".")
    let asIsComesFirst = isWhole || dots >= configuration.ndots
    var stopsSearching = false
    for (index, candidate) in candidates.enumerated() {
      let isAsIs = isWhole || candidate == name
      if stopsSearching && !isAsIs { continue }
      guard let asked = DNSName(candidate) else {
        last = .failure
        stopsSearching = true
        continue
      }
      switch await glibcAsk(asked, types) {
      case .found(let messages): return ResolverAnswer(messages, asked, types)
      case .interrupted: throw .interrupted
      case .noData:
        hadNoData = true
        last = .noData
      case .noName: last = .noName
      case .refused:
        if !isAsIs { throw .tryAgain }
        last = .tryAgain
      case .tryAgain(let code):
        last = .tryAgain
        // Only a server failure lets the search go on.
        if !isAsIs, code != .serverFailure { stopsSearching = true }
      }
      if index == 0 && asIsComesFirst { first = last }
    }
    if let first { throw first }
    if hadNoData { throw .noData }
    throw last
  }

  /// `res_send`: each server in turn, all of them `attempts` times.
  private func glibcAsk(_ name: DNSName, _ types: [DNSRecordType]) async -> ResolverOutcome {
    let servers = configuration.servers.prefix(ResolverConfiguration.serverLimit)
    let queries = types.map { type in
      var query = DNSMessage(
        query: name,
        type,
        id: UInt16(truncatingIfNeeded: program.simulation.random.next()),
        edns: configuration.usesEDNS ? DNSExtension(udpSize: 1200) : nil
      )
      query.isAuthenticated = configuration.trustsAD
      return query
    }
    let start = configuration.rotates ? rotation % max(servers.count, 1) : 0
    rotation += 1
    var order = Array(servers)
    order = Array(order[start...] + order[..<start])
    var sockets: [UDPEndpoint?] = order.map { _ in nil }
    defer { for socket in sockets { socket?.close() } }
    var lastCode: DNSResponseCode?
    var gotSomewhere = false
    for _ in 0..<max(configuration.attempts, 1) {
      for index in order.indices {
        var seconds = configuration.timeout << index
        if index > 0 { seconds /= order.count }
        let exchange = GlibcExchange(self, queries, .seconds(Int64(max(seconds, 1))))
        let outcome =
          configuration.usesTCP
          ? await exchange.overTCP(order[index])
          : await exchange.overUDP(order[index], &sockets[index])
        lastCode = exchange.lastCode ?? lastCode
        gotSomewhere = gotSomewhere || exchange.gotSomewhere
        switch outcome {
        case .answers(let messages): return Self.outcome(messages)
        case .next: continue
        case .interrupted: return .interrupted
        }
      }
    }
    return gotSomewhere ? .tryAgain(lastCode) : .refused
  }

  /// What the responses to the questions for one name come to together (`res_query`).
  static func outcome(_ messages: [DNSMessage]) -> ResolverOutcome {
    if messages.contains(where: { $0.responseCode == .noError && !$0.answers.isEmpty }) {
      return .found(messages)
    }
    if let first = messages.first {
      if messages.contains(where: { $0.responseCode == .noError }) { return .noData }
      switch first.responseCode {
      case .nameError: return .noName
      case .serverFailure: return .tryAgain(.serverFailure)
      default: return .tryAgain(first.responseCode)
      }
    }
    return .tryAgain(nil)
  }
}

/// One round with one server: `send_dg` and `send_vc` of glibc.
final class GlibcExchange {
  enum Outcome {
    case answers([DNSMessage])
    case next
    case interrupted
  }

  private let resolver: Resolver
  private let queries: [DNSMessage]
  private let timeout: Int64
  /// What passes between the two queries for one name.
  private static let pause: Int64 = .microseconds(150)

  private(set) var lastCode: DNSResponseCode?
  /// Whether a packet left and did not come back as an error.
  private(set) var gotSomewhere = false

  init(_ resolver: Resolver, _ queries: [DNSMessage], _ timeout: Int64) {
    self.resolver = resolver
    self.queries = queries
    self.timeout = timeout
  }

  private var program: Program { resolver.program }

  private func open(_ server: IPv4Address) -> UDPEndpoint? {
    do throws(SocketError) {
      return try UDPEndpoint(program, connectedTo: server, port: 53)
    } catch {
      return nil
    }
  }

  func overUDP(_ server: IPAddress, _ socket: inout UDPEndpoint?) async -> Outcome {
    guard case .v4(let address) = server else { return .next }
    if socket == nil { socket = open(address) }
    // A round is repeated with more care when only one of two answers came: there are servers and
    // firewalls, and connection tracking, that lose the second of two queries from one port.
    while true {
      guard let endpoint = socket else { return .next }
      let single =
        resolver.configuration.isSingleRequest || resolver.configuration.isSingleRequestReopen
      switch await round(endpoint, &socket, address, isSingle: single) {
      case .answers(let messages):
        if messages.contains(where: \.isTruncated) { return await overTCP(server) }
        return .answers(messages)
      case .next:
        socket?.close()
        socket = nil
        return .next
      case .timedOut(let received) where received.isEmpty: return .next
      case .timedOut(let received):
        if !single {
          resolver.configuration.isSingleRequest = true
        } else if !resolver.configuration.isSingleRequestReopen {
          resolver.configuration.isSingleRequestReopen = true
          socket?.close()
          socket = open(address)
        } else {
          return .answers(received)
        }
      case .interrupted: return .interrupted
      }
    }
  }

  private enum Round {
    case answers([DNSMessage])
    case next
    case timedOut([DNSMessage])
    case interrupted
  }

  private func round(
    _ first: UDPEndpoint,
    _ socket: inout UDPEndpoint?,
    _ address: IPv4Address,
    isSingle: Bool
  ) async -> Round {
    var endpoint = first
    var answers: [DNSMessage?] = queries.map { _ in nil }
    var failed = queries.map { _ in false }
    var sent = 0
    var deadline = program.simulation.now + timeout
    do throws(SocketError) {
      repeat {
        let count = isSingle ? min(sent + 1, queries.count) : queries.count
        while sent < count {
          // On one processor a server near by answers before the next query leaves.
          if sent > 0, !isSingle { try await program.sleep(nanoseconds: Self.pause) }
          try endpoint.send(queries[sent].encoded())
          sent += 1
        }
        while (0..<sent).contains(where: { answers[$0] == nil && !failed[$0] }) {
          guard let datagram = try await endpoint.receive(until: deadline) else {
            gotSomewhere = true
            return .timedOut(answers.compactMap { $0 })
          }
          guard let message = try? DNSMessage(decoding: datagram.bytes), message.isResponse,
            let index = (0..<sent).first(where: {
              answers[$0] == nil && queries[$0].id == message.id
                && queries[$0].questions == message.questions
            })
          else { continue }
          gotSomewhere = true
          if isUseless(message) {
            lastCode = message.responseCode
            // One useful answer of two is enough to go on with.
            if queries.count == 1 || answers.contains(where: { $0 != nil }) {
              let rest = answers.compactMap { $0 }
              return rest.isEmpty ? .next : .answers(rest)
            }
            failed[index] = true
          } else {
            answers[index] = message
          }
        }
        if sent < queries.count, isSingle {
          if resolver.configuration.isSingleRequestReopen {
            endpoint.close()
            socket = open(address)
            guard let next = socket else { return .next }
            endpoint = next
          }
          deadline = program.simulation.now + timeout
        }
      } while sent < queries.count
    } catch {
      return error == .interrupted ? .interrupted : .next
    }
    let found = answers.compactMap { $0 }
    return found.isEmpty ? .next : .answers(found)
  }

  /// Whether another server may know more.
  private func isUseless(_ message: DNSMessage) -> Bool {
    switch message.responseCode {
    case .serverFailure, .notImplemented, .refused: return true
    case .noError:
      return message.answers.isEmpty && !message.isAuthoritative && !message.offersRecursion
        && message.additionals.isEmpty && message.edns == nil
    default: return false
    }
  }

  func overTCP(_ server: IPAddress) async -> Outcome {
    guard case .v4(let address) = server else { return .next }
    let stream: TCPStream
    do {
      stream = try await TCPStream.connect(program, to: address, port: 53)
    } catch {
      return error == .interrupted ? .interrupted : .next
    }
    defer { stream.close() }
    do throws(SocketError) {
      var messages: [DNSMessage] = []
      let deadline = program.simulation.now + timeout
      try await stream.write(queries.flatMap { $0.encodedForStream() })
      gotSomewhere = true
      while messages.count < queries.count {
        guard let prefix = try await stream.readExactly(2, until: deadline),
          let bytes = try await stream.readExactly(
            Int(prefix[0]) << 8 | Int(prefix[1]),
            until: deadline
          )
        else { return .next }
        guard let message = try? DNSMessage(decoding: bytes),
          queries.contains(where: { $0.id == message.id })
        else { continue }
        messages.append(message)
      }
      let useful = messages.filter { !isUseless($0) }
      if useful.isEmpty {
        lastCode = messages.last?.responseCode
        return .next
      }
      return .answers(
        queries.compactMap { query in useful.first { $0.id == query.id } }
      )
    } catch {
      return error == .interrupted ? .interrupted : .next
    }
  }
}

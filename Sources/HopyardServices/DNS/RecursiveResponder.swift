import HopyardSimulator
import HopyardWire

/// A recursive resolver: asks from the root downward, follows referrals and aliases, and keeps what
/// it learns (RFC 1034 §5.3.3).
public final class RecursiveResponder: DNSResponder {
  /// A server of the root: its name and address.
  public typealias Hint = (name: DNSName, address: IPv4Address)

  /// The program whose sockets it asks with.
  public let program: Program
  /// What it knows.
  public let cache: DNSCache
  /// The servers of the root.
  public let hints: [Hint]
  /// How long it waits for a server, in nanoseconds.
  public var timeout: Int64 = .milliseconds(1500)
  /// How many queries it sent.
  public private(set) var upstreamCount = 0

  private static let depthLimit = 8
  private static let stepLimit = 40

  /// Makes a resolver.
  public init(_ program: Program, hints: [Hint], cache: DNSCache = DNSCache()) {
    self.program = program
    self.hints = hints
    self.cache = cache
  }

  /// What a question came to.
  struct Finding {
    var code = DNSResponseCode.noError
    var answers: [DNSRecord] = []
    var start: DNSRecord?
  }

  /// Responds to a query.
  public func respond(
    to query: DNSMessage,
    from client: SocketAddress,
    over transport: DNSTransport
  ) async -> DNSMessage? {
    guard let question = query.questions.first else { return query.response(.formatError) }
    var response = query.response()
    response.offersRecursion = true
    guard query.wantsRecursion else {
      if case .records(let records)? = cache.lookup(
        question.name,
        question.type,
        at: program.simulation.now
      ) {
        response.answers = records
      }
      return response
    }
    guard question.dnsClass == .internet else { return query.response(.refused) }
    var steps = Self.stepLimit
    let finding = await resolve(question.name, question.type, depth: 0, &steps)
    response.responseCode = finding.code
    response.answers = finding.answers
    if let start = finding.start { response.authorities = [start] }
    return response
  }

  private var now: Instant { program.simulation.now }

  /// Resolves a name and follows its aliases.
  private func resolve(
    _ name: DNSName,
    _ type: DNSRecordType,
    depth: Int,
    _ steps: inout Int
  ) async -> Finding {
    var finding = Finding()
    var name = name
    var seen: Set<DNSName> = []
    while seen.insert(name).inserted {
      let part: Finding
      if let known = cached(name, type) {
        part = known
      } else {
        part = await iterate(name, type, depth: depth, &steps)
      }
      finding.code = part.code
      finding.answers += part.answers
      finding.start = part.start
      guard part.code == .noError, type != .cname, type != .any,
        !part.answers.contains(where: { $0.type == type }),
        let alias = part.answers.last(where: { $0.type == .cname }),
        case .cname(let target) = alias.data
      else { return finding }
      name = target
    }
    return Finding(code: .serverFailure)
  }

  private func cached(_ name: DNSName, _ type: DNSRecordType) -> Finding? {
    switch cache.lookup(name, type, at: now) {
    case .records(let records)?: return Finding(answers: records)
    case .nothing(let code, let start)?: return Finding(code: code, start: start)
    case nil: break
    }
    if type != .cname, case .records(let records)? = cache.lookup(name, .cname, at: now) {
      return Finding(answers: records)
    }
    return nil
  }

  /// The closest servers that are known, and the zone that they have.
  private func closestServers(_ name: DNSName) -> (zone: DNSName, servers: [DNSName]) {
    for zone in name.ancestry {
      if case .records(let records)? = cache.lookup(zone, .ns, at: now) {
        let names = records.compactMap { record -> DNSName? in
          if case .ns(let server) = record.data { server } else { nil }
        }
        if !names.isEmpty { return (zone, names) }
      }
    }
    return (.root, hints.map(\.name))
  }

  /// The addresses of a server; asks for them if they are not known.
  private func addresses(of server: DNSName, depth: Int, _ steps: inout Int) async -> [IPv4Address]
  {
    let isKnown: Bool
    if case .records? = cache.lookup(server, .a, at: now) {
      isKnown = true
    } else {
      isKnown = false
    }
    if !isKnown {
      let hinted = hints.filter { $0.name == server }.map(\.address)
      if !hinted.isEmpty { return hinted }
      if depth >= Self.depthLimit { return [] }
    }
    let finding = await resolve(server, .a, depth: depth + 1, &steps)
    return finding.answers.compactMap { if case .a(let address) = $0.data { address } else { nil } }
  }

  /// Asks servers from the closest known zone downward.
  private func iterate(
    _ name: DNSName,
    _ type: DNSRecordType,
    depth: Int,
    _ steps: inout Int
  ) async -> Finding {
    var (zone, servers) = closestServers(name)
    while true {
      var referral: (zone: DNSName, servers: [DNSName])?
      asking: for server in servers {
        for address in await addresses(of: server, depth: depth, &steps) {
          guard steps > 0 else { return Finding(code: .serverFailure) }
          steps -= 1
          guard let response = await ask(address, name, type) else { continue }
          switch take(response, name, type, zone) {
          case .finding(let finding): return finding
          case .referral(let next, let servers):
            referral = (next, servers)
            break asking
          case .useless: continue
          }
        }
      }
      guard let referral else { return Finding(code: .serverFailure) }
      (zone, servers) = referral
    }
  }

  private func ask(_ address: IPv4Address, _ name: DNSName, _ type: DNSRecordType) async
    -> DNSMessage?
  {
    upstreamCount += 1
    let query = DNSMessage(
      query: name,
      type,
      id: UInt16(truncatingIfNeeded: program.simulation.random.next()),
      wantsRecursion: false,
      edns: DNSExtension()
    )
    var options = DNSClient.Options()
    options.timeout = timeout
    do throws(DNSQueryFailure) {
      return try await DNSClient.exchange(program, query, with: address, options: options).message
    } catch {
      return nil
    }
  }

  private enum Step {
    case finding(Finding)
    case referral(DNSName, [DNSName])
    case useless
  }

  /// Reads a response of a server of `zone`; only what lies in the zone is believed.
  private func take(
    _ response: DNSMessage,
    _ name: DNSName,
    _ type: DNSRecordType,
    _ zone: DNSName
  ) -> Step {
    guard response.responseCode == .noError || response.responseCode == .nameError else {
      return .useless
    }
    let answers = chain(response, name, type, zone)
    if !answers.isEmpty {
      cache.storeSets(answers, at: now)
      // The rest of a chain of aliases is asked for on its own.
      return .finding(Finding(answers: answers))
    }
    let start = response.authorities.first { $0.type == .soa && name.isWithin($0.name) }
    if response.responseCode == .nameError {
      cache.storeNothing(name, type, .nameError, start: start, at: now)
      return .finding(Finding(code: .nameError, start: start))
    }
    let servers = response.authorities.filter {
      $0.type == .ns && name.isWithin($0.name) && $0.name.isWithin(zone)
        && $0.name.labelCount > zone.labelCount
    }
    if let cut = servers.first?.name, start == nil {
      let set = servers.filter { $0.name == cut }
      cache.store(set, at: now)
      let glue = response.additionals.filter {
        ($0.type == .a || $0.type == .aaaa) && $0.name.isWithin(zone)
      }
      cache.storeSets(glue, at: now)
      let names = set.compactMap { record -> DNSName? in
        if case .ns(let server) = record.data { server } else { nil }
      }
      return .referral(cut, names)
    }
    guard response.isAuthoritative || start != nil else { return .useless }
    cache.storeNothing(name, type, .noError, start: start, at: now)
    return .finding(Finding(start: start))
  }

  /// The records of the answer that belong to the name or to its aliases within the zone.
  private func chain(
    _ response: DNSMessage,
    _ name: DNSName,
    _ type: DNSRecordType,
    _ zone: DNSName
  ) -> [DNSRecord] {
    var found: [DNSRecord] = []
    var owner = name
    for _ in 0..<16 {
      guard owner.isWithin(zone) else { return found }
      let own = response.answers.filter { $0.name == owner }
      let wanted = own.filter { type == .any || $0.type == type }
      if !wanted.isEmpty { return found + wanted }
      guard let alias = own.first(where: { $0.type == .cname }),
        case .cname(let target) = alias.data
      else { return found }
      found.append(alias)
      owner = target
    }
    return found
  }
}

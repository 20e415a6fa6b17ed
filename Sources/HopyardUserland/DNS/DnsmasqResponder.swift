import HopyardServices
import HopyardSimulator
import HopyardWire

/// What `dnsmasq` answers: its own records, the rules for domains, and other servers' answers.
final class DnsmasqResponder: DNSResponder {
  private let program: Program
  private let options: DnsmasqOptions
  private var zone = DNSZone(origin: .root)
  private let cache: DNSCache
  /// How often records were given, by which they take turns.
  private var turn = 0
  /// Names in `/etc/hosts`, for answers about their existence.
  private let now: () -> Instant

  init(_ program: Program, _ options: DnsmasqOptions, hosts: [HostsFile]) {
    self.program = program
    self.options = options
    cache = DNSCache(
      capacity: max(options.cacheSize, 1),
      longest: options.maximumTTL ?? 86_400,
      longestNegative: options.negativeTTL ?? 3600
    )
    now = { program.simulation.now }
    for record in options.records { zone.add(record) }
    for file in hosts {
      for entry in file.entries { add(entry) }
    }
  }

  private func add(_ entry: HostsFile.Entry) {
    var names = entry.names
    if options.expandsHosts, let domain = options.domain {
      names += names.filter { !$0.contains(".") }.map { "\($0).\(domain)" }
    }
    for name in names {
      guard let owner = DNSName(name) else { continue }
      switch entry.address {
      case .v4(let address): zone.add(DNSRecord(owner, ttl: options.localTTL, .a(address)))
      case .v6(let address): zone.add(DNSRecord(owner, ttl: options.localTTL, .aaaa(address)))
      }
    }
    let canonical = options.expandsHosts ? names.last : names.first
    let reverse = DNSName(reverse: entry.address)
    if zone.records(of: reverse, .ptr).isEmpty, let name = canonical.flatMap({ DNSName($0) }) {
      zone.add(DNSRecord(reverse, ttl: options.localTTL, .ptr(name)))
    }
  }

  func respond(
    to query: DNSMessage,
    from client: SocketAddress,
    over transport: DNSTransport
  ) async -> DNSMessage? {
    guard let question = query.questions.first else { return query.response(.formatError) }
    var response = query.response()
    response.offersRecursion = true
    if let edns = query.edns {
      response.edns = DNSExtension(udpSize: options.maximumSize, isDNSSECOK: edns.isDNSSECOK)
    }
    if question.dnsClass == .internet, answerLocally(question, &response) {
      response.isAuthoritative = !response.answers.isEmpty
      addServiceAddresses(&response)
      return response
    }
    switch rule(for: question.name) {
    case .nothing:
      response.responseCode = isKnown(question.name) ? .noError : .nameError
      return response
    case .address:
      // A domain that has an address exists, without other records.
      return response
    case .local:
      response.responseCode = isKnown(question.name) ? .noError : .nameError
      return response
    case .server(let server):
      return await forward(query, question, to: servers(of: question.name, or: server), response)
    case .usual, nil: break
    }
    if options.needsDomain, question.name.labelCount == 1, question.type != .ns {
      response.responseCode = isKnown(question.name) ? .noError : .nameError
      return response
    }
    if options.isBogusPrivate, question.type == .ptr, isPrivate(question.name) {
      response.responseCode = .nameError
      return response
    }
    return await forward(query, question, to: options.servers, response)
  }

  // MARK: What is known here

  /// Answers from records and from addresses of domains; false if nothing is known of the type.
  private func answerLocally(_ question: DNSQuestion, _ response: inout DNSMessage) -> Bool {
    var name = question.name
    for _ in 0..<10 {
      let own = zone.records(of: name)
      let wanted = own.filter { question.type == .any || $0.type == question.type }
      if !wanted.isEmpty {
        response.answers += inTurn(wanted)
        return true
      }
      if question.type != .cname,
        let alias = own.first(where: { $0.type == .cname }), case .cname(let target) = alias.data
      {
        // An alias is told only where something is known of what it stands for.
        if isKnown(target) || !addresses(of: target, question.type).isEmpty {
          response.answers.append(alias)
          name = target
          continue
        }
        return !response.answers.isEmpty
      }
      let made = addresses(of: name, question.type)
      if !made.isEmpty {
        response.answers += made
        return true
      }
      break
    }
    if !response.answers.isEmpty { return true }
    // A name that has other records here exists, unless a server may know more.
    if isKnown(name), rule(for: name) == .local { return true }
    return isKnown(name) && (question.type == .a || question.type == .aaaa)
      && zone.records(of: name).contains { $0.type == .a || $0.type == .aaaa }
  }

  /// Records of a kind take turns at being first.
  private func inTurn(_ records: [DNSRecord]) -> [DNSRecord] {
    guard records.count > 1, records.allSatisfy({ $0.type == .a || $0.type == .aaaa }) else {
      return records
    }
    let start = turn % records.count
    turn += 1
    return Array(records[start...] + records[..<start])
  }

  /// `--address`: the rule with the longest domain gives the addresses.
  private func addresses(of name: DNSName, _ type: DNSRecordType) -> [DNSRecord] {
    guard type == .a || type == .aaaa || type == .any, let longest = longest(name) else {
      return []
    }
    return options.rules.compactMap { rule in
      guard length(rule, name) == longest, case .address(let address) = rule.action else {
        return nil
      }
      switch address {
      case .v4(let v4) where type != .aaaa:
        return DNSRecord(name, ttl: options.localTTL, .a(v4))
      case .v6(let v6) where type != .a:
        return DNSRecord(name, ttl: options.localTTL, .aaaa(v6))
      default: return nil
      }
    }
  }

  private func length(_ rule: DnsmasqOptions.DomainRule, _ name: DNSName) -> Int? {
    guard let domain = rule.domain else { return 0 }
    // `//` means names without a dot.
    if domain.isRoot { return name.labelCount == 1 ? 1 : nil }
    return name.isWithin(domain) ? domain.labelCount + 1 : nil
  }

  private func longest(_ name: DNSName) -> Int? {
    options.rules.compactMap { length($0, name) }.max()
  }

  private func rule(for name: DNSName) -> DnsmasqOptions.Action? {
    guard let longest = longest(name) else { return nil }
    return options.rules.first { length($0, name) == longest }?.action
  }

  private func servers(of name: DNSName, or first: SocketAddress) -> [SocketAddress] {
    guard let longest = longest(name) else { return [first] }
    return options.rules.compactMap { rule in
      if length(rule, name) == longest, case .server(let server) = rule.action {
        server
      } else {
        nil
      }
    }
  }

  private func isKnown(_ name: DNSName) -> Bool { !zone.records(of: name).isEmpty }

  private func isPrivate(_ name: DNSName) -> Bool {
    guard let address = name.reversedAddress?.rawValue else { return false }
    return address >> 24 == 10 || address >> 20 == 0xac1 || address >> 16 == 0xc0a8
      || address >> 24 == 127 || address >> 16 == 0xa9fe || address >> 24 == 0
  }

  private func addServiceAddresses(_ response: inout DNSMessage) {
    for record in response.answers {
      let target: DNSName
      switch record.data {
      case .srv(_, _, _, let name), .mx(_, let name): target = name
      default: continue
      }
      for address in zone.records(of: target) where address.type == .a || address.type == .aaaa {
        response.additionals.append(address)
      }
    }
  }

  // MARK: Other servers

  private func forward(
    _ query: DNSMessage,
    _ question: DNSQuestion,
    to servers: [SocketAddress],
    _ empty: DNSMessage
  ) async -> DNSMessage {
    var response = empty
    if options.cacheSize > 0 {
      switch cache.lookup(question.name, question.type, at: now()) {
      case .records(let records)?:
        response.answers = records
        return response
      case .nothing(let code, let start)?:
        response.responseCode = code
        response.authorities = start.map { [$0] } ?? []
        return response
      case nil: break
      }
    }
    guard !servers.isEmpty else {
      response.responseCode = .refused
      // EDE 14: it is not ready (RFC 8914).
      response.edns?.options.append(.init(code: 15, bytes: [0, 14]))
      return response
    }
    var last: DNSMessage?
    for server in servers {
      guard case .v4(let address) = server.address else { continue }
      var asked = query
      asked.id = UInt16(truncatingIfNeeded: program.simulation.random.next())
      var client = DNSClient.Options()
      client.port = server.port
      client.sourcePort = options.queryPort
      // The client asks again before this is over; then it is passed on anew.
      client.timeout = .seconds(servers.count > 1 ? 2 : 10)
      client.ignoresTruncation = true
      do throws(DNSQueryFailure) {
        let answer = try await DNSClient.exchange(program, asked, with: address, options: client)
        last = answer.message
        if answer.message.responseCode == .serverFailure
          || answer.message.responseCode == .refused
        {
          continue
        }
        break
      } catch {
        continue
      }
    }
    guard var answer = last else {
      response.responseCode = .serverFailure
      return response
    }
    store(answer, question)
    answer.id = query.id
    answer.edns = empty.edns
    return answer
  }

  private func store(_ response: DNSMessage, _ question: DNSQuestion) {
    guard options.cacheSize > 0, !response.isTruncated else { return }
    let wanted = response.answers.filter { $0.name == question.name && $0.type == question.type }
    if !wanted.isEmpty {
      cache.store(wanted, at: now())
    } else if response.answers.isEmpty, options.keepsNegative,
      response.responseCode == .noError || response.responseCode == .nameError
    {
      cache.storeNothing(
        question.name,
        question.type,
        response.responseCode,
        start: response.authorities.first { $0.type == .soa },
        at: now()
      )
    }
  }
}

import HopyardServices
import HopyardSimulator
import HopyardWire

/// `dig`, as BIND 9.18 in Debian.
struct DigCommand {
  static let version = "9.18.49-1~deb12u3-Debian"

  static let command = Command(
    "dig",
    check: { check in
      do throws(DigOptions.Failure) {
        _ = try DigOptions(check.texts)
      } catch {
        if case .refused(let index, let message) = error { check.report(index, message) }
      }
    },
    run: { process, arguments async throws(ProcessExit) in
      process.name = "dig"
      let options: DigOptions
      do throws(DigOptions.Failure) {
        options = try DigOptions(arguments)
      } catch {
        switch error {
        case .message(let message, let status, let hasUsage):
          try await process.printError("\(message)\n" + (hasUsage ? DigOptions.usage : ""))
          return status
        case .refused(_, let message): throw .refused("dig: \(message)")
        case .version:
          try await process.printError("DiG \(version)\n")
          return 0
        case .help:
          try await process.print(DigOptions.usage)
          return 0
        }
      }
      for warning in options.warnings { try await process.printError(warning) }
      var command = DigCommand(process, arguments)
      var status: Int32 = 0
      for lookup in options.lookups {
        // The worst outcome of all lookups counts.
        status = max(status, try await command.run(lookup))
      }
      return status
    }
  )

  let process: Process
  private let resolver: Resolver
  private let banner: String
  private var isFirst = true
  private var random: RandomSource

  init(_ process: Process, _ arguments: [String]) {
    self.process = process
    resolver = process.resolver
    banner = arguments.map { " " + $0 }.joined()
    random = RandomSource(seed: process.simulation.random.next())
  }

  private mutating func run(_ lookup: DigOptions.Lookup) async throws(ProcessExit) -> Int32 {
    var query = BindQuery(process: process)
    query.port = lookup.port
    query.tries = lookup.tries
    query.timeout = .seconds(Int64(lookup.timeout))
    query.usesTCP = lookup.usesTCP || lookup.type == .axfr
    query.ignoresTruncation = lookup.ignoresTruncation
    query.goesOnAtFailure = lookup.triesNextServer
    query.isTalkative = lookup.showsComments
    if lookup.type == .axfr { throw .refused("dig: transfers of zones are not modelled") }
    if let source = lookup.source {
      guard let address = IPv4Address(source) else {
        try await process.printError("dig: invalid address \(source)\n")
        return 10
      }
      query.source = address
      query.sourcePort = lookup.sourcePort
    }
    if let server = lookup.server {
      switch try await process.addresses(of: server) {
      case .success(let found):
        query.servers = found.addresses.compactMap(\.v4)
          .map { BindQuery.Server(name: server, address: $0) }
      case .failure(let error):
        let why = error == .noName ? "not found" : "failure"
        try await process.printError("dig: couldn't get address for '\(server)': \(why)\n")
        return 1
      }
    } else {
      query.servers = BindQuery.configuredServers(resolver)
    }
    guard let names = names(lookup) else {
      let isEmptyLabel = lookup.name.contains("..") || lookup.name.hasPrefix(".")
      try await process.printError(
        "dig: '\(lookup.name)' is not a legal name "
          + "(\(isEmptyLabel ? "empty label" : "label too long"))\n"
      )
      return 10
    }
    if lookup.traces { return try await trace(lookup, names[0], query) }
    for (index, name) in names.enumerated() {
      let message = message(lookup, name)
      var asking = query
      if lookup.showsQuery {
        let opening = self.opening(lookup)
        let shown = DigPrinter(lookup).query(message)
        let process = self.process
        asking.onSend = { _, _ async throws(ProcessExit) in
          try await process.print(opening + shown)
        }
        isFirst = false
      }
      switch try await asking.ask(message) {
      case .reply(let reply):
        let isLast = index + 1 == names.count
        if reply.message.responseCode == .nameError, !isLast { continue }
        try await show(reply, lookup, message)
        return 0
      case .none:
        try await process.print(opening(lookup) + ";; no servers could be reached\n")
        isFirst = false
        return 9
      case .unusable: return 9
      }
    }
    return 0
  }

  /// The names to ask for: with `+search` those of the search list.
  private func names(_ lookup: DigOptions.Lookup) -> [DNSName]? {
    guard lookup.searches else {
      return DNSName(lookup.name).map { [$0] }
    }
    var configuration = resolver.configuration
    if let domain = lookup.domain { configuration.search = [domain] }
    if let ndots = lookup.ndots { configuration.ndots = ndots }
    var names: [DNSName] = []
    for candidate in configuration.candidates(for: lookup.name) {
      guard let name = DNSName(candidate) else { return nil }
      names.append(name)
    }
    return names
  }

  private mutating func message(_ lookup: DigOptions.Lookup, _ name: DNSName) -> DNSMessage {
    var message = DNSMessage(id: UInt16(truncatingIfNeeded: random.next()))
    message.questions = [DNSQuestion(name, lookup.type, lookup.dnsClass)]
    message.wantsRecursion = lookup.wantsRecursion
    message.isAuthenticated = lookup.setsAD
    message.isAuthoritative = lookup.setsAA
    message.leavesOutChecks = lookup.setsCD
    guard lookup.usesEDNS else { return message }
    var edns = DNSExtension(udpSize: lookup.bufferSize, isDNSSECOK: lookup.wantsDNSSEC)
    if let subnet = lookup.subnet, let option = Self.subnet(subnet) { edns.options.append(option) }
    if lookup.sendsCookie {
      let bytes = (0..<8).map { _ in UInt8(truncatingIfNeeded: random.next()) }
      edns.options.append(.init(code: 10, bytes: bytes))
    }
    message.edns = edns
    return message
  }

  /// A client's subnet as an option (RFC 7871 §6).
  private static func subnet(_ text: String) -> DNSExtension.Option? {
    let parts = text.split(separator: "/")
    guard let first = parts.first, let address = IPv4Address(String(first)) else { return nil }
    let length = min(parts.count > 1 ? Int(parts[1]) ?? 32 : 32, 32)
    let octets = address.octets
    let bytes = [octets.0, octets.1, octets.2, octets.3].prefix((length + 7) / 8)
    return .init(code: 8, bytes: [0, 1, UInt8(max(length, 0)), 0] + bytes)
  }

  /// What is printed once, before everything else.
  private func opening(_ lookup: DigOptions.Lookup) -> String {
    guard isFirst, lookup.showsCommand else { return "" }
    var text = "\n; <<>> DiG \(Self.version) <<>>\(banner)\n"
    if lookup.server != nil {
      text += "; (1 server found)\n"
    }
    return text + ";; global options: +cmd\n"
  }

  private mutating func show(
    _ reply: BindQuery.Reply,
    _ lookup: DigOptions.Lookup,
    _ query: DNSMessage
  ) async throws(ProcessExit) {
    let clock = process.wallClock
    let text = DigPrinter(lookup).text(reply, query, clock: clock.seconds)
    try await process.print(opening(lookup) + text)
    isFirst = false
  }

  // MARK: Tracing

  /// `+trace`: from the root downward, each server's answer shown.
  private mutating func trace(
    _ lookup: DigOptions.Lookup,
    _ name: DNSName,
    _ query: BindQuery
  ) async throws(ProcessExit) -> Int32 {
    var query = query
    var first = lookup
    first.type = .ns
    first.wantsRecursion = true
    var outcome = try await query.ask(message(first, .root))
    query.port = 53
    var seen: Set<DNSName> = []
    while true {
      guard case .reply(let reply) = outcome else {
        try await process.print(opening(lookup) + ";; no servers could be reached\n")
        return 9
      }
      try await process.print(
        opening(lookup) + DigPrinter(lookup).traced(reply.message)
          + ";; Received \(reply.size) bytes from \(reply.server.address)#\(query.port)"
          + "(\(reply.server.name)) in \(reply.time / 1_000_000) ms\n\n"
      )
      isFirst = false
      let section =
        reply.message.questions.first?.name == .root && seen.isEmpty
        ? reply.message.answers : reply.message.authorities
      let referral = section.filter { record in
        if case .ns = record.data { name.isWithin(record.name) } else { false }
      }
      guard let cut = referral.first?.name, seen.insert(cut).inserted,
        seen.count == 1 || reply.message.answers.isEmpty
      else { return 0 }
      query.servers = []
      for record in referral {
        guard case .ns(let server) = record.data else { continue }
        if case .success(let found) = try await process.addresses(of: server.description) {
          query.servers += found.addresses.compactMap(\.v4)
            .map { BindQuery.Server(name: server.text, address: $0) }
        } else {
          try await process.print("couldn't get address for '\(server.text)': not found\n")
        }
      }
      if query.servers.isEmpty {
        try await process.printError("dig: couldn't get address for any server\n")
        return 9
      }
      outcome = try await query.ask(message(lookup, name))
    }
  }
}

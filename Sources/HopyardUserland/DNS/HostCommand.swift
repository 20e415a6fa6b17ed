import HopyardServices
import HopyardSimulator
import HopyardWire

/// `host`, as BIND 9.18 in Debian.
struct HostCommand {
  static let specification = OptionSpecification(
    "ac:dm:N:p:rR:st:TUvVwW:4",
    refused: "ACi:l6"
  )

  static let usage = """
    Usage: host [-aCdilrTvVw] [-c class] [-N ndots] [-t type] [-W time]
                [-R number] [-m flag] [-p port] hostname [server]
           -a is equivalent to -v -t ANY
           -A is like -a but omits RRSIG, NSEC, NSEC3
           -c specifies query class for non-IN data
           -C compares SOA records on authoritative nameservers
           -d is equivalent to -v
           -l lists all hosts in a domain, using AXFR
           -m set memory debugging flag (trace|record|usage)
           -N changes the number of dots allowed before root lookup is done
           -p specifies the port on the server to query
           -r disables recursive processing
           -R specifies number of retries for UDP packets
           -s a SERVFAIL response should stop query
           -t specifies the query type
           -T enables TCP/IP mode
           -U enables UDP mode
           -v enables verbose output
           -V print version number and exit
           -w specifies to wait forever for a reply
           -W specifies how long to wait for a reply
           -4 use IPv4 query transport only
           -6 use IPv6 query transport only

    """

  static let command = Command("host", options: specification) {
    process,
    arguments async throws(ProcessExit) in
    process.name = "host"
    let parsed = try await process.options(specification, arguments, usage: usage)
    if parsed.has("V") {
      try await process.printError("host \(DigCommand.version)\n")
      return 0
    }
    guard let name = parsed.operands.first, parsed.operands.count <= 2 else {
      try await process.printError(usage)
      return 1
    }
    return try await HostCommand(process, parsed).run(
      name,
      server: parsed.operands.count > 1 ? parsed.operands[1] : nil
    )
  }

  private let process: Process
  private let options: ParsedOptions
  private let resolver: Resolver
  private let isVerbose: Bool

  private init(_ process: Process, _ options: ParsedOptions) {
    self.process = process
    self.options = options
    resolver = process.resolver
    isVerbose = options.has("v") || options.has("d") || options.has("a")
  }

  private func run(_ name: String, server: String?) async throws(ProcessExit) -> Int32 {
    var query = BindQuery(process: process)
    query.tries = options["R"].flatMap { Int($0) }.map { max($0, 0) + 1 } ?? 2
    query.timeout = .seconds(
      options.has("w") ? 1_000_000 : options["W"].flatMap { Int64($0) }.map { max($0, 1) } ?? 5
    )
    if let port = options["p"] {
      guard let number = UInt16(port) else {
        try await process.printError("host: couldn't parse port\n")
        return 1
      }
      query.port = number
    }
    query.usesTCP = options.has("T")
    query.goesOnAtFailure = !options.has("s")
    var heading = ""
    if let server {
      switch try await process.addresses(of: server) {
      case .success(let found):
        query.servers = found.addresses.compactMap(\.v4)
          .map { BindQuery.Server(name: server, address: $0) }
      case .failure:
        try await process.printError("host: couldn't get address for '\(server)': not found\n")
        return 1
      }
      if let first = query.servers.first {
        heading =
          "Using domain server:\nName: \(server)\nAddress: \(first.address)#\(query.port)\n"
          + "Aliases: \n\n"
      }
    } else {
      query.servers = BindQuery.configuredServers(resolver)
    }
    var type: DNSRecordType?
    if options.has("a") { type = .any }
    if let text = options["t"] {
      guard let given = DNSRecordType(text) else {
        try await process.printError("host: invalid type: \(text)\n\n")
        return 2
      }
      type = given
    }
    if type == .axfr { throw .refused("host: transfers of zones are not modelled") }
    if type == nil || type == .ptr {
      let address =
        IPv4Address(name).map { IPAddress.v4($0) } ?? IPv6Address(name).map { IPAddress.v6($0) }
      if let address {
        let reverse = DNSName(reverse: address)
        return try await ask([reverse], .ptr, name, query, heading).status
      }
    }
    var configuration = resolver.configuration
    if let ndots = options["N"].flatMap({ Int($0) }) { configuration.ndots = ndots }
    let candidates = configuration.candidates(for: name).compactMap { DNSName($0) }
    guard !candidates.isEmpty else {
      try await process.printError("host: '\(name)' is not a legal name (empty label)\n")
      return 10
    }
    let first = try await ask(candidates, type ?? .a, name, query, heading)
    guard type == nil, first.status == 0, let found = first.name else { return first.status }
    for next in [DNSRecordType.aaaa, .mx] {
      let outcome = try await ask([found], next, name, query, "", isFollowUp: true)
      if outcome.status != 0 { return outcome.status }
    }
    return 0
  }

  /// Asks for names until one is known; gives the name at the end of its aliases.
  private func ask(
    _ names: [DNSName],
    _ type: DNSRecordType,
    _ typed: String,
    _ query: BindQuery,
    _ heading: String,
    isFollowUp: Bool = false
  ) async throws(ProcessExit) -> (status: Int32, name: DNSName?) {
    for (index, name) in names.enumerated() {
      var message = DNSMessage(id: UInt16(truncatingIfNeeded: process.simulation.random.next()))
      message.wantsRecursion = !options.has("r")
      message.questions = [
        DNSQuestion(name, type, options["c"].flatMap { DNSClass($0) } ?? .internet)
      ]
      if isVerbose { try await process.print("Trying \"\(name.text)\"\n") }
      guard case .reply(let reply) = try await query.ask(message) else {
        try await process.print(";; no servers could be reached\n")
        return (1, nil)
      }
      let code = reply.message.responseCode
      if code != .noError {
        if index + 1 < names.count, code == .nameError { continue }
        if isVerbose {
          try await process.print("Host \(typed) not found: \(code.rawValue)(\(code))\n")
          try await process.print(received(reply))
        } else {
          let shown = type == .ptr ? name.text : typed
          try await process.print(heading)
          try await process.print("Host \(shown) not found: \(code.rawValue)(\(code))\n")
        }
        return (1, nil)
      }
      try await process.print(heading)
      if isVerbose {
        try await process.print(verbose(reply))
      } else {
        try await process.print(lines(reply.message, name, type, isFollowUp: isFollowUp))
      }
      return (0, end(reply.message, name))
    }
    return (1, nil)
  }

  private func end(_ message: DNSMessage, _ name: DNSName) -> DNSName {
    var name = name
    for _ in 0..<16 {
      let alias = message.answers.lazy.compactMap { record -> DNSName? in
        if record.name == name, case .cname(let target) = record.data { target } else { nil }
      }.first
      guard let alias else { break }
      name = alias
    }
    return name
  }

  private func lines(
    _ message: DNSMessage,
    _ name: DNSName,
    _ type: DNSRecordType,
    isFollowUp: Bool
  ) -> String {
    var text = ""
    for record in message.answers {
      // The aliases were printed with the first answer.
      if isFollowUp, record.type == .cname { continue }
      text += Self.line(record)
    }
    if text.isEmpty, !isFollowUp, options["t"] != nil || type == .ptr {
      text = "\(name.text) has no \(type) record\n"
    }
    return text
  }

  private static func line(_ record: DNSRecord) -> String {
    let name = record.name.text
    switch record.data {
    case .a(let address): return "\(name) has address \(address)\n"
    case .aaaa(let address): return "\(name) has IPv6 address \(address)\n"
    case .mx: return "\(name) mail is handled by \(record.data)\n"
    case .cname: return "\(name) is an alias for \(record.data)\n"
    case .ns: return "\(name) name server \(record.data)\n"
    case .ptr: return "\(name) domain name pointer \(record.data)\n"
    case .txt: return "\(name) descriptive text \(record.data)\n"
    default: return "\(name) has \(record.type) record \(record.data)\n"
    }
  }

  private func received(_ reply: BindQuery.Reply) -> String {
    "Received \(reply.size) bytes from \(reply.server.address)#53 in "
      + "\(reply.time / 1_000_000) ms\n"
  }

  private func verbose(_ reply: BindQuery.Reply) -> String {
    let text = DNSText()
    let message = reply.message
    var output = DNSText.header(message) + "\n;; QUESTION SECTION:\n"
    output += message.questions.map { text.line($0) }.joined() + "\n"
    let parts = [
      ("ANSWER", message.answers), ("AUTHORITY", message.authorities),
      ("ADDITIONAL", message.additionals),
    ]
    for (title, records) in parts where !records.isEmpty {
      output += ";; \(title) SECTION:\n" + records.map { text.line($0) }.joined() + "\n"
    }
    return output + received(reply)
  }
}

import HopyardServices
import HopyardSimulator
import HopyardWire

/// `nslookup` with its arguments on the command line, as BIND 9.18 in Debian.
struct NslookupCommand {
  static let command = Command(
    "nslookup",
    check: { check in
      if check.arguments.isEmpty || check.texts.first == "-" {
        check.report(nil, "nslookup without a name, as a dialogue, is not modelled")
      }
      for (index, text) in check.texts.enumerated() {
        guard let text, text.hasPrefix("-"), !known(text) else { continue }
        check.report(index, "the option \(text) is not modelled")
      }
    },
    run: { process, arguments async throws(ProcessExit) in
      process.name = "nslookup"
      return try await NslookupCommand(process).run(arguments)
    }
  )

  private static let settings = [
    "type", "querytype", "query", "qu", "ty", "port", "po", "timeout", "ti", "retry", "ret",
    "domain", "class", "ndots",
  ]
  private static let switches = [
    "vc", "novc", "search", "nosearch", "recurse", "norecurse", "rec", "norec", "fail", "nofail",
    "debug", "nodebug", "version",
  ]

  private static func known(_ text: String) -> Bool {
    let body = text.dropFirst()
    if let mark = body.firstIndex(of: "=") { return settings.contains(String(body[..<mark])) }
    return switches.contains(String(body)) && body != "debug"
  }

  private let process: Process
  private let resolver: Resolver
  private var query: BindQuery
  private var types: [DNSRecordType] = [.a, .aaaa]
  private var searches = true
  private var wantsRecursion = true

  private init(_ process: Process) {
    self.process = process
    resolver = process.resolver
    query = BindQuery(process: process)
  }

  private func run(_ arguments: [String]) async throws(ProcessExit) -> Int32 {
    var command = self
    return try await command.start(arguments)
  }

  private mutating func start(_ arguments: [String]) async throws(ProcessExit) -> Int32 {
    var operands: [String] = []
    var typeIsGiven = false
    for argument in arguments {
      guard argument.hasPrefix("-"), argument != "-" else {
        operands.append(argument)
        continue
      }
      let halves = argument.dropFirst().split(separator: "=", maxSplits: 1).map(String.init)
      let value = halves.count > 1 ? halves[1] : ""
      switch halves.first ?? "" {
      case "type", "querytype", "query", "qu", "ty":
        guard let type = DNSRecordType(value) else {
          try await process.print("unknown query type: \(value)\n")
          continue
        }
        types = [type]
        typeIsGiven = true
      case "port", "po": query.port = UInt16(value) ?? 53
      case "timeout", "ti": query.timeout = .seconds(max(Int64(value) ?? 5, 1))
      case "retry", "ret": query.tries = max(Int(value) ?? 3, 1)
      case "vc": query.usesTCP = true
      case "nosearch": searches = false
      case "norecurse", "norec": wantsRecursion = false
      case "fail": query.goesOnAtFailure = false
      case "version":
        try await process.print("nslookup \(DigCommand.version)\n")
        return 0
      case "novc", "search", "recurse", "rec", "nofail", "nodebug", "class", "domain", "ndots":
        break
      default: throw .refused("nslookup: the option \(argument) is not modelled")
      }
    }
    guard let name = operands.first else {
      throw .refused("nslookup: without a name, as a dialogue, it is not modelled")
    }
    if operands.count > 1 {
      switch try await process.addresses(of: operands[1]) {
      case .success(let found):
        query.servers = found.addresses.compactMap(\.v4)
          .map { BindQuery.Server(name: operands[1], address: $0) }
      case .failure:
        try await process.printError(
          "nslookup: couldn't get address for '\(operands[1])': not found\n"
        )
        return 1
      }
    } else {
      query.servers = BindQuery.configuredServers(resolver)
    }
    let address =
      IPv4Address(name).map { IPAddress.v4($0) } ?? IPv6Address(name).map { IPAddress.v6($0) }
    if let address, !typeIsGiven {
      types = [.ptr]
      return try await ask([DNSName(reverse: address)], name, isReverse: true)
    }
    let names =
      searches
      ? resolver.configuration.candidates(for: name).compactMap { DNSName($0) }
      : [DNSName(name)].compactMap { $0 }
    guard !names.isEmpty else {
      try await process.printError("nslookup: '\(name)' is not a legal name (empty label)\n")
      return 10
    }
    return try await ask(names, name, isReverse: false)
  }

  private func ask(_ names: [DNSName], _ typed: String, isReverse: Bool)
    async throws(ProcessExit) -> Int32
  {
    var heading = ""
    var hasHeading = isReverse
    for (index, name) in names.enumerated() {
      var name = name
      var printed = false
      for (position, type) in types.enumerated() {
        var message = DNSMessage(id: UInt16(truncatingIfNeeded: process.simulation.random.next()))
        message.wantsRecursion = wantsRecursion
        message.questions = [DNSQuestion(name, type)]
        guard case .reply(let reply) = try await query.ask(message) else {
          try await process.print(";; no servers could be reached\n\n")
          return 1
        }
        let code = reply.message.responseCode
        if code == .nameError, index + 1 < names.count { break }
        if code == .noError, reply.message.answers.isEmpty, index + 1 < names.count,
          types.count == 1 || position == 1, !printed
        {
          break
        }
        heading =
          hasHeading
          ? ""
          : "Server:\t\t\(reply.server.name)\nAddress:\t\(reply.server.address)#\(query.port)\n\n"
        if code != .noError {
          let shown = isReverse ? name.text : typed
          try await process.print(heading + "** server can't find \(shown): \(code)\n\n")
          return 1
        }
        if position > 0, reply.message.answers.isEmpty {
          if !printed, index + 1 == names.count {
            try await process.print(heading + "*** Can't find \(typed): No answer\n")
          }
          continue
        }
        if reply.message.answers.isEmpty, types.count > 1 { continue }
        hasHeading = true
        printed = true
        try await process.print(
          heading + text(reply.message, typed, isFollowUp: position > 0)
        )
        if let end = end(reply.message, name) { name = end }
      }
      if printed {
        if !isReverse || types == [.ptr] { try await process.print("\n") }
        return 0
      }
    }
    if !hasHeading { try await process.print("\n") }
    return 0
  }

  private func end(_ message: DNSMessage, _ name: DNSName) -> DNSName? {
    var found: DNSName?
    var owner = name
    for _ in 0..<16 {
      let alias = message.answers.lazy.compactMap { record -> DNSName? in
        if record.name == owner, case .cname(let target) = record.data { target } else { nil }
      }.first
      guard let alias else { break }
      owner = alias
      found = alias
    }
    return found
  }

  private func text(_ message: DNSMessage, _ typed: String, isFollowUp: Bool) -> String {
    var output = ""
    if !isFollowUp, !message.isAuthoritative { output += "Non-authoritative answer:\n" }
    if message.answers.isEmpty { output += "*** Can't find \(typed): No answer\n" }
    for record in message.answers {
      if isFollowUp, record.type == .cname { continue }
      output += Self.line(record)
    }
    if types.count == 1, types != [.a], types != [.aaaa], !message.isAuthoritative {
      output += "\nAuthoritative answers can be found from:\n"
      for record in message.authorities + message.additionals {
        switch record.data {
        case .a(let address): output += "\(record.name.text)\tinternet address = \(address)\n"
        case .aaaa(let address): output += "\(record.name.text)\thas AAAA address \(address)\n"
        default: output += Self.line(record)
        }
      }
    }
    return output
  }

  private static func line(_ record: DNSRecord) -> String {
    let name = record.name.text
    switch record.data {
    case .a(let address): return "Name:\t\(name)\nAddress: \(address)\n"
    case .aaaa(let address): return "Name:\t\(name)\nAddress: \(address)\n"
    case .cname: return "\(name)\tcanonical name = \(record.data)\n"
    case .ptr: return "\(name)\tname = \(record.data)\n"
    case .mx: return "\(name)\tmail exchanger = \(record.data)\n"
    case .ns: return "\(name)\tnameserver = \(record.data)\n"
    case .txt: return "\(name)\ttext = \(record.data)\n"
    case .srv: return "\(name)\tservice = \(record.data)\n"
    case .soa(let soa):
      return """
        \(name)
        \torigin = \(soa.primary.text)
        \tmail addr = \(soa.mailbox.text)
        \tserial = \(soa.serial)
        \trefresh = \(soa.refresh)
        \tretry = \(soa.retry)
        \texpire = \(soa.expire)
        \tminimum = \(soa.minimum)

        """
    default: return "\(name)\trdata_\(record.type.rawValue) = \(record.data)\n"
    }
  }
}

import HopyardServices
import HopyardSimulator
import HopyardWire

/// `nc`, as OpenBSD's netcat in Debian.
enum NetcatCommand {
  static let specification = OptionSpecification(
    "46bCDdhI:i:klM:NnP:p:O:q:rs:T:t:uvW:w:X:x:z",
    refused: "Fm:SUV:Z"
  )

  static let command = Command("nc", options: specification) {
    process,
    arguments async throws(ProcessExit) in
    try await run(process, arguments)
  }

  static let usage = """
    usage: nc [-46CDdFhklNnrStUuvZz] [-I length] [-i interval] [-M ttl]
    \t  [-m minttl] [-O length] [-P proxy_username] [-p source_port]
    \t  [-q seconds] [-s sourceaddr] [-T keyword] [-V rtable] [-W recvlimit]
    \t  [-w timeout] [-X proxy_protocol] [-x proxy_address[:port]]
    \t  [destination] [port]

    """

  static func fail(_ process: Process, _ message: String) async throws(ProcessExit)
    -> ProcessExit
  {
    try await process.printError("nc: \(message)\n")
    return .status(1)
  }

  private static func run(_ process: Process, _ arguments: [String]) async throws(ProcessExit)
    -> Int32
  {
    process.name = "nc"
    let parsed = try await process.options(specification, arguments, usage: usage)
    if parsed.has("h") {
      try await process.printError(usage)
      return 1
    }
    var options = NetcatOptions()
    do {
      try options.read(parsed)
    } catch {
      throw try await fail(process, error.message)
    }
    var operands = parsed.operands
    if options.listens {
      // `-p` names the port to listen on where no other is given.
      if operands.count > 2 || (options.port != nil && !operands.isEmpty && operands.count != 1)
        || (options.source != nil && !operands.isEmpty)
      {
        try await process.printError(usage)
        return 1
      }
      if let port = options.port {
        if operands.count == 1, Int(operands[0]) != nil {
          try await process.printError(usage)
          return 1
        }
        operands.append(port)
      }
      if operands.count == 1 { operands.insert("", at: 0) }
      if operands.isEmpty { throw try await fail(process, "missing port number") }
      if options.scans { throw try await fail(process, "cannot use -z and -l") }
    } else {
      if operands.isEmpty {
        try await process.printError(usage)
        return 1
      }
      if operands.count == 1 { throw try await fail(process, "missing port number") }
      if operands.count > 2 {
        try await process.printError(usage)
        return 1
      }
      if options.keepsListening { throw try await fail(process, "must use -l with -k") }
    }
    if options.wantsIPv6 || operands[0].contains(":") {
      if IPv4Address.inetAton(operands[0]) != nil {
        throw try await fail(
          process,
          "getaddrinfo for host \"\(operands[0])\" port \(operands[1]): "
            + "Address family for hostname not supported"
        )
      }
      throw .refused("nc: IPv6 is not modelled")
    }
    process.ignoredSignals.insert(.pipe)
    if options.listens {
      return try await listen(process, options, host: operands[0], port: operands[1])
    }
    return try await connect(process, options, host: operands[0], ports: operands[1])
  }

  // MARK: Listening

  private static func listen(
    _ process: Process,
    _ options: NetcatOptions,
    host: String,
    port text: String
  ) async throws(ProcessExit) -> Int32 {
    let sockets: SocketTable = process.namespace.sockets
    var address = IPv4Address.any
    if !host.isEmpty {
      switch try await process.address(of: host) {
      case .success(let found): address = found
      case .failure(let error): throw try await fail(process, "getaddrinfo: \(error.text)")
      }
    }
    guard let port = UInt16(text) ?? ServiceNames.port(text) else {
      throw try await fail(process, "getaddrinfo: Servname not supported for ai_socktype")
    }
    while true {
      if options.isUDP {
        let socket = sockets.makeUDP()
        defer { socket.close() }
        process.own(socket)
        options.apply(to: socket)
        socket.options.reusesAddress = true
        socket.options.reusesPort = true
        do {
          try socket.bind(address: address, port: port)
        } catch {
          throw try await fail(process, error.text)
        }
        try await report(process, options, "Bound on", address, socket.localPort)
        if !options.keepsListening {
          while !socket.hasSomething { _ = try await process.waitToRead(socket, until: nil) }
          if let error = socket.takeError() {
            throw try await fail(process, "recvfrom: \(error.text)")
          }
          guard let caller = socket.peek() else { continue }
          do {
            try socket.connect(to: caller.source, port: caller.sourcePort)
          } catch {
            throw try await fail(process, "connect: \(error.text)")
          }
          try await report(
            process,
            options,
            "Connection received on",
            caller.source,
            caller.sourcePort
          )
        }
        try await NetcatRelay(process, options, UDPChannel(socket)).run()
      } else {
        let listener = sockets.makeTCP()
        defer { listener.close() }
        process.own(listener)
        options.apply(to: listener)
        listener.options.reusesAddress = true
        listener.options.reusesPort = true
        do {
          try listener.bind(address: address, port: port)
          try listener.listen(backlog: 1)
        } catch {
          throw try await fail(process, error.text)
        }
        try await report(process, options, "Listening on", address, listener.localPort)
        repeat {
          guard let socket = try await process.accept(listener) else { continue }
          defer { socket.close() }
          try await report(
            process,
            options,
            "Connection received on",
            socket.remoteAddress,
            socket.remotePort
          )
          try await NetcatRelay(process, options, TCPChannel(socket)).run()
        } while options.keepsListening
      }
      if !options.keepsListening { return 0 }
    }
  }

  private static func report(
    _ process: Process,
    _ options: NetcatOptions,
    _ what: String,
    _ address: IPv4Address,
    _ port: UInt16
  ) async throws(ProcessExit) {
    guard options.verbosity > 0 else { return }
    var name = address.description
    if !options.isNumeric {
      guard let found = try await process.name(of: address) else {
        try await process.printError("nc: getnameinfo: Temporary failure in name resolution\n")
        return
      }
      name = found
    }
    try await process.printError("\(what) \(name) \(port)\n")
  }

  // MARK: Connecting

  private static func connect(
    _ process: Process,
    _ options: NetcatOptions,
    host: String,
    ports text: String
  ) async throws(ProcessExit) -> Int32 {
    var ports = try await portList(process, text)
    if options.takesRandomOrder { ports.shuffle(using: &process.simulation.random) }
    if let proxy = options.proxy {
      return try await connect(process, options, through: proxy, host: host, port: ports[0])
    }
    var status: Int32 = 1
    for port in ports {
      let address: IPv4Address
      switch try await process.address(of: host, options.wantsIPv4 ? .v4 : .any) {
      case .success(let found): address = found
      case .failure(let error):
        throw try await fail(
          process,
          "getaddrinfo for host \"\(host)\" port \(port): \(error.text)"
        )
      }
      guard let channel = try await open(process, options, host, address, port) else { continue }
      defer { channel.close() }
      status = 0
      if options.verbosity > 0 || options.scans {
        if options.isUDP, let udp = channel as? UDPChannel {
          guard try await probe(process, options, udp) else {
            status = 1
            continue
          }
        }
        let kind = options.isUDP ? "udp" : "tcp"
        let service =
          options.isNumeric ? nil : ServiceNames.name(port, isUDP: options.isUDP)
        let shown =
          !options.isNumeric && host != address.description ? "\(host) (\(address))" : host
        if options.verbosity > 0 {
          try await process.printError(
            "Connection to \(shown) \(port) port [\(kind)/\(service ?? "*")] succeeded!\n"
          )
        }
      }
      if !options.scans { try await NetcatRelay(process, options, channel).run() }
    }
    return status
  }

  static func open(
    _ process: Process,
    _ options: NetcatOptions,
    _ host: String,
    _ address: IPv4Address,
    _ port: UInt16
  ) async throws(ProcessExit) -> Channel? {
    let sockets: SocketTable = process.namespace.sockets
    let source = try await sourceAddress(process, options)
    let kind = options.isUDP ? "udp" : "tcp"
    let shown =
      !options.isNumeric && host != address.description ? "\(host) (\(address))" : host
    var channel: Channel
    var failure: SocketError?
    if options.isUDP {
      let socket = sockets.makeUDP()
      process.own(socket)
      options.apply(to: socket)
      channel = UDPChannel(socket)
      do {
        if let source { try socket.bind(address: source.address, port: source.port) }
      } catch {
        socket.close()
        throw try await fail(process, "bind failed: \(error.text)")
      }
      do {
        try socket.connect(to: address, port: port)
      } catch {
        failure = error
      }
    } else {
      let socket = sockets.makeTCP()
      process.own(socket)
      options.apply(to: socket)
      channel = TCPChannel(socket)
      do {
        if let source { try socket.bind(address: source.address, port: source.port) }
      } catch {
        socket.close()
        throw try await fail(process, "bind failed: \(error.text)")
      }
      let deadline = options.timeout.map { process.simulation.now + $0 }
      do {
        failure = try await process.connect(socket, to: address, port: port, until: deadline)
      } catch {
        socket.close()
        throw error
      }
    }
    guard let failure else { return channel }
    channel.close()
    if options.verbosity > 0 {
      let verb = failure == .inProgress ? "timed out" : "failed"
      try await process.printError(
        "nc: connect to \(shown) port \(port) (\(kind)) \(verb): \(failure.text)\n"
      )
    }
    return nil
  }

  private static func sourceAddress(_ process: Process, _ options: NetcatOptions)
    async throws(ProcessExit) -> (address: IPv4Address, port: UInt16)?
  {
    guard options.source != nil || options.port != nil else { return nil }
    var address = IPv4Address.any
    var port: UInt16 = 0
    if let text = options.source {
      switch try await process.address(of: text) {
      case .success(let found): address = found
      case .failure(let error): throw try await fail(process, "getaddrinfo: \(error.text)")
      }
    }
    if let text = options.port {
      guard let found = Int(text).map({ UInt16(truncatingIfNeeded: $0) }) ?? ServiceNames.port(text)
      else {
        throw try await fail(process, "getaddrinfo: Servname not supported for ai_socktype")
      }
      port = found
    }
    return (address, port)
  }

  /// Sends datagrams until one is refused or the time is over; whether none was.
  private static func probe(_ process: Process, _ options: NetcatOptions, _ channel: UDPChannel)
    async throws(ProcessExit) -> Bool
  {
    let letter: [UInt8] = [0x58]
    for _ in 0..<2 {
      do {
        _ = try channel.send(letter)
      } catch {
        return false
      }
      // A refusal of the first can be there before the second is sent.
      try await process.finishSending()
    }
    let seconds = options.timeout.map { $0 / 1_000_000_000 } ?? 3
    for _ in 0..<seconds {
      try await process.sleep(nanoseconds: .seconds(1))
      do {
        _ = try channel.send(letter)
      } catch {
        if error == .connectionRefused { return false }
      }
    }
    return true
  }

  private static func portList(_ process: Process, _ text: String) async throws(ProcessExit)
    -> [UInt16]
  {
    func port(_ text: String) async throws(ProcessExit) -> UInt16 {
      if let number = Int64(text) {
        if number < 1 { throw try await fail(process, "port number too small: \(text)") }
        if number > 65_535 { throw try await fail(process, "port number too large: \(text)") }
        return UInt16(number)
      }
      if let port = ServiceNames.port(text) { return port }
      throw try await fail(process, "port number invalid: \(text)")
    }
    if let mark = text.firstIndex(of: "-"), mark != text.startIndex, text.first?.isNumber == true {
      let low = try await port(String(text[..<mark]))
      let high = try await port(String(text[text.index(after: mark)...]))
      return Array(min(low, high)...max(low, high))
    }
    return [try await port(text)]
  }
}

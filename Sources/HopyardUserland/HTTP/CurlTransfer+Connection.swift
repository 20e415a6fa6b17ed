import HopyardServices
import HopyardSimulator
import HopyardWire

/// How `curl` finds and makes the connection for a URL.
extension CurlTransfer {
  /// The proxy for a URL, from the command line or the environment.
  func proxy(for url: HTTPURL) -> HTTPURL? {
    let environment = session.process.environment
    let text = options.proxy ?? environment["http_proxy"] ?? environment["all_proxy"] ?? ""
    let except = options.noProxy ?? environment["no_proxy"] ?? environment["NO_PROXY"] ?? ""
    let host = url.host.lowercased()
    for word in except.split(whereSeparator: { $0 == "," || $0 == " " }) {
      let domain = word.hasPrefix(".") ? word.dropFirst() : word
      if word == "*" || host == domain || host.hasSuffix("." + domain) { return nil }
    }
    guard !text.isEmpty, var proxy = HTTPURL(text) else { return nil }
    if !proxy.hasPort {
      proxy.port = 1080
      proxy.hasPort = true
    }
    return proxy
  }

  /// Where `--connect-to` leads.
  private func redirected(_ host: String, _ port: UInt16) -> (
    host: String, port: UInt16, isNew: Bool
  ) {
    for entry in options.connectsTo {
      let parts = entry.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
      guard parts.count == 4 else { continue }
      if !parts[0].isEmpty, parts[0].lowercased() != host.lowercased() { continue }
      if !parts[1].isEmpty, UInt16(parts[1]) != port { continue }
      return (parts[2].isEmpty ? host : parts[2], UInt16(parts[3]) ?? port, true)
    }
    return (host, port, false)
  }

  private func resolve(_ host: String, _ port: UInt16, isProxy: Bool) async throws(CurlFailure)
    -> [IPv4Address]
  {
    if let given = options.resolves.last(where: {
      ($0.host == host.lowercased() || $0.host == "*") && $0.port == port
    }), !given.addresses.isEmpty {
      return given.addresses
    }
    let what = isProxy ? "Could not resolve proxy" : "Could not resolve host"
    let code: Int32 = isProxy ? 5 : 6
    let family: Resolver.Family = options.wantsIPv6 ? .v6 : options.wantsIPv4 ? .v4 : .any
    var found: Result<Resolver.Result, ResolutionFailure>?
    try await attempt { () async throws(ProcessExit) in
      found = try await session.process.addresses(of: host, family)
    }
    guard case .success(let result)? = found else {
      if options.wantsIPv6, IPv4Address(host) != nil {
        throw CurlFailure(code: 7, message: "Couldn't connect to server")
      }
      let message = "\(what): \(host)"
      try await say(message)
      try await say("Closing connection \(session.connectionCount)")
      session.connectionCount += 1
      throw CurlFailure(code: code, message: message)
    }
    let addresses = result.addresses.compactMap(\.v4)
    guard !addresses.isEmpty else {
      throw CurlFailure(code: 7, message: "Couldn't connect to server")
    }
    return addresses
  }

  func connect(_ url: HTTPURL, _ proxy: HTTPURL?) async throws(CurlFailure)
    -> CurlSession.Connection
  {
    let isTunnel = proxy != nil && options.tunnels
    let key =
      proxy.map { "\($0.host):\($0.port)" + (isTunnel ? ">\(url.host):\(url.port)" : "") }
      ?? "\(url.host.lowercased()):\(url.port)"
    if let place = session.idle.firstIndex(where: { $0.key == key }) {
      let connection = session.idle.remove(at: place)
      if !connection.stream.socket.isReadable {
        try await say("Found bundle for host: 0x55ed45022cb0 [serially]")
        try await say("Can not multiplex, even if we wanted to")
        try await say(
          "Re-using existing connection #\(connection.number) with \(proxy == nil ? "host" : "proxy") "
            + connection.host
        )
        return connection
      }
      try await say("Connection \(connection.number) seems to be dead")
      try await say("Closing connection \(connection.number)")
      connection.stream.close()
    }
    let number = session.connectionCount
    let wanted = proxy.map { ($0.host, $0.port, false) } ?? redirected(url.host, url.port)
    let (host, port, isNew) = wanted
    if isNew {
      try await say("Connecting to hostname: \(host)")
      try await say("Connecting to port: \(port)")
    }
    let addresses = try await resolve(host, port, isProxy: proxy != nil)
    session.connectionCount += 1
    times.nameLookup = elapsed
    let began = now
    var failure = SocketError.connectionRefused
    var isTimedOut = false
    for (position, address) in addresses.enumerated() {
      try await say("  Trying \(address):\(port)...")
      let left = options.connectTimeout - (now - began)
      let share = position + 1 < addresses.count ? left / 2 : left
      let limit = min(share, deadline.map { $0 - now } ?? share)
      let outcome = await dial(address, port, max(limit, 1))
      switch outcome {
      case .success(let stream):
        times.connect = elapsed
        connects += 1
        let shown = isNew ? "(nil)" : host
        try await say("Connected to \(shown) (\(address)) port \(port) (#\(number))")
        return CurlSession.Connection(
          number: number,
          key: key,
          host: shown,
          stream: stream,
          parser: .responses()
        )
      case .failure(.bind(let message)):
        try await say(message)
        try await say("Closing connection \(number)")
        throw CurlFailure(code: 45, message: message)
      case .failure(.socket(let error, let isImmediate)):
        if error == .interrupted {
          try await attempt { () async throws(ProcessExit) in try session.process.takeInterruption()
          }
        }
        failure = error
        if error == .inProgress {
          isTimedOut = true
          if let deadline, now >= deadline { break }
          try await say("ipv4 connect timeout after \(limit / 1_000_000)ms, move on!")
        } else if isImmediate {
          try await say("Immediate connect fail for \(address): \(error.text)")
        } else {
          try await say("connect to \(address) port \(port) failed: \(error.text)")
        }
      }
    }
    let milliseconds = (now - began) / 1_000_000
    if let deadline, deadline - now <= 2_000_000 {
      let message = "Connection timed out after \(elapsed / 1_000_000) milliseconds"
      try await say(message)
      try await say("Closing connection \(number)")
      throw CurlFailure(code: 28, message: message)
    }
    let timedOut = isTimedOut || failure == .timedOut
    let why = timedOut ? "Timeout was reached" : "Couldn't connect to server"
    let message = "Failed to connect to \(host) port \(port) after \(milliseconds) ms: \(why)"
    try await say(message)
    try await say("Closing connection \(number)")
    throw CurlFailure(code: timedOut ? 28 : 7, message: message)
  }

  private enum DialFailure: Error {
    case bind(String)
    case socket(SocketError, isImmediate: Bool)
  }

  /// Connects to one address from the local end that was asked for.
  private func dial(_ address: IPv4Address, _ port: UInt16, _ timeout: Int64) async
    -> Result<TCPStream, DialFailure>
  {
    var connection = TCPStream.Options()
    connection.prepare = { $0.isNoDelay = true }
    var isBoundToDevice = false
    if let interface = options.interface {
      let name = interface.hasPrefix("if!") ? String(interface.dropFirst(3)) : interface
      if let device = program.namespace.devices[name] {
        // A socket that is bound to a device is bound to nothing else.
        isBoundToDevice = true
        connection.prepare = { socket in
          socket.isNoDelay = true
          socket.options.boundIfindex = device.ifindex
        }
      } else if let source = IPv4Address(name) {
        connection.source = source
      } else {
        return .failure(.bind("Couldn't bind to '\(name)'"))
      }
    }
    let ports = isBoundToDevice ? [0] : options.localPorts.map { Array($0) } ?? [0]
    var last = SocketError.addressInUse
    for local in ports {
      connection.sourcePort = local
      let began = now
      do throws(SocketError) {
        return .success(
          try await TCPStream.connect(
            program,
            to: address,
            port: port,
            timeout: timeout,
            options: connection
          )
        )
      } catch {
        last = error
        if error == .addressInUse || error == .addressNotAvailable, local != ports.last { continue }
        let isBindFailure =
          (error == .addressNotAvailable || error == .addressInUse)
          && (connection.source != nil || local != 0)
        if isBindFailure {
          return .failure(.bind("bind failed with errno \(error.rawValue): \(error.text)"))
        }
        return .failure(.socket(error, isImmediate: now == began))
      }
    }
    return .failure(.bind("bind failed with errno \(last.rawValue): \(last.text)"))
  }
}

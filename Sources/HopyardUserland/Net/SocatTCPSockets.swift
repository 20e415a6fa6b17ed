import HopyardSimulator
import HopyardWire

/// The TCP addresses of `socat`.
extension SocatOpener {
  func openTCP() async throws(ProcessExit) -> Channel {
    if address.kind == .tcpListen {
      let (listener, _) = try await listenTCP()
      defer { listener.close() }
      guard let socket = try await process.accept(listener) else { throw .status(1) }
      try await sayAccepted(socket)
      process.environment.merge(peer(socket)) { $1 }
      return tcpChannel(socket)
    }
    let target = try await host(address.parameters[0])
    let targetPort = try await port(address.parameters[1])
    return try await connectTCP(target, targetPort)
  }

  /// Connects as the options say.
  func connectTCP(_ target: IPv4Address, _ targetPort: UInt16, remark: String? = nil)
    async throws(ProcessExit) -> TCPChannel
  {
    try await run.say("N", "opening connection to AF=2 \(target):\(targetPort)")
    if let remark { try await run.say("N", remark) }
    let socket = namespace.sockets.makeTCP()
    let descriptor = takeDescriptor()
    do throws(ProcessExit) {
      try await prepare(socket, descriptor: descriptor)
      if let local = try await localAddress() {
        do {
          try socket.bind(address: local.address, port: local.port)
        } catch {
          throw try await bindFailure(descriptor, local, error)
        }
      }
      var deadline: Instant?
      if let text = address.value("connect-timeout"), let seconds = Double(text), seconds > 0,
        seconds < 1e9
      {
        deadline = process.simulation.now + Int64(seconds * 1e9)
      }
      let failure = try await process.connect(
        socket,
        to: target,
        port: targetPort,
        until: deadline
      )
      if failure == .inProgress {
        throw try await run.fail(
          "connecting to AF=2 \(target):\(targetPort): Connection timed out"
        )
      }
      if let failure {
        if failure == .connectionRefused {
          try await run.say("W", "recvmsg(): Resource temporarily unavailable")
        }
        throw try await run.fail(
          "connect(\(descriptor), AF=2 \(target):\(targetPort), 16): \(failure.text)"
        )
      }
    } catch {
      socket.close()
      throw error
    }
    try await run.say(
      "N",
      "successfully connected from local address AF=2 \(socket.localAddress):\(socket.localPort)"
    )
    let channel = TCPChannel(socket)
    channel.descriptors = (descriptor, descriptor)
    return channel
  }

  private func listenTCP() async throws(ProcessExit) -> (socket: TCPSocket, descriptor: Int) {
    let socket = namespace.sockets.makeTCP()
    let descriptor = takeDescriptor()
    do throws(ProcessExit) {
      try await prepare(socket, descriptor: descriptor)
      let given = try await port(address.parameters[0])
      let local = try await localAddress(defaultPort: given) ?? (.any, given)
      do {
        try socket.bind(address: local.address, port: local.port)
      } catch {
        throw try await bindFailure(descriptor, local, error)
      }
      let backlog = try await backlog()
      do {
        try socket.listen(backlog: backlog)
      } catch {
        throw try await run.fail("listen(\(descriptor), \(backlog)): \(error.text)")
      }
    } catch {
      socket.close()
      throw error
    }
    try await run.say("N", "listening on AF=2 \(socket.localAddress):\(socket.localPort)")
    return (socket, descriptor)
  }

  /// Sets the options that only TCP sockets take.
  func prepareTCP(_ socket: TCPSocket) async throws(ProcessExit) {
    let most = Int(Int32.max)
    if address.has("nodelay") { socket.tcpOptions.isNoDelay = true }
    if address.has("cork") { socket.tcpOptions.isCorked = true }
    if address.has("keepalive") { socket.tcpOptions.keepsAlive = true }
    if let value = try await number("keepidle", 1...32_767) {
      socket.tcpOptions.keepaliveIdle = value
    }
    if let value = try await number("keepintvl", 1...32_767) {
      socket.tcpOptions.keepaliveInterval = value
    }
    if let value = try await number("keepcnt", 1...127) {
      socket.tcpOptions.keepaliveCount = value
    }
    if let value = try await number("mss", 88...32_767) {
      socket.tcpOptions.maximumSegment = value
    }
    if let value = try await number("linger", 0...most) { socket.tcpOptions.linger = value }
    if let value = try await number("linger2", -1...most) { socket.tcpOptions.finTimeout = value }
    if let value = try await number("syncnt", 1...127) { socket.tcpOptions.synCount = value }
    if let value = try await number("defer-accept", 0...most) {
      socket.tcpOptions.deferAccept = value
    }
    if let value = try await number("window-clamp", 0...most) {
      socket.tcpOptions.windowClamp = value
    }
    if let value = try await number("rcvbuf", 0...1 << 30) {
      socket.tcpOptions.receiveBuffer = max(value, 1)
    }
    if let value = try await number("sndbuf", 0...1 << 30) {
      socket.tcpOptions.sendBuffer = max(value, 1)
    }
    if let name = address.value("congestion") {
      guard let algorithm = CongestionAlgorithm(rawValue: name) else {
        throw .refused("socat: the congestion control \(name) is not modelled")
      }
      socket.tcpOptions.congestionControl = algorithm
    }
  }

  private func backlog() async throws(ProcessExit) -> Int {
    try await number("backlog", 0...65_535) ?? 5
  }

  private func sayAccepted(_ socket: TCPSocket) async throws(ProcessExit) {
    try await run.say(
      "N",
      "accepting connection from AF=2 \(socket.remoteAddress):\(socket.remotePort) on "
        + "AF=2 \(socket.localAddress):\(socket.localPort)"
    )
  }

  private func peer(_ socket: TCPSocket) -> [String: String] {
    [
      "SOCAT_PEERADDR": socket.remoteAddress.description,
      "SOCAT_PEERPORT": String(socket.remotePort),
      "SOCAT_SOCKADDR": socket.localAddress.description,
      "SOCAT_SOCKPORT": String(socket.localPort), "SOCAT_VERSION": "1.7.4.4",
    ]
  }

  private func tcpChannel(_ socket: TCPSocket) -> TCPChannel {
    let channel = TCPChannel(socket)
    let descriptor = takeDescriptor()
    channel.descriptors = (descriptor, descriptor)
    return channel
  }

  func serveTCPListen(
    _ body: @escaping (SocatRun, Channel) async throws(ProcessExit) -> Int32
  ) async throws(ProcessExit) {
    let (listener, _) = try await listenTCP()
    defer { listener.close() }
    while true {
      guard let socket = try await process.accept(listener) else { continue }
      try await sayAccepted(socket)
      let next = run.nextDescriptor
      let channel = tcpChannel(socket)
      try await fork(channel, environment: peer(socket), body)
      run.nextDescriptor = next
    }
  }
}

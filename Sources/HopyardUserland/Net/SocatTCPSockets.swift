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

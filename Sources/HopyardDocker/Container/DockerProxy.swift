import HopyardSimulator
import HopyardUserland
import HopyardWire

/// docker-proxy: a process on the host that listens on a published port and hands what comes to
/// the container, over connections of its own.
final class DockerProxy {
  private let process: Process
  private let binding: PortBinding
  private var socket: Socket?

  /// Begins to listen; throws when something else does.
  ///
  /// Without `relays` the port is only kept from others, as dockerd does without the proxy.
  init(_ binding: PortBinding, in daemon: Process, relays: Bool) throws(SocketError) {
    self.binding = binding
    guard let hostAddress = binding.hostAddress.v4, let port = binding.hostPort else {
      process = daemon
      return
    }
    if relays {
      process = daemon.userland.makeProcess()
      process.name = "docker-proxy"
    } else {
      process = daemon
    }
    let table: SocketTable = process.namespace.sockets
    switch binding.ipProtocol {
    case .tcp:
      let socket = table.makeTCP()
      socket.options.reusesAddress = true
      try bind(socket) { () throws(SocketError) in
        try socket.bind(address: hostAddress, port: port)
        try socket.listen(backlog: relays ? 4096 : 0)
      }
      if relays { spawn { await $0.accept(socket) } }
    case .udp:
      let socket = table.makeUDP()
      try bind(socket) { () throws(SocketError) in
        try socket.bind(address: hostAddress, port: port)
      }
      if relays { spawn { await $0.relay(socket) } }
    default: break
    }
  }

  private func bind(_ socket: Socket, _ body: () throws(SocketError) -> Void) throws(SocketError) {
    socket.owner = (process.name, Int(process.pid), process.name == "docker-proxy" ? 4 : 20)
    do {
      try body()
    } catch {
      socket.close()
      if process.name == "docker-proxy" { process.end(1) }
      throw error
    }
    self.socket = socket
  }

  private func spawn(_ body: @escaping (DockerProxy) async -> Void) {
    process.simulation.spawn { [self] in await body(self) }
  }

  /// Ends it.
  func stop() {
    socket?.close()
    socket?.readable.wakeAll()
    socket = nil
    if process.name == "docker-proxy" { process.end(0) }
  }

  // MARK: TCP

  private func accept(_ listener: TCPSocket) async {
    while !listener.isClosed {
      while let client = listener.accept() {
        client.owner = listener.owner
        spawn { await $0.serve(client) }
      }
      if listener.isClosed { return }
      _ = await process.simulation.wait(on: [listener.readable])
    }
  }

  private func serve(_ client: TCPSocket) async {
    guard let address = binding.address.v4 else { return client.close() }
    let simulation = process.simulation
    let server: TCPSocket = process.namespace.sockets.makeTCP()
    server.owner = client.owner
    do {
      try server.connect(to: address, port: binding.port)
    } catch {
      client.close()
      server.close()
      return
    }
    while !server.isEstablished, server.pendingError == nil, server.state != .closed {
      _ = await simulation.wait(on: [server.writable, server.readable])
    }
    if !server.isEstablished {
      client.close()
      server.close()
      return
    }
    let done = WaitQueue()
    var open = 2
    for (from, to) in [(client, server), (server, client)] {
      simulation.spawn {
        await Self.copy(from, to, simulation)
        open -= 1
        done.wakeAll()
      }
    }
    while open > 0 { _ = await simulation.wait(on: [done]) }
    client.close()
    server.close()
  }

  /// Moves bytes until the stream ends, and ends the other's in turn.
  private static func copy(_ from: TCPSocket, _ to: TCPSocket, _ simulation: Simulation) async {
    while true {
      let bytes: [UInt8]?
      do {
        bytes = try from.read()
      } catch {
        to.abort()
        return
      }
      guard let bytes else {
        _ = await simulation.wait(on: [from.readable])
        continue
      }
      if bytes.isEmpty {
        try? to.shutdownWrite()
        return
      }
      var rest = bytes
      while !rest.isEmpty {
        guard let count = try? to.write(rest) else {
          from.abort()
          return
        }
        rest.removeFirst(count)
        if count == 0 { _ = await simulation.wait(on: [to.writable]) }
      }
    }
  }

  // MARK: UDP

  private struct Client: Hashable {
    var address: IPv4Address
    var port: UInt16
  }

  /// How long an idle client's socket is kept.
  private static let idleTime: Int64 = .seconds(90)

  private func relay(_ socket: UDPSocket) async {
    guard let address = binding.address.v4 else { return }
    let simulation = process.simulation
    var clients: [Client: UDPSocket] = [:]
    var sockets: [UDPSocket] = []
    while !socket.isClosed {
      while let datagram = socket.receive() {
        let client = Client(address: datagram.source, port: datagram.sourcePort)
        var server = clients[client]
        if server == nil || server?.isClosed == true {
          let new: UDPSocket = process.namespace.sockets.makeUDP()
          new.owner = socket.owner
          guard (try? new.connect(to: address, port: binding.port)) != nil else {
            new.close()
            continue
          }
          clients[client] = new
          sockets.removeAll(where: \.isClosed)
          sockets.append(new)
          server = new
          let local = datagram.destination
          simulation.spawn {
            await Self.answer(new, socket, client, from: local, simulation)
          }
        }
        try? server?.send(datagram.bytes)
      }
      if socket.isClosed { break }
      _ = await simulation.wait(on: [socket.readable])
    }
    for socket in sockets { socket.close() }
  }

  private static func answer(
    _ server: UDPSocket,
    _ socket: UDPSocket,
    _ client: Client,
    from local: IPv4Address,
    _ simulation: Simulation
  ) async {
    while true {
      while let datagram = server.receive() {
        try? socket.send(datagram.bytes, to: client.address, port: client.port, from: local)
      }
      if server.isClosed || socket.isClosed { break }
      _ = server.takeError()
      let outcome = await simulation.wait(
        on: [server.readable],
        until: simulation.now + idleTime
      )
      if outcome == .timedOut { break }
    }
    server.close()
  }
}

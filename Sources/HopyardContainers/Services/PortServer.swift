public import HopyardSimulator
public import HopyardUserland
public import HopyardWire

/// A modelled server: listens on ports in a process's namespace and speaks each port's protocol.
public final class PortServer {
  /// The process that serves; its end closes the ports.
  public let process: Process
  /// The name that it gives itself in answers.
  public let name: String
  /// The ports that are listened on.
  public private(set) var ports: [ServicePort] = []
  private var sockets: [Socket] = []
  private var isClosed = false

  /// Makes a server without ports.
  public init(_ process: Process, name: String) {
    self.process = process
    self.name = name
  }

  /// Listens on a port, of one address or of all; throws when it is taken.
  public func listen(on port: ServicePort, address: IPv4Address = .any) throws(SocketError) {
    let table: SocketTable = process.namespace.sockets
    switch port.ipProtocol {
    case .tcp:
      let socket = table.makeTCP()
      own(socket)
      socket.options.reusesAddress = true
      do {
        try socket.bind(address: address, port: port.port)
        try socket.listen(backlog: 511)
      } catch {
        socket.close()
        throw error
      }
      sockets.append(socket)
      process.simulation.spawn { [weak self] in await Self.accept(socket, port, self) }
    case .udp:
      let socket = table.makeUDP()
      own(socket)
      do {
        try socket.bind(address: address, port: port.port)
      } catch {
        socket.close()
        throw error
      }
      sockets.append(socket)
      let name = self.name
      process.simulation.spawn { [simulation = process.simulation] in
        await Self.answer(socket, port, name, simulation)
      }
    default: throw .protocolNotSupported
    }
    ports.append(port)
  }

  private func own(_ socket: Socket) {
    socket.uid = process.uid
    socket.owner = (process.name, Int(process.pid), 3 + sockets.count)
  }

  /// Closes the ports; connections that are open go on to their ends.
  public func close() {
    isClosed = true
    for socket in sockets {
      socket.close()
      socket.readable.wakeAll()
    }
    sockets = []
    ports = []
  }

  // MARK: Programs

  private static func accept(_ listener: TCPSocket, _ port: ServicePort, _ server: PortServer?)
    async
  {
    guard let server else { return }
    let simulation = server.process.simulation
    let name = server.name
    while !listener.isClosed {
      while let socket = listener.accept() {
        socket.owner = listener.owner
        socket.uid = listener.uid
        simulation.spawn { await serve(socket, port, name, simulation) }
      }
      if listener.isClosed { return }
      _ = await simulation.wait(on: [listener.readable])
    }
  }

  private static func serve(
    _ socket: TCPSocket,
    _ port: ServicePort,
    _ name: String,
    _ simulation: Simulation
  ) async {
    defer { socket.close() }
    var dialogue = port.service.makeDialogue(server: name)
    guard await send(dialogue.greeting, on: socket, simulation) else { return }
    while true {
      let bytes: [UInt8]?
      do {
        bytes = try socket.read()
      } catch {
        return
      }
      guard let bytes else {
        _ = await simulation.wait(on: [socket.readable])
        continue
      }
      if bytes.isEmpty { return }
      guard await send(dialogue.answer(bytes), on: socket, simulation) else { return }
      if dialogue.isOver { return }
    }
  }

  private static func send(_ bytes: [UInt8], on socket: TCPSocket, _ simulation: Simulation) async
    -> Bool
  {
    var rest = bytes
    while !rest.isEmpty {
      let count: Int
      do {
        count = try socket.write(rest)
      } catch {
        return false
      }
      rest.removeFirst(count)
      if count == 0 { _ = await simulation.wait(on: [socket.writable]) }
    }
    return true
  }

  private static func answer(
    _ socket: UDPSocket,
    _ port: ServicePort,
    _ name: String,
    _ simulation: Simulation
  ) async {
    while !socket.isClosed {
      while let datagram = socket.receive() {
        var dialogue = port.service.makeDialogue(server: name)
        let reply = dialogue.answer(datagram.bytes)
        if reply.isEmpty && port.service != .echo { continue }
        // The answer leaves from the address that was asked, as with IP_PKTINFO.
        let source = datagram.destination.isMulticast ? nil : Optional(datagram.destination)
        try? socket.send(
          reply,
          to: datagram.source,
          port: datagram.sourcePort,
          from: source
        )
      }
      if socket.isClosed { return }
      _ = await simulation.wait(on: [socket.readable])
    }
  }
}

import HopyardSimulator
import HopyardWire

/// A TCP connection of a program.
///
/// Close it when done: an open connection stays in the kernel's tables as it does on Linux.
public final class TCPStream {
  /// The kernel's socket, for its options and state.
  public let socket: TCPSocket
  /// The program that it belongs to.
  public let program: Program

  init(_ socket: TCPSocket, _ program: Program) {
    self.socket = socket
    self.program = program
  }

  /// What a connection is made with.
  public struct Options {
    /// The local address; nil lets the route choose.
    public var source: IPv4Address?
    /// The local port; 0 takes an ephemeral one.
    public var sourcePort: UInt16 = 0
    /// Sets options of the socket before it connects (`SO_MARK`, `SO_BINDTODEVICE`, `IP_TOS`, …).
    public var prepare: (TCPSocket) -> Void = { _ in }

    /// The defaults.
    public init() {}
  }

  /// Connects to a peer.
  ///
  /// With a timeout, in nanoseconds, the error is `inProgress` (`EINPROGRESS`) when it passes, as
  /// with `SO_SNDTIMEO`; without one the kernel gives up after its SYN retries (`ETIMEDOUT`).
  public static func connect(
    _ program: Program,
    to address: IPv4Address,
    port: UInt16,
    timeout: Int64? = nil,
    options: Options = Options()
  ) async throws(SocketError) -> TCPStream {
    let socket = program.namespace.sockets.makeTCP()
    program.own(socket)
    options.prepare(socket)
    do throws(SocketError) {
      if options.source != nil || options.sourcePort != 0 {
        try socket.bind(address: options.source ?? .any, port: options.sourcePort)
      }
      // The kernel's timers tick in jiffies: of two that end together the program's comes first,
      // with the step that it takes.
      let deadline = timeout.map { program.simulation.now + max($0 - 30_000, 1) }
      try socket.connect(to: address, port: port)
      while !socket.isEstablished {
        if let error = socket.takeError() { throw error }
        if socket.state == .closed { throw .connectionAborted }
        let isInTime = try await program.wait(
          on: [socket.writable, socket.readable],
          until: deadline
        )
        if !isInTime, !socket.isEstablished, socket.pendingError == nil { throw .inProgress }
      }
    } catch {
      socket.close()
      throw error
    }
    return TCPStream(socket, program)
  }

  /// The peer.
  public var peer: SocketAddress { SocketAddress(socket.remoteAddress, socket.remotePort) }

  /// The local end.
  public var local: SocketAddress { SocketAddress(socket.localAddress, socket.localPort) }

  /// Up to `maximum` bytes, at least one; none at the peer's end of the stream.
  ///
  /// The error is `wouldBlock` (`EAGAIN`) when the deadline passes, as with `SO_RCVTIMEO`.
  public func read(_ maximum: Int = 65_536, until deadline: Instant? = nil)
    async throws(SocketError) -> [UInt8]
  {
    while true {
      if let bytes = try socket.read(maximum) { return bytes }
      if socket.isClosed { throw .notConnected }
      if try await !program.wait(on: [socket.readable], until: deadline), !socket.isReadable {
        throw .wouldBlock
      }
    }
  }

  /// Exactly as many bytes; nil if the stream ends before.
  public func readExactly(_ count: Int, until deadline: Instant? = nil) async throws(SocketError)
    -> [UInt8]?
  {
    var bytes: [UInt8] = []
    while bytes.count < count {
      let more = try await read(count - bytes.count, until: deadline)
      if more.isEmpty { return nil }
      bytes += more
    }
    return bytes
  }

  /// Everything up to the peer's end of the stream.
  public func readAll(limit: Int = 1 << 26, until deadline: Instant? = nil)
    async throws(SocketError) -> [UInt8]
  {
    var bytes: [UInt8] = []
    while bytes.count < limit {
      let more = try await read(until: deadline)
      if more.isEmpty { break }
      bytes += more
    }
    return bytes
  }

  /// Writes all the bytes, waiting for room in the send buffer.
  public func write(_ bytes: [UInt8], until deadline: Instant? = nil) async throws(SocketError) {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = try socket.write(Array(rest))
      rest = rest.dropFirst(count)
      if count == 0, try await !program.wait(on: [socket.writable], until: deadline) {
        throw .wouldBlock
      }
    }
  }

  /// Ends the stream towards the peer (`SHUT_WR`).
  public func shutdownWrite() throws(SocketError) { try socket.shutdownWrite() }

  /// Closes the connection; the kernel delivers what was written and ends it.
  public func close() { socket.close() }

  /// Breaks the connection with a reset.
  public func abort() { socket.abort() }
}

/// A listening TCP socket of a program.
public final class TCPServer {
  /// The kernel's socket.
  public let socket: TCPSocket
  /// The program that it belongs to.
  public let program: Program

  /// Binds and listens; port 0 takes a free one.
  public init(
    _ program: Program,
    address: IPv4Address = .any,
    port: UInt16,
    backlog: Int = 128,
    prepare: (TCPSocket) -> Void = { _ in }
  ) throws(SocketError) {
    self.program = program
    socket = program.namespace.sockets.makeTCP()
    program.own(socket)
    socket.options.reusesAddress = true
    prepare(socket)
    do throws(SocketError) {
      try socket.bind(address: address, port: port)
      try socket.listen(backlog: backlog)
    } catch {
      socket.close()
      throw error
    }
  }

  /// The port it listens on.
  public var port: UInt16 { socket.localPort }

  /// The next connection; nil when the deadline passed or the server was closed.
  public func accept(until deadline: Instant? = nil) async throws(SocketError) -> TCPStream? {
    while !socket.isClosed {
      if let child = socket.accept() {
        program.own(child)
        return TCPStream(child, program)
      }
      if try await !program.wait(on: [socket.readable], until: deadline), !socket.hasConnection {
        return nil
      }
    }
    return nil
  }

  /// Gives each connection to a handler that runs beside the others, until the server is closed.
  ///
  /// A connection is closed when its handler returns.
  public func serve(_ handler: @escaping (TCPStream) async -> Void) async throws(SocketError) {
    while let stream = try await accept() {
      program.spawn {
        await handler(stream)
        stream.close()
      }
    }
  }

  /// Stops listening.
  public func close() { socket.close() }
}

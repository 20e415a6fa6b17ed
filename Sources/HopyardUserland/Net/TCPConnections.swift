import HopyardSimulator
import HopyardWire

/// A TCP connection as `nc` and `socat` relay it.
final class TCPChannel: Channel {
  let socket: TCPSocket

  init(_ socket: TCPSocket) { self.socket = socket }

  override var input: WaitQueue? { socket.readable }
  override var output: WaitQueue? { socket.writable }
  override var hasError: Bool { socket.pendingError != nil }

  override func receive(_ limit: Int) -> ChannelInput {
    do {
      guard let bytes = try socket.read(limit) else { return .nothing }
      return bytes.isEmpty ? .end : .data(bytes)
    } catch {
      return .failed(error)
    }
  }

  override func send(_ bytes: [UInt8]) throws(SocketError) -> Int { try socket.write(bytes) }
  override func shutdownWrite() { try? socket.shutdownWrite() }
  override func close() { socket.close() }
}

extension Process {
  /// Connects and waits for the outcome: nil when the connection is made.
  ///
  /// Past the deadline the outcome is `inProgress`.
  func connect(
    _ socket: TCPSocket,
    to address: IPv4Address,
    port: UInt16,
    until deadline: Instant?
  ) async throws(ProcessExit) -> SocketError? {
    do {
      try socket.connect(to: address, port: port)
    } catch {
      return error
    }
    // The kernel's timers tick in jiffies: of two that end together the program's comes first,
    // with the step that it takes.
    let deadline = deadline.map { $0 + -30_000 }
    while true {
      if let error = socket.takeError() { return error }
      if socket.isEstablished { return nil }
      if socket.state == .closed { return .connectionAborted }
      if case .timedOut = try await wait(on: [socket.writable, socket.readable], until: deadline) {
        if let error = socket.takeError() { return error }
        return socket.isEstablished ? nil : .inProgress
      }
    }
  }

  /// Waits for a connection.
  func accept(_ listener: TCPSocket, until deadline: Instant? = nil) async throws(ProcessExit)
    -> TCPSocket?
  {
    while true {
      if let socket = listener.accept() {
        own(socket, descriptor: 4)
        return socket
      }
      if case .timedOut = try await wait(on: [listener.readable], until: deadline) { return nil }
    }
  }
}

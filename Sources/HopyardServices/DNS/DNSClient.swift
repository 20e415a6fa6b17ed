import HopyardSimulator
import HopyardWire

/// Why a server gave no response.
public enum DNSQueryFailure: Error, Hashable, Sendable {
  /// None came in time.
  case timedOut
  /// A system call failed, or an ICMP error came.
  case socket(SocketError)
  /// What came over TCP was no message, or the stream ended.
  case malformed
}

/// Asks one server one question.
public enum DNSClient {
  /// How a question is asked.
  public struct Options {
    /// The server's port.
    public var port: UInt16 = 53
    /// How long to wait for a response, in nanoseconds.
    public var timeout: Int64 = .seconds(5)
    /// Whether TCP is used from the start.
    public var usesTCP = false
    /// Whether a truncated response is taken as it is.
    public var ignoresTruncation = false
    /// The local address.
    public var source: IPv4Address?
    /// The local port; 0 takes an ephemeral one.
    public var sourcePort: UInt16 = 0
    /// Whether other bytes than a response to the query are worth an error.
    public var prepare: (Socket) -> Void = { _ in }

    /// The defaults.
    public init() {}
  }

  /// A response and how it came.
  public struct Response: Sendable {
    /// The message.
    public var message: DNSMessage
    /// Its length in bytes.
    public var size: Int
    /// By what it came.
    public var transport: DNSTransport
  }

  /// Sends a query and waits for its response; a truncated one is asked for again over TCP.
  public static func exchange(
    _ program: Program,
    _ query: DNSMessage,
    with server: IPv4Address,
    options: Options = Options()
  ) async throws(DNSQueryFailure) -> Response {
    if options.usesTCP { return try await overTCP(program, query, server, options) }
    do throws(SocketError) {
      let endpoint = try UDPEndpoint(
        program,
        address: options.source ?? .any,
        port: options.sourcePort,
        prepare: { options.prepare($0) }
      )
      defer { endpoint.close() }
      try endpoint.socket.connect(to: server, port: options.port)
      let deadline = program.simulation.now + options.timeout
      try endpoint.send(query.encoded())
      while let datagram = try await endpoint.receive(until: deadline) {
        guard let message = try? DNSMessage(decoding: datagram.bytes), message.isResponse,
          message.id == query.id, message.questions == query.questions || message.questions.isEmpty
        else { continue }
        if message.isTruncated && !options.ignoresTruncation { break }
        return Response(message: message, size: datagram.bytes.count, transport: .udp)
      }
      if program.simulation.now >= deadline { throw .timedOut }
    } catch {
      throw error == .timedOut ? .timedOut : .socket(error)
    }
    return try await overTCP(program, query, server, options)
  }

  private static func overTCP(
    _ program: Program,
    _ query: DNSMessage,
    _ server: IPv4Address,
    _ options: Options
  ) async throws(DNSQueryFailure) -> Response {
    do throws(SocketError) {
      var connection = TCPStream.Options()
      connection.source = options.source
      connection.prepare = { options.prepare($0) }
      let deadline = program.simulation.now + options.timeout
      let stream = try await TCPStream.connect(
        program,
        to: server,
        port: options.port,
        timeout: options.timeout,
        options: connection
      )
      defer { stream.close() }
      try await stream.write(query.encodedForStream(), until: deadline)
      while let prefix = try await stream.readExactly(2, until: deadline),
        let bytes = try await stream.readExactly(
          Int(prefix[0]) << 8 | Int(prefix[1]),
          until: deadline
        )
      {
        guard let message = try? DNSMessage(decoding: bytes) else { break }
        if message.isResponse, message.id == query.id {
          return Response(message: message, size: bytes.count, transport: .tcp)
        }
      }
    } catch {
      throw error == .wouldBlock || error == .inProgress ? .timedOut : .socket(error)
    }
    throw .malformed
  }
}

import HopyardSimulator
import HopyardWire

/// A DNS server: UDP and TCP sockets on a port, and a responder behind them.
///
/// A response that is longer than the client takes over UDP (512 bytes, or what its EDNS says) goes
/// out with TC set; the client asks again over TCP.
public final class DNSServer {
  /// How a server behaves apart from what it answers.
  public struct Options: Sendable {
    /// Names that are shortened in responses.
    public var compression = DNSCompression.full
    /// The longest UDP message that the server sends, and says so in its EDNS.
    public var udpSize: UInt16 = 1232
    /// Whether it listens for TCP too.
    public var usesTCP = true
    /// Whether UDP responses may be cut into fragments on their way (`IP_PMTUDISC_OMIT`).
    public var allowsFragmentation = false
    /// After how long an idle TCP connection is closed, in nanoseconds.
    public var idleTimeout: Int64 = .seconds(30)

    /// The defaults.
    public init() {}
  }

  /// The program that it is.
  public let program: Program
  /// What answers.
  public let responder: any DNSResponder
  /// Queries that came.
  public private(set) var queryCount = 0

  private let options: Options
  private let udp: UDPEndpoint
  private let tcp: TCPServer?

  /// Binds the sockets; `start` makes it answer.
  public init(
    _ program: Program,
    address: IPv4Address = .any,
    port: UInt16 = 53,
    responder: any DNSResponder,
    options: Options = Options()
  ) throws(SocketError) {
    self.program = program
    self.responder = responder
    self.options = options
    udp = try UDPEndpoint(program, address: address, port: port) {
      if options.allowsFragmentation { $0.options.pathMTUDiscovery = .omit }
    }
    guard options.usesTCP else {
      tcp = nil
      return
    }
    do throws(SocketError) {
      tcp = try TCPServer(program, address: address, port: udp.socket.localPort)
    } catch {
      udp.close()
      throw error
    }
  }

  /// The port it answers on.
  public var port: UInt16 { udp.socket.localPort }

  /// The address it is bound to.
  public var address: IPv4Address { udp.socket.localAddress }

  /// Answers from now on, until it is closed.
  public func start() {
    program.spawn { await self.serveDatagrams() }
    if let tcp {
      program.spawn { try? await tcp.serve { await self.serve($0) } }
    }
  }

  /// Closes its sockets.
  public func close() {
    udp.close()
    tcp?.close()
  }

  private func serveDatagrams() async {
    while !udp.socket.isClosed {
      let datagram: Datagram
      do {
        guard let next = try await udp.receive() else { return }
        datagram = next
      } catch {
        if error == .interrupted { return close() }
        continue
      }
      queryCount += 1
      program.spawn { await self.answer(datagram) }
    }
  }

  private func answer(_ datagram: Datagram) async {
    let client = SocketAddress(datagram.source, datagram.sourcePort)
    guard let (response, query) = await response(to: datagram.bytes, from: client, over: .udp)
    else { return }
    let offered = Int(query?.edns.map { max($0.udpSize, 512) } ?? 512)
    let limit = min(offered, max(Int(options.udpSize), 512))
    // From the address that was asked: the socket may be bound to none.
    let source = datagram.destination
    try? udp.send(
      response.truncated(to: limit, options.compression).encoded(options.compression),
      to: datagram.source,
      port: datagram.sourcePort,
      from: source.isMulticast || source.isBroadcast ? nil : source
    )
  }

  /// The response to bytes that ought to be a query; nil for silence.
  private func response(
    to bytes: [UInt8],
    from client: SocketAddress,
    over transport: DNSTransport
  ) async -> (response: DNSMessage, query: DNSMessage?)? {
    let query: DNSMessage
    do {
      query = try DNSMessage(decoding: bytes)
    } catch {
      // A broken query is answered as such, if it has a header at all (RFC 1035 §4.1.1).
      guard bytes.count >= 12, bytes[2] & 0x80 == 0 else { return nil }
      var response = DNSMessage(id: UInt16(bytes[0]) << 8 | UInt16(bytes[1]))
      response.isResponse = true
      response.responseCode = .formatError
      return (response, nil)
    }
    guard !query.isResponse else { return nil }
    var response: DNSMessage
    if query.opcode != 0 {
      response = query.response(.notImplemented)
    } else if query.questions.count != 1 {
      response = query.response(.formatError)
    } else if let edns = query.edns, edns.version > 0 {
      response = query.response(.badVersion)
    } else {
      guard let made = await responder.respond(to: query, from: client, over: transport) else {
        return nil
      }
      response = made
    }
    if query.edns != nil {
      if response.edns == nil { response.edns = DNSExtension(udpSize: options.udpSize) }
    } else {
      response.edns = nil
    }
    return (response, query)
  }

  private func serve(_ stream: TCPStream) async {
    do {
      while true {
        let deadline = program.simulation.now + options.idleTimeout
        guard let prefix = try await stream.readExactly(2, until: deadline) else { return }
        let length = Int(prefix[0]) << 8 | Int(prefix[1])
        guard let bytes = try await stream.readExactly(length, until: deadline) else { return }
        queryCount += 1
        guard let (response, _) = await response(to: bytes, from: stream.peer, over: .tcp) else {
          return
        }
        try await stream.write(response.encodedForStream(options.compression))
      }
    } catch {
      return
    }
  }
}

import HopyardServices
import HopyardSimulator
import HopyardWire

/// How `dig`, `host` and `nslookup` ask servers: each try from a new socket, one server after the
/// other.
struct BindQuery {
  /// A server as it was named.
  struct Server: Hashable {
    var name: String
    var address: IPv4Address
  }

  /// A response and how it came.
  struct Reply {
    var message: DNSMessage
    var size: Int
    var transport: DNSTransport
    var server: Server
    /// Nanoseconds from the query to the response.
    var time: Int64
  }

  /// What came of asking.
  enum Outcome {
    case reply(Reply)
    /// No server answered.
    case none
    /// Sockets could not be set up: the message was printed for each try.
    case unusable
  }

  let process: Process
  var servers: [Server] = []
  var port: UInt16 = 53
  var tries = 3
  var timeout: Int64 = .seconds(5)
  var usesTCP = false
  var ignoresTruncation = false
  var source: IPv4Address?
  var sourcePort: UInt16 = 0
  /// Whether a server's failure makes the next one be asked.
  var goesOnAtFailure = true
  /// Whether remarks are printed.
  var isTalkative = true
  /// Called before each query is sent.
  var onSend: ((DNSMessage, Int) async throws(ProcessExit) -> Void)?

  /// Asks until a server answers.
  func ask(_ query: DNSMessage) async throws(ProcessExit) -> Outcome {
    var isUnusable = false
    var failed: Reply?
    var tcp = usesTCP
    for _ in 0..<max(tries, 1) {
      for (index, server) in servers.enumerated() {
        if let onSend { try await onSend(query, query.encoded().count) }
        let start = process.simulation.now
        let attempt = tcp ? await overTCP(query, server) : await overUDP(query, server)
        switch attempt {
        case .response(var message, var size):
          var transport = tcp ? DNSTransport.tcp : .udp
          if message.isTruncated, !ignoresTruncation, !tcp {
            try await remark("Truncated, retrying in TCP mode.")
            tcp = true
            // The message over TCP is a new one.
            var again = query
            again.id = UInt16(truncatingIfNeeded: process.simulation.random.next())
            guard case .response(let whole, let length) = await overTCP(again, server) else {
              continue
            }
            (message, size, transport) = (whole, length, .tcp)
          }
          let reply = Reply(
            message: message,
            size: size,
            transport: transport,
            server: server,
            time: process.simulation.now - start
          )
          let isFailure =
            message.responseCode == .serverFailure || message.responseCode == .refused
          if isFailure, goesOnAtFailure, message.responseCode == .serverFailure,
            index + 1 < servers.count
          {
            failed = reply
            continue
          }
          return .reply(reply)
        case .error(let error):
          if error == .interrupted { try process.takeInterruption() }
          try await say(
            ";; communications error to \(server.address)#\(port): \(Self.text(error))\n"
          )
        case .unusable(let error):
          isUnusable = true
          let what = tcp ? "Connection to" : "UDP setup with"
          try await say(
            ";; \(what) \(server.address)#\(port)(\(server.name)) for "
              + "\(query.questions.first?.name.text ?? ".") failed: \(Self.text(error)).\n"
          )
          if index + 1 == servers.count { try await say(";; no servers could be reached\n") }
        }
      }
    }
    if let failed { return .reply(failed) }
    return isUnusable ? .unusable : .none
  }

  private func say(_ text: String) async throws(ProcessExit) { try await process.print(text) }

  private func remark(_ text: String) async throws(ProcessExit) {
    if isTalkative { try await process.print(";; \(text)\n") }
  }

  private enum Attempt {
    case response(DNSMessage, Int)
    case error(SocketError)
    case unusable(SocketError)
  }

  private func overUDP(_ query: DNSMessage, _ server: Server) async -> Attempt {
    let endpoint: UDPEndpoint
    do throws(SocketError) {
      endpoint = try UDPEndpoint(
        process.program,
        address: source ?? .any,
        port: sourcePort,
        prepare: { $0.options.pathMTUDiscovery = .omit }
      )
    } catch {
      return .unusable(error)
    }
    defer { endpoint.close() }
    do throws(SocketError) {
      try endpoint.socket.connect(to: server.address, port: port)
    } catch {
      return .unusable(error)
    }
    do throws(SocketError) {
      let deadline = process.simulation.now + timeout
      try endpoint.send(query.encoded())
      while let datagram = try await endpoint.receive(until: deadline) {
        guard let message = try? DNSMessage(decoding: datagram.bytes), message.id == query.id else {
          continue
        }
        return .response(message, datagram.bytes.count)
      }
      return .error(.timedOut)
    } catch {
      return .error(error)
    }
  }

  private func overTCP(_ query: DNSMessage, _ server: Server) async -> Attempt {
    let deadline = process.simulation.now + timeout
    let stream: TCPStream
    do throws(SocketError) {
      var options = TCPStream.Options()
      options.source = source
      options.sourcePort = sourcePort
      // BIND's network library asks for segments that fit IPv6's smallest MTU.
      options.prepare = { $0.maximumSegmentLimit = 1220 }
      stream = try await TCPStream.connect(
        process.program,
        to: server.address,
        port: port,
        timeout: timeout,
        options: options
      )
    } catch {
      if error == .inProgress || error == .timedOut { return .error(.timedOut) }
      return error == .interrupted ? .error(error) : .unusable(error)
    }
    defer { stream.close() }
    do throws(SocketError) {
      try await stream.write(query.encodedForStream(), until: deadline)
      while let prefix = try await stream.readExactly(2, until: deadline),
        let bytes = try await stream.readExactly(
          Int(prefix[0]) << 8 | Int(prefix[1]),
          until: deadline
        )
      {
        guard let message = try? DNSMessage(decoding: bytes), message.id == query.id else {
          continue
        }
        return .response(message, bytes.count)
      }
      return .error(.connectionReset)
    } catch {
      return .error(error == .wouldBlock ? .timedOut : error)
    }
  }

  /// An error as BIND's library calls it.
  static func text(_ error: SocketError) -> String {
    switch error {
    case .timedOut: "timed out"
    case .connectionRefused: "connection refused"
    case .networkUnreachable: "network unreachable"
    case .hostUnreachable: "host unreachable"
    case .addressNotAvailable: "address not available"
    case .addressInUse: "address in use"
    case .accessDenied: "permission denied"
    case .operationNotPermitted: "permission denied"
    case .connectionReset: "end of file"
    default: error.text.lowercased()
    }
  }

  /// The servers that `/etc/resolv.conf` names.
  static func configuredServers(_ resolver: Resolver) -> [Server] {
    resolver.configuration.servers.compactMap(\.v4)
      .map { Server(name: $0.description, address: $0) }
  }
}

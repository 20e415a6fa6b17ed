public import HopyardServices
import HopyardSimulator
public import HopyardWire

/// What came of a probe.
public enum ProbeResult: String, Sendable, CaseIterable {
  /// An answer came back.
  case reply
  /// The other side said that nobody listens there.
  case refused
  /// Nothing came back.
  case timeout
  /// There is no such name.
  case nxdomain
  /// There is no way there.
  case unreachable
}

/// Sends what a client would send, and sees what comes back.
public struct NetworkProbe {
  /// The program that sends.
  public let program: Program
  /// How long it waits for a connection, in nanoseconds.
  public var connectTimeout: Int64 = .seconds(5)
  /// How long it waits for an answer, in nanoseconds.
  public var answerTimeout: Int64 = .seconds(3)

  /// Makes a probe.
  public init(_ program: Program) { self.program = program }

  /// Resolves a name with the program's own files, then probes a port of the address.
  public func send(
    to name: String,
    port: UInt16,
    _ ipProtocol: IPProtocol,
    _ service: ServiceProtocol = .echo
  ) async -> ProbeResult {
    let start = program.simulation.now
    switch await resolve(name) {
    case .success(let address): return await send(to: address, port: port, ipProtocol, service)
    case .failure(let failure):
      // A name server that says at once that it has failed is not one that does not answer.
      let isSlow = program.simulation.now - start >= .seconds(1)
      return failure == .tryAgain && isSlow ? .timeout : .nxdomain
    }
  }

  /// The IPv4 address of a name, as the program's resolver finds it.
  public func resolve(_ name: String) async -> Result<IPv4Address, ResolutionFailure> {
    do {
      let found = try await Resolver(program).lookup(name, .v4)
      guard let address = found.addresses.first?.v4 else { return .failure(.noName) }
      return .success(address)
    } catch {
      return .failure(error)
    }
  }

  /// Probes a port of an address.
  public func send(
    to address: IPv4Address,
    port: UInt16,
    _ ipProtocol: IPProtocol,
    _ service: ServiceProtocol = .echo
  ) async -> ProbeResult {
    switch ipProtocol {
    case .icmp: await ping(address)
    case .udp: await datagram(to: address, port: port, service)
    default: await connection(to: address, port: port, service)
    }
  }

  private static func result(_ error: SocketError) -> ProbeResult {
    switch error {
    case .connectionRefused, .connectionReset, .connectionAborted, .brokenPipe: .refused
    case .networkUnreachable, .hostUnreachable, .networkDown, .operationNotPermitted, .accessDenied,
      .addressNotAvailable:
      .unreachable
    default: .timeout
    }
  }

  // MARK: TCP

  private func connection(to address: IPv4Address, port: UInt16, _ service: ServiceProtocol) async
    -> ProbeResult
  {
    let stream: TCPStream
    do {
      stream = try await TCPStream.connect(
        program,
        to: address,
        port: port,
        timeout: connectTimeout
      )
    } catch {
      return Self.result(error)
    }
    defer { stream.close() }
    do {
      let deadline = program.simulation.now + answerTimeout
      let question = service.question
      if !question.isEmpty { try await stream.write(question, until: deadline) }
      let answer = try await stream.read(until: deadline)
      return answer.isEmpty ? .refused : .reply
    } catch {
      return Self.result(error)
    }
  }

  // MARK: UDP

  private func datagram(to address: IPv4Address, port: UInt16, _ service: ServiceProtocol) async
    -> ProbeResult
  {
    let socket = program.namespace.sockets.makeUDP()
    program.own(socket)
    defer { socket.close() }
    do {
      try socket.connect(to: address, port: port)
      try socket.send(service.datagramQuestion)
      let deadline = program.simulation.now + answerTimeout
      while true {
        if let error = socket.takeError() { return Self.result(error) }
        if socket.receive() != nil { return .reply }
        if try await !program.wait(on: [socket.readable], until: deadline), !socket.hasData {
          return socket.takeError().map(Self.result) ?? .timeout
        }
      }
    } catch {
      return Self.result(error)
    }
  }

  // MARK: ICMP

  private func ping(_ address: IPv4Address) async -> ProbeResult {
    let endpoint = RawEndpoint(program, .icmp)
    defer { endpoint.close() }
    let identifier = UInt16(truncatingIfNeeded: program.simulation.random.next())
    let high = UInt8(identifier >> 8)
    let low = UInt8(identifier & 255)
    var message: [UInt8] = [8, 0, 0, 0, high, low, 0, 1] + Array(repeating: 0x68, count: 48)
    let sum = message.withUnsafeBytes { InternetChecksum.checksum(of: $0) }
    message[2] = UInt8(sum >> 8)
    message[3] = UInt8(sum & 255)
    do {
      try endpoint.send(message, to: address)
      let deadline = program.simulation.now + answerTimeout
      while let datagram = try await endpoint.receive(until: deadline) {
        let header = datagram.bytes.first.map { Int($0 & 15) * 4 } ?? 0
        let reply = Array(datagram.bytes.dropFirst(header))
        if reply.count >= 8, reply[0] == 0, reply[4] == high, reply[5] == low { return .reply }
        // An error quotes the request: its IP header and eight bytes more.
        guard reply.count >= 36, reply[0] == 3 else { continue }
        let quoted = 8 + Int(reply[8] & 15) * 4
        if reply.count >= quoted + 6, reply[quoted] == 8, reply[quoted + 4] == high,
          reply[quoted + 5] == low
        {
          return .unreachable
        }
      }
      return .timeout
    } catch {
      return Self.result(error)
    }
  }
}

extension ServiceProtocol {
  /// What a client says first; nothing where the server begins.
  var question: [UInt8] {
    switch self {
    case .http: Array("GET / HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n".utf8)
    case .postgres: [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]
    case .redis: Array("PING\r\n".utf8)
    case .memcached: Array("version\r\n".utf8)
    case .dns: [0, UInt8(datagramQuestion.count)] + datagramQuestion
    case .mysql, .ssh, .smtp, .ftp: []
    case .echo: Array("probe\r\n".utf8)
    }
  }

  /// What a client sends in one datagram.
  var datagramQuestion: [UInt8] {
    guard self == .dns else { return Array("probe".utf8) }
    return [0x12, 0x34, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0, 5]
      + Array("probe".utf8) + [0, 0, 1, 0, 1]
  }
}

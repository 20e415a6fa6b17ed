import HopyardSimulator
import HopyardWire

/// An HTTP/1.1 server: keep-alive, chunked requests, `Expect: 100-continue`.
public final class HTTPServer {
  /// One exchange as the handler sees it.
  public struct Exchange {
    /// The request with its content.
    public let request: HTTPRequest
    /// Who asks.
    public let client: SocketAddress
    /// The address and port that were asked.
    public let local: SocketAddress
  }

  /// Makes the response to a request.
  public typealias Handler = (Exchange) async -> HTTPResponse

  /// How a server behaves apart from what it answers.
  public struct Options: Sendable {
    /// After how long an idle connection is closed, in nanoseconds.
    public var idleTimeout: Int64 = .seconds(60)
    /// How long the content of a request may be.
    public var bodyLimit = 1 << 26
    /// Whether connections stay open between requests.
    public var keepsAlive = true

    /// The defaults.
    public init() {}
  }

  /// The program that it is.
  public let program: Program
  /// Requests that were answered.
  public private(set) var requestCount = 0

  private let server: TCPServer
  private let handler: Handler
  private let options: Options

  /// Listens on a port; `start` makes it answer.
  public init(
    _ program: Program,
    address: IPv4Address = .any,
    port: UInt16 = 80,
    options: Options = Options(),
    prepare: (TCPSocket) -> Void = { _ in },
    handler: @escaping Handler
  ) throws(SocketError) {
    self.program = program
    self.options = options
    self.handler = handler
    server = try TCPServer(program, address: address, port: port, prepare: prepare)
  }

  /// The port it listens on.
  public var port: UInt16 { server.port }

  /// The listening socket.
  public var socket: TCPSocket { server.socket }

  /// Answers from now on, until it is closed.
  public func start() {
    program.spawn { try? await self.server.serve { await self.serve($0) } }
  }

  /// Stops listening; connections that are open go on.
  public func close() { server.close() }

  private func serve(_ stream: TCPStream) async {
    var parser = HTTPParser.requests()
    do throws(HTTPFailure) {
      while let request = try await receive(stream, &parser) {
        requestCount += 1
        var response = await handler(
          Exchange(request: request, client: stream.peer, local: stream.local)
        )
        let goesOn = request.keepsAlive && response.keepsAlive && options.keepsAlive
        Self.complete(&response, for: request, keepsAlive: goesOn)
        do {
          try await stream.write(
            request.method == "HEAD" ? response.encodedHead : response.encoded
          )
        } catch {
          throw .socket(error)
        }
        if !goesOn { return }
      }
    } catch {
      guard case .http(let fault) = error else { return }
      let status = fault == .headTooLong ? 431 : 400
      var response = HTTPResponse(status, text: "\(fault)\n")
      Self.complete(&response, for: HTTPRequest("GET", "/"), keepsAlive: false)
      try? await stream.write(response.encoded)
    }
  }

  private func receive(_ stream: TCPStream, _ parser: inout HTTPParser)
    async throws(HTTPFailure) -> HTTPRequest?
  {
    var request: HTTPRequest?
    let deadline = program.simulation.now + options.idleTimeout
    while true {
      let event: HTTPParser.Event?
      do { event = try parser.next() } catch { throw .http(error) }
      switch event {
      case .request(let head):
        request = head
        if head.minorVersion >= 1, head.fields.contains("Expect", token: "100-continue") {
          do {
            try await stream.write(HTTPResponse(100).encodedHead)
          } catch {
            throw .socket(error)
          }
        }
      case .body(let bytes):
        request?.body += bytes
        if (request?.body.count ?? 0) > options.bodyLimit { throw .http(.contentLength) }
      case .end: return request
      case .response: throw .http(.requestLine)
      case nil:
        let bytes: [UInt8]
        do { bytes = try await stream.read(until: deadline) } catch { throw .socket(error) }
        if bytes.isEmpty { return nil }
        parser.append(bytes)
      }
    }
  }

  /// Adds what the framing needs.
  private static func complete(
    _ response: inout HTTPResponse,
    for request: HTTPRequest,
    keepsAlive: Bool
  ) {
    let hasNoBody = response.status < 200 || response.status == 204 || response.status == 304
    if !hasNoBody, response.fields["Content-Length"] == nil,
      response.fields["Transfer-Encoding"] == nil
    {
      response.fields["Content-Length"] = String(response.body.count)
    }
    if response.fields.contains("Transfer-Encoding", token: "chunked") {
      let body = response.body
      var coded: [UInt8] = []
      if !body.isEmpty {
        coded = Array("\(String(body.count, radix: 16))\r\n".utf8) + body + Array("\r\n".utf8)
      }
      response.body = coded + Array("0\r\n\r\n".utf8)
    }
    if !keepsAlive, request.minorVersion >= 1 { response.fields["Connection"] = "close" }
    if keepsAlive, request.minorVersion == 0 { response.fields["Connection"] = "keep-alive" }
  }
}

/// What ended an HTTP exchange.
public enum HTTPFailure: Error, Hashable, Sendable, CustomStringConvertible {
  /// A name could not be resolved.
  case resolution(String)
  /// A system call failed.
  case socket(SocketError)
  /// What came is not HTTP.
  case http(HTTPError)
  /// The stream ended before a response began.
  case emptyReply
  /// The time for the whole exchange is over.
  case timedOut

  /// The fault in a few words.
  public var description: String {
    switch self {
    case .resolution(let name): "could not resolve \(name)"
    case .socket(let error): error.text
    case .http(let error): error.description
    case .emptyReply: "empty reply from server"
    case .timedOut: "timed out"
    }
  }
}

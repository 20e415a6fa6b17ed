import HopyardSimulator
import HopyardWire

/// A connection over which HTTP/1.1 requests are made one after the other.
public final class HTTPConnection {
  /// The connection beneath.
  public let stream: TCPStream
  private var parser = HTTPParser.responses()
  /// Whether another request may follow.
  public private(set) var isReusable = true

  /// Takes a connection.
  public init(_ stream: TCPStream) { self.stream = stream }

  /// Sends a request and waits for its response.
  ///
  /// - Parameters:
  ///   - deadline: when the whole exchange must be over.
  ///   - onHead: told of the head of the response.
  ///   - onBody: told of each piece of the content.
  public func exchange(
    _ request: HTTPRequest,
    until deadline: Instant? = nil,
    onHead: ((HTTPResponse) async -> Void)? = nil,
    onBody: (([UInt8]) async -> Void)? = nil
  ) async throws(HTTPFailure) -> HTTPResponse {
    parser.expect(request.method)
    do {
      try await stream.write(request.encoded, until: deadline)
    } catch {
      isReusable = false
      throw error == .wouldBlock ? .timedOut : .socket(error)
    }
    do throws(HTTPFailure) {
      let response = try await receive(until: deadline, onHead, onBody)
      isReusable = response.keepsAlive && request.keepsAlive && !parser.endsWithStream && isReusable
      return response
    } catch {
      isReusable = false
      throw error
    }
  }

  private func receive(
    until deadline: Instant?,
    _ onHead: ((HTTPResponse) async -> Void)?,
    _ onBody: (([UInt8]) async -> Void)?
  ) async throws(HTTPFailure) -> HTTPResponse {
    var response: HTTPResponse?
    while true {
      let event: HTTPParser.Event?
      do { event = try parser.next() } catch { throw .http(error) }
      switch event {
      case .response(let head):
        await onHead?(head)
        if head.status >= 200 || head.status == 101 { response = head }
      case .body(let bytes):
        response?.body += bytes
        await onBody?(bytes)
      case .end:
        if let response { return response }
      case .request: throw .http(.statusLine)
      case nil:
        let bytes: [UInt8]
        do {
          bytes = try await stream.read(until: deadline)
        } catch {
          throw error == .wouldBlock ? .timedOut : .socket(error)
        }
        if bytes.isEmpty {
          isReusable = false
          if response == nil, parser.pending.isEmpty { throw .emptyReply }
          do { _ = try parser.finish() } catch { throw .http(error) }
          if let response { return response }
          throw .emptyReply
        }
        parser.append(bytes)
      }
    }
  }

  /// Closes the connection.
  public func close() { stream.close() }
}

/// A simple HTTP client: one connection for each request, names resolved as the C library does.
public enum HTTPClient {
  /// Fetches a URL such as `http://web.example:8080/path`.
  ///
  /// - Parameters:
  ///   - timeout: for the whole exchange, in nanoseconds.
  ///   - connectTimeout: for the connection alone.
  public static func fetch(
    _ program: Program,
    _ url: String,
    method: String = "GET",
    fields: HTTPFields = HTTPFields(),
    body: [UInt8] = [],
    timeout: Int64? = nil,
    connectTimeout: Int64? = nil
  ) async throws(HTTPFailure) -> HTTPResponse {
    guard let target = HTTPURL(url), target.scheme == "http" else { throw .resolution(url) }
    let start = program.simulation.now
    let deadline = timeout.map { start + $0 }
    let addresses: [IPAddress]
    do {
      addresses = try await Resolver(program).lookup(target.host, .v4).addresses
    } catch {
      throw error == .interrupted ? .socket(.interrupted) : .resolution(target.host)
    }
    var failure = HTTPFailure.resolution(target.host)
    for case .v4(let address) in addresses {
      let stream: TCPStream
      do {
        let left = deadline.map { max($0 - program.simulation.now, 1) }
        stream = try await TCPStream.connect(
          program,
          to: address,
          port: target.port,
          timeout: [left, connectTimeout].compactMap { $0 }.min()
        )
      } catch {
        failure = error == .inProgress ? .timedOut : .socket(error)
        continue
      }
      defer { stream.close() }
      var request = HTTPRequest(method, target.pathAndQuery, body: body)
      request.fields["Host"] = target.authority
      for field in fields.list { request.fields[field.name] = field.value }
      request.fields["Connection"] = "close"
      if !body.isEmpty { request.fields["Content-Length"] = String(body.count) }
      return try await HTTPConnection(stream).exchange(request, until: deadline)
    }
    throw failure
  }
}

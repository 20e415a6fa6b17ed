import HopyardServices
import HopyardSimulator
import HopyardWire
import Testing

@Suite struct HTTPTests {
  /// Feeds a stream byte by byte and gives what came of it.
  private func events(_ text: String, of parser: HTTPParser, ends: Bool = true) -> String {
    var parser = parser
    var words: [String] = []
    do {
      for byte in text.utf8 {
        parser.append([byte])
        while let event = try parser.next() { words.append(Self.word(event)) }
      }
      if ends, let event = try parser.finish() { words.append(Self.word(event)) }
    } catch {
      words.append("!\(error)")
    }
    return words.joined(separator: " ")
  }

  private static func word(_ event: HTTPParser.Event) -> String {
    switch event {
    case .request(let request): "\(request.method):\(request.target)"
    case .response(let response): "\(response.status)"
    case .body(let bytes): String(decoding: bytes, as: UTF8.self)
    case .end: "."
    }
  }

  @Test(arguments: [
    ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "200 o k ."),
    ("HTTP/1.0 200 OK\r\n\r\nok", "200 o k ."),
    (
      "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n2;x=y\r\nok\r\n0\r\nA: b\r\n\r\n", "200 o k ."
    ),
    ("HTTP/1.1 204 No Content\r\n\r\n", "204 ."),
    ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "100 . 200 ."),
    (
      "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok",
      "200 o k !the stream ended within the message"
    ),
    ("nonsense\r\n", "!malformed status line"),
    ("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "!bad content length"),
    ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "!bad content length"),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", "200 !bad chunk size"),
    ("HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "!malformed field line"),
  ])
  func responsesAreRead(_ text: String, _ expected: String) {
    var parser = HTTPParser.responses()
    parser.expect("GET")
    #expect(events(text, of: parser) == expected)
  }

  @Test(arguments: [
    ("GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\n\r\n", "GET:/ . GET:/2 ."),
    ("POST /p HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", "POST:/p x ."),
    ("GET /\r\n\r\n", "!malformed request line"),
    ("GET / HTTP/2.0\r\n\r\n", "!malformed request line"),
  ])
  func requestsAreRead(_ text: String, _ expected: String) {
    #expect(events(text, of: .requests()) == expected)
  }

  @Test(arguments: [
    ("10.0.0.2/x", "http://10.0.0.2/x"), ("http://a:8080", "http://a:8080/"),
    ("http://a:80/?q#f", "http://a/?q"), ("HTTP://u:p@a/", "http://a/"),
  ])
  func addressesAreTakenApart(_ text: String, _ expected: String) {
    #expect(HTTPURL(text)?.description == expected)
  }

  @Test(arguments: ["", "http://", "http:///x", "http://a:99999/", "http://a b/"])
  func badAddressesAreRefused(_ text: String) { #expect(HTTPURL(text) == nil) }

  @Test func clientAndServerSpeak() throws {
    let pair = try PairFixture()
    let server = try HTTPServer(Program(in: pair.server), port: 8080) { exchange in
      let request = exchange.request
      if request.path == "/chunks" {
        return HTTPResponse(fields: ["Transfer-Encoding": "chunked"], body: Array("piece".utf8))
      }
      return HTTPResponse(text: "\(request.method) \(request.path) \(exchange.client.address)")
    }
    server.start()
    let program = pair.program()
    let texts = pair.run { () -> [String] in
      var texts: [String] = []
      for path in ["/a?b", "/chunks"] {
        do throws(HTTPFailure) {
          texts.append(try await HTTPClient.fetch(program, "http://10.0.0.2:8080\(path)").text)
        } catch {
          texts.append("\(error)")
        }
      }
      return texts
    }
    #expect(texts == ["GET /a 10.0.0.1", "piece"])
    #expect(server.requestCount == 2)
  }

  @Test func aConnectionServesSeveralRequests() throws {
    let pair = try PairFixture()
    let server = try HTTPServer(Program(in: pair.server)) { HTTPResponse(text: $0.request.target) }
    server.start()
    let program = pair.program()
    let texts = pair.run { () -> [String] in
      guard
        let stream = try? await TCPStream.connect(program, to: IPv4Address(10, 0, 0, 2), port: 80)
      else { return [] }
      let connection = HTTPConnection(stream)
      var texts: [String] = []
      for target in ["/1", "/2"] where connection.isReusable {
        texts.append((try? await connection.exchange(HTTPRequest("GET", target)))?.text ?? "-")
      }
      connection.close()
      return texts
    }
    #expect(texts == ["/1", "/2"])
  }
}

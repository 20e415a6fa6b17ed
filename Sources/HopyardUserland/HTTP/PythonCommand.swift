import HopyardServices
import HopyardSimulator
import HopyardWire

/// `python3 -m http.server`: Python's web server for the files of a directory; nothing else of
/// Python is modelled.
enum PythonCommand {
  static let specification = OptionSpecification(
    "b:d:p:",
    long: ["bind:=b", "directory:=d", "protocol:=p"],
    refusedLong: ["cgi", "help"]
  )

  static let command = Command(
    "python3",
    check: { check in
      let texts = check.texts.filter { $0 != "-u" }
      guard texts.first == "-m", texts.count > 1, texts[1] == "http.server" else {
        check.report(nil, "of python3 only `-m http.server' is modelled")
        return
      }
      let rest = Array(texts.dropFirst(2))
      if case .failure(.refused(let index, let message)) = specification.parse(rest) {
        check.report(index + check.arguments.count - rest.count, message)
      }
    },
    run: { process, arguments async throws(ProcessExit) in
      process.name = "python3"
      let words = arguments.filter { $0 != "-u" }
      guard words.first == "-m", words.count > 1, words[1] == "http.server" else {
        throw .refused("of python3 only `-m http.server' is modelled")
      }
      return try await serve(process, Array(words.dropFirst(2)))
    }
  )

  private static let usage =
    "usage: server.py [-h] [--cgi] [-b ADDRESS] [-d DIRECTORY] [-p VERSION] [port]\n"

  private static func serve(_ process: Process, _ arguments: [String]) async throws(ProcessExit)
    -> Int32
  {
    let parsed: ParsedOptions
    switch specification.parse(arguments) {
    case .success(let found): parsed = found
    case .failure(.refused(_, let message)): throw .refused("python3: \(message)")
    case .failure(.usage(let message)):
      try await process.printError(usage + "server.py: error: \(message)\n")
      return 2
    }
    var port: UInt16 = 8000
    if let text = parsed.operands.first {
      guard let number = UInt16(text) else {
        try await process.printError(
          usage + "server.py: error: argument port: invalid int value: '\(text)'\n"
        )
        return 2
      }
      port = number
    }
    var address = IPv4Address.any
    if let text = parsed["b"] {
      guard case .success(let found) = try await process.address(of: text) else {
        try await process.printError("socket.gaierror: [Errno -2] Name or service not known\n")
        return 1
      }
      address = found
    }
    let directory = process.path(parsed["d"] ?? ".")
    let server: TCPServer
    do throws(SocketError) {
      server = try TCPServer(process.program, address: address, port: port, backlog: 5)
    } catch {
      try await process.printError("OSError: [Errno \(error.rawValue)] \(error.text)\n")
      return 1
    }
    defer { server.close() }
    let shown = "\(address)"
    try await process.print(
      "Serving HTTP on \(shown) port \(server.port) (http://\(shown):\(server.port)/) ...\n"
    )
    process.handledSignals.insert(.interrupt)
    let site = DirectorySite(process, directory, isHTTP11: parsed["p"] == "HTTP/1.1")
    while true {
      do throws(SocketError) {
        guard let stream = try await server.accept() else { continue }
        process.program.spawn {
          await site.serve(stream)
          stream.close()
        }
      } catch {
        guard error == .interrupted else { continue }
        try process.takeInterruption()
        try await process.print("\nKeyboard interrupt received, exiting.\n")
        return 0
      }
    }
  }
}

/// The files of a directory as Python's `SimpleHTTPRequestHandler` serves them.
final class DirectorySite {
  private let process: Process
  private let directory: String
  private let isHTTP11: Bool
  private let started: Int64

  init(_ process: Process, _ directory: String, isHTTP11: Bool) {
    self.process = process
    self.directory = directory
    self.isHTTP11 = isHTTP11
    started = process.wallClock.seconds
  }

  /// Answers the requests of a connection.
  func serve(_ stream: TCPStream) async {
    var parser = HTTPParser.requests()
    do {
      while true {
        switch try parser.next() {
        case .request(let request):
          let response = answer(request)
          await log(stream.peer, request, response)
          var head = response
          head.minorVersion = isHTTP11 ? 1 : 0
          try await stream.write(head.encodedHead)
          if request.method != "HEAD", !response.body.isEmpty {
            try await stream.write(response.body)
          }
          if !isHTTP11 || !request.keepsAlive || response.status >= 400 { return }
        case nil:
          let bytes = try await stream.read()
          if bytes.isEmpty { return }
          parser.append(bytes)
        default: continue
        }
      }
    } catch {
      return
    }
  }

  private func log(_ peer: SocketAddress, _ request: HTTPRequest, _ response: HTTPResponse) async {
    let time = CalendarTime(process.wallClock.seconds).logDate
    let start = "\(peer.address) - - [\(time)] "
    if response.status >= 400 {
      try? await process.printError("\(start)code \(response.status), message \(response.reason)\n")
    }
    let line = "\(request.method) \(request.target) HTTP/1.\(request.minorVersion)"
    try? await process.printError("\(start)\"\(line)\" \(response.status) -\n")
  }

  private func answer(_ request: HTTPRequest) -> HTTPResponse {
    guard request.method == "GET" || request.method == "HEAD" else {
      return failure(
        501,
        "Unsupported method ('\(request.method)')",
        "Server does not support this operation"
      )
    }
    let decoded = Self.decoded(request.path)
    let path = FileSystem.normal("/" + decoded)
    let full = FileSystem.normal(directory + path)
    switch process.userland.files.kind(full, for: process) {
    case .directory:
      if !decoded.hasSuffix("/") {
        return response(
          301,
          "Moved Permanently",
          [("Location", request.path + "/"), ("Content-Length", "0")]
        )
      }
      for name in ["index.html", "index.htm"] {
        let index = FileSystem.normal(full + "/" + name)
        if process.userland.files.kind(index, for: process) == .file { return file(index, request) }
      }
      return listing(full, decoded)
    case .file:
      if decoded.hasSuffix("/") { break }
      return file(full, request)
    default: break
    }
    return failure(404, "File not found", "Nothing matches the given URI")
  }

  private static func decoded(_ path: String) -> String {
    var bytes: [UInt8] = []
    var rest = Array(path.utf8)[...]
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "%"), rest.count >= 2,
        let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
      {
        bytes.append(value)
        rest = rest.dropFirst(2)
      } else {
        bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  private func response(
    _ status: Int,
    _ reason: String,
    _ fields: [(String, String)],
    _ body: [UInt8] = []
  ) -> HTTPResponse {
    var response = HTTPResponse(status, reason: reason, body: body)
    response.fields.append("Server", "SimpleHTTP/0.6 Python/3.11.7")
    response.fields.append("Date", CalendarTime(process.wallClock.seconds).httpDate)
    for (name, value) in fields { response.fields.append(name, value) }
    return response
  }

  private func failure(_ status: Int, _ message: String, _ explanation: String) -> HTTPResponse {
    let body = """
      <!DOCTYPE HTML>
      <html lang="en">
          <head>
              <meta charset="utf-8">
              <title>Error response</title>
          </head>
          <body>
              <h1>Error response</h1>
              <p>Error code: \(status)</p>
              <p>Message: \(message).</p>
              <p>Error code explanation: \(status) - \(explanation).</p>
          </body>
      </html>

      """
    return response(
      status,
      message,
      [
        ("Connection", "close"), ("Content-Type", "text/html;charset=utf-8"),
        ("Content-Length", String(body.utf8.count)),
      ],
      Array(body.utf8)
    )
  }

  private func file(_ path: String, _ request: HTTPRequest) -> HTTPResponse {
    guard let bytes = try? process.userland.files.read(path, for: process) else {
      return failure(404, "File not found", "Nothing matches the given URI")
    }
    // Files carry no times here: they are as old as the server.
    let modified = CalendarTime(started).httpDate
    return response(
      200,
      "OK",
      [
        ("Content-type", Self.type(path)), ("Content-Length", String(bytes.count)),
        ("Last-Modified", modified),
      ],
      bytes
    )
  }

  private static let types = [
    "html": "text/html", "htm": "text/html", "txt": "text/plain", "json": "application/json",
    "js": "text/javascript", "css": "text/css", "png": "image/png", "jpg": "image/jpeg",
    "gif": "image/gif", "svg": "image/svg+xml", "xml": "text/xml", "csv": "text/csv",
    "pdf": "application/pdf", "zip": "application/zip", "gz": "application/gzip",
    "py": "text/x-python", "sh": "application/x-sh", "c": "text/plain", "md": "text/markdown",
  ]

  private static func type(_ path: String) -> String {
    guard let dot = path.lastIndex(of: ".") else { return "application/octet-stream" }
    return types[path[path.index(after: dot)...].lowercased()] ?? "application/octet-stream"
  }

  private static func escaped(_ text: String) -> String {
    text.map { character in
      switch character {
      case "&": "&amp;"
      case "<": "&lt;"
      case ">": "&gt;"
      default: String(character)
      }
    }
    .joined()
  }

  /// A name as part of an address: everything but letters, digits and `_.-~` in percent signs.
  private static func quoted(_ name: String) -> String {
    var text = ""
    for byte in name.utf8 {
      switch byte {
      case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x5f, 0x2e, 0x2d, 0x7e, 0x2f:
        text.append(Character(UnicodeScalar(byte)))
      default:
        let digits = String(byte, radix: 16, uppercase: true)
        text += "%" + (digits.count == 1 ? "0" : "") + digits
      }
    }
    return text
  }

  private func listing(_ path: String, _ shown: String) -> HTTPResponse {
    let names = (try? process.userland.files.list(path, for: process)) ?? []
    let title = "Directory listing for \(Self.escaped(shown))"
    var body = """
      <!DOCTYPE HTML>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <title>\(title)</title>
      </head>
      <body>
      <h1>\(title)</h1>
      <hr>
      <ul>

      """
    for name in names.sorted(by: { $0.lowercased() < $1.lowercased() }) {
      let isDirectory = process.userland.files.kind(path + "/" + name, for: process) == .directory
      let full = Self.escaped(name) + (isDirectory ? "/" : "")
      let link = Self.quoted(name) + (isDirectory ? "/" : "")
      body += "<li><a href=\"\(link)\">\(full)</a></li>\n"
    }
    body += "</ul>\n<hr>\n</body>\n</html>\n"
    return response(
      200,
      "OK",
      [
        ("Content-type", "text/html; charset=utf-8"), ("Content-Length", String(body.utf8.count)),
      ],
      Array(body.utf8)
    )
  }
}

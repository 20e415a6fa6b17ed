import HopyardServices
import HopyardSimulator
import HopyardWire

/// One URL fetched by `curl`, with its redirects.
final class CurlTransfer {
  /// Nanoseconds since the start.
  struct Times {
    var nameLookup: Int64 = 0
    var connect: Int64 = 0
    var pretransfer: Int64 = 0
    var startTransfer: Int64 = 0
    var redirect: Int64 = 0
    var total: Int64 = 0
  }

  let session: CurlSession
  let target: CurlOptions.Target
  let index: Int
  let start: Instant
  var response: HTTPResponse?
  var status = 0
  var received = 0
  var sent = 0
  var headerSize = 0
  var requestSize = 0
  var connects = 0
  var redirects = 0
  var redirectURL: String?
  var effectiveURL: String
  var remote: SocketAddress?
  var local: SocketAddress?
  var scheme = "http"
  var method: String
  var path: String?
  var times = Times()
  var failure: CurlFailure?
  /// What ended the process rather than the transfer.
  var problem: ProcessExit?

  init(_ session: CurlSession, _ target: CurlOptions.Target, _ index: Int) {
    self.session = session
    self.target = target
    self.index = index
    start = session.process.simulation.now
    effectiveURL = target.url
    method = session.options.firstMethod
  }

  var options: CurlOptions { session.options }
  var program: Program { session.program }
  var now: Instant { session.process.simulation.now }
  var elapsed: Int64 { now - start }
  var deadline: Instant? { options.maximumTime.map { start + $0 } }

  /// Runs something of the process; what ends it ends the transfer too.
  func attempt(_ body: () async throws(ProcessExit) -> Void) async throws(CurlFailure) {
    do throws(ProcessExit) {
      try await body()
    } catch {
      if case .failed(let errno) = error {
        throw CurlFailure(code: 23, message: "Failure writing output to destination: \(errno)")
      }
      problem = error
      throw CurlFailure(code: 42, message: "")
    }
  }

  func say(_ text: String, _ mark: String = "*") async throws(CurlFailure) {
    try await attempt { () async throws(ProcessExit) in try await session.say(text, mark) }
  }

  /// Fetches the URL and follows its redirects.
  func perform() async throws(CurlFailure) {
    defer { times.total = elapsed }
    if target.url.contains("{") || target.url.contains("[") && !target.url.contains("[:"),
      !target.url.contains("%5B")
    {
      problem = .refused("curl: sets and ranges in URLs are not modelled")
      throw CurlFailure(code: 3, message: "")
    }
    guard var url = HTTPURL(target.url) else {
      throw CurlFailure(code: 3, message: "URL using bad/illegal format or missing URL")
    }
    if target.usesRemoteName {
      path = url.pathAndQuery.prefix { $0 != "?" }.split(separator: "/").last.map(String.init)
      guard path != nil, !url.pathAndQuery.prefix(while: { $0 != "?" }).hasSuffix("/") else {
        throw CurlFailure(code: 23, message: "Remote file name has no length!")
      }
    } else {
      path = target.output
    }
    var body = options.data
    if let file = options.uploadFile {
      guard let bytes = try? session.process.contents(of: file == "-" ? "/dev/stdin" : file) else {
        try await attempt { () async throws(ProcessExit) in
          try await session.process.printError(
            "curl: Can't open '\(file)'!\n"
              + "curl: try 'curl --help' or 'curl --manual' for more information\n"
          )
        }
        throw CurlFailure(code: 26, message: "Failed to open/read local data from file/application")
      }
      body = bytes
    }
    while true {
      scheme = url.scheme
      effectiveURL = redirects > 0 ? url.description : Self.completed(target.url)
      try await fetch(url, body)
      guard let response, (300..<400).contains(status), let location = response.fields["Location"],
        let next = url.resolving(location)
      else { return }
      redirectURL = next.description
      guard options.follows else { return }
      if redirects >= options.maximumRedirects, options.maximumRedirects >= 0 {
        throw CurlFailure(
          code: 47,
          message: "Maximum (\(options.maximumRedirects)) redirects followed"
        )
      }
      redirects += 1
      times.redirect = elapsed
      try await say("Issue another request to this URL: '\(next)'")
      if [301, 302, 303].contains(status), method == "POST" || status == 303 && method != "HEAD",
        options.method == nil, !options.keepsPostMethod.contains(status)
      {
        method = "GET"
        body = nil
      }
      url = next
      redirectURL = nil
    }
  }

  /// A URL as it was given, with what it must have.
  private static func completed(_ text: String) -> String {
    let whole = text.contains("://") ? text : "http://" + text
    guard let mark = whole.firstIndex(of: ":") else { return whole }
    let rest = whole[mark...].dropFirst(3)
    return rest.contains { $0 == "/" || $0 == "?" } ? whole : whole + "/"
  }

  // MARK: Asking

  private func request(_ url: HTTPURL, _ proxy: HTTPURL?, _ body: [UInt8]?) -> HTTPRequest {
    var given = HTTPFields()
    var removed: Set<String> = []
    for header in options.headers {
      guard let colon = header.firstIndex(where: { $0 == ":" || $0 == ";" }) else { continue }
      let name = String(header[..<colon])
      let value = header[header.index(after: colon)...].drop { $0 == " " }
      if value.isEmpty, header[colon] == ":" {
        removed.insert(name.lowercased())
      } else {
        given.append(name, String(value))
      }
    }
    let isAbsolute = proxy != nil && !options.tunnels
    var request = HTTPRequest(
      method,
      isAbsolute ? "\(url.scheme)://\(url.authority)\(url.pathAndQuery)" : url.pathAndQuery,
      minorVersion: options.isHTTP10 ? 0 : 1
    )
    func put(_ name: String, _ value: String?) {
      guard let value, !removed.contains(name.lowercased()), given[name] == nil else { return }
      request.fields.append(name, value)
    }
    if let host = given["Host"] {
      request.fields.append("Host", host)
    } else {
      put("Host", url.authority)
    }
    given["Host"] = nil
    if isAbsolute, let user = options.proxyUser ?? proxy?.userInfo {
      put("Proxy-Authorization", "Basic " + Base64Text.encoded(Array(user.utf8)))
    }
    if let user = options.user ?? url.userInfo {
      put("Authorization", "Basic " + Base64Text.encoded(Array(user.utf8)))
    } else if let bearer = options.bearer {
      put("Authorization", "Bearer " + bearer)
    }
    put("Range", options.range.map { "bytes=\($0)" })
    put("User-Agent", options.agent)
    if !options.isJSON { put("Accept", "*/*") }
    if options.isCompressed { put("Accept-Encoding", "deflate, gzip, br, zstd") }
    put("Referer", options.referer)
    if isAbsolute { put("Proxy-Connection", "Keep-Alive") }
    put("Cookie", options.cookie)
    for field in given.list { request.fields.append(field.name, field.value) }
    if options.isJSON, body != nil {
      put("Content-Type", "application/json")
      put("Accept", "application/json")
    }
    guard let body else { return request }
    request.body = body
    put("Content-Length", String(body.count))
    if options.uploadFile == nil, !options.isJSON {
      put("Content-Type", "application/x-www-form-urlencoded")
    }
    if !options.isHTTP10, options.uploadFile != nil && !body.isEmpty || body.count > 1_048_576 {
      put("Expect", "100-continue")
    }
    return request
  }

  private func fetch(_ url: HTTPURL, _ body: [UInt8]?) async throws(CurlFailure) {
    guard url.scheme == "http" || url.scheme == "https" else {
      if url.scheme == "ftp" || url.scheme == "file" || url.scheme == "ftps" {
        problem = .refused("curl: \(url.scheme) is not modelled")
        throw CurlFailure(code: 1, message: "")
      }
      throw CurlFailure(
        code: 1,
        message: "Protocol \"\(url.scheme)\" not supported or disabled in libcurl"
      )
    }
    let proxy = proxy(for: url)
    if let proxy, proxy.scheme != "http" {
      problem = .refused("curl: a \(proxy.scheme) proxy is not modelled")
      throw CurlFailure(code: 5, message: "")
    }
    var connection = try await connect(url, proxy)
    remote = connection.stream.peer
    local = connection.stream.local
    if url.scheme == "https" {
      connection.stream.close()
      problem = .refused("curl: TLS is not modelled")
      throw CurlFailure(code: 35, message: "")
    }
    do throws(CurlFailure) {
      if proxy != nil, options.tunnels, connection.parser.pending.isEmpty, connects > 0 {
        try await tunnel(&connection, url)
      }
      times.pretransfer = elapsed
      let request = request(url, proxy, body)
      let goesOn = try await exchange(&connection, request)
      if goesOn {
        try await say("Connection #\(connection.number) to host \(connection.host) left intact")
        session.idle.append(connection)
      } else {
        try await say("Closing connection \(connection.number)")
        connection.stream.close()
      }
    } catch {
      if problem == nil {
        try await say(error.message)
        try await say("Closing connection \(connection.number)")
      }
      connection.stream.close()
      throw error
    }
  }

  private func send(_ stream: TCPStream, _ bytes: [UInt8]) async throws(CurlFailure) {
    do throws(SocketError) {
      try await stream.write(bytes, until: deadline)
    } catch {
      if error == .interrupted {
        try await attempt { () async throws(ProcessExit) in try session.process.takeInterruption() }
      }
      if error == .wouldBlock { throw timeout(nil) }
      throw CurlFailure(code: 55, message: "Send failure: \(error.text)")
    }
  }

  private func timeout(_ total: Int?) -> CurlFailure {
    let size = total.map { " out of \($0)" } ?? ""
    return CurlFailure(
      code: 28,
      message: "Operation timed out after \(elapsed / 1_000_000) milliseconds with "
        + "\(received)\(size) bytes received"
    )
  }

  private func receive(_ stream: TCPStream, _ total: Int?) async throws(CurlFailure) -> [UInt8] {
    do throws(SocketError) {
      return try await stream.read(16_384, until: deadline)
    } catch {
      if error == .interrupted {
        try await attempt { () async throws(ProcessExit) in try session.process.takeInterruption() }
      }
      if error == .wouldBlock { throw timeout(total) }
      throw CurlFailure(code: 56, message: "Recv failure: \(error.text)")
    }
  }

  private func show(_ request: HTTPRequest) async throws(CurlFailure) {
    guard options.isVerbose else { return }
    let head = String(decoding: request.encodedHead, as: UTF8.self)
    for line in head.split(separator: "\r\n", omittingEmptySubsequences: false).dropLast() {
      try await say(String(line), ">")
    }
  }

  /// Opens a way through a proxy with CONNECT.
  private func tunnel(_ connection: inout CurlSession.Connection, _ url: HTTPURL)
    async throws(CurlFailure)
  {
    let name = "\(url.host):\(url.port)"
    try await say("Establish HTTP proxy tunnel to \(name)")
    var request = HTTPRequest("CONNECT", name)
    request.fields.append("Host", name)
    if let user = options.proxyUser {
      request.fields.append("Proxy-Authorization", "Basic " + Base64Text.encoded(Array(user.utf8)))
    }
    if let agent = options.agent { request.fields.append("User-Agent", agent) }
    request.fields.append("Proxy-Connection", "Keep-Alive")
    try await show(request)
    connection.parser.expect("CONNECT")
    try await send(connection.stream, request.encoded)
    while true {
      let event: HTTPParser.Event?
      do { event = try connection.parser.next() } catch { throw unreadable(error) }
      switch event {
      case .response(let head):
        for line in lines(head) { try await say(line, "<") }
        guard (200..<300).contains(head.status) else {
          throw CurlFailure(code: 56, message: "CONNECT tunnel failed, response \(head.status)")
        }
      case .end:
        try await say("CONNECT tunnel established, response 200")
        connection.parser = .responses()
        return
      case nil:
        let bytes = try await receive(connection.stream, nil)
        if bytes.isEmpty {
          throw CurlFailure(code: 56, message: "Proxy CONNECT aborted")
        }
        connection.parser.append(bytes)
      default: continue
      }
    }
  }

  private func unreadable(_ error: HTTPError) -> CurlFailure {
    switch error {
    case .statusLine: CurlFailure(code: 1, message: "Received HTTP/0.9 when not allowed")
    case .incomplete(let missing?):
      CurlFailure(
        code: 18,
        message: "transfer closed with \(missing) bytes remaining to read"
      )
    case .incomplete(nil):
      CurlFailure(code: 18, message: "transfer closed with outstanding read data remaining")
    case .chunk:
      CurlFailure(code: 56, message: "Illegal or missing hexadecimal sequence in chunked-encoding")
    case .headTooLong: CurlFailure(code: 27, message: "Out of memory")
    default: CurlFailure(code: 8, message: "Weird server reply")
    }
  }

  /// The head of a response as lines, with the empty one at its end.
  private func lines(_ head: HTTPResponse) -> [String] {
    String(decoding: head.encodedHead, as: UTF8.self)
      .split(separator: "\r\n", omittingEmptySubsequences: false).dropLast().map(String.init)
  }

  /// Sends a request and takes its response; whether the connection may be used again.
  private func exchange(_ connection: inout CurlSession.Connection, _ request: HTTPRequest)
    async throws(CurlFailure) -> Bool
  {
    let stream = connection.stream
    response = nil
    received = 0
    try await show(request)
    requestSize += request.encodedHead.count
    connection.parser.expect(request.method)
    let waits = request.fields["Expect"] != nil && !request.body.isEmpty
    sent = request.body.count
    if waits {
      try await send(stream, request.encodedHead)
    } else {
      try await send(stream, request.encoded)
      if !request.body.isEmpty { try await say("[\(request.body.count) bytes data]", "}") }
    }
    var isBodyOwed = waits
    var head: HTTPResponse?
    var isIgnored = false
    var shownBytes = 0
    while true {
      let event: HTTPParser.Event?
      do { event = try connection.parser.next() } catch { throw unreadable(error) }
      switch event {
      case .response(let found):
        if times.startTransfer == 0 { times.startTransfer = elapsed }
        if found.status == 100, isBodyOwed {
          for line in lines(found) { try await say(line, "<") }
          isBodyOwed = false
          try await send(stream, request.body)
          try await say("[\(request.body.count) bytes data]", "}")
          continue
        }
        head = found
        response = found
        status = found.status
        try await take(found)
        isIgnored =
          options.follows && (300..<400).contains(found.status) && found.fields["Location"] != nil
        shownBytes = connection.parser.pending.count
        if isIgnored, request.method != "HEAD" { try await say("Ignoring the response-body") }
        if shownBytes > 0 { try await say("[\(shownBytes) bytes data]", "{") }
      case .body(let bytes):
        received += bytes.count
        if !isIgnored {
          try await attempt { () async throws(ProcessExit) in
            try await session.write(bytes, to: path)
          }
        }
      case .end:
        guard let head, head.status >= 200 else { continue }
        if options.failsWithBody, head.status >= 400 {
          throw CurlFailure(
            code: 22,
            message: "The requested URL returned error: \(head.status)"
          )
        }
        return head.keepsAlive && request.keepsAlive
      case .request: throw CurlFailure(code: 8, message: "Weird server reply")
      case nil:
        let total = head?.fields["Content-Length"].flatMap { Int($0) }
        let bytes: [UInt8]
        if isBodyOwed {
          // The body goes after a second even without the server's word.
          guard let early = try await receiveSoon(stream) else {
            isBodyOwed = false
            try await send(stream, request.body)
            continue
          }
          bytes = early
        } else {
          bytes = try await receive(stream, total)
        }
        if bytes.isEmpty {
          guard let head else {
            if connection.parser.pending.isEmpty {
              throw CurlFailure(code: 52, message: "Empty reply from server")
            }
            throw CurlFailure(code: 1, message: "Received HTTP/0.9 when not allowed")
          }
          do { _ = try connection.parser.finish() } catch { throw unreadable(error) }
          if options.failsWithBody, head.status >= 400 {
            throw CurlFailure(
              code: 22,
              message: "The requested URL returned error: \(head.status)"
            )
          }
          return false
        }
        if head != nil { try await say("[\(bytes.count) bytes data]", "{") }
        connection.parser.append(bytes)
      }
    }
  }

  private func receiveSoon(_ stream: TCPStream) async throws(CurlFailure) -> [UInt8]? {
    do throws(SocketError) {
      let limit = now + .seconds(1)
      return try await stream.read(16_384, until: min(limit, deadline ?? limit))
    } catch {
      if error == .wouldBlock, let deadline, now >= deadline { throw timeout(nil) }
      if error == .wouldBlock { return nil }
      throw CurlFailure(code: 56, message: "Recv failure: \(error.text)")
    }
  }

  /// Shows and keeps the head of a response.
  private func take(_ head: HTTPResponse) async throws(CurlFailure) {
    headerSize += head.encodedHead.count
    let shown = lines(head)
    let fails = options.fails && head.status >= 400
    if head.minorVersion == 0, !head.keepsAlive {
      try await say("HTTP 1.0, assume close after body")
    }
    for line in fails ? shown.dropLast() : shown[...] { try await say(line, "<") }
    if fails {
      throw CurlFailure(code: 22, message: "The requested URL returned error: \(head.status)")
    }
    if options.includesHeaders || options.isHead {
      try await attempt { () async throws(ProcessExit) in
        try await session.write(head.encodedHead, to: path)
      }
    }
    if let file = options.headerFile {
      try await attempt { () async throws(ProcessExit) in
        try await session.write(head.encodedHead, to: file)
      }
    }
  }

  // MARK: Progress

  static let progressHeading =
    "  % Total    % Received % Xferd  Average Speed   Time    Time     Time  Current\n"
    + "                                 Dload  Upload   Total   Spent    Left  Speed\n"
    + "\r  0     0    0     0    0     0      0      0 --:--:-- --:--:-- --:--:--     0"

  /// The last line of the progress meter.
  var progressLine: String {
    let speed = elapsed > 0 ? Int64(received) * 1_000_000_000 / max(elapsed, 1) : 0
    let total = String(received).leftPadded(5)
    let share = received > 0 ? "100" : "  0"
    let rate = String(min(speed, 999_999)).leftPadded(6)
    return "\r\(share) \(total)  \(share) \(total)    0     0 \(rate)      0 --:--:-- --:--:-- "
      + "--:--:--\(rate)\n"
  }
}

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
  private let start: Instant
  private(set) var response: HTTPResponse?
  private(set) var status = 0
  private(set) var received = 0
  private(set) var sent = 0
  private(set) var headerSize = 0
  private(set) var requestSize = 0
  private(set) var connects = 0
  private(set) var redirects = 0
  private(set) var redirectURL: String?
  private(set) var effectiveURL: String
  private(set) var remote: SocketAddress?
  private(set) var local: SocketAddress?
  private(set) var scheme = "http"
  private(set) var method: String
  private(set) var path: String?
  private(set) var times = Times()
  var failure: CurlFailure?
  /// What ended the process rather than the transfer.
  private(set) var problem: ProcessExit?

  init(_ session: CurlSession, _ target: CurlOptions.Target, _ index: Int) {
    self.session = session
    self.target = target
    self.index = index
    start = session.process.simulation.now
    effectiveURL = target.url
    method = session.options.firstMethod
  }

  private var options: CurlOptions { session.options }
  private var program: Program { session.program }
  private var now: Instant { session.process.simulation.now }
  private var elapsed: Int64 { now - start }
  private var deadline: Instant? { options.maximumTime.map { start + $0 } }

  /// Runs something of the process; what ends it ends the transfer too.
  private func attempt(_ body: () async throws(ProcessExit) -> Void) async throws(CurlFailure) {
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

  private func say(_ text: String, _ mark: String = "*") async throws(CurlFailure) {
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

  // MARK: Connecting

  /// The proxy for a URL, from the command line or the environment.
  private func proxy(for url: HTTPURL) -> HTTPURL? {
    let environment = session.process.environment
    let text = options.proxy ?? environment["http_proxy"] ?? environment["all_proxy"] ?? ""
    let except = options.noProxy ?? environment["no_proxy"] ?? environment["NO_PROXY"] ?? ""
    let host = url.host.lowercased()
    for word in except.split(whereSeparator: { $0 == "," || $0 == " " }) {
      let domain = word.hasPrefix(".") ? word.dropFirst() : word
      if word == "*" || host == domain || host.hasSuffix("." + domain) { return nil }
    }
    guard !text.isEmpty, var proxy = HTTPURL(text) else { return nil }
    if !proxy.hasPort {
      proxy.port = 1080
      proxy.hasPort = true
    }
    return proxy
  }

  /// Where `--connect-to` leads.
  private func redirected(_ host: String, _ port: UInt16) -> (
    host: String, port: UInt16, isNew: Bool
  ) {
    for entry in options.connectsTo {
      let parts = entry.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
      guard parts.count == 4 else { continue }
      if !parts[0].isEmpty, parts[0].lowercased() != host.lowercased() { continue }
      if !parts[1].isEmpty, UInt16(parts[1]) != port { continue }
      return (parts[2].isEmpty ? host : parts[2], UInt16(parts[3]) ?? port, true)
    }
    return (host, port, false)
  }

  private func resolve(_ host: String, _ port: UInt16, isProxy: Bool) async throws(CurlFailure)
    -> [IPv4Address]
  {
    if let given = options.resolves.last(where: {
      ($0.host == host.lowercased() || $0.host == "*") && $0.port == port
    }), !given.addresses.isEmpty {
      return given.addresses
    }
    let what = isProxy ? "Could not resolve proxy" : "Could not resolve host"
    let code: Int32 = isProxy ? 5 : 6
    let family: Resolver.Family = options.wantsIPv6 ? .v6 : .any
    var found: Result<Resolver.Result, ResolutionFailure>?
    try await attempt { () async throws(ProcessExit) in
      found = try await session.process.addresses(of: host, family)
    }
    guard case .success(let result)? = found else {
      if options.wantsIPv6, IPv4Address(host) != nil {
        throw CurlFailure(code: 7, message: "Couldn't connect to server")
      }
      let message = "\(what): \(host)"
      try await say(message)
      try await say("Closing connection \(session.connectionCount)")
      session.connectionCount += 1
      throw CurlFailure(code: code, message: message)
    }
    let addresses = result.addresses.compactMap(\.v4)
    guard !addresses.isEmpty else {
      throw CurlFailure(code: 7, message: "Couldn't connect to server")
    }
    return addresses
  }

  private func connect(_ url: HTTPURL, _ proxy: HTTPURL?) async throws(CurlFailure)
    -> CurlSession.Connection
  {
    let isTunnel = proxy != nil && options.tunnels
    let key =
      proxy.map { "\($0.host):\($0.port)" + (isTunnel ? ">\(url.host):\(url.port)" : "") }
      ?? "\(url.host.lowercased()):\(url.port)"
    if let place = session.idle.firstIndex(where: { $0.key == key }) {
      let connection = session.idle.remove(at: place)
      if !connection.stream.socket.isReadable {
        try await say("Found bundle for host: 0x55ed45022cb0 [serially]")
        try await say("Can not multiplex, even if we wanted to")
        try await say(
          "Re-using existing connection #\(connection.number) with \(proxy == nil ? "host" : "proxy") "
            + connection.host
        )
        return connection
      }
      try await say("Connection \(connection.number) seems to be dead")
      try await say("Closing connection \(connection.number)")
      connection.stream.close()
    }
    let number = session.connectionCount
    let wanted = proxy.map { ($0.host, $0.port, false) } ?? redirected(url.host, url.port)
    let (host, port, isNew) = wanted
    if isNew {
      try await say("Connecting to hostname: \(host)")
      try await say("Connecting to port: \(port)")
    }
    let addresses = try await resolve(host, port, isProxy: proxy != nil)
    session.connectionCount += 1
    times.nameLookup = elapsed
    let began = now
    var failure = SocketError.connectionRefused
    var isTimedOut = false
    for (position, address) in addresses.enumerated() {
      try await say("  Trying \(address):\(port)...")
      let left = options.connectTimeout - (now - began)
      let share = position + 1 < addresses.count ? left / 2 : left
      let limit = min(share, deadline.map { $0 - now } ?? share)
      let outcome = await dial(address, port, max(limit, 1))
      switch outcome {
      case .success(let stream):
        times.connect = elapsed
        connects += 1
        let shown = isNew ? "(nil)" : host
        try await say("Connected to \(shown) (\(address)) port \(port) (#\(number))")
        return CurlSession.Connection(
          number: number,
          key: key,
          host: shown,
          stream: stream,
          parser: .responses()
        )
      case .failure(.bind(let message)):
        try await say(message)
        try await say("Closing connection \(number)")
        throw CurlFailure(code: 45, message: message)
      case .failure(.socket(let error, let isImmediate)):
        if error == .interrupted {
          try await attempt { () async throws(ProcessExit) in try session.process.takeInterruption()
          }
        }
        failure = error
        if error == .inProgress {
          isTimedOut = true
          if let deadline, now >= deadline { break }
          try await say("ipv4 connect timeout after \(limit / 1_000_000)ms, move on!")
        } else if isImmediate {
          try await say("Immediate connect fail for \(address): \(error.text)")
        } else {
          try await say("connect to \(address) port \(port) failed: \(error.text)")
        }
      }
    }
    let milliseconds = (now - began) / 1_000_000
    if let deadline, now >= deadline {
      let message = "Connection timed out after \(elapsed / 1_000_000) milliseconds"
      try await say(message)
      try await say("Closing connection \(number)")
      throw CurlFailure(code: 28, message: message)
    }
    let timedOut = isTimedOut || failure == .timedOut
    let why = timedOut ? "Timeout was reached" : "Couldn't connect to server"
    let message = "Failed to connect to \(host) port \(port) after \(milliseconds) ms: \(why)"
    try await say(message)
    try await say("Closing connection \(number)")
    throw CurlFailure(code: timedOut ? 28 : 7, message: message)
  }

  private enum DialFailure: Error {
    case bind(String)
    case socket(SocketError, isImmediate: Bool)
  }

  /// Connects to one address from the local end that was asked for.
  private func dial(_ address: IPv4Address, _ port: UInt16, _ timeout: Int64) async
    -> Result<TCPStream, DialFailure>
  {
    var connection = TCPStream.Options()
    connection.prepare = { $0.isNoDelay = true }
    if let interface = options.interface {
      let name = interface.hasPrefix("if!") ? String(interface.dropFirst(3)) : interface
      if let device = program.namespace.devices[name] {
        connection.source = device.inet.addresses.first.map { IPv4Address(rawValue: $0.local) }
        connection.prepare = { socket in
          socket.isNoDelay = true
          socket.options.boundIfindex = device.ifindex
        }
      } else if let source = IPv4Address(name) {
        connection.source = source
      } else {
        return .failure(.bind("Couldn't bind to '\(name)'"))
      }
    }
    let ports = options.localPorts.map { Array($0) } ?? [0]
    var last = SocketError.addressInUse
    for local in ports {
      connection.sourcePort = local
      let began = now
      do throws(SocketError) {
        return .success(
          try await TCPStream.connect(
            program,
            to: address,
            port: port,
            timeout: timeout,
            options: connection
          )
        )
      } catch {
        last = error
        if error == .addressInUse || error == .addressNotAvailable, local != ports.last { continue }
        let isBindFailure =
          (error == .addressNotAvailable || error == .addressInUse)
          && (connection.source != nil || local != 0)
        if isBindFailure {
          return .failure(.bind("bind failed with errno \(error.rawValue): \(error.text)"))
        }
        return .failure(.socket(error, isImmediate: now == began))
      }
    }
    return .failure(.bind("bind failed with errno \(last.rawValue): \(last.text)"))
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
      return try await stream.read(16_384, until: now + .seconds(1))
    } catch {
      if error == .wouldBlock { return nil }
      throw CurlFailure(code: 56, message: "Recv failure: \(error.text)")
    }
  }

  /// Shows and keeps the head of a response.
  private func take(_ head: HTTPResponse) async throws(CurlFailure) {
    headerSize += head.encodedHead.count
    let shown = lines(head)
    let fails = options.fails && head.status >= 400
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

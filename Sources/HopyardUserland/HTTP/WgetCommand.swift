import HopyardServices
import HopyardSimulator
import HopyardWire

/// `wget`, as GNU's in Debian, for single files over HTTP.
final class WgetCommand {
  static let specification = OptionSpecification(
    "qO:T:t:SU:4nvd",
    long: [
      "quiet=q", "output-document:=O", "timeout:=T", "tries:=t", "server-response=S", "spider",
      "user-agent:=U", "header:", "post-data:", "inet4-only=4", "no-verbose",
      "no-check-certificate",
      "max-redirect:", "content-on-error", "connect-timeout:", "read-timeout:", "no-proxy",
      "method:", "body-data:",
    ],
    refused: "rbcNkpmEHKAR6i",
    refusedLong: [
      "recursive", "continue", "mirror", "input-file:", "inet6-only", "limit-rate:", "user:",
      "password:", "post-file:", "background", "help", "version",
    ]
  )

  static let command = Command("wget", options: specification) {
    process,
    arguments async throws(ProcessExit) in
    process.name = "wget"
    let parsed = try await process.options(
      specification,
      arguments,
      usage: "Usage: wget [OPTION]... [URL]...\n\nTry `wget --help' for more options.\n",
      status: 2
    )
    guard !parsed.operands.isEmpty else {
      try await process.printError(
        "wget: missing URL\nUsage: wget [OPTION]... [URL]...\n\nTry `wget --help' for more options.\n"
      )
      return 1
    }
    let command = WgetCommand(process, parsed)
    var status: Int32 = 0
    for url in parsed.operands { status = max(status, try await command.fetch(url)) }
    return status
  }

  private let process: Process
  private let options: ParsedOptions
  private let isQuiet: Bool

  private init(_ process: Process, _ options: ParsedOptions) {
    self.process = process
    self.options = options
    isQuiet = options.has("q")
  }

  private func say(_ text: String) async throws(ProcessExit) {
    if !isQuiet { try await process.printError(text) }
  }

  private var stamp: String {
    let time = CalendarTime(process.wallClock.seconds)
    let two = { (number: Int) in DecimalText.zeroPadded(Int64(number), 2) }
    return "\(time.year)-\(two(time.month))-\(two(time.day)) \(time.clock)"
  }

  private func fetch(_ text: String) async throws(ProcessExit) -> Int32 {
    guard var url = HTTPURL(text) else {
      try await process.printError("\(text): Invalid host name.\n")
      return 1
    }
    var redirects = 0
    var connection: HTTPConnection?
    defer { connection?.close() }
    if options.has("spider") {
      try await say("Spider mode enabled. Check if remote file exists.\n")
    }
    while true {
      guard url.scheme == "http" else { throw .refused("wget: \(url.scheme) is not modelled") }
      try await say("--\(stamp)--  \(url)\n")
      if let known = connection, known.isReusable {
        try await say("Reusing existing connection to \(url.host):\(url.port).\n")
      } else {
        connection?.close()
        switch try await connect(url) {
        case .success(let stream): connection = HTTPConnection(stream)
        case .failure(let status): return status.code
        }
      }
      guard let open = connection else { return 4 }
      try await say("HTTP request sent, awaiting response... ")
      let asked = process.simulation.now
      let response: HTTPResponse
      do throws(HTTPFailure) {
        response = try await open.exchange(request(url), until: deadline)
      } catch {
        if case .socket(.interrupted) = error { try process.takeInterruption() }
        try await say(
          error == .emptyReply ? "No data received.\n" : "Read error (\(error)) in headers.\n"
        )
        return 4
      }
      if options.has("S") {
        let head = String(decoding: response.encodedHead, as: UTF8.self)
        try await say("\n")
        for line in head.split(separator: "\r\n") { try await process.printError("  \(line)\n") }
      } else {
        try await say("\(response.status) \(response.reason)\n")
      }
      if (300..<400).contains(response.status), let location = response.fields["Location"],
        let next = url.resolving(location)
      {
        redirects += 1
        if redirects > options["max-redirect"].flatMap({ Int($0) }) ?? 20 {
          try await say("\(redirects - 1) redirections exceeded.\n")
          return 8
        }
        try await say("Location: \(location) [following]\n")
        if next.host != url.host || next.port != url.port {
          connection?.close()
          connection = nil
        }
        url = next
        continue
      }
      return try await keep(response, url, process.simulation.now - asked)
    }
  }

  private var timeout: Int64? {
    options["T"].flatMap { Double($0) }.flatMap { $0 > 0 && $0 < 1e9 ? Int64($0 * 1e9) : nil }
  }

  private var deadline: Instant? { timeout.map { process.simulation.now + $0 } }

  private func request(_ url: HTTPURL) -> HTTPRequest {
    let body = (options["post-data"] ?? options["body-data"]).map { Array($0.utf8) }
    let method =
      options["method"] ?? (body != nil ? "POST" : options.has("spider") ? "HEAD" : "GET")
    var request = HTTPRequest(method, url.pathAndQuery, body: body ?? [])
    request.fields.append("Host", url.authority)
    request.fields.append("User-Agent", options["U"] ?? "Wget/1.21.3")
    request.fields.append("Accept", "*/*")
    request.fields.append("Accept-Encoding", "identity")
    request.fields.append("Connection", "Keep-Alive")
    for header in options.all("header") {
      guard let colon = header.firstIndex(of: ":") else { continue }
      request.fields[String(header[..<colon])] = String(
        header[header.index(after: colon)...].drop { $0 == " " }
      )
    }
    if let body {
      request.fields.append("Content-Type", "application/x-www-form-urlencoded")
      request.fields.append("Content-Length", String(body.count))
    }
    return request
  }

  private struct Exit: Error {
    var code: Int32
  }

  private func connect(_ url: HTTPURL) async throws(ProcessExit) -> Result<TCPStream, Exit> {
    let isNumeric = IPv4Address(url.host) != nil
    if !isNumeric { try await say("Resolving \(url.host) (\(url.host))... ") }
    let found: Resolver.Result
    switch try await process.addresses(of: url.host, options.has("4") ? .v4 : .any) {
    case .success(let result): found = result
    case .failure(let error):
      try await say("failed: \(error.text).\n")
      try await say("wget: unable to resolve host address ‘\(url.host)’\n")
      return .failure(Exit(code: 4))
    }
    if !isNumeric {
      try await say(found.addresses.map { "\($0)" }.joined(separator: ", ") + "\n")
    }
    let tries = options["t"].flatMap { Int($0) } ?? 20
    for attempt in 1...max(tries, 1) {
      var isFinal = false
      for address in found.addresses.compactMap(\.v4) {
        let shown =
          isNumeric
          ? "\(url.host):\(url.port)" : "\(url.host) (\(url.host))|\(address)|:\(url.port)"
        try await say("Connecting to \(shown)... ")
        var failure: SocketError?
        var made: TCPStream?
        do throws(SocketError) {
          made = try await TCPStream.connect(
            process.program,
            to: address,
            port: url.port,
            timeout: timeout
          )
        } catch {
          failure = error
        }
        if let made {
          try await say("connected.\n")
          return .success(made)
        }
        if failure == .interrupted { try process.takeInterruption() }
        let text = failure == .inProgress ? SocketError.timedOut.text : failure?.text ?? ""
        try await say("failed: \(text).\n")
        isFinal = failure != .inProgress && failure != .timedOut
      }
      if isFinal || attempt == tries { break }
      try await say("Retrying.\n\n")
      try await process.sleep(nanoseconds: .seconds(Int64(min(attempt, 10))))
      try await say("--\(stamp)--  (try:\(String(attempt + 1).leftPadded(2)))  \(url)\n")
    }
    return .failure(Exit(code: 4))
  }

  /// Bytes in a second, as a short and as a long text.
  private static func rate(_ count: Int, _ nanoseconds: Int64) -> (short: String, long: String) {
    let rate = Double(count) * 1e9 / Double(max(nanoseconds, 1))
    for (limit, letter, unit) in [(1e9, "G", "GB/s"), (1e6, "M", "MB/s"), (1e3, "K", "KB/s")]
    where rate >= limit {
      let value = DecimalText.fixed(rate / limit, rate >= limit * 100 ? 0 : 2)
      return (value + letter, "\(value) \(unit)")
    }
    let value = DecimalText.fixed(rate, 0)
    return (value + " ", "\(value) B/s")
  }

  private func keep(_ response: HTTPResponse, _ url: HTTPURL, _ time: Int64)
    async throws(ProcessExit) -> Int32
  {
    if response.status >= 400, !options.has("content-on-error") {
      if options.has("spider") {
        try await say("Remote file does not exist -- broken link!!!\n\n")
      } else {
        try await say("\(stamp) ERROR \(response.status): \(response.reason).\n\n")
      }
      return 8
    }
    let type = response.fields["Content-Type"].map { " [\($0.prefix { $0 != ";" })]" } ?? ""
    if let length = response.fields["Content-Length"] {
      try await say("Length: \(length)\(type)\n")
    } else {
      try await say("Length: unspecified\(type)\n")
    }
    if options.has("spider") {
      try await say("Remote file exists.\n\n")
      return response.status >= 400 ? 8 : 0
    }
    let last = url.pathAndQuery.split(separator: "/").last.map(String.init)
    let name =
      options["O"] ?? (url.pathAndQuery.hasSuffix("/") ? "index.html" : last ?? "index.html")
    let size = response.body.count
    if name == "-" {
      try await say("Saving to: ‘STDOUT’\n")
      try await process.write(response.body)
    } else {
      try await say("Saving to: ‘\(name)’\n")
      do {
        let file = try process.open(name, .write)
        file.retain()
        defer { file.release() }
        var rest = response.body[...]
        while !rest.isEmpty { rest = rest.dropFirst(try file.tryWrite(rest)) }
      } catch {
        throw .failed(error)
      }
    }
    let dots = String(repeating: ".", count: min(max(size / 1024, 0), 50))
    let rate = Self.rate(size, time)
    try await say("\n     0K \(dots)".padded(65) + "100% \(rate.short.leftPadded(5))=0s\n\n")
    let end = name == "-" ? "written to stdout" : "‘\(name)’ saved"
    try await say("\(stamp) (\(rate.long)) - \(end) [\(size)/\(size)]\n\n")
    return response.status >= 400 ? 8 : 0
  }
}

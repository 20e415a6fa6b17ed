import HopyardServices
import HopyardSimulator
import HopyardWire

/// What `curl` was asked for.
struct CurlOptions {
  static let specification = OptionSpecification(
    "vsSo:w:IX:d:H:Lkx:46fiA:u:Oe:b:m:r:T:GD:#N0gpVhqRJU:aZ",
    long: [
      "verbose=v", "silent=s", "show-error=S", "output:=o", "write-out:=w", "head=I",
      "request:=X", "data:=d", "data-ascii:=d", "data-raw:", "data-binary:", "data-urlencode:",
      "json:", "header:=H", "location=L", "location-trusted=L", "insecure=k", "proxy:=x",
      "ipv4=4", "ipv6=6", "fail=f", "fail-with-body", "include=i", "user-agent:=A", "user:=u",
      "remote-name=O", "referer:=e", "cookie:=b", "max-time:=m", "range:=r", "upload-file:=T",
      "get=G", "dump-header:=D", "progress-bar=#", "no-buffer=N", "http1.0=0", "http1.1",
      "globoff=g", "proxytunnel=p", "version=V", "help=h", "resolve:", "connect-to:",
      "connect-timeout:", "interface:", "local-port:", "retry:", "retry-delay:",
      "retry-max-time:", "retry-connrefused", "retry-all-errors", "max-redirs:", "url:",
      "noproxy:", "no-progress-meter", "tcp-nodelay", "no-keepalive", "keepalive-time:",
      "compressed", "http0.9", "oauth2-bearer:", "proxy-user:=U", "path-as-is", "disable=q",
      "create-dirs", "stderr:", "post301", "post302", "post303", "haproxy-protocol",
      "expect100-timeout:", "tr-encoding", "raw", "no-alpn", "no-npn", "tcp-fastopen",
    ],
    refused: "FcKnCyYzZtJE",
    refusedLong: [
      "form:", "cookie-jar:", "config:", "netrc", "continue-at:", "limit-rate:", "parallel",
      "http2", "http2-prior-knowledge", "http3", "next", "socks5:", "socks5-hostname:",
      "socks4:", "socks4a:", "preproxy:", "unix-socket:", "cacert:", "capath:", "cert:", "key:",
      "tlsv1.2", "tlsv1.3", "digest", "ntlm", "negotiate", "anyauth", "dns-servers:", "doh-url:",
      "trace:", "trace-ascii:", "trace-time", "form-string:", "speed-limit:", "speed-time:",
      "abstract-unix-socket:", "aws-sigv4:", "etag-save:", "etag-compare:", "rate:",
    ]
  )

  /// One URL and where its content goes.
  struct Target {
    var url: String
    var output: String?
    var usesRemoteName = false
  }

  var targets: [Target] = []
  var isVerbose = false
  var isSilent = false
  var showsErrors = false
  var showsProgress = true
  var writeOut: String?
  var isHead = false
  var method: String?
  var data: [UInt8]?
  var isJSON = false
  var sendsDataInQuery = false
  var uploadFile: String?
  var headers: [String] = []
  var follows = false
  var maximumRedirects = 50
  var proxy: String?
  var noProxy: String?
  var tunnels = false
  var proxyUser: String?
  var fails = false
  var failsWithBody = false
  var includesHeaders = false
  var agent: String? = "curl/7.88.1"
  var user: String?
  var bearer: String?
  var referer: String?
  var cookie: String?
  var range: String?
  var maximumTime: Int64?
  var connectTimeout: Int64 = .seconds(300)
  var resolves: [(host: String, port: UInt16, addresses: [IPv4Address])] = []
  var connectsTo: [String] = []
  var interface: String?
  var localPorts: ClosedRange<UInt16>?
  var retries = 0
  var retryDelay: Int64 = 0
  var retriesRefused = false
  var retriesAll = false
  var headerFile: String?
  var isHTTP10 = false
  var allowsHTTP09 = false
  var isCompressed = false
  var wantsIPv4 = false
  var wantsIPv6 = false
  var keepsPostMethod: Set<Int> = []

  /// Why options are no good: what `curl` prints, and its exit status.
  struct Failure: Error {
    var message: String
    var status: Int32 = 2
  }

  static let hint = "curl: try 'curl --help' or 'curl --manual' for more information\n"

  init(_ parsed: ParsedOptions, _ process: Process) throws(Failure) {
    var outputs: [(String?, Bool)] = []
    var urls = parsed.operands
    for option in parsed.list {
      let value = option.value ?? ""
      switch option.key {
      case "v": isVerbose = true
      case "s": isSilent = true
      case "S": showsErrors = true
      case "no-progress-meter", "#": showsProgress = false
      case "o": outputs.append((value, false))
      case "O": outputs.append((nil, true))
      case "w": writeOut = try text(value, process)
      case "I": isHead = true
      case "X": method = value
      case "d":
        try addData(value.hasPrefix("@") ? stripped(file(value, process)) : Array(value.utf8))
      case "data-raw": try addData(Array(value.utf8))
      case "data-binary":
        try addData(value.hasPrefix("@") ? file(value, process) : Array(value.utf8))
      case "data-urlencode": try addData(encoded(value, process))
      case "json":
        isJSON = true
        let bytes = value.hasPrefix("@") ? try file(value, process) : Array(value.utf8)
        data = (data ?? []) + bytes
      case "H": headers.append(value)
      case "L": follows = true
      case "x": proxy = value
      case "noproxy": noProxy = value
      case "p": tunnels = true
      case "U": proxyUser = value
      case "4", "6":
        wantsIPv4 = option.key == "4"
        wantsIPv6 = option.key == "6"
      case "f": fails = true
      case "fail-with-body": failsWithBody = true
      case "i": includesHeaders = true
      case "A": agent = value.isEmpty ? nil : value
      case "u": user = value.contains(":") ? value : value + ":"
      case "oauth2-bearer": bearer = value
      case "e": referer = value
      case "b": cookie = value
      case "m": maximumTime = try seconds(value, "-m")
      case "connect-timeout": connectTimeout = try seconds(value, "--connect-timeout")
      case "r": range = value
      case "T": uploadFile = value
      case "G": sendsDataInQuery = true
      case "D": headerFile = value
      case "0": isHTTP10 = true
      case "http1.1": isHTTP10 = false
      case "http0.9": allowsHTTP09 = true
      case "compressed": isCompressed = true
      case "resolve": try addResolve(value)
      case "connect-to": connectsTo.append(value)
      case "interface": interface = value
      case "local-port": try setLocalPorts(value)
      case "retry": retries = try number(value, "--retry")
      case "retry-delay": retryDelay = .seconds(Int64(try number(value, "--retry-delay")))
      case "retry-connrefused": retriesRefused = true
      case "retry-all-errors": retriesAll = true
      case "max-redirs": maximumRedirects = Int(value) ?? 50
      case "url": urls.append(value)
      case "post301": keepsPostMethod.insert(301)
      case "post302": keepsPostMethod.insert(302)
      case "post303": keepsPostMethod.insert(303)
      default: break
      }
    }
    for (index, url) in urls.enumerated() {
      let output = index < outputs.count ? outputs[index] : (nil, false)
      targets.append(Target(url: url, output: output.0, usesRemoteName: output.1))
    }
    if targets.isEmpty { throw Failure(message: "curl: no URL specified!\n" + Self.hint) }
    if isHead, data != nil, !sendsDataInQuery {
      throw Failure(
        message: "Warning: You can only select one HTTP request method! You asked for both POST "
          + "\nWarning: (-d, --data) and HEAD (-I, --head).\n"
      )
    }
    if sendsDataInQuery, let data {
      for index in targets.indices {
        let mark = targets[index].url.contains("?") ? "&" : "?"
        targets[index].url += mark + String(decoding: data, as: UTF8.self)
      }
      self.data = nil
    }
  }

  private func text(_ value: String, _ process: Process) throws(Failure) -> String {
    guard value.hasPrefix("@") else { return value }
    return String(decoding: try file(value, process), as: UTF8.self)
  }

  private func file(_ value: String, _ process: Process) throws(Failure) -> [UInt8] {
    let path = String(value.dropFirst())
    guard let bytes = try? process.contents(of: path == "-" ? "/dev/stdin" : path) else {
      throw Failure(
        message: "Warning: Couldn't read data from file \"\(path)\", this makes an empty POST.\n",
        status: 26
      )
    }
    return bytes
  }

  private func stripped(_ bytes: [UInt8]) -> [UInt8] {
    bytes.filter { $0 != 0x0a && $0 != 0x0d && $0 != 0 }
  }

  private mutating func addData(_ bytes: [UInt8]) throws(Failure) {
    data = data.map { $0 + [UInt8(ascii: "&")] + bytes } ?? bytes
  }

  /// `name=content` with the content in percent encoding.
  private func encoded(_ value: String, _ process: Process) throws(Failure) -> [UInt8] {
    var name = ""
    var content = Array(value.utf8)
    if let mark = value.firstIndex(where: { $0 == "=" || $0 == "@" }) {
      name = String(value[..<mark])
      content = Array(value[value.index(after: mark)...].utf8)
      if value[mark] == "@" { content = try file(String(value[mark...]), process) }
    }
    var text = name.isEmpty ? "" : name + "="
    for byte in content {
      switch byte {
      case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, UInt8(ascii: "-"), UInt8(ascii: "."),
        UInt8(ascii: "_"), UInt8(ascii: "~"):
        text += String(UnicodeScalar(byte))
      case 0x20: text += "+"
      default: text += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
      }
    }
    return Array(text.utf8)
  }

  private func seconds(_ value: String, _ option: String) throws(Failure) -> Int64 {
    guard let number = Double(value), number >= 0, number < 1e9 else {
      throw Failure(
        message: "curl: option \(option): expected a proper numerical parameter\n" + Self.hint
      )
    }
    return Int64((number * 1000).rounded(.down)) * 1_000_000
  }

  private func number(_ value: String, _ option: String) throws(Failure) -> Int {
    guard let number = Int(value), number >= 0, number < 1_000_000 else {
      throw Failure(
        message: "curl: option \(option): expected a proper numerical parameter\n" + Self.hint
      )
    }
    return number
  }

  private mutating func addResolve(_ value: String) throws(Failure) {
    let parts = value.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      .map(String.init)
    guard parts.count == 3, let port = UInt16(parts[1]) else {
      throw Failure(
        message: "curl: (49) Couldn't parse CURLOPT_RESOLVE entry '\(value)'\n",
        status: 49
      )
    }
    var addresses: [IPv4Address] = []
    for part in parts[2].split(separator: ",") {
      if let address = IPv4Address(String(part)) { addresses.append(address) }
    }
    let host = parts[0].hasPrefix("+") ? String(parts[0].dropFirst()) : parts[0]
    resolves.append((host.lowercased(), port, addresses))
  }

  private mutating func setLocalPorts(_ value: String) throws(Failure) {
    let parts = value.split(separator: "-", maxSplits: 1).map(String.init)
    guard let low = parts.first.flatMap({ UInt16($0) }),
      let high = parts.count > 1 ? UInt16(parts[1]) : low, low > 0, low <= high
    else {
      throw Failure(message: "curl: option --local-port: is badly used here\n" + Self.hint)
    }
    localPorts = low...high
  }

  /// The method of the first request.
  var firstMethod: String {
    method ?? (isHead ? "HEAD" : uploadFile != nil ? "PUT" : data != nil ? "POST" : "GET")
  }
}

import HopyardServices
import HopyardSimulator
import HopyardWire

/// A proxy through which `nc -x` connects: SOCKS 4, SOCKS 5 or an HTTP proxy with CONNECT.
struct NetcatProxy {
  enum Kind {
    case socks4
    case socks5
    case connect
  }

  var kind: Kind
  var host: String
  var port: UInt16
  var user: String?

  /// Reads `HOST[:PORT]` and the name of the protocol.
  init?(_ place: String, kind name: String, user: String?) {
    switch name.lowercased() {
    case "4": kind = .socks4
    case "5": kind = .socks5
    case "connect": kind = .connect
    default: return nil
    }
    let parts = place.split(separator: ":", maxSplits: 1).map(String.init)
    host = parts.first ?? ""
    port = kind == .connect ? 3128 : 1080
    if parts.count > 1 { port = UInt16(parts[1]) ?? ServiceNames.port(parts[1]) ?? port }
    self.user = user
  }
}

extension NetcatCommand {
  /// Connects to a proxy, asks it for the host, and relays.
  static func connect(
    _ process: Process,
    _ options: NetcatOptions,
    through proxy: NetcatProxy,
    host: String,
    port: UInt16
  ) async throws(ProcessExit) -> Int32 {
    let address: IPv4Address
    switch try await process.address(of: proxy.host) {
    case .success(let found): address = found
    case .failure(let error):
      throw try await fail(
        process,
        "getaddrinfo for host \"\(proxy.host)\" port \(proxy.port): \(error.text)"
      )
    }
    guard
      let channel = try await open(process, options, proxy.host, address, proxy.port)
        as? TCPChannel
    else { return 1 }
    defer { channel.close() }
    let stream = ProxyStream(process, channel.socket)
    switch proxy.kind {
    case .socks4: try await askSOCKS4(process, stream, proxy, host, port)
    case .socks5: try await askSOCKS5(process, stream, host, port)
    case .connect: try await askCONNECT(process, stream, proxy, host, port)
    }
    if options.verbosity > 0 {
      let service = options.isNumeric ? nil : ServiceNames.name(port, isUDP: false)
      try await process.printError(
        "Connection to \(host) \(port) port [tcp/\(service ?? "*")] succeeded!\n"
      )
    }
    if !options.scans { try await NetcatRelay(process, options, channel).run() }
    return 0
  }

  private static func askSOCKS4(
    _ process: Process,
    _ stream: ProxyStream,
    _ proxy: NetcatProxy,
    _ host: String,
    _ port: UInt16
  ) async throws(ProcessExit) {
    let target: IPv4Address
    switch try await process.address(of: host, .v4) {
    case .success(let found): target = found
    case .failure(let error):
      throw try await fail(process, "getaddrinfo(\"\(host)\", \"\(port)\"): \(error.text)")
    }
    let octets = target.octets
    var request: [UInt8] = [4, 1, UInt8(port >> 8), UInt8(port & 255)]
    request += [octets.0, octets.1, octets.2, octets.3]
    try await stream.write(request + Array((proxy.user ?? "").utf8) + [0])
    guard let reply = try await stream.read(8) else {
      throw try await fail(process, "read failed (0/8): Broken pipe")
    }
    if reply[1] != 90 {
      let text =
        switch reply[1] {
        case 91: "Request rejected or failed"
        case 92: "Cannot connect to identd on the client"
        case 93: "Client and identd report different user-ids"
        default: "Unknown"
        }
      throw try await fail(process, "connection failed, SOCKSv4 error: \(text)")
    }
  }

  private static func askSOCKS5(
    _ process: Process,
    _ stream: ProxyStream,
    _ host: String,
    _ port: UInt16
  ) async throws(ProcessExit) {
    try await stream.write([5, 1, 0])
    guard let method = try await stream.read(2) else {
      throw try await fail(process, "read failed (0/2): Broken pipe")
    }
    if method[1] == 255 {
      throw try await fail(process, "authentication method negotiation failed")
    }
    var request: [UInt8] = [5, 1, 0]
    if let address = IPv4Address(host) {
      let octets = address.octets
      request += [1, octets.0, octets.1, octets.2, octets.3]
    } else {
      let name = Array(host.utf8.prefix(255))
      request += [3, UInt8(name.count)] + name
    }
    try await stream.write(request + [UInt8(port >> 8), UInt8(port & 255)])
    guard let reply = try await stream.read(4) else {
      throw try await fail(process, "read failed (0/4): Broken pipe")
    }
    if reply[1] != 0 {
      let texts = [
        "", "General SOCKS server failure", "Connection not allowed by ruleset",
        "Network unreachable", "Host unreachable", "Connection refused", "TTL expired",
        "Command not supported", "Address type not supported",
      ]
      let text = Int(reply[1]) < texts.count ? texts[Int(reply[1])] : "Unknown"
      throw try await fail(process, "connection failed, SOCKSv5 error: \(text)")
    }
    switch reply[3] {
    case 1: _ = try await stream.read(6)
    case 4: _ = try await stream.read(18)
    default: throw try await fail(process, "connection failed, unsupported address type")
    }
  }

  private static func askCONNECT(
    _ process: Process,
    _ stream: ProxyStream,
    _ proxy: NetcatProxy,
    _ host: String,
    _ port: UInt16
  ) async throws(ProcessExit) {
    try await stream.write(Array("CONNECT \(host):\(port) HTTP/1.0\r\n".utf8))
    if let user = proxy.user {
      let credentials = Base64Text.encoded(Array("\(user):".utf8))
      try await stream.write(Array("Proxy-Authorization: Basic \(credentials)\r\n".utf8))
    }
    try await stream.write([0x0d, 0x0a])
    guard let status = try await stream.readLine() else {
      throw try await fail(process, "Proxy error: \"\"")
    }
    guard status.hasPrefix("HTTP/1."), status.split(separator: " ").dropFirst().first == "200"
    else {
      throw try await fail(process, "Proxy error: \"\(status)\"")
    }
    while let line = try await stream.readLine() {
      if line.isEmpty { return }
    }
  }
}

/// The bytes that a client exchanges with a proxy before the connection is its own.
struct ProxyStream {
  private let process: Process
  private let socket: TCPSocket

  init(_ process: Process, _ socket: TCPSocket) {
    self.process = process
    self.socket = socket
  }

  func write(_ bytes: [UInt8]) async throws(ProcessExit) {
    var rest = bytes[...]
    while !rest.isEmpty {
      do {
        rest = rest.dropFirst(try socket.write(Array(rest)))
      } catch {
        throw .failed(Errno(rawValue: error.rawValue) ?? .inputOutput)
      }
      if !rest.isEmpty { _ = try await process.wait(on: [socket.writable]) }
    }
    try await process.finishSending()
  }

  /// As many bytes, and no more; nil if the stream ends before.
  func read(_ count: Int) async throws(ProcessExit) -> [UInt8]? {
    var bytes: [UInt8] = []
    while bytes.count < count {
      let more: [UInt8]?
      do {
        more = try socket.read(count - bytes.count)
      } catch {
        throw .failed(Errno(rawValue: error.rawValue) ?? .inputOutput)
      }
      if let more {
        if more.isEmpty { return nil }
        bytes += more
      } else {
        _ = try await process.wait(on: [socket.readable])
      }
    }
    return bytes
  }

  /// A line without its end; nil if the stream ends before.
  func readLine() async throws(ProcessExit) -> String? {
    var line: [UInt8] = []
    while let byte = try await read(1)?.first {
      if byte == 0x0a {
        if line.last == 0x0d { line.removeLast() }
        return String(decoding: line, as: UTF8.self)
      }
      line.append(byte)
      if line.count > 8192 { return nil }
    }
    return nil
  }
}

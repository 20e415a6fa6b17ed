/// One address of `socat`: `TYPE:parameter:…,option=value,…`.
struct SocatAddress: Sendable {
  /// The kinds that are modelled.
  enum Kind: Sendable {
    case standardStreams
    case standardInput
    case standardOutput
    case standardError
    case file
    case create
    case pipe
    case exec
    case system
    case interface
    case udpConnect
    case udpSendTo
    case udpDatagram
    case udpReceive
    case udpReceiveFrom
    case udpListen
    case ipSendTo
    case ipDatagram
    case ipReceive
    case ipReceiveFrom
    case tcpConnect
    case tcpListen
    case proxy
    case socks4
    case tun

    /// How many parameters it takes.
    var parameters: ClosedRange<Int> {
      switch self {
      case .standardStreams, .standardInput, .standardOutput, .standardError: 0...0
      case .pipe, .tun: 0...1
      case .udpConnect, .udpSendTo, .udpDatagram, .tcpConnect, .ipSendTo, .ipDatagram: 2...2
      case .proxy, .socks4: 3...3
      default: 1...1
      }
    }
  }

  var kind: Kind
  /// The type as it was written.
  var type: String
  var parameters: [String]
  var options: [(name: String, value: String?)]

  /// Why an address is refused or wrong.
  enum Failure: Error {
    /// What socat says about it.
    case wrong(String)
    /// It is not modelled.
    case refused(String)
  }

  private static let kinds: [String: Kind] = [
    "-": .standardStreams, "stdio": .standardStreams, "stdin": .standardInput,
    "stdout": .standardOutput, "stderr": .standardError, "open": .file, "file": .file,
    "gopen": .file, "create": .create, "creat": .create, "pipe": .pipe, "echo": .pipe,
    "fifo": .pipe, "exec": .exec, "system": .system, "interface": .interface, "if": .interface,
    "udp": .udpConnect, "udp4": .udpConnect, "udp-connect": .udpConnect,
    "udp4-connect": .udpConnect, "udp-sendto": .udpSendTo, "udp4-sendto": .udpSendTo,
    "udp-datagram": .udpDatagram, "udp4-datagram": .udpDatagram, "udp-dgram": .udpDatagram,
    "udp4-dgram": .udpDatagram, "udp-recv": .udpReceive,
    "udp4-recv": .udpReceive, "udp-recvfrom": .udpReceiveFrom, "udp4-recvfrom": .udpReceiveFrom,
    "udp-listen": .udpListen, "udp4-listen": .udpListen, "udp-l": .udpListen,
    "udp4-l": .udpListen, "ip-sendto": .ipSendTo, "ip4-sendto": .ipSendTo,
    "ip-datagram": .ipDatagram, "ip4-datagram": .ipDatagram, "ip-recv": .ipReceive,
    "ip4-recv": .ipReceive, "ip-recvfrom": .ipReceiveFrom, "ip4-recvfrom": .ipReceiveFrom,
    "tcp": .tcpConnect, "tcp4": .tcpConnect, "tcp-connect": .tcpConnect,
    "tcp4-connect": .tcpConnect, "tcp-listen": .tcpListen, "tcp4-listen": .tcpListen,
    "tcp-l": .tcpListen, "tcp4-l": .tcpListen, "proxy": .proxy, "proxy-connect": .proxy,
    "tun": .tun, "socks": .socks4, "socks4": .socks4, "socks4a": .socks4,
  ]

  /// Types that socat has and the model lacks.
  private static let unmodelled: Set<String> = [
    "abstract-client", "abstract-connect", "abstract-listen", "abstract-recv",
    "abstract-recvfrom", "abstract-sendto", "dccp", "dccp-listen", "fd", "ip6-datagram",
    "ip6-recv", "ip6-recvfrom", "ip6-sendto", "openssl", "openssl-listen", "ssl", "ssl-l",
    "openssl-dtls-client", "pty", "readline", "sctp", "sctp-connect", "sctp-listen",
    "sctp4", "socket-connect", "socket-datagram", "socket-listen", "socket-recv",
    "socket-recvfrom", "socket-sendto", "socks5", "tcp6",
    "tcp6-listen", "tcp6-connect", "udp6", "udp6-datagram", "udp6-listen", "udp6-recv",
    "udp6-recvfrom", "udp6-sendto", "udplite", "unix", "unix-client", "unix-connect",
    "unix-listen", "unix-recv", "unix-recvfrom", "unix-sendto", "vsock", "vsock-connect",
    "vsock-listen",
  ]

  /// Options by all their names, to the one used here.
  private static let optionNames: [String: String] = [
    "sourceport": "sourceport", "sp": "sourceport", "bind": "bind", "reuseaddr": "reuseaddr",
    "so-reuseaddr": "reuseaddr", "reuseport": "reuseport", "so-reuseport": "reuseport",
    "broadcast": "broadcast", "so-broadcast": "broadcast", "fork": "fork",
    "ip-add-membership": "membership", "add-membership": "membership",
    "ip-membership": "membership", "membership": "membership", "creat": "creat",
    "create": "creat", "o-creat": "creat", "o-create": "creat", "append": "append",
    "o-append": "append", "trunc": "trunc", "o-trunc": "trunc", "rdonly": "rdonly",
    "o-rdonly": "rdonly", "wronly": "wronly", "o-wronly": "wronly", "rdwr": "rdwr",
    "o-rdwr": "rdwr", "ip-transparent": "transparent", "transparent": "transparent",
    "so-bindtodevice": "bindtodevice", "bindtodevice": "bindtodevice",
    "interface": "bindtodevice", "if": "bindtodevice", "ttl": "ttl", "ip-ttl": "ttl",
    "ipttl": "ttl", "tos": "tos", "ip-tos": "tos", "iptos": "tos", "mtudiscover": "mtudiscover",
    "ip-mtu-discover": "mtudiscover", "mtudisc": "mtudiscover", "null-eof": "null-eof",
    "shut-null": "shut-null", "shut-none": "shut-none", "shut-down": "shut-down",
    "shut-close": "shut-close", "ip-multicast-ttl": "multicast-ttl",
    "multicast-ttl": "multicast-ttl", "multicastttl": "multicast-ttl",
    "ip-multicast-loop": "multicast-loop", "multicast-loop": "multicast-loop",
    "multicastloop": "multicast-loop", "ip-multicast-if": "multicast-if",
    "multicast-if": "multicast-if", "ignoreeof": "ignoreeof",
    "connect-timeout":
      "connect-timeout", "setuid": "setuid", "user": "setuid", "stderr": "stderr",
    "nonblock": "nonblock", "o-nonblock": "nonblock", "nodelay": "nodelay",
    "tcp-nodelay": "nodelay", "keepalive": "keepalive", "so-keepalive": "keepalive",
    "backlog": "backlog", "max-children": "max-children", "retry": "retry",
    "interval": "interval", "forever": "forever", "crnl": "crnl", "crlf": "crnl",
    "freebind": "transparent", "ip-freebind": "transparent", "pf": "pf", "unlink": "unlink",
    "up": "up", "iff-up": "up", "tun-name": "tun-name", "iff-no-pi": "no-pi", "no-pi": "no-pi",
    "proxyport": "proxyport", "proxyauth": "proxyauth", "proxyauthorization": "proxyauth",
    "proxy-authorization": "proxyauth", "socksport": "socksport", "socksuser": "socksuser",
    "keepidle": "keepidle", "tcp-keepidle": "keepidle", "keepintvl": "keepintvl",
    "tcp-keepintvl": "keepintvl", "keepcnt": "keepcnt", "tcp-keepcnt": "keepcnt",
    "mss": "mss", "maxseg": "mss", "tcp-maxseg": "mss", "linger": "linger", "so-linger": "linger",
    "linger2": "linger2", "tcp-linger2": "linger2", "syncnt": "syncnt", "tcp-syncnt": "syncnt",
    "cork": "cork", "tcp-cork": "cork", "defer-accept": "defer-accept",
    "tcp-defer-accept": "defer-accept", "window-clamp": "window-clamp",
    "tcp-window-clamp": "window-clamp", "congestion": "congestion",
    "tcp-congestion": "congestion", "mark": "mark", "so-mark": "mark",
    "so-rcvbuf": "rcvbuf", "rcvbuf": "rcvbuf", "so-sndbuf": "sndbuf", "sndbuf": "sndbuf",
  ]

  private static let unmodelledOptions: Set<String> = [
    "retry", "interval", "forever", "crnl", "ignoreeof", "max-children", "unlink", "stderr",
  ]

  init(_ text: String) throws(Failure) {
    let (head, tail) = Self.split(text)
    let words = head
    guard let first = words.first else { throw .wrong("unknown device/address \"\"") }
    var type = first
    let lowered = type.lowercased()
    var parameters = Array(words.dropFirst())
    if let kind = Self.kinds[lowered] {
      self.kind = kind
    } else if Self.unmodelled.contains(lowered) {
      throw .refused("the socat address type \(type) is not modelled")
    } else if first.contains("/") {
      // A path alone means OPEN.
      kind = .file
      parameters = [words.joined(separator: ":")]
      type = "GOPEN"
    } else {
      throw .wrong("unknown device/address \"\(type)\"")
    }
    // SYSTEM passes over what stands behind a colon in its command; a path may hold colons.
    if kind == .system, parameters.count > 1 { parameters = [parameters[0]] }
    if kind == .exec, parameters.count > 1 {
      throw .wrong(
        "\"\(type):\(parameters[0])\": wrong number of parameters "
          + "(\(parameters.count) instead of 1)"
      )
    }
    if kind.parameters == 1...1 || kind == .pipe, parameters.count > 1,
      [.file, .create, .pipe].contains(kind)
    {
      parameters = [parameters.joined(separator: ":")]
    }
    guard kind.parameters.contains(parameters.count) else {
      let wanted =
        kind.parameters.lowerBound == kind.parameters.upperBound
        ? "\(kind.parameters.lowerBound)"
        : "\(kind.parameters.lowerBound) to \(kind.parameters.upperBound)"
      throw .wrong(
        "\(type): wrong number of parameters (\(parameters.count) instead of \(wanted))"
      )
    }
    self.type = type
    self.parameters = parameters
    options = []
    for option in tail {
      let mark = option.firstIndex(of: "=")
      let name = String(mark.map { option[..<$0] } ?? option[...]).lowercased()
      guard let known = Self.optionNames[name] else {
        throw .refused("the socat option \(name) is not modelled")
      }
      if Self.unmodelledOptions.contains(known) {
        throw .refused("the socat option \(name) is not modelled")
      }
      options.append((known, mark.map { String(option[option.index(after: $0)...]) }))
    }
  }

  /// Takes the text apart at colons and commas outside quotes: the words before the first comma,
  /// and the options.
  private static func split(_ text: String) -> (words: [String], options: [String]) {
    var words: [String] = []
    var options: [String] = []
    var current: [UInt8] = []
    var inOptions = false
    var quote: UInt8?
    var nesting: [UInt8] = []
    let bytes = Array(text.utf8)
    var index = 0
    func string() -> String { String(decoding: current, as: UTF8.self) }
    while index < bytes.count {
      let byte = bytes[index]
      index += 1
      if byte == UInt8(ascii: "\\"), index < bytes.count, quote != UInt8(ascii: "'") {
        current.append(bytes[index])
        index += 1
        continue
      }
      if let open = quote {
        if byte == open { quote = nil } else { current.append(byte) }
        continue
      }
      switch byte {
      case UInt8(ascii: "'"), UInt8(ascii: "\""):
        // Quotes inside a command's text stay for the shell.
        if words.count > 0 && ["system", "exec"].contains(words[0].lowercased()) && !inOptions {
          current.append(byte)
          while index < bytes.count, bytes[index] != byte {
            current.append(bytes[index])
            index += 1
          }
          if index < bytes.count {
            current.append(bytes[index])
            index += 1
          }
        } else {
          quote = byte
        }
      case UInt8(ascii: "["):
        nesting.append(byte)
        current.append(byte)
      case UInt8(ascii: "]"):
        _ = nesting.popLast()
        current.append(byte)
      case UInt8(ascii: ":") where !inOptions && nesting.isEmpty:
        words.append(string())
        current = []
      case UInt8(ascii: ",") where nesting.isEmpty:
        if inOptions { options.append(string()) } else { words.append(string()) }
        inOptions = true
        current = []
      default: current.append(byte)
      }
    }
    if inOptions { options.append(string()) } else { words.append(string()) }
    return (words, options.filter { !$0.isEmpty })
  }

  /// Whether an option was given and not switched off.
  func has(_ name: String) -> Bool {
    guard let option = options.last(where: { $0.name == name }) else { return false }
    return option.value != "0"
  }

  /// The value of an option.
  func value(_ name: String) -> String? { options.last { $0.name == name }?.value }

  /// The text of the option, as its messages quote it.
  func values(_ name: String) -> [String] {
    options.filter { $0.name == name }.compactMap(\.value)
  }
}

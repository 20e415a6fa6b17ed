public import HopyardWire

/// What a modelled server speaks on a port.
public enum ServiceProtocol: String, Sendable, CaseIterable {
  /// HTTP/1.1: answers each request with 200 and the server's name.
  case http
  /// DNS: refuses every name, as a server without zones.
  case dns
  /// PostgreSQL's start of a session.
  case postgres
  /// MySQL's and MariaDB's greeting.
  case mysql
  /// Redis's inline commands and RESP.
  case redis
  /// Memcached's text commands.
  case memcached
  /// SSH's version line.
  case ssh
  /// SMTP's greeting and replies.
  case smtp
  /// FTP's greeting and replies.
  case ftp
  /// Sends back what it gets.
  case echo

  /// The conversation of a new connection or datagram.
  public func makeDialogue(server: String) -> any ServiceDialogue {
    switch self {
    case .http: HTTPDialogue(server: server)
    case .dns: DNSRefusalDialogue()
    case .postgres: PostgresDialogue()
    case .mysql: GreetingDialogue(greeting: GreetingDialogue.mysql, reply: GreetingDialogue.refused)
    case .redis: RedisDialogue()
    case .memcached: LineDialogue { $0 == "version" ? "VERSION 1.6.39" : "ERROR" }
    case .ssh: GreetingDialogue(greeting: Array("SSH-2.0-OpenSSH_9.6\r\n".utf8), reply: [])
    case .smtp: LineDialogue(greeting: "220 \(server) ESMTP", answer: LineDialogue.smtp(server))
    case .ftp: LineDialogue(greeting: "220 \(server)", answer: LineDialogue.ftp)
    case .echo: EchoDialogue()
    }
  }
}

/// A server's side of one conversation, without sockets: bytes in, bytes out.
public protocol ServiceDialogue {
  /// What it says before it is asked.
  var greeting: [UInt8] { get }
  /// Whether it ends the conversation once its answer is sent.
  var isOver: Bool { get }
  /// Takes what arrived, and gives what to answer.
  mutating func answer(_ bytes: [UInt8]) -> [UInt8]
}

/// A port on which a container serves something.
public struct ServicePort: Hashable, Sendable {
  /// The port.
  public var port: UInt16
  /// `.tcp`, `.udp` or `.sctp`.
  public var ipProtocol: IPProtocol
  /// What it speaks.
  public var service: ServiceProtocol
  /// Whether nothing in the file says so.
  public var isAssumed: Bool

  /// Reads `80`, `53/udp` or `5432/tcp postgres`; nil where it is none of these.
  ///
  /// What a port speaks is guessed where the text does not say it.
  public init?(_ text: String) {
    let words = text.split(separator: " ").map(String.init)
    let halves = (words.first ?? "").split(separator: "/", omittingEmptySubsequences: false)
    guard words.count <= 2, halves.count <= 2, let port = UInt16(halves.first ?? ""), port > 0
    else { return nil }
    let ipProtocol: IPProtocol
    switch halves.count == 2 ? halves[1] : "tcp" {
    case "tcp": ipProtocol = .tcp
    case "udp": ipProtocol = .udp
    case "sctp": ipProtocol = .sctp
    default: return nil
    }
    var service = WellKnownServices.guess(port: port, ipProtocol)
    if words.count == 2 {
      guard let named = ServiceProtocol(rawValue: words[1]) else { return nil }
      service = named
    }
    self.init(port, ipProtocol, service, isAssumed: false)
  }

  /// Makes a description.
  public init(
    _ port: UInt16,
    _ ipProtocol: IPProtocol = .tcp,
    _ service: ServiceProtocol,
    isAssumed: Bool = true
  ) {
    self.port = port
    self.ipProtocol = ipProtocol
    self.service = service
    self.isAssumed = isAssumed
  }
}

/// Sends back what it gets (RFC 862).
struct EchoDialogue: ServiceDialogue {
  var greeting: [UInt8] { [] }
  var isOver: Bool { false }
  mutating func answer(_ bytes: [UInt8]) -> [UInt8] { bytes }
}

/// Says something at the start, and one thing to all that is said.
struct GreetingDialogue: ServiceDialogue {
  var greeting: [UInt8]
  var reply: [UInt8]
  var isOver = false

  init(greeting: [UInt8], reply: [UInt8]) {
    self.greeting = greeting
    self.reply = reply
  }

  mutating func answer(_ bytes: [UInt8]) -> [UInt8] {
    isOver = !reply.isEmpty
    return reply
  }

  /// Protocol::HandshakeV10 of a server with `mysql_native_password`.
  static let mysql: [UInt8] = {
    var body: [UInt8] = [10] + Array("8.4.0".utf8) + [0, 8, 0, 0, 0]
    body += Array("hopyard1".utf8) + [0]
    body += [0xff, 0xf7, 0xff, 0x02, 0x00, 0xff, 0xdf, 21]
    body += Array(repeating: 0, count: 10)
    body += Array("hopyard12345".utf8) + [0]
    body += Array("mysql_native_password".utf8) + [0]
    return packet(body, sequence: 0)
  }()

  /// ERR_Packet 1045: no user is known.
  static let refused: [UInt8] = packet(
    [0xff, 0x15, 0x04] + Array("#28000Access denied for user".utf8),
    sequence: 2
  )

  private static func packet(_ body: [UInt8], sequence: UInt8) -> [UInt8] {
    [UInt8(body.count & 0xff), UInt8(body.count >> 8 & 0xff), 0, sequence] + body
  }
}

/// Answers whole lines.
struct LineDialogue: ServiceDialogue {
  var greeting: [UInt8]
  var isOver = false
  private var rest: [UInt8] = []
  private let reply: @Sendable (String) -> String

  init(greeting: String = "", answer: @escaping @Sendable (String) -> String) {
    self.greeting = greeting.isEmpty ? [] : Array((greeting + "\r\n").utf8)
    reply = answer
  }

  mutating func answer(_ bytes: [UInt8]) -> [UInt8] {
    rest += bytes
    var output: [UInt8] = []
    while let end = rest.firstIndex(of: 0x0A) {
      var line = rest[..<end]
      if line.last == 0x0D { line.removeLast() }
      let text = String(decoding: line, as: UTF8.self)
      rest.removeFirst(end + 1)
      if text.lowercased() == "quit" { isOver = true }
      output += Array((reply(text) + "\r\n").utf8)
    }
    if rest.count > 65_536 { isOver = true }
    return output
  }

  static func smtp(_ server: String) -> @Sendable (String) -> String {
    { line in
      let verb = line.prefix { $0 != " " }.uppercased()
      switch verb {
      case "HELO", "EHLO": return "250 \(server)"
      case "QUIT": return "221 2.0.0 Bye"
      case "NOOP", "RSET": return "250 2.0.0 Ok"
      default: return "502 5.5.2 Error: command not recognized"
      }
    }
  }

  static let ftp: @Sendable (String) -> String = { line in
    switch line.prefix(while: { $0 != " " }).uppercased() {
    case "USER": "331 Please specify the password."
    case "QUIT": "221 Goodbye."
    default: "530 Please login with USER and PASS."
    }
  }
}

/// PostgreSQL: no TLS, then a session without password in which every query is empty
/// (Frontend/Backend Protocol 3.0).
struct PostgresDialogue: ServiceDialogue {
  var greeting: [UInt8] { [] }
  var isOver = false
  private var rest: [UInt8] = []
  private var hasStarted = false

  private static let ready: [UInt8] = [0x5A, 0, 0, 0, 5, 0x49]

  mutating func answer(_ bytes: [UInt8]) -> [UInt8] {
    rest += bytes
    var output: [UInt8] = []
    while true {
      let head = hasStarted ? 5 : 4
      guard rest.count >= head else { break }
      let length = rest[(head - 4)..<head].reduce(0) { $0 << 8 | Int($1) }
      guard length >= 4, length <= 1 << 20 else {
        isOver = true
        return output
      }
      let total = length + head - 4
      guard rest.count >= total else { break }
      let message = Array(rest[..<total])
      rest.removeFirst(total)
      output += hasStarted ? later(message) : first(message)
    }
    return output
  }

  private mutating func first(_ message: [UInt8]) -> [UInt8] {
    guard message.count >= 8 else { return [] }
    let code = message[4..<8].reduce(0) { $0 << 8 | Int($1) }
    if code == 80_877_103 || code == 80_877_104 { return [0x4E] }
    hasStarted = true
    return [0x52, 0, 0, 0, 8, 0, 0, 0, 0] + Self.ready
  }

  private mutating func later(_ message: [UInt8]) -> [UInt8] {
    switch message[0] {
    case 0x51: return [0x49, 0, 0, 0, 4] + Self.ready
    case 0x53: return Self.ready
    case 0x58:
      isOver = true
      return []
    default: return []
    }
  }
}

/// Redis: inline commands and arrays of bulk strings (RESP2).
struct RedisDialogue: ServiceDialogue {
  var greeting: [UInt8] { [] }
  var isOver = false
  private var rest: [UInt8] = []

  mutating func answer(_ bytes: [UInt8]) -> [UInt8] {
    rest += bytes
    if rest.count > 1 << 20 { isOver = true }
    var output = ""
    while let words = takeCommand() {
      guard let verb = words.first?.uppercased() else { continue }
      switch verb {
      case "PING":
        output += words.count > 1 ? "$\(words[1].utf8.count)\r\n\(words[1])\r\n" : "+PONG\r\n"
      case "ECHO" where words.count == 2: output += "$\(words[1].utf8.count)\r\n\(words[1])\r\n"
      case "QUIT":
        output += "+OK\r\n"
        isOver = true
      case "SET", "SELECT", "AUTH", "CLIENT": output += "+OK\r\n"
      case "GET": output += "$-1\r\n"
      default: output += "-ERR unknown command '\(words[0])'\r\n"
      }
    }
    return Array(output.utf8)
  }

  /// The next whole command; nil when there is none yet.
  private mutating func takeCommand() -> [String]? {
    guard let line = line(from: 0) else { return nil }
    guard line.text.hasPrefix("*") else {
      rest.removeFirst(line.end)
      return line.text.split(separator: " ").map(String.init)
    }
    guard let count = Int(line.text.dropFirst()), count >= 0, count <= 1024 else {
      isOver = true
      return nil
    }
    var words: [String] = []
    var place = line.end
    for _ in 0..<count {
      guard let head = self.line(from: place) else { return nil }
      guard head.text.hasPrefix("$"), let size = Int(head.text.dropFirst()), size >= 0,
        size <= 1 << 20
      else {
        isOver = true
        return nil
      }
      guard rest.count >= head.end + size + 2 else { return nil }
      words.append(String(decoding: rest[head.end..<(head.end + size)], as: UTF8.self))
      place = head.end + size + 2
    }
    rest.removeFirst(place)
    return words
  }

  private func line(from start: Int) -> (text: String, end: Int)? {
    guard start <= rest.count, let end = rest[start...].firstIndex(of: 0x0A) else { return nil }
    var line = rest[start..<end]
    if line.last == 0x0D { line.removeLast() }
    return (String(decoding: line, as: UTF8.self), end + 1)
  }
}

/// DNS: REFUSED for each question, as RFC 1035 has it for policy.
struct DNSRefusalDialogue: ServiceDialogue {
  var greeting: [UInt8] { [] }
  var isOver: Bool { false }

  mutating func answer(_ bytes: [UInt8]) -> [UInt8] {
    guard bytes.count >= 12, bytes[2] & 0x80 == 0 else { return [] }
    var reply = bytes
    reply[2] = 0x80 | bytes[2] & 0x79
    reply[3] = 0x05
    return reply
  }
}

/// HTTP/1.1: each request is answered with 200 and a line of text (RFC 9112).
struct HTTPDialogue: ServiceDialogue {
  var greeting: [UInt8] { [] }
  var isOver = false
  private let server: String
  private var rest: [UInt8] = []
  private var bodyLeft = 0

  init(server: String) { self.server = server }

  mutating func answer(_ bytes: [UInt8]) -> [UInt8] {
    rest += bytes
    var output: [UInt8] = []
    while !isOver {
      let skipped = min(bodyLeft, rest.count)
      rest.removeFirst(skipped)
      bodyLeft -= skipped
      guard bodyLeft == 0, let head = takeHead() else { break }
      output += reply(to: head)
    }
    if rest.count > 65_536 { isOver = true }
    return output
  }

  private mutating func takeHead() -> [String]? {
    guard rest.count >= 4 else { return nil }
    for index in 3..<rest.count
    where rest[index] == 0x0A && rest[index - 1] == 0x0D && rest[index - 2] == 0x0A
      && rest[index - 3] == 0x0D
    {
      let text = String(decoding: rest[..<(index - 3)], as: UTF8.self)
      rest.removeFirst(index + 1)
      return text.split(separator: "\r\n", omittingEmptySubsequences: false).map(String.init)
    }
    return nil
  }

  private mutating func reply(to head: [String]) -> [UInt8] {
    let words = head[0].split(separator: " ")
    guard words.count == 3, words[2].hasPrefix("HTTP/1.") else {
      isOver = true
      return Array(
        "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".utf8
      )
    }
    var keepsAlive = words[2] != "HTTP/1.0"
    for line in head.dropFirst() {
      guard let mark = line.firstIndex(of: ":") else { continue }
      let name = line[..<mark].lowercased()
      let value = line[line.index(after: mark)...].lowercased()
      if name == "connection" {
        if value.contains("close") { keepsAlive = false }
        if value.contains("keep-alive") { keepsAlive = true }
      } else if name == "content-length" {
        bodyLeft = max(0, Int(value.filter { $0 != " " }) ?? 0)
      }
    }
    isOver = !keepsAlive
    let body = "\(server)\n"
    var text = "HTTP/1.1 200 OK\r\nServer: hopyard\r\nContent-Type: text/plain\r\n"
    text += "Content-Length: \(body.utf8.count)\r\n"
    if !keepsAlive { text += "Connection: close\r\n" }
    text += "\r\n"
    if words[0] != "HEAD" { text += body }
    return Array(text.utf8)
  }
}

/// What a packetdrill script says, event by event.
struct PacketdrillScript {
  /// When an event happens, in microseconds after the event before it or after the start.
  enum Time {
    case relative(Int64)
    case absolute(Int64)
    /// Between two times after the event before it.
    case range(Int64, Int64)
    /// Whenever it comes.
    case any
  }

  /// A TCP segment or ICMP message as a script writes it.
  struct Packet {
    var isIncoming: Bool
    var flags = ""
    /// The type of service and TTL, from `[ect0]`, `[tos 0x10]`, `(ttl 5)` and the like, and which
    /// bits of the first are told.
    var tos: UInt8?
    var tosMask: UInt8 = 0
    var ttl: UInt8?
    /// The urgent pointer.
    var urgent: UInt16 = 0
    var start: Int64 = 0
    var count = 0
    var acknowledgement: Int64?
    var window: Int?
    /// The options; nil if any will do.
    var options: [String]? = []
    /// The words of an ICMP message.
    var icmp: [String]?
  }

  enum Action {
    case packet(Packet)
    /// Name, arguments and the result as it is written.
    case call(String, [String], String, until: Int64?)
    case command(String)
    case code(String)
  }

  struct Event {
    var line: Int
    var time: Time
    var action: Action
  }

  /// What is wrong with a script.
  struct Problem: Error {
    var text: String
  }

  private(set) var settings: [String: String] = [:]
  private(set) var events: [Event] = []

  private let bytes: [UInt8]
  private var place = 0
  private var line = 1

  init(_ text: String) throws(Problem) {
    bytes = Array(Self.withoutComments(text).utf8)
    try parse()
  }

  private static func withoutComments(_ text: String) -> String {
    var result = ""
    var rest = text[...]
    while let character = rest.first {
      if rest.hasPrefix("//") {
        rest = rest.drop { $0 != "\n" }
      } else if rest.hasPrefix("/*") {
        rest = rest.dropFirst(2)
        while !rest.isEmpty && !rest.hasPrefix("*/") {
          if rest.first == "\n" { result.append("\n") }
          rest = rest.dropFirst()
        }
        rest = rest.dropFirst(2)
      } else if rest.hasPrefix("`") {
        // What stands in a command is no comment.
        let end = rest.dropFirst().firstIndex(of: "`") ?? rest.endIndex
        result += rest[..<end]
        rest = rest[end...]
        if rest.first == "`" {
          result.append("`")
          rest = rest.dropFirst()
        }
      } else {
        result.append(character)
        rest = rest.dropFirst()
      }
    }
    return result
  }

  // MARK: Scanning

  private var current: UInt8? { place < bytes.count ? bytes[place] : nil }

  private mutating func advance() {
    if current == UInt8(ascii: "\n") { line += 1 }
    place += 1
  }

  private mutating func skipSpace(newlines: Bool = true) {
    while let byte = current, byte == 32 || byte == 9 || byte == 13 || newlines && byte == 10 {
      advance()
    }
  }

  private func text(_ range: Range<Int>) -> String {
    String(decoding: bytes[range], as: UTF8.self)
  }

  private mutating func rest(until isEnd: (UInt8) -> Bool) -> String {
    let start = place
    while let byte = current, !isEnd(byte) { advance() }
    return text(start..<place)
  }

  private mutating func parse() throws(Problem) {
    while true {
      skipSpace()
      guard let byte = current else { return }
      if byte == UInt8(ascii: "-"), place + 1 < bytes.count, bytes[place + 1] == byte {
        let option = rest { $0 == 10 }
        let parts = option.split(separator: "=", maxSplits: 1).map(String.init)
        settings[String(parts[0].dropFirst(2)).trimmed] = parts.count > 1 ? parts[1].trimmed : ""
        continue
      }
      let first = line
      var time = Time.relative(0)
      var end: Int64?
      if byte != UInt8(ascii: "`") && byte != UInt8(ascii: "%") {
        (time, end) = try parseTime()
        skipSpace()
      }
      let action = try parseAction(until: end)
      events.append(Event(line: first, time: time, action: action))
    }
  }

  private mutating func parseTime() throws(Problem) -> (Time, Int64?) {
    if current == UInt8(ascii: "*") {
      advance()
      return (.any, nil)
    }
    let isRelative = current == UInt8(ascii: "+")
    if isRelative { advance() }
    let first = try parseNumber()
    if current == UInt8(ascii: "~") {
      advance()
      if current == UInt8(ascii: "+") { advance() }
      return (.range(first, try parseNumber()), nil)
    }
    var end: Int64?
    if place + 2 < bytes.count, text(place..<place + 3) == "..." {
      place += 3
      if current == UInt8(ascii: "+") { advance() }
      end = try parseNumber()
    }
    return (isRelative ? .relative(first) : .absolute(first), end)
  }

  private mutating func parseNumber() throws(Problem) -> Int64 {
    skipSpace(newlines: false)
    let start = place
    while let byte = current {
      if byte == UInt8(ascii: "."), place + 1 < bytes.count, bytes[place + 1] == byte { break }
      guard byte == UInt8(ascii: ".") || (48...57).contains(byte) else { break }
      advance()
    }
    guard let value = Double(text(start..<place)) else {
      throw Problem(text: "line \(line): a time was expected")
    }
    return Int64((value * 1_000_000).rounded())
  }

  private mutating func parseAction(until end: Int64?) throws(Problem) -> Action {
    guard let byte = current else { throw Problem(text: "the script ends after a time") }
    switch byte {
    case UInt8(ascii: "`"):
      advance()
      let command = rest { $0 == UInt8(ascii: "`") }
      advance()
      return .command(command)
    case UInt8(ascii: "%"):
      advance()
      advance()
      let start = place
      while place < bytes.count,
        !(bytes[place] == UInt8(ascii: "}") && place + 1 < bytes.count
          && bytes[place + 1] == UInt8(ascii: "%"))
      {
        advance()
      }
      let code = text(start..<min(place, bytes.count))
      place = min(place + 2, bytes.count)
      return .code(code)
    case UInt8(ascii: "<"), UInt8(ascii: ">"):
      advance()
      return .packet(
        try Self.packet(rest { $0 == 10 }, isIncoming: byte == UInt8(ascii: "<"), line)
      )
    default:
      let name = rest { !($0 == UInt8(ascii: "_") || isalnumByte($0)) }
      skipSpace()
      guard !name.isEmpty, current == UInt8(ascii: "(") else {
        throw Problem(text: "line \(line): a call or packet was expected")
      }
      let start = place + 1
      try skipBalanced()
      let arguments = Self.arguments(text(start..<place - 1))
      skipSpace(newlines: false)
      let result = try parseResult()
      return .call(name, arguments, result, until: end)
    }
  }

  /// Steps over a bracket and what it holds.
  private mutating func skipBalanced() throws(Problem) {
    var depth = 0
    while let byte = current {
      if byte == UInt8(ascii: "\"") {
        advance()
        while let inner = current, inner != UInt8(ascii: "\"") {
          if inner == UInt8(ascii: "\\") { advance() }
          advance()
        }
      }
      if "([{".utf8.contains(byte) { depth += 1 }
      if ")]}".utf8.contains(byte) { depth -= 1 }
      advance()
      if depth == 0 { return }
    }
    throw Problem(text: "line \(line): a bracket is not closed")
  }

  private mutating func parseResult() throws(Problem) -> String {
    guard current == UInt8(ascii: "=") else { return "" }
    advance()
    skipSpace(newlines: false)
    let start = place
    while let byte = current, byte != 10 {
      if byte == UInt8(ascii: "(") { try skipBalanced() } else { advance() }
    }
    return text(start..<place).trimmed
  }

  /// Splits at commas outside brackets.
  static func arguments(_ text: String) -> [String] {
    var parts: [String] = []
    var part = ""
    var depth = 0
    for character in text {
      if "([{".contains(character) { depth += 1 }
      if ")]}".contains(character) { depth -= 1 }
      if character == "," && depth == 0 {
        parts.append(part.trimmed)
        part = ""
      } else {
        part.append(character)
      }
    }
    if !part.trimmed.isEmpty || !parts.isEmpty { parts.append(part.trimmed) }
    return parts
  }

  // MARK: Packets

  /// Reads what a script says of the IP header.
  private static func takeHeader(_ text: Substring, _ packet: inout Packet, _ line: Int)
    throws(Problem)
  {
    let marks: [String: UInt8] = ["noecn": 0, "ect1": 1, "ect0": 2, "ce": 3]
    for part in text.split(separator: ",") {
      let words = part.split(separator: " ").map(String.init)
      let number = words.dropFirst().first.flatMap {
        $0.hasPrefix("0x") ? UInt8($0.dropFirst(2), radix: 16) : UInt8($0)
      }
      switch (words.first ?? "", number) {
      case (let name, nil) where marks[name] != nil || name == "ect01":
        guard name != "ect01" else { break }
        packet.tos = (packet.tos ?? 0) | (marks[name] ?? 0)
        packet.tosMask |= 3
      case ("tos", let value?):
        packet.tos = value
        packet.tosMask = 255
      case ("ttl", let value?): packet.ttl = value
      case ("flowlabel", _): break
      default: throw Problem(text: "line \(line): not a field of an IP header: \(part.trimmed)")
      }
    }
  }

  private static func packet(_ text: String, isIncoming: Bool, _ line: Int) throws(Problem)
    -> Packet
  {
    var packet = Packet(isIncoming: isIncoming)
    var head = text
    if let open = text.firstIndex(of: "<"), let close = text.lastIndex(of: ">"), open < close {
      let inside = text[text.index(after: open)..<close]
      packet.options =
        inside.trimmed == "..."
        ? nil
        : inside.split(separator: ",").map { $0.split(separator: " ").joined(separator: " ") }
      head = String(text[..<open])
    }
    head = head.trimmed
    if let first = head.first, "[(".contains(first),
      let close = head.firstIndex(of: first == "[" ? "]" : ")")
    {
      try takeHeader(head[head.index(after: head.startIndex)..<close], &packet, line)
      head = String(head[head.index(after: close)...])
    }
    var words = head.split(whereSeparator: { " \t\r".contains($0) }).map(String.init)[...]
    if words.first == "icmp" {
      packet.icmp = Array(words.dropFirst())
      return packet
    }
    guard let flags = words.popFirst(), let range = words.popFirst(),
      let colon = range.firstIndex(of: ":"), let open = range.firstIndex(of: "("),
      let start = Int64(range[..<colon]), range.hasSuffix(")"),
      let count = Int(range[range.index(after: open)...].dropLast())
    else { throw Problem(text: "line \(line): not a TCP segment: \(text.trimmed)") }
    packet.flags = flags
    packet.start = start
    packet.count = count
    while let word = words.popFirst() {
      guard let value = words.popFirst(), let number = Int64(value) else {
        throw Problem(text: "line \(line): no number after \(word)")
      }
      switch word {
      case "ack": packet.acknowledgement = number
      case "win": packet.window = Int(number)
      case "urg": packet.urgent = UInt16(truncatingIfNeeded: number)
      default: throw Problem(text: "line \(line): unknown word \(word)")
      }
    }
    return packet
  }
}

private func isalnumByte(_ byte: UInt8) -> Bool {
  (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
}

extension StringProtocol {
  /// The text without white space at its ends.
  var trimmed: String {
    var part = self[...]
    while let first = part.first, first.isWhitespace { part = part.dropFirst() }
    while let last = part.last, last.isWhitespace { part = part.dropLast() }
    return String(part)
  }
}

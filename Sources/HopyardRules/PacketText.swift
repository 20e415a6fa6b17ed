import HopyardSimulator
import HopyardUserland
import HopyardWire

/// Reads packets from text.
enum PacketText {
  /// Reads `address`, `address:port` or `[address]:port`.
  static func endpoint(
    _ text: Substring,
    in whole: String,
    hasPort: Bool
  ) throws(Problem) -> (address: IPAddress, port: UInt16?) {
    func problem(_ message: String) -> Problem {
      let offset = whole.utf8.distance(from: whole.startIndex, to: text.startIndex)
      return PacketText.problem(offset, message)
    }
    var host = text
    var port: Substring?
    if text.hasPrefix("["), let end = text.lastIndex(of: "]") {
      host = text[text.index(after: text.startIndex)..<end]
      let rest = text[text.index(after: end)...]
      if rest.hasPrefix(":") { port = rest.dropFirst() }
    } else if let colon = text.lastIndex(of: ":"), text.firstIndex(of: ":") == colon {
      host = text[..<colon]
      port = text[text.index(after: colon)...]
    }
    guard let address = IPAddress(String(host)) else {
      throw problem("\"\(host)\" is no address")
    }
    guard let port else { return (address, nil) }
    guard hasPort else { throw problem("\"\(text)\" has a port, but the protocol has none") }
    guard let number = UInt16(port) else { throw problem("\"\(port)\" is no port") }
    return (address, number)
  }

  static func problem(_ offset: Int, _ message: String) -> Problem {
    Problem(
      file: "packet",
      location: SourceLocation(line: 1, column: offset + 1),
      message: message
    )
  }

  /// The words that may follow the addresses, each with a value, and those without.
  static let wordsWithValue = [
    "in", "out", "flags", "type", "mark", "connmark", "state", "ttl", "tos", "length", "mac",
    "pkttype", "uid", "gid",
  ]

  /// Names of states.
  static func state(_ name: Substring) -> HookProbe.Tracking? {
    switch name.lowercased() {
    case "new": .new
    case "established": .established(isReply: false)
    case "related": .related(isReply: false)
    case "invalid": .invalid
    case "untracked": .untracked
    case "natural": .natural
    default: nil
    }
  }

  static func text(_ state: HookProbe.Tracking) -> String {
    switch state {
    case .natural: ""
    case .invalid: " state invalid"
    case .untracked: " state untracked"
    case .new: " state new"
    case .established(let reply): " state established" + (reply ? " reply" : "")
    case .related(let reply): " state related" + (reply ? " reply" : "")
    }
  }

  static func number(_ text: Substring) -> UInt64? {
    text.hasPrefix("0x") ? UInt64(text.dropFirst(2), radix: 16) : UInt64(text)
  }

  static let flagNames: [(TCPFlags, String)] = [
    (.fin, "fin"), (.syn, "syn"), (.rst, "rst"), (.psh, "psh"), (.ack, "ack"), (.urg, "urg"),
    (.ece, "ece"), (.cwr, "cwr"),
  ]

  static func flags(_ text: Substring) -> TCPFlags? {
    var flags: TCPFlags = []
    if text == "none" { return flags }
    for name in text.split(separator: ",", omittingEmptySubsequences: false) {
      guard let flag = flagNames.first(where: { $0.1 == name.lowercased() }) else { return nil }
      flags.insert(flag.0)
    }
    return flags
  }

  static func packetType(_ text: Substring) -> PacketType? {
    switch text {
    case "unicast", "host": .host
    case "broadcast": .broadcast
    case "multicast": .multicast
    case "otherhost": .otherHost
    default: nil
    }
  }
}

extension RulePacket {
  /// Reads `PROTOCOL ADDRESS[:PORT] > ADDRESS[:PORT]` and what follows: `in IF`, `out IF`,
  /// `flags syn,ack`, `type N[/CODE]`, `mark N`, `connmark N`, `state STATE`, `reply`, `ttl N`,
  /// `tos N`, `length N`, `fragment`, `mac ADDRESS`, `pkttype TYPE`, `uid N`, `gid N`.
  public init(_ text: String) throws(Problem) {
    let words = text.split { $0 == " " || $0 == "\t" }
    func offset(_ index: Int) -> Int {
      index < words.count
        ? text.utf8.distance(from: text.startIndex, to: words[index].startIndex) : text.utf8.count
    }
    func fail(_ index: Int, _ message: String) -> Problem {
      PacketText.problem(offset(index), message)
    }
    guard words.count >= 4, words[2] == ">" else {
      throw fail(0, "expected \"PROTOCOL ADDRESS[:PORT] > ADDRESS[:PORT] …\"")
    }
    guard let number = IPProtocol(String(words[0])) else {
      throw fail(0, "\"\(words[0])\" is no protocol")
    }
    let from = try PacketText.endpoint(words[1], in: text, hasPort: number.hasPorts)
    let to = try PacketText.endpoint(words[3], in: text, hasPort: number.hasPorts)
    self.init(number, from: from.address, to: to.address)
    guard (from.address.v4 == nil) == (to.address.v4 == nil) else {
      throw fail(3, "the addresses are of different families")
    }
    if number == .icmpv6 { icmpType = 128 }
    if let port = from.port { sourcePort = port }
    if let port = to.port { destinationPort = port }
    var index = 4
    var length: (place: Int, value: UInt16)?
    while index < words.count {
      let word = words[index]
      switch word {
      case "fragment": isLaterFragment = true
      case "reply":
        switch state {
        case .established: state = .established(isReply: true)
        case .related: state = .related(isReply: true)
        default: throw fail(index, "\"reply\" follows \"state established\" or \"state related\"")
        }
      case _ where PacketText.wordsWithValue.contains(String(word)):
        guard index + 1 < words.count else { throw fail(index, "\"\(word)\" needs a value") }
        if word == "length" {
          length = PacketText.number(words[index + 1]).flatMap { UInt16(exactly: $0) }
            .map { (index + 1, $0) }
        }
        guard word == "length" ? length != nil : take(word, words[index + 1]) else {
          throw fail(index + 1, "\"\(words[index + 1])\" is no value for \"\(word)\"")
        }
        index += 1
      default:
        let known = (PacketText.wordsWithValue + ["reply", "fragment"]).joined(separator: ", ")
        throw fail(index, "unknown word \"\(word)\", expected one of \(known)")
      }
      index += 1
    }
    guard let length else { return }
    // Only now is known how long the headers are.
    guard Int(length.value) >= headerLength else {
      throw fail(length.place, "a packet of this kind has at least \(headerLength) bytes")
    }
    payloadLength = Int(length.value) - headerLength
  }

  /// Takes a word and its value; false if the value is none.
  private mutating func take(_ word: Substring, _ value: Substring) -> Bool {
    func whole<N: FixedWidthInteger>(_ type: N.Type) -> N? {
      PacketText.number(value).flatMap { N(exactly: $0) }
    }
    switch word {
    case "in": input = String(value)
    case "out": output = String(value)
    case "flags":
      guard let set = PacketText.flags(value) else { return false }
      flags = set
    case "type":
      let parts = value.split(separator: "/", omittingEmptySubsequences: false)
      guard parts.count <= 2, let type = UInt8(parts[0]) else { return false }
      icmpType = type
      if parts.count == 2 {
        guard let code = UInt8(parts[1]) else { return false }
        icmpCode = code
      }
    case "mark":
      guard let number = whole(UInt32.self) else { return false }
      mark = number
    case "connmark":
      guard let number = whole(UInt32.self) else { return false }
      connectionMark = number
    case "state":
      guard let state = PacketText.state(value) else { return false }
      self.state = state
    case "ttl":
      guard let number = whole(UInt8.self) else { return false }
      timeToLive = number
    case "tos":
      guard let number = whole(UInt8.self) else { return false }
      typeOfService = number
    case "mac":
      guard let mac = MACAddress(String(value)) else { return false }
      sourceMAC = mac
    case "pkttype":
      guard let type = PacketText.packetType(value) else { return false }
      self.type = type
    case "uid":
      guard let number = whole(UInt32.self) else { return false }
      user = number
    default:
      guard let number = whole(UInt32.self) else { return false }
      group = number
    }
    return true
  }

  /// The length of the IP and transport headers.
  var headerLength: Int {
    var packet = self
    packet.payloadLength = 0
    return packet.bytes?.count ?? 40
  }
}

extension RulePacket: CustomStringConvertible {
  /// The packet as ``init(_:)`` reads it.
  public var description: String {
    func end(_ address: IPAddress, _ port: UInt16) -> String {
      guard `protocol`.hasPorts, !isLaterFragment else { return "\(address)" }
      return address.v4 == nil ? "[\(address)]:\(port)" : "\(address):\(port)"
    }
    var text = "\(`protocol`) \(end(source, sourcePort)) > \(end(destination, destinationPort))"
    if let input { text += " in \(input)" }
    if let output { text += " out \(output)" }
    if `protocol` == .tcp, !isLaterFragment, flags != .syn {
      let names = PacketText.flagNames.filter { flags.contains($0.0) }.map(\.1)
      text += " flags " + (names.isEmpty ? "none" : names.joined(separator: ","))
    }
    if `protocol` == .icmp || `protocol` == .icmpv6, !isLaterFragment {
      text += " type \(icmpType)" + (icmpCode == 0 ? "" : "/\(icmpCode)")
    }
    text += PacketText.text(state)
    if mark != 0 { text += " mark 0x" + String(mark, radix: 16) }
    if connectionMark != 0 { text += " connmark 0x" + String(connectionMark, radix: 16) }
    if timeToLive != 64 { text += " ttl \(timeToLive)" }
    if typeOfService != 0 { text += " tos 0x" + String(typeOfService, radix: 16) }
    if payloadLength != 0 { text += " length \(payloadLength + headerLength)" }
    if isLaterFragment { text += " fragment" }
    if type != .host { text += " pkttype \(type)".lowercased() }
    if sourceMAC.rawValue != 0x0200_0000_0001 { text += " mac \(sourceMAC)" }
    if let user { text += " uid \(user) gid \(group)" }
    return text
  }
}

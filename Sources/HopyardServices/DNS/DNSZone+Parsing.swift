import HopyardWire

/// What is wrong with a zone file, and where.
public struct DNSZoneError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The line, from 1.
  public var line: Int
  /// What is wrong.
  public var message: String

  /// Makes the fault of a line.
  public init(line: Int, message: String) {
    self.line = line
    self.message = message
  }

  /// `line 3: what is wrong`.
  public var description: String { "line \(line): \(message)" }
}

extension DNSZone {
  /// Reads a zone file (RFC 1035 §5): `$ORIGIN`, `$TTL`, `$GENERATE`, `@`, parentheses, comments.
  ///
  /// - Parameter origin: the name of the zone.
  public init(parsing text: String, origin: DNSName) throws(DNSZoneError) {
    self.init(origin: origin)
    for (record, line) in try Self.records(in: text, origin: origin) {
      guard record.name.isWithin(origin) else {
        throw DNSZoneError(line: line, message: "\(record.name) is not in the zone \(origin)")
      }
      add(record)
    }
  }

  /// Reads the records of a zone file, each with its line; without an origin all names are whole.
  public static func records(in text: String, origin: DNSName? = nil) throws(DNSZoneError)
    -> [(record: DNSRecord, line: Int)]
  {
    var parser = DNSZoneParser(text, origin: origin)
    return try parser.records().map { (record: $0.0, line: $0.1) }
  }
}

/// Reads the records of a zone file one after the other.
struct DNSZoneParser {
  private struct Token {
    var text: String
    var isQuoted: Bool
    var line: Int
  }

  private var entries: [(tokens: [Token], hasOwner: Bool)] = []
  private var fault: DNSZoneError?
  private var origin: DNSName?
  private var owner: DNSName?
  private var defaultTTL: UInt32?
  private var lastTTL: UInt32?
  private static let generateLimit = 65_536

  init(_ text: String, origin: DNSName?) {
    self.origin = origin
    split(text)
  }

  // MARK: Tokens

  private mutating func split(_ text: String) {
    let bytes = Array(text.utf8)
    var line = 1
    var depth = 0
    var tokens: [Token] = []
    var startsWithBlank = false
    var isLineStart = true
    var index = 0
    var opened = 1
    func isEnd(_ byte: UInt8) -> Bool {
      [0x20, 0x09, 0x0a, 0x0d].contains(byte) || byte == UInt8(ascii: ";")
        || byte == UInt8(ascii: "(") || byte == UInt8(ascii: ")") || byte == UInt8(ascii: "\"")
    }
    while index < bytes.count {
      let byte = bytes[index]
      switch byte {
      case 0x0a:
        index += 1
        if depth == 0 {
          if !tokens.isEmpty { entries.append((tokens, !startsWithBlank)) }
          tokens = []
          startsWithBlank = false
          isLineStart = true
        }
        line += 1
      case 0x20, 0x09, 0x0d:
        if isLineStart && depth == 0 && byte != 0x0d { startsWithBlank = true }
        isLineStart = false
        index += 1
      case UInt8(ascii: ";"):
        while index < bytes.count, bytes[index] != 0x0a { index += 1 }
      case UInt8(ascii: "("):
        if depth == 0 { opened = line }
        depth += 1
        isLineStart = false
        index += 1
      case UInt8(ascii: ")"):
        depth -= 1
        isLineStart = false
        index += 1
        if depth < 0 {
          fault = DNSZoneError(line: line, message: "a parenthesis is closed that was not opened")
          return
        }
      case UInt8(ascii: "\""):
        isLineStart = false
        var content: [UInt8] = []
        index += 1
        let start = line
        while index < bytes.count, bytes[index] != UInt8(ascii: "\"") {
          if bytes[index] == 0x0a {
            fault = DNSZoneError(line: start, message: "a quotation mark is not closed")
            return
          }
          content.append(bytes[index])
          if bytes[index] == UInt8(ascii: "\\"), index + 1 < bytes.count {
            content.append(bytes[index + 1])
            index += 1
          }
          index += 1
        }
        guard index < bytes.count else {
          fault = DNSZoneError(line: start, message: "a quotation mark is not closed")
          return
        }
        index += 1
        tokens.append(
          Token(text: String(decoding: content, as: UTF8.self), isQuoted: true, line: start)
        )
      default:
        isLineStart = false
        var content: [UInt8] = []
        while index < bytes.count, !isEnd(bytes[index]) {
          content.append(bytes[index])
          if bytes[index] == UInt8(ascii: "\\"), index + 1 < bytes.count {
            content.append(bytes[index + 1])
            index += 1
          }
          index += 1
        }
        tokens.append(
          Token(text: String(decoding: content, as: UTF8.self), isQuoted: false, line: line)
        )
      }
    }
    if depth > 0 {
      fault = DNSZoneError(line: opened, message: "a parenthesis is not closed")
    } else if !tokens.isEmpty {
      entries.append((tokens, !startsWithBlank))
    }
  }

  // MARK: Entries

  mutating func records() throws(DNSZoneError) -> [(DNSRecord, Int)] {
    var all: [(DNSRecord, Int)] = []
    for (tokens, hasOwner) in entries {
      let line = tokens[0].line
      let first = tokens[0].text.uppercased()
      if hasOwner, first.hasPrefix("$"), !tokens[0].isQuoted {
        try directive(first, tokens, line, &all)
      } else {
        all.append((try record(tokens[...], hasOwner: hasOwner), line))
      }
    }
    if let fault { throw fault }
    return all
  }

  private mutating func directive(
    _ name: String,
    _ tokens: [Token],
    _ line: Int,
    _ all: inout [(DNSRecord, Int)]
  ) throws(DNSZoneError) {
    switch name {
    case "$ORIGIN":
      guard tokens.count == 2, let next = self.name(tokens[1].text) else {
        throw DNSZoneError(line: line, message: "$ORIGIN takes a name")
      }
      origin = next
    case "$TTL":
      guard tokens.count == 2, let ttl = Self.seconds(tokens[1].text) else {
        throw DNSZoneError(line: line, message: "$TTL takes a time")
      }
      defaultTTL = ttl
    case "$GENERATE": try generate(tokens, line, &all)
    default: throw DNSZoneError(line: line, message: "\(tokens[0].text) is not modelled")
    }
  }

  private func name(_ text: String) -> DNSName? {
    guard let origin else {
      return text.hasSuffix(".") && !text.hasSuffix("\\.") ? DNSName(text) : nil
    }
    return DNSName(text, origin: origin)
  }

  /// A time as a number of seconds or with units: `1h30m`.
  static func seconds(_ text: String) -> UInt32? {
    var total: UInt64 = 0
    var number: UInt64?
    for byte in text.lowercased().utf8 {
      if (0x30...0x39).contains(byte) {
        let next = (number ?? 0) * 10 + UInt64(byte - 0x30)
        guard next <= UInt64(UInt32.max) else { return nil }
        number = next
        continue
      }
      let units: [UInt8: UInt64] = [
        UInt8(ascii: "s"): 1, UInt8(ascii: "m"): 60, UInt8(ascii: "h"): 3600,
        UInt8(ascii: "d"): 86_400, UInt8(ascii: "w"): 604_800,
      ]
      guard let value = number, let unit = units[byte] else { return nil }
      total += value * unit
      number = nil
    }
    if text.isEmpty { return nil }
    total += number ?? 0
    return UInt32(exactly: total)
  }

  private mutating func record(_ tokens: ArraySlice<Token>, hasOwner: Bool) throws(DNSZoneError)
    -> DNSRecord
  {
    var rest = tokens
    let line = tokens.first?.line ?? 0
    if hasOwner, let first = rest.popFirst() {
      guard let name = name(first.text) else {
        throw DNSZoneError(line: line, message: "bad owner name \(first.text)")
      }
      owner = name
    }
    guard let owner else {
      throw DNSZoneError(line: line, message: "the first record has no owner")
    }
    var ttl: UInt32?
    var dnsClass: DNSClass?
    // The time and the class stand in any order (RFC 1035 §5.1).
    while let token = rest.first, !token.isQuoted {
      if dnsClass == nil, let found = DNSClass(token.text), token.text.uppercased() != "ANY" {
        dnsClass = found
      } else if ttl == nil, let found = Self.seconds(token.text) {
        ttl = found
      } else {
        break
      }
      rest = rest.dropFirst()
    }
    guard let typeToken = rest.popFirst(), !typeToken.isQuoted,
      let type = DNSRecordType(typeToken.text)
    else {
      throw DNSZoneError(line: line, message: "a record type is expected")
    }
    let data = try self.data(type, rest, line)
    if let ttl { lastTTL = ttl }
    var fallback = defaultTTL ?? lastTTL
    if fallback == nil, case .soa(let soa) = data { fallback = soa.minimum }
    if case .soa(let soa) = data, defaultTTL == nil, lastTTL == nil { lastTTL = soa.minimum }
    return DNSRecord(owner, ttl: ttl ?? fallback ?? 3600, data, dnsClass: dnsClass ?? .internet)
  }

  /// A record of each number of a range (BIND's `$GENERATE`).
  private mutating func generate(
    _ tokens: [Token],
    _ line: Int,
    _ all: inout [(DNSRecord, Int)]
  ) throws(DNSZoneError) {
    let fail = { (message: String) in DNSZoneError(line: line, message: message) }
    guard tokens.count >= 4 else { throw fail("$GENERATE takes a range and a record") }
    let halves = tokens[1].text.split(separator: "/", omittingEmptySubsequences: false)
    let ends = halves[0].split(separator: "-", omittingEmptySubsequences: false)
    guard halves.count <= 2, ends.count == 2, let first = Int32(ends[0]), let last = Int32(ends[1]),
      first >= 0, last >= first, Int(last - first) < Self.generateLimit
    else { throw fail("bad range in $GENERATE") }
    var step = 1
    if halves.count == 2 {
      guard let given = Int32(halves[1]), given > 0 else { throw fail("bad step in $GENERATE") }
      step = Int(given)
    }
    for number in stride(from: Int(first), through: Int(last), by: step) {
      var made: [Token] = []
      for token in tokens[2...] {
        guard let text = Self.expand(token.text, number) else {
          throw fail("bad modifier in $GENERATE")
        }
        made.append(Token(text: text, isQuoted: token.isQuoted, line: token.line))
      }
      if made[0].text.hasPrefix("$") { throw fail("a directive within $GENERATE") }
      all.append((try record(made[...], hasOwner: true), line))
    }
  }

  /// Puts a number in place of `$` and `${offset,width,base}`.
  private static func expand(_ text: String, _ number: Int) -> String? {
    var made = ""
    var rest = text[...]
    while let character = rest.popFirst() {
      if character == "\\", let next = rest.popFirst() {
        made += next == "$" ? "$" : "\\\(next)"
      } else if character != "$" {
        made.append(character)
      } else if rest.hasPrefix("$") {
        rest = rest.dropFirst()
        made.append("$")
      } else if rest.hasPrefix("{") {
        guard let end = rest.firstIndex(of: "}") else { return nil }
        let modifier = rest[rest.index(after: rest.startIndex)..<end]
        guard let (width, offset, base) = self.modifier(modifier) else { return nil }
        rest = rest[rest.index(after: end)...]
        let value = number + offset
        // A number that no 32 bits hold is no number for anybody who reads the zone.
        guard value >= 0, value <= Int(Int32.max) else { return nil }
        var digits = String(value, radix: base == "d" ? 10 : base == "o" ? 8 : 16)
        if base == "X" { digits = digits.uppercased() }
        made += String(repeating: "0", count: max(0, width - digits.count)) + digits
      } else {
        made += String(number)
      }
    }
    return made
  }

  private static func modifier(_ text: Substring) -> (width: Int, offset: Int, base: String)? {
    let parts = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    guard (1...3).contains(parts.count), let offset = Int32(parts[0]) else { return nil }
    var width = 0
    if parts.count > 1 {
      guard let given = Int(parts[1]), (0...255).contains(given) else { return nil }
      width = given
    }
    let base = parts.count > 2 ? parts[2] : "d"
    guard ["d", "o", "x", "X"].contains(base) else { return nil }
    return (width, Int(offset), base)
  }
}

extension DNSZoneParser {
  /// The data of a record as it stands in a file.
  private func data(_ type: DNSRecordType, _ tokens: ArraySlice<Token>, _ line: Int)
    throws(DNSZoneError) -> DNSRecordData
  {
    let words = tokens.map(\.text)
    if words.first == "\\#" { return try Self.generic(type, words, line) }
    let fail = { DNSZoneError(line: line, message: "bad data of a \(type) record") }
    func takes(_ count: Int) throws(DNSZoneError) {
      guard words.count == count else { throw fail() }
    }
    func name(_ index: Int) throws(DNSZoneError) -> DNSName {
      guard let name = self.name(words[index]) else {
        throw DNSZoneError(line: line, message: "bad name \(words[index]) in a \(type) record")
      }
      return name
    }
    func number<Number: FixedWidthInteger>(_ index: Int) throws(DNSZoneError) -> Number {
      guard let value = Number(words[index]) else { throw fail() }
      return value
    }
    switch type {
    case .a:
      try takes(1)
      guard let address = IPv4Address(words[0]) else { throw fail() }
      return .a(address)
    case .aaaa:
      try takes(1)
      guard let address = IPv6Address(words[0]) else { throw fail() }
      return .aaaa(address)
    case .ns:
      try takes(1)
      return .ns(try name(0))
    case .cname:
      try takes(1)
      return .cname(try name(0))
    case .ptr:
      try takes(1)
      return .ptr(try name(0))
    case .mx:
      try takes(2)
      return .mx(preference: try number(0), exchange: try name(1))
    case .srv:
      try takes(4)
      return .srv(
        priority: try number(0),
        weight: try number(1),
        port: try number(2),
        target: try name(3)
      )
    case .soa:
      try takes(7)
      func time(_ index: Int) throws(DNSZoneError) -> UInt32 {
        guard let value = Self.seconds(words[index]) else { throw fail() }
        return value
      }
      return .soa(
        DNSStartOfAuthority(
          primary: try name(0),
          mailbox: try name(1),
          serial: try number(2),
          refresh: try time(3),
          retry: try time(4),
          expire: try time(5),
          minimum: try time(6)
        )
      )
    case .txt:
      guard !words.isEmpty else { throw fail() }
      var strings: [[UInt8]] = []
      for word in words {
        guard let bytes = Self.unescaped(word), bytes.count <= 255 else { throw fail() }
        strings.append(bytes)
      }
      return .txt(strings)
    case .caa:
      try takes(3)
      guard let value = Self.unescaped(words[2]) else { throw fail() }
      return .caa(flags: try number(0), tag: Array(words[1].utf8), value: value)
    default:
      throw DNSZoneError(
        line: line,
        message: "records of type \(type) are not modelled in zone files"
      )
    }
  }

  /// `\# 4 0A000001` (RFC 3597 §5).
  private static func generic(_ type: DNSRecordType, _ words: [String], _ line: Int)
    throws(DNSZoneError) -> DNSRecordData
  {
    let fault = DNSZoneError(line: line, message: "bad data of a \(type) record")
    let digits = Array(words.dropFirst(2).joined().utf8)
    guard words.count >= 2, let length = Int(words[1]), digits.count == length * 2 else {
      throw fault
    }
    var bytes: [UInt8] = []
    for index in stride(from: 0, to: digits.count, by: 2) {
      guard let byte = UInt8(String(decoding: digits[index..<index + 2], as: UTF8.self), radix: 16)
      else { throw fault }
      bytes.append(byte)
    }
    return .unknown(type, bytes)
  }

  /// The bytes of a character string, with `\DDD` and `\X` taken out.
  static func unescaped(_ text: String) -> [UInt8]? {
    let bytes = Array(text.utf8)
    var made: [UInt8] = []
    var index = 0
    while index < bytes.count {
      guard bytes[index] == UInt8(ascii: "\\") else {
        made.append(bytes[index])
        index += 1
        continue
      }
      guard index + 1 < bytes.count else { return nil }
      let digits = bytes[(index + 1)...].prefix(3)
      if (0x30...0x39).contains(bytes[index + 1]) {
        guard digits.count == 3, digits.allSatisfy({ (0x30...0x39).contains($0) }),
          let value = UInt8(String(decoding: digits, as: UTF8.self))
        else { return nil }
        made.append(value)
        index += 4
      } else {
        made.append(bytes[index + 1])
        index += 2
      }
    }
    return made
  }
}

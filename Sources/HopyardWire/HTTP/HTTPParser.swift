/// Why bytes are not an HTTP/1 message.
public enum HTTPError: Error, Hashable, Sendable, CustomStringConvertible {
  /// The first line is not that of a request.
  case requestLine
  /// The first line is not that of a response: an HTTP/0.9 server, or none at all.
  case statusLine
  /// A field line has no colon or a blank in its name.
  case field
  /// The first line and the fields are longer than 64 KiB.
  case headTooLong
  /// The length is no number, or two lengths differ.
  case contentLength
  /// The size of a chunk is no number.
  case chunk
  /// The stream ended before the message did; this many bytes of the content were missing.
  case incomplete(missing: Int?)

  /// The fault in a few words.
  public var description: String {
    switch self {
    case .requestLine: "malformed request line"
    case .statusLine: "malformed status line"
    case .field: "malformed field line"
    case .headTooLong: "the head is too long"
    case .contentLength: "bad content length"
    case .chunk: "bad chunk size"
    case .incomplete: "the stream ended within the message"
    }
  }
}

/// Reads HTTP/1 messages from a stream, piece by piece (RFC 9112).
public struct HTTPParser: Sendable {
  /// What the stream brought.
  public enum Event: Hashable, Sendable {
    /// The head of a request; its body is empty here.
    case request(HTTPRequest)
    /// The head of a response; its body is empty here.
    case response(HTTPResponse)
    /// A piece of the content.
    case body([UInt8])
    /// The end of the message.
    case end
  }

  private enum State: Hashable {
    case head
    case length(Int)
    case chunkSize
    case chunk(Int)
    case chunkEnd
    case trailer
    case untilClose
    case end
  }

  /// How long the first line and the fields may be.
  public static let headLimit = 65_536
  private static let lengthLimit = 1 << 48

  private let isResponse: Bool
  /// Methods of the requests that responses belong to: those to HEAD have no content.
  private var methods: [String] = []
  private var state = State.head
  private var buffer: [UInt8] = []
  private var first = 0
  private var searched = 0

  private init(isResponse: Bool) { self.isResponse = isResponse }

  /// A parser of requests, for a server.
  public static func requests() -> HTTPParser { HTTPParser(isResponse: false) }

  /// A parser of responses, for a client; `expect` tells which requests they are for.
  public static func responses() -> HTTPParser { HTTPParser(isResponse: true) }

  /// Says that a request with this method was sent.
  public mutating func expect(_ method: String) { methods.append(method) }

  /// Takes bytes of the stream.
  public mutating func append(_ bytes: some Sequence<UInt8>) {
    if first > 65_536 {
      buffer.removeFirst(first)
      searched -= first
      first = 0
    }
    buffer += bytes
  }

  /// Bytes that came and were not used yet.
  public var pending: ArraySlice<UInt8> { buffer[first...] }

  /// Whether a message has begun and not ended.
  public var isWithinMessage: Bool { state != .head || first < buffer.count }

  /// Whether the content ends only with the stream.
  public var endsWithStream: Bool { state == .untilClose }

  /// The next thing that is complete; nil when more bytes are needed.
  public mutating func next() throws(HTTPError) -> Event? {
    while true {
      switch state {
      case .head:
        guard let head = try takeHead() else { return nil }
        if let event = try read(head) { return event }
      case .length(0):
        state = .end
      case .length(let left):
        guard let bytes = take(left) else { return nil }
        state = .length(left - bytes.count)
        return .body(bytes)
      case .untilClose:
        guard let bytes = take(.max) else { return nil }
        return .body(bytes)
      case .chunkSize:
        guard let line = try takeLine() else { return nil }
        let digits = line.prefix { $0 != UInt8(ascii: ";") && $0 != 0x20 }
        guard !digits.isEmpty, digits.first != UInt8(ascii: "+"), digits.first != UInt8(ascii: "-"),
          let size = Int(String(decoding: digits, as: UTF8.self), radix: 16),
          size <= Self.lengthLimit
        else { throw .chunk }
        state = size == 0 ? .trailer : .chunk(size)
      case .chunk(let left):
        guard let bytes = take(left) else { return nil }
        state = left == bytes.count ? .chunkEnd : .chunk(left - bytes.count)
        return .body(bytes)
      case .chunkEnd:
        guard let line = try takeLine() else { return nil }
        guard line.isEmpty else { throw .chunk }
        state = .chunkSize
      case .trailer:
        guard let line = try takeLine() else { return nil }
        if line.isEmpty { state = .end }
      case .end:
        state = .head
        return .end
      }
    }
  }

  /// Says that the stream ended; gives the end of a message whose content ends with it.
  public mutating func finish() throws(HTTPError) -> Event? {
    switch state {
    case .head:
      if first < buffer.count { throw isResponse ? .statusLine : .requestLine }
      return nil
    case .untilClose, .end:
      state = .head
      return .end
    case .length(let left): throw .incomplete(missing: left)
    default: throw .incomplete(missing: nil)
    }
  }

  // MARK: Pieces

  private mutating func take(_ limit: Int) -> [UInt8]? {
    guard first < buffer.count else { return nil }
    let end = first + min(limit, buffer.count - first)
    defer { used(to: end) }
    return Array(buffer[first..<end])
  }

  private mutating func used(to end: Int) {
    first = end
    searched = end
    if first == buffer.count {
      buffer.removeAll(keepingCapacity: true)
      first = 0
      searched = 0
    }
  }

  /// A line without its end, which is CRLF or LF (RFC 9112 §2.2).
  private mutating func takeLine() throws(HTTPError) -> [UInt8]? {
    guard let end = buffer[max(first, searched)...].firstIndex(of: 0x0a) else {
      searched = buffer.count
      if buffer.count - first > Self.headLimit { throw .headTooLong }
      return nil
    }
    var line = Array(buffer[first..<end])
    if line.last == 0x0d { line.removeLast() }
    used(to: end + 1)
    return line
  }

  /// All lines up to the empty one.
  private mutating func takeHead() throws(HTTPError) -> [[UInt8]]? {
    // Empty lines before a request are passed over.
    while !isResponse, first < buffer.count, buffer[first] == 0x0d || buffer[first] == 0x0a {
      used(to: first + 1)
    }
    if isResponse { try checkStatusLine() }
    var index = max(first, searched - 3)
    while index < buffer.count {
      if buffer[index] == 0x0a, index + 1 < buffer.count {
        let second = buffer[index + 1]
        let isEnd =
          second == 0x0a
          || (second == 0x0d && index + 2 < buffer.count && buffer[index + 2] == 0x0a)
        if isEnd {
          let end = index + (second == 0x0a ? 2 : 3)
          var lines: [[UInt8]] = []
          for piece in buffer[first...index].split(
            separator: 0x0a,
            omittingEmptySubsequences: false
          ) {
            lines.append(piece.last == 0x0d ? Array(piece.dropLast()) : Array(piece))
          }
          used(to: end)
          return lines
        }
      }
      index += 1
    }
    searched = buffer.count
    if buffer.count - first > Self.headLimit { throw .headTooLong }
    return nil
  }

  /// A response that does not begin with `HTTP/1.` is none.
  private func checkStatusLine() throws(HTTPError) {
    let start = Array("HTTP/1.".utf8)
    let have = buffer[first...].prefix(start.count)
    if !start.starts(with: have) { throw .statusLine }
  }

  private mutating func read(_ lines: [[UInt8]]) throws(HTTPError) -> Event? {
    let fields = try Self.fields(lines.dropFirst())
    let line = String(decoding: lines.first ?? [], as: UTF8.self)
    if isResponse {
      let parts = line.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count >= 2, let minor = Self.minorVersion(parts[0]), parts[1].utf8.count == 3,
        let status = Int(parts[1]), status >= 100
      else { throw .statusLine }
      let response = HTTPResponse(
        status,
        reason: parts.count > 2 ? String(parts[2]) : "",
        minorVersion: minor,
        fields: fields
      )
      try setLength(of: response)
      return .response(response)
    }
    let parts = line.split(separator: " ")
    guard parts.count == 3, let minor = Self.minorVersion(parts[2]) else { throw .requestLine }
    if fields.contains("Transfer-Encoding", token: "chunked") {
      state = .chunkSize
    } else {
      state = .length(try Self.contentLength(fields) ?? 0)
    }
    return .request(
      HTTPRequest(String(parts[0]), String(parts[1]), minorVersion: minor, fields: fields)
    )
  }

  /// How the content of a response ends (RFC 9112 §6.3).
  private mutating func setLength(of response: HTTPResponse) throws(HTTPError) {
    if (100..<200).contains(response.status) && response.status != 101 {
      state = .end
      return
    }
    let method = methods.isEmpty ? "GET" : methods.removeFirst()
    if method == "HEAD" || response.status == 204 || response.status == 304 {
      state = .end
    } else if method == "CONNECT" && (200..<300).contains(response.status) {
      state = .end
    } else if response.fields.contains("Transfer-Encoding", token: "chunked") {
      state = .chunkSize
    } else if let length = try Self.contentLength(response.fields) {
      state = .length(length)
    } else {
      state = .untilClose
    }
  }

  private static func minorVersion(_ text: Substring) -> Int? {
    switch text {
    case "HTTP/1.0": 0
    case "HTTP/1.1": 1
    default: nil
    }
  }

  private static func contentLength(_ fields: HTTPFields) throws(HTTPError) -> Int? {
    let values = fields.all("Content-Length").flatMap { $0.split(separator: ",") }
      .map(\.trimmedBlanks)
    guard let value = values.first else { return nil }
    guard values.allSatisfy({ $0 == value }), value.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
      let length = Int(value), length <= lengthLimit
    else { throw .contentLength }
    return length
  }

  private static func fields(_ lines: ArraySlice<[UInt8]>) throws(HTTPError) -> HTTPFields {
    var fields = HTTPFields()
    for line in lines where !line.isEmpty {
      if line[0] == 0x20 || line[0] == 0x09 {
        // A folded line goes on with the value before it (RFC 9112 §5.2).
        guard !fields.list.isEmpty else { throw .field }
        let more = String(decoding: line, as: UTF8.self).trimmedBlanks
        fields.list[fields.list.count - 1].value += " " + more
        continue
      }
      guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > 0 else { throw .field }
      let name = String(decoding: line[..<colon], as: UTF8.self)
      guard !name.contains(where: { $0 == " " || $0 == "\t" }) else { throw .field }
      let value = String(decoding: line[(colon + 1)...], as: UTF8.self).trimmedBlanks
      fields.append(name, value)
    }
    return fields
  }
}

/// An HTTP request (RFC 9112 §3).
public struct HTTPRequest: Hashable, Sendable {
  /// The method, such as `GET`.
  public var method: String
  /// What stands between the method and the version.
  public var target: String
  /// The minor version: 1 for HTTP/1.1.
  public var minorVersion: Int
  /// The header fields.
  public var fields: HTTPFields
  /// The content.
  public var body: [UInt8]

  /// Makes a request.
  public init(
    _ method: String = "GET",
    _ target: String,
    minorVersion: Int = 1,
    fields: HTTPFields = HTTPFields(),
    body: [UInt8] = []
  ) {
    self.method = method
    self.target = target
    self.minorVersion = minorVersion
    self.fields = fields
    self.body = body
  }

  /// The path of the target, without the query.
  public var path: String {
    let whole = target.prefix { $0 != "?" }
    guard let scheme = whole.range(of: "://") else { return String(whole) }
    let rest = whole[scheme.upperBound...]
    return rest.firstIndex(of: "/").map { String(rest[$0...]) } ?? "/"
  }

  /// What stands behind the question mark.
  public var query: String? {
    target.firstIndex(of: "?").map { String(target[target.index(after: $0)...]) }
  }

  /// The host that it is for, without the port.
  public var host: String? {
    guard let value = fields["Host"] else { return nil }
    if value.hasPrefix("["), let end = value.firstIndex(of: "]") { return String(value[...end]) }
    return String(value.prefix { $0 != ":" })
  }

  /// Whether the connection stays open after the response.
  public var keepsAlive: Bool {
    if fields.contains("Connection", token: "close") { return false }
    return minorVersion >= 1 || fields.contains("Connection", token: "keep-alive")
  }

  /// The request line and the fields.
  public var encodedHead: [UInt8] {
    Array("\(method) \(target) HTTP/1.\(minorVersion)\r\n\(fields.encoded)\r\n".utf8)
  }

  /// The whole request; the fields must tell the length of the content.
  public var encoded: [UInt8] { encodedHead + body }
}

/// An HTTP response (RFC 9112 §4).
public struct HTTPResponse: Hashable, Sendable {
  /// The status code.
  public var status: Int
  /// The words behind the code.
  public var reason: String
  /// The minor version: 1 for HTTP/1.1.
  public var minorVersion: Int
  /// The header fields.
  public var fields: HTTPFields
  /// The content.
  public var body: [UInt8]

  /// Makes a response; the usual words stand for a missing reason.
  public init(
    _ status: Int = 200,
    reason: String? = nil,
    minorVersion: Int = 1,
    fields: HTTPFields = HTTPFields(),
    body: [UInt8] = []
  ) {
    self.status = status
    self.reason = reason ?? Self.reason(status)
    self.minorVersion = minorVersion
    self.fields = fields
    self.body = body
  }

  /// Makes a response with a text as its content.
  public init(_ status: Int = 200, text: String, type: String = "text/plain") {
    self.init(status, fields: ["Content-Type": type], body: Array(text.utf8))
  }

  /// The content as text.
  public var text: String { String(decoding: body, as: UTF8.self) }

  /// Whether the connection stays open afterwards, as far as the response tells.
  public var keepsAlive: Bool {
    if fields.contains("Connection", token: "close") { return false }
    return minorVersion >= 1 || fields.contains("Connection", token: "keep-alive")
  }

  /// The status line and the fields.
  public var encodedHead: [UInt8] {
    Array("HTTP/1.\(minorVersion) \(status) \(reason)\r\n\(fields.encoded)\r\n".utf8)
  }

  /// The whole response; the fields must tell the length of the content.
  public var encoded: [UInt8] { encodedHead + body }

  /// The usual words of a status code (RFC 9110 §15).
  public static func reason(_ status: Int) -> String {
    switch status {
    case 100: "Continue"
    case 101: "Switching Protocols"
    case 200: "OK"
    case 201: "Created"
    case 202: "Accepted"
    case 204: "No Content"
    case 206: "Partial Content"
    case 301: "Moved Permanently"
    case 302: "Found"
    case 303: "See Other"
    case 304: "Not Modified"
    case 307: "Temporary Redirect"
    case 308: "Permanent Redirect"
    case 400: "Bad Request"
    case 401: "Unauthorized"
    case 403: "Forbidden"
    case 404: "Not Found"
    case 405: "Method Not Allowed"
    case 408: "Request Timeout"
    case 411: "Length Required"
    case 413: "Content Too Large"
    case 414: "URI Too Long"
    case 429: "Too Many Requests"
    case 431: "Request Header Fields Too Large"
    case 500: "Internal Server Error"
    case 501: "Not Implemented"
    case 502: "Bad Gateway"
    case 503: "Service Unavailable"
    case 504: "Gateway Timeout"
    case 505: "HTTP Version Not Supported"
    default: ""
    }
  }
}

extension StringProtocol {
  /// Where another text stands first; Foundation's method without Foundation.
  func range(of other: String) -> Range<Index>? {
    var index = startIndex
    while index < endIndex {
      if self[index...].hasPrefix(other) {
        return index..<self.index(index, offsetBy: other.count)
      }
      index = self.index(after: index)
    }
    return nil
  }
}

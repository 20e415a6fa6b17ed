/// The parts of an `http` URL (RFC 3986).
public struct HTTPURL: Hashable, Sendable {
  /// The scheme in small letters.
  public var scheme: String
  /// `user:password` in front of the host.
  public var userInfo: String?
  /// The host without brackets.
  public var host: String
  /// The port, the scheme's own if none is given.
  public var port: UInt16
  /// Whether the port was written out.
  public var hasPort: Bool
  /// The path and the query, at least `/`.
  public var pathAndQuery: String

  /// Takes a URL apart; without a scheme it is `http`.
  public init?(_ text: String) {
    var rest = Substring(text.prefix { $0 != "#" })
    scheme = "http"
    if let mark = rest.firstIndex(of: ":"), rest[mark...].hasPrefix("://") {
      scheme = rest[..<mark].lowercased()
      rest = rest[rest.index(mark, offsetBy: 3)...]
    }
    guard
      scheme.first?.isLetter == true,
      scheme.allSatisfy({ $0.isLetter || $0.isNumber || $0 == "+" || $0 == "-" || $0 == "." })
    else { return nil }
    let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
    var authority = rest[..<end]
    let path = rest[end...]
    pathAndQuery = path.hasPrefix("/") ? String(path) : "/" + path
    userInfo = nil
    if let at = authority.lastIndex(of: "@") {
      userInfo = String(authority[..<at])
      authority = authority[authority.index(after: at)...]
    }
    var portText: Substring?
    if authority.hasPrefix("[") {
      guard let close = authority.firstIndex(of: "]") else { return nil }
      host = String(authority[authority.index(after: authority.startIndex)..<close])
      let behind = authority[authority.index(after: close)...]
      if behind.hasPrefix(":") {
        portText = behind.dropFirst()
      } else if !behind.isEmpty {
        return nil
      }
    } else if let colon = authority.lastIndex(of: ":") {
      host = String(authority[..<colon])
      portText = authority[authority.index(after: colon)...]
    } else {
      host = String(authority)
    }
    guard !host.isEmpty,
      !host.contains(where: { $0 == " " || $0 == ":" && !authority.hasPrefix("[") })
    else { return nil }
    hasPort = false
    port = scheme == "https" ? 443 : scheme == "ftp" ? 21 : 80
    if let portText, !portText.isEmpty {
      guard let number = UInt16(portText) else { return nil }
      port = number
      hasPort = true
    }
  }

  /// The host and port as the `Host` field has them.
  public var authority: String {
    let name = host.contains(":") ? "[\(host)]" : host
    let usual: UInt16 = scheme == "https" ? 443 : 80
    return hasPort && port != usual ? "\(name):\(port)" : name
  }

  /// The URL that a `Location` of this one's response leads to.
  public func resolving(_ location: String) -> HTTPURL? {
    if location.contains("://") { return HTTPURL(location) }
    if location.hasPrefix("//") { return HTTPURL("\(scheme):\(location)") }
    var next = self
    if location.hasPrefix("/") {
      next.pathAndQuery = location
    } else if location.hasPrefix("?") {
      next.pathAndQuery = pathAndQuery.prefix { $0 != "?" } + location
    } else {
      let path = pathAndQuery.prefix { $0 != "?" }
      let directory = path.lastIndex(of: "/").map { path[...$0] } ?? "/"
      next.pathAndQuery = directory + location
    }
    return next
  }
}

extension HTTPURL: CustomStringConvertible {
  /// The URL as text.
  public var description: String { "\(scheme)://\(authority)\(pathAndQuery)" }
}

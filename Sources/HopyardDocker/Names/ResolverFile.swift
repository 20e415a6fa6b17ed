public import HopyardWire

/// A `resolv.conf` that is made for a container from the host's (`resolv.conf(5)`).
public struct ResolverFile: Sendable {
  /// A server that the embedded resolver asks.
  public struct Server: Hashable, Sendable, CustomStringConvertible {
    /// Its address.
    public var address: IPAddress
    /// Whether it is asked from the host's namespace.
    public var isFromHost: Bool

    /// Makes a server.
    public init(_ address: IPAddress, isFromHost: Bool) {
      self.address = address
      self.isFromHost = isFromHost
    }

    /// As the comments in the file show it.
    public var description: String { isFromHost ? "host(\(address))" : "\(address)" }
  }

  /// The name servers.
  public private(set) var servers: [IPAddress] = []
  /// The domains that names are completed with.
  public private(set) var search: [String] = []
  /// The options, such as `ndots:0`.
  public private(set) var options: [String] = []
  /// A comment that is put before the rest.
  public var header = ""
  /// The servers that the embedded resolver asks.
  public private(set) var externalServers: [Server] = []

  private var others: [String] = []
  private var path: String
  private var transform = ""
  private var warnings: [String] = []
  private var invalidServers: [String] = []
  private var overridesServers = false
  private var overridesSearch = false
  private var overridesOptions = false
  private var ndotsOrigin = ""

  /// Reads a file's text.
  public init(_ text: String, path: String = "") {
    self.path = path
    for line in text.split(separator: "\n", omittingEmptySubsequences: true) { read(String(line)) }
    if option("ndots") != nil { ndotsOrigin = "host" }
  }

  private mutating func read(_ line: String) {
    let words = line.split(whereSeparator: \.isWhitespace).map(String.init)
    guard let first = words.first, first.first != "#", first.first != ";" else { return }
    let rest = Array(words.dropFirst())
    switch first {
    case "nameserver":
      guard let text = rest.first else { return }
      if let address = IPAddress(text) {
        servers.append(address)
      } else {
        invalidServers.append(text)
      }
    case "domain", "search": if !rest.isEmpty { search = rest }
    case "options": options += rest
    default: others.append(line.last == "\r" ? String(line.dropLast()) : line)
    }
  }

  /// The value of the last option of a name: empty where it has none, nil where there is no such.
  public func option(_ name: String) -> String? {
    for option in options.reversed() {
      let (key, value) = Self.cut(option)
      if key == name { return value }
    }
    return nil
  }

  private static func cut(_ option: String) -> (String, String) {
    guard let mark = option.firstIndex(of: ":") else { return (option, "") }
    return (String(option[..<mark]), String(option[option.index(after: mark)...]))
  }

  // MARK: Changes

  /// Puts other servers in the place of the host's (`--dns`).
  public mutating func override(servers: [IPAddress]) {
    self.servers = servers
    overridesServers = true
  }

  /// Puts other domains in the place of the host's (`--dns-search`).
  public mutating func override(search: [String]) {
    self.search = search.filter { $0 != "." }
    overridesSearch = true
  }

  /// Puts other options in the place of the host's (`--dns-option`).
  public mutating func override(options: [String]) {
    self.options = options
    overridesOptions = true
    ndotsOrigin = option("ndots") == nil ? "" : "override"
  }

  /// Adds an option.
  public mutating func add(option: String) {
    if option.hasPrefix("ndots:"), option.utf8.count > 6 { ndotsOrigin = "internal" }
    options.append(option)
  }

  /// Makes it fit for a network without embedded resolver: the host's loopback addresses mean
  /// nothing there.
  public mutating func transformForDefaultBridge(ipv6: Bool) {
    transform = "legacy"
    if overridesServers { return }
    servers.removeAll { $0.isLoopback || ($0.v4 == nil && !ipv6) }
    guard servers.isEmpty else { return }
    servers = [.v4(IPv4Address(8, 8, 8, 8)), .v4(IPv4Address(8, 8, 4, 4))]
    if ipv6 {
      servers += ["2001:4860:4860::8888", "2001:4860:4860::8844"].compactMap(IPAddress.init)
    }
    warnings.append("Used default nameservers.")
  }

  /// Makes it fit for a network with the embedded resolver, which asks what was named before.
  public mutating func transformForEmbeddedResolver(
    at address: IPAddress,
    requiredOptions: [String] = []
  ) {
    externalServers = servers.map { Server($0, isFromHost: !overridesServers) }
    servers = [address]
    for required in requiredOptions {
      let name = Self.cut(required).0
      if name == "ndots" {
        options.removeAll {
          let (key, value) = Self.cut($0)
          return key == "ndots" && (Int(value).map { $0 < 0 } ?? true)
        }
      }
      if option(name) == nil { add(option: required) }
    }
    transform = "internal resolver"
    if externalServers.isEmpty { warnings.append("NO EXTERNAL NAMESERVERS DEFINED") }
  }

  // MARK: Text

  /// The file's text; with comments it tells how it came about.
  public func text(comments: Bool = true) -> String {
    var text = ""
    if comments, !header.isEmpty { text += header + "\n\n" }
    for server in servers { text += "nameserver \(server)\n" }
    if !search.isEmpty { text += "search " + search.joined(separator: " ") + "\n" }
    if !options.isEmpty { text += "options " + options.joined(separator: " ") + "\n" }
    if !others.isEmpty { text += others.joined(separator: "\n") + "\n" }
    guard comments else { return text }
    text +=
      "\n# Based on host file: '\(path)'" + (transform.isEmpty ? "" : " (\(transform))") + "\n"
    for warning in warnings { text += "# \(warning)\n" }
    if !externalServers.isEmpty {
      text += "# ExtServers: [" + externalServers.map(\.description).joined(separator: " ") + "]\n"
    }
    if !invalidServers.isEmpty {
      text += "# Invalid nameservers: [" + invalidServers.joined(separator: " ") + "]\n"
    }
    var overrides: [String] = []
    if overridesServers { overrides.append("nameservers") }
    if overridesSearch { overrides.append("search") }
    if overridesOptions { overrides.append("options") }
    text += "# Overrides: [" + overrides.joined(separator: " ") + "]\n"
    if !ndotsOrigin.isEmpty { text += "# Option ndots from: \(ndotsOrigin)\n" }
    return text
  }
}

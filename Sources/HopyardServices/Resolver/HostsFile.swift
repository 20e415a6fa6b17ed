import HopyardWire

/// What `/etc/hosts` says (`hosts(5)`).
public struct HostsFile: Sendable {
  /// A line: an address and its names, the first of which is the right one.
  public struct Entry: Hashable, Sendable {
    /// The address.
    public var address: IPAddress
    /// The names as they are written.
    public var names: [String]
  }

  /// The lines in order.
  public private(set) var entries: [Entry] = []

  /// Reads the text of the file; lines that make no sense are passed over.
  public init(parsing text: String) {
    for line in text.split(separator: "\n") {
      let words = line.prefix { $0 != "#" }.split { $0 == " " || $0 == "\t" }
      guard words.count > 1 else { continue }
      let address: IPAddress
      if let v4 = IPv4Address(String(words[0])) {
        address = .v4(v4)
      } else if let v6 = IPv6Address(String(words[0].prefix { $0 != "%" })) {
        address = .v6(v6)
      } else {
        continue
      }
      entries.append(Entry(address: address, names: words.dropFirst().map(String.init)))
    }
  }

  /// The lines that have a name.
  public func entries(named name: String) -> [Entry] {
    var wanted = name.lowercased()
    if wanted.hasSuffix(".") { wanted.removeLast() }
    return entries.filter { entry in entry.names.contains { $0.lowercased() == wanted } }
  }

  /// The first line of an address.
  public func entry(of address: IPAddress) -> Entry? { entries.first { $0.address == address } }
}

/// In which order names are looked for: the `hosts` line of `/etc/nsswitch.conf`.
public struct NameServiceSwitch: Hashable, Sendable {
  /// What came of a source.
  public enum Status: String, Sendable {
    case success
    case notFound = "notfound"
    case unavailable = "unavail"
    case tryAgain = "tryagain"
  }

  /// A source, and at which outcomes the search ends with it.
  public struct Source: Hashable, Sendable {
    /// The name of the service, such as `files`.
    public var name: String
    /// Outcomes that end the search.
    public var ends: Set<Status> = [.success]
  }

  /// The sources in order.
  public var sources: [Source]

  /// Reads the text of the file; without a `hosts` line it is `files dns`.
  public init(parsing text: String = "") {
    sources = []
    for line in text.split(separator: "\n") {
      let content = line.prefix { $0 != "#" }
      guard let colon = content.firstIndex(of: ":"),
        content[..<colon].filter({ $0 != " " && $0 != "\t" }) == "hosts"
      else { continue }
      sources = Self.sources(content[content.index(after: colon)...])
    }
    if sources.isEmpty { sources = [Source(name: "files"), Source(name: "dns")] }
  }

  private static func sources(_ text: Substring) -> [Source] {
    var sources: [Source] = []
    var rest = text
    while true {
      rest = rest.drop { $0 == " " || $0 == "\t" }
      guard let first = rest.first else { return sources }
      if first == "[" {
        let inside = rest.dropFirst().prefix { $0 != "]" }
        rest = rest.dropFirst(inside.count + 2)
        for word in inside.split(whereSeparator: { $0 == " " || $0 == "\t" }) {
          let halves = word.lowercased().split(separator: "=")
          guard halves.count == 2, !sources.isEmpty else { continue }
          let isNot = halves[0].hasPrefix("!")
          guard let status = Status(rawValue: String(isNot ? halves[0].dropFirst() : halves[0]))
          else { continue }
          let all: Set<Status> = [.success, .notFound, .unavailable, .tryAgain]
          let meant = isNot ? all.subtracting([status]) : [status]
          if halves[1] == "return" {
            sources[sources.count - 1].ends.formUnion(meant)
          } else {
            sources[sources.count - 1].ends.subtract(meant)
          }
        }
      } else {
        let word = rest.prefix { $0 != " " && $0 != "\t" && $0 != "[" }
        sources.append(Source(name: String(word)))
        rest = rest.dropFirst(word.count)
      }
    }
  }
}

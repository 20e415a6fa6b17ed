import HopyardWire

/// What `/etc/resolv.conf` says, as glibc reads it (`resolv.conf(5)`, `res_init`).
public struct ResolverConfiguration: Hashable, Sendable {
  /// A pair of the sort list.
  public struct SortEntry: Hashable, Sendable {
    /// The network that comes first.
    public var address: IPv4Address
    /// Its mask.
    public var mask: IPv4Address
  }

  /// Whose reading of the file it is; they differ in the bounds of numbers.
  public enum Dialect: Sendable {
    /// GNU's C library.
    case glibc
    /// The C library musl.
    case musl
    /// The DNS library in Go on which CoreDNS and dockerd stand.
    case go
  }

  /// All name servers; only the first three are asked.
  public var servers: [IPAddress] = []
  /// The search list.
  public var search: [String] = []
  /// The order of IPv4 addresses that old functions keep to.
  public var sortList: [SortEntry] = []
  /// How many dots make a name be tried as it stands first.
  public var ndots = 1
  /// Seconds to wait for an answer.
  public var timeout = 5
  /// How often all servers are tried.
  public var attempts = 2
  /// Whether servers take turns.
  public var rotates = false
  /// Whether queries use EDNS.
  public var usesEDNS = false
  /// Whether queries go over TCP.
  public var usesTCP = false
  /// Whether AAAA waits for the answer to A.
  public var isSingleRequest = false
  /// The same, from a new socket.
  public var isSingleRequestReopen = false
  /// Whether names without a dot are not asked for as they stand.
  public var leavesOutTopLevel = false
  /// Whether changes of the file are not looked for.
  public var isNeverReloaded = false
  /// Whether the AD bit is asked for and believed.
  public var trustsAD = false
  /// Whether AAAA is not asked for.
  public var leavesOutAAAA = false
  /// Whether all answers must be right.
  public var isStrict = false

  /// How many servers are asked at most (`MAXNS`).
  public static let serverLimit = 3
  private let dialect: Dialect

  /// Reads the text of the file.
  ///
  /// - Parameters:
  ///   - hostname: gives the search list where the file has none.
  ///   - localDomain: the environment variable `LOCALDOMAIN`.
  ///   - options: the environment variable `RES_OPTIONS`.
  public init(
    parsing text: String = "",
    hostname: String = "",
    localDomain: String? = nil,
    options: String? = nil,
    dialect: Dialect = .glibc
  ) {
    self.dialect = dialect
    if let localDomain {
      search = Self.words(localDomain.prefix { $0 != "\n" })
    }
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      read(line, hasSearch: localDomain != nil)
    }
    if servers.isEmpty { servers = [.v4(.loopback)] }
    if search.isEmpty, let dot = hostname.firstIndex(of: ".") {
      let domain = String(hostname[hostname.index(after: dot)...])
      if !domain.isEmpty { search = [domain] }
    }
    if let options { setOptions(options[...]) }
  }

  private static func words(_ text: Substring) -> [String] {
    text.split { $0 == " " || $0 == "\t" }.map(String.init)
  }

  private mutating func read(_ line: Substring, hasSearch: Bool) {
    if line.hasPrefix(";") || line.hasPrefix("#") { return }
    guard let blank = line.firstIndex(where: { $0 == " " || $0 == "\t" }) else { return }
    let rest = line[blank...]
    let words = Self.words(rest)
    switch line[..<blank] {
    case "domain":
      if !hasSearch, let first = words.first { search = [first] }
    case "search":
      if !hasSearch, !words.isEmpty { search = words }
    case "nameserver":
      guard let first = words.first else { return }
      if let address = IPv4Address.inetAton(first) {
        servers.append(.v4(address))
      } else if let address = IPv6Address(String(first.prefix { $0 != "%" })) {
        servers.append(.v6(address))
      }
    case "sortlist": readSortList(rest)
    case "options": setOptions(rest)
    default: break
    }
  }

  private mutating func readSortList(_ text: Substring) {
    for word in Self.words(text.prefix { $0 != ";" }) {
      let parts = word.split(maxSplits: 1, omittingEmptySubsequences: false) {
        $0 == "/" || $0 == "&"
      }
      guard let address = IPv4Address.inetAton(String(parts[0])) else { continue }
      let given = parts.count > 1 ? IPv4Address.inetAton(String(parts[1])) : nil
      sortList.append(SortEntry(address: address, mask: given ?? Self.classMask(address)))
    }
  }

  private static func classMask(_ address: IPv4Address) -> IPv4Address {
    switch address.rawValue >> 30 {
    case 0, 1: IPv4Address(rawValue: 0xff00_0000)
    case 2: IPv4Address(rawValue: 0xffff_0000)
    default: IPv4Address(rawValue: 0xffff_ff00)
    }
  }

  private mutating func setOptions(_ text: Substring) {
    for word in Self.words(text) {
      if let value = Self.number(word, "ndots:") {
        ndots = dots(value)
      } else if let value = Self.number(word, "timeout:") {
        timeout = bounded(value, 30, 60)
      } else if let value = Self.number(word, "attempts:") {
        attempts = bounded(value, 5, 10)
      } else {
        let isNegated = word.hasPrefix("-")
        setFlag(isNegated ? word.dropFirst() : word[...], to: !isNegated)
      }
    }
  }

  /// The dots that count: at most 15, the largest number of four bits.
  private func dots(_ value: Int) -> Int {
    // In glibc's field of four bits a negative number wraps.
    if value < 0 { return dialect == .glibc ? value & 15 : 0 }
    return min(value, 15)
  }

  /// A time or number of attempts within the bounds of glibc or musl; Go's has only a lower one.
  private func bounded(_ value: Int, _ glibc: Int, _ musl: Int) -> Int {
    switch dialect {
    case .glibc: min(value, glibc)
    case .musl: min(max(value, 0), musl)
    case .go: max(value, 1)
    }
  }

  /// The number behind a key as `strtol` reads it: 0 where there is none.
  private static func number(_ word: String, _ key: String) -> Int? {
    guard word.hasPrefix(key) else { return nil }
    let text = word.dropFirst(key.count)
    let sign = text.hasPrefix("-") ? "-" : ""
    let digits = text.drop { $0 == "-" || $0 == "+" }.prefix { $0.isASCII && $0.isNumber }
    return Int(Int32(sign + digits) ?? (digits.isEmpty ? 0 : sign.isEmpty ? .max : -1))
  }

  /// Options are recognised by how they begin.
  private mutating func setFlag(_ word: Substring, to value: Bool) {
    if word.hasPrefix("rotate") {
      rotates = value
    } else if word.hasPrefix("edns0") {
      usesEDNS = value
    } else if word.hasPrefix("single-request-reopen") {
      isSingleRequestReopen = value
    } else if word.hasPrefix("single-request") {
      isSingleRequest = value
    } else if word.hasPrefix("no_tld_query") || word.hasPrefix("no-tld-query") {
      leavesOutTopLevel = value
    } else if word.hasPrefix("no-reload") {
      isNeverReloaded = value
    } else if word.hasPrefix("use-vc") {
      usesTCP = value
    } else if word.hasPrefix("trust-ad") {
      trustsAD = value
    } else if word.hasPrefix("no-aaaa") {
      leavesOutAAAA = value
    } else if word.hasPrefix("strict-error") {
      isStrict = value
    }
  }

  /// The names to ask for, in order, for a name that a user typed.
  ///
  /// - Parameter name: with a dot at its end it stands as it is.
  public func candidates(for name: String) -> [String] {
    let dots = name.count { $0 == "." }
    if name.hasSuffix(".") { return [name] }
    let searched = search.map { domain -> String in
      let rest = domain.hasPrefix(".") ? domain.dropFirst() : domain[...]
      return rest.isEmpty ? name + "." : name + "." + rest
    }
    if dots >= ndots { return [name] + searched }
    if search.contains(where: { $0 == "." }) { return searched }
    return dots == 0 && leavesOutTopLevel && !search.isEmpty ? searched : searched + [name]
  }
}

extension ResolverConfiguration: CustomStringConvertible {
  /// The state as lines of a file, with what takes effect behind semicolons.
  public var description: String {
    var text = ""
    var words: [String] = []
    if ndots != 1 { words.append("ndots:\(ndots)") }
    if timeout != 5 { words.append("timeout:\(timeout)") }
    if attempts != 2 { words.append("attempts:\(attempts)") }
    let flags: [(Bool, String)] = [
      (usesTCP, "use-vc"), (rotates, "rotate"), (usesEDNS, "edns0"),
      (isSingleRequest, "single-request"), (isSingleRequestReopen, "single-request-reopen"),
      (leavesOutTopLevel, "no-tld-query"), (isNeverReloaded, "no-reload"),
      (trustsAD, "trust-ad"), (leavesOutAAAA, "no-aaaa"), (isStrict, "strict-error"),
    ]
    words += flags.filter(\.0).map(\.1)
    if !words.isEmpty { text += "options \(words.joined(separator: " "))\n" }
    // The old list holds six domains in 256 bytes.
    var room = 256
    let old = search.prefix(6).prefix { domain in
      room -= domain.utf8.count + 1
      return room >= 0
    }
    if !old.isEmpty { text += "search \(old.joined(separator: " "))\n" }
    for (index, domain) in search.enumerated() { text += "; search[\(index)]: \(domain)\n" }
    if !sortList.isEmpty {
      let entries = sortList.prefix(10).map { "\($0.address)/\($0.mask)" }
      text += "sortlist \(entries.joined(separator: " "))\n"
    }
    for server in servers.prefix(Self.serverLimit) { text += "nameserver \(server)\n" }
    for (index, server) in servers.enumerated() {
      text += "; nameserver[\(index)]: [\(server)]:53\n"
    }
    return text
  }
}

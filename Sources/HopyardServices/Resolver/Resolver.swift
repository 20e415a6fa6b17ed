import HopyardSimulator
import HopyardWire

/// Why a name has no address, as `getaddrinfo` tells it.
public enum ResolutionFailure: Int32, Error, Hashable, Sendable {
  /// `EAI_NONAME`: there is no such name.
  case noName = -2
  /// `EAI_AGAIN`: no server could tell.
  case tryAgain = -3
  /// `EAI_FAIL`: a server said that it never will.
  case failure = -4
  /// `EAI_NODATA`: the name has no address of the family.
  case noData = -5
  /// `EAI_ADDRFAMILY`: the address is not of the family.
  case addressFamily = -9
  /// A signal came.
  case interrupted = -104

  /// The text of `gai_strerror`.
  public var text: String {
    switch self {
    case .noName: "Name or service not known"
    case .tryAgain: "Temporary failure in name resolution"
    case .failure: "Non-recoverable failure in name resolution"
    case .noData: "No address associated with hostname"
    case .addressFamily: "Address family for hostname not supported"
    case .interrupted: "Interrupted by a signal"
    }
  }
}

/// The C library's resolver in a program: `/etc/hosts`, `/etc/nsswitch.conf`, `/etc/resolv.conf`,
/// and queries to name servers.
///
///     let found = try await Resolver(program).lookup("web.example")
///     print(found.addresses)
public final class Resolver {
  /// Whose resolver it is; they differ in much that users notice.
  public enum Library: Sendable {
    /// GNU's: servers one after the other, the whole search list.
    case glibc
    /// musl's: all servers at once, no search for names with enough dots.
    case musl
  }

  /// Which addresses are asked for.
  public enum Family: Sendable {
    /// A only.
    case v4
    /// AAAA only.
    case v6
    /// Both (`AF_UNSPEC`).
    case any
  }

  /// What a lookup found.
  public struct Result: Sendable {
    /// The addresses in the order to try them.
    public var addresses: [IPAddress]
    /// The name at the end of the aliases.
    public var canonicalName: String
    /// Other names of the line in `/etc/hosts`, or aliases that led there.
    public var aliases: [String] = []
    /// Whether it came from `/etc/hosts`.
    public var isFromFile = false
  }

  /// The program in which it is.
  public let program: Program
  /// Whose resolver it is.
  public let library: Library
  /// What `/etc/resolv.conf` says.
  public var configuration: ResolverConfiguration
  /// What the order of sources is.
  public let nameSwitch: NameServiceSwitch
  /// What `/etc/hosts` says.
  public let hosts: HostsFile
  /// The server to begin with, for `options rotate`.
  var rotation = 0

  /// Reads the program's files.
  public init(_ program: Program, library: Library = .glibc, hostname: String = "") {
    self.program = program
    self.library = library
    let text = { (path: String) in String(decoding: program.contents(path) ?? [], as: UTF8.self) }
    configuration = ResolverConfiguration(
      parsing: text("/etc/resolv.conf"),
      hostname: hostname,
      localDomain: program.environment["LOCALDOMAIN"],
      options: program.environment["RES_OPTIONS"],
      dialect: library == .musl ? .musl : .glibc
    )
    // With `rotate` each process begins with another server.
    if configuration.rotates { rotation = Int(program.simulation.random.next() >> 33) }
    nameSwitch = NameServiceSwitch(parsing: library == .glibc ? text("/etc/nsswitch.conf") : "")
    hosts = HostsFile(parsing: text("/etc/hosts"))
  }

  /// Finds the addresses of a name, as `getaddrinfo` does; an address written out is itself.
  public func lookup(_ name: String, _ family: Family = .any) async throws(ResolutionFailure)
    -> Result
  {
    if let numeric = try Self.numeric(name, family) {
      return Result(addresses: [numeric], canonicalName: name)
    }
    var failure = ResolutionFailure.noName
    for source in nameSwitch.sources {
      switch source.name {
      case "files":
        if let found = fromFile(name, family) { return found }
        if source.ends.contains(.notFound) { throw .noName }
      case "dns":
        do {
          var found = try await fromServers(name, family)
          found.addresses = sorted(found.addresses)
          return found
        } catch {
          failure = error
          if error == .interrupted { throw error }
          let status: NameServiceSwitch.Status = error == .tryAgain ? .tryAgain : .notFound
          if source.ends.contains(status) { throw error }
        }
      case let other where other.hasPrefix("mdns"):
        // Nobody answers multicast DNS here; only `.local` is asked for by it.
        if source.ends.contains(.notFound), name.lowercased().hasSuffix(".local") { throw .noName }
      default: break
      }
    }
    throw failure
  }

  /// The name of an address, as `gethostbyaddr` finds it: first in the file, then as PTR.
  public func name(of address: IPAddress) async throws(ResolutionFailure) -> Result {
    for source in nameSwitch.sources {
      if source.name == "files", let entry = hosts.entry(of: address) {
        return Result(
          addresses: [address],
          canonicalName: entry.names[0],
          aliases: Array(entry.names.dropFirst()),
          isFromFile: true
        )
      }
      guard source.name == "dns" else { continue }
      let name = DNSName(reverse: address)
      let answer = try await ask(name.description, [.ptr])
      for record in answer.records {
        if case .ptr(let target) = record.data {
          return Result(addresses: [address], canonicalName: target.text)
        }
      }
    }
    throw .noName
  }

  /// An address written out, if it is one; the family must fit.
  static func numeric(_ name: String, _ family: Family) throws(ResolutionFailure) -> IPAddress? {
    if let v4 = IPv4Address.inetAton(name) {
      if family == .v6 { throw .addressFamily }
      return .v4(v4)
    }
    if let v6 = IPv6Address(name) {
      if family == .v4 { throw .addressFamily }
      return .v6(v6)
    }
    return nil
  }

  /// Looks in `/etc/hosts`.
  func fromFile(_ name: String, _ family: Family) -> Result? {
    var addresses: [IPAddress] = []
    var names: [String] = []
    for entry in hosts.entries(named: name) {
      switch (entry.address, family) {
      case (.v4, .v4), (.v6, .v6), (_, .any):
        if !addresses.contains(entry.address) { addresses.append(entry.address) }
      case (.v6(let address), .v4) where address.isLoopback:
        if !addresses.contains(.v4(.loopback)) { addresses.append(.v4(.loopback)) }
      default: continue
      }
      for name in entry.names where !names.contains(name) { names.append(name) }
    }
    guard !addresses.isEmpty else { return nil }
    return Result(
      addresses: sorted(addresses),
      canonicalName: names[0],
      aliases: Array(names.dropFirst()),
      isFromFile: true
    )
  }

  private func fromServers(_ name: String, _ family: Family) async throws(ResolutionFailure)
    -> Result
  {
    var types: [DNSRecordType] = family == .v4 ? [.a] : family == .v6 ? [.aaaa] : [.a, .aaaa]
    if configuration.leavesOutAAAA, types.count > 1 { types = [.a] }
    let answer = try await ask(name, types)
    var addresses: [IPAddress] = []
    for record in answer.records {
      switch record.data {
      case .a(let address): addresses.append(.v4(address))
      case .aaaa(let address): addresses.append(.v6(address))
      default: break
      }
    }
    guard !addresses.isEmpty else { throw .noData }
    return Result(addresses: addresses, canonicalName: answer.name.text, aliases: answer.aliases)
  }

  private func ask(_ name: String, _ types: [DNSRecordType]) async throws(ResolutionFailure)
    -> ResolverAnswer
  {
    switch library {
    case .glibc: try await glibcSearch(name, types)
    case .musl: try await muslSearch(name, types)
    }
  }

  /// The order of RFC 6724 as far as it shows: what cannot be reached comes last (rule 1), else the
  /// server's order.
  func sorted(_ addresses: [IPAddress]) -> [IPAddress] {
    guard addresses.count > 1 else { return addresses }
    var usable: [IPAddress] = []
    var unusable: [IPAddress] = []
    for address in addresses {
      if isReachable(address) { usable.append(address) } else { unusable.append(address) }
    }
    return usable + unusable
  }

  private func isReachable(_ address: IPAddress) -> Bool {
    guard case .v4(let address) = address else { return false }
    let socket = program.namespace.sockets.makeUDP()
    defer { socket.close() }
    do throws(SocketError) {
      try socket.connect(to: address, port: 9)
      return true
    } catch {
      return false
    }
  }
}

/// Records that answer a question, and the name they belong to.
struct ResolverAnswer {
  var name: DNSName
  var aliases: [String] = []
  var records: [DNSRecord] = []

  /// Follows aliases from the question to records of the types.
  init(_ messages: [DNSMessage], _ asked: DNSName, _ types: [DNSRecordType]) {
    name = asked
    for (message, type) in zip(messages, types) {
      var owner = asked
      var seen: [String] = []
      for _ in 0..<16 {
        let alias = message.answers.lazy.compactMap { record -> DNSName? in
          guard record.name == owner, case .cname(let target) = record.data else { return nil }
          return target
        }.first
        guard type != .cname, let alias else { break }
        seen.append(owner.text)
        owner = alias
      }
      let found = message.answers.filter { $0.name == owner && $0.type == type }
      if !found.isEmpty, records.isEmpty {
        name = owner
        aliases = seen
      }
      records += found
    }
  }
}

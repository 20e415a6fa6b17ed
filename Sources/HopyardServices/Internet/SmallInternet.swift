import HopyardSimulator
import HopyardWire

/// A small Internet to resolve names through: root servers, servers of top-level domains, servers
/// of domains, and open resolvers, each with an address of its own in one namespace.
///
/// A network reaches it by any link into that namespace and a route back. Delegations, with glue,
/// are made as domains are added.
///
///     let internet = try SmallInternet(in: machine.makeNamespace("internet"))
///     try internet.addDomain("example.com", records: "www A 203.0.113.80\n", server: "203.0.113.53")
///     try internet.addResolver("9.9.9.9")
///     internet.start()
public final class SmallInternet {
  /// Where its servers are.
  public let namespace: NetworkNamespace
  /// The servers of the root, as resolvers know them.
  public let hints: [RecursiveResponder.Hint]

  private var authorities: [IPv4Address: AuthoritativeResponder] = [:]
  /// Server addresses in the order in which they came.
  private var order: [IPv4Address] = []
  private var resolvers: [(address: IPv4Address, responder: RecursiveResponder)] = []
  private var servers: [DNSServer] = []
  private var zones: [DNSName: IPv4Address] = [:]
  private static let rootName = DNSName("a.root-servers.net") ?? .root
  private static let rootAddress = IPv4Address(198, 41, 0, 4)

  /// Why something cannot be added.
  public enum Failure: Error, CustomStringConvertible {
    /// A name or address makes no sense.
    case name(String)
    /// The records of a domain are malformed.
    case zone(DNSZoneError)
    /// The address cannot be given to the namespace.
    case address(String)
    /// A server's socket cannot be bound.
    case socket(SocketError)

    /// The fault in a few words.
    public var description: String {
      switch self {
      case .name(let name): "bad name or address \(name)"
      case .zone(let error): "\(error)"
      case .address(let message): message
      case .socket(let error): error.text
      }
    }
  }

  /// Puts the root into a namespace.
  public init(in namespace: NetworkNamespace) throws(Failure) {
    self.namespace = namespace
    hints = [(Self.rootName, Self.rootAddress)]
    var root = DNSZone(origin: .root)
    root.add(Self.start(of: .root, server: Self.rootName))
    root.add(DNSRecord(.root, ttl: 518_400, .ns(Self.rootName)))
    root.add(DNSRecord(Self.rootName, ttl: 518_400, .a(Self.rootAddress)))
    try bring(Self.rootAddress)
    add(root, at: Self.rootAddress)
  }

  private static func start(of origin: DNSName, server: DNSName) -> DNSRecord {
    let mailbox = DNSName("hostmaster", origin: origin) ?? origin
    return DNSRecord(
      origin,
      ttl: 3600,
      .soa(DNSStartOfAuthority(primary: server, mailbox: mailbox, serial: 2_026_010_100))
    )
  }

  /// Gives the namespace an address.
  private func bring(_ address: IPv4Address) throws(Failure) {
    guard !namespace.devices.isLocalAddress(address.rawValue) else { return }
    guard let loopback = namespace.devices["lo"] else { throw .address("the namespace has no lo") }
    do {
      try namespace.setLinkUp(loopback)
      try namespace.addLinkAddress(
        InterfaceAddress(local: address.rawValue, prefixLength: 32),
        to: loopback,
        replacing: true
      )
    } catch {
      throw .address("\(error)")
    }
  }

  private func add(_ zone: DNSZone, at address: IPv4Address) {
    if let known = authorities[address] {
      known.zones.append(zone)
    } else {
      authorities[address] = AuthoritativeResponder([zone])
      order.append(address)
    }
    zones[zone.origin] = address
  }

  /// Adds a domain with its server, and its top-level domain where it is new.
  ///
  /// - Parameters:
  ///   - records: lines of a zone file, without SOA and NS.
  ///   - server: the address of the domain's server, `ns` in the domain.
  public func addDomain(_ name: String, records: String, server: String) throws(Failure) {
    guard let origin = DNSName(name), let address = IPv4Address(server) else {
      throw .name("\(name) \(server)")
    }
    guard let serverName = DNSName("ns", origin: origin) else { throw .name(name) }
    var zone: DNSZone
    do {
      zone = try DNSZone(parsing: "$TTL 300\n" + records, origin: origin)
    } catch {
      throw .zone(error)
    }
    if zone.start == nil { zone.add(Self.start(of: origin, server: serverName)) }
    if zone.records(of: origin, .ns).isEmpty {
      zone.add(DNSRecord(origin, ttl: 3600, .ns(serverName)))
      zone.add(DNSRecord(serverName, ttl: 3600, .a(address)))
    }
    try bring(address)
    try delegate(origin, to: serverName, address)
    add(zone, at: address)
  }

  /// Tells the zone above who has a domain; makes the zone above where it lacks.
  private func delegate(_ origin: DNSName, to server: DNSName, _ address: IPv4Address)
    throws(Failure)
  {
    guard let above = origin.parent else { return }
    var parent = above
    if above.labelCount > 1 {
      // A domain below one that is there is delegated by it, else by its top-level domain.
      parent =
        above.ancestry.first { zones[$0] != nil && !$0.isRoot } ?? above.suffix(1)
    }
    if zones[parent] == nil {
      // Each top-level domain has a server in 192.5.6.0/24, in the order of their coming.
      let number = zones.keys.count { $0.labelCount == 1 }
      let host = IPv4Address(192, 5, 6, UInt8(clamping: 30 + number))
      guard let name = DNSName("a.nic", origin: parent) else { throw .name("\(parent)") }
      var zone = DNSZone(origin: parent)
      zone.add(Self.start(of: parent, server: name))
      zone.add(DNSRecord(parent, ttl: 172_800, .ns(name)))
      zone.add(DNSRecord(name, ttl: 172_800, .a(host)))
      try bring(host)
      add(zone, at: host)
      try delegate(parent, to: name, host)
    }
    guard let place = zones[parent], let responder = authorities[place],
      let index = responder.zones.firstIndex(where: { $0.origin == parent })
    else { return }
    responder.zones[index].add(DNSRecord(origin, ttl: 172_800, .ns(server)))
    responder.zones[index].add(DNSRecord(server, ttl: 172_800, .a(address)))
  }

  /// Adds an open recursive resolver, as 8.8.8.8 is one.
  @discardableResult
  public func addResolver(_ address: String) throws(Failure) -> RecursiveResponder {
    guard let parsed = IPv4Address(address) else { throw .name(address) }
    try bring(parsed)
    let responder = RecursiveResponder(Program(in: namespace, name: "resolver"), hints: hints)
    resolvers.append((parsed, responder))
    return responder
  }

  /// Starts all servers.
  public func start() throws(Failure) {
    do throws(SocketError) {
      for address in order {
        guard let responder = authorities[address] else { continue }
        servers.append(
          try DNSServer(
            Program(in: namespace, name: "named"),
            address: address,
            responder: responder
          )
        )
      }
      for (address, responder) in resolvers {
        servers.append(try DNSServer(responder.program, address: address, responder: responder))
      }
    } catch {
      throw .socket(error)
    }
    for server in servers { server.start() }
  }

  /// The server at an address, to count its queries.
  public func queryCount(at address: String) -> Int {
    guard let parsed = IPv4Address(address) else { return 0 }
    return servers.first { $0.program.namespace === namespace && $0.address == parsed }?.queryCount
      ?? 0
  }
}

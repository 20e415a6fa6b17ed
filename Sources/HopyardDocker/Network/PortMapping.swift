public import HopyardContainers
public import HopyardWire

/// One `-p`: which port of the host, or of some of its addresses, leads to a container's port.
public struct PortRequest: Hashable, Sendable {
  /// `.tcp`, `.udp` or `.sctp`.
  public var ipProtocol: IPProtocol
  /// The container's port.
  public var port: UInt16
  /// The host's address; nil for the default.
  public var hostAddress: IPAddress?
  /// The first host port that may be taken; 0 for any.
  public var hostPort: UInt16
  /// The last host port that may be taken; 0 for the same as the first.
  public var hostPortEnd: UInt16

  /// Makes a request.
  public init(
    _ port: UInt16,
    _ ipProtocol: IPProtocol = .tcp,
    hostAddress: IPAddress? = nil,
    hostPort: UInt16 = 0,
    hostPortEnd: UInt16 = 0
  ) {
    self.ipProtocol = ipProtocol
    self.port = port
    self.hostAddress = hostAddress
    self.hostPort = hostPort
    self.hostPortEnd = hostPortEnd
  }
}

/// A published port: a request for one host address with the port that was given.
public struct PortBinding: Hashable, Sendable {
  /// `.tcp`, `.udp` or `.sctp`.
  public var ipProtocol: IPProtocol
  /// The container's address to which it leads.
  public var address: IPAddress
  /// The container's port.
  public var port: UInt16
  /// The host's address; 0.0.0.0 or `::` for all.
  public var hostAddress: IPAddress
  /// The host's port; nil where nothing is translated.
  public var hostPort: UInt16?

  /// What the rules are made from.
  public var published: PublishedPort {
    PublishedPort(ipProtocol, address, port, hostAddress: hostAddress, hostPort: hostPort)
  }
}

/// Which addresses and modes an endpoint's ports are published with.
public struct PortPublisher: Sendable {
  /// The container's IPv4 address.
  public var ipv4: IPv4Address?
  /// The container's IPv6 address.
  public var ipv6: IPv6Address?
  /// Whether IPv4 ports are opened but not translated.
  public var isRouted4 = false
  /// Whether IPv6 ports are opened but not translated.
  public var isRouted6 = false
  /// Whether the userland proxy runs.
  public var usesProxy = true
  /// The host address of requests that name none (`--ip`).
  public var defaultHostAddress = IPAddress.v4(.any)
  /// Whether the host listens on IPv6 at all.
  public var hostHasIPv6 = true

  /// Makes a publisher.
  public init(ipv4: IPv4Address?, ipv6: IPv6Address? = nil) {
    self.ipv4 = ipv4
    self.ipv6 = ipv6
  }

  private struct Item {
    var request: PortRequest
    var hostAddress: IPAddress
    var address: IPAddress
    var isRouted: Bool
    var end: UInt16 { max(request.hostPort, request.hostPortEnd) }
    var isRange: Bool { request.hostPort == 0 || request.hostPort != end }

    func needsSamePort(as other: Item) -> Bool {
      request.port == other.request.port && request.ipProtocol == other.request.ipProtocol
        && request.hostPort == other.request.hostPort && end == other.end
    }

    static func before(_ a: Item, _ b: Item) -> Bool {
      if a.isRange != b.isRange { return !a.isRange }
      if a.request.port != b.request.port { return a.request.port < b.request.port }
      if a.request.ipProtocol != b.request.ipProtocol {
        return order(a.request.ipProtocol) < order(b.request.ipProtocol)
      }
      if a.request.hostPort != b.request.hostPort { return a.request.hostPort < b.request.hostPort }
      if a.end != b.end { return a.end < b.end }
      if a.hostAddress != b.hostAddress { return a.hostAddress < b.hostAddress }
      return a.address < b.address
    }

    private static func order(_ ipProtocol: IPProtocol) -> Int {
      ipProtocol == .tcp ? 0 : ipProtocol == .udp ? 1 : 2
    }
  }

  /// Takes host ports for requests: exact ones first, the same port for all addresses of a request.
  ///
  /// If one cannot be had, none is taken. `isUsable` says whether nothing else listens on a port.
  public func publish(
    _ requests: [PortRequest],
    from allocator: inout PortAllocator,
    notes: inout [String],
    where isUsable: (IPAddress, UInt16, IPProtocol) -> Bool = { _, _, _ in true }
  ) throws(PortAllocator.Failure) -> [PortBinding] {
    let before = allocator
    var bindings: [PortBinding] = []
    let items = requests.flatMap { self.items($0, &notes) }.sorted(by: Item.before)
    var first = 0
    while first < items.count {
      var end = first + 1
      while end < items.count, items[end].needsSamePort(as: items[first]) { end += 1 }
      let group = items[first..<end]
      let translated = group.filter { !$0.isRouted }
      var port: UInt16?
      if let request = translated.first {
        do throws(PortAllocator.Failure) {
          port = try take(
            translated.map(\.hostAddress),
            request,
            &allocator,
            where: isUsable
          )
        } catch {
          allocator = before
          throw error
        }
      }
      for item in group {
        bindings.append(
          PortBinding(
            ipProtocol: item.request.ipProtocol,
            address: item.address,
            port: item.request.port,
            hostAddress: item.hostAddress,
            hostPort: item.isRouted ? nil : port
          )
        )
      }
      first = end
    }
    return bindings
  }

  private func take(
    _ addresses: [IPAddress],
    _ item: Item,
    _ allocator: inout PortAllocator,
    where isUsable: (IPAddress, UInt16, IPProtocol) -> Bool
  ) throws(PortAllocator.Failure) -> UInt16 {
    let request = item.request
    if request.hostPort != 0, !item.isRange {
      for address in addresses {
        guard allocator.isFree(request.hostPort, address, request.ipProtocol),
          isUsable(address, request.hostPort, request.ipProtocol)
        else { throw .taken(address, request.hostPort) }
      }
      for address in addresses {
        try allocator.take(request.hostPort, address, request.ipProtocol)
      }
      return request.hostPort
    }
    return try allocator.takeAny(
      of: addresses,
      request.ipProtocol,
      in: request.hostPort == 0 ? nil : request.hostPort...max(request.hostPort, item.end),
      where: { port in addresses.allSatisfy { isUsable($0, port, request.ipProtocol) } }
    )
  }

  /// What a request means for each family.
  private func items(_ request: PortRequest, _ notes: inout [String]) -> [Item] {
    var items: [Item] = []
    if let ipv4, let host = hostAddress4(request, &notes) {
      items.append(
        Item(request: request, hostAddress: .v4(host), address: .v4(ipv4), isRouted: isRouted4)
      )
    }
    var target = ipv6.map { IPAddress.v6($0) }
    if target == nil, let ipv4 {
      if usesProxy {
        target = .v4(ipv4)
      } else if let host = request.hostAddress, host.v4 == nil {
        notes.append(
          "Cannot map from IPv6 to an IPv4-only container because the userland proxy is disabled"
        )
      } else if request.hostAddress == nil, defaultHostAddress.v4 == nil {
        notes.append(
          "Cannot map from default host binding address to an IPv4-only container because the "
            + "userland proxy is disabled"
        )
      }
    }
    if let target, let host = hostAddress6(request, &notes) {
      items.append(
        Item(request: request, hostAddress: .v6(host), address: target, isRouted: isRouted6)
      )
    }
    return items
  }

  private func hostAddress4(_ request: PortRequest, _ notes: inout [String]) -> IPv4Address? {
    guard let wanted = request.hostAddress else {
      guard let standard = defaultHostAddress.v4 else { return nil }
      return isRouted4 ? .any : standard
    }
    guard let wanted = wanted.v4 else { return nil }
    if isRouted4, !wanted.isAny {
      notes.append("Using address 0.0.0.0 because NAT is disabled")
      return .any
    }
    return wanted
  }

  private func hostAddress6(_ request: PortRequest, _ notes: inout [String]) -> IPv6Address? {
    guard let wanted = request.hostAddress else {
      if case .v4(let standard) = defaultHostAddress {
        return standard.isAny && hostHasIPv6 ? IPv6Address(rawValue: 0) : nil
      }
      return isRouted6 ? IPv6Address(rawValue: 0) : defaultHostAddress.v6
    }
    guard let wanted = wanted.v6 else { return nil }
    if isRouted6, wanted.rawValue != 0 {
      notes.append("Using address [::] because NAT is disabled")
      return IPv6Address(rawValue: 0)
    }
    return wanted
  }
}

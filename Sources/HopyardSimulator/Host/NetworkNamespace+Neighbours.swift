import HopyardWire

/// A neighbour as `ip neigh` shows it.
public struct NeighbourView: Sendable {
  /// Its address.
  public var address: IPv4Address
  /// The device on which it is.
  public var ifindex: Int32
  /// Its MAC address, if known.
  public var linkAddress: MACAddress?
  /// Its state.
  public var state: NeighbourState
  /// `router`.
  public var isRouter: Bool
  /// `extern_learn`.
  public var isExternallyLearned: Bool
  /// The protocol that made it.
  public var origin: UInt8
  /// Seconds since it was used.
  public var used: Int64
  /// Seconds since it was confirmed.
  public var confirmed: Int64
  /// Seconds since it was updated.
  public var updated: Int64
  /// How many probes were sent.
  public var probes: Int
}

/// What an administrator does to neighbours (`ip neigh`), with the kernel's errors.
extension NetworkNamespace {
  /// The neighbours, in order of device and address.
  public var neighbours: [NeighbourView] { ipv4.neighbours.entries.compactMap { view(of: $0) } }

  private func view(of entry: Neighbour<UInt32>) -> NeighbourView? {
    guard let device = backlog.device(entry.device) else { return nil }
    func age(_ instant: Instant) -> Int64 { max(0, (simulation.now - instant) / 1_000_000_000) }
    return NeighbourView(
      address: IPv4Address(rawValue: entry.address),
      ifindex: device.ifindex,
      linkAddress: entry.state.hasLinkAddress ? entry.linkAddress : nil,
      state: entry.state,
      isRouter: entry.isRouter,
      isExternallyLearned: entry.isExternallyLearned,
      origin: entry.origin,
      used: age(entry.used),
      confirmed: age(entry.confirmed),
      updated: age(entry.updated),
      probes: entry.probeCount
    )
  }

  /// The neighbour with an address on a device.
  public func neighbour(_ address: IPv4Address, on device: NetworkDevice) -> NeighbourView? {
    ipv4.neighbours.find(address.rawValue, on: device.number).flatMap { view(of: $0) }
  }

  /// How a change treats a neighbour that is there already, or is not.
  public enum NeighbourChange: Sendable {
    /// `add`: it must not be there.
    case add
    /// `change`: it must be there.
    case change
    /// `replace`: either.
    case replace
  }

  /// Adds or changes a neighbour.
  public func setNeighbour(
    _ address: IPv4Address,
    on device: NetworkDevice,
    linkAddress: MACAddress?,
    state: NeighbourState,
    _ change: NeighbourChange,
    isRouter: Bool = false,
    isExternallyLearned: Bool = false,
    origin: UInt8 = 0
  ) throws(LinkError) {
    let table = ipv4.neighbours
    let known = table?.find(address.rawValue, on: device.number)
    if known == nil, change == .change { throw LinkError(.noSuchFile) }
    if known != nil, change == .add { throw LinkError(.fileExists) }
    if linkAddress == nil, state.hasLinkAddress, !(known?.state.hasLinkAddress ?? false) {
      throw LinkError(.invalidArgument, "No link layer address given")
    }
    guard let entry = table?.findOrMake(address.rawValue, on: device.number) else { return }
    table?.update(entry, linkAddress: linkAddress, state: state, [.override, .admin])
    entry.isRouter = isRouter
    entry.isExternallyLearned = isExternallyLearned
    entry.origin = origin
    ipv4.flows.removeAll()
  }

  /// Removes a neighbour.
  public func removeNeighbour(_ address: IPv4Address, on device: NetworkDevice) throws(LinkError) {
    guard let entry = ipv4.neighbours.find(address.rawValue, on: device.number) else {
      throw LinkError(.noSuchFile)
    }
    // What waits for it is told first.
    ipv4.neighbours.update(entry, linkAddress: nil, state: .failed, [.override, .admin])
    ipv4.neighbours.remove(entry)
    ipv4.flows.removeAll()
  }

  /// The addresses that are answered for (`ip neigh add proxy`); device 0 is any.
  public var neighbourProxies: [(address: IPv4Address, ifindex: Int32)] {
    ipv4.neighbours.proxies.compactMap { proxy in
      guard let device = backlog.device(proxy.device) else { return nil }
      return (IPv4Address(rawValue: proxy.address), device.ifindex)
    }
  }

  /// Answers for an address on a device from now on.
  public func addNeighbourProxy(_ address: IPv4Address, on device: NetworkDevice) {
    _ = ipv4.neighbours.addProxy(address.rawValue, on: device.number)
  }

  /// Answers for an address no more.
  public func removeNeighbourProxy(
    _ address: IPv4Address,
    on device: NetworkDevice
  ) throws(LinkError) {
    guard ipv4.neighbours.removeProxy(address.rawValue, on: device.number) else {
      throw LinkError(.noSuchFile)
    }
  }
}

extension NeighbourState {
  /// Whether an entry in this state has a link-layer address (`NUD_VALID`).
  public var hasLinkAddress: Bool { isValid }
}

import HopyardWire

/// One far end of a VXLAN forwarding entry.
public struct VXLANRemote: Equatable, Sendable {
  /// The far end's address.
  public var address: IPv4Address
  /// Its UDP port, or 0 for the device's.
  public var port: UInt16 = 0
  /// The VNI there, or nil for the device's.
  public var vni: UInt32?
  /// The device by which to go, by index; 0 for any.
  public var ifindex: Int32 = 0

  /// Makes a far end.
  public init(address: IPv4Address, port: UInt16 = 0, vni: UInt32? = nil, ifindex: Int32 = 0) {
    self.address = address
    self.port = port
    self.vni = vni
    self.ifindex = ifindex
  }
}

/// An entry of a VXLAN device's own forwarding database: behind which far ends an address is.
public struct VXLANEntry: Sendable {
  /// The address; zero stands for every unknown one.
  public let mac: MACAddress
  /// The far ends, in order.
  public internal(set) var remotes: [VXLANRemote]
  /// It was learned and ages.
  public internal(set) var isLearned: Bool
  /// `static`: it does not age, but moves (`NUD_REACHABLE` without `NTF_EXT_LEARNED`).
  public internal(set) var isPermanent: Bool
  /// When the address was last heard.
  public internal(set) var updated: Instant
  /// When a frame was last sent to it.
  public internal(set) var used: Instant
  var sequence: UInt64 = 0
}

extension VXLANDevice {
  /// All entries that are not too old, newest first.
  public var forwardingEntries: [VXLANEntry] {
    entries.values.filter { !isTooOld($0) }.sorted { $0.sequence > $1.sequence }
  }

  private func isTooOld(_ entry: VXLANEntry) -> Bool {
    entry.isLearned && options.ageing > 0
      && simulation.now - entry.updated >= .seconds(Int64(options.ageing))
  }

  func entry(for mac: MACAddress) -> VXLANEntry? {
    guard let entry = entries[mac] else { return nil }
    if isTooOld(entry) {
      entries[mac] = nil
      return nil
    }
    return entry
  }

  /// How an administrator changes the database.
  public enum EntryChange: Sendable {
    /// `bridge fdb add`: the address must be new.
    case add
    /// `bridge fdb append`: one more far end, for groups and the zero address.
    case append
    /// `bridge fdb replace`.
    case replace
  }

  /// Adds or changes an entry (`vxlan_fdb_update`).
  public func changeEntry(
    _ mac: MACAddress,
    _ remote: VXLANRemote,
    _ change: EntryChange,
    isLearned: Bool = false,
    isPermanent: Bool = true
  ) throws(LinkError) {
    guard var known = entry(for: mac) else {
      insert(mac, remote, isLearned: isLearned, isPermanent: isPermanent)
      return
    }
    switch change {
    case .add: throw LinkError(.fileExists)
    case .append:
      let isGroup = mac.isMulticast || mac == .zero
      if isGroup && !known.remotes.contains(remote) { known.remotes.append(remote) }
    case .replace:
      guard !mac.isMulticast, mac != .zero else { throw LinkError(.notSupported) }
      known.remotes = [remote]
    }
    known.isLearned = isLearned
    known.isPermanent = isPermanent
    known.updated = simulation.now
    entries[mac] = known
  }

  /// Removes an entry, or one of its far ends (`__vxlan_fdb_delete`).
  public func removeEntry(_ mac: MACAddress, _ remote: VXLANRemote?) throws(LinkError) {
    guard var known = entry(for: mac) else { throw LinkError(.noSuchFile) }
    if let remote {
      guard let index = known.remotes.firstIndex(of: remote) else { return }
      if known.remotes.count > 1 {
        known.remotes.remove(at: index)
        entries[mac] = known
        return
      }
    }
    entries[mac] = nil
  }

  /// Removes the entries that fit.
  public func removeEntries(where fits: (VXLANEntry) -> Bool) {
    entries = entries.filter { !fits($0.value) }
  }

  func insert(_ mac: MACAddress, _ remote: VXLANRemote, isLearned: Bool, isPermanent: Bool) {
    lastSequence &+= 1
    entries[mac] = VXLANEntry(
      mac: mac,
      remotes: [remote],
      isLearned: isLearned,
      isPermanent: isPermanent,
      updated: simulation.now,
      used: simulation.now,
      sequence: lastSequence
    )
  }

  /// Learns behind which far end an address is (`vxlan_snoop`); false if the frame must be dropped.
  func learn(_ mac: MACAddress, from source: IPv4Address) -> Bool {
    if mac.isMulticast || mac == .zero { return true }
    if var known = entry(for: mac) {
      guard known.remotes.count == 1, let remote = known.remotes.first else { return true }
      if remote.address == source {
        entries[mac]?.updated = simulation.now
        return true
      }
      // A fixed entry that sends back to the same address is not moved.
      if known.isPermanent { return false }
      known.remotes[0].address = source
      known.updated = simulation.now
      entries[mac] = known
      return true
    }
    insert(mac, VXLANRemote(address: source), isLearned: true, isPermanent: false)
    return true
  }
}

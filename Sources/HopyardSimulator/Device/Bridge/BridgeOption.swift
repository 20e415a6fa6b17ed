import HopyardWire

/// A setting of a bridge, by the name that `ip link … type bridge` gives it.
public enum BridgeOption: String, CaseIterable, Sendable {
  case forwardDelay = "forward_delay"
  case helloTime = "hello_time"
  case maximumAge = "max_age"
  case ageingTime = "ageing_time"
  case stpState = "stp_state"
  case priority
  case vlanFiltering = "vlan_filtering"
  case vlanProtocol = "vlan_protocol"
  case vlanDefaultPVID = "vlan_default_pvid"
  case vlanStatsEnabled = "vlan_stats_enabled"
  case vlanStatsPerPort = "vlan_stats_per_port"
  case groupForwardMask = "group_fwd_mask"
  case multicastSnooping = "mcast_snooping"
  case noLinkLocalLearning = "no_linklocal_learn"
  case multicastVLANSnooping = "mcast_vlan_snooping"
  case multicastRouter = "mcast_router"
  case multicastQueryUsesAddress = "mcast_query_use_ifaddr"
  case multicastQuerier = "mcast_querier"
  case multicastHashElasticity = "mcast_hash_elasticity"
  case multicastHashMaximum = "mcast_hash_max"
  case multicastLastMemberCount = "mcast_last_member_count"
  case multicastStartupQueryCount = "mcast_startup_query_count"
  case multicastLastMemberInterval = "mcast_last_member_interval"
  case multicastMembershipInterval = "mcast_membership_interval"
  case multicastQuerierInterval = "mcast_querier_interval"
  case multicastQueryInterval = "mcast_query_interval"
  case multicastQueryResponseInterval = "mcast_query_response_interval"
  case multicastStartupQueryInterval = "mcast_startup_query_interval"
  case multicastStatsEnabled = "mcast_stats_enabled"
  case multicastIGMPVersion = "mcast_igmp_version"
  case multicastMLDVersion = "mcast_mld_version"
  case callsIPTables = "nf_call_iptables"
  case callsIP6Tables = "nf_call_ip6tables"
  case callsARPTables = "nf_call_arptables"

  /// The value of a new bridge, for settings that are only kept.
  var stored: UInt64? {
    switch self {
    case .vlanStatsEnabled, .vlanStatsPerPort, .noLinkLocalLearning, .multicastVLANSnooping,
      .multicastQueryUsesAddress, .multicastStatsEnabled:
      0
    case .multicastRouter, .multicastMLDVersion: 1
    case .multicastHashElasticity: 16
    case .multicastHashMaximum: 4096
    case .multicastLastMemberCount, .multicastStartupQueryCount, .multicastIGMPVersion: 2
    case .multicastLastMemberInterval: 100
    case .multicastMembershipInterval: 26000
    case .multicastQuerierInterval: 25500
    case .multicastQueryInterval: 12500
    case .multicastQueryResponseInterval: 1000
    case .multicastStartupQueryInterval: 3124
    default: nil
    }
  }
}

extension BridgeDevice {
  /// One hundredth of a second, in which the settings count times.
  private static let tick: Int64 = .milliseconds(10)

  /// The value of a setting, as `ip -d link` prints it.
  public subscript(option: BridgeOption) -> UInt64 {
    switch option {
    case .forwardDelay: UInt64(forwardDelay / Self.tick)
    case .helloTime: UInt64(helloTime / Self.tick)
    case .maximumAge: UInt64(maximumAge / Self.tick)
    case .ageingTime: UInt64(ageingTime / Self.tick)
    case .stpState: 0
    case .priority: UInt64(bridgePriority)
    case .vlanFiltering: filtersVLANs ? 1 : 0
    case .vlanProtocol: UInt64(vlanProtocol)
    case .vlanDefaultPVID: UInt64(defaultPVID)
    case .groupForwardMask: UInt64(groupForwardMask)
    case .multicastSnooping: multicast.isEnabled ? 1 : 0
    case .multicastQuerier: multicast.isQuerier ? 1 : 0
    case .callsIPTables: callsIPTables ? 1 : 0
    case .callsIP6Tables: callsIP6Tables ? 1 : 0
    case .callsARPTables: callsARPTables ? 1 : 0
    default: storedSettings[option.rawValue] ?? option.stored ?? 0
    }
  }

  /// Changes a setting.
  public func set(_ option: BridgeOption, to value: UInt64) throws(LinkError) {
    switch option {
    case .forwardDelay: forwardDelay = Self.time(value)
    case .helloTime: helloTime = Self.time(value)
    case .maximumAge: maximumAge = Self.time(value)
    case .ageingTime: ageingTime = Self.time(value)
    case .stpState:
      // The spanning tree protocol is not modelled.
      if value != 0 { throw LinkError(.notSupported, "The spanning tree is not modelled") }
    case .priority: bridgePriority = UInt16(truncatingIfNeeded: value)
    case .vlanFiltering: filtersVLANs = value != 0
    case .vlanProtocol:
      guard value == 0x8100 || value == 0x88a8 else { throw LinkError(.notSupported) }
      vlanProtocol = UInt16(value)
    case .vlanDefaultPVID:
      guard value < 4095 else { throw LinkError(.invalidArgument) }
      // The kernel changes the default only while it does not filter, or to another VLAN.
      setDefaultPVID(UInt16(value))
    case .groupForwardMask:
      guard value & 7 == 0, value <= 0xffff else { throw LinkError(.invalidArgument) }
      groupForwardMask = UInt16(value)
    case .multicastSnooping: multicast.setEnabled(value != 0)
    case .multicastQuerier: multicast.isQuerier = value != 0
    case .callsIPTables: callsIPTables = value != 0
    case .callsIP6Tables: callsIP6Tables = value != 0
    case .callsARPTables: callsARPTables = value != 0
    default: storedSettings[option.rawValue] = value
    }
  }

  private static func time(_ ticks: UInt64) -> Int64 {
    Int64(min(ticks, UInt64(UInt32.max))) * tick
  }

  /// Forgets what was learned (`fdb_flush`).
  public func flushLearned() {
    fdb.removeAll { $0.flags.isDisjoint(with: [.static, .local]) }
  }

  /// Adds VLANs to a port, or to the bridge itself where `port` is nil.
  public func addVLANs(
    _ identifiers: ClosedRange<UInt16>,
    untagged: Bool,
    pvid: Bool,
    to port: BridgePort?
  ) throws(LinkError) {
    guard identifiers.lowerBound > 0, identifiers.upperBound < 4095 else {
      throw LinkError(.invalidArgument, "bridge: Vlan id is invalid")
    }
    for identifier in identifiers {
      addVLAN(identifier, untagged: untagged, pvid: pvid, to: port)
    }
  }

  /// Removes VLANs from a port, or from the bridge itself where `port` is nil.
  public func removeVLANs(
    _ identifiers: ClosedRange<UInt16>,
    from port: BridgePort?
  ) throws(LinkError) {
    guard identifiers.lowerBound > 0, identifiers.upperBound < 4095 else {
      throw LinkError(.invalidArgument, "bridge: Vlan id is invalid")
    }
    for identifier in identifiers { _ = removeVLAN(identifier, from: port) }
  }

  // MARK: Entries by hand

  /// Adds an entry to the forwarding database, as `bridge fdb add … master`.
  ///
  /// - Parameters:
  ///   - replacing: an entry that is there already is changed (`replace`) and no error.
  public func addEntry(
    _ mac: MACAddress,
    vlan: UInt16,
    port: BridgePort?,
    flags: FDBFlags,
    replacing: Bool
  ) throws(LinkError) {
    guard mac != .zero else { throw LinkError(.invalidArgument) }
    let now = simulation.now
    if let known = fdb.find(mac, vlan: vlan, now: now) {
      guard replacing else { throw LinkError(.fileExists) }
      if known.flags.contains(.sticky), !flags.contains(.sticky) { known.flags.remove(.sticky) }
      known.port = port
      known.flags = flags.union(.addedByUser)
      known.updated = now
      return
    }
    fdb.insert(
      FDBEntry(mac: mac, vlan: vlan, port: port, flags: flags.union(.addedByUser), now: now),
      now: now
    )
  }

  /// Removes an entry from the forwarding database.
  public func removeEntry(
    _ mac: MACAddress,
    vlan: UInt16,
    port: BridgePort?
  ) throws(LinkError) {
    guard let known = fdb.find(mac, vlan: vlan, now: simulation.now), known.port === port else {
      throw LinkError(.noSuchFile)
    }
    fdb.remove(known)
  }

  /// The entry of an address.
  public func entry(_ mac: MACAddress, vlan: UInt16 = 0) -> FDBEntry? {
    fdb.find(mac, vlan: vlan, now: simulation.now)
  }

  /// Removes the entries for which a condition holds (`bridge fdb flush`).
  public func removeEntries(where condition: (FDBEntry) -> Bool) {
    fdb.removeAll(where: condition)
  }

  // MARK: Multicast members

  /// The members of multicast groups, newest first.
  public var multicastMembers: [MulticastSnooping.Member] { multicast.current(simulation.now) }

  /// Adds a member by hand (`bridge mdb add`).
  public func addMember(
    _ group: IPv4Address,
    vlan: UInt16,
    port: BridgePort,
    isPermanent: Bool
  ) throws(LinkError) {
    let now = simulation.now
    if multicast.find(group, vlan: vlan, port: port, now: now) != nil {
      throw LinkError(.fileExists, "bridge: (*, G) group is already joined by port")
    }
    multicast.add(
      MulticastSnooping.Member(
        group: group,
        vlan: vlan,
        port: port,
        isPermanent: isPermanent,
        expires: now + .seconds(260)
      )
    )
  }

  /// Removes a member by hand (`bridge mdb del`).
  public func removeMember(
    _ group: IPv4Address,
    vlan: UInt16,
    port: BridgePort
  ) throws(LinkError) {
    guard let known = multicast.find(group, vlan: vlan, port: port, now: simulation.now) else {
      throw LinkError(.invalidArgument)
    }
    multicast.remove(known)
  }
}

/// A setting of a bridge port, by the name that `ip link … type bridge_slave` gives it.
public enum BridgePortOption: String, CaseIterable, Sendable {
  case state
  case priority
  case cost
  case hairpin
  case `guard`
  case rootBlock = "root_block"
  case fastLeave = "fastleave"
  case learning
  case flood
  case multicastFlood = "mcast_flood"
  case broadcastFlood = "bcast_flood"
  case multicastToUnicast = "mcast_to_unicast"
  case multicastRouter = "mcast_router"
  case groupForwardMask = "group_fwd_mask"
  case proxyARP = "proxy_arp"
  case proxyARPWiFi = "proxy_arp_wifi"
  case neighbourSuppress = "neigh_suppress"
  case vlanTunnel = "vlan_tunnel"
  case isolated
  case locked
  case authenticationBypass = "mab"

  /// The switch that the setting is, if it is one.
  public var flag: BridgePortFlags? {
    switch self {
    case .hairpin: .hairpin
    case .guard: .bpduGuard
    case .rootBlock: .rootBlock
    case .fastLeave: .fastLeave
    case .learning: .learning
    case .flood: .flood
    case .multicastFlood: .multicastFlood
    case .broadcastFlood: .broadcastFlood
    case .multicastToUnicast: .multicastToUnicast
    case .proxyARP: .proxyARP
    case .proxyARPWiFi: .proxyARPWiFi
    case .neighbourSuppress: .neighbourSuppress
    case .vlanTunnel: .vlanTunnel
    case .isolated: .isolated
    case .locked: .locked
    case .authenticationBypass: .authenticationBypass
    case .state, .priority, .cost, .multicastRouter, .groupForwardMask: nil
    }
  }
}

extension BridgePort {
  /// Changes a setting.
  public func set(_ option: BridgePortOption, to value: UInt64) throws(LinkError) {
    if let flag = option.flag {
      if value != 0 { flags.insert(flag) } else { flags.remove(flag) }
      return
    }
    switch option {
    case .state:
      guard let wanted = BridgePortState(rawValue: UInt8(clamping: value)) else {
        throw LinkError(.invalidArgument)
      }
      // A port without a link can only be disabled.
      guard device.isUp, device.hasCarrier || wanted == .disabled else {
        throw LinkError(.networkDown)
      }
      // Without a spanning tree a blocked port is let forward at once.
      bridge.setState(wanted == .blocking ? .forwarding : wanted, of: self)
    case .priority:
      guard value <= 63 else { throw LinkError(.outOfRange) }
      priority = UInt8(value)
    case .cost:
      guard value >= 1, value <= 65535 else { throw LinkError(.outOfRange) }
      cost = UInt32(value)
    case .multicastRouter:
      guard value <= 3 else { throw LinkError(.invalidArgument) }
      multicastRouter = UInt8(value)
    case .groupForwardMask:
      guard value & 2 == 0, value <= 0xffff else { throw LinkError(.invalidArgument) }
      groupForwardMask = UInt16(value)
    default: break
    }
  }
}

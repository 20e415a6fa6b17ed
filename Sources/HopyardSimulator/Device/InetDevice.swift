import HopyardWire

/// The IPv4 settings of a device, as in `/proc/sys/net/ipv4/conf/DEVICE`.
public enum InterfaceSetting: Int, CaseIterable, Sendable {
  case acceptLocal
  case acceptRedirects
  case acceptSourceRoute
  case arpAccept
  case arpAnnounce
  case arpEvictNocarrier
  case arpFilter
  case arpIgnore
  case arpNotify
  case bcForwarding
  case bootpRelay
  case disablePolicy
  case disableXfrm
  case dropGratuitousArp
  case dropUnicastInL2Multicast
  case forceIgmpVersion
  case forwarding
  case igmpv2UnsolicitedReportInterval
  case igmpv3UnsolicitedReportInterval
  case ignoreRoutesWithLinkdown
  case logMartians
  case mcForwarding
  case mediumId
  case promoteSecondaries
  case proxyArp
  case proxyArpPvlan
  case routeLocalnet
  case rpFilter
  case secureRedirects
  case sendRedirects
  case sharedMedia
  case srcValidMark
  case tag

  /// The file's name.
  public var name: String {
    switch self {
    case .acceptLocal: "accept_local"
    case .acceptRedirects: "accept_redirects"
    case .acceptSourceRoute: "accept_source_route"
    case .arpAccept: "arp_accept"
    case .arpAnnounce: "arp_announce"
    case .arpEvictNocarrier: "arp_evict_nocarrier"
    case .arpFilter: "arp_filter"
    case .arpIgnore: "arp_ignore"
    case .arpNotify: "arp_notify"
    case .bcForwarding: "bc_forwarding"
    case .bootpRelay: "bootp_relay"
    case .disablePolicy: "disable_policy"
    case .disableXfrm: "disable_xfrm"
    case .dropGratuitousArp: "drop_gratuitous_arp"
    case .dropUnicastInL2Multicast: "drop_unicast_in_l2_multicast"
    case .forceIgmpVersion: "force_igmp_version"
    case .forwarding: "forwarding"
    case .igmpv2UnsolicitedReportInterval: "igmpv2_unsolicited_report_interval"
    case .igmpv3UnsolicitedReportInterval: "igmpv3_unsolicited_report_interval"
    case .ignoreRoutesWithLinkdown: "ignore_routes_with_linkdown"
    case .logMartians: "log_martians"
    case .mcForwarding: "mc_forwarding"
    case .mediumId: "medium_id"
    case .promoteSecondaries: "promote_secondaries"
    case .proxyArp: "proxy_arp"
    case .proxyArpPvlan: "proxy_arp_pvlan"
    case .routeLocalnet: "route_localnet"
    case .rpFilter: "rp_filter"
    case .secureRedirects: "secure_redirects"
    case .sendRedirects: "send_redirects"
    case .sharedMedia: "shared_media"
    case .srcValidMark: "src_valid_mark"
    case .tag: "tag"
    }
  }
}

/// A set of IPv4 settings: a device's, `all` or `default`.
///
/// Copies share storage, so ten thousand idle hosts cost no more than one.
public struct InterfaceSettings: Sendable {
  private var values: [Int32]

  /// The kernel's own defaults, with the baseline of the labs (no reverse-path filter).
  public init() { values = Self.defaults }

  private static let defaults: [Int32] = {
    var values = [Int32](repeating: 0, count: InterfaceSetting.allCases.count)
    values[InterfaceSetting.acceptRedirects.rawValue] = 1
    values[InterfaceSetting.arpEvictNocarrier.rawValue] = 1
    values[InterfaceSetting.igmpv2UnsolicitedReportInterval.rawValue] = 10000
    values[InterfaceSetting.igmpv3UnsolicitedReportInterval.rawValue] = 1000
    values[InterfaceSetting.secureRedirects.rawValue] = 1
    values[InterfaceSetting.sendRedirects.rawValue] = 1
    values[InterfaceSetting.sharedMedia.rawValue] = 1
    return values
  }()

  /// The value of a setting.
  public subscript(setting: InterfaceSetting) -> Int32 {
    @inline(__always) get { values[setting.rawValue] }
    set { values[setting.rawValue] = newValue }
  }
}

/// Membership of an IPv4 multicast group on a device.
public struct MulticastMembership: Sendable {
  /// The group.
  public var group: IPv4Address
  /// How many sockets or kernel parts joined.
  public var users: Int
}

/// The IPv4 side of a device: addresses, settings, neighbour timers, multicast groups.
public struct InetDevice {
  /// The device's addresses, primaries before their secondaries as Linux keeps them.
  public internal(set) var addresses: [InterfaceAddress<UInt32>] = []
  /// The settings under `conf/DEVICE`.
  public internal(set) var settings = InterfaceSettings()
  /// The timers under `neigh/DEVICE`.
  public internal(set) var neighbour: NeighbourParameters {
    get { changedNeighbour.first ?? Self.standardNeighbour }
    set { changedNeighbour = newValue == Self.standardNeighbour ? [] : [newValue] }
  }
  /// The timers where they are not the kernel's, which is rare: apart, to keep devices small.
  private var changedNeighbour: [NeighbourParameters] = []
  private static let standardNeighbour = NeighbourParameters()
  /// Joined groups.
  public internal(set) var groups: [MulticastMembership] = []
}

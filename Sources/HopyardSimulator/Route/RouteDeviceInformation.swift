/// What routing needs to know about a device.
public struct RouteDeviceFacts: OptionSet, Hashable, Sendable {
  /// The bits.
  public let rawValue: UInt16
  /// Makes facts from bits.
  public init(rawValue: UInt16) { self.rawValue = rawValue }
  /// It is up (`IFF_UP`).
  public static let up = RouteDeviceFacts(rawValue: 1)
  /// It has a carrier.
  public static let carrier = RouteDeviceFacts(rawValue: 2)
  /// It is the loopback device.
  public static let loopback = RouteDeviceFacts(rawValue: 4)
  /// Its routes do not count while it has no carrier (`ignore_routes_with_linkdown`).
  public static let ignoresRoutesWithLinkdown = RouteDeviceFacts(rawValue: 8)
  /// What it receives is forwarded (`forwarding`).
  public static let forwards = RouteDeviceFacts(rawValue: 16)
  /// 127.0.0.0/8 may come and go by it (`route_localnet`).
  public static let routesLocalnet = RouteDeviceFacts(rawValue: 32)
  /// Packets from own addresses are accepted (`accept_local`).
  public static let acceptsLocal = RouteDeviceFacts(rawValue: 64)
  /// The mark counts when a source is validated (`src_valid_mark`).
  public static let validatesWithMark = RouteDeviceFacts(rawValue: 128)
  /// Sources must be reachable by it (`rp_filter` 1).
  public static let strictReversePath = RouteDeviceFacts(rawValue: 256)
  /// Sources must be reachable by some device (`rp_filter` 2).
  public static let looseReversePath = RouteDeviceFacts(rawValue: 512)
  /// Better routers are told (`send_redirects`).
  public static let sendsRedirects = RouteDeviceFacts(rawValue: 1024)
  /// Other subnets may share its link (`shared_media`).
  public static let sharesMedia = RouteDeviceFacts(rawValue: 2048)
  /// Directed broadcasts are forwarded (`bc_forwarding`).
  public static let forwardsBroadcasts = RouteDeviceFacts(rawValue: 4096)
}

/// What routing asks of the devices of its namespace, which are on a higher floor.
public protocol RouteDeviceInformation<Address>: AnyObject {
  /// The version of IP.
  associatedtype Address: RoutableAddress

  /// The devices' numbers in the order in which the kernel walks them (by age, `lo` first).
  var routeDeviceIndices: [Int32] { get }

  /// The facts about a device, or nil if there is no such device.
  ///
  /// Each sysctl is the one that counts, of the device and `all` together.
  func routeDeviceFacts(_ ifindex: Int32) -> RouteDeviceFacts?

  /// The number of the device of this name, or nil.
  func routeDeviceIndex(named name: String) -> Int32?

  /// The name of a device, or nil.
  func routeDeviceName(_ ifindex: Int32) -> String?

  /// The group of a device (`ip link set group`).
  func routeDeviceGroup(_ ifindex: Int32) -> UInt32

  /// The addresses of a device, in the order of its list.
  func interfaceAddresses(_ ifindex: Int32) -> [InterfaceAddress<Address>]

  /// Whether any device has this address.
  func hasInterfaceAddress(_ address: Address) -> Bool

  /// The state of a neighbour as the bits `NUD_*`, 0 if there is no entry.
  func neighbourState(_ address: Address, on ifindex: Int32) -> UInt16

  /// Whether a device has joined a group for a source, as `ip_check_mc_rcu`.
  func isMember(
    of group: Address,
    on ifindex: Int32,
    source: Address,
    ipProtocol: UInt8
  ) -> Bool
}

extension RouteDeviceInformation {
  /// No device is in a group.
  public func routeDeviceGroup(_ ifindex: Int32) -> UInt32 { 0 }

  /// Whether any device has this address, by asking one device after the other.
  public func hasInterfaceAddress(_ address: Address) -> Bool {
    for ifindex in routeDeviceIndices {
      for candidate in interfaceAddresses(ifindex) where candidate.local == address { return true }
    }
    return false
  }
}

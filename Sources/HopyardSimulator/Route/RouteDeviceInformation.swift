/// What routing needs to know about a device.
public struct RouteDeviceFacts: OptionSet, Hashable, Sendable {
  /// The bits.
  public let rawValue: UInt8
  /// Makes facts from bits.
  public init(rawValue: UInt8) { self.rawValue = rawValue }
  /// It is up (`IFF_UP`).
  public static let up = RouteDeviceFacts(rawValue: 1)
  /// It has a carrier.
  public static let carrier = RouteDeviceFacts(rawValue: 2)
  /// It is the loopback device.
  public static let loopback = RouteDeviceFacts(rawValue: 4)
  /// Its routes do not count while it has no carrier (`ignore_routes_with_linkdown`).
  public static let ignoresRoutesWithLinkdown = RouteDeviceFacts(rawValue: 8)
}

/// What routing asks of the devices of its namespace, which are on a higher floor.
public protocol RouteDeviceInformation<Address>: AnyObject {
  /// The version of IP.
  associatedtype Address: RoutableAddress

  /// The devices' numbers in the order in which the kernel walks them (by age).
  var routeDeviceIndices: [Int32] { get }

  /// The facts about a device, or nil if there is no such device.
  func routeDeviceFacts(_ ifindex: Int32) -> RouteDeviceFacts?

  /// The number of the device of this name, or nil.
  func routeDeviceIndex(named name: String) -> Int32?

  /// The name of a device, or nil.
  func routeDeviceName(_ ifindex: Int32) -> String?

  /// The addresses of a device, in the order of its list.
  func interfaceAddresses(_ ifindex: Int32) -> [InterfaceAddress<Address>]

  /// The state of a neighbour as the bits `NUD_*`, 0 if there is no entry.
  func neighbourState(_ address: Address, on ifindex: Int32) -> UInt16
}

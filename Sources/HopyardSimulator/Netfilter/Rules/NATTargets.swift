public import HopyardWire

/// Options of the NAT targets, as a set.
public struct NATOptions: OptionSet, Hashable, Sendable {
  /// One bit for each option.
  public let rawValue: UInt8

  /// Makes a set from its bits.
  public init(rawValue: UInt8) {
    self.rawValue = rawValue
  }

  /// `--random`: ports are chosen at random.
  public static let random = NATOptions(rawValue: 1)
  /// `--random-fully`.
  public static let randomFully = NATOptions(rawValue: 2)
  /// `--persistent`: a client always gets the same address.
  public static let persistent = NATOptions(rawValue: 4)
}

/// Where SNAT and DNAT lead.
public struct NATTarget: Hashable, Sendable {
  /// The addresses, as integers in host order; nil if only the port changes.
  public var addresses: NATAddresses?
  /// The ports; nil if the port stays.
  public var ports: NATPorts?
  /// `--random` and its kind.
  public var options: NATOptions

  /// Makes a target.
  public init(
    addresses: NATAddresses? = nil,
    ports: NATPorts? = nil,
    options: NATOptions = []
  ) {
    self.addresses = addresses
    self.ports = ports
    self.options = options
  }

  /// Makes a target of one address and perhaps one port.
  public init(_ address: IPAddress, port: UInt16? = nil) {
    let number: UInt128 =
      switch address {
      case .v4(let address): UInt128(address.rawValue)
      case .v6(let address): address.rawValue
      }
    self.init(addresses: NATAddresses(number, number), ports: port.map { NATPorts($0, $0) })
  }
}

/// A range of addresses to choose from.
public struct NATAddresses: Hashable, Sendable {
  /// The first address, as an integer in host order.
  public var first: UInt128
  /// The last address; Linux accepts a range that ends before it begins.
  public var last: UInt128

  /// Makes a range.
  public init(_ first: UInt128, _ last: UInt128) {
    self.first = first
    self.last = last
  }
}

/// A range of ports to choose from.
public struct NATPorts: Hashable, Sendable {
  /// The first port.
  public var first: UInt16
  /// The last port.
  public var last: UInt16
  /// The port that becomes the first one (`--to-destination :8000-8010/80`); nil to choose freely.
  public var base: UInt16?

  /// Makes a range.
  public init(_ first: UInt16, _ last: UInt16, base: UInt16? = nil) {
    self.first = first
    self.last = last
    self.base = base
  }
}

/// The ports of MASQUERADE and REDIRECT.
public struct PortTarget: Hashable, Sendable {
  /// The ports; nil if the port stays.
  public var ports: NATPorts?
  /// `--random` and its kind.
  public var options: NATOptions

  /// Makes a target.
  public init(ports: NATPorts? = nil, options: NATOptions = []) {
    self.ports = ports
    self.options = options
  }
}

/// How REJECT answers.
public enum RejectReason: String, Hashable, Sendable, CaseIterable {
  /// Destination unreachable, network.
  case networkUnreachable = "icmp-net-unreachable"
  /// Destination unreachable, host.
  case hostUnreachable = "icmp-host-unreachable"
  /// Destination unreachable, port; the default.
  case portUnreachable = "icmp-port-unreachable"
  /// Destination unreachable, protocol.
  case protocolUnreachable = "icmp-proto-unreachable"
  /// Network administratively prohibited.
  case networkProhibited = "icmp-net-prohibited"
  /// Host administratively prohibited.
  case hostProhibited = "icmp-host-prohibited"
  /// Communication administratively prohibited.
  case adminProhibited = "icmp-admin-prohibited"
  /// A TCP segment with RST.
  case tcpReset = "tcp-reset"
  /// ICMPv6: no route to destination.
  case noRoute = "icmp6-no-route"
  /// ICMPv6: administratively prohibited.
  case adminProhibitedV6 = "icmp6-adm-prohibited"
  /// ICMPv6: address unreachable.
  case addressUnreachable = "icmp6-addr-unreachable"
  /// ICMPv6: port unreachable; the default.
  case portUnreachableV6 = "icmp6-port-unreachable"
  /// ICMPv6: source address failed policy.
  case policyFailed = "icmp6-policy-fail"
  /// ICMPv6: reject route to destination.
  case rejectRoute = "icmp6-reject-route"
}

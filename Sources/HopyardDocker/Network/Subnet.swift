public import HopyardWire

/// A subnet of either family.
public struct Subnet: Hashable, Sendable {
  /// The address as a number, host bits included.
  public let address: UInt128
  /// The number of leading bits that name the network.
  public let length: Int
  /// Whether it is an IPv6 subnet.
  public let isIPv6: Bool

  /// Makes a subnet.
  public init(address: UInt128, length: Int, isIPv6: Bool) {
    self.address = address
    self.length = length
    self.isIPv6 = isIPv6
  }

  /// Makes a subnet of an IPv4 prefix.
  public init(_ prefix: IPv4Prefix) {
    self.init(address: UInt128(prefix.address.rawValue), length: prefix.length, isIPv6: false)
  }

  /// Makes a subnet of an IPv6 prefix.
  public init(_ prefix: IPv6Prefix) {
    self.init(address: prefix.address.rawValue, length: prefix.length, isIPv6: true)
  }

  /// Reads `10.0.0.0/8` or `2001:db8::/32`.
  public init?(_ text: String) {
    if let prefix = IPv4Prefix(text), text.contains("/") {
      self.init(prefix)
    } else if let prefix = IPv6Prefix(text), text.contains("/") {
      self.init(prefix)
    } else {
      return nil
    }
  }

  var bits: Int { isIPv6 ? 128 : 32 }

  /// The size of the host part as a mask.
  private var hostMask: UInt128 {
    let count = bits - length
    return count >= 128 ? .max : (UInt128(1) << UInt128(count)) &- 1
  }

  /// The first address.
  public var first: UInt128 { address & ~hostMask }
  /// The last address.
  public var last: UInt128 { first | hostMask }

  /// The subnet with its host bits cleared.
  public var network: Subnet { Subnet(address: first, length: length, isIPv6: isIPv6) }

  /// Whether two subnets have addresses in common.
  public func overlaps(_ other: Subnet) -> Bool {
    isIPv6 == other.isIPv6 && first <= other.last && other.first <= last
  }

  /// Whether an address is in the subnet.
  public func contains(_ other: IPAddress) -> Bool {
    switch other {
    case .v4(let other):
      !isIPv6 && UInt128(other.rawValue) >= first && UInt128(other.rawValue) <= last
    case .v6(let other): isIPv6 && other.rawValue >= first && other.rawValue <= last
    }
  }

  /// The address, host bits included.
  public var ipAddress: IPAddress {
    isIPv6
      ? .v6(IPv6Address(rawValue: address))
      : .v4(IPv4Address(rawValue: UInt32(truncatingIfNeeded: address)))
  }

  /// The IPv4 prefix, or nil.
  public var ipv4: IPv4Prefix? {
    isIPv6
      ? nil
      : IPv4Prefix(IPv4Address(rawValue: UInt32(truncatingIfNeeded: address)), length: length)
  }

  /// The IPv6 prefix, or nil.
  public var ipv6: IPv6Prefix? {
    isIPv6 ? IPv6Prefix(IPv6Address(rawValue: address), length: length) : nil
  }
}

extension Subnet: CustomStringConvertible {
  /// The address, a slash and the length.
  public var description: String { "\(ipAddress)/\(length)" }
}

/// An address of either version of IP.
@frozen
public enum IPAddress: Hashable, Sendable {
  /// An IPv4 address.
  case v4(IPv4Address)
  /// An IPv6 address.
  case v6(IPv6Address)

  /// The IPv4 address, or nil.
  @inlinable public var v4: IPv4Address? {
    if case .v4(let address) = self { address } else { nil }
  }

  /// The IPv6 address, or nil.
  @inlinable public var v6: IPv6Address? {
    if case .v6(let address) = self { address } else { nil }
  }

  /// Whether this is 0.0.0.0 or ::.
  @inlinable public var isAny: Bool {
    switch self {
    case .v4(let address): address.isAny
    case .v6(let address): address.isAny
    }
  }

  /// Whether this is a loopback address.
  @inlinable public var isLoopback: Bool {
    switch self {
    case .v4(let address): address.isLoopback
    case .v6(let address): address.isLoopback
    }
  }

  /// Whether this is the address of a group.
  @inlinable public var isMulticast: Bool {
    switch self {
    case .v4(let address): address.isMulticast
    case .v6(let address): address.isMulticast
    }
  }
}

extension IPAddress: Comparable {
  /// Orders IPv4 before IPv6, and addresses of one version as integers.
  @inlinable
  public static func < (left: IPAddress, right: IPAddress) -> Bool {
    switch (left, right) {
    case (.v4(let left), .v4(let right)): left < right
    case (.v6(let left), .v6(let right)): left < right
    case (.v4, .v6): true
    case (.v6, .v4): false
    }
  }
}

extension IPAddress: LosslessStringConvertible {
  /// Reads a strict dotted quad or an IPv6 address.
  public init?(_ description: String) {
    if let address = IPv4Address(description) {
      self = .v4(address)
    } else if let address = IPv6Address(description) {
      self = .v6(address)
    } else {
      return nil
    }
  }

  /// The text of the address.
  public var description: String {
    switch self {
    case .v4(let address): address.description
    case .v6(let address): address.description
    }
  }
}

/// An IPv4 address with any mask, as an iptables match takes it.
///
/// The mask need not be contiguous: `10.1.2.3/255.0.255.0` matches 10.9.2.9.
@frozen
public struct IPv4MaskedAddress: Hashable, Sendable {
  /// The address as it was given.
  public let address: IPv4Address

  /// The bits of the address that count.
  public let mask: IPv4Address

  /// Makes a masked address.
  @inlinable
  public init(_ address: IPv4Address, mask: IPv4Address) {
    self.address = address
    self.mask = mask
  }

  /// Makes the masked address that matches what is in a prefix.
  @inlinable
  public init(_ prefix: IPv4Prefix) {
    self.init(prefix.address, mask: prefix.mask)
  }

  /// 0.0.0.0/0, which every address matches.
  @inlinable public static var any: IPv4MaskedAddress { IPv4MaskedAddress(.any, mask: .any) }

  /// The same match with the bits that do not count cleared.
  @inlinable public var network: IPv4MaskedAddress {
    IPv4MaskedAddress(IPv4Address(rawValue: address.rawValue & mask.rawValue), mask: mask)
  }

  /// The prefix with the same meaning, or nil if the mask has holes.
  @inlinable public var prefix: IPv4Prefix? { IPv4Prefix(address, mask: mask) }

  /// Whether an address agrees in all bits of the mask.
  @inlinable
  public func contains(_ other: IPv4Address) -> Bool {
    (address.rawValue ^ other.rawValue) & mask.rawValue == 0
  }
}

extension IPv4MaskedAddress: Comparable {
  /// Orders by address, then by mask.
  @inlinable
  public static func < (left: IPv4MaskedAddress, right: IPv4MaskedAddress) -> Bool {
    (left.address, left.mask) < (right.address, right.mask)
  }
}

extension IPv4MaskedAddress: LosslessStringConvertible {
  /// Reads `ADDRESS`, `ADDRESS/LENGTH` or `ADDRESS/MASK`, each address a strict dotted quad.
  public init?(_ description: String) {
    if let prefix = IPv4Prefix(description) {
      self.init(prefix)
      return
    }
    let (head, tail) = description.splitAtSlash()
    guard let tail, let address = IPv4Address(head), let mask = IPv4Address(tail) else {
      return nil
    }
    self.init(address, mask: mask)
  }

  /// The address, a slash, and the length of the mask or the mask itself if it has holes.
  public var description: String {
    if let prefix { prefix.description } else { "\(address)/\(mask)" }
  }
}

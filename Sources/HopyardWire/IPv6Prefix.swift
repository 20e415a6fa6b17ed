/// An IPv6 address with the length of its network part; the host bits are kept as given.
@frozen
public struct IPv6Prefix: Hashable, Sendable {
  /// The address, host bits included.
  public let address: IPv6Address

  @usableFromInline let storedLength: UInt8

  /// The number of leading bits that name the network, 0 through 128.
  @inlinable public var length: Int { Int(storedLength) }

  /// Makes a prefix; a length outside 0 through 128 becomes the nearest that is inside.
  @inlinable
  public init(_ address: IPv6Address, length: Int) {
    self.address = address
    storedLength = UInt8(truncatingIfNeeded: max(0, min(128, length)))
  }

  /// ::/0, the default route's destination.
  @inlinable public static var any: IPv6Prefix { IPv6Prefix(.any, length: 0) }

  /// The mask as an address.
  @inlinable public var mask: IPv6Address {
    IPv6Address(rawValue: length == 0 ? 0 : UInt128.max << UInt128(128 - length))
  }

  /// The prefix with the host bits cleared.
  @inlinable public var network: IPv6Prefix {
    IPv6Prefix(IPv6Address(rawValue: address.rawValue & mask.rawValue), length: length)
  }

  /// Whether an address is in the network.
  @inlinable
  public func contains(_ other: IPv6Address) -> Bool {
    (address.rawValue ^ other.rawValue) & mask.rawValue == 0
  }

  /// Whether all addresses of another prefix are in the network.
  @inlinable
  public func contains(_ other: IPv6Prefix) -> Bool {
    other.length >= length && contains(other.address)
  }
}

extension IPv6Prefix: Comparable {
  /// Orders prefixes by address, then shorter ones first.
  @inlinable
  public static func < (left: IPv6Prefix, right: IPv6Prefix) -> Bool {
    (left.address, left.length) < (right.address, right.length)
  }
}

extension IPv6Prefix: LosslessStringConvertible {
  /// Reads `2001:db8::/32`; without a slash the length is 128.
  public init?(_ description: String) {
    let (head, tail) = description.splitAtSlash()
    guard let address = IPv6Address(head) else { return nil }
    guard let tail else {
      self.init(address, length: 128)
      return
    }
    var scanner = TextScanner(tail)
    guard let length = scanner.number(maximumDigits: 3), scanner.isAtEnd, length <= 128 else {
      return nil
    }
    self.init(address, length: Int(length))
  }

  /// The address, a slash and the length.
  public var description: String { "\(address)/\(length)" }
}

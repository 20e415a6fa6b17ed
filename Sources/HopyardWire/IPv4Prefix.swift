/// An IPv4 address with the length of its network part.
///
/// The address is kept as it was given, so that `10.0.0.1/24` can stand for an interface's address;
/// ``network`` is the same prefix with the host bits cleared.
@frozen
public struct IPv4Prefix: Hashable, Sendable {
  /// The address, host bits included.
  public let address: IPv4Address

  @usableFromInline let storedLength: UInt8

  /// The number of leading bits that name the network, 0 through 32.
  @inlinable public var length: Int { Int(storedLength) }

  /// Makes a prefix; a length outside 0 through 32 becomes the nearest that is inside.
  @inlinable
  public init(_ address: IPv4Address, length: Int) {
    self.address = address
    storedLength = UInt8(truncatingIfNeeded: max(0, min(32, length)))
  }

  /// Makes the prefix of a contiguous netmask, or nil if the mask has holes.
  @inlinable
  public init?(_ address: IPv4Address, mask: IPv4Address) {
    let length = (~mask.rawValue).leadingZeroBitCount
    guard IPv4Prefix.mask(length: length) == mask else { return nil }
    self.init(address, length: length)
  }

  /// 0.0.0.0/0, the default route's destination.
  @inlinable public static var any: IPv4Prefix { IPv4Prefix(.any, length: 0) }

  /// The netmask of a length: 24 gives 255.255.255.0.
  @inlinable
  public static func mask(length: Int) -> IPv4Address {
    IPv4Address(rawValue: length <= 0 ? 0 : UInt32.max &<< UInt32(32 - min(32, length)))
  }

  /// The netmask, such as 255.255.255.0.
  @inlinable public var mask: IPv4Address { IPv4Prefix.mask(length: length) }

  /// The prefix with the host bits cleared.
  @inlinable public var network: IPv4Prefix {
    IPv4Prefix(IPv4Address(rawValue: address.rawValue & mask.rawValue), length: length)
  }

  /// The address with all host bits set.
  @inlinable public var broadcast: IPv4Address {
    IPv4Address(rawValue: address.rawValue | ~mask.rawValue)
  }

  /// Whether an address is in the network.
  @inlinable
  public func contains(_ other: IPv4Address) -> Bool {
    (address.rawValue ^ other.rawValue) & mask.rawValue == 0
  }

  /// Whether all addresses of another prefix are in the network.
  @inlinable
  public func contains(_ other: IPv4Prefix) -> Bool {
    other.length >= length && contains(other.address)
  }
}

extension IPv4Prefix: Comparable {
  /// Orders prefixes by address, then shorter ones first.
  @inlinable
  public static func < (left: IPv4Prefix, right: IPv4Prefix) -> Bool {
    (left.address, left.length) < (right.address, right.length)
  }
}

extension IPv4Prefix: LosslessStringConvertible {
  /// Reads `10.0.0.0/24`; without a slash the length is 32.
  public init?(_ description: String) {
    let (head, tail) = description.splitAtSlash()
    guard let address = IPv4Address(head) else { return nil }
    guard let tail else {
      self.init(address, length: 32)
      return
    }
    var scanner = TextScanner(tail)
    guard let length = scanner.number(maximumDigits: 2), scanner.isAtEnd, length <= 32 else {
      return nil
    }
    self.init(address, length: Int(length))
  }

  /// The address, a slash and the length.
  public var description: String { "\(address)/\(length)" }
}

public import HopyardWire

/// An address of either family with any mask, as `-s` and `-d` take it.
///
/// Both numbers are integers in host order; an IPv4 address uses the low 32 bits, so the same
/// type serves both families and either width can be compared without a branch.
public struct AddressMatch: Hashable, Sendable {
  /// The address, with the bits that do not count cleared.
  public var address: UInt128
  /// The bits that count; the mask may have holes.
  public var mask: UInt128
  /// Whether the match is the other way round (`!`).
  public var inverted: Bool

  /// Makes a match; bits of the address outside the mask are cleared.
  public init(address: UInt128, mask: UInt128, inverted: Bool = false) {
    self.address = address & mask
    self.mask = mask
    self.inverted = inverted
  }

  /// Makes the match of an IPv4 prefix.
  public init(_ prefix: IPv4Prefix, inverted: Bool = false) {
    self.init(
      address: UInt128(prefix.address.rawValue),
      mask: UInt128(prefix.mask.rawValue),
      inverted: inverted
    )
  }

  /// Makes the match of one IPv4 address.
  public init(_ address: IPv4Address, inverted: Bool = false) {
    self.init(
      address: UInt128(address.rawValue),
      mask: UInt128(UInt32.max),
      inverted: inverted
    )
  }

  /// Makes the match of one IPv6 address.
  public init(_ address: IPv6Address, inverted: Bool = false) {
    self.init(address: address.rawValue, mask: .max, inverted: inverted)
  }

  /// Whether an IPv4 address in host order satisfies the match.
  @inlinable
  public func matches(_ other: UInt32) -> Bool {
    (other & UInt32(truncatingIfNeeded: mask) == UInt32(truncatingIfNeeded: address)) != inverted
  }

  /// Whether an IPv6 address in host order satisfies the match.
  @inlinable
  public func matches(_ other: UInt128) -> Bool {
    (other & mask == address) != inverted
  }
}

/// An interface's name, or the beginning of one, as `-i` and `-o` take it.
public struct InterfaceMatch: Hashable, Sendable {
  /// The name, without the `+` of a wildcard.
  public var name: String
  /// Whether every name that begins with `name` matches (`eth+`).
  public var isPrefix: Bool
  /// Whether the match is the other way round (`!`).
  public var inverted: Bool

  /// Makes a match of one name, or of all that begin with it.
  public init(_ name: String, isPrefix: Bool = false, inverted: Bool = false) {
    self.name = name
    self.isPrefix = isPrefix
    self.inverted = inverted
  }

  /// The name with `+` behind it if it is a prefix.
  public var pattern: String { isPrefix ? name + "+" : name }

  /// Whether an interface's name satisfies the match; no interface has the empty name.
  public func matches(_ other: String) -> Bool {
    (isPrefix ? other.utf8.starts(with: name.utf8) : other == name) != inverted
  }
}

/// The protocol that `-p` names.
public struct ProtocolMatch: Hashable, Sendable {
  /// The protocol; 0 stands for all and is not stored in a rule unless inverted.
  public var value: IPProtocol
  /// Whether the match is the other way round (`!`).
  public var inverted: Bool

  /// Makes a match.
  public init(_ value: IPProtocol, inverted: Bool = false) {
    self.value = value
    self.inverted = inverted
  }

  /// Whether a packet's protocol satisfies the match.
  @inlinable
  public func matches(_ other: UInt8) -> Bool {
    (other == value.rawValue) != inverted
  }
}

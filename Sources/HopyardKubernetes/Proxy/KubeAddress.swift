public import HopyardSimulator
public import HopyardWire

/// Addresses and networks as Kubernetes' API objects write them.
public enum KubeAddress {
  /// Reads an address; decimal numbers with leading zeros are taken as decimal, as the API server
  /// always did.
  public static func parse(_ text: String) -> IPAddress? {
    if text.contains(":") { return IPv6Address(text).map { .v6($0) } }
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 4 else { return nil }
    var value: UInt32 = 0
    for part in parts {
      guard !part.isEmpty, part.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
        let number = UInt8(part)
      else { return nil }
      value = value << 8 | UInt32(number)
    }
    return .v4(IPv4Address(rawValue: value))
  }
}

/// An address with a prefix length, of either family.
public struct KubePrefix: Hashable, Sendable {
  /// The address, with the bits behind the prefix cleared.
  public let address: IPAddress
  /// The length of the prefix.
  public let length: Int

  /// Makes a prefix; nil if it is longer than the address.
  public init?(_ address: IPAddress, length: Int) {
    switch address {
    case .v4(let v4):
      guard (0...32).contains(length) else { return nil }
      self.address = .v4(IPv4Prefix(v4, length: length).network.address)
    case .v6(let v6):
      guard (0...128).contains(length) else { return nil }
      self.address = .v6(IPv6Prefix(v6, length: length).network.address)
    }
    self.length = length
  }

  /// The prefix of one address alone.
  public init(_ address: IPAddress) {
    self.address = address
    length = address.v4 != nil ? 32 : 128
  }

  /// Reads `ADDRESS/LENGTH`, with white space around it and leading zeros allowed.
  public init?(_ text: String) {
    let trimmed = text.drop { $0 == " " || $0 == "\t" }
    let parts = trimmed.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, let address = KubeAddress.parse(String(parts[0])),
      let length = Int(parts[1].filter { $0 != " " })
    else { return nil }
    self.init(address, length: length)
  }

  /// Whether an address is in it.
  public func contains(_ other: IPAddress) -> Bool {
    switch (address, other) {
    case (.v4(let own), .v4(let other)): IPv4Prefix(own, length: length).contains(other)
    case (.v6(let own), .v6(let other)): IPv6Prefix(own, length: length).contains(other)
    default: false
    }
  }

  /// The text `ADDRESS/LENGTH`.
  public var text: String { "\(address)/\(length)" }

  /// As a rule compares it.
  public func match(inverted: Bool = false) -> AddressMatch {
    switch address {
    case .v4(let v4): AddressMatch(IPv4Prefix(v4, length: length), inverted: inverted)
    case .v6(let v6):
      AddressMatch(
        address: v6.rawValue,
        mask: length == 0 ? 0 : UInt128.max << UInt128(128 - length),
        inverted: inverted
      )
    }
  }
}

extension IPAddress {
  /// The family of rules that sees it.
  public var family: RuleFamily { v4 != nil ? .ipv4 : .ipv6 }
}

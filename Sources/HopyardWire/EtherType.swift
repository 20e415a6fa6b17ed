/// The protocol that an Ethernet frame carries.
@frozen
public struct EtherType: RawRepresentable, Hashable, Sendable {
  /// The number in the frame.
  public let rawValue: UInt16

  /// Makes an EtherType from its number.
  @inlinable
  public init(rawValue: UInt16) {
    self.rawValue = rawValue
  }

  /// IPv4, 0x0800.
  @inlinable public static var ipv4: EtherType { EtherType(rawValue: 0x0800) }
  /// ARP, 0x0806.
  @inlinable public static var arp: EtherType { EtherType(rawValue: 0x0806) }
  /// An 802.1Q tag, 0x8100.
  @inlinable public static var vlan: EtherType { EtherType(rawValue: 0x8100) }
  /// An 802.1ad service tag, 0x88a8.
  @inlinable public static var qinq: EtherType { EtherType(rawValue: 0x88a8) }
  /// IPv6, 0x86dd.
  @inlinable public static var ipv6: EtherType { EtherType(rawValue: 0x86dd) }
  /// Frames that carry frames, 0x6558 (transparent Ethernet bridging in GRE and Geneve).
  @inlinable public static var bridgedEthernet: EtherType { EtherType(rawValue: 0x6558) }

  /// Whether a VLAN tag follows.
  @inlinable public var isTag: Bool { self == .vlan || self == .qinq }

  /// Whether the number is the length of an 802.3 frame and not a type.
  @inlinable public var isLength: Bool { rawValue < 0x0600 }
}

extension EtherType: Comparable {
  /// Orders by number.
  @inlinable
  public static func < (left: EtherType, right: EtherType) -> Bool {
    left.rawValue < right.rawValue
  }
}

extension EtherType: LosslessStringConvertible {
  private static let names: [(EtherType, String)] = [
    (.ipv4, "IPv4"), (.arp, "ARP"), (.vlan, "802.1Q"), (.qinq, "802.1Q-QinQ"), (.ipv6, "IPv6"),
    (.bridgedEthernet, "TEB"),
  ]

  /// Reads one of tcpdump's names in any case, or a number in C notation.
  public init?(_ description: String) {
    let text = description.lowercased()
    if let known = Self.names.first(where: { $0.1.lowercased() == text }) {
      self = known.0
      return
    }
    var scanner = TextScanner(text)
    guard let number = scanner.numberInCNotation(), scanner.isAtEnd,
      let value = UInt16(exactly: number)
    else { return nil }
    self.init(rawValue: value)
  }

  /// The name that tcpdump prints, or the number as 0x88cc.
  public var description: String {
    Self.names.first { $0.0 == self }?.1 ?? "0x\(rawValue.hexadecimal(width: 4))"
  }
}

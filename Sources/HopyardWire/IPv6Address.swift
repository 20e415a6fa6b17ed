/// An IPv6 address.
@frozen
public struct IPv6Address: RawRepresentable, Hashable, Sendable {
  /// The address as an integer in host order: ::1 is 1.
  public var rawValue: UInt128

  /// Makes an address from an integer in host order.
  @inlinable
  public init(rawValue: UInt128) {
    self.rawValue = rawValue
  }

  /// Makes the IPv4-mapped address ::ffff:a.b.c.d.
  @inlinable
  public init(mapped address: IPv4Address) {
    rawValue = 0xffff_0000_0000 | UInt128(address.rawValue)
  }

  /// The unspecified address ::.
  @inlinable public static var any: IPv6Address { IPv6Address(rawValue: 0) }

  /// The loopback address ::1.
  @inlinable public static var loopback: IPv6Address { IPv6Address(rawValue: 1) }

  /// Whether this is ::.
  @inlinable public var isAny: Bool { rawValue == 0 }

  /// Whether this is ::1.
  @inlinable public var isLoopback: Bool { rawValue == 1 }

  /// Whether the address is in ff00::/8.
  @inlinable public var isMulticast: Bool { rawValue >> 120 == 0xff }

  /// Whether the address is in fe80::/10.
  @inlinable public var isLinkLocal: Bool { rawValue >> 118 == 0x3fa }

  /// The IPv4 address in ::ffff:0:0/96, or nil.
  @inlinable public var mapped: IPv4Address? {
    rawValue >> 32 == 0xffff ? IPv4Address(rawValue: UInt32(truncatingIfNeeded: rawValue)) : nil
  }

  /// One of the eight 16-bit groups, 0 being the first.
  @inlinable
  public func group(_ index: Int) -> UInt16 {
    UInt16(truncatingIfNeeded: rawValue >> UInt128(112 - 16 * (index & 7)))
  }
}

extension IPv6Address: Comparable {
  /// Orders addresses as integers.
  @inlinable
  public static func < (left: IPv6Address, right: IPv6Address) -> Bool {
    left.rawValue < right.rawValue
  }
}

extension IPv6Address: LosslessStringConvertible {
  /// Reads the text forms of RFC 4291 §2.2, without a zone.
  public init?(_ description: String) {
    var scanner = TextScanner(description)
    var groups: [UInt16] = []
    var gap: Int?
    if scanner.skip(":") {
      guard scanner.skip(":") else { return nil }
      gap = 0
    }
    var mayEnd = gap != nil
    while !scanner.isAtEnd {
      guard groups.count < 8 else { return nil }
      var ahead = scanner
      if let address = IPv4Address.dottedQuad(&ahead), ahead.isAtEnd {
        groups.append(UInt16(truncatingIfNeeded: address.rawValue >> 16))
        groups.append(UInt16(truncatingIfNeeded: address.rawValue))
        scanner = ahead
        mayEnd = true
        break
      }
      guard let group = scanner.number(radix: 16, maximumDigits: 4) else { return nil }
      groups.append(UInt16(truncatingIfNeeded: group))
      mayEnd = true
      guard scanner.skip(":") else { break }
      mayEnd = false
      if scanner.skip(":") {
        guard gap == nil else { return nil }
        gap = groups.count
        mayEnd = true
      }
    }
    guard mayEnd, scanner.isAtEnd else { return nil }
    if let gap {
      guard groups.count < 8 else { return nil }
      let zeros = [UInt16](repeating: 0, count: 8 - groups.count)
      groups.insert(contentsOf: zeros, at: gap)
    }
    guard groups.count == 8 else { return nil }
    rawValue = groups.reduce(0) { $0 << 16 | UInt128($1) }
  }

  /// The canonical text of RFC 5952, with IPv4-mapped addresses as ::ffff:a.b.c.d.
  public var description: String {
    if let mapped { return "::ffff:\(mapped)" }
    // RFC 5952 §4.2: the first of the longest runs of zero groups, of two or more.
    var gap = 0..<0
    var start = 0
    for index in 0...8 where index == 8 || group(index) != 0 {
      if index - start > max(1, gap.count) { gap = start..<index }
      start = index + 1
    }
    func text(_ range: Range<Int>) -> String {
      range.map { String(group($0), radix: 16) }.joined(separator: ":")
    }
    return gap.isEmpty ? text(0..<8) : text(0..<gap.lowerBound) + "::" + text(gap.upperBound..<8)
  }
}

/// An IPv4 address.
///
///     IPv4Address("10.0.0.1")            // strict dotted quad
///     IPv4Address(10, 0, 0, 1)
///     IPv4Address.inetAton("10.1")       // 10.0.0.1, as ping(8) reads it
@frozen
public struct IPv4Address: RawRepresentable, Hashable, Sendable {
  /// The address as an integer in host order: 10.0.0.1 is `0x0a00_0001`.
  public var rawValue: UInt32

  /// Makes an address from an integer in host order.
  @inlinable
  public init(rawValue: UInt32) {
    self.rawValue = rawValue
  }

  /// Makes an address from its four octets.
  @inlinable
  public init(_ first: UInt8, _ second: UInt8, _ third: UInt8, _ fourth: UInt8) {
    rawValue =
      UInt32(first) &<< 24 | UInt32(second) &<< 16 | UInt32(third) &<< 8 | UInt32(fourth)
  }

  /// 0.0.0.0, `INADDR_ANY`.
  @inlinable public static var any: IPv4Address { IPv4Address(rawValue: 0) }

  /// 255.255.255.255, the limited broadcast address.
  @inlinable public static var broadcast: IPv4Address { IPv4Address(rawValue: .max) }

  /// 127.0.0.1.
  @inlinable public static var loopback: IPv4Address { IPv4Address(rawValue: 0x7f00_0001) }

  /// 224.0.0.1, all systems on this link.
  @inlinable public static var allSystems: IPv4Address { IPv4Address(rawValue: 0xe000_0001) }

  /// 224.0.0.2, all routers on this link.
  @inlinable public static var allRouters: IPv4Address { IPv4Address(rawValue: 0xe000_0002) }

  /// 224.0.0.22, where IGMPv3 reports go.
  @inlinable public static var allIGMPv3Routers: IPv4Address { IPv4Address(rawValue: 0xe000_0016) }

  /// Whether this is 0.0.0.0.
  @inlinable public var isAny: Bool { rawValue == 0 }

  /// Whether the address is in 0.0.0.0/8.
  @inlinable public var isZeroNetwork: Bool { rawValue &>> 24 == 0 }

  /// Whether the address is in 127.0.0.0/8.
  @inlinable public var isLoopback: Bool { rawValue &>> 24 == 127 }

  /// Whether the address is in 224.0.0.0/4.
  @inlinable public var isMulticast: Bool { rawValue &>> 28 == 0xe }

  /// Whether the address is in 224.0.0.0/24, which no router forwards.
  @inlinable public var isLocalMulticast: Bool { rawValue &>> 8 == 0xe0_0000 }

  /// Whether this is 255.255.255.255.
  @inlinable public var isBroadcast: Bool { rawValue == .max }

  /// Whether the address is in 169.254.0.0/16.
  @inlinable public var isLinkLocal: Bool { rawValue &>> 16 == 0xa9fe }

  /// The four octets, first one first.
  @inlinable public var octets: (UInt8, UInt8, UInt8, UInt8) {
    (
      UInt8(truncatingIfNeeded: rawValue &>> 24), UInt8(truncatingIfNeeded: rawValue &>> 16),
      UInt8(truncatingIfNeeded: rawValue &>> 8), UInt8(truncatingIfNeeded: rawValue)
    )
  }
}

extension IPv4Address: Comparable {
  /// Orders addresses as integers.
  @inlinable
  public static func < (left: IPv4Address, right: IPv4Address) -> Bool {
    left.rawValue < right.rawValue
  }
}

extension IPv4Address: LosslessStringConvertible {
  /// Reads a strict dotted quad, as inet_pton(3) does: four decimal octets without leading zeros.
  public init?(_ description: String) {
    var scanner = TextScanner(description)
    guard let address = Self.dottedQuad(&scanner), scanner.isAtEnd else { return nil }
    self = address
  }

  /// Reads a dotted quad and leaves the scanner behind it.
  static func dottedQuad(_ scanner: inout TextScanner) -> IPv4Address? {
    var value: UInt32 = 0
    for index in 0..<4 {
      if index > 0, !scanner.skip(".") { return nil }
      guard let octet = scanner.number(maximumDigits: 3, allowsLeadingZeros: false), octet <= 255
      else { return nil }
      value = value << 8 | octet
    }
    return IPv4Address(rawValue: value)
  }

  /// Reads the forms of inet_aton(3), which ping and iptables take where a name may stand.
  ///
  /// One to four numbers, each decimal, octal (`012`) or hexadecimal (`0x0a`), the last of which
  /// fills all octets that are left: `127.1`, `0x0a000002`, `012.0.0.2`, `2130706433`.
  /// Unlike the C function this one takes nothing behind the address.
  public static func inetAton(_ text: String) -> IPv4Address? {
    var scanner = TextScanner(text)
    var value: UInt32 = 0
    for index in 0..<4 {
      guard let part = scanner.numberInCNotation() else { return nil }
      if scanner.isAtEnd {
        let room = UInt32(8 * (4 - index))
        guard UInt64(part) < UInt64(1) << room else { return nil }
        return IPv4Address(rawValue: (value << room) | part)
      }
      guard part <= 255, scanner.skip(".") else { return nil }
      value = value << 8 | part
    }
    return nil
  }

  /// Reads one to four octets and fills the rest with zeros: `10.1` is 10.1.0.0.
  ///
  /// So ip(8) and iptables(8) read the network in `10.1/16`; octets may be octal or hexadecimal.
  public static func leadingOctets(_ text: String) -> IPv4Address? {
    var scanner = TextScanner(text)
    var value: UInt32 = 0
    for index in 0..<4 {
      guard let octet = scanner.numberInCNotation(), octet <= 255 else { return nil }
      value |= octet << UInt32(24 - 8 * index)
      if scanner.isAtEnd { return IPv4Address(rawValue: value) }
      guard scanner.skip(".") else { return nil }
    }
    return nil
  }

  /// The dotted quad.
  public var description: String {
    String(unsafeUninitializedCapacity: 15) { buffer in
      var end = 0
      for shift in stride(from: 24, through: 0, by: -8) {
        let octet = UInt8(truncatingIfNeeded: rawValue >> UInt32(shift))
        if octet >= 100 {
          buffer[end] = UInt8(ascii: "0") + octet / 100
          end += 1
        }
        if octet >= 10 {
          buffer[end] = UInt8(ascii: "0") + octet / 10 % 10
          end += 1
        }
        buffer[end] = UInt8(ascii: "0") + octet % 10
        end += 1
        if shift > 0 {
          buffer[end] = UInt8(ascii: ".")
          end += 1
        }
      }
      return end
    }
  }
}

extension TextScanner {
  /// Reads a number as strtoul(3) does with base 0, without a sign.
  mutating func numberInCNotation() -> UInt32? {
    guard next == UInt8(ascii: "0") else { return number() }
    _ = skip("0")
    if skip("x") || skip("X") { return number(radix: 16) }
    guard let next, Self.digit(next).map({ $0 < 10 }) ?? false else { return 0 }
    return number(radix: 8)
  }
}

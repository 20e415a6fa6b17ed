/// A 48-bit Ethernet address.
@frozen
public struct MACAddress: RawRepresentable, Hashable, Sendable {
  /// The address in the low 48 bits, first octet highest.
  public let rawValue: UInt64

  /// Makes an address from the low 48 bits of an integer.
  @inlinable
  public init(rawValue: UInt64) {
    self.rawValue = rawValue & 0xffff_ffff_ffff
  }

  /// Makes an address from its six octets.
  @inlinable
  public init(
    _ first: UInt8,
    _ second: UInt8,
    _ third: UInt8,
    _ fourth: UInt8,
    _ fifth: UInt8,
    _ sixth: UInt8
  ) {
    let high = UInt64(first) &<< 40 | UInt64(second) &<< 32 | UInt64(third) &<< 24
    self.init(rawValue: high | UInt64(fourth) &<< 16 | UInt64(fifth) &<< 8 | UInt64(sixth))
  }

  /// Makes the address to which frames for an IPv4 group go: 01:00:5e and 23 bits (RFC 1112 §6.4).
  @inlinable
  public init(multicast group: IPv4Address) {
    self.init(rawValue: 0x0100_5e00_0000 | UInt64(group.rawValue & 0x7f_ffff))
  }

  /// Makes the address to which frames for an IPv6 group go: 33:33 and 32 bits (RFC 2464 §7).
  @inlinable
  public init(multicast group: IPv6Address) {
    self.init(rawValue: 0x3333_0000_0000 | UInt64(UInt32(truncatingIfNeeded: group.rawValue)))
  }

  /// ff:ff:ff:ff:ff:ff.
  @inlinable public static var broadcast: MACAddress { MACAddress(rawValue: 0xffff_ffff_ffff) }

  /// 00:00:00:00:00:00.
  @inlinable public static var zero: MACAddress { MACAddress(rawValue: 0) }

  /// Whether all bits are zero.
  @inlinable public var isZero: Bool { rawValue == 0 }

  /// Whether this is ff:ff:ff:ff:ff:ff.
  @inlinable public var isBroadcast: Bool { rawValue == 0xffff_ffff_ffff }

  /// Whether the group bit is set, as it is in the broadcast address too.
  @inlinable public var isMulticast: Bool { rawValue & 0x0100_0000_0000 != 0 }

  /// Whether the address was given out locally and not by a vendor.
  @inlinable public var isLocallyAdministered: Bool { rawValue & 0x0200_0000_0000 != 0 }

  /// Whether a device may have this address: neither a group's nor zero.
  @inlinable public var isValidForDevice: Bool { !isMulticast && !isZero }

  /// Whether this is 01:80:c2:00:00:0X, which a bridge keeps to itself.
  @inlinable public var isBridgeReserved: Bool { rawValue &>> 4 == 0x0180_c200_000 }
}

extension MACAddress: Comparable {
  /// Orders addresses as integers.
  @inlinable
  public static func < (left: MACAddress, right: MACAddress) -> Bool {
    left.rawValue < right.rawValue
  }
}

extension MACAddress: LosslessStringConvertible {
  /// Reads six octets of one or two hexadecimal digits with colons between them.
  public init?(_ description: String) {
    var scanner = TextScanner(description)
    var value: UInt64 = 0
    for index in 0..<6 {
      if index > 0, !scanner.skip(":") { return nil }
      guard let octet = scanner.number(radix: 16, maximumDigits: 2) else { return nil }
      value = value << 8 | UInt64(octet)
    }
    guard scanner.isAtEnd else { return nil }
    self.init(rawValue: value)
  }

  /// Six octets of two lower-case hexadecimal digits with colons between them.
  public var description: String {
    String(unsafeUninitializedCapacity: 17) { buffer in
      var end = 0
      for shift in stride(from: 44, through: 0, by: -4) {
        let digit = UInt8(truncatingIfNeeded: rawValue >> UInt64(shift)) & 0xf
        buffer[end] = digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
        end += 1
        if shift % 8 == 0, shift > 0 {
          buffer[end] = UInt8(ascii: ":")
          end += 1
        }
      }
      return end
    }
  }
}

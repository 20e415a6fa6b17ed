/// What an address is inside tables: `UInt32` for IPv4, `UInt128` for IPv6.
protocol AddressWord: FixedWidthInteger, UnsignedInteger, Sendable {}

extension UInt32: AddressWord {}
extension UInt128: AddressWord {}

/// Which way a packet goes within its connection.
public enum ConntrackDirection: UInt8, Sendable {
  /// As the packet that began the connection.
  case original = 0
  /// As the answers.
  case reply = 1

  @inline(__always)
  var opposite: ConntrackDirection { self == .original ? .reply : .original }
}

/// One direction of a connection: addresses, the protocol's own part, protocol and zone.
///
/// For ICMP the source port is the identifier, the destination port type and code.
struct ConntrackTuple<Address: AddressWord>: Equatable {
  var source: Address
  var destination: Address
  var sourcePort: UInt16
  var destinationPort: UInt16
  var zone: UInt16
  var `protocol`: UInt8

  @inline(__always)
  init(
    source: Address,
    destination: Address,
    sourcePort: UInt16,
    destinationPort: UInt16,
    protocol: UInt8,
    zone: UInt16 = 0
  ) {
    self.source = source
    self.destination = destination
    self.sourcePort = sourcePort
    self.destinationPort = destinationPort
    self.protocol = `protocol`
    self.zone = zone
  }

  @inline(__always)
  static func == (a: Self, b: Self) -> Bool {
    a.source == b.source && a.destination == b.destination && a.sourcePort == b.sourcePort
      && a.destinationPort == b.destinationPort && a.protocol == b.protocol && a.zone == b.zone
  }

  /// A fixed hash: listings and evictions must not differ from run to run.
  @inline(__always)
  var hash: UInt32 {
    var first = UInt64(truncatingIfNeeded: source)
    var second = UInt64(truncatingIfNeeded: destination)
    if Address.bitWidth > 64 {
      first = ConntrackHash.fold(
        first ^ 0x9e37_79b9_7f4a_7c15,
        UInt64(truncatingIfNeeded: source >> 64)
      )
      second = ConntrackHash.fold(
        second ^ 0xd1b5_4a32_d192_ed03,
        UInt64(truncatingIfNeeded: destination >> 64)
      )
    } else {
      first = first &<< 32 | second
      second = 0
    }
    let rest =
      UInt64(sourcePort) &<< 48 | UInt64(destinationPort) &<< 32 | UInt64(zone) &<< 8
      | UInt64(`protocol`)
    let value = ConntrackHash.fold(
      first ^ 0xa076_1d64_78bd_642f,
      rest ^ second ^ 0xe703_7ed1_a0b4_28db
    )
    return UInt32(truncatingIfNeeded: value ^ value &>> 32)
  }

  /// The tuple of an answer, or nil for an ICMP message that has no answer.
  @inline(__always)
  var inverted: Self? {
    if `protocol` == 1 || `protocol` == 58 { return invertedICMP }
    return Self(
      source: destination,
      destination: source,
      sourcePort: destinationPort,
      destinationPort: sourcePort,
      protocol: `protocol`,
      zone: zone
    )
  }

  private var invertedICMP: Self? {
    let answer: UInt16
    switch (`protocol`, destinationPort >> 8) {
    case (1, 8): answer = 0
    case (1, 0): answer = 8
    case (1, 13): answer = 14
    case (1, 14): answer = 13
    case (1, 15): answer = 16
    case (1, 16): answer = 15
    case (1, 17): answer = 18
    case (1, 18): answer = 17
    case (58, 128): answer = 129
    case (58, 129): answer = 128
    default: return nil
    }
    return Self(
      source: destination,
      destination: source,
      sourcePort: sourcePort,
      destinationPort: answer << 8 | destinationPort & 0xff,
      protocol: `protocol`,
      zone: zone
    )
  }
}

enum ConntrackHash {
  /// Multiplies to 128 bits and folds the halves.
  @inline(__always)
  static func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let product = a.multipliedFullWidth(by: b)
    return product.high ^ product.low
  }
}

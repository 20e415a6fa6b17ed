/// What one part of an entry of a set is.
public enum SetPart: UInt8, Hashable, Sendable {
  /// One address.
  case address
  /// An address with a prefix length.
  case network
  /// A protocol and a port.
  case port
  /// A hardware address.
  case hardwareAddress
  /// A packet mark.
  case mark
  /// The name of an interface.
  case interface
  /// The name of another set.
  case set
}

/// How a type of set keeps its entries.
public enum SetMethod: UInt8, Hashable, Sendable {
  /// A hash.
  case hash
  /// One bit for each value of a range.
  case bitmap
  /// A list of other sets.
  case list
}

/// The address family of a set.
public enum SetFamily: UInt8, Hashable, Sendable {
  /// Sets of ports, hardware addresses or sets have none.
  case none
  /// IPv4.
  case ipv4
  /// IPv6.
  case ipv6

  /// The number of bits of an address.
  public var addressBits: Int { self == .ipv6 ? 128 : 32 }
}

/// A type of set, such as `hash:ip,port` (ipset(8)).
public struct SetType: Hashable, Sendable {
  /// Its name.
  public let name: String
  /// Its name in the first version of ipset; nil if there is none.
  public let oldName: String?
  /// How it keeps entries.
  public let method: SetMethod
  /// What an entry is made of.
  public let parts: [SetPart]
  /// The revision that Linux 6.18 and ipset 7.17 agree on.
  public let revision: Int
  /// Whether `family` may be chosen.
  public let hasFamily: Bool

  private init(
    _ name: String,
    _ oldName: String?,
    _ method: SetMethod,
    _ parts: [SetPart],
    revision: Int,
    hasFamily: Bool = true
  ) {
    self.name = name
    self.oldName = oldName
    self.method = method
    self.parts = parts
    self.revision = revision
    self.hasFamily = hasFamily
  }

  /// All types, in the order of ipset's own help.
  public static let all: [SetType] = [
    SetType("list:set", "setlist", .list, [.set], revision: 3, hasFamily: false),
    SetType("hash:mac", "machash", .hash, [.hardwareAddress], revision: 1, hasFamily: false),
    SetType("hash:ip,mac", "ipmachash", .hash, [.address, .hardwareAddress], revision: 1),
    SetType("hash:net,iface", "netifacehash", .hash, [.network, .interface], revision: 8),
    SetType("hash:net,port", "netporthash", .hash, [.network, .port], revision: 8),
    SetType(
      "hash:net,port,net",
      "netportnethash",
      .hash,
      [.network, .port, .network],
      revision: 3
    ),
    SetType(
      "hash:net,port,net,port",
      "netportnetporthash",
      .hash,
      [.network, .port, .network, .port],
      revision: 0
    ),
    SetType("hash:net,net", "netnethash", .hash, [.network, .network], revision: 4),
    SetType("hash:net", "nethash", .hash, [.network], revision: 7),
    SetType("hash:ip,port,net", "ipportnethash", .hash, [.address, .port, .network], revision: 8),
    SetType(
      "hash:ip,port,net,port",
      "ipportnetporthash",
      .hash,
      [.address, .port, .network, .port],
      revision: 0
    ),
    SetType("hash:ip,port,ip", "ipportiphash", .hash, [.address, .port, .address], revision: 6),
    SetType(
      "hash:ip,port,ip,port",
      "ipportipporthash",
      .hash,
      [.address, .port, .address, .port],
      revision: 0
    ),
    SetType("hash:ip,mark", "ipmarkhash", .hash, [.address, .mark], revision: 3),
    SetType("hash:ip,port", "ipporthash", .hash, [.address, .port], revision: 7),
    SetType("hash:ip", "iphash", .hash, [.address], revision: 6),
    SetType("bitmap:port", "portmap", .bitmap, [.port], revision: 3, hasFamily: false),
    SetType(
      "bitmap:ip,mac",
      "macipmap",
      .bitmap,
      [.address, .hardwareAddress],
      revision: 3,
      hasFamily: false
    ),
    SetType("bitmap:ip", "ipmap", .bitmap, [.address], revision: 3, hasFamily: false),
  ]

  /// The type of a name, the old one included; nil if there is none.
  public static func named(_ name: String) -> SetType? {
    all.first { $0.name == name || $0.oldName == name }
  }

  /// The number of networks in an entry, which are searched by prefix.
  public var networkCount: Int { parts.count { $0 == .network } }

  /// Whether entries may say `nomatch`.
  public var hasNoMatch: Bool { networkCount > 0 }

  /// Whether an interface makes a part.
  public var hasInterface: Bool { parts.contains(.interface) }

  /// Whether a network may hold all addresses.
  var takesWholeNetworks: Bool { hasInterface || networkCount == 2 && parts.contains(.port) }

  /// Whether the last part may be left out.
  public var isLastPartOptional: Bool { name == "bitmap:ip,mac" }

  /// Two types with the same content can be swapped (`features` in the kernel).
  var content: [UInt8] {
    (hasNoMatch ? [0xff] : [])
      + parts.enumerated().map { index, part in
        let kind: SetPart = part == .network ? .address : part
        return kind == .address && index > 0 ? 0x10 : kind.rawValue
      }.sorted()
  }
}

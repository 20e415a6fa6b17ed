/// The parts of an entry of a set by which it is found.
struct SetKey: Hashable {
  /// The first address, masked.
  var address: UInt128 = 0
  /// The second address, masked.
  var secondAddress: UInt128 = 0
  /// A hardware address, a mark or the number of an interface name.
  var word: UInt64 = 0
  var port: UInt16 = 0
  var secondPort: UInt16 = 0
  var prefix: UInt8 = 0
  var secondPrefix: UInt8 = 0
  var `protocol`: UInt8 = 0
  var flags: UInt8 = 0

  /// The interface is the port of a bridge.
  static let physicalDevice: UInt8 = 1
  /// The interface's name goes on after what is given.
  static let wildcard: UInt8 = 2

  @inline(__always)
  var hash: UInt64 {
    let small =
      UInt64(port) &<< 48 | UInt64(secondPort) &<< 32 | UInt64(prefix) &<< 24
      | UInt64(secondPrefix) &<< 16 | UInt64(`protocol`) &<< 8 | UInt64(flags)
    let first = ConntrackHash.fold(
      UInt64(truncatingIfNeeded: address) ^ 0xa076_1d64_78bd_642f,
      UInt64(truncatingIfNeeded: address &>> 64) ^ small ^ 0xe703_7ed1_a0b4_28db
    )
    let second = ConntrackHash.fold(
      UInt64(truncatingIfNeeded: secondAddress) ^ first,
      UInt64(truncatingIfNeeded: secondAddress &>> 64) ^ word ^ 0x8ebc_6af0_9c88_c6e3
    )
    return ConntrackHash.fold(second ^ 0x5899_65cc_7537_4cc3, first ^ 0x1d8e_4e27_c47d_124f)
  }
}

/// What an entry carries beside its key.
public struct SetExtension: Hashable, Sendable {
  /// A mark and the bits of the packet's mark that it takes the place of.
  public struct Mark: Hashable, Sendable {
    /// The mark.
    public var value: UInt32
    /// The bits that count.
    public var mask: UInt32

    /// Makes one.
    public init(_ value: UInt32, mask: UInt32 = .max) {
      self.value = value
      self.mask = mask
    }
  }

  /// The seconds it stays, 0 for ever; nil for what the set says.
  public var timeout: UInt32?
  /// The packets that matched; nil for no change.
  public var packets: UInt64?
  /// The bytes that matched; nil for no change.
  public var bytes: UInt64?
  /// The comment.
  public var comment: String?
  /// `skbmark` and its mask.
  public var mark: Mark?
  /// `skbprio`.
  public var priority: UInt32?
  /// `skbqueue`.
  public var queue: UInt16?

  /// Makes an extension that says nothing.
  public init() {}
}

/// An entry in a set.
struct SetElement {
  var key: SetKey
  /// When it goes, in nanoseconds; the greatest number for never.
  var deadline: Int64 = .max
  var packets: UInt64 = 0
  var bytes: UInt64 = 0
  var comment: String?
  var mark: UInt32 = 0
  var markMask: UInt32 = 0
  var priority: UInt32 = 0
  var queue: UInt16 = 0
  var isNoMatch = false
  /// Whether the slot holds an entry.
  var isAlive = true
  /// Of `bitmap:ip,mac`: the seconds to wait once the hardware address is known; nil if it is.
  var storedTimeout: UInt32?
  /// Of `bitmap:ip,mac`: the hardware address, and whether it is known.
  var hardwareAddress: UInt64 = 0
  var isFilled = true
  /// Of `list:set`: the name of the set.
  var member = ""
  /// The order in which entries came.
  var serial: UInt64 = 0
}

/// An entry as `ipset list` prints it.
public struct SetEntry: Sendable {
  /// The first address, or 0.
  public let address: UInt128
  /// The prefix length of a network.
  public let prefix: UInt8
  /// The second address, or 0.
  public let secondAddress: UInt128
  /// The prefix length of the second network.
  public let secondPrefix: UInt8
  /// The protocol of the port.
  public let `protocol`: UInt8
  /// The port, or type and code of ICMP.
  public let port: UInt16
  /// The second port.
  public let secondPort: UInt16
  /// The hardware address, or nil where it is not known.
  public let hardwareAddress: UInt64?
  /// The mark.
  public let mark: UInt32
  /// The interface.
  public let interface: String
  /// Whether the interface is the port of a bridge.
  public let isPhysicalDevice: Bool
  /// Whether the interface's name is the beginning of names.
  public let isWildcard: Bool
  /// The name of the set of a list.
  public let member: String
  /// Whether it says `nomatch`.
  public let isNoMatch: Bool
  /// The rest: only what the set keeps is there.
  public let information: SetExtension
}

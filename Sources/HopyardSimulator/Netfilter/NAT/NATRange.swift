/// Which half of a tuple a translation changes.
enum NATManipulation {
  case source
  case destination
}

/// The addresses and ports that a translation may use.
struct NATRange {
  /// How a range is meant, numbered as `NF_NAT_RANGE_*`.
  struct Flags: OptionSet {
    let rawValue: UInt8
    static let mapAddresses = Flags(rawValue: 1)
    static let protocolSpecified = Flags(rawValue: 2)
    static let random = Flags(rawValue: 4)
    static let persistent = Flags(rawValue: 8)
    static let randomFully = Flags(rawValue: 16)
    static let offset = Flags(rawValue: 32)
    static let randomAll: Flags = [.random, .randomFully]
  }

  var flags: Flags = []
  var minimumAddress: UInt32 = 0
  var maximumAddress: UInt32 = 0
  var minimumPort: UInt16 = 0
  var maximumPort: UInt16 = 0
  /// The first port of the rule's match where ports are shifted.
  var basePort: UInt16 = 0

  init() {}

  /// One address, any port.
  init(address: UInt32) {
    flags = .mapAddresses
    minimumAddress = address
    maximumAddress = address
  }
}

/// Bob Jenkins's lookup3 as the kernel uses it for address ranges, so that the same address comes
/// out: it is seeded by a constant and the words of the addresses as they lie in memory.
enum JenkinsHash {
  @inline(__always)
  private static func rotate(_ x: UInt32, _ k: UInt32) -> UInt32 { x &<< k | x &>> (32 &- k) }

  /// The hash of the four words of a `union nf_inet_addr` that holds an IPv4 address.
  static func ofAddress(_ address: UInt32, seed: UInt32) -> UInt32 {
    let start = UInt32(0xdead_beef) &+ (4 << 2) &+ seed
    var a = start &+ address.byteSwapped
    var b = start
    var c = start
    a = (a &- c) ^ rotate(c, 4)
    c = c &+ b
    b = (b &- a) ^ rotate(a, 6)
    a = a &+ c
    c = (c &- b) ^ rotate(b, 8)
    b = b &+ a
    a = (a &- c) ^ rotate(c, 16)
    c = c &+ b
    b = (b &- a) ^ rotate(a, 19)
    a = a &+ c
    c = (c &- b) ^ rotate(b, 4)
    b = b &+ a
    // The fourth word is zero.
    c = (c ^ b) &- rotate(b, 14)
    a = (a ^ c) &- rotate(c, 11)
    b = (b ^ a) &- rotate(a, 25)
    c = (c ^ b) &- rotate(b, 16)
    a = (a ^ c) &- rotate(c, 4)
    b = (b ^ a) &- rotate(a, 14)
    c = (c ^ b) &- rotate(b, 24)
    return c
  }
}

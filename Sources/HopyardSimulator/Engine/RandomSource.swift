/// A seeded stream of random numbers (xoshiro256**, seeded by SplitMix64).
///
/// Each consumer takes a stream of its own by name, so that adding one does not shift the others.
public struct RandomSource: RandomNumberGenerator, Sendable {
  private var a: UInt64
  private var b: UInt64
  private var c: UInt64
  private var d: UInt64

  /// Makes a stream from a seed.
  public init(seed: UInt64) {
    var state = seed
    a = Self.mix(&state)
    b = Self.mix(&state)
    c = Self.mix(&state)
    d = Self.mix(&state)
  }

  /// Makes the stream that a named consumer has under a seed.
  public init(seed: UInt64, stream: String) {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in stream.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
    self.init(seed: seed ^ hash)
  }

  private static func mix(_ state: inout UInt64) -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  /// The next 64 random bits.
  public mutating func next() -> UInt64 {
    let result = Self.rotate(b &* 5, 7) &* 9
    let t = b << 17
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= t
    d = Self.rotate(d, 45)
    return result
  }

  /// A number below `bound`, which must be positive.
  public mutating func below(_ bound: UInt64) -> UInt64 {
    next().multipliedFullWidth(by: bound).high
  }

  private static func rotate(_ x: UInt64, _ k: UInt64) -> UInt64 { (x << k) | (x >> (64 &- k)) }
}

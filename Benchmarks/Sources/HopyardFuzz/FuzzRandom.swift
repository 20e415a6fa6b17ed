/// A small generator of random numbers (SplitMix64), so that a seed names a run.
struct FuzzRandom {
  private var state: UInt64

  init(seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 &+ 0x1234_5678_9abc_def1 }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  /// A number below `bound`; 0 if `bound` is not positive.
  mutating func below(_ bound: Int) -> Int {
    bound <= 0 ? 0 : Int(next().multipliedFullWidth(by: UInt64(bound)).high)
  }

  /// True once in `n` times.
  mutating func once(in n: Int) -> Bool { below(n) == 0 }

  mutating func byte() -> UInt8 { UInt8(truncatingIfNeeded: next() >> 32) }
  mutating func word() -> UInt16 { UInt16(truncatingIfNeeded: next() >> 32) }
  mutating func long() -> UInt32 { UInt32(truncatingIfNeeded: next() >> 32) }

  mutating func pick<T>(_ choices: [T]) -> T { choices[below(choices.count)] }

  /// A 16-bit number of the kind that parsers trip over, or any other.
  mutating func interestingWord() -> UInt16 {
    once(in: 3)
      ? word()
      : pick([
        0, 1, 2, 4, 5, 7, 8, 19, 20, 21, 27, 28, 255, 256, 1480, 1500,
        0x7fff, 0x8000, 0xfff8, 0xffff,
      ])
  }
}

/// SHA-512 (FIPS 180-4), for names that programs derive from hashes.
///
/// The constants are the first 64 bits of the fractional parts of roots of primes, found here by
/// integer arithmetic.
public enum SHA512 {
  private static let primes: [UInt64] = {
    var found: [UInt64] = []
    var candidate: UInt64 = 2
    while found.count < 80 {
      if found.allSatisfy({ candidate % $0 != 0 }) { found.append(candidate) }
      candidate += 1
    }
    return found
  }()

  /// The largest number of 68 bits whose power is at most the prime, shifted; its low 64 bits are
  /// the root's fraction.
  private static func fraction(_ prime: UInt64, power: Int) -> UInt64 {
    var root: UInt128 = 0
    for bit in stride(from: 68, through: 0, by: -1) {
      let trial = root | UInt128(1) << UInt128(bit)
      if isAtMost(trial, prime, power: power) { root = trial }
    }
    return UInt64(truncatingIfNeeded: root)
  }

  /// Whether `trial` to the power, over 2 to the power of 64 times it, is at most the prime.
  private static func isAtMost(_ trial: UInt128, _ prime: UInt64, power: Int) -> Bool {
    let square = trial.multipliedFullWidth(by: trial)
    if power == 2 {
      // trial² ≤ prime · 2^128
      return square.high < UInt128(prime) || square.high == UInt128(prime) && square.low == 0
    }
    // trial³ ≤ prime · 2^192: the square has at most 140 bits.
    let low = square.low.multipliedFullWidth(by: trial)
    let high = square.high.multipliedFullWidth(by: trial)
    let (middle, carry) = low.high.addingReportingOverflow(high.low)
    if high.high != 0 || carry { return false }
    let limit = UInt128(prime) << 64
    return middle < limit || middle == limit && low.low == 0
  }

  private static let constants = primes.map { fraction($0, power: 3) }
  private static let start = primes.prefix(8).map { fraction($0, power: 2) }

  /// The 64 bytes of a message's hash.
  public static func hash(_ message: some Collection<UInt8>) -> [UInt8] {
    var bytes = Array(message)
    let bits = UInt64(bytes.count) &* 8
    bytes.append(0x80)
    while bytes.count % 128 != 120 { bytes.append(0) }
    for shift in stride(from: 56, through: 0, by: -8) {
      bytes.append(UInt8(truncatingIfNeeded: bits >> UInt64(shift)))
    }
    var state = start
    var words = [UInt64](repeating: 0, count: 80)
    for offset in stride(from: 0, to: bytes.count, by: 128) {
      block(bytes, offset, &words, &state)
    }
    return state.flatMap { word in
      stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: word >> UInt64($0)) }
    }
  }

  private static func block(
    _ bytes: [UInt8],
    _ offset: Int,
    _ words: inout [UInt64],
    _ state: inout [UInt64]
  ) {
    func rotate(_ value: UInt64, _ count: UInt64) -> UInt64 {
      value >> count | value << (64 - count)
    }
    for index in 0..<16 {
      words[index] = bytes[offset + index * 8..<offset + index * 8 + 8].reduce(0) {
        $0 << 8 | UInt64($1)
      }
    }
    for index in 16..<80 {
      let low = words[index - 15]
      let high = words[index - 2]
      let first = rotate(low, 1) ^ rotate(low, 8) ^ low >> 7
      let second = rotate(high, 19) ^ rotate(high, 61) ^ high >> 6
      words[index] = words[index - 16] &+ first &+ words[index - 7] &+ second
    }
    var (a, b, c, d) = (state[0], state[1], state[2], state[3])
    var (e, f, g, h) = (state[4], state[5], state[6], state[7])
    for index in 0..<80 {
      let upper = rotate(e, 14) ^ rotate(e, 18) ^ rotate(e, 41)
      let choice = (e & f) ^ (~e & g)
      let first = h &+ upper &+ choice &+ constants[index] &+ words[index]
      let lower = rotate(a, 28) ^ rotate(a, 34) ^ rotate(a, 39)
      let majority = (a & b) ^ (a & c) ^ (b & c)
      (h, g, f, e) = (g, f, e, d &+ first)
      (d, c, b, a) = (c, b, a, first &+ lower &+ majority)
    }
    for (index, value) in [a, b, c, d, e, f, g, h].enumerated() { state[index] &+= value }
  }
}

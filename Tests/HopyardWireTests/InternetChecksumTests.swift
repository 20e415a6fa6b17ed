import HopyardWire
import Testing

@Suite struct InternetChecksumTests {
  /// The definition, word by word.
  private func reference(_ bytes: [UInt8]) -> UInt16 {
    var sum = 0
    for index in stride(from: 0, to: bytes.count, by: 2) {
      sum += Int(bytes[index]) << 8 + (index + 1 < bytes.count ? Int(bytes[index + 1]) : 0)
    }
    while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
    return ~UInt16(sum)
  }

  @Test func `a known header has its known checksum`() {
    let header = hex("4500 0073 0000 4000 4011 0000 c0a8 0001 c0a8 00c7")
    #expect(checksum(of: header) == 0xb861)
  }

  @Test(arguments: 0...131)
  func `any length at any alignment sums up as defined`(length: Int) {
    var random = SeededGenerator(seed: UInt64(length))
    for bytes in [random.bytes(length + 8), [UInt8](repeating: 0xff, count: length + 8)] {
      for start in 0..<8 {
        let part = Array(bytes[start..<(start + length)])
        let found = bytes.withUnsafeBytes {
          InternetChecksum.checksum(
            of: UnsafeRawBufferPointer(rebasing: $0[start...].prefix(length))
          )
        }
        #expect(found == reference(part))
        #expect(InternetChecksum.checksum(of: part.span.bytes) == found)
      }
    }
  }

  @Test func `the largest packet does not overflow`() {
    let bytes = [UInt8](repeating: 0xff, count: 65_535)
    #expect(checksum(of: bytes) == reference(bytes))
  }

  @Test func `parts of even length add up`() {
    var random = SeededGenerator(seed: 5)
    for _ in 0..<500 {
      let bytes = random.bytes(Int.random(in: 0...200, using: &random))
      let cut = Int.random(in: 0...bytes.count, using: &random) & ~1
      bytes.withUnsafeBytes { buffer in
        let first = InternetChecksum.sum(UnsafeRawBufferPointer(rebasing: buffer[..<cut]))
        let tail = UnsafeRawBufferPointer(rebasing: buffer[cut...])
        #expect(InternetChecksum.checksum(of: tail, initial: first) == reference(bytes))
      }
    }
  }

  @Test(arguments: [
    (0 as UInt64, 0 as UInt16), (0xffff, 0xffff), (0x1_0000, 1), (0x1_fffe, 0xffff),
    (0xffff_ffff, 0xffff), (.max, 0xffff), (0x1_0000_0000, 1), (0xffff_0000_0000_0000, 0xffff),
    (0xfffe_ffff_ffff_ffff, 0xfffe),
  ])
  func `folding carries around`(sum: UInt64, expected: UInt16) {
    #expect(InternetChecksum.fold(sum) == expected)
  }

  @Test func `folding is arithmetic modulo 65535`() {
    var random = SeededGenerator(seed: 6)
    for _ in 0..<20_000 {
      let sum = random.next() >> (random.next() & 63)
      let rest = sum % 0xffff
      let expected = rest == 0 && sum != 0 ? 0xffff : rest
      #expect(UInt64(InternetChecksum.fold(sum)) == expected)
    }
  }

  @Test func `the example of RFC 1624 comes out right`() {
    // RFC 1141's way gives 0xffff here, which no full computation gives.
    #expect(InternetChecksum.adjust(0xdd2f, from: 0x5555 as UInt16, to: 0x3285) == 0)
  }

  @Test func `a changed word is worth a full computation`() {
    var random = SeededGenerator(seed: 7)
    for _ in 0..<20_000 {
      var bytes = random.bytes(20)
      bytes[0] = 0x45
      let old = reference(bytes)
      let word = Int.random(in: 1..<10, using: &random) * 2
      let before = UInt16(bytes[word]) << 8 | UInt16(bytes[word + 1])
      // One case in four makes the sum zero, where the two zeros could be confused.
      var after = UInt16(truncatingIfNeeded: random.next())
      if random.next() & 3 == 0 {
        bytes[word] = 0
        bytes[word + 1] = 0
        after = reference(bytes)
      }
      bytes[word] = UInt8(after >> 8)
      bytes[word + 1] = UInt8(after & 0xff)
      #expect(InternetChecksum.adjust(old, from: before, to: after) == reference(bytes))
    }
  }

  @Test func `a changed address is worth a full computation`() {
    var random = SeededGenerator(seed: 8)
    for _ in 0..<5_000 {
      let header = IPv4Header(
        payloadLength: 8,
        protocol: .udp,
        source: IPv4Address(rawValue: UInt32(truncatingIfNeeded: random.next())),
        destination: IPv4Address(10, 0, 0, 1)
      )
      var changed = header
      changed.source = IPv4Address(rawValue: UInt32(truncatingIfNeeded: random.next()))
      changed.fillChecksum()
      let adjusted = InternetChecksum.adjust(
        header.checksum,
        from: header.source,
        to: changed.source
      )
      #expect(adjusted == changed.checksum)
    }
  }

  @Test func `a changed IPv6 address is worth a full computation`() {
    var random = SeededGenerator(seed: 9)
    func address() -> IPv6Address {
      IPv6Address(rawValue: UInt128(random.next()) << 64 | UInt128(random.next()))
    }
    for _ in 0..<2_000 {
      let (old, new, other) = (address(), address(), address())
      let payload = random.bytes(9)
      func full(_ source: IPv6Address) -> UInt16 {
        let initial = InternetChecksum.pseudoHeader(
          source: source,
          destination: other,
          protocol: .udp,
          length: payload.count
        )
        return checksum(of: payload, initial: initial)
      }
      #expect(InternetChecksum.adjust(full(old), from: old, to: new) == full(new))
    }
  }

  @Test func `the pseudo-header counts as its bytes`() {
    let payload = hex("0035 d431 000d 0000 68656c6c6f")
    let pseudo = hex("0a000001 0a000002 0011 000d")
    let initial = InternetChecksum.pseudoHeader(
      source: IPv4Address(10, 0, 0, 1),
      destination: IPv4Address(10, 0, 0, 2),
      protocol: .udp,
      length: payload.count
    )
    #expect(checksum(of: payload, initial: initial) == reference(pseudo + payload))
  }

  @Test func `a UDP checksum of zero is sent as all ones`() {
    #expect(InternetChecksum.udp(0) == 0xffff)
    #expect(InternetChecksum.udp(0xffff) == 0xffff)
    #expect(InternetChecksum.udp(0x1234) == 0x1234)
  }
}

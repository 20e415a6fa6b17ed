/// Appends header fields in network order and computes checksums, apart from Hopyard's own code.
struct FrameWriter {
  var bytes: [UInt8] = []

  mutating func u8(_ value: UInt8) { bytes.append(value) }
  mutating func u16(_ value: UInt16) { bytes += [UInt8(value >> 8), UInt8(value & 255)] }
  mutating func u32(_ value: UInt32) {
    u16(UInt16(value >> 16))
    u16(UInt16(value & 0xffff))
  }
  mutating func mac(_ value: UInt64) {
    u16(UInt16(truncatingIfNeeded: value >> 32))
    u32(UInt32(truncatingIfNeeded: value))
  }

  /// Overwrites two bytes, if they are there.
  mutating func set16(_ value: UInt16, at offset: Int) {
    guard offset >= 0, offset + 1 < bytes.count else { return }
    bytes[offset] = UInt8(value >> 8)
    bytes[offset + 1] = UInt8(value & 255)
  }

  func get16(_ offset: Int) -> UInt16 {
    guard offset >= 0, offset + 1 < bytes.count else { return 0 }
    return UInt16(bytes[offset]) << 8 | UInt16(bytes[offset + 1])
  }

  /// The Internet checksum of a range, which is cut at the end of the frame.
  func checksum(_ range: Range<Int>, adding initial: UInt32 = 0) -> UInt16 {
    var sum = UInt64(initial)
    var offset = range.lowerBound
    let end = min(range.upperBound, bytes.count)
    while offset < end {
      sum += UInt64(bytes[offset]) << 8
      if offset + 1 < end { sum += UInt64(bytes[offset + 1]) }
      offset += 2
    }
    while sum >> 16 != 0 { sum = (sum & 0xffff) + (sum >> 16) }
    return ~UInt16(sum)
  }

  /// Makes the checksums right again as far as lengths allow, for the IPv4 header at `start`.
  mutating func repairChecksums(from start: Int) {
    guard start + 20 <= bytes.count else { return }
    let headerLength = Int(bytes[start] & 15) * 4
    guard headerLength >= 20, start + headerLength <= bytes.count else { return }
    set16(0, at: start + 10)
    set16(checksum(start..<start + headerLength), at: start + 10)
    let end = min(bytes.count, start + max(headerLength, Int(get16(start + 2))))
    let transport = start + headerLength
    guard get16(start + 6) & 0x3fff == 0 else { return }
    let offset: Int
    switch bytes[start + 9] {
    case 1, 2: offset = 2
    case 6: offset = 16
    case 17: offset = 6
    default: return
    }
    guard transport + offset + 2 <= end else { return }
    set16(0, at: transport + offset)
    var pseudo: UInt32 = 0
    if bytes[start + 9] > 2 {
      for word in stride(from: 12, to: 20, by: 2) { pseudo += UInt32(get16(start + word)) }
      pseudo += UInt32(bytes[start + 9]) + UInt32(end - transport)
    }
    let sum = checksum(transport..<end, adding: pseudo)
    set16(sum == 0 && bytes[start + 9] == 17 ? 0xffff : sum, at: transport + offset)
  }
}

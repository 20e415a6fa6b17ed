/// Bytes of a file in either byte order; reading outside of them is answered, not a trap.
struct ByteReader {
  let bytes: [UInt8]
  var isLittleEndian = true

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  var count: Int { bytes.count }

  /// Whether there are `length` bytes at `offset`.
  func holds(_ length: Int, at offset: Int) -> Bool {
    offset >= 0 && length >= 0 && offset <= bytes.count && length <= bytes.count - offset
  }

  func u8(at offset: Int) -> UInt8? { holds(1, at: offset) ? bytes[offset] : nil }

  func u16(at offset: Int) -> UInt16? {
    guard holds(2, at: offset) else { return nil }
    let low = UInt16(bytes[offset])
    let high = UInt16(bytes[offset + 1])
    return isLittleEndian ? high << 8 | low : low << 8 | high
  }

  func u32(at offset: Int) -> UInt32? {
    guard let first = u16(at: offset), let second = u16(at: offset + 2) else { return nil }
    return isLittleEndian
      ? UInt32(second) << 16 | UInt32(first) : UInt32(first) << 16 | UInt32(second)
  }

  func slice(_ length: Int, at offset: Int) -> ArraySlice<UInt8>? {
    holds(length, at: offset) ? bytes[offset..<(offset + length)] : nil
  }
}

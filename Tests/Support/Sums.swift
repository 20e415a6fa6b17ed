/// The internet checksum over several pieces, each of which is padded to an even length.
///
/// Zero means that data which holds its own checksum is intact.
func internetChecksum(_ pieces: Bytes...) -> Int {
  var total: UInt64 = 0
  for piece in pieces {
    piece.withUnsafeBytes { bytes in
      var index = 0
      while index + 1 < bytes.count {
        total &+= UInt64(bytes[index]) << 8 | UInt64(bytes[index + 1])
        index += 2
      }
      if index < bytes.count { total &+= UInt64(bytes[index]) << 8 }
    }
  }
  while total >> 16 != 0 { total = (total & 0xffff) + (total >> 16) }
  return Int(total ^ 0xffff)
}

/// CRC-32 as in Ethernet and gzip.
enum CRC32 {
  private static let table: [UInt32] = (0..<256).map { byte in
    var value = UInt32(byte)
    for _ in 0..<8 { value = value & 1 == 1 ? value >> 1 ^ 0xedb8_8320 : value >> 1 }
    return value
  }

  static func checksum(_ bytes: [UInt8]) -> UInt32 {
    var value: UInt32 = 0xffff_ffff
    table.withUnsafeBufferPointer { table in
      bytes.withUnsafeBufferPointer { bytes in
        for byte in bytes {
          value = value >> 8 ^ table[Int(UInt8(truncatingIfNeeded: value) ^ byte)]
        }
      }
    }
    return ~value
  }
}

/// What a datagram or segment carries, for text that nothing decodes further.
enum PayloadText {
  private static let longestShown = 48
  /// Header fields of HTTP whose value is a time.
  private static let timeFields = ["date: ", "last-modified: ", "expires: "].map { Array($0.utf8) }

  /// Short printable data as text, other data by its length and checksum.
  static func describe(_ data: Bytes) -> String {
    if data.isEmpty { return "" }
    let bytes = data.array
    if bytes.count <= longestShown, bytes.allSatisfy(isPrintable) {
      return " data=" + TextForm.quoted(String(decoding: bytes, as: UTF8.self))
    }
    let sum = CRC32.checksum(withoutTimes(bytes))
    return " data=\(bytes.count)B#" + TextForm.hex(sum, width: 8)
  }

  private static func isPrintable(_ byte: UInt8) -> Bool {
    (0x20..<0x7f).contains(byte) || byte == 0x09 || byte == 0x0a || byte == 0x0d
  }

  /// The bytes with `T` for the times of HTTP header fields.
  private static func withoutTimes(_ bytes: [UInt8]) -> [UInt8] {
    guard bytes.contains(UInt8(ascii: ":")) else { return bytes }
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    var rest = bytes[...]
    while !rest.isEmpty {
      let line = rest.prefix { $0 != 0x0a }
      rest = rest[line.endIndex...]
      if let field = timeFields.first(where: { startsIgnoringCase(line, $0) }) {
        result += line.prefix(field.count)
        result.append(UInt8(ascii: "T"))
        result += line.dropFirst(field.count).drop { $0 != 0x0d }
      } else {
        result += line
      }
      if let newline = rest.first {
        result.append(newline)
        rest = rest.dropFirst()
      }
    }
    return result
  }

  private static func startsIgnoringCase(_ line: ArraySlice<UInt8>, _ field: [UInt8]) -> Bool {
    guard line.count >= field.count else { return false }
    return zip(line, field).allSatisfy { byte, wanted in
      byte == wanted || (0x41...0x5a).contains(byte) && byte | 0x20 == wanted
    }
  }
}

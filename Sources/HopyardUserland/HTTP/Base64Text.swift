/// Bytes as text of 64 characters (RFC 4648 §4).
enum Base64Text {
  private static let alphabet = Array(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8
  )

  static func encoded(_ bytes: [UInt8]) -> String {
    var text: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let group = bytes[start..<min(start + 3, bytes.count)]
      var value = 0
      for byte in group { value = value << 8 | Int(byte) }
      value <<= 8 * (3 - group.count)
      for place in 0..<4 {
        if place > group.count {
          text.append(UInt8(ascii: "="))
        } else {
          text.append(alphabet[value >> (18 - 6 * place) & 63])
        }
      }
    }
    return String(decoding: text, as: UTF8.self)
  }
}

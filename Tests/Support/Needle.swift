#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// A word to look for before anything slower is tried.
struct Needle {
  private let bytes: [UInt8]

  init(_ word: String) { bytes = Array(word.utf8) }

  /// Whether the word is somewhere in a text.
  func occurs(in text: String) -> Bool {
    var text = text
    return text.withUTF8 { text in
      guard let first = bytes.first else { return true }
      var at = 0
      while at + bytes.count <= text.count, let start = text.baseAddress,
        let found = memchr(start + at, Int32(first), text.count - at)
      {
        at = UnsafeRawPointer(found) - UnsafeRawPointer(start)
        if at + bytes.count <= text.count, memcmp(found, bytes, bytes.count) == 0 { return true }
        at += 1
      }
      return false
    }
  }
}

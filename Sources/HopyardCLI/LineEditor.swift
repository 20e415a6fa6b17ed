#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Reads lines from the terminal, with history and the usual keys; from a pipe, plain lines.
final class LineEditor {
  /// The lines read so far.
  private(set) var history: [String] = []
  private var pending: [UInt8] = []
  private var atEnd = false

  /// The next line, or nil at the end of the input.
  func read(prompt: String) -> String? {
    let line = isatty(0) != 0 ? edit(prompt) : readPlain()
    if let line, !line.isEmpty, line != history.last { history.append(line) }
    return line
  }

  private func nextByte() -> UInt8? {
    if pending.isEmpty {
      if atEnd { return nil }
      var buffer = [UInt8](repeating: 0, count: 4096)
      var count = Glibc.read(0, &buffer, buffer.count)
      while count < 0 && errno == EINTR { count = Glibc.read(0, &buffer, buffer.count) }
      if count <= 0 {
        atEnd = true
        return nil
      }
      pending = buffer[..<count].reversed()
    }
    return pending.popLast()
  }

  private func readPlain() -> String? {
    var bytes: [UInt8] = []
    while let byte = nextByte() {
      if byte == 0x0a { return String(decoding: bytes, as: UTF8.self) }
      bytes.append(byte)
    }
    return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
  }

  private func edit(_ prompt: String) -> String? {
    var saved = termios()
    tcgetattr(0, &saved)
    var raw = saved
    cfmakeraw(&raw)
    tcsetattr(0, TCSADRAIN, &raw)
    defer { tcsetattr(0, TCSADRAIN, &saved) }
    var text: [Character] = []
    var bytes: [UInt8] = []
    var cursor = 0
    var place = history.count
    func show() {
      let line = String(text)
      let back = text.count - cursor
      Standard.output("\r\u{1b}[K\(prompt)\(line)" + (back > 0 ? "\u{1b}[\(back)D" : ""))
      Standard.flush()
    }
    func recall(_ index: Int) {
      place = max(0, min(index, history.count))
      text = place < history.count ? Array(history[place]) : []
      cursor = text.count
    }
    show()
    while let byte = nextByte() {
      switch byte {
      case 0x0d, 0x0a:
        Standard.output("\r\n")
        Standard.flush()
        return String(text)
      case 0x03:
        text = []
        cursor = 0
        Standard.output("^C\r\n")
      case 0x04:
        if text.isEmpty { return nil }
        if cursor < text.count { text.remove(at: cursor) }
      case 0x7f, 0x08:
        if cursor > 0 {
          cursor -= 1
          text.remove(at: cursor)
        }
      case 0x01: cursor = 0
      case 0x05: cursor = text.count
      case 0x0b: text.removeSubrange(cursor...)
      case 0x15:
        text.removeSubrange(..<cursor)
        cursor = 0
      case 0x10: recall(place - 1)
      case 0x0e: recall(place + 1)
      case 0x1b:
        guard let second = nextByte(), second == 0x5b || second == 0x4f, let key = nextByte() else {
          break
        }
        switch key {
        case 0x41: recall(place - 1)
        case 0x42: recall(place + 1)
        case 0x43: cursor = min(cursor + 1, text.count)
        case 0x44: cursor = max(cursor - 1, 0)
        case 0x48: cursor = 0
        case 0x46: cursor = text.count
        case 0x33:
          _ = nextByte()
          if cursor < text.count { text.remove(at: cursor) }
        default: break
        }
      case 0x20...:
        // Bytes of one UTF-8 character are collected until they are whole.
        bytes.append(byte)
        let decoded = String(decoding: bytes, as: UTF8.self)
        if decoded.unicodeScalars.contains("\u{fffd}") && bytes.count < 4 { continue }
        for character in decoded {
          text.insert(character, at: cursor)
          cursor += 1
        }
        bytes = []
      default: break
      }
      show()
    }
    return nil
  }
}

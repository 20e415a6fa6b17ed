/// A shell pattern: `*`, `?`, `[…]` and plain bytes.
struct Glob {
  enum Element {
    case byte(UInt8)
    case any
    case star
    case set(ByteSet)
  }

  private(set) var elements: [Element] = []

  /// Whether anything in it is more than a plain byte.
  var isPattern: Bool {
    elements.contains { if case .byte = $0 { false } else { true } }
  }

  /// Reads a pattern; quoted bytes stand for themselves.
  init(_ bytes: [UInt8], isQuoted: [Bool]) {
    var index = 0
    while index < bytes.count {
      let byte = bytes[index]
      if isQuoted[index] {
        elements.append(.byte(byte))
      } else if byte == UInt8(ascii: "*") {
        if case .star? = elements.last {} else { elements.append(.star) }
      } else if byte == UInt8(ascii: "?") {
        elements.append(.any)
      } else if byte == UInt8(ascii: "["),
        let (set, end) = ByteSet.bracket(bytes, after: index, negation: ["!", "^"])
      {
        elements.append(.set(set))
        index = end
      } else if byte == 0x5C, index + 1 < bytes.count {
        index += 1
        elements.append(.byte(bytes[index]))
      } else {
        elements.append(.byte(byte))
      }
      index += 1
    }
  }

  /// Whether the pattern matches all of a text.
  func matches(_ text: ArraySlice<UInt8>) -> Bool {
    var at = text.startIndex
    var element = 0
    var starElement = -1
    var starAt = at
    while at < text.endIndex {
      if element < elements.count {
        switch elements[element] {
        case .star:
          starElement = element
          starAt = at
          element += 1
          continue
        case .any:
          element += 1
          at += 1
          continue
        case .byte(let byte) where byte == text[at]:
          element += 1
          at += 1
          continue
        case .set(let set) where set.contains(text[at]):
          element += 1
          at += 1
          continue
        default: break
        }
      }
      guard starElement >= 0 else { return false }
      starAt += 1
      at = starAt
      element = starElement + 1
    }
    while element < elements.count, case .star = elements[element] { element += 1 }
    return element == elements.count
  }

  /// Whether the pattern matches all of a text.
  func matches(_ text: String) -> Bool { matches(Array(text.utf8)[...]) }
}

/// A set of bytes, as a bracket expression names it.
struct ByteSet: Sendable, Equatable {
  private var low: (UInt64, UInt64) = (0, 0)
  private var high: (UInt64, UInt64) = (0, 0)

  static func == (a: ByteSet, b: ByteSet) -> Bool {
    a.low == b.low && a.high == b.high
  }

  func contains(_ byte: UInt8) -> Bool {
    let bit = UInt64(1) << UInt64(byte & 63)
    switch byte >> 6 {
    case 0: return low.0 & bit != 0
    case 1: return low.1 & bit != 0
    case 2: return high.0 & bit != 0
    default: return high.1 & bit != 0
    }
  }

  mutating func insert(_ byte: UInt8) {
    let bit = UInt64(1) << UInt64(byte & 63)
    switch byte >> 6 {
    case 0: low.0 |= bit
    case 1: low.1 |= bit
    case 2: high.0 |= bit
    default: high.1 |= bit
    }
  }

  mutating func insert(_ range: ClosedRange<UInt8>) {
    for byte in range { insert(byte) }
  }

  mutating func invert() {
    low = (~low.0, ~low.1)
    high = (~high.0, ~high.1)
  }

  /// The bytes, in order.
  var members: [UInt8] { (0...255).map { UInt8($0) }.filter(contains) }

  /// The bytes of a class such as `alpha`.
  static func named(_ name: String) -> ByteSet? {
    var set = ByteSet()
    switch name {
    case "digit": set.insert(0x30...0x39)
    case "lower": set.insert(0x61...0x7A)
    case "upper": set.insert(0x41...0x5A)
    case "alpha":
      set.insert(0x61...0x7A)
      set.insert(0x41...0x5A)
    case "alnum":
      set.insert(0x61...0x7A)
      set.insert(0x41...0x5A)
      set.insert(0x30...0x39)
    case "xdigit":
      set.insert(0x30...0x39)
      set.insert(0x61...0x66)
      set.insert(0x41...0x46)
    case "space":
      set.insert(0x09...0x0D)
      set.insert(0x20)
    case "blank":
      set.insert(0x09)
      set.insert(0x20)
    case "cntrl":
      set.insert(0...0x1F)
      set.insert(0x7F)
    case "print": set.insert(0x20...0x7E)
    case "graph": set.insert(0x21...0x7E)
    case "punct":
      set.insert(0x21...0x2F)
      set.insert(0x3A...0x40)
      set.insert(0x5B...0x60)
      set.insert(0x7B...0x7E)
    default: return nil
    }
    return set
  }

  mutating func formUnion(_ other: ByteSet) {
    low = (low.0 | other.low.0, low.1 | other.low.1)
    high = (high.0 | other.high.0, high.1 | other.high.1)
  }

  /// The bracket expression that opens at `start`, and where its `]` is; nil when it never closes.
  static func bracket(_ bytes: [UInt8], after start: Int, negation: [Unicode.Scalar])
    -> (set: ByteSet, end: Int)?
  {
    var set = ByteSet()
    var index = start + 1
    var isNegated = false
    if index < bytes.count, negation.contains(Unicode.Scalar(bytes[index])) {
      isNegated = true
      index += 1
    }
    var isFirst = true
    while index < bytes.count {
      let byte = bytes[index]
      if byte == UInt8(ascii: "]"), !isFirst {
        if isNegated { set.invert() }
        return (set, index)
      }
      isFirst = false
      if byte == UInt8(ascii: "["), index + 1 < bytes.count, bytes[index + 1] == UInt8(ascii: ":") {
        var close = index + 2
        while close + 1 < bytes.count, bytes[close] != UInt8(ascii: ":") { close += 1 }
        if close + 1 < bytes.count, bytes[close + 1] == UInt8(ascii: "]"),
          let named = named(String(decoding: bytes[(index + 2)..<close], as: UTF8.self))
        {
          set.formUnion(named)
          index = close + 2
          continue
        }
      }
      if index + 2 < bytes.count, bytes[index + 1] == UInt8(ascii: "-"),
        bytes[index + 2] != UInt8(ascii: "]")
      {
        if byte <= bytes[index + 2] { set.insert(byte...bytes[index + 2]) }
        index += 3
      } else {
        set.insert(byte)
        index += 1
      }
    }
    return nil
  }
}

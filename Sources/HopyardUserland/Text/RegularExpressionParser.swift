/// The tree of a regular expression.
indirect enum RegularExpressionNode {
  case empty
  case byte(UInt8)
  case set(ByteSet)
  case assert(RegularExpression.Assertion)
  case group(RegularExpressionNode, Int)
  case sequence([RegularExpressionNode])
  case choice([RegularExpressionNode])
  case `repeat`(RegularExpressionNode, Int, Int?)
}

/// Reads regular expressions in the GNU dialects.
struct RegularExpressionParser {
  private let bytes: [UInt8]
  private let isExtended: Bool
  private let ignoresCase: Bool
  private var index = 0
  private var depth = 0
  private(set) var groups = 0

  init(_ bytes: [UInt8], _ syntax: RegularExpression.Syntax, _ ignoresCase: Bool) {
    self.bytes = bytes
    isExtended = syntax == .extended
    self.ignoresCase = ignoresCase
  }

  static func folded(_ byte: UInt8) -> ByteSet? {
    let other: UInt8
    switch byte {
    case 0x41...0x5A: other = byte + 32
    case 0x61...0x7A: other = byte - 32
    default: return nil
    }
    var set = ByteSet()
    set.insert(byte)
    set.insert(other)
    return set
  }

  mutating func parse() throws(RegularExpressionError) -> RegularExpressionNode {
    let node = try alternatives()
    if index < bytes.count {
      throw RegularExpressionError(message: "Unmatched ) or \\)")
    }
    return node
  }

  /// The operator at the current place, whichever way the dialect writes it.
  private func operation() -> UInt8? {
    guard index < bytes.count else { return nil }
    let byte = bytes[index]
    if byte == 0x5C {
      guard !isExtended, index + 1 < bytes.count, "(){}|+?".utf8.contains(bytes[index + 1]) else {
        return nil
      }
      return bytes[index + 1]
    }
    if byte == UInt8(ascii: "*") { return byte }
    return isExtended && "(){}|+?".utf8.contains(byte) ? byte : nil
  }

  private mutating func takeOperation() {
    index += bytes[index] == 0x5C ? 2 : 1
  }

  private mutating func alternatives() throws(RegularExpressionError) -> RegularExpressionNode {
    depth += 1
    defer { depth -= 1 }
    if depth > 100 { throw RegularExpressionError(message: "Regular expression too big") }
    var choices = [try sequence()]
    while operation() == UInt8(ascii: "|") {
      takeOperation()
      choices.append(try sequence())
    }
    return choices.count == 1 ? choices[0] : .choice(choices)
  }

  private mutating func sequence() throws(RegularExpressionError) -> RegularExpressionNode {
    var nodes: [RegularExpressionNode] = []
    let start = index
    while index < bytes.count {
      let operation = operation()
      if operation == UInt8(ascii: "|") { break }
      if operation == UInt8(ascii: ")") {
        if depth > 1 { break }
        if isExtended {
          // Alone, `)` stands for itself.
          index += 1
          nodes.append(.byte(UInt8(ascii: ")")))
          continue
        }
        throw RegularExpressionError(message: "Unmatched ) or \\)")
      }
      let isFirst = index == start || { if case .assert? = nodes.last { true } else { false } }()
      if let operation, "*+?{".utf8.contains(operation), isFirst && (nodes.isEmpty || !isExtended) {
        if !isExtended || operation == UInt8(ascii: "{") {
          nodes.append(.byte(operation))
          takeOperation()
          continue
        }
        takeOperation()
        continue
      }
      nodes.append(try repeated(try atom(atStart: index == start)))
    }
    return nodes.isEmpty ? .empty : nodes.count == 1 ? nodes[0] : .sequence(nodes)
  }

  private mutating func repeated(_ node: RegularExpressionNode) throws(RegularExpressionError)
    -> RegularExpressionNode
  {
    var node = node
    var count = 0
    while let operation = operation() {
      switch operation {
      case UInt8(ascii: "*"): node = .repeat(node, 0, nil)
      case UInt8(ascii: "+"): node = .repeat(node, 1, nil)
      case UInt8(ascii: "?"): node = .repeat(node, 0, 1)
      case UInt8(ascii: "{"):
        let bounds = try interval()
        node = .repeat(node, bounds.0, bounds.1)
        count += 1
        if count > 5 { throw RegularExpressionError(message: "Regular expression too big") }
        continue
      default: return node
      }
      count += 1
      if count > 50 { throw RegularExpressionError(message: "Regular expression too big") }
      takeOperation()
    }
    return node
  }

  /// The bounds of `{n,m}`.
  private mutating func interval() throws(RegularExpressionError) -> (Int, Int?) {
    takeOperation()
    func digits() -> (Int?, Int) {
      var at = index
      var value = 0
      while at < bytes.count, ShellParser.isDigit(bytes[at]) {
        value = min(value * 10 + Int(bytes[at] - 0x30), 1_000_000)
        at += 1
      }
      return (at > index ? value : nil, at)
    }
    let (least, afterLeast) = digits()
    index = afterLeast
    var most = least
    if index < bytes.count, bytes[index] == UInt8(ascii: ",") {
      index += 1
      let (value, after) = digits()
      most = value
      index = after
    }
    guard operation() == UInt8(ascii: "}"), least != nil || most != nil else {
      if index >= bytes.count {
        throw RegularExpressionError(message: isExtended ? "Unmatched { or \\{" : "Unmatched \\{")
      }
      throw RegularExpressionError(message: "Invalid content of \\{\\}")
    }
    takeOperation()
    let bound = max(least ?? 0, most ?? 0)
    if bound > 32_767 { throw RegularExpressionError(message: "Regular expression too big") }
    if let most, most < least ?? 0 {
      throw RegularExpressionError(message: "Invalid content of \\{\\}")
    }
    return (least ?? 0, most)
  }

  private mutating func atom(atStart: Bool) throws(RegularExpressionError) -> RegularExpressionNode
  {
    let byte = bytes[index]
    if operation() == UInt8(ascii: "(") {
      takeOperation()
      groups += 1
      let number = groups
      let inner = try alternatives()
      guard operation() == UInt8(ascii: ")") else {
        throw RegularExpressionError(message: "Unmatched ( or \\(")
      }
      takeOperation()
      return .group(inner, number)
    }
    switch byte {
    case UInt8(ascii: "."):
      index += 1
      var set = ByteSet()
      set.insert(0...255)
      return .set(set)
    case UInt8(ascii: "["):
      guard let (set, end) = ByteSet.bracket(bytes, after: index, negation: ["^"]) else {
        throw RegularExpressionError(message: "Unmatched [, [^, [:, [., or [=")
      }
      index = end + 1
      return .set(ignoresCase ? fold(set) : set)
    case UInt8(ascii: "^"):
      if isExtended || atStart || followsOpening() {
        index += 1
        return .assert(.lineStart)
      }
    case UInt8(ascii: "$"):
      if isExtended || index + 1 == bytes.count || precedesClosing() {
        index += 1
        return .assert(.lineEnd)
      }
    case 0x5C:
      guard index + 1 < bytes.count else {
        throw RegularExpressionError(message: "Trailing backslash")
      }
      let escaped = bytes[index + 1]
      index += 2
      return try escape(escaped)
    default: break
    }
    index += 1
    return literal(byte)
  }

  private func followsOpening() -> Bool {
    index >= 2 && bytes[index - 2] == 0x5C && "(|".utf8.contains(bytes[index - 1])
  }

  private func precedesClosing() -> Bool {
    index + 2 < bytes.count && bytes[index + 1] == 0x5C && ")|".utf8.contains(bytes[index + 2])
  }

  private func literal(_ byte: UInt8) -> RegularExpressionNode {
    if ignoresCase, let set = Self.folded(byte) { return .set(set) }
    return .byte(byte)
  }

  private func fold(_ set: ByteSet) -> ByteSet {
    var folded = set
    for byte in set.members {
      if let both = Self.folded(byte) { folded.formUnion(both) }
    }
    return folded
  }

  private func escape(_ byte: UInt8) throws(RegularExpressionError) -> RegularExpressionNode {
    func word(_ isNegated: Bool) -> RegularExpressionNode {
      var set = ByteSet.named("alnum") ?? ByteSet()
      set.insert(0x5F)
      if isNegated { set.invert() }
      return .set(set)
    }
    switch byte {
    case UInt8(ascii: "w"): return word(false)
    case UInt8(ascii: "W"): return word(true)
    case UInt8(ascii: "s"), UInt8(ascii: "S"):
      var set = ByteSet.named("space") ?? ByteSet()
      if byte == UInt8(ascii: "S") { set.invert() }
      return .set(set)
    case UInt8(ascii: "b"): return .assert(.wordBoundary)
    case UInt8(ascii: "B"): return .assert(.notWordBoundary)
    case UInt8(ascii: "<"): return .assert(.wordStart)
    case UInt8(ascii: ">"): return .assert(.wordEnd)
    case UInt8(ascii: "`"): return .assert(.lineStart)
    case 0x27: return .assert(.lineEnd)
    case UInt8(ascii: "n"): return .byte(0x0A)
    case UInt8(ascii: "t"): return .byte(0x09)
    case 0x31...0x39:
      throw RegularExpressionError(
        message: "back-references such as \\\(byte - 0x30) are not modelled",
        isRefusal: true
      )
    default: return literal(byte)
    }
  }
}

/// What is wrong with a regular expression, in the C library's words.
struct RegularExpressionError: Error {
  var message: String
  /// Whether the C library would take it and the model does not.
  var isRefusal = false
}

/// A POSIX regular expression over bytes, matched in time linear in the text.
///
/// The match is the leftmost and, of those, the longest. Back-references are not modelled.
struct RegularExpression {
  enum Syntax {
    case basic
    case extended
  }

  fileprivate enum Instruction {
    case byte(UInt8)
    case set(ByteSet)
    case split(Int, Int)
    case jump(Int)
    case save(Int)
    case assert(Assertion)
    case match
  }

  fileprivate enum Assertion {
    case lineStart
    case lineEnd
    case wordStart
    case wordEnd
    case wordBoundary
    case notWordBoundary
  }

  private var program: [Instruction] = []
  /// How many groups the expression has.
  private(set) var groups = 0

  static let sizeLimit = 20_000

  init(_ pattern: [UInt8], syntax: Syntax, ignoresCase: Bool = false)
    throws(RegularExpressionError)
  {
    var parser = RegularExpressionParser(pattern, syntax, ignoresCase)
    let node = try parser.parse()
    groups = parser.groups
    try compile(node)
    emit(.match)
  }

  /// A fixed text.
  init(literal: [UInt8], ignoresCase: Bool = false) {
    for byte in literal {
      if ignoresCase, let set = RegularExpressionParser.folded(byte) {
        emit(.set(set))
      } else {
        emit(.byte(byte))
      }
    }
    emit(.match)
  }

  private mutating func emit(_ instruction: Instruction) { program.append(instruction) }

  private mutating func compile(_ node: RegularExpressionNode) throws(RegularExpressionError) {
    if program.count > Self.sizeLimit {
      throw RegularExpressionError(message: "Regular expression too big")
    }
    switch node {
    case .empty: return
    case .byte(let byte): emit(.byte(byte))
    case .set(let set): emit(.set(set))
    case .assert(let assertion): emit(.assert(assertion))
    case .group(let inner, let number):
      emit(.save(number * 2))
      try compile(inner)
      emit(.save(number * 2 + 1))
    case .sequence(let nodes): for node in nodes { try compile(node) }
    case .choice(let nodes):
      var jumps: [Int] = []
      for (index, node) in nodes.enumerated() {
        if index < nodes.count - 1 {
          let split = program.count
          emit(.split(split + 1, 0))
          try compile(node)
          jumps.append(program.count)
          emit(.jump(0))
          program[split] = .split(split + 1, program.count)
        } else {
          try compile(node)
        }
      }
      for jump in jumps { program[jump] = .jump(program.count) }
    case .repeat(let inner, let least, let most):
      for _ in 0..<least { try compile(inner) }
      if let most {
        var splits: [Int] = []
        for _ in 0..<max(0, most - least) {
          splits.append(program.count)
          emit(.split(program.count + 1, 0))
          try compile(inner)
        }
        for split in splits { program[split] = .split(split + 1, program.count) }
      } else {
        let split = program.count
        emit(.split(split + 1, 0))
        try compile(inner)
        emit(.jump(split))
        program[split] = .split(split + 1, program.count)
      }
    }
  }

  /// Where the groups of the first match begin and end; the first pair is the whole match.
  func firstMatch(in text: [UInt8], from start: Int = 0) -> [Range<Int>?]? {
    let slots = groups * 2 + 2
    var current = ThreadList(program.count)
    var next = ThreadList(program.count)
    var best: [Int]?
    var at = start
    while true {
      if best == nil {
        var fresh = Array(repeating: -1, count: slots)
        fresh[0] = at
        add(0, fresh, text, at, &current)
      }
      if current.threads.isEmpty, best != nil { break }
      let byte: UInt8? = at < text.count ? text[at] : nil
      for thread in current.threads {
        // Of later beginnings none can win any more.
        if let best, thread.slots[0] > best[0] { continue }
        switch program[thread.at] {
        case .byte(let wanted):
          if wanted == byte { add(thread.at + 1, thread.slots, text, at + 1, &next) }
        case .set(let set):
          if let byte, set.contains(byte) { add(thread.at + 1, thread.slots, text, at + 1, &next) }
        case .match:
          if let found = best,
            found[0] < thread.slots[0] || found[0] == thread.slots[0] && found[1] >= at
          {
            continue
          }
          best = thread.slots
          best?[1] = at
        default: continue
        }
      }
      current.clear()
      swap(&current, &next)
      if byte == nil { break }
      at += 1
    }
    guard let best else { return nil }
    return (0...groups).map { group in
      let (from, to) = (best[group * 2], best[group * 2 + 1])
      return from >= 0 && to >= from ? from..<to : nil
    }
  }

  private struct Thread {
    var at: Int
    var slots: [Int]
  }

  private struct ThreadList {
    var threads: [Thread] = []
    var seen: [Bool]
    var marked: [Int] = []

    init(_ size: Int) { seen = Array(repeating: false, count: size) }

    mutating func clear() {
      threads.removeAll(keepingCapacity: true)
      for index in marked { seen[index] = false }
      marked.removeAll(keepingCapacity: true)
    }
  }

  /// Adds a thread and all that it reaches without reading a byte, most wanted first.
  private func add(
    _ start: Int,
    _ slots: [Int],
    _ text: [UInt8],
    _ at: Int,
    _ list: inout ThreadList
  ) {
    var stack = [Thread(at: start, slots: slots)]
    while var thread = stack.popLast() {
      while !list.seen[thread.at] {
        list.seen[thread.at] = true
        list.marked.append(thread.at)
        switch program[thread.at] {
        case .jump(let target): thread.at = target
        case .split(let first, let second):
          stack.append(Thread(at: second, slots: thread.slots))
          thread.at = first
        case .save(let slot):
          if slot < thread.slots.count { thread.slots[slot] = at }
          thread.at += 1
        case .assert(let assertion):
          if holds(assertion, text, at) { thread.at += 1 }
        case .byte, .set, .match:
          list.threads.append(thread)
        }
      }
    }
  }

  private func holds(_ assertion: Assertion, _ text: [UInt8], _ at: Int) -> Bool {
    func isWord(_ index: Int) -> Bool {
      text.indices.contains(index) && ShellParser.isName(text[index])
    }
    let before = isWord(at - 1)
    let after = isWord(at)
    switch assertion {
    case .lineStart: return at == 0
    case .lineEnd: return at == text.count
    case .wordStart: return !before && after
    case .wordEnd: return before && !after
    case .wordBoundary: return before != after
    case .notWordBoundary: return before == after
    }
  }
}

/// The tree of a regular expression.
private indirect enum RegularExpressionNode {
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
private struct RegularExpressionParser {
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

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

  enum Instruction {
    case byte(UInt8)
    case set(ByteSet)
    case split(Int, Int)
    case jump(Int)
    case save(Int)
    case assert(Assertion)
    case match
  }

  enum Assertion {
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

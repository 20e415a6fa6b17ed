import HopyardWire

/// A rule in the form in which packets meet it: the usual conditions in one flat value.
///
/// What does not fit is left in `matches`, which are looked at in their order.
struct CompiledRule {
  /// Which conditions are inverted, and which there are.
  struct Flags: OptionSet {
    let rawValue: UInt32
    static let invertSource = Flags(rawValue: 1)
    static let invertDestination = Flags(rawValue: 2)
    static let invertInput = Flags(rawValue: 4)
    static let invertOutput = Flags(rawValue: 8)
    static let invertProtocol = Flags(rawValue: 16)
    static let fragment = Flags(rawValue: 32)
    static let notFragment = Flags(rawValue: 64)
    static let ports = Flags(rawValue: 128)
    static let invertSourcePort = Flags(rawValue: 256)
    static let invertDestinationPort = Flags(rawValue: 512)
    static let inputPattern = Flags(rawValue: 1024)
    static let outputPattern = Flags(rawValue: 2048)
    static let connectionState = Flags(rawValue: 4096)
    static let invertConnectionState = Flags(rawValue: 8192)
    static let mark = Flags(rawValue: 16384)
    static let invertMark = Flags(rawValue: 32768)
    static let interfaces = Flags(rawValue: 65536)
    static let countsNothing = Flags(rawValue: 131072)
    static let more: Flags = [.ports, .connectionState, .mark]
  }

  var source: UInt32 = 0
  var sourceMask: UInt32 = 0
  var destination: UInt32 = 0
  var destinationMask: UInt32 = 0
  var flags: Flags = []
  /// Interned names, or indices of patterns that end in `+`; 0 for any.
  var input: UInt32 = 0
  var output: UInt32 = 0
  var sourcePorts: (UInt16, UInt16) = (0, .max)
  var destinationPorts: (UInt16, UInt16) = (0, .max)
  var mark: UInt32 = 0
  var markMask: UInt32 = 0
  var connectionStates: UInt16 = 0
  var `protocol`: UInt8 = 0
  var action = Action.next
  /// Of the chain's jumps, rejections or targets; depends on `action`.
  var operand: UInt32 = 0
  /// The general conditions that are left.
  var firstMatch: UInt32 = 0
  var matchCount: UInt16 = 0
  /// The run of rules that are found by a hash, plus 1; 0 for none.
  var run: UInt16 = 0
  /// The rule's first state slot.
  var firstState: UInt32 = 0

  /// What a rule does.
  enum Action: UInt8 {
    /// It only counts.
    case next
    case accept
    case drop
    case `return`
    case jump
    case goto
    /// Something that `Target` describes.
    case target
  }
}

/// A run of rules that all name one exact value of the same field.
struct RuleRun {
  enum Field: UInt8 {
    case destination, source, destinationPort, sourcePort
  }

  let field: Field
  let end: Int
  /// Open addressing: keys, and where their candidates begin in `candidates`.
  private let keys: [UInt64]
  private let candidates: [Int32]
  private let mask: Int

  /// Rules in a row that are worth a hash; below it reading on is as quick.
  static let minimumLength = 24

  init(field: Field, start: Int, end: Int, key: (Int) -> UInt32) {
    self.field = field
    self.end = end
    var size = 16
    while size < (end - start) * 2 { size *= 2 }
    mask = size - 1
    // Each key's rules in order, as a list that a negative number ends.
    var order: [(key: UInt32, rules: [Int32])] = []
    var place: [UInt32: Int] = [:]
    for rule in start..<end {
      let value = key(rule)
      if let known = place[value] {
        order[known].rules.append(Int32(rule))
      } else {
        place[value] = order.count
        order.append((value, [Int32(rule)]))
      }
    }
    var keys = [UInt64](repeating: 0, count: size)
    var candidates: [Int32] = []
    for (value, rules) in order {
      var position = Self.hash(value) & mask
      while keys[position] != 0 { position = (position + 1) & mask }
      keys[position] = UInt64(value) << 32 | UInt64(candidates.count + 1)
      candidates.append(contentsOf: rules)
      candidates.append(-1)
    }
    self.keys = keys
    self.candidates = candidates
  }

  @inline(__always)
  private static func hash(_ key: UInt32) -> Int {
    Int(truncatingIfNeeded: (UInt64(key) &* 0x9e37_79b9_7f4a_7c15) &>> 32)
  }

  /// Where the candidates for a key begin, or nil if no rule has it.
  @inline(__always)
  func candidates(for key: UInt32) -> Int? {
    var position = Self.hash(key) & mask
    while true {
      let slot = keys[position]
      if slot == 0 { return nil }
      if UInt32(truncatingIfNeeded: slot &>> 32) == key {
        return Int(UInt32(truncatingIfNeeded: slot)) &- 1
      }
      position = (position &+ 1) & mask
    }
  }

  /// The candidate at a place; negative at the end.
  @inline(__always)
  func candidate(_ place: Int) -> Int { Int(candidates[place]) }
}
